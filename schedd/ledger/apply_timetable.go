package ledger

import (
	"slices"
	"strings"

	"gridburst/internal/grid"
)

// checkName refuses what is no name of a timetable: a zero byte ends one in a key.
func checkName(name string) error {
	if name == "" || len(name) > 200 || strings.Contains(name, "\x00") {
		return grid.Errorf(grid.Invalid, "%q is no name of a timetable", name)
	}
	return nil
}

// timetable is a copy to change, for [txn.putTimetable].
func (t *txn) timetable(name string) Timetable {
	c, _ := t.v.Timetable(name)
	c.Queue, c.Runs, c.Backfills, c.Begun = slices.Clone(c.Queue), slices.Clone(c.Runs), slices.Clone(c.Backfills), slices.Clone(c.Begun)
	c.Window.Claims = slices.Clone(c.Window.Claims)
	return c
}

func (t *txn) putTimetable(name string, c *Timetable) {
	t.v.timetables = with(t.v.timetables, name, c)
	t.put(bTimetable, []byte(name), c.encode())
}

// occurred keeps what became of an occurrence, in the place of the oldest when there are
// many. The caller stores c.
func (t *txn) occurred(name string, c *Timetable, o Occurrence) {
	o.At = t.at
	o.Why = cut(o.Why, maxWhy)
	e := newEnc(64 + len(o.Details))
	e.occurrence(&o)
	t.put(bTimetable, occurrenceKey(name, c.Count%keepOccurrences), e)
	c.Count++
	t.emit(Event{Type: CronNoted, ID: o.Run, Code: int32(o.Outcome), Sub: int32(o.Kind), Text: name})
}

// cut is the beginning of a text that is too long.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + " ..."
}

func (c *SetTimetable) apply(t *txn) (any, error) {
	if err := checkName(c.Name); err != nil {
		return nil, err
	}
	old, known := t.v.Timetable(c.Name)
	owner := t.v.ownerOf[c.Owner.UID]
	if len(old.Spec) > 0 && (owner == 0 || old.Owner != owner) {
		return nil, grid.Errorf(grid.Forbidden, "the timetable %s is another user's", c.Name)
	}
	if len(c.Spec) > maxDetails {
		return nil, grid.Errorf(grid.TooLarge, "the timetable %s is too long", c.Name)
	}
	if len(c.Spec) == 0 {
		if len(old.Spec) == 0 {
			return nil, grid.Errorf(grid.NotFound, "there is no timetable %s that was handed in", c.Name)
		}
		for i := range min(old.Count, keepOccurrences) {
			t.drop(bTimetable, occurrenceKey(c.Name, i))
		}
		t.drop(bTimetable, []byte(c.Name))
		t.drop(bCron, []byte(c.Name))
		t.v.timetables = without(t.v.timetables, c.Name)
		t.v.crons = without(t.v.crons, c.Name)
		return nil, nil
	}
	if !known || len(old.Spec) == 0 {
		if len(t.v.timetables) >= maxTimetables {
			return nil, grid.Errorf(grid.TooLarge, "there are %d timetables, as many as there may be", maxTimetables)
		}
		if n := t.timetablesOf(owner); c.Most > 0 && owner != 0 && n >= c.Most {
			return nil, grid.Errorf(grid.Refused, "%s has %d timetables, as many as one may have", c.Owner.Name, n)
		}
	}
	tt := t.timetable(c.Name)
	tt.Spec, tt.Owner = c.Spec, t.owner(c.Owner)
	if t.v.crons[c.Name] == 0 {
		t.mark(c.Name, max(c.Begin, t.at))
	}
	t.putTimetable(c.Name, &tt)
	return nil, nil
}

// timetablesOf counts what an owner has handed in.
func (t *txn) timetablesOf(owner uint32) (n uint32) {
	names := t.v.Timetables()
	for _, name := range names {
		if tt, _ := t.v.Timetable(name); len(tt.Spec) > 0 && tt.Owner == owner {
			n++
		}
	}
	return n
}

func (c *Settle) apply(t *txn) (any, error) {
	if err := checkName(c.Name); err != nil {
		return nil, err
	}
	if c.Gone != "" {
		return nil, t.done(c)
	}
	if c.Mark != 0 && c.Mark <= t.v.crons[c.Name] {
		return nil, grid.Errorf(grid.Conflict, "timetable %s is beyond that already", c.Name)
	}
	tt := t.timetable(c.Name)
	fill := -1
	if c.Backfill != 0 {
		if fill = tt.fill(c.Backfill); fill < 0 {
			return nil, grid.Errorf(grid.Conflict, "backfill %d of %s is over", c.Backfill, c.Name)
		}
		for i := range c.List {
			if c.List[i].Due <= tt.Backfills[fill].Done {
				return nil, grid.Errorf(grid.Conflict, "backfill %d of %s is beyond that already", c.Backfill, c.Name)
			}
		}
	}
	for i := range c.List {
		if len(c.List[i].Details) > maxDetails {
			return nil, grid.Errorf(grid.TooLarge, "what is to be noted of an occurrence is too long")
		}
	}
	if c.Replace {
		for _, due := range tt.Queue {
			t.occurred(c.Name, &tt, Occurrence{Due: due, Kind: Scheduled, Outcome: OccurrenceSkipped, Why: "a later one takes its place"})
		}
		tt.Queue = nil
	}
	for i := range c.List {
		o := c.List[i]
		switch {
		case o.Outcome != OccurrenceQueued:
			tt.unqueue(o.Due, o.Kind)
		case len(tt.Queue) >= maxQueued:
			o.Outcome, o.Why = OccurrenceSkipped, "as many wait as may"
		default:
			tt.Queue = append(tt.Queue, o.Due)
		}
		t.occurred(c.Name, &tt, o)
		if fill >= 0 {
			tt.Backfills[fill].Done = o.Due
		}
	}
	if fill >= 0 && c.Ends {
		tt.Backfills = slices.Delete(tt.Backfills, fill, fill+1)
	}
	if c.Mark != 0 {
		t.mark(c.Name, c.Mark)
	}
	if _, known := t.v.Timetable(c.Name); known || len(c.List) > 0 {
		t.putTimetable(c.Name, &tt)
	}
	return nil, nil
}

// done has a timetable followed no more.
func (t *txn) done(c *Settle) error {
	tt := t.timetable(c.Name)
	switch {
	case c.Mark != 0 || len(c.List) > 0 || c.Backfill != 0 || c.Replace:
		return grid.Errorf(grid.Invalid, "timetable %s is gone, and something else of it is to be noted", c.Name)
	case len(tt.Spec) > 0:
		return grid.Errorf(grid.Conflict, "timetable %s was handed in, and is its user's", c.Name)
	case tt.Window.Due != 0:
		return grid.Errorf(grid.Conflict, "a window of %s is open", c.Name)
	}
	for _, due := range tt.Queue {
		t.occurred(c.Name, &tt, Occurrence{Due: due, Kind: Scheduled, Outcome: OccurrenceSkipped, Why: c.Gone})
	}
	for i := range tt.Backfills {
		b := &tt.Backfills[i]
		t.occurred(c.Name, &tt, Occurrence{Due: b.Done + 1, Kind: Backfilled, Backfill: b.ID, Outcome: OccurrenceSkipped, Why: c.Gone})
	}
	tt.Queue, tt.Backfills = nil, nil
	if t.v.crons[c.Name] != 0 {
		t.drop(bCron, []byte(c.Name))
		t.v.crons = without(t.v.crons, c.Name)
	}
	if _, known := t.v.Timetable(c.Name); known {
		t.putTimetable(c.Name, &tt)
	}
	return nil
}

// unqueue takes an occurrence out of the queue.
func (c *Timetable) unqueue(due int64, kind OccurrenceKind) bool {
	at := slices.Index(c.Queue, due)
	if kind != Scheduled || at < 0 {
		return false
	}
	c.Queue = slices.Delete(c.Queue, at, at+1)
	return true
}

// fill is the place of a backfill; -1: there is none of that number.
func (c *Timetable) fill(id uint32) int {
	return slices.IndexFunc(c.Backfills, func(b Backfill) bool { return b.ID == id })
}

func (c *Fire) apply(t *txn) (any, error) {
	name, due := c.Start.Cron, c.Start.Due
	if err := checkName(name); err != nil {
		return nil, err
	}
	if len(c.Details) > maxDetails {
		return nil, grid.Errorf(grid.TooLarge, "what is to be noted of an occurrence is too long")
	}
	tt := t.timetable(name)
	mark := false
	switch c.As {
	case Scheduled:
		if !tt.unqueue(due, Scheduled) {
			if due <= t.v.crons[name] {
				return nil, grid.Errorf(grid.Conflict, "timetable %s has fired or passed over this occurrence", name)
			}
			mark = true
		}
	case Backfilled:
		at := tt.fill(c.Fill)
		if at < 0 || due <= tt.Backfills[at].Done || due > tt.Backfills[at].To {
			return nil, grid.Errorf(grid.Conflict, "backfill %d of %s is over, or beyond that", c.Fill, name)
		}
		tt.Backfills[at].Done = due
	case Manual:
	default:
		return nil, grid.Errorf(grid.Invalid, "a run of no kind")
	}
	before := uint32(0)
	if c.Follows {
		before = tt.Before(due)
	}
	id, err := c.Start.begin(t, before)
	if err != nil {
		return nil, err
	}
	if c.Follows {
		tt.Begun = append(tt.Begun, Begun{id, due})
		tt.Begun = tt.Begun[max(len(tt.Begun)-keepBegun, 0):]
	}
	if mark {
		t.mark(name, due)
	}
	tt.Runs = slices.DeleteFunc(tt.Runs, func(r TimetableOf) bool { return t.v.dags.at(r.Run) == nil })
	tt.Runs = append(tt.Runs, TimetableOf{Run: id, Due: due, Kind: c.As, Backfill: c.Fill, Vars: c.Vars})
	t.emit(Event{Type: CronFired, ID: id, Text: name})
	t.occurred(name, &tt, Occurrence{Due: due, Kind: c.As, Outcome: OccurrenceStarted, Run: id, Backfill: c.Fill, Why: c.Why, By: c.By, Details: c.Details})
	t.putTimetable(name, &tt)
	return id, nil
}

func (c *PauseTimetable) apply(t *txn) (any, error) {
	if err := checkName(c.Name); err != nil {
		return nil, err
	}
	tt := t.timetable(c.Name)
	tt.Pause = c.Pause
	t.putTimetable(c.Name, &tt)
	return nil, nil
}

func (c *BeginBackfill) apply(t *txn) (any, error) {
	if err := checkName(c.Name); err != nil {
		return nil, err
	}
	tt := t.timetable(c.Name)
	if c.End != 0 {
		at := tt.fill(c.End)
		if at < 0 {
			return nil, grid.Errorf(grid.NotFound, "there is no backfill %d of %s", c.End, c.Name)
		}
		tt.Backfills = slices.Delete(tt.Backfills, at, at+1)
		t.putTimetable(c.Name, &tt)
		return c.End, nil
	}
	switch {
	case c.Fill.From > c.Fill.To || c.Fill.AtOnce == 0:
		return nil, grid.Errorf(grid.Invalid, "a backfill has a beginning, an end after it, and runs at a time")
	case len(tt.Backfills) >= maxBackfills:
		return nil, grid.Errorf(grid.Refused, "%s has %d backfills, as many as it may have", c.Name, maxBackfills)
	}
	tt.LastFill++
	b := c.Fill
	b.ID, b.Done = tt.LastFill, b.From-1
	tt.Backfills = append(tt.Backfills, b)
	t.putTimetable(c.Name, &tt)
	return b.ID, nil
}

func (c *SetWindow) apply(t *txn) (any, error) {
	if err := checkName(c.Name); err != nil {
		return nil, err
	}
	if len(c.Note.Details) > maxDetails {
		return nil, grid.Errorf(grid.TooLarge, "what is to be noted of a window is too long")
	}
	tt := t.timetable(c.Name)
	open := tt.Window.Due
	switch {
	case c.Window.Due == 0:
		return nil, grid.Errorf(grid.Invalid, "a window without an hour")
	case open != 0 && open != c.Window.Due:
		return nil, grid.Errorf(grid.Conflict, "another window of %s is open", c.Name)
	case open == 0 && c.Close:
		return nil, grid.Errorf(grid.Conflict, "no window of %s is open", c.Name)
	case open != 0 && c.Close:
		tt.Window = Window{}
	case open != 0:
		tt.Window.Drain, tt.Window.Budget = c.Window.Drain, c.Window.Budget
	default:
		if c.Note.Kind != Manual {
			if c.Window.Due <= t.v.crons[c.Name] {
				return nil, grid.Errorf(grid.Conflict, "%s has had this window", c.Name)
			}
			t.mark(c.Name, c.Window.Due)
		}
		tt.Window = c.Window
		tt.Window.Claims = nil
	}
	if c.Note.Outcome != 0 {
		t.occurred(c.Name, &tt, c.Note)
	}
	t.putTimetable(c.Name, &tt)
	return nil, nil
}

func (c *WantFor) apply(t *txn) (any, error) {
	tt := t.timetable(c.Name)
	w := &tt.Window
	if w.Due == 0 || w.Due != c.Due || t.at >= w.Drain || w.Resource != c.Want.Resource {
		return nil, grid.Errorf(grid.Refused, "the window of %s is over", c.Name)
	}
	id, err := c.Want.apply(t)
	if err != nil {
		return nil, err
	}
	w.Claims = append(w.Claims, id.(uint32))
	t.putTimetable(c.Name, &tt)
	return id, nil
}

func (c *RestoreTimetables) apply(t *txn) (any, error) {
	for _, name := range t.v.Crons() {
		mark, tt := t.v.crons[name], t.timetable(name)
		for _, due := range tt.Queue {
			t.occurred(name, &tt, Occurrence{Due: due, Kind: Scheduled, Outcome: OccurrenceMissed, Why: c.Reason})
		}
		for i := range tt.Backfills {
			t.occurred(name, &tt, Occurrence{Due: tt.Backfills[i].Done + 1, Kind: Backfilled, Backfill: tt.Backfills[i].ID, Outcome: OccurrenceMissed, Why: c.Reason})
		}
		tt.Queue, tt.Backfills = nil, nil
		if until := max(c.Until, t.at); mark < until {
			t.mark(name, until)
			t.occurred(name, &tt, Occurrence{Due: until, Kind: Scheduled, Outcome: OccurrenceMissed, Why: c.Reason})
		}
		t.putTimetable(name, &tt)
	}
	return nil, nil
}
