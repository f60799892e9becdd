package schedd

import (
	"errors"
	"strings"
	"time"

	"gridburst/dag/trigger"
	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/policy"
	"gridburst/schedd/submit"
)

// A job may be for later: its slot is given to it some time before, in which its files
// travel, and its process starts at its time (DeferralTime). A job with a timetable (Cron*)
// gets the next occurrence as its time whenever it is placed, so that one which its exit
// policy keeps runs once for each.

// prepTime is how long before its time a job is given its slot, unless it says another.
const prepTime = 5 * time.Minute

// errCron is behind what is wrong with a timetable.
var errCron = errors.New("not a timetable")

// timetable is a job's; nil when it has none. What it does not say is every one.
func (d *Daemon) timetable(job *ad.Ad) (*trigger.Schedule, error) {
	spec, has := make([]string, len(policy.Timetable)), false
	for i, name := range policy.Timetable {
		spec[i] = "*"
		v, ok := job.Literal(name)
		if !ok {
			continue
		}
		text, isText := v.Text()
		if !isText {
			text = v.String()
		}
		if text = strings.ReplaceAll(text, " ", ""); text != "" {
			spec[i], has = text, true
		}
	}
	if !has {
		return nil, nil
	}
	s, err := trigger.Parse(strings.Join(spec, " "), d.config().TimeZone)
	if err != nil {
		return nil, &grid.Error{Code: grid.Invalid, Err: errCron, Message: "cron_minute and the like: " + grid.MessageOf(err)}
	}
	return s, nil
}

// dueOf is a job's time; the zero time when it is for now. An occurrence of a timetable
// that the job was placed for is not due again.
func (d *Daemon) dueOf(now time.Time, job *ad.Ad) (at time.Time, cron bool) {
	last, ok := ad.At(now).Attr("DeferralTime", job, nil).Int()
	s, err := d.timetable(job)
	switch {
	case err == nil && s != nil && ok && last > now.Unix():
		return s.Next(time.Unix(last, 0)), true
	case err == nil && s != nil:
		return s.Next(now), true
	case ok && err == nil:
		return time.Unix(last, 0), false
	}
	return time.Time{}, false // what is wrong, its start tells
}

// prepared is when a job may be given its slot.
func prepared(now time.Time, due time.Time, job *ad.Ad) time.Time {
	if due.IsZero() {
		return due
	}
	prep := prepTime
	if s, ok := ad.At(now).Attr("DeferralPrepTime", job, nil).Int(); ok {
		prep = time.Duration(s) * time.Second
	}
	return due.Add(-prep)
}

// deferral is when a job's process is to start, ms since 1970, and for how long it may be
// late; 0: at once.
func (d *Daemon) deferral(now ad.Instant, job *ad.Ad) (notBefore, windowMS int64, err error) {
	if _, err := d.timetable(job); err != nil {
		return 0, 0, err
	}
	if !job.Has("DeferralTime") {
		return 0, 0, nil
	}
	at, ok := now.Attr("DeferralTime", job, nil).Int()
	if !ok || at <= 0 {
		src, _ := job.Source("DeferralTime")
		return 0, 0, grid.Errorf(grid.Invalid, "the deferral_time %s is no time in seconds since 1970", src)
	}
	window, _ := now.Attr("DeferralWindow", job, nil).Int()
	return at * 1000, max(window, 0) * 1000, nil
}

// checkTimes refuses a spec with a timetable that makes no sense. The warning is of one
// that will be followed once only.
func (d *Daemon) checkTimes(s *submit.Spec) (warning string, err error) {
	for i := range s.Sections {
		job := ad.New(len(policy.Timetable))
		attrs := submit.Merge(s.Attrs, s.Sections[i].Attrs)
		for _, name := range policy.Timetable {
			if expr, ok := submit.Find(attrs, name); ok {
				if err := job.Set(name, expr); err != nil {
					return "", err
				}
			}
		}
		t, err := d.timetable(job)
		if err != nil {
			return "", err
		}
		if _, stays := submit.Find(attrs, "OnExitRemove"); t != nil && !stays {
			warning = "the job has a timetable and no on_exit_remove: it leaves the queue after its first run"
		}
	}
	return warning, nil
}
