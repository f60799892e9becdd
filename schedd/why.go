package schedd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/router"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// Why implements [serve.Backend]: what stands between a job and its start.
func (d *Daemon) Why(ctx context.Context, who serve.Identity, job string) (out api.Why, err error) {
	r, err := grid.ParseRun(job)
	if err != nil {
		return out, err
	}
	if r.Whole() {
		r.Hi = 1
	}
	id := r.First()
	v := d.ledger.View()
	j, ok := v.Job(id)
	if !ok {
		return d.whyPast(v, id)
	}
	c, _ := v.Cluster(id.Cluster)
	owner, _ := v.Owner(c.Owner)
	out = api.Why{Job: id.String(), State: j.Status.String()}
	a, err := d.ads.Job(v, id)
	if err != nil {
		return out, err
	}
	since := time.Since(time.UnixMilli(j.Entered)).Round(time.Second)
	w := verdict{}
	details := ""
	mine := who.Admin || owner.UID == who.UID
	switch {
	case j.Status == grid.Held:
		w = whyHeld(id, &j, a, mine)
		if r, ok := v.Routing(id); ok && j.Place == ledger.AtTarget && r.State == grid.RouteHeld {
			w.help = fmt.Sprintf("A release is carried there: grelease %s", id)
			w.also = append(w.also, strings.TrimSpace(d.whyRouting(v, id)))
		}
	case j.Place == ledger.AtTarget:
		w.reason, w.matter = "target", strings.TrimSpace(d.whyRouting(v, id))
	case j.Place == ledger.AsVM:
		w.reason, w.matter = "machine", d.whyClaim(v, j.At)
	case j.Status != grid.Idle:
		w.reason, w.matter = j.Status.String(), "It is at "+a.Text("RemoteHost")+"."
	case j.Place == ledger.OnSlot:
		w.reason, w.matter = "starting", "It has been given "+a.Text("RemoteHost")+", which is about to start it."
	case c.Universe == grid.Grid:
		w.reason, w.matter = "machine", d.whyVM(ctx, id, targetOf(a))
	default:
		e, before, err := d.dispatch.explain(ctx, id)
		if err != nil {
			return out, err
		}
		details, w = e.String(), before
		if w.matter == "" {
			w = verdictOf(&e)
		}
		if choice, ok := d.chooser.choice(v, a); ok && checkpointOf(a) != nil {
			w.also = append(w.also, "No route: nobody would keep its checkpoints there.")
		} else if ok && checked(a) {
			w.also = append(w.also, "No route: nobody would find out there whether it is ready.")
		} else if ok && c.Universe == grid.Parallel {
			w.also = append(w.also, "No route: a job of several nodes begins in this pool, or nowhere.")
		} else if ok {
			w.routes(&choice)
		}
	}
	out.Reason, out.Matter, out.Help = w.reason, grid.Printable(w.matter), grid.Printable(w.help)
	var b strings.Builder
	fmt.Fprintf(&b, "Job %s of %s is %s since %s.\n", id, owner.Name, j.Status, since)
	for _, text := range []string{w.matter, strings.TrimSuffix(w.help, "\n")} {
		if text != "" {
			b.WriteString(strings.TrimSuffix(text, "\n") + "\n")
		}
	}
	slots := slotsText(details, &w)
	for _, also := range w.also {
		if !strings.Contains(slots, also) {
			b.WriteString(also + "\n")
		}
	}
	b.WriteString(slots)
	out.Text = grid.Printable(b.String())
	return out, nil
}

// slotsText is what the slots of the pool say of a job, without what was said already.
func slotsText(details string, w *verdict) string {
	out := ""
	for line := range strings.Lines(details) {
		if text := strings.TrimSpace(line); text != "" && !strings.Contains(w.matter+w.help, text) {
			if w.reason != "next" { // something else stands in its way
				line = strings.Replace(line, ": it is about to start, or others go first.", ".", 1)
			}
			out += "  " + line
		}
	}
	if out != "" {
		out = "The slots of the pool:\n" + out
	}
	return out
}

// verdict is what stands between a job and its start.
type verdict struct {
	reason string // a word for programs
	matter string // a sentence
	help   string // a sentence; empty: nothing but patience
	also   []string
}

// whyHeld is the answer for a held job. Its reason is for its owner.
func whyHeld(id grid.JobID, j *ledger.Job, a *ad.Ad, mine bool) verdict {
	w := verdict{reason: "held", matter: fmt.Sprintf("It is held (code %d.%d), and does not run until somebody releases it", j.HoldCode, j.HoldSub)}
	if mine {
		w.matter += ": " + strings.TrimSuffix(a.Text("HoldReason"), ".")
	}
	w.matter += "."
	if j.Attempt() {
		w.help = "Its last execution is still being ended; it can be released when that is over."
	} else {
		w.help = fmt.Sprintf("It would help to mend what it was held for, and to release it then: grelease %s", id)
	}
	return w
}

// verdictOf is what the slots of the pool mean for a job.
func verdictOf(e *router.Explanation) verdict {
	w := verdict{reason: "no_slot", help: e.Help()}
	w.matter, _, _ = strings.Cut(e.String(), "\n")
	switch {
	case e.Nodes > 1 && e.Could > 0:
		switch {
		case e.Fit == e.Nodes:
			w.reason, w.help = "next", ""
		case e.Could == e.Nodes:
			w.reason, w.help = "busy", "It helps to wait, or to add slots."
		}
	case e.Now > 0:
		w.reason, w.help = "next", ""
	case e.Busy > 0:
		w.reason, w.help = "busy", "It helps to wait, or to add a slot."
	case e.BadRequest != "":
		w.reason = "bad_request"
	case undefined(e.Clauses):
		w.reason = "undefined"
		for _, c := range e.Clauses {
			if c.Undefined > 0 {
				w.matter = "No slot takes it, for its Requirements name something that slots do not have: " + c.Text + " is undefined there."
				break
			}
		}
	}
	return w
}

func undefined(list []router.Clause) bool {
	return slices.ContainsFunc(list, func(c router.Clause) bool { return c.Undefined > 0 })
}

// whyPast is the answer for a job that is not in the queue.
func (d *Daemon) whyPast(v *ledger.View, id grid.JobID) (out api.Why, err error) {
	err = d.ads.Read(v, func(s *jobad.Session) error {
		a, err := s.Any(id)
		if err != nil {
			return err
		}
		status := grid.Status(a.Int("JobStatus", 0))
		out = api.Why{Job: id.String(), State: status.String(), Text: fmt.Sprintf("Job %s has left the queue: it was %s.\n", id, status)}
		return nil
	})
	return out, err
}

// whyVM is what a job waits for that is a virtual machine and has none yet.
func (d *Daemon) whyVM(ctx context.Context, id grid.JobID, target string) string {
	why := d.vms.why(ctx, id)
	switch {
	case target != "" && why != "":
		return "It is not handed to " + target + " yet: " + why + ".\n"
	case target != "":
		return "It is about to be handed to " + target + ".\n"
	case why != "":
		return "Its machine is not asked for yet: " + why + ".\n"
	}
	return "Its machine is about to be asked for.\n"
}

// whyClaim is where the machine is that a job is.
func (d *Daemon) whyClaim(v *ledger.View, id uint32) string {
	c, ok := v.Claim(id)
	if !ok {
		return ""
	}
	out := fmt.Sprintf("It is machine %s of %s (claim %d, %s).\n", c.Name, c.Resource, id, c.State)
	if waits := d.claims.waits(id); waits != "" {
		out += "It waits: " + waits + ".\n"
	}
	return out
}
