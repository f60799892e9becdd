package desk

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/target"
)

// errand is a job whose command is a shell's, prepared for a target in a directory of dir.
func errand(t *testing.T, d *Desks, dir, command string, spool *Spool) Away {
	t.Helper()
	a := Away{
		Job: "1.0", Dir: filepath.Join(dir, ".gb-x"), Spool: spool,
		Execution: wire.Execution{Cmd: "/bin/sh", Args: []string{"-c", command}, Iwd: dir, Out: "out", Transfer: true},
		Outputs:   Outputs{Job: grid.JobID{Cluster: 1}, Epoch: 1, Iwd: dir, Out: "out"},
	}
	if err := d.PrepareAway(t.Context(), me(), a); err != nil {
		t.Fatal(err)
	}
	return a
}

// carried has a job run on a machine that shares nothing, and gives that directory.
func carried(t *testing.T, a Away, how ...string) string {
	t.Helper()
	there := t.TempDir()
	for _, name := range []string{target.ScriptName, target.InputsName} {
		text, err := os.ReadFile(filepath.Join(a.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(there, name), string(text), 0o700)
	}
	cmd := exec.Command("/bin/sh", "-c", strings.Join(append(how, "exec ./"+target.ScriptName), "; "))
	cmd.Dir = there
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Logf("the script: %v %s", err, out)
	}
	return there
}

// bring brings what a job left, or the first n bytes of it.
func bring(t *testing.T, a Away, there string, n int) int {
	t.Helper()
	left, err := os.ReadFile(filepath.Join(there, target.OutputsName))
	if err != nil {
		t.Fatal(err)
	}
	if n < 0 {
		n = len(left)
	}
	write(t, filepath.Join(a.Dir, target.OutputsName), string(left[:n]), 0o600)
	return len(left)
}

func TestWhatWasStagedOfAJobAtATargetGoesWithIt(t *testing.T) {
	d, dir := open(t, Options{}), t.TempDir()
	a := errand(t, d, dir, "echo left >left; echo out", nil)
	if out, err := exec.Command(filepath.Join(a.Dir, target.ScriptName)).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if c, err := d.ConcludeAway(t.Context(), me(), a.Dir); err != nil || c.Staged.Files != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	if staged, _ := filepath.Glob(filepath.Join(dir, stagePrefix+"*")); len(staged) != 3 { // and the list of them
		t.Errorf("staged are %q", staged)
	}
	for range 2 {
		if err := d.ForgetAway(t.Context(), me(), a.Dir); err != nil {
			t.Fatal(err)
		}
	}
	if left := tree(t, dir); len(left) > 0 {
		t.Errorf("there is left %v", left)
	}
}

// What comes back is taken whole or not at all, and what was cut goes, to be fetched again.
func TestWhatComesBackOfAJobIsWholeOrNothing(t *testing.T) {
	d, dir := open(t, Options{}), t.TempDir()
	a := errand(t, d, dir, "echo left >left; echo out", &Spool{})
	conclude := func() (Concluded, error) { return d.ConcludeAway(t.Context(), me(), a.Dir) }
	if _, err := conclude(); grid.CodeOf(err) != grid.NotFound {
		t.Errorf("before anything has come: %v", err)
	}
	there := carried(t, a)
	all := bring(t, a, there, 0)
	if _, err := conclude(); grid.CodeOf(err) != grid.NotFound {
		t.Errorf("nothing: %v", err)
	}
	for n := 1; n < all; n += 311 {
		bring(t, a, there, n)
		if c, err := conclude(); grid.CodeOf(err) != grid.Unavailable {
			t.Errorf("%d bytes of %d: %+v, %v", n, all, c, err)
		}
		if _, err := os.Lstat(filepath.Join(a.Dir, target.OutputsName)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d bytes of %d are there: %v", n, all, err)
		}
	}
	bring(t, a, there, -1)
	for range 2 {
		c, err := conclude()
		if err != nil || c.Hold != nil || c.Staged.Files != 2 {
			t.Fatalf("%+v, %v", c, err)
		}
		a.Outputs.SHA256 = c.Staged.SHA256
	}
	if err := d.CommitOutputs(t.Context(), me(), a.Outputs); err != nil {
		t.Fatal(err)
	}
	if err := d.ForgetAway(t.Context(), me(), a.Dir); err != nil {
		t.Fatal(err)
	}
	same(t, "what is there", tree(t, dir), map[string]string{"left": "left\n", "out": "out\n"})
}

// A machine whose disk is full says so; half of what a job left does not come.
func TestWhatAJobLeftThatCannotBePackedIsAReasonToHold(t *testing.T) {
	d, dir := open(t, Options{}), t.TempDir()
	a := errand(t, d, dir, "for i in 1 2 3 4; do head -c 30000 /dev/zero >file$i; done", &Spool{})
	there := carried(t, a, "ulimit -f 80")
	bring(t, a, there, -1)
	c, err := d.ConcludeAway(t.Context(), me(), a.Dir)
	if err != nil || c.Result.HoldCode != grid.HoldOutput || !strings.Contains(c.Result.Reason, "cannot be packed") || c.Staged.Files != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestNoRoomForWhatComesBackIsSaid(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=200k"); err != nil {
		t.Skip("a small disk is root's to make: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	d := New(Options{})
	defer d.Close()
	a := errand(t, d, dir, "head -c 120000 /dev/zero >file", &Spool{})
	bring(t, a, carried(t, a), -1)
	if _, err := d.ConcludeAway(t.Context(), me(), a.Dir); grid.CodeOf(err) != grid.NoSpace {
		t.Errorf("%q %v", grid.CodeOf(err), err)
	}
}
