package submit

import (
	"strconv"
	"strings"

	"gridburst/internal/grid"
)

// NodePlace is what a text has, until a node of a job of several begins, where the node's
// number belongs. HTCondor's own word for it: its tools put it into ads for $(Node).
const NodePlace = "#pArAlLeLnOdE#"

// setNodes sets how many nodes a job of the parallel universe has.
func (l *lowering) setNodes() {
	l.asked = nil
	l.set("MinHosts", "1")
	l.set("MaxHosts", "1")
	text, v, ok := l.word("machine_count")
	n, err := strconv.Atoi(strings.TrimSpace(text))
	parallel := l.universe.number == int(grid.Parallel)
	switch {
	case !parallel && ok:
		l.warn(v.Pos, "machine_count means nothing here: this job has one node", "Jobs of several are those of universe = parallel.")
		return
	case !parallel:
		return
	case !ok:
		l.fail(l.job.Queue.Pos, "a parallel job needs machine_count", "So many nodes begin at once: machine_count = 4")
		return
	case !v.Live && (err != nil || n < 1 || n > grid.MaxNodes):
		l.fail(v.Pos, "machine_count is 1 to "+strconv.Itoa(grid.MaxNodes)+", not "+text, "")
		return
	}
	l.set("MinHosts", strconv.Itoa(n))
	l.set("MaxHosts", strconv.Itoa(n))
	l.set("WantIOProxy", "true")
	l.set("JobRequiresSandbox", "true")
	if q := l.job.Queue; q.PerItem > 1 || len(q.Items) > 1 {
		l.warn(q.Pos, "each of these jobs has "+strconv.Itoa(n)+" nodes of its own", "HTCondor would make one job of them, with the nodes of all.")
	}
	for _, name := range [...]string{"checkpoint_exit_code", "transfer_checkpoint_files", "skip_if_dataflow"} {
		if c, set := l.command(name); set {
			l.fail(c.Pos, name+" is not for jobs of several nodes", "")
		}
	}
}

// lookedAt is a file's name as it is looked at before there are nodes: that of node 0.
func lookedAt(name string) string { return strings.ReplaceAll(name, NodePlace, "0") }
