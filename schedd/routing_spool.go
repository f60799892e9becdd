package schedd

import (
	"context"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/target"
)

// What is different of a job whose files travel (see [target.Spool]): what it leaves is fetched
// when it has ended, before anything is concluded from that; and while it is not here whole,
// the target keeps it, whatever happens here.

// spools reports whether the files of the target's jobs travel.
func (s *site) spools() bool {
	_, ok := s.is().(target.Spool)
	return ok
}

// moveLimit is how long the files of a job may travel.
const moveLimit = time.Hour

// submits waits for leave to hand a job in; with it its files may go.
func (s *site) submits(ctx context.Context) (limited context.Context, end func(), err error) {
	if s.spools() {
		return s.moves(ctx)
	}
	return s.turn(ctx)
}

// moves waits for leave to have files travel, which limited bounds. end gives it back.
func (s *site) moves(ctx context.Context) (limited context.Context, end func(), err error) {
	leave, err := slot(ctx, s.moving)
	if err != nil {
		return nil, nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, moveLimit, errSlow)
	return limited, func() {
		cancel()
		leave()
	}, nil
}

// collect concludes a job that has ended at its target, and fetches first what it left, where
// that travels and has not come.
func (s *routeStep) collect(ctx context.Context, seen *target.Seen) (c concluded, err error) {
	c, err = s.conclude(ctx)
	spool, ok := s.site.is().(target.Spool)
	if !ok || seen.End != target.ByItself || grid.CodeOf(err) != grid.NotFound && grid.CodeOf(err) != grid.Unavailable {
		return c, err
	}
	limited, end, err := s.site.moves(ctx)
	if err != nil {
		return c, err
	}
	defer end()
	failpoint.Hit("route.fetch.before")
	err = spool.Fetch(limited, s.at(seen), s.dir)
	failpoint.Hit("route.fetch.after")
	if err != nil {
		return c, err
	}
	c, err = s.conclude(ctx)
	if grid.CodeOf(err) == grid.Unavailable {
		s.did.cut++
	}
	return c, err
}

// tooOften is how often in a row what a job left may not come whole, or be refused.
const tooOften = 5

// stays decides on what a job left that has not come, and is at its target still: it is
// fetched again; when there is no room for it here, or it never comes whole, the job is held
// until somebody releases it, and its target keeps what it left.
func (s *routeStep) stays(ctx context.Context, err error) (time.Duration, error) {
	if !fleeting(err) {
		s.did.cut++
	}
	if s.did.cut < tooOften && grid.CodeOf(err) != grid.NoSpace {
		return 0, err
	}
	why := "what it left is at " + s.rec.Target + ", and does not come: " + grid.MessageOf(err) + "; it is fetched again when the job is released"
	return 0, s.propose(ctx, ledger.Carried{Verb: grid.RouteHold, Code: grid.HoldOutput, Reason: why})
}

// keeps reports whether a job is held because what it left does not come: it is not given up.
func (s *routeStep) keeps(seen *target.Seen) bool {
	return s.site.spools() && s.here && s.job.Status == grid.Held && s.rec.Copied && seen.End == target.ByItself
}

// kept is what becomes of such a job: it waits for its release. If the hold was the target's
// own, which has ended with the job, it is over.
func (s *routeStep) kept(ctx context.Context) (time.Duration, error) {
	if s.job.HoldCode != grid.HoldOutput {
		return 0, s.carry(ctx, grid.RouteRelease, s.rec.Target+" has released it")
	}
	s.waits = "what it left is at " + s.rec.Target + " until it is released here"
	return 0, nil
}

// stranger decides where the job that is shown under the name is not the one that was
// accepted, which is not shown: nothing but its Begin keeps it from running too. It goes, and
// the other is asked for alone.
func (s *routeStep) stranger(ctx context.Context, seen *target.Seen) (time.Duration, error) {
	if seen.State == target.Ended {
		return s.missing(ctx)
	}
	return s.tell(ctx, seen, "remove", s.site.Remove)
}

// unsent ends a routing whose target has the job and would not take its files, and holds the
// job. What is there has not begun, and never will.
func (s *routeStep) unsent(ctx context.Context, seen *target.Seen) error {
	limited, end, err := s.site.turn(ctx)
	if err != nil {
		return err
	}
	defer end()
	if err := s.site.Remove(limited, s.at(seen)); err != nil && grid.CodeOf(err) != grid.NotFound {
		return err
	}
	s.site.stirs()
	return s.refuse(ctx, grid.HoldInput, s.rec.Target+" has not taken its files: "+s.did.refused)
}

// halfway decides on a job whose files have not come to its target: whoever sent them is gone
// when that stays so, and it is handed in again.
func (s *routeStep) halfway(ctx context.Context, seen *target.Seen) (time.Duration, error) {
	if left := sends - time.Since(time.UnixMilli(s.rec.Entered)); left > 0 {
		s.waits, s.looks = "its files are on their way to "+s.rec.Target, true
		return left, nil
	}
	return s.tell(ctx, seen, "remove", s.site.Remove)
}

// stranded decides on a job that its target has taken from its machine: it is not begun there
// again. A target that was away may take it for that until it has found the machine: only when
// it stays so is the job removed there.
func (s *routeStep) stranded(ctx context.Context, seen *target.Seen) (time.Duration, error) {
	if s.did.stranded.IsZero() {
		s.did.stranded = time.Now()
	}
	if left := forgets - time.Since(s.did.stranded); left > 0 {
		s.waits, s.looks = "it was taken from its machine at "+s.rec.Target, true
		return left, nil
	}
	return s.tell(ctx, seen, "remove", s.site.Remove)
}

// sends is how long a target may take to notice that it has all of a job's files.
const sends = 10 * time.Second
