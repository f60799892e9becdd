package grid

// ClaimState is the state of a claim: a virtual machine that somebody wished
// for. A borrowed machine (one that exists already and is only started and
// stopped) goes the same way, without being made or removed.
type ClaimState uint8

const (
	ClaimWanted    ClaimState = 1  // in the ledger; the engine has heard nothing
	ClaimLaunching ClaimState = 2  // create may have been called; start has not succeeded
	ClaimBooting   ClaimState = 3  // started; its worker has not joined, its guest is not up
	ClaimReady     ClaimState = 4  // its worker has joined, or its guest is up
	ClaimDraining  ClaimState = 5  // takes no more jobs
	ClaimStopping  ClaimState = 6  // to be stopped and removed
	ClaimGone      ClaimState = 7  // seen gone (borrowed: seen down)
	ClaimFailed    ClaimState = 8  // came to nothing and left nothing; the reason says why
	ClaimUnknown   ClaimState = 9  // create may or may not have happened: find it by name
	claimStates               = 10 //
)

// ClaimVerb is a happening in a claim's life.
type ClaimVerb string

const (
	ClaimLaunch  ClaimVerb = "launch"  // about to call create (borrowed: start)
	ClaimStarted ClaimVerb = "started" // the engine has accepted the start
	ClaimLost    ClaimVerb = "lost"    // a call's outcome is not known
	ClaimFound   ClaimVerb = "found"   // the machine exists and is ours: go on
	ClaimAbsent  ClaimVerb = "absent"  // the machine was proven not to exist: call create again
	ClaimJoin    ClaimVerb = "join"    // the worker joined, or the guest is up
	ClaimDrain   ClaimVerb = "drain"   //
	ClaimUndrain ClaimVerb = "undrain" // wanted after all
	ClaimStop    ClaimVerb = "stop"    // whatever it is, take it away
	ClaimGoneNow ClaimVerb = "gone"    // the engine shows it no more (borrowed: shows it down)
	ClaimReuse   ClaimVerb = "reuse"   // another job is the machine now
	ClaimFail    ClaimVerb = "fail"    // refused for good, nothing exists
)

var claimNext = table[ClaimState, ClaimVerb]{
	{ClaimWanted, ClaimLaunch, ClaimLaunching},
	{ClaimWanted, ClaimFail, ClaimFailed}, // cancelled or refused before the first call

	{ClaimLaunching, ClaimStarted, ClaimBooting},
	{ClaimLaunching, ClaimLost, ClaimUnknown},
	{ClaimLaunching, ClaimFail, ClaimFailed},
	{ClaimLaunching, ClaimStop, ClaimStopping},

	{ClaimUnknown, ClaimFound, ClaimLaunching},
	{ClaimUnknown, ClaimAbsent, ClaimLaunching},
	{ClaimUnknown, ClaimFail, ClaimFailed},
	{ClaimUnknown, ClaimStop, ClaimStopping},

	{ClaimBooting, ClaimJoin, ClaimReady},
	{ClaimBooting, ClaimStop, ClaimStopping},

	{ClaimReady, ClaimDrain, ClaimDraining},
	{ClaimReady, ClaimStop, ClaimStopping},

	{ClaimDraining, ClaimUndrain, ClaimReady},
	{ClaimDraining, ClaimStop, ClaimStopping},

	{ClaimStopping, ClaimGoneNow, ClaimGone},
	{ClaimStopping, ClaimReuse, ClaimLaunching},
}

// On is the state after v happened in s. It is the only way a claim's state
// changes. The error is a [Refused] that names both.
func (s ClaimState) On(v ClaimVerb) (ClaimState, error) {
	if next, ok := claimNext.next(s, v); ok {
		return next, nil
	}
	return s, Errorf(Refused, "a claim that is %s cannot %s", s, v)
}

func (s ClaimState) String() string {
	if int(s) < len(claimNames) {
		return claimNames[s]
	}
	return "unknown_state"
}

var claimNames = [claimStates]string{
	"none", "wanted", "launching", "booting", "ready", "draining", "stopping", "gone", "failed", "unknown",
}

// Closed reports whether nothing of the claim is left anywhere.
func (s ClaimState) Closed() bool { return s == ClaimGone || s == ClaimFailed }
