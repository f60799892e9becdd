package schedd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gridburst/dag"
	"gridburst/dag/trigger"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

// liveRuns are the runs of a timetable that go on, those of backfills apart: these run
// beside the others.
func liveRuns(v *ledger.View, name string) (runs []uint32) {
	t, _ := v.Timetable(name)
	for id, g := range v.Dags() {
		if g.Cron != name {
			continue
		}
		if r, _ := t.Of(id); r.Kind != ledger.Backfilled {
			runs = append(runs, id)
		}
	}
	return runs
}

// goesOn says why an occurrence is not begun.
func goesOn(live []uint32) string {
	if len(live) == 0 {
		return "earlier ones wait"
	}
	return fmt.Sprintf("its last run, workflow %d, goes on", live[len(live)-1])
}

// inFull is all that is to be said of an error: of a file's problems every one, with its
// place.
func inFull(err error) string {
	var diags *grid.DiagnosticsError
	if errors.As(err, &diags) {
		return strings.TrimSpace(diags.Diagnostics.String())
	}
	return grid.MessageOf(err)
}

// serve begins what waits: occurrences behind the run before them, and backfills. It says
// when to look again.
func (c *crons) serve(ctx context.Context, k *cron) (next time.Time, err error) {
	v := c.ledger.View()
	t, _ := v.Timetable(k.Name)
	if len(t.Queue) > 0 {
		if next, err = c.serveQueue(ctx, k, &t, liveRuns(v, k.Name)); err != nil {
			return next, err
		}
	}
	for i := range t.Backfills {
		at, err := c.fill(ctx, k, t.Backfills[i].ID)
		if err != nil {
			return next, err
		}
		next = earlier(next, at)
	}
	return next, nil
}

// serveQueue begins the first that waits, when nothing of the timetable runs.
func (c *crons) serveQueue(ctx context.Context, k *cron, t *ledger.Timetable, live []uint32) (time.Time, error) {
	due, now := time.UnixMilli(t.Queue[0]), c.now()
	if d := k.StartDeadline; d > 0 && now.Sub(due.Add(k.schedule.Delay(due))) > d {
		return now, c.settle(ctx, &ledger.Settle{Name: k.Name, List: []ledger.Occurrence{{Due: t.Queue[0], Kind: ledger.Scheduled, Outcome: ledger.OccurrenceMissed, Why: trigger.TooLate}}})
	}
	for _, run := range live {
		if k.Overlap == "replace" && !c.removed[run] {
			c.say(k, due).WithField("dag", run).Info("run is ended for the next")
			if err := c.end(ctx, run); err != nil {
				return now, err
			}
			c.removed[run] = true
		}
	}
	if len(live) > 0 {
		return now.Add(cronLook), nil // the run's end pokes
	}
	clear(c.removed)
	unmet, waits, err := c.unmet(c.ledger.View(), k, due)
	switch {
	case err != nil:
		return now, err
	case waits:
		return now.Add(cronLook), nil
	case unmet != "":
		c.say(k, due).Info("occurrence is skipped: " + unmet)
		return now, c.settle(ctx, &ledger.Settle{Name: k.Name, List: []ledger.Occurrence{{Due: t.Queue[0], Kind: ledger.Scheduled, Outcome: ledger.OccurrenceSkipped, Why: unmet}}})
	}
	again, err := c.fire(ctx, k, &occasion{due: due, kind: ledger.Scheduled, why: "it has waited for the run before it"})
	if again {
		return now.Add(cronRetry), err
	}
	return now, err // there may be more
}

// fillStep bounds what one look passes over of a backfill.
const fillStep = 100

// fill begins what a backfill lacks of its runs.
func (c *crons) fill(ctx context.Context, k *cron, id uint32) (time.Time, error) {
	var ran map[int64]uint32
	for range fillStep {
		v, now := c.ledger.View(), c.now()
		t, _ := v.Timetable(k.Name)
		at := slices.IndexFunc(t.Backfills, func(b ledger.Backfill) bool { return b.ID == id })
		if at < 0 {
			return time.Time{}, nil
		}
		b := &t.Backfills[at]
		if fillRuns(v, &t, id) >= int(b.AtOnce) {
			return time.Time{}, nil // a run's end pokes
		}
		due := k.schedule.Next(time.UnixMilli(b.Done))
		if due.IsZero() || due.UnixMilli() > b.To {
			return time.Time{}, c.settle(ctx, &ledger.Settle{Name: k.Name, Backfill: id, Ends: true})
		}
		if ran == nil {
			var err error
			if ran, err = c.haveRun(v, k.Name); err != nil {
				return now, err
			}
		}
		if run := ran[due.UnixMilli()]; run != 0 && !b.Again {
			if err := c.settle(ctx, &ledger.Settle{Name: k.Name, Backfill: id, List: []ledger.Occurrence{{
				Due: due.UnixMilli(), Kind: ledger.Backfilled, Outcome: ledger.OccurrenceSkipped, Backfill: id, Why: fmt.Sprintf("it has run: workflow %d", run),
			}}}); err != nil {
				return now, err
			}
			continue
		}
		unmet, waits, err := c.unmet(v, k, due)
		switch {
		case err != nil:
			return now, err
		case waits:
			return time.Time{}, nil // a run's end pokes
		case unmet != "":
			if err := c.settle(ctx, &ledger.Settle{Name: k.Name, Backfill: id, List: []ledger.Occurrence{{
				Due: due.UnixMilli(), Kind: ledger.Backfilled, Outcome: ledger.OccurrenceSkipped, Backfill: id, Why: unmet,
			}}}); err != nil {
				return now, err
			}
			continue
		}
		again, err := c.fire(ctx, k, &occasion{due: due, kind: ledger.Backfilled, fill: id, prio: b.Prio, by: b.By})
		if err != nil || again {
			return now.Add(cronRetry), err
		}
	}
	return c.now(), nil
}

// fillRuns counts a backfill's runs that go on.
func fillRuns(v *ledger.View, t *ledger.Timetable, id uint32) (n int) {
	for _, r := range t.Runs {
		if _, live := v.Dag(r.Run); live && r.Backfill == id {
			n++
		}
	}
	return n
}

// haveRun are the instants of a timetable of which a run is known, with the last one's
// number.
func (c *crons) haveRun(v *ledger.View, name string) (map[int64]uint32, error) {
	ran := map[int64]uint32{}
	for id, g := range v.Dags() {
		if g.Cron == name {
			ran[g.Due] = id
		}
	}
	return ran, c.ledger.Read(func(r *ledger.Reader) error {
		for id, g := range r.PastDags() {
			if g.Cron == name && ran[g.Due] < id {
				ran[g.Due] = id
			}
		}
		return nil
	})
}

// unmet says why an instant has no run, by what became of the run before it; empty: it may
// have one. waits: that run goes on, and it is not known yet.
func (c *crons) unmet(v *ledger.View, k *cron, due time.Time) (why string, waits bool, err error) {
	if k.AfterPrevious == "" {
		return "", false, nil
	}
	t, _ := v.Timetable(k.Name)
	before := t.Before(due.UnixMilli())
	if before == 0 {
		return "", false, nil
	}
	if _, live := v.Dag(before); live {
		return fmt.Sprintf("the run before, workflow %d, goes on", before), true, nil
	}
	err = c.ledger.Read(func(r *ledger.Reader) error {
		g, known, err := r.PastDag(before)
		if known && g.Status != dag.RunDone {
			why = fmt.Sprintf("the run before, workflow %d, is %s and not done; gcron run begins one all the same", before, g.Status)
		}
		return err
	})
	return why, false, err
}
