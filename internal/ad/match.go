package ad

import "time"

// Instant is the second at which expressions are evaluated: what time() says. It is
// the way into evaluation, so that nothing evaluates without saying when.
type Instant int64 // Unix seconds

// At is the instant t.
func At(t time.Time) Instant { return Instant(t.Unix()) }

// Eval is e's value for the ad my, against the ad target. Either may be nil.
func (t Instant) Eval(e *Expr, my, target *Ad) Value { return t.EvalWithin(Budget, e, my, target) }

// EvalWithin is [Instant.Eval] with fewer steps than [Budget], for those who evaluate
// many expressions of one stranger.
func (t Instant) EvalWithin(steps int, e *Expr, my, target *Ad) Value {
	r := run{my: my, target: target, now: int64(t), left: steps}
	r.spend(e.size)
	v := e.root.eval(&r)
	if r.left < 0 {
		return ErrorValue()
	}
	return v
}

// Attr is the value of my's attribute name, against target.
func (t Instant) Attr(name string, my, target *Ad) Value {
	r := run{my: my, target: target, now: int64(t), left: Budget}
	return r.named(my, target, fold(name))
}

// Side is one of the two ads of a match.
type Side uint8

// The sides, in the order of [Instant.Match]'s arguments.
const (
	Neither Side = iota
	First
	Second
)

// Verdict is the outcome of a match.
type Verdict struct {
	Refused Side  // whose Requirements are not true; Neither: it is a match
	Value   Value // what they came to
}

// Matches reports whether neither side refused.
func (v Verdict) Matches() bool { return v.Refused == Neither }

// Match evaluates a's Requirements against b, and if they are true b's against a. An
// ad without Requirements refuses, with undefined.
func (t Instant) Match(a, b *Ad) Verdict {
	r := run{my: a, target: b, now: int64(t), left: Budget}
	v := r.named(a, b, "requirements")
	if !Truth(v) {
		return Verdict{First, v}
	}
	r.my, r.target, r.left = b, a, Budget
	if v = r.named(b, a, "requirements"); !Truth(v) {
		return Verdict{Second, v}
	}
	return Verdict{Value: v}
}

// Rank is how much my likes target: its Rank as a number. True counts 1; what is no
// number counts 0.
func (t Instant) Rank(my, target *Ad) float64 {
	v := t.Attr("Rank", my, target)
	if v.kind == Bool {
		return float64(v.bits)
	}
	f, _ := v.Number()
	return f
}

func (r *run) named(a, other *Ad, key string) Value {
	v, _ := r.attr(a, other, key)
	if r.left < 0 {
		return ErrorValue()
	}
	return v
}
