package ledger

import (
	"path/filepath"
	"testing"

	"gridburst/internal/grid"
)

// What is done to a whole cluster in parts is what one command does, and no entry of it is
// longer than its bound, whatever had happened to the cluster's jobs before.
func TestPartsOfAClusterComeToTheWhole(t *testing.T) {
	const procs, bound = 600, 50
	every := func(n int32, from, to int32) (runs []grid.Run) {
		for proc := from; proc < to; proc += n {
			runs = append(runs, grid.OneJob(grid.JobID{Cluster: 1, Proc: proc}))
		}
		return runs
	}
	hold := func(runs ...grid.Run) Body { return &Act{Verb: grid.Hold, Runs: runs, Reason: "before"} }
	remove := func(runs ...grid.Run) Body { return &Act{Verb: grid.Remove, Runs: runs, Reason: "before"} }
	whole := grid.WholeCluster(1)
	for name, before := range map[string][]Body{
		"nothing":                          nil,
		"few were held":                    {hold(every(100, 0, procs)...)},
		"many were held, side by side":     {hold(grid.Run{Cluster: 1, Lo: 0, Hi: 400})},
		"every other was held":             {hold(every(2, 0, procs)...)},
		"every other is gone":              {remove(every(2, 0, procs)...)},
		"some are gone, and many held":     {remove(every(40, 0, procs)...), hold(every(3, 1, procs)...)},
		"all were held, one after another": {hold(every(2, 0, procs)...), hold(every(2, 1, procs)...)},
		"all but one are gone":             {remove(grid.Run{Cluster: 1, Lo: 0, Hi: procs - 1})},
		"all are gone":                     {remove(whole)},
	} {
		for verb, body := range map[string]func(Part) Body{
			"hold":   func(p Part) Body { return &Act{Verb: grid.Hold, Runs: []grid.Run{whole}, Part: p} },
			"remove": func(p Part) Body { return &Act{Verb: grid.Remove, Runs: []grid.Run{whole}, Part: p} },
			"edit": func(p Part) Body {
				return &Alter{Runs: []grid.Run{whole}, Attrs: []Attr{{Name: "A", Expr: "1"}}, Part: p}
			},
		} {
			t.Run(verb+" after "+name, func(t *testing.T) {
				made := func() *Machine {
					m, err := OpenMachine(filepath.Join(t.TempDir(), FileName), Options{NoSync: true})
					must(t, err)
					template := []byte("t")
					apply(m, Command{At: 1, By: "u", Body: &Submit{Owner: Owner{Name: "a", UID: 1}, Template: template, Hash: HashTemplate(template), Procs: procs}})
					for _, b := range before {
						apply(m, Command{At: 2, By: "u", Body: b})
					}
					return m
				}
				one, parts := made(), made()
				defer one.Close()
				defer parts.Close()
				want := apply(one, Command{At: 3, By: "u", Body: body(Part{})}).Value.(Acted)
				var got Acted
				for part := (Part{Max: bound}); part.Max > 0; part = got.Rest {
					after := parts.View().Index
					r := apply(parts, Command{At: 3, By: "u", Body: body(part)})
					if r.Err != nil {
						t.Fatal(r.Err)
					}
					done := r.Value.(Acted)
					events, _, err := parts.Events(t.Context(), after, 1)
					must(t, err)
					if len(events) > 2*(bound+1) { // a removal has two for each
						t.Fatalf("one entry has %d events", len(events))
					}
					got.Changed, got.Already, got.Refused, got.Missing, got.Rest = got.Changed+done.Changed, got.Already+done.Already, got.Refused+done.Refused, got.Missing+done.Missing, done.Rest
				}
				if got != want {
					t.Errorf("in parts %+v, at once %+v", got, want)
				}
				if a, b := parts.View().Tally(0), one.View().Tally(0); a != b {
					t.Errorf("in parts there are %v, at once %v", a, b)
				}
				for proc := range int32(procs) {
					id := grid.JobID{Cluster: 1, Proc: proc}
					a, in := parts.View().Job(id)
					b, also := one.View().Job(id)
					if in != also || a.Status != b.Status || a.Flags != b.Flags {
						t.Errorf("job %s is %+v in parts, and %+v at once", id, a, b)
					}
				}
				damage, err := parts.Check(3)
				must(t, err)
				if len(damage) > 0 {
					t.Error(damage)
				}
			})
		}
	}
}
