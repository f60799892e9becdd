package schedd

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// stay is a time, in ms since 1970.
type stay struct{ from, to int64 }

// union is how long at least one of the spans is, within bounds.
func union(spans []stay, within stay) (total time.Duration) {
	slices.SortFunc(spans, func(a, b stay) int { return cmp.Compare(a.from, b.from) })
	at := within.from
	for _, s := range spans {
		from, to := max(s.from, at), min(s.to, within.to)
		if to > from {
			total += time.Duration(to-from) * time.Millisecond
			at = to
		}
	}
	return total
}

// windowReceipt adds up what a window had, from what the ledger knows of its claims, all
// of which are closed, and of the executions on their machines.
func (d *Daemon) windowReceipt(w *ledger.Window) (*api.WindowReceipt, error) {
	out := &api.WindowReceipt{
		Resource: w.Resource, Planned: int(w.Count), Asked: len(w.Claims), Opened: w.Opened / 1000, Drained: w.Drain / 1000, Claims: w.Claims,
	}
	var all, used, idle time.Duration
	err := d.ledger.Read(func(r *ledger.Reader) error {
		busy, err := d.busyOn(r, w)
		if err != nil {
			return err
		}
		for _, id := range w.Claims {
			c, ok, err := r.PastClaim(id)
			if err != nil {
				return err
			}
			rec, err := r.Receipt(id)
			if err != nil || !ok {
				return err
			}
			out.Gone = max(out.Gone, c.Entered/1000)
			out.Runs += int(rec.Runs)
			if rec.Started > 0 {
				out.Started++
				all += time.Duration(max(c.Entered-rec.Started, 0)) * time.Millisecond
			}
			if rec.Ready == 0 {
				continue
			}
			out.Joined++
			if rec.Ready <= w.Due {
				out.InTime++
			}
			serves := stay{rec.Ready, cmp.Or(rec.Ended, c.Entered)}
			with := union(busy[c.Name], serves)
			used += with
			idle += time.Duration(serves.to-serves.from)*time.Millisecond - with
		}
		return nil
	})
	out.Minutes, out.Used, out.Idle = minutes(all), minutes(used), minutes(idle)
	if r := d.resource(w.Resource); r != nil && r.Price > 0 {
		out.Cost, out.Currency = math.Round(r.Price*all.Hours()*1e4)/1e4, r.Currency
	}
	return out, err
}

func minutes(d time.Duration) float64 { return math.Round(d.Minutes()*100) / 100 }

// maxBusy bounds the records that a receipt is added up from.
const maxBusy = 200_000

// busyOn are the executions on a window's machines, by the machine's name, as the history
// has them: those that a job left the queue by, those that it had before, and those of
// jobs that a machine's receipt names.
func (d *Daemon) busyOn(r *ledger.Reader, w *ledger.Window) (map[string][]stay, error) {
	v := d.ledger.View()
	busy := map[string][]stay{}
	names := map[string]bool{}
	jobs := map[grid.JobID]bool{}
	for _, id := range w.Claims {
		names[ledger.ClaimName(v.Deployment, id)] = true
		rec, err := r.Receipt(id)
		if err != nil {
			return nil, err
		}
		for _, j := range rec.Jobs {
			jobs[j] = true
		}
	}
	add := func(attrs []ledger.Attr, from, to int64) {
		for _, a := range attrs {
			if a.Name != "RemoteHost" && a.Name != "LastRemoteHost" {
				continue
			}
			if _, machine, _ := strings.Cut(strings.Trim(a.Expr, `"`), "@"); names[machine] {
				busy[machine] = append(busy[machine], stay{from, to})
				return
			}
		}
	}
	before := func(id grid.JobID, epoch uint32) error {
		for i, err := range r.Instances(id, epoch) {
			if err != nil {
				return err
			}
			if i.Job != id || i.Ended < w.Opened {
				break
			}
			add(i.Attrs, i.Rec.Started, i.Ended)
		}
		return nil
	}
	q := ledger.PastQuery{Since: w.Opened}
	for id := range v.Owners() {
		q.Owners = append(q.Owners, id)
	}
	looked := 0
	for p, err := range r.History(q) {
		if err != nil {
			return nil, err
		}
		if looked++; looked > maxBusy {
			break
		}
		if p.Job.Started > 0 {
			add(p.Attrs, p.Job.Started, p.Job.Entered)
		}
		if p.Run.Len() == 1 && p.Job.Epoch > 1 {
			if err := before(p.Run.First(), p.Job.Epoch); err != nil {
				return nil, err
			}
		}
		delete(jobs, p.Run.First())
	}
	for id := range jobs {
		j, ok := v.Job(id)
		if !ok {
			continue
		}
		if err := before(id, j.Epoch+1); err != nil {
			return nil, err
		}
	}
	return busy, nil
}
