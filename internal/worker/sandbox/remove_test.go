package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func TestASandboxGoesWhateverTheJobDidToIt(t *testing.T) {
	for name, script := range map[string]string{
		"nothing":                         ``,
		"directories without permissions": `mkdir -p a/b/c; echo x >a/b/c/f; chmod 000 a/b/c; chmod 000 a/b; chmod 555 a; chmod 000 .`,
		"a tree deeper than any path":     `p=$(printf 'dddddddddd/%.0s' $(seq 300)); for i in 1 2 3 4 5; do mkdir -p $p && cd -P $p || exit 1; done; echo x >f`,
		"names of any kind":               `mkdir -- -rf "a b" "$(printf 'x\ny')" 0 1 2; touch -- "-f" 0/0 1/0; mkdir 2/0 2/1; touch 2/0/x 2/1/y`,
		"FIFOs, sockets and links":        `mkfifo p; ln -s / root; ln -s . self; ln -s nowhere dangling; mkdir d; ln -s ../.. d/up`,
		"many files":                      `mkdir m; cd m; i=0; while [ $i -lt 3000 ]; do : >$i; i=$((i+1)); done`,
	} {
		for who, u := range users(t) {
			t.Run(name+", as "+who, func(t *testing.T) {
				s := place(t, u)
				canary := filepath.Join(filepath.Dir(s.Dir), "canary")
				if err := os.MkdirAll(filepath.Join(canary, "d"), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(canary, "f"), []byte("x"), 0o666); err != nil {
					t.Fatal(err)
				}
				asUser(t, s, `ln -s ../../canary canary; ln -s ../../../canary/d tmp0; `+script)
				if err := s.Remove(); err != nil {
					t.Fatal(err)
				}
				if _, err := os.Lstat(s.Dir); !errors.Is(err, fs.ErrNotExist) {
					t.Fatalf("it is still there: %v", err)
				}
				for _, p := range []string{"f", "d"} {
					if _, err := os.Stat(filepath.Join(canary, p)); err != nil {
						t.Fatal("it reached outside: ", err)
					}
				}
				if err := s.Remove(); err != nil {
					t.Fatal("a second time: ", err)
				}
			})
		}
	}
}

func TestMountsInASandboxAreLeftAlone(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		needRoot(t)
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	s := Sandbox{Dir: filepath.Join(t.TempDir(), "box"), User: Self()}
	outside := t.TempDir()
	keep := filepath.Join(outside, "keep")
	at := filepath.Join(s.Work(), "mounted")
	if err := errors.Join(s.Create(), os.WriteFile(keep, nil, 0o600), os.MkdirAll(at, 0o700), syscall.Mount(outside, at, "", syscall.MS_BIND, "")); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("got %v, want EBUSY", err)
	}
	if _, err := os.Stat(keep); err != nil {
		t.Error("it reached through the mount: ", err)
	}
	if err := errors.Join(syscall.Unmount(at, 0), s.Remove()); err != nil {
		t.Error(err)
	}
}

func TestARemovalThatWasCutShortIsFinishedByTheNext(t *testing.T) {
	s := place(t, Self())
	// As it is left after directories have been moved up.
	for _, d := range []string{"0/a/b", "1", "work/x/y", "work/0/1"} {
		if err := os.MkdirAll(filepath.Join(s.Dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
}
