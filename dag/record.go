package dag

import "gridburst/internal/grid"

// Header is what must be remembered of a run beside its nodes.
type Header struct {
	Version uint64 // of the run: each [Change] is the next
	Status  RunStatus
	End     RunStatus // while stopping: what it ends as
	Return  int32     // its exit code, once it has ended or stops
	MaxJobs int32     // nodes that may have a job at a time; 0: no limit
}

// Record is what must be remembered of a node that has acted. It needs 40 bytes and
// holds no pointer.
type Record struct {
	State   grid.NodeState
	Asked   bool   // its submission was asked for, and nothing is known of it yet
	Attempt uint32 // attempts begun
	Cluster int32  // of the attempt; 0: none, or not known yet
	Left    int32  // its procs in the queue; below zero: more left it than are known
	Bad     int32  // procs of it that failed
	Exit    int32  // of the first of them: see [ProcsLeft]
	Seen    Position
}

// Position is a place in the ledger's stream of events: the entry, and the event of
// it. The zero Position is before all.
type Position struct {
	Index uint64
	Seq   uint32
}

// After reports whether p is behind q.
func (p Position) After(q Position) bool {
	return p.Index > q.Index || p.Index == q.Index && p.Seq > q.Seq
}

// kept reports whether r must be remembered: all else follows from the graph.
func (r *Record) kept() bool { return r.Attempt > 0 }

// active reports whether r has a job, or may have.
func (r *Record) active() bool { return r.Asked || r.State == grid.NodeSubmitted }

// idle reports whether r waits to be asked for.
func (r *Record) idle() bool { return r.State == grid.NodeReady && !r.Asked }

// on moves r. Who calls has looked at the state, so a refusal is our fault, and to go
// on would corrupt the run.
func (r *Record) on(v grid.NodeVerb) {
	next, err := r.State.On(v)
	if err != nil {
		panic("dag: " + err.Error())
	}
	r.State = next
}

// RunStatus is the state of a run.
type RunStatus uint8

// The states of a run.
const (
	RunNew      RunStatus = 0
	RunRunning  RunStatus = 1
	RunStopping RunStatus = 2 // nothing is begun any more, and its jobs are being removed
	RunDone     RunStatus = 3
	RunFailed   RunStatus = 4
	RunRemoved  RunStatus = 5
)

type runVerb uint8

const (
	runBegin runVerb = iota
	runStop
	runSucceed
	runFail
	runRemove
)

var runNext = map[RunStatus]map[runVerb]RunStatus{
	RunNew:      {runBegin: RunRunning, runStop: RunStopping},
	RunRunning:  {runStop: RunStopping, runSucceed: RunDone, runFail: RunFailed},
	RunStopping: {runSucceed: RunDone, runFail: RunFailed, runRemove: RunRemoved},
}

// on moves the run: the only way its status changes.
func (h *Header) on(v runVerb) {
	next, ok := runNext[h.Status][v]
	if !ok {
		panic("dag: a run that is " + h.Status.String() + " was moved on")
	}
	h.Status = next
}

// Ended reports whether a run in s will not change again.
func (s RunStatus) Ended() bool { return s == RunDone || s == RunFailed || s == RunRemoved }

func (s RunStatus) String() string {
	if int(s) < len(runNames) {
		return runNames[s]
	}
	return "unknown"
}

var runNames = [...]string{"new", "running", "stopping", "done", "failed", "removed"}
