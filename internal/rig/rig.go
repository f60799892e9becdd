package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Rig is the programs that one sandbox runs.
type Rig struct {
	Dir string // the sandbox
	Bin string // where the programs are

	mu   sync.Mutex
	ours map[int]bool // children that a Process waits for
}

// New makes this process the reaper of everything below it. There is one Rig in a
// process.
func New(dir, bin string) (*Rig, error) {
	r := &Rig{ours: map[int]bool{}}
	var err error
	if r.Dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if r.Bin, err = filepath.Abs(bin); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return nil, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become the reaper of what children leave behind: %w", err)
	}
	return r, nil
}

// Process is a program that the rig has started.
type Process struct {
	Proc
	done chan struct{}
	err  error // how it ended
}

// Killed reports whether a program ended by SIGKILL.
func Killed(err error) bool {
	var ended *exec.ExitError
	return errors.As(err, &ended) && ended.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended is how it ended, once Done is closed.
func (p *Process) Ended() error { return p.err }

// Start starts a program, whose output goes to the end of the file Dir/log. env is on
// top of the rig's own.
func (r *Rig) Start(log string, env []string, argv ...string) (*Process, error) {
	f, err := os.OpenFile(filepath.Join(r.Dir, log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir, c.Stdout, c.Stderr = r.Dir, f, f
	c.Env = append(os.Environ(), env...)
	// A terminal's ^C is for the rig, which ends the rest in order.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.start(c); err != nil {
		return nil, err
	}
	p := &Process{done: make(chan struct{})}
	p.Proc, err = Look(c.Process.Pid)
	go func() {
		defer close(p.done)
		p.err = r.wait(c)
	}()
	return p, err
}

// Run runs a program to its end and gives what it printed, errors included.
func (r *Rig) Run(ctx context.Context, env []string, argv ...string) ([]byte, error) {
	var out bytes.Buffer
	err := r.run(ctx, &exec.Cmd{Dir: r.Dir, Stdout: &out, Stderr: &out}, env, argv)
	if err != nil {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(out.Bytes()))
	}
	return out.Bytes(), err
}

// RunAs runs a program to its end as another user, in whose group it is too; only root
// may.
func (r *Rig) RunAs(ctx context.Context, uid, gid uint32, argv ...string) ([]byte, error) {
	var out bytes.Buffer
	like := &exec.Cmd{Dir: r.Dir, Stdout: &out, Stderr: &out, SysProcAttr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}}
	err := r.run(ctx, like, nil, argv)
	if err != nil {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(out.Bytes()))
	}
	return out.Bytes(), err
}

// RunIn runs a program in a directory to its end and gives what it printed on standard
// output; an error tells what it printed on the other.
func (r *Rig) RunIn(ctx context.Context, dir string, env []string, argv ...string) ([]byte, error) {
	var out, said bytes.Buffer
	err := r.run(ctx, &exec.Cmd{Dir: dir, Stdout: &out, Stderr: &said}, append([]string{"PWD=" + dir}, env...), argv)
	if err != nil {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return out.Bytes(), err
}

// run runs a program with the directory, outputs and user of like.
func (r *Rig) run(ctx context.Context, like *exec.Cmd, env, argv []string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir, c.Stdout, c.Stderr, c.SysProcAttr = like.Dir, like.Stdout, like.Stderr, like.SysProcAttr
	c.Env = append(os.Environ(), env...)
	if err := r.start(c); err != nil {
		return err
	}
	if err := r.wait(c); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(argv[0]), err)
	}
	return nil
}

// start and wait are those of c, with the reaper's hands off it meanwhile.
func (r *Rig) start(c *exec.Cmd) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := c.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.Path, err)
	}
	r.ours[c.Process.Pid] = true
	return nil
}

func (r *Rig) wait(c *exec.Cmd) error {
	err := c.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ours, c.Process.Pid)
	return err
}

// Stop asks a program to end, and ends it when it has not by then.
func (p *Process) Stop(wait time.Duration) {
	p.Signal(unix.SIGTERM)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-p.done:
	case <-t.C:
		p.Kill()
		<-p.done
	}
}

// Below is every process below the rig.
func (r *Rig) Below() ([]Proc, error) { return Below(os.Getpid()) }

// Reap takes leave of ended processes that fell to the rig.
func (r *Rig) Reap() error {
	all, err := r.Below()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range all {
		if p.Zombie && p.Parent == os.Getpid() && !r.ours[p.PID] {
			syscall.Wait4(p.PID, nil, syscall.WNOHANG, nil)
		}
	}
	return nil
}

// Tidy reaps whenever a child has ended, until ctx ends.
func (r *Rig) Tidy(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		select {
		case <-ended:
			_ = r.Reap() // the next child's end tries again, and Close does
		case <-ctx.Done():
			return
		}
	}
}

// Close ends everything below the rig. It fails when something is left after so long.
func (r *Rig) Close(wait time.Duration) error {
	over := time.NewTimer(wait)
	defer over.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		all, err := r.Below()
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return nil
		}
		for i := range all {
			if !all[i].Zombie {
				all[i].Kill()
			}
		}
		if err := r.Reap(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-over.C:
			return fmt.Errorf("%d processes did not end, the first is %d %v", len(all), all[0].PID, all[0].Args)
		}
	}
}
