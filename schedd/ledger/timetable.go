package ledger

import (
	"maps"
	"slices"

	"gridburst/internal/grid"
)

// Timetable is what is remembered of a timetable or of a burst by the clock, beside its
// watermark: what was handed in of it, what waits, what goes on. What becomes of each of
// its occurrences is an [Occurrence].
type Timetable struct {
	Spec      []byte // of one that a user handed in, in the proposer's words; empty: the configuration has it
	Owner     uint32 // of such a one
	Pause     Pause
	Count     uint32        // occurrences that were noted so far
	Queue     []int64       // occurrences that wait for the last run to end, oldest first
	Runs      []TimetableOf // runs that had not ended when the last one began
	Backfills []Backfill
	LastFill  uint32  // the number of the last backfill
	Window    Window  // open one; the zero Window: none is
	Begun     []Begun // the runs that it began last, the oldest first: each is the run before of one to come
}

// Begun is a run that a timetable began, and for which instant.
type Begun struct {
	Run uint32
	Due int64 // ms since 1970
}

// Before is the run of the last instant before due that has begun, of several the last one
// begun; 0: none is known.
func (c *Timetable) Before(due int64) uint32 {
	var last Begun
	for _, b := range c.Begun {
		if b.Due < due && (last.Run == 0 || b.Due >= last.Due) {
			last = b
		}
	}
	return last.Run
}

// Pause is a time in which occurrences are passed over.
type Pause struct {
	From   int64 // ms since 1970; 0: there was none
	Until  int64 // 0: until somebody ends it
	Reason string
	By     string
}

// Holds reports whether an occurrence lies in the pause.
func (p *Pause) Holds(at int64) bool {
	return p.From != 0 && at >= p.From && (p.Until == 0 || at < p.Until)
}

// TimetableOf is a run that a timetable began.
type TimetableOf struct {
	Run      uint32
	Due      int64 // ms since 1970
	Kind     OccurrenceKind
	Backfill uint32
	Vars     []Attr // macros for its nodes' jobs; Expr is the text
}

// Backfill is a range of the past whose occurrences are run again.
type Backfill struct {
	ID     uint32
	From   int64 // ms since 1970
	To     int64
	Done   int64  // nothing up to it is begun any more; 0: nothing was
	AtOnce uint32 // runs at a time
	Prio   int32  // added to that of its jobs
	Again  bool   // also those that have run
	By     string
}

// Window is a time for which a burst by the clock has machines.
type Window struct {
	Due      int64 // the hour that it is for, ms since 1970; 0: there is no window
	Opened   int64 // when its machines were asked for
	Drain    int64 // from when on its machines take no more jobs
	End      int64 // when those that still run some are stopped; 0: they may end
	Resource string
	Count    uint32 // machines
	Budget   int64  // ms of machines' time; 0: no bound
	Claims   []uint32
}

// OccurrenceKind is why an occurrence is one.
type OccurrenceKind uint8

const (
	Scheduled  OccurrenceKind = 1
	Manual     OccurrenceKind = 2 // somebody asked for it
	Backfilled OccurrenceKind = 3
	Windowed   OccurrenceKind = 4 // of a burst by the clock
)

func (k OccurrenceKind) String() string {
	switch k {
	case Scheduled:
		return "scheduled"
	case Manual:
		return "manual"
	case Backfilled:
		return "backfill"
	case Windowed:
		return "window"
	}
	return "unknown"
}

// Outcome is what became of an occurrence.
type Outcome uint8

const (
	OccurrenceStarted Outcome = 1 // its run is begun, its machines are asked for
	OccurrenceSkipped Outcome = 2 // it was not to be
	OccurrenceMissed  Outcome = 3 // nobody looked in time
	OccurrenceFailed  Outcome = 4 // it could not be begun
	OccurrenceQueued  Outcome = 5 // it waits for the last run to end
	OccurrenceClosed  Outcome = 6 // of a window: its machines are gone
)

func (o Outcome) String() string {
	switch o {
	case OccurrenceStarted:
		return "started"
	case OccurrenceSkipped:
		return "skipped"
	case OccurrenceMissed:
		return "missed"
	case OccurrenceFailed:
		return "failed"
	case OccurrenceQueued:
		return "queued"
	case OccurrenceClosed:
		return "closed"
	}
	return "unknown"
}

// Occurrence is what became of one instant of a timetable. Its name is the timetable's and
// Due; a later one of the same name and kind says more than an earlier.
type Occurrence struct {
	Due      int64 // ms since 1970
	Kind     OccurrenceKind
	Outcome  Outcome
	At       int64  // when it was decided, ms since 1970
	Run      uint32 // the workflow's run; 0: none
	Backfill uint32
	Why      string
	By       string // who asked; empty: the timetable
	Details  []byte // in the proposer's words: what was read, what was given, what it cost
}

// Limits of what is remembered of one timetable.
const (
	keepOccurrences = 500
	keepBegun       = 100
	maxQueued       = 100
	maxBackfills    = 20
	maxDetails      = 64 << 10 // bytes
	maxWhy          = 4 << 10  // bytes
	maxTimetables   = 10_000
)

func (e *enc) window(w *Window) {
	for _, n := range [...]int64{w.Due, w.Opened, w.Drain, w.End, w.Budget} {
		e.i(n)
	}
	e.str(w.Resource)
	e.u(uint64(w.Count))
	e.u(uint64(len(w.Claims)))
	for _, c := range w.Claims {
		e.u(uint64(c))
	}
}

func (d *dec) window() (w Window) {
	for _, n := range [...]*int64{&w.Due, &w.Opened, &w.Drain, &w.End, &w.Budget} {
		*n = d.i()
	}
	w.Resource, w.Count = d.str(), d.u32()
	for range d.count(1) {
		w.Claims = append(w.Claims, d.u32())
	}
	return w
}

func (e *enc) pause(p *Pause) {
	e.i(p.From)
	e.i(p.Until)
	e.str(p.Reason)
	e.str(p.By)
}

func (d *dec) pause() Pause { return Pause{From: d.i(), Until: d.i(), Reason: d.str(), By: d.str()} }

func (e *enc) backfill(b *Backfill) {
	e.u(uint64(b.ID))
	e.i(b.From)
	e.i(b.To)
	e.i(b.Done)
	e.u(uint64(b.AtOnce))
	e.i(int64(b.Prio))
	e.bool(b.Again)
	e.str(b.By)
}

func (d *dec) backfill() Backfill {
	return Backfill{ID: d.u32(), From: d.i(), To: d.i(), Done: d.i(), AtOnce: d.u32(), Prio: d.i32(), Again: d.bool(), By: d.str()}
}

func (c *Timetable) encode() *enc {
	e := newEnc(128)
	e.bytes(c.Spec)
	e.u(uint64(c.Owner))
	e.pause(&c.Pause)
	e.u(uint64(c.Count))
	e.u(uint64(len(c.Queue)))
	for _, at := range c.Queue {
		e.i(at)
	}
	e.u(uint64(len(c.Runs)))
	for i := range c.Runs {
		r := &c.Runs[i]
		e.u(uint64(r.Run))
		e.i(r.Due)
		e.byte(byte(r.Kind))
		e.u(uint64(r.Backfill))
		e.attrs(r.Vars)
	}
	e.u(uint64(len(c.Backfills)))
	for i := range c.Backfills {
		e.backfill(&c.Backfills[i])
	}
	e.u(uint64(c.LastFill))
	e.window(&c.Window)
	if len(c.Begun) == 0 {
		return e
	}
	e.u(uint64(len(c.Begun)))
	for _, b := range c.Begun {
		e.u(uint64(b.Run))
		e.i(b.Due)
	}
	return e
}

func decodeTimetable(k, v []byte) (c Timetable, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return c, err
	}
	d := dec{b: body}
	c = Timetable{Spec: d.bytes(), Owner: d.u32(), Pause: d.pause(), Count: d.u32()}
	for range d.count(1) {
		c.Queue = append(c.Queue, d.i())
	}
	for range d.count(5) {
		c.Runs = append(c.Runs, TimetableOf{Run: d.u32(), Due: d.i(), Kind: OccurrenceKind(d.byte()), Backfill: d.u32(), Vars: d.attrs()})
	}
	for range d.count(8) {
		c.Backfills = append(c.Backfills, d.backfill())
	}
	c.LastFill, c.Window = d.u32(), d.window()
	if d.more() {
		for range d.count(2) {
			c.Begun = append(c.Begun, Begun{d.u32(), d.i()})
		}
	}
	return c, d.err()
}

func (e *enc) occurrence(o *Occurrence) {
	e.i(o.Due)
	e.b = append(e.b, byte(o.Kind), byte(o.Outcome))
	e.i(o.At)
	e.u(uint64(o.Run))
	e.u(uint64(o.Backfill))
	e.str(o.Why)
	e.str(o.By)
	e.bytes(o.Details)
}

func (d *dec) occurrence() Occurrence {
	return Occurrence{
		Due: d.i(), Kind: OccurrenceKind(d.byte()), Outcome: Outcome(d.byte()), At: d.i(), Run: d.u32(), Backfill: d.u32(),
		Why: d.str(), By: d.str(), Details: d.bytes(),
	}
}

// SetTimetable hands a timetable in, or takes one back when Spec is empty: then all that
// is remembered of it goes too. One that comes back begins anew.
type SetTimetable struct {
	Name  string
	Owner Owner
	Spec  []byte
	Begin int64  // a new one's watermark, ms since 1970, unless the ledger's time is later
	Most  uint32 // refused when its owner has so many already; 0: no bound
}

func (*SetTimetable) Kind() Kind { return KindSetTimetable }
func (c *SetTimetable) encode(e *enc) {
	e.str(c.Name)
	e.owner(c.Owner)
	e.bytes(c.Spec)
	e.i(c.Begin)
	e.u(uint64(c.Most))
}

func (c *SetTimetable) decode(d *dec) {
	*c = SetTimetable{Name: d.str(), Owner: d.owner(), Spec: d.bytes(), Begin: d.i(), Most: d.u32()}
}

// Settle notes what became of occurrences that begin no run, and moves the watermark to
// Mark, or that of a backfill to the last of List. It is refused when the mark is there
// already: somebody else has decided.
type Settle struct {
	Name     string
	Mark     int64 // ms since 1970; 0: it stays
	List     []Occurrence
	Replace  bool   // what waits in the queue is skipped for the one that is queued here
	Backfill uint32 // of this one; 0: of none
	Ends     bool   // the backfill is over

	// Gone says why the timetable is followed no more; empty: it is. What waits and what is
	// being filled in is skipped for that reason, and the watermark goes: one of that name
	// that comes begins anew. Its history, its pause and its runs stay.
	Gone string
}

// Add takes one more occurrence in, to which the watermark moves.
func (c *Settle) Add(o Occurrence) { c.List, c.Mark = append(c.List, o), o.Due }

func (*Settle) Kind() Kind { return KindSettle }
func (c *Settle) encode(e *enc) {
	e.str(c.Name)
	e.i(c.Mark)
	e.u(uint64(len(c.List)))
	for i := range c.List {
		e.occurrence(&c.List[i])
	}
	e.bool(c.Replace)
	e.u(uint64(c.Backfill))
	e.bool(c.Ends)
	if c.Gone != "" {
		e.str(c.Gone)
	}
}

func (c *Settle) decode(d *dec) {
	c.Name, c.Mark = d.str(), d.i()
	for range d.count(9) {
		c.List = append(c.List, d.occurrence())
	}
	c.Replace, c.Backfill, c.Ends = d.bool(), d.u32(), d.bool()
	if d.more() {
		c.Gone = d.str()
	}
}

// Fire begins the run of an occurrence, in one step with all that says that it has begun:
// the watermark, the queue, the backfill. The result is the run's number, a uint32.
type Fire struct {
	Start StartDag // its Cron and Due are the occurrence's
	As    OccurrenceKind
	Fill  uint32 // the backfill; 0: none
	Vars  []Attr
	Why   string
	By    string

	Details []byte
	Follows bool // it knows the run before it, and the one after it knows it; older entries have none
}

func (*Fire) Kind() Kind { return KindFire }
func (c *Fire) encode(e *enc) {
	var start enc // by itself, so that either may grow
	c.Start.encode(&start)
	e.bytes(start.b)
	e.byte(byte(c.As))
	e.u(uint64(c.Fill))
	e.attrs(c.Vars)
	e.str(c.Why)
	e.str(c.By)
	e.bytes(c.Details)
	if c.Follows {
		e.bool(true)
	}
}

func (c *Fire) decode(d *dec) {
	start := dec{b: d.take()}
	c.Start.decode(&start)
	if start.err() != nil {
		d.fail()
	}
	c.As, c.Fill, c.Vars, c.Why, c.By, c.Details = OccurrenceKind(d.byte()), d.u32(), d.attrs(), d.str(), d.str(), d.bytes()
	c.Follows = d.more() && d.bool()
}

// PauseTimetable sets a timetable's pause: the zero Pause is none.
type PauseTimetable struct {
	Name  string
	Pause Pause
}

func (*PauseTimetable) Kind() Kind      { return KindPauseTimetable }
func (c *PauseTimetable) encode(e *enc) { e.str(c.Name); e.pause(&c.Pause) }
func (c *PauseTimetable) decode(d *dec) { *c = PauseTimetable{Name: d.str(), Pause: d.pause()} }

// BeginBackfill begins one, whose ID and Done are the ledger's to say. The result is its
// number, a uint32. With End it ends the backfill of that number: what runs goes on.
type BeginBackfill struct {
	Name string
	Fill Backfill
	End  uint32
}

func (*BeginBackfill) Kind() Kind      { return KindBackfill }
func (c *BeginBackfill) encode(e *enc) { e.str(c.Name); e.backfill(&c.Fill); e.u(uint64(c.End)) }
func (c *BeginBackfill) decode(d *dec) {
	*c = BeginBackfill{Name: d.str(), Fill: d.backfill(), End: d.u32()}
}

// SetWindow opens a window, moving the watermark to it (a [Manual] one leaves that where
// it is), changes the open one, or closes it when Close is set. Of Window, a change takes
// Drain and Budget alone.
type SetWindow struct {
	Name   string
	Window Window
	Close  bool
	Note   Occurrence // what is noted; of no outcome: nothing
}

func (*SetWindow) Kind() Kind { return KindSetWindow }
func (c *SetWindow) encode(e *enc) {
	e.str(c.Name)
	e.window(&c.Window)
	e.bool(c.Close)
	e.occurrence(&c.Note)
}

func (c *SetWindow) decode(d *dec) {
	*c = SetWindow{Name: d.str(), Window: d.window(), Close: d.bool(), Note: d.occurrence()}
}

// WantFor is a [Want] of a window's machine: it is wished for and the window knows it in
// one step, or, when the window is over, not at all.
type WantFor struct {
	Name string
	Due  int64
	Want Want
}

func (*WantFor) Kind() Kind { return KindWantFor }
func (c *WantFor) encode(e *enc) {
	e.str(c.Name)
	e.i(c.Due)
	var want enc
	c.Want.encode(&want)
	e.bytes(want.b)
}

func (c *WantFor) decode(d *dec) {
	c.Name, c.Due = d.str(), d.i()
	want := dec{b: d.take()}
	c.Want.decode(&want)
	if want.err() != nil {
		d.fail()
	}
}

// RestoreTimetables is for a state that comes from a backup. What lies between that and
// now may have run: nothing of it is begun, nor what waited, nor what was being filled in.
type RestoreTimetables struct {
	Until  int64 // ms since 1970; the ledger's time if that is later
	Reason string
}

func (*RestoreTimetables) Kind() Kind      { return KindRestoreTimetables }
func (c *RestoreTimetables) encode(e *enc) { e.i(c.Until); e.str(c.Reason) }
func (c *RestoreTimetables) decode(d *dec) { *c = RestoreTimetables{Until: d.i(), Reason: d.str()} }

// Timetable is what is remembered of the one of that name; false when nothing is.
func (v *View) Timetable(name string) (Timetable, bool) {
	if t := v.timetables[name]; t != nil {
		return *t, true
	}
	return Timetable{}, false
}

// Timetables are the names of all of which something is remembered, in order.
func (v *View) Timetables() []string {
	return slices.Sorted(maps.Keys(v.timetables))
}

// Crons are the names of all that have a watermark, in order.
func (v *View) Crons() []string {
	return slices.Sorted(maps.Keys(v.crons))
}

// Windows yields the open windows, by the names of their bursts.
func (v *View) Windows(yield func(string, *Window) bool) {
	var open []string
	for name, t := range v.timetables {
		if t.Window.Due != 0 {
			open = append(open, name)
		}
	}
	slices.Sort(open)
	for _, name := range open {
		if !yield(name, &v.timetables[name].Window) {
			return
		}
	}
}

// Of is the run with that number, if the timetable began it lately.
func (c *Timetable) Of(run uint32) (TimetableOf, bool) {
	for _, r := range c.Runs {
		if r.Run == run {
			return r, true
		}
	}
	return TimetableOf{}, false
}

func occurrenceKey(name string, slot uint32) []byte {
	return append(append([]byte(name), 0), key4(slot)...)
}

// Occurrences are what is remembered of a timetable's occurrences, the last noted first,
// at most so many (0: all).
func (r *Reader) Occurrences(v *View, name string, most int) (out []Occurrence, err error) {
	t, _ := v.Timetable(name)
	for n := t.Count; n > 0 && t.Count-n < keepOccurrences; n-- {
		if most > 0 && len(out) == most {
			break
		}
		body, err := r.sealed(bTimetable, occurrenceKey(name, (n-1)%keepOccurrences), "an occurrence of "+name)
		if err != nil {
			return out, err
		}
		if body == nil {
			continue // the view is older than the file
		}
		d := dec{b: body}
		o := d.occurrence()
		if err := d.err(); err != nil {
			return out, grid.Errorf(grid.Internal, "an occurrence of %s: %w", name, err)
		}
		out = append(out, o)
	}
	return out, nil
}
