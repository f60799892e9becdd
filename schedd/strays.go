package schedd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/whole"
	"gridburst/schedd/api"
	"gridburst/schedd/serve"
)

// strays are machines of ours that no open claim stands for, as the last complete listing
// of each resource shows them.
type strays struct {
	mu sync.Mutex
	by map[string][]api.Stray
}

func (s *strays) put(resource string, list []api.Stray) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string][]api.Stray{}
	}
	s.by[resource] = list
}

func (s *strays) all() []api.Stray {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []api.Stray{}
	for _, list := range s.by {
		out = append(out, list...)
	}
	slices.SortFunc(out, func(a, b api.Stray) int { return int(a.Claim) - int(b.Claim) })
	return out
}

// Files in the spool directory. One is as old as the last restore from a backup: for an
// hour, machines of claims that the backup does not know are only told of, for it is too
// old to say that nobody wants them. The other is there while an administrator wants that
// for longer.
const (
	restoredLately = "restored.lately"
	straysKept     = "strays.kept"
	reportOnly     = time.Hour
)

// keptUntil is how long machines of claims that the queue does not know are left alone;
// zero: they are not, or for good.
func (d *Daemon) keptUntil() (until time.Time, forGood bool) {
	if _, err := os.Stat(filepath.Join(d.spool(), straysKept)); err == nil {
		return time.Time{}, true
	}
	info, err := os.Stat(filepath.Join(d.spool(), restoredLately))
	if err != nil || time.Since(info.ModTime()) > reportOnly {
		return time.Time{}, false
	}
	return info.ModTime().Add(reportOnly), false
}

// claimsKnown tells the claims that the queue can speak for from those that it may have
// forgotten.
func (d *Daemon) claimsKnown() func(claim uint32) bool {
	if until, forGood := d.keptUntil(); until.IsZero() && !forGood {
		return func(uint32) bool { return true }
	}
	v := d.ledger.View()
	return func(claim uint32) bool {
		_, ok := d.claimOf(v, claim)
		return ok
	}
}

// Strays implements [serve.Backend].
func (d *Daemon) Strays(context.Context, serve.Identity) (api.Strays, error) {
	out := api.Strays{Strays: d.strays.all()}
	until, forGood := d.keptUntil()
	out.Kept = forGood
	if !until.IsZero() {
		out.KeptUntil = until.Unix()
	}
	return out, nil
}

// ActOnStrays implements [serve.Backend]: an administrator says what becomes of machines
// whose claims the queue does not know. Each can be said again, and the last counts.
func (d *Daemon) ActOnStrays(_ context.Context, who serve.Identity, verb string) error {
	keep, lately := filepath.Join(d.spool(), straysKept), filepath.Join(d.spool(), restoredLately)
	var err error
	switch verb {
	case "keep":
		err = whole.Write(keep, nil, 0o600)
	case "remove":
		// If we die between, they are left alone for the rest of the hour.
		for _, f := range []string{keep, lately} {
			if e := os.Remove(f); !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
	default:
		return grid.Errorf(grid.Invalid, "%q is not something to do to machines without a claim: keep or remove", verb)
	}
	if err != nil {
		return grid.Errorf(grid.Internal, "note that machines without a claim are to %s: %w", verb, err)
	}
	d.log.WithField("by", who.Name).Warn("machines of claims that the queue does not know: " + verb)
	return nil
}
