package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/schedd/api"
)

// DagOptions say how workflows are run while their grid's programs are killed. The zero
// value of each means what is named here.
type DagOptions struct {
	Dir   string // the sandbox; what an earlier run left in it goes
	Bin   string // programs built with the tag failpoints; empty: they are built
	Seed  uint64
	Nodes int           // of each workflow; 0: 100
	Kills int           // at least so many; 0: 100
	Pause time.Duration // between faults; 0: 150 ms
	Limit time.Duration // of all; 0: 10 min
	Log   io.Writer
}

func (o *DagOptions) complete() {
	o.Log = &journal{w: o.Log}
	if o.Nodes == 0 {
		o.Nodes = 100
	}
	if o.Kills == 0 {
		o.Kills = 100
	}
	if o.Pause == 0 {
		o.Pause = 150 * time.Millisecond
	}
	if o.Limit == 0 {
		o.Limit = 10 * time.Minute
	}
}

// DagReport is what came of it.
type DagReport struct {
	Seed     uint64                    `json:"seed"`
	Runs     int                       `json:"runs"`
	Nodes    int                       `json:"nodes"`    // of all runs
	Attempts int                       `json:"attempts"` // of these
	Pre      int                       `json:"pre_scripts"`
	Post     int                       `json:"post_scripts"`
	Doubled  int                       `json:"doubled"`    // nodes that were submitted or ran twice at a time
	Twice    int                       `json:"twice"`      // scripts that ran twice
	Disorder int                       `json:"disordered"` // nodes that began before a parent had done all
	Killed   map[failpoint.Program]int `json:"killed"`
	Wrong    []string                  `json:"wrong"`
}

// Kills is how many processes were killed.
func (r *DagReport) Kills() (n int) {
	for _, k := range r.Killed {
		n += k
	}
	return n
}

func (r *DagReport) wrong(format string, args ...any) {
	if len(r.Wrong) < 50 {
		r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
	}
}

// graph is one workflow of the loop.
type graph struct {
	id      uint32
	name    string
	parents [][]int
	pre     []bool
	post    []bool
}

// dagLoop is a run of the loop.
type dagLoop struct {
	DagOptions
	rig     *rig.Rig
	house   *house
	witness *Witness
	killer  *killer
	dir     string
	rand    *rand.Rand
	graphs  []graph
}

// Dags runs workflows with scripts, retries and a service, one after another, while
// their grid's programs are killed, and judges: the order, that nothing is submitted or
// runs twice at a time, that no script runs twice.
func Dags(ctx context.Context, o DagOptions) (rep *DagReport, err error) {
	o.complete()
	l := &dagLoop{DagOptions: o, rand: rand.New(rand.NewPCG(o.Seed, 7))}
	if l.rig, err = rig.Fresh(ctx, o.Dir, o.Bin, []string{"failpoints"}, "gschedd", "gworker", "gdag"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer func() {
		cancel()
		err = errors.Join(err, l.rig.Close(20*time.Second))
		if l.house != nil {
			l.house.wg.Wait()
		}
		if l.witness != nil {
			l.witness.Close()
		}
	}()
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	go l.rig.Tidy(ctx)
	storm, calm := context.WithCancel(ctx)
	defer calm()
	over := make(chan error, 1)
	go func() { over <- l.killer.run(storm, l.Kills) }()
	done := false
	for n := 1; !done; n++ {
		id, err := l.submit(ctx, n)
		if err != nil {
			return nil, err
		}
		if err := l.wait(ctx, id); err != nil {
			return nil, err
		}
		select {
		case err := <-over:
			if err != nil {
				return nil, err
			}
			done = true
		default:
		}
	}
	if err := l.house.disarm(); err != nil {
		return nil, err
	}
	return l.judge(ctx)
}

func (l *dagLoop) open(ctx context.Context) (err error) {
	if l.house, err = newHouse(l.rig); err != nil {
		return err
	}
	if l.witness, err = NewWitness(); err != nil {
		return err
	}
	l.dir = filepath.Join(l.rig.Dir, "dags")
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return err
	}
	port := l.witness.Port()
	for name, text := range map[string]string{
		"job": program,
		// $1: what it calls itself; $2: the exit code of its first attempt; $3: the attempt
		"node":     fmt.Sprintf("#!/bin/sh\ncode=0\n[ \"$3\" = 0 ] && code=$2\nexec %s/job %d \"$1.$3\" 0.05 \"$code\"\n", l.dir, port),
		"pre":      fmt.Sprintf("#!/bin/sh\nexec %s/job %d \"pre.$1.$2\" 0 0\n", l.dir, port),
		"post":     fmt.Sprintf("#!/bin/sh\ncode=$3\n[ \"$code\" -ge 0 ] 2>/dev/null || code=1\nexec %s/job %d \"post.$1.$2\" 0.02 \"$code\"\n", l.dir, port),
		"node.sub": fmt.Sprintf("executable = %s/node\narguments = $(label) $(code) $(RETRY)\nshould_transfer_files = NO\nrequest_memory = 32MB\nqueue\n", l.dir),
		// says that it is ready when the witness knows of it
		"service":     fmt.Sprintf("#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/%d || exit 96\nread -r nonce </proc/sys/kernel/random/uuid\necho \"start $1 $nonce\" >&3\nread -r -u 3 word || exit 97\necho 'ServiceReady = true' >>\"$_CONDOR_JOB_ATTRS\"\nexec sleep 3600\n", port),
		"service.sub": fmt.Sprintf("executable = %s/service\narguments = $(label)\nshould_transfer_files = NO\nrequest_memory = 32MB\nqueue\n", l.dir),
		"beside.sub": fmt.Sprintf("executable = %s/job\narguments = %d $(label) 3600 0\nshould_transfer_files = NO\nrequest_memory = 32MB\nqueue\n",
			l.dir, port),
	} {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	config := "schedd {\n  name         = \"chaos\"\n  worker_lease = \"10s\"\n  lease_margin = \"3s\"\n}\n"
	if err := os.WriteFile(l.house.config, []byte(config), 0o644); err != nil {
		return err
	}
	if err := l.house.keep(ctx, "gschedd", l.house.startSchedd); err != nil {
		return err
	}
	for _, w := range []string{"worker1", "worker2"} {
		if err := l.house.keep(ctx, w, l.house.startWorker(w, 4)); err != nil {
			return err
		}
	}
	l.killer = &killer{
		house: l.house, rand: rand.New(rand.NewPCG(l.Seed, 2)), log: l.Log, pause: l.Pause,
		programs: []failpoint.Program{failpoint.Schedd, failpoint.Schedd, failpoint.Agent, failpoint.Runner, failpoint.Desk, failpoint.Keeper},
	}
	for _, p := range failpoint.Points {
		if p.Test == "TestWorkflowsAreKilled" || strings.HasPrefix(p.Name, "node.submit") {
			l.killer.points = append(l.killer.points, p)
		}
	}
	return nil
}

// innerFlow is the sub-DAG: a node that needs a service which needs another.
const innerFlow = `
workflow "inner" {
  service "store" {
    file         = "service.sub"
    ready_within = "10m"
    vars         = { label = "NAME.store" }
    retry {
      times  = 60
      always = true
    }
  }
  service "front" {
    file         = "service.sub"
    after        = [node.store]
    ready_within = "10m"
    vars         = { label = "NAME.front" }
    retry {
      times  = 60
      always = true
    }
  }
  node "i" {
    file    = "node.sub"
    vars    = { label = "NAME.i", code = 0 }
    retries = 60
  }
}
`

// submit begins the run of a workflow in layers, each node behind some of the layer
// before, until it is acknowledged.
func (l *dagLoop) submit(ctx context.Context, n int) (uint32, error) {
	g := graph{name: fmt.Sprintf("d%d", n), parents: make([][]int, l.Nodes), pre: make([]bool, l.Nodes), post: make([]bool, l.Nodes)}
	const width = 12
	var b strings.Builder
	for i := range l.Nodes {
		code := 0
		if l.rand.IntN(7) == 0 {
			code = 3 // its first attempt fails
		}
		fmt.Fprintf(&b, "JOB n%d node.sub\nVARS n%d label=\"%s.n%d\" code=\"%d\"\nRETRY n%d 60\n", i, i, g.name, i, code, i)
		if g.pre[i] = l.rand.IntN(3) == 0; g.pre[i] {
			fmt.Fprintf(&b, "SCRIPT PRE n%d pre-%s $JOB $RETRY\n", i, g.name)
		}
		if g.post[i] = l.rand.IntN(2) == 0; g.post[i] {
			fmt.Fprintf(&b, "SCRIPT POST n%d post-%s $JOB $RETRY $RETURN\n", i, g.name)
		}
		if layer := i / width; layer > 0 {
			for range 1 + l.rand.IntN(3) {
				p := (layer-1)*width + l.rand.IntN(width)
				if !slices.Contains(g.parents[i], p) {
					g.parents[i] = append(g.parents[i], p)
					fmt.Fprintf(&b, "PARENT n%d CHILD n%d\n", p, i)
				}
			}
		}
	}
	text := b.String()
	// Scripts get the node's name as a word of its own, so the run's stands in their path.
	for _, s := range []string{"pre", "post"} {
		if err := os.WriteFile(filepath.Join(l.dir, s+"-"+g.name), fmt.Appendf(nil, "#!/bin/sh\nname=$1\nshift\nexec %s/%s %s.$name \"$@\"\n", l.dir, s, g.name), 0o755); err != nil {
			return 0, err
		}
	}
	inner := strings.ReplaceAll(innerFlow, "NAME", g.name)
	if err := os.WriteFile(filepath.Join(l.dir, g.name+"-inner.hcl"), []byte(inner), 0o644); err != nil {
		return 0, err
	}
	text += fmt.Sprintf("SUBDAG EXTERNAL inner %s-inner.hcl\nPARENT n0 CHILD inner\n", g.name)
	text += fmt.Sprintf("SERVICE s beside.sub\nVARS s label=\"%s.s\"\nFINAL f node.sub\nVARS f label=\"%s.f\" code=\"0\"\nNODE_STATUS_FILE %s.status 1\nJOBSTATE_LOG %s.state\n", g.name, g.name, g.name, g.name)
	file := filepath.Join(l.dir, g.name+".dag")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return 0, err
	}
	for {
		out, err := l.rig.Run(ctx, nil, filepath.Join(l.rig.Bin, "gdag"), "submit", "--json", "--schedd", l.house.socket, "--key", g.name, file)
		var done api.DagSubmitted
		if err == nil {
			err = json.Unmarshal([]byte(out), &done)
		}
		if err == nil {
			g.id = done.Dag
			break
		}
		fmt.Fprintf(l.Log, "submit %s: %v\n", g.name, err)
		if pause.For(ctx, 100*time.Millisecond) != nil {
			return 0, err
		}
	}
	l.graphs = append(l.graphs, g)
	return g.id, nil
}

// wait waits for the end of a run.
func (l *dagLoop) wait(ctx context.Context, id uint32) error {
	for {
		d, err := l.house.schedd.Dag(ctx, id)
		if err == nil && d.Ended != 0 {
			fmt.Fprintf(l.Log, "run %d is %s\n", id, d.Status)
			return nil
		}
		if pause.For(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("run %d has not ended: %s with %d of %d nodes done (%w)", id, d.Status, d.Done, d.Nodes, errors.Join(err, context.Cause(ctx)))
		}
	}
}

// judge looks at what the witness saw and what the queue's log says.
func (l *dagLoop) judge(ctx context.Context) (*DagReport, error) {
	rep := &DagReport{Seed: l.Seed, Runs: len(l.graphs), Killed: maps.Clone(l.killer.random)}
	_, died, err := l.house.passed()
	if err != nil {
		return nil, err
	}
	for _, p := range l.killer.points {
		rep.Killed[p.Of] += died[p.Name]
	}
	runs := map[string][]Execution{}
	for _, e := range l.witness.Executions() {
		runs[e.Job] = append(runs[e.Job], e)
	}
	for _, job := range l.witness.Overlaps() {
		rep.Doubled++
		rep.wrong("%s began while it ran", job)
	}
	for job, list := range runs {
		switch kind, _, _ := strings.Cut(job, "."); kind {
		case "pre", "post":
			if kind == "pre" {
				rep.Pre++
			} else {
				rep.Post++
			}
			if len(list) > 1 {
				rep.Twice++
				rep.wrong("script %s ran %d times", job, len(list))
			}
		}
	}
	submits, err := l.submits(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range l.graphs {
		if err := l.judgeRun(ctx, rep, &g, runs, submits); err != nil {
			return nil, err
		}
	}
	t, err := l.house.schedd.Totals(ctx)
	if err != nil {
		return nil, err
	}
	if n := t.All.Total(); n > 0 {
		rep.wrong("%d jobs are left: %+v", n, t.All)
	}
	rep.Wrong = append(rep.Wrong, l.house.strange...)
	return rep, nil
}

type nodeOf struct {
	run  uint32
	node int32
}

// submits counts the clusters of each node.
func (l *dagLoop) submits(ctx context.Context) (map[nodeOf]int, error) {
	out := map[nodeOf]int{}
	for e, err := range l.house.schedd.Log(ctx, 1) {
		if err != nil {
			return nil, err
		}
		for _, ev := range e.Events {
			if ev.Type == "job_submitted" && ev.ID != 0 {
				out[nodeOf{ev.ID, ev.Node}]++
			}
		}
	}
	return out, nil
}

// judgeRun judges one run: it is done, each attempt of a node is one cluster, and a node
// begins when its parents have done all.
func (l *dagLoop) judgeRun(ctx context.Context, rep *DagReport, g *graph, runs map[string][]Execution, submits map[nodeOf]int) error {
	id := g.id
	d, err := l.house.schedd.Dag(ctx, id)
	if err != nil {
		return err
	}
	if d.Status != "done" || d.Done != l.Nodes+1 { // and its sub-DAG
		rep.wrong("run %d is %s with %d of %d nodes done", id, d.Status, d.Done, l.Nodes+1)
	}
	done := make([]time.Time, l.Nodes) // the end of the attempt that succeeded
	for i := range l.Nodes {
		n := d.Detail[i]
		rep.Nodes++
		rep.Attempts += int(n.Attempt)
		if got := submits[nodeOf{id, int32(i)}]; got > int(n.Attempt) || got < int(n.Attempt) && !g.pre[i] {
			rep.Doubled++
			rep.wrong("node %s of run %d has %d attempts and %d clusters", n.Name, id, n.Attempt, got)
		}
		last := fmt.Sprintf("%s.%s.%d", g.name, n.Name, n.Attempt-1)
		if g.post[i] {
			last = "post." + last
		}
		for _, e := range runs[last] {
			if e.Done.After(done[i]) {
				done[i] = e.Done
			}
		}
		if done[i].IsZero() {
			rep.wrong("of node %s of run %d, %s did not do all", n.Name, id, last)
		}
	}
	for i := range l.Nodes {
		for a := range d.Detail[i].Attempt {
			for _, kind := range []string{"pre.", ""} {
				for _, e := range runs[fmt.Sprintf("%s%s.n%d.%d", kind, g.name, i, a)] {
					for _, p := range g.parents[i] {
						if !done[p].IsZero() && e.Begin.Before(done[p]) {
							rep.Disorder++
							rep.wrong("node n%d of run %d began before its parent n%d had done all", i, id, p)
						}
					}
				}
			}
		}
	}
	// The services that say when they are ready, and what needs them.
	var before time.Time
	for _, who := range []string{".store", ".front", ".i.0"} {
		list := runs[g.name+who]
		if len(list) == 0 {
			rep.wrong("of run %d, %s%s never ran", id, g.name, who)
			continue
		}
		begun := slices.MinFunc(list, func(a, b Execution) int { return a.Begin.Compare(b.Begin) }).Begin
		if begun.Before(before) {
			rep.Disorder++
			rep.wrong("of run %d, %s%s began before what it needs was there", id, g.name, who)
		}
		before = begun
	}
	for _, who := range []string{".s", ".store", ".front"} {
		for _, e := range runs[g.name+who] {
			if e.End.IsZero() {
				rep.wrong("a service of run %d is left: %s%s", id, g.name, who)
			}
		}
	}
	return nil
}
