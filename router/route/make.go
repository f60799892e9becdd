package route

import (
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Make is what the route of that name makes of a job that it has taken, whatever it would
// say to the job now.
func (t *Table) Make(job *ad.Ad, name string, now time.Time) (*ad.Ad, error) {
	r := t.Route(name)
	if r == nil {
		return nil, grid.Errorf(grid.NotFound, "there is no route %s", name)
	}
	var c Choice
	var v Verdict
	if c.take(t, r, job, now, &v); c.Ad == nil {
		return nil, grid.Errorf(grid.Invalid, "route %s %s", name, v)
	}
	return c.Ad, nil
}
