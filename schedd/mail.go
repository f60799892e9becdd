package schedd

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
)

// mails sends what jobs' notification asks for, through a sendmail command that runs with
// the owner's rights.
//
// Each is sent at most once. What waits when the schedd ends is not sent by the next one,
// what fails is logged and not tried again, and what is beyond the queue is dropped: the
// event log and ghistory tell the same, and a mail that comes twice, or a schedd that
// waits for a mailer, would be worse.
type mails struct {
	d     *Daemon
	seen  uint64 // events up to here have been looked at
	queue chan letter
}

// letter is a mail that waits.
type letter struct {
	job   grid.JobID
	owner desk.Owner
	to    []string
	text  []byte
}

// mailQueue bounds the mails that wait, and mailLimit the time that sendmail has for one.
const (
	mailQueue = 1000
	mailLimit = 30 * time.Second
)

func newMails(d *Daemon) *mails {
	return &mails{d: d, seen: d.ledger.View().Index, queue: make(chan letter, mailQueue)}
}

// run looks at what happens, and never waits for a mailer.
func (m *mails) run(ctx context.Context) error {
	for {
		events, next, err := m.d.ledger.Events(ctx, m.seen, 2048)
		switch {
		case grid.CodeOf(err) == grid.Gone:
			next = m.d.ledger.View().Index
			m.d.log.WithError(err).Warn("mails are left out")
		case err != nil:
			return ignoreEnd(ctx, err)
		}
		for i := range events {
			m.take(&events[i])
		}
		if next > m.seen {
			m.seen = next
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.d.ledger.Changed(m.seen):
		}
	}
}

// take queues the mails of an event.
func (m *mails) take(e *ledger.Event) {
	if e.Type != ledger.JobCompleted && e.Type != ledger.JobHeld || !m.asks(e.Jobs.Cluster) {
		return
	}
	for p := e.Jobs.Lo; p < e.Jobs.Hi; p++ {
		if len(m.queue) == mailQueue {
			m.d.c.Telemetry.Mail("dropped") // before it costs anything
			continue
		}
		l, err := m.write(grid.JobID{Cluster: e.Jobs.Cluster, Proc: p}, e)
		switch {
		case err != nil:
			m.d.log.WithError(err).WithField("job", e.Jobs.String()).Warn("a mail cannot be written")
			m.d.c.Telemetry.Mail("failed")
		case l != nil:
			m.queue <- *l // nobody else fills it
		}
	}
}

// asks reports whether jobs of a cluster may want mail: most want none, and cost little.
func (m *mails) asks(cluster int32) (asks bool) {
	err := m.d.ads.Read(m.d.ledger.View(), func(s *jobad.Session) (err error) {
		asks, err = s.Notifies(cluster)
		return err
	})
	return asks || err != nil // its letters will say
}

// write makes what an event has to be told of a job; nil when its owner does not want it.
func (m *mails) write(id grid.JobID, e *ledger.Event) (out *letter, err error) {
	v := m.d.ledger.View()
	err = m.d.ads.Read(v, func(s *jobad.Session) error {
		a, err := s.Any(id)
		if err != nil {
			return err
		}
		if !wanted(a.Int("JobNotification", 0), e) {
			return nil
		}
		name := a.Text("Owner")
		for _, o := range v.Owners() {
			if o.Name == name {
				out = &letter{job: id, owner: desk.Owner(o)}
			}
		}
		if out == nil {
			return grid.Errorf(grid.Internal, "job %s has the owner %s, who is unknown", id, name)
		}
		if out.to, err = addresses(a.Text("NotifyUser"), name, m.d.c.Domain); err != nil {
			return err
		}
		out.text = letterText(out.to, m.d.c.Host, id, a, e)
		return nil
	})
	return out, err
}

// The values of JobNotification.
const (
	notifyAlways   = 1
	notifyComplete = 2
	notifyError    = 3
)

// wanted reports whether a job's owner is to be told of an event: always and complete of
// its end, error of an end that is a failure; always and error of a hold that was not
// asked for.
func wanted(notification int64, e *ledger.Event) bool {
	failed := e.Exit != nil && (e.Exit.Signal || e.Exit.Code != 0)
	asked := e.Code == int32(grid.HoldUser) || e.Code == int32(grid.HoldSubmitted)
	switch notification {
	case notifyAlways:
		return e.Type == ledger.JobCompleted || !asked
	case notifyComplete:
		return e.Type == ledger.JobCompleted
	case notifyError:
		return e.Type == ledger.JobCompleted && failed || e.Type == ledger.JobHeld && !asked
	}
	return false
}

// mailAddress is what sendmail may be given: nothing in it is an option, or ends a header.
var mailAddress = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+=-]*@[A-Za-z0-9][A-Za-z0-9.-]*$`)

// addresses are those of notify_user, separated by commas or spaces; else the owner's. One
// without a domain is of the schedd's.
func addresses(notify, owner, domain string) ([]string, error) {
	list := strings.FieldsFunc(notify, func(r rune) bool { return r == ',' || r == ' ' })
	if len(list) == 0 {
		list = []string{owner}
	}
	for i, a := range list {
		if !strings.Contains(a, "@") {
			list[i] = a + "@" + domain
		}
		if !mailAddress.MatchString(list[i]) {
			return nil, grid.Errorf(grid.Invalid, "%q is no address to send mail to", grid.Printable(a))
		}
	}
	return list, nil
}

// letterText is a mail with its headers. Nothing of a job's is in a header but its id and
// addresses that were looked at; in the text, nothing moves a terminal.
func letterText(to []string, host string, id grid.JobID, a *ad.Ad, e *ledger.Event) []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) {
		b.WriteString(strings.ReplaceAll(grid.Printable(fmt.Sprintf(format, args...)), "\n", " ") + "\n")
	}
	moment := func(ms int64) string { return time.UnixMilli(ms).Format(time.RFC1123Z) }
	what, subject := "", "has ended"
	switch {
	case e.Type == ledger.JobHeld:
		what, subject = fmt.Sprintf("has been held (code %d/%d): %s", e.Code, e.Sub, e.Text), "is held"
	case e.Exit == nil:
		what = "has ended."
	case e.Exit.Signal:
		what = fmt.Sprintf("was ended by signal %d.", e.Exit.Code)
	default:
		what = fmt.Sprintf("has exited with status %d.", e.Exit.Code)
	}
	line("To: %s", strings.Join(to, ", "))
	line("Subject: [Gridburst] Job %s %s", id, subject)
	line("Date: %s", moment(e.At))
	line("Auto-Submitted: auto-generated")
	line("MIME-Version: 1.0")
	line("Content-Type: text/plain; charset=utf-8")
	line("Content-Transfer-Encoding: 8bit")
	line("")
	line("This is an automated mail from the schedd on %s. Do not reply.", host)
	line("")
	line("Your job %s", id)
	line("    %s", strings.TrimSpace(a.Text("Cmd")+" "+a.Text("Args")+a.Text("Arguments")))
	line("%s", what)
	line("")
	line("Submitted at:  %s", moment(1000*a.Int("QDate", 0)))
	if e.Type == ledger.JobHeld {
		line("Held at:       %s", moment(e.At))
		line("")
		line("Mend what is wrong, then: grelease %s", id)
		return b.Bytes()
	}
	line("Completed at:  %s", moment(e.At))
	if x := e.Exit; x != nil {
		line("Last run:      %s, of which %s user and %s system CPU time", span(x.WallMS), span(x.UserMS), span(x.SysMS))
		line("Memory:        %d MB at most", x.MaxRSSKB/1024)
	}
	return b.Bytes()
}

func span(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }

// send sends what waits, one after the other.
func (m *mails) send(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-m.queue:
			log := m.d.log.WithField("job", l.job.String()).WithField("owner", l.owner.Name)
			if err := m.deliver(ctx, &l); err != nil {
				m.d.c.Telemetry.Mail("failed")
				log.WithError(err).Warn("a mail was not sent")
				continue
			}
			m.d.c.Telemetry.Mail("sent")
			log.Debug("mail sent")
		}
	}
}

func (m *mails) deliver(ctx context.Context, l *letter) error {
	ctx, cancel := context.WithTimeout(ctx, mailLimit)
	defer cancel()
	credential, err := desk.CredentialOf(l.owner)
	if err != nil {
		return err
	}
	command := append(m.d.c.Sendmail[:len(m.d.c.Sendmail):len(m.d.c.Sendmail)], l.to...)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(l.text)
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Setsid: true}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", command[0], err, grid.Printable(string(out[:min(len(out), 200)])))
	}
	return nil
}
