package cli

import (
	"context"
	"fmt"

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
		row(grid.Printable(name), grid.Printable(r.Target), r.Jobs, r.Idle, r.Running, r.Held, grid.Printable(rest))
	}
}
