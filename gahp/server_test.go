package gahp_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
)

// person types at a server and reads what it says.
type person struct {
	t     *testing.T
	conn  net.Conn
	lines *bufio.Reader
	ended chan error
}

func sitDown(t *testing.T, p gahp.Provider, o gahp.ServerOptions) *person {
	t.Helper()
	ours, theirs := net.Pipe()
	d := &person{t: t, conn: ours, lines: bufio.NewReader(ours), ended: make(chan error, 1)}
	go func() {
		d.ended <- gahp.Serve(t.Context(), theirs, theirs, p, o)
		theirs.Close()
	}()
	t.Cleanup(func() { ours.Close() })
	if banner := d.hear(); !strings.HasPrefix(banner, "$GahpVersion: "+gahp.ProtocolVersion+" ") || !strings.HasSuffix(banner, " $") {
		t.Errorf("the banner is %q", banner)
	}
	return d
}

func (d *person) hear() string {
	d.t.Helper()
	line, err := d.lines.ReadString('\n')
	if err != nil {
		d.t.Fatalf("the server said no more: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (d *person) type_(line string) {
	d.t.Helper()
	if _, err := d.conn.Write([]byte(line + "\n")); err != nil {
		d.t.Fatalf("type %.80q: %v", line, err)
	}
}

func (d *person) ask(line, want string) {
	d.t.Helper()
	d.type_(line)
	if got := d.hear(); got != want && !(strings.HasSuffix(want, "*") && strings.HasPrefix(got, strings.TrimSuffix(want, "*"))) {
		d.t.Errorf("%.80q: the server says %.200q, want %q", line, got, want)
	}
}

// results asks until n results have come.
func (d *person) results(n int) (lines []string) {
	d.t.Helper()
	for len(lines) < n {
		d.type_("RESULTS")
		var came int
		if _, err := fmt.Sscanf(d.hear(), "S %d", &came); err != nil {
			d.t.Fatal(err)
		}
		for range came {
			lines = append(lines, d.hear())
		}
	}
	return lines
}

func (d *person) quit() {
	d.t.Helper()
	d.ask("QUIT", "S")
	if err := <-d.ended; err != nil {
		d.t.Errorf("the server ended with %v", err)
	}
}

func TestAPersonCanTypeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := sitDown(t, newEngine(), gahp.ServerOptions{Name: "a test", Built: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)})
		d.ask("version", `S $GahpVersion:\ 1.0.0\ Jan\ 31\ 2026\ a\ test\ $`)
		d.ask("COMMANDS\r", "S ASYNC_MODE_OFF ASYNC_MODE_ON COMMANDS CONDOR_VERSION QUIT RESPONSE_PREFIX RESULTS VERSION VM_ASSIGN VM_CANCEL VM_CHECK VM_COPY VM_CREATE VM_EVENTS VM_FIND VM_GET VM_LIST VM_PING VM_REMOVE VM_SHUTDOWN VM_START VM_STOP VM_TEMPLATES")
		d.ask("RESULTS", "S 0")
		for _, c := range []struct{ line, result string }{
			{"VM_PING 1 0", "1 NULL"},
			{"vm_find 2 5000 gb-someone-elses", "2 NULL fake-1 gb-someone-elses up NULL NULL template--0 192.0.2.1 2000-01-01T00:00:00Z NULL NULL NULL not\\ ours"},
			{`VM_CREATE 3 5000 1.1.1 m worker NULL 0 0 for\ a\ test mark #cloud-config\` + "\n" + `a:\ "b" NULL`, "3 NULL fake-2 m down NULL mark template-worker-2 NULL 2000-01-01T00:00:00Z NULL NULL NULL for\\ a\\ test"},
			{"VM_START 4 5000 1.1.2 fake-2 NULL", "4 NULL"},
			{"VM_REMOVE 5 5000 1.1.3 fake-2", `5 wrong_state m\ is\ up`},
			{"VM_STOP 6 5000 1.1.1 fake-2", `6 stale an\ old\ order\ came\ late:\ step\ 1\ of\ claim\ 1\ has\ been\ followed\ by\ step\ 3\ of\ claim\ 1`},
			{"VM_STOP 7 5000 1.1.4 fake-2", "7 NULL"},
			{"VM_REMOVE 8 5000 1.1.4 fake-2", "8 NULL"},
			{"VM_GET 9 5000 fake-2", `9 not_found there\ is\ no\ machine\ fake-2`},
			{"VM_LIST 10 5000 gb-", "10 NULL fake-1 gb-someone-elses up NULL NULL template--0 192.0.2.1 2000-01-01T00:00:00Z NULL NULL NULL not\\ ours 1"},
			{"VM_LIST 11 5000 nobody", "11 NULL 0"},
			{"VM_TEMPLATES 12 5000", "12 NULL template-worker-1 worker 1 ok 512 1 template-worker-2 worker 2 ok 1024 2 template-unfinished-1 unfinished 1 locked 512 1 3"},
		} {
			d.ask(c.line, "S")
			if got := d.results(1); got[0] != c.result {
				t.Errorf("%q:\n got %q\nwant %q", c.line, got[0], c.result)
			}
		}
		d.quit()
	})
}

func TestALineThatMakesNoSenseIsAnsweredWithE(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := sitDown(t, newEngine(), gahp.ServerOptions{})
		d.type_("") // asks for nothing
		for _, line := range []string{
			"VM_TEA 1 0", "QUIT now", "RESULTS 1", "RESPONSE_PREFIX", "VM_CANCEL", "S",
			"VM_PING", "VM_PING x 0", "VM_PING 0 0", "VM_PING -1 0", "VM_PING 1", "VM_PING 1 soon", "VM_PING 1 0 more",
			"VM_PING 1 99999999999999999999", "VM_GET 1 0", "VM_GET 1 0 NULL", "VM_STOP 1 0 1.1 id", "VM_STOP 1 0 1.1.x id",
			"VM_STOP 1 0 1.1.4294967296 id", "VM_CREATE 1 0 1.1.1 NULL worker NULL 0 0 NULL NULL NULL NULL",
			"VM_CREATE 1 0 1.1.1 m worker NULL big 0 NULL NULL NULL NULL", "VM_CREATE 1 0 1.1.1 m worker",
			"VM_FIND 1 0 a\x00b", "VM_FIND 1 0 " + strings.Repeat("x", gahp.MaxLine),
		} {
			d.ask(line, "E *")
		}
		d.ask("VM_PING 1 0", "S")
		d.ask("VM_PING 1 0", "E *") // the first is open until its result is taken
		if got := d.results(1); got[0] != "1 NULL" {
			t.Errorf("the request that made sense: %q", got)
		}
		d.ask("VM_PING 1 0", "S")
		d.quit()
	})
}

func TestResultsAreToldOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := sitDown(t, newEngine(), gahp.ServerOptions{})
		d.ask("VM_PING 1 0", "S")
		synctest.Wait()
		d.ask("ASYNC_MODE_ON", "S") // there is one already
		if got := d.hear(); got != "R" {
			t.Errorf("said %q, want R", got)
		}
		d.ask("VM_PING 2 0", "S")
		synctest.Wait()
		d.ask("VERSION", "S *") // and not a second R
		if got := d.results(2); got[0] != "1 NULL" || got[1] != "2 NULL" {
			t.Errorf("results %q", got)
		}
		d.ask("RESPONSE_PREFIX x:", "S")
		d.ask("VM_PING 3 0", "x:S")
		if got := d.hear(); got != "x:R" {
			t.Errorf("said %q, want x:R", got)
		}
		d.ask("ASYNC_MODE_OFF", "x:S")
		d.ask("VM_PING 4 0", "x:S")
		synctest.Wait()
		d.ask("RESULTS", "x:S 2")
		if got := []string{d.hear(), d.hear()}; got[0] != "x:3 NULL" || got[1] != "x:4 NULL" {
			t.Errorf("results %q", got)
		}
		d.ask("QUIT", "x:S")
	})
}

func TestARequestEndsWithItsTimeOrItsCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		e.Inject(conform.Silent)
		d := sitDown(t, e, gahp.ServerOptions{Deadline: time.Hour})
		d.ask("VM_STOP 1 2000 1.1.1 fake-1", "S")
		d.ask("VM_STOP 2 0 1.1.1 fake-1", "S")
		d.ask("VM_STOP 3 0 1.1.1 fake-1", "S")
		time.Sleep(3 * time.Second)
		if got := d.results(1); !strings.HasPrefix(got[0], `1 unknown no\ answer:\ the\ request's\ time\ of\ 2s`) {
			t.Errorf("after its time: %q", got)
		}
		d.ask("VM_CANCEL 2", "S")
		d.ask("VM_CANCEL 77", "S")
		if got := d.results(1); !strings.HasPrefix(got[0], "2 unknown ") {
			t.Errorf("after its cancellation: %q", got)
		}
		time.Sleep(2 * time.Hour)
		if got := d.results(1); !strings.HasPrefix(got[0], "3 unknown ") {
			t.Errorf("after the time of a request that names none: %q", got)
		}
		d.quit()
	})
}

// gate is a provider whose Ping waits at a gate.
type gate struct {
	gahp.Provider
	open  chan struct{}
	there atomic.Int32
	most  atomic.Int32
}

func (g *gate) Ping(ctx context.Context) error {
	n := g.there.Add(1)
	defer g.there.Add(-1)
	for m := g.most.Load(); n > m && !g.most.CompareAndSwap(m, n); m = g.most.Load() {
	}
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return &gahp.Error{Kind: gahp.Unknown, Text: context.Cause(ctx).Error()}
	}
}

func TestOnlySoManyCallsAreAtTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{Provider: newEngine(), open: make(chan struct{})}
		d := sitDown(t, g, gahp.ServerOptions{Concurrent: 2, Accepted: 5})
		for id := range 5 {
			d.ask(fmt.Sprintf("VM_PING %d 60000", id+1), "S")
		}
		d.ask("VM_PING 6 60000", "F *")
		synctest.Wait()
		if n := g.there.Load(); n != 2 {
			t.Errorf("%d calls are at the engine, want 2", n)
		}
		close(g.open)
		if got := d.results(5); len(got) != 5 {
			t.Errorf("results %q", got)
		}
		if n := g.most.Load(); n != 2 {
			t.Errorf("%d calls were at the engine at once, want 2", n)
		}
		d.quit()
	})
}

func TestTheEndOfTheInputIsTheEndOfTheServer(t *testing.T) {
	for _, c := range []struct {
		why    string
		quit   bool
		opened bool
	}{
		{"the client is gone and the call ends by itself", false, true},
		{"the client is gone and the call does not end", false, false},
		{"the client quits and the call does not end", true, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gate{Provider: newEngine(), open: make(chan struct{})}
				d := sitDown(t, g, gahp.ServerOptions{Concurrent: 1, Linger: 5 * time.Second})
				d.ask("VM_PING 1 0", "S")
				synctest.Wait()
				d.ask("VM_PING 2 0", "S") // waits for its turn, which it must not get
				synctest.Wait()
				if c.quit {
					d.ask("QUIT", "S")
				} else {
					d.conn.Close()
				}
				if c.opened {
					close(g.open)
				}
				if err := <-d.ended; err != nil {
					t.Errorf("the server ended with %v", err)
				}
				if n := g.there.Load(); n != 0 {
					t.Errorf("%d calls are left at the engine", n)
				}
				if n := g.most.Load(); n != 1 {
					t.Errorf("%d calls were at the engine, want 1", n)
				}
			})
		})
	}
}

// wild is a provider that does not keep its promises.
type wild struct{ gahp.Provider }

func (wild) Stop(context.Context, gahp.Order, string) error { return fmt.Errorf("no kind at all") }
func (wild) Get(context.Context, string) (gahp.VM, error) {
	return gahp.VM{}, &gahp.Error{Text: "an empty kind"}
}
func (wild) Find(context.Context, string) (gahp.VM, error) { return gahp.VM{ID: "a\x00b"}, nil }
func (wild) Remove(context.Context, gahp.Order, string) error {
	return &gahp.Error{Kind: gahp.Refused, Text: "\x00" + strings.Repeat("long ", 100_000)}
}

func TestWhatAProviderSaysUnsortedIsSorted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := sitDown(t, wild{newEngine()}, gahp.ServerOptions{})
		for _, c := range []struct{ line, want string }{
			{"VM_STOP 1 0 1.1.1 x", "1 unknown "},
			{"VM_GET 2 0 x", "2 engine_down "},
			{"VM_FIND 3 0 x", "3 engine_down "},
			{"VM_REMOVE 4 0 1.1.1 x", "4 refused "},
		} {
			d.ask(c.line, "S")
			if got := d.results(1); !strings.HasPrefix(got[0], c.want) || len(got[0]) > 10_000 {
				t.Errorf("%q: %.200q, want %q", c.line, got[0], c.want)
			}
		}
		d.quit()
	})
}

func TestALongListingComesInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stock := conform.Stock()
		for i := range 3000 {
			stock.Machines = append(stock.Machines, conform.Machine{Name: fmt.Sprintf("many-%d", i), State: gahp.Down, Description: strings.Repeat("d", 500)})
		}
		e := fake.New(fake.Config{Inventory: stock})
		d := sitDown(t, e, gahp.ServerOptions{})
		d.ask("VM_LIST 1 0 many-", "S")
		got := d.results(1)
		if len(got) < 10 {
			t.Errorf("%d parts", len(got))
		}
		for i, line := range got {
			if last := i == len(got)-1; len(line) > 200_000 || strings.HasPrefix(line, "1 NULL ") != last || strings.HasPrefix(line, "1 MORE ") == last {
				t.Errorf("part %d of %d: %d bytes, %.20q", i, len(got), len(line), line)
			}
		}
		if !strings.HasSuffix(got[len(got)-1], " 3000") {
			t.Error("the last part does not end with the number of machines")
		}
		d.quit()
		c := gahp.NewClient(gahp.Options{Dial: fake.Dial(e)})
		defer c.Close()
		if vms, err := c.List(t.Context(), "many-"); err != nil || len(vms) != 3000 {
			t.Errorf("a client has %d machines, %v", len(vms), err)
		}
	})
}
