package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

// enter calls Enter as a runner does, on a thread of its own, and f with the
// result on that thread.
func enter(t *testing.T, s Sandbox, x wire.Execution, f func(Stdio)) error {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: its working directory and rights are not the process's
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			done <- err
			return
		}
		unix.Umask(0o022)
		if !s.User.IsSelf() {
			if err := Become(s.User); err != nil {
				done <- err
				return
			}
		}
		std, err := s.Enter(x)
		if err == nil && f != nil {
			f(std)
		}
		std.Close()
		done <- err
	}()
	return <-done
}

func TestFilesOfAJobInPlaceAreOpenedAsItsOwner(t *testing.T) {
	for who, u := range users(t) {
		t.Run(who, func(t *testing.T) {
			s := place(t, u)
			iwd := s.Work() // a directory of the owner's will do
			asUser(t, s, `echo hello >in; mkdir logs; echo old >logs/out`)
			err := enter(t, s, wire.Execution{Iwd: iwd, In: "in", Out: "logs/out", Err: filepath.Join(iwd, "err")}, func(std Stdio) {
				buf := make([]byte, 10)
				if n, err := std[0].Read(buf); string(buf[:n]) != "hello\n" {
					t.Errorf("the input: %q, %v", buf[:n], err)
				}
				for i, name := range []string{"logs/out", "err"} {
					if _, err := std[i+1].WriteString("new"); err != nil {
						t.Error(err)
					}
					info, err := os.Stat(filepath.Join(iwd, name))
					if err != nil {
						t.Error(err)
						continue
					}
					if st := info.Sys().(*syscall.Stat_t); st.Uid != u.UID || info.Size() != 3 || info.Mode() != 0o644 {
						t.Errorf("%s: uid %d, %d bytes, mode %v", name, st.Uid, info.Size(), info.Mode())
					}
				}
				if wd, err := os.Readlink("/proc/thread-self/cwd"); wd != iwd {
					t.Errorf("the working directory is %s, %v", wd, err)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestOutputAndErrorOutputMayBeOneFile(t *testing.T) {
	s := place(t, Self())
	err := enter(t, s, wire.Execution{Iwd: s.Work(), Out: "both", Err: "both"}, func(std Stdio) {
		std[1].WriteString("one ")
		std[2].WriteString("two")
	})
	if b, _ := os.ReadFile(filepath.Join(s.Work(), "both")); err != nil || string(b) != "one two" {
		t.Fatalf("%q, %v", b, err)
	}
}

func TestWhatIsNotNamedIsNowhere(t *testing.T) {
	s := place(t, Self())
	if err := enter(t, s, wire.Execution{Iwd: s.Work()}, func(std Stdio) {
		for _, f := range std {
			if f.Name() != os.DevNull {
				t.Errorf("it is %s", f.Name())
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(s.Work()); err != nil || len(entries) != 0 {
		t.Fatal(entries, err)
	}
}

func TestFilesThatCannotBeOpenedHoldTheJobAndSayWhich(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		x      wire.Execution
		code   grid.HoldCode
		errno  syscall.Errno
		says   string
	}{
		"no such working directory":        {``, wire.Execution{Iwd: "gone"}, grid.HoldIwd, syscall.ENOENT, "/gone: no such file"},
		"a working directory that is none": {`: >f`, wire.Execution{Iwd: "f"}, grid.HoldIwd, syscall.ENOTDIR, "/f: not a directory"},
		"no such input":                    {``, wire.Execution{In: "in"}, grid.HoldOpenInput, syscall.ENOENT, "/in: no such file"},
		"an input that is a directory":     {`mkdir in`, wire.Execution{In: "in"}, grid.HoldOpenInput, syscall.EISDIR, "/in: is a directory"},
		"an output that is a directory":    {`mkdir out`, wire.Execution{Out: "out"}, grid.HoldOpenOutput, syscall.EISDIR, "output "},
		"an error output in no directory":  {``, wire.Execution{Err: "no/err"}, grid.HoldOpenOutput, syscall.ENOENT, "error output "},
		"an output FIFO that nobody reads": {`mkfifo out`, wire.Execution{Out: "out"}, grid.HoldOpenOutput, syscall.ENXIO, "/out: no such device"},
		"links that go in circles":         {`ln -s a b; ln -s b a`, wire.Execution{In: "a"}, grid.HoldOpenInput, syscall.ELOOP, "/a: too many levels"},
	} {
		t.Run(name, func(t *testing.T) {
			s := place(t, Self())
			asUser(t, s, c.script)
			c.x.Iwd = filepath.Join(s.Work(), c.x.Iwd)
			err := enter(t, s, c.x, nil)
			holds(t, err, c.code, c.says)
			if h := new(HoldError); errors.As(err, &h) && h.Subcode != int32(c.errno) {
				t.Errorf("subcode %d, want %d", h.Subcode, c.errno)
			}
		})
	}
}

func TestAnInputFIFOWithoutAWriterDoesNotHoldTheRunner(t *testing.T) {
	s := place(t, Self())
	asUser(t, s, `mkfifo in`)
	if err := enter(t, s, wire.Execution{Iwd: s.Work(), In: "in"}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAnOwnerOpensNothingThatIsNotHis(t *testing.T) {
	needRoot(t)
	s := place(t, another)
	secret := filepath.Join(filepath.Dir(s.Dir), "secret")
	closed := filepath.Join(filepath.Dir(s.Dir), "closed")
	if err := errors.Join(os.WriteFile(secret, []byte("root's"), 0o600), os.Mkdir(closed, 0o700)); err != nil {
		t.Fatal(err)
	}
	asUser(t, s, `ln -s ../../secret link`)
	for name, c := range map[string]struct {
		x    wire.Execution
		code grid.HoldCode
	}{
		"an input":                  {wire.Execution{In: secret}, grid.HoldOpenInput},
		"an input through a link":   {wire.Execution{In: "link"}, grid.HoldOpenInput},
		"an output through a link":  {wire.Execution{Out: "link"}, grid.HoldOpenOutput},
		"an error output elsewhere": {wire.Execution{Err: filepath.Join(closed, "new")}, grid.HoldOpenOutput},
		"a working directory":       {wire.Execution{Iwd: closed}, grid.HoldIwd},
	} {
		t.Run(name, func(t *testing.T) {
			if c.x.Iwd == "" {
				c.x.Iwd = s.Work()
			}
			holds(t, enter(t, s, c.x, nil), c.code, "permission denied")
		})
	}
	if b, err := os.ReadFile(secret); string(b) != "root's" {
		t.Fatalf("%q, %v", b, err)
	}
}

// A second process of the owner swaps the output for a link to root's file and
// back, as quickly as it can, while outputs are opened.
func TestALinkThatIsSwappedInWinsNothing(t *testing.T) {
	needRoot(t)
	s := place(t, another)
	canary := filepath.Join(filepath.Dir(s.Dir), "canary")
	if err := os.WriteFile(canary, []byte("whole"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	swapped := make(chan error)
	go func() {
		swapped <- As(another, func() error {
			out, swaps := filepath.Join(s.Work(), "out"), 0
			for ; !stop.Load() || swaps == 0; swaps++ {
				if err := os.Symlink(canary, out+".link"); err != nil {
					return err
				}
				if err := os.Rename(out+".link", out); err != nil {
					return err
				}
				if err := os.WriteFile(out+".file", nil, 0o600); err != nil {
					return err
				}
				if err := os.Rename(out+".file", out); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	refused, opened := 0, 0
	for i := 0; i < 20_000 && (i < 500 || refused == 0 || opened == 0); i++ {
		err := enter(t, s, wire.Execution{Iwd: s.Work(), Out: "out"}, func(std Stdio) { std[1].WriteString("stolen") })
		if err == nil {
			opened++
		} else {
			holds(t, err, grid.HoldOpenOutput, "permission denied")
			refused++
		}
	}
	stop.Store(true)
	if err := <-swapped; err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(canary); err != nil || string(b) != "whole" {
		t.Fatalf("the canary holds %q, %v", b, err)
	}
	if refused == 0 || opened == 0 {
		t.Fatalf("the race was not run: %d refused, %d opened", refused, opened)
	}
}
