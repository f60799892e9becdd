package schedd

import (
	"context"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// watchLeases gives attempts up when their worker has been silent for longer than
// they can live. The worker's own lease is shorter: what is given up here is dead.
//
// Time is measured by the monotonic clock, and time in which this process itself did
// not run is not held against anybody.
func (d *Daemon) watchLeases(ctx context.Context) error {
	interval := min(5*time.Second, d.c.LeaseMargin/4)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	last := time.Now()
	given := map[uint32]time.Time{} // when what was given up was reported
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if stall := now.Sub(last) - interval; stall > interval {
				d.log.WithField("seconds", stall.Seconds()).Warn("this process did not run for a while")
				d.pool.Excuse(stall)
			}
			last = now
		}
		for _, w := range d.pool.Workers() {
			silent := last.Sub(w.Since)
			switch {
			case w.Connected:
				delete(given, w.ID)
			case len(w.Jobs) == 0 && silent > forgetWorker:
				d.pool.Forget(w.ID)
				delete(given, w.ID)
			case silent > d.c.WorkerLease+d.c.LeaseMargin && last.Sub(given[w.ID]) > d.c.LeaseMargin:
				given[w.ID] = last
				name := w.Info.Name
				if known, ok := d.ledger.View().Worker(w.ID); ok && name == "" {
					name = known.Name // it has not come since a restart
				}
				for job, part := range w.Jobs {
					for _, epoch := range d.epochsOn(w.ID, job, part.Epoch) {
						d.reports.add(ctx, report{AttemptReport: ledger.AttemptReport{
							Job: job, Epoch: epoch, Kind: ledger.Vanished, Vacate: grid.VacateReconnect,
							Reason: "its worker " + name + " was not heard for " + silent.Round(time.Second).String(),
						}})
					}
				}
			}
		}
	}
}

// epochsOn are the epochs of what a job has on a worker: that of its attempt, or of each of
// its nodes there.
func (d *Daemon) epochsOn(worker uint32, job grid.JobID, epoch uint32) (out []uint32) {
	g, ok := d.ledger.View().Gang(job)
	if !ok || g.Epoch != epoch {
		return []uint32{epoch}
	}
	for i := range g.Nodes {
		if n := &g.Nodes[i]; n.Worker == worker && n.State != ledger.GangOver {
			out = append(out, grid.NodeEpoch(epoch, i))
		}
	}
	return out
}

// forgetWorker is how long a worker that is gone and holds nothing is shown.
const forgetWorker = 10 * time.Minute
