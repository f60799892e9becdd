// Package target says what a system outside of the pool is to us that runs jobs: what it is
// asked, and what it answers.
//
// A [Target] takes a script in, under a name, and tells of all that it has of ours by one
// listing. Each of its rooms (schedd/target/slurm, ...) puts that into the commands of one
// kind of system; package conform holds what each of them must do, and package fake is one
// that goes wrong as a test says. To add a kind is to add a room.
//
// A target knows nothing of jobs: [Script] is what it runs, which begins once however often
// it was handed in, and leaves a result that [ParseResult] reads. Both rest on a directory
// that the target's machines share with the schedd's, or on files that travel: see [Spool].
package target

import (
	"context"
	"time"
)

// Target is a system that runs jobs. Every method may be called from any goroutine, gives
// up when ctx ends, and fails with one of these codes:
//
//   - [grid.Unavailable]: the system does not answer, and has not heard this for certain
//   - [grid.Unknown]: it may have heard it, and done it
//   - [grid.NotFound]: it has no such job, or no more
//   - [grid.Refused]: it has heard this, and will not do it; its words are the message
//   - [grid.NoSpace]: likewise, for there is no room for a file
type Target interface {
	// Submit hands a job in and gives the target's id of it. It need not look whether the
	// name is there: whoever calls it again after [grid.Unknown] has listed before.
	Submit(ctx context.Context, j Job) (id string, err error)

	// List is every job of owners whose name begins with prefix, also those that are
	// over, as long as the target tells of them: all of them, or an error.
	List(ctx context.Context, prefix string, owners []Owner) ([]Seen, error)

	// Look asks for one job by its id, also where listings do not show it any more.
	// [grid.NotFound]: nothing is known of it.
	Look(ctx context.Context, r Ref) (Seen, error)

	// Hold keeps a job that waits from being started, and Release undoes that, whoever
	// has held it. A job that runs cannot be held everywhere: then it is [grid.Refused].
	Hold(ctx context.Context, r Ref) error
	Release(ctx context.Context, r Ref) error

	// Remove ends a job, whatever it does. One that is over is left as it is. It returns
	// when the target has taken the order: a listing says when it is over.
	Remove(ctx context.Context, r Ref) error

	// Forget lets the target forget a job that is over, if it would keep it.
	Forget(ctx context.Context, r Ref) error
}

// Spool is a target whose machines share no directory with us: the files of its jobs travel.
// [Target.Submit] takes [Job.Script] and [InputsName] of [Job.Dir] along, and with them whole
// or not at all the target has the job. No file of ours proves there that a job begins once:
// the target starts none that has not had its Begin, and none a second time.
type Spool interface {
	Target

	// Begin lets a job go that the target has with its files, and of which [Seen.Wants] is
	// [WantsBegin]. It may be repeated. A target to which one name is one job may do
	// without: there no job ever wants it.
	Begin(ctx context.Context, r Ref) error

	// Fetch brings [OutputsName] of a job that has ended into dir, which is its [Job.Dir].
	// It may be repeated, until [Target.Forget]: the target keeps what the job left. What
	// has come is whole when [Left] says so. [grid.NotFound]: the target has no such job,
	// or what it left is gone.
	Fetch(ctx context.Context, r Ref, dir string) error
}

// Owner is whose job it is, and whose rights the target's commands have.
type Owner struct {
	Name string
	UID  uint32
	GID  uint32
}

// Job is what a target runs.
type Job struct {
	Owner    Owner
	Name     string // unique: see [Target.List]
	Dir      string // the job's directory at the target, which has Script
	Script   string // full path
	Cpus     int64
	MemoryMB int64         // 0: what the target gives by itself
	DiskKB   int64         // likewise
	Runtime  time.Duration // 0: what the target gives by itself
	Queue    string        // a partition; empty: the target's choice
	Project  string        // an account
	Extra    []string      // further words of the target's own submit command
	Label    string        // for people: which job this is
	Path     []string      // the deployments that have had it, the first first: ours is the last
	Spool    bool          // its files travel: Dir is here, and not there
}

// Ref names a job at a target.
type Ref struct {
	Owner Owner
	Name  string
	ID    string
}

// State is what a target says of a job.
type State uint8

// States.
const (
	Waiting State = 1
	Running State = 2
	Held    State = 3 // it would wait, and is not to start
	Ended   State = 4
)

func (s State) String() string {
	switch s {
	case Waiting:
		return "waiting"
	case Running:
		return "running"
	case Held:
		return "held"
	case Ended:
		return "ended"
	}
	return "unknown"
}

// End is how a job came to its end, as far as the target knows. Its exit is in its result.
type End uint8

// Ends.
const (
	ByItself    End = 0 // or nobody knows
	Cancelled   End = 1
	Lost        End = 2 // its machine failed, or was needed
	TimeUp      End = 3
	OutOfMemory End = 4
)

func (e End) String() string {
	switch e {
	case Cancelled:
		return "cancelled"
	case Lost:
		return "lost"
	case TimeUp:
		return "out of time"
	case OutOfMemory:
		return "out of memory"
	}
	return "ended by itself"
}

// Seen is what a target shows of a job.
type Seen struct {
	Name  string
	ID    string
	Owner string // the user's name there; empty: not said
	State State
	End   End    // of Ended
	Word  string // the target's own word for its state, and why
	Host  string // of Running; empty: not said

	// What is said of jobs of a [Spool].
	Wants  Wants
	Starts int // how often it was given to a machine; 0: it has not begun
}

// Wants is what a job at a [Spool] waits for from us.
type Wants uint8

// Wants.
const (
	WantsNothing Wants = 0
	WantsBegin   Wants = 1 // it has its files, and is not started without [Spool.Begin]
	WantsFiles   Wants = 2 // its files are on their way; if nobody sends them any more, it is to be removed
	WantsEnd     Wants = 3 // it was taken from its machine, and is not begun again; if that stays so, it is to be removed
)

// Commands is how a target's commands are run: as somebody, in an environment that holds
// nothing of the schedd's.
type Commands interface {
	// Run runs a command to its end. Whatever it exits with is an Output; the error is
	// [grid.Unavailable] when it was not begun, and [grid.Unknown] when its end is not
	// known: its time was up, or whoever ran it died.
	Run(ctx context.Context, o Owner, c Command) (Output, error)
}

// Command is one to be run.
type Command struct {
	Argv  []string
	Env   []string // beside a PATH and what says who the user is
	Dir   string   // empty: /
	Stdin []byte
	Limit time.Duration // it is killed after that, an hour at most; 0: 30 s
}
