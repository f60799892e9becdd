package target

import (
	"context"

	"gridburst/internal/grid"
)

// Ads are the jobs of a schedd of HTCondor's kind, all of a [Target] but how one is handed in.
// What its functions answer is sorted: of those that only read nothing is [grid.Unknown], and
// an order is [grid.NotFound] when no job is as the constraint says.
type Ads struct {
	Who   string // of error texts: who does not know a job
	Query func(ctx context.Context, constraint string) ([]Ad, error)
	Left  func(ctx context.Context, id string) ([]Ad, error) // of a job that has left the queue
	Order func(ctx context.Context, o Owner, verb grid.Verb, constraint string) error

	Begins bool // jobs wait for [Spool.Begin]
}

// seen is a job in our words, and what it wants of us.
func (a *Ads) seen(ad *Ad, left bool) Seen {
	s := ad.Seen(left)
	if a.Begins && !bool(ad.GridburstGo) && s.Wants == WantsNothing && (s.State == Waiting || s.State == Held) {
		s.Wants = WantsBegin
	}
	return s
}

// List implements [Target]: all of the prefix, whoever the schedd takes their owners for.
func (a *Ads) List(ctx context.Context, prefix string, owners []Owner) (all []Seen, err error) {
	if len(owners) == 0 {
		return nil, nil
	}
	ads, err := a.Query(ctx, Marked(prefix))
	for i := range ads {
		all = append(all, a.seen(&ads[i], false))
	}
	return all, err
}

// Look implements [Target]: the queue first, then the history.
func (a *Ads) Look(ctx context.Context, r Ref) (Seen, error) {
	id, err := AdID(r.ID)
	if err != nil {
		return Seen{}, err
	}
	all, err := a.Query(ctx, Matching(id, r.Name))
	left := err == nil && len(all) == 0
	if left {
		all, err = a.Left(ctx, r.ID)
	}
	if err != nil {
		return Seen{}, err
	}
	for i := range all {
		if s := a.seen(&all[i], left); s.Name == r.Name {
			return s, nil
		}
	}
	return Seen{}, grid.Errorf(grid.NotFound, "%s does not know job %s (%s) any more", a.Who, r.ID, r.Name)
}

// Hold implements [Target]. One that runs would be ended: that is refused.
func (a *Ads) Hold(ctx context.Context, r Ref) error {
	seen, err := a.order(ctx, r, grid.Hold, "JobStatus == 1")
	if seen == nil || seen.State == Held {
		return err
	}
	return grid.Errorf(grid.Refused, "job %s is %s: only one that waits is held there", r.ID, seen.Word)
}

// Release implements [Target].
func (a *Ads) Release(ctx context.Context, r Ref) error {
	_, err := a.order(ctx, r, grid.Release, "JobStatus == 5")
	return err
}

// Remove implements [Target].
func (a *Ads) Remove(ctx context.Context, r Ref) error {
	_, err := a.order(ctx, r, grid.Remove, "JobStatus != 3 && JobStatus != 4")
	return err
}

// Forget implements [Target]: the job leaves the queue for the history.
func (a *Ads) Forget(ctx context.Context, r Ref) error {
	err := a.tell(ctx, r, grid.Remove, "JobStatus != 3")
	if grid.CodeOf(err) == grid.NotFound {
		return nil
	}
	return err
}

// tell gives an order about a job if that is in one of some states; [grid.NotFound] when it
// is not, or is not there.
func (a *Ads) tell(ctx context.Context, r Ref, verb grid.Verb, state string) error {
	id, err := AdID(r.ID)
	if err != nil {
		return err
	}
	return a.Order(ctx, r.Owner, verb, Matching(id, r.Name)+" && "+state)
}

// order is tell, and how the job stands where that found none to carry the order out on.
func (a *Ads) order(ctx context.Context, r Ref, verb grid.Verb, state string) (*Seen, error) {
	err := a.tell(ctx, r, verb, state)
	if grid.CodeOf(err) != grid.NotFound {
		return nil, err
	}
	s, err := a.Look(ctx, r)
	if err != nil {
		return nil, err
	}
	return &s, nil
}
