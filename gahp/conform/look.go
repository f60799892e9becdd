package conform

import (
	"fmt"
	"slices"
	"sync"

	"gridburst/gahp"
)

// many is more machines than an engine shows on one page.
const many = 120

// lookCases are about what is found.
var lookCases = []kase{
	{"the engine answers", func(c *check) {
		c.goes("ping", c.Provider.Ping(c.ctx))
	}},

	{"templates are listed with their versions", func(c *check) {
		ts, err := c.Provider.Templates(c.ctx)
		c.goes("templates", err)
		for _, want := range Stock().Templates {
			i := slices.IndexFunc(ts, func(t gahp.Template) bool { return t.Name == want.Name && t.Version == want.Version })
			if i < 0 {
				c.Errorf("%s version %d is missing from %+v", want.Name, want.Version, ts)
				continue
			}
			got := ts[i]
			if want.ID = got.ID; got.ID == "" || got != want {
				c.Errorf("got %+v\nwant %+v", got, want)
			}
		}
	}},

	{"a machine is found by its whole name alone", func(c *check) {
		names := []string{"gb-x", "gb-x1", "gb-x10", "gb-x1-0", "gb_x1"}
		ids := map[string]string{}
		for _, name := range names {
			ids[name] = c.create(name).ID
		}
		for _, name := range names {
			m, err := c.Provider.Find(c.ctx, name)
			c.goes("find "+name, err)
			if m.ID != ids[name] || m.Name != name {
				c.Errorf("find %s: got %s with id %s, want id %s", name, m.Name, m.ID, ids[name])
			}
		}
		for _, name := range []string{"gb-", "gb-x11", "GB-X1", "gb-x1*", "gb-*", "*", "gb-x1 or name=gb-x", "gb-x 1", `gb-x"1`, "x1", "gb?x1", "gb.x1", "and", "page", "gb-x1-_"} {
			m, err := c.Provider.Find(c.ctx, name)
			if c.fails("find "+name, err, gahp.NotFound); err == nil {
				c.Errorf("it is %+v", m)
			}
		}
		for prefix, want := range map[string][]string{
			"gb-x":   {"gb-x", "gb-x1", "gb-x1-0", "gb-x10"},
			"gb-x1":  {"gb-x1", "gb-x1-0", "gb-x10"},
			"gb-x10": {"gb-x10"},
			"gb-x11": nil,
			"gb_":    {"gb_x1"},
			"GB-":    nil,
			"gb-*":   nil,
			"":       {Foreign, "gb-x", "gb-x1", "gb-x1-0", "gb-x10", "gb_x1"},
		} {
			c.lists(prefix, want)
		}
	}},

	{"a listing is of all machines, many as they are", func(c *check) {
		var want []string
		for i := range many {
			want = append(want, fmt.Sprintf("gb-many-%03d", i))
		}
		var makers sync.WaitGroup
		o := c.order()
		errs := make(chan error, many)
		next := make(chan string)
		for range 4 {
			makers.Go(func() {
				for name := range next {
					_, err := c.Provider.Create(c.ctx, o, plain(name))
					errs <- err
				}
			})
		}
		for _, name := range want {
			next <- name
		}
		close(next)
		makers.Wait()
		for range many {
			c.goes("create", <-errs)
		}
		c.create("gb-other")
		c.lists("gb-many-", want)
		c.lists("gb-many-11", want[110:])
		all, err := c.Provider.List(c.ctx, "")
		c.goes("list", err)
		if len(all) != many+2 {
			c.Errorf("%d machines are listed, want %d", len(all), many+2)
		}
	}},

	{"a listing says what a look at each says", func(c *check) {
		c.up("gb-one")
		c.down("gb-two")
		all, err := c.Provider.List(c.ctx, "gb-")
		c.goes("list", err)
		for _, got := range all {
			want := c.get(got.ID)
			byName, err := c.Provider.Find(c.ctx, got.Name)
			c.goes("find", err)
			for _, m := range []gahp.VM{got, byName} {
				if m.ID != want.ID || m.Name != want.Name || m.State != want.State || m.Mark != want.Mark || m.Template != want.Template ||
					m.Description != want.Description || !m.Created.Equal(want.Created) || !m.Started.Equal(want.Started) {
					c.Errorf("listed or found as %+v\nlooked at %+v", m, want)
				}
			}
			if truth := c.truth(got.Name); truth == nil || truth.ID != got.ID || truth.State != got.State {
				c.Errorf("listed as %+v\nis %+v", got, truth)
			}
		}
		if len(all) != 3 {
			c.Errorf("%d machines are listed, want 3", len(all))
		}
	}},

	{"nothing is found where nothing is", func(c *check) {
		m := c.down("gb-past")
		c.goes("remove", c.Provider.Remove(c.ctx, c.order(), m.ID))
		c.gone(m.ID)
		for _, id := range []string{m.ID, "no such id", "../templates", "a?b"} {
			_, err := c.Provider.Get(c.ctx, id)
			c.fails("get "+id, err, gahp.NotFound)
			c.fails("start "+id, c.Provider.Start(c.ctx, c.order(), id, gahp.Start{}), gahp.NotFound)
			c.fails("shutdown "+id, c.Provider.Shutdown(c.ctx, c.order(), id), gahp.NotFound)
			c.fails("stop "+id, c.Provider.Stop(c.ctx, c.order(), id), gahp.NotFound)
			c.fails("remove "+id, c.Provider.Remove(c.ctx, c.order(), id), gahp.NotFound)
		}
		_, err := c.Provider.Find(c.ctx, m.Name)
		c.fails("find", err, gahp.NotFound)
		c.lists("gb-past", nil)
	}},
}

// lists: a listing is of exactly those names.
func (c *check) lists(prefix string, want []string) {
	c.Helper()
	all, err := c.Provider.List(c.ctx, prefix)
	c.goes("list "+prefix, err)
	var got []string
	for _, m := range all {
		got = append(got, m.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		c.Errorf("machines that begin with %q: listed %v, want %v", prefix, got, want)
	}
}
