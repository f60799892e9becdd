package schedd

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/telemetry"
)

func TestAPaceIsAnAverageAndSaysWhenToTryAgain(t *testing.T) {
	i := newIntake(&Daemon{c: Config{SubmitsPerMinute: 120, SubmitBurst: 3, Telemetry: telemetry.New("")}})
	now := time.Unix(1_800_000_000, 0)
	for n, c := range []struct {
		uid   uint32
		after time.Duration // since the last
		wait  time.Duration // 0: taken
	}{
		{1, 0, 0},
		{1, 0, 0},
		{1, 0, 0},
		{1, 0, 500 * time.Millisecond},
		{2, 0, 0}, // another's pace is their own
		{0, 0, 0}, // root has none
		{1, 200 * time.Millisecond, 300 * time.Millisecond}, // what was refused has cost nothing
		{1, 300 * time.Millisecond, 0},
		{1, 0, 500 * time.Millisecond},
		{1, time.Hour, 0},
		{1, 0, 0},
		{1, 0, 0},
		{1, 0, 500 * time.Millisecond}, // an hour saves no more than the burst
	} {
		now = now.Add(c.after)
		err := i.pace(c.uid, now)
		wait, ok := grid.RetryAfter(err)
		if (err != nil) != (c.wait != 0) || ok != (c.wait != 0) || wait.Round(time.Millisecond) != c.wait || err != nil && grid.CodeOf(err) != grid.TooMany {
			t.Errorf("the %d. of %d: %v, %v", n+1, c.uid, err, wait)
		}
	}
	for uid := range uint32(3 * keepBuckets) {
		now = now.Add(time.Minute)
		if err := i.pace(uid, now); err != nil {
			t.Fatal(err)
		}
	}
	if len(i.buckets) > keepBuckets {
		t.Errorf("%d users are remembered", len(i.buckets))
	}
}

func TestTheLastPlacesAreGivenOnce(t *testing.T) {
	p := newPlace(t, func(c *Config) { c.MaxPerOwner = 10 })
	in := p.live.d.intake
	var taken atomic.Int32
	var all sync.WaitGroup
	var done []func(int)
	var mu sync.Mutex
	for range 50 {
		all.Go(func() {
			leave, err := in.room(1000, 3)
			switch {
			case err == nil:
				taken.Add(3)
				mu.Lock()
				done = append(done, leave)
				mu.Unlock()
			case grid.CodeOf(err) != grid.Refused || !errors.Is(err, errQuota):
				t.Errorf("refused with %v", err)
			}
		})
	}
	all.Wait()
	if taken.Load() != 9 {
		t.Errorf("%d places of 10 were given, by threes", taken.Load())
	}
	for _, leave := range done {
		leave(3)
	}
	if leave, err := in.room(1000, 10); err != nil {
		t.Errorf("what was refused later has left something: %v", err)
	} else {
		leave(10)
	}
	if len(in.coming) != 0 {
		t.Errorf("%v stays", in.coming)
	}
}
