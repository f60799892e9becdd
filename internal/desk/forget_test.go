package desk

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"gridburst/schedd/target"
)

// A target may begin a job at any time, also while what says that it may not is being removed
// with all else: then it runs nothing.
func TestAJobThatIsForgottenDoesNotBegin(t *testing.T) {
	top := t.TempDir()
	ran := filepath.Join(top, "ran")
	for round := range 20 {
		dir := filepath.Join(top, fmt.Sprint(awayPrefix, round))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range 300 { // it takes a while to remove
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if begun, err := revokeAway(dir); begun || err != nil {
			t.Fatal(begun, err)
		}
		script := target.Script(target.Work{Job: "1.0", Dir: dir, In: top, Argv: []string{"/bin/sh", "-c", "echo ran >>" + ran}})
		var late sync.WaitGroup
		going := make(chan struct{})
		for i := range 4 {
			late.Go(func() {
				for again := true; again; {
					c := exec.Command("/bin/sh", "-c", string(script))
					if err := c.Run(); err == nil {
						t.Errorf("it has begun in round %d", round)
					}
					if i == 0 {
						select {
						case going <- struct{}{}: // the first time
						default:
						}
					}
					_, err := os.Lstat(dir)
					again = err == nil
				}
			})
		}
		<-going
		for range 2 { // it may be repeated
			if _, err := forgetAway(dir); err != nil {
				t.Error(err)
			}
		}
		late.Wait()
		if left, _ := filepath.Glob(dir + "*"); len(left) > 0 {
			t.Errorf("there is left: %q", left)
		}
	}
	if _, err := os.Lstat(ran); err == nil {
		t.Error("it has run")
	}
}

// Who dies while a directory is removed leaves it under another name, and removes it the next
// time.
func TestWhatADeathLeavesOfAForgottenJobIsRemoved(t *testing.T) {
	for _, left := range [][]string{{"", goneExt}, {goneExt}, {""}, {}} {
		dir := filepath.Join(t.TempDir(), awayPrefix+"1")
		for _, end := range left {
			if err := os.MkdirAll(filepath.Join(dir+end, "sub"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir+end, target.StartedName), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := forgetAway(dir); err != nil {
			t.Errorf("%q: %v", left, err)
		}
		if now, _ := filepath.Glob(dir + "*"); len(now) > 0 {
			t.Errorf("of %q there is left %q", left, now)
		}
	}
}
