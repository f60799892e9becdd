package conform

import (
	"context"

	"gridburst/gahp"
)

// faultCases are about what is certain when an answer does not come.
var faultCases = []kase{
	{"a lost answer leaves what was done to be found", func(c *check) {
		const name = "gb-lost"
		heal := c.inject(LoseAnswer)
		_, err := c.Provider.Create(c.ctx, c.order(), plain(name))
		c.fails("create", err, gahp.Unknown)
		heal()
		m, err := c.Provider.Find(c.ctx, name)
		c.goes("find what may have been made", err)
		if m.Mark != plain(name).Mark {
			c.Errorf("it does not say that it is ours: %+v", m)
		}
		_, err = c.Provider.Create(c.ctx, c.order(), plain(name))
		c.fails("create again", err, gahp.NameInUse)
		c.exist(1, "then")
		c.reach(m.ID, gahp.Down)

		for _, order := range []struct {
			what string
			do   func() error
			then gahp.State
		}{
			{"start", func() error { return c.Provider.Start(c.ctx, c.order(), m.ID, gahp.Start{}) }, gahp.Up},
			{"shutdown", func() error { return c.Provider.Shutdown(c.ctx, c.order(), m.ID) }, gahp.Down},
			{"second start", func() error { return c.Provider.Start(c.ctx, c.order(), m.ID, gahp.Start{}) }, gahp.Up},
			{"stop", func() error { return c.Provider.Stop(c.ctx, c.order(), m.ID) }, gahp.Down},
		} {
			heal := c.inject(LoseAnswer)
			c.fails(order.what, order.do(), gahp.Unknown)
			heal()
			c.reach(m.ID, order.then)
		}
		heal = c.inject(LoseAnswer)
		c.fails("remove", c.Provider.Remove(c.ctx, c.order(), m.ID), gahp.Unknown)
		heal()
		c.gone(m.ID)
	}},

	{"a lost request leaves nothing to be found", func(c *check) {
		const name = "gb-unheard"
		heal := c.inject(LoseRequest)
		_, err := c.Provider.Create(c.ctx, c.order(), plain(name))
		c.fails("create", err, gahp.Unknown)
		heal()
		_, err = c.Provider.Find(c.ctx, name)
		c.fails("find", err, gahp.NotFound)
		m := c.down(name)
		for what, do := range map[string]func() error{
			"start":  func() error { return c.Provider.Start(c.ctx, c.order(), m.ID, gahp.Start{}) },
			"remove": func() error { return c.Provider.Remove(c.ctx, c.order(), m.ID) },
		} {
			heal = c.inject(LoseRequest)
			c.fails(what, do(), gahp.Unknown)
			heal()
			if s := c.get(m.ID).State; s != gahp.Down {
				c.Errorf("after a lost %s it is %s", what, s)
			}
		}
	}},

	{"an engine that is not reached has done nothing", func(c *check) {
		m := c.down("gb-out")
		heal := c.inject(Down)
		c.all(m.ID, []gahp.Kind{gahp.EngineDown}, []gahp.Kind{gahp.EngineDown})
		heal()
		if s := c.get(m.ID).State; s != gahp.Down {
			c.Errorf("it is %s", s)
		}
		c.exist(1, "then")
	}},

	{"a refused credential has done nothing", func(c *check) {
		m := c.down("gb-who")
		heal := c.inject(BadCredential)
		c.all(m.ID, []gahp.Kind{gahp.Unauthorized}, []gahp.Kind{gahp.Unauthorized})
		heal()
		if s := c.get(m.ID).State; s != gahp.Down {
			c.Errorf("it is %s", s)
		}
		c.exist(1, "then")
	}},

	{"a call ends with its context", func(c *check) {
		m := c.down("gb-patient")
		heal := c.inject(Silent)
		whole := c.ctx
		ctx, cancel := context.WithTimeout(whole, 200*ms)
		c.ctx = ctx
		c.fails("stop", c.Provider.Stop(c.ctx, c.order(), m.ID), unanswered...)
		cancel()
		// It has ended before these begin, so nobody hears them.
		c.all(m.ID, []gahp.Kind{gahp.EngineDown}, unanswered)
		for _, look := range []func(ctx context.Context) error{
			c.Provider.Ping,
			func(ctx context.Context) error { _, err := c.Provider.Get(ctx, m.ID); return err },
			func(ctx context.Context) error { _, err := c.Provider.List(ctx, ""); return err },
		} {
			ctx, cancel := context.WithTimeout(whole, 100*ms)
			c.fails("a look-up", look(ctx), unanswered...)
			cancel()
		}
		c.ctx = whole
		heal()
		if s := c.get(m.ID).State; s != gahp.Down {
			c.Errorf("it is %s", s)
		}
		c.start(m.ID)
		c.reach(m.ID, gahp.Up)
	}},

	{"a create that was cut off is found or not, and made once", func(c *check) {
		const name = "gb-cut"
		c.goes("ping", c.Provider.Ping(c.ctx)) // what follows is no login
		heal := c.inject(SlowCreate)
		ctx, cancel := context.WithTimeout(c.ctx, 100*ms)
		defer cancel()
		if _, err := c.Provider.Create(ctx, c.order(), plain(name)); err != nil { // a fast engine may win
			c.fails("create", err, unanswered...) // a slow machine may not come to asking
		}
		heal()
		c.until("a second create says what became of the first", func() bool {
			_, err := c.Provider.Create(c.ctx, c.order(), plain(name))
			if err != nil {
				c.fails("create again", err, gahp.NameInUse)
			}
			_, found := c.Provider.Find(c.ctx, name)
			return found == nil
		})
		c.exist(1, "then")
	}},

	{"a listing that breaks off is none", func(c *check) {
		m := c.down("gb-listed")
		heal := c.inject(BrokenListing)
		all, err := c.Provider.List(c.ctx, "gb-")
		c.fails("list", err, unanswered...)
		if len(all) > 0 {
			c.Errorf("it is half of one: %d machines", len(all))
		}
		heal()
		c.lists("gb-", []string{m.Name, Foreign})
	}},
}

// all asks everything of machine id, and wants orders and looks to fail.
func (c *check) all(id string, orders, looks []gahp.Kind) {
	c.Helper()
	p := c.Provider
	_, err := p.Create(c.ctx, c.order(), plain("gb-never"))
	c.fails("create", err, orders...)
	c.fails("start", p.Start(c.ctx, c.order(), id, gahp.Start{}), orders...)
	c.fails("shutdown", p.Shutdown(c.ctx, c.order(), id), orders...)
	c.fails("stop", p.Stop(c.ctx, c.order(), id), orders...)
	c.fails("remove", p.Remove(c.ctx, c.order(), id), orders...)
	c.fails("ping", p.Ping(c.ctx), looks...)
	_, err = p.Get(c.ctx, id)
	c.fails("get", err, looks...)
	_, err = p.Find(c.ctx, "gb-never")
	c.fails("find", err, looks...)
	_, err = p.List(c.ctx, "")
	c.fails("list", err, looks...)
	_, err = p.Templates(c.ctx)
	c.fails("templates", err, looks...)
}
