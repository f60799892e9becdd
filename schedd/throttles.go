package schedd

import (
	"context"
	"maps"
	"slices"
	"time"

	"gridburst/router/route"
	"gridburst/schedd/ledger"
)

// Throttles of routes are counted in memory, for that costs nothing, and kept in the ledger so
// that a route that was closed is not wide open after a start: at once when one closes, opens or
// lets more or fewer through, which is every ten minutes at most, and otherwise once a minute as
// long as there is anything to keep. A route on which nothing fails is never written. Who dies
// loses a minute's counts; what a closed route was fed since, its jobs that are still there tell.

// throttleKept is how often what has changed of throttles is kept.
const throttleKept = time.Minute

// recall takes up the throttles that are kept.
func (c *chooser) recall() {
	v := c.d.ledger.View()
	for name, k := range v.Throttles() {
		c.kept[name] = k
		t := route.Throttle{Since: time.UnixMilli(k.Since), Routed: int(k.Routed), Succeeded: int(k.Succeeded), Failed: int(k.Failed), Allowed: k.Allowed}
		fed := 0
		for _, r := range v.Routings() {
			if r.Route == name && r.Wanted >= k.Since {
				fed++
			}
		}
		t.Routed = max(t.Routed, fed)
		c.by[name] = t
	}
}

// throttled is a route's throttle as of now. The caller holds mu.
func (c *chooser) throttled(name string, rate float64, jobs int) route.Throttle {
	was := c.by[name]
	is := was.At(c.d.c.Now(), rate, jobs)
	c.by[name] = is
	if is.Allowed != was.Allowed {
		select {
		case c.stirred <- struct{}{}:
		default:
		}
	}
	return is
}

// keep keeps what there is to keep until ctx ends, and then once more.
func (c *chooser) keep(ctx context.Context) error {
	tick := time.NewTicker(throttleKept)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			if err := c.store(last); err != nil {
				c.d.log.WithError(err).Warn("throttles of routes are not kept as they are")
			}
			return nil
		case <-tick.C:
		case <-c.stirred:
		}
		if err := c.store(ctx); err != nil {
			return ignoreEnd(ctx, err)
		}
	}
}

// store keeps the throttles that are others than those that are kept.
func (c *chooser) store(ctx context.Context) error {
	c.storing.Lock()
	defer c.storing.Unlock()
	cmd := &ledger.KeepThrottles{List: c.unkept()}
	if len(cmd.List) == 0 {
		return nil
	}
	if _, err := c.d.propose(ctx, cmd); err != nil {
		return err
	}
	for _, k := range cmd.List {
		c.kept[k.Route] = k.Throttle
		if !k.Tells() {
			delete(c.kept, k.Route)
		}
	}
	return nil
}

// unkept are throttles that are others than those that are kept, or that come to tell something.
// One of a route that is gone heals as that of any other, and is forgotten then. The caller holds
// storing.
func (c *chooser) unkept() (list []ledger.RouteThrottle) {
	t, tallies := c.d.config().Routes, c.d.ledger.View().RouteTallies()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(c.by)) {
		rate, has := route.DefaultFailureRate, false
		if t != nil && t.Route(name) != nil {
			rate, has = t.Route(name).FailureRate, true
		}
		is := c.throttled(name, rate, tallies[ledger.RouteKey{Route: name}].Jobs)
		k := ledger.Throttle{Since: is.Since.UnixMilli(), Routed: uint32(is.Routed), Succeeded: uint32(is.Succeeded), Failed: uint32(is.Failed), Allowed: is.Allowed}
		if !has && !k.Tells() {
			delete(c.by, name)
		}
		if was, kept := c.kept[name]; k.Tells() && k != was || kept && !k.Tells() {
			list = append(list, ledger.RouteThrottle{Route: name, Throttle: k})
		}
	}
	return list
}
