package rig

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// WaitFile returns when there is a file, whose writer renames it into place, or when
// over is closed, with [ErrEnded], or ctx ends.
func WaitFile(ctx context.Context, path string, over <-chan struct{}) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "inotify")
	defer f.Close()
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(path), unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		return err
	}
	waited := make(chan struct{})
	defer close(waited)
	go func() {
		select {
		case <-ctx.Done():
		case <-over:
		case <-waited:
			return
		}
		_ = f.SetReadDeadline(time.Unix(1, 0))
	}()
	for {
		// The look comes behind the watch, so that nothing slips between.
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, err := f.Read(make([]byte, 4096)); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return ErrEnded
			}
			return err
		}
	}
}

// ErrEnded is a program that ended while it was waited for.
var ErrEnded = errors.New("it ended before it was ready")
