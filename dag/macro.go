package dag

import (
	"fmt"
	"maps"
	"slices"
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
		{Name: "DAG_STATUS", Value: strconv.Itoa(int(r.Fares()))},
		{Name: "+DAGNodeName", Value: ad.Quote(n.Name)},
	}
	if names := r.Graph.parentNames(i); len(names) <= maxParentNames {
		vars = append(vars, Var{Name: "DAG_PARENT_NAMES", Value: names}, Var{Name: "+DAGParentNodeNames", Value: ad.Quote(names)})
	}
	if p := n.Priority + int(r.Priority); p != 0 {
		vars = append(vars, Var{Name: "priority", Value: strconv.Itoa(p)})
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

// Fares is how the run has fared so far. A service that fails shows here, as in DAGMan, and
// nowhere else.
func (r *Run) Fares() Condition {
	if r.Condition == ConditionOK && (r.Count(grid.NodeFailed) > 0 || r.tally.lost > 0) {
		return ConditionFailed
	}
	return r.Condition
}

// Ends is how the procs of a node's job ended.
type Ends struct {
	Exits []int32 // of each proc, in their order: see [ProcsLeft]
}

// Args is the arguments of the script that node i runs in a state: NodePre, NodePost,
// or any other for HOLD. id is the run's; ends is for POST alone.
func (r *Run) Args(i int32, phase grid.NodeState, id uint32, ends Ends) []string {
	script := r.Graph.Nodes[i].Script(phase)
	out := make([]string, len(script.Args))
	for k, a := range script.Args {
		out[k] = a
		if name, ok := strings.CutPrefix(a, "$"); ok {
			if v, ok := r.macro(i, strings.ToUpper(name), id); ok {
				out[k] = v
			} else if v, ok := r.behind(i, strings.ToUpper(name), ends); ok && phase == grid.NodePost {
				out[k] = v
			}
		}
	}
	return out
}

// macro is what any script may ask for.
func (r *Run) macro(i int32, name string, id uint32) (string, bool) {
	g, n := &r.Graph.Nodes[i], &r.nodes[i]
	switch name {
	case "NODE", "JOB":
		return g.Name, true
	case "RETRY":
		return strconv.Itoa(int(max(n.Attempt, 1)) - 1), true
	case "MAX_RETRIES":
		return strconv.Itoa(g.Retries), true
	case "DAGID":
		return strconv.FormatUint(uint64(id), 10), true
	case "DAG_STATUS":
		return strconv.Itoa(int(r.Fares())), true
	case "NODE_COUNT":
		// What a run tells of: all but services.
		return strconv.Itoa(r.Graph.Len() - r.Graph.services()), true
	case "QUEUED_COUNT":
		return strconv.Itoa(r.Count(grid.NodeSubmitted)), true
	case "DONE_COUNT":
		return strconv.Itoa(r.Count(grid.NodeDone)), true
	case "FAILED_COUNT":
		return strconv.Itoa(r.Count(grid.NodeFailed)), true
	case "FUTILE_COUNT":
		return strconv.Itoa(r.Count(grid.NodeFutile)), true
	}
	return "", false
}

// behind is what a POST script may ask for.
func (r *Run) behind(i int32, name string, ends Ends) (string, bool) {
	n := &r.nodes[i]
	switch name {
	case "JOBID":
		return fmt.Sprintf("%d.%d", n.Cluster, max(n.Procs, 1)-1), true
	case "CLUSTERID":
		return strconv.Itoa(int(n.Cluster)), true
	case "JOB_COUNT":
		return strconv.Itoa(int(n.Procs)), true
	case "JOB_ABORT_COUNT":
		removed := 0
		for _, e := range ends.Exits {
			if e == ExitRemoved {
				removed++
			}
		}
		return strconv.Itoa(removed), true
	case "SUCCESS":
		return strconv.FormatBool(n.Exit == 0), true
	case "RETURN":
		return strconv.Itoa(int(n.Exit)), true
	case "PRE_SCRIPT_RETURN":
		if r.Graph.Nodes[i].Pre == nil {
			return strconv.Itoa(NoScript), true
		}
		return strconv.Itoa(int(n.Pre)), true
	case "EXIT_CODES":
		return join(ends.codes(), func(c, _ int) string { return strconv.Itoa(c) }), true
	case "EXIT_CODE_LIST":
		var all []string
		for _, e := range ends.Exits {
			all = append(all, strconv.Itoa(int(e)))
		}
		return strings.Join(all, ","), true
	case "EXIT_CODE_COUNTS":
		return join(ends.codes(), func(c, times int) string { return fmt.Sprintf("%d:%d", c, times) }), true
	}
	return "", false
}

// codes counts the procs that ended in each way.
func (e *Ends) codes() map[int]int {
	codes := map[int]int{}
	for _, x := range e.Exits {
		codes[int(x)]++
	}
	return codes
}

func join(codes map[int]int, show func(code, times int) string) string {
	var out []string
	for _, c := range slices.Sorted(maps.Keys(codes)) {
		out = append(out, show(c, codes[c]))
	}
	return strings.Join(out, ",")
}
