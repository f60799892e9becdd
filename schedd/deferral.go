package schedd

import (
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// prepTime is how long before its time a job is given its slot, unless it says another.
const prepTime = 5 * time.Minute

// prepared is when a job that is for later may be given a slot, in which it is prepared and
// waits; the zero time for one that is for now.
func prepared(now ad.Instant, job *ad.Ad) time.Time {
	if !job.Has("DeferralTime") {
		return time.Time{}
	}
	at, ok := now.Attr("DeferralTime", job, nil).Int()
	if !ok {
		return time.Time{} // its start tells what is wrong
	}
	prep := prepTime
	if s, ok := now.Attr("DeferralPrepTime", job, nil).Int(); ok {
		prep = time.Duration(s) * time.Second
	}
	return time.Unix(at, 0).Add(-prep)
}

// deferral is when a job's process is to start, ms since 1970, and for how long it may be
// late; 0: at once.
func deferral(now ad.Instant, job *ad.Ad) (notBefore, windowMS int64, err error) {
	if !job.Has("DeferralTime") {
		return 0, 0, nil
	}
	at, ok := now.Attr("DeferralTime", job, nil).Int()
	if !ok || at <= 0 {
		src, _ := job.Source("DeferralTime")
		return 0, 0, grid.Errorf(grid.Invalid, "the deferral_time %s is no time in seconds since 1970", src)
	}
	window, _ := now.Attr("DeferralWindow", job, nil).Int()
	return at * 1000, max(window, 0) * 1000, nil
}
