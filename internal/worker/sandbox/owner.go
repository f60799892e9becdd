package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// User is whose rights something is done with.
type User struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"` // all supplementary groups
}

// Self is this process's own user.
func Self() User {
	return User{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

// IsSelf reports whether u needs no other rights than this process has.
func (u User) IsSelf() bool { return u.UID == uint32(os.Geteuid()) }

// As calls f with u's rights on files, and no others. The goroutine that runs f
// has a thread of its own; goroutines that f starts do not have u's rights.
func As(u User, f func() error) error {
	if u.IsSelf() {
		return f()
	}
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err = Become(u); err != nil {
			return
		}
		if err = capset(0); err != nil {
			return
		}
		err = f()
	}()
	<-done
	return err
}

// Become gives the calling thread, which has to be locked, u's rights on files.
// Capabilities that have nothing to do with files stay, so that [Restore] can
// undo it.
func Become(u User) error {
	if err := setfs(u); err != nil {
		return fmt.Errorf("take the rights of uid %d: %w", u.UID, err)
	}
	return nil
}

// Restore gives the calling thread the process's own rights back after [Become].
// After an error the thread must not be used.
func Restore(own User) error {
	if err := setfs(own); err != nil {
		return fmt.Errorf("take the worker's own rights back: %w", err)
	}
	return nil
}

// setfs sets the thread's groups and file-system ids and looks whether they are
// what they should be: the calls for the ids report no errors. It calls the kernel
// directly, because the standard library's setters change every thread.
func setfs(u User) error {
	var groups unsafe.Pointer
	if len(u.Groups) > 0 {
		groups = unsafe.Pointer(unsafe.SliceData(u.Groups))
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(u.Groups)), uintptr(groups), 0); e != 0 {
		return fmt.Errorf("setgroups: %w", e)
	}
	unix.RawSyscall(unix.SYS_SETFSGID, uintptr(u.GID), 0, 0)
	unix.RawSyscall(unix.SYS_SETFSUID, uintptr(u.UID), 0, 0)

	const ask = ^uintptr(0) // an id that cannot be set: the answer is the present one
	gid, _, _ := unix.RawSyscall(unix.SYS_SETFSGID, ask, 0, 0)
	uid, _, _ := unix.RawSyscall(unix.SYS_SETFSUID, ask, 0, 0)
	if uint32(gid) != u.GID || uint32(uid) != u.UID {
		return fmt.Errorf("the kernel kept uid %d and gid %d", uint32(uid), uint32(gid))
	}
	got := make([]uint32, len(u.Groups)+1)
	n, _, e := unix.RawSyscall(unix.SYS_GETGROUPS, uintptr(len(got)), uintptr(unsafe.Pointer(&got[0])), 0)
	if e != 0 {
		return fmt.Errorf("getgroups: %w", e)
	}
	got = got[:n]
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(u.Groups)); !slices.Equal(got, want) {
		return fmt.Errorf("the kernel kept the groups %v, not %v", got, want)
	}
	return nil
}

// capset sets the thread's effective capabilities, of those that it is permitted.
func capset(effective uint64) error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // low and high 32 bits
	if err := unix.Capget(&head, &data[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	data[0].Effective, data[1].Effective = uint32(effective), uint32(effective>>32)
	if err := unix.Capset(&head, &data[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return nil
}
