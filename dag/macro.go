package dag

import (
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// maxParentNames bounds DAGParentNodeNames: with more text than that a job is not told
// its parents.
const maxParentNames = 16 << 10

// Vars is the macros that node i's current attempt gives to its submit file: DAGMan's
// own, then the node's. An attribute's value is the source of a ClassAd expression.
func (r *Run) Vars(i int32) []Var {
	n := &r.Graph.Nodes[i]
	retry := strconv.FormatUint(uint64(max(r.nodes[i].Attempt, 1)-1), 10)
	vars := []Var{
		{Name: "JOB", Value: n.Name},
		{Name: "RETRY", Value: retry},
		{Name: "FAILED_COUNT", Value: strconv.Itoa(r.Count(grid.NodeFailed))},
		{Name: "+DAGNodeName", Value: ad.Quote(n.Name)},
	}
	if names := r.Graph.parentNames(i); len(names) <= maxParentNames {
		vars = append(vars, Var{Name: "DAG_PARENT_NAMES", Value: names}, Var{Name: "+DAGParentNodeNames", Value: ad.Quote(names)})
	}
	if n.Priority != 0 {
		vars = append(vars, Var{Name: "priority", Value: strconv.Itoa(n.Priority)})
	}
	for _, v := range n.Vars {
		v.Value = expand(v.Value, n.Name, retry)
		vars = append(vars, v)
	}
	return vars
}

// expand replaces $(JOB) and $(RETRY), which also stand where no submit file would
// replace them. Other macros are the submit file's.
func expand(s, job, retry string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "$(")
		name, after, closed := strings.Cut(rest, ")")
		if !ok || !closed {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(before)
		switch strings.ToUpper(name) {
		case "JOB":
			b.WriteString(job)
		case "RETRY":
			b.WriteString(retry)
		default:
			b.WriteString("$(")
			s = rest
			continue
		}
		s = after
	}
}
