package pause_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/internal/pause"
)

func TestFor(t *testing.T) {
	end := errors.New("it is over")
	for _, c := range []struct {
		name      string
		wait, end time.Duration // from now
		took      time.Duration
		err       error
	}{
		{"it waits", time.Hour, 2 * time.Hour, time.Hour, nil},
		{"a context ends first", time.Hour, time.Minute, time.Minute, end},
		{"nothing to wait for", -time.Second, time.Hour, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), c.end, end)
				defer cancel()
				begun := time.Now()
				if err := pause.For(ctx, c.wait); !errors.Is(err, c.err) {
					t.Errorf("it gave %v", err)
				}
				if took := time.Since(begun); took != c.took {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}
