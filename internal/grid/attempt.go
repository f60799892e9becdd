package grid

// Nodes of one attempt are told apart by their epochs, which have the attempt's in their
// lower bits and the node's number above. Node 0 has the epoch of the attempt itself, as the
// only execution of any other job has.
const (
	nodeShift = 20
	epochMask = 1<<nodeShift - 1
)

// MaxNodes bounds the nodes of a job, so that their placement is one entry of the ledger.
const MaxNodes = 1000

// MaxNodeEpoch is the highest attempt of a job of several nodes.
const MaxNodeEpoch = epochMask

// NodeEpoch is the epoch that a node of an attempt has for itself.
func NodeEpoch(epoch uint32, node int) uint32 { return uint32(node)<<nodeShift | epoch }

// SplitEpoch is the attempt and the node of an epoch that [NodeEpoch] made. It is for jobs
// of several nodes alone: others may have more attempts.
func SplitEpoch(e uint32) (epoch uint32, node int) { return e & epochMask, int(e >> nodeShift) }
