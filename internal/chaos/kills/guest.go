package kills

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/qemu"
	"gridburst/internal/rig"
)

// Where a guest has what.
const (
	guestDisk = "/disk"
	guestLogs = guestDisk + "/logs" // of users
	schedPort = 9000                // to the schedd's socket
	logsPort  = 9001                // HTTP, guestLogs
)

// Guest is the first process of a machine whose power will be cut: it runs a gschedd on
// the machine's disk and lets others at its socket. It returns only when it cannot.
func Guest(ctx context.Context) error {
	if err := errors.Join(qemu.Begin(), qemu.Raise()); err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(guestDisk, 0o755), unix.Mount("/dev/vda", guestDisk, "ext4", 0, "")); err != nil {
		return fmt.Errorf("mount the disk: %w", err)
	}
	if err := os.MkdirAll(guestLogs, 0o755); err != nil {
		return err
	}
	r, err := rig.New(guestDisk, "/bin")
	if err != nil {
		return err
	}
	s, err := r.Schedd(ctx, "g", nil)
	if err != nil {
		said, _ := os.ReadFile(filepath.Join(guestDisk, "g.log"))
		return fmt.Errorf("%w: %s", err, said)
	}
	port, err := net.Listen("tcp", fmt.Sprint(":", schedPort))
	if err != nil {
		return err
	}
	logs, err := net.Listen("tcp", fmt.Sprint(":", logsPort))
	if err != nil {
		return err
	}
	go relay(port, "unix", s.Socket)
	go http.Serve(logs, http.FileServer(http.Dir(guestLogs)))
	fmt.Println("ready")
	<-s.Done()
	return fmt.Errorf("gschedd ended: %w", s.Ended())
}

// relay joins each connection to one of its own to an address.
func relay(l net.Listener, network, address string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			to, err := net.DialTimeout(network, address, 5*time.Second)
			if err != nil {
				return
			}
			defer to.Close()
			go func() {
				defer to.Close()
				io.Copy(to, c)
			}()
			io.Copy(c, to)
		}()
	}
}

// initramfs is what a guest boots from: this program as its first, and gschedd.
func (c *cutter) initramfs() qemu.Initramfs {
	return qemu.Initramfs{
		Kernel:   qemu.Kernel{Image: c.Kernel, Modules: c.Modules},
		Programs: map[string]string{"/init": filepath.Join(c.rig.Bin, "gchaos"), "/bin/gschedd": filepath.Join(c.rig.Bin, "gschedd")},
		Files:    map[string]string{"/etc/passwd": "root:x:0:0::/:/bin/false\n", "/etc/group": "root:x:0:\n"},
	}
}
