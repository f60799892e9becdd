package dag

import (
	"time"

	"gridburst/internal/grid"
)

// Happening is something that a run must be told.
type Happening interface{ happen(*step) error }

// Begin starts a new run.
type Begin struct{}

// Submitted says that a node's attempt is in the queue. It answers a [Submit].
type Submitted struct {
	Node    int32
	Attempt uint32
	Cluster int32
	Procs   int32
}

// SubmitFailed says that a node's attempt cannot be submitted: the attempt has failed,
// with [ExitSubmit]. Trying again for what may pass by itself is the caller's work; an
// outcome that is not known is neither this nor [Submitted].
type SubmitFailed struct {
	Node    int32
	Attempt uint32
	Reason  string
}

// ProcsLeft says that procs of a node's cluster have left the queue, all of them with
// the same end. Exit is what DAGMan calls $RETURN: an exit code, minus the signal that
// killed the job, or one of the Exit constants; 0 is success.
type ProcsLeft struct {
	Node    int32
	Cluster int32
	At      Position // of the event
	Procs   int32
	Exit    int32

	Last string // as in [Waited]
}

// Counted says how a node's cluster stands at a position of the ledger, for when its
// events are no longer there to be read: procs still in the queue, procs that failed,
// and the first one's Exit.
type Counted struct {
	Node    int32
	Cluster int32
	At      Position
	Left    int32
	Bad     int32
	Exit    int32

	Last string // as in [Waited], of a job that has left
}

// ScriptEnded says how a script has ended. It answers a [RunScript].
type ScriptEnded struct {
	Node    int32
	Attempt uint32
	Phase   grid.NodeState // NodePre or NodePost
	Try     uint32
	Exit    int32 // an exit code, or minus the signal that killed it
	Reason  string
}

// Waited says that the time of a [Wait] is over.
type Waited struct {
	Node    int32
	Attempt uint32
	Try     uint32

	Last string // of a service that is not ready: for what it waits, as a sentence; empty: not known
}

// ProcHeld says that a proc of a node's cluster is held.
type ProcHeld struct {
	Node    int32
	Cluster int32
}

// RunStarted says that a node's sub-DAG runs. It answers a [StartRun]; [SubmitFailed]
// is the other answer.
type RunStarted struct {
	Node    int32
	Attempt uint32
	Run     uint32
}

// RunEnded says that the run of a node's sub-DAG has ended.
type RunEnded struct {
	Node    int32
	Attempt uint32
	Run     uint32
	Exit    int32
}

// Supplied says how far the run's provisioner has come. It counts if that is further
// than before.
type Supplied struct{ State Supply }

// Serving says what is known of a service's job: that it says it is ready, or that its
// execution ended before the job did. It counts for services that say when they are ready.
type Serving struct {
	Node    int32
	Cluster int32
	Lost    bool // else it is ready
}

// LookedBack says what became of the node of the run before that a node stands for: that it
// has ended as it was to end, or that there is no such node. It answers a [LookBack].
type LookedBack struct {
	Node   int32
	Failed bool   // it will not come to the end that is waited for
	Why    string // for people
}

// Look begins what may be begun, after [Run.Waiting].
type Look struct{}

// Throttle sets the limits of a run.
type Throttle struct{ Limits Limits }

// Hold halts a run, pauses it, or lets it go on.
type Hold struct{ Halt Halt }

// Retry gives a node that has failed one more attempt.
type Retry struct{ Node int32 }

// Skip has a node count as done whose job does not run.
type Skip struct{ Node int32 }

// Remove ends the run: nothing is begun any more, and its jobs are removed. Once more,
// it asks once more for what has not yet gone.
type Remove struct{}

// Resume asks for every action that is due: after a restart, or whenever some may have
// been lost.
type Resume struct{}

// Exits that are no exit code, with DAGMan's numbers.
const (
	ExitSubmit  = -1001 // could not be submitted
	ExitRemoved = -1002 // somebody removed the job
	ExitSkipped = -1004 // its PRE script failed
)

// NoScript is what DAGMan calls the exit code of a PRE script that there is not.
const NoScript = -1

// Exit codes of a run.
const (
	ReturnDone    = 0
	ReturnFailed  = 1
	ReturnRemoved = 2
)

// Action is something to be done for a run. To do one twice must be to do it once.
type Action interface{ action() }

// Submit asks for a node's job, under a key made of run, node and attempt. It is
// answered with [Submitted] or [SubmitFailed].
type Submit struct {
	Node    int32
	Attempt uint32
}

// RemoveJobs asks for the removal of what is left of a node's cluster.
type RemoveJobs struct {
	Node    int32
	Cluster int32
}

// RunScript asks for a node's PRE or POST script, under a key made of run, node,
// attempt, phase and try. It is answered with [ScriptEnded].
type RunScript struct {
	Node    int32
	Attempt uint32
	Phase   grid.NodeState
	Try     uint32
}

// KillScript asks for the end of a script, which is answered with its [ScriptEnded]; one
// that has not begun does not begin any more.
type KillScript struct {
	Node    int32
	Attempt uint32
	Phase   grid.NodeState
	Try     uint32
}

// RunHold asks for a node's HOLD script. Nothing depends on it, and nothing answers.
type RunHold struct {
	Node    int32
	Attempt uint32
}

// StartRun asks for the run of a node's sub-DAG, under a key made of run, node and
// attempt. It is answered with [RunStarted] or [SubmitFailed].
type StartRun struct {
	Node    int32
	Attempt uint32
}

// RemoveRun asks for the end of the run of a node's sub-DAG.
type RemoveRun struct {
	Node int32
	Run  uint32
}

// Wait asks for a [Waited] after some time. One that is not counted from a submission begins
// anew whenever it is asked for anew.
type Wait struct {
	Node    int32
	Attempt uint32
	Try     uint32
	For     time.Duration

	Submitted bool // counted from the submission of the attempt's job, else from now
}

// LookBack asks what became of the node of the run before that a node stands for. It is
// answered with [LookedBack], once that is known for good.
type LookBack struct{ Node int32 }

// Save asks for a node's save point, before anything of the node is begun.
type Save struct{ Node int32 }

// Finish says that the run has ended.
type Finish struct {
	Status RunStatus
	Return int32
}

func (Submit) action()     {}
func (RemoveJobs) action() {}
func (RunScript) action()  {}
func (KillScript) action() {}
func (RunHold) action()    {}
func (StartRun) action()   {}
func (RemoveRun) action()  {}
func (Wait) action()       {}
func (LookBack) action()   {}
func (Save) action()       {}
func (Finish) action()     {}

// Change is what a [Step] changes: what has to be kept.
type Change struct {
	Header Header // the new one
	Nodes  []NodeChange
}

// Empty reports whether there is nothing to keep.
func (c *Change) Empty() bool { return c.Header.Version == 0 }

// NodeChange is a node's new record.
type NodeChange struct {
	Node   int32
	Record Record
	Why    string // a sentence without full stop; empty: nothing to explain
}
