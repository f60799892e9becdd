package cli

import (
	"context"
	"fmt"
	"strings"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// now is what goes on on the routes of the schedd that is meant; nothing where none answers,
// or where it has none.
func (o *routeOptions) now(ctx context.Context, d *Deps) []api.Route {
	if o.config != "" {
		return nil // another configuration than the schedd's, perhaps
	}
	client, err := o.Client(d)
	if err != nil {
		return nil
	}
	out, err := client.Routes(ctx)
	if err != nil {
		return nil
	}
	return out.Routes
}

// steersRoutes is the commands that change how a route goes on.
func steersRoutes() *steering {
	return &steering{
		what: "Route", of: "jobs", shows: "groute list",
		uses: []struct{ use, short, long string }{
			{"pause ROUTE", "Let no more jobs go on a route", "Let no more jobs go on a route. Those that are on it go on."},
			{"resume ROUTE", "Let jobs go on a route that was paused", "Let jobs go on a route that was paused. A cap stays."},
			{"cap ROUTE N|none", "Bound the jobs on a route by a command", "Bound the jobs on a route, beside its MaxJobs; none lifts that. A cap below what is on it\ntakes nothing back."},
		},
		post: func(c *api.Client) func(context.Context, string, string, api.Steer) error { return c.SteerRoute },
	}
}

// printNow is a table of what goes on on routes.
func printNow(d *Deps, routes []api.Route) {
	if len(routes) == 0 {
		return
	}
	names, targets := len("(its own wish)"), len("Leads to")
	for _, r := range routes {
		names, targets = max(names, len([]rune(r.Name))), max(targets, len([]rune(r.Target)))
	}
	fmt.Fprintln(d.Out, "\nOn them now:")
	row := func(name, target string, jobs, idle, running, held any, rest string) {
		fmt.Fprintln(d.Out, d.cut(fmt.Sprintf("%-*s  %-*s  %6v  %6v  %7v  %6v  %s", names, name, targets, target, jobs, idle, running, held, rest)))
	}
	row("Route", "Leads to", "Jobs", "Idle", "Running", "Held", "Throttle")
	for _, r := range routes {
		name, rest := r.Name, r.Throttle
		if name == "" {
			name = "(its own wish)" // of the jobs that ask for the target themselves
		}
		if r.Down != "" {
			rest = "takes nothing now: " + r.Down
		}
		if by := steeredBy(&r.Steered); by != "" {
			rest = steeredTo(&r.Steered) + " (" + by + ")"
		}
		if r.Gone {
			rest = strings.TrimSuffix("not configured any more; "+rest, "; ")
		}
		row(grid.Printable(name), grid.Printable(r.Target), r.Jobs, r.Idle, r.Running, r.Held, grid.Printable(rest))
	}
}
