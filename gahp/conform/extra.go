package conform

import (
	"slices"
	"strings"

	"gridburst/gahp"
)

// extra is what the provider can do beside.
func (c *check) extra() gahp.Extra { return gahp.ExtraOf(c.Provider) }

// extraCases are about what belongs to a machine and what is kept of it. A provider that
// has nothing of that does not pass them.
var extraCases = []kase{
	{"an instance type is a size, and what is asked for counts before it", func(c *check) {
		for name, want := range map[string]struct {
			mb    int64
			cores int
		}{"gb-typed": {0, 0}, "gb-more": {512, 1}} {
			create := plain(name)
			create.InstanceType, create.MemoryMB, create.Cores = Medium, want.mb, want.cores
			_, err := c.Provider.Create(c.ctx, c.order(), create)
			c.goes("create", err)
			if want.mb == 0 {
				want.mb, want.cores = 4096, 2
			}
			if got := c.truth(name); got == nil || got.InstanceType != Medium || got.MemoryMB != want.mb || got.Cores != want.cores {
				c.Errorf("got %+v, want %s with %d MiB and %d cores", got, Medium, want.mb, want.cores)
			}
		}
		create := plain("gb-odd")
		create.InstanceType = "no-such-type"
		_, err := c.Provider.Create(c.ctx, c.order(), create)
		c.fails("create of a type that does not exist", err, gahp.Refused)
		c.exist(2, "then")
	}},

	{"a machine counts in the quota that it is asked for in", func(c *check) {
		create := plain("gb-counted")
		create.Quota = Project
		_, err := c.Provider.Create(c.ctx, c.order(), create)
		c.goes("create", err)
		if got := c.truth(create.Name); got == nil || got.Quota != Project {
			c.Errorf("got %+v", got)
		}
		create = plain("gb-uncounted")
		create.Quota = "no-such-quota"
		_, err = c.Provider.Create(c.ctx, c.order(), create)
		c.fails("create in a quota that does not exist", err, gahp.Refused)
		c.exist(1, "then")
	}},

	{"a machine is in its groups once", func(c *check) {
		m := c.down("gb-grouped")
		for range 2 {
			c.goes("assign", c.extra().Assign(c.ctx, c.order(), m.ID, gahp.Assign{Affinity: []string{Apart}, Tags: []string{"grid", "alice"}}))
			if got := c.truth(m.Name); got == nil || got.Affinity != Apart || got.Tags != "alice,grid" {
				c.Errorf("it is %+v", got)
			}
		}
		c.goes("assign to nothing", c.extra().Assign(c.ctx, c.order(), m.ID, gahp.Assign{}))
		c.fails("assign to a group that does not exist", c.extra().Assign(c.ctx, c.order(), m.ID, gahp.Assign{Affinity: []string{"no-such-group"}}), gahp.Refused)
		c.fails("assign what is not there", c.extra().Assign(c.ctx, c.order(), nowhere, gahp.Assign{Affinity: []string{Apart}}), gahp.NotFound)
		if got := c.truth(m.Name); got == nil || got.Affinity != Apart {
			c.Errorf("it is %+v", got)
		}
		c.start(m.ID)
		c.reach(m.ID, gahp.Up)
	}},

	{"a copy outlives its machine", func(c *check) {
		m := c.down("gb-copied")
		kept := gahp.Copy{Name: "kept-of-it", Mark: "gridburst conform copy"}
		c.fails("the first order", c.extra().Copy(c.ctx, c.order(), m.ID, kept), gahp.Locked)
		c.until("the copy is ready", func() bool {
			err := c.extra().Copy(c.ctx, c.order(), m.ID, kept)
			if err != nil {
				c.fails("an order while it is made", err, gahp.Locked)
			}
			return err == nil
		})
		c.reach(m.ID, gahp.Down)
		c.goes("remove", c.Provider.Remove(c.ctx, c.order(), m.ID))
		c.gone(m.ID)
		ts, err := c.Provider.Templates(c.ctx)
		c.goes("templates", err)
		if n := len(slices.DeleteFunc(ts, func(t gahp.Template) bool { return t.Name != kept.Name || t.State != "ok" })); n != 1 {
			c.Errorf("there are %d templates %s that are ready, want 1", n, kept.Name)
		}
		again := plain("gb-again")
		again.Template = kept.Name
		_, err = c.Provider.Create(c.ctx, c.order(), again)
		c.goes("create from the copy", err)
	}},

	{"another's template is not taken for a copy", func(c *check) {
		m := c.down("gb-clash")
		c.fails("copy", c.extra().Copy(c.ctx, c.order(), m.ID, gahp.Copy{Name: Worker, Mark: "gridburst conform copy"}), gahp.NameInUse)
		if s := c.get(m.ID).State; s != gahp.Down {
			c.Errorf("it is %s", s)
		}
	}},

	{"a machine that runs is not copied", func(c *check) {
		m := c.up("gb-running")
		c.fails("copy", c.extra().Copy(c.ctx, c.order(), m.ID, gahp.Copy{Name: "kept-of-it", Mark: "gridburst conform copy"}), gahp.WrongState)
		if s := c.get(m.ID).State; s != gahp.Up {
			c.Errorf("it is %s", s)
		}
	}},

	{"an engine tells of a machine, in order, and of no other", func(c *check) {
		m := c.up("gb-told")
		c.up("gb-other")
		c.goes("stop", c.Provider.Stop(c.ctx, c.order(), m.ID))
		c.reach(m.ID, gahp.Down)
		es, err := c.extra().Events(c.ctx, m.ID)
		c.goes("events", err)
		if len(es) < 2 || !slices.IsSortedFunc(es, func(a, b gahp.Event) int { return a.At.Compare(b.At) }) {
			c.Errorf("it tells %+v", es)
		}
		for _, e := range es {
			if e.At.IsZero() || e.Severity == "" || !strings.Contains(e.Text, m.Name) {
				c.Errorf("it tells %+v", e)
			}
		}
	}},

	{"what has no answer is done once", func(c *check) {
		m := c.down("gb-lost")
		a := gahp.Assign{Affinity: []string{Apart}, Tags: []string{"grid"}}
		heal := c.inject(LoseAnswer)
		c.fails("assign", c.extra().Assign(c.ctx, c.order(), m.ID, a), gahp.Unknown)
		c.fails("copy", c.extra().Copy(c.ctx, c.order(), m.ID, gahp.Copy{Name: "kept-of-it", Mark: "gridburst conform copy"}), gahp.Unknown)
		heal()
		c.until("the copy is ready", func() bool {
			return c.extra().Copy(c.ctx, c.order(), m.ID, gahp.Copy{Name: "kept-of-it", Mark: "gridburst conform copy"}) == nil
		})
		c.reach(m.ID, gahp.Down)
		c.goes("assign again", c.extra().Assign(c.ctx, c.order(), m.ID, a))
		if got := c.truth(m.Name); got == nil || got.Affinity != Apart || got.Tags != "grid" {
			c.Errorf("it is %+v", got)
		}
	}},
}

// nowhere is an id that no machine has.
const nowhere = "5e000000-0000-4000-8000-000000000000"
