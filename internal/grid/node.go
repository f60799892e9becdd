package grid

// NodeState is the state of a DAG node, with the numbers of HTCondor's
// NODE_STATUS_FILE.
type NodeState uint8

const (
	NodeWaiting   NodeState = 0 // a parent is not done
	NodeReady     NodeState = 1
	NodePre       NodeState = 2 // its PRE script runs
	NodeSubmitted NodeState = 3 // its job is in the queue
	NodePost      NodeState = 4 // its POST script runs
	NodeDone      NodeState = 5
	NodeFailed    NodeState = 6
	NodeFutile    NodeState = 7 // an ancestor failed: it will never run
)

// NodeVerb is a happening in a node's life.
type NodeVerb string

const (
	NodeRelease NodeVerb = "release" // the last parent is done
	NodeRunPre  NodeVerb = "pre"     //
	NodeSubmit  NodeVerb = "submit"  //
	NodeRunPost NodeVerb = "post"    //
	NodeSucceed NodeVerb = "succeed" //
	NodeFail    NodeVerb = "fail"    //
	NodeRetry   NodeVerb = "retry"   // failed, with an attempt left
	NodeGiveUp  NodeVerb = "give_up" // an ancestor failed for good
	NodeHope    NodeVerb = "hope"    // that ancestor is tried again
	NodeSkip    NodeVerb = "skip"    // somebody says that it counts as done
)

var nodeNext = table[NodeState, NodeVerb]{
	{NodeWaiting, NodeRelease, NodeReady},
	{NodeWaiting, NodeGiveUp, NodeFutile},
	{NodeWaiting, NodeSucceed, NodeDone}, // DONE in the file

	{NodeWaiting, NodeSkip, NodeDone},

	{NodeReady, NodeRunPre, NodePre},
	{NodeReady, NodeSubmit, NodeSubmitted},
	{NodeReady, NodeRunPost, NodePost}, // NOOP, or could not be submitted
	{NodeReady, NodeSucceed, NodeDone}, // NOOP
	{NodeReady, NodeFail, NodeFailed},  // could not be submitted
	{NodeReady, NodeRetry, NodeReady},  // as before, with an attempt left
	{NodeReady, NodeGiveUp, NodeFutile},
	{NodeReady, NodeSkip, NodeDone},

	{NodePre, NodeSubmit, NodeSubmitted},
	{NodePre, NodeRunPost, NodePost},
	{NodePre, NodeSucceed, NodeDone}, // PRE_SKIP
	{NodePre, NodeFail, NodeFailed},
	{NodePre, NodeRetry, NodeReady},

	{NodeSubmitted, NodeRunPost, NodePost},
	{NodeSubmitted, NodeSucceed, NodeDone},
	{NodeSubmitted, NodeFail, NodeFailed},
	{NodeSubmitted, NodeRetry, NodeReady},

	{NodePost, NodeSucceed, NodeDone},
	{NodePost, NodeFail, NodeFailed},
	{NodePost, NodeRetry, NodeReady},

	{NodeFailed, NodeRetry, NodeReady}, // somebody asks for it
	{NodeFailed, NodeSkip, NodeDone},
	{NodeFutile, NodeHope, NodeWaiting},
	{NodeFutile, NodeSkip, NodeDone},
}

// On is the state after v happened in s. It is the only way a node's state
// changes. The error is a [Refused] that names both.
func (s NodeState) On(v NodeVerb) (NodeState, error) {
	if next, ok := nodeNext.next(s, v); ok {
		return next, nil
	}
	return s, Errorf(Refused, "a node that is %s cannot %s", s, v)
}

func (s NodeState) String() string {
	if int(s) < len(nodeNames) {
		return nodeNames[s]
	}
	return "unknown"
}

var nodeNames = [...]string{"waiting", "ready", "pre", "submitted", "post", "done", "failed", "futile"}

// Final reports whether a node in s will not change again by itself.
func (s NodeState) Final() bool { return s == NodeDone || s == NodeFailed || s == NodeFutile }
