package script

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/whole"
)

// Spec is a script that is to be run.
type Spec struct {
	Program string              `json:"program"` // relative to Dir, or absolute
	Args    []string            `json:"args,omitempty"`
	Env     []string            `json:"env,omitempty"` // NAME=value; all of it
	Dir     string              `json:"dir"`
	Debug   string              `json:"debug,omitempty"`   // a file, relative to Dir, that gets what it prints
	Capture string              `json:"capture,omitempty"` // of that: STDOUT, STDERR or ALL
	As      *syscall.Credential `json:"as,omitempty"`      // nil: as this process
}

// Ended is how a script ended.
type Ended struct {
	Exit   int32  `json:"exit"` // its exit code, or minus the signal that killed it
	Reason string `json:"reason,omitempty"`
}

// Book is a directory of the schedd's, with a file for each script that was begun and
// not yet forgotten. One process has it open.
type Book struct {
	dir     string
	program []string
}

// Open opens the book in a directory, which it makes. program starts a keeper; nil: this
// program, with [Arg].
func Open(dir string, program []string) (*Book, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, grid.Errorf(grid.Invalid, "make the directory of scripts: %w", err)
	}
	if program == nil {
		program = []string{"/proc/self/exe", Arg}
	}
	return &Book{dir, program}, nil
}

func (b *Book) path(key string) string { return filepath.Join(b.dir, key) }

// Forget drops what is known of a script, once its end is kept elsewhere.
func (b *Book) Forget(key string) error {
	if err := os.Remove(b.path(key)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Tidy forgets the scripts of which wanted says so, but those that run.
func (b *Book) Tidy(wanted func(key string) bool) error {
	list, err := os.ReadDir(b.dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if wanted(e.Name()) {
			continue
		}
		f, err := os.OpenFile(b.path(e.Name()), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if locked(f) == nil {
			err = b.Forget(e.Name())
		}
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// look is how often it is looked whether a keeper that another process started is done.
const look = 50 * time.Millisecond

// Run runs a script, unless one of that key was begun before: then it waits for that
// one, or says how it ended. Closing kill ends it. The error is that ctx has ended, and
// the script may go on; or that nothing is known because the disk fails.
func (b *Book) Run(ctx context.Context, key string, s Spec, kill <-chan struct{}) (Ended, error) {
	f, err := os.OpenFile(b.path(key), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return Ended{}, grid.Errorf(grid.Unavailable, "the book of scripts: %w", err)
	}
	defer f.Close()
	killed := false
	for locked(f) != nil {
		if !killed {
			select {
			case <-kill:
				killed = b.signal(f)
			default:
			}
		}
		if err := pause.For(ctx, look); err != nil {
			return Ended{}, err
		}
	}
	if e, known, err := outcome(f); known || err != nil {
		return e, err
	}
	select {
	case <-kill:
		e := Ended{-int32(syscall.SIGTERM), "was not begun any more"}
		return e, write(f, entry{Ended: &e})
	default:
	}
	return b.begin(ctx, f, s, kill)
}

// outcome is how the script of a file ended whose keeper is gone. known is false when no
// keeper came so far as to begin it.
func outcome(f *os.File) (e Ended, known bool, err error) {
	keeper, ended, err := read(f)
	switch {
	case err != nil:
		return Ended{}, false, err
	case ended != nil:
		return *ended, true, nil
	case keeper != 0:
		return lost, true, nil
	}
	return Ended{}, false, nil
}

var lost = Ended{-int32(syscall.SIGKILL), "was killed with the process that kept it"}

// begin starts a keeper, which gets the locked file, and waits for it.
func (b *Book) begin(ctx context.Context, f *os.File, s Spec, kill <-chan struct{}) (Ended, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return Ended{}, err
	}
	if err := whole.SyncDir(b.dir); err != nil {
		return Ended{}, err
	}
	failpoint.Hit("script.begin")
	cmd := exec.Command(b.program[0], b.program[1:]...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	cmd.Env = append(cmd.Env, failpoint.Environ()...)
	cmd.Stdin = strings.NewReader(string(text))
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{f}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return Ended{}, grid.Errorf(grid.Unavailable, "start the keeper of a script: %w", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // the file says what it has to say
	}()
	for waits := kill; ; {
		select {
		case <-done:
			e, known, err := outcome(f)
			if !known && err == nil {
				err = grid.Errorf(grid.Unavailable, "the keeper of a script ended before it had begun")
			}
			return e, err
		case <-waits:
			if b.signal(f) {
				waits = nil
				continue
			}
			// It has yet to say who it is.
			if err := pause.For(ctx, look); err != nil {
				return Ended{}, err
			}
		case <-ctx.Done():
			return Ended{}, context.Cause(ctx)
		}
	}
}

// signal tells the keeper of a file to end its script. The file is locked, so the keeper
// is there.
func (b *Book) signal(f *os.File) bool {
	pid, ended, err := read(f)
	if err != nil || pid == 0 {
		return false
	}
	if ended == nil {
		_ = syscall.Kill(pid, syscall.SIGTERM) // one that is gone has said so by then
	}
	return true
}

func locked(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

// entry is a line of a script's file.
type entry struct {
	Keeper int    `json:"keeper,omitempty"` // its process, from when the script is about to be begun
	Ended  *Ended `json:"ended,omitempty"`
}

// write adds a line, and has it on the disk. It begins a new one, since a power cut may
// have torn the one before.
func write(f *os.File, e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := f.Write([]byte("\n" + string(line) + "\n")); err != nil {
		return err
	}
	return f.Sync()
}

// read is what a script's file says. A line that was cut does not count.
func read(f *os.File) (keeper int, ended *Ended, err error) {
	if _, err := f.Seek(0, 0); err != nil {
		return 0, nil, err
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		if e.Keeper != 0 {
			keeper = e.Keeper
		}
		if e.Ended != nil {
			ended = e.Ended
		}
	}
	return keeper, ended, nil
}
