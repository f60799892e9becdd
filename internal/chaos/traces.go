package chaos

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gridburst/dag"
	"gridburst/dag/dagfile"
	"gridburst/internal/pause"
	"gridburst/internal/replay/trace"
	"gridburst/internal/rig"
	"gridburst/schedd/api"
)

// TraceOptions say how workflows that once ran elsewhere are run. The zero value of each
// means what is named here.
type TraceOptions struct {
	Dir   string        // the sandbox; what an earlier run left in it goes
	Bin   string        // programs; empty: they are built
	Files []string      // as package trace reads them, a workflow each
	Work  time.Duration // what the run times of a workflow's nodes add up to at most, scaled; 0: 30 s
	Path  time.Duration // and those of the longest way through it; 0: 8 s
	Limit time.Duration // of all; 0: 30 min
	Log   io.Writer
}

// TraceReport is what came of it.
type TraceReport struct {
	Runs  []TraceRun `json:"runs"`
	Wrong []string   `json:"wrong"`
}

func (r *TraceReport) wrong(format string, args ...any) {
	r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
}

// TraceRun is the run of one workflow.
type TraceRun struct {
	Name     string        `json:"name"`
	Nodes    int           `json:"nodes"`
	Edges    int           `json:"edges"`
	Scale    float64       `json:"scale"`       // by which run times were multiplied
	Path     time.Duration `json:"path_ns"`     // the longest way through it: no run takes less
	Makespan time.Duration `json:"makespan_ns"` // from the first node's beginning to the last one's end, as the nodes have told
	Machines int           `json:"machines"`    // that were started for it
	Left     int           `json:"left"`        // of these, a while after its end
}

// traced is a workflow as a DAG.
type traced struct {
	TraceRun
	graph *dag.Graph
}

// asDag makes a DAG of a trace: a node for each job, which runs for as long as it did
// there, times the scale.
func asDag(name string, t *trace.Trace, work, path time.Duration) (*traced, error) {
	b := dag.NewBuilder(name + ".dag")
	var sum, longest time.Duration
	ends := make([]time.Duration, len(t.Jobs)) // of the longest way to each
	for i := range t.Jobs {
		j := &t.Jobs[i]
		for _, p := range j.Parents { // which come before it
			ends[i] = max(ends[i], ends[p])
		}
		ends[i] += j.Run
		longest, sum = max(longest, ends[i]), sum+j.Run
	}
	w := &traced{TraceRun: TraceRun{Name: name, Nodes: len(t.Jobs), Scale: 1}}
	w.Scale = min(w.Scale, work.Seconds()/max(sum.Seconds(), 1e-3), path.Seconds()/max(longest.Seconds(), 1e-3))
	w.Path = time.Duration(float64(longest) * w.Scale)
	for i := range t.Jobs {
		b.Add(dag.Node{Name: fmt.Sprintf("t%d", i), File: name + ".sub", Vars: []dag.Var{{Name: "seconds", Value: fmt.Sprintf("%.3f", t.Jobs[i].Run.Seconds()*w.Scale)}}})
	}
	for i := range t.Jobs {
		var parents []int32
		for _, p := range t.Jobs[i].Parents {
			parents = append(parents, int32(p))
		}
		b.Order(parents, []int32{int32(i)})
	}
	var err error
	if w.graph, err = b.Graph(); err != nil {
		return nil, err
	}
	w.Edges = w.graph.Edges()
	return w, nil
}

// write writes a workflow's files into dir, for a witness at a port.
func (w *traced) write(dir string, port int) (file string, err error) {
	text, err := dagfile.Write(w.graph)
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, w.Name+".dag")
	sub := fmt.Sprintf("executable = node\narguments = %d %s.$(JOB) $(seconds) 0\nshould_transfer_files = YES\nrequest_memory = 64MB\nrequest_disk = 1MB\nnotification = never\nqueue\n", port, w.Name)
	return file, errors.Join(os.WriteFile(file, text, 0o644), os.WriteFile(filepath.Join(dir, w.Name+".sub"), []byte(sub), 0o644))
}

// Traces runs the workflows of traces one after another, with their run times scaled, over
// machines of a simulated engine that come for them and go, and judges by a witness that
// every node calls and by the engine's record: each node ran once, none began before those
// before it had done all, and no machine is left.
func Traces(ctx context.Context, o TraceOptions) (rep *TraceReport, err error) {
	o.Work, o.Path, o.Limit = cmp.Or(o.Work, 30*time.Second), cmp.Or(o.Path, 8*time.Second), cmp.Or(o.Limit, 30*time.Minute)
	var all []*traced
	for _, file := range o.Files {
		t, err := trace.Read(file)
		if err != nil {
			return nil, err
		}
		w, err := asDag(strings.TrimSuffix(filepath.Base(file), ".json"), t, o.Work, o.Path)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	r := &run{Options: Options{Log: o.Log}, load: &load{}}
	if r.rig, err = rig.Fresh(ctx, o.Dir, o.Bin, nil, "gschedd", "gworker", "gdag", "ovirtsim", "ovirt_gahp"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer func() {
		cancel()
		err = errors.Join(err, r.rig.Close(20*time.Second))
		if r.house != nil {
			r.house.wg.Wait()
		}
		if r.witness != nil {
			r.witness.Close()
		}
	}()
	dir, err := r.openTraces(ctx)
	if err != nil {
		return nil, err
	}
	go r.rig.Tidy(ctx)
	rep = &TraceReport{Wrong: []string{}}
	for _, w := range all {
		file, err := w.write(dir, r.witness.Port())
		if err == nil {
			err = r.runTrace(ctx, rep, w, file)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.Name, err)
		}
		rep.Runs = append(rep.Runs, w.TraceRun)
	}
	for _, job := range r.witness.Overlaps() {
		rep.wrong("%s began while it ran", job)
	}
	r.house.mu.Lock()
	defer r.house.mu.Unlock()
	for _, s := range r.house.strange {
		rep.wrong("%s", s)
	}
	return rep, nil
}

// openTraces starts everything, without a pool: whatever runs needs a machine of the
// engine's. It gives the directory of the workflows.
func (r *run) openTraces(ctx context.Context) (dir string, err error) {
	if r.house, err = newHouse(r.rig); err != nil {
		return "", err
	}
	if r.witness, err = NewWitness(); err != nil {
		return "", err
	}
	dir = filepath.Join(r.rig.Dir, "dags")
	if err := errors.Join(os.MkdirAll(dir, 0o755), writeProgram(filepath.Join(dir, "node"))); err != nil {
		return "", err
	}
	if err := r.openEngine(ctx); err != nil {
		return "", err
	}
	// The port is one that was free a moment ago.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr := l.Addr().String()
	l.Close()
	config := fmt.Sprintf("schedd {\n  name   = \"traces\"\n  listen = %q\n  names  = [\"127.0.0.1\"]\n}\n", addr) + r.engine.config(addr)
	if err := os.WriteFile(r.house.config, []byte(config), 0o644); err != nil {
		return "", err
	}
	return dir, r.house.keep(ctx, "gschedd", r.house.startSchedd)
}

// runTrace runs a workflow to its end, waits until its machines have gone, and judges.
func (r *run) runTrace(ctx context.Context, rep *TraceReport, w *traced, file string) error {
	made := func() (n int, err error) {
		list, err := r.engine.read()
		for _, e := range list {
			if e.What == "created" && !e.Foreign {
				n++
			}
		}
		return n, err
	}
	before, err := made()
	if err != nil {
		return err
	}
	out, err := r.rig.Run(ctx, nil, filepath.Join(r.rig.Bin, "gdag"), "submit", "--json", "--schedd", r.house.socket, "--key", w.Name, file)
	if err != nil {
		return err
	}
	var done api.DagSubmitted
	if err := json.Unmarshal(out, &done); err != nil {
		return err
	}
	var d api.DagDetail
	for d.Ended == 0 {
		if err := pause.For(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("it has not ended: %s with %d of %d nodes done: %w", d.Status, d.Done, d.Nodes, context.Cause(ctx))
		}
		if d, err = r.house.schedd.Dag(ctx, done.Dag); err != nil {
			return err
		}
	}
	if d.Status != "done" || d.Done != w.Nodes {
		rep.wrong("%s is %s with %d of %d nodes done", w.Name, d.Status, d.Done, w.Nodes)
	}
	gone, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for left := r.engine.left(); left != ""; left = r.engine.left() {
		if pause.For(gone, 100*time.Millisecond) != nil {
			break
		}
	}
	list, err := r.engine.read()
	if err != nil {
		return err
	}
	after, err := made()
	if err != nil {
		return err
	}
	w.Machines, w.Left = after-before, len(alive(list))
	if w.Left > 0 || w.Machines == 0 {
		rep.wrong("%d machines were started for %s, and %d are left", w.Machines, w.Name, w.Left)
	}
	w.judge(rep, r.witness.Executions())
	fmt.Fprintf(r.Log, "%+v\n", w.TraceRun)
	return nil
}

// judge looks at what the nodes have told.
func (w *traced) judge(rep *TraceReport, all []Execution) {
	runs := map[string][]Execution{}
	for _, e := range all {
		runs[e.Job] = append(runs[e.Job], e)
	}
	var first, last time.Time
	ran := map[int32]Execution{}
	for i := range int32(w.graph.Len()) {
		list := runs[w.Name+"."+w.graph.Nodes[i].Name]
		if len(list) != 1 || !list[0].Ended {
			rep.wrong("node %s of %s ran %d times, and has not done all once", w.graph.Nodes[i].Name, w.Name, len(list))
			continue
		}
		e := list[0]
		ran[i] = e
		if first.IsZero() || e.Begin.Before(first) {
			first = e.Begin
		}
		if e.Done.After(last) {
			last = e.Done
		}
	}
	for i, e := range ran {
		for _, p := range w.graph.Parents(i) {
			if before, ok := ran[p]; ok && e.Begin.Before(before.Done) {
				rep.wrong("node %s of %s began before %s had done all", w.graph.Nodes[i].Name, w.Name, w.graph.Nodes[p].Name)
			}
		}
	}
	w.Makespan = last.Sub(first)
}
