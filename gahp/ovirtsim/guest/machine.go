package guest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/qemu"
)

// Hardware is what a guest has that runs a kernel of its own.
type Hardware struct {
	Kernel    qemu.Kernel
	Initramfs string            // made by [Pack]
	ID        string            // of the instance, for cloud-init
	Name      string            // at the engine
	DiskMB    int64             // 0: its directories are in memory, and new at each boot
	Reach     map[string]string // by address in the guest's network: one of this machine
}

// Stages of this program in a machine and beside one, by its first argument.
const (
	insideStage = "ovirtsim-guest-inside"
	relayStage  = "ovirtsim-guest-relay"
)

// pressAgain is how often the power button is pressed until the machine is off: one that
// has not booted far enough does not hear it.
const pressAgain = 3 * time.Second

const mkfs = "mkfs.ext4"

// Bootable says whether this machine can have guests with a kernel of their own. The
// error is Refused.
func Bootable() error {
	if !hooked.Load() {
		return grid.Errorf(grid.Internal, "this program cannot be a guest: its main does not call guest.Main")
	}
	if err := qemu.Available(); err != nil {
		return err
	}
	_, err := tool(mkfs)
	return err
}

// tool finds a program that a plain user has not on his path.
func tool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", grid.Errorf(grid.Refused, "%s is not here: install it (Debian: e2fsprogs)", name)
}

// Programs of this machine that a guest has, in /usr/bin, where this machine has them.
// Whatever else it is to run its image brings along.
var userland = []string{
	"sh", "awk", "basename", "bash", "cat", "chgrp", "chmod", "chown", "cksum", "comm", "cp", "cut", "date", "dd", "df", "dirname", "du", "echo",
	"env", "expr", "false", "find", "grep", "gunzip", "gzip", "head", "hostname", "id", "install", "join", "kill", "ln", "ls", "md5sum",
	"mkdir", "mkfifo", "mktemp", "mv", "nohup", "nproc", "od", "paste", "printenv", "printf", "pwd", "readlink", "realpath", "rm", "rmdir", "sed", "seq",
	"setsid", "sha256sum", "sleep", "sort", "split", "stat", "stty", "sync", "tail", "tar", "tee", "test", "timeout", "touch", "tr", "true", "truncate",
	"uname", "uniq", "wc", "which", "xargs", "yes",
}

// imageFile is a template's part of its initramfs: a spec with Files and Boot.
const imageFile = "/image.json"

// Pack makes what guests of one image boot from: the kernel's modules, this program as
// their first process, programs of this machine, and the image's files.
func Pack(file string, k qemu.Kernel, files map[string]string, boot string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	i := qemu.Initramfs{
		Kernel: k, Programs: map[string]string{"/init": self}, Files: map[string]string{},
		// A kernel without ext4 in it finds its checksum by name, and nobody would load that.
		Modules: []string{"isofs", "crc32c_generic", "ext4"},
		Links:   map[string]string{"/bin": "usr/bin", "/sbin": "usr/bin", "/usr/sbin": "bin"}, Dirs: []string{"/usr/local", "/lib"},
	}
	for _, name := range userland {
		if path, err := exec.LookPath(name); err == nil {
			i.Programs["/usr/bin/"+name] = path
		} else if name == "sh" {
			return grid.Errorf(grid.Refused, "guests have this machine's shell, and it has none: %w", err)
		}
	}
	inside := map[string]string{}
	for n, in := range slices.Sorted(maps.Keys(files)) {
		at := "/image/" + strconv.Itoa(n)
		i.Programs[at], inside[in] = files[in], at
	}
	b, err := json.Marshal(spec{Config: Config{Files: inside, Boot: boot}})
	if err != nil {
		return err
	}
	i.Files[imageFile] = string(b)
	return i.Write(file)
}

// Machine is a guest with a kernel of its own that runs, or has run.
type Machine struct {
	cmd     *exec.Cmd
	monitor *os.File
	asked   atomic.Bool   // to power off
	ended   string        // why, as QEMU says; set before done is closed
	reaped  chan struct{} // closed when QEMU has ended
	done    chan struct{}
}

// Boot makes a guest with a kernel of its own, of which c.Files and c.Boot are as [Pack]
// had them. It returns when the machine is switched on.
func Boot(c Config, h Hardware) (*Machine, error) {
	if err := Bootable(); err != nil {
		return nil, err
	}
	c, err := c.absolute()
	if err != nil {
		return nil, err
	}
	if h.Initramfs, err = filepath.Abs(h.Initramfs); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a guest's directory: %w", err)
	}
	q := qemu.Machine{
		Image: h.Kernel.Image, Initramfs: h.Initramfs, First: []string{insideStage}, MemoryMB: c.MemoryMB, Cores: c.Cores,
		More: []string{"-chardev", "socket,id=monitor,fd=3", "-mon", "chardev=monitor,mode=control"},
	}
	if q.Network, err = network(h.Reach); err != nil {
		return nil, err
	}
	if h.DiskMB > 0 {
		disk := qemu.Disk{Name: "disk", File: filepath.Join(c.Dir, "disk.img"), Careless: true}
		if err := makeDisk(disk.File, h.DiskMB); err != nil {
			return nil, err
		}
		q.Disks = append(q.Disks, disk)
	}
	drive := qemu.Disk{Name: "drive", File: filepath.Join(c.Dir, "config.iso"), ReadOnly: true}
	_ = os.Remove(drive.File) // of a start whose host was killed
	if c.UserData != "" || c.HostName != "" {
		if err := writeDrive(drive.File, metaData{UUID: h.ID, Name: h.Name, HostName: c.HostName}, c.UserData); err != nil {
			return nil, fmt.Errorf("make the config drive: %w", err)
		}
		q.Disks = append(q.Disks, drive)
	}
	m, err := on(q.Command(), filepath.Join(c.Dir, "console.log"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(drive.File))
	}
	go func() {
		defer close(m.done)
		m.follow()
		_ = os.Remove(drive.File) // what is secret in it need not stay; there may be none
	}()
	return m, nil
}

// network is what a guest reaches: nothing but what it is to reach.
func network(reach map[string]string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	out := ""
	for _, guest := range slices.Sorted(maps.Keys(reach)) {
		if out != "" {
			out += ","
		}
		out += qemu.Forward(guest, self, relayStage, reach[guest])
	}
	return out, nil
}

// CheckReach says what is wrong with an entry of [Hardware].Reach.
func CheckReach(guest, host string) error {
	g, err := netip.ParseAddrPort(guest)
	if err != nil {
		return grid.Errorf(grid.Invalid, "%q is no ADDRESS:PORT in a guest's network", guest)
	}
	taken := []netip.Addr{netip.MustParseAddr(qemu.Address), netip.MustParseAddr("10.0.2.2"), netip.MustParseAddr("10.0.2.3")}
	if !netip.MustParsePrefix("10.0.2.0/24").Contains(g.Addr()) || slices.Contains(taken, g.Addr()) {
		return grid.Errorf(grid.Invalid, "guests reach addresses of 10.0.2.0/24 from 10.0.2.4 on, without their own 10.0.2.15, and not %s", g.Addr())
	}
	if _, port, err := net.SplitHostPort(host); err != nil || port == "" {
		return grid.Errorf(grid.Invalid, "%q is no HOST:PORT that guests could reach", host)
	}
	return nil
}

// makeDisk makes a disk with a file system, if it is not there. It appears when it is
// whole.
func makeDisk(file string, mb int64) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	path, err := tool(mkfs)
	if err != nil {
		return err
	}
	half := file + ".new"
	if err := os.WriteFile(half, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(half, mb<<20); err != nil {
		return err
	}
	out, err := exec.Command(path, "-q", "-F", "-m", "0", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", half).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make a disk of %d MiB: %w: %s", mb, err, out)
	}
	return os.Rename(half, file)
}

// on switches a machine on. It must not outlive us, so the kernel ends it with the thread
// that has started it: that one waits until it has ended.
func on(command []string, console string) (*Machine, error) {
	log, err := os.OpenFile(console, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	ours, theirs, err := linePair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	m := &Machine{monitor: ours, reaped: make(chan struct{}), done: make(chan struct{})}
	m.cmd = exec.Command(command[0], command[1:]...)
	m.cmd.Env, m.cmd.Dir = []string{"PATH=/usr/bin:/bin"}, "/"
	m.cmd.Stdout, m.cmd.Stderr, m.cmd.ExtraFiles = log, log, []*os.File{theirs}
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with this goroutine
		err := m.cmd.Start()
		theirs.Close() // so that the line ends with the machine
		started <- err
		if err == nil {
			_ = m.cmd.Wait()
			close(m.reaped)
		}
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("switch a machine on: %w", err), ours.Close())
	}
	m.say("qmp_capabilities") // which ends the greeting
	return m, nil
}

// say gives an order over QEMU's monitor. One that has ended hears nothing.
func (m *Machine) say(order string) { fmt.Fprintf(m.monitor, "{\"execute\":%q}\n", order) }

// follow hears what QEMU's monitor tells until the machine has ended.
func (m *Machine) follow() {
	lines := json.NewDecoder(bufio.NewReader(m.monitor))
	for {
		var event struct {
			Event string `json:"event"`
			Data  struct {
				Reason string `json:"reason"`
			} `json:"data"`
		}
		if lines.Decode(&event) != nil {
			break
		}
		if event.Event == "SHUTDOWN" {
			m.ended = event.Data.Reason
		}
	}
	<-m.reaped
	m.monitor.Close()
}

// Shutdown presses the power button, until it is heard.
func (m *Machine) Shutdown() {
	if m.asked.Swap(true) {
		return
	}
	m.say("system_powerdown")
	go func() {
		again := time.NewTicker(pressAgain)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				m.say("system_powerdown")
			case <-m.done:
				return
			}
		}
	}()
}

// Kill switches it off.
func (m *Machine) Kill() { _ = m.cmd.Process.Kill() }

// Done is closed when nothing of the guest lives.
func (m *Machine) Done() <-chan struct{} { return m.done }

// End says of a guest that is done how it ended.
func (m *Machine) End() string {
	switch m.ended {
	case "guest-shutdown":
		return "its guest powered off"
	case "guest-reset", "guest-panic":
		return "its guest crashed: console.log says how"
	}
	return "its guest was killed"
}

// relay joins its input and output, which are one socket of QEMU's, to an address of this
// machine, until either side ends. TLS and HTTP end both ways at once.
func relay(address string) int {
	c, err := net.Dial("tcp", address)
	if err != nil {
		logf("guest: %v", err)
		return 1
	}
	defer c.Close()
	over := make(chan struct{}, 2)
	go func() { io.Copy(c, os.Stdin); over <- struct{}{} }()
	go func() { io.Copy(os.Stdout, c); over <- struct{}{} }()
	<-over
	return 0
}
