package qemu

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Address is a machine's on QEMU's user network.
const Address = "10.0.2.15"

// Begin is the first thing that the first process of a machine does: it mounts the file
// systems of the kernel and loads the modules of the initramfs.
func Begin() error {
	for dir, kind := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs", "/tmp": "tmpfs"} {
		if err := errors.Join(os.MkdirAll(dir, 0o755), unix.Mount(kind, dir, kind, 0, "")); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	entries, err := os.ReadDir("/" + modulesDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := load(filepath.Join("/"+modulesDir, e.Name())); err != nil {
			return fmt.Errorf("load %s: %w", e.Name(), err)
		}
	}
	return nil
}

func load(module string) error {
	f, err := os.Open(module)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != unix.EEXIST {
		return err
	}
	return nil
}

// Raise gives a machine the network that it has: itself, and QEMU's user network.
func Raise() error {
	for name, address := range map[string]string{"lo": "127.0.0.1", "eth0": Address} {
		if err := raise(name, address); err != nil {
			return fmt.Errorf("raise %s: %w", name, err)
		}
	}
	return nil
}

// raise gives an interface its address and switches it on.
func raise(name, address string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	set := func(what uint, to string) error {
		q, err := unix.NewIfreq(name)
		if err == nil {
			err = q.SetInet4Addr(net.ParseIP(to).To4())
		}
		if err == nil {
			err = unix.IoctlIfreq(fd, what, q)
		}
		return err
	}
	q, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	q.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return errors.Join(set(unix.SIOCSIFADDR, address), set(unix.SIOCSIFNETMASK, "255.255.255.0"), unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, q))
}
