package submit

import (
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// setPolicy sets what happens to the job in its life: hold at first, retries, the
// lease, signals, accounting.
func (l *lowering) setPolicy() {
	l.hold, _ = l.flag("hold")
	l.asked = nil
	l.setRetries()
	l.asked = nil
	l.setLease()
	l.asked = nil
	if v, ok := l.command("kill_sig"); ok {
		l.put("KillSig", KindSignal, v)
	} else if l.universe.number != int(grid.Vanilla) {
		l.setString("KillSig", "SIGTERM")
	}
	l.asked = nil
	l.setAccounting()
	if v, ok := l.command("concurrency_limits_expr"); ok {
		if _, both := l.command("concurrency_limits"); both {
			l.fail(v.Pos, "concurrency_limits and concurrency_limits_expr are both set", "Take one of the two away.")
		}
	}
	if v, ok := l.command("use_oauth_services"); ok {
		l.fail(v.Pos, "there is no service that would get tokens for use_oauth_services", "Put the token into a file of your own and transfer it.")
	}
}

// defaultRetries is how often a job is tried again that says what success is, but
// not how often.
const defaultRetries = "2"

// setRetries makes max_retries, retry_until and success_exit_code into the
// expression that lets a finished job go.
func (l *lowering) setRetries() {
	hold, hasHold := l.command("on_exit_hold")
	remove, hasRemove := l.command("on_exit_remove")
	retries, hasRetries := l.command("max_retries")
	until, hasUntil := l.command("retry_until")
	success, hasSuccess := l.command("success_exit_code")
	tries := hasRetries || hasUntil || hasSuccess
	if hasHold {
		l.put("OnExitHold", KindOldExpr, hold)
	} else if tries {
		l.set("OnExitHold", "false")
	}
	if !tries {
		if hasRemove {
			l.put("OnExitRemove", KindOldExpr, remove)
		}
		return
	}
	if hasRetries {
		l.put("JobMaxRetries", KindInt, retries)
	} else {
		l.set("JobMaxRetries", defaultRetries)
	}
	expr := "NumJobCompletions > JobMaxRetries || ExitCode =?= "
	if hasSuccess {
		l.put("JobSuccessExitCode", KindInt, success)
		expr += "JobSuccessExitCode"
	} else {
		expr += "0"
	}
	if hasUntil {
		expr += " || " + l.static(until, "retry_until", func(e string) string {
			if code, err := wholeNumber(e); err == nil {
				return "ExitCode =?= " + code
			}
			return operand(e)
		})
	}
	if hasRemove {
		expr += " || " + l.static(remove, "on_exit_remove", operand)
	}
	l.set("OnExitRemove", expr)
}

// operand is an expression beside ||, in parentheses if it binds less.
func operand(expr string) string {
	if e, err := ad.Parse(expr); err != nil || e.Choice() {
		return "(" + expr + ")"
	}
	return expr
}

// static is an expression that becomes part of a larger one, so that it must be the
// same for all procs.
func (l *lowering) static(v Value, name string, form func(expr string) string) string {
	if v.Live {
		l.fail(v.Pos, name+" must not differ between the jobs of one queue statement", "")
		return "error"
	}
	read := oldExpr
	if v.New {
		read = newExpr
	}
	expr, err := read(strings.TrimSpace(v.Text))
	if err != nil {
		l.failed(v.Pos, name, err)
		return "error"
	}
	return form(expr)
}

// setLease sets how long a job runs on without news of its schedd.
func (l *lowering) setLease() {
	v, ok := l.command("job_lease_duration")
	switch {
	case ok && !v.Live && shortLease(v.Text):
		l.set("JobLeaseDuration", strconv.Itoa(leastLease))
	case ok:
		l.put("JobLeaseDuration", KindDuration, v)
	case l.universe.transfers():
		l.set("JobLeaseDuration", "2400")
	}
}

// leastLease is the shortest lease that a job may have, in seconds. 0 is none at all.
const leastLease = 20

func shortLease(text string) bool {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return err == nil && n > 0 && n < leastLease
}

// Until a job's time has come it is not matched: these are how long before it, in
// seconds, HTCondor begins to look for a slot, and how often it looks.
const (
	prepTime       = "300"
	scheddInterval = "300"
)

// setDeferral sets when the job is to start, as a time or as a timetable.
func (l *lowering) setDeferral() {
	at, deferred := l.command("deferral_time")
	if deferred {
		l.put("DeferralTime", KindOldExpr, at)
		l.notNegative("deferral_time")
	}
	for _, name := range []string{"cron_minute", "cron_hour", "cron_day_of_month", "cron_month", "cron_day_of_week"} {
		if v, ok := l.command(name); ok && !deferred {
			at, deferred = v, true
		}
	}
	if !deferred {
		return
	}
	if l.universe.number == int(grid.Scheduler) {
		l.fail(at.Pos, "a job of the scheduler universe cannot wait for its time", "Take the local universe.")
	}
	l.deferred = true
	l.set("ScheddInterval", scheddInterval)
	for _, c := range []struct{ attr, otherwise, name, another string }{
		{"DeferralWindow", "0", "deferral_window", "cron_window"},
		{"DeferralPrepTime", prepTime, "deferral_prep_time", "cron_prep_time"},
	} {
		l.set(c.attr, c.otherwise)
		for _, name := range []string{c.name, c.another} {
			if v, ok := l.command(name); ok {
				l.put(c.attr, KindDuration, v)
				l.notNegative(name)
			}
		}
	}
}

// notNegative refuses a command whose value is a number below nought.
func (l *lowering) notNegative(name string) {
	v, _ := l.command(name)
	if n, err := wholeNumber(v.Text); !v.Live && err == nil && strings.HasPrefix(n, "-") {
		l.fail(v.Pos, name+" is "+n+": it cannot be negative", "")
	}
}

// setAccounting sets whose account the job is on.
func (l *lowering) setAccounting() {
	group, gv, hasGroup := l.word("accounting_group")
	user, uv, hasUser := l.word("accounting_group_user")
	if nice, _ := l.flag("nice_user"); nice {
		if !hasGroup {
			group, hasGroup = niceGroup, true
		}
		if _, ok := l.command("max_job_retirement_time"); !ok {
			l.set("MaxJobRetirementTime", "0")
		}
	}
	if !hasGroup && !hasUser {
		return
	}
	for _, c := range []struct {
		name, value string
		at          Pos
	}{{"accounting_group", group, gv.Pos}, {"accounting_group_user", user, uv.Pos}} {
		if strings.ContainsFunc(c.value, blank) {
			l.fail(c.at, c.name+" "+quote(c.value)+" has a blank in it", "")
		}
	}
	if !hasUser {
		user = l.site.Owner
	}
	l.setString("AcctGroupUser", user)
	account := user
	if hasGroup {
		l.setString("AcctGroup", group)
		account = group + "." + user
	}
	l.setString("AccountingGroup", account)
}

// niceGroup is the accounting group of jobs that give way to all others.
const niceGroup = "nice-user"

// Nice reports whether jobs on an account give way to all others.
func Nice(accountingGroup string) bool {
	return len(accountingGroup) > len(niceGroup) && strings.EqualFold(accountingGroup[:len(niceGroup)+1], niceGroup+".")
}
