package conform

import (
	"strings"
	"sync"
	"time"

	"gridburst/gahp"
)

const ms = time.Millisecond

// awkward is user data in which every character counts.
var awkward = []string{
	"#cloud-config\nwrite_files:\n  - path: /etc/worker/token\n    content: \"a 'b' <c> &amp; & ]]> \\ \\n\"\nruncmd:\n  - [ sh, -c, 'echo \"$HOME\" > /x && true' ]\n",
	"two\n\n\nempty lines, no last one",
	"  blanks before, behind  ",
	"NULL",
	"\ttabs\tand CR LF\r\nas somebody's editor writes them\r\n",
	"ümläut € 漢字 🜁",
	"<?xml version=\"1.0\"?><!-- -->&#10;<![CDATA[x]]>",
	strings.Repeat("a long line of user data; ", 1000),
}

// createCases are about what is made.
var createCases = []kase{
	{"what was asked for is what was made", func(c *check) {
		want := gahp.Create{
			Name: "gb-asked", Template: Worker, Cluster: Cluster, MemoryMB: 512, Cores: 1, HostName: "guest-of-ours",
			Mark: `gridburst "d" <1> & 'claim' 2`, Description: "for <people> & \"others\"", UserData: "#cloud-config\n{}\n",
		}
		m, err := c.Provider.Create(c.ctx, c.order(), want)
		c.goes("create", err)
		got := c.truth(want.Name)
		if got == nil || got.ID != m.ID || got.MemoryMB != 512 || got.Cores != 1 || got.HostName != want.HostName ||
			got.Mark != want.Mark || got.Description != want.Description || got.UserData != want.UserData {
			c.Errorf("asked for %+v\n got %+v", want, got)
		}
		for what, m := range map[string]gahp.VM{"create": m, "get": c.get(m.ID)} {
			if m.Name != want.Name || m.Mark != want.Mark || m.Description != want.Description {
				c.Errorf("%s says %+v", what, m)
			}
		}
	}},

	{"what is not asked for is the newest template's", func(c *check) {
		m, err := c.Provider.Create(c.ctx, c.order(), gahp.Create{Name: "gb-default", Template: Worker})
		c.goes("create", err)
		got := c.truth("gb-default")
		if got == nil || got.Template != Worker || got.Version != 2 || got.MemoryMB != 1024 || got.Cores != 2 || got.HostName != "gb-default" || got.UserData != "" || got.Mark != "" {
			c.Errorf("got %+v", got)
		}
		c.reach(m.ID, gahp.Down)
		c.start(m.ID)
		c.reach(m.ID, gahp.Up)
	}},

	{"user data arrives as it was written", func(c *check) {
		for i, data := range awkward {
			create := plain("gb-data-" + string(rune('a'+i)))
			create.UserData = data
			m, err := c.Provider.Create(c.ctx, c.order(), create)
			c.goes("create", err)
			c.reach(m.ID, gahp.Down)
			if got := c.truth(m.Name); got == nil || got.UserData != data {
				c.Errorf("user data %.200q is kept as %+v", data, got)
			}
			c.start(m.ID)
			c.reach(m.ID, gahp.Up)
			if got := c.truth(m.Name); got == nil || got.Booted != data {
				c.Errorf("user data %.200q is given to the guest as %+v", data, got)
			}
		}
	}},

	{"user data of a start is for that boot", func(c *check) {
		m := c.down("gb-boot")
		for _, data := range awkward[:2] {
			c.goes("start", c.Provider.Start(c.ctx, c.order(), m.ID, gahp.Start{UserData: data}))
			c.reach(m.ID, gahp.Up)
			if got := c.truth(m.Name); got == nil || got.Booted != data || got.UserData != plain(m.Name).UserData {
				c.Errorf("started with %.200q: %+v", data, got)
			}
			c.goes("stop", c.Provider.Stop(c.ctx, c.order(), m.ID))
			c.reach(m.ID, gahp.Down)
		}
	}},

	{"what cannot travel is refused whole", func(c *check) {
		create := plain("gb-nul")
		create.UserData = "a\x00b"
		_, err := c.Provider.Create(c.ctx, c.order(), create)
		c.fails("create with a NUL in its user data", err, gahp.Refused)
		for _, name := range []string{"gb with blanks", "gb<tag>", strings.Repeat("gb-long-", 10)} {
			_, err := c.Provider.Create(c.ctx, c.order(), plain(name))
			c.fails("create a machine named "+name, err, gahp.Refused)
		}
		c.exist(0, "then")
		c.down("gb_1.longest" + strings.Repeat("-", 52))
	}},

	{"a name is given once", func(c *check) {
		m := c.create("gb-name")
		_, err := c.Provider.Create(c.ctx, c.order(), plain(m.Name))
		c.fails("a second create", err, gahp.NameInUse)
		c.reach(m.ID, gahp.Down)
		other := plain(m.Name)
		other.Mark, other.UserData, other.MemoryMB = "somebody else", "other", 512
		_, err = c.Provider.Create(c.ctx, c.order(), other)
		c.fails("a create with other wishes", err, gahp.NameInUse)
		_, err = c.Provider.Create(c.ctx, c.order(), plain(Foreign))
		c.fails("a create of a name that somebody else has", err, gahp.NameInUse)
		c.exist(1, "then")
		if got := c.truth(m.Name); got == nil || got.ID != m.ID || got.Mark != plain(m.Name).Mark {
			c.Errorf("the first is now %+v", got)
		}
		c.goes("remove", c.Provider.Remove(c.ctx, c.order(), m.ID))
		c.gone(m.ID)
		if again := c.down(m.Name); again.ID == m.ID {
			c.Errorf("two machines had the id %s", m.ID)
		}
	}},

	{"a name is taken while its machine is on its way", func(c *check) {
		heal := c.inject(SlowCreate)
		o := c.order()
		answers := make(chan error, 3)
		var all sync.WaitGroup
		defer all.Wait()
		for range cap(answers) {
			all.Go(func() {
				_, err := c.Provider.Create(c.ctx, o, plain("gb-race"))
				answers <- err
			})
		}
		for range cap(answers) - 1 {
			c.fails("a create that lost", <-answers, gahp.NameInUse)
		}
		heal()
		c.goes("the create that won", <-answers)
		c.exist(1, "then")
	}},

	{"there is no machine without its template or cluster", func(c *check) {
		for what, create := range map[string]gahp.Create{
			"a template that does not exist": {Name: "gb-none", Template: "no-such-template"},
			"a template that is locked":      {Name: "gb-none", Template: Unfinished},
			"the beginning of a template":    {Name: "gb-none", Template: Worker[:3]},
			"a cluster that does not exist":  {Name: "gb-none", Template: Worker, Cluster: "no-such-cluster"},
		} {
			_, err := c.Provider.Create(c.ctx, c.order(), create)
			c.fails("create from "+what, err, gahp.NoTemplate)
		}
		c.exist(0, "then")
		c.down("gb-none")
	}},

	{"a quota stops a create", func(c *check) {
		heal := c.inject(OverQuota)
		_, err := c.Provider.Create(c.ctx, c.order(), plain("gb-quota"))
		c.fails("create", err, gahp.Quota)
		c.exist(0, "then")
		heal()
		c.down("gb-quota")
	}},

	{"no host stops a start and leaves the machine down", func(c *check) {
		m := c.down("gb-full")
		heal := c.inject(NoCapacity)
		c.fails("start", c.Provider.Start(c.ctx, c.order(), m.ID, gahp.Start{}), gahp.NoCapacity)
		if s := c.get(m.ID).State; s != gahp.Down {
			c.Errorf("it is %s", s)
		}
		heal()
		c.start(m.ID)
		c.reach(m.ID, gahp.Up)
	}},
}
