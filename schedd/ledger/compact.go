package ledger

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/whole"
)

// Compacted is what [Compact] did. Sizes are in bytes.
type Compacted struct {
	Before int64  `json:"before"`
	After  int64  `json:"after"`
	Digest Digest `json:"digest"` // of the state, before and after
}

// compactName is the copy that is being made, beside the queue file.
const compactName = "." + FileName + ".compact"

// Compact copies the queue file in dir without the pages that nothing uses, proves that
// the copy holds the same, and puts it in the file's place; there must be no daemon.
// Whoever dies at it leaves the file as it was, or the whole copy. A damaged file is
// refused: to copy it could hide what is damaged.
func Compact(dir string) (c Compacted, err error) {
	lock, err := lockDir(dir)
	if err != nil {
		return c, err
	}
	defer lock.Close()
	path, copied := filepath.Join(dir, FileName), filepath.Join(dir, compactName)
	if err := os.Remove(copied); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	defer os.Remove(copied) // when it has not become the queue file
	m, err := OpenMachine(path, Options{ReadOnly: true})
	if err != nil {
		return c, err
	}
	defer m.Close()
	found, err := m.Check(1)
	if err == nil && len(found) > 0 {
		err = grid.Errorf(grid.Invalid, "%s is damaged: %v; restore it from a backup with gadm restore", path, found[0])
	}
	if err != nil {
		return c, err
	}
	if c.Digest, _, err = m.Digest(); err != nil {
		return c, err
	}
	failpoint.Hit("ledger.compact.begun")
	if err := compact(m.db, copied); err != nil {
		return c, grid.Errorf(grid.Internal, "copy %s: %w", path, err)
	}
	failpoint.Hit("ledger.compact.copied")
	fresh, err := OpenMachine(copied, Options{ReadOnly: true})
	if err != nil {
		return c, err
	}
	defer fresh.Close()
	digest, _, err := fresh.Digest()
	if err == nil && digest != c.Digest {
		err = grid.Errorf(grid.Internal, "the copy has digest %v, and %s has %v: nothing was changed", digest, path, c.Digest)
	}
	if err != nil {
		return c, err
	}
	for size, name := range map[*int64]string{&c.Before: path, &c.After: copied} {
		info, err := os.Stat(name)
		if err != nil {
			return c, err
		}
		*size = info.Size()
	}
	failpoint.Hit("ledger.compact.proven")
	if err := os.Rename(copied, path); err != nil {
		return c, err
	}
	failpoint.Hit("ledger.compact.renamed")
	if err := whole.SyncDir(dir); err != nil {
		return c, err
	}
	failpoint.Hit("ledger.compact.done")
	return c, nil
}

// compact writes the records of a file to a new one at path, durably.
func compact(from *bolt.DB, path string) (err error) {
	to, err := bolt.Open(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, NoFreelistSync: true, NoSync: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	const each = 16 << 20 // bytes of one transaction
	if err := bolt.Compact(to, from, each); err != nil {
		return err
	}
	failpoint.Hit("ledger.compact.written")
	return to.Sync()
}
