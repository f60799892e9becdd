package jobad

import (
	"slices"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// alone are the attributes of the record that differ between procs which share one.
var alone = []string{"procid", "globaljobid"}

// Alike reports whether an expression gives the same for every job of a stretch, whose
// first has the ad a: then it need be worked out once.
func (s *Session) Alike(a *ad.Ad, c *ledger.Cluster, e *ad.Expr) bool {
	t, err := s.template(c.Template)
	if err != nil {
		return false
	}
	return !Reaches(a, e, func(n string) bool { return slices.Contains(alone, n) || t.differs(n) })
}

// differs reports whether an attribute may differ between the procs of a cluster.
func (t *template) differs(folded string) bool {
	for i := range t.sections {
		for _, c := range t.sections[i].Columns {
			if strings.EqualFold(c.Attr, folded) {
				return true
			}
		}
		if len(t.sections) > 1 && slices.ContainsFunc(t.sections[i].Attrs, func(a ledger.Attr) bool { return strings.EqualFold(a.Name, folded) }) {
			return true
		}
	}
	return false
}

// opaque stands among names for any name.
const opaque = "*"

// Reaches reports whether an expression may look at an attribute of a that is chosen, by
// its folded name.
func Reaches(a *ad.Ad, e *ad.Expr, chosen func(folded string) bool) bool {
	for n := range reach(a, e) {
		if n == opaque || chosen(n) {
			return true
		}
	}
	return false
}

// reach is the attributes of a, folded, that an expression may look at.
func reach(a *ad.Ad, e *ad.Expr) map[string]bool {
	seen := map[string]bool{}
	for todo := []*ad.Expr{e}; len(todo) > 0; {
		refs := todo[0].Refs()
		todo = todo[1:]
		if refs.Opaque {
			seen[opaque] = true
		}
		for _, n := range slices.Concat(refs.My, refs.Bare) {
			if seen[n] {
				continue
			}
			seen[n] = true
			if inner, ok := a.Expr(n); ok {
				todo = append(todo, inner)
			}
		}
	}
	return seen
}

// Where calls yes for the jobs of a cluster, in runs of those with one record, of whose
// ads e is true.
func (s *Session) Where(now ad.Instant, id int32, c *ledger.Cluster, e *ad.Expr, yes func(grid.Run)) error {
	for st := range s.v.Stretches(grid.WholeCluster(id)) {
		for p := st.Run.Lo; p < st.Run.Hi; {
			a, err := s.Job(grid.JobID{Cluster: id, Proc: p})
			if err != nil {
				return err
			}
			run := grid.Run{Cluster: id, Lo: p, Hi: p + 1}
			if p == st.Run.Lo && st.Run.Len() > 1 && s.Alike(a, c, e) {
				run = st.Run
			}
			if ad.Truth(now.Eval(e, a, nil)) {
				yes(run)
			}
			p = run.Hi
		}
	}
	return nil
}
