package schedd

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"gridburst/schedd/ledger"
)

// The timetables of the configuration may become others while they are followed. The change
// has an instant: up to it they are followed as they were, which is kept before anything says
// otherwise; so what was due is decided by what it was due by. One that is the same goes on.
// One that has changed goes on from that instant, and one that is gone is done with, whenever
// that is next looked at: who dies between finds it so at the next start. What has come and waits
// is passed over, with a note, when all is done that may fail and before the configuration is in the
// place of the file: who dies just there finds a note that is wrong, and loses nothing in silence.

const (
	notConfigured = "the configuration has no such timetable any more"
	hasChanged    = "the timetable was changed before it could begin, and has no such time any more"
)

// clockChange is timetables and windows of a configuration that are to take the place of others.
// Nothing is followed until it is done.
type clockChange struct {
	c       *crons
	crons   []*cron
	windows []*window
	at      time.Time // its instant
	others  []clocks  // of those that there are: what goes, or becomes another
}

// handOver follows the timetables up to now, and then keeps them from being followed until
// the change is done.
func (c *crons) handOver(ctx context.Context, crons []*cron, windows []*window) (*clockChange, error) {
	c.mu.Lock()
	h := &clockChange{c: c, crons: crons, windows: windows, at: c.now()}
	h.others = c.others(crons, windows)
	if len(h.others) > 0 {
		if _, err := c.look(ctx); err != nil {
			h.done(false)
			return nil, err
		}
	}
	return h, nil
}

// passOver notes what becomes of instants that have come and are not decided. After it nothing
// is to be done that may fail.
func (h *clockChange) passOver(ctx context.Context) error {
	for _, k := range h.others {
		if err := h.c.undecided(ctx, k, h.at); err != nil {
			return err
		}
	}
	return nil
}

// done ends the change; changed: the others have taken their place.
func (h *clockChange) done(changed bool) {
	if changed {
		h.c.fixed, h.c.windows = h.crons, h.windows
		clear(h.c.told)
	}
	h.c.mu.Unlock()
	h.c.poke()
}

// others are the timetables that are to change, or to go.
func (c *crons) others(crons []*cron, windows []*window) (others []clocks) {
	for _, k := range c.fixed {
		i := slices.IndexFunc(crons, func(f *cron) bool { return f.Name == k.Name })
		switch {
		case i < 0:
			others = append(others, clocks{name: k.Name, cron: k})
		case !reflect.DeepEqual(k.Cron, crons[i].Cron):
			others = append(others, clocks{name: k.Name, cron: k, next: crons[i].schedule})
		}
	}
	for _, w := range c.windows {
		i := slices.IndexFunc(windows, func(f *window) bool { return f.key == w.key })
		switch {
		case i < 0:
			others = append(others, clocks{name: w.key, window: w})
		case !reflect.DeepEqual(w.Window, windows[i].Window):
			others = append(others, clocks{name: w.key, window: w, next: windows[i].schedule})
		}
	}
	return others
}

// undecided notes what becomes of the instants that have come by now and are not decided: they wait
// for their jitter, or their files did not answer, or a window is open still. Those that the
// timetable has in its new form are left to it; where there are none, that begins now.
func (c *crons) undecided(ctx context.Context, k clocks, now time.Time) error {
	mark := c.ledger.View().Cron(k.name)
	if mark == 0 {
		return nil
	}
	kind, why := ledger.Scheduled, notConfigured
	if k.window != nil {
		kind = ledger.Windowed
	}
	if k.next != nil {
		why = hasChanged
	}
	s, moves := &ledger.Settle{Name: k.name}, true
	for at := k.schedule().Next(time.UnixMilli(mark)); !at.IsZero() && !at.After(now); at = k.schedule().Next(at) {
		if k.next != nil && k.next.Next(at.Add(-time.Second)).Equal(at) {
			if moves {
				s.Mark = max(s.Mark, at.Add(-time.Second).UnixMilli())
			}
			moves = false // the watermark stays before it
			continue
		}
		if len(s.List) == maxUndecided {
			s.List[maxUndecided-1].Why += "; so are later ones"
			break
		}
		o := ledger.Occurrence{Due: at.UnixMilli(), Kind: kind, Outcome: ledger.OccurrenceSkipped, Why: why}
		if moves {
			s.Add(o)
		} else {
			s.List = append(s.List, o)
		}
	}
	if moves && k.next != nil {
		s.Mark = now.UnixMilli() // its times before are none that it has missed
	}
	if s.Mark <= mark {
		s.Mark = 0
	}
	return c.settle(ctx, s)
}

// maxUndecided bounds the instants of one timetable that are noted one by one.
const maxUndecided = 100

// leave has done with timetables of which the ledger has something to follow, and the
// configuration nothing any more. An open window is closed first.
func (c *crons) leave(ctx context.Context) error {
	v := c.ledger.View()
	for _, name := range slices.Concat(v.Crons(), v.Timetables()) {
		t, _ := v.Timetable(name)
		switch {
		case len(t.Spec) > 0 || t.Window.Due != 0 || c.configured(name):
			continue
		case v.Cron(name) == 0 && len(t.Queue) == 0 && len(t.Backfills) == 0:
			continue
		}
		if err := c.settle(ctx, &ledger.Settle{Name: name, Gone: notConfigured}); err != nil {
			return err
		}
		v = c.ledger.View()
		if c.foretell != nil {
			c.foretell(&cron{Cron: Cron{Name: name}}, time.Time{})
		}
		c.log.WithField("cron", name).Warn("timetable is not followed any more: the configuration has none of that name")
	}
	return nil
}

func (c *crons) configured(name string) bool {
	return slices.ContainsFunc(c.fixed, func(k *cron) bool { return k.Name == name }) ||
		slices.ContainsFunc(c.windows, func(w *window) bool { return w.key == name })
}

// clockOutcomes are what comes of timetables that go while something is left of them, and of
// those that come and are paused.
func (d *Daemon) clockOutcomes(v *ledger.View, was, now *Config) (told []string) {
	names := func(c *Config) (all []string) {
		for _, k := range c.crons {
			all = append(all, k.Name)
		}
		for _, w := range c.windows {
			all = append(all, w.key)
		}
		return all
	}
	before, after := names(was), names(now)
	for _, name := range before {
		if slices.Contains(after, name) {
			continue
		}
		var parts []string
		t, _ := v.Timetable(name)
		if n := len(t.Queue); n > 0 {
			parts = append(parts, fmt.Sprintf("its occurrences that wait (%d) are passed over", n))
		}
		if n := len(t.Backfills); n > 0 {
			parts = append(parts, fmt.Sprintf("its backfills (%d) end", n))
		}
		for _, run := range runsOf(v, name) {
			parts = append(parts, fmt.Sprintf("workflow %d goes on", run))
		}
		if t.Window.Due != 0 {
			parts = append(parts, "its window is over")
		}
		if len(parts) > 0 {
			told = append(told, "Timetable "+name+" is gone: "+strings.Join(parts, ", ")+".")
		}
	}
	for _, name := range after {
		t, _ := v.Timetable(name)
		if t.Pause.Holds(d.cronsNow()) && !slices.Contains(before, name) {
			told = append(told, "Timetable "+name+" is new, and one of that name is paused: that holds for it (gcron resume).")
		}
	}
	return told
}

// runsOf are the runs of a timetable that go on.
func runsOf(v *ledger.View, name string) (runs []uint32) {
	for id, g := range v.Dags() {
		if g.Cron == name {
			runs = append(runs, id)
		}
	}
	return runs
}
