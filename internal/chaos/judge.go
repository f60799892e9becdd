package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/userlog"
)

// judge compares what the three observers saw with what the queue says at the end.
func (r *run) judge(ctx context.Context, stuck string) (*Report, error) {
	rep := &Report{Seed: r.Seed}
	hit, died, err := r.house.passed()
	if err != nil {
		return nil, err
	}
	for _, p := range r.killer.points {
		rep.Points = append(rep.Points, Passed{p, hit[p.Name], died[p.Name]})
	}
	rep.Random, rep.Stopped = r.killer.random, r.killer.stopped
	rep.Faults = r.killer.total(died)
	if stuck != "" {
		rep.wrong("it did not come to rest: %s", stuck)
	}
	for _, s := range r.house.strange {
		rep.wrong("%s", s)
	}
	for _, w := range r.late.wrong {
		rep.Duplicated++
		rep.wrong("%s", w)
	}
	rep.Late = r.late.lies
	for _, o := range r.witness.Overlaps() {
		rep.Overlap++
		rep.wrong("%s", o)
	}
	q, err := readQueue(ctx, r.house.schedd)
	if err != nil {
		return nil, err
	}
	j := &jury{run: r, rep: rep, queue: q, runs: map[string][]Execution{}}
	for _, e := range r.witness.Executions() {
		j.runs[e.Job] = append(j.runs[e.Job], e)
	}
	r.meddler.judge(rep, j.runs)
	j.jobs()
	j.all(r.eventLog())
	if err := r.flows.judge(ctx, rep, j.runs); err != nil {
		return nil, err
	}
	for _, w := range r.comers.wrong {
		rep.wrong("%s", w)
	}
	rep.PoweredOff = r.comers.ended
	if err := j.keys(ctx); err != nil {
		return nil, err
	}
	if r.engine != nil {
		if err := r.engine.judge(rep, q); err != nil {
			return nil, err
		}
	}
	// The state is the fold of the log, whatever has happened.
	out, err := r.rig.Run(ctx, []string{"GRIDBURST_SCHEDD=" + r.house.socket}, filepath.Join(r.rig.Bin, "gadm"), "verify")
	if err != nil {
		rep.wrong("gadm verify: %v: %s", err, out)
	}
	return rep, nil
}

// queue is what the queue and its log say at the end.
type queue struct {
	status   map[string]string // by job: its status, in the queue or the history
	copies   map[string]int    // by job: how often it is in either
	node     map[string]bool
	gone     map[string]bool        // by job: it was removed
	done     map[string][]time.Time // by job: when it was counted complete
	wished   map[uint32]time.Time   // by claim: when it was wished for
	unwished map[uint32]time.Time   // by claim: when it was not wished for any more
	closed   map[uint32]time.Time   // by claim: when nothing was left of it, as the queue says
	deployed string
}

// moved takes in where a claim has come to.
func (q *queue) moved(claim uint32, to string, at time.Time) {
	closed := to == "gone" || to == "failed"
	if _, over := q.unwished[claim]; !over && (closed || to == "stopping") {
		q.unwished[claim] = at
	}
	if closed {
		q.closed[claim] = at
	}
}

func readQueue(ctx context.Context, c *api.Client) (*queue, error) {
	q := &queue{
		status: map[string]string{}, copies: map[string]int{}, node: map[string]bool{}, gone: map[string]bool{}, done: map[string][]time.Time{},
		wished: map[uint32]time.Time{}, unwished: map[uint32]time.Time{}, closed: map[uint32]time.Time{},
	}
	status, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	q.deployed = status.Deployment
	ask := api.JobsQuery{Attributes: []string{"ClusterId", "ProcId", "JobStatus", "DAGNodeName", "HoldReason"}, Limit: 5000}
	for _, list := range []func(func(json.RawMessage, error) bool){c.Jobs(ctx, ask), c.History(ctx, api.HistoryQuery{JobsQuery: ask})} {
		for raw, err := range list {
			if err != nil {
				return nil, err
			}
			var a struct {
				ClusterId, ProcId int32
				JobStatus         int
				DAGNodeName       *string
				HoldReason        string
			}
			if err := json.Unmarshal(raw, &a); err != nil {
				return nil, err
			}
			id := grid.JobID{Cluster: a.ClusterId, Proc: a.ProcId}.String()
			q.status[id] = strings.TrimSpace(grid.Status(a.JobStatus).String() + " " + a.HoldReason)
			q.copies[id]++
			q.node[id] = a.DAGNodeName != nil
			q.gone[id] = grid.Status(a.JobStatus) == grid.Removed
		}
	}
	for e, err := range c.Log(ctx, 1) {
		if err != nil {
			return nil, err
		}
		for _, ev := range e.Events {
			switch {
			case ev.Type == "job_completed":
				jobs, err := grid.ParseRun(ev.Jobs)
				if err != nil {
					return nil, err
				}
				for p := jobs.Lo; p < jobs.Hi; p++ {
					id := grid.JobID{Cluster: jobs.Cluster, Proc: p}.String()
					q.done[id] = append(q.done[id], time.UnixMilli(ev.Time))
				}
			case ev.Type == "claim_moved" && e.Kind == "want":
				q.wished[ev.ID] = time.UnixMilli(e.Time)
			case ev.Type == "claim_moved":
				q.moved(ev.ID, ev.To, time.UnixMilli(e.Time))
			}
		}
	}
	return q, nil
}

// jury judges the jobs.
type jury struct {
	run   *run
	rep   *Report
	queue *queue
	runs  map[string][]Execution
}

func (j *jury) jobs() {
	expected := map[string]bool{}
	for _, h := range j.run.client.all() {
		if h.Cluster == 0 {
			continue // not acknowledged: it may be there, whole, or not
		}
		for p := range h.Jobs {
			id := grid.JobID{Cluster: h.Cluster, Proc: int32(p)}.String()
			expected[id] = true
			j.rep.Acked++
			j.job(&h, id)
		}
		j.log(&h)
	}
	for id := range j.queue.copies {
		if !expected[id] && !j.queue.node[id] {
			j.rep.Unexpected++
			j.rep.wrong("job %s is there, and nobody was told of it", id)
		}
	}
}

// slack is how much later than it was counted a program's own end may be seen.
const slack = 200 * time.Millisecond

func (j *jury) job(h *handed, id string) {
	name := id
	if h.Shape == machine {
		name = h.Key
	}
	done := j.queue.done[id]
	switch n := j.queue.copies[id]; {
	case n == 0:
		j.rep.Lost++
		j.rep.wrong("job %s of %s was acknowledged, and is gone", id, h.Key)
		return
	case n > 1 || len(done) > 1:
		j.rep.Duplicated++
		j.rep.wrong("job %s is there %d times, and was counted complete %d times", id, n, len(done))
		return
	case j.run.meddler.judgeRemoved(j.rep, id, j.queue, j.runs[name]):
		return
	case len(done) == 0:
		j.rep.wrong("job %s of %s did not complete: its status is %s", id, h.Key, j.queue.status[id])
		return
	}
	if h.Shape == belated {
		return
	}
	ended := 0
	for _, e := range j.runs[name] {
		if e.Ended {
			ended++
		}
		if e.Begin.After(done[0].Add(slack)) {
			j.rep.Duplicated++
			j.rep.wrong("job %s began again, as %s, %s after it was counted complete", id, e.Nonce, e.Begin.Sub(done[0]))
		}
		if e.End.IsZero() || !e.Ended && e.End.After(done[0].Add(slack)) {
			j.rep.Overlap++
			j.rep.wrong("job %s ran on as %s after it was counted complete", id, e.Nonce)
		}
	}
	if ended == 0 {
		j.rep.wrong("job %s was counted complete, and nobody saw it do all", id)
	}
	if h.Shape == stepped {
		j.steps(h, id)
		return
	}
	j.outputs(h, id)
}

// steps looks whether a job that checkpoints itself has done its steps one after another, none
// again behind which one had begun, and has what it wrote in each of them once.
func (j *jury) steps(h *handed, id string) {
	ended, last := map[string]bool{}, 1
	for _, e := range j.runs[id] {
		step := e.step()
		if step != last && step != last+1 {
			j.rep.wrong("job %s began step %d, as %s, when %d was the newest that it had begun", id, step, e.Nonce, last)
		}
		last = max(last, step)
		ended[id+" "+e.Nonce] = e.Ended
	}
	_, proc, _ := strings.Cut(id, ".")
	b, err := os.ReadFile(filepath.Join(h.Dir, "out."+proc))
	if err != nil {
		j.rep.wrong("job %s is complete without its output: %v", id, err)
		return
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	whole := len(lines) == steps
	for i, line := range lines {
		whole = whole && ended[line] && strings.HasPrefix(line, fmt.Sprintf("%s %d-", id, i+1))
	}
	reached, err := os.ReadFile(filepath.Join(h.Dir, "reached."+proc))
	if !whole || err != nil || strings.TrimSpace(string(reached)) != strconv.Itoa(steps) {
		j.rep.wrong("job %s has not what it wrote in each of %d steps: %q, and %q in the end (%v)", id, steps, b, reached, err)
	}
}

// outputs looks whether what is in place is all of one execution that did all.
func (j *jury) outputs(h *handed, id string) {
	_, proc, _ := strings.Cut(id, ".")
	var names []string
	switch h.Shape {
	case moved, anywhere:
		names = []string{"out", "one", "two"}
	case inPlace, bare, retried:
		names = []string{"out", "one"}
	case large:
		names = []string{"one"}
	}
	seen := map[string]bool{}
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(h.Dir, n+"."+proc))
		if err != nil {
			j.rep.wrong("job %s is complete without its output: %v", id, err)
			return
		}
		seen[strings.TrimSpace(string(b))] = true
	}
	if len(seen) == 0 {
		return
	}
	for _, e := range j.runs[id] {
		if e.Ended && len(seen) == 1 && seen[id+" "+e.Nonce] {
			return
		}
	}
	j.rep.wrong("outputs of job %s are not those of one execution that did all: %q", id, slices.Sorted(maps.Keys(seen)))
}

// log looks whether a submission's event log tells of each job's submit, end and removal once.
func (j *jury) log(h *handed) {
	if h.Log == "" {
		return
	}
	told := tally{}
	if err := told.read(h.Log); err != nil {
		j.rep.wrong("the event log of %s: %v", h.Key, err)
		return
	}
	for p := range h.Jobs {
		j.told(h.Log, told, grid.JobID{Cluster: h.Cluster, Proc: int32(p)}.String())
	}
}

// told looks whether a log tells of a job's submit, end and removal once.
func (j *jury) told(log string, told tally, id string) {
	if t := told[id]; t.submitted != 1 || t.ended != len(j.queue.done[id]) {
		j.rep.wrong("the event log %s tells %d submits and %d ends of job %s", log, t.submitted, t.ended, id)
	}
	if n := told[id].aborted; n > 1 || n == 1 != j.queue.gone[id] {
		j.rep.wrong("the event log %s tells %d removals of job %s, which is %s", log, n, id, j.queue.status[id])
	}
}

// all looks whether the log of all jobs tells of each job's submit and end once,
// through all its rotations.
func (j *jury) all(path string) {
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) == 0 {
		j.rep.wrong("there is no event log %s: %v", path, err)
		return
	}
	told := tally{}
	for _, f := range files {
		if err := told.read(f); err != nil {
			j.rep.wrong("the event log of all jobs: %v", err)
		}
	}
	for id := range j.queue.copies {
		j.told(path, told, id)
	}
}

// tally is how often event logs tell of each job's submit, end and removal.
type tally map[string]struct{ submitted, ended, aborted int }

func (t tally) read(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	events, whole := userlog.Read(b)
	if whole != len(b) {
		return fmt.Errorf("%s ends in the midst of an event", path)
	}
	for i := range events {
		id := events[i].Job.String()
		n := t[id]
		switch events[i].Number() {
		case grid.EventSubmit:
			n.submitted++
		case grid.EventTerminated:
			n.ended++
		case grid.EventAborted:
			n.aborted++
		}
		t[id] = n
	}
	return nil
}

// keys looks whether keys still give what they gave.
func (j *jury) keys(ctx context.Context) error {
	for i, h := range j.run.client.all() {
		if h.Cluster == 0 || i%5 != 0 {
			continue
		}
		wrong, err := j.run.client.again(ctx, h)
		if err != nil {
			return err
		}
		if wrong != "" {
			j.rep.Duplicated++
			j.rep.wrong("%s", wrong)
		}
	}
	return nil
}
