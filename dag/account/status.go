package account

import (
	"bytes"
	"fmt"
	"time"

	"gridburst/dag"
	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Procs are those of a node's job that are in the queue.
type Procs struct{ Queued, Held, Idle int }

// codes are DAGMan's names of the states of a node.
var codes = [...]string{
	"STATUS_NOT_READY", "STATUS_READY", "STATUS_PRERUN", "STATUS_SUBMITTED", "STATUS_POSTRUN", "STATUS_DONE", "STATUS_ERROR", "STATUS_FUTILE",
}

// Counts are how many nodes are in a state, the FINAL node and the provisioner too.
type Counts [8]int

// Count counts the nodes of a run.
func Count(r *dag.Run) (c Counts) {
	for i := range int32(r.Graph.Len()) {
		if r.Graph.Nodes[i].Kind != dag.ServiceNode {
			c[r.State(i)]++
		}
	}
	return c
}

// Total is all of them.
func (c *Counts) Total() (n int) {
	for _, k := range c {
		n += k
	}
	return n
}

// Status is a node status file: file is the DAG file's name, next how long it is until
// the file is written again, at least; 0: never.
func Status(r *dag.Run, files []string, at time.Time, next time.Duration, procs func(node int32) Procs) []byte {
	var nodes bytes.Buffer
	var all Procs
	for i := range int32(r.Graph.Len()) {
		n := &r.Graph.Nodes[i]
		if n.Kind == dag.ServiceNode {
			continue
		}
		rec := r.Record(i)
		p := procs(i)
		all.Held += p.Held
		all.Idle += p.Idle + p.Held
		fmt.Fprintf(&nodes, "[\n  Type = \"NodeStatus\";\n  Node = %s;\n  NodeStatus = %d; /* %q */\n  StatusDetails = %s;\n  RetryCount = %d;\n  JobProcsQueued = %d;\n  JobProcsHeld = %d;\n]\n",
			ad.Quote(n.Name), rec.State, codes[rec.State], ad.Quote(details(n, &rec, p)), max(rec.Attempt, 1)-1, p.Queued, p.Held)
	}
	c := Count(r)
	code, word := state(r)
	var b bytes.Buffer
	b.WriteString("[\n  Type = \"DagStatus\";\n  DagFiles = {\n")
	for k, f := range files {
		comma := ","
		if k == len(files)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, "    %s%s\n", ad.Quote(f), comma)
	}
	fmt.Fprintf(&b, "  };\n  Timestamp = %s\n  DagStatus = %d; /* %q */\n", moment(at), code, codes[code]+" ("+word+")")
	for _, x := range []struct {
		name string
		n    int
	}{
		{"Total", c.Total()},
		{"Done", c[grid.NodeDone]},
		{"Pre", c[grid.NodePre]},
		{"Queued", c[grid.NodeSubmitted]},
		{"Post", c[grid.NodePost]},
		{"Ready", c[grid.NodeReady]},
		{"Unready", c[grid.NodeWaiting]},
		{"Futile", c[grid.NodeFutile]},
		{"Failed", c[grid.NodeFailed]},
	} {
		fmt.Fprintf(&b, "  Nodes%s = %d;\n", x.name, x.n)
	}
	fmt.Fprintf(&b, "  JobProcsHeld = %d;\n  JobProcsIdle = %d; /* includes held */\n]\n", all.Held, all.Idle)
	b.Write(nodes.Bytes())
	following := "0; /* \"none\" */"
	if next > 0 {
		following = moment(at.Add(next))
	}
	fmt.Fprintf(&b, "[\n  Type = \"StatusEnd\";\n  EndTime = %s\n  NextUpdate = %s\n]\n", moment(at), following)
	return b.Bytes()
}

func moment(t time.Time) string {
	return fmt.Sprintf("%d; /* %q */", t.Unix(), t.Format(time.ANSIC))
}

// state is how a run stands, as the state of a node.
func state(r *dag.Run) (grid.NodeState, string) {
	switch {
	case !r.Status.Ended():
		return grid.NodeSubmitted, ""
	case r.Return == dag.ReturnDone:
		return grid.NodeDone, "success"
	}
	word := map[dag.Condition]string{
		dag.ConditionAborted: "aborted", dag.ConditionRemoved: "removed", dag.ConditionHalted: "halted",
	}[r.Condition]
	if word == "" {
		word = "failed"
	}
	return grid.NodeFailed, word
}

// details says more of a node.
func details(n *dag.Node, r *dag.Record, p Procs) string {
	switch r.State {
	case grid.NodeSubmitted:
		switch {
		case p.Held > 0:
			return "held"
		case p.Idle > 0:
			return "idle"
		}
		return "not_idle"
	case grid.NodeFailed:
		return failure(n, r)
	}
	return ""
}

func failure(n *dag.Node, r *dag.Record) string {
	text := ""
	switch {
	case r.Exit == dag.ExitRemoved:
		return "Was STATUS_SUBMITTED"
	case r.Exit == dag.ExitSubmit:
		text = "Job submit failed"
	case n.Pre != nil && r.Pre != 0 && r.Cluster == 0:
		text = fmt.Sprintf("PRE Script failed %s", ended(r.Exit))
	case n.Post != nil:
		text = fmt.Sprintf("POST Script failed %s", ended(r.Exit))
	default:
		text = fmt.Sprintf("Job proc (%d.0.0) failed %s", r.Cluster, ended(r.Exit))
	}
	if r.Attempt > 1 {
		text += fmt.Sprintf(" (after %d node retries)", r.Attempt-1)
	}
	return text
}

func ended(exit int32) string {
	if exit < 0 {
		return fmt.Sprintf("with signal %d", -exit)
	}
	return fmt.Sprintf("with status %d", exit)
}
