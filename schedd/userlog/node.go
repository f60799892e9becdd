package userlog

import (
	"fmt"
	"strconv"
	"strings"

	"gridburst/internal/grid"
)

// NodeExecute is 014: a node of a job of several runs.
type NodeExecute struct {
	Node int64
	Execute
}

func (x *NodeExecute) number() grid.EventNumber { return grid.EventNodeExecute }
func (x *NodeExecute) name() string             { return "NodeExecuteEvent" }
func (x *NodeExecute) write(t *text) {
	t.line(fmt.Sprintf("Node %d executing on host: ", x.Node), x.Host)
	x.writeSlot(t)
}

func (x *NodeExecute) read(l *lines) bool {
	rest, ok := node(l.head, &x.Node)
	if x.Host, ok = after(ok, rest, " executing on host: "); !ok {
		return false
	}
	x.readSlot(l)
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
	Node int64
	Terminated
}

func (x *NodeTerminated) number() grid.EventNumber { return grid.EventNodeTerminated }
func (x *NodeTerminated) name() string             { return "NodeTerminatedEvent" }
func (x *NodeTerminated) write(t *text) {
	t.line("", fmt.Sprintf("Node %d terminated.", x.Node))
	x.writeOf(t, "Node")
}

func (x *NodeTerminated) read(l *lines) bool {
	rest, ok := node(l.head, &x.Node)
	return ok && rest == " terminated." && x.readOf(l, "Node")
}

func (x *NodeTerminated) attributes(a *attributes) {
	a.int("Node", &x.Node)
	x.Terminated.attributes(a)
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
