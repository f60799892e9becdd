package schedd

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridburst/dag/trigger"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// parseSpec reads what a user has handed in.
func parseSpec(name string, spec []byte) (*cron, error) {
	var t api.Timetable
	if err := json.Unmarshal(spec, &t); err != nil {
		return nil, grid.Errorf(grid.Invalid, "the timetable %s: %w", name, err)
	}
	owner, _, _ := strings.Cut(name, "/")
	k, err := cronOf(name, owner, &t)
	if err == nil {
		k.handedIn, k.text = true, string(spec)
	}
	return k, err
}

// cronOf is a timetable in the schedd's words.
func cronOf(name, owner string, t *api.Timetable) (*cron, error) {
	if len(t.Schedules) == 0 {
		return nil, grid.Errorf(grid.Invalid, "the timetable %s has no schedule", name)
	}
	c := Cron{
		Name: name, Schedule: t.Schedules[0], TimeZone: t.TimeZone, Owner: owner, Dag: t.File, Missed: t.Missed, Overlap: t.Overlap, AfterPrevious: t.AfterPrevious,
		StartDeadline: time.Duration(t.StartDeadline) * time.Second, MissedLimit: t.MissedLimit, Jitter: time.Duration(t.Jitter) * time.Second,
		Clock: Clock{Also: t.Schedules[1:], Gap: t.Gap, Repeat: t.Repeat, Except: t.Except, Begin: t.Begin, End: t.End},
	}
	return c.parse()
}

// clocks is one of the configuration or of the ledger, of either kind.
type clocks struct {
	name   string
	cron   *cron
	window *window
	next   *trigger.Schedule // that it has from now on; nil: it goes, or nobody asks
}

// schedule is when its occurrences are.
func (k clocks) schedule() *trigger.Schedule {
	if k.window != nil {
		return k.window.schedule
	}
	return k.cron.schedule
}

// clocksOf are all, in order. What was handed in and cannot be read is left out: the loop
// says so.
func (d *Daemon) clocksOf(v *ledger.View) (out []clocks) {
	c := d.config()
	for _, k := range c.crons {
		out = append(out, clocks{name: k.Name, cron: k})
	}
	for _, name := range v.Timetables() {
		if t, _ := v.Timetable(name); len(t.Spec) > 0 {
			if k, err := parseSpec(name, t.Spec); err == nil {
				out = append(out, clocks{name: name, cron: k})
			}
		}
	}
	for _, w := range c.windows {
		out = append(out, clocks{name: w.key, window: w})
	}
	return out
}

// clockNamed finds one by its name: a user's own goes by its last part too, and a burst by
// its own when nothing else has it.
func (d *Daemon) clockNamed(v *ledger.View, who serve.Identity, name string) (clocks, error) {
	all := d.clocksOf(v)
	for _, full := range []string{name, who.Name + "/" + name, windowKey(name)} {
		if i := slices.IndexFunc(all, func(k clocks) bool { return k.name == full }); i >= 0 {
			return all[i], nil
		}
	}
	var names []string
	for _, k := range all {
		names = append(names, k.name)
	}
	text := "there is no timetable " + strconv.Quote(name) + ": gcron list shows them"
	if near := grid.Nearest(name, names); near != "" {
		text += "; did you mean " + near + "?"
	}
	return clocks{}, grid.Errorf(grid.NotFound, "%s", text)
}

// remembered is the name of a timetable, or of a burst, that is followed no more and of which
// there is a history; empty: there is none.
func remembered(v *ledger.View, name string) string {
	for _, full := range []string{name, windowKey(name)} {
		if t, ok := v.Timetable(full); ok && len(t.Spec) == 0 && t.Count > 0 {
			return full
		}
	}
	return ""
}

// mine finds one that who may act on.
func (d *Daemon) mine(who serve.Identity, name string) (clocks, error) {
	k, err := d.clockNamed(d.ledger.View(), who, name)
	if err != nil {
		return k, err
	}
	if who.Admin || k.cron != nil && k.cron.Owner == who.Name {
		return k, nil
	}
	if k.window != nil {
		return k, grid.Errorf(grid.Forbidden, "only an administrator may do that to a burst of the configuration")
	}
	return k, grid.Errorf(grid.Forbidden, "the timetable %s is another user's", k.name)
}

// Crons implements [serve.Backend].
func (d *Daemon) Crons(_ context.Context, who serve.Identity) (api.Crons, error) {
	v := d.ledger.View()
	out := api.Crons{Crons: []api.Cron{}}
	err := d.ledger.Read(func(r *ledger.Reader) error {
		for _, k := range d.clocksOf(v) {
			info, err := d.cronInfo(v, r, who, k)
			if err != nil {
				return err
			}
			out.Crons = append(out.Crons, info)
		}
		return nil
	})
	return out, err
}

func (d *Daemon) cronInfo(v *ledger.View, r *ledger.Reader, who serve.Identity, k clocks) (api.Cron, error) {
	t, _ := v.Timetable(k.name)
	out := api.Cron{Name: k.name, Origin: "configuration", Runs: liveRuns(v, k.name)}
	now := d.c.Now()
	schedule := k.schedule()
	out.TimeZone = schedule.Zone().String()
	if next := schedule.Next(later(now, v.Cron(k.name))); !next.IsZero() {
		out.Next = next.Unix()
	}
	if k.cron != nil {
		out.Owner, out.Missed, out.Overlap, out.Jitter = k.cron.Owner, cmp.Or(k.cron.Missed, "none"), k.cron.Overlap, int64(k.cron.Jitter/time.Second)
		out.AfterPrevious = k.cron.AfterPrevious
		out.Schedules = append([]string{k.cron.Schedule}, k.cron.Also...)
		if k.cron.handedIn {
			out.Origin = "handed in"
		}
		if who.Admin || who.Name == k.cron.Owner {
			out.File = k.cron.Dag
		}
	} else {
		out.Schedules = append([]string{k.window.Schedule}, k.window.Also...)
		out.Window = d.windowInfo(v, k.window, &t.Window)
	}
	for _, due := range t.Queue {
		out.Queued = append(out.Queued, due/1000)
	}
	if p := &t.Pause; p.Holds(now.UnixMilli()) {
		out.Paused, out.PausedUntil, out.PauseReason = true, p.Until/1000, p.Reason
	}
	for i := range t.Backfills {
		b := &t.Backfills[i]
		out.Backfills = append(out.Backfills, api.Backfill{
			ID: b.ID, From: b.From / 1000, To: b.To / 1000, Done: b.Done / 1000, AtOnce: int(b.AtOnce), Prio: int(b.Prio), Again: b.Again, Runs: fillRuns(v, &t, b.ID),
		})
	}
	last, err := r.Occurrences(v, k.name, 1)
	if err != nil || len(last) == 0 {
		return out, err
	}
	o, err := d.occurrenceInfo(v, r, &last[0], false)
	out.Last = &o
	return out, err
}

// later is a time, or a watermark that lies behind it.
func later(t time.Time, mark int64) time.Time {
	if m := time.UnixMilli(mark); m.After(t) {
		return m
	}
	return t
}

func (d *Daemon) windowInfo(v *ledger.View, w *window, open *ledger.Window) *api.CronWindow {
	lead, learned := d.lead(w)
	out := &api.CronWindow{
		Resource: w.Resource, Count: w.Count, Lead: int64(lead / time.Second), Learned: learned, Hold: int64(w.Hold / time.Second),
		Drain: int64(w.Drain / time.Second), Budget: int64(w.budget / time.Second), Open: open.Due != 0, Due: open.Due / 1000,
	}
	for _, id := range open.Claims {
		if _, there := v.Claim(id); there {
			out.Machines++
		}
	}
	return out
}

// occurrenceInfo is an occurrence for people and programs. What was read and given is for
// its owner.
func (d *Daemon) occurrenceInfo(v *ledger.View, r *ledger.Reader, o *ledger.Occurrence, whole bool) (api.Occurrence, error) {
	out := api.Occurrence{
		Due: o.Due / 1000, Kind: o.Kind.String(), Outcome: o.Outcome.String(), At: o.At / 1000, Run: o.Run, Backfill: o.Backfill, Why: o.Why, By: o.By,
	}
	if o.Run != 0 {
		g, ok := v.Dag(o.Run)
		if !ok {
			var err error
			if g, ok, err = r.PastDag(o.Run); err != nil {
				return out, err
			}
		}
		if ok {
			out.Status = g.Status.String()
		}
	}
	if len(o.Details) > 0 {
		details := new(api.OccurrenceDetails)
		if err := json.Unmarshal(o.Details, details); err != nil {
			return out, grid.Errorf(grid.Internal, "what was noted of an occurrence: %w", err)
		}
		if !whole {
			details = &api.OccurrenceDetails{Receipt: details.Receipt}
		}
		if whole || details.Receipt != nil {
			out.Details = details
		}
	}
	return out, nil
}

// CronHistory implements [serve.Backend].
func (d *Daemon) CronHistory(_ context.Context, who serve.Identity, name string, most int) (out api.Occurrences, err error) {
	v := d.ledger.View()
	k, err := d.clockNamed(v, who, name)
	if err != nil {
		if k.name = remembered(v, name); k.name == "" {
			return out, err
		}
	}
	out.Name, out.Occurrences = k.name, []api.Occurrence{}
	whole := who.Admin || k.cron != nil && k.cron.Owner == who.Name
	return out, d.ledger.Read(func(r *ledger.Reader) error {
		all, err := r.Occurrences(v, k.name, 0)
		if err != nil {
			return err
		}
		// What was noted first of one is less than what was noted last.
		type instant struct {
			due  int64
			kind ledger.OccurrenceKind
			fill uint32
		}
		seen := map[instant]bool{}
		for i := range all {
			o := &all[i]
			at := instant{o.Due, o.Kind, o.Backfill}
			if o.Kind != ledger.Manual && seen[at] {
				continue
			}
			seen[at] = true
			info, err := d.occurrenceInfo(v, r, o, whole)
			if err != nil {
				return err
			}
			if out.Occurrences = append(out.Occurrences, info); most > 0 && len(out.Occurrences) == most {
				break
			}
		}
		return nil
	})
}

// CronNext implements [serve.Backend].
func (d *Daemon) CronNext(_ context.Context, who serve.Identity, name string, n int, from int64) (out api.Instants, err error) {
	v := d.ledger.View()
	k, err := d.clockNamed(v, who, name)
	if err != nil {
		return out, err
	}
	schedule := k.schedule()
	after := later(d.c.Now(), v.Cron(k.name))
	if from > 0 {
		after = time.Unix(from, 0)
	}
	lead := time.Duration(0)
	if k.window != nil {
		lead, _ = d.lead(k.window)
	}
	t, _ := v.Timetable(k.name)
	paused := pausedBy(&t.Pause)
	out.Name, out.TimeZone, out.Instants = k.name, schedule.Zone().String(), []api.Instant{}
	came := 0
	for _, s := range schedule.Explain(after, n) {
		i := api.Instant{
			At: s.At.Unix(), Zone: s.At.Format("Mon 2006-01-02 15:04:05 -0700"), UTC: s.At.UTC().Format("2006-01-02 15:04:05"),
			Left: s.Left, Delay: int64(s.Delay / time.Second), Notes: s.Notes,
		}
		if why := paused(s.At); why != "" {
			i.Notes = append(i.Notes, why)
		}
		if lead > 0 && !s.Left {
			i.Asked = s.At.Add(-lead).Unix()
		}
		if !s.Left {
			came++
		}
		out.Instants = append(out.Instants, i)
	}
	out.Ends = came < n
	return out, nil
}

// maxTimetables bounds those that one user has handed in.
const maxTimetables = 200

// SubmitCron implements [serve.Backend].
func (d *Daemon) SubmitCron(ctx context.Context, who serve.Identity, t api.Timetable) (out api.CronAnswer, err error) {
	if err := d.intake.pace(who.UID, time.Now()); err != nil {
		return out, err
	}
	out.Name = who.Name + "/" + t.Name
	k, err := cronOf(out.Name, who.Name, &t)
	if err != nil {
		return out, err
	}
	spec, err := json.Marshal(t)
	if err != nil {
		return out, err
	}
	_, err = d.ledger.Propose(ctx, ledger.Command{By: byUser(who.UID), At: d.now(), Body: &ledger.SetTimetable{
		Name: out.Name, Owner: ledger.Owner{Name: who.Name, UID: who.UID, GID: who.GID}, Spec: spec, Begin: d.cronsNow(), Most: maxTimetables,
	}})
	if err != nil {
		return out, err
	}
	d.crons.poke()
	if next := k.schedule.Next(later(d.c.Now(), d.ledger.View().Cron(out.Name))); !next.IsZero() {
		out.Next = next.Unix()
	}
	return out, nil
}

// cronsNow is the time by the timetables' own clock, ms since 1970.
func (d *Daemon) cronsNow() int64 { return d.c.Now().UnixMilli() }

// RemoveCron implements [serve.Backend].
func (d *Daemon) RemoveCron(ctx context.Context, who serve.Identity, n api.CronName) (out api.CronAnswer, err error) {
	k, err := d.mine(who, n.Name)
	if err != nil {
		return out, err
	}
	if k.cron == nil || !k.cron.handedIn {
		return out, grid.Errorf(grid.Refused, "%s stands in the schedd's configuration: it is taken out there; gcron pause passes over its occurrences", k.name)
	}
	v := d.ledger.View()
	t, _ := v.Timetable(k.name)
	owner, _ := v.Owner(t.Owner)
	_, err = d.ledger.Propose(ctx, ledger.Command{By: byUser(who.UID), At: d.now(), Body: &ledger.SetTimetable{Name: k.name, Owner: owner}})
	return api.CronAnswer{Name: k.name}, err
}

// PauseCron implements [serve.Backend].
func (d *Daemon) PauseCron(ctx context.Context, who serve.Identity, p api.CronPause) (out api.CronAnswer, err error) {
	k, err := d.mine(who, p.Name)
	if err != nil {
		return out, err
	}
	now := d.cronsNow()
	if p.Until != 0 && p.Until*1000 <= now {
		return out, grid.Errorf(grid.Invalid, "the pause would have ended already")
	}
	pause := ledger.Pause{From: now, Until: p.Until * 1000, Reason: cmp.Or(grid.Printable(p.Reason), "by "+who.Name), By: who.Name}
	return d.setPause(ctx, who, k.name, pause)
}

// ResumeCron implements [serve.Backend].
func (d *Daemon) ResumeCron(ctx context.Context, who serve.Identity, n api.CronName) (out api.CronAnswer, err error) {
	k, err := d.mine(who, n.Name)
	if err != nil {
		return out, err
	}
	now := d.cronsNow()
	t, _ := d.ledger.View().Timetable(k.name)
	if !t.Pause.Holds(now) {
		return out, grid.Errorf(grid.Refused, "%s is not paused", k.name)
	}
	pause := t.Pause
	pause.Until = now // what lies in it stays passed over
	return d.setPause(ctx, who, k.name, pause)
}

func (d *Daemon) setPause(ctx context.Context, who serve.Identity, name string, p ledger.Pause) (api.CronAnswer, error) {
	_, err := d.ledger.Propose(ctx, ledger.Command{By: byUser(who.UID), At: d.now(), Body: &ledger.PauseTimetable{Name: name, Pause: p}})
	d.crons.poke()
	return api.CronAnswer{Name: name}, err
}

// paramName is what a parameter's name looks like: that of a macro.
var paramName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// Limits of a manual run's parameters.
const (
	maxParams = 50
	maxParam  = 4 << 10 // bytes
)

func checkParams(params map[string]string) error {
	if len(params) > maxParams {
		return grid.Errorf(grid.Invalid, "there are %d parameters: at most %d", len(params), maxParams)
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		switch {
		case !paramName.MatchString(name):
			return grid.Errorf(grid.Invalid, "%q is no name of a parameter: letters, digits and underscores make one", grid.Printable(name))
		case strings.HasPrefix(strings.ToLower(name), "cron_") || strings.EqualFold(name, "priority"):
			return grid.Errorf(grid.Invalid, "the parameter %s is the timetable's own to set", name)
		case len(params[name]) > maxParam || strings.ContainsAny(params[name], "\n\r\x00"):
			return grid.Errorf(grid.Invalid, "the parameter %s is longer than %d bytes, or than a line", name, maxParam)
		}
	}
	return nil
}

// RunCron implements [serve.Backend].
func (d *Daemon) RunCron(ctx context.Context, who serve.Identity, r api.CronRun) (out api.CronAnswer, err error) {
	if len(r.Key) > ledger.MaxKey {
		return out, grid.Errorf(grid.Invalid, "the idempotency key has %d bytes: at most %d", len(r.Key), ledger.MaxKey)
	}
	if err := checkParams(r.Params); err != nil {
		return out, err
	}
	k, err := d.mine(who, r.Name)
	if err != nil {
		return out, err
	}
	out.Name = k.name
	v, due := d.ledger.View(), d.c.Now()
	if r.At > 0 {
		due = time.Unix(r.At, 0)
	}
	if k.window != nil {
		return d.runWindow(ctx, who, k.window, &r)
	}
	known := d.knows(byUser(who.UID), r.Key)
	if !known {
		if err := d.intake.pace(who.UID, time.Now()); err != nil {
			return out, err
		}
	}
	if live := liveRuns(v, k.name); len(live) > 0 && k.cron.Overlap != "allow" && !r.Anyway && !known {
		return out, grid.Errorf(grid.Refused, "%s: wait for it, or begin another with --anyway", goesOn(live))
	}
	out.Due = due.Unix()
	out.Run, err = d.beginOccurrence(ctx, k.cron, &occasion{
		due: due, kind: ledger.Manual, by: who.Name, why: "asked for by " + who.Name, params: r.Params, key: r.Key, uid: who.UID,
	})
	return out, err
}

// runWindow opens a burst's window now: its hour is when machines can be there.
func (d *Daemon) runWindow(ctx context.Context, who serve.Identity, w *window, r *api.CronRun) (out api.CronAnswer, err error) {
	if len(r.Params) > 0 {
		return out, grid.Errorf(grid.Invalid, "a burst has no jobs, and so no parameters")
	}
	lead, _ := d.lead(w)
	due := d.c.Now().Add(lead).Truncate(time.Second)
	if r.At > 0 {
		due = time.Unix(r.At, 0)
	}
	if t, _ := d.ledger.View().Timetable(w.key); t.Window.Due != 0 {
		return out, grid.Errorf(grid.Refused, "a window of %s is open: gcron history %s", w.Name, w.key)
	}
	if err := d.crons.open(ctx, w, due, ledger.Manual, who.Name); err != nil {
		return out, err
	}
	d.crons.poke()
	return api.CronAnswer{Name: w.key, Due: due.Unix()}, nil
}

// BackfillCron implements [serve.Backend].
func (d *Daemon) BackfillCron(ctx context.Context, who serve.Identity, b api.CronBackfill) (out api.CronAnswer, err error) {
	k, err := d.mine(who, b.Name)
	if err != nil {
		return out, err
	}
	if k.cron == nil {
		return out, grid.Errorf(grid.Refused, "a burst by the clock has no past to fill in")
	}
	out.Name = k.name
	c := &ledger.BeginBackfill{Name: k.name, End: b.End}
	if b.End == 0 {
		now := d.cronsNow()
		switch {
		case b.From <= 0 || b.To < b.From:
			return out, grid.Errorf(grid.Invalid, "a backfill has a beginning, and an end that is not before it")
		case b.To*1000 > now:
			return out, grid.Errorf(grid.Invalid, "a backfill is of the past: what is to come comes by itself")
		case b.AtOnce < 0 || b.AtOnce > maxAtOnce:
			return out, grid.Errorf(grid.Invalid, "runs at a time are from 1 to %d", maxAtOnce)
		case b.Prio < -1_000_000 || b.Prio > 1_000_000:
			return out, grid.Errorf(grid.Invalid, "a priority of %d", b.Prio)
		}
		c.Fill = ledger.Backfill{From: b.From * 1000, To: b.To * 1000, AtOnce: uint32(max(b.AtOnce, 1)), Prio: int32(cmp.Or(b.Prio, backfillPrio)), Again: b.Again, By: who.Name}
	}
	r, err := d.ledger.Propose(ctx, ledger.Command{By: byUser(who.UID), At: d.now(), Body: c})
	if err != nil {
		return out, err
	}
	out.ID = r.Value.(uint32)
	d.crons.poke()
	return out, nil
}

// What a backfill is unless it says otherwise.
const (
	maxAtOnce    = 100
	backfillPrio = -10
)
