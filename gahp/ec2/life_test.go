package ec2_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
)

// What comes of a start and the stop after it, whatever goes wrong at the engine. In the
// end there is no machine of ours, and the other is as it was.
func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  conform.Fault
		healed time.Duration // after which it is over; 0: when the start has its result
		start  []string
		left   int // machines, when the start has its result
	}{
		{"nothing goes wrong", "", 0, []string{"0"}, 1},
		{"every answer is lost", conform.LoseAnswer, 0, []string{"0"}, 1},
		{"requests are lost for a while", conform.LoseRequest, 10 * time.Second, []string{"0"}, 1},
		{"all requests are lost", conform.LoseRequest, 0, []string{"1", "NEED_CHECK_VM_START"}, 0},
		{"the engine is silent", conform.Silent, 0, []string{"1", "NEED_CHECK_VM_START"}, 0},
		{"the engine is down for a while", conform.Down, time.Minute, []string{"0"}, 1},
		{"the engine is down", conform.Down, 0, []string{"1", "E_CURL_IO"}, 0},
		{"the credential is refused", conform.BadCredential, 0, []string{"1", "E_HTTP_RESPONSE_NOT_200 (401)"}, 0},
		{"no host fits, and what was made goes", conform.NoCapacity, 0, []string{"1", "InstanceLimitExceeded"}, 0},
		{"the quota is used up", conform.OverQuota, 0, []string{"1", "InstanceLimitExceeded"}, 0},
		{"listings break off", conform.BrokenListing, 0, []string{"0"}, 1},
		{"a create is slow", conform.SlowCreate, 0, []string{"0"}, 1},
		{"disks take minutes", conform.LongLock, 5 * time.Minute, []string{"0"}, 1},
		{"disks take too long", conform.LongLock, 0, []string{"1", "NEED_CHECK_VM_START"}, 1},
		{"a host is found late", conform.SlowBoot, 5 * time.Minute, []string{"0"}, 1},
		{"the guest heeds no shutdown", conform.DeafGuest, 0, []string{"0"}, 1},
		{"the guest powers off soon", conform.GuestPowersOff, 0, []string{"0"}, 1},
		{"the engine takes each create back", conform.RollBack, 0, []string{"1", "InternalError"}, 0},
		{"hosts are lost", conform.HostLost, 0, []string{"0"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine()
				heal := func() {}
				if c.fault != "" {
					heal = e.Inject(c.fault)
				}
				if c.healed > 0 {
					time.AfterFunc(c.healed, heal)
				}
				cl := connect(t, newService(e))
				got := cl.start()
				wantResult(t, "the start", got, c.start...)
				if left := ours(t, e); len(left) != c.left {
					t.Errorf("the start leaves %d machines, want %d: %+v", len(left), c.left, left)
				}
				heal()
				// A gridmanager starts again, with the token, or stops what it knows of.
				again := cl.start()
				wantResult(t, "the start after it", again, "0")
				if got[0] == "0" && again[1] != got[1] {
					t.Errorf("a second start of the token gives %s, the first gave %s", again[1], got[1])
				}
				wantResult(t, "the stop", cl.ask("EC2_VM_STOP", again[1]), "0")
				if left := ours(t, e); len(left) != 0 {
					t.Errorf("there are left: %+v", left)
				}
				if states := cl.states(); len(states) != 0 {
					t.Errorf("there are still listed: %v", states)
				}
			})
		})
	}
}

func TestAStopGoesOnUntilTheMachineIsGone(t *testing.T) {
	for _, f := range []conform.Fault{conform.LoseAnswer, conform.LoseRequest, conform.Down, conform.Silent, conform.HostLost} {
		t.Run(string(f), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine()
				cl := connect(t, newService(e))
				id := cl.start()[1]
				heal := e.Inject(f)
				stop := cl.begin("EC2_VM_STOP", id)
				time.Sleep(time.Minute)
				heal()
				got := cl.result(stop)
				if f == conform.Silent { // that call had no end
					wantResult(t, "the stop", got, "1", "E_CURL_IO")
					got = cl.ask("EC2_VM_STOP", id)
				}
				wantResult(t, "the stop", got, "0")
				if left := ours(t, e); len(left) != 0 {
					t.Errorf("there are left: %+v", left)
				}
				got = cl.ask("EC2_VM_STOP", id)
				wantResult(t, "a stop of what is gone", got, "1", "InvalidInstanceID.NotFound")
				if !strings.Contains(got[2], "InvalidInstanceID.NotFound") { // which a gridmanager looks for
					t.Errorf("the text is %q", got[2])
				}
			})
		})
	}
}

// The process ends at each of the moments of a start; the next one, with the token, goes
// on, and no machine is made or booted twice.
func TestAStartGoesOnInAnotherProcess(t *testing.T) {
	for after := time.Duration(0); after < 5*time.Second; after += 200 * time.Millisecond {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &counting{Engine: newEngine()}
				first := connect(t, newService(e))
				first.begin("EC2_VM_START", wanted(nil)...)
				time.Sleep(after)
				first.conn.Close()
				synctest.Wait()
				second := connect(t, newService(e))
				wantResult(t, "the start", second.start(), "0")
				if e.creates != 1 || e.starts != 1 {
					t.Errorf("it was made %d times and booted %d times", e.creates, e.starts)
				}
				if state := second.states()[token]; state != "running" && state != "pending" {
					t.Errorf("it is %s", state)
				}
			})
		})
	}
}

// counting counts what the engine has carried out.
type counting struct {
	*fake.Engine
	creates, starts int
}

func (e *counting) Create(ctx context.Context, o gahp.Order, c gahp.Create) (gahp.VM, error) {
	vm, err := e.Engine.Create(ctx, o, c)
	if err == nil {
		e.creates++
	}
	return vm, err
}

func (e *counting) Start(ctx context.Context, o gahp.Order, id string, s gahp.Start) error {
	err := e.Engine.Start(ctx, o, id, s)
	if err == nil {
		e.starts++
	}
	return err
}

func TestAGuestThatHasPoweredOffIsNotBootedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &counting{Engine: newEngine()}
		e.Inject(conform.GuestPowersOff)
		first := connect(t, newService(e))
		id := first.start()[1]
		time.Sleep(time.Minute)
		if state := first.states()[token]; state != "stopped" {
			t.Errorf("it is %s", state)
		}
		// Neither when the start is repeated there, nor in another process.
		for _, c := range []*client{first, connect(t, newService(e))} {
			wantResult(t, "the start", c.start(), "0", id)
			if state := c.states()[token]; state != "stopped" {
				t.Errorf("it is %s", state)
			}
		}
		if e.starts != 1 {
			t.Errorf("it was booted %d times", e.starts)
		}
	})
}

// A gridmanager takes what is not listed for gone, so a listing knows of each start that
// has had its result before it.
func TestAListingBesideAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &slowListing{Engine: newEngine()}
		cl := connect(t, newService(e))
		listing := cl.begin("EC2_VM_STATUS_ALL") // of before the start
		time.Sleep(time.Second)
		id := cl.start()[1]
		if words := cl.result(listing); !slices.Contains(words, id) {
			t.Errorf("the listing lacks what has been started meanwhile: %q", words)
		}
		wantResult(t, "the stop", cl.ask("EC2_VM_STOP", id), "0")
		if words := cl.ask("EC2_VM_STATUS_ALL"); len(words) != 1 {
			t.Errorf("the next listing is %q", words)
		}
	})
}

// slowListing takes its time for a listing, which is then of a while ago.
type slowListing struct{ *fake.Engine }

func (e *slowListing) List(ctx context.Context, prefix string) ([]gahp.VM, error) {
	vms, err := e.Engine.List(ctx, prefix)
	time.Sleep(time.Minute)
	return vms, err
}

func TestMachinesOfOthersAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		vm, err := e.Create(t.Context(), gahp.Order{}, gahp.Create{Name: "ec2-" + token, Template: conform.Worker, Mark: "somebody's"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // of the bubble: its disks are made
		cl := connect(t, newService(e))
		wantResult(t, "a start under its name", cl.start(), "1", "UnauthorizedOperation")
		wantResult(t, "a stop", cl.ask("EC2_VM_STOP", vm.ID), "1", "UnauthorizedOperation")
		wantResult(t, "its status", cl.ask("EC2_VM_STATUS", vm.ID), "1", "UnauthorizedOperation")
		if states := cl.states(); len(states) != 0 {
			t.Errorf("there are listed: %v", states)
		}
		if left := ours(t, e); len(left) != 1 || left[0].State != gahp.Down {
			t.Errorf("it is not as it was: %+v", left)
		}
	})
}

// A client looks for what it has started before it starts it again: what has not run is
// not there, and goes when nobody comes back to it.
func TestAMachineThatWasNotStarted(t *testing.T) {
	for _, again := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			e := &counting{Engine: newEngine()}
			pair := func(w map[string]string) {
				if again {
					w["pair"] = "SSH_a b"
				}
			}
			first := connect(t, newService(e))
			wantResult(t, "the pair", first.ask("EC2_VM_CREATE_KEYPAIR", "SSH_a b", "/dev/null"), "0")
			first.begin("EC2_VM_START", wanted(pair)...)
			time.Sleep(500 * time.Millisecond) // its disks are being made
			first.conn.Close()
			synctest.Wait()

			second := connect(t, newService(e))
			time.Sleep(abandoned - time.Minute)
			if states := second.states(); len(states) != 0 || len(ours(t, e.Engine)) != 1 {
				t.Errorf("there are listed %v", states)
			}
			if again {
				wantResult(t, "the pair", second.ask("EC2_VM_CREATE_KEYPAIR", "SSH_a b", "/dev/null"), "0")
				wantResult(t, "the start", second.ask("EC2_VM_START", wanted(pair)...), "0")
			}
			time.Sleep(2 * time.Minute)
			states := second.states()
			if (states[token] == "running") != again {
				t.Errorf("started again: %v, and there are listed %v", again, states)
			}
			time.Sleep(time.Minute)
			if left := ours(t, e.Engine); (len(left) == 1) != again || e.creates != 1 {
				t.Errorf("started again: %v, and there are left %+v", again, left)
			}
		})
	}
}

// abandoned is the age at which such a machine goes.
const abandoned = time.Hour

// No listing has a machine while it is being started: a client keeps the id of what it
// sees, and would wait for it for ever if the start were broken off then.
func TestAMachineIsNotListedBeforeItsStartIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		cl := connect(t, newService(e))
		start := cl.begin("EC2_VM_START", wanted(nil)...)
		for range 10 {
			time.Sleep(100 * time.Millisecond)
			if states := cl.states(); len(states) != 0 {
				t.Errorf("there are listed %v", states)
			}
		}
		wantResult(t, "the start", cl.result(start), "0")
		if states := cl.states(); len(states) != 1 {
			t.Errorf("there are listed %v", states)
		}
	})
}

// What a dead process has made and booted, a client that wants it no more finds, and ends.
func TestAMachineOfADeadProcessIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		heal := e.Add(fake.Rule{Verbs: []fake.Verb{fake.Remark}, Kind: gahp.EngineDown})
		first := connect(t, newService(e))
		first.begin("EC2_VM_START", wanted(nil)...)
		time.Sleep(4 * time.Second)
		first.conn.Close()
		time.Sleep(time.Second)
		heal()
		second := connect(t, newService(e))
		words := second.ask("EC2_VM_STATUS_ALL")
		if len(words) != 9 || words[2] != "running" {
			t.Fatalf("the listing is %q, want one that is running", words)
		}
		if mark := ours(t, e)[0].Mark; !strings.HasSuffix(mark, " started") {
			t.Errorf("its mark is %s", mark)
		}
		wantResult(t, "the stop", second.ask("EC2_VM_STOP", words[1]), "0")
		if left := ours(t, e); len(left) != 0 {
			t.Errorf("there are left: %+v", left)
		}
	})
}
