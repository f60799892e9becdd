package schedd

import (
	"slices"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// maxElsewhere is how many attempts back a node's next one looks whose machine it avoids.
const maxElsewhere = 20

// elsewhere has a node's attempt require another machine than those on which the attempts
// before it ended.
func (d *Daemon) elsewhere(n nodeSubmission, s *submit.Spec) error {
	if !n.graph.Elsewhere || n.attempt < 2 {
		return nil
	}
	var avoided []string
	err := d.ledger.Read(func(r *ledger.Reader) error {
		for a := max(n.attempt, maxElsewhere+1) - maxElsewhere; a < n.attempt; a++ {
			done, ok, err := r.SubmittedUnder(dagKeys, nodeKey(n.run, n.node, a))
			if err != nil {
				return err
			}
			if !ok {
				continue // it could not be submitted
			}
			for p, err := range r.PastByID(grid.JobID{Cluster: done.Cluster + 1}.Key()) {
				if err != nil {
					return err
				}
				if p.Run.Cluster != done.Cluster {
					break
				}
				avoided = append(avoided, avoids(p.Attrs)...)
			}
		}
		return nil
	})
	if err != nil || len(avoided) == 0 {
		return err
	}
	slices.Sort(avoided)
	s.Require(strings.Join(slices.Compact(avoided), " && "))
	return nil
}

// avoids is the expressions that are false of the machine on which a job was last.
func avoids(attrs []ledger.Attr) (out []string) {
	for _, a := range attrs {
		if a.Name != "RemoteHost" && a.Name != "LastRemoteHost" {
			continue
		}
		host, _ := ad.Unquote(a.Expr)
		if _, machine, ok := strings.Cut(host, "@"); ok {
			out = append(out, "TARGET.Name =!= "+ad.Quote("slot1@"+machine))
		}
	}
	return out
}
