package guest

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"gridburst/internal/qemu"
)

// machineDir is where a machine's root is built, with its disk.
const machineDir = "/machine"

// inside is a machine's first process from its kernel's first step on. It does not return.
func inside() {
	off := make(chan struct{}, 1)
	s, err := begin(off)
	if err == nil {
		err = s.root()
	}
	end := unix.LINUX_REBOOT_CMD_POWER_OFF
	if err == nil {
		live(s, off, func() {})
	} else {
		logf("guest: it does not boot: %v", err)
		end = unix.LINUX_REBOOT_CMD_RESTART // by which a crash is known
	}
	unix.Sync()
	err = unix.Reboot(end)
	logf("guest: it does not end: %v", err)
	os.Exit(1) // and the kernel panics
}

// begin finds out what the machine is to be.
func begin(off chan<- struct{}) (s spec, err error) {
	if err := newRoot(); err != nil {
		return s, fmt.Errorf("take a root that may be left: %w", err)
	}
	if err := errors.Join(qemu.Begin(), qemu.Raise()); err != nil {
		return s, err
	}
	if err := buttons(off); err != nil {
		return s, fmt.Errorf("find the power button: %w", err)
	}
	b, err := os.ReadFile(imageFile)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, err
	}
	s.Dir, s.Kernel = machineDir, true
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return s, err
	}
	s.BootID = strings.TrimSpace(string(id))
	d, err := findDisks()
	if err != nil {
		return s, err
	}
	if d.own != "" {
		at := filepath.Join(machineDir, "disk")
		if err := errors.Join(os.MkdirAll(at, 0o755), unix.Mount(d.own, at, "ext4", 0, "")); err != nil {
			return s, fmt.Errorf("mount the disk: %w", err)
		}
	}
	if d.drive != "" {
		m, userData, err := readDrive(d.drive)
		if err != nil {
			return s, err
		}
		s.HostName, s.UserData = m.HostName, userData
	}
	return s, nil
}

// newRoot puts the initramfs on top of itself: a root with nothing below it cannot be
// left for another.
func newRoot() error {
	const at = "/mnt"
	if err := errors.Join(os.MkdirAll(at, 0o755), unix.Mount("/", at, "", unix.MS_BIND, ""), os.Chdir(at)); err != nil {
		return err
	}
	return errors.Join(unix.Mount(".", "/", "", unix.MS_MOVE, ""), unix.Chroot("."), os.Chdir("/"))
}

// buttons hears the power button, whichever input device it is.
func buttons(off chan<- struct{}) error {
	events, err := filepath.Glob("/dev/input/event*")
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return errors.New("there is no input device")
	}
	for _, e := range events {
		f, err := os.Open(e)
		if err != nil {
			return err
		}
		go hearButton(f, off)
	}
	return nil
}

// hearButton reads the kernel's input_events.
func hearButton(f *os.File, off chan<- struct{}) {
	const evKey, keyPower = 1, 116
	for {
		var event struct {
			Seconds, Micro int64
			Type, Code     uint16
			Value          int32
		}
		if err := binary.Read(f, binary.NativeEndian, &event); err != nil {
			logf("guest: a button is not heard any more: %v", err)
			return
		}
		if event.Type == evKey && event.Code == keyPower && event.Value == 1 {
			select {
			case off <- struct{}{}:
			default:
			}
		}
	}
}
