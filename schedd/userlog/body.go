package userlog

import (
	"fmt"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Submit is 000: a job is in the queue.
type Submit struct {
	Host      string // "<address>" of the schedd
	LogNotes  string // of the program that submitted, such as "DAG Node: A"
	UserNotes string
	Warnings  string
}

func (s *Submit) number() grid.EventNumber { return grid.EventSubmit }
func (s *Submit) name() string             { return "SubmitEvent" }

const warningPrefix = "WARNING: Committed job submission into the queue with the following warning(s): "

func (s *Submit) write(t *text) {
	t.line("Job submitted from host: ", s.Host)
	t.notes(s.LogNotes, s.UserNotes)
	t.optional("    "+warningPrefix, s.Warnings)
}

func (s *Submit) read(l *lines) bool {
	if !l.headed("Job submitted from host: ", &s.Host) {
		return false
	}
	s.LogNotes, s.UserNotes, s.Warnings = l.notes()
	return true
}

func (s *Submit) attributes(a *attributes) {
	a.text("SubmitHost", &s.Host)
	a.text("LogNotes", &s.LogNotes)
	a.text("UserNotes", &s.UserNotes)
	a.text("Warnings", &s.Warnings)
}

// Execute is 001: a job runs.
type Execute struct {
	Host  string // "<address>" of its machine, or a grid resource
	Slot  string
	Props *ad.Ad // what was asked to be told of its slot; nil: nothing
}

func (x *Execute) number() grid.EventNumber { return grid.EventExecute }
func (x *Execute) name() string             { return "ExecuteEvent" }
func (x *Execute) write(t *text) {
	t.line("Job executing on host: ", x.Host)
	x.writeSlot(t)
}

func (x *Execute) writeSlot(t *text) {
	t.optional("\tSlotName: ", x.Slot)
	t.ad("\t", x.Props)
}

func (x *Execute) read(l *lines) bool {
	if !l.headed("Job executing on host: ", &x.Host) {
		return false
	}
	x.readSlot(l)
	return true
}

func (x *Execute) readSlot(l *lines) {
	l.optional("\tSlotName: ", &x.Slot)
	x.Props = l.ad()
}

func (x *Execute) attributes(a *attributes) {
	a.text("ExecuteHost", &x.Host)
	a.text("SlotName", &x.Slot)
	a.record("ExecuteProps", &x.Props)
}

// ExecutableError is 002: the job's program could not be started.
type ExecutableError struct {
	BadLink bool // it is one, and not linked as it must be
}

func (x *ExecutableError) number() grid.EventNumber { return grid.EventExecutable }
func (x *ExecutableError) name() string             { return "ExecutableErrorEvent" }
func (x *ExecutableError) write(t *text) {
	if x.BadLink {
		t.line("", "(1) Job not properly linked for Condor.")
	} else {
		t.line("", "(0) Job file not executable.")
	}
}

func (x *ExecutableError) read(l *lines) bool {
	x.BadLink = strings.HasPrefix(l.head, "(1)")
	return x.BadLink || strings.HasPrefix(l.head, "(0)")
}

func (x *ExecutableError) attributes(a *attributes) {
	kind := int64(0)
	if x.BadLink {
		kind = 1
	}
	a.int("ExecuteErrorType", &kind)
	x.BadLink = kind == 1
}

// ImageSize is 006: how much memory the job uses. Sizes are negative where not known.
type ImageSize struct {
	SizeKB         int64
	MemoryMB       int64
	ResidentKB     int64
	ProportionalKB int64
}

func (s *ImageSize) number() grid.EventNumber { return grid.EventImageSize }
func (s *ImageSize) name() string             { return "JobImageSizeEvent" }
func (s *ImageSize) rows() []row {
	return []row{
		{&s.MemoryMB, "MemoryUsage of job (MB)"},
		{&s.ResidentKB, "ResidentSetSize of job (KB)"},
		{&s.ProportionalKB, "ProportionalSetSize of job (KB)"},
	}
}

func (s *ImageSize) write(t *text) {
	t.line("Image size of job updated: ", fmt.Sprint(s.SizeKB))
	for _, r := range s.rows() {
		if *r.value >= 0 {
			t.row(r)
		}
	}
}

func (s *ImageSize) read(l *lines) bool {
	var size string
	if !l.headed("Image size of job updated: ", &size) || !integer(size, &s.SizeKB) {
		return false
	}
	for _, r := range s.rows() {
		*r.value = -1
		l.row(r)
	}
	return true
}

func (s *ImageSize) attributes(a *attributes) {
	a.size("Size", &s.SizeKB)
	a.size("MemoryUsage", &s.MemoryMB)
	a.size("ResidentSetSize", &s.ResidentKB)
	a.size("ProportionalSetSize", &s.ProportionalKB)
}

// Shadow is 007: running the job met trouble.
type Shadow struct {
	Message        string
	Sent, Received int64 // bytes
}

func (s *Shadow) number() grid.EventNumber { return grid.EventShadow }
func (s *Shadow) name() string             { return "ShadowExceptionEvent" }
func (s *Shadow) write(t *text) {
	t.line("", "Shadow exception!")
	t.line("\t", s.Message)
	t.bytes("Run", "Job", &s.Sent, &s.Received)
}

func (s *Shadow) read(l *lines) bool {
	if !l.is("Shadow exception!") {
		return false
	}
	l.optional("\t", &s.Message)
	l.bytes("Run", "Job", &s.Sent, &s.Received)
	return true
}

func (s *Shadow) attributes(a *attributes) {
	a.text("Message", &s.Message)
	a.real("SentBytes", &s.Sent)
	a.real("ReceivedBytes", &s.Received)
}

// Generic is 008: free text.
type Generic struct {
	Info string
}

func (g *Generic) number() grid.EventNumber { return grid.EventGeneric }
func (g *Generic) name() string             { return "GenericEvent" }
func (g *Generic) write(t *text)            { t.padded(g.Info) }
func (g *Generic) read(l *lines) bool       { g.Info = l.head; return true }
func (g *Generic) attributes(a *attributes) { a.text("Info", &g.Info) }

// Aborted is 009: the job was removed.
type Aborted struct {
	Reason string
}

func (x *Aborted) number() grid.EventNumber { return grid.EventAborted }
func (x *Aborted) name() string             { return "JobAbortedEvent" }
func (x *Aborted) write(t *text) {
	t.line("", "Job was aborted.")
	t.optional("\t", x.Reason)
}

func (x *Aborted) read(l *lines) bool       { return l.is("Job was aborted") && l.optional("\t", &x.Reason) }
func (x *Aborted) attributes(a *attributes) { a.text("Reason", &x.Reason) }

// Suspended is 010.
type Suspended struct {
	Processes int64
}

func (s *Suspended) number() grid.EventNumber { return grid.EventSuspended }
func (s *Suspended) name() string             { return "JobSuspendedEvent" }
func (s *Suspended) write(t *text) {
	t.line("", "Job was suspended.")
	t.line("\tNumber of processes actually suspended: ", fmt.Sprint(s.Processes))
}

func (s *Suspended) read(l *lines) bool {
	var n string
	return l.is("Job was suspended.") && l.required("\tNumber of processes actually suspended: ", &n) && integer(n, &s.Processes)
}
func (s *Suspended) attributes(a *attributes) { a.int("NumberOfPIDs", &s.Processes) }

// Unsuspended is 011.
type Unsuspended struct{}

func (*Unsuspended) number() grid.EventNumber { return grid.EventUnsuspended }
func (*Unsuspended) name() string             { return "JobUnsuspendedEvent" }
func (*Unsuspended) write(t *text)            { t.line("", "Job was unsuspended.") }
func (*Unsuspended) read(l *lines) bool       { return l.is("Job was unsuspended.") }
func (*Unsuspended) attributes(*attributes)   {}

// Held is 012.
type Held struct {
	Reason    string
	Code, Sub int32
}

func (h *Held) number() grid.EventNumber { return grid.EventHeld }
func (h *Held) name() string             { return "JobHeldEvent" }

const noReason = "Reason unspecified"

func (h *Held) write(t *text) {
	t.line("", "Job was held.")
	if h.Reason == "" {
		t.line("\t", noReason)
	}
	t.optional("\t", h.Reason)
	t.codes("\t", h.Code, h.Sub)
}

func (h *Held) read(l *lines) bool {
	if !l.is("Job was held.") {
		return false
	}
	if l.codes("\t", &h.Code, &h.Sub) {
		return true // of a writer that leaves an empty reason out
	}
	if l.optional("\t", &h.Reason); h.Reason == noReason {
		h.Reason = ""
	}
	l.codes("\t", &h.Code, &h.Sub)
	return true
}

func (h *Held) attributes(a *attributes) {
	a.text("HoldReason", &h.Reason)
	a.code("HoldReasonCode", &h.Code)
	a.code("HoldReasonSubCode", &h.Sub)
}

// Released is 013.
type Released struct {
	Reason string
}

func (r *Released) number() grid.EventNumber { return grid.EventReleased }
func (r *Released) name() string             { return "JobReleaseEvent" }
func (r *Released) write(t *text) {
	t.line("", "Job was released.")
	t.optional("\t", r.Reason)
}

func (r *Released) read(l *lines) bool {
	return l.is("Job was released.") && l.optional("\t", &r.Reason)
}
func (r *Released) attributes(a *attributes) { a.text("Reason", &r.Reason) }

// AdInformation is 028: attributes of a job as they are when another event is written.
type AdInformation struct {
	Ad *ad.Ad // with TriggerEventTypeNumber and TriggerEventTypeName
}

func (i *AdInformation) number() grid.EventNumber { return grid.EventAdInformation }
func (i *AdInformation) name() string             { return "JobAdInformationEvent" }
func (i *AdInformation) write(t *text) {
	t.line("", "Job ad information event triggered.")
	t.ad("", i.Ad)
}

func (i *AdInformation) read(l *lines) bool {
	if !l.is("Job ad information event triggered.") {
		return false
	}
	i.Ad = l.ad()
	return i.Ad != nil
}

func (i *AdInformation) attributes(a *attributes) {
	if a.reading {
		i.Ad = a.ad
		return
	}
	for _, n := range i.Ad.Names() {
		e, _ := i.Ad.Expr(n)
		a.ad.SetExpr(n, e)
	}
}

// AttributeUpdate is 033: an attribute of a job was changed.
type AttributeUpdate struct {
	Name, Old, Value string // Old is empty if there was none
}

func (u *AttributeUpdate) number() grid.EventNumber { return grid.EventAttribute }
func (u *AttributeUpdate) name() string             { return "AttributeUpdateEvent" }
func (u *AttributeUpdate) write(t *text) {
	if u.Old == "" {
		t.line("", fmt.Sprintf("Setting job attribute %s to %s", u.Name, u.Value))
	} else {
		t.line("", fmt.Sprintf("Changing job attribute %s from %s to %s", u.Name, u.Old, u.Value))
	}
}

func (u *AttributeUpdate) read(l *lines) bool {
	var ok bool
	if rest, changed := strings.CutPrefix(l.head, "Changing job attribute "); changed {
		u.Name, rest, ok = strings.Cut(rest, " from ")
		// Either value may have a " to " in it; the first is taken, as by a reader of
		// words.
		u.Old, u.Value, _ = strings.Cut(rest, " to ")
		return ok
	}
	rest, set := strings.CutPrefix(l.head, "Setting job attribute ")
	u.Name, u.Value, ok = strings.Cut(rest, " to ")
	return set && ok
}

func (u *AttributeUpdate) attributes(a *attributes) {
	a.text("Attribute", &u.Name)
	a.text("Value", &u.Value)
	a.text("OldValue", &u.Old)
}

// DataflowSkipped is 046: a job's outputs are newer than its inputs.
type DataflowSkipped struct {
	Reason string
}

func (d *DataflowSkipped) number() grid.EventNumber { return grid.EventDataflowSkipped }
func (d *DataflowSkipped) name() string             { return "DataflowJobSkippedEvent" }
func (d *DataflowSkipped) write(t *text) {
	t.line("", "Dataflow job was skipped.")
	t.optional("\t", d.Reason)
}

func (d *DataflowSkipped) read(l *lines) bool {
	return l.is("Dataflow job was skipped.") && l.optional("\t", &d.Reason)
}
func (d *DataflowSkipped) attributes(a *attributes) { a.text("Reason", &d.Reason) }

// triggers are how events are called that others are told beside.
var triggers = map[grid.EventNumber]string{
	grid.EventSubmit: "ULOG_SUBMIT", grid.EventExecute: "ULOG_EXECUTE", grid.EventExecutable: "ULOG_EXECUTABLE_ERROR",
	grid.EventEvicted: "ULOG_JOB_EVICTED", grid.EventTerminated: "ULOG_JOB_TERMINATED", grid.EventImageSize: "ULOG_IMAGE_SIZE",
	grid.EventShadow: "ULOG_SHADOW_EXCEPTION", grid.EventGeneric: "ULOG_GENERIC", grid.EventAborted: "ULOG_JOB_ABORTED",
	grid.EventSuspended: "ULOG_JOB_SUSPENDED", grid.EventUnsuspended: "ULOG_JOB_UNSUSPENDED", grid.EventHeld: "ULOG_JOB_HELD",
	grid.EventNodeExecute: "ULOG_NODE_EXECUTE", grid.EventNodeTerminated: "ULOG_NODE_TERMINATED",
	grid.EventReleased: "ULOG_JOB_RELEASED", grid.EventPostScript: "ULOG_POST_SCRIPT_TERMINATED", grid.EventRemoteError: "ULOG_REMOTE_ERROR",
	grid.EventDisconnected: "ULOG_JOB_DISCONNECTED", grid.EventReconnected: "ULOG_JOB_RECONNECTED", grid.EventReconnectFail: "ULOG_JOB_RECONNECT_FAILED",
	grid.EventGridUp: "ULOG_GRID_RESOURCE_UP", grid.EventGridDown: "ULOG_GRID_RESOURCE_DOWN", grid.EventGridSubmit: "ULOG_GRID_SUBMIT",
	grid.EventStatusUnknown: "ULOG_JOB_STATUS_UNKNOWN", grid.EventStatusKnown: "ULOG_JOB_STATUS_KNOWN", grid.EventAttribute: "ULOG_ATTRIBUTE_UPDATE",
	grid.EventPreSkip: "ULOG_PRESKIP", grid.EventClusterSubmit: "ULOG_CLUSTER_SUBMIT", grid.EventClusterRemove: "ULOG_CLUSTER_REMOVE",
	grid.EventFactoryPaused: "ULOG_FACTORY_PAUSED", grid.EventFactoryResumed: "ULOG_FACTORY_RESUMED", grid.EventFileTransfer: "ULOG_FILE_TRANSFER",
	grid.EventDataflowSkipped: "ULOG_DATAFLOW_JOB_SKIPPED",
}

// Inform is the event that follows e and says, beside what e says, how those attributes
// of the job are.
func (e *Event) Inform(job *ad.Ad, names []string) Event {
	a := Form{}.ad(e)
	for _, n := range names {
		if x, ok := job.Expr(n); ok {
			a.SetExpr(n, x)
		}
	}
	a.SetInt("EventTypeNumber", int64(grid.EventAdInformation))
	a.SetInt("TriggerEventTypeNumber", int64(e.Number()))
	a.SetString("TriggerEventTypeName", triggers[e.Number()])
	return Event{Job: e.Job, Time: e.Time, Body: &AdInformation{Ad: a}}
}
