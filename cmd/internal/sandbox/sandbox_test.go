package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/configs"
	"gridburst/gahp/ovirtsim"
	"gridburst/internal/grid"
	"gridburst/internal/rig"
)

// TestMain is also a guard and what it guards: a process that starts one that would stay,
// in a session of its own, and says so in the file pids.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "guard":
		status, err := Guard(Dir(os.Args[2]), []string{"guarded", os.Args[2]})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
		os.Exit(status)
	case len(os.Args) == 4 && os.Args[1] == "guarded":
		if err := guarded(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

func guarded(dir string) error {
	ctx := Guarded(context.Background())
	r, err := rig.New(dir, dir)
	if err != nil {
		return err
	}
	p, err := r.Start("log", nil, "setsid", "-w", "sleep", "1000")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "pids")
	if err := os.WriteFile(file+".new", fmt.Appendf(nil, "%d %d", os.Getpid(), p.PID), 0o644); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	<-ctx.Done()
	return r.Close(endWait)
}

// Whichever of the two dies, nothing is left.
func TestGuardAndGuardedWatchEachOther(t *testing.T) {
	for _, victim := range []string{"guard", "guarded"} {
		t.Run(victim+" dies", func(t *testing.T) {
			dir := t.TempDir()
			r, err := rig.New(dir, dir)
			if err != nil {
				t.Fatal(err)
			}
			g, err := r.Start("guard.log", nil, "/proc/self/exe", "guard", dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := r.Close(endWait); err != nil {
					t.Error(err)
				}
			})
			if err := rig.WaitFile(t.Context(), filepath.Join(dir, "pids"), g.Done()); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(filepath.Join(dir, "pids"))
			if err != nil {
				t.Fatal(err)
			}
			var procs []rig.Proc
			for _, f := range strings.Fields(string(b)) {
				pid, err := strconv.Atoi(f)
				if err != nil {
					t.Fatal(err)
				}
				p, err := rig.Look(pid)
				if err != nil {
					t.Fatal(err)
				}
				procs = append(procs, p)
			}
			if victim == "guard" {
				g.Kill()
			} else {
				procs[0].Kill()
			}
			<-g.Done()
			for _, p := range procs {
				if !p.Gone(endWait) {
					t.Errorf("process %d %v is left", p.PID, p.Args)
				}
			}
			if victim == "guarded" && g.Ended() == nil {
				t.Error("the guard ends as if all were well")
			}
		})
	}
}

func TestOnlyASandboxIsEmptied(t *testing.T) {
	dir, err := At(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	lock, err := dir.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if _, err := dir.Lock(); grid.CodeOf(err) != grid.Refused {
		t.Errorf("a second lock: %v", err)
	}
	if err := dir.Empty(); err != nil {
		t.Errorf("a new directory: %v", err)
	}
	if err := os.WriteFile(dir.path("thesis"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := dir.Empty(); grid.CodeOf(err) != grid.Refused {
		t.Errorf("somebody's directory: %v", err)
	}
	m, err := dir.mark()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := dir.mark(); err != nil || again != m {
		t.Errorf("the second look shows %+v (%v), the first %+v", again, err, m)
	}
	if err := dir.Empty(); err != nil {
		t.Errorf("a sandbox: %v", err)
	}
	if _, err := os.Lstat(dir.path("thesis")); err == nil {
		t.Error("the sandbox is not empty")
	}
}

func TestADirectoryWithTooLongANameIsRefused(t *testing.T) {
	if _, err := At("/" + strings.Repeat("x", 100)); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("%v", err)
	}
	d, err := At("/" + strings.Repeat("x", maxDir-1))
	if err != nil || len(d.Socket()) > 107 || len(d.Admin()) > 107 {
		t.Errorf("%v; sockets have %d and %d bytes", err, len(d.Socket()), len(d.Admin()))
	}
}

// What is written is what those who read it take.
func TestWhatIsPreparedCanBeRead(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), `odd "${x} %{y}`))
	lock, err := dir.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := dir.Prepare("/bin"); err != nil {
		if grid.CodeOf(err) == grid.Refused {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	m, err := ovirtsim.ReadModel(dir.path("engine", "model.json"))
	if err != nil || len(m.VMs) != 1+len(Foreign) {
		t.Errorf("the model: %v, %d machines", err, len(m.VMs))
	}
	if info, err := os.Stat(dir.Password()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the password's file: %v, %v", info, err)
	}
	const engine = "https://127.0.0.1:1/${odd}"
	if err := dir.Configure(engine); err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(dir.path("schedd.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	c, diags := configs.ReadSchedd("schedd.hcl", src)
	if len(diags) > 0 || len(c.Resources) != 1 || c.Resources[0].URL != engine || c.Resources[0].Burst == nil {
		t.Errorf("the configuration: %v, %+v", diags, c.Resources)
	}
}

func TestWaitingForAFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	over := make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- rig.WaitFile(t.Context(), file, over) }()
	for _, name := range []string{"other", "f"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("it came: %v", err)
	}
	close(over)
	if err := rig.WaitFile(t.Context(), filepath.Join(dir, "never"), over); !errors.Is(err, rig.ErrEnded) {
		t.Errorf("its writer has ended: %v", err)
	}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := rig.WaitFile(ctx, filepath.Join(dir, "never"), nil); !errors.Is(err, why) {
		t.Errorf("nobody waits any more: %v", err)
	}
}

// A program is started again whenever it ends, and one that cannot be started is tried
// until it can.
func TestAHouseKeepsItsProgramsUp(t *testing.T) {
	dir := t.TempDir()
	r, err := rig.New(dir, dir)
	if err != nil {
		t.Fatal(err)
	}
	kept, stop := context.WithCancel(t.Context())
	h := &House{Dir: Dir(dir), rig: r, stop: stop, up: map[string]*rig.Process{}, starts: map[string]int{}}
	started := make(chan *rig.Process, 8)
	n := 0
	err = h.keep(t.Context(), kept, "sleeper", func(context.Context) (*rig.Process, error) {
		if n++; n == 3 {
			return nil, errors.New("not now")
		}
		p, err := r.Start("log", nil, "sleep", "1000")
		if err == nil {
			started <- p
		}
		return p, err
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		p := <-started
		p.Signal(unix.SIGKILL)
	}
	last := <-started
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if n := h.Restarts(); n < 2 || n > 3 {
		t.Errorf("%d restarts, and three kills", n)
	}
	if !last.Gone(time.Second) {
		t.Error("the last one is left")
	}
	if err := h.keep(t.Context(), t.Context(), "broken", func(context.Context) (*rig.Process, error) { return nil, errors.New("no") }); grid.CodeOf(err) != grid.Internal {
		t.Errorf("one that does not come up: %v", err)
	}
}

func TestDownWhenNothingIsUp(t *testing.T) {
	dir := Dir(t.TempDir())
	if was, err := dir.Down(); was || err != nil {
		t.Errorf("in an empty directory: %t, %v", was, err)
	}
	// A state whose process is gone, and its number taken by another.
	if err := os.WriteFile(dir.stateFile(), fmt.Appendf(nil, `{"pid":%d,"start":1}`, os.Getpid()), 0o644); err != nil {
		t.Fatal(err)
	}
	if was, err := dir.Down(); was || err != nil {
		t.Errorf("when its keeper is gone: %t, %v", was, err)
	}
}
