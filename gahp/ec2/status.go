package ec2

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gridburst/gahp"
)

// States, in EC2's words.
const (
	pending      = "pending"
	running      = "running"
	shuttingDown = "shutting-down"
	stopped      = "stopped"
)

// poweredOff is why a machine is stopped.
const poweredOff = "Client.InstanceInitiatedShutdown"

// stateOf is a machine's state and the reason for it. has is whether it has run.
func stateOf(s gahp.State, has bool) (state, reason string) {
	switch s {
	case gahp.Down:
		if has {
			return stopped, poweredOff
		}
		return pending, ""
	case gahp.ImageLocked:
		if has {
			return shuttingDown, "" // it is being removed
		}
		return pending, ""
	case gahp.WaitForLaunch, gahp.PoweringUp, gahp.Unassigned, gahp.NoState:
		return pending, ""
	case gahp.PoweringDown:
		return shuttingDown, ""
	}
	return running, "" // or nobody knows, and it may
}

// readStatusAll reads what follows the credential in EC2_VM_STATUS_ALL.
func readStatusAll(a *args) deed {
	if len(a.rest) > 0 {
		filter := a.text("filter")
		a.text("value")
		if a.err == nil {
			a.err = fmt.Errorf("there is no filter %.40q", filter)
		}
	}
	return func(ctx context.Context, _ *Service, c *cloud) ([]string, error) { return c.all(ctx) }
}

// abandoned is how old a machine is that nobody will start, because its client has
// forgotten it: no start goes on for so long.
const abandoned = time.Hour

// all is every machine of ours that a client is to know of.
//
// A client keeps the id of what it finds here, and never starts again what it has the id
// of. So what has not run yet is not here, nor what is being started: a start that is
// broken off has to be repeated.
func (c *cloud) all(ctx context.Context) (out []string, err error) {
	c.mu.Lock()
	began := c.ended
	c.listings++
	c.mu.Unlock()
	vms, err := c.engine.List(ctx, prefix)
	out, runs, left := c.known(vms, began, err == nil)
	if err != nil {
		return nil, err
	}
	for _, vm := range runs {
		m, _ := markOf(vm)
		m.started = true
		if err := c.engine.Remark(ctx, vm.ID, m.String()); err != nil {
			c.log.WithError(err).WithField("vm", vm.Name).Warn("a machine that runs could not be marked as started now")
		}
	}
	for _, vm := range left {
		c.log.WithField("vm", vm.Name).Warn("a machine that was made an hour ago and never started is taken away")
		if err := c.takeAway(ctx, vm); err != nil {
			c.log.WithError(err).WithField("vm", vm.Name).Warn("it could not be taken away now")
		}
	}
	return out, nil
}

// known is what is said of a listing that began when so many starts had ended; and which
// machines run although their marks do not say so, and which nobody will ever start.
func (c *cloud) known(vms []gahp.VM, began uint64, whole bool) (out []string, runs, left []*gahp.VM) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listings--
	ran, listed := map[string]bool{}, map[string]bool{}
	for i := range vms {
		vm := &vms[i]
		m, ours := markOf(vm)
		if !ours {
			continue
		}
		if c.ran[vm.ID] {
			ran[vm.ID] = true
		}
		has := m.started || ran[vm.ID]
		switch {
		case c.starting[m.token] > 0:
			continue
		case has:
		case onHost(vm.State):
			has, ran[vm.ID] = true, true
			runs = append(runs, vm)
		default:
			if vm.State == gahp.Down && !vm.Created.IsZero() && time.Since(vm.Created) > abandoned {
				left = append(left, vm)
			}
			continue
		}
		listed[vm.ID] = true
		state, reason := stateOf(vm.State, has)
		out = appendInstance(out, vm.ID, state, m, reason, vm.Addresses)
	}
	var late []string
	for id, f := range c.fresh {
		if f.at > began && !listed[id] {
			late, ran[id] = append(late, id), true
		}
	}
	slices.Sort(late)
	for _, id := range late {
		out = appendInstance(out, id, pending, c.fresh[id].mark, "", nil)
	}
	if c.listings == 0 {
		clear(c.fresh)
		if whole {
			c.ran = ran // of those that are there no more nothing needs to be known
		}
	}
	return out, runs, left
}

func appendInstance(dst []string, id, state string, m mark, reason string, addresses []string) []string {
	return append(dst, id, state, m.token, m.pair, reason, first(addresses), "", "")
}

// readStatus reads what follows the credential in EC2_VM_STATUS.
func readStatus(a *args) deed {
	id := a.named("instance")
	return func(ctx context.Context, _ *Service, c *cloud) ([]string, error) {
		vm, err := c.engine.Get(ctx, id)
		switch {
		case gahp.KindOf(err) == gahp.NotFound:
			return nil, nil // as EC2 says it of what is purged
		case err != nil:
			return nil, err
		}
		m, ours := markOf(&vm)
		if !ours {
			return nil, notOurs(&vm)
		}
		c.mu.Lock()
		state, reason := stateOf(vm.State, m.started || c.ran[id])
		c.mu.Unlock()
		return []string{id, state, vm.Template, reason, first(vm.Addresses), strings.Join(vm.Addresses, ","), m.pair, ""}, nil
	}
}
