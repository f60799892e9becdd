package freeze

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestProcess(t *testing.T) {
	c := exec.Command("sleep", "1000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := Process(c.Process.Pid); err != nil {
		t.Error(err)
	}
	if still, err := stopped(c.Process.Pid); !still || err != nil {
		t.Error(still, err)
	}
	c.Process.Kill()
	// It stays a zombie until it is waited for.
	var s unix.Siginfo
	if err := unix.Waitid(unix.P_PID, c.Process.Pid, &s, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if err := Process(c.Process.Pid); err == nil {
		t.Error("a process that has ended stands still")
	}
	c.Wait()
	if err := Process(c.Process.Pid); err == nil {
		t.Error("a process that is not there stands still")
	}
}
