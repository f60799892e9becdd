package conform

import "gridburst/gahp"

// fenceCases are about orders that come too late.
var fenceCases = []kase{
	{"an order of an earlier step is stale", func(c *check) {
		at := func(term uint64, claim, epoch uint32) gahp.Order {
			return gahp.Order{Term: term, Claim: claim, Epoch: epoch}
		}
		m, err := c.Provider.Create(c.ctx, at(5, 2, 4), plain("gb-fence"))
		c.goes("create", err)
		c.reach(m.ID, gahp.Down)
		for what, old := range map[string]gahp.Order{
			"an earlier epoch": at(5, 2, 3), "an earlier claim": at(5, 1, 9), "an earlier term": at(4, 9, 9), "no claim of an earlier term": at(4, 0, 0),
		} {
			c.fails("start by "+what, c.Provider.Start(c.ctx, old, m.ID, gahp.Start{}), gahp.Stale)
			c.fails("shutdown by "+what, c.Provider.Shutdown(c.ctx, old, m.ID), gahp.Stale)
			c.fails("stop by "+what, c.Provider.Stop(c.ctx, old, m.ID), gahp.Stale)
			c.fails("remove by "+what, c.Provider.Remove(c.ctx, old, m.ID), gahp.Stale)
			_, err := c.Provider.Create(c.ctx, old, plain(m.Name))
			c.fails("create by "+what, err, gahp.Stale)
		}
		_, err = c.Provider.Create(c.ctx, at(4, 3, 1), plain("gb-late"))
		c.fails("create another by an earlier term", err, gahp.Stale)
		if s := c.get(m.ID).State; s != gahp.Down {
			c.Errorf("it is %s", s)
		}
		c.exist(1, "then")

		c.goes("start by the same step", c.Provider.Start(c.ctx, at(5, 2, 4), m.ID, gahp.Start{}))
		c.goes("stop by the next claim", c.Provider.Stop(c.ctx, at(5, 3, 1), m.ID))
		c.reach(m.ID, gahp.Down)
		c.fails("start by the claim before", c.Provider.Start(c.ctx, at(5, 2, 5), m.ID, gahp.Start{}), gahp.Stale)
		c.goes("start by the next term", c.Provider.Start(c.ctx, at(6, 1, 1), m.ID, gahp.Start{}))
		c.goes("stop by no claim", c.Provider.Stop(c.ctx, at(6, 0, 0), m.ID))
		c.reach(m.ID, gahp.Down)
		c.goes("remove", c.Provider.Remove(c.ctx, at(6, 1, 1), m.ID))
		c.gone(m.ID)
	}},
}
