package schedd

import (
	"context"
	"fmt"
	"strconv"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// SteerBurst implements [serve.Backend].
func (d *Daemon) SteerBurst(ctx context.Context, who serve.Identity, name, verb string, q api.Steer) error {
	s := d.ledger.View().Steering(name)
	if r := d.resource(name); (r == nil || r.Burst == nil) && s == (ledger.Steering{}) {
		var names []string
		for i := range d.config().Resources {
			if r := &d.config().Resources[i]; r.Burst != nil {
				names = append(names, r.Name)
			}
		}
		return grid.Errorf(grid.NotFound, "no pool is named %s: resources with burst { } are pools%s", name, thereIs(names))
	}
	return d.steer(ctx, who, name, "pool "+name, verb, q)
}

// SteerRoute implements [serve.Backend]. Jobs that are on a route stay on it.
func (d *Daemon) SteerRoute(ctx context.Context, who serve.Identity, name, verb string, q api.Steer) error {
	pool := ledger.OfRoute(name)
	t := d.config().Routes
	if (t == nil || t.Route(name) == nil) && d.ledger.View().Steering(pool) == (ledger.Steering{}) {
		var names []string
		if t != nil {
			for _, r := range t.Routes {
				names = append(names, r.Name)
			}
		}
		return grid.Errorf(grid.NotFound, "no route is named %s%s", name, thereIs(names))
	}
	if verb == "drain" {
		return grid.Errorf(grid.Invalid, "a route is not drained: pause it, and jobs that are on it go on")
	}
	return d.steer(ctx, who, pool, "route "+name, verb, q)
}

// steer changes how a pool or a route goes on, which the ledger calls key.
func (d *Daemon) steer(ctx context.Context, who serve.Identity, key, what, verb string, q api.Steer) error {
	s := d.ledger.View().Steering(key)
	c := &ledger.Steer{Pool: key, Mode: s.Mode, Capped: s.Capped, Cap: s.Cap, Reason: q.Reason}
	done := ""
	switch verb {
	case "pause":
		c.Mode, done = ledger.Paused, "paused "+what
	case "drain":
		c.Mode, done = ledger.Draining, "drained "+what
	case "resume":
		c.Mode, done = ledger.Steered, "let "+what+" go on"
	case "cap":
		if q.Cap != nil && (*q.Cap < 0 || *q.Cap > 1<<30) {
			return grid.Errorf(grid.Invalid, "a cap of %d: it is a number from 0 on, or none", *q.Cap)
		}
		if c.Capped = q.Cap != nil; c.Capped {
			c.Cap, done = uint32(*q.Cap), "capped "+what+" at "+strconv.Itoa(*q.Cap)
		} else {
			c.Cap, done = 0, "lifted the cap of "+what
		}
	default:
		return grid.Errorf(grid.Invalid, "%q is not something to do to a %s: pause, resume, drain or cap", verb, what)
	}
	c.Text = fmt.Sprintf("%s has %s%s.", who.Name, done, because(q.Reason))
	_, err := d.ledger.Propose(ctx, ledger.Command{By: byUser(who.UID), At: d.now(), Body: c})
	return err
}

// steered is how a pool or a route is steered, for those who ask.
func (d *Daemon) steered(v *ledger.View, s ledger.Steering) api.Steered {
	out := api.Steered{Mode: s.Mode.String(), Why: s.Why}
	if s.At > 0 {
		out.By, out.Since = d.asker(v, s.By), s.At/1000
	}
	if s.Capped {
		n := int(s.Cap)
		out.Cap = &n
	}
	return out
}

// thereIs tells of the names that there are, behind a name that there is not.
func thereIs(names []string) (text string) {
	for _, n := range names {
		text += ", " + n
	}
	if text == "" {
		return ", and there is none"
	}
	return "; there is " + text[2:]
}
