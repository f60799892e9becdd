package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/rig"
	"gridburst/internal/whole"
)

// State says who runs a sandbox that is up.
type State struct {
	PID    int    `json:"pid"`   // of the guard
	Start  uint64 `json:"start"` // of that process, in the kernel's ticks
	Socket string `json:"socket"`
	Engine string `json:"engine"`
	Since  int64  `json:"since"` // seconds since 1970
}

func (d Dir) stateFile() string { return d.path("state.json") }

// Announce says that the house is up. The caller is guarded.
func (h *House) Announce() error {
	guard, err := rig.Look(os.Getppid())
	if err != nil {
		return grid.Errorf(grid.Internal, "the guard of this process has died")
	}
	b, err := json.Marshal(State{PID: guard.PID, Start: guard.Start, Socket: h.Dir.Socket(), Engine: h.Engine, Since: time.Now().Unix()})
	if err != nil {
		return err
	}
	return whole.Write(h.Dir.stateFile(), append(b, '\n'), 0o644)
}

// Withdraw takes that back.
func (d Dir) Withdraw() error {
	if err := os.Remove(d.stateFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// State reads who runs it; up is false when nobody does.
func (d Dir) State() (s State, up bool, err error) {
	b, err := os.ReadFile(d.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, grid.Errorf(grid.Invalid, "look for a sandbox: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, false, grid.Errorf(grid.Invalid, "%s: %w", d.stateFile(), err)
	}
	p, err := rig.Look(s.PID)
	return s, err == nil && p.Start == s.Start && !p.Zombie, nil
}

// Detach starts this program with the arguments as one that stays, and returns when the
// sandbox is up. What it says goes to grun.log.
func (d Dir) Detach(ctx context.Context, args []string) (s State, err error) {
	lock, err := d.Lock() // whoever holds it is told of in a sentence
	if err != nil {
		return s, err
	}
	err = d.Withdraw()
	lock.Close()
	if err != nil {
		return s, err
	}
	log, err := os.OpenFile(d.path("grun.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return s, err
	}
	defer log.Close()
	c := exec.Command("/proc/self/exe", args...)
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return s, grid.Errorf(grid.Internal, "start the sandbox: %w", err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = c.Wait()
	}()
	if err := rig.WaitFile(ctx, d.stateFile(), over); err != nil {
		if ctx.Err() != nil {
			_ = c.Process.Signal(syscall.SIGTERM)
			<-over
			return s, err
		}
		return s, grid.Errorf(grid.Internal, "the sandbox does not come up: %s says why", d.path("grun.log"))
	}
	s, _, err = d.State()
	return s, err
}

// downWait is how long a sandbox may take to end.
const downWait = time.Minute

// Down ends a sandbox that is up, and reports false when none was.
func (d Dir) Down() (bool, error) {
	s, up, err := d.State()
	if err != nil || !up {
		return false, err
	}
	p := rig.Proc{PID: s.PID, Start: s.Start}
	p.Signal(syscall.SIGTERM)
	if !p.Gone(downWait) {
		return true, grid.Errorf(grid.Internal, "process %d, which keeps the sandbox %s, does not end: see %s", s.PID, d, d.path("grun.log"))
	}
	return true, nil
}
