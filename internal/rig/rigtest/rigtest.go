// Package rigtest is rigs for tests.
package rigtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/rig"
)

// Dir is a directory that every user may enter, and goes with the test.
func Dir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rig") // a socket's address is short, and a test's directory may be long
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// New builds programs and is a rig of them, in a [Dir] of its own. It and all below it end
// with the test; what it does has ten minutes.
func New(t *testing.T, tags []string, programs ...string) (context.Context, *rig.Rig) {
	t.Helper()
	dir := Dir(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	bin := filepath.Join(dir, "bin")
	if err := rig.Build(ctx, bin, tags, programs...); err != nil {
		t.Fatal(err)
	}
	r, err := rig.New(dir, bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(time.Minute); err != nil {
			t.Error(err)
		}
	})
	return ctx, r
}

// Deaths has each failpoint tried that names the test; there are so many at least.
func Deaths(t *testing.T, least int, try func(*testing.T, failpoint.Point)) {
	t.Helper()
	tried := 0
	for _, p := range failpoint.Points {
		if p.Test == t.Name() {
			tried++
			t.Run(p.Name, func(t *testing.T) { try(t, p) })
		}
	}
	if tried < least {
		t.Errorf("%d points are this test's", tried)
	}
}

// Slow skips a test that takes long where nobody has asked for such.
func Slow(t *testing.T) {
	t.Helper()
	if os.Getenv("GRIDBURST_SLOW") == "" {
		t.Skip("it takes half a minute and a build of its own: GRIDBURST_SLOW=1, as in make test-real")
	}
}
