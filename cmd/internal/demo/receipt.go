package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"iter"
	"maps"
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

// judge asks every witness, and lays what they say side by side. An error is of the
// asking.
func (r *run) judge(ctx context.Context) (*receipt, error) {
	out := &receipt{}
	jobs, err := r.promised(ctx, out)
	if err != nil {
		return nil, err
	}
	r.story.name(ctx, r.client) // of machines whose names nobody could tell when they came
	w := witnesses{ends: r.story.ends(), ready: r.story.ready()}
	if w.queue, err = list(r.client.Jobs(ctx, listedQuery)); err != nil {
		return nil, err
	}
	if w.history, err = list(r.client.History(ctx, api.HistoryQuery{JobsQuery: listedQuery})); err != nil {
		return nil, err
	}
	if w.logs, err = readLogs(r.work); err != nil {
		return nil, err
	}
	if w.engine, err = readRecord(ctx, r.house.Dir.Admin()); err != nil {
		return nil, err
	}
	claims, err := r.client.Claims(ctx, true)
	if err != nil {
		return nil, err
	}
	w.claims = claims.Claims
	killed, err := r.killed()
	if err != nil {
		return nil, err
	}
	out.judgeJobs(jobs, &w)
	out.judgeMachines(&w)
	out.settle(killed)
	return out, nil
}

// witnesses is what each has to say.
type witnesses struct {
	queue, history map[string][]listed // by job
	logs           map[string]logged   // by job: the user's event logs
	ends           map[string]int      // by job: completions, as events told them
	claims         []api.Claim         // the schedd's
	ready          map[uint32]bool     // claims that were ready, as events told it
	engine         *record             // the engine's own
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

var listedQuery = api.JobsQuery{Attributes: []string{"ClusterId", "ProcId", "JobStatus", "ExitCode"}, Evaluate: true}

func list(rows iter.Seq2[json.RawMessage, error]) (map[string][]listed, error) {
	out := map[string][]listed{}
	for raw, err := range rows {
		if err != nil {
			return nil, err
		}
		var j listed
		if err := json.Unmarshal(raw, &j); err != nil {
			return nil, err
		}
		id := fmt.Sprintf("%d.%d", j.ClusterId, j.ProcId)
		out[id] = append(out[id], j)
	}
	return out, nil
}

// judgeJobs looks for each job that was promised.
func (r *receipt) judgeJobs(jobs []promised, w *witnesses) {
	known := map[string]bool{}
	for _, p := range jobs {
		known[p.id] = true
		past, now := w.history[p.id], w.queue[p.id]
		switch {
		case p.id == "" || len(past) == 0 && len(now) == 0:
			r.lost++
			r.bad("%s was acknowledged, and there is no job of it", p.what)
			continue
		case len(past) == 0:
			r.bad("%s, job %s, is %s", p.what, p.id, now[0].JobStatus)
		case past[0].JobStatus != grid.Completed:
			r.lost++
			r.bad("%s, job %s, has left as %s", p.what, p.id, past[0].JobStatus)
		case past[0].ExitCode != nil && *past[0].ExitCode != 0:
			r.bad("%s, job %s, ended with exit code %d", p.what, p.id, *past[0].ExitCode)
		default:
			r.completed++
		}
		if why := w.twice(p.id); why != "" {
			r.doubled++
			r.bad("%s, job %s, %s", p.what, p.id, why)
		}
		if len(past) > 0 && w.logs[p.id].ends == 0 {
			r.bad("%s, job %s, is completed, and its event log does not say so", p.what, p.id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.history)) {
		if !known[id] {
			r.bad("job %s was promised to nobody", id)
		}
	}
}

// twice says how a job is known to have run to its end more than once, if it is.
func (w *witnesses) twice(id string) string {
	rows, log := len(w.queue[id])+len(w.history[id]), w.logs[id]
	switch {
	case rows > 1:
		return fmt.Sprintf("is listed %d times", rows)
	case w.ends[id] > 1:
		return fmt.Sprintf("completed %d times by the schedd's events", w.ends[id])
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

// readLogs reads every event log below a directory.
func readLogs(dir string) (map[string]logged, error) {
	out := map[string]logged{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
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
			switch e.Number() {
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
func (r *receipt) judgeMachines(w *witnesses) {
	e := w.engine
	r.started, r.removed, r.left = len(e.created), len(e.removed), len(e.left)
	r.borrowed, r.returned = len(e.borrowed), len(e.returned)
	for _, name := range e.touched {
		r.bad("the machine %s is somebody else's, and was touched", name)
	}
	did := map[string]string{} // jobs that were machines: the last that was one
	for i := range w.claims {
		if c := &w.claims[i]; c.Kind == "made" && slices.Contains(e.created, c.Name) {
			did[c.Job] = c.Name
		}
	}
	claimed := map[string]bool{}
	for i := range w.claims {
		c := &w.claims[i]
		if c.State != "gone" && c.State != "failed" {
			r.bad("claim %d, the machine %s, is %s still", c.ID, c.Name, c.State)
		}
		if c.Kind == "borrowed" {
			continue
		}
		claimed[c.Name] = true
		there := slices.Contains(e.created, c.Name)
		joined := c.Kind == "overflow" && w.ready[c.ID]
		switch {
		case joined && !there:
			r.bad("claim %d is said to have joined as %s, and the engine has never had that machine", c.ID, c.Name)
		case joined:
			r.joined++
		case c.Kind == "made" && did[c.Job] == c.Name && w.ends[c.Job] > 0:
			r.vmJobs++
		case there:
			r.givenUp++
		}
	}
	for i, name := range e.created {
		if slices.Contains(e.created[:i], name) {
			r.bad("the machine %s was made twice", name)
		}
		if !claimed[name] {
			r.bad("the engine has had a machine %s, and no claim is for it", name)
		}
	}
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
