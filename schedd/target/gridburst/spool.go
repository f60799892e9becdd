package gridburst

import (
	"context"

	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

// Spool is a Gridburst whose machines share no directory with us. Its schedd is on this host:
// that one's desk of the owner sends the files of a job to its machine, and puts what comes back
// into place, whole, before the job is complete there. So there is nothing to fetch, and since
// a name is one job there, nothing to begin.
type Spool struct{ *Gridburst }

// NewSpool is such a schedd whose commands run runs.
func NewSpool(run target.Commands, o Options) Spool { return Spool{New(run, o)} }

var _ target.Spool = Spool{}

// Submit implements [target.Target].
func (s Spool) Submit(ctx context.Context, j target.Job) (string, error) {
	// The last word on the requirements is ours, over those of --append.
	return s.submit(ctx, j, "--append", "requirements = ($(requirements:true)) && "+target.Once)
}

// Begin implements [target.Spool].
func (Spool) Begin(context.Context, target.Ref) error { return nil }

// Fetch implements [target.Spool].
func (s Spool) Fetch(ctx context.Context, r target.Ref, _ string) error {
	seen, err := s.Look(ctx, r)
	if err == nil && seen.State != target.Ended {
		err = grid.Errorf(grid.Unavailable, "job %s has not ended there", r.ID)
	}
	return err
}
