package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// group contains a job without namespaces: in a session of its own, as descendants
// of a subreaper, and in a cgroup where one can be made.
type group struct {
	id     string
	cgroup *cgroup // nil: none to be had
}

func (g *group) setup(r *Ready) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the parent of what jobs leave: %w", err)
	}
	var err error
	if g.cgroup, err = makeCgroup(g.id); err != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("jobs have no cgroup of their own: %v", err))
		return nil
	}
	r.Cgroup = g.cgroup.path
	return nil
}

func (g *group) prepare(j Job, _ string) (string, error) { return filepath.Join(j.Box, "tmp"), nil }

func (g *group) attr(a *syscall.SysProcAttr) {
	a.Pdeathsig = syscall.SIGKILL
	if g.cgroup != nil {
		a.UseCgroupFD, a.CgroupFD = true, int(g.cgroup.dir.Fd())
	}
}

func (g *group) beside(int) (attr func(*syscall.SysProcAttr), leave func() error) {
	return g.attr, func() error { return nil }
}

func (g *group) kill(main int) {
	_ = syscall.Kill(-main, syscall.SIGKILL) // the error is that there is nobody
}

// stop looks again until nothing is new: what was seen before its parent stood still may
// have had children.
func (g *group) stop(_ int, on bool) error {
	done := map[int]uint64{}
	for {
		found, err := descendants(os.Getpid())
		if err != nil {
			return err
		}
		fresh := false
		for pid, start := range found {
			if done[pid] == start {
				continue
			}
			p, err := openProcess(pid, start)
			if errors.Is(err, errGone) {
				continue
			}
			if err != nil {
				return err
			}
			done[pid], fresh = start, true
			_ = p.signal(stopSignal(on)) // it may have died by now
			p.close()
		}
		if !fresh {
			return nil
		}
	}
}

// end kills descendants until there is none. As long as a descendant lives, one of
// its ancestors is a child of this process, since an orphan becomes one: so
// "no child" means "nothing left".
func (g *group) end(reaped func(*syscall.Rusage)) error {
	for killed := false; ; killed = true {
		switch none, err := reapDead(reaped); {
		case err != nil:
			return err
		case none && killed && g.cgroup != nil:
			return g.cgroup.renew()
		case none:
			return nil
		}
		if g.cgroup != nil {
			if err := g.cgroup.kill(); err != nil {
				return err
			}
		}
		if err := killDescendants(); err != nil {
			return err
		}
		// A child dies now, or is one that was made in the meantime: both end this wait.
		if _, err := reap(-1, reaped); err != nil && !errors.Is(err, syscall.ECHILD) {
			return fmt.Errorf("reap what the job left: %w", err)
		}
	}
}

func (g *group) clear() error { return nil }

// reapDead reaps the children that are dead, and reports whether there are no
// others.
func reapDead(reaped func(*syscall.Rusage)) (none bool, err error) {
	for {
		var ru syscall.Rusage
		pid, err := syscall.Wait4(-1, nil, syscall.WALL|syscall.WNOHANG, &ru)
		switch {
		case errors.Is(err, syscall.ECHILD):
			return true, nil
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return false, fmt.Errorf("reap what the job left: %w", err)
		case pid == 0:
			return false, nil
		default:
			reaped(&ru)
		}
	}
}

// killDescendants stops all of this process's descendants, so that they cannot
// multiply, and then kills them.
func killDescendants() error {
	held := map[int]*process{}
	defer func() {
		for _, p := range held {
			p.close()
		}
	}()
	// A process that was seen before its parent could be stopped may have children by
	// now: look again until nothing is new. A fork bomb may win some rounds; whoever
	// called this calls it again as long as anything is left.
	for range 20 {
		found, err := descendants(os.Getpid())
		if err != nil {
			return fmt.Errorf("look for what the job left: %w", err)
		}
		fresh := false
		for pid, start := range found {
			if held[pid] != nil {
				continue
			}
			p, err := openProcess(pid, start)
			if errors.Is(err, errGone) {
				continue
			}
			if err != nil {
				return err
			}
			held[pid], fresh = p, true
			_ = p.signal(unix.SIGSTOP) // it may have died by now
		}
		if !fresh {
			break
		}
	}
	for _, p := range held {
		if err := p.signal(unix.SIGKILL); err != nil && !errors.Is(err, errGone) {
			return fmt.Errorf("kill process %d, which the job left: %w", p.pid, err)
		}
	}
	return nil
}

// descendants maps the living descendants of a process to their start times.
func descendants(of int) (map[int]uint64, error) {
	pids, err := processes()
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	starts := map[int]uint64{}
	for _, pid := range pids {
		s, err := readStat(pid)
		if err != nil || s.state == 'Z' || s.state == 'X' {
			continue
		}
		children[s.parent] = append(children[s.parent], pid)
		starts[pid] = s.start
	}
	found := map[int]uint64{}
	for todo := children[of]; len(todo) > 0; {
		pid := todo[0]
		todo = todo[1:]
		if _, seen := found[pid]; !seen {
			found[pid] = starts[pid]
			todo = append(todo, children[pid]...)
		}
	}
	return found, nil
}
