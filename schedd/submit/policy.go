package submit

import (
	"strconv"
	"strings"

	"gridburst/internal/grid"
)

// setPolicy sets what happens to the job in its life: hold at first, retries, the
// lease, signals, accounting.
func (l *lowering) setPolicy() {
	l.hold, _ = l.flag("hold")
	l.setRetries()
	l.setLease()
	if v, ok := l.command("kill_sig"); ok {
		l.put("KillSig", KindSignal, v)
	} else if l.universe.number != int(grid.Vanilla) {
		l.setString("KillSig", "SIGTERM")
	}
	l.setAccounting()
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
	remove, hasRemove := l.command("on_exit_remove")
	retries, hasRetries := l.command("max_retries")
	until, hasUntil := l.command("retry_until")
	success, hasSuccess := l.command("success_exit_code")
	if !hasRetries && !hasUntil && !hasSuccess {
		if hasRemove {
			l.put("OnExitRemove", KindBool, remove)
		}
		return
	}
	if hasRetries {
		l.put("JobMaxRetries", KindOldExpr, retries)
	} else {
		l.set("JobMaxRetries", defaultRetries)
	}
	if hasSuccess {
		l.put("JobSuccessExitCode", KindOldExpr, success)
	} else {
		l.set("JobSuccessExitCode", "0")
	}
	expr := "NumJobCompletions > JobMaxRetries || ExitCode =?= JobSuccessExitCode"
	if hasUntil {
		expr += " || " + l.static(until, "retry_until", func(e string) string {
			if _, err := strconv.Atoi(e); err == nil {
				return "ExitCode =?= " + e
			}
			return "(" + e + ")"
		})
	}
	if hasRemove {
		expr += " || " + l.static(remove, "on_exit_remove", func(e string) string { return "(" + e + ")" })
	}
	l.set("OnExitRemove", expr)
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
	case ok && !v.Live && strings.TrimSpace(v.Text) == "0":
	case ok:
		l.put("JobLeaseDuration", KindDuration, v)
	case l.universe.transfers():
		l.set("JobLeaseDuration", "2400")
	}
}

// setAccounting sets whose account the job is on.
func (l *lowering) setAccounting() {
	group, _, hasGroup := l.word("accounting_group")
	user, _, hasUser := l.word("accounting_group_user")
	if !hasGroup && !hasUser {
		return
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
