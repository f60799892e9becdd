package schedd

import (
	"context"
	"slices"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// pastClaims bounds the closed claims that are told of.
const pastClaims = 1000

// Claims implements [serve.Backend].
func (d *Daemon) Claims(_ context.Context, _ serve.Identity, past bool) (out api.Claims, err error) {
	v := d.ledger.View()
	out.Claims = []api.Claim{}
	err = d.ledger.Read(func(r *ledger.Reader) error {
		if past {
			for id, c := range r.PastClaims() {
				if out.Claims = append(out.Claims, d.claimInfo(v, r, id, &c)); len(out.Claims) == pastClaims {
					break
				}
			}
			slices.Reverse(out.Claims)
		}
		for id, c := range v.Claims() {
			out.Claims = append(out.Claims, d.claimInfo(v, r, id, c))
		}
		return nil
	})
	return out, err
}

func (d *Daemon) claimInfo(v *ledger.View, r *ledger.Reader, id uint32, c *ledger.Claim) api.Claim {
	out := api.Claim{
		ID: id, State: c.State.String(), Kind: c.Kind.String(), Resource: c.Resource, Name: c.Name, VM: c.VM,
		Wanted: c.Wanted / 1000, Entered: c.Entered / 1000, Reason: c.Reason,
	}
	if c.Kind != ledger.Overflow {
		out.Job = c.Job.String()
	}
	if w, ok := v.Worker(c.Worker); ok {
		out.Worker = w.Name
	}
	// One that is damaged is told of by the checks; the claim is shown without.
	if rec, err := r.Receipt(id); err == nil && rec.Why != "" {
		out.Receipt = d.receiptInfo(c, &rec, time.Now())
	}
	if !c.State.Closed() {
		out.Waits = d.claims.waits(id)
	}
	return out
}

// ActOnClaim implements [serve.Backend]: an administrator drains a machine, takes that
// back, or has it stopped whatever it does.
func (d *Daemon) ActOnClaim(ctx context.Context, who serve.Identity, id uint32, verb string) error {
	v := d.ledger.View()
	c, ok := v.Claim(id)
	if !ok {
		return grid.Errorf(grid.NotFound, "claim %d is not open", id)
	}
	verbs := map[string]grid.ClaimVerb{"drain": grid.ClaimDrain, "undrain": grid.ClaimUndrain, "stop": grid.ClaimStop}
	move, ok := verbs[verb]
	if !ok {
		return grid.Errorf(grid.Invalid, "%q is not something to do to a machine: drain, undrain or stop", verb)
	}
	if c.Kind != ledger.Overflow {
		return grid.Errorf(grid.Refused, "claim %d is job %s: hold or remove that", id, c.Job)
	}
	_, err := d.ledger.Propose(ctx, ledger.Command{
		By: byUser(who.UID), At: d.now(), Body: &ledger.Move{Claim: id, Version: c.Version, Verb: move, Reason: "asked for by " + who.Name},
	})
	if err == nil {
		d.pool.Drain(c.Worker, move != grid.ClaimUndrain)
		d.claims.poke(id)
	}
	return err
}
