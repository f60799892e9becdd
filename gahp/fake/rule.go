package fake

import (
	"context"
	"slices"
	"strings"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
)

// Verb is what a call asks for.
type Verb string

const (
	Ping      Verb = "ping"
	Create    Verb = "create"
	Start     Verb = "start"
	Get       Verb = "get"
	Find      Verb = "find"
	List      Verb = "list"
	Shutdown  Verb = "shutdown"
	Stop      Verb = "stop"
	Remove    Verb = "remove"
	Remark    Verb = "remark"
	Templates Verb = "templates"
	Assign    Verb = "assign"
	Copy      Verb = "copy"
	Events    Verb = "events"
)

var effects = []Verb{Create, Start, Shutdown, Stop, Remove, Remark, Assign, Copy}

// Rule is something that goes wrong.
type Rule struct {
	Verbs []Verb // nil: all
	Name  string // of the machine; nothing else is met. Empty: any
	After int    // calls that pass before
	Times int    // calls that are met; 0: all that come

	// What becomes of the call.
	Delay  time.Duration // it waits first, until the rule is taken back at most
	Silent bool          // it is not carried out, and has no answer
	Kind   gahp.Kind     // it is not carried out, and fails so; Unknown: nobody says that it was not
	Lost   bool          // it is carried out, and fails with Unknown

	// What becomes of the machine that the call made or started.
	Hold     bool          // it stays locked, or does not come up, until the rule is taken back
	RollBack bool          // it goes instead of being ready
	Deaf     bool          // its guest heeds no shutdown
	Lifetime time.Duration // its guest powers off that long after it is up

	HostLost bool // what runs on a host is in an unknown state; meets no calls
}

// rule is a Rule at work.
type rule struct {
	Rule
	met   int
	gone  chan struct{} // closed when it was taken back
	ended time.Time     // then
}

// Add puts a rule to work, behind those that are there. takeBack may be called never,
// or twice.
func (e *Engine) Add(r Rule) (takeBack func()) {
	w := &rule{Rule: r, gone: make(chan struct{})}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pass()
	e.rules = append(e.rules, w)
	if w.HostLost {
		e.hostLost++
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		i := slices.Index(e.rules, w)
		if i < 0 {
			return
		}
		e.pass()
		e.rules = slices.Delete(e.rules, i, i+1)
		w.ended = e.c.Now()
		close(w.gone)
		if w.HostLost {
			e.hostLost--
		}
	}
}

// meeting are the rules that a call meets, each counted. e.mu is held.
func (e *Engine) meeting(v Verb, name string) (out []*rule) {
	for _, r := range e.rules {
		if r.HostLost || r.Verbs != nil && !slices.Contains(r.Verbs, v) || r.Name != "" && r.Name != name {
			continue
		}
		r.met++
		if r.met > r.After && (r.Times == 0 || r.met <= r.After+r.Times) {
			out = append(out, r)
		}
	}
	return out
}

// meet lets the rules have what comes before the call is carried out. cut says that
// the caller has gone while the call waited.
func meet(ctx context.Context, rules []*rule) (cut bool, err error) {
	for _, r := range rules {
		if r.Silent {
			<-ctx.Done()
			return true, unanswered(ctx)
		}
		if r.Delay > 0 {
			t := time.NewTimer(r.Delay)
			select {
			case <-t.C:
			case <-r.gone:
			case <-ctx.Done():
				cut = true
			}
			t.Stop()
		}
		if cut {
			return true, unanswered(ctx)
		}
		if r.Kind != "" {
			return false, fail(r.Kind, "as a rule of the test says")
		}
	}
	return false, nil
}

// answered is nil, unless a rule loses the answer.
func answered(rules []*rule) error {
	for _, r := range rules {
		if r.Lost {
			return fail(gahp.Unknown, "the connection ended before the answer")
		}
	}
	return nil
}

func unanswered(ctx context.Context) error {
	return fail(gahp.Unknown, "no answer: %v", context.Cause(ctx))
}

// bend lets the rules have the machine that a call made or started.
func bend(m *machine, rules []*rule) {
	for _, r := range rules {
		if r.Hold {
			m.held = r
		}
		m.rolledBack = m.rolledBack || r.RollBack
		m.deaf = m.deaf || r.Deaf
		if r.Lifetime > 0 {
			m.lifetime = r.Lifetime
		}
	}
}

// Inject lets a fault of the suite happen until heal is called.
func (e *Engine) Inject(f conform.Fault) (heal func()) {
	var rule Rule
	switch f {
	case conform.LoseAnswer:
		rule = Rule{Verbs: effects, Lost: true}
	case conform.LoseRequest:
		rule = Rule{Verbs: effects, Kind: gahp.Unknown}
	case conform.Silent:
		rule = Rule{Silent: true}
	case conform.Down:
		rule = Rule{Kind: gahp.EngineDown}
	case conform.BadCredential:
		rule = Rule{Kind: gahp.Unauthorized}
	case conform.NoCapacity:
		rule = Rule{Verbs: []Verb{Start}, Kind: gahp.NoCapacity}
	case conform.OverQuota:
		rule = Rule{Verbs: []Verb{Create}, Kind: gahp.Quota}
	case conform.BrokenListing:
		rule = Rule{Verbs: []Verb{List}, Kind: gahp.EngineDown}
	case conform.SlowCreate:
		rule = Rule{Verbs: []Verb{Create}, Delay: 500 * time.Millisecond}
	case conform.LongLock:
		rule = Rule{Verbs: []Verb{Create}, Hold: true}
	case conform.SlowBoot:
		rule = Rule{Verbs: []Verb{Start}, Hold: true}
	case conform.DeafGuest:
		rule = Rule{Verbs: []Verb{Start}, Deaf: true}
	case conform.GuestPowersOff:
		rule = Rule{Verbs: []Verb{Start}, Lifetime: time.Second}
	case conform.RollBack:
		rule = Rule{Verbs: []Verb{Create}, RollBack: true}
	case conform.HostLost:
		rule = Rule{HostLost: true}
	default:
		panic("a fault that this engine does not know: " + strings.ToUpper(string(f)))
	}
	return e.Add(rule)
}
