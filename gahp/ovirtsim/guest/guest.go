package guest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
)

// Config is a guest.
type Config struct {
	Dir      string            // holds its disk and console.log; made if it is not there
	HostName string            // as the metadata says; a cloud-config may say otherwise
	Cores    int               // 0: all
	MemoryMB int64             // 0: the host's
	Files    map[string]string // of its image, by the path inside
	Boot     string            // a shell script, run at each boot
	UserData string            // what cloud-init finds; empty: nothing, and it does nothing
	Grace    time.Duration     // from being told to end until it is killed; 0: 5 s
}

const (
	firstStage  = "ovirtsim-guest-1"
	secondStage = "ovirtsim-guest-2"

	controlFD = 3 // a line to the host
	specFD    = 4 // a Config, and what Start adds

	startTimeout = 30 * time.Second
)

// spec is what the first process is told.
type spec struct {
	Config
	CPUs   []int // that it may use; empty: all
	BootID string
	Kernel bool // it has one of its own
}

// said is what the first process says to the host, a line each.
type said struct {
	Ready bool   `json:"ready,omitempty"`
	Error string `json:"error,omitempty"` // instead of Ready
	Off   bool   `json:"off,omitempty"`   // it has powered off
}

// shutdownByte asks the guest to power off.
const shutdownByte = 's'

// Guest is one that runs, or has run.
type Guest struct {
	cmd  *exec.Cmd
	line *os.File
	off  atomic.Bool
	done chan struct{}
}

// hooked: this program's main has called Main, so this program can be a guest.
var hooked atomic.Bool

// Main makes this process a guest's first one if [Start] or [Boot] has started it, and
// does not return then. The main of a program that starts guests begins with it, and so does
// the TestMain of its tests.
func Main() {
	switch os.Args[0] {
	case firstStage:
		os.Exit(first())
	case secondStage:
		os.Exit(second())
	}
	switch {
	case len(os.Args) == 2 && os.Args[1] == insideStage && os.Getpid() == 1:
		inside()
	case len(os.Args) == 3 && os.Args[1] == relayStage:
		os.Exit(relay(os.Args[2]))
	}
	hooked.Store(true)
}

// Start makes a guest, and returns when its root is built and it boots. The error is
// Refused when this machine has no guests.
func Start(c Config) (*Guest, error) {
	if !hooked.Load() {
		return nil, grid.Errorf(grid.Internal, "this program cannot be a guest: its main does not call guest.Main")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if c, err = c.absolute(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a guest's directory: %w", err)
	}
	told, err := write(c)
	if err != nil {
		return nil, err
	}
	defer told.Close()
	console, err := os.OpenFile(filepath.Join(c.Dir, "console.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer console.Close()
	ours, theirs, err := linePair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	g := &Guest{line: ours, done: make(chan struct{})}
	g.cmd = &exec.Cmd{
		Path: self, Args: []string{firstStage}, Env: []string{}, Dir: "/",
		Stdout: console, Stderr: console, ExtraFiles: []*os.File{theirs, told},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC},
	}
	if os.Geteuid() != 0 {
		sys := g.cmd.SysProcAttr
		sys.Cloneflags |= syscall.CLONE_NEWUSER
		sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if err := g.cmd.Start(); err != nil {
		ours.Close()
		return nil, grid.Errorf(grid.Refused, "this machine allows no guests (%w): be root, allow user namespaces (user.max_user_namespaces), or take paper bodies", err)
	}
	theirs.Close() // so that the line ends with the guest
	lines := bufio.NewReader(ours)
	if err := g.meet(lines); err != nil {
		g.Kill()
		_ = g.cmd.Wait()
		ours.Close()
		return nil, err
	}
	go g.follow(lines)
	return g, nil
}

// absolute is c with paths that hold from any directory: the first process is in
// another.
func (c Config) absolute() (Config, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, err
	}
	c.Dir, c.Files = dir, maps.Clone(c.Files)
	for in, from := range c.Files {
		if c.Files[in], err = filepath.Abs(from); err != nil {
			return c, err
		}
	}
	return c, nil
}

// write puts what the first process is told into a file that has no name.
func write(c Config) (*os.File, error) {
	s := spec{Config: c, CPUs: processors(c.Cores), BootID: bootID()}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a guest's description: %w", err)
	}
	f := os.NewFile(uintptr(fd), "guest")
	if _, err := f.Write(b); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// processors picks n of those that this process may use, from anywhere among them.
func processors(n int) (out []int) {
	var set unix.CPUSet
	if n <= 0 || unix.SchedGetaffinity(0, &set) != nil || n >= set.Count() {
		return nil
	}
	var all []int
	for cpu := 0; len(all) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	from := rand.IntN(len(all))
	for i := range n {
		out = append(out, all[(from+i)%len(all)])
	}
	return out
}

func bootID() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// linePair is a line between host and guest.
func linePair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "guest line"), os.NewFile(uintptr(fds[1]), "host line"), nil
}

// meet waits until the guest says that it is ready.
func (g *Guest) meet(lines *bufio.Reader) error {
	if err := g.line.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return err
	}
	s, err := hear(lines)
	switch {
	case errors.Is(err, io.EOF):
		return grid.Errorf(grid.Internal, "a guest ended before it was ready; %s says why", g.cmd.Stderr.(*os.File).Name())
	case err != nil:
		return fmt.Errorf("a guest does not become ready: %w", err)
	case s.Error != "":
		return grid.Errorf(grid.Refused, "this machine allows no guest's root: %s", s.Error)
	}
	return g.line.SetReadDeadline(time.Time{})
}

func hear(lines *bufio.Reader) (s said, err error) {
	line, err := lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &s)
	}
	return s, err
}

// follow sees the guest to its end.
func (g *Guest) follow(lines *bufio.Reader) {
	defer close(g.done)
	for {
		s, err := hear(lines)
		if err != nil {
			break
		}
		if s.Off {
			g.off.Store(true)
		}
	}
	_ = g.cmd.Wait() // the kernel has ended all of it when this returns
	g.line.Close()
}

// Shutdown asks the guest to power off, as a power button does.
func (g *Guest) Shutdown() {
	_, _ = g.line.Write([]byte{shutdownByte}) // one that has ended is off
}

// Kill ends the guest.
func (g *Guest) Kill() {
	// This is no number that may be another's by now: it is our child, and waited for
	// through this Process.
	_ = g.cmd.Process.Kill()
}

// Done is closed when nothing of the guest lives.
func (g *Guest) Done() <-chan struct{} { return g.done }

// Off says of a guest that is done whether it powered off, rather than being killed.
func (g *Guest) Off() bool { return g.off.Load() }

// End says of a guest that is done how it ended.
func (g *Guest) End() string {
	if g.Off() {
		return "its guest powered off"
	}
	return "its guest was killed"
}
