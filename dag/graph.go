package dag

import (
	"slices"
	"strings"

	"gridburst/internal/grid"
)

// Graph is a workflow as written: nodes and edges. It does not change while it
// runs.
type Graph struct {
	Name       string     `json:"name,omitempty"`  // the file's base name, or that of the workflow block
	Nodes      []Node     `json:"nodes,omitempty"` // joins last
	Joins      int        `json:"joins,omitempty"` // how many of Nodes are joins
	Categories []Category `json:"categories,omitempty"`
	MaxJobs    int        `json:"maxjobs,omitempty"` // nodes that may have a job at a time; 0: no limit

	Descriptions []Description `json:"descriptions,omitempty"` // submit descriptions that the file holds, by name
	Env          []EnvRule     `json:"env,omitempty"`          // what scripts and sub-DAGs have in their environment
	Attrs        []Var         `json:"attrs,omitempty"`        // of the run itself (SET_JOB_ATTR): ClassAd expressions
	Config       string        `json:"config,omitempty"`       // a file of DAGMan's settings
	Settings     []Var         `json:"settings,omitempty"`     // what it says: names in capitals, DAGMAN_ included
	Status       *StatusFile   `json:"status,omitempty"`       // kept up to date for other programs
	StateLog     string        `json:"statelog,omitempty"`     // a file that gets a line for each event (JOBSTATE_LOG)
	Dot          *DotFile      `json:"dot,omitempty"`          // a drawing
	Files        []string      `json:"files,omitempty"`        // the DAG files, when they are several in one run
	Provision    []Provision   `json:"provision,omitempty"`    // machines that are there for the run, by pool
}

// Provision is how many machines of a pool are there for a run as long as it goes on, and how
// many it may ask for.
type Provision struct {
	Pool  string `json:"pool,omitempty"`
	Count int    `json:"count,omitempty"` // from its beginning on
	Max   int    `json:"max,omitempty"`   // at least Count, and 1
}

// Node is one job of a workflow with everything that surrounds it.
type Node struct {
	Name     string  `json:"name,omitempty"`
	File     string  `json:"file,omitempty"`     // its submit file (.sub, .hcl), relative to Dir; empty in a join
	Job      string  `json:"job,omitempty"`      // the name of a job block in File (HCL), empty: the only one
	Dir      string  `json:"dir,omitempty"`      // relative to the DAG's directory; empty: the DAG's directory
	Noop     bool    `json:"noop,omitempty"`     // nothing is submitted: the node succeeds at once
	Join     bool    `json:"join,omitempty"`     // no node of the file: it stands between parents and children that are many
	Done     bool    `json:"done,omitempty"`     // counts as done from the start
	Retries  int     `json:"retries,omitempty"`  // further attempts after a failed one
	Unless   *int    `json:"unless,omitempty"`   // an exit code after which no further attempt is made
	Abort    *Abort  `json:"abort,omitempty"`    // ends the whole run
	Priority int     `json:"priority,omitempty"` // larger first
	Category string  `json:"category,omitempty"` // limits how many run at a time
	Vars     []Var   `json:"vars,omitempty"`     // macros for its submit file
	Parents  []int32 `json:"parents,omitempty"`  // indexes into Graph.Nodes, ascending
	Children []int32 `json:"children,omitempty"` // indexes into Graph.Nodes, ascending

	Kind      NodeKind   `json:"kind,omitempty"`
	Subdag    bool       `json:"subdag,omitempty"`    // File is a DAG file: the node is a run of it
	Submit    string     `json:"submit,omitempty"`    // the name of one of Graph.Descriptions, instead of a File
	Pre       *Script    `json:"pre,omitempty"`       // before the job
	Post      *Script    `json:"post,omitempty"`      // after the job
	Hold      *Script    `json:"hold,omitempty"`      // whenever a job of it is held
	RetryWait int        `json:"retrywait,omitempty"` // seconds before its second attempt; before each further one twice as many, up to an hour
	PreSkip   int        `json:"preskip,omitempty"`   // an exit code of Pre with which the node is done without a job; 0: none
	Tolerance *Tolerance `json:"tolerance,omitempty"` // nil: the first proc that fails decides
	SaveFile  string     `json:"savefile,omitempty"`  // written when the node first begins, relative to the DAG's directory
	Weak      []int32    `json:"weak,omitempty"`      // of Parents, those that need only have ended, ascending

	When      string  `json:"when,omitempty"`      // a ClassAd expression over what came of its parents (see [Result]), without which it is skipped: it counts as done and does not run
	Elsewhere bool    `json:"elsewhere,omitempty"` // a further attempt is for another machine than those of the attempts before
	DoneExit  []int32 `json:"doneexit,omitempty"`  // exit codes other than 0 with which it is done

	// Of a node that stands for one of the run before, of the same timetable. It has no job, and
	// is asked about by [LookBack].
	Past    string `json:"past,omitempty"`    // the name of that node; empty: it is none of these
	PastAny bool   `json:"pastany,omitempty"` // it is done when that node has ended, however it did

	// Of no service or provisioner.
	Timeout int `json:"timeout,omitempty"` // seconds from its submission within which the job of an attempt ends, or the attempt has failed; 0: as long as it takes

	// Of a service. One that has parents begins when they, which are services too, are ready,
	// and is removed before them.
	ReadyWithin int  `json:"readywithin,omitempty"` // seconds from its submission within which its job says that it is ready; 0: it says nothing, and is there once it is in the queue
	Always      bool `json:"always,omitempty"`      // it is tried again also when it has ended with success
}

// NodeKind is what a node is to the run.
type NodeKind uint8

// The kinds of nodes.
const (
	JobNode         NodeKind = iota
	FinalNode                // runs when all else has ended, however it did, and decides how the run ends
	ProvisionerNode          // brings up what the others need; they wait until it says that it is there
	ServiceNode              // runs beside the others, and is removed when they have ended; see [Node.ReadyWithin]
)

// KindWord is what the node is to the run, in a word; empty: a job.
func (n *Node) KindWord() string {
	switch {
	case n.Subdag:
		return "subdag"
	case n.Past != "":
		return "previous"
	}
	return [...]string{JobNode: "", FinalNode: "final", ProvisionerNode: "provisioner", ServiceNode: "service"}[n.Kind]
}

// Script is a program that is run where the schedd is, as the owner.
type Script struct {
	Program string   `json:"program,omitempty"` // relative to the node's directory
	Args    []string `json:"args,omitempty"`    // with $NODE, $RETURN and so on as whole words

	Defer        *int   `json:"defer,omitempty"`        // an exit code after which it is run again
	DeferSeconds int    `json:"deferseconds,omitempty"` // how much later, at least
	Debug        string `json:"debug,omitempty"`        // a file that gets what it prints
	Capture      string `json:"capture,omitempty"`      // of what it prints: STDOUT, STDERR or ALL
}

// Tolerance is how many procs of a node may fail before it does.
type Tolerance struct {
	Procs   int  `json:"procs,omitempty"`
	Percent bool `json:"percent,omitempty"` // Procs is a share of its procs
	Wait    bool `json:"wait,omitempty"`    // the others are not removed when it fails
}

// Description is a submit description that stands in a DAG file.
type Description struct {
	Name string `json:"name,omitempty"` // that of its node if it belongs to one alone
	Text string `json:"text,omitempty"` // in the submit language
}

// EnvRule takes variables over from the submitter's environment, or sets one.
type EnvRule struct {
	Get   string `json:"get,omitempty"`
	Set   string `json:"set,omitempty"`
	Value string `json:"value,omitempty"`
}

// StatusFile says how a run stands, in DAGMan's format.
type StatusFile struct {
	File    string `json:"file,omitempty"`
	Seconds int    `json:"seconds,omitempty"` // between two writings, at least
	Always  bool   `json:"always,omitempty"`  // also when nothing has changed
}

// DotFile draws a run for graphviz.
type DotFile struct {
	File    string `json:"file,omitempty"`
	Update  bool   `json:"update,omitempty"`
	Keep    bool   `json:"keep,omitempty"`    // each writing is a new file, numbered
	Include string `json:"include,omitempty"` // a file whose text comes first
}

// Abort is an exit code of a node's job that ends the run, and the run's own.
type Abort struct {
	Exit   int `json:"exit,omitempty"`
	Return int `json:"return,omitempty"`
}

// AbortOn ends the run at an exit code with that code, or with [ReturnFailed] if a run
// cannot exit with it.
func AbortOn(exit int) *Abort {
	if exit < 0 || exit > 255 {
		return &Abort{exit, ReturnFailed}
	}
	return &Abort{exit, exit}
}

// Category limits how many of its nodes have a job at a time.
type Category struct {
	Name    string `json:"name,omitempty"`
	MaxJobs int    `json:"maxjobs,omitempty"` // at least 1
}

// Var is a macro that a node gives to its submit file; a Name that begins with
// "+" or "My." sets a job attribute.
type Var struct {
	Name   string `json:"name,omitempty"`
	Value  string `json:"value,omitempty"`
	Append bool   `json:"append,omitempty"` // set after the submit file has been read, not before
}

// WeakOn reports whether a node waits only for the end of this parent, however that is.
func (n *Node) WeakOn(parent int32) bool {
	_, ok := slices.BinarySearch(n.Weak, parent)
	return ok
}

// Script is what a node runs in a phase: NodePre, NodePost, or any other for HOLD. nil:
// nothing.
func (n *Node) Script(phase grid.NodeState) *Script {
	switch phase {
	case grid.NodePre:
		return n.Pre
	case grid.NodePost:
		return n.Post
	}
	return n.Hold
}

// Len is the number of nodes that the file has.
func (g *Graph) Len() int { return len(g.Nodes) - g.Joins }

// Edges is the number of edges, those of joins counted as they are.
func (g *Graph) Edges() int {
	n := 0
	for i := range g.Nodes {
		n += len(g.Nodes[i].Children)
	}
	return n
}

// Description is the submit description with a name, nil when there is none.
func (g *Graph) Description(name string) *Description {
	i, ok := slices.BinarySearchFunc(g.Descriptions, name, func(d Description, name string) int { return strings.Compare(d.Name, name) })
	if !ok {
		return nil
	}
	return &g.Descriptions[i]
}

// Parents is the nodes that node i waits for, joins replaced by what is before them,
// ascending.
func (g *Graph) Parents(i int32) []int32 {
	var out []int32
	for _, p := range g.Nodes[i].Parents {
		if g.Nodes[p].Join {
			out = append(out, g.Nodes[p].Parents...)
		} else {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Weakly reports whether node i only waits for the end of its parent p, however that is.
func (g *Graph) Weakly(i, p int32) bool {
	for _, q := range g.Nodes[i].Parents {
		switch join := &g.Nodes[q]; {
		case q == p:
			return g.Nodes[i].WeakOn(p)
		case join.Join:
			if _, behind := slices.BinarySearch(join.Parents, p); behind && !join.WeakOn(p) {
				return false
			}
		}
	}
	return true
}

// parentNames is the names of node i's parents, as DAGMan gives them to its job.
func (g *Graph) parentNames(i int32) string {
	var b strings.Builder
	for k, p := range g.Parents(i) {
		if k > 0 {
			b.WriteByte(',')
		}
		b.WriteString(g.Nodes[p].Name)
	}
	return b.String()
}
