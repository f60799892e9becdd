package sandbox

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// Dir is the directory of a sandbox.
type Dir string

// path is a thing in it.
func (d Dir) path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// Socket is where commands find the schedd.
func (d Dir) Socket() string { return d.path("schedd", "schedd.sock") }

// Client asks the schedd.
func (d Dir) Client() *api.Client { return api.NewClient(d.Socket()) }

// Admin is where the engine's own record is read.
func (d Dir) Admin() string { return d.path("engine", "admin.sock") }

// Password is the file with the password of [User] at the engine.
func (d Dir) Password() string { return d.path("engine.pwd") }

// User is who may do everything at the engine.
const User = "admin@internal"

// Names of the engine's things.
const (
	WorkerTemplate = "worker"
	Borrowed       = "kvm_test_image_64" // a machine that is there, down, and may be borrowed
)

// Foreign are machines at the engine that are nobody's business here.
var Foreign = []string{"mail", "payroll", "wiki"}

// maxDir is how long a directory's name may be, so that sockets below it can be named.
const maxDir = 107 - len("/schedd/schedd.sock")

// At is the sandbox in that directory.
func At(path string) (Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if len(path) > maxDir {
		return "", grid.Errorf(grid.Invalid, "%s is too long a name for a directory with sockets, which have %d bytes: name a shorter one with --dir", path, maxDir)
	}
	return Dir(path), nil
}

const marker = "sandbox.json"

// mark is what the marker says.
type mark struct {
	Password string // of the engine's user
	Port     int    // of the schedd, for workers in guests
}

// Lock makes the directory and keeps others from running it, until the file is closed
// or this process ends.
func (d Dir) Lock() (*os.File, error) {
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return nil, grid.Errorf(grid.Invalid, "make the sandbox: %w", err)
	}
	f, err := os.OpenFile(d.path("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "lock the sandbox: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, grid.Errorf(grid.Refused, "the sandbox %s is in use: end it with grun down --dir %s, or name another", d, d)
		}
		return nil, grid.Errorf(grid.Internal, "lock the sandbox %s: %w", d, err)
	}
	return f, nil
}

// Empty removes what an earlier run has left. A directory that is not a sandbox is left
// alone. The lock is held.
func (d Dir) Empty() error {
	names, err := os.ReadDir(string(d))
	if err != nil {
		return grid.Errorf(grid.Invalid, "look at the sandbox: %w", err)
	}
	if _, err := os.Lstat(d.path(marker)); errors.Is(err, fs.ErrNotExist) && len(names) > 1 {
		return grid.Errorf(grid.Refused, "%s is not empty and not a sandbox: name another directory with --dir", d)
	}
	for _, n := range names {
		// The marker goes last: what is left of a removal that was cut off is a sandbox still.
		if n.Name() == "lock" || n.Name() == marker {
			continue
		}
		if err := os.RemoveAll(d.path(n.Name())); err != nil {
			return grid.Errorf(grid.Internal, "empty the sandbox: %w", err)
		}
	}
	if err := os.Remove(d.path(marker)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Prepare writes what the programs in bin need, but for the schedd's configuration,
// which has to wait for the engine's address. What is there already stays as it is. The
// lock is held.
func (d Dir) Prepare(bin string) error {
	if err := guests(); err != nil {
		return err
	}
	m, err := d.mark()
	if err != nil {
		return err
	}
	for _, sub := range []string{"schedd", "worker", "engine", "work"} {
		if err := os.MkdirAll(d.path(sub), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(d.Password(), []byte(m.Password+"\n"), 0o600); err != nil {
		return err
	}
	text, err := json.MarshalIndent(model(m.Password, filepath.Join(bin, "gworker")), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(d.path("engine", "model.json"), append(text, '\n'), 0o600)
}

// mark reads the marker, or makes it.
func (d Dir) mark() (m mark, err error) {
	b, err := os.ReadFile(d.path(marker))
	if err == nil {
		if err := json.Unmarshal(b, &m); err != nil {
			return m, grid.Errorf(grid.Invalid, "%s: %w", d.path(marker), err)
		}
		return m, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	// The port is one that is free now. It stays the sandbox's: guests that are up know it.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return m, grid.Errorf(grid.Internal, "find a port: %w", err)
	}
	m = mark{Password: rand.Text(), Port: l.Addr().(*net.TCPAddr).Port}
	l.Close()
	if b, err = json.Marshal(m); err != nil {
		return m, err
	}
	return m, os.WriteFile(d.path(marker), append(b, '\n'), 0o600)
}

// model is the engine's: a template whose guests hold our worker, a machine that jobs
// may borrow, which works when it boots and powers itself off, and machines of others.
// Times are those of an engine that is in a hurry.
func model(password, worker string) map[string]any {
	vms := []map[string]any{{"name": Borrowed, "template": "kvm_test_image"}}
	for i, name := range Foreign {
		vms = append(vms, map[string]any{"name": name, "template": "office", "status": []string{"up", "down"}[i%2], "description": "not ours"})
	}
	return map[string]any{
		"users": []map[string]any{{"name": User, "password": password}},
		"hosts": []map[string]any{{"name": "host-1", "memory_mb": 16384, "cores": 32}},
		"templates": []map[string]any{
			{"name": WorkerTemplate, "memory_mb": 512, "cores": 1, "os": "debian_9", "body": "process", "image": map[string]any{"files": map[string]string{"/usr/local/bin/gworker": worker}}},
			{"name": "kvm_test_image", "memory_mb": 256, "cores": 1, "os": "debian_9", "body": "process", "image": map[string]any{"boot": borrowedBoot}},
			{"name": "office", "memory_mb": 1024, "cores": 1, "body": "paper"},
		},
		"vms":   vms,
		"times": map[string]string{"lock": "1s", "launch": "200ms", "boot": "500ms", "report": "500ms", "power_off": "1s", "remove": "300ms"},
	}
}

// borrowedBoot is what the borrowed machine does each time it boots: it finds perfect
// numbers, and powers off.
const borrowedBoot = `#!/bin/sh
awk 'BEGIN {
	for (n = 2; n < 6000; n++) {
		sum = 0
		for (d = 1; d < n; d++) if (n % d == 0) sum += d
		if (sum == n) print n, "is perfect"
	}
}' >/root/perfect
poweroff
`

// Configure writes the schedd's configuration.
func (d Dir) Configure(engine string) error {
	m, err := d.mark()
	if err != nil {
		return err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(m.Port))
	text := fmt.Sprintf(`# Written by grun.

schedd {
  name   = "sandbox"
  listen = %[1]s
  names  = ["127.0.0.1"]

  # Guests here are processes that anybody may kill: they are missed soon.
  worker_lease = "20s"
  lease_margin = "5s"
  sweep        = "5s"
}

resource "ovirt" "engine" {
  url           = %[2]s
  username      = %[3]s
  password_file = "engine.pwd"
  ca_file       = "engine/ca.pem"
  max_vms       = 8
  create        = true
  borrow        = ["kvm_test_*"]

  burst {
    template     = %[4]s
    cluster      = "Default"
    cores        = 1
    memory       = "512MiB"
    disk         = "1GiB"
    max_vms      = 3
    idle_time    = "3s"
    join_timeout = "1m"
  }
}
`, quote(address), quote(engine), quote(User), quote(WorkerTemplate))
	return os.WriteFile(d.path("schedd.hcl"), []byte(text), 0o644)
}

// quote is a string in HCL.
func quote(s string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(s))
}
