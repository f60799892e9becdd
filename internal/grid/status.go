package grid

// Status is a job's state, with HTCondor's numbers (the job attribute JobStatus).
type Status uint8

const (
	Idle               Status = 1
	Running            Status = 2
	Removed            Status = 3 // asked to go; leaves the queue when no execution is left
	Completed          Status = 4
	Held               Status = 5
	TransferringOutput Status = 6 // exited; its results are being taken over
	Suspended          Status = 7
)

// Verb is a happening that may change a [Status].
type Verb string

const (
	Execute  Verb = "execute"  // a worker or engine reports that it runs
	Exit     Verb = "exit"     // it exited; outputs have to be taken over
	Finish   Verb = "finish"   // it exited and everything is in place
	Requeue  Verb = "requeue"  // the execution is over without a result
	Hold     Verb = "hold"     //
	Release  Verb = "release"  //
	Remove   Verb = "remove"   //
	Suspend  Verb = "suspend"  //
	Continue Verb = "continue" //

	// Vacate changes no status by itself: it asks for the end of an execution, whose
	// news is a [Requeue].
	Vacate Verb = "vacate"
	// Leave lets go what is completed and was kept in the queue.
	Leave Verb = "leave"
)

var statusNext = table[Status, Verb]{
	{Idle, Execute, Running},
	{Idle, Requeue, Idle},     // a placement that came to nothing
	{Idle, Finish, Completed}, // its work had been done before
	{Idle, Hold, Held},
	{Idle, Remove, Removed},

	{Running, Exit, TransferringOutput},
	{Running, Finish, Completed},
	{Running, Requeue, Idle},
	{Running, Hold, Held},
	{Running, Remove, Removed},
	{Running, Suspend, Suspended},

	{TransferringOutput, Finish, Completed},
	{TransferringOutput, Requeue, Idle},
	{TransferringOutput, Hold, Held},
	{TransferringOutput, Remove, Removed},

	{Suspended, Continue, Running},
	{Suspended, Exit, TransferringOutput},
	{Suspended, Finish, Completed},
	{Suspended, Requeue, Idle},
	{Suspended, Hold, Held},
	{Suspended, Remove, Removed},

	{Held, Release, Idle},
	{Held, Remove, Removed},

	{Completed, Remove, Removed}, // kept by leave_in_queue
}

// On is the state after v happened in s. It is the only way a status changes.
// The error is a [Refused] that names both.
func (s Status) On(v Verb) (Status, error) {
	if next, ok := statusNext.next(s, v); ok {
		return next, nil
	}
	return s, Errorf(Refused, "a job that is %s cannot %s", s, v)
}

// Letter is the state's letter in a queue listing.
func (s Status) Letter() byte {
	if int(s) < len(statusLetters) {
		return statusLetters[s]
	}
	return '?'
}

const statusLetters = "?IRXCH>S"

func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "unknown"
}

var statusNames = [...]string{"unknown", "idle", "running", "removed", "completed", "held", "transferring_output", "suspended"}

// Statuses lists every state in the order of its number.
var Statuses = [...]Status{Idle, Running, Removed, Completed, Held, TransferringOutput, Suspended}

// Active reports whether an execution may be alive in s.
func (s Status) Active() bool { return s == Running || s == Suspended || s == TransferringOutput }
