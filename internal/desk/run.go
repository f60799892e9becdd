package desk

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

const opRun = "run"

// maxOutput bounds what is kept of a command's output and of its error output.
const maxOutput = 16 << 20

// runLimit is how long a command may take that says nothing of that. It is less than a desk
// may be silent for: while one runs that may take up to longest, its desk says that it lives.
const (
	runLimit = 30 * time.Second
	longest  = time.Hour
)

// Commands run a target's commands at their users' desks.
type Commands struct{ *Desks }

// Run implements [target.Commands].
func (c Commands) Run(ctx context.Context, o target.Owner, cmd target.Command) (target.Output, error) {
	return c.Desks.Run(ctx, Owner(o), cmd)
}

// Run runs a command as the owner. It does not outlive the schedd: whoever comes next would
// not know what it still does.
func (d *Desks) Run(ctx context.Context, owner Owner, c target.Command) (out target.Output, err error) {
	return out, d.call(ctx, owner, opRun, c, nil, &out)
}

// runCommand runs a command. lives is called every so often while it runs.
func runCommand(schedd *net.UnixConn, c target.Command, lives func(), often time.Duration) (out target.Output, err error) {
	if len(c.Argv) == 0 {
		return out, grid.Errorf(grid.Invalid, "a command without a name")
	}
	limit := min(c.Limit, longest)
	if limit <= 0 {
		limit = runLimit
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	path, err := exec.LookPath(c.Argv[0])
	if err != nil {
		return out, grid.Errorf(grid.Unavailable, "run %s: %w", c.Argv[0], err)
	}
	cmd := exec.CommandContext(ctx, path, c.Argv[1:]...)
	cmd.Dir = c.Dir
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.Env = append(append(os.Environ(), whoami()...), c.Env...)
	cmd.Stdin = bytes.NewReader(c.Stdin)
	stdout, stderr := &bounded{}, &bounded{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = time.Second
	// It dies with this desk, also when that is killed: the signal comes when the thread
	// ends that has started it, so that thread stays.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return out, grid.Errorf(grid.Unavailable, "run %s: %w", c.Argv[0], err)
	}
	if limit > runLimit {
		failpoint.Hit("desk.spool.command")
	}
	over := make(chan struct{})
	go endWith(schedd, cancel, over)
	go sayLives(lives, often, over)
	err = cmd.Wait()
	close(over)
	out = target.Output{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return out, grid.Errorf(grid.Unknown, "%s was ended after %s, and has not answered", c.Argv[0], limit)
	case err != nil && !errors.As(err, &exit):
		return out, grid.Errorf(grid.Unknown, "run %s: %w", c.Argv[0], err)
	}
	return out, nil
}

func sayLives(lives func(), often time.Duration, over <-chan struct{}) {
	t := time.NewTicker(often)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			lives()
		case <-over:
			return
		}
	}
}

// endWith ends a command when its schedd has hung up.
func endWith(schedd *net.UnixConn, end func(), over <-chan struct{}) {
	raw, err := schedd.SyscallConn()
	if err != nil {
		return
	}
	for {
		gone := false
		if raw.Control(func(fd uintptr) {
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
			n, err := unix.Poll(p, 100)
			gone = n > 0 && err == nil && p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP) != 0
		}) != nil {
			gone = true
		}
		select {
		case <-over:
			return
		default:
		}
		if gone {
			end()
			return
		}
	}
}

// whoami are the variables that say who this process's user is.
func whoami() []string {
	u, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err != nil {
		return nil
	}
	return []string{"HOME=" + u.HomeDir, "USER=" + u.Username, "LOGNAME=" + u.Username}
}

// bounded keeps the beginning of what is written to it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxOutput - b.Len(); room < len(p) {
		b.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}
