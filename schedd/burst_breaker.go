package schedd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gridburst/gahp"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// breakerKey is of what failures are counted together: one failed template stops no other.
type breakerKey struct{ resource, template string }

func breakerOf(r *Resource) breakerKey { return breakerKey{r.Name, r.Burst.Template} }

// bound is what a breaker that is open means; half open, it lets one machine through, to
// show whether it goes again.
func (p *rest) bound(r *Resource, now time.Time, coming int) curb {
	name, when := grid.Printable(r.Name), p.until.Format(time.TimeOnly)
	out := curb{reason: reasonBreaker}
	if !now.Before(p.until) {
		out.reason, out.left = reasonSuspected, max(1-coming, 0)
		out.help = "It helps to wait: when that one serves, others follow."
		out.text = "Machines of " + name + " came to nothing lately (" + p.why + "); one is tried now."
		return out
	}
	switch kindOfReason(p.why) {
	case gahp.Quota:
		out.reason = reasonQuota
		out.text = fmt.Sprintf("The engine of %s gives no more machines, for a quota is used up: machines came to nothing lately (%s); it is tried again at %s.", name, p.why, when)
		out.help = "It would help to have the quota raised by who runs the engine, or to wait until something that uses it is gone."
	case gahp.NoTemplate:
		out.reason = reasonTemplate
		out.text = fmt.Sprintf("The engine of %s has no template %q to make machines from: they came to nothing lately (%s); it is tried again at %s.", name, r.Burst.Template, p.why, when)
		out.help = "It would help to correct template in burst { } of the configuration, or to make that template at the engine: gconfig check --resource " + name + " says what it finds."
	default:
		out.text = fmt.Sprintf("Machines of %s came to nothing lately (%s): %s in a row, so none is started for a while; it is tried again at %s.", name, p.why, times(p.tries), when)
		out.help = "It would help to find out why (gburst log --pool " + name + " --since 1h) and to mend it; one machine is tried by itself then, and others follow when it serves."
	}
	return out
}

// breaker is what a claim's failure counts for: the template that its machine was made from.
func (b *bursts) breaker(c *ledger.Claim, id uint32) breakerKey {
	k := breakerKey{resource: c.Resource}
	err := b.p.d.ledger.Read(func(r *ledger.Reader) error {
		rec, err := r.Receipt(id)
		k.template = rec.Template
		return err
	})
	if r := b.p.d.resource(c.Resource); r != nil && r.Burst != nil && (err != nil || k.template == "") {
		k.template = r.Burst.Template
	}
	return k
}

// kindOfReason is the kind of engine's denial that a claim's reason begins with, as
// [gahp.Error] writes it; empty of any other.
func kindOfReason(reason string) gahp.Kind {
	word, _, _ := strings.Cut(reason, ": ")
	if k := gahp.Kind(word); slices.Contains(gahp.Kinds, k) {
		return k
	}
	return ""
}

// blames reports whether a machine that came to nothing for that reason has failed.
func blames(reason string) bool { return reason != notNeeded && reason != poolDrained }

// restUntil is when a machine is tried again after so many failures in a row, the last of
// them at that time (ms since 1970).
func restUntil(last int64, tries int) time.Time {
	return time.UnixMilli(last).Add(min(5*time.Second<<min(tries-1, 10), 10*time.Minute))
}

// recallBreakers learns from the last claims which breakers were open, so that a restart
// closes none.
func (b *bursts) recallBreakers() {
	settled, looked := map[breakerKey]bool{}, 0
	err := b.p.d.ledger.Read(func(r *ledger.Reader) error {
		for id, c := range r.PastClaims() {
			if looked++; looked > 1000 {
				break
			}
			rec, err := r.Receipt(id)
			k := breakerKey{c.Resource, rec.Template}
			if err != nil || c.Kind != ledger.Overflow || rec.Template == "" || settled[k] || rec.Ready == 0 && !blames(c.Reason) {
				continue
			}
			if settled[k] = rec.Ready > 0; settled[k] {
				continue
			}
			p := b.rests[k]
			if p.tries++; p.tries == 1 {
				p.why, p.until = c.Reason, time.UnixMilli(c.Entered)
			}
			b.rests[k] = p
		}
		return nil
	})
	if err != nil {
		b.p.d.log.WithError(err).Warn("what became of earlier machines cannot be read")
	}
	for k, p := range b.rests {
		p.until = restUntil(p.until.UnixMilli(), p.tries)
		b.rests[k] = p
	}
}
