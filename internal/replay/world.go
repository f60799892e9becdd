package replay

import (
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/replay/trace"
	"gridburst/router"
	"gridburst/router/burst"
)

// world is a pool of machines that come and go, and the jobs of a trace.
type world struct {
	set    *Setup
	trace  *trace.Trace
	policy Policy
	m      *router.Matcher

	now    time.Duration // since the trace's beginning
	events events

	classes []*router.Class // by shape
	offers  []router.Resources
	widest  int64 // cpus of the widest shape

	queues []*queue
	byKey  map[queueKey]*queue
	groups map[groupKey]*router.Group
	first  []int32 // by trace job: its first task
	tasks  []task  // in the order of the trace
	flows  []*flow // of a trace of workflows
	usage  map[uint32]int64

	vms    []*vm // open ones, by claim
	claims uint32
	called time.Duration // when the last machine was asked for
	in     burst.Input
	jobs   []burst.Running
	next   time.Duration // there is no decision before it
	wake   time.Duration // when there will be one though nothing happens; 0: never
	due    bool

	last time.Duration  // when the last job came, and would have ended
	runs burst.Runtimes // what those that have ended show
	left int            // tasks that are not done
	err  error          // a workflow's: it ends the replay
	rec  recorder
}

// task is one job as the router sees it.
type task struct {
	ready, start time.Duration
	job          int32 // of the trace
	state        taskState
	bound        *vm
	part         router.Resources // of each machine that it is on
	on           []*vm
}

type taskState uint8

const (
	notReady taskState = iota
	waiting
	running
	done
)

type queueKey struct{ owner, group uint32 }

// groupKey is what jobs that match alike have in common.
type groupKey struct {
	cpus, memory int64
	nodes        int
}

// queue is what waits of an owner and group.
type queue struct {
	router.Queue
	bound int // of these to machines on their way
}

// vm is a machine, from the wish for it until it is gone.
type vm struct {
	claim  uint32
	shape  int
	state  vmState
	asked  time.Duration // billed from here
	idle   time.Duration // since when it has nothing to do
	free   router.Resources
	bound  []int32 // tasks that wait for it
	jobs   int     // that run on it
	tasks  []int32 // those
	due    []burst.Due
	ran    int     // that it has run
	load   float64 // jobs that run on it; of one of several nodes its part
	drains bool
}

type vmState uint8

const (
	booting vmState = iota
	serves
	stops
)

// firstDay is when traces begin: what an ad's time() says has to be something.
const firstDay ad.Instant = 1_000_000_000

func (w *world) instant() ad.Instant { return firstDay + ad.Instant(w.now/time.Second) }

// id is a task's name: the trace's job is its cluster.
func (w *world) id(t int32) grid.JobID {
	job := w.tasks[t].job
	return grid.JobID{Cluster: job + 1, Proc: t - w.first[job]}
}

func (w *world) task(id grid.JobID) int32 { return w.first[id.Cluster-1] + id.Proc }

func newWorld(set *Setup, t *trace.Trace, p Policy) (*world, error) {
	if err := set.check(); err != nil {
		return nil, err
	}
	w := &world{
		set: set, trace: t, policy: p, m: router.NewMatcher(), byKey: map[queueKey]*queue{}, groups: map[groupKey]*router.Group{},
		usage: map[uint32]int64{}, called: -createEvery,
	}
	for i := range set.Shapes {
		w.classes = append(w.classes, set.Shapes[i].class(uint32(i+1)))
		w.offers = append(w.offers, set.Shapes[i].offer())
		w.widest = max(w.widest, set.Shapes[i].Cpus)
	}
	for class, runs := range t.Known {
		for _, run := range runs {
			w.runs.ObserveNode(class, run)
		}
	}
	for i := range t.Jobs {
		j := &t.Jobs[i]
		w.first = append(w.first, int32(len(w.tasks)))
		for range j.Count {
			w.tasks = append(w.tasks, task{job: int32(i)})
		}
		if !w.fits(j) {
			w.rec.never += j.Count
			continue
		}
		w.left += j.Count
		w.last = max(w.last, j.Submit+j.Run)
		if t.Graph == nil {
			w.at(j.Submit, arrives, nil, int32(i))
		}
	}
	if t.Graph != nil {
		if err := w.schedule(); err != nil {
			return nil, err
		}
	}
	w.rec.begin(w)
	return w, nil
}

// fits reports whether machines could ever run the job.
func (w *world) fits(j *trace.Job) bool {
	for i := range w.set.Shapes {
		s := &w.set.Shapes[i]
		if nodes := nodesOf(j.Cpus, w.widest); (nodes == 1 && j.Cpus <= s.Cpus || nodes > 1 && s.Cpus == w.widest && nodes <= s.Max) && j.MemoryMB <= s.MemoryMB {
			return true
		}
	}
	return false
}

// nodesOf is on how many machines a job runs: one that is wider than any takes so many
// whole ones, all at once.
func nodesOf(cpus, widest int64) int { return int((cpus + widest - 1) / widest) }

// group is what jobs like it are matched as.
func (w *world) group(j *trace.Job) *router.Group {
	k := groupKey{j.Cpus, j.MemoryMB, nodesOf(j.Cpus, w.widest)}
	if k.nodes > 1 {
		k.cpus, k.memory = w.widest, 0
	}
	g := w.groups[k]
	if g == nil {
		a := ad.New(4)
		a.SetInt("RequestCpus", k.cpus)
		a.SetInt("RequestMemory", k.memory)
		if err := a.Set("Requirements", `TARGET.OpSys == "LINUX" && TARGET.Arch == "X86_64" && TARGET.Memory >= RequestMemory`); err != nil {
			panic(err) // it is written here
		}
		g = &router.Group{ID: uint32(len(w.groups) + 1), Ad: a, Nodes: k.nodes}
		w.groups[k] = g
	}
	return g
}

func (w *world) queue(j *trace.Job) *queue {
	g := w.group(j)
	k := queueKey{j.Owner, g.ID}
	q := w.byKey[k]
	if q == nil {
		q = &queue{Queue: router.Queue{Owner: j.Owner, Group: g}}
		w.byKey[k] = q
		w.queues = append(w.queues, q)
	}
	return q
}

// Result of a replay that does not end: what waits is never started.
var errStuck = grid.Errorf(grid.Refused, "jobs wait that it never starts a machine for")
