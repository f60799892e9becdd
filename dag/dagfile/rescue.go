package dagfile

import (
	"bytes"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"gridburst/dag"
	"gridburst/internal/grid"
)

// RescueVersion is that of the format, as HTCondor 23.9.6 has it.
const RescueVersion = "2.0.1"

// Rescue is what a run has achieved, in DAGMan's format: read behind the DAG file, it has
// a further run do the rest only. The file of a save point is the same. name is that of
// the DAG file, the first one of several.
//
// FINAL nodes and provisioners are never done beforehand: what they bring about lasts as
// long as the run. A node that has failed, and of which all children only wanted it to
// end, need not run again.
func Rescue(run *dag.Run, name string, at time.Time) []byte {
	g := run.Graph
	var b, done bytes.Buffer
	total, finished := 0, 0
	var failed strings.Builder
	failures := 0
	for i := range int32(g.Len()) {
		n := &g.Nodes[i]
		if n.Kind == dag.ServiceNode {
			continue
		}
		total++
		state := run.State(i)
		rec := run.Record(i)
		// What goes with the run has not failed.
		removed := rec.Exit == dag.ExitRemoved && (run.Condition == dag.ConditionRemoved || run.Condition == dag.ConditionAborted)
		if state == grid.NodeFailed && !removed {
			failures++
			failed.WriteString(n.Name + ",")
		}
		if n.Kind == dag.JobNode && (state == grid.NodeDone || state == grid.NodeFailed && enough(g, i)) {
			finished++
			fmt.Fprintf(&done, "DONE %s\n", n.Name)
		}
		if n.Retries > 0 {
			fmt.Fprintf(&done, "RETRY %s %d", n.Name, n.Retries)
			if n.Unless != nil {
				fmt.Fprintf(&done, " UNLESS-EXIT %d", *n.Unless)
			}
			done.WriteByte('\n')
		}
	}
	at = at.UTC()
	fmt.Fprintf(&b, "# Rescue DAG file, created after running\n#   the %s DAG file\n# Created %d/%d/%d %s UTC\n", name, at.Month(), at.Day(), at.Year(), at.Format(time.TimeOnly))
	fmt.Fprintf(&b, "# Rescue DAG version: %s (partial)\n#\n# Total number of Nodes: %d\n# Nodes premarked DONE: %d\n# Nodes that failed: %d\n#   %s<ENDLIST>\n\n", RescueVersion, total, finished, failures, failed.String())
	b.Write(done.Bytes())
	return b.Bytes()
}

// enough reports whether all children of node i only wanted it to end.
func enough(g *dag.Graph, i int32) bool {
	children := g.Nodes[i].Children
	for _, c := range children {
		if !g.Nodes[c].WeakOn(i) {
			return false
		}
	}
	return len(children) > 0
}

// MostRescues is how many rescue files a DAG file has unless its settings say otherwise.
// The last one is then written anew.
const MostRescues = 100

// RescueName is the name of the rescue file with a number, from 1. several says that the
// run is of several DAG files, of which name is the first.
func RescueName(name string, several bool, number int) string {
	if several {
		name += "_multi"
	}
	return fmt.Sprintf("%s.rescue%03d", name, number)
}

// RescueNumber is the number of a rescue file of a DAG file, given the base name of each;
// 0: it is none.
func RescueNumber(name string, several bool, file string) int {
	digits, ok := strings.CutPrefix(file, strings.TrimSuffix(RescueName(path.Base(name), several, 1), "001"))
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 || RescueName("", false, n) != ".rescue"+digits {
		return 0
	}
	return n
}

// Most is how many rescue files a run may have, by its settings; 0: none is written.
func Most(g *dag.Graph) int {
	for _, v := range g.Settings {
		if n, err := strconv.Atoi(v.Value); v.Name == "DAGMAN_MAX_RESCUE_NUM" && err == nil {
			return max(min(n, 999), 0)
		}
	}
	return MostRescues
}

// Wanted reports whether a run that has ended leaves a rescue file: it did not succeed, or
// only its FINAL node says that it did. A node that ends the run with success leaves none.
func Wanted(run *dag.Run) bool {
	switch run.Condition {
	case dag.ConditionOK:
		return run.Status == dag.RunFailed || run.Status == dag.RunRemoved
	case dag.ConditionAborted:
		return run.Return != dag.ReturnDone
	}
	return true
}
