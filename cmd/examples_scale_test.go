package cmd_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/cmd/internal/sandbox"
	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/internal/rig/rigtest"
)

// guests is a rig with a simulated engine, in that directory and at that URL, which starts guests
// of ours; root's alone.
func guests(t *testing.T, tags []string, programs ...string) (ctx context.Context, r *rig.Rig, engine, url string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the guests of this test are root's to start")
	}
	ctx, r = rigtest.New(t, tags, programs...)
	dir := sandbox.Dir(r.Dir)
	if err := dir.Prepare(r.Bin); err != nil {
		t.Fatal(err)
	}
	engine = filepath.Join(r.Dir, "engine")
	if _, err := r.Engine(ctx, engine, "--admin-socket", dir.Admin()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(engine, "url"))
	if err != nil {
		t.Fatal(err)
	}
	return ctx, r, engine, strings.TrimSpace(string(text))
}

// The service of examples/scale brings machines of the simulated engine up for its run, by
// what it sees of those that there are, with the token of the run alone; they are used, and
// gone when the run has ended.
func TestTheScalingExample(t *testing.T) {
	ctx, r, _, url := guests(t, nil, "gschedd", "gworker", "gdag", "gvm", "gstatus", "ovirt_gahp", "ovirtsim")
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(examples, "scale", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	write := func(path, text string) {
		if err := os.WriteFile(filepath.Join(r.Dir, path), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The names are to be changed, as it says.
	write("schedd.hcl", strings.NewReplacer(
		`":9618"`, `"127.0.0.1:0"`, "grid.example.com", "127.0.0.1", "https://engine.example.com/ovirt-engine/api", url,
		"gridburst@internal", sandbox.User, "engine.pem", "engine/ca.pem", `"worker"`, `"`+sandbox.WorkerTemplate+`"`,
	).Replace(read("schedd.hcl")))
	s, err := r.Schedd(ctx, "schedd", nil, "--config", filepath.Join(r.Dir, "schedd.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, name := range []string{"schedd.log", "work/watch.out", "work/watch.err"} {
			if text, _ := os.ReadFile(filepath.Join(r.Dir, name)); t.Failed() {
				t.Logf("%s: %s", name, text[max(0, len(text)-6000):])
			}
		}
	})
	for _, name := range []string{"scale.hcl", "watch"} {
		write("work/"+name, strings.Replace(read(name), "/usr/local/bin:", r.Bin+":", 1))
	}
	work := filepath.Join(r.Dir, "work")
	run := func(command string, args ...string) string {
		out, err := r.RunIn(ctx, work, []string{"GRIDBURST_SCHEDD=" + s.Socket, "PATH=" + os.Getenv("PATH")}, append([]string{filepath.Join(r.Bin, command)}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	run("gdag", "submit", "scale.hcl")
	run("gdag", "wait", "1")
	for n := range 12 {
		text, err := os.ReadFile(filepath.Join(work, fmt.Sprint("part.", n)))
		if err != nil || string(text) != fmt.Sprintf("part %d is done\n", n) {
			t.Errorf("part %d: %q %v", n, text, err)
		}
	}
	for machines := true; machines; {
		claims, err := s.Client().Claims(ctx, false)
		if err != nil {
			t.Fatal(err)
		}
		if machines = len(claims.Claims) > 0; machines && pause.For(ctx, 100*time.Millisecond) != nil {
			t.Fatalf("they do not go: %+v", claims)
		}
	}
	past, err := s.Client().Claims(ctx, true)
	if err != nil || len(past.Claims) < 2 {
		t.Errorf("it has had the machines %+v (%v)", past, err)
	}
	text, err := os.ReadFile(filepath.Join(work, "watch.out"))
	if err != nil || !strings.Contains(string(text), "wants 1 machines of main, where it wanted 0") || !strings.Contains(string(text), "busy") {
		t.Errorf("its service has said %s (%v)", text, err)
	}
	status := run("gdag", "status", "1")
	if !strings.Contains(status, "It wants 0 machines of main, and may have 3") {
		t.Errorf("at its end: %s", status)
	}
}
