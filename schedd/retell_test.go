package schedd

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/serve"
	"gridburst/schedd/userlog"
)

// Whether the log of commands still has all of it, some of it, or nothing: each event
// that can be known is told, and none twice.
func TestEventsAreToldAnewAlsoFromBeforeTheLog(t *testing.T) {
	p := newPlace(t, nil)
	w := p.worker("w1")
	p.submit(plainJob + "queue\n")
	s := w.start()
	w.started(s)
	w.exited(s, 3)
	p.until("1.0", "job_left")
	w.forgets()
	p.submit(plainJob + "hold = true\nqueue 2\n")
	p.act("remove", "2.1")
	p.until("2.1", "job_left")
	told := func(q api.EventsQuery, who serve.Identity) string {
		t.Helper()
		var b bytes.Buffer
		if err := p.live.d.RetellEvents(t.Context(), who, q, &b); err != nil {
			return string(grid.CodeOf(err))
		}
		events, n := userlog.Read(b.Bytes())
		if n != b.Len() {
			t.Errorf("%d of %d bytes are events", n, b.Len())
		}
		by := map[string][]string{}
		var jobs []string
		for i := range events {
			id := events[i].Job.String()
			if by[id] == nil {
				jobs = append(jobs, id)
			}
			by[id] = append(by[id], fmt.Sprintf("%03d", events[i].Number()))
		}
		var out []string
		for _, id := range jobs {
			out = append(out, id+": "+strings.Join(by[id], " "))
		}
		return strings.Join(out, ", ")
	}
	root := serve.Identity{Name: "root", Admin: true}
	const all = "1.0: 000 001 005, 2.0: 000 012, 2.1: 000 012 009"
	if got := told(api.EventsQuery{}, root); got != all {
		t.Errorf("of the whole log: %s", got)
	}
	// A removed job was held before; its ad knows only how it ended.
	const recalled = "1.0: 000 001 005, 2.0: 000 012, 2.1: 000 009"
	for keep := p.live.d.ledger.View().Index; keep > 0; keep-- {
		if _, err := p.live.d.ledger.Checkpoint(t.Context(), keep, p.live.d.now()); err != nil {
			t.Fatal(err)
		}
		if got := told(api.EventsQuery{Format: "json"}, root); got != all && got != recalled {
			t.Fatalf("with %d entries left: %s", keep, got)
		}
	}
	if got := told(api.EventsQuery{}, root); got != recalled {
		t.Errorf("of no log: %s", got)
	}
	p.act("release", "2.0")
	if got := told(api.EventsQuery{IDs: []string{"2.0"}, Format: "xml"}, root); got != "2.0: 000 013" {
		t.Errorf("released: %s", got)
	}
	for want, q := range map[string]api.EventsQuery{
		"not_found": {IDs: []string{"9"}}, "invalid": {IDs: []string{"x"}},
	} {
		if got := told(q, root); got != want {
			t.Errorf("%+v: %s", q, got)
		}
	}
	if got := told(api.EventsQuery{}, serve.Identity{Name: "other", UID: 1 << 30}); got != "not_found" {
		t.Errorf("somebody else is told %s", got)
	}
}
