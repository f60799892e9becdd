package kills

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/rig"
)

// Where a guest has what.
const (
	guestDisk    = "/disk"
	guestLogs    = guestDisk + "/logs" // of users
	guestModules = "/modules"
	guestAddress = "10.0.2.15" // QEMU's user network gives it
	schedPort    = 9000        // to the schedd's socket
	logsPort     = 9001        // HTTP, guestLogs
)

// modules are what a guest's kernel needs, in the order of loading.
var modules = []string{
	"virtio/virtio_ring", "virtio/virtio", "virtio/virtio_pci_modern_dev", "virtio/virtio_pci_legacy_dev", "virtio/virtio_pci",
	"block/virtio_blk", "failover", "net/net_failover", "net/virtio_net",
}

// Guest is the first process of a machine whose power will be cut: it runs a gschedd on
// the machine's disk and lets others at its socket. It returns only when it cannot.
func Guest(ctx context.Context) error {
	for dir, kind := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs", "/tmp": "tmpfs"} {
		if err := errors.Join(os.MkdirAll(dir, 0o755), unix.Mount(kind, dir, kind, 0, "")); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	for _, m := range modules {
		if err := load(filepath.Join(guestModules, filepath.Base(m)+".ko")); err != nil {
			return fmt.Errorf("load %s: %w", m, err)
		}
	}
	for name, address := range map[string]string{"lo": "127.0.0.1", "eth0": guestAddress} {
		if err := raise(name, address); err != nil {
			return fmt.Errorf("raise %s: %w", name, err)
		}
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

// initramfs is what a guest boots from: this program as /init, gschedd, and the kernel's
// modules. It is a cpio archive in the form "newc", which is a head of hexadecimal
// numbers, a name and a body, each filled up to four bytes.
func initramfs(self, gschedd, kernelModules string) ([]byte, error) {
	files := map[string]string{"init": self, "bin/gschedd": gschedd}
	for _, m := range modules {
		from := filepath.Join(kernelModules, "kernel/drivers", m+".ko")
		if m == "failover" {
			from = filepath.Join(kernelModules, "kernel/net/core/failover.ko")
		}
		files[strings.TrimPrefix(guestModules, "/")+"/"+filepath.Base(m)+".ko"] = from
	}
	var out bytes.Buffer
	inode := 0
	put := func(name string, mode int, body []byte) {
		inode++
		fill := func() { out.Write(make([]byte, (4-out.Len()%4)%4)) }
		fmt.Fprintf(&out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", inode, mode, 0, 0, 1, 0, len(body), 0, 0, 0, 0, len(name)+1, 0)
		out.WriteString(name + "\x00")
		fill()
		out.Write(body)
		fill()
	}
	for _, dir := range []string{"bin", "etc", "dev", "modules"} {
		put(dir, unix.S_IFDIR|0o755, nil)
	}
	put("etc/passwd", unix.S_IFREG|0o644, []byte("root:x:0:0::/:/bin/false\n"))
	put("etc/group", unix.S_IFREG|0o644, []byte("root:x:0:\n"))
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		b, err := os.ReadFile(files[name])
		if err != nil {
			return nil, err
		}
		put(name, unix.S_IFREG|0o755, b)
	}
	put("TRAILER!!!", 0, nil)
	return out.Bytes(), nil
}
