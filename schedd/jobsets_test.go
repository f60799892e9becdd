package schedd

import (
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// A23: a set is its clusters for as long as there has always been one of them in the queue;
// what has left is counted, and a later set of the name is another.
func TestAJobSetLivesWhileOneOfItsClustersDoes(t *testing.T) {
	inBubble(t, Config{}, func(c *clock) {
		sets := func(q api.JobSetsQuery) []api.JobSet {
			c.t.Helper()
			out, err := c.d.JobSets(c.t.Context(), me, q)
			if err != nil {
				c.t.Fatal(err)
			}
			return out.Sets
		}
		the := func() api.JobSet {
			c.t.Helper()
			s := sets(api.JobSetsQuery{Name: "x", Owner: me.Name})
			if len(s) != 1 {
				c.t.Fatalf("sets of that name: %+v", s)
			}
			return s[0]
		}
		remove := func(cluster int32) {
			c.propose(&ledger.Act{Verb: grid.Remove, Runs: []grid.Run{grid.WholeCluster(cluster)}, Reason: "r"})
			c.wait(time.Second)
		}
		submit := func(text string) int32 {
			c.wait(time.Second)
			return c.submit("requirements = false\n" + text)
		}
		submit("queue\n")
		// An earlier set of the name, whose end the next does not reach.
		early := submit("jobset = x\nqueue 9\n")
		remove(early)
		if s := sets(api.JobSetsQuery{}); len(s) != 0 {
			c.t.Errorf("what has no jobs is listed: %+v", s)
		}
		// A chain: when the first ends, the second is there, and so on.
		first := submit("jobset = x\nqueue 2\n")
		second := submit("jobset = x\nqueue 3\n")
		other := submit("jobset = y\nqueue 7\n")
		remove(first)
		third := submit("jobset = x\nqueue 4\n")
		one := grid.JobID{Cluster: second}
		c.ended(one, c.started(one), 0)
		c.propose(&ledger.Act{Verb: grid.Hold, Runs: []grid.Run{grid.OneJob(grid.JobID{Cluster: third, Proc: 1})}, Code: grid.HoldUser})
		want := api.JobSet{
			Name: "x", Owner: me.Name, ID: first, Clusters: 3, Existing: 2, Jobs: 9,
			Totals: api.Totals{Idle: 5, Held: 1}, Left: api.Totals{Completed: 1, Removed: 2},
		}
		check := func(when string) {
			c.t.Helper()
			got := the()
			if got.Submitted == 0 {
				c.t.Errorf("%s: it began at no time", when)
			}
			if got.Submitted = 0; got != want {
				c.t.Errorf("%s: it is\n%+v, not\n%+v", when, got, want)
			}
		}
		check("at first")
		remove(second)
		want.Existing, want.Totals.Idle, want.Left.Removed = 1, 3, 4
		check("when only the third is left")
		if s := sets(api.JobSetsQuery{}); len(s) != 2 || s[1].ID != other {
			c.t.Errorf("all sets: %+v", s)
		}
		if s := sets(api.JobSetsQuery{Owner: "nobody"}); len(s) != 0 {
			c.t.Errorf("nobody's sets: %+v", s)
		}
		remove(third)
		last := submit("jobset = x\nqueue\n")
		want = api.JobSet{Name: "x", Owner: me.Name, ID: last, Clusters: 1, Existing: 1, Jobs: 1, Totals: api.Totals{Idle: 1}}
		check("of a later one")

		// To remove all takes it out at once; it is no set while it is on its way.
		fourth := submit("jobset = x\nqueue 5\n")
		running := grid.JobID{Cluster: fourth}
		c.started(running)
		if _, err := c.d.Act(c.t.Context(), me, api.Action{Verb: "remove", Selection: api.Selection{JobSet: "x"}}); err != nil {
			c.t.Fatal(err)
		}
		if got := the(); got.Removed != 1 || got.Left.Removed != 5 || got.Existing != 1 {
			c.t.Errorf("while one is being removed: %+v", got)
		}
	})
}
