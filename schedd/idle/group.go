package idle

import (
	"slices"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// groups numbers the kinds of jobs that match alike.
type groups struct {
	ads        *jobad.Ads
	heeded     []string        // job attributes that slots look at, folded, sorted
	looks      map[string]bool // slot attributes that jobs look at, folded
	byKey      map[string]*router.Group
	byTemplate map[uint32]*shape
	next       uint32
}

// shape is what the grouping of all clusters with one template has in common.
type shape struct {
	names  []string                 // the attributes that matter, folded, sorted
	single bool                     // they are all in the template: no ad need be read
	owner  bool                     // but for who the owner is
	group  *router.Group            // single, without owner
	by     map[uint32]*router.Group // single, by owner
}

// roots are where matching begins.
var roots = [...]string{
	"jobuniverse", "requirements", "rank", "requestcpus", "requestmemory", "requestdisk", "requestgpus", "deferraltime", "deferralpreptime",
	"cronminute", "cronhour", "crondayofmonth", "cronmonth", "crondayofweek", account, "concurrencylimits",
}

// account is whose account a job is on: of it matters whether the job is nice.
const account = "accountinggroup"

// keepGroups bounds the groups remembered; beyond it all are made anew, with new
// numbers.
const keepGroups = 50_000

func (g *groups) heed(names []string) bool {
	more := false
	for _, n := range names {
		if i, found := slices.BinarySearch(g.heeded, n); !found {
			g.heeded = slices.Insert(g.heeded, i, n)
			more = true
		}
	}
	if more {
		clear(g.byTemplate)
		clear(g.byKey)
	}
	return more
}

// of is the group of all jobs of a stretch; nil when they have to be looked at one by
// one.
func (g *groups) of(s *jobad.Session, c *ledger.Cluster, st *ledger.Stretch) (*router.Group, int32, error) {
	sh, err := g.shape(s, c.Template)
	if err != nil {
		return nil, 0, err
	}
	single := sh.single
	if single && st.Job.Flags&ledger.HasAttrs != 0 {
		later, err := s.Later(st.Run.First())
		if err != nil {
			return nil, 0, err
		}
		single = !slices.ContainsFunc(later, func(a ledger.Attr) bool {
			n := strings.ToLower(a.Name)
			return n == "jobprio" || slices.Contains(sh.names, n)
		})
	}
	if !single {
		if st.Run.Len() > 1 {
			return nil, 0, nil
		}
		return g.alone(s, st.Run.First())
	}
	if sh.owner {
		if grp := sh.by[c.Owner]; grp != nil {
			return grp, st.Job.Prio, nil
		}
	} else if sh.group != nil {
		return sh.group, st.Job.Prio, nil
	}
	grp, _, err := g.alone(s, st.Run.First())
	if err != nil {
		return nil, 0, err
	}
	if sh.owner {
		if sh.by == nil {
			sh.by = map[uint32]*router.Group{}
		}
		sh.by[c.Owner] = grp
	} else {
		sh.group = grp
	}
	return grp, st.Job.Prio, nil
}

// shape works out, once for each template, what matters.
func (g *groups) shape(s *jobad.Session, template uint32) (*shape, error) {
	if sh := g.byTemplate[template]; sh != nil {
		return sh, nil
	}
	base, differing, err := s.Shared(template)
	if err != nil {
		return nil, err
	}
	sh := &shape{single: true}
	var opaque bool
	sh.names, opaque = g.reach(base)
	if opaque {
		sh.single = false
	}
	for _, d := range differing {
		// A column may matter, or may name what matters.
		if folded := strings.ToLower(d); slices.Contains(sh.names, folded) || folded == "jobprio" {
			sh.single = false
		}
	}
	for _, n := range sh.names {
		switch _, own := submit.Split([]submit.Attr{{Name: n}}); {
		case n == "owner" || n == "user":
			sh.owner = true
		case len(own) > 0, submit.Protected(n):
			sh.single = false
		}
	}
	if len(g.byTemplate) >= keepGroups {
		clear(g.byTemplate)
	}
	g.byTemplate[template] = sh
	return sh, nil
}

// reach lists the attributes of a that matching can look at. opaque: an expression
// that cannot be seen through, so any attribute may matter.
func (g *groups) reach(a *ad.Ad) (names []string, opaque bool) {
	todo := append(slices.Clone(roots[:]), g.heeded...)
	if a.Int("JobUniverse", 0) == int64(grid.Parallel) {
		todo = append(todo, "maxhosts") // it has that many nodes
	}
	seen := map[string]bool{}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		names = append(names, n)
		if e, ok := a.Expr(n); ok {
			refs := e.Refs()
			opaque = opaque || refs.Opaque
			todo = append(append(todo, refs.My...), refs.Bare...)
		}
	}
	slices.Sort(names)
	return names, opaque
}

// alone looks at one job's whole ad.
func (g *groups) alone(s *jobad.Session, id grid.JobID) (*router.Group, int32, error) {
	a, err := s.Job(id)
	if err != nil {
		return nil, 0, err
	}
	return g.like(a), int32(a.Int("JobPrio", 0)), nil
}

// like is the group of jobs that match as one with this ad.
func (g *groups) like(a *ad.Ad) *router.Group {
	names, opaque := g.reach(a)
	if opaque {
		names = a.Names()
	}
	var key strings.Builder
	nice := submit.Nice(a.Text(account))
	if !opaque && !g.looksAt(a, names, account) {
		names = slices.DeleteFunc(names, func(n string) bool { return n == account })
	}
	if nice {
		key.WriteString("nice\n")
	}
	out := ad.New(len(names))
	for _, n := range names {
		if e, ok := a.Expr(n); ok {
			key.WriteString(strings.ToLower(n))
			key.WriteByte('=')
			key.WriteString(e.String())
			key.WriteByte('\n')
			out.SetExpr(n, e)
		}
	}
	if grp := g.byKey[key.String()]; grp != nil {
		return grp
	}
	if len(g.byKey) >= keepGroups {
		clear(g.byKey)
		clear(g.byTemplate)
	}
	for _, n := range out.Names() {
		if e, ok := out.Expr(n); ok {
			refs := e.Refs()
			for _, r := range slices.Concat(refs.Target, refs.Bare) {
				g.looks[r] = true
			}
			if refs.Opaque {
				g.looks["*"] = true
			}
		}
	}
	g.next++
	grp := &router.Group{ID: g.next, Ad: out, Nice: nice}
	if out.Int("JobUniverse", 0) == int64(grid.Parallel) {
		grp.Nodes = int(min(max(out.Int("MaxHosts", 1), 1), grid.MaxNodes))
	}
	g.byKey[key.String()] = grp
	return grp
}

// looksAt reports whether an expression among those of that names, or a machine, names the
// attribute.
func (g *groups) looksAt(a *ad.Ad, names []string, attr string) bool {
	return slices.Contains(g.heeded, attr) || slices.ContainsFunc(names, func(n string) bool {
		e, ok := a.Expr(n)
		return ok && e.Mentions(attr)
	})
}
