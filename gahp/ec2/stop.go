package ec2

import (
	"context"

	"gridburst/gahp"
)

// readStop reads what follows the credential in EC2_VM_STOP.
func readStop(a *args) deed {
	ids := []string{a.named("instance")}
	for len(a.rest) > 0 && a.err == nil {
		ids = append(ids, a.named("instance"))
	}
	return func(ctx context.Context, _ *Service, c *cloud) ([]string, error) {
		for _, id := range ids {
			if err := c.stop(ctx, id); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

// stop ends a machine and removes it. It ends when the machine is gone: gahp.NotFound
// says that it was not there to begin with.
func (c *cloud) stop(ctx context.Context, id string) error {
	latest, seen := error(nil), false
	for p := (pause{}); ; {
		vm, err := c.engine.Get(ctx, id)
		switch {
		case gahp.KindOf(err) == gahp.NotFound && seen:
			c.forget(id)
			return nil
		case err == nil:
			seen = true
			err = c.takeAway(ctx, &vm)
		}
		switch {
		case err == nil, gahp.KindOf(err) == gahp.NotFound && seen:
		case !passing(err):
			return err
		default:
			latest = err
		}
		if over := p.wait(ctx); over != nil {
			text := "machine " + id + " is not gone yet: " + over.Error()
			if latest != nil {
				text += "; " + failureOf(latest).text
			}
			return &failure{noContact, "Unavailable", text}
		}
	}
}

// takeAway does the next thing towards a machine's end.
func (c *cloud) takeAway(ctx context.Context, vm *gahp.VM) error {
	if _, ours := markOf(vm); !ours {
		return notOurs(vm)
	}
	switch vm.State {
	case gahp.Down:
		return c.engine.Remove(ctx, gahp.Order{}, vm.ID)
	case gahp.ImageLocked:
		return nil
	}
	return c.engine.Stop(ctx, gahp.Order{}, vm.ID)
}

func (c *cloud) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ran, id)
	delete(c.fresh, id)
}
