package schedd

import (
	"context"
	"fmt"

	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// rivals are the agents that came as one worker, by their sessions. An agent that was
// started anew takes the place of one that is dead. One that comes back after that, and
// back again, lives beside it: the machine was cloned, with the key in it.
//
// Once is not enough: of an agent that has died a hello may still lie in a socket.
type rivals struct {
	last string
	back map[string]int // times that a session came back behind another
}

const (
	mayReturn   = 1
	maxSessions = 64   // that are remembered of a worker
	maxRivals   = 4096 // workers that anything is remembered of
)

// rivalry is what is remembered of workers, by their names. It ends with the daemon: two
// that live show it again.
type rivalry struct{ by map[string]*rivals }

func (y *rivalry) of(worker string) *rivals {
	r := y.by[worker]
	if r == nil {
		if y.by == nil || len(y.by) > maxRivals {
			y.by = map[string]*rivals{}
		}
		r = &rivals{back: map[string]int{}}
		y.by[worker] = r
	}
	return r
}

// comes takes in a session, and reports whether it lives beside another.
func (r *rivals) comes(session string) (two bool) {
	if len(r.back) > maxSessions {
		clear(r.back)
	}
	n, known := r.back[session]
	if known && r.last != session {
		n++
	}
	r.back[session], r.last = n, session
	return n > mayReturn
}

// cloned takes the identity from a worker of which there are two, and refuses both. What
// runs on either ends with its lease, and is given up here after that. A machine of ours
// is taken away. It runs on the dispatcher's goroutine.
func (p *dispatcher) cloned(ctx context.Context, a *arrival, worker uint32) error {
	why := fmt.Sprintf("two agents come as worker %s, in turn: its machine was cloned, with the key that it has", a.k.name)
	p.d.log.WithField("worker", a.k.name).Error("a worker is two, and its identity is revoked")
	v := p.d.ledger.View()
	if id := v.ClaimNamed(a.k.name); id != 0 {
		if c, ok := v.Claim(id); ok && c.State != grid.ClaimStopping {
			if _, err := p.d.propose(ctx, &ledger.Move{Claim: id, Version: c.Version, Verb: grid.ClaimStop, Reason: why}); err != nil {
				return err // they come again
			}
		}
	}
	// An invitation that has ended is in the place of the key. It comes last: whoever is
	// refused by it does not come as far as here again.
	if _, err := p.d.propose(ctx, &ledger.Invite{Worker: a.k.name}); err != nil {
		return err
	}
	err := grid.Errorf(grid.Unauthorized, "%s; it is not let in any more: invite it anew", why)
	if k := p.d.conns.get(worker); k != nil {
		k.end(err)
	}
	return err
}

// revoked says why a worker that proves a name is not let in; nil: it is.
func (d *Daemon) revoked(worker string) error {
	k, err := d.tokenOf(worker)
	if err == nil && k.Serial != 0 && k.Until == 0 {
		err = grid.Errorf(grid.Unauthorized, "the identity of worker %s was revoked, for there were two: invite it anew", worker)
	}
	return err
}
