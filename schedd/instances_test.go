package schedd

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// historyOf is the history by jobs or executions, so many in a page: "12.0" or "12.0/3".
func (c *clock) historyOf(q api.HistoryQuery, between func()) (out []string) {
	c.t.Helper()
	q.Attributes, q.Evaluate = []string{"ClusterId", "ProcId", "RunInstanceID"}, true
	for {
		page, err := c.d.History(c.t.Context(), me, q)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, raw := range page.Jobs {
			var job struct{ ClusterId, ProcId, RunInstanceID int }
			if err := json.Unmarshal(raw, &job); err != nil {
				c.t.Fatal(err)
			}
			id := fmt.Sprintf("%d.%d", job.ClusterId, job.ProcId)
			if q.Epochs {
				id += fmt.Sprintf("/%d", job.RunInstanceID)
			}
			out = append(out, id)
		}
		if q.After = page.Next; page.Next == "" {
			return out
		}
		between()
	}
}

// A10: each execution is told once, those that ended with their job and those that did not,
// also of jobs that are in the queue.
func TestExecutionsAreToldOnceInPagesOfAnySize(t *testing.T) {
	inBubble(t, Config{}, func(c *clock) {
		stopped := func(id grid.JobID) {
			c.propose(&ledger.Report{List: []ledger.AttemptReport{{Job: id, Epoch: c.started(id), Kind: ledger.Stopped, Vacate: grid.VacateUser, Reason: "r"}}})
		}
		of := func(cluster, proc int32) grid.JobID { return grid.JobID{Cluster: cluster, Proc: proc} }
		one := c.submit("requirements = false\nqueue\n")
		stopped(of(one, 0))
		stopped(of(one, 0))
		c.ended(of(one, 0), c.started(of(one, 0)), 0)
		many := c.submit("requirements = false\nqueue 4\n")
		c.ended(of(many, 1), c.started(of(many, 1)), 0)
		stopped(of(many, 3))
		stopped(of(many, 3))
		stopped(of(many, 2))
		c.propose(&ledger.Act{Verb: grid.Remove, Runs: []grid.Run{{Cluster: many, Lo: 0, Hi: 3}}, Reason: "r"})
		kept := c.submit("leave_in_queue = JobStatus == 4\nrequirements = false\nqueue\n")
		c.ended(of(kept, 0), c.started(of(kept, 0)), 0)
		c.propose(&ledger.Act{Verb: grid.Remove, Runs: []grid.Run{grid.WholeCluster(kept)}, Reason: "r"})
		c.submit("requirements = false\nqueue\n")
		all := strings.Fields("3.0/1 2.3/2 2.3/1 2.2/1 2.1/1 1.0/3 1.0/2 1.0/1")
		for limit := 1; limit <= len(all)+1; limit++ {
			for _, q := range []struct {
				ids  []string
				want []string
			}{
				{nil, all},
				{[]string{"2"}, all[1:5]},
				{[]string{"1.0", "2.2-3"}, append(slices.Clone(all[1:4]), all[5:]...)},
				{[]string{"4"}, nil},
			} {
				got := c.historyOf(api.HistoryQuery{JobsQuery: api.JobsQuery{IDs: q.ids, Limit: limit}, Epochs: true}, func() {})
				if !slices.Equal(got, q.want) {
					c.t.Errorf("%v, %d at a time: %v, not %v", q.ids, limit, got, q.want)
				}
			}
		}
		if got := c.historyOf(api.HistoryQuery{JobsQuery: api.JobsQuery{Owner: "nobody"}, Epochs: true}, func() {}); got != nil {
			c.t.Errorf("of nobody: %v", got)
		}
		if got := c.historyOf(api.HistoryQuery{Since: 1 << 40, Epochs: true}, func() {}); got != nil {
			c.t.Errorf("of the future: %v", got)
		}
		for _, q := range []api.HistoryQuery{{Epochs: true, Forward: true}, {Epochs: true, JobsQuery: api.JobsQuery{After: "1.0"}}} {
			if _, err := c.d.History(c.t.Context(), me, q); grid.CodeOf(err) != grid.Invalid {
				c.t.Errorf("%+v: %v", q, err)
			}
		}
	})
}

// Jobs that are on their way to the history have the places in it that they will have:
// whoever reads it in pages meanwhile gets each job once.
func TestHistoryHasWhatIsOnItsWayToIt(t *testing.T) {
	for _, forward := range []bool{false, true} {
		for _, limit := range []int{1, 2, 3, 9} {
			inBubble(t, Config{}, func(c *clock) {
				c.submit("requirements = false\nqueue 2\n")
				c.submit("requirements = false\nqueue\n")
				c.submit("requirements = false\nqueue 2\n")
				c.propose(&ledger.Act{Verb: grid.Remove, Runs: []grid.Run{grid.WholeCluster(2)}, Reason: "before"})
				c.wait(1e9)
				c.propose(&ledger.RemoveAll{Reason: "all"})
				c.wait(1e9)
				c.submit("requirements = false\nqueue\n")
				c.propose(&ledger.Act{Verb: grid.Remove, Runs: []grid.Run{grid.WholeCluster(4)}, Reason: "after"})
				want := strings.Fields("4.0 3.1 3.0 1.1 1.0 2.0")
				if forward {
					slices.Reverse(want)
				}
				q := api.HistoryQuery{JobsQuery: api.JobsQuery{Limit: limit}, Forward: forward}
				if got := c.historyOf(q, func() {}); !slices.Equal(got, want) {
					c.t.Errorf("on the way, %d at a time: %v, not %v", limit, got, want)
				}
				if got := c.historyOf(q, func() { c.propose(&ledger.Clear{Max: 1}) }); !slices.Equal(got, want) {
					c.t.Errorf("while they are moved, %d at a time: %v, not %v", limit, got, want)
				}
				for c.propose(&ledger.Clear{Max: 1}).(int32) > 0 {
				}
				if got := c.historyOf(q, func() {}); !slices.Equal(got, want) {
					c.t.Errorf("in the history, %d at a time: %v, not %v", limit, got, want)
				}
			})
		}
	}
}
