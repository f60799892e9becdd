package kills

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/rig"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// killCopy kills while a backup is made, or put back into a directory of its own, which
// from the second round on holds the last one.
func (b *bench) killCopy(ctx context.Context) error {
	asking, stop := b.busy(ctx)
	err := b.copy(asking)
	stop()
	if err != nil && ctx.Err() != nil {
		return err
	}
	return b.revive(ctx)
}

func (b *bench) copy(ctx context.Context) error {
	if err := b.clients[0].any(ctx); err != nil {
		return err
	}
	// What was acknowledged before a backup begins is in it.
	before := map[string]bool{}
	for _, k := range b.clients[0].clusters {
		before[k.key] = true
	}
	file := filepath.Join(b.dir, "backup")
	if b.row.Work == failpoint.Backup {
		if err := b.arm(); err != nil {
			return err
		}
		if _, err := b.gadm(ctx, "backup", file); err != nil && !b.died() && ctx.Err() == nil {
			return b.tellf("gadm backup: %v", err)
		}
		return b.proven(file)
	}
	if out, err := b.gadm(ctx, "backup", file); err != nil {
		return b.tellf("gadm backup: %v: %s", err, out)
	}
	return b.restore(ctx, file, before)
}

func (b *bench) tellf(format string, args ...any) error {
	b.tell(Verdict{Wrong: []string{fmt.Sprintf(format, args...)}})
	return nil
}

// proven: a backup with a description is whole.
func (b *bench) proven(file string) error {
	if _, err := os.Stat(file + ".json"); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if _, err := ledger.ReadBackup(file); err != nil {
		b.tell(Verdict{Halves: 1, Wrong: []string{err.Error()}})
	}
	return nil
}

// restore puts a backup into the second directory and dies there, does it again, and
// looks what that directory's schedd has. Each job of want must be there, and an id
// that was given is not given again.
func (b *bench) restore(ctx context.Context, file string, want map[string]bool) error {
	name := b.name + "r"
	dir := filepath.Join(b.rig.Dir, name)
	if err := b.arm(); err != nil {
		return err
	}
	for first := true; ; first = false {
		out, err := b.gadm(ctx, "restore", file, dir)
		if err == nil {
			break
		}
		if !first || !rig.Killed(err) {
			return b.tellf("gadm restore after a death: %v: %s", err, out)
		}
	}
	second, err := b.rig.Schedd(ctx, name, b.env())
	if err != nil && rig.Killed(second.Ended()) && b.died() {
		second, err = b.rig.Schedd(ctx, name, b.env())
	}
	if err != nil {
		return b.tellf("a restored schedd does not start: %v", err)
	}
	defer second.Stop(rigPatience)
	return b.lookRestored(ctx, second.Client(), filepath.Join(dir, "after.log"), want)
}

func (b *bench) lookRestored(ctx context.Context, schedd *api.Client, log string, want map[string]bool) error {
	there, err := list(ctx, schedd)
	if err != nil {
		return err
	}
	given := int32(0)
	for _, c := range b.clients[:1] {
		for _, k := range c.clusters {
			if want[k.key] && there[k.key] == nil {
				b.tell(Verdict{Lost: 1, Wrong: []string{fmt.Sprintf("%s was in the queue before the backup, and is not in what was restored", k.key)}})
			}
			given = max(given, k.id)
		}
	}
	fresh := &client{name: "after", log: log, schedd: schedd, rand: b.rand}
	if err := fresh.do(ctx, failpoint.Submit); err != nil {
		return err
	}
	if id := fresh.clusters[0].id; id <= given {
		return b.tellf("the restored schedd gave the id %s, and %s was given before", grid.WholeCluster(id), grid.WholeCluster(given))
	}
	// The operator moves it away before the next restore.
	err = os.Remove(filepath.Join(filepath.Dir(log), "spool", ledger.FileName+".before-restore"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
