package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Proc is a process as /proc shows it. Its number and the instant of its start
// together are never used twice.
type Proc struct {
	PID    int
	Parent int
	Start  uint64 // clock ticks since the machine's boot
	CPU    time.Duration
	Zombie bool
	Args   []string // none: it is ending, or a kernel thread
}

// Command is the base name of what it runs.
func (p *Proc) Command() string {
	if len(p.Args) == 0 {
		return ""
	}
	return filepath.Base(p.Args[0])
}

// userHZ is how many ticks the kernel shows a second as, on every machine that Go runs on.
const userHZ = 100

// Look reads a process. It fails when there is none.
func Look(pid int) (p Proc, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, err
	}
	// pid (name) state parent ... ; the name may hold anything, so count from its end.
	end := bytes.LastIndexByte(stat, ')')
	f := strings.Fields(string(stat[end+1:]))
	if end < 0 || len(f) < 20 {
		return p, fmt.Errorf("/proc/%d/stat is %q", pid, stat)
	}
	p.PID, p.Zombie = pid, f[0] == "Z"
	p.Parent, _ = strconv.Atoi(f[1])
	p.Start, _ = strconv.ParseUint(f[19], 10, 64)
	for _, ticks := range f[11:13] { // in user mode and in the kernel
		n, _ := strconv.ParseInt(ticks, 10, 64)
		p.CPU += time.Duration(n) * (time.Second / userHZ)
	}
	if args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && len(args) > 0 {
		p.Args = strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00")
	}
	return p, nil
}

// Below is every process below pid, parents before children.
func Below(pid int) ([]Proc, error) {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := map[int][]Proc{}
	for _, n := range names {
		id, err := strconv.Atoi(n.Name())
		if err != nil {
			continue
		}
		if p, err := Look(id); err == nil { // it may have ended meanwhile
			children[p.Parent] = append(children[p.Parent], p)
		}
	}
	var out []Proc
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		for _, p := range children[next[0]] {
			out = append(out, p)
			next = append(next, p.PID)
		}
	}
	return out, nil
}

// Kill ends the process with SIGKILL. It reports false when it had ended already.
func (p *Proc) Kill() bool { return p.Signal(unix.SIGKILL) }

// Signal sends a signal to this very process, not to one that has its number later.
func (p *Proc) Signal(s unix.Signal) bool {
	fd, ok := p.hold()
	if !ok {
		return false
	}
	defer unix.Close(fd)
	return unix.PidfdSendSignal(fd, s, nil, 0) == nil
}

// Gone waits until the process has ended, or reports false when it takes too long.
func (p *Proc) Gone(wait time.Duration) bool {
	fd, ok := p.hold()
	if !ok {
		return true
	}
	defer unix.Close(fd)
	until := time.Now().Add(wait)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(max(time.Until(until), 0)/time.Millisecond))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && n > 0
	}
}

// hold opens the process, if it has not ended. The descriptor stands for nobody else.
func (p *Proc) hold() (fd int, ok bool) {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return -1, false
	}
	// It stands for whoever had the number when it was opened.
	if now, err := Look(p.PID); err != nil || now.Start != p.Start || now.Zombie {
		unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// CPU is the processor time that a process has used so far, in and for it.
func CPU(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is %q", pid, stat)
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	kernel, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+kernel) * (time.Second / 100), nil // the kernel's unit here is 1/100 s
}

// Status reads one number of kibibytes from a process's status, such as RssAnon.
func Status(pid int, name string) (kib int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")), 10, 64)
		}
	}
	return 0, fmt.Errorf("the kernel shows no %s of process %d", name, pid)
}
