package watch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/gahp"
	"gridburst/schedd/watch"
)

// engine shows what a test says, and counts how often it is asked.
type engine struct {
	sync.Mutex
	vms    []gahp.VM
	err    error
	takes  time.Duration
	asked  int
	news   []uint32
	losses int
}

func (e *engine) watch(t *testing.T) *watch.Watch {
	w := watch.New(watch.Options{
		List: func(ctx context.Context) ([]gahp.VM, error) {
			e.Lock()
			e.asked++
			vms, err, takes := slices.Clone(e.vms), e.err, e.takes
			e.Unlock()
			time.Sleep(takes)
			return vms, err
		},
		News: func(claim uint32) { e.Lock(); e.news = append(e.news, claim); e.Unlock() },
		Lost: func(error) { e.Lock(); e.losses++; e.Unlock() },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	e.Lock()
	t.Cleanup(func() { e.Unlock(); cancel(); <-done })
	return w
}

// pass lets time pass, and gives the news that there were. The test has the engine for
// itself but for this.
func (e *engine) pass(d time.Duration) []uint32 {
	e.Unlock()
	time.Sleep(d)
	synctest.Wait()
	e.Lock()
	news := e.news
	e.news = nil
	slices.Sort(news)
	return news
}

func up(n int) (out []gahp.VM) {
	for i := range n {
		out = append(out, gahp.VM{ID: fmt.Sprint(i), State: gahp.Up})
	}
	return out
}

// What it costs to watch machines does not depend on how many there are.
func TestAThousandMachinesAreWatchedByOneListing(t *testing.T) {
	for _, c := range []struct {
		name  string
		most  time.Duration
		since time.Duration // before the minute
		limit int
	}{
		{"that serve the pool", 15 * time.Second, time.Hour, 5},
		{"that are jobs", 3 * time.Second, time.Hour, 25},
		{"that are on their way", 2 * time.Second, time.Millisecond, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{vms: up(1000)}
				w := e.watch(t)
				since := time.Now()
				e.pass(c.since)
				look := func() {
					for i := range e.vms {
						w.Look(uint32(i), e.vms[i].ID, since, c.most)
					}
				}
				look()
				if news := e.pass(time.Second); len(news) != len(e.vms) {
					t.Fatalf("the first listing is news of %d machines", len(news))
				}
				look()
				e.asked = 0
				if news := e.pass(time.Minute); len(news) > 0 {
					t.Errorf("nothing happens, and there is news of %v", news)
				}
				t.Logf("a minute of 1,000 machines %s costs %d listings", c.name, e.asked)
				if e.asked == 0 || e.asked > c.limit {
					t.Errorf("%d listings in a minute, want some and at most %d", e.asked, c.limit)
				}
				e.vms[7].State = gahp.Down
				if news := e.pass(c.most + 2*time.Second); !slices.Equal(news, []uint32{7}) {
					t.Errorf("machine 7 is down, and there is news of %v", news)
				}
				if vm, seen := w.Look(7, "7", since, c.most); seen != watch.Here || vm.State != gahp.Down {
					t.Errorf("machine 7 is seen as %v %s", seen, vm.State)
				}
				for i := range e.vms {
					w.Forget(uint32(i))
				}
				e.pass(time.Minute)
				e.asked = 0
				if e.pass(time.Hour); e.asked > 0 {
					t.Errorf("nobody looks, and the engine is asked %d times", e.asked)
				}
			})
		})
	}
}

func TestAMachineIsGoneWhenTwoCompleteListingsDoNotShowIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{vms: up(2)}
		w := e.watch(t)
		since := time.Now()
		seen := func() watch.Seen {
			_, s := w.Look(1, "1", since, 3*time.Second)
			return s
		}
		seen()
		e.pass(time.Minute)
		if seen() != watch.Here {
			t.Fatal("it is not seen")
		}
		// A listing that is short once, and then fails for long.
		e.vms = up(1)
		for e.asked = 0; e.asked == 0; {
			e.pass(100 * time.Millisecond)
		}
		e.err = errors.New("503")
		e.pass(time.Hour)
		if s := seen(); s == watch.Gone {
			t.Error("one complete listing and many that failed, and it is gone")
		}
		if e.losses != 1 || w.Blind() == nil {
			t.Errorf("it was told %d times that there are no listings (now %v)", e.losses, w.Blind())
		}
		// It comes back: one listing that lacked it was wrong.
		e.vms, e.err = up(2), nil
		e.pass(time.Minute)
		if s := seen(); s != watch.Here || w.Blind() != nil {
			t.Errorf("it is shown again, and seen as %d (%v)", s, w.Blind())
		}
		e.vms = up(1)
		e.pass(time.Minute)
		if s := seen(); s != watch.Gone {
			t.Errorf("it was not shown for a minute, and is seen as %d", s)
		}
	})
}

// What a listing shows that began before an order was given is older than its effect.
func TestALookSeesNothingOlderThanItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{vms: up(1), takes: 10 * time.Second}
		w := e.watch(t)
		w.Look(1, "0", time.Now(), time.Second)
		e.pass(5 * time.Second) // a listing is on its way
		ordered := time.Now()
		e.vms[0].State = gahp.Down
		if _, seen := w.Look(1, "0", ordered, time.Second); seen != watch.NotYet {
			t.Errorf("seen as %d", seen)
		}
		e.pass(6 * time.Second)
		if _, seen := w.Look(1, "0", ordered, time.Second); seen != watch.NotYet {
			t.Errorf("by a listing that began before, it is seen as %d", seen)
		}
		e.pass(time.Minute)
		if vm, seen := w.Look(1, "0", ordered, time.Second); seen != watch.Here || vm.State != gahp.Down {
			t.Errorf("seen as %d %s", seen, vm.State)
		}
		// An engine that takes so long is asked for half of the time.
		e.asked = 0
		if e.pass(10 * time.Minute); e.asked < 20 || e.asked > 31 {
			t.Errorf("%d listings of 10 s in 10 min", e.asked)
		}
	})
}

func TestWhoSweepsSharesTheListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{vms: up(3), takes: time.Second}
		w := e.watch(t)
		for _, err := range []error{nil, errors.New("the engine is down")} {
			e.asked, e.err = 0, err
			done := make(chan struct{})
			began := time.Now()
			for range 5 {
				go func() {
					vms, got := w.After(t.Context(), began)
					if !errors.Is(got, err) || err == nil && len(vms) != 3 {
						t.Errorf("a listing of %d machines, %v; want %v", len(vms), got, err)
					}
					done <- struct{}{}
				}()
			}
			e.Unlock()
			for range 5 {
				<-done
			}
			e.Lock()
			if e.asked > 2 {
				t.Errorf("five ask for one listing, and %d are made", e.asked)
			}
		}
	})
}

func TestAWatchEndsAlsoWhileItLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{vms: up(1), takes: time.Minute}
		w := e.watch(t) // its cleanup waits for its end
		w.Look(1, "0", time.Now(), time.Second)
		e.pass(time.Second)
	})
}
