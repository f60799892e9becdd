package account

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"gridburst/dag"
	"gridburst/internal/grid"
)

// words are what a drawing says of a node in a state.
var words = map[grid.NodeState]string{
	grid.NodeWaiting: "I", grid.NodeReady: "R", grid.NodePre: "P", grid.NodeSubmitted: "S", grid.NodePost: "O", grid.NodeDone: "Done", grid.NodeFailed: "E", grid.NodeFutile: "F",
}

// Dot is a drawing of a run for graphviz. header comes first in it.
func Dot(r *dag.Run, at time.Time, header string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "digraph DAG {\n%s    label=%s;\n\n", header, quote("DAGMan Job status at "+at.Format(time.ANSIC)))
	for i := range int32(r.Graph.Len()) {
		n := &r.Graph.Nodes[i]
		fmt.Fprintf(&b, "    %s [shape=ellipse label=%s];\n", quote(n.Name), quote(n.Name+" ("+words[r.State(i)]+")"))
	}
	b.WriteByte('\n')
	for i := range int32(r.Graph.Len()) {
		for _, p := range r.Graph.Parents(i) {
			fmt.Fprintf(&b, "    %s -> %s;\n", quote(r.Graph.Nodes[p].Name), quote(r.Graph.Nodes[i].Name))
		}
	}
	b.WriteString("}\n")
	return b.Bytes()
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
