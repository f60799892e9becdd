package runner

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/internal/whole"
	"gridburst/internal/wire"
)

// Config is how an agent has its runners.
type Config struct {
	State     string         // the worker's state directory, with JournalDir and RunnerDir in it
	Command   []string       // starts a runner when "--dir DIR --isolation ISOLATION" is appended
	Env       []string       // of runners, not of jobs
	Isolation wire.Isolation // of new runners
	Boot      string         // the machine's boot id
	Log       logrus.FieldLogger
}

// startTimeout is how long a new runner may take until it is ready.
const startTimeout = 20 * time.Second

// Spawn starts a runner. The error is Refused when this machine does not allow the
// isolation.
func Spawn(ctx context.Context, cfg Config) (*Client, error) {
	b := make([]byte, 8)
	rand.Read(b) // never fails, as its documentation says
	c := newClient(cfg, hex.EncodeToString(b))
	if err := os.Mkdir(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a runner's directory: %w", err)
	}
	pid, err := c.fork()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.dir))
	}
	c.child = true
	start, err := startTime(pid) // it cannot be reaped before this agent does it
	if err == nil {
		c.id = Identity{PID: pid, Start: start, Boot: cfg.Boot, Isolation: cfg.Isolation}
		c.process, err = openProcess(pid, start)
	}
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		unix.Wait4(pid, nil, 0, nil)
		return nil, errors.Join(fmt.Errorf("take hold of a new runner: %w", err), os.RemoveAll(c.dir))
	}
	if err := c.meet(ctx); err != nil {
		return nil, errors.Join(err, c.discard())
	}
	return c, nil
}

// fork makes the runner's process. The socket listens already, so nothing has to
// wait for the runner to make one.
func (c *Client) fork() (pid int, err error) {
	listener, err := listenIn(c.dir)
	if err != nil {
		return 0, fmt.Errorf("make a runner's socket: %w", err)
	}
	defer listener.Close()
	socket, err := listener.File()
	if err != nil {
		return 0, err
	}
	defer socket.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	log, err := os.OpenFile(filepath.Join(c.dir, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("make a runner's log: %w", err)
	}
	defer log.Close()
	sys := &syscall.SysProcAttr{Setsid: true, Cloneflags: flags(c.cfg.Isolation)}
	if c.cfg.Isolation == wire.UserNamespaces {
		// The same user inside, and the capabilities to mount and to drop capabilities,
		// which no job inherits.
		sys.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		sys.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		sys.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}
	}
	argv := append(c.cfg.Command[:len(c.cfg.Command):len(c.cfg.Command)], "--dir", c.dir, "--isolation", string(c.cfg.Isolation))
	pid, err = syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Env: c.cfg.Env, Sys: sys, Files: []uintptr{null.Fd(), null.Fd(), log.Fd(), socket.Fd()},
	})
	for _, no := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.ENOSYS, syscall.EINVAL, syscall.ENOSPC, syscall.EUSERS} {
		if errors.Is(err, no) && sys.Cloneflags != 0 {
			return 0, grid.Errorf(grid.Refused, "this machine does not allow %s: %w", c.cfg.Isolation, err)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("start a runner: %w", err)
	}
	return pid, nil
}

// meet connects to a new runner and writes down which process it is. No job is
// given to a runner that a next agent could not find.
func (c *Client) meet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.connect(ctx); err != nil {
		said, _ := os.ReadFile(filepath.Join(c.dir, logFile))
		if said = bytes.TrimSpace(said); len(said) > 0 {
			err = fmt.Errorf("%w; its log ends with: %s", err, said[max(0, len(said)-500):])
		}
		return err
	}
	c.id.Cgroup = c.ready.Cgroup
	b, err := json.Marshal(c.id)
	if err == nil {
		err = whole.Write(filepath.Join(c.dir, identityFile), b, 0o600)
	}
	if err != nil {
		c.conn.Close()
		return fmt.Errorf("write down a runner's identity: %w", err)
	}
	go c.follow()
	return nil
}

const (
	identityFile = "process.json"
	socketFile   = "socket"
	logFile      = "log"
)

// Attach finds the runner id of an earlier agent. The error is NotFound when it is
// dead, or was killed because it did not answer before ctx ended; nothing of its
// job lives then.
func Attach(ctx context.Context, cfg Config, id string) (*Client, error) {
	c := newClient(cfg, id)
	b, err := os.ReadFile(filepath.Join(c.dir, identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		// It was never given a job. If it lives, it ends by itself.
		return nil, grid.Errorf(grid.NotFound, "runner %s was not ready when its agent died", id)
	}
	if err == nil {
		err = json.Unmarshal(b, &c.id)
	}
	if err != nil {
		return nil, fmt.Errorf("read the identity of runner %s: %w", id, err)
	}
	if c.id.Boot != cfg.Boot {
		return nil, grid.Errorf(grid.NotFound, "runner %s was before this machine's start", id)
	}
	c.process, err = openProcess(c.id.PID, c.id.Start)
	if errors.Is(err, errGone) {
		if err := c.bury(); err != nil {
			return nil, err
		}
		return nil, grid.Errorf(grid.NotFound, "runner %s has died", id)
	}
	if err != nil {
		return nil, err
	}
	if err := c.connect(ctx); err != nil {
		// It lives and does not answer: it was stopped, or is at its end. It cannot keep a
		// lease either way, so it is ended, which is certain.
		cfg.Log.WithField("runner", id).WithError(err).Warn("runner does not answer and is killed")
		defer c.process.close()
		if err := c.KillRunner(); err != nil {
			return nil, err
		}
		if err := c.process.wait(context.Background()); err != nil {
			return nil, err
		}
		if err := c.bury(); err != nil {
			return nil, err
		}
		return nil, grid.Errorf(grid.NotFound, "runner %s did not answer", id)
	}
	go c.follow()
	return c, nil
}

// Runners lists the runners that have a directory, dead ones too.
func Runners(state string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(state, RunnerDir))
	if err != nil {
		return nil, fmt.Errorf("look for runners: %w", err)
	}
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	return ids, nil
}

// ParseArgs reads what [Spawn], or a runner for a try, appended to Config.Command.
func ParseArgs(args []string) (Options, error) {
	var o Options
	f := flag.NewFlagSet("runner", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.Dir, "dir", "", "")
	f.StringVar((*string)(&o.Isolation), "isolation", "", "")
	f.StringVar(&o.Try, "try", "", "")
	if err := f.Parse(args); err != nil || o.Try == "" && (o.Dir == "" || o.Isolation == "") || f.NArg() > 0 {
		return Options{}, grid.Errorf(grid.Invalid, "a runner is started by its agent, not by hand")
	}
	return o, nil
}

// Discard removes the directory of a runner that is dead.
func Discard(state, id string) error { return os.RemoveAll(filepath.Join(state, RunnerDir, id)) }

// listenIn makes the socket of a directory whose path may be longer than a socket's
// address can hold.
func listenIn(dir string) (*net.UnixListener, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socketFile), Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	return l, nil
}
