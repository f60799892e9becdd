package schedd

import (
	"context"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/pause"
	"gridburst/schedd/ledger"
)

// clearStep is how many removed jobs one command moves to the history: what others have
// to wait for it stays a few milliseconds. Between two steps others have the queue file,
// and the processor, for as long as the last one took.
const clearStep = 500

// clear moves jobs that were removed all at once to the history, step by step. What it
// has done stands in the ledger, so that a start goes on with the rest.
func (d *Daemon) clear(ctx context.Context) error {
	for {
		v := d.ledger.View()
		if v.LeavingJobs() == 0 {
			select {
			case <-d.ledger.Changed(v.Index):
				continue
			case <-ctx.Done():
				return nil
			}
		}
		begun := time.Now()
		failpoint.Hit("clear.before")
		r, err := d.propose(ctx, &ledger.Clear{Max: clearStep, Gaps: true})
		if err != nil {
			return ignoreEnd(ctx, err)
		}
		failpoint.Hit("clear.after")
		// Others' event logs are not to wait behind those of all these jobs.
		if err := d.logs.reached(ctx, r.Index); err != nil {
			return ignoreEnd(ctx, err)
		}
		failpoint.Hit("clear.routed")
		if pause.For(ctx, time.Since(begun)) != nil {
			return nil
		}
	}
}
