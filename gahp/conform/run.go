package conform

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"gridburst/gahp"
)

// Run judges the provider of h.
func Run(t *testing.T, h Harness) { h.run(t, plainCases) }

// RunExtra judges what the provider of h has of a [gahp.Extra].
func RunExtra(t *testing.T, h Harness) { h.run(t, extraCases) }

func (h Harness) run(t *testing.T, cases []kase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			judge(t, t, h.Start(t), c)
		})
	}
}

// T is what a case says its verdict to.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// judge runs one case, and looks after what was no business of it. tb is for faults
// and truth, t for the verdict.
func judge(t T, tb testing.TB, w World, k kase) {
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	c := &check{T: t, World: w, tb: tb, ctx: ctx}
	before := c.truth(Foreign)
	if before == nil {
		tb.Fatalf("the engine does not hold the stock: there is no machine %s", Foreign)
	}
	defer c.healAll()
	k.run(c)
	c.healAll()
	c.until("the machine of somebody else is as it was", func() bool {
		now := c.truth(Foreign)
		return now != nil && *now == *before
	})
}

// kase is one thing that every provider does.
type kase struct {
	name string
	run  func(c *check)
}

// plainCases are of every provider; each is in a world of its own.
var plainCases = slices.Concat(lifeCases, createCases, lookCases, faultCases, fenceCases)

// cases lists all.
func cases() []kase { return slices.Concat(plainCases, extraCases) }

// patience bounds a case. It is for what never comes; nothing here takes it.
const patience = 2 * time.Minute

// check is a case at work.
type check struct {
	T
	World
	tb    testing.TB
	ctx   context.Context
	heals []func()
	step  uint32
}

// order is the next of a schedd that does one thing after another.
func (c *check) order() gahp.Order {
	c.step++
	return gahp.Order{Term: 3, Claim: 1, Epoch: c.step}
}

// inject lets f happen until heal is called, or the case ends.
func (c *check) inject(f Fault) (heal func()) {
	c.Helper()
	heal = c.Inject(c.tb, f)
	c.heals = append(c.heals, heal)
	return heal
}

func (c *check) healAll() {
	for _, heal := range c.heals {
		heal()
	}
}

// truth is what is true of the machine of that name; nil when there is none.
func (c *check) truth(name string) *Machine {
	c.Helper()
	all := c.Machines(c.tb)
	if i := slices.IndexFunc(all, func(m Machine) bool { return m.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// exist says how many machines there are beside the foreign one.
func (c *check) exist(want int, when string) {
	c.Helper()
	if n := len(c.Machines(c.tb)) - 1; n != want {
		c.Errorf("%s the engine has %d machines, want %d", when, n, want)
	}
}

// until lets time pass until it is so.
func (c *check) until(what string, is func() bool) {
	c.Helper()
	const first, longest = 10 * time.Millisecond, 500 * time.Millisecond
	for d, waits := first, 0; !is(); d, waits = min(2*d, longest), waits+1 {
		if c.ctx.Err() != nil || waits == 1000 {
			c.Fatalf("it does not come to be that %s", what)
		}
		c.pass(d)
	}
}

// pass lets time pass at the engine.
func (c *check) pass(d time.Duration) {
	if c.Pass != nil {
		c.Pass(d)
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
	}
}

// kindOf is the kind of an error that a provider may give; "" of any other.
func kindOf(err error) gahp.Kind {
	var e *gahp.Error
	if errors.As(err, &e) && slices.Contains(gahp.Kinds, e.Kind) && e.Text != "" {
		return e.Kind
	}
	return ""
}

// fails: err is of one of those kinds.
func (c *check) fails(what string, err error, kinds ...gahp.Kind) {
	c.Helper()
	if err == nil {
		c.Errorf("%s went well, and should fail with %v", what, kinds)
	} else if !slices.Contains(kinds, kindOf(err)) {
		c.Errorf("%s fails with %q (%v), and should with %v and a sentence", what, kindOf(err), err, kinds)
	}
}

// unanswered are the kinds of what had no answer in its time.
var unanswered = []gahp.Kind{gahp.Unknown, gahp.EngineDown}

// goes: err is none.
func (c *check) goes(what string, err error) {
	c.Helper()
	if err != nil {
		c.Fatalf("%s: %v", what, err)
	}
}

// plain is an ordinary machine.
func plain(name string) gahp.Create {
	return gahp.Create{Name: name, Template: Worker, Mark: "gridburst conform " + name, Description: "made by a test", UserData: "#cloud-config\n"}
}

// create makes an ordinary machine.
func (c *check) create(name string) gahp.VM {
	c.Helper()
	m, err := c.Provider.Create(c.ctx, c.order(), plain(name))
	c.goes("create "+name, err)
	return m
}

// down makes an ordinary machine and waits until it can be started.
func (c *check) down(name string) gahp.VM {
	c.Helper()
	return c.reach(c.create(name).ID, gahp.Down)
}

// up makes an ordinary machine and waits until it is up.
func (c *check) up(name string) gahp.VM {
	c.Helper()
	m := c.down(name)
	c.start(m.ID)
	return c.reach(m.ID, gahp.Up)
}

func (c *check) start(id string) {
	c.Helper()
	c.goes("start", c.Provider.Start(c.ctx, c.order(), id, gahp.Start{}))
}

func (c *check) get(id string) gahp.VM {
	c.Helper()
	m, err := c.Provider.Get(c.ctx, id)
	c.goes("get", err)
	return m
}

// reach waits until a machine is in a state.
func (c *check) reach(id string, s gahp.State) (m gahp.VM) {
	c.Helper()
	c.until("machine "+id+" is "+string(s), func() bool {
		m = c.get(id)
		return m.State == s
	})
	return m
}

// gone waits until there is no machine with that id.
func (c *check) gone(id string) {
	c.Helper()
	c.until("machine "+id+" is gone", func() bool {
		_, err := c.Provider.Get(c.ctx, id)
		if err != nil {
			c.fails("get a machine that goes", err, gahp.NotFound)
		}
		return err != nil
	})
}
