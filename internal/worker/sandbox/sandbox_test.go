package sandbox

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

const inNamespace = "GRIDBURST_TEST_IN_MOUNT_NAMESPACE"

// place makes a sandbox that its user can reach.
func place(t *testing.T, u User) Sandbox {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err == nil && info.Mode().Perm()&0o011 != 0o011 {
			os.Chmod(d, info.Mode().Perm()|0o011) // the test's own directories; others need no change
		}
	}
	s := Sandbox{Dir: filepath.Join(dir, "12.0.1"), User: u}
	if err := s.Create(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Remove(); err != nil {
			t.Errorf("at the end: %v", err)
		}
	})
	return s
}

// users are those that a test can act as: itself, and as root another.
func users(t *testing.T) map[string]User {
	all := map[string]User{"the worker's own user": Self()}
	if os.Geteuid() == 0 {
		all["another user"] = another
	} else {
		t.Log("not root: nothing is tried as another user")
	}
	return all
}

var another = User{UID: 61001, GID: 61001, Groups: []uint32{61001, 61050}}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it takes a second user")
	}
}

type entry struct {
	name, body, link string
	kind             byte
	mode             int64
}

func stream(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		h := &tar.Header{Typeflag: e.kind, Name: e.name, Linkname: e.link, Mode: e.mode, Size: int64(len(e.body))}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// contents maps the names of a tar stream to what they hold.
func contents(t testing.TB, b []byte) map[string]string {
	t.Helper()
	m := map[string]string{}
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return m
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		m[h.Name] = string(body)
		if h.Typeflag == tar.TypeSymlink {
			m[h.Name] = "-> " + h.Linkname
		}
		if h.Mode&^0o777 != 0 {
			t.Errorf("%s has mode %o", h.Name, h.Mode)
		}
	}
}

// asUser runs a shell command in the job's directory as the job's owner.
func asUser(t *testing.T, s Sandbox, script string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir = s.Work()
	if !s.User.IsSelf() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.User.UID, Gid: s.User.GID, Groups: s.User.Groups}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

func holds(t *testing.T, err error, code grid.HoldCode, says string) {
	t.Helper()
	var h *HoldError
	if !errors.As(err, &h) {
		t.Fatalf("got %v, which holds no job", err)
	}
	if h.Code != code || !strings.Contains(h.Reason, says) {
		t.Fatalf("hold code %d %q, want %d with %q", h.Code, h.Reason, code, says)
	}
}

func TestTheRightsOfAnotherEndWithTheThreadThatHasThem(t *testing.T) {
	needRoot(t)
	mine := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		err := As(another, func() error {
			if _, err := os.Open(mine); !errors.Is(err, fs.ErrPermission) {
				return fmt.Errorf("a file of root's: %v", err)
			}
			// Children of this goroutine are the process's own.
			got := make(chan error)
			go func() { f, err := os.Open(mine); f.Close(); got <- err }()
			if err := <-got; err != nil {
				return fmt.Errorf("another goroutine has lost its rights: %w", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if f, err := os.Open(mine); err != nil {
			t.Fatal(err)
		} else {
			f.Close()
		}
	}
}

func TestGroupsAreExactlyTheOwners(t *testing.T) {
	needRoot(t)
	s := place(t, another)
	path := filepath.Join(filepath.Dir(s.Dir), "shared")
	if err := os.WriteFile(path, []byte("x"), 0o640); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		gid int
		ok  bool
	}{{61050, true}, {61051, false}, {0, false}} {
		if err := os.Chown(path, 0, c.gid); err != nil {
			t.Fatal(err)
		}
		err := As(another, func() error { _, err := os.ReadFile(path); return err })
		if (err == nil) != c.ok {
			t.Errorf("a file of group %d: %v", c.gid, err)
		}
	}
}

func TestASandboxReplacesWhatAnEarlierTryLeft(t *testing.T) {
	s := place(t, Self())
	if err := os.WriteFile(filepath.Join(s.Work(), "old"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(s.Work()); err != nil || len(entries) != 0 {
		t.Fatal(entries, err)
	}
}

// The token of a run is for the job alone, takes the place of one from an earlier try, and is
// no output.
func TestATokenIsForTheJobAlone(t *testing.T) {
	s := Sandbox{Dir: filepath.Join(t.TempDir(), "1.0.1"), User: Self()}
	if err := s.Create(); err != nil {
		t.Fatal(err)
	}
	if err := s.Remember(); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"a longer one", "second"} {
		if err := s.WriteToken([]byte(token)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(s.Work(), TokenName)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "second" {
		t.Errorf("it holds %q (%v)", b, err)
	}
	var out bytes.Buffer
	if _, err := s.Collect(&out, wire.Execution{Transfer: true}, Limits{}); err != nil || bytes.Contains(out.Bytes(), []byte("second")) {
		t.Errorf("it is an output: %v", err)
	}
}
