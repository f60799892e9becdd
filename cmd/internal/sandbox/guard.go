package sandbox

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/internal/rig"
)

// guardedArg is the flag that a guarded process is started with, and guardFD its line
// from the guard: the guard never writes, and its death closes the line.
const (
	guardedArg = "--guarded"
	guardFD    = 3
)

// Guard runs this program again, with the arguments, and gives its exit status when
// nothing is left below it. Signals that ask to end are passed on.
func Guard(d Dir, args []string) (status int, err error) {
	r, err := rig.New(string(d), ".")
	if err != nil {
		return 0, err
	}
	line, end, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer end.Close()
	c := exec.Command("/proc/self/exe", append(slices.Clone(args), guardedArg)...)
	c.Stdin, c.Stdout, c.Stderr, c.ExtraFiles = os.Stdin, os.Stdout, os.Stderr, []*os.File{line}
	// A terminal's ^C comes by the guard alone, once.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	asked := make(chan os.Signal, 8)
	signal.Notify(asked, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(asked)
	if err := errors.Join(c.Start(), line.Close()); err != nil {
		return 0, grid.Errorf(grid.Internal, "start the guarded process: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for waiting := true; waiting; {
		select {
		case <-asked:
			_ = c.Process.Signal(syscall.SIGTERM) // it may have ended
		case err = <-ended:
			waiting = false
		}
	}
	var exit *exec.ExitError
	if left := r.Close(endWait); left != nil || err != nil && !errors.As(err, &exit) {
		return 0, errors.Join(err, left)
	}
	if exit != nil && !exit.Exited() {
		return 0, grid.Errorf(grid.Internal, "the process that kept the sandbox was ended: %w; all that it had started is ended too", exit)
	}
	return c.ProcessState.ExitCode(), nil
}

// Guarded is ctx until the guard dies.
func Guarded(ctx context.Context) context.Context {
	unix.CloseOnExec(guardFD)
	line := os.NewFile(guardFD, "guard")
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		_, _ = line.Read(make([]byte, 1))
		cancel(grid.Errorf(grid.Internal, "the guard of this process has died"))
	}()
	return ctx
}
