package schedd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"gridburst/dag/trigger"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// Window is a burst by the clock: machines of a resource that are there before an hour,
// stay for a while, and are gone by its end, whether anybody needs them or not.
type Window struct {
	Name     string
	Schedule string        // of the hours; see package trigger
	TimeZone string        // empty: UTC
	Resource string        // one that has a burst block: what its machines are like
	Count    int           // machines
	Lead     time.Duration // how long before the hour they are asked for; 0: as long as nearly all have taken
	Hold     time.Duration // from the hour on: how long they take jobs
	Drain    time.Duration // and then, how long those jobs may still take; 0: 10 min

	// Budget bounds the time that all machines of a window take, from the engine's start of
	// each to the end of its drain: there are fewer machines than Count when more would
	// pass it. 0: no bound. Price is a bound in the resource's currency, beside it.
	Budget   time.Duration
	Price    float64
	Currency string
	Clock
}

// window is a Window that makes sense.
type window struct {
	Window
	key      string // its name among timetables
	schedule *trigger.Schedule
	budget   time.Duration // by time and price; 0: no bound
}

const defaultDrain = 10 * time.Minute

func windowKey(name string) string { return "burst:" + name }

func (w *Window) parse(resources []Resource) (*window, error) {
	bad := func(format string, args ...any) error {
		return grid.Errorf(grid.Invalid, "burst "+w.Name+": "+format, args...)
	}
	out := &window{Window: *w, key: windowKey(w.Name), budget: w.Budget}
	var err error
	if out.schedule, err = w.parseSchedule(w.Schedule, w.TimeZone, out.key, 0); err != nil {
		return nil, bad("%w", err)
	}
	if out.Drain == 0 {
		out.Drain = defaultDrain
	}
	var r *Resource
	for i := range resources {
		if resources[i].Name == w.Resource {
			r = &resources[i]
		}
	}
	switch {
	case !cronName.MatchString(w.Name):
		return nil, grid.Errorf(grid.Invalid, "%q is no name of a burst: letters, digits, dots, dashes and underscores make one", w.Name)
	case r == nil:
		return nil, bad("there is no resource %q", w.Resource)
	case r.Burst == nil:
		return nil, bad("resource %s has no burst block, which says what its machines are", w.Resource)
	case w.Count < 1:
		return nil, bad("count is how many machines are to be there: at least 1")
	case r.MaxVMs > 0 && w.Count > r.MaxVMs, r.Burst.MaxVMs > 0 && w.Count > r.Burst.MaxVMs:
		return nil, bad("count is %d, and resource %s may have fewer machines", w.Count, w.Resource)
	case w.Hold <= 0 || w.Lead < 0 || w.Drain < 0 || w.Budget < 0:
		return nil, bad("hold is how long machines are kept, from the hour on")
	case w.Price > 0 && (r.Price <= 0 || r.Currency != w.Currency):
		return nil, bad("its budget is in %s, and resource %s has no price_per_hour in that", w.Currency, w.Resource)
	}
	if w.Price > 0 {
		byPrice := time.Duration(w.Price / r.Price * float64(time.Hour))
		if out.budget == 0 || byPrice < out.budget {
			out.budget = byPrice
		}
	}
	return out, nil
}

// Bounds of how long before an hour machines are asked for, when that is learnt.
const (
	leadMargin = 10 * time.Second // from the wish to the engine's hearing of it, and what a quantile leaves
	maxLead    = 2 * time.Hour
)

// lead is how long before the hour machines are asked for: as 99 in a hundred of those
// before have taken, or as is configured until enough have shown it.
func (d *Daemon) lead(w *window) (lead time.Duration, learned bool) {
	if w.Lead > 0 {
		return w.Lead, false
	}
	r := d.resource(w.Resource)
	if r == nil || r.Burst == nil {
		return leadMargin, false // both are going
	}
	lead = r.Burst.BootTime
	if all, err := d.readBoots(); err == nil {
		if times := all[bootKey{r.Name, r.Burst.Template, ledger.Overflow}]; len(times) >= enoughBoots {
			lead, learned = quantile(times, 0.99), true
		}
	}
	return min(lead+leadMargin, maxLead), learned
}

// leadLook is for how long a lead that was learnt is good.
const leadLook = 30 * time.Second

// rarely asks for a lead again only after a while: it is learnt from many claims.
func rarely(ask func(*window) (time.Duration, bool)) func(*window) (time.Duration, bool) {
	type answer struct {
		lead    time.Duration
		learned bool
		at      time.Time
	}
	known := map[string]answer{}
	return func(w *window) (time.Duration, bool) {
		a := known[w.key]
		if a.at.IsZero() || time.Since(a.at) > leadLook {
			a.lead, a.learned = ask(w)
			a.at = time.Now()
			known[w.key] = a
		}
		return a.lead, a.learned
	}
}

// windowLook is how often an open window is looked at.
const windowLook = time.Second

// followWindow opens a window when its machines have to be asked for, and tends an open
// one. It says when to look again.
func (c *crons) followWindow(ctx context.Context, w *window) (time.Time, error) {
	now, v := c.now(), c.ledger.View()
	mark := v.Cron(w.key)
	if mark == 0 {
		return now, c.settle(ctx, &ledger.Settle{Name: w.key, Mark: max(now.UnixMilli(), v.At)})
	}
	t, _ := v.Timetable(w.key)
	if t.Window.Due != 0 {
		return c.tend(ctx, w, &t.Window)
	}
	// An hour is due as long before it as machines take.
	lead, _ := c.lead(w)
	plan := trigger.Due(w.schedule, time.UnixMilli(mark), now.Add(lead), trigger.Policy{
		Missed: trigger.MissedOnce, StartDeadline: lead + w.Hold, Paused: pausedBy(&t.Pause),
	})
	passed := &ledger.Settle{Name: w.key}
	for _, s := range inOrder(&plan) {
		if s.Why != "" {
			o := ledger.Occurrence{Due: s.At.UnixMilli(), Kind: ledger.Windowed, Outcome: outcomeOf(s.Why), Why: s.Why}
			if s.Why == trigger.TooLate {
				o.Why = "its hour and the time for which it holds had passed"
			}
			passed.Add(o)
			continue
		}
		if err := c.settle(ctx, passed); err != nil {
			return now, err
		}
		passed = &ledger.Settle{Name: w.key}
		if err := c.open(ctx, w, s.At, ledger.Windowed, ""); err != nil {
			return now, err
		}
	}
	if err := c.settle(ctx, passed); err != nil {
		return now, err
	}
	if len(plan.Start) > 0 {
		return now.Add(windowLook), nil
	}
	if plan.Next.IsZero() {
		return plan.Next, nil
	}
	return plan.Next.Add(-lead), nil
}

// open asks for a window's machines, as many as its budget allows: to be there at the
// hour.
func (c *crons) open(ctx context.Context, w *window, due time.Time, kind ledger.OccurrenceKind, by string) error {
	now := c.now()
	win := ledger.Window{
		Due: due.UnixMilli(), Opened: now.UnixMilli(), Drain: due.Add(w.Hold).UnixMilli(), End: due.Add(w.Hold + w.Drain).UnixMilli(),
		Resource: w.Resource, Count: uint32(w.Count), Budget: w.budget.Milliseconds(),
	}
	o := ledger.Occurrence{Due: win.Due, Kind: kind, Outcome: ledger.OccurrenceStarted, By: by, Why: fmt.Sprintf("%d machines of %s are asked for", w.Count, w.Resource)}
	if n := allowed(&win, 0, now); n < w.Count {
		o.Why = fmt.Sprintf("its budget of %s allows %d machines of %s, not %d", w.budget.Round(time.Second), n, w.Resource, w.Count)
		if n == 0 {
			o.Outcome = ledger.OccurrenceSkipped
			s := &ledger.Settle{Name: w.key}
			s.Add(o)
			return c.settle(ctx, s)
		}
	}
	if now.After(due) {
		o.Why += ", late"
	}
	_, err := c.propose(ctx, &ledger.SetWindow{Name: w.key, Window: win, Note: o})
	if grid.CodeOf(err) == grid.Conflict {
		return nil
	}
	c.log.WithFields(map[string]any{"burst": w.Name, "due": due.UTC().Format(time.RFC3339)}).Info("window is opened: " + o.Why)
	return err
}

// allowed is how many machines a window may have now: all that are there to its end must
// stay within its budget, of which so much is used.
func allowed(w *ledger.Window, used time.Duration, now time.Time) int {
	if w.Budget == 0 {
		return int(w.Count)
	}
	left := time.UnixMilli(w.End).Sub(now)
	if left <= 0 {
		return 0
	}
	return int(min(int64(w.Count), max(0, (w.Budget-used.Milliseconds())/max(left.Milliseconds(), 1))))
}

// closeForgotten tends open windows of bursts that the configuration has no more: they are
// over now.
func (c *crons) closeForgotten(ctx context.Context) (next time.Time, err error) {
	now := c.now()
	for key, win := range c.ledger.View().Windows {
		if slices.ContainsFunc(c.windows, func(w *window) bool { return w.key == key }) {
			continue
		}
		w := &window{Window: Window{Name: strings.TrimPrefix(key, windowKey(""))}, key: key}
		if now.UnixMilli() < win.Drain {
			over := *win
			over.Drain = now.UnixMilli()
			if _, err := c.propose(ctx, &ledger.SetWindow{Name: key, Window: over}); err != nil && grid.CodeOf(err) != grid.Conflict {
				return now, err
			}
			c.log.WithField("burst", w.Name).Warn("window is over: the configuration has no such burst any more")
			return now, nil
		}
		at, err := c.tend(ctx, w, win)
		if err != nil {
			return now, err
		}
		next = earlier(next, at)
	}
	return next, nil
}

// tend drains a window's machines when it has been held for long enough, stops those that
// still run something at its end, and closes it when all are gone.
func (c *crons) tend(ctx context.Context, w *window, win *ledger.Window) (time.Time, error) {
	now, v := c.now(), c.ledger.View()
	drain, end := time.UnixMilli(win.Drain), time.UnixMilli(win.End)
	if now.Before(drain) {
		return earlier(now.Add(windowLook), drain), nil
	}
	open := 0
	for _, id := range win.Claims {
		claim, ok := v.Claim(id)
		if !ok {
			continue
		}
		open++
		verb, why := grid.ClaimVerb(""), "its window "+w.Name+" is over"
		switch claim.State {
		case grid.ClaimWanted:
			verb = grid.ClaimFail
		case grid.ClaimLaunching, grid.ClaimUnknown, grid.ClaimBooting:
			verb = grid.ClaimStop
		case grid.ClaimReady:
			verb = grid.ClaimDrain
		}
		if !now.Before(end) && (claim.State == grid.ClaimReady || claim.State == grid.ClaimDraining) {
			verb, why = grid.ClaimStop, "its window "+w.Name+" is over, and so is the time for its jobs"
		}
		if verb == "" {
			continue
		}
		if err := c.move(ctx, id, &claim, verb, why); err != nil {
			return now, err
		}
	}
	if open > 0 {
		return now.Add(windowLook), nil
	}
	receipt, err := c.receipt(win)
	if err != nil {
		return now, err
	}
	details, err := json.Marshal(api.OccurrenceDetails{Receipt: receipt})
	if err != nil {
		return now, err
	}
	kind := ledger.Windowed
	_, err = c.propose(ctx, &ledger.SetWindow{Name: w.key, Window: *win, Close: true, Note: ledger.Occurrence{
		Due: win.Due, Kind: kind, Outcome: ledger.OccurrenceClosed, Why: receiptText(receipt), Details: details,
	}})
	if grid.CodeOf(err) == grid.Conflict {
		err = nil
	}
	c.log.WithField("burst", w.Name).Info("window is closed: " + receiptText(receipt))
	return now, err
}

func receiptText(r *api.WindowReceipt) string {
	return fmt.Sprintf("%d machines asked for, %d joined, %d by the hour; all are gone", r.Asked, r.Joined, r.InTime)
}

// moveClaim takes an overflow machine's claim through a line of its table. One that has
// changed is looked at again later.
func (d *Daemon) moveClaim(ctx context.Context, id uint32, c *ledger.Claim, verb grid.ClaimVerb, why string) error {
	_, err := d.propose(ctx, &ledger.Move{Claim: id, Version: c.Version, Verb: verb, Reason: why})
	switch grid.CodeOf(err) {
	case "":
		if verb == grid.ClaimDrain {
			d.pool.Drain(c.Worker, true)
		}
		d.claims.poke(id)
		return nil
	case grid.Conflict, grid.NotFound, grid.Refused:
		return nil
	}
	return err
}

// windowOf is the open window of a resource that may still ask for machines, and how many
// it may have. What cannot be read is an error: then none is asked for.
func windowOf(l cronLedger, resource string, now time.Time) (name string, due int64, most int, err error) {
	for key, w := range l.View().Windows {
		if w.Resource != resource || now.UnixMilli() >= w.Drain {
			continue
		}
		used := time.Duration(0)
		if w.Budget > 0 {
			if used, err = windowUsed(l, w, now); err != nil {
				return "", 0, 0, err
			}
		}
		if n := allowed(w, used, now); n > most {
			name, due, most = key, w.Due, n
		}
	}
	return name, due, most, nil
}

// forWindow makes a wish one of the resource's open window, if that lacks a machine.
func forWindow(l cronLedger, c *ledger.Want, now time.Time) ledger.Body {
	v := l.View()
	name, due, most, err := windowOf(l, c.Resource, now)
	if err != nil {
		return c // its resource's own demand is not the window's
	}
	t, _ := v.Timetable(name)
	open := 0
	for _, id := range t.Window.Claims {
		if _, ok := v.Claim(id); ok {
			open++
		}
	}
	if open >= most {
		return c
	}
	if len(c.Bind) == 0 {
		c.Reason = strings.TrimPrefix(name, windowKey("")) + " is a burst by the clock: its machines are to be there at the hour"
	}
	return &ledger.WantFor{Name: name, Due: due, Want: *c}
}

// windowUsed is the time that a window's machines have taken. One that is on its way
// counts from the wish on: when its engine has started it is not known before it is.
func windowUsed(l cronLedger, w *ledger.Window, now time.Time) (used time.Duration, err error) {
	v := l.View()
	return used, l.Read(func(r *ledger.Reader) error {
		for _, id := range w.Claims {
			rec, err := r.Receipt(id)
			if err != nil {
				return err
			}
			from, to := rec.Started, now.UnixMilli()
			c, open := v.Claim(id)
			if !open {
				if c, _, err = r.PastClaim(id); err != nil {
					return err
				}
				to = c.Entered
			}
			if from == 0 && open {
				from = c.Wanted
			}
			if from > 0 {
				used += time.Duration(max(to-from, 0)) * time.Millisecond
			}
		}
		return nil
	})
}

// closing are the claims whose windows are over: nothing is begun on their machines, and
// none is taken back.
func closing(v *ledger.View, now time.Time) map[uint32]bool {
	var out map[uint32]bool
	for _, w := range v.Windows {
		if now.UnixMilli() < w.Drain {
			continue
		}
		for _, id := range w.Claims {
			if out == nil {
				out = map[uint32]bool{}
			}
			out[id] = true
		}
	}
	return out
}
