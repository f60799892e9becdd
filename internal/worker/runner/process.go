package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"gridburst/internal/wire"
)

// Identity is which process a runner is. A number alone is no identity: numbers
// come again.
type Identity struct {
	PID       int            `json:"pid"`
	Start     uint64         `json:"start"` // clock ticks from boot to its start
	Boot      string         `json:"boot"`  // the machine's boot id
	Isolation wire.Isolation `json:"isolation"`
	Cgroup    string         `json:"cgroup,omitempty"`
}

// process is a living process, held by a descriptor: a signal or a wait through it
// cannot meet another process that has got its number.
type process struct {
	pid int
	fd  *os.File

	mu     sync.Mutex
	closed bool
}

var errGone = errors.New("the process is gone")

// openProcess takes hold of a process, if it is still the one that started at
// start. Otherwise the error is errGone.
func openProcess(pid int, start uint64) (*process, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return nil, errGone
	}
	if err != nil {
		return nil, fmt.Errorf("take hold of process %d: %w", pid, err)
	}
	p := &process{pid: pid, fd: os.NewFile(uintptr(fd), "pidfd")}
	// Only now: the number belongs to whom the descriptor holds, until it is dead.
	if now, err := startTime(pid); err != nil || now != start {
		p.close()
		return nil, errGone
	}
	return p, nil
}

// wait returns when the process is dead: a zombie, or gone. The first process of a
// PID namespace is dead only after all others in it.
func (p *process) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { p.close() })
	defer stop()
	raw, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		return err == nil && n > 0
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// signal sends a signal. The error is errGone when the process is dead, or was and
// has been let go.
func (p *process) signal(sig unix.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errGone
	}
	raw, err := p.fd.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	if err := raw.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		return err
	}
	if errors.Is(sent, unix.ESRCH) {
		return errGone
	}
	return sent
}

func (p *process) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.fd.Close()
}

// stat is what is used of /proc/PID/stat.
type stat struct {
	state  byte
	parent int
	start  uint64
}

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(b)
}

// parseStat reads the fields after the command's name, which is in parentheses and
// may hold anything, parentheses and blanks included.
func parseStat(b []byte) (stat, error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return stat{}, fmt.Errorf("no command's name in %q", b)
	}
	fields := bytes.Fields(b[i+1:])
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("%d fields after the command's name in %q", len(fields), b)
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return stat{}, err
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return stat{}, err
	}
	return stat{state: fields[0][0], parent: parent, start: start}, nil
}

func startTime(pid int) (uint64, error) {
	s, err := readStat(pid)
	return s.start, err
}

// processes lists the numbers in /proc.
func processes() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
