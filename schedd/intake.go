package schedd

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gridburst/internal/grid"
)

// intake keeps one user from taking the schedd for themself: how often they hand in, and
// how many jobs they have. Root is no user.
type intake struct {
	d *Daemon

	mu      sync.Mutex
	coming  map[uint32]int           // procs that were let in and may not be in the view yet
	buckets map[uint32]*rate.Limiter // of those who have handed in lately
}

func newIntake(d *Daemon) *intake {
	return &intake{d: d, coming: map[uint32]int{}, buckets: map[uint32]*rate.Limiter{}}
}

// keepBuckets bounds the users whose pace is remembered: beyond it, those who have been
// quiet for long are forgotten.
const keepBuckets = 10_000

// pace refuses a user who hands in too often. What is refused costs nothing of the pace.
func (i *intake) pace(uid uint32, now time.Time) error {
	c := i.d.config()
	per := float64(c.SubmitsPerMinute) / 60 // seconds
	if per == 0 || uid == 0 {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	b := i.buckets[uid]
	if b == nil {
		if len(i.buckets) >= keepBuckets {
			for other, b := range i.buckets {
				if b.TokensAt(now) >= float64(b.Burst()) {
					delete(i.buckets, other)
				}
			}
		}
		b = rate.NewLimiter(rate.Limit(per), c.SubmitBurst)
		i.buckets[uid] = b
	}
	if b.Limit() != rate.Limit(per) || b.Burst() != c.SubmitBurst { // another configuration is in force
		b.SetLimitAt(now, rate.Limit(per))
		b.SetBurstAt(now, c.SubmitBurst)
	}
	if b.AllowN(now, 1) {
		return nil
	}
	short := time.Duration((1 - b.TokensAt(now)) / per * float64(time.Second))
	e := grid.Errorf(grid.TooMany, "you hand in more than %d times a minute (limits { submits_per_minute }): try again in %s; a cluster of many jobs is one submission", c.SubmitsPerMinute, short.Round(time.Millisecond))
	e.Err = &grid.Later{After: short}
	return e
}

// errQuota is a refusal that ends when jobs of the user's do.
var errQuota = errors.New("over the limit of one user")

// free is how many more jobs of a user's the queue takes.
func (i *intake) free(uid uint32) int32 {
	most := i.d.config().MaxPerOwner
	if most == 0 || uid == 0 {
		return grid.MaxProcs
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return int32(max(min(most-i.coming[uid]-i.d.ledger.View().JobsOf(uid), grid.MaxProcs), 0))
}

// room keeps places in the queue for so many jobs of a user's, until leave is called with
// how many of them are in the view by then, or have been refused. Two who ask at once do
// not both get the last place.
func (i *intake) room(uid uint32, procs int) (leave func(procs int), err error) {
	most := i.d.config().MaxPerOwner
	if most == 0 || uid == 0 {
		return func(int) {}, nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	has := i.coming[uid] + i.d.ledger.View().JobsOf(uid)
	if has+procs > most {
		e := grid.Errorf(grid.Refused, "you have %d jobs in the queue, and %d more would be over your limit of %d (limits { max_per_owner })", has, procs, most)
		e.Err = errQuota
		return nil, e
	}
	i.coming[uid] += procs
	return func(procs int) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.coming[uid] -= procs; i.coming[uid] == 0 {
			delete(i.coming, uid)
		}
	}, nil
}
