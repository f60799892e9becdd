package schedd

import (
	"cmp"
	"context"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/dag/trigger"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// Cron is a timetable that starts a workflow.
type Cron struct {
	Name     string
	Schedule string // see package trigger
	TimeZone string // empty: UTC
	Owner    string // the user whose workflow it is; it is read with that user's rights
	Dag      string // the workflow's file; full path
	Missed   string // what becomes of occurrences while the daemon was away: none (or skip), last (or once), all; empty: none
	Overlap  string // what becomes of one while the last run goes on: forbid (or skip), allow, queue, replace; empty: forbid

	// AfterPrevious is what has to become of the run before, so that one is begun: done; empty:
	// nothing.
	AfterPrevious string

	// StartDeadline is how late an occurrence may still be started; 0: no bound.
	StartDeadline time.Duration

	MissedLimit int           // of Missed all: the newest so many; 0: 100
	Jitter      time.Duration // by which an occurrence is begun later, at most
	Clock
}

// Clock is what else a timetable may say of its times.
type Clock struct {
	Also   []string // further expressions, each with its occurrences
	Gap    string   // a time that the clock skips: run, skip; empty: run
	Repeat string   // one that it shows twice: first, last, both; empty: first
	Except []string // days without occurrences: 2026-12-24, 2026-12-24..2027-01-01
	Begin  string   // no occurrence before: RFC 3339; empty: no bound
	End    string   // none from then on
}

// cron is a Cron that makes sense.
type cron struct {
	Cron
	schedule *trigger.Schedule
	policy   trigger.Policy
	handedIn bool
	text     string // of the specification, if it was
}

// cronName is what a timetable's name looks like: a slash stands behind its user's, a
// colon behind "burst".
var cronName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func (c *Cron) parse() (*cron, error) {
	bad := func(err error) error { return grid.Errorf(grid.Invalid, "cron %s: %w", c.Name, err) }
	out := &cron{Cron: *c}
	var err error
	if out.schedule, err = c.parseSchedule(c.Schedule, c.TimeZone, c.Name, c.Jitter); err != nil {
		return nil, bad(err)
	}
	if out.policy.Missed, err = trigger.ParseMissed(c.Missed); err != nil {
		return nil, bad(err)
	}
	out.policy.StartDeadline, out.policy.Limit = c.StartDeadline, c.MissedLimit
	name := c.Name
	if user, own, ok := strings.Cut(name, "/"); ok && user == c.Owner {
		name = own
	}
	switch {
	case c.Name == "":
		return nil, grid.Errorf(grid.Invalid, "a cron without a name")
	case !cronName.MatchString(name):
		return nil, grid.Errorf(grid.Invalid, "%q is no name of a cron: letters, digits, dots, dashes and underscores make one", c.Name)
	case c.Owner == "":
		return nil, bad(grid.Errorf(grid.Invalid, "it has no owner"))
	case !filepath.IsAbs(c.Dag):
		return nil, bad(grid.Errorf(grid.Invalid, "its dag %q is not a full path", c.Dag))
	case !slices.Contains([]string{"", "skip", "forbid", "allow", "queue", "replace"}, c.Overlap):
		return nil, bad(grid.Errorf(grid.Invalid, "overlap is forbid, allow, queue or replace, not %q", c.Overlap))
	case c.AfterPrevious != "" && c.AfterPrevious != "done":
		return nil, bad(grid.Errorf(grid.Invalid, "after_previous is done, not %q: a run that only has to have ended is waited for by overlap = \"queue\"", c.AfterPrevious))
	case c.AfterPrevious != "" && (c.Overlap == "allow" || c.Overlap == "replace"):
		return nil, bad(grid.Errorf(grid.Invalid, "with overlap = %q no run waits for the one before it, and after_previous has it wait: overlap is forbid or queue, or each node says what it is after (after_previous of a node)", c.Overlap))
	case c.StartDeadline < 0 || c.StartDeadline > 0 && c.StartDeadline < leastDeadline:
		return nil, bad(grid.Errorf(grid.Invalid, "a start_deadline of %s would be missed by a busy schedd: %s is the least", c.StartDeadline, leastDeadline))
	case c.MissedLimit < 0 || c.MissedLimit > maxMissed:
		return nil, bad(grid.Errorf(grid.Invalid, "missed_limit is from 0 to %d", maxMissed))
	}
	out.Overlap = cmp.Or(strings.Replace(c.Overlap, "skip", "forbid", 1), "forbid")
	return out, nil
}

// Bounds of what a timetable may say.
const (
	leastDeadline = 5 * time.Second
	maxMissed     = 1000
)

// parseSchedule makes a schedule of what a timetable says of its times.
func (c *Clock) parseSchedule(spec, zone, name string, jitter time.Duration) (s *trigger.Schedule, err error) {
	if s, err = trigger.ParseAll(append([]string{spec}, c.Also...), zone); err != nil {
		return nil, err
	}
	if s.Gap, err = trigger.ParseGap(c.Gap); err != nil {
		return nil, err
	}
	if s.Overlap, err = trigger.ParseOverlap(c.Repeat); err != nil {
		return nil, err
	}
	for _, text := range c.Except {
		days, err := trigger.ParseDays(text)
		if err != nil {
			return nil, err
		}
		s.Except = append(s.Except, days)
	}
	for _, b := range []struct {
		text, what string
		at         *time.Time
	}{{c.Begin, "begin", &s.Begin}, {c.End, "end", &s.End}} {
		if b.text == "" {
			continue
		}
		if *b.at, err = time.Parse(time.RFC3339, b.text); err != nil {
			return nil, grid.Errorf(grid.Invalid, "%s %q is no time: write it as in 2026-12-24T18:00:00+01:00", b.what, grid.Printable(b.text))
		}
	}
	if !s.Begin.IsZero() && !s.End.IsZero() && !s.End.After(s.Begin) {
		return nil, grid.Errorf(grid.Invalid, "it ends before it begins")
	}
	s.Jitter, s.Name = jitter, name
	return s, s.CheckJitter(time.Now())
}

// crons starts workflows by the clock, and has machines there by it. How far each
// timetable has been followed is a watermark in the ledger, moved in the same step that
// starts a run: an occurrence is started at most once, whatever dies, and what became of
// it stands in the ledger.
type crons struct {
	ledger  cronLedger
	now     func() time.Time
	propose func(context.Context, ledger.Body) (ledger.Result, error)
	begin   func(context.Context, *cron, *occasion) (uint32, error) // reads the files and begins the run
	end     func(ctx context.Context, run uint32) error             // asks a run to end
	log     logrus.FieldLogger
	trouble func(string)

	// mu is held while anything is followed, and while others take the place of those of the
	// configuration, which these are.
	mu      sync.Mutex
	fixed   []*cron
	windows []*window
	parsed  map[string]*cron // that were handed in

	// Of windows: how long before its hour one is opened, a change of a claim, what a closed
	// one had.
	lead    func(*window) (lead time.Duration, learned bool)
	move    func(ctx context.Context, id uint32, c *ledger.Claim, verb grid.ClaimVerb, why string) error
	receipt func(*ledger.Window) (*api.WindowReceipt, error)

	foretell func(k *cron, next time.Time) // when one begins next; nil: nobody wants to know

	poked   chan struct{}
	told    map[string]bool // what need not be said again
	removed map[uint32]bool // runs that were asked to end
}

// cronLedger is what it sees of the ledger.
type cronLedger interface {
	View() *ledger.View
	Read(func(*ledger.Reader) error) error
}

// occasion is an occurrence that is to begin.
type occasion struct {
	due    time.Time
	kind   ledger.OccurrenceKind
	fill   uint32
	prio   int32
	why    string
	by     string
	params map[string]string
	key    string // the client's, of a manual one
	uid    uint32
}

func newCrons(d *Daemon) *crons {
	return &crons{
		ledger: d.ledger, now: d.c.Now, propose: d.propose, begin: d.beginOccurrence, end: d.endRun, log: d.log, trouble: d.trouble.add,
		fixed: d.c.crons, windows: d.c.windows, lead: rarely(d.lead), move: d.moveClaim, receipt: d.windowReceipt, foretell: d.foresight.timetable, parsed: map[string]*cron{}, poked: make(chan struct{}, 1), told: map[string]bool{}, removed: map[uint32]bool{},
	}
}

// cronLook bounds how long the loop sleeps: a wall clock may be set. cronGap is the least
// time between two looks, though runs end all the time.
const (
	cronLook = 30 * time.Second
	cronGap  = 20 * time.Millisecond
)

func (c *crons) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var looked time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.poked:
			if pause.For(ctx, cronGap-time.Since(looked)) != nil {
				return nil
			}
		case <-timer.C:
		}
		looked = time.Now()
		c.mu.Lock()
		next, err := c.look(ctx)
		c.mu.Unlock()
		if err != nil {
			return ignoreEnd(ctx, err)
		}
		wait := cronLook
		if !next.IsZero() {
			wait = min(wait, max(next.Sub(c.now()), time.Millisecond))
		}
		timer.Reset(wait)
	}
}

// poke makes the loop look now.
func (c *crons) poke() {
	select {
	case c.poked <- struct{}{}:
	default:
	}
}

// look does what is due, and says when to look again; the zero time: when it likes.
func (c *crons) look(ctx context.Context) (next time.Time, err error) {
	for _, k := range c.all() {
		at, err := c.follow(ctx, k)
		if err != nil {
			return next, err
		}
		next = earlier(next, at)
	}
	for _, w := range c.windows {
		at, err := c.followWindow(ctx, w)
		if err != nil {
			return next, err
		}
		next = earlier(next, at)
	}
	if err := c.leave(ctx); err != nil {
		return next, err
	}
	at, err := c.closeForgotten(ctx)
	return earlier(next, at), err
}

// earlier is the first of two times; the zero one is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// all are the timetables of the configuration, and those that were handed in.
func (c *crons) all() []*cron {
	out := slices.Clone(c.fixed)
	v := c.ledger.View()
	for _, name := range v.Timetables() {
		t, _ := v.Timetable(name)
		if len(t.Spec) == 0 {
			continue
		}
		k := c.parsed[name]
		if k == nil || k.text != string(t.Spec) {
			var err error
			if k, err = parseSpec(name, t.Spec); err != nil {
				c.once(name, func() {
					c.log.WithError(err).WithField("cron", name).Error("timetable cannot be followed")
					c.trouble("cron " + name + ": " + grid.MessageOf(err))
				})
				continue
			}
			c.parsed[name] = k
		}
		out = append(out, k)
	}
	return out
}

// once says something about a timetable the first time.
func (c *crons) once(what string, say func()) {
	if !c.told[what] {
		c.told[what] = true
		say()
	}
}

// follow does what is due of one timetable, and says when to look again.
func (c *crons) follow(ctx context.Context, k *cron) (time.Time, error) {
	now, v := c.now(), c.ledger.View()
	mark := v.Cron(k.Name)
	if mark == 0 {
		// New: it begins now, and not before anything that is known to have been.
		return now, c.settle(ctx, &ledger.Settle{Name: k.Name, Mark: max(now.UnixMilli(), v.At)})
	}
	t, _ := v.Timetable(k.Name)
	policy := k.policy
	policy.Paused = pausedBy(&t.Pause)
	plan := trigger.Due(k.schedule, time.UnixMilli(mark), now, policy)
	passed := &ledger.Settle{Name: k.Name}
	for _, s := range inOrder(&plan) {
		if s.Why != "" {
			passed.Add(ledger.Occurrence{Due: s.At.UnixMilli(), Kind: ledger.Scheduled, Outcome: outcomeOf(s.Why), Why: s.Why})
			if plan.More && len(passed.List) == 1 {
				passed.List[0].Why += "; so were older ones"
			}
			c.say(k, s.At).Info("occurrence is passed over: " + s.Why)
			continue
		}
		if err := c.settle(ctx, passed); err != nil {
			return now, err
		}
		passed = &ledger.Settle{Name: k.Name}
		again, err := c.due(ctx, k, s.At)
		if err != nil {
			return now, err
		}
		if again {
			return now.Add(cronRetry), nil
		}
	}
	if err := c.settle(ctx, passed); err != nil {
		return now, err
	}
	next := plan.Next
	if c.foretell != nil {
		c.foretell(k, unlessPaused(next, policy.Paused))
	}
	if next.IsZero() {
		c.once("ended "+k.Name, func() { c.log.WithField("cron", k.Name).Warn("timetable has no occurrence any more") })
	}
	again, err := c.serve(ctx, k)
	return earlier(next, again), err
}

// unlessPaused is a time for which there is no reason to pass it over; otherwise the zero one.
func unlessPaused(at time.Time, paused func(time.Time) string) time.Time {
	if at.IsZero() || paused(at) != "" {
		return time.Time{}
	}
	return at
}

// cronRetry is when an occurrence is tried again whose files do not answer. It is not
// for ever: with time it counts as missed.
const cronRetry = 5 * time.Second

// pausedBy is what a pause says to an occurrence.
func pausedBy(p *ledger.Pause) func(time.Time) string {
	return func(at time.Time) string {
		if !p.Holds(at.UnixMilli()) {
			return ""
		}
		return pausedWhy + p.Reason
	}
}

const pausedWhy = "it is paused: "

// inOrder are a plan's occurrences as they follow one another; those to start have no Why.
func inOrder(p *trigger.Plan) []trigger.Skip {
	out := slices.Clone(p.Skipped)
	for _, at := range p.Start {
		out = append(out, trigger.Skip{At: at})
	}
	slices.SortFunc(out, func(a, b trigger.Skip) int { return a.At.Compare(b.At) })
	return out
}

func outcomeOf(why string) ledger.Outcome {
	if why == trigger.TooLate || why == trigger.WasMissed {
		return ledger.OccurrenceMissed
	}
	return ledger.OccurrenceSkipped
}

func (c *crons) say(k *cron, at time.Time) logrus.FieldLogger {
	return c.log.WithFields(logrus.Fields{"cron": k.Name, "due": at.UTC().Format(time.RFC3339)})
}

// settle notes what became of occurrences, if there are any.
func (c *crons) settle(ctx context.Context, s *ledger.Settle) error {
	if len(s.List) == 0 && s.Mark == 0 && !s.Ends && s.Gone == "" {
		return nil
	}
	_, err := c.propose(ctx, s)
	if grid.CodeOf(err) == grid.Conflict {
		return nil // it is beyond that
	}
	return err
}

// due begins an occurrence, or decides what becomes of it while the last run goes on.
func (c *crons) due(ctx context.Context, k *cron, at time.Time) (again bool, err error) {
	v := c.ledger.View()
	live := liveRuns(v, k.Name)
	t, _ := v.Timetable(k.Name)
	o := ledger.Occurrence{Due: at.UnixMilli(), Kind: ledger.Scheduled}
	s := &ledger.Settle{Name: k.Name, Mark: o.Due}
	unmet, waits, err := c.unmet(v, k, at)
	if err != nil {
		return false, err
	}
	switch free := len(live) == 0 && len(t.Queue) == 0; {
	case k.Overlap == "allow" || free && unmet == "":
		return c.fire(ctx, k, &occasion{due: at, kind: ledger.Scheduled})
	case free && (!waits || k.Overlap != "queue"):
		o.Outcome, o.Why = ledger.OccurrenceSkipped, unmet
	case free:
		o.Outcome, o.Why = ledger.OccurrenceQueued, unmet
	case k.Overlap == "queue":
		o.Outcome, o.Why = ledger.OccurrenceQueued, goesOn(live)
	case k.Overlap == "replace":
		o.Outcome, o.Why, s.Replace = ledger.OccurrenceQueued, goesOn(live)+", and is ended for it", true
	default:
		o.Outcome, o.Why = ledger.OccurrenceSkipped, goesOn(live)
	}
	s.List = []ledger.Occurrence{o}
	c.say(k, at).Info("occurrence is " + o.Outcome.String() + ": " + o.Why)
	return false, c.settle(ctx, s)
}

// fire begins the run of one occurrence, or notes why there can be none.
func (c *crons) fire(ctx context.Context, k *cron, o *occasion) (again bool, err error) {
	run, err := c.begin(ctx, k, o)
	switch code := grid.CodeOf(err); {
	case err == nil:
		c.say(k, o.due).WithField("dag", run).Info("workflow is started")
		return false, nil
	case ctx.Err() != nil:
		return false, err
	case code == grid.Conflict:
		return false, nil // it was started before
	case code == grid.Unavailable, code == grid.NoSpace:
		c.say(k, o.due).WithError(err).Warn("workflow cannot be started now")
		return true, nil
	case code == grid.Unknown:
		return false, err // the ledger has stopped
	}
	c.say(k, o.due).WithError(err).Error("workflow cannot be started")
	c.trouble("cron " + k.Name + ": " + grid.MessageOf(err))
	s := &ledger.Settle{Name: k.Name, Backfill: o.fill}
	if o.kind == ledger.Scheduled && c.ledger.View().Cron(k.Name) < o.due.UnixMilli() {
		s.Mark = o.due.UnixMilli()
	}
	s.List = []ledger.Occurrence{{Due: o.due.UnixMilli(), Kind: o.kind, Outcome: ledger.OccurrenceFailed, Backfill: o.fill, Why: inFull(err)}}
	return false, c.settle(ctx, s)
}
