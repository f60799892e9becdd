package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gridburst/internal/failpoint"
	"gridburst/internal/whole"
)

// dropBroken removes what a death has left of files that were not whole yet.
func dropBroken(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, ".*"))
	for _, n := range names {
		for _, whole := range []string{FileName, RestoredMark, checkpointPrefix} {
			if strings.HasPrefix(filepath.Base(n), "."+whole) {
				err = errors.Join(err, os.Remove(n))
			}
		}
	}
	return err
}

// writeWhole makes a file at path that is either all there or not there: written
// beside, flushed, renamed, and the directory flushed.
func writeWhole(path string, write func(*os.File) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	failpoint.Hit("ledger.file.begun")
	if err = write(f); err != nil {
		return err
	}
	failpoint.Hit("ledger.file.written")
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	failpoint.Hit("ledger.file.synced")
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	failpoint.Hit("ledger.file.renamed")
	return whole.SyncDir(dir)
}
