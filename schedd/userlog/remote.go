package userlog

import (
	"fmt"
	"strings"

	"gridburst/internal/grid"
)

// RemoteError is 021: a machine that works for the job met trouble.
type RemoteError struct {
	Daemon    string // who says so, as "starter"
	Host      string
	Message   string // of one line or several
	Notice    bool   // it does no harm
	Code, Sub int32  // a hold code, if the job is held for it
}

func (r *RemoteError) number() grid.EventNumber { return grid.EventRemoteError }
func (r *RemoteError) name() string             { return "RemoteErrorEvent" }
func (r *RemoteError) write(t *text) {
	kind := "Error"
	if r.Notice {
		kind = "Message"
	}
	t.line("", fmt.Sprintf("%s from %s on %s:", kind, oneLine(r.Daemon), oneLine(r.Host)))
	for line := range strings.Lines(r.Message) {
		t.line("\t", line)
	}
	if r.Code != 0 {
		t.codes("\t", r.Code, r.Sub)
	}
}

func (r *RemoteError) read(l *lines) bool {
	kind, rest, ok := strings.Cut(l.head, " from ")
	if !ok {
		return false
	}
	r.Notice = kind != "Error"
	if r.Daemon, rest, ok = strings.Cut(rest, " on "); !ok {
		r.Daemon, rest = "", r.Daemon
	}
	r.Host = strings.TrimSuffix(rest, ":")
	var message []string
	for {
		if l.codes("\t", &r.Code, &r.Sub) {
			break
		}
		line, more := l.next()
		if !more {
			break
		}
		message = append(message, strings.TrimPrefix(line, "\t"))
	}
	r.Message = strings.Join(message, "\n")
	return true
}

func (r *RemoteError) attributes(a *attributes) {
	a.text("Daemon", &r.Daemon)
	a.text("ExecuteHost", &r.Host)
	a.text("ErrorMsg", &r.Message)
	critical := int64(1)
	if r.Notice {
		critical = 0
	}
	if a.reading || r.Notice {
		a.int("CriticalError", &critical)
	}
	r.Notice = critical == 0
	if a.reading || r.Code != 0 {
		a.code("HoldReasonCode", &r.Code)
		a.code("HoldReasonSubCode", &r.Sub)
	}
}

// Disconnected is 022: the machine that runs the job is not heard; it may come back.
type Disconnected struct {
	Reason string
	Slot   string
	Host   string // its address
}

func (d *Disconnected) number() grid.EventNumber { return grid.EventDisconnected }
func (d *Disconnected) name() string             { return "JobDisconnectedEvent" }

const disconnected = "Job disconnected, attempting to reconnect"

func (d *Disconnected) write(t *text) {
	t.line("", disconnected)
	t.line("    ", d.Reason)
	t.line("    Trying to reconnect to ", d.Slot+" "+d.Host)
}

func (d *Disconnected) read(l *lines) bool {
	var where string
	if !l.is(disconnected) || !l.required("    ", &d.Reason) || !l.required("    Trying to reconnect to ", &where) {
		return false
	}
	d.Slot, d.Host, _ = strings.Cut(where, " ")
	return true
}

func (d *Disconnected) attributes(a *attributes) {
	a.text("StartdAddr", &d.Host)
	a.text("StartdName", &d.Slot)
	a.text("DisconnectReason", &d.Reason)
	a.constant("EventDescription", disconnected)
}

// Reconnected is 023: the machine is heard again, and the job has gone on.
type Reconnected struct {
	Slot    string
	Host    string // the worker's address
	Starter string // of what runs the job there
}

func (r *Reconnected) number() grid.EventNumber { return grid.EventReconnected }
func (r *Reconnected) name() string             { return "JobReconnectedEvent" }
func (r *Reconnected) write(t *text) {
	t.line("Job reconnected to ", r.Slot)
	t.line("    startd address: ", r.Host)
	t.line("    starter address: ", r.Starter)
}

func (r *Reconnected) read(l *lines) bool {
	return l.headed("Job reconnected to ", &r.Slot) && l.required("    startd address: ", &r.Host) && l.required("    starter address: ", &r.Starter)
}

func (r *Reconnected) attributes(a *attributes) {
	a.text("StartdAddr", &r.Host)
	a.text("StartdName", &r.Slot)
	a.text("StarterAddr", &r.Starter)
	a.constant("EventDescription", "Job reconnected")
}

// ReconnectFailed is 024: the machine is given up, and the job runs again elsewhere.
type ReconnectFailed struct {
	Reason string
	Slot   string
}

func (r *ReconnectFailed) number() grid.EventNumber { return grid.EventReconnectFail }
func (r *ReconnectFailed) name() string             { return "JobReconnectFailedEvent" }

const rescheduling = ", rescheduling job"

func (r *ReconnectFailed) write(t *text) {
	t.line("", "Job reconnection failed")
	t.line("    ", r.Reason)
	t.line("    Can not reconnect to ", r.Slot+rescheduling)
}

func (r *ReconnectFailed) read(l *lines) bool {
	if !l.is("Job reconnection failed") || !l.required("    ", &r.Reason) || !l.required("    Can not reconnect to ", &r.Slot) {
		return false
	}
	r.Slot = strings.TrimSuffix(r.Slot, rescheduling)
	return true
}

func (r *ReconnectFailed) attributes(a *attributes) {
	a.text("StartdName", &r.Slot)
	a.text("Reason", &r.Reason)
	a.constant("EventDescription", "Job reconnect impossible: rescheduling job")
}

// GridUp is 025: a grid resource answers again.
type GridUp struct {
	Resource string
}

func (g *GridUp) number() grid.EventNumber { return grid.EventGridUp }
func (g *GridUp) name() string             { return "GridResourceUpEvent" }
func (g *GridUp) write(t *text) {
	t.line("", "Grid Resource Back Up")
	t.line("    GridResource: ", g.Resource)
}

func (g *GridUp) read(l *lines) bool {
	return l.is("Grid Resource Back Up") && l.required("    GridResource: ", &g.Resource)
}
func (g *GridUp) attributes(a *attributes) { a.text("GridResource", &g.Resource) }

// GridDown is 026: a grid resource does not answer.
type GridDown struct {
	Resource string
}

func (g *GridDown) number() grid.EventNumber { return grid.EventGridDown }
func (g *GridDown) name() string             { return "GridResourceDownEvent" }
func (g *GridDown) write(t *text) {
	t.line("", "Detected Down Grid Resource")
	t.line("    GridResource: ", g.Resource)
}

func (g *GridDown) read(l *lines) bool {
	return l.is("Detected Down Grid Resource") && l.required("    GridResource: ", &g.Resource)
}
func (g *GridDown) attributes(a *attributes) { a.text("GridResource", &g.Resource) }

// GridSubmit is 027: a grid resource has the job.
type GridSubmit struct {
	Resource string
	JobID    string // what the resource calls it
}

func (g *GridSubmit) number() grid.EventNumber { return grid.EventGridSubmit }
func (g *GridSubmit) name() string             { return "GridSubmitEvent" }
func (g *GridSubmit) write(t *text) {
	t.line("", "Job submitted to grid resource")
	t.line("    GridResource: ", g.Resource)
	t.line("    GridJobId: ", g.JobID)
}

func (g *GridSubmit) read(l *lines) bool {
	return l.is("Job submitted to grid resource") && l.required("    GridResource: ", &g.Resource) && l.required("    GridJobId: ", &g.JobID)
}

func (g *GridSubmit) attributes(a *attributes) {
	a.text("GridResource", &g.Resource)
	a.text("GridJobId", &g.JobID)
}

// StatusUnknown is 029: what has become of a job at a grid resource is not known.
type StatusUnknown struct{}

const statusUnknown = "The job's remote status is unknown"

func (*StatusUnknown) number() grid.EventNumber { return grid.EventStatusUnknown }
func (*StatusUnknown) name() string             { return "JobStatusUnknownEvent" }
func (*StatusUnknown) write(t *text)            { t.line("", statusUnknown) }
func (*StatusUnknown) read(l *lines) bool       { return l.is(statusUnknown) }
func (*StatusUnknown) attributes(*attributes)   {}

// StatusKnown is 030: it is known again.
type StatusKnown struct{}

const statusKnown = "The job's remote status is known again"

func (*StatusKnown) number() grid.EventNumber { return grid.EventStatusKnown }
func (*StatusKnown) name() string             { return "JobStatusKnownEvent" }
func (*StatusKnown) write(t *text)            { t.line("", statusKnown) }
func (*StatusKnown) read(l *lines) bool       { return l.is(statusKnown) }
func (*StatusKnown) attributes(*attributes)   {}

// FileTransfer is 040: files go to or come from where the job runs.
type FileTransfer struct {
	Step  Transfer
	Queue int64  // seconds spent waiting for a turn; negative: not known
	Host  string // the other side
}

// Transfer is a step of a job's file transfers.
type Transfer int64

// The steps, in HTCondor's numbers.
const (
	InputQueued Transfer = iota + 1
	InputStarted
	InputFinished
	OutputQueued
	OutputStarted
	OutputFinished
)

var transfers = [...]string{
	InputQueued: "Entered queue to transfer input files", InputStarted: "Started transferring input files", InputFinished: "Finished transferring input files",
	OutputQueued: "Entered queue to transfer output files", OutputStarted: "Started transferring output files", OutputFinished: "Finished transferring output files",
}

func (f *FileTransfer) number() grid.EventNumber { return grid.EventFileTransfer }
func (f *FileTransfer) name() string             { return "FileTransferEvent" }
func (f *FileTransfer) write(t *text) {
	if f.Step > 0 && int(f.Step) < len(transfers) {
		t.line("", transfers[f.Step])
	}
	if f.Queue >= 0 {
		t.line("\tSeconds spent in queue: ", fmt.Sprint(f.Queue))
	}
	t.optional("\tTransferring to host: ", f.Host)
}

func (f *FileTransfer) read(l *lines) bool {
	for i := InputQueued; i <= OutputFinished; i++ {
		if transfers[i] == l.head {
			f.Step = i
		}
	}
	f.Queue = -1
	var queue string
	if l.optional("\tSeconds spent in queue: ", &queue); queue != "" && !integer(queue, &f.Queue) {
		return false
	}
	return l.optional("\tTransferring to host: ", &f.Host) && f.Step > 0
}

func (f *FileTransfer) attributes(a *attributes) {
	a.int("Type", (*int64)(&f.Step))
	a.size("QueueingDelay", &f.Queue)
	a.text("Host", &f.Host)
}
