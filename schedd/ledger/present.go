package ledger

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"gridburst/internal/grid"
)

// presentEvery is how often it is looked whether the queue file is still at its path.
const presentEvery = 10 * time.Second

// present fails when the file that is open is not the one at its path any more: what
// would be written to it, nobody would find again. Nothing may be applied meanwhile. A
// file that was removed is written anew; one that another has taken the place of is kept
// beside it, for a person to decide.
func (l *Ledger) present() error {
	now, err := os.Stat(l.path)
	if err == nil && os.SameFile(now, l.file) {
		return nil
	}
	to := l.path
	if !errors.Is(err, fs.ErrNotExist) {
		to += ".running"
	}
	err = writeWhole(to, func(f *os.File) error {
		_, err := l.Snapshot(f)
		return err
	})
	switch {
	case err != nil:
		return grid.Errorf(grid.Internal, "%s is not the file any more that is in use, and that cannot be copied: %w", l.path, err)
	case to == l.path:
		return grid.Errorf(grid.Internal, "%s was removed while it was in use; it was written anew: start the schedd again", l.path)
	}
	return grid.Errorf(grid.Internal, "another file has taken the place of %s; the one that was in use is %s: put the right one there and start the schedd again", l.path, to)
}
