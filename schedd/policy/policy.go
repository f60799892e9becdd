// Package policy works out what a job's policies, and those of the configuration, mean
// for it.
//
// The order is HTCondor's, and the first to fire counts: its time was missed, how long it
// may run, vacate, TimerRemove, hold, release, remove; at an exit then OnExitHold and
// OnExitRemove. A policy is true when it is a boolean or number that is not 0; undefined and error are false.
// It looks at the job's ad alone, and does nothing.
package policy

import (
	"fmt"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// System is a policy of the configuration. It is looked at after the job's own of its kind.
type System struct {
	Name    string
	Verb    grid.Verb // Hold, Release, Remove or Vacate
	When    *ad.Expr
	Reason  *ad.Expr // gives a text; nil: the reason names the policy
	SubCode *ad.Expr // gives a number; nil: 0
}

// Set is all policies that hold in a queue.
type Set struct {
	Systems     []System
	MaxReleases int64 // a policy releases no job that was held so often; 0: no bound
}

// Verdict is what is to be done to a job. The zero Verdict is nothing.
type Verdict struct {
	Verb   grid.Verb
	Code   grid.HoldCode   // of a hold
	Sub    int32           // of a hold or a vacate
	Vacate grid.VacateCode // of a vacate
	Reason string
}

// names are the attributes that are policies, by kind.
const (
	jobDuration  = "AllowedJobDuration"
	execDuration = "AllowedExecuteDuration"
	vacates      = "PeriodicVacate"
	timer        = "TimerRemove"
	holds        = "PeriodicHold"
	releases     = "PeriodicRelease"
	removes      = "PeriodicRemove"
	leaves       = "LeaveJobInQueue"
	deferral     = "DeferralTime"
)

// Timetable is the attributes of a job's timetable, in the order of its fields.
var Timetable = [...]string{"CronMinute", "CronHour", "CronDayOfMonth", "CronMonth", "CronDayOfWeek"}

// Periodic lists the attributes that [Set.Periodic] evaluates.
func Periodic() []string {
	return []string{jobDuration, execDuration, vacates, timer, holds, releases, removes, leaves, deferral}
}

// Evaluated lists the expressions that decide on a job: those of its ad that are policies,
// and those of the configuration.
func (s *Set) Evaluated(job *ad.Ad) (exprs []*ad.Expr) {
	for _, name := range Periodic() {
		for _, n := range []string{name, name + "Reason", name + "SubCode"} {
			if e, ok := job.Expr(n); ok {
				exprs = append(exprs, e)
			}
		}
	}
	for i := range s.Systems {
		for _, e := range []*ad.Expr{s.Systems[i].When, s.Systems[i].Reason, s.Systems[i].SubCode} {
			if e != nil {
				exprs = append(exprs, e)
			}
		}
	}
	return exprs
}

// Periodic is what policies mean for a job of the queue now.
func (s *Set) Periodic(now ad.Instant, job *ad.Ad) Verdict {
	switch grid.Status(job.Int("JobStatus", 0)) {
	case grid.Removed:
		return Verdict{}
	case grid.Completed:
		if v := s.fire(now, job, grid.Remove, removes, Verdict{}); v.Verb != "" {
			return v
		}
		if e, ok := job.Expr(leaves); ok && !ad.Truth(now.Eval(e, job, nil)) {
			return Verdict{Verb: grid.Leave}
		}
		return Verdict{}
	}
	if v := missed(now, job); v.Verb != "" {
		return v
	}
	return s.periodic(now, job, true)
}

// missed holds a job that waits, and whose time has passed: its Requirements rule out
// every slot by now, so that it would wait for ever. A timetable has further times.
func missed(now ad.Instant, job *ad.Ad) Verdict {
	if grid.Status(job.Int("JobStatus", 0)) != grid.Idle {
		return Verdict{}
	}
	for _, name := range Timetable {
		if job.Has(name) {
			return Verdict{}
		}
	}
	at, ok := now.Attr(deferral, job, nil).Int()
	if !ok || int64(now) <= at+integer(now.Attr("DeferralWindow", job, nil)) {
		return Verdict{}
	}
	return Verdict{Verb: grid.Hold, Code: grid.HoldMissedTime, Reason: "Job missed deferred execution time"}
}

// periodic is the part that an exit has, too; only there nothing is vacated.
func (s *Set) periodic(now ad.Instant, job *ad.Ad, vacate bool) Verdict {
	status := grid.Status(job.Int("JobStatus", 0))
	if status == grid.Running || status == grid.Suspended {
		if v := tooLong(now, job); v.Verb != "" {
			return v
		}
		if vacate {
			if v := s.fire(now, job, grid.Vacate, vacates, Verdict{Vacate: grid.VacatePolicy}); v.Verb != "" {
				return v
			}
		}
	}
	if at, ok := now.Attr(timer, job, nil).Int(); ok && at <= int64(now) {
		return Verdict{Verb: grid.Remove, Reason: reason(now, job, timer)}
	}
	if status != grid.Held {
		if v := s.fire(now, job, grid.Hold, holds, Verdict{Code: grid.HoldJobPolicy}); v.Verb != "" {
			return v
		}
	}
	if status == grid.Held && job.Int("HoldReasonCode", 0) != int64(grid.HoldUser) && (s.MaxReleases <= 0 || job.Int("NumHolds", 0) < s.MaxReleases) {
		if v := s.fire(now, job, grid.Release, releases, Verdict{}); v.Verb != "" {
			return v
		}
	}
	return s.fire(now, job, grid.Remove, removes, Verdict{})
}

// fire looks at the job's own policy of a kind and then at the configuration's.
func (s *Set) fire(now ad.Instant, job *ad.Ad, verb grid.Verb, name string, v Verdict) Verdict {
	v.Verb = verb
	if ad.Truth(now.Attr(name, job, nil)) {
		v.Reason = reason(now, job, name)
		v.Sub = int32(integer(now.Attr(name+"SubCode", job, nil)))
		return v
	}
	for i := range s.Systems {
		y := &s.Systems[i]
		if y.Verb != verb || !ad.Truth(now.Eval(y.When, job, nil)) {
			continue
		}
		v.Reason = fmt.Sprintf("The system policy %s expression '%s' evaluated to TRUE", y.Name, y.When)
		if y.Reason != nil {
			if text, ok := now.Eval(y.Reason, job, nil).Text(); ok && text != "" {
				v.Reason = text
			}
		}
		if y.SubCode != nil {
			v.Sub = int32(integer(now.Eval(y.SubCode, job, nil)))
		}
		switch verb {
		case grid.Hold:
			v.Code = grid.HoldSystemPolicy
		case grid.Vacate:
			v.Vacate = grid.VacateSystem
		}
		return v
	}
	return Verdict{}
}

// tooLong holds a job that has run for longer than it may.
func tooLong(now ad.Instant, job *ad.Ad) Verdict {
	began := job.Int("ShadowBday", 0)
	if began == 0 {
		return Verdict{}
	}
	// A checkpoint begins an execution anew.
	executes := max(began, job.Int("LastCheckpointTime", 0))
	for _, limit := range []struct {
		name, what string
		since      int64
		code       grid.HoldCode
	}{{jobDuration, "job", began, grid.HoldJobDuration}, {execDuration, "execute", executes, grid.HoldExecDuration}} {
		if most, ok := now.Attr(limit.name, job, nil).Int(); ok && int64(now)-limit.since >= most {
			return Verdict{Verb: grid.Hold, Code: limit.code, Reason: fmt.Sprintf("The job exceeded allowed %s duration of %s", limit.what, clock(most))}
		}
	}
	return Verdict{}
}

// clock is D+HH:MM:SS.
func clock(s int64) string {
	return fmt.Sprintf("%d+%02d:%02d:%02d", s/86400, s/3600%24, s/60%60, s%60)
}

// AtExit is what an exit means for its job, whose ad has the exit code: a hold, a removal,
// a [grid.Requeue], or nothing, which is its end.
func (s *Set) AtExit(now ad.Instant, job *ad.Ad) Verdict {
	if v := s.periodic(now, job, false); v.Verb != "" {
		return v
	}
	switch {
	case ad.Truth(now.Attr("OnExitHold", job, nil)):
		return Verdict{
			Verb: grid.Hold, Code: grid.HoldJobPolicy, Sub: int32(integer(now.Attr("OnExitHoldSubCode", job, nil))), Reason: reason(now, job, "OnExitHold"),
		}
	case isFalse(now.Attr("OnExitRemove", job, nil)):
		return Verdict{Verb: grid.Requeue, Vacate: grid.VacateAgain, Reason: reason(now, job, "OnExitRemove")}
	}
	return Verdict{}
}

func integer(v ad.Value) int64 {
	n, _ := v.Int()
	return n
}

// isFalse: a boolean or number that is false, not just something that is not true.
func isFalse(v ad.Value) bool {
	if b, ok := v.Bool(); ok {
		return !b
	}
	f, ok := v.Number()
	return ok && f == 0
}

// reason is the policy's own, or names the policy and its expression.
func reason(now ad.Instant, job *ad.Ad, name string) string {
	if s, ok := now.Attr(name+"Reason", job, nil).Text(); ok && s != "" {
		return s
	}
	src, _ := job.Source(name)
	verdict := "TRUE"
	if name == "OnExitRemove" {
		verdict = "FALSE"
	}
	return "The job attribute " + name + " expression '" + src + "' evaluated to " + verdict
}
