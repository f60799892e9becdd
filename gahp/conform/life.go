package conform

import (
	"slices"

	"gridburst/gahp"
)

// lifeCases are about the states of a machine.
var lifeCases = []kase{
	{"a machine lives from its order to its end", func(c *check) {
		const name = "gb-life"
		m := c.create(name)
		if m.ID == "" || m.Name != name || m.Mark != plain(name).Mark || m.State != gahp.ImageLocked && m.State != gahp.Down {
			c.Errorf("create says %+v", m)
		}
		var seen []gahp.State
		follow := func(to gahp.State) {
			c.Helper()
			c.until("the machine is "+string(to), func() bool {
				s := c.get(m.ID).State
				if n := len(seen); n == 0 || seen[n-1] != s {
					seen = append(seen, s)
				}
				return s == to
			})
		}
		follow(gahp.Down)
		c.start(m.ID)
		follow(gahp.Up)
		if m := c.get(m.ID); m.Started.IsZero() {
			c.Errorf("a machine that is up was never started: %+v", m)
		}
		c.goes("shutdown", c.Provider.Shutdown(c.ctx, c.order(), m.ID))
		follow(gahp.Down)
		// A state may be too short to be seen, and none comes out of its turn.
		turn := []gahp.State{gahp.ImageLocked, gahp.Down, gahp.WaitForLaunch, gahp.PoweringUp, gahp.Up, gahp.PoweringDown, gahp.Down}
		for _, s := range seen {
			i := slices.Index(turn, s)
			if i < 0 {
				c.Fatalf("the states were %v", seen)
			}
			turn = turn[i+1:]
		}
		c.goes("remove", c.Provider.Remove(c.ctx, c.order(), m.ID))
		c.gone(m.ID)
		c.exist(0, "at the end")
	}},

	{"a machine whose disks are being made is locked", func(c *check) {
		heal := c.inject(LongLock)
		m := c.create("gb-locked")
		if m.State != gahp.ImageLocked {
			c.Errorf("it is %s", m.State)
		}
		c.fails("start", c.Provider.Start(c.ctx, c.order(), m.ID, gahp.Start{}), gahp.Locked)
		c.fails("shutdown", c.Provider.Shutdown(c.ctx, c.order(), m.ID), gahp.Locked)
		c.fails("stop", c.Provider.Stop(c.ctx, c.order(), m.ID), gahp.Locked)
		c.fails("remove", c.Provider.Remove(c.ctx, c.order(), m.ID), gahp.Locked)
		if now := c.truth(m.Name); now == nil || now.State != gahp.ImageLocked {
			c.Errorf("it is now %+v", now)
		}
		heal()
		c.reach(m.ID, gahp.Down)
		c.start(m.ID)
		c.reach(m.ID, gahp.Up)
	}},

	{"a machine that is on its way up, or there, is not started again", func(c *check) {
		heal := c.inject(SlowBoot)
		m := c.down("gb-twice")
		c.start(m.ID)
		c.fails("start while it boots", c.Provider.Start(c.ctx, c.order(), m.ID, gahp.Start{UserData: "another"}), gahp.WrongState, gahp.Locked)
		if s := c.get(m.ID).State; s != gahp.WaitForLaunch && s != gahp.PoweringUp {
			c.Errorf("it is %s", s)
		}
		c.fails("remove while it boots", c.Provider.Remove(c.ctx, c.order(), m.ID), gahp.WrongState)
		heal()
		c.reach(m.ID, gahp.Up)
		c.fails("start when it is up", c.Provider.Start(c.ctx, c.order(), m.ID, gahp.Start{UserData: "another"}), gahp.WrongState)
		if now := c.truth(m.Name); now == nil || now.Booted != plain(m.Name).UserData {
			c.Errorf("it has booted with other user data: %+v", now)
		}
	}},

	{"a machine can be switched off while it boots", func(c *check) {
		c.inject(SlowBoot)
		m := c.down("gb-early")
		c.start(m.ID)
		c.goes("stop", c.Provider.Stop(c.ctx, c.order(), m.ID))
		c.reach(m.ID, gahp.Down)
	}},

	{"a machine that runs is not removed", func(c *check) {
		m := c.up("gb-busy")
		c.fails("remove", c.Provider.Remove(c.ctx, c.order(), m.ID), gahp.WrongState)
		if s := c.get(m.ID).State; s != gahp.Up {
			c.Errorf("it is %s", s)
		}
		c.goes("stop", c.Provider.Stop(c.ctx, c.order(), m.ID))
		if m = c.reach(m.ID, gahp.Down); m.Stopped.IsZero() {
			c.Errorf("a machine that was switched off never stopped: %+v", m)
		}
		c.goes("remove", c.Provider.Remove(c.ctx, c.order(), m.ID))
		c.gone(m.ID)
	}},

	{"switching off what is off does nothing", func(c *check) {
		m := c.down("gb-off")
		c.goes("stop", c.Provider.Stop(c.ctx, c.order(), m.ID))
		c.goes("shutdown", c.Provider.Shutdown(c.ctx, c.order(), m.ID))
		if s := c.get(m.ID).State; s != gahp.Down {
			c.Errorf("it is %s", s)
		}
		c.start(m.ID)
		c.reach(m.ID, gahp.Up)
	}},

	{"a guest may ignore a shutdown and not a stop", func(c *check) {
		c.inject(DeafGuest)
		m := c.up("gb-deaf")
		c.goes("shutdown", c.Provider.Shutdown(c.ctx, c.order(), m.ID))
		for range 5 {
			c.pass(100 * ms)
			if s := c.get(m.ID).State; s != gahp.Up && s != gahp.PoweringDown {
				c.Errorf("it is %s", s)
			}
		}
		c.goes("stop", c.Provider.Stop(c.ctx, c.order(), m.ID))
		c.reach(m.ID, gahp.Down)
	}},

	{"a guest that powers off leaves a machine that is down", func(c *check) {
		c.inject(GuestPowersOff)
		m := c.down("gb-done")
		before := m.Stopped
		c.start(m.ID)
		c.until("the machine has been up", func() bool {
			m = c.get(m.ID)
			return m.State == gahp.Down && !m.Stopped.Equal(before)
		})
		if m.Stopped.IsZero() {
			c.Errorf("it never stopped: %+v", m)
		}
		c.goes("remove", c.Provider.Remove(c.ctx, c.order(), m.ID))
		c.gone(m.ID)
	}},

	{"a machine whose host is not seen is in no certain state", func(c *check) {
		m := c.up("gb-host")
		heal := c.inject(HostLost)
		c.reach(m.ID, gahp.UnknownState)
		c.fails("start", c.Provider.Start(c.ctx, c.order(), m.ID, gahp.Start{}), gahp.WrongState)
		c.fails("remove", c.Provider.Remove(c.ctx, c.order(), m.ID), gahp.WrongState)
		heal()
		c.reach(m.ID, gahp.Up)
	}},

	{"a machine that the engine takes back is gone", func(c *check) {
		heal := c.inject(RollBack)
		m := c.create("gb-taken-back")
		c.gone(m.ID)
		_, err := c.Provider.Find(c.ctx, m.Name)
		c.fails("find", err, gahp.NotFound)
		heal()
		if again := c.down(m.Name); again.ID == m.ID {
			c.Errorf("two machines had the id %s", m.ID)
		}
	}},
}
