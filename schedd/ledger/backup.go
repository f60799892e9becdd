package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	bolt "go.etcd.io/bbolt"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
)

// Backup describes a copy of the ledger. It is kept beside the copy, as NAME.json.
type Backup struct {
	Format     uint64 `json:"format"`
	Deployment string `json:"deployment"`
	Index      uint64 `json:"index"` // the last entry in it
	Digest     Digest `json:"digest"`
	Size       int64  `json:"size"`
}

// Snapshot writes a consistent copy of the file to w while entries go on being
// applied, and says what it holds.
func (m *Machine) Snapshot(w io.Writer) (b Backup, err error) {
	err = m.db.View(func(tx *bolt.Tx) error {
		var v View
		if err := v.decodeState(tx.Bucket(bMeta).Get(kState)); err != nil {
			return err
		}
		b = Backup{Format: be64(tx.Bucket(bMeta).Get(kFormat)), Deployment: v.Deployment, Index: v.Index}
		b.Digest = (&Reader{tx}).Digest()
		failpoint.Hit("ledger.snapshot.begun")
		b.Size, err = tx.WriteTo(w)
		return err
	})
	return b, err
}

// WriteBackup puts a snapshot at path, durably, with its description beside it. The
// description comes last: a copy without one is not whole.
func (m *Machine) WriteBackup(path string) (b Backup, err error) {
	os.Remove(path + ".json")
	err = writeWhole(path, func(f *os.File) (err error) {
		b, err = m.Snapshot(f)
		return err
	})
	if err != nil {
		return b, err
	}
	failpoint.Hit("ledger.backup.described")
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return b, err
	}
	return b, writeWhole(path+".json", func(f *os.File) error {
		_, err := f.Write(append(text, '\n'))
		return err
	})
}

// ReadBackup opens a backup and proves that it is what its description says.
func ReadBackup(path string) (b Backup, err error) {
	text, err := os.ReadFile(path + ".json")
	if err != nil {
		return b, grid.Errorf(grid.Invalid, "the backup's description: %w; without it the copy may not be whole", err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return b, grid.Errorf(grid.Invalid, "read %s.json: %w", path, err)
	}
	m, err := OpenMachine(path, Options{ReadOnly: true})
	if err != nil {
		return b, err
	}
	defer m.Close()
	found, err := m.Check(1)
	if err != nil {
		return b, err
	}
	if len(found) > 0 {
		return b, grid.Errorf(grid.Invalid, "%s is damaged: %v", path, found[0])
	}
	digest, index, err := m.Digest()
	switch {
	case err != nil:
		return b, err
	case digest != b.Digest || index != b.Index:
		return b, grid.Errorf(grid.Invalid, "%s is not what its description says: entry %d and digest %v, not %d and %v", path, index, digest, b.Index, b.Digest)
	}
	return b, nil
}

// RestoredMark is the name of a file in the spool directory that says that the
// queue file comes from a backup. The next daemon to start tells the ledger so,
// and removes it.
const RestoredMark = "restored"

// Restore puts a proven backup into dir as its queue file. The file that was there
// is kept as queue.db.before-restore; there must be no daemon.
func Restore(backup, dir string) (b Backup, err error) {
	if b, err = ReadBackup(backup); err != nil {
		return b, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return b, err
	}
	defer lock.Close()
	path, mark := filepath.Join(dir, FileName), filepath.Join(dir, RestoredMark)
	kept := path + ".before-restore"
	// With a mark, what is kept is from a restore that no schedd has started on since:
	// it may have died on its way, and is made again.
	if there(kept) && !there(mark) {
		return b, grid.Errorf(grid.Refused, "%s is there already: move it away first", kept)
	}
	// The mark first: a restored file without it would give ids twice.
	if err := writeWhole(mark, func(*os.File) error { return nil }); err != nil {
		return b, err
	}
	failpoint.Hit("ledger.restore.marked")
	if err := os.Link(path, kept); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrExist) {
		return b, err
	}
	failpoint.Hit("ledger.restore.kept")
	err = writeWhole(path, func(f *os.File) error { return copyFile(f, backup) })
	if err != nil {
		return b, err
	}
	failpoint.Hit("ledger.restore.placed")
	// Checkpoints belong to the history that was left.
	return b, removeCheckpoints(dir, "")
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func copyFile(to *os.File, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, f)
	return err
}

const checkpointPrefix = "checkpoint-"

// Checkpoint makes a backup in the spool directory and lets the log begin keep
// entries before it. Older checkpoints go.
func (l *Ledger) Checkpoint(ctx context.Context, keep uint64, now int64) (Backup, error) {
	name := fmt.Sprintf("%s%d.db", checkpointPrefix, l.View().Index)
	b, err := l.WriteBackup(filepath.Join(l.dir, name))
	if err != nil {
		return b, err
	}
	failpoint.Hit("ledger.checkpoint.written")
	const step = 10_000
	for {
		r, err := l.Propose(ctx, Command{By: "schedd", At: now, Body: &Checkpoint{
			Index: b.Index, Digest: b.Digest, Name: name, Trim: b.Index - min(keep, b.Index), Max: step,
		}})
		if err != nil {
			return b, err
		}
		if r.Value.(int) < step {
			break
		}
	}
	failpoint.Hit("ledger.checkpoint.trimmed")
	return b, removeCheckpoints(l.dir, name)
}

// removeCheckpoints removes all but the one named keep.
func removeCheckpoints(dir, keep string) error {
	names, err := filepath.Glob(filepath.Join(dir, checkpointPrefix+"*"))
	if err != nil {
		return err
	}
	for _, n := range names {
		if base := filepath.Base(n); keep == "" || strings.TrimSuffix(base, ".json") != keep {
			if err := os.Remove(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// Verified is what [Verify] found out.
type Verified struct {
	Base    uint64 // the fold began after this entry
	Index   uint64 // and ended at this one
	Entries int
	Digest  Digest
	Found   []Damage
}

// Verify proves that the state in the queue file at path is the fold of its log: it
// begins with the checkpoint in dir (or with nothing, when the log is whole),
// applies every later entry again to a copy in scratch, and compares each outcome
// and the digest at the end. No daemon may have the file: of a running one, verify
// a backup. Damage and differences are findings, not errors.
func Verify(path, dir, scratch string) (v Verified, err error) {
	m, err := OpenMachine(path, Options{ReadOnly: true})
	if err != nil {
		return v, err
	}
	defer m.Close()
	if v.Found, err = m.Check(20); err != nil {
		return v, err
	}
	if v.Digest, v.Index, err = m.Digest(); err != nil {
		return v, err
	}
	fold, err := openBase(m.View(), dir, scratch)
	if err != nil {
		return v, err
	}
	defer fold.Close()
	v.Base = fold.View().Index
	if err := v.refold(m, fold); err != nil {
		return v, err
	}
	digest, index, err := fold.Digest()
	if err != nil {
		return v, err
	}
	if index != v.Index || digest != v.Digest {
		v.find("the fold of the log is at entry %d with digest %v; the file says %d and %v", index, digest, v.Index, v.Digest)
	}
	return v, nil
}

func (v *Verified) find(format string, args ...any) {
	v.Found = append(v.Found, Damage{Bucket: "log", Err: fmt.Errorf(format, args...)})
}

// openBase is a throw-away machine in the state before the log's first entry.
func openBase(v *View, dir, scratch string) (*Machine, error) {
	path := filepath.Join(scratch, "fold.db")
	if v.LogFirst > 1 || v.LogFirst == 0 && v.Index > 0 {
		base := filepath.Join(dir, v.CheckpointName)
		if _, err := ReadBackup(base); err != nil {
			return nil, grid.Errorf(grid.Invalid, "the log begins at entry %d, and the checkpoint before it cannot be read: %w", v.LogFirst, err)
		}
		if err := writeWhole(path, func(f *os.File) error { return copyFile(f, base) }); err != nil {
			return nil, err
		}
	}
	return OpenMachine(path, Options{NoSync: true})
}

func (v *Verified) refold(from, to *Machine) error {
	return from.Read(func(r *Reader) error {
		var batch []Record
		next := to.View().Index + 1
		for rec, err := range r.Entries(next, 0) {
			if err != nil {
				v.find("%v", err)
				return nil
			}
			if rec.Index != next {
				v.find("entry %d is missing", next)
				return nil
			}
			next++
			if batch = append(batch, rec); len(batch) == batchEntries {
				v.apply(to, batch)
				batch = batch[:0]
			}
		}
		v.apply(to, batch)
		return nil
	})
}

// apply folds records and compares what comes of each with what came of it then.
func (v *Verified) apply(to *Machine, batch []Record) {
	if len(batch) == 0 {
		return
	}
	entries := make([]Entry, len(batch))
	for i := range batch {
		entries[i] = batch[i].Entry
	}
	to.ApplyBatch(entries)
	v.Entries += len(batch)
	err := to.Read(func(r *Reader) error {
		i := 0
		for got, err := range r.Entries(batch[0].Index, batch[len(batch)-1].Index) {
			if err != nil {
				return err
			}
			want := batch[i]
			i++
			if len(v.Found) < 20 && (!reflect.DeepEqual(got.Events, want.Events) || got.Time != want.Time || grid.CodeOf(refused(got)) != grid.CodeOf(refused(want))) {
				v.find("entry %d (%s) has another outcome now: %d events and error %v, then %d and %v",
					got.Index, got.Body.Kind(), len(got.Events), got.Err, len(want.Events), want.Err)
			}
		}
		return nil
	})
	if err != nil {
		v.find("%v", err)
	}
}

// refused is r's refusal as an error, nil without one.
func refused(r Record) error {
	if r.Err == nil {
		return nil
	}
	return r.Err
}
