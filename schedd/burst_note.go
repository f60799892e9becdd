package schedd

import (
	"context"
	"fmt"
	"strings"

	"gridburst/internal/bill"
	"gridburst/internal/grid"
	"gridburst/router/burst"
	"gridburst/schedd/ledger"
)

// answerKey is of what an answer is: of a pool, and of one owner where his purse is it.
type answerKey struct {
	pool  string
	owner uint32
}

// refusals are what stands between waiting jobs and machines, in words, when what was
// decided is carried out.
func (b *bursts) refusals(pl *planned, d *burst.Decision) (out []denial) {
	more := make([]int, len(pl.resources))
	spent := make([]int64, len(pl.purses))
	for _, w := range d.Want {
		more[w.Shape]++
		for i := range pl.purses {
			if m, r := &pl.purses[i], pl.resources[w.Shape]; (m.Resource == "" || m.Resource == r.Name) && (m.Owner == 0 || m.Owner == w.Owner) {
				spent[i] += m.Start(r.terms())
			}
		}
	}
	for _, r := range d.Refused {
		of := pl.resources[r.Shape]
		x := denial{pool: of.Name, owner: r.Owner, jobs: r.Jobs}
		switch {
		case r.Why == burst.NoMoney:
			m := pl.purses[r.Purse]
			m.left -= spent[r.Purse]
			x.curb, x.own = spentText(of, &m), m.Owner != 0
		default:
			if all := b.bounds(pl.view, of, pl.at, more[r.Shape]); len(all) > 0 {
				x.curb = all[0]
			}
		}
		out = append(out, x)
	}
	return out
}

// denial is why waiting jobs of an owner get no machine of a pool.
type denial struct {
	pool  string
	owner uint32
	own   bool // it is the owner's alone
	jobs  int
	curb
}

func (r *denial) key() answerKey {
	if r.own {
		return answerKey{r.pool, r.owner}
	}
	return answerKey{pool: r.pool}
}

// tell writes into the journal which answers have changed since it was last told.
func (b *bursts) tell(ctx context.Context, pl *planned, all []denial) error {
	now := map[answerKey]*denial{}
	var order []answerKey
	for i := range all {
		r := &all[i]
		if old := now[r.key()]; old != nil {
			old.jobs += r.jobs
			continue
		}
		now[r.key()] = r
		order = append(order, r.key())
	}
	var t ledger.Tell
	for _, k := range order {
		r := now[k]
		if b.answers[k] == r.reason {
			continue
		}
		b.answers[k] = r.reason
		t.Notes = append(t.Notes, ledger.Note{
			What: ledger.NoteWait, Pool: r.pool, Reason: r.reason, Text: r.text, Jobs: pl.some(r.owner),
			Inputs: fmt.Sprintf("%s of %s could use a machine", jobsText(r.jobs), b.p.d.ownerName(pl.view, r.owner)),
		})
	}
	for k := range b.answers {
		if now[k] == nil {
			delete(b.answers, k) // when it comes again, it is told again
		}
	}
	if len(t.Notes) == 0 {
		return nil
	}
	_, err := b.p.d.propose(ctx, &t)
	if grid.CodeOf(err) == grid.NoSpace {
		return nil
	}
	return err
}

// recall makes known what was known before this start: the answers that were told, so that
// they are not told again, and which breakers were open.
func (b *bursts) recall() {
	if b.answers != nil {
		return
	}
	b.answers = map[answerKey]string{}
	b.recallBreakers()
	seen, looked := map[string]bool{}, 0
	err := b.p.d.ledger.Read(func(r *ledger.Reader) error {
		for n := range r.Notes() {
			if looked++; looked > 1000 {
				break
			}
			if n.What == ledger.NoteWait && !seen[n.Pool] {
				b.answers[answerKey{pool: n.Pool}] = n.Reason
			}
			seen[n.Pool] = seen[n.Pool] || n.What == ledger.NoteWait || n.What == ledger.NoteStart
		}
		return nil
	})
	if err != nil {
		b.p.d.log.WithError(err).Warn("the journal cannot be read: what it says is told again")
	}
}

func (d *Daemon) ownerName(v *ledger.View, owner uint32) string {
	o, _ := v.Owner(owner)
	return o.Name
}

func jobsText(n int) string {
	if n == 1 {
		return "1 job"
	}
	return fmt.Sprintf("%d jobs", n)
}

// inputs is what the wish for a machine rested on, in words.
func (b *bursts) inputs(pl *planned, w *burst.Want) string {
	r := pl.resources[w.Shape]
	parts := []string{fmt.Sprintf("%d jobs waited that no slot takes soon, %d of them for this machine", pl.waiting, len(w.Jobs))}
	if n := room(pl.bounds[w.Shape]); n < 1<<30 {
		parts = append(parts, fmt.Sprintf("there might be %d more machines (%s)", n, pl.bounds[w.Shape][0].reason))
	}
	parts = append(parts, "one takes "+seconds(b.bootOf(r)))
	for i := range pl.purses {
		if m := &pl.purses[i]; m.Resource == "" || m.Resource == r.Name {
			parts = append(parts, fmt.Sprintf("of %s %s were left", m.Name, bill.Text(m.left, m.Unit)))
		}
	}
	return strings.Join(parts, "; ")
}
