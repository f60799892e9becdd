package schedd

import (
	"context"
	"math"
	"strconv"
	"time"

	"gridburst/internal/grid"
	"gridburst/router/burst"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// Bursts implements [serve.Backend].
func (d *Daemon) Bursts(ctx context.Context, _ serve.Identity) (out api.Bursts, err error) {
	asked := d.dispatch.asks.do(ctx, func() {
		var pl *planned
		if pl, err = d.dispatch.planned(); err == nil {
			out.Pools = d.dispatch.bursts.pools(pl)
		}
	})
	if asked != nil {
		err = asked
	}
	return out, err
}

// planned is what a decision would rest on now.
func (p *dispatcher) planned() (*planned, error) {
	p.d.pool.Look(p.index.Looks())
	v := p.d.ledger.View()
	queues, _ := p.index.Queues(v, maxPlan)
	wake, due := p.wake, p.due
	p.due = map[uint32]time.Time{}
	queues = p.eligible(queues)
	p.wake, p.due = wake, due // what is only asked for changes nothing
	return p.bursts.planned(queues, time.Now())
}

func (b *bursts) pools(pl *planned) []api.BurstPool {
	out := []api.BurstPool{}
	for i, r := range pl.resources {
		p := api.BurstPool{Name: r.Name, Template: r.Burst.Template, Steered: b.p.d.steered(pl.view, pl.view.Steering(r.Name)), Boot: b.bootOf(r).Seconds(), Room: -1}
		b.count(pl.view, &p)
		if n := room(pl.bounds[i]); n < math.MaxInt {
			p.Room = n
		}
		for _, x := range pl.bounds[i] {
			shown := api.BurstBound{Reason: x.reason, Left: x.left}
			if x.left == 0 {
				shown.Text, shown.Help = x.text, x.help
			}
			p.Bounds = append(p.Bounds, shown)
		}
		for k := range pl.purses {
			if m := &pl.purses[k]; m.Resource == r.Name || m.Resource == "" && r.Price > 0 {
				p.Purses = append(p.Purses, b.purse(pl.view, m))
			}
		}
		out = append(out, p)
	}
	return out
}

// count counts a pool's machines by what they are at.
func (b *bursts) count(v *ledger.View, p *api.BurstPool) {
	for _, c := range v.Claims() {
		if c.Kind != ledger.Overflow || c.Resource != p.Name {
			continue
		}
		p.Open++
		p.Burst = max(p.Burst, c.Burst)
		switch c.State {
		case grid.ClaimReady:
			p.Serving++
			if w, ok := b.p.d.pool.Worker(c.Worker); ok && !w.Idle.IsZero() {
				p.Idle++
			}
		case grid.ClaimDraining:
			p.Draining++
		case grid.ClaimStopping:
			p.Stopping++
		case grid.ClaimUnknown:
			p.Unknown++
			p.Starting++
		default:
			p.Starting++
		}
	}
}

func (b *bursts) purse(v *ledger.View, m *money) api.Purse {
	return api.Purse{
		Name: m.Name, Owner: b.p.d.ownerName(v, m.Owner), Limit: amount(m.Limit), Spent: amount(m.Limit - m.left), Left: amount(m.left), Currency: m.Unit,
	}
}

func amount(millionths int64) float64 { return float64(millionths) / 1e6 }

// PlanBursts implements [serve.Backend]: the decision that would be carried out now, by
// the same function on the same input.
func (d *Daemon) PlanBursts(ctx context.Context, _ serve.Identity) (out api.BurstPlan, err error) {
	asked := d.dispatch.asks.do(ctx, func() {
		var pl *planned
		if pl, err = d.dispatch.planned(); err == nil {
			out = d.dispatch.bursts.show(pl)
		}
	})
	if asked != nil {
		err = asked
	}
	return out, err
}

func (b *bursts) show(pl *planned) api.BurstPlan {
	d := burst.Decide(&pl.in, b.p.matcher)
	out := api.BurstPlan{
		Time: time.Now().Unix(), Waiting: pl.waiting, Unmet: d.Unmet, Pools: b.pools(pl),
		Start: []api.PlannedStart{}, Bind: []api.PlannedBind{}, Keep: []api.PlannedMove{}, Drain: []api.PlannedMove{}, Refused: []api.PlannedNot{},
	}
	for _, w := range d.Want {
		r := pl.resources[w.Shape]
		x := api.PlannedStart{
			Pool: r.Name, Jobs: []string{}, Cost: amount(pl.in.Shapes[w.Shape].Cost), Price: r.Price, Money: r.Currency, Boot: b.bootOf(r).Seconds(),
			Reason: pl.whyWanted(&w) + ": " + b.inputs(pl, &w),
		}
		if w.HasOwner {
			x.Owner = b.p.d.ownerName(pl.view, w.Owner)
		}
		for _, j := range w.Jobs {
			x.Jobs = append(x.Jobs, j.ID.String())
		}
		out.Start = append(out.Start, x)
	}
	for _, n := range d.Bind {
		x := api.PlannedBind{Claim: n.Claim}
		for _, j := range n.Jobs {
			x.Jobs = append(x.Jobs, j.ID.String())
		}
		out.Bind = append(out.Bind, x)
	}
	move := func(id uint32, why string) api.PlannedMove {
		c, _ := pl.view.Claim(id)
		return api.PlannedMove{Claim: id, VM: c.Name, Pool: c.Resource, Reason: why}
	}
	for i := range d.Keep {
		out.Keep = append(out.Keep, move(d.Keep[i].Claim, pl.aheadText(&d.Keep[i].For)))
	}
	for _, m := range b.moves(pl, &d) {
		if x := move(m.claim, m.why); m.verb == grid.ClaimUndrain {
			out.Keep = append(out.Keep, x)
		} else {
			out.Drain = append(out.Drain, x)
		}
	}
	for _, r := range b.refusals(pl, &d) {
		out.Refused = append(out.Refused, api.PlannedNot{
			Pool: r.pool, Owner: b.p.d.ownerName(pl.view, r.owner), Jobs: r.jobs, Reason: r.reason, Text: r.text, Help: r.help,
		})
	}
	return out
}

// Journal implements [serve.Backend].
func (d *Daemon) Journal(_ context.Context, _ serve.Identity, q api.JournalQuery) (out api.Journal, err error) {
	out.Notes = []api.Note{}
	keep, err := d.journalFilter(&q)
	if err != nil {
		return out, err
	}
	limit := q.Limit
	if limit <= 0 || limit > 20_000 {
		limit = 1000
	}
	v := d.ledger.View()
	var notes []ledger.Note
	err = d.ledger.Read(func(r *ledger.Reader) error {
		for n := range r.Notes() {
			if len(notes) == limit || n.At < q.Since*1000 {
				break // times do not go back
			}
			if keep(&n) {
				notes = append(notes, n)
			}
		}
		return nil
	})
	for i := len(notes) - 1; i >= 0; i-- {
		n := &notes[i]
		x := api.Note{Seq: n.Seq, Time: n.At, What: n.What.String(), Pool: n.Pool, Claim: n.Claim, VM: n.VM, Reason: n.Reason, Text: n.Text, Inputs: n.Inputs}
		if n.By != "" {
			x.By = d.asker(v, n.By)
		}
		for _, id := range n.Jobs {
			x.Jobs = append(x.Jobs, id.String())
		}
		out.Notes = append(out.Notes, x)
	}
	return out, err
}

// journalFilter reads what is asked for of the journal.
func (d *Daemon) journalFilter(q *api.JournalQuery) (func(*ledger.Note) bool, error) {
	claims := map[uint32]bool{}
	var run grid.Run
	if q.Job != "" {
		var err error
		if run, err = grid.ParseRun(q.Job); err != nil {
			return nil, err
		}
		claims, err = d.claimsFor(run)
		if err != nil {
			return nil, err
		}
	}
	id, _ := strconv.ParseUint(q.VM, 10, 32)
	return func(n *ledger.Note) bool {
		if q.Pool != "" && n.Pool != q.Pool || q.VM != "" && n.VM != q.VM && (id == 0 || uint64(n.Claim) != id) {
			return false
		}
		if q.Job == "" || claims[n.Claim] {
			return true
		}
		for _, j := range n.Jobs {
			if run.Has(j) {
				return true
			}
		}
		return false
	}, nil
}

// claimsFor are the claims whose machines were for jobs, or have run them: what became of
// these concerns the jobs too.
func (d *Daemon) claimsFor(run grid.Run) (map[uint32]bool, error) {
	out := map[uint32]bool{}
	err := d.ledger.Read(func(r *ledger.Reader) error {
		for n := range r.Notes() {
			for _, j := range n.Jobs {
				if n.What == ledger.NoteStart && run.Has(j) {
					out[n.Claim] = true
				}
			}
		}
		for id := range d.ledger.View().Claims() {
			rec, err := r.Receipt(id)
			for _, j := range rec.Jobs {
				if err == nil && run.Has(j) {
					out[id] = true
				}
			}
		}
		return nil
	})
	return out, err
}
