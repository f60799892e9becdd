package schedd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gridburst/internal/grid"
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
	var b strings.Builder
	fmt.Fprintf(&b, "Job %s of %s is %s since %s.\n", id, owner.Name, j.Status, since)
	mine := who.Admin || owner.UID == who.UID
	switch {
	case j.Status == grid.Held:
		reason := ""
		if mine {
			reason = ": " + a.Text("HoldReason")
		}
		fmt.Fprintf(&b, "It was held with code %d.%d%s\n", j.HoldCode, j.HoldSub, reason)
		if r, ok := v.Routing(id); ok && j.Place == ledger.AtTarget && r.State == grid.RouteHeld {
			b.WriteString(d.whyRouting(v, id))
			fmt.Fprintf(&b, "A release is carried there: grelease %s\n", id)
		} else if j.Attempt() {
			b.WriteString("Its last execution is still being ended; it can be released when that is over.\n")
		} else {
			fmt.Fprintf(&b, "It goes on when it is released: grelease %s\n", id)
		}
	case j.Place == ledger.AtTarget:
		b.WriteString(d.whyRouting(v, id))
	case j.Place == ledger.AsVM:
		b.WriteString(d.whyClaim(v, j.At))
	case j.Status != grid.Idle:
		fmt.Fprintf(&b, "It is at %s.\n", a.Text("RemoteHost"))
	case j.Place == ledger.OnSlot:
		fmt.Fprintf(&b, "It has been given %s, which is about to start it.\n", a.Text("RemoteHost"))
	case c.Universe == grid.Grid:
		b.WriteString(d.whyVM(ctx, id, targetOf(a)))
	default:
		e, coming, err := d.dispatch.explain(ctx, id)
		if err != nil {
			return out, err
		}
		b.WriteString(e.String() + coming + d.chooser.why(v, a))
	}
	out.Text = grid.Printable(b.String())
	return out, nil
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
