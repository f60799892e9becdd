package userlog

import (
	"fmt"
	"strings"
	"time"

	"gridburst/internal/grid"
)

// Event is one event of one job.
type Event struct {
	Number grid.EventNumber
	Job    grid.JobID
	Time   time.Time // written in its own location

	Host   string // Submit, ClusterSubmit, Execute: where
	Notes  string // Submit: further lines, such as "DAG Node: A"
	Slot   string // Execute
	Reason string // Evicted, Aborted, Held, Released, Shadow, Grid*, Attribute
	Code   int32  // Held, Evicted
	Sub    int32

	Exit         *Exit // Terminated, Evicted
	GridResource string
	GridJobID    string
	Jobs, Items  int // ClusterRemove: how many there were
}

// Exit is how an execution ended and what it and its forerunners used.
type Exit struct {
	Code     int32 // exit code, or signal number
	Signal   bool
	Run      Usage
	Total    Usage
	Requests []Request // the resources asked for and given
}

// Usage is CPU time and bytes.
type Usage struct {
	User, Sys      time.Duration
	Sent, Received int64
}

// Request is one line of the resource table.
type Request struct {
	Name                       string // "Cpus", "Disk (KB)", "Memory (MB)"
	Usage, Request, Allocation string // blank where not known
}

// Text is the event as it stands in a log. Equal events have equal text.
func (e *Event) Text() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%03d (%03d.%03d.000) %s ", e.Number, e.Job.Cluster, e.Job.Proc, e.Time.Format("2006-01-02 15:04:05"))
	e.body(&b)
	b.WriteString("...\n")
	return []byte(b.String())
}

func (e *Event) body(b *strings.Builder) {
	switch e.Number {
	case grid.EventSubmit:
		fmt.Fprintf(b, "Job submitted from host: %s\n", address(e.Host))
		for line := range strings.Lines(e.Notes) {
			fmt.Fprintf(b, "    %s\n", oneLine(line))
		}
	case grid.EventClusterSubmit:
		fmt.Fprintf(b, "Cluster submitted from host: %s\n", address(e.Host))
	case grid.EventClusterRemove:
		fmt.Fprintf(b, "Cluster removed\n\tMaterialized %d jobs from %d items.\tComplete\n", e.Jobs, e.Items)
	case grid.EventExecute:
		fmt.Fprintf(b, "Job executing on host: %s\n", address(e.Host))
		if e.Slot != "" {
			fmt.Fprintf(b, "\tSlotName: %s\n", oneLine(e.Slot))
		}
	case grid.EventEvicted:
		fmt.Fprintf(b, "Job was evicted. Code %d Subcode %d\n\t(0) CPU times\n", e.Code, e.Sub)
		e.rusage(b, true)
		e.bytesMoved(b, true)
		e.reason(b)
	case grid.EventTerminated:
		b.WriteString("Job terminated.\n")
		x := e.exit()
		if x.Signal {
			fmt.Fprintf(b, "\t(0) Abnormal termination (signal %d)\n\t(0) No core file\n", x.Code)
		} else {
			fmt.Fprintf(b, "\t(1) Normal termination (return value %d)\n", x.Code)
		}
		e.rusage(b, false)
		e.bytesMoved(b, false)
		e.resources(b)
	case grid.EventShadow:
		b.WriteString("Shadow exception!\n")
		e.reason(b)
		e.bytesMoved(b, true)
	case grid.EventAborted:
		b.WriteString("Job was aborted.\n")
		e.reason(b)
	case grid.EventDataflowSkip:
		b.WriteString("Dataflow job was skipped.\n")
		e.reason(b)
	case grid.EventSuspended:
		b.WriteString("Job was suspended.\n\tNumber of processes actually suspended: 1\n")
	case grid.EventUnsuspended:
		b.WriteString("Job was unsuspended.\n")
	case grid.EventHeld:
		b.WriteString("Job was held.\n")
		if e.Reason == "" {
			b.WriteString("\tReason unspecified\n")
		}
		e.reason(b)
		fmt.Fprintf(b, "\tCode %d Subcode %d\n", e.Code, e.Sub)
	case grid.EventReleased:
		b.WriteString("Job was released.\n")
		e.reason(b)
	case grid.EventDisconnected:
		fmt.Fprintf(b, "Job disconnected, attempting to reconnect\n    %s\n    Trying to reconnect to %s\n", oneLine(e.Reason), address(e.Host))
	case grid.EventReconnected:
		fmt.Fprintf(b, "Job reconnected to %s\n    startd address: %s\n    starter address: %s\n", oneLine(e.Slot), address(e.Host), address(e.Host))
	case grid.EventReconnectFail:
		fmt.Fprintf(b, "Job reconnection failed\n    %s\n    Can not reconnect to %s, rescheduling job\n", oneLine(e.Reason), oneLine(e.Slot))
	case grid.EventGridSubmit:
		fmt.Fprintf(b, "Job submitted to grid resource\n    GridResource: %s\n    GridJobId: %s\n", oneLine(e.GridResource), oneLine(e.GridJobID))
	case grid.EventGridUp:
		fmt.Fprintf(b, "Grid Resource Back Up\n    GridResource: %s\n", oneLine(e.GridResource))
	case grid.EventGridDown:
		fmt.Fprintf(b, "Detected Down Grid Resource\n    GridResource: %s\n", oneLine(e.GridResource))
	case grid.EventAttribute:
		fmt.Fprintf(b, "%s\n", oneLine(e.Reason))
	default:
		fmt.Fprintf(b, "%s\n", oneLine(e.Reason))
	}
}

func (e *Event) exit() *Exit {
	if e.Exit != nil {
		return e.Exit
	}
	return &Exit{}
}

func (e *Event) reason(b *strings.Builder) {
	if e.Reason != "" {
		fmt.Fprintf(b, "\t%s\n", oneLine(e.Reason))
	}
}

func (e *Event) rusage(b *strings.Builder, runOnly bool) {
	x := e.exit()
	line := func(u Usage, what string) {
		fmt.Fprintf(b, "\t\tUsr %s, Sys %s  -  %s Usage\n", clock(u.User), clock(u.Sys), what)
	}
	line(x.Run, "Run Remote")
	line(Usage{}, "Run Local")
	if !runOnly {
		line(x.Total, "Total Remote")
		line(Usage{}, "Total Local")
	}
}

func (e *Event) bytesMoved(b *strings.Builder, runOnly bool) {
	x := e.exit()
	fmt.Fprintf(b, "\t%d  -  Run Bytes Sent By Job\n\t%d  -  Run Bytes Received By Job\n", x.Run.Sent, x.Run.Received)
	if !runOnly {
		fmt.Fprintf(b, "\t%d  -  Total Bytes Sent By Job\n\t%d  -  Total Bytes Received By Job\n", x.Total.Sent, x.Total.Received)
	}
}

func (e *Event) resources(b *strings.Builder) {
	rows := e.exit().Requests
	if len(rows) == 0 {
		return
	}
	b.WriteString("\tPartitionable Resources :    Usage  Request Allocated \n")
	for _, r := range rows {
		fmt.Fprintf(b, "\t   %-20s : %8s %8s %9s \n", r.Name, r.Usage, r.Request, r.Allocation)
	}
}

// clock is "D HH:MM:SS".
func clock(d time.Duration) string {
	s := int64(d / time.Second)
	return fmt.Sprintf("%d %02d:%02d:%02d", s/86400, s/3600%24, s/60%60, s%60)
}

// address puts a host into the brackets that readers look for.
func address(host string) string {
	if strings.HasPrefix(host, "<") {
		return oneLine(host)
	}
	return "<" + oneLine(host) + ">"
}

// oneLine keeps text from outside from ending an event or a line.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r < ' ' && r != '\t' {
			return ' '
		}
		return r
	}, s))
}
