package dag

// Happening is something that a run must be told: [Begin], [Submitted],
// [SubmitFailed], [ProcsLeft], [Counted], [Remove] or [Resume].
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
}

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
)

// Exit codes of a run.
const (
	ReturnDone    = 0
	ReturnFailed  = 1
	ReturnRemoved = 2
)

// Action is something to be done for a run: [Submit], [RemoveJobs] or [Finish]. To do
// one twice must be to do it once.
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

// Finish says that the run has ended.
type Finish struct {
	Status RunStatus
	Return int32
}

func (Submit) action()     {}
func (RemoveJobs) action() {}
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
