package slurm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/internal/rig/rigtest"
	"gridburst/schedd/target"
	"gridburst/schedd/target/conform"
	"gridburst/schedd/target/slurm"
)

// TestMain is also a desk.
func TestMain(m *testing.M) {
	desk.Main()
	os.Exit(m.Run())
}

// TestConformance is about a real Slurm, which GRIDBURST_SLURM starts: .ci/slurm.
func TestConformance(t *testing.T) {
	control := os.Getenv("GRIDBURST_SLURM")
	if control == "" {
		t.Skip("no Slurm: GRIDBURST_SLURM is to be .ci/slurm")
	}
	dir := rigtest.Dir(t)
	do := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(control, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", control, args, err, out)
		}
	}
	do("up", filepath.Join(dir, "slurm"), "4")
	t.Cleanup(func() { do("down", filepath.Join(dir, "slurm")) })
	d := desk.Commands{Desks: desk.New(desk.Options{})}
	t.Cleanup(d.Close)
	owner := target.Owner{Name: "root"}
	if os.Getuid() == 0 {
		owner = target.Owner{Name: "nobody", UID: 65534, GID: 65534}
	}
	s := slurm.New(d, slurm.Options{Env: []string{"SLURM_CONF=" + filepath.Join(dir, "slurm", "slurm.conf")}, Own: target.Owner{Name: "me", UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}})
	conform.Run(t, conform.Harness{Start: func(t *testing.T) conform.World {
		jobs, err := os.MkdirTemp(dir, "case")
		if err == nil {
			err = os.Chown(jobs, int(owner.UID), int(owner.GID))
		}
		if err != nil {
			t.Fatal(err)
		}
		return conform.World{
			Target: s, Owner: owner, Dir: jobs,
			Wait:    func(j *target.Job) { j.Extra = append(j.Extra, "--begin=now+3600") },
			Refused: func(j *target.Job) { j.Queue = "nosuchpartition" },
			Down:    func() { do("kill", filepath.Join(dir, "slurm")) },
			Up:      func() { do("start", filepath.Join(dir, "slurm")) },
		}
	}})
}

func TestWhatSlurmSaysIsSortedByWhatIsCertain(t *testing.T) {
	failed := func(stderr string) target.Output { return target.Output{Code: 1, Stderr: []byte(stderr)} }
	for _, c := range []struct {
		name string
		out  target.Output
		err  error
		want grid.Code
	}{
		{"an id", target.Output{Stdout: []byte("17\n")}, nil, ""},
		{"an id of a cluster", target.Output{Stdout: []byte("17;far\n")}, nil, ""},
		{"no id", target.Output{Stdout: []byte("hello\n")}, nil, grid.Unknown},
		{"a partition that is not there", failed("sbatch: error: invalid partition specified: x\nsbatch: error: Batch job submission failed: Invalid partition name specified\n"), nil, grid.Refused},
		{"no controller", failed("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n"), nil, grid.Unavailable},
		{"a controller that went away", failed("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"), nil, grid.Unknown},
		{"a controller that dies", failed("sbatch: error: slurm_msg_sendto: address:port=127.0.0.1:59663 msg_type=4003: Unexpected missing socket error\nsbatch: error: Batch job submission failed: Unexpected missing socket error\n"), nil, grid.Unknown},
		{"killed", target.Output{Code: -1}, nil, grid.Unknown},
		{"not begun", target.Output{}, grid.Errorf(grid.Unavailable, "no such command"), grid.Unavailable},
	} {
		_, err := slurm.New(conform.Says{Out: c.out, Err: c.err}, slurm.Options{}).Submit(t.Context(), target.Job{Name: "gb-x", Script: "/x"})
		if grid.CodeOf(err) != c.want {
			t.Errorf("%s: %q (%v), want %q", c.name, grid.CodeOf(err), err, c.want)
		}
	}
}

func TestAListingThatBreaksOffIsNone(t *testing.T) {
	list := func(text string) ([]target.Seen, error) {
		return slurm.New(conform.Says{Out: target.Output{Stdout: []byte(text)}}, slurm.Options{}).List(t.Context(), "gb-1-", []target.Owner{{UID: 7}})
	}
	const whole = "1|gb-1-1.0-1|PENDING||Priority\n2|gb-1-2.0-1|PENDING||JobHeldUser\n3|gb-1-3.0-1|RUNNING|n0|None\n4|gb-1-4.0-1|CANCELLED||None\n5|theirs|RUNNING|n1|None\n6|gb-1-5.0-2|OUT_OF_MEMORY|n0|OutOfMemory\n"
	all, err := list(whole)
	want := []target.Seen{
		{Name: "gb-1-1.0-1", ID: "1", State: target.Waiting, Word: "pending (Priority)"},
		{Name: "gb-1-2.0-1", ID: "2", State: target.Held, Word: "pending (JobHeldUser)"},
		{Name: "gb-1-3.0-1", ID: "3", State: target.Running, Word: "running", Host: "n0"},
		{Name: "gb-1-4.0-1", ID: "4", State: target.Ended, End: target.Cancelled, Word: "cancelled"},
		{Name: "gb-1-5.0-2", ID: "6", State: target.Ended, End: target.OutOfMemory, Word: "out_of_memory (OutOfMemory)"},
	}
	if err != nil || len(all) != len(want) {
		t.Fatalf("%+v, %v", all, err)
	}
	for i := range want {
		if all[i] != want[i] {
			t.Errorf("%+v, want %+v", all[i], want[i])
		}
	}
	for _, text := range []string{whole[:len(whole)-1], "1|gb-1-1.0-1|PEN\n", "slurm_load_jobs error\n"} {
		if all, err := list(text); grid.CodeOf(err) != grid.Unavailable {
			t.Errorf("%q is %+v, %v", text, all, err)
		}
	}
}
