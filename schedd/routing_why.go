package schedd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gridburst/internal/grid"
	"gridburst/router/route"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// whyRouting is where a job is that a target has.
func (d *Daemon) whyRouting(v *ledger.View, id grid.JobID) string {
	r, ok := v.Routing(id)
	if !ok {
		return ""
	}
	by := ""
	if r.Route != "" {
		by = " by route " + r.Route
	}
	name := ledger.RoutingName(v.Deployment, id, r.Epoch)
	out := ""
	switch {
	case r.State == grid.RouteSubmitting:
		out = fmt.Sprintf("It is about to be handed%s to %s, as %s.\n", by, r.Target, name)
	case r.State == grid.RouteUnknown:
		out = fmt.Sprintf("It was handed%s to %s, as %s, and whether that has it is not known: %s.\n", by, r.Target, name, r.Reason)
	case r.State == grid.RouteEnded:
		out = fmt.Sprintf("It is over at %s, as %s (%s): what it left is taken over.\n", r.Target, r.Remote, name)
	default:
		out = fmt.Sprintf("It went%s to %s, which has it as %s (%s): %s there.\n", by, r.Target, r.Remote, name, r.State)
	}
	if waits := d.routings.waits(id); waits != "" {
		out += "There " + waits + ".\n"
	}
	return out
}

// Routes implements [serve.Backend]: what goes on on the routes, and at targets that jobs
// ask for themselves.
func (d *Daemon) Routes(context.Context, serve.Identity) (out api.Routes, err error) {
	v := d.ledger.View()
	tallies := v.RouteTallies()
	out.Routes = []api.Route{}
	use := func(n ledger.RouteTally) api.RouteUse {
		return api.RouteUse{Jobs: n.Jobs, Idle: n.Idle, Running: n.Running, Held: n.Held, Unknown: n.Unknown}
	}
	t := d.config().Routes
	if t != nil {
		load := d.chooser.load(t, v)
		for _, r := range t.Routes {
			u := load.Routes[r.Name]
			out.Routes = append(out.Routes, api.Route{
				Name: r.Name, Target: siteKey(r.GridResource), MaxJobs: r.MaxJobs, MaxIdle: max(r.MaxIdleJobs, 0), Throttle: u.Throttle.String(), Down: u.Down,
				RouteUse: use(tallies[ledger.RouteKey{Route: r.Name}]), Steered: d.steered(v, v.Steering(ledger.OfRoute(r.Name))),
			})
		}
	}
	for _, name := range goneRoutes(v, t) {
		out.Routes = append(out.Routes, api.Route{
			Name: name, Target: routeLed(v, name), Gone: true, RouteUse: use(tallies[ledger.RouteKey{Route: name}]), Steered: d.steered(v, v.Steering(ledger.OfRoute(name))),
		})
	}
	for _, s := range d.sites.known() {
		if n, ok := tallies[ledger.RouteKey{Target: s.grid}]; ok {
			r := api.Route{Target: s.grid, MaxJobs: maxDirect, RouteUse: use(n), Steered: d.steered(v, ledger.Steering{})}
			if s.down() {
				r.Down = "it does not answer"
			}
			out.Routes = append(out.Routes, r)
		}
	}
	return out, nil
}

// goneRoutes are routes that a table has not and of which something is left: jobs, or how
// somebody has steered them.
func goneRoutes(v *ledger.View, t *route.Table) []string {
	names := map[string]bool{}
	for _, r := range v.Routings() {
		if r.Route != "" {
			names[r.Route] = true
		}
	}
	for pool := range v.Steered() {
		if name, is := ledger.RouteOf(pool); is {
			names[name] = true
		}
	}
	maps.DeleteFunc(names, func(name string, _ bool) bool { return t != nil && t.Route(name) != nil })
	return slices.Sorted(maps.Keys(names))
}

// routeLed is where a route has led that is gone; empty: it has no jobs.
func routeLed(v *ledger.View, name string) string {
	for _, r := range v.Routings() {
		if r.Route == name {
			return r.Target
		}
	}
	return ""
}

// routes adds what the routes say to a job that no slot takes now. One that would take it,
// and has no room, is what is the matter.
func (w *verdict) routes(c *route.Choice) {
	if c.Bar.Answer != "" {
		w.also = append(w.also, "No route: "+c.Bar.String()+".")
		return
	}
	for _, v := range c.Verdicts {
		text := "Route " + v.Route + " " + v.String() + "."
		reason, help := "", ""
		switch v.Answer {
		case route.Full:
			reason, help = "route_full", "It helps to wait until a job of that route is over, or to raise its MaxJobs, or its cap (groute cap)."
		case route.IdleFull:
			reason, help = "route_full", "It helps to wait until a job there has started, or to raise its MaxIdleJobs."
		case route.Throttled:
			reason, help = "route_throttled", "It helps to look why jobs failed there (groute list); the route opens again by itself."
		case route.Paused:
			reason, help = "route_paused", "It helps to let the route go on: groute resume "+v.Route+"."
		}
		if reason == "" || w.reason == "next" || strings.HasPrefix(w.reason, "route_") {
			w.also = append(w.also, text)
			continue
		}
		if w.matter != "" {
			w.also = append(w.also, w.matter)
		}
		w.reason, w.matter, w.help = reason, text, help
	}
}
