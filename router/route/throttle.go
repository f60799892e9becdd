package route

import (
	"fmt"
	"time"
)

// throttleEvery is how often a throttle is adjusted.
const throttleEvery = 10 * time.Minute

// Throttle is how much a route may be fed, after what became of the jobs that it was
// fed. The zero Throttle is open. It is a value: whoever keeps it passes in the instants.
type Throttle struct {
	Since     time.Time `json:"since,omitzero"`      // the interval's beginning
	Routed    int       `json:"routed,omitempty"`    // in the interval
	Succeeded int       `json:"succeeded,omitempty"` // in the interval
	Failed    int       `json:"failed,omitempty"`    // in the interval
	Allowed   float64   `json:"allowed,omitempty"`   // jobs in an interval; 0: there is no throttle
}

// At is t as it is at an instant: after each interval it is adjusted by the rate of
// failures that the route bears, per second, and by the number of jobs on it. Nothing heard for
// several intervals heals it as much as each of them would. A clock that was set back
// begins the interval anew.
func (t Throttle) At(now time.Time, rate float64, jobs int) Throttle {
	if t.Since.IsZero() || now.Before(t.Since) {
		t.Since = now
		return t
	}
	for elapsed := now.Sub(t.Since); elapsed >= throttleEvery; elapsed = now.Sub(t.Since) {
		if t.Allowed == 0 && t.Failed == 0 {
			return Throttle{Since: now}
		}
		// What was counted belongs to the first interval, however long ago that was.
		t = t.adjusted(rate, jobs)
		t.Since = t.Since.Add(throttleEvery)
	}
	return t
}

// adjusted is t at the end of an interval, HTCondor's rule.
func (t Throttle) adjusted(rate float64, jobs int) Throttle {
	failed, succeeded := float64(t.Failed), float64(t.Succeeded)
	bearable := throttleEvery.Seconds() * rate
	allowed := t.Allowed
	if failed > bearable {
		// Too many fail: as many are allowed as make the bearable number of failures.
		allowed = bearable * (failed + succeeded + float64(jobs)) / failed
		if allowed <= 0 {
			allowed = 1 / throttleEvery.Seconds() // a rate of nought: it heals from next to nothing
		}
	} else {
		// Five times as many when all succeed, twice when nothing ended, the same when
		// all fail.
		by := 3*succeeded - 2*failed
		if by > 0 {
			by /= succeeded + failed
		}
		if by += 2; by > 1 {
			allowed *= by
		}
		if allowed > bearable*10000 && allowed >= 1 {
			allowed = 0
		}
		if allowed > 0 && allowed < 1 && t.Failed == 0 {
			allowed = 1 // or nothing would ever show that it has become better
		}
	}
	return Throttle{Since: t.Since, Allowed: allowed}
}

// Closed reports whether t lets no more jobs through in this interval.
func (t Throttle) Closed() bool { return t.Allowed > 0 && float64(t.Routed) >= t.Allowed }

// Until is when the interval ends, and t is adjusted.
func (t Throttle) Until() time.Time { return t.Since.Add(throttleEvery) }

// Took is t after jobs were routed.
func (t Throttle) Took(n int) Throttle {
	t.Routed += n
	return t
}

// Ended is t after a job came to its end. One that its owner removed or held is none of
// the route's: it is not counted.
func (t Throttle) Ended(failed bool) Throttle {
	if failed {
		t.Failed++
	} else {
		t.Succeeded++
	}
	return t
}

// String is what t lets through.
func (t Throttle) String() string {
	if t.Allowed == 0 {
		return "none"
	}
	return fmt.Sprintf("%d of %.3g jobs in ten minutes", t.Routed, t.Allowed)
}
