package ledger

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
)

// DefaultReserve is how many bytes of the disk submits leave free, so that what is
// in the queue can always be finished, removed and reported.
const DefaultReserve = 64 << 20

// space watches the disk. Below the reserve the queue may not grow. A ballast file
// holds half as much again: it is given up when others have eaten the reserve, so
// that completions still commit, and made anew when there is room.
type space struct {
	dir     string
	reserve int64
	free    func(dir string) (int64, error)
	afloat  bool // the ballast is there
}

func (s *space) ballast() string { return filepath.Join(s.dir, "ballast") }

func (s *space) prepare() error {
	free, err := s.free(s.dir)
	if err != nil {
		return grid.Errorf(grid.Internal, "look at the free space of %s: %w", s.dir, err)
	}
	info, err := os.Stat(s.ballast())
	s.afloat = err == nil && info.Size() > 0
	if !s.afloat && free > 3*s.reserve {
		s.load()
	}
	return nil
}

// load is best effort: without ballast there is still the reserve.
func (s *space) load() {
	f, err := os.OpenFile(s.ballast(), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), 0, 0, s.reserve/2); err != nil {
		os.Remove(s.ballast())
		return
	}
	s.afloat = true
}

// check is called before each batch: a statfs is a microsecond.
func (s *space) check() *grid.Error {
	free, err := s.free(s.dir)
	if err != nil {
		return nil // the commit itself will tell
	}
	switch {
	case free < s.reserve/4 && s.afloat:
		os.Remove(s.ballast())
		s.afloat = false
	case free > 3*s.reserve && !s.afloat:
		s.load()
	}
	if free >= s.reserve {
		return nil
	}
	return grid.Errorf(grid.NoSpace, "the disk of the queue has %s left, and %s are kept for jobs that are in it: nothing new is taken until there is room in %s",
		grid.FormatSize(free), grid.FormatSize(s.reserve), s.dir)
}

func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}
