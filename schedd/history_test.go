package schedd

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/internal/wire"
	"gridburst/schedd/api"
)

// The history is read in pages of any size, from its end or from its beginning, of all
// jobs or of those that are named; and it is the same history.
func TestHistoryInPages(t *testing.T) {
	p := newPlace(t, nil)
	for _, n := range []int{1, 5, 3, 1} {
		p.submit(plainJob + fmt.Sprintf("queue %d\n", n))
	}
	for _, id := range []string{"3.1", "2", "4", "3", "1"} { // the order in which they leave
		for begun := time.Now().UnixMilli(); time.Now().UnixMilli() == begun; { // each in a millisecond of its own
		}
		p.act("remove", id)
	}
	ids := func(q api.HistoryQuery) (out []string) {
		t.Helper()
		q.Attributes, q.Evaluate = []string{"ClusterId", "procid", "PROCID"}, true
		for raw, err := range p.History(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			var job struct{ ClusterId, ProcId int }
			if err := json.Unmarshal(raw, &job); err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("%d.%d", job.ClusterId, job.ProcId))
		}
		return out
	}
	all := ids(api.HistoryQuery{})
	if want := strings.Fields("1.0 3.2 3.0 4.0 2.4 2.3 2.2 2.1 2.0 3.1"); !slices.Equal(all, want) {
		t.Fatalf("the history is %v", all)
	}
	named := ids(api.HistoryQuery{JobsQuery: api.JobsQuery{IDs: []string{"2.1-3", "3", "2.0"}}})
	if want := []string{"3.2", "3.1", "3.0", "2.3", "2.2", "2.1", "2.0"}; !slices.Equal(named, want) {
		t.Errorf("of those ids there are %v, want %v", named, want)
	}
	for _, forward := range []bool{false, true} {
		for limit := 1; limit <= 11; limit++ {
			for _, of := range []struct {
				ids  []string
				want []string
			}{{nil, all}, {[]string{"2.1-3", "3", "2.0"}, named}} {
				want := slices.Clone(of.want)
				if forward {
					slices.Reverse(want)
				}
				got := ids(api.HistoryQuery{JobsQuery: api.JobsQuery{IDs: of.ids, Limit: limit}, Forward: forward})
				if !slices.Equal(got, want) {
					t.Errorf("%v forward=%v, %d at a time: %v, want %v", of.ids, forward, limit, got, want)
				}
			}
		}
	}
	if late := ids(api.HistoryQuery{Since: 1 << 40}); len(late) != 0 {
		t.Errorf("from the future there are %v", late)
	}
}

// A removal of everything is answered when nothing waits any more, and what is removed is
// found in the history at every moment.
func TestRemovalOfAll(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	runs := p.submit(plainJob + "queue\n")
	s := w.start()
	w.started(s)
	p.until(fmt.Sprintf("%d.0", runs), "job_started")
	waits := p.submit(plainJob + "requirements = TARGET.Memory < 0\nqueue 3\n")
	out, err := p.Act(t.Context(), api.Action{Verb: "remove", Selection: api.Selection{All: true}})
	if err != nil || out.Changed != 4 {
		t.Fatalf("%+v %v", out, err)
	}
	for proc := range 3 {
		id := fmt.Sprintf("%d.%d", waits, proc)
		q := api.JobsQuery{IDs: []string{id}}
		if a, err := first(p.Jobs(t.Context(), q)); a != nil || err != nil {
			t.Errorf("%s is in the queue: %v", id, err)
		}
		a, err := first(p.History(t.Context(), api.HistoryQuery{JobsQuery: q}))
		if err != nil || a == nil || a.Int("JobStatus", 0) != 3 {
			t.Errorf("in the history %s is %v, %v", id, a, err)
		}
	}
	if k := w.kill(); k.Job != s.Job {
		t.Errorf("ended is %v", k.Job)
	}
	w.report(s, wire.Report{Kind: wire.Killed})
	p.until(fmt.Sprintf("%d.0", runs), "job_left")
	p.logged("job.log", "000 001 000 000 000 009 009 009 009")
}
