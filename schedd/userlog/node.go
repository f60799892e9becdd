package userlog

import (
	"fmt"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// NodeExecute is 014: a node of a job of several runs.
type NodeExecute struct {
	Node  int64
	Host  string // "<address>" of its machine
	Slot  string
	Props *ad.Ad // what was asked to be told of its slot; nil: nothing
}

func (x *NodeExecute) number() grid.EventNumber { return grid.EventNodeExecute }
func (x *NodeExecute) name() string             { return "NodeExecuteEvent" }
func (x *NodeExecute) write(t *text) {
	t.line(fmt.Sprintf("Node %d executing on host: ", x.Node), x.Host)
	t.optional("\tSlotName: ", x.Slot)
	t.ad("\t", x.Props)
}

func (x *NodeExecute) read(l *lines) bool {
	rest, ok := node(l.head, &x.Node)
	if x.Host, ok = after(ok, rest, " executing on host: "); !ok {
		return false
	}
	l.optional("\tSlotName: ", &x.Slot)
	x.Props = l.ad()
	return true
}

func (x *NodeExecute) attributes(a *attributes) {
	a.text("ExecuteHost", &x.Host)
	a.int("Node", &x.Node)
	a.text("SlotName", &x.Slot)
	a.record("ExecuteProps", &x.Props)
}

// NodeTerminated is 015: a node of a job of several has ended.
type NodeTerminated struct {
	Node       int64
	Exit       Exit
	Run, Total Usage // of its last execution, of all
	RunMoved   Moved
	TotalMoved Moved
	Resources  []Resource
}

func (x *NodeTerminated) number() grid.EventNumber { return grid.EventNodeTerminated }
func (x *NodeTerminated) name() string             { return "NodeTerminatedEvent" }
func (x *NodeTerminated) write(t *text) {
	t.line("", fmt.Sprintf("Node %d terminated.", x.Node))
	t.exit(&x.Exit, true)
	t.usage("Run Remote", x.Run)
	t.usage("Run Local", Usage{})
	t.usage("Total Remote", x.Total)
	t.usage("Total Local", Usage{})
	t.bytes("Run", "Node", &x.RunMoved.Sent, &x.RunMoved.Received)
	t.bytes("Total", "Node", &x.TotalMoved.Sent, &x.TotalMoved.Received)
	t.resources(x.Resources)
}

func (x *NodeTerminated) read(l *lines) bool {
	rest, ok := node(l.head, &x.Node)
	if !ok || rest != " terminated." || !l.exit(&x.Exit, true) ||
		!l.usage("Run Remote", &x.Run) || !l.usage("Run Local", new(Usage)) ||
		!l.usage("Total Remote", &x.Total) || !l.usage("Total Local", new(Usage)) {
		return false
	}
	l.bytes("Run", "Node", &x.RunMoved.Sent, &x.RunMoved.Received)
	l.bytes("Total", "Node", &x.TotalMoved.Sent, &x.TotalMoved.Received)
	x.Resources = l.resources()
	return true
}

func (x *NodeTerminated) attributes(a *attributes) {
	a.int("Node", &x.Node)
	a.exit(&x.Exit)
	a.usage("RunRemoteUsage", &x.Run)
	a.usage("RunLocalUsage", new(Usage))
	a.usage("TotalRemoteUsage", &x.Total)
	a.usage("TotalLocalUsage", new(Usage))
	a.moved("", &x.RunMoved)
	a.moved("Total", &x.TotalMoved)
	a.resources(&x.Resources)
}

// node reads the "Node 3" that a line begins with.
func node(line string, n *int64) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(line, "Node ")
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	v, err := strconv.ParseInt(rest[:digits], 10, 32)
	*n = v
	return rest[digits:], ok && err == nil
}

func after(ok bool, s, prefix string) (string, bool) {
	rest, has := strings.CutPrefix(s, prefix)
	return rest, ok && has
}
