package burst

import (
	"time"

	"gridburst/internal/ad"
	"gridburst/router"
)

// Worth is what a second for which a job waits is worth, in seconds of a machine. Machines
// are kept for longer, and started for less, the more it is. The jobs of a machine count as
// one: those that come together are mostly one user's, and wait together.
//
// Five is a choice, made with the traces of package replay in view: at twenty an idle machine
// is kept for most of an hour, at one it goes with its work, and people wait for nearly every
// boot.
const Worth = 5

// Input is all that a decision looks at.
type Input struct {
	Now      ad.Instant
	Clock    time.Duration    // since any beginning; it does not go back
	Queues   []router.Queue   // jobs that wait, that nothing free takes, that are bound to no claim
	Usage    map[uint32]int64 // by owner: cpus in use
	Busy     []Busy
	Free     []router.Slot // what is free and of no claim's machine: of use for jobs of several nodes alone
	Soon     []Soon        // in the order of their coming
	Vague    bool          // more jobs will come than Soon has
	Shapes   []Shape       // in the order in which they are tried where prices do not tell them apart
	Purses   []Purse
	Starting []Starting
	Members  []Member
}

// Busy is a slot of the pool that is in use.
type Busy struct {
	router.Slot
	// Turns is how many jobs, one after the other, it is expected to take before a
	// machine that is wanted now could be up; 0 when nobody can say.
	Turns int
	Claim uint32 // whose machine it is; 0: none's
	Due   []Due  // what of it is expected to be free, and when, where Turns is 0
}

// Due is what will be free of a slot after a while.
type Due struct {
	In   time.Duration
	Part router.Resources
	// Unsure is a guess: good enough for jobs that will come, and not for one that waits.
	Unsure bool
}

// Soon is a job that will wait after a while: a workflow or a timetable says so.
type Soon struct {
	Of       uint32 // the caller's name for what says so
	Owner    uint32
	Group    *router.Group
	In       time.Duration
	Guess    time.Duration // so much of In is only guessed; 0: In is known
	Run      time.Duration // how long it is expected to have its slot; 0: nobody knows
	Whenever bool          // it will come, and nobody can say when: not before In without Guess
}

// Shape is a kind of machine that can be wanted.
type Shape struct {
	Class *router.Class
	Offer router.Resources // of a machine with nothing to do
	Room  int              // how many more there may be, by every cap
	Min   int              // how many there are to be although nobody needs them
	Asked []Asked          // how many runs of workflows ask for; all of them are to be there together
	Idle  time.Duration    // how long a machine is idle before it is drained
	Boot  time.Duration    // how long one is expected to take until it serves
	Late  time.Duration    // within which nearly all do; 0: Boot

	// Money is in millionths of the currency. Cost is what one more machine costs at
	// least: its first billing period. Price is that of an hour; 0: nobody says, or none.
	Cost, Price int64
	Period      time.Duration // what is begun of it is paid for; 0: by the second
	Stop        time.Duration // how long before a period's end a machine must be let go to be gone by then

	// Levels is how the need for it has come and gone, by Input.Clock: where Idle is 0 each
	// machine is kept for as long as that makes worth while.
	Levels *Levels

	Silent int // machines that serve, and are not heard now
}

// Asked is how many machines somebody wants to be there, on whose account.
type Asked struct {
	Of    uint32 // the caller's name for who asks
	Owner uint32
	Count int
}

// least is how many machines of the shape are to be there although no job needs them.
func (s *Shape) least() int {
	n := 0
	for _, a := range s.Asked {
		n += a.Count
	}
	return max(s.Min, n)
}

// Purse is money that may still be spent on machines: what is left of a budget when all
// that open claims will at least cost is taken off. No decision takes more from it.
type Purse struct {
	Name     string
	Shapes   []int  // machines of these are paid from it; empty: of all
	Owner    uint32 // machines on this owner's account are, if HasOwner
	HasOwner bool
	Left     int64 // millionths; below nought it is as nought
}

// Starting is a claim whose machine is on its way.
type Starting struct {
	Claim uint32
	Shape int
	Free  router.Resources // what no job is bound to
	Load  float64          // jobs that are bound to it
	Due   []Due            // when what of it will be free again that these have
	Up    time.Duration    // how long ago it was asked for
	Told  bool             // it was wanted for nodes of workflows: Soon says what more will come of them
}

// Member is a claim whose machine serves as a worker.
type Member struct {
	Claim    uint32
	Shape    int // -1: of a shape that is not configured any more
	Slot     router.Slot
	Idle     time.Duration // how long it has had nothing to do; 0: it has, or is not heard
	Up       time.Duration // how long ago it was started
	Paid     time.Duration // for how long from its start it is paid for by now; 0: until Shape.Period ends
	Load     float64       // jobs that it runs; of one of several nodes its part
	Draining bool
	Told     bool // the last that it ran was a node of a workflow: Soon says what more will come of it
}

// Decision is what a decision proposes.
type Decision struct {
	Undrain []uint32 // claims
	Bind    []Bind   // to claims that are on their way
	Want    []Want
	Keep    []Keep
	Drain   []uint32 // claims
	Cancel  []uint32 // claims that are on their way, and that nobody needs any more
	Unmet   int      // jobs that a machine could run, were there room and money for one
	Refused []Refusal

	// Again is after how long it is to be decided anew though nothing happens; 0: never.
	Again time.Duration
}

// Bind binds jobs to a claim.
type Bind struct {
	Claim uint32
	Jobs  []router.Job
	Parts []router.Resources // of each
}

// Keep is a machine with nothing to do, serving or on its way, that is kept for jobs that
// will come.
type Keep struct {
	Claim uint32
	For   Ahead
}

// Ahead is jobs that will come, for which there is a machine before they do.
type Ahead struct {
	Of    uint32 // what says that the first of them comes, as in [Soon]
	Jobs  int
	In    time.Duration // in how long the first of them comes
	Guess time.Duration // so much of that is only guessed
}

// Want is a machine of a shape, with the jobs that it is for; none are those of one that
// is started ahead of any need. It is on the account of the owner of its first job. A job of
// several nodes is in the Want of each machine that is brought up for it.
type Want struct {
	Shape    int
	Owner    uint32
	HasOwner bool               // it is for jobs
	Jobs     []router.Job       // one of several nodes as often as it is for nodes of it
	Parts    []router.Resources // of each
	For      Ahead              // jobs that will come, if it is for these
	Reserve  bool               // it is one more than these need, for one on its way that comes late
	Asked    uint32             // who asks for it, an [Asked.Of], if that is all that it is for
}

// Refusal is what stands between waiting jobs and one more machine of a shape that could
// run them.
type Refusal struct {
	Shape int
	Owner uint32 // whose jobs they are
	Jobs  int
	Why   Bound
	Purse int // index into Input.Purses, for NoMoney
}

// Bound is a kind of limit that machines come to.
type Bound uint8

// The bounds.
const (
	NoRoom  Bound = iota // Shape.Room
	NoMoney              // a purse
)
