package kills

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gridburst/internal/failpoint"
	"gridburst/internal/rig"
)

// A call that writes or flushes fails, or is the last one: of strace's expressions for
// its --inject, each is tried from the first such call of a thread on.
var injections = []struct{ name, expression string }{
	{"fdatasync fails", "fdatasync:error=EIO:when=%d"},
	{"fsync fails", "fsync:error=EIO:when=%d"},
	{"pwrite64 fails", "pwrite64:error=EIO:when=%d"},
	{"pwrite64 finds no room", "pwrite64:error=ENOSPC:when=%d"},
	{"pwrite64 finds the file system read-only", "pwrite64:error=EROFS:when=%d"},
	{"pwrite64 is the last", "pwrite64:signal=KILL:when=%d"},
	{"fdatasync is the last", "fdatasync:signal=KILL:when=%d"},
}

// sweep is how many calls of a thread are tried, the first and so on.
const sweep = 4

// A schedd whose file cannot be written stops, whatever call it was: the next start finds
// all that was acknowledged.
func TestFailedWritesLoseNothing(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace makes calls fail, and is not here")
	}
	if testing.Short() {
		t.Skip("it starts a schedd under strace a few dozen times")
	}
	dir := t.TempDir()
	real := filepath.Join(dir, "real")
	if err := rig.Build(t.Context(), real, nil, "gschedd", "gadm"); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	wrapper := fmt.Sprintf("#!/bin/sh\nif test -z \"$INJECT\"; then exec %[1]s/gschedd \"$@\"; fi\nexec %[2]s -D -f -qq -o /dev/null -e trace=fsync,fdatasync,pwrite64 -e inject=\"$INJECT\" %[1]s/gschedd \"$@\"\n", real, strace)
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "gschedd"), []byte(wrapper), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(real, "gadm"), filepath.Join(bin, "gadm")); err != nil {
		t.Fatal(err)
	}
	r, err := rig.New(filepath.Join(dir, "run"), bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(rigPatience); err != nil {
			t.Error(err)
		}
	})
	for i, in := range injections {
		t.Run(in.name, func(t *testing.T) {
			var log bytes.Buffer
			row := &Row{Point: in.name, Of: failpoint.Schedd, Work: failpoint.Submit}
			b := newBench(r, row, i, Options{Seed: uint64(i), Log: &log})
			if err := os.MkdirAll(b.armed, 0o755); err != nil {
				t.Fatal(err)
			}
			ended := 0
			for n := range sweep {
				if b.fail(t, fmt.Sprintf(in.expression, n+1)) {
					ended++
				}
			}
			if err := b.start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := b.last(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.schedd.Stop(rigPatience)
			for _, w := range row.Wrong {
				t.Error(w)
			}
			if ended == 0 || row.Acked == 0 {
				t.Errorf("%d schedds ended, %d things were acknowledged: that is no trial", ended, row.Acked)
			}
			t.Logf("%d of %d schedds ended, %d acknowledged, %d lost, %d halves", ended, sweep, row.Acked, row.Lost, row.Halves)
		})
	}
}

// fail has a schedd with the injection work until it ends or has done enough, and looks
// at what one without it finds.
func (b *bench) fail(t *testing.T, inject string) (ended bool) {
	ctx := t.Context()
	s, err := b.rig.Schedd(ctx, b.name, []string{"INJECT=" + inject})
	if err == nil {
		b.schedd = s
		asking, stop := b.busy(ctx)
		for n := 0; n < 20 && b.clients[0].any(asking) == nil; n++ {
		}
		stop()
	}
	select {
	case <-s.Done():
		ended = true
	default:
		s.Stop(rigPatience)
	}
	if err := b.start(ctx); err != nil {
		t.Fatalf("after %s: %v", inject, err)
	}
	defer b.schedd.Stop(rigPatience)
	if err := b.look(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range b.clients {
		if c.pending != nil {
			if err := c.ask(ctx, c.pending); err != nil {
				t.Fatalf("after %s: asking again: %v", inject, err)
			}
		}
	}
	return ended
}
