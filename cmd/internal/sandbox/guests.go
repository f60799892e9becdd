package sandbox

import (
	"os"
	"os/exec"
	"syscall"

	"gridburst/internal/grid"
)

// guests looks whether this user can have guests, which need namespaces of their own:
// better a sentence now than machines that do not come up.
func guests() error {
	c := exec.Command("true")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC}
	if os.Geteuid() == 0 {
		if err := c.Run(); err != nil {
			return grid.Errorf(grid.Refused, "the engine's guests need namespaces of their own, and root has none here: %w; a container has to be privileged", err)
		}
		return nil
	}
	c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
	c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	if err := c.Run(); err != nil {
		return grid.Errorf(grid.Refused, "the engine's guests need user namespaces, and this system gives none to plain users: %w; run it as root, or allow them (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)", err)
	}
	return nil
}
