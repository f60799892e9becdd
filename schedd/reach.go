package schedd

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

// TargetWay is what a configuration says of the way to a target. Jobs that are there must
// be found there by whatever takes its place.
type TargetWay struct {
	Resource string // the target, as a grid_resource names it
	Leads    string // what says which system it is, to be compared: it stays while that has jobs of ours
	Means    string // the rest, to be compared: where its commands lie
}

// way is what is said of a target.
func (c *Config) way(key string) TargetWay {
	for _, w := range c.Targets {
		if siteKey(w.Resource) == key {
			w.Resource = key
			return w
		}
	}
	return TargetWay{Resource: key}
}

// reach gives access to a target, by one spelling of what a grid_resource says.
func (c *Config) reach(key string, run target.Commands) (target.Target, error) {
	if c.Target == nil {
		return nil, grid.Errorf(grid.Invalid, "this schedd knows no targets outside of its pool")
	}
	return c.Target(key, run)
}

// reachable refuses a configuration by which jobs would be out of sight that are at a target:
// these may run there, and would be run again. A target that cannot be reached as it is does
// not count: with it nothing can get worse.
func (d *Daemon) reachable(fresh *Config) error {
	jobs := map[string]int{}
	for _, r := range d.ledger.View().Routings() {
		jobs[r.Target]++
	}
	old, run := d.config(), desk.Commands{Desks: d.desks}
	for _, key := range slices.Sorted(maps.Keys(jobs)) {
		if _, err := old.reach(key, run); err != nil {
			continue
		}
		has := jobsText(jobs[key])
		if _, err := fresh.reach(key, run); err != nil {
			return grid.Errorf(grid.Refused, "target %s cannot be taken away, for it has %s of ours: pause what leads there (groute pause), wait until they are over or remove them, and try again", key, has)
		}
		if old.way(key).Leads != fresh.way(key).Leads {
			return grid.Errorf(grid.Refused, "target %s has %s of ours, and would be another system, or reached with other files, so that nobody finds them: only its bin may change until they are over; give another system another name", key, has)
		}
	}
	return nil
}

// reached is a target in whose place another may come between two requests.
type reached struct{ now atomic.Pointer[target.Target] }

func reaches(t target.Target) *reached {
	r := new(reached)
	r.now.Store(&t)
	return r
}

// is the target that is asked now.
func (r *reached) is() target.Target { return *r.now.Load() }

func (r *reached) Submit(ctx context.Context, j target.Job) (string, error) {
	return r.is().Submit(ctx, j)
}

func (r *reached) List(ctx context.Context, prefix string, owners []target.Owner) ([]target.Seen, error) {
	return r.is().List(ctx, prefix, owners)
}

func (r *reached) Look(ctx context.Context, j target.Ref) (target.Seen, error) {
	return r.is().Look(ctx, j)
}
func (r *reached) Hold(ctx context.Context, j target.Ref) error    { return r.is().Hold(ctx, j) }
func (r *reached) Release(ctx context.Context, j target.Ref) error { return r.is().Release(ctx, j) }
func (r *reached) Remove(ctx context.Context, j target.Ref) error  { return r.is().Remove(ctx, j) }
func (r *reached) Forget(ctx context.Context, j target.Ref) error  { return r.is().Forget(ctx, j) }

// renew has the targets asked as another configuration says. Those that it does not know any
// more are left alone: they have no jobs of ours.
func (s *sites) renew(c *Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, t := range s.by {
		fresh, err := c.reach(key, desk.Commands{Desks: s.d.desks})
		switch way := c.way(key); {
		case err != nil:
			t.leave()
			delete(s.by, key)
		case way != t.way:
			t.renew(way, fresh)
		}
	}
}

// renew has the target asked another way. What was seen of another system says nothing of
// this one.
func (s *site) renew(way TargetWay, fresh target.Target) {
	s.mu.Lock()
	s.now.Store(&fresh)
	if way.Leads != s.way.Leads {
		s.era++
		s.last, s.err, s.failed, s.quiet, s.past, s.named = siteListing{}, nil, 0, 0, nil, ""
		s.absent, s.strays, s.forgotten = map[string]time.Time{}, map[string]time.Time{}, map[string]bool{}
	}
	s.way, s.asked, s.last.ended = way, time.Time{}, s.last.began // it need not rest for what the one before did
	s.mu.Unlock()
	s.wake()
}
