package schedd

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"gridburst/dag"
	"gridburst/dag/account"
	"gridburst/dag/dagfile"
	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/internal/pause"
	"gridburst/schedd/ledger"
)

// dagFiles is what a run writes beside its DAG file, by the owner's desk.
type dagFiles struct {
	rec   ledger.Dag // as the run was taken up
	watch bool       // a change is about to be written
	next  time.Time  // not before
	dots  int        // drawings that were written
	lines *lineFile  // its jobstate log; nil: none
	seqs  map[nodeTry]int
	last  int // of seqs

	ending bool // what is written at the end is on its way
	ended  bool // and is there, or cannot be
}

type nodeTry struct {
	node    int32
	attempt uint32
}

// dagPath is where a run's file is that it names.
func (r *dagRun) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.dir, name)
}

// several reports whether the run is of several DAG files.
func (r *dagRun) several() bool { return len(r.run.Graph.Files) > 1 }

// openFiles begins the files of a run.
func (g *dags) openFiles(ctx context.Context, r *dagRun, rec ledger.Dag) {
	f := &r.files
	f.rec = rec
	graph := r.run.Graph
	if graph.StateLog != "" {
		f.lines = &lineFile{d: g.d, owner: desk.Owner(r.owner), path: r.path(graph.StateLog)}
		f.seqs = map[nodeTry]int{}
		for i := range int32(graph.Len()) {
			n := r.run.Record(i)
			f.last += int(n.Attempt)
			if n.State != grid.NodeDone && n.State != grid.NodeFailed && n.Attempt > 0 {
				f.seqs[nodeTry{i, n.Attempt}] = f.last
			}
		}
		now := time.Now()
		if rec.Status == dag.RunNew {
			g.line(ctx, r, account.Internal(now, fmt.Sprintf("DAGMAN_STARTED %d.0", r.id)))
		} else {
			g.line(ctx, r, account.Internal(now, "RECOVERY_STARTED")+account.Internal(now, "RECOVERY_FINISHED"))
		}
	}
	g.changed(ctx, r)
}

// changed has the files written that follow a run, when their time has come.
func (g *dags) changed(ctx context.Context, r *dagRun) {
	f, graph := &r.files, r.run.Graph
	follows := graph.Status != nil || graph.Dot != nil && (graph.Dot.Update || f.dots == 0)
	if !follows || f.watch || f.ending {
		return
	}
	f.watch = true
	g.wg.Go(func() {
		if pause.For(ctx, time.Until(f.next)) == nil {
			g.tell(ctx, told{run: r.id, after: func() { g.writeNow(ctx, r) }})
		}
	})
}

// statusEvery is the least time between two writings of a node status file, if it says
// none; dotEvery is that of drawings.
const (
	statusEvery = time.Minute
	dotEvery    = time.Second
)

func (r *dagRun) every() time.Duration {
	s := r.run.Graph.Status
	switch {
	case s == nil:
		return dotEvery
	case s.Seconds > 0:
		return time.Duration(s.Seconds) * time.Second
	}
	return statusEvery
}

// writeNow writes the files that follow a run, as it stands.
func (g *dags) writeNow(ctx context.Context, r *dagRun) {
	f := &r.files
	f.watch = false
	if f.ending {
		return // they are written at the end
	}
	f.next = time.Now().Add(r.every())
	files := g.following(r, r.every())
	owner := desk.Owner(r.owner)
	g.wg.Go(func() {
		for _, x := range files {
			if err := g.d.desks.WriteFile(ctx, owner, x.path, x.text); err != nil && ctx.Err() == nil {
				g.d.log.WithError(err).WithField("dag", r.id).Warn("a file of a workflow cannot be written")
			}
		}
	})
	if s := r.run.Graph.Status; s != nil && s.Always {
		g.changed(ctx, r)
	}
}

type written struct {
	path string
	text []byte
}

// following is the files that follow a run, as it stands. next is when they are written
// again; 0: never.
func (g *dags) following(r *dagRun, next time.Duration) (out []written) {
	graph, now := r.run.Graph, time.Now()
	if s := graph.Status; s != nil {
		v := g.d.ledger.View()
		out = append(out, written{r.path(s.File), account.Status(r.run, r.names(), now, next, func(i int32) account.Procs { return r.procs(v, i) })})
	}
	if d := graph.Dot; d != nil && (d.Update || r.files.dots == 0) {
		name := r.path(d.File)
		if d.Keep {
			name = fmt.Sprintf("%s.%d", name, r.files.dots)
		}
		r.files.dots++
		out = append(out, written{name, account.Dot(r.run, now, "")})
	}
	return out
}

// names are the DAG files of a run, as they were named.
func (r *dagRun) names() []string {
	if r.several() {
		return r.run.Graph.Files
	}
	return []string{filepath.Base(r.file)}
}

// procs are those of a node that are in the queue.
func (r *dagRun) procs(v *ledger.View, i int32) (p account.Procs) {
	cluster, ok := r.queued[i]
	if !ok {
		return p
	}
	for s := range v.Stretches(grid.WholeCluster(cluster)) {
		n := s.Run.Len()
		p.Queued += n
		switch s.Job.Status {
		case grid.Held:
			p.Held += n
		case grid.Idle:
			p.Idle += n
		}
	}
	return p
}

// save writes a node's save point.
func (g *dags) save(ctx context.Context, r *dagRun, a dag.Save) {
	name := filepath.Base(r.file)
	text := dagfile.Rescue(r.run, name, time.Now())
	path, owner := r.path(r.run.Graph.Nodes[a.Node].SaveFile), desk.Owner(r.owner)
	g.wg.Go(func() {
		if err := g.d.desks.KeepSave(ctx, owner, path, text); err != nil && ctx.Err() == nil {
			g.d.log.WithError(err).WithField("dag", r.id).Warn("a save point cannot be written")
		}
	})
}

// written reports whether a run's change may be kept. The one that ends it waits for what
// is written at the end: afterwards nobody would write it.
func (g *dags) written(ctx context.Context, r *dagRun) bool {
	f := &r.files
	if !r.run.Status.Ended() || f.ended {
		return true
	}
	if f.ending {
		return false
	}
	f.ending = true
	now := time.Now()
	files := g.following(r, 0)
	if f.lines != nil {
		f.lines.add(account.Internal(now, fmt.Sprintf("DAGMAN_FINISHED %d", r.run.Return)))
	}
	var rescue *desk.RescueFile
	if !jobfile.IsHCL(r.file) {
		metrics, err := account.Metrics(r.run, account.Run{
			ID: r.id, Parent: f.rec.Parent.Dag, Rescue: f.rec.Rescue, Started: time.UnixMilli(f.rec.Started), Ended: now, Client: "gschedd", Version: g.d.c.Version,
		})
		if err != nil {
			g.d.log.WithError(err).WithField("dag", r.id).Error("the metrics of a workflow cannot be made")
		} else {
			files = append(files, written{r.file + ".metrics", metrics})
		}
		if unfinished(r.run) {
			name := filepath.Base(r.file)
			rescue = &desk.RescueFile{File: r.file, Several: r.several(), Text: dagfile.Rescue(r.run, name, now), Began: int(f.rec.Rescue), Most: dagfile.Most(r.run.Graph)}
		}
	}
	owner := desk.Owner(r.owner)
	g.wg.Go(func() {
		g.write(ctx, r.id, owner, files, rescue, f.lines)
		failpoint.Hit("dag.files.written")
		g.tell(ctx, told{run: r.id, ended: true})
	})
	return false
}

// unfinished reports whether there is something left to do for a further run.
func unfinished(r *dag.Run) bool {
	return r.Status != dag.RunDone || r.Condition != dag.ConditionOK && r.Condition != dag.ConditionAborted
}

// fileTries is how often it is tried to write what a run leaves at its end.
const fileTries = 3

// write writes what a run leaves. It tries for a while; a run does not hang because its
// owner's files do.
func (g *dags) write(ctx context.Context, run uint32, owner desk.Owner, files []written, rescue *desk.RescueFile, lines *lineFile) {
	try := func(what string, do func(context.Context) error) {
		for tries := 1; ; tries++ {
			limited, cancel := context.WithTimeout(ctx, deskLimit)
			err := do(limited)
			cancel()
			switch code := grid.CodeOf(err); {
			case err == nil || ctx.Err() != nil:
				return
			case tries < fileTries && (code == grid.Unavailable || code == grid.Unknown):
				if pause.For(ctx, backOff(tries)) != nil {
					return
				}
				continue
			}
			g.d.log.WithError(err).WithField("dag", run).Warn(what + " of a workflow cannot be written")
			return
		}
	}
	if rescue != nil {
		try("the rescue file", func(ctx context.Context) error {
			_, err := g.d.desks.KeepRescue(ctx, owner, *rescue)
			return err
		})
	}
	for _, x := range files {
		try("a file", func(ctx context.Context) error { return g.d.desks.WriteFile(ctx, owner, x.path, x.text) })
	}
	if lines != nil {
		try("the jobstate log", lines.flush)
	}
}

// lineFile is a file to which lines are added in order.
type lineFile struct {
	d     *Daemon
	owner desk.Owner
	path  string

	writing sync.Mutex
	mu      sync.Mutex
	text    []byte
}

func (l *lineFile) add(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, text...)
}

// flush writes what has come together.
func (l *lineFile) flush(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	text := l.text
	l.text = nil
	l.mu.Unlock()
	if len(text) == 0 {
		return nil
	}
	return l.d.desks.AddLines(ctx, l.owner, l.path, text)
}

// line adds to a run's jobstate log.
func (g *dags) line(ctx context.Context, r *dagRun, text string) {
	l := r.files.lines
	l.add(text)
	g.wg.Go(func() {
		if err := l.flush(ctx); err != nil && ctx.Err() == nil {
			g.d.log.WithError(err).WithField("dag", r.id).Warn("a jobstate log cannot be written")
		}
	})
}

// seq numbers the attempts of a run's nodes in the order in which the log tells of them.
func (f *dagFiles) seq(node int32, attempt uint32) int {
	k := nodeTry{node, attempt}
	if f.seqs[k] == 0 {
		f.last++
		f.seqs[k] = f.last
	}
	return f.seqs[k]
}

// logScript tells of a script in the jobstate log.
func (g *dags) logScript(ctx context.Context, r *dagRun, node int32, phase grid.NodeState, what string) {
	if r.files.lines == nil {
		return
	}
	n := r.run.Record(node)
	name, job := "PRE_SCRIPT_", ""
	if phase == grid.NodePost {
		name, job = "POST_SCRIPT_", fmt.Sprintf("%d.%d", n.Cluster, max(n.Procs, 1)-1)
	}
	now, seq := time.Now(), r.files.seq(node, n.Attempt)
	text := ""
	if what != "STARTED" && phase == grid.NodePost {
		text = account.Line(now, r.run.Graph.Nodes[node].Name, name+"TERMINATED", job, seq)
	}
	g.line(ctx, r, text+account.Line(now, r.run.Graph.Nodes[node].Name, name+what, job, seq))
}

// jobEvents are what a jobstate log calls what happens to a job.
var jobEvents = map[ledger.EventType]string{
	ledger.JobSubmitted: "SUBMIT", ledger.JobStarted: "EXECUTE", ledger.JobRequeued: "JOB_EVICTED", ledger.JobHeld: "JOB_HELD", ledger.JobReleased: "JOB_RELEASED",
	ledger.JobLeft: "JOB_TERMINATED", ledger.JobSuspended: "JOB_SUSPENDED", ledger.JobContinued: "JOB_UNSUSPENDED",
}

// logEvent tells of a job in the jobstate log.
func (g *dags) logEvent(ctx context.Context, r *dagRun, node int32, e *ledger.Event, exit int32) {
	name := jobEvents[e.Type]
	if r.files.lines == nil || name == "" {
		return
	}
	at, n := time.UnixMilli(e.At), r.run.Record(node)
	who, job, seq := r.run.Graph.Nodes[node].Name, e.Jobs.First().String(), r.files.seq(node, n.Attempt)
	if e.Type == ledger.JobLeft && exit == dag.ExitRemoved {
		name = "JOB_ABORTED"
	}
	text := account.Line(at, who, name, job, seq)
	if e.Type == ledger.JobLeft && e.Code > 0 { // its cluster's last
		if outcome := "JOB_SUCCESS"; exit == 0 {
			text += account.Line(at, who, outcome, "0", seq)
		} else {
			text += account.Line(at, who, "JOB_FAILURE", fmt.Sprint(exit), seq)
		}
	}
	g.line(ctx, r, text)
}
