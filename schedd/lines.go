package schedd

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/userlog"
)

// lazyLog is from how many procs on a cluster's log begins with one event for all of
// them, and each proc's own submit event comes before its first other one.
const lazyLog = 1000

// linesOf makes the log lines of events, by owner.
func (l *logs) linesOf(events []ledger.Event) map[desk.Owner][]logLine {
	out := map[desk.Owner][]logLine{}
	if len(events) == 0 {
		return out
	}
	v := l.d.ledger.View()
	err := l.d.ads.Read(v, func(s *jobad.Session) error {
		for i := range events {
			if e := &events[i]; loggable(e.Type) {
				l.lines(s, v, e, out)
			}
		}
		return nil
	})
	if err != nil {
		l.d.log.WithError(err).Error("events cannot be turned into log lines")
	}
	return out
}

func loggable(t ledger.EventType) bool {
	switch t {
	case ledger.JobSubmitted, ledger.JobPlaced, ledger.JobStarted, ledger.JobCompleted, ledger.JobRequeued, ledger.JobHeld, ledger.JobReleased,
		ledger.JobRemoved, ledger.JobLeft:
		return true
	}
	return false
}

// lines makes those of one event: one for each job of its range.
func (l *logs) lines(s *jobad.Session, v *ledger.View, e *ledger.Event, out map[desk.Owner][]logLine) {
	c, err := s.Cluster(e.Jobs.Cluster)
	if err != nil {
		l.d.log.WithError(err).WithField("job", e.Jobs).Error("a job's event cannot be logged")
		return
	}
	if logs, err := s.Logs(e.Jobs.Cluster, &c); err == nil && !logs {
		return
	}
	owner, _ := v.Owner(c.Owner)
	lazy := c.Procs > lazyLog
	put := func(id grid.JobID, ev userlog.Event, job *ad.Ad) {
		path := job.Text("UserLog")
		if path == "" {
			return
		}
		ev.Job, ev.Time = id, time.UnixMilli(e.At)
		out[desk.Owner(owner)] = append(out[desk.Owner(owner)], logLine{e.Index, path, ev.Text()})
	}
	first := e.Jobs.First()
	if lazy && e.Type == ledger.JobSubmitted {
		if job, err := s.Any(first); err == nil {
			put(grid.JobID{Cluster: first.Cluster, Proc: -1}, userlog.Event{Number: grid.EventClusterSubmit, Host: l.d.c.Host}, job)
		}
		return
	}
	if lazy && e.Type == ledger.JobLeft && e.Code > 0 {
		defer func() {
			job, err := s.Any(first)
			if err != nil {
				return
			}
			items := 1
			if c.HasItems {
				items = int(c.Procs)
			}
			put(grid.JobID{Cluster: first.Cluster, Proc: -1}, userlog.Event{Number: grid.EventClusterRemove, Jobs: int(c.Procs), Items: items}, job)
		}()
	}
	if lazy && !e.Fresh && e.Jobs.Len() > 1 {
		return // jobs that nothing has happened to alone have no line of their own
	}
	for proc := e.Jobs.Lo; proc < e.Jobs.Hi; proc++ {
		id := grid.JobID{Cluster: e.Jobs.Cluster, Proc: proc}
		job, err := s.Any(id)
		if err != nil {
			l.d.log.WithError(err).WithField("job", id).Error("a job's event cannot be logged")
			continue
		}
		if lazy && e.Fresh {
			put(id, l.submitEvent(job), job)
		}
		for _, ev := range l.eventsOf(e, job) {
			put(id, ev, job)
		}
	}
}

func (l *logs) submitEvent(job *ad.Ad) userlog.Event {
	notes := job.Text("SubmitEventNotes")
	if node := job.Text("DAGNodeName"); node != "" && notes == "" {
		notes = "DAG Node: " + node
	}
	if more := job.Text("SubmitEventUserNotes"); more != "" {
		notes += "\n" + more
	}
	return userlog.Event{Number: grid.EventSubmit, Host: l.d.c.Host, Notes: notes}
}

// eventsOf is the event in the user log's words; none for what it does not tell.
func (l *logs) eventsOf(e *ledger.Event, job *ad.Ad) []userlog.Event {
	one := func(ev userlog.Event) []userlog.Event { return []userlog.Event{ev} }
	switch e.Type {
	case ledger.JobSubmitted:
		return one(l.submitEvent(job))
	case ledger.JobPlaced:
		if ledger.PlaceKind(e.Code) != ledger.AsVM {
			return nil
		}
		return one(userlog.Event{Number: grid.EventGridSubmit, GridResource: job.Text("GridResource"), GridJobID: e.Text})
	case ledger.JobStarted:
		slot, host, ok := strings.Cut(e.Text, "@")
		if !ok {
			return one(userlog.Event{Number: grid.EventExecute, Host: e.Text})
		}
		return one(userlog.Event{Number: grid.EventExecute, Host: host, Slot: slot + "@" + host})
	case ledger.JobCompleted:
		return one(userlog.Event{Number: grid.EventTerminated, Exit: exitText(e.Exit, job)})
	case ledger.JobRequeued:
		return one(userlog.Event{Number: grid.EventEvicted, Code: e.Code, Reason: e.Text, Exit: exitText(e.Exit, nil)})
	case ledger.JobHeld:
		return one(userlog.Event{Number: grid.EventHeld, Code: e.Code, Sub: e.Sub, Reason: e.Text})
	case ledger.JobReleased:
		return one(userlog.Event{Number: grid.EventReleased, Reason: e.Text})
	case ledger.JobLeft:
		if grid.Status(e.To) == grid.Removed {
			return one(userlog.Event{Number: grid.EventAborted, Reason: e.Text})
		}
	}
	return nil
}

// exitText is what an execution used, as the log tells it. It rests on the event and
// on what was submitted alone: told again after a crash, it must be the same text.
func exitText(x *ledger.Exit, job *ad.Ad) *userlog.Exit {
	if x == nil {
		return nil
	}
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	used := userlog.Usage{User: ms(x.UserMS), Sys: ms(x.SysMS), Sent: x.Sent, Received: x.Received}
	out := &userlog.Exit{Code: x.Code, Signal: x.Signal, Run: used, Total: used}
	if job == nil || x.Cpus == 0 {
		return out
	}
	row := func(name, usage, request string, given int64) {
		asked := ""
		if v, ok := job.Literal(request); ok {
			asked = v.String()
		}
		out.Requests = append(out.Requests, userlog.Request{Name: name, Usage: usage, Request: asked, Allocation: strconv.FormatInt(given, 10)})
	}
	cpus := ""
	if x.WallMS > 0 {
		cpus = fmt.Sprintf("%.2f", float64(x.UserMS+x.SysMS)/float64(x.WallMS))
	}
	row("Cpus", cpus, "RequestCpus", x.Cpus)
	row("Disk (KB)", "", "RequestDisk", x.DiskKB)
	memory := ""
	if x.MaxRSSKB > 0 {
		memory = strconv.FormatInt((x.MaxRSSKB+1023)/1024, 10)
	}
	row("Memory (MB)", memory, "RequestMemory", x.MemoryMB)
	return out
}
