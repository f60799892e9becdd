package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// useless is what root of a guest could do to its host and has no need to.
var useless = []uintptr{
	unix.CAP_MKNOD, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_TIME, unix.CAP_SYS_BOOT,
	unix.CAP_SYSLOG, unix.CAP_NET_ADMIN, unix.CAP_MAC_ADMIN, unix.CAP_MAC_OVERRIDE, unix.CAP_WAKE_ALARM,
}

// first is the first stage: it builds the root and becomes the second. What it sets is
// set of one thread, the one that executes the second, whose threads all have it.
func first() int {
	runtime.LockOSThread()
	line := os.NewFile(controlFD, "host")
	s, err := readSpec()
	if err == nil {
		// What the host's process was given by its own parent is not for guests.
		err = unix.CloseRange(specFD+1, 1<<31-1, unix.CLOSE_RANGE_CLOEXEC)
	}
	if err == nil {
		err = s.root()
	}
	if err == nil {
		err = s.confine()
	}
	if err == nil {
		err = unix.Exec("/proc/self/exe", []string{secondStage}, []string{})
	}
	tell(line, said{Error: err.Error()})
	return 1
}

func readSpec() (s spec, err error) {
	f := os.NewFile(specFD, "description")
	info, err := f.Stat()
	if err != nil {
		return s, err
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		return s, err
	}
	return s, json.Unmarshal(b, &s)
}

func tell(line *os.File, s said) {
	b, err := json.Marshal(s)
	if err == nil {
		_, err = line.Write(append(b, '\n'))
	}
	if err != nil {
		logf("the host does not hear: %v", err)
	}
}

func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// confine takes from this thread what the guest is not to have.
func (s *spec) confine() error {
	if len(s.CPUs) > 0 {
		var set unix.CPUSet
		for _, cpu := range s.CPUs {
			set.Set(cpu)
		}
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("choose processors: %w", err)
		}
	}
	for _, c := range useless {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("drop a capability: %w", err)
		}
	}
	return nil
}

// Directories of the guest's disk, by their names there and in the guest.
var disk = map[string]string{
	"etc": "/etc", "var": "/var", "root": "/root", "home": "/home", "opt": "/opt", "srv": "/srv", "usr-local": "/usr/local",
}

// Host's programs, and what they cannot be without. Those that a host lacks are left
// out.
var (
	programs  = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}
	libraries = []string{
		"/etc/alternatives", "/etc/ca-certificates", "/etc/ca-certificates.conf", "/etc/crypto-policies", "/etc/ld.so.cache",
		"/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/pki", "/etc/protocols", "/etc/services", "/etc/ssl",
	}
	devices = []string{"full", "null", "random", "tty", "urandom", "zero"}
)

// root builds the guest's root directory and moves into it.
//
// What the host gives is taken hold of first. The host's files are let go of before
// anything is put onto the guest's disk: whatever a guest of an earlier boot has left
// there, a link to a file of the host's among it, leads nowhere then.
func (s *spec) root() error {
	b := builder{s: s}
	b.try("part from the host's mounts", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	for _, p := range programs {
		b.host(p)
	}
	for _, name := range slices.Sorted(maps.Keys(disk)) {
		from := filepath.Join(s.Dir, "disk", name)
		b.mkdir(from, 0o755)
		b.hold(from, disk[name], false)
	}
	for _, p := range libraries {
		b.host(p)
	}
	for in, from := range s.Files {
		b.hold(from, in, true)
	}
	if !s.Kernel {
		for _, d := range devices {
			b.hold("/dev/"+d, "/dev/"+d, false)
		}
		b.procFiles()
	}
	b.enter()

	b.place(func(p string) bool { return !strings.HasPrefix(p, "/dev/") && !strings.HasPrefix(p, "/proc/") })
	b.memory("/tmp", "mode=1777")
	b.memory("/run", "mode=755")
	if s.Kernel {
		b.kernel("/sys", "sysfs")
		b.kernel("/sys/fs/cgroup", "cgroup2")
		b.kernel("/dev", "devtmpfs")
	} else {
		b.memory("/sys", "mode=555,size=4k")
		b.memory("/dev", "mode=755")
	}
	b.place(func(string) bool { return true })
	b.memory("/dev/shm", "mode=1777")
	b.terminals()
	for link, to := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
		"/var/run": "/run",
	} {
		b.link(to, link)
	}
	b.files()
	return b.err
}

// builder does one thing after another until one fails.
type builder struct {
	s    *spec
	held []holding
	err  error
}

// holding is something of the host's, to be placed in the guest.
type holding struct {
	to   string
	fd   int    // a mount that is nowhere yet; -1: none
	dir  bool   // it is a directory
	link string // where it leads, if it is a link and no mount
}

// try takes a result. Arguments are computed before: only what is harmless after a
// failure may be one.
func (b *builder) try(what string, err error) {
	if b.err == nil && err != nil {
		b.err = fmt.Errorf("%s: %w", what, err)
	}
}

func (b *builder) mkdir(path string, mode fs.FileMode) {
	if b.err == nil {
		b.try("make "+path, os.MkdirAll(path, mode))
	}
}

func (b *builder) link(to, p string) {
	if b.err == nil {
		if err := os.Symlink(to, p); !errors.Is(err, fs.ErrExist) {
			b.try("link "+p, err)
		}
	}
}

// hold takes what is at from, for to.
func (b *builder) hold(from, to string, readOnly bool) {
	if b.err != nil {
		return
	}
	info, err := os.Stat(from)
	b.try("look for "+to, err)
	if err != nil {
		return
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, from, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	b.try("take hold of "+from, err)
	if err == nil && readOnly {
		b.try("make "+to+" read-only", unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}))
	}
	b.held = append(b.held, holding{to: to, fd: fd, dir: info.IsDir()})
}

// host takes what the host has at p, as it is there: a link or the thing itself.
func (b *builder) host(p string) {
	info, err := os.Lstat(p)
	switch {
	case errors.Is(err, fs.ErrNotExist) || b.err != nil:
	case err != nil:
		b.try("look at "+p, err)
	case info.Mode().Type() == fs.ModeSymlink:
		to, err := os.Readlink(p)
		b.try("read "+p, err)
		b.held = append(b.held, holding{to: p, fd: -1, link: to})
	default:
		b.hold(p, p, true)
	}
}

// place puts what is held where it belongs, if that is wanted now.
func (b *builder) place(now func(to string) bool) {
	var later []holding
	for _, h := range b.held {
		switch {
		case b.err != nil:
			return
		case !now(h.to):
			later = append(later, h)
		case h.fd < 0:
			_ = os.Remove(h.to) // of an earlier boot
			b.link(h.link, h.to)
		default:
			b.touch(h)
			if b.err == nil {
				b.try("mount "+h.to, unix.MoveMount(h.fd, "", unix.AT_FDCWD, h.to, unix.MOVE_MOUNT_F_EMPTY_PATH))
			}
			unix.Close(h.fd)
		}
	}
	b.held = later
}

// touch makes what h can be mounted on.
func (b *builder) touch(h holding) {
	if h.dir {
		b.mkdir(h.to, 0o755)
		return
	}
	if info, err := os.Lstat(h.to); err == nil && info.Mode().Type() != fs.ModeSymlink {
		return
	}
	_ = os.Remove(h.to) // a link of an earlier boot
	b.mkdir(filepath.Dir(h.to), 0o755)
	if b.err == nil {
		b.try("make "+h.to, os.WriteFile(h.to, nil, 0o644))
	}
}

func (b *builder) memory(p, options string) {
	b.mkdir(p, 0o755)
	if b.err == nil {
		b.try("mount "+p, unix.Mount("tmpfs", p, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options))
	}
}

// kernel mounts what is a kernel's own.
func (b *builder) kernel(p, kind string) {
	b.mkdir(p, 0o755)
	if b.err == nil {
		b.try("mount "+p, unix.Mount(kind, p, kind, unix.MS_NOSUID, ""))
	}
}

// terminals are nice to have.
func (b *builder) terminals() {
	b.mkdir("/dev/pts", 0o755)
	if b.err != nil {
		return
	}
	if err := unix.Mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"); err != nil {
		logf("no terminals in this guest: %v", err)
		return
	}
	b.link("pts/ptmx", "/dev/ptmx")
}

// procFiles holds what is the guest's own in /proc.
func (b *builder) procFiles() {
	own := map[string]string{"sys/kernel/random/boot_id": b.s.BootID + "\n"}
	if b.s.MemoryMB > 0 {
		own["meminfo"] = meminfo(b.s.MemoryMB)
	}
	for name, text := range own {
		file := filepath.Join(b.s.Dir, filepath.Base(name))
		if b.err == nil {
			_ = os.Remove(file) // of an earlier boot
			b.try("write "+file, os.WriteFile(file, []byte(text), 0o444))
		}
		b.hold(file, "/proc/"+name, true)
	}
}

// enter makes an empty root with /proc in it, goes there, and lets go of the host's
// files. /proc comes first: a user namespace may mount one only where it sees one.
func (b *builder) enter() {
	root := filepath.Join(b.s.Dir, "mnt")
	old, proc := filepath.Join(root, ".host"), filepath.Join(root, "proc")
	b.mkdir(root, 0o755)
	if b.err == nil {
		b.try("mount the root", unix.Mount("root", root, "tmpfs", unix.MS_NODEV, "mode=755"))
	}
	b.mkdir(old, 0o700)
	b.mkdir(proc, 0o555)
	if b.err == nil {
		b.try("mount /proc (in a container whose own /proc is covered in parts, only root can)",
			unix.Mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""))
	}
	if b.err == nil {
		b.try("enter the root", unix.PivotRoot(root, old))
	}
	if b.err == nil {
		b.try("go to the root", os.Chdir("/"))
		b.try("let go of the host's files", unix.Unmount("/.host", unix.MNT_DETACH))
		b.try("let go of the host's files", os.Remove("/.host"))
	}
}

func meminfo(mb int64) string {
	var b strings.Builder
	for _, line := range []struct {
		name string
		kb   int64
	}{
		{"MemTotal", mb << 10},
		{"MemFree", mb << 10 * 9 / 10},
		{"MemAvailable", mb << 10 * 9 / 10},
		{"Buffers", 0},
		{"Cached", 0},
		{"SwapCached", 0},
		{"SwapTotal", 0},
		{"SwapFree", 0},
	} {
		fmt.Fprintf(&b, "%-15s %8d kB\n", line.name+":", line.kb)
	}
	return b.String()
}

// files writes what a new disk has, and what is made anew at each boot.
func (b *builder) files() {
	for _, d := range []string{"/var/log", "/var/lib/cloud", "/var/tmp", "/usr/local/bin", "/usr/local/sbin"} {
		b.mkdir(d, 0o755)
	}
	if b.err == nil {
		b.try("open /var/tmp", os.Chmod("/var/tmp", 0o777|fs.ModeSticky))
		b.try("close /root", os.Chmod("/root", 0o700))
	}
	for path, text := range map[string]string{
		"/etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
		"/etc/group":         "root:x:0:\nnogroup:x:65534:\n",
		"/etc/hosts":         "127.0.0.1 localhost\n::1 localhost\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
		"/etc/machine-id":    strings.ReplaceAll(b.s.BootID, "-", "") + "\n",
		"/etc/os-release":    osRelease(),
	} {
		if _, err := os.Lstat(path); b.err == nil && errors.Is(err, fs.ErrNotExist) {
			b.try("write "+path, os.WriteFile(path, []byte(text), 0o644))
		}
	}
	for _, name := range []string{"poweroff", "halt", "shutdown", "reboot"} {
		if b.err == nil {
			b.try("write "+name, os.WriteFile("/usr/local/sbin/"+name, []byte(offScript), 0o755))
		}
	}
}

// osRelease is the host's, whose programs they are.
func osRelease() string {
	b, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "ID=linux\n"
	}
	return string(b)
}

// offScript does what systemd's commands do: it tells the first process.
var offScript = fmt.Sprintf(`#!/bin/sh
signal=%d
case "${0##*/} $*" in
  *" -c"*) exit 0 ;;
  reboot*|*" -r"*) signal=%d ;;
esac
kill -$signal 1
`, sigPowerOff, sigReboot)
