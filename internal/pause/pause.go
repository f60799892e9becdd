// Package pause waits, unless a context ends meanwhile.
package pause

import (
	"context"
	"time"
)

// For waits for d. The error is the cause of ctx's end, if it has ended by then.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}
