package dag

import "gridburst/internal/grid"

// Header is what must be remembered of a run beside its nodes.
type Header struct {
	Version uint64 // of the run: each [Change] is the next
	Status  RunStatus
	End     RunStatus // while it comes to its end: what it ends as
	Return  int32     // its exit code, once it has ended or is about to
	MaxJobs int32     // nodes that may have a job at a time; 0: no limit
	MaxIdle int32     // procs that may wait in the queue; 0: no limit
	MaxPre  int32     // PRE scripts that may run at a time; 0: [MaxScripts]
	MaxPost int32     // POST scripts; 0: [MaxScripts]
	MaxHold int32     // HOLD scripts; 0: [MaxScripts]

	Priority   int32     // is added to that of each node
	AlwaysPost bool      // POST scripts run also when the PRE script has failed
	Halt       Halt      // nothing is begun
	Condition  Condition // what went wrong, once something has ended the run
	Supply     Supply    // how far its provisioner has come
	Hurry      bool      // somebody wants it to end without what cleans up behind it
}

// Limits are those of a [Header].
type Limits struct{ MaxJobs, MaxIdle, MaxPre, MaxPost, MaxHold int32 }

// Limits are how much of the run may go on at a time.
func (h *Header) Limits() Limits {
	return Limits{h.MaxJobs, h.MaxIdle, h.MaxPre, h.MaxPost, h.MaxHold}
}

// Limit sets them.
func (h *Header) Limit(l Limits) {
	h.MaxJobs, h.MaxIdle, h.MaxPre, h.MaxPost, h.MaxHold = l.MaxJobs, l.MaxIdle, l.MaxPre, l.MaxPost, l.MaxHold
}

// Halt says what of a run may be begun.
type Halt uint8

// The halts.
const (
	Unhalted Halt = iota
	Halted        // no node is begun; when what runs has ended, so has the run
	Paused        // neither is a POST script, and the run waits
)

// Condition is DAGMan's DAG_STATUS: how a run has fared so far.
type Condition uint8

// The conditions of a run, with DAGMan's numbers.
const (
	ConditionOK      Condition = 0
	ConditionError   Condition = 1
	ConditionFailed  Condition = 2 // a node has failed
	ConditionAborted Condition = 3 // an exit code of a node ended it
	ConditionRemoved Condition = 4
	ConditionHalted  Condition = 6
)

// Supply is the ProvisionerState of a run's provisioner, with HTCondor's numbers.
type Supply uint8

// The states of a provisioner.
const (
	SupplyNone      Supply = 0
	SupplyStarted   Supply = 1
	SupplyComplete  Supply = 2 // what the nodes need is there
	SupplyReleasing Supply = 3
	SupplyReleased  Supply = 4 // all of it has been given back
)

// Record is what must be remembered of a node that has acted. It needs 56 bytes and
// holds no pointer.
type Record struct {
	State    grid.NodeState
	Asked    bool     // its submission was asked for, and nothing is known of it yet
	Skipped  bool     // somebody said that it counts as done
	Script   Stage    // of its PRE script while NodePre, of its POST script while NodePost
	Attempt  uint32   // attempts begun
	Cluster  int32    // of the attempt, or the run of a sub-DAG; 0: none, or not known yet
	Procs    int32    // of that cluster; 0: not known yet
	Left     int32    // its procs in the queue; below zero: more left it than are known
	Bad      int32    // procs of it that failed
	Exit     int32    // of the first of them: see [ProcsLeft]; at the end, of the part that decided
	Pre      int32    // exit code of the attempt's PRE script, once it has ended
	Try      uint32   // of the script: how often it was put off
	Progress Progress // of its attempt
	Seen     Position
}

// Stage is how far a script has come.
type Stage uint8

// The stages of a script.
const (
	ScriptNone     Stage = iota
	ScriptWaits          // for as few as may to run at a time
	ScriptRuns           // it was asked for
	ScriptDeferred       // it has ended as if it had not run, and is run again later; of a node that is ready: its next attempt is put off
	ScriptOver           // a PRE script that let its node go on
)

// Progress is how far the job of an attempt has come, beside being in the queue.
type Progress uint8

// How far jobs come.
const (
	ProgressNone  Progress = iota
	ProgressReady          // of a service: its job has said that it is ready
	ProgressLate           // its time was over, and it is being removed
	ProgressLost           // of a service: its job was to be executed once more, and is being removed
)

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
func (r *Record) kept() bool { return r.Attempt > 0 || r.Skipped }

// active reports whether r has a job, or may have.
func (r *Record) active() bool { return r.Asked || r.State == grid.NodeSubmitted }

// busy reports whether an attempt of r goes on.
func (r *Record) busy() bool {
	return r.active() || r.State == grid.NodePre || r.State == grid.NodePost
}

// runs reports whether a script of r may be running.
func (r *Record) runs(phase grid.NodeState) bool {
	return r.State == phase && r.Script == ScriptRuns
}

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
	RunNew       RunStatus = 0
	RunRunning   RunStatus = 1
	RunStopping  RunStatus = 2 // nothing is begun any more, and its jobs are being removed
	RunDone      RunStatus = 3
	RunFailed    RunStatus = 4
	RunRemoved   RunStatus = 5
	RunFinishing RunStatus = 6 // its FINAL node runs
	RunClosing   RunStatus = 7 // its services are being removed, and its provisioner gives back
)

type runVerb uint8

const (
	runBegin runVerb = iota
	runStop
	runFinal
	runClose
	runSucceed
	runFail
	runRemove
)

var runNext = map[RunStatus]map[runVerb]RunStatus{
	RunNew:       {runBegin: RunRunning, runStop: RunStopping},
	RunRunning:   {runStop: RunStopping, runFinal: RunFinishing, runClose: RunClosing},
	RunStopping:  {runFinal: RunFinishing, runClose: RunClosing},
	RunFinishing: {runClose: RunClosing},
	RunClosing:   {runSucceed: RunDone, runFail: RunFailed, runRemove: RunRemoved},
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

var runNames = [...]string{"new", "running", "stopping", "done", "failed", "removed", "finishing", "closing"}
