package route

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAThrottleFollowsWhatBecomesOfJobs(t *testing.T) {
	const rate = 0.03 // 18 failures in ten minutes
	after := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	fed := func(t Throttle, routed, succeeded, failed int) Throttle {
		t = t.Took(routed)
		for range succeeded {
			t = t.Ended(false)
		}
		for range failed {
			t = t.Ended(true)
		}
		return t
	}
	t.Run("failures within what is borne close nothing", func(t *testing.T) {
		h := fed(Throttle{}.At(noon, rate, 0), 100, 82, 18).At(after(10), rate, 0)
		if h.Allowed != 0 || h.Closed() || h.Failed != 0 {
			t.Errorf("%+v", h)
		}
	})
	t.Run("a black hole is closed to what it may waste", func(t *testing.T) {
		h := fed(Throttle{}.At(noon, rate, 0), 1000, 0, 1000)
		if h = h.At(after(9), rate, 0); h.Allowed != 0 {
			t.Errorf("before the interval has ended: %+v", h)
		}
		h = h.At(after(10), rate, 0)
		if h.Allowed != 18 || h.Closed() {
			t.Errorf("%+v", h)
		}
		if h = h.Took(18); !h.Closed() || !h.Until().Equal(after(20)) {
			t.Errorf("%+v until %s", h, h.Until())
		}
	})
	t.Run("half of a route's jobs failing lets twice as many through", func(t *testing.T) {
		if h := fed(Throttle{}.At(noon, rate, 0), 200, 50, 100).At(after(10), rate, 50); h.Allowed != 36 {
			t.Errorf("%+v", h)
		}
	})
	t.Run("it opens again: fivefold when all succeed, twofold when nothing ends, not when all fail", func(t *testing.T) {
		h := Throttle{Since: noon, Allowed: 18}
		if g := fed(h, 18, 18, 0).At(after(10), rate, 0); g.Allowed != 90 {
			t.Errorf("all succeeded: %+v", g)
		}
		if g := fed(h, 18, 9, 9).At(after(10), rate, 0); g.Allowed != 45 {
			t.Errorf("half of them: %+v", g)
		}
		if g := h.At(after(10), rate, 0); g.Allowed != 36 {
			t.Errorf("nothing ended: %+v", g)
		}
		if g := fed(h, 18, 0, 18).At(after(10), rate, 0); g.Allowed != 18 {
			t.Errorf("all failed: %+v", g)
		}
	})
	t.Run("a route that bears no failure is tried again with one job", func(t *testing.T) {
		h := fed(Throttle{}.At(noon, 0, 0), 1, 0, 1).At(after(10), 0, 0)
		if h.Allowed <= 0 || h.Allowed >= 1 {
			t.Fatalf("%+v", h)
		}
		if h = h.At(after(20), 0, 0); h.Allowed != 1 || h.Closed() {
			t.Errorf("%+v", h)
		}
	})
	t.Run("a clock that was set back begins the interval anew and forgets nothing", func(t *testing.T) {
		h := Throttle{Since: noon, Allowed: 18, Routed: 18}.At(after(-60), rate, 0)
		if !h.Closed() || !h.Until().Equal(after(-50)) {
			t.Errorf("%+v", h)
		}
	})
}

// Law: whatever has failed, a route of which nothing more is heard is open again within
// half a day, and lets a job through within twenty minutes.
func TestAThrottleHealsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0, 2).Draw(t, "rate")
		h := Throttle{}.At(noon, rate, 0)
		now := noon
		for range rapid.IntRange(1, 20).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "seconds")) * time.Second)
			h = h.At(now, rate, rapid.IntRange(0, 100).Draw(t, "jobs"))
			switch rapid.IntRange(0, 2).Draw(t, "event") {
			case 0:
				h = h.Took(rapid.IntRange(1, 50).Draw(t, "n"))
			case 1:
				for range rapid.IntRange(1, 200).Draw(t, "n") {
					h = h.Ended(true)
				}
			case 2:
				h = h.Ended(false)
			}
			if h.Allowed < 0 {
				t.Fatalf("%+v", h)
			}
		}
		if soon := h.At(now.Add(20*time.Minute), rate, 0); soon.Closed() {
			t.Fatalf("closed for good: %+v", soon)
		}
		// In one look after a long time as in one each interval.
		once, often := h.At(now.Add(12*time.Hour), rate, 0), h
		for m := range 12 * 60 {
			often = often.At(now.Add(time.Duration(m+1)*time.Minute), rate, 0)
		}
		if once.Allowed != 0 || often.Allowed != 0 {
			t.Fatalf("still throttled: %+v, %+v", once, often)
		}
	})
}
