package guest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
)

// asHost in the environment makes this test binary a program that has a guest in the
// directory that it names, until it is killed.
const asHost = "GUEST_TEST_HOST"

// withHardware gives it a kernel of its own.
const withHardware = "GUEST_TEST_HARDWARE"

func TestMain(m *testing.M) {
	Main()
	if dir := os.Getenv(asHost); dir != "" {
		pid, done, err := host(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(pid)
		<-done
	}
	os.Exit(m.Run())
}

func host(dir string) (pid int, done <-chan struct{}, err error) {
	if text := os.Getenv(withHardware); text != "" {
		var h Hardware
		if err := json.Unmarshal([]byte(text), &h); err != nil {
			return 0, nil, err
		}
		m, err := Boot(Config{Dir: dir, MemoryMB: 128}, h)
		if err != nil {
			return 0, nil, err
		}
		return m.cmd.Process.Pid, m.Done(), nil
	}
	g, err := Start(Config{Dir: dir, Boot: "sleep 1000"})
	if err != nil {
		return 0, nil, err
	}
	return g.cmd.Process.Pid, g.Done(), nil
}

func number(r io.Reader) (n int, err error) {
	_, err = fmt.Fscan(r, &n)
	return n, err
}

// start makes a guest that ends with the test. A machine that has none is no place
// for the test.
func start(t *testing.T, c Config) *Guest {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	g, err := Start(c)
	if grid.CodeOf(err) == grid.Refused {
		t.Skipf("needs root or user namespaces: %v", err)
	}
	if err != nil {
		t.Fatalf("start a guest: %v\n%s", err, read(t, filepath.Join(c.Dir, "console.log")))
	}
	t.Cleanup(func() {
		g.Kill()
		<-g.Done()
		if t.Failed() {
			t.Logf("console:\n%s", read(t, filepath.Join(c.Dir, "console.log")))
			t.Logf("output:\n%s", read(t, filepath.Join(c.Dir, "disk/var/log/cloud-init-output.log")))
		}
	})
	return g
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// report runs a guest whose cloud-config ends with a power off, and gives what it has
// written to /root.
func report(t *testing.T, c Config) func(name string) string {
	t.Helper()
	c.Dir = t.TempDir()
	g := start(t, c)
	<-g.Done()
	if !g.Off() {
		t.Error("it has not powered off")
	}
	return func(name string) string { return strings.TrimSpace(read(t, filepath.Join(c.Dir, "disk/root", name))) }
}

func TestACloudConfigIsCarriedOut(t *testing.T) {
	got := report(t, Config{HostName: "from-metadata", UserData: `#cloud-config
hostname: gb-1
bootcmd:
  - echo boot > /root/order
write_files:
  - path: /root/plain
    content: "a\nb\n"
    permissions: "0640"
  - {path: /root/based, content: aGVsbG8=, encoding: b64}
  - {path: /root/packed, content: H4sIAAAAAAACA8tIzcnJBwCGphA2BQAAAA==, encoding: gz+b64}
  - {path: /root/plain, content: c, append: true, permissions: 0640, owner: root:root}
  - {path: /root/deep/down/file, content: x, defer: true}
runcmd:
  - [sh, -c, 'echo "$1" >> /root/order', it, "it's a word"]
  - cd /root/deep
  - pwd >> /root/order
  - stat -c %a /root/plain > /root/mode
  - hostname > /root/name
  - env > /root/env
  - poweroff
`})
	for name, want := range map[string]string{
		"plain": "a\nb\nc", "based": "hello", "packed": "hello", "mode": "640", "name": "gb-1", "deep/down/file": "x",
		"order": "boot\nit's a word\n/root/deep",
	} {
		if got := got(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, line := range strings.Split(got("env"), "\n") {
		if key, _, _ := strings.Cut(line, "="); key != "PATH" && key != "PWD" && key != "OLDPWD" && key != "SHLVL" && key != "_" {
			t.Errorf("the environment has %s", line)
		}
	}
}

func TestAGuestIsAMachineOfItsOwn(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("the host's"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GUEST_TEST_SECRET", "the host's")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := unix.FcntlInt(r.Fd(), unix.F_SETFD, 0); err != nil { // as one that a parent has left open
		t.Fatal(err)
	}
	tool := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho a tool of the image\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := Config{
		Cores: 1, MemoryMB: 300, Files: map[string]string{"/usr/local/bin/tool": tool},
		Boot: `cat /proc/sys/kernel/random/boot_id > /root/boot
cat ` + secret + ` > /root/secret 2>&1
ls -A / > /root/ls
ls -d /proc/[0-9]* | wc -l > /root/processes
cat /proc/1/environ | tr '\0' '\n' > /root/environ
nproc > /root/nproc
ls -l /proc/1/fd /proc/self/fd | grep -c pipe > /root/pipes
awk '/MemTotal/ {print $2}' /proc/meminfo > /root/memory
tool > /root/tool
(echo x > /usr/bin/x) 2>/root/usr
cut -d: -f1 /etc/passwd > /root/users
echo gone > /tmp/file
test ! -e /root/kept && touch /root/kept
poweroff`,
	}
	first, second := report(t, config), report(t, config)
	if a, b := first("boot"), second("boot"); a == b || len(a) != 36 {
		t.Errorf("boot ids are %q and %q", a, b)
	}
	host, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || strings.TrimSpace(string(host)) == first("boot") {
		t.Errorf("the boot id is the host's (%v)", err)
	}
	if got := first("secret"); strings.Contains(got, "the host's") || got == "" {
		t.Errorf("it reads a file of the host: %q", got)
	}
	for _, dir := range strings.Fields(first("ls")) {
		if dir == "work" || dir == ".host" || dir == "mnt" {
			t.Errorf("it sees /%s", dir)
		}
	}
	for name, want := range map[string]string{
		"nproc": "1", "memory": "307200", "tool": "a tool of the image", "users": "root\nnobody", "environ": "", "pipes": "1", // that of ls itself
	} {
		if got := first(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := first("processes"); len(got) > 1 {
		t.Errorf("it sees %s processes", got)
	}
	if got := first("usr"); !strings.Contains(strings.ToLower(got), "read-only") {
		t.Errorf("it may write to /usr: %q", got)
	}
}

func TestWhatAGuestEndsBy(t *testing.T) {
	const waits = "sleep 1000 & echo $$ > /root/up; "
	t.Run("being asked", func(t *testing.T) {
		g := start(t, Config{Boot: waits + "wait"})
		g.Shutdown()
		<-g.Done()
		if !g.Off() {
			t.Error("it has not powered off")
		}
	})
	t.Run("being asked while it is deaf", func(t *testing.T) {
		g := start(t, Config{Boot: "trap '' TERM; while :; do sleep 1000; done", Grace: 1})
		g.Shutdown()
		<-g.Done()
		if !g.Off() {
			t.Error("it has not powered off")
		}
	})
	t.Run("being killed", func(t *testing.T) {
		g := start(t, Config{Boot: waits + "wait"})
		g.Kill()
		<-g.Done()
		if g.Off() {
			t.Error("it has powered off")
		}
	})
	t.Run("its power state", func(t *testing.T) {
		got := report(t, Config{UserData: "#cloud-config\npower_state: {mode: poweroff, condition: test -e /etc/passwd}\nruncmd: [date > /root/ran]\n"})
		if got("ran") == "" {
			t.Error("it ended before runcmd")
		}
	})
}

func TestAKilledHostLeavesNoGuest(t *testing.T) {
	start(t, Config{}) // or this is no place for it
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command(self)
	host.Env = append(os.Environ(), asHost+"="+t.TempDir())
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

func TestAGuestReboots(t *testing.T) {
	got := report(t, Config{
		UserData: "#cloud-config\nruncmd: [echo runcmd >> /root/order, reboot]\nbootcmd: [echo bootcmd >> /root/order]\n",
		Boot:     "echo boot >> /root/order\ntest $(grep -c bootcmd /root/order) = 2 && poweroff",
	})
	if order := got("order"); !strings.HasPrefix(order, "bootcmd\nruncmd\n") || !strings.HasSuffix(order, "bootcmd\nboot") || strings.Count(order, "runcmd") != 1 {
		t.Errorf("it did\n%s", order)
	}
}

func TestNestedNamespaces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("in a guest of a plain user the kernel refuses a new /proc")
	}
	got := report(t, Config{Boot: `unshare --pid --mount --fork --mount-proc sh -c 'echo $$; ls -d /proc/[0-9]* | wc -l' > /root/nested 2>&1
poweroff`})
	if lines := strings.Fields(got("nested")); len(lines) != 2 || lines[0] != "1" {
		t.Errorf("nested: %v", lines)
	}
}

func TestTheDiskIsKept(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(filepath.Dir(dir))
	here := filepath.Base(dir) // and not below the root
	for range 2 {
		g := start(t, Config{Dir: here, Boot: "echo boot >> /var/boots; test -e /tmp/x && echo kept > /root/tmp; touch /tmp/x; poweroff"})
		<-g.Done()
	}
	if got := read(t, filepath.Join(dir, "disk/var/boots")); got != "boot\nboot\n" {
		t.Errorf("the disk has %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "disk/root/tmp")); err == nil {
		t.Error("/tmp was kept")
	}
}
