package schedd

import (
	"context"
	"strconv"
	"sync"
	"time"

	"gridburst/dag"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/internal/pause"
	"gridburst/router/burst"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// foresight is what runs of workflows and timetables say of jobs that will come: told by who
// leads them, and asked by who decides on machines. All of it is made anew at a start.
type foresight struct {
	mu    sync.Mutex
	runs  map[uint32]*foreseen
	last  map[string]*foreseen // by timetable: its last run, as it began
	next  map[string]occurrence
	specs map[string]*nodeSpec // by kind of node; nil: it is being read, or cannot be
}

// foreseen is a run. It is not changed once others have it.
type foreseen struct {
	uid   uint32
	graph *dag.Graph
	file  string
	dir   string
	cron  string
	ahead dag.Ahead
	kinds []string // of the nodes ahead; empty: of a node without jobs of its own
	lanes []int    // of these
}

// occurrence is when a timetable begins a run next.
type occurrence struct {
	at    time.Time
	alone bool // it does not while one goes on
}

// nodeSpec is what a node of a kind asks for, as its file says.
type nodeSpec struct {
	owner string
	attrs []submit.Attr
	procs int
}

// maxSpecs bounds the kinds of nodes whose files are remembered.
const maxSpecs = 10_000

func newForesight() *foresight {
	return &foresight{runs: map[uint32]*foreseen{}, last: map[string]*foreseen{}, next: map[string]occurrence{}, specs: map[string]*nodeSpec{}}
}

// kindOf is what nodes have in common whose jobs run for about as long and ask for the same:
// their user and the job in a file. Empty: it has no job of its own.
func (f *foreseen) kindOf(i int32) string {
	n := &f.graph.Nodes[i]
	if n.Join || n.Noop || n.Subdag || n.Past != "" {
		return ""
	}
	r := jobfile.Node(n, f.file, f.dir)
	return strconv.FormatUint(uint64(f.uid), 10) + " " + r.File + " " + r.Job + " " + n.Submit
}

// look is how a run stands, as far ahead as decisions look.
func (f *foreseen) look(r *dag.Run) *foreseen {
	out := *f
	out.ahead = r.Ahead(burst.Window)
	_, lane := f.graph.Lanes()
	out.kinds, out.lanes = make([]string, len(out.ahead.Nodes)), make([]int, len(out.ahead.Nodes))
	for k := range out.ahead.Nodes {
		i := out.ahead.Nodes[k].Node
		out.kinds[k], out.lanes[k] = f.kindOf(i), lane(i)
	}
	return &out
}

// kind is of what kind a run's node is; empty: nobody knows, or it has no job.
func (s *foresight) kind(run uint32, node int32) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.runs[run]
	if f == nil || node < 0 || int(node) >= f.graph.Len() {
		return ""
	}
	return f.kindOf(node)
}

// spec is what nodes of a kind ask for, if that has been read.
func (s *foresight) spec(kind string) *nodeSpec {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.specs[kind]
}

// timetable says when a timetable begins a run next; the zero time: it does not.
func (s *foresight) timetable(k *cron, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.IsZero() {
		delete(s.next, k.Name)
		return
	}
	s.next[k.Name] = occurrence{at, k.Overlap == "forbid"}
}

// anew forgets all runs.
func (s *foresight) anew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.runs)
}

// ended forgets a run.
func (s *foresight) ended(run uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.runs, run)
}

// tell has a run known as it stands, and returns the first node of each kind of which it is
// not known what it asks for. Each is named once.
func (s *foresight) tell(run uint32, f *foreseen) (unread []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs[run] = f
	for k, kind := range f.kinds {
		if _, known := s.specs[kind]; kind == "" || known {
			continue
		}
		if len(s.specs) >= maxSpecs {
			clear(s.specs)
		}
		s.specs[kind] = nil
		unread = append(unread, f.ahead.Nodes[k].Node)
	}
	return unread
}

// foresee has decisions on machines know how a run stands, not too often.
func (g *dags) foresee(ctx context.Context, r *dagRun) {
	switch {
	case r.run.Status.Ended():
		g.d.foresight.ended(r.id)
		return
	case !g.d.bursts() || r.looks:
		return
	}
	r.looks = true
	wait := time.Until(r.looked.Add(burstEvery))
	if wait <= 0 {
		g.lookAhead(ctx, r)
		return
	}
	g.wg.Go(func() {
		if pause.For(ctx, wait) == nil {
			g.tell(ctx, told{run: r.id, after: func() {
				if now := g.runs[r.id]; now != nil {
					g.lookAhead(ctx, now)
				}
			}})
		}
	})
}

// lookAhead tells how a run stands now. Files of nodes that decisions do not know yet are
// read beside: until then nothing is foreseen of these.
func (g *dags) lookAhead(ctx context.Context, r *dagRun) {
	r.looks, r.looked = false, time.Now()
	f := &foreseen{uid: r.owner.UID, graph: r.run.Graph, file: r.file, dir: r.dir, cron: r.files.rec.Cron}
	s := g.d.foresight
	if f.cron != "" && s.unknown(f) {
		if fresh, err := dag.Open(f.graph, dag.Header{}, nil); err == nil {
			s.remember(f.look(fresh))
		}
	}
	for _, i := range s.tell(r.id, f.look(r.run)) {
		n := nodeSubmission{run: r.id, node: i, graph: r.run.Graph.Nodes[i], whole: r.run.Graph, vars: r.run.Vars(i)}
		kind := f.kindOf(i)
		g.wg.Go(func() {
			if spec := g.read(ctx, r.owner, n); spec != nil {
				s.mu.Lock()
				s.specs[kind] = spec
				s.mu.Unlock()
			}
		})
	}
}

// unknown reports whether a timetable's last run is of another graph than this one.
func (s *foresight) unknown(f *foreseen) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.last[f.cron]
	return last == nil || last.graph != f.graph
}

func (s *foresight) remember(f *foreseen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last[f.cron] = f
}

// read reads what a node asks for, as it would be submitted; nil: that cannot be said yet. Its
// file may be made by a node before it: when the first of its kind is submitted, it is known.
func (g *dags) read(ctx context.Context, owner ledger.Owner, n nodeSubmission) *nodeSpec {
	select {
	case g.reads <- struct{}{}:
		defer func() { <-g.reads }()
	case <-ctx.Done():
		return nil
	}
	v := g.d.ledger.View()
	run, ok := v.Dag(n.run)
	if !ok {
		return nil
	}
	var err error
	if n.vars, err = dag.AnyAddress(n.vars); err != nil {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, deskLimit)
	defer cancel()
	specs, err := g.lower(limited, desk.Owner(owner), g.d.nodeRequest(&run, owner, n))
	if err != nil || len(specs) != 1 || g.d.admit(&specs[0]) != nil {
		return nil
	}
	attrs, err := specs[0].Proc(grid.JobID{Cluster: 1})
	if err != nil {
		return nil
	}
	return &nodeSpec{owner.Name, attrs, specs[0].Len()}
}
