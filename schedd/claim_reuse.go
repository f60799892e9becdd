package schedd

import (
	"context"
	"time"

	"gridburst/gahp"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// offer is a machine whose guest has powered off, and which another job of the same owner
// may be that asks for the same. It is known to the loop of claims alone: after a crash
// the next look makes it again.
type offer struct {
	resource string
	version  uint32 // of the claim
	spec     submit.Machine
	owner    desk.Owner
	stopped  time.Time // by the engine's clock
	let      bool      // somebody needs its room: it is to go
}

// offer makes the step's machine known to jobs that wait, and says for how long; not when
// its job did not end well, or does not want that.
func (s *claimStep) offer(vm *gahp.VM) (left time.Duration) {
	c := s.d.claims
	age := time.Since(time.UnixMilli(s.claim.Wanted))
	if left = s.spec.Reuse - time.Since(time.UnixMilli(s.claim.Entered)); age > s.res.MaxVMTime/2 || !s.endedWell() {
		left = 0
	}
	c.mu.Lock()
	o := c.offers[s.id]
	switch {
	case left <= 0 || o != nil && o.let:
		delete(c.offers, s.id)
		left = 0
	default:
		c.offers[s.id] = &offer{resource: s.res.Name, version: s.claim.Version, spec: s.spec, owner: s.owner, stopped: vm.Stopped}
	}
	c.mu.Unlock()
	if left > 0 && o == nil {
		s.d.vms.wake()
	}
	return left
}

// endedWell: the job's guest has powered off by itself, or was told to because the job is
// to run anew. What was held or removed leaves no disks to others.
func (s *claimStep) endedWell() bool {
	j, ok := s.d.ledger.View().Job(s.claim.Job)
	switch {
	case ok && (j.Status == grid.Held || j.Status == grid.Removed):
		return false
	case ok:
		return true
	}
	return s.job != nil && s.job.Int("JobStatus", 0) == int64(grid.Completed)
}

// offered is a machine that a job may be.
func (c *claims) offered(resource string, owner desk.Owner, m *submit.Machine) (claim uint32, o offer, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, o := range c.offers {
		if o.resource == resource && o.owner == owner && !o.let && o.spec.Alike(*m) && (!ok || id < claim) {
			claim, ok = id, true
		}
	}
	if ok {
		o = *c.offers[claim]
	}
	return claim, o, ok
}

// letGo gives up a machine that is offered, the oldest of a resource, for its room.
func (c *claims) letGo(resource string) {
	c.mu.Lock()
	oldest := uint32(0)
	for id, o := range c.offers {
		if o.resource == resource && o.let {
			c.mu.Unlock()
			return // one is on its way out already
		}
		if o.resource == resource && (oldest == 0 || id < oldest) {
			oldest = id
		}
	}
	if oldest != 0 {
		c.offers[oldest].let = true
	}
	c.mu.Unlock()
	if oldest != 0 {
		c.poke(oldest)
	}
}

// taken: what was offered is not any more.
func (c *claims) taken(claim uint32) {
	c.mu.Lock()
	delete(c.offers, claim)
	c.mu.Unlock()
}

// reuse makes a job the machine of one that has ended. It reports whether that is so.
func (w *vmJobs) reuse(ctx context.Context, id grid.JobID, j ledger.Job, m *submit.Machine, res *Resource, owner desk.Owner) (bool, error) {
	if m.Reuse <= 0 || m.Borrow != "" {
		return false, nil
	}
	claim, o, ok := w.d.claims.offered(res.Name, owner, m)
	if !ok {
		return false, nil
	}
	defer w.d.claims.taken(claim)
	_, err := w.d.propose(ctx, &ledger.Reuse{
		Claim: claim, Version: o.version, Job: id, JobVersion: j.Version, Rested: o.stopped.UnixMilli(),
		Where: "ovirt " + res.URL + " " + res.Name, Reason: "job " + id.String() + " is the machine now",
	})
	switch grid.CodeOf(err) {
	case "":
		return true, nil
	case grid.Conflict, grid.NotFound, grid.Refused:
		w.d.claims.poke(claim)
		return false, nil
	}
	return false, err
}
