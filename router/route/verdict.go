package route

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gridburst/internal/ad"
)

// Answer is what a route says to a job.
type Answer string

// The answers of routes.
const (
	Takes     Answer = "takes"     // this route has the job
	Would     Answer = "would"     // it would take it, were it not for another route
	Refuses   Answer = "refuses"   // its Requirements are false
	Undefined Answer = "undefined" // its Requirements are undefined, or no truth at all
	Full      Answer = "full"      // as many jobs are on it as may be
	IdleFull  Answer = "idle_full" // as many copies wait there as may
	Throttled Answer = "throttled" // too many have failed there
	Paused    Answer = "paused"    // an administrator has stopped it
	Down      Answer = "down"      // its target takes nothing now
	Loop      Answer = "loop"      // the job came through it already
	Broken    Answer = "broken"    // its transforms cannot be carried out on this job
)

// The answers of the router itself, for all of its routes.
const (
	NotIdle    Answer = "not_idle"    // the job does not wait
	Managed    Answer = "managed"     // somebody else has it in hand
	Routed     Answer = "routed"      // it is a copy that this router made
	NotSource  Answer = "not_source"  // the router's constraint is not true
	RouterFull Answer = "router_full" // as many jobs are on all routes together as may be
	Incomplete Answer = "incomplete"  // an ad that is no job's: it has no owner or no id
)

// Verdict is what a route, or the router for all of them, says to a job.
type Verdict struct {
	Route  string    // empty: the router
	Answer Answer    // empty: nothing is said
	Clause string    // Refuses, Undefined, NotSource: the part of the expression that is not true
	Values string    // what that looked at: "Memory is 500"
	Have   int       // Full, IdleFull, RouterFull: so many
	Limit  int       // and so many may be
	Until  time.Time // Throttled: about when it is looked at again
	Words  string    // the rest of the reason
}

// String is the verdict in plain words.
func (v Verdict) String() string {
	switch v.Answer {
	case Takes:
		return "takes it"
	case Would:
		return "would take it, but " + v.Words
	case Refuses:
		return "does not want it: " + v.clause("is false")
	case Undefined:
		return "does not want it: " + v.clause(cmp.Or(v.Words, "is undefined: an attribute that it names is not there"))
	case Full:
		return fmt.Sprintf("is full: %s on it, and at most %d may be", jobs(v.Have), v.Limit)
	case IdleFull:
		return fmt.Sprintf("has enough that wait: %s there not started yet, and at most %d may be", jobs(v.Have), v.Limit)
	case Throttled:
		return "is throttled until about " + v.Until.UTC().Format("15:04 MST") + ", for too many jobs failed there: " + v.Words
	case Paused:
		return words("is paused", v.Words)
	case Down:
		return words("takes nothing now", v.Words)
	case NotSource:
		return "the router does not look at it: " + v.clause("is not true")
	case RouterFull:
		return fmt.Sprintf("the router is full: %s on its routes, and at most %d may be", jobs(v.Have), v.Limit)
	}
	return v.Words
}

func (v Verdict) clause(is string) string {
	text := v.Clause + " " + is
	if v.Values != "" {
		text += " (" + v.Values + ")"
	}
	return text
}

func words(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}

func jobs(n int) string {
	if n == 1 {
		return "1 job is"
	}
	return fmt.Sprintf("%d jobs are", n)
}

// MarshalJSON writes the verdict with its words.
func (v Verdict) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Route  string    `json:"route,omitempty"`
		Answer Answer    `json:"answer"`
		Text   string    `json:"text"`
		Clause string    `json:"clause,omitempty"`
		Values string    `json:"values,omitempty"`
		Have   int       `json:"have,omitempty"`
		Limit  int       `json:"limit,omitempty"`
		Until  time.Time `json:"until,omitzero"`
	}{v.Route, v.Answer, v.String(), v.Clause, v.Values, v.Have, v.Limit, v.Until})
}

// clause is a part of an expression that must be true as a whole.
type clause struct {
	expr *ad.Expr
	text string
	refs []string // the attributes that it names, as it spells them
}

func clausesOf(x *ad.Expr) []clause {
	if x == nil {
		return nil
	}
	var out []clause
	for _, c := range x.Clauses() {
		text, refs := c.String(), c.Refs()
		names := append(append(refs.My, refs.Target...), refs.Bare...)
		for i, n := range names {
			names[i] = spelled(n, text)
		}
		out = append(out, clause{expr: c, text: text, refs: names})
	}
	return out
}

// spelled is the attribute as the text writes it; name is in lower case.
func spelled(name, text string) string {
	lower := strings.ToLower(text)
	for from := 0; ; {
		i := strings.Index(lower[from:], name)
		if i < 0 || len(lower) != len(text) {
			return name
		}
		i += from
		end := i + len(name)
		if (i == 0 || !wordByte(text[i-1])) && (end == len(text) || !wordByte(text[end])) {
			return text[i:end]
		}
		from = end
	}
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// refusal is the first clause that is not true for the job, and what it came to. TARGET is
// the job too where HTCondor asks so, and nothing otherwise.
func refusal(clauses []clause, job, target *ad.Ad, now ad.Instant) (c *clause, v ad.Value) {
	for i := range clauses {
		if v := now.Eval(clauses[i].expr, job, target); !ad.Truth(v) {
			return &clauses[i], v
		}
	}
	return nil, ad.Value{}
}

// values are what the clause looked at, in words.
func (c *clause) values(job *ad.Ad, now ad.Instant) string {
	var parts []string
	for _, n := range c.refs {
		v := now.Attr(n, job, job)
		if v.IsUndefined() && !job.Has(n) {
			parts = append(parts, n+" is not there")
		} else {
			parts = append(parts, n+" is "+v.String())
		}
	}
	return strings.Join(parts, "; ")
}
