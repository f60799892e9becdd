package configs

import (
	"strings"
	"time"

	"gridburst/internal/grid"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Cron is a timetable that starts a workflow: cron "NAME" of a schedd's configuration, or
// the cron block of a workflow, which has no owner and no dag of its own.
type Cron struct {
	Name          string
	Schedule      string
	TimeZone      string // empty: UTC
	Owner         string // the user whose it is
	Dag           string // path of a DAG file or workflow
	Missed        string // what becomes of instants while the schedd was away: none (default, or skip), last (once), all
	Overlap       string // what becomes of one while the last run goes on: forbid (default, or skip), allow, queue, replace
	StartDeadline time.Duration
	AfterPrevious string        // what has to become of the run before: done; empty: nothing
	MissedLimit   int           // of missed all: the newest so many; 0: 100
	Jitter        time.Duration // by which an instant is begun later, at most
	Clock
}

// Clock is what else a timetable may say of its times.
type Clock struct {
	Also   []string // further expressions
	Gap    string   // a time that the clock skips: run (default), skip
	Repeat string   // one that it shows twice: first (default), last, both
	Except []string // days without instants
	Begin  string   // no instant before
	End    string   // none from then on
}

// Window is a burst by the clock: burst "NAME".
type Window struct {
	Name     string
	Schedule string
	TimeZone string // empty: UTC
	Resource string // whose burst block says what the machines are
	Count    int
	Lead     time.Duration // how long before the hour machines are asked for; 0: as is learnt
	Hold     time.Duration // from the hour on
	Drain    time.Duration // and then, for the jobs that run; default 10m
	Budget   time.Duration // of all its machines together; 0: no bound
	Price    float64       // another bound, in Currency; 0: none
	Currency string
	Clock
}

// times are the keys of a timetable that are about its times.
func (f *file) times(schedule, zone *string, c *Clock) []key {
	return []key{
		{"schedule", required(expressions(schedule, &c.Also))},
		{"time_zone", text(zone)},
		{"dst", inner(func(b *hclsyntax.Block) {
			f.keys(b, []key{
				{"gap", choice(&c.Gap, "run", "skip")},
				{"overlap", choice(&c.Repeat, "first", "last", "both")},
			})
		})},
		{"except", texts(&c.Except)},
		{"begin", text(&c.Begin)},
		{"end", text(&c.End)},
	}
}

// starts are those that are about its runs.
func (f *file) starts(c *Cron) []key {
	return append(f.times(&c.Schedule, &c.TimeZone, &c.Clock), []key{
		{"missed", choice(&c.Missed, "none", "last", "all", "skip", "once")},
		{"missed_limit", count(&c.MissedLimit)},
		{"overlap", choice(&c.Overlap, "forbid", "allow", "queue", "replace", "skip")},
		{"after_previous", choice(&c.AfterPrevious, "done")},
		{"start_deadline", span(&c.StartDeadline)},
		{"jitter", span(&c.Jitter)},
	}...)
}

func (f *file) cron(b *hclsyntax.Block) Cron {
	c := Cron{Name: b.Labels[0], Missed: "none", Overlap: "forbid"}
	f.keys(b, append(f.starts(&c),
		key{"owner", required(text(&c.Owner))},
		key{"dag", required(text(&c.Dag))},
	))
	return c
}

func (f *file) window(b *hclsyntax.Block) Window {
	w := Window{Name: b.Labels[0], Drain: 10 * time.Minute}
	f.keys(b, append(f.times(&w.Schedule, &w.TimeZone, &w.Clock),
		key{"resource", required(text(&w.Resource))},
		key{"count", required(count(&w.Count))},
		key{"lead", learned(&w.Lead)},
		key{"hold", required(span(&w.Hold))},
		key{"drain", span(&w.Drain)},
		key{"budget", budget(&w.Budget, &w.Price, &w.Currency)},
	))
	return w
}

// expressions is one text, or a list of some.
func expressions(first *string, more *[]string) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		if _, list := e.(*hclsyntax.TupleConsExpr); !list {
			text(first).set(f, e)
			return
		}
		var all []string
		texts(&all).set(f, e)
		if len(all) == 0 {
			f.fail(e.Range(), "there is no expression in this list", `As in: ["30 2 * * *", "0 12 * * sun"]`)
			return
		}
		*first, *more = all[0], all[1:]
		if len(all) == 1 {
			*more = nil
		}
	}}
}

// learned is a duration, or the word learned, which is 0.
func learned(to *time.Duration) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		if v, ok := f.constantOf(e, cty.String, `a duration such as "5m", or "learned"`); ok && v.AsString() != "learned" {
			span(to).set(f, e)
		}
	}}
}

// budget is a duration, of all machines together, or an amount with its currency.
func budget(to *time.Duration, amount *float64, currency *string) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		v, ok := f.constantOf(e, cty.String, `a budget such as "40h" or "5 EUR"`)
		switch {
		case !ok:
		case strings.Contains(v.AsString(), " "):
			price(amount, currency).set(f, e)
		default:
			span(to).set(f, e)
		}
	}}
}

// WorkflowCron reads the cron block of a workflow, which says when it is to run. The
// timetable has the workflow's name; a file without the block has none.
func WorkflowCron(filename string, src []byte) (c Cron, found bool, diags grid.Diagnostics) {
	f, body := parse(filename, src)
	if body == nil {
		return c, false, f.diags
	}
	for _, w := range body.Blocks {
		if w.Type != "workflow" {
			continue
		}
		for _, b := range w.Body.Blocks {
			if b.Type != "cron" {
				continue
			}
			if found {
				f.fail(b.TypeRange, "there are two cron blocks", "A schedule may be a list of expressions.")
			}
			found = true
			c = f.workflowCron(label(w), b)
		}
	}
	return c, found, f.diags
}

func (f *file) workflowCron(name string, b *hclsyntax.Block) Cron {
	c := Cron{Name: name, Missed: "none", Overlap: "forbid"}
	if f.labels(b, "cron") {
		f.keys(b, f.starts(&c))
	}
	return c
}
