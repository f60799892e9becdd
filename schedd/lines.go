package schedd

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
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
			e := &events[i]
			if !l.wanted(s, e) {
				continue
			}
			err := l.d.tell(s, v, e, func(c *ledger.Cluster, job *ad.Ad, ev userlog.Event) {
				l.address(v, c, job, ev, e.Index, out)
			})
			if err != nil {
				l.d.log.WithError(err).WithField("job", e.Jobs).Error("a job's event cannot be logged")
			}
		}
		return nil
	})
	if err != nil {
		l.d.log.WithError(err).Error("events cannot be turned into log lines")
	}
	return out
}

// wanted reports whether there may be a log for an event: most jobs of a large queue have
// none, and their ads need not be made.
func (l *logs) wanted(s *jobad.Session, e *ledger.Event) bool {
	if !loggable(e.Type) || l.d.c.EventLog.Path != "" {
		return loggable(e.Type)
	}
	c, err := s.Cluster(e.Jobs.Cluster)
	if err != nil {
		return true // what is wrong is told where the ad is made
	}
	logs, err := s.Logs(e.Jobs.Cluster, &c)
	return logs || err != nil
}

// address puts an event into the logs that it belongs to: the job's, the one that its
// workflow reads, and that of all jobs.
func (l *logs) address(v *ledger.View, c *ledger.Cluster, job *ad.Ad, ev userlog.Event, index uint64, out map[desk.Owner][]logLine) {
	o, _ := v.Owner(c.Owner)
	owner := desk.Owner(o)
	put := func(owner desk.Owner, path string, form userlog.Form, ev *userlog.Event) {
		out[owner] = append(out[owner], logLine{index: index, path: path, text: form.Encode(ev)})
	}
	if path := job.Text("UserLog"); path != "" {
		form := l.d.c.LogForm
		form.Kind = logKind(job, form.Kind)
		put(owner, path, form, &ev)
		if names := words(job.Text("JobAdInformationAttrs")); len(names) > 0 {
			submit.Hide(job)
			about := ev.Inform(job, names)
			put(owner, path, form, &about)
		}
	}
	if path := job.Text("DAGManNodesLog"); path != "" {
		mask := words(job.Text("DAGManNodesMask"))
		if len(mask) == 0 || slices.Contains(mask, strconv.Itoa(int(ev.Number()))) {
			if !filepath.IsAbs(path) {
				path = filepath.Join(job.Text("Iwd"), path)
			}
			form := l.d.c.LogForm
			form.Kind = userlog.Text // always: workflows read it
			put(owner, path, form, &ev)
		}
	}
	if g := &l.d.c.EventLog; g.Path != "" {
		put(desk.Owner{Name: "the event log", UID: globalUID}, g.Path, g.Form, &ev)
	}
}

// words are the parts of a list as submit files have them.
func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// logKind is the form of a job's log, which the job may choose: UserLogUseXML is true for
// XML, or the form's number.
func logKind(job *ad.Ad, otherwise userlog.Kind) userlog.Kind {
	v, _ := job.Literal("UserLogUseXML")
	if xml, ok := v.Bool(); ok && xml {
		return userlog.XML
	} else if ok {
		return userlog.Text
	}
	if n, ok := v.Int(); ok && n >= int64(userlog.Text) && n <= int64(userlog.JSON) {
		return userlog.Kind(n)
	}
	return otherwise
}

func loggable(t ledger.EventType) bool {
	switch t {
	case ledger.JobSubmitted, ledger.JobPlaced, ledger.JobStarted, ledger.JobCompleted, ledger.JobRequeued, ledger.JobHeld, ledger.JobReleased,
		ledger.JobRemoved, ledger.JobLeft, ledger.JobSuspended, ledger.JobContinued, ledger.JobSkipped, ledger.JobSaved, ledger.JobEdited,
		ledger.NodeStarted, ledger.NodeEnded,
		ledger.FactoryBegun, ledger.FactoryPaused, ledger.FactoryResumed, ledger.FactoryEnded,
		ledger.GridAccepted, ledger.GridUnreached, ledger.GridReached, ledger.GridUnseen, ledger.GridSeen:
		return true
	}
	return false
}

// tell gives put what the ledger's event is in the user log's words: something for each
// job of its range, or nothing. The error is of the first job whose ad cannot be made.
func (d *Daemon) tell(s *jobad.Session, v *ledger.View, e *ledger.Event, put func(*ledger.Cluster, *ad.Ad, userlog.Event)) (err error) {
	if !loggable(e.Type) {
		return nil
	}
	c, err := s.Cluster(e.Jobs.Cluster)
	if grid.CodeOf(err) == grid.NotFound {
		return nil // forgotten meanwhile
	}
	if err != nil {
		return err
	}
	if c.Factory && e.Type >= ledger.FactoryBegun && e.Type <= ledger.FactoryEnded {
		return d.tellFactory(s, &c, e, put)
	}
	lazy := c.Procs > lazyLog && !c.Factory
	at := time.UnixMilli(e.At)
	first := e.Jobs.First()
	whole := grid.JobID{Cluster: first.Cluster, Proc: -1}
	if lazy && e.Type == ledger.JobSubmitted {
		job, err := s.Any(first)
		if err == nil {
			put(&c, job, userlog.Event{Job: whole, Time: at, Body: d.clusterSubmitted(job)})
		}
		return err
	}
	if !lazy || e.Fresh || e.Jobs.Len() == 1 { // else nothing has happened to any alone
		for proc := e.Jobs.Lo; proc < e.Jobs.Hi; proc++ {
			id := grid.JobID{Cluster: e.Jobs.Cluster, Proc: proc}
			job, failed := s.Any(id)
			if failed != nil {
				if err == nil {
					err = failed
				}
				continue
			}
			if lazy && e.Fresh {
				put(&c, job, userlog.Event{Job: id, Time: at, Body: d.submitted(job)})
			}
			bodies := d.bodiesOf(e, job)
			if e.Type == ledger.JobEdited {
				if bodies, failed = edited(s, &c, id, e); failed != nil {
					return failed
				}
			}
			for _, body := range bodies {
				put(&c, job, userlog.Event{Job: id, Time: at, Body: body})
			}
		}
	}
	if lazy && e.Type == ledger.JobLeft && e.Code > 0 {
		job, failed := s.Any(first)
		if failed != nil {
			return failed
		}
		items := int64(1)
		if c.HasItems {
			items = int64(c.Procs)
		}
		put(&c, job, userlog.Event{Job: whole, Time: at, Body: &userlog.ClusterRemove{Jobs: int64(c.Procs), Items: items, Completion: userlog.Complete}})
	}
	return err
}

// edited tells of attributes that were set. What one was before stands in the event, or in
// what was submitted.
func edited(s *jobad.Session, c *ledger.Cluster, id grid.JobID, e *ledger.Event) (out []userlog.Body, err error) {
	var original *ad.Ad
	for _, a := range e.Edits {
		if a.Now == "" {
			continue // HTCondor does not tell of those that go
		}
		u := &userlog.AttributeUpdate{Name: a.Name, Old: a.Was, Value: a.Now}
		if u.Old == "" {
			if original == nil {
				if original, err = s.Original(id, c); err != nil {
					return nil, err
				}
			}
			if expr, ok := original.Expr(a.Name); ok {
				u.Old = expr.String()
			}
		}
		if submit.Secret(a.Name) {
			u.Old, u.Value = submit.Hidden, submit.Hidden
		}
		out = append(out, u)
	}
	return out, nil
}

// tellFactory tells what happens to a factory: of its cluster as a whole.
func (d *Daemon) tellFactory(s *jobad.Session, c *ledger.Cluster, e *ledger.Event, put func(*ledger.Cluster, *ad.Ad, userlog.Event)) error {
	job, err := s.Original(e.Jobs.First(), c)
	if err != nil {
		return err
	}
	var body userlog.Body
	switch e.Type {
	case ledger.FactoryBegun:
		body = d.clusterSubmitted(job)
	case ledger.FactoryPaused:
		body = &userlog.FactoryPaused{Reason: e.Text, Pause: userlog.PausedByHold, Hold: int64(e.Code)}
	case ledger.FactoryResumed:
		body = &userlog.FactoryResumed{Reason: e.Text}
	case ledger.FactoryEnded:
		items, err := s.ItemsOf(c)
		if err != nil {
			return err
		}
		r := &userlog.ClusterRemove{Jobs: int64(e.Code), Items: items, Completion: userlog.Incomplete}
		if e.Code == e.Sub {
			r.Completion = userlog.Complete
		}
		body = r
	default:
		return nil
	}
	put(c, job, userlog.Event{Job: grid.JobID{Cluster: e.Jobs.Cluster, Proc: -1}, Time: time.UnixMilli(e.At), Body: body})
	return nil
}

func (d *Daemon) clusterSubmitted(job *ad.Ad) *userlog.ClusterSubmit {
	log, user := notes(job)
	return &userlog.ClusterSubmit{Host: address(d.c.Host), LogNotes: log, UserNotes: user}
}

func (d *Daemon) submitted(job *ad.Ad) *userlog.Submit {
	log, user := notes(job)
	return &userlog.Submit{Host: address(d.c.Host), LogNotes: log, UserNotes: user}
}

// notes are what is said beside a submission's host.
func notes(job *ad.Ad) (log, user string) {
	log = job.Text("SubmitEventNotes")
	if node := job.Text("DAGNodeName"); node != "" && log == "" {
		log = "DAG Node: " + node
	}
	return log, job.Text("SubmitEventUserNotes")
}

// address is a host as readers look for it: in brackets, with a port, though nothing
// listens there. HTCondor's condor_userlog dies of one without.
func address(host string) string {
	switch {
	case strings.HasPrefix(host, "<"):
		return host
	case !strings.Contains(host, ":"):
		host += ":0"
	}
	return "<" + host + ">"
}

// bodiesOf is the event in the user log's words; none for what it does not tell.
func (d *Daemon) bodiesOf(e *ledger.Event, job *ad.Ad) []userlog.Body {
	one := func(b userlog.Body) []userlog.Body { return []userlog.Body{b} }
	switch e.Type {
	case ledger.JobSubmitted:
		return one(d.submitted(job))
	case ledger.JobPlaced:
		if ledger.PlaceKind(e.Code) == ledger.AsVM && e.Sub == 0 {
			return one(&userlog.GridSubmit{Resource: job.Text("GridResource"), JobID: e.Text})
		}
	case ledger.GridAccepted:
		if job.Int("JobUniverse", 0) != int64(grid.Grid) {
			return nil // it was routed: whose job it is has not asked for a grid resource
		}
		return one(&userlog.GridSubmit{Resource: job.Text("GridResource"), JobID: e.Text})
	case ledger.GridUnreached:
		return one(&userlog.GridDown{Resource: job.Text("GridResource")})
	case ledger.GridReached:
		return one(&userlog.GridUp{Resource: job.Text("GridResource")})
	case ledger.GridUnseen:
		return one(&userlog.StatusUnknown{})
	case ledger.GridSeen:
		return one(&userlog.StatusKnown{})
	case ledger.JobStarted:
		if e.Text == ledger.GangHost {
			return one(&userlog.Execute{Host: ledger.GangHost})
		}
		return one(executing(e.Text, job))
	case ledger.NodeStarted:
		return one(&userlog.NodeExecute{Node: int64(e.Node), Execute: *executing(e.Text, job)})
	case ledger.NodeEnded:
		return one(&userlog.NodeTerminated{Node: int64(e.Node), Terminated: *terminated(e.Exit, job)})
	case ledger.JobCompleted:
		return append(imageSize(e.Exit), terminated(e.Exit, job))
	case ledger.JobRequeued:
		if grid.Status(e.From) == grid.Idle { // it had not begun, or its log has the end of that
			return nil
		}
		return append(imageSize(e.Exit), evicted(e))
	case ledger.JobHeld:
		return one(&userlog.Held{Reason: e.Text, Code: e.Code, Sub: e.Sub})
	case ledger.JobSuspended:
		return one(&userlog.Suspended{Processes: 1})
	case ledger.JobContinued:
		return one(&userlog.Unsuspended{})
	case ledger.JobSkipped:
		return one(&userlog.DataflowSkipped{Reason: e.Text})
	case ledger.JobSaved:
		return one(&userlog.FileTransfer{Step: userlog.OutputFinished, Queue: -1})
	case ledger.JobReleased:
		return one(&userlog.Released{Reason: e.Text})
	case ledger.JobLeft:
		if grid.Status(e.To) == grid.Removed {
			return one(&userlog.Aborted{Reason: e.Text})
		}
	}
	return nil
}

// imageSize tells of the memory that an execution has used, once: at its end.
func imageSize(x *ledger.Exit) []userlog.Body {
	if x == nil || x.MaxRSSKB == 0 {
		return nil
	}
	return []userlog.Body{&userlog.ImageSize{SizeKB: x.MaxRSSKB, MemoryMB: memoryMB(x), ResidentKB: x.MaxRSSKB, ProportionalKB: -1}}
}

func memoryMB(x *ledger.Exit) int64 { return (x.MaxRSSKB + 1023) / 1024 }

// executing tells where a job runs: at "slot@host", or as a machine.
func executing(where string, job *ad.Ad) *userlog.Execute {
	_, host, ok := strings.Cut(where, "@")
	if !ok {
		return &userlog.Execute{Host: address(where)}
	}
	x := &userlog.Execute{Host: address(host), Slot: where}
	for _, name := range [...]string{"Cpus", "Disk", "Memory"} {
		if given := job.Int(name+"Provisioned", 0); given > 0 {
			if x.Props == nil {
				x.Props = ad.New(3)
			}
			x.Props.SetInt(name, given)
		}
	}
	return x
}

func usage(x *ledger.Exit) (userlog.Usage, userlog.Moved) {
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	return userlog.Usage{User: ms(x.UserMS), Sys: ms(x.SysMS)}, userlog.Moved{Sent: x.Sent, Received: x.Received}
}

func endOf(x *ledger.Exit) userlog.Exit { return userlog.Exit{Code: x.Code, Signal: x.Signal} }

// evicted tells of an execution that ended and is not the last.
func evicted(e *ledger.Event) *userlog.Evicted {
	ev := &userlog.Evicted{Code: e.Code, Sub: e.Sub, Reason: e.Text}
	if e.Exit == nil {
		return ev
	}
	ev.Run, ev.Moved = usage(e.Exit)
	if grid.VacateCode(e.Code) == grid.VacateAgain {
		x := endOf(e.Exit)
		ev.Requeued = &x
	}
	return ev
}

// terminated tells of a job's end and what it used. Past executions' usage is not
// known here: the totals are those of the last.
func terminated(x *ledger.Exit, job *ad.Ad) *userlog.Terminated {
	ev := &userlog.Terminated{}
	if x == nil {
		return ev
	}
	ev.Exit = endOf(x)
	ev.Run, ev.RunMoved = usage(x)
	ev.Total, ev.TotalMoved = ev.Run, ev.RunMoved
	if x.Cpus == 0 {
		return ev
	}
	row := func(name, usage string, given int64) {
		asked := ""
		if e, ok := job.Expr("Request" + name); ok {
			if v := instant().Eval(e, job, nil); !v.IsUndefined() && !v.IsError() {
				asked = v.String()
			}
		}
		ev.Resources = append(ev.Resources, userlog.Resource{Name: name, Usage: usage, Request: asked, Allocation: strconv.FormatInt(given, 10)})
	}
	cpus, memory := "", ""
	if x.WallMS > 0 {
		cpus = strconv.FormatFloat(float64(x.UserMS+x.SysMS)/float64(x.WallMS), 'f', 2, 64)
	}
	if x.MaxRSSKB > 0 {
		memory = strconv.FormatInt(memoryMB(x), 10)
	}
	row("Cpus", cpus, x.Cpus)
	row("Disk", "", x.DiskKB)
	row("Memory", memory, x.MemoryMB)
	return ev
}
