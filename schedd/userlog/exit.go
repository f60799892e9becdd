package userlog

import (
	"fmt"
	"strings"
	"time"

	"gridburst/internal/grid"
)

// Exit is how a program ended.
type Exit struct {
	Code   int32 // exit code, or the signal's number
	Signal bool
	Core   string // where its core file is, if there is one
}

// Usage is CPU time, in whole seconds.
type Usage struct {
	User, Sys time.Duration
}

// Moved is bytes from and to a job.
type Moved struct {
	Sent, Received int64
}

// Resource is one line of the table of resources. What is not known is empty.
type Resource struct {
	Name                       string // "Cpus", "Disk", "Memory", ...: as in a job's Request...
	Usage, Request, Allocation string // integers and reals, as ClassAds write them
	Assigned                   string // which, if they have names
}

// Evicted is 004: a job lost its slot.
type Evicted struct {
	Code, Sub    int32
	Checkpointed bool
	Requeued     *Exit // it had ended and is to run again; nil: it had not
	Run          Usage
	Moved        Moved
	Reason       string
	Resources    []Resource // in text alone
}

func (x *Evicted) number() grid.EventNumber { return grid.EventEvicted }
func (x *Evicted) name() string             { return "JobEvictedEvent" }

const requeued = "\t(0) Job terminated and was requeued"

func (x *Evicted) write(t *text) {
	if x.Code != 0 {
		t.line("", fmt.Sprintf("Job was evicted. Code %d Subcode %d", x.Code, x.Sub))
	} else {
		t.line("", "Job was evicted.")
	}
	switch {
	case x.Requeued != nil:
		t.line(requeued, "")
	case x.Checkpointed:
		t.line("\t(1) Job was checkpointed.", "")
	default:
		t.line("\t(0) CPU times", "")
	}
	t.usage("Run Remote", x.Run)
	t.usage("Run Local", Usage{})
	t.bytes("Run", "Job", &x.Moved.Sent, &x.Moved.Received)
	if x.Requeued != nil {
		t.exit(x.Requeued, true)
		t.optional("\t", x.Reason)
	} else {
		t.optional("\tReason: ", x.Reason)
	}
	t.resources(x.Resources)
}

func (x *Evicted) read(l *lines) bool {
	rest, ok := strings.CutPrefix(l.head, "Job was evicted.")
	if !ok {
		return false
	}
	fmt.Sscanf(rest, " Code %d Subcode %d", &x.Code, &x.Sub)
	how, _ := l.next()
	x.Checkpointed = strings.HasPrefix(how, "\t(1)")
	if !l.usage("Run Remote", &x.Run) || !l.usage("Run Local", new(Usage)) {
		return false
	}
	l.bytes("Run", "Job", &x.Moved.Sent, &x.Moved.Received)
	if how == requeued {
		x.Requeued = &Exit{}
		if !l.exit(x.Requeued, true) {
			return false
		}
	}
	if !l.optional("\tReason: ", &x.Reason) || x.Reason == "" && !l.table() {
		l.optional("\t", &x.Reason)
	}
	x.Resources = l.resources()
	return true
}

func (x *Evicted) attributes(a *attributes) {
	a.code("ReasonCode", &x.Code)
	a.code("ReasonSubCode", &x.Sub)
	a.bool("Checkpointed", &x.Checkpointed)
	a.usage("RunRemoteUsage", &x.Run)
	a.usage("RunLocalUsage", new(Usage))
	a.moved("", &x.Moved)
	again := x.Requeued != nil
	if a.bool("TerminatedAndRequeued", &again); again {
		if x.Requeued == nil {
			x.Requeued = &Exit{}
		}
		a.exit(x.Requeued)
	} else if !a.reading {
		a.ad.SetBool("TerminatedNormally", false)
	}
	a.text("Reason", &x.Reason)
}

// Terminated is 005: a job has ended.
type Terminated struct {
	Exit       Exit
	Run, Total Usage // of its last execution, of all
	RunMoved   Moved
	TotalMoved Moved
	Resources  []Resource
}

func (x *Terminated) number() grid.EventNumber { return grid.EventTerminated }
func (x *Terminated) name() string             { return "JobTerminatedEvent" }
func (x *Terminated) write(t *text) {
	t.line("", "Job terminated.")
	x.writeOf(t, "Job")
}

// writeOf writes how what is a Job or a Node to the text has ended.
func (x *Terminated) writeOf(t *text, what string) {
	t.exit(&x.Exit, true)
	t.usage("Run Remote", x.Run)
	t.usage("Run Local", Usage{})
	t.usage("Total Remote", x.Total)
	t.usage("Total Local", Usage{})
	t.bytes("Run", what, &x.RunMoved.Sent, &x.RunMoved.Received)
	t.bytes("Total", what, &x.TotalMoved.Sent, &x.TotalMoved.Received)
	t.resources(x.Resources)
}

func (x *Terminated) read(l *lines) bool {
	return l.is("Job terminated.") && x.readOf(l, "Job")
}

func (x *Terminated) readOf(l *lines, what string) bool {
	if !l.exit(&x.Exit, true) ||
		!l.usage("Run Remote", &x.Run) || !l.usage("Run Local", new(Usage)) ||
		!l.usage("Total Remote", &x.Total) || !l.usage("Total Local", new(Usage)) {
		return false
	}
	l.bytes("Run", what, &x.RunMoved.Sent, &x.RunMoved.Received)
	l.bytes("Total", what, &x.TotalMoved.Sent, &x.TotalMoved.Received)
	x.Resources = l.resources()
	return true
}

func (x *Terminated) attributes(a *attributes) {
	a.exit(&x.Exit)
	a.usage("RunRemoteUsage", &x.Run)
	a.usage("RunLocalUsage", new(Usage))
	a.usage("TotalRemoteUsage", &x.Total)
	a.usage("TotalLocalUsage", new(Usage))
	a.moved("", &x.RunMoved)
	a.moved("Total", &x.TotalMoved)
	a.resources(&x.Resources)
}

// PostScript is 016: a node's POST script has ended.
type PostScript struct {
	Exit Exit
	Node string
}

func (p *PostScript) number() grid.EventNumber { return grid.EventPostScript }
func (p *PostScript) name() string             { return "PostScriptTerminatedEvent" }
func (p *PostScript) write(t *text) {
	t.line("", "POST Script terminated.")
	t.exit(&p.Exit, false)
	t.optional("    DAG Node: ", p.Node)
}

func (p *PostScript) read(l *lines) bool {
	return l.is("POST Script terminated.") && l.exit(&p.Exit, false) && l.optional("    DAG Node: ", &p.Node)
}

func (p *PostScript) attributes(a *attributes) {
	a.exit(&p.Exit)
	a.text("DAGNodeName", &p.Node)
}

// PreSkip is 034: a node's PRE script said that the node is done.
type PreSkip struct {
	Notes string // "DAG Node: A"
}

func (p *PreSkip) number() grid.EventNumber { return grid.EventPreSkip }
func (p *PreSkip) name() string             { return "PreSkipEvent" }
func (p *PreSkip) write(t *text) {
	t.line("", "PRE script return value is PRE_SKIP value")
	t.line("    ", p.Notes)
}

func (p *PreSkip) read(l *lines) bool {
	return l.is("PRE script return value is PRE_SKIP value") && l.required("    ", &p.Notes)
}
func (p *PreSkip) attributes(a *attributes) { a.text("SkipEventLogNotes", &p.Notes) }
