package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/userlog"
)

// receipt is what came of a run.
type receipt struct {
	jobs, completed, lost, doubled                  int
	started, joined, vmJobs, givenUp, removed, left int
	borrowed, returned                              int
	wall                                            time.Duration
	wrong                                           []string // what must not be
}

// String is the receipt in a line.
func (r *receipt) String() string {
	return fmt.Sprintf("receipt: jobs %d completed %d lost %d doubled %d · vms started %d joined %d vm-jobs %d given-up %d removed %d left %d · borrowed %d returned %d · wall %d s",
		r.jobs, r.completed, r.lost, r.doubled, r.started, r.joined, r.vmJobs, r.givenUp, r.removed, r.left, r.borrowed, r.returned, int(r.wall.Round(time.Second).Seconds()))
}

func (r *receipt) bad(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// settle compares the numbers with each other. killed says that something died that did
// not end by itself.
func (r *receipt) settle(killed bool) {
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			r.bad(format, args...)
		}
	}
	expect(r.completed == r.jobs, "%d jobs were acknowledged, and %d are completed", r.jobs, r.completed)
	expect(r.lost == 0, "%d jobs were acknowledged, and are neither completed nor in the queue", r.lost)
	expect(r.doubled == 0, "%d jobs ran to their ends more than once", r.doubled)
	expect(r.started == r.joined+r.vmJobs+r.givenUp, "%d machines were started, and what became of them is known of %d", r.started, r.joined+r.vmJobs+r.givenUp)
	expect(r.started == r.removed, "%d machines were started, and %d removed", r.started, r.removed)
	expect(r.left == 0, "%d machines are left at the engine", r.left)
	expect(r.vmJobs >= 1, "no job was a machine")
	expect(r.joined >= 1, "no machine joined: the pool did not overflow")
	expect(r.borrowed == 1, "a machine was borrowed %d times, and one job wanted one", r.borrowed)
	expect(r.returned == r.borrowed, "of %d machines that were borrowed %d are as they were", r.borrowed, r.returned)
	expect(r.givenUp == 0 || killed, "%d machines were given up, and nothing was killed", r.givenUp)
}

// promised is a job that was acknowledged.
type promised struct {
	what string // the file or the node
	id   string // "" if there is none
}

// judge asks every witness. An error is of the asking.
func (r *run) judge(ctx context.Context) (*receipt, error) {
	out := &receipt{}
	jobs, err := r.promised(ctx, out)
	if err != nil {
		return nil, err
	}
	if err := r.judgeJobs(ctx, jobs, out); err != nil {
		return nil, err
	}
	rec, err := readRecord(ctx, r.house.Dir.Admin())
	if err != nil {
		return nil, err
	}
	if err := r.judgeMachines(ctx, rec, out); err != nil {
		return nil, err
	}
	killed, err := r.killed()
	if err != nil {
		return nil, err
	}
	out.settle(killed)
	return out, nil
}

// promised is every job of the client's ledger. A workflow promises one for each node.
func (r *run) promised(ctx context.Context, out *receipt) (jobs []promised, err error) {
	acks, err := r.ledger.acknowledged()
	if err != nil {
		return nil, err
	}
	for _, e := range acks {
		out.jobs += e.Jobs
		if e.Dag == 0 {
			jobs = append(jobs, promised{e.What, fmt.Sprintf("%d.0", e.First)})
			continue
		}
		d, err := r.client.Dag(ctx, e.Dag)
		if err != nil {
			return nil, err
		}
		if d.Status != "done" {
			out.bad("workflow %d is %s", e.Dag, d.Status)
		}
		if len(d.Detail) != e.Jobs {
			out.bad("workflow %d has %d nodes, and %d were handed in", e.Dag, len(d.Detail), e.Jobs)
		}
		for _, n := range d.Detail {
			p := promised{what: n.Name}
			if n.Cluster != 0 {
				p.id = fmt.Sprintf("%d.0", n.Cluster)
			}
			jobs = append(jobs, p)
			if n.Attempt > 1 {
				out.bad("node %s was tried %d times", n.Name, n.Attempt)
			}
		}
	}
	return jobs, nil
}

// listed is a job as the queue or the history has it.
type listed struct {
	ClusterId, ProcId int32
	JobStatus         grid.Status
	ExitCode          *int
}

func (r *run) judgeJobs(ctx context.Context, jobs []promised, out *receipt) error {
	list := func(rows func(context.Context, api.JobsQuery) func(func(json.RawMessage, error) bool)) (map[string][]listed, error) {
		found := map[string][]listed{}
		for raw, err := range rows(ctx, api.JobsQuery{Attributes: []string{"ClusterId", "ProcId", "JobStatus", "ExitCode"}, Evaluate: true}) {
			if err != nil {
				return nil, err
			}
			var j listed
			if err := json.Unmarshal(raw, &j); err != nil {
				return nil, err
			}
			id := fmt.Sprintf("%d.%d", j.ClusterId, j.ProcId)
			found[id] = append(found[id], j)
		}
		return found, nil
	}
	queue, err := list(func(ctx context.Context, q api.JobsQuery) func(func(json.RawMessage, error) bool) {
		return r.client.Jobs(ctx, q)
	})
	if err != nil {
		return err
	}
	history, err := list(func(ctx context.Context, q api.JobsQuery) func(func(json.RawMessage, error) bool) {
		return r.client.History(ctx, q)
	})
	if err != nil {
		return err
	}
	logs, err := r.readLogs()
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, p := range jobs {
		known[p.id] = true
		past := history[p.id]
		switch {
		case p.id == "" || len(past) == 0 && len(queue[p.id]) == 0:
			out.lost++
			out.bad("%s was acknowledged, and there is no job of it", p.what)
			continue
		case len(past) == 0:
			out.bad("%s, job %s, is %s", p.what, p.id, queue[p.id][0].JobStatus)
		case past[0].JobStatus != grid.Completed:
			out.lost++
			out.bad("%s, job %s, has left as %s", p.what, p.id, past[0].JobStatus)
		case past[0].ExitCode != nil && *past[0].ExitCode != 0:
			out.bad("%s, job %s, ended with exit code %d", p.what, p.id, *past[0].ExitCode)
		default:
			out.completed++
		}
		if why := r.twice(p.id, len(past)+len(queue[p.id]), logs[p.id]); why != "" {
			out.doubled++
			out.bad("%s, job %s, %s", p.what, p.id, why)
		}
		if n := logs[p.id].ends; len(past) > 0 && n == 0 {
			out.bad("%s, job %s, is completed, and its event log does not say so", p.what, p.id)
		}
	}
	for id := range history {
		if !known[id] {
			out.bad("job %s was promised to nobody", id)
		}
	}
	return nil
}

// twice says how a job is known to have run to its end more than once, if it is.
func (r *run) twice(id string, rows int, log logged) string {
	r.story.mu.Lock()
	ends := len(r.story.job(id).completed)
	r.story.mu.Unlock()
	switch {
	case rows > 1:
		return fmt.Sprintf("is listed %d times", rows)
	case ends > 1:
		return fmt.Sprintf("completed %d times by the schedd's events", ends)
	case log.ends > 1:
		return fmt.Sprintf("terminated %d times by its event log", log.ends)
	case log.late:
		return "began again behind its end, by its event log"
	}
	return ""
}

// logged is what a user's event logs say of a job.
type logged struct {
	ends int  // events of its termination
	late bool // it began behind one
}

func (r *run) readLogs() (map[string]logged, error) {
	out := map[string]logged{}
	err := filepath.WalkDir(r.work, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".log" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		events, _ := userlog.Read(b)
		for _, e := range events {
			id := e.Job.String()
			l := out[id]
			switch e.Number {
			case grid.EventExecute:
				l.late = l.late || l.ends > 0
			case grid.EventTerminated:
				l.ends++
			}
			out[id] = l
		}
		return nil
	})
	return out, err
}

// judgeMachines lays what the schedd says of its claims beside what the engine says of
// its machines.
func (r *run) judgeMachines(ctx context.Context, rec *record, out *receipt) error {
	all, err := r.client.Claims(ctx, true)
	if err != nil {
		return err
	}
	out.started, out.removed, out.left = len(rec.created), len(rec.removed), len(rec.left)
	out.borrowed, out.returned = len(rec.borrowed), len(rec.returned)
	for _, name := range rec.touched {
		out.bad("the machine %s is somebody else's, and was touched", name)
	}
	for i, name := range rec.created {
		if slices.Contains(rec.created[:i], name) {
			out.bad("the machine %s was made twice", name)
		}
	}
	r.story.mu.Lock()
	defer r.story.mu.Unlock()
	claimed := map[string]bool{}
	did := map[string]string{} // jobs that were machines: the last that was one
	for i := range all.Claims {
		if c := &all.Claims[i]; c.Kind == "made" && slices.Contains(rec.created, c.Name) {
			did[c.Job] = c.Name
		}
	}
	for i := range all.Claims {
		c := &all.Claims[i]
		if c.State != "gone" && c.State != "failed" {
			out.bad("claim %d, the machine %s, is %s still", c.ID, c.Name, c.State)
		}
		if c.Kind == "borrowed" {
			continue
		}
		claimed[c.Name] = true
		there, joined := slices.Contains(rec.created, c.Name), c.Kind == "overflow" && r.story.claim(c.ID).was("ready")
		switch {
		case joined && !there:
			out.bad("claim %d is said to have joined as %s, and the engine has never had that machine", c.ID, c.Name)
		case joined:
			out.joined++
		case c.Kind == "made" && did[c.Job] == c.Name && len(r.story.job(c.Job).completed) > 0:
			out.vmJobs++
		case there:
			out.givenUp++
		}
	}
	for _, name := range rec.created {
		if !claimed[name] {
			out.bad("the engine has had a machine %s, and no claim is for it", name)
		}
	}
	return nil
}

// killed reports whether anything died that was to stay: a program of the house, or a
// child of the schedd, of which its log tells.
func (r *run) killed() (bool, error) {
	if r.house.Restarts() > 0 {
		return true, nil
	}
	b, err := os.ReadFile(filepath.Join(string(r.house.Dir), "schedd.log"))
	return strings.Contains(string(b), "signal: killed"), err
}
