package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/gahp/ovirtsim"
	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/internal/rig/rigtest"
)

const guests = 3

// burst is a grid without a pool: all that its schedd can have are machines of the engine.
type burst struct {
	t   *testing.T
	rig *rig.Rig
	ctx context.Context
	sim *http.Client // of the engine's admin socket
}

// A job runs in each of three machines that boot a kernel of their own, and nothing is left.
func TestJobsRunInRealGuests(t *testing.T) {
	kernel := os.Getenv("GRIDBURST_KERNEL")
	if kernel == "" {
		t.Skip("GRIDBURST_KERNEL names no directory with a kernel for guests: make test-real does")
	}
	b := newBurst(t, kernel)
	begun := time.Now()
	b.run("gsubmit", "guest.sub")
	// Each waits for a signal that it gets when all are there, so that none makes way for
	// another. One that has not got as far as to hear it gets it again.
	b.until("three jobs run", func() bool { return b.jobs("JobStatus == 2") == guests })
	b.until("all jobs have ended", func() bool {
		for _, verb := range []string{"gsuspend", "gcontinue"} {
			_, _ = b.try(verb, "--all") // a job that is ending refuses
		}
		return b.jobs("true") == 0
	})
	b.run("gwait", "guest.log")
	back := b.outputs()
	b.until("the machines are gone", func() bool { return len(b.machines()) == 0 && len(b.below("qemu-system-x86_64")) == 0 })
	wall := time.Since(begun)
	started, left := b.judge()
	t.Logf("qemu guests: %d started, %d jobs, outputs back %d, left %d, wall %d s", started, guests, back, left, int(wall.Seconds()))
	if started != guests || back != guests || left != 0 {
		t.Error("that is not as it should be")
	}
}

func newBurst(t *testing.T, kernel string) *burst {
	t.Helper()
	ctx, r := rigtest.New(t, nil, "gschedd", "gworker", "ovirt_gahp", "ovirtsim", "gsubmit", "gq", "gwait", "gsuspend", "gcontinue")
	dir, bin := r.Dir, r.Bin
	b := &burst{t: t, rig: r, ctx: ctx}
	t.Cleanup(b.tell)
	port := freePort(t)
	b.write("engine/model.json", map[string]any{
		"templates": []any{map[string]any{
			"name": "worker", "memory_mb": 512, "body": "qemu", "os": "debian_9",
			"image": map[string]any{"files": map[string]string{"/usr/local/bin/gworker": filepath.Join(bin, "gworker")}},
		}},
		"hardware": map[string]any{"kernel": kernel, "reach": map[string]string{"10.0.2.100:9618": "127.0.0.1:" + port}},
	})
	b.write("engine.pwd", ovirtsim.Password+"\n")
	admin := filepath.Join(dir, "engine/admin")
	b.sim = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", admin)
	}}}
	if _, err := r.Engine(ctx, filepath.Join(dir, "engine"), "--admin-socket", admin); err != nil {
		t.Fatal(err)
	}
	url, err := os.ReadFile(filepath.Join(dir, "engine/url"))
	if err != nil {
		t.Fatal(err)
	}
	b.write("schedd.hcl", fmt.Sprintf(`
schedd {
  listen = "127.0.0.1:%s"
  names  = ["127.0.0.1", "10.0.2.100"]
}
resource "ovirt" "engine" {
  url           = %q
  username      = "admin@internal"
  password_file = "engine.pwd"
  ca_file       = "engine/ca.pem"
  max_vms       = %d
  create        = true
  burst {
    template     = "worker"
    cluster      = "Default"
    cores        = 1
    memory       = "512MiB"
    disk         = "1GiB"
    schedd       = "https://10.0.2.100:9618"
    idle_time    = "1s"
    join_timeout = "10m"
  }
}
`, port, strings.TrimSpace(string(url)), guests))
	b.write("job", `#!/bin/sh
trap 'go=1' CONT
uname -r
hostname
cat /proc/cmdline
until [ "$go" ]; do sleep 1; done
`)
	b.write("guest.sub", fmt.Sprintf("executable = job\noutput = out.$(Process)\nerror = err.$(Process)\nlog = guest.log\nrequest_cpus = 1\nrequest_memory = 64\nrequest_disk = 1024\nqueue %d\n", guests))
	if _, err := r.Schedd(ctx, "g", nil, "--config", filepath.Join(dir, "schedd.hcl")); err != nil {
		t.Fatal(err)
	}
	return b
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func (b *burst) path(name string) string { return filepath.Join(b.rig.Dir, name) }

// write makes a file, of text or of what is no text as JSON.
func (b *burst) write(name string, content any) {
	b.t.Helper()
	text, ok := content.(string)
	if !ok {
		j, err := json.Marshal(content)
		if err != nil {
			b.t.Fatal(err)
		}
		text = string(j)
	}
	if err := os.MkdirAll(filepath.Dir(b.path(name)), 0o755); err != nil {
		b.t.Fatal(err)
	}
	mode := os.FileMode(0o700)
	if strings.HasSuffix(name, ".pwd") {
		mode = 0o600
	}
	if err := os.WriteFile(b.path(name), []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
}

func (b *burst) run(command string, args ...string) string {
	b.t.Helper()
	out, err := b.try(command, args...)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *burst) try(command string, args ...string) (string, error) {
	out, err := b.rig.RunIn(b.ctx, b.rig.Dir, []string{"GRIDBURST_SCHEDD=" + b.path("g/schedd.sock")}, append([]string{filepath.Join(b.rig.Bin, command)}, args...)...)
	return string(out), err
}

// until looks until it is so.
func (b *burst) until(what string, is func() bool) {
	b.t.Helper()
	for !is() {
		if err := pause.For(b.ctx, 200*time.Millisecond); err != nil {
			b.t.Fatalf("it does not come to be that %s: %v", what, err)
		}
	}
}

// jobs is how many there are in the queue of which something is true.
func (b *burst) jobs(which string) int {
	b.t.Helper()
	return strings.Count(b.run("gq", "--nobatch", "--constraint", which, "-af", "ProcId"), "\n")
}

func (b *burst) ask(path string, into any) {
	b.t.Helper()
	resp, err := b.sim.Get("http://sim" + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		b.t.Fatal(err)
	}
}

func (b *burst) machines() (out []ovirtsim.Machine) {
	b.t.Helper()
	b.ask("/machines", &out)
	return out
}

// below are the processes of a command.
func (b *burst) below(command string) (out []rig.Proc) {
	b.t.Helper()
	all, err := b.rig.Below()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range all {
		if p.Command() == command {
			out = append(out, p)
		}
	}
	return out
}

// outputs counts those that say that their job was in a machine of its own kernel, no two
// in the same.
func (b *burst) outputs() int {
	b.t.Helper()
	var host unix.Utsname
	if err := unix.Uname(&host); err != nil {
		b.t.Fatal(err)
	}
	seen := map[string]bool{}
	for n := range guests {
		name := fmt.Sprintf("out.%d", n)
		text, err := os.ReadFile(b.path(name))
		lines := strings.Split(string(text), "\n")
		switch {
		case err != nil:
			b.t.Error(err)
		case len(lines) != 4:
			b.t.Errorf("%s is %q", name, text)
		case lines[0] == unix.ByteSliceToString(host.Release[:]) || !strings.Contains(lines[2], "ovirtsim-guest"):
			b.t.Errorf("%s is of this machine: %q", name, text)
		default:
			seen[lines[1]] = true
		}
	}
	return len(seen)
}

// judge reads the engine's journal: how many machines were started; and what is left of
// them anywhere.
func (b *burst) judge() (started, left int) {
	b.t.Helper()
	f, err := os.Open(b.path("engine/journal"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	up := map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e ovirtsim.Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			b.t.Fatal(err)
		}
		if e.What == ovirtsim.Moved && e.Status == ovirtsim.PoweringUp {
			up[e.Name] = true
		}
	}
	disks, err := filepath.Glob(b.path("engine/state/guests/*"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, d := range disks {
		b.t.Errorf("the disk %s is left", d)
	}
	for _, p := range b.below("ovirtsim") {
		if len(p.Args) > 1 && strings.HasPrefix(p.Args[1], "ovirtsim-guest") {
			b.t.Errorf("process %d %v is left", p.PID, p.Args)
			left++
		}
	}
	return len(up), left + len(b.machines()) + len(b.below("qemu-system-x86_64")) + len(disks)
}

// tell shows what a failure left behind.
func (b *burst) tell() {
	if !b.t.Failed() {
		return
	}
	for _, pattern := range []string{"*.log", "engine/state/guests/*/console.log"} {
		files, _ := filepath.Glob(b.path(pattern)) // the pattern is right
		for _, f := range files {
			text, err := os.ReadFile(f)
			b.t.Logf("%s (%v):\n%s", f, err, text)
		}
	}
}
