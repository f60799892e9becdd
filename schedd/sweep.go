package schedd

import (
	"context"
	"strconv"
	"strings"
	"time"

	"gridburst/gahp"
	"gridburst/internal/failpoint"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// sweep takes away machines of ours that no open claim stands for: what a lost answer,
// a restored backup or a bug may leave. One is only touched when two complete listings,
// apart in time, show it with our mark and without a claim. Missing or partial answers
// count for nothing.
func (d *Daemon) sweep(ctx context.Context) error {
	suspects := map[string]map[string]bool{} // by resource: engine ids seen without a claim by the last listing
	// The pause is between the end of one round and the next: however long an engine took to
	// answer, its listings are as far apart.
	for d.rest(ctx, func(c *Config) time.Duration { return c.Sweep }) == nil {
		c := d.config()
		for i := range c.Resources {
			r := &c.Resources[i]
			if r.Username == "" {
				continue // the daemon has no credential of its own there
			}
			seen, err := d.sweepResource(ctx, r, suspects[r.Name])
			if err != nil {
				if ctx.Err() == nil {
					d.log.WithError(err).WithField("resource", r.Name).Debug("no complete listing")
				}
				continue
			}
			suspects[r.Name] = seen
		}
	}
	return nil
}

func (d *Daemon) sweepResource(ctx context.Context, r *Resource, before map[string]bool) (map[string]bool, error) {
	engine, err := d.engines.own(r)
	if err != nil {
		return nil, err
	}
	vms, err := engine.After(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	v := d.ledger.View() // later than the listing: a claim that was made meanwhile counts
	seen := map[string]bool{}
	known := d.claimsKnown()
	strays := []api.Stray{}
	defer func() { d.strays.put(r.Name, strays) }()
	for i := range vms {
		vm := &vms[i]
		id, ours := claimOfMark(v.Deployment, vm.Mark)
		if failpoint.PrefixOwns {
			id, ours = claimOfName(v.Deployment, vm.Name)
		}
		if !ours {
			continue
		}
		if _, open := v.Claim(id); open || vm.Name != ledger.ClaimName(v.Deployment, id) {
			continue
		}
		seen[vm.ID] = true
		strays = append(strays, api.Stray{Resource: r.Name, Name: vm.Name, VM: vm.ID, State: string(vm.State), Claim: id, Unknown: !known(id)})
		if !known(id) {
			if !before[vm.ID] {
				d.log.WithFields(map[string]any{"vm": vm.Name, "resource": r.Name, "claim": id}).
					Warn("a machine of ours is of a claim that the restored queue does not know: it is left alone for now; see gvm strays")
			}
			continue
		}
		if !before[vm.ID] && !failpoint.HastySweep {
			continue
		}
		d.log.WithFields(map[string]any{"vm": vm.Name, "resource": r.Name, "claim": id}).Warn("a machine of ours without a claim is taken away")
		failpoint.Hit("sweep.remove.before")
		if err := d.takeAway(ctx, engine, gahp.Order{Term: v.Term}, vm); err != nil {
			d.log.WithError(err).WithField("vm", vm.Name).Warn("it could not be taken away now")
		}
	}
	return seen, nil
}

// takeAway does the next thing towards a machine's end; the next sweep goes on.
func (d *Daemon) takeAway(ctx context.Context, engine gahp.Provider, o gahp.Order, vm *gahp.VM) error {
	limited, cancel := engineContext(ctx)
	defer cancel()
	switch vm.State {
	case gahp.Down:
		return engine.Remove(limited, o, vm.ID)
	case gahp.ImageLocked:
		return nil
	}
	return engine.Stop(limited, o, vm.ID)
}

// claimOfMark is the claim that a mark names, if the mark is of this deployment.
func claimOfMark(deployment, mark string) (uint32, bool) {
	rest, ok := strings.CutPrefix(mark, markOf(deployment, 0)[:len(markOf(deployment, 0))-1])
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(rest, 10, 32)
	return uint32(n), err == nil && markOf(deployment, uint32(n)) == mark
}
