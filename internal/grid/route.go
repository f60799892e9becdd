package grid

// RouteState is the state of a routing: a job that runs at a target outside of the pool,
// from the intent to hand it over to the proof that nothing of it is left there.
type RouteState uint8

const (
	RouteSubmitting RouteState = 1 // in the ledger; the target may have been asked under the routing's name
	RouteUnknown    RouteState = 2 // an answer was lost: find it by name
	RouteWaiting    RouteState = 3 // the target has it, and it waits there
	RouteRunning    RouteState = 4 // it runs there
	RouteHeld       RouteState = 5 // the target holds it
	RouteEnded      RouteState = 6 // it is over there: its outputs are taken, and what it left is taken away
	RouteGone       RouteState = 7 // nothing of it is left
	routeStates                = 8
)

// RouteVerb is a happening in a routing's life.
type RouteVerb string

const (
	RouteAccept  RouteVerb = "accept"  // the target has it, and its id is known
	RouteLose    RouteVerb = "lose"    // the answer to the submit is not known
	RouteAbsent  RouteVerb = "absent"  // the target was proven not to have it: submit again
	RouteRefuse  RouteVerb = "refuse"  // it is not at the target, and will not be
	RouteStart   RouteVerb = "start"   // it runs
	RouteWait    RouteVerb = "wait"    // it ran, and waits again
	RouteHold    RouteVerb = "hold"    // the target holds it
	RouteRelease RouteVerb = "release" // the target holds it no more
	RouteEnd     RouteVerb = "end"     // it is over at the target, or the target has it no more
	RouteClean   RouteVerb = "clean"   // what it left is taken away
)

var routeNext = table[RouteState, RouteVerb]{
	{RouteSubmitting, RouteAccept, RouteWaiting},
	{RouteSubmitting, RouteLose, RouteUnknown},
	{RouteSubmitting, RouteAbsent, RouteSubmitting}, // of an earlier term, which may have asked
	{RouteSubmitting, RouteRefuse, RouteGone},

	{RouteUnknown, RouteAccept, RouteWaiting},
	{RouteUnknown, RouteAbsent, RouteSubmitting},
	{RouteUnknown, RouteRefuse, RouteGone},

	{RouteWaiting, RouteStart, RouteRunning},
	{RouteWaiting, RouteHold, RouteHeld},
	{RouteWaiting, RouteEnd, RouteEnded},

	{RouteRunning, RouteWait, RouteWaiting},
	{RouteRunning, RouteHold, RouteHeld},
	{RouteRunning, RouteEnd, RouteEnded},

	{RouteHeld, RouteRelease, RouteWaiting},
	{RouteHeld, RouteEnd, RouteEnded},

	{RouteEnded, RouteClean, RouteGone},
}

// On is the state after v happened in s. It is the only way a routing's state changes.
// The error is a [Refused] that names both.
func (s RouteState) On(v RouteVerb) (RouteState, error) {
	if next, ok := routeNext.next(s, v); ok {
		return next, nil
	}
	return s, Errorf(Refused, "a routing that is %s cannot %s", s, v)
}

func (s RouteState) String() string {
	if int(s) < len(routeNames) {
		return routeNames[s]
	}
	return "unknown_state"
}

var routeNames = [routeStates]string{"none", "submitting", "unknown", "waiting", "running", "held", "ended", "gone"}

// Idle reports whether the job is not running at its target, and may come to.
func (s RouteState) Idle() bool {
	return s == RouteSubmitting || s == RouteUnknown || s == RouteWaiting || s == RouteHeld
}
