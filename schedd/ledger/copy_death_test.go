//go:build failpoints

package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gridburst/internal/grid"
)

// Who dies while a copy is made or put back finds the queue as it was, and does it
// again. The child is this test binary.
func TestCopiesSurviveDeath(t *testing.T) {
	for point, do := range map[string]string{
		"ledger.backup.described": "checkpoint", "ledger.checkpoint.written": "checkpoint",
		"ledger.checkpoint.trimmed": "checkpoint", "ledger.restore.marked": "restore",
		"ledger.compact.copied": "compact", "ledger.compact.renamed": "compact",
	} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			for _, d := range []string{"spool", "other"} {
				must(t, os.Mkdir(filepath.Join(dir, d), 0o700))
			}
			out, err := copyChild(dir, do, "GRIDBURST_FAILPOINTS="+point+"=1")
			var ended *exec.ExitError
			if !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the child did not die at %s: %v: %s", point, err, out)
			}
			if out, err := copyChild(dir, do); err != nil {
				t.Fatalf("again: %v: %s", err, out)
			}
			spool := filepath.Join(dir, "spool")
			copied := filepath.Join(dir, "now.db")
			l, err := Open(spool, Options{})
			must(t, err)
			_, err = l.WriteBackup(copied)
			must(t, err)
			if n := len(all(l.View().Clusters(0))); n != 40 {
				t.Errorf("%d clusters after two times 20 submits", n)
			}
			must(t, l.Close())
			v, err := Verify(copied, spool, t.TempDir())
			must(t, err)
			if len(v.Found) > 0 {
				t.Errorf("verify found %v", v.Found)
			}
			if left, _ := filepath.Glob(filepath.Join(spool, checkpointPrefix+"*.db")); do == "checkpoint" && len(left) != 1 {
				t.Errorf("checkpoints: %v", left)
			}
			if do == "restore" {
				m, err := OpenMachine(filepath.Join(dir, "other", FileName), Options{})
				must(t, err)
				if n := len(all(m.View().Clusters(0))); n != 40 {
					t.Errorf("%d clusters were restored", n)
				}
				must(t, m.Close())
				if _, err := os.Stat(filepath.Join(dir, "other", RestoredMark)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func all(seq func(func(int32, *Cluster) bool)) (ids []int32) {
	for id := range seq {
		ids = append(ids, id)
	}
	return ids
}

func copyChild(dir, do string, env ...string) (string, error) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), append(env, "LEDGER_COPY="+do, "LEDGER_COPY_DIR="+dir)...)
	out, err := c.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func init() { copies = makeCopies }

// makeCopies submits a little, and then makes a checkpoint, or a backup that it puts
// back elsewhere, or a compacted file.
func makeCopies(do, dir string) error {
	l, err := Open(filepath.Join(dir, "spool"), Options{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	defer func() {
		cancel()
		wg.Wait()
		l.Close()
	}()
	for range 20 {
		if _, err := l.Propose(ctx, submitOne("")); err != nil {
			return err
		}
	}
	if do == "compact" {
		cancel()
		wg.Wait()
		l.Close()
		_, err := Compact(filepath.Join(dir, "spool"))
		return err
	}
	if do == "checkpoint" {
		_, err := l.Checkpoint(ctx, 10, 1)
		return err
	}
	path := filepath.Join(dir, "backup.db")
	if _, err := l.WriteBackup(path); err != nil {
		return err
	}
	_, err = Restore(path, filepath.Join(dir, "other"))
	if grid.CodeOf(err) == grid.Refused {
		return fmt.Errorf("restore into an empty directory: %w", err)
	}
	return err
}
