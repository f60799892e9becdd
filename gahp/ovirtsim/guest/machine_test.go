package guest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kdomanski/iso9660"
	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/internal/qemu"
)

// hardware is what machines have whose image is of these files and this boot script.
func hardware(t *testing.T, files map[string]string, boot string) Hardware {
	t.Helper()
	dir := os.Getenv("GRIDBURST_KERNEL")
	if dir == "" {
		t.Skip("GRIDBURST_KERNEL names no directory with a kernel for guests: make test-real does")
	}
	if err := Bootable(); err != nil {
		t.Fatal(err)
	}
	k, err := qemu.FindKernel(dir)
	if err != nil {
		t.Fatal(err)
	}
	h := Hardware{Kernel: k, Initramfs: filepath.Join(t.TempDir(), "initramfs"), ID: "an-instance", Name: "gb-1", DiskMB: 64}
	if err := Pack(h.Initramfs, k, files, boot); err != nil {
		t.Fatal(err)
	}
	return h
}

// boot switches a machine on, and off when the test ends.
func boot(t *testing.T, c Config, h Hardware) *Machine {
	t.Helper()
	m, err := Boot(c, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Kill()
		<-m.Done()
		if t.Failed() {
			t.Logf("console:\n%s", read(t, filepath.Join(c.Dir, "console.log")))
		}
	})
	return m
}

// saying waits until a machine's console says something, and gives all that it says.
func saying(t *testing.T, m *Machine, c Config, what string) string {
	t.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for over := false; ; {
		text := read(t, filepath.Join(c.Dir, "console.log"))
		if strings.Contains(text, what) {
			return text
		}
		if over {
			t.Fatalf("it does not say %q, and %s", what, m.End())
		}
		select {
		case <-look.C:
		case <-m.Done():
			over = true // and what it said last is yet to be read
		}
	}
}

// echo is a server that says back what it is told, and where it is.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func TestAMachineBootsAKernelOfItsOwn(t *testing.T) {
	toolFile := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(toolFile, []byte("#!/bin/sh\necho a tool of the image\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	h := hardware(t, map[string]string{"/usr/local/bin/tool": toolFile}, `exec >/dev/ttyS0 2>&1
test -e /root/kept && echo the disk is kept && echo c >/proc/sysrq-trigger
touch /root/kept
echo it is up
`)
	server := echo(t)
	_, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	h.Reach = map[string]string{"10.0.2.100:9618": server}
	c := Config{Dir: t.TempDir(), HostName: "gb-1", Cores: 2, MemoryMB: 300, UserData: `#cloud-config
write_files:
- {path: /etc/secret, content: "t0ken\n", permissions: "0600"}
runcmd:
- exec >/dev/ttyS0 2>&1
- echo "host $(hostname), $(nproc) processors, kernel $(uname -r)"
- grep MemTotal /proc/meminfo
- echo "secret $(cat /etc/secret), $(stat -c %a /etc/secret)"
- tool
- [bash, -c, 'for n in 1 2; do exec 3<>/dev/tcp/10.0.2.100/9618; echo "connection $n" >&3; read -r answer <&3; echo "the host says $answer"; exec 3<&-; done']
- [bash, -c, 'if : 2>/dev/null </dev/tcp/10.0.2.2/` + port + `; then echo the host lies open; fi']
`}
	m := boot(t, c, h)
	said := strings.ReplaceAll(saying(t, m, c, "it is up"), "\r", "")
	_, version, _ := strings.Cut(filepath.Base(h.Kernel.Image), "-")
	for _, want := range []string{
		"host gb-1, 2 processors, kernel " + version + "\n", "secret t0ken, 600\n", "a tool of the image\n",
		"the host says connection 1\n", "the host says connection 2\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(said, "the host lies open") {
		t.Error("it reaches the host's loopback")
	}
	if info, err := os.Stat(filepath.Join(c.Dir, "config.iso")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the config drive is %v (%v)", info, err)
	}
	m.Shutdown()
	<-m.Done()
	if m.End() != "its guest powered off" {
		t.Errorf("after its power button was pressed, %s", m.End())
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "config.iso")); err == nil {
		t.Error("its config drive is left")
	}

	c.UserData = ""
	m = boot(t, c, h)
	saying(t, m, c, "the disk is kept")
	<-m.Done()
	if !strings.HasPrefix(m.End(), "its guest crashed") {
		t.Errorf("after its kernel has crashed, %s", m.End())
	}
}

func TestAMachineIsSwitchedOff(t *testing.T) {
	c, h := Config{Dir: t.TempDir(), MemoryMB: 128}, hardware(t, nil, "")
	m := boot(t, c, h)
	m.Kill()
	<-m.Done()
	if m.End() != "its guest was killed" {
		t.Errorf("after a kill, %s", m.End())
	}
}

func TestAKilledHostLeavesNoMachine(t *testing.T) {
	h := hardware(t, nil, "")
	told, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command(self)
	host.Env = append(os.Environ(), asHost+"="+t.TempDir(), withHardware+"="+string(told))
	host.Stderr = os.Stderr
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	dies(t, host, out)
}

func TestTheConfigDrive(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.iso")
	if err := writeDrive(file, metaData{UUID: "an-instance", Name: "vm", HostName: "gb-1"}, "#cloud-config\n{}\n"); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if label, err := labelOf(f); label != driveLabel {
		t.Errorf("its label is %q (%v)", label, err)
	}
	image, err := iso9660.OpenImage(f)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{metaDataIn: `"hostname":"gb-1"`, userDataIn: "#cloud-config\n{}\n"} {
		dir, err := image.RootDir()
		for _, part := range strings.Split(name, "/") {
			if err != nil {
				t.Fatal(err)
			}
			var children []*iso9660.File
			children, err = dir.GetChildren()
			dir = nil
			for _, c := range children {
				if strings.EqualFold(c.Name(), part) {
					dir = c
				}
			}
			if dir == nil {
				t.Fatalf("there is no %s of %s", part, name)
			}
		}
		b, err := io.ReadAll(dir.Reader())
		if err != nil || !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s is %q (%v)", name, b, err)
		}
	}
	if label, err := labelOf(strings.NewReader("a disk of a few bytes")); label != "" || err != nil {
		t.Errorf("a small disk is labelled %q (%v)", label, err)
	}
}

func TestWhatAMachineMayReach(t *testing.T) {
	for _, x := range []struct {
		guest, host string
		right       bool
	}{
		{"10.0.2.100:9618", "127.0.0.1:9618", true},
		{"10.0.2.4:1", "schedd.example.org:9618", true},
		{"10.0.2.2:9618", "127.0.0.1:9618", false},
		{"10.0.2.15:9618", "127.0.0.1:9618", false},
		{"192.168.0.1:9618", "127.0.0.1:9618", false},
		{"10.0.2.100", "127.0.0.1:9618", false},
		{"10.0.2.100:9618", "127.0.0.1", false},
		{"10.0.2.100:9618-cmd:sh", "127.0.0.1:9618", false},
	} {
		if err := CheckReach(x.guest, x.host); (err == nil) != x.right || err != nil && grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s as %s: %v", x.host, x.guest, err)
		}
	}
}

// dies kills a host that has said the number of its guest's first process, and waits
// until that one is dead.
func dies(t *testing.T, host *exec.Cmd, out io.Reader) {
	t.Helper()
	pid, err := number(out)
	fd := -1
	if err == nil {
		fd, err = unix.PidfdOpen(pid, 0) // it cannot be another's: its parent has not reaped it
	}
	if err := errors.Join(err, host.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait()
	defer unix.Close(fd)
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if err == nil {
			return // its first process is dead, and the kernel does not let it die before the rest
		}
		if !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
}
