package schedd

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
	"gridburst/schedd/userlog"
)

// RetellEvents implements [serve.Backend]: what the ledger's log still has is told word
// for word as it was; of what was before, a job's ad knows its submission, its last
// start, and how it ended or is held.
func (d *Daemon) RetellEvents(ctx context.Context, who serve.Identity, q api.EventsQuery, w io.Writer) error {
	t := teller{d: d, who: who, w: w, form: d.c.LogForm}
	switch q.Format {
	case "", "text":
		t.form.Kind = userlog.Text
	case "xml":
		t.form.Kind = userlog.XML
	case "json":
		t.form.Kind = userlog.JSON
	default:
		return grid.Errorf(grid.Invalid, "%q is no form of event logs: there are text, xml and json", q.Format)
	}
	for _, s := range q.IDs {
		r, err := grid.ParseRun(s)
		if err != nil {
			return err
		}
		t.runs = append(t.runs, r)
	}
	v := d.ledger.View()
	if v.LogFirst > 1 {
		if err := t.recall(ctx, v); err != nil {
			return err
		}
	}
	err := t.fromLog(ctx, v, func(v *ledger.View, c *ledger.Cluster, e userlog.Event) bool {
		t.put(v, c, e)
		return t.err == nil
	})
	if err = errors.Join(err, t.err); err == nil && !t.found {
		return grid.Errorf(grid.NotFound, "of such jobs nothing is known")
	}
	return err
}

// teller writes events of some jobs.
type teller struct {
	d     *Daemon
	who   serve.Identity
	w     io.Writer
	form  userlog.Form
	runs  []grid.Run // none: all
	found bool
	err   error // of writing
}

// wanted reports whether some job of a range is asked for.
func (t *teller) wanted(r grid.Run) bool {
	return len(t.runs) == 0 || slices.ContainsFunc(t.runs, func(w grid.Run) bool { return w.Cluster == r.Cluster && w.Lo < r.Hi && r.Lo < w.Hi })
}

// put writes an event if it is of a job that is asked for, and that the caller may read.
func (t *teller) put(v *ledger.View, c *ledger.Cluster, e userlog.Event) {
	owner, _ := v.Owner(c.Owner)
	proc := max(e.Job.Proc, 0) // what is of a whole cluster belongs to its first job
	if t.err != nil || !t.who.Admin && owner.UID != t.who.UID || !t.wanted(grid.OneJob(grid.JobID{Cluster: e.Job.Cluster, Proc: proc})) {
		return
	}
	t.found = true
	_, t.err = t.w.Write(t.form.Encode(&e))
}

// fromLog gives each the events that the ledger's log has up to the view, until it wants
// no more. Those that came since are in the log that is being written.
func (t *teller) fromLog(ctx context.Context, v *ledger.View, each func(*ledger.View, *ledger.Cluster, userlog.Event) bool) error {
	for after := v.LogFirst - 1; after < v.Index; {
		events, next, err := t.d.ledger.Events(ctx, after, logPage)
		if err != nil || next == after {
			return err
		}
		after = next
		events = slices.DeleteFunc(events, func(e ledger.Event) bool { return e.Index > v.Index || !t.wanted(e.Jobs) })
		more := true
		now := t.d.ledger.View()
		err = t.d.ads.Read(now, func(s *jobad.Session) error {
			for i := 0; i < len(events) && more; i++ {
				err := t.d.tell(s, now, &events[i], func(c *ledger.Cluster, _ *ad.Ad, e userlog.Event) { more = more && each(now, c, e) })
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// recall tells what job ads know of the time before the ledger's log begins. They know
// it by seconds: in the one in which the log begins, what the log tells is left to it.
func (t *teller) recall(ctx context.Context, v *ledger.View) error {
	var begins int64
	err := t.d.ads.Read(v, func(s *jobad.Session) (err error) {
		begins, err = s.LogBegins()
		return err
	})
	if err != nil {
		return err
	}
	told := map[userlog.Identity]bool{}
	err = t.fromLog(ctx, v, func(_ *ledger.View, _ *ledger.Cluster, e userlog.Event) bool {
		told[e.Identity()] = true
		return e.Time.UnixMilli()/1000 == begins/1000
	})
	if err != nil {
		return err
	}
	return t.d.ads.Read(v, func(s *jobad.Session) error {
		return t.recallJobs(ctx, s, v, func(e *userlog.Event) bool {
			return e.Time.Unix() < begins/1000 || e.Time.Unix() == begins/1000 && !told[e.Identity()]
		})
	})
}

func (t *teller) recallJobs(ctx context.Context, s *jobad.Session, v *ledger.View, before func(*userlog.Event) bool) (err error) {
	runs := t.runs
	if len(runs) == 0 {
		if runs, err = everyCluster(s, v); err != nil {
			return err
		}
	}
	for _, r := range runs {
		c, err := s.Cluster(r.Cluster)
		if grid.CodeOf(err) == grid.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		for proc := r.Lo; proc < min(r.Hi, c.Procs) && ctx.Err() == nil; proc++ {
			id := grid.JobID{Cluster: r.Cluster, Proc: proc}
			job, err := s.Any(id)
			if grid.CodeOf(err) == grid.NotFound {
				continue // not kept
			}
			if err != nil {
				return err
			}
			for _, e := range t.d.recalled(id, &c, job) {
				if before(&e) {
					t.put(v, &c, e)
				}
			}
		}
		if t.err != nil {
			return t.err
		}
	}
	return context.Cause(ctx)
}

// everyCluster is every one that is in the queue or in the history.
func everyCluster(s *jobad.Session, v *ledger.View) (runs []grid.Run, err error) {
	ids := map[int32]bool{}
	for id := range v.Clusters(0) {
		ids[id] = true
	}
	for p, err := range s.PastByID(0) {
		if err != nil {
			return nil, err
		}
		ids[p.Run.Cluster] = true
	}
	for id := range ids {
		runs = append(runs, grid.WholeCluster(id))
	}
	slices.SortFunc(runs, func(a, b grid.Run) int { return int(a.Cluster) - int(b.Cluster) })
	return runs, nil
}

// recalled are the events that a job's ad knows of.
func (d *Daemon) recalled(id grid.JobID, c *ledger.Cluster, job *ad.Ad) []userlog.Event {
	var events []userlog.Event
	put := func(at time.Time, b userlog.Body) { events = append(events, userlog.Event{Job: id, Time: at, Body: b}) }
	put(time.UnixMilli(c.QDate), d.submitted(job))
	if started := job.Int("JobCurrentStartDate", 0); started > 0 {
		where := job.Text("RemoteHost")
		if where == "" {
			where = job.Text("LastRemoteHost")
		}
		if where == "" {
			where = "not known"
		}
		put(time.Unix(started, 0), executing(where, job))
	}
	entered := time.Unix(job.Int("EnteredCurrentStatus", 0), 0)
	switch grid.Status(job.Int("JobStatus", 0)) {
	case grid.Completed:
		exit := userlog.Exit{Code: int32(job.Int("ExitCode", 0))}
		if signal := job.Int("ExitSignal", 0); signal != 0 {
			exit = userlog.Exit{Code: int32(signal), Signal: true}
		}
		put(entered, &userlog.Terminated{Exit: exit})
	case grid.Removed:
		put(entered, &userlog.Aborted{Reason: job.Text("RemoveReason")})
	case grid.Held:
		put(entered, &userlog.Held{Reason: job.Text("HoldReason"), Code: int32(job.Int("HoldReasonCode", 0)), Sub: int32(job.Int("HoldReasonSubCode", 0))})
	}
	return events
}
