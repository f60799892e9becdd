package schedd

import (
	"strings"

	"gridburst/internal/grid"
	"gridburst/router/route"
	"gridburst/schedd/ledger"
)

// outcomes are what comes of a configuration in the place of the one in force, as far as its
// text does not say so itself: a sentence each.
func (d *Daemon) outcomes(fresh *Config) []string {
	v := d.ledger.View()
	return append(d.routeOutcomes(v, d.config().Routes, fresh.Routes), d.clockOutcomes(v, d.config(), fresh)...)
}

// routeOutcomes are those of routes that go while something is left of them, and of those
// that come and of which something is left.
func (d *Daemon) routeOutcomes(v *ledger.View, was, now *route.Table) (told []string) {
	has := func(t *route.Table, name string) bool { return t != nil && t.Route(name) != nil }
	there := map[string]int{}
	for _, r := range v.Routings() {
		if r.Route != "" && r.State != grid.RouteSubmitting && r.State != grid.RouteEnded {
			there[r.Route]++
		}
	}
	for _, name := range goneRoutes(v, now) {
		if !has(was, name) {
			continue
		}
		text := "Route " + name + " is gone"
		if n := there[name]; n > 0 {
			text += ": " + jobsText(n) + " that it has sent to " + routeLed(v, name) + " go on there"
		}
		if s := steeredText(v.Steering(ledger.OfRoute(name))); s != "" {
			text += "; that it is " + s + " is kept for a route of that name"
		}
		told = append(told, text+".")
	}
	if now == nil {
		return told
	}
	for _, r := range now.Routes {
		if s := steeredText(v.Steering(ledger.OfRoute(r.Name))); s != "" && !has(was, r.Name) {
			told = append(told, "Route "+r.Name+" is new, and one of that name is "+s+": that holds for it (groute list).")
		}
	}
	return told
}

// steeredText is how something is steered; empty: in no way.
func steeredText(s ledger.Steering) string {
	var parts []string
	if s.Mode != ledger.Steered {
		parts = append(parts, s.Mode.String())
	}
	if s.Capped {
		parts = append(parts, "capped")
	}
	return strings.Join(parts, " and ")
}
