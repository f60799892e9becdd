package runner

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/sirupsen/logrus"
)

// failAt names the point at which a runner dies.
const failAt = "GRIDBURST_TEST_FAIL_AT"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "runner" {
		os.Exit(asRunner())
	}
	code := m.Run()
	if left, err := descendants(os.Getpid()); err != nil || len(left) > 0 {
		for pid := range left {
			cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			fmt.Fprintf(os.Stderr, "left behind by the tests: %d %q\n", pid, cmdline)
		}
		code = 1
	}
	os.Exit(code)
}

func asRunner() int {
	o, err := ParseArgs(os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	log := logrus.New()
	log.SetLevel(logrus.DebugLevel)
	o.Log = log
	if at := os.Getenv(failAt); at != "" {
		o.Fail = func(point string) {
			if point == at {
				die()
			}
		}
	}
	if err := Serve(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// die ends the process as kill -9 does. The first process of a PID namespace cannot
// send itself that signal; nothing of it runs after an exit either.
func die() {
	if os.Getpid() == 1 {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 137, 0, 0)
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
