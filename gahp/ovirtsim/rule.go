package ovirtsim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Op is what a call is for.
type Op string

// Operations.
const (
	OpLogin    Op = "login"
	OpRoot     Op = "root"
	OpList     Op = "list" // of machines
	OpGet      Op = "get"
	OpCreate   Op = "create"
	OpUpdate   Op = "update"
	OpStart    Op = "start"
	OpStop     Op = "stop"
	OpShutdown Op = "shutdown"
	OpRemove   Op = "remove"
	OpRead     Op = "read"   // of anything else
	OpChange   Op = "change" // of anything else, or of what belongs to a machine
	OpOther    Op = "other"
)

var ops = []Op{OpLogin, OpRoot, OpList, OpGet, OpCreate, OpUpdate, OpStart, OpStop, OpShutdown, OpRemove, OpRead, OpChange, OpOther}

// Rule is something that goes wrong, or takes long: which calls it meets, and what
// becomes of them and of the machines that they are about. A rule of the second kind
// ([Rule.Show], [Rule.Refuse], [Rule.Restart]) meets no calls: it is in force as long
// as it is there.
//
// In a file a rule is written with the names of its tags:
//
//	rules:
//	  - {ops: [create], nth: 2, drop: answer}      # the second create is done, its answer lost
//	  - {ops: [start], chance: 0.1, fault: ALL_HOSTS_FILTERED_OUT}
//	  - {restart: true, for: 20s}
type Rule struct {
	// Which calls it meets: all that are named by each of these.
	Ops    []Op    `yaml:"ops,omitempty"`
	Method string  `yaml:"method,omitempty"`
	Path   string  `yaml:"path,omitempty"`   // below /ovirt-engine; * stands for a part, as in path.Match
	Name   string  `yaml:"name,omitempty"`   // of the machine; * stands for anything
	User   string  `yaml:"user,omitempty"`   // who has proved to be one, or tries to
	Page   int     `yaml:"page,omitempty"`   // of a listing
	Nth    int     `yaml:"nth,omitempty"`    // the first that it meets; 0: 1
	Times  int     `yaml:"times,omitempty"`  // how many it meets; 0: with nth one, otherwise all
	Chance float64 `yaml:"chance,omitempty"` // with which it meets one, by the model's seed; 0: always

	For time.Duration `yaml:"for,omitempty"` // after which it is gone; 0: stays until it is taken back

	// What becomes of the call, in this order. Waiting ends when the rule is gone.
	Delay       time.Duration `yaml:"delay,omitempty"`        // it waits
	Hang        bool          `yaml:"hang,omitempty"`         // it is not carried out and not answered; its connection stays
	Drop        Drop          `yaml:"drop,omitempty"`         // its connection ends
	Fault       string        `yaml:"fault,omitempty"`        // it is not carried out: an engine's message, by its key
	Status      int           `yaml:"status,omitempty"`       // with this status; alone: with an HTML page
	Detail      string        `yaml:"detail,omitempty"`       // with these words
	Busy        time.Duration `yaml:"busy,omitempty"`         // of a create: it takes so long, and keeps the name
	Omit        string        `yaml:"omit,omitempty"`         // of a listing: machines of these names are left out
	ContentType string        `yaml:"content_type,omitempty"` // of the answer
	Truncate    bool          `yaml:"truncate,omitempty"`     // half of the answer comes, then its connection ends

	// What becomes of the machine that the call made or started.
	Hold     bool          `yaml:"hold,omitempty"`     // it stays locked, or does not boot, until the rule is gone
	RollBack bool          `yaml:"rollback,omitempty"` // it goes instead of being ready
	Fail     bool          `yaml:"fail,omitempty"`     // the order is taken; then no host can run it, and it is down again
	Deaf     bool          `yaml:"deaf,omitempty"`     // its guest heeds no shutdown
	Lifetime time.Duration `yaml:"lifetime,omitempty"` // its paper guest powers off that long after it is up

	// What is in force.
	Show    Status `yaml:"show,omitempty"`    // of machines that run: the engine says this of them (unknown, paused, ...); Name tells which
	Refuse  bool   `yaml:"refuse,omitempty"`  // no connection is taken
	Restart bool   `yaml:"restart,omitempty"` // the engine restarts: sessions end, and a proxy answers 503 meanwhile
}

// Drop says when a connection ends.
type Drop string

// Drops.
const (
	DropRequest Drop = "request" // before anything is done
	DropAnswer  Drop = "answer"  // after all is done
)

// MarshalJSON writes a rule as a file would have it.
func (r Rule) MarshalJSON() ([]byte, error) {
	type plain Rule
	b, err := yaml.Marshal(plain(r))
	if err != nil {
		return nil, err
	}
	m := map[string]any{}
	if err := yaml.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	return json.Marshal(m)
}

func (r Rule) standing() bool { return r.Show != "" || r.Refuse || r.Restart }

// check says what is wrong with a rule.
func (r Rule) check() error {
	for _, op := range r.Ops {
		if !slices.Contains(ops, op) {
			return fmt.Errorf("there is no operation %q; there are %v", op, ops)
		}
	}
	for _, p := range []string{r.Path, r.Name, r.Omit} {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("%q is no pattern", p)
		}
	}
	calls, machine := r.effects()
	switch {
	case r.Fault != "" && faults[r.Fault].status == 0:
		return fmt.Errorf("there is no fault %s", r.Fault)
	case r.Show != "" && !slices.Contains(statuses, r.Show):
		return fmt.Errorf("there is no status %s", r.Show)
	case !slices.Contains([]Drop{"", DropRequest, DropAnswer}, r.Drop):
		return fmt.Errorf("drop is %s or %s", DropRequest, DropAnswer)
	case r.Chance < 0 || r.Chance > 1:
		return fmt.Errorf("chance is between 0 and 1")
	case r.standing() && (calls || machine || len(r.Ops) > 0):
		return fmt.Errorf("show, refuse and restart meet no calls, and stand without the rest")
	case !r.standing() && !calls && !machine:
		return fmt.Errorf("nothing becomes of what it meets")
	}
	return nil
}

// effects says whether something becomes of calls, and of machines.
func (r Rule) effects() (calls, machine bool) {
	calls = r.Delay > 0 || r.Hang || r.Drop != "" || r.Fault != "" || r.Status != 0 || r.Busy > 0 || r.Omit != "" || r.ContentType != "" || r.Truncate
	return calls, r.Hold || r.RollBack || r.Fail || r.Deaf || r.Lifetime > 0
}

// rule is a Rule at work. Its fields are the Sim's, but for gone.
type rule struct {
	Rule
	id   int
	met  int           // calls that it could meet
	hits int           // calls that it met
	gone chan struct{} // closed when it is gone
	stop func() bool   // its end by time
}

func (r *rule) over() bool {
	select {
	case <-r.gone:
		return true
	default:
		return false
	}
}

// AddRule puts a rule to work behind those that are there. takeBack may be called
// never, or twice.
func (s *Sim) AddRule(r Rule) (takeBack func(), err error) {
	id, err := s.addRule(r)
	return func() { s.removeRule(id) }, err
}

func (s *Sim) addRule(r Rule) (int, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.putRule(r), nil
}

// putRule is addRule for a rule that is right. s.mu is held.
func (s *Sim) putRule(r Rule) int {
	s.lastRule++
	w := &rule{Rule: r, id: s.lastRule, gone: make(chan struct{})}
	s.rules = append(s.rules, w)
	if r.Restart {
		clear(s.sessions)
	}
	if r.For > 0 {
		w.stop = s.clock.AfterFunc(r.For, func() { s.removeRule(w.id) })
	}
	s.record(Entry{What: RuleAdded, Rule: w.id, Why: r.String()})
	return w.id
}

// String is a rule on one line.
func (r Rule) String() string {
	b, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// removeRule takes a rule back; false: it was gone.
func (s *Sim) removeRule(id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.rules, func(r *rule) bool { return r.id == id })
	if i < 0 {
		return false
	}
	r := s.rules[i]
	s.rules = slices.Delete(s.rules, i, i+1)
	if r.stop != nil {
		r.stop()
	}
	close(r.gone)
	s.record(Entry{What: RuleGone, Rule: id})
	for _, v := range s.vms {
		if v.held == r {
			s.release(v)
		}
	}
	return true
}

// ClearRules takes all rules back.
func (s *Sim) ClearRules() {
	for _, r := range s.Rules() {
		s.removeRule(r.ID)
	}
}

// RuleState is a rule that is in force.
type RuleState struct {
	ID   int  `json:"id"`
	Hits int  `json:"hits"`
	Rule Rule `json:"rule"`
}

// Rules lists what is in force.
func (s *Sim) Rules() []RuleState {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []RuleState{}
	for _, r := range s.rules {
		out = append(out, RuleState{r.id, r.hits, r.Rule})
	}
	return out
}

// meet are the rules that a call meets, each counted, as the call is.
func (s *Sim) meet(c *call) []*rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[c.op]++
	var out []*rule
	for _, r := range s.rules {
		if r.standing() || !r.names(c) {
			continue
		}
		if r.Chance > 0 && s.random.Float64() >= r.Chance {
			continue
		}
		r.met++
		first, times := max(r.Nth, 1), r.Times
		if times == 0 && r.Nth > 0 {
			times = 1
		}
		if r.met < first || times > 0 && r.met >= first+times {
			continue
		}
		r.hits++
		s.record(Entry{What: RuleMet, Rule: r.id, Op: c.op, Name: c.name, Correlation: c.correlation})
		out = append(out, r)
	}
	return out
}

// names: the call is one of those that the rule is for.
func (r *rule) names(c *call) bool {
	switch {
	case len(r.Ops) > 0 && !slices.Contains(r.Ops, c.op),
		r.Method != "" && !strings.EqualFold(r.Method, c.r.Method),
		r.Path != "" && !matches(r.Path, strings.TrimPrefix(c.r.URL.Path, "/ovirt-engine")),
		r.Name != "" && !matches(r.Name, c.name),
		r.User != "" && r.User != c.user,
		r.Page != 0 && r.Page != c.page():
		return false
	}
	return true
}

func matches(pattern, s string) bool {
	ok, err := path.Match(pattern, s)
	return ok && err == nil
}

// inForce is the first standing rule of a kind. s.mu is held.
func (s *Sim) inForce(kind func(*rule) bool) *rule {
	for _, r := range s.rules {
		if kind(r) {
			return r
		}
	}
	return nil
}

// before lets the rules have what comes before a call is carried out. end: there is
// no answer. A reply is the whole answer.
func (c *call) before() (out *reply, end bool) {
	for _, r := range c.met {
		if r.Delay > 0 {
			r.wait(c.s, r.Delay)
		}
		if r.Hang {
			select {
			case <-c.r.Context().Done():
			case <-r.gone:
			case <-c.s.closing:
			}
			return nil, true
		}
		if r.Drop == DropRequest {
			return nil, true
		}
		switch {
		case r.Fault != "":
			f := faults[r.Fault]
			return c.faultReply(cmp.Or(r.Status, f.status), failed, cmp.Or(r.Detail, f.say(cmp.Or(orderWords[c.op], "do that"), c.name))), false
		case r.Status != 0 && r.Detail != "":
			return c.faultReply(r.Status, failed, r.Detail), false
		case r.Status != 0:
			return page(r.Status, http.StatusText(r.Status)), false
		}
		if r.Busy > 0 && (c.busy == nil || r.Busy > c.busy.Busy) {
			c.busy = r
		}
	}
	return nil, false
}

// wait lets d pass. A caller that hangs up ends no waiting: an engine carries on.
func (r *rule) wait(s *Sim, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.gone:
	case <-s.closing:
	}
}
