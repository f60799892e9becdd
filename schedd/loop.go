package schedd

import (
	"context"
	"iter"

	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// follow gives take what has happened after index seen, which it moves on, until there is
// no more. Where the log does not reach back as far, rebuild looks at everything and sets
// seen itself.
func (d *Daemon) follow(ctx context.Context, seen *uint64, rebuild func() error, take func(*ledger.View, []ledger.Event) error) error {
	for d.ledger.View().Index != *seen {
		events, next, err := d.ledger.Events(ctx, *seen, 4096)
		if grid.CodeOf(err) == grid.Gone {
			if err := rebuild(); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := take(d.ledger.View(), events); err != nil {
			return err
		}
		*seen = next
	}
	return nil
}

// asks is how others have something done on the goroutine of a loop: it receives, and
// calls what it receives.
type asks chan func()

// do has f called and waits for that.
func (a asks) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case a <- func() { defer close(done); f() }:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	<-done
	return nil
}

// ignoreEnd: a proposal that fails because everything ends is no failure.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// jobsOf are the jobs that events are about.
func jobsOf(events []ledger.Event) iter.Seq[grid.Run] {
	return func(yield func(grid.Run) bool) {
		for i := range events {
			if r := events[i].Jobs; r.Cluster != 0 && !yield(r) {
				return
			}
		}
	}
}
