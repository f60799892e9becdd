package schedd

import (
	"context"
	"time"

	"gridburst/schedd/ledger"
)

// keep forgets what is past its keeping, and makes a checkpoint when the log has
// become long.
func (d *Daemon) keep(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := d.forgetOld(ctx); err != nil {
			return ignoreEnd(ctx, err)
		}
		if err := d.checkpoint(ctx); err != nil && ctx.Err() == nil {
			d.log.WithError(err).Warn("no checkpoint could be made")
		}
	}
}

// keepStages is how long item data waits for the submit that it is for.
const keepStages = time.Hour

func (d *Daemon) forgetOld(ctx context.Context) error {
	const step = 5000
	for {
		now := d.now()
		r, err := d.propose(ctx, &ledger.Forget{Keys: now - d.config().KeepKeys.Milliseconds(), Stages: now - keepStages.Milliseconds(), Max: step})
		if err != nil {
			return err
		}
		if r.Value.(int) < step {
			break
		}
	}
	for d.config().KeepHistory > 0 {
		const step = 500
		r, err := d.propose(ctx, &ledger.Expire{Before: d.now() - d.config().KeepHistory.Milliseconds(), Max: step})
		if err != nil {
			return err
		}
		if r.Value.(int) < step {
			break
		}
	}
	return nil
}

// The log is trimmed when it has more than longLog entries; the newest keepLog stay,
// so that streams can resume.
const (
	longLog = 2_000_000
	keepLog = 200_000
)

func (d *Daemon) checkpoint(ctx context.Context) error {
	v := d.ledger.View()
	if v.Index-v.LogFirst < longLog {
		return nil
	}
	// What has not been written to event logs yet must stay.
	keep := max(keepLog, v.Index-v.Marked)
	b, err := d.ledger.Checkpoint(ctx, keep, d.now())
	if err == nil {
		d.log.WithField("index", b.Index).Info("checkpoint was made")
	}
	return err
}
