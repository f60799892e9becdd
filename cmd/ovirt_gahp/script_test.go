package main

import (
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gridburst/gahp/ovirtsim"
)

// What gconfig says of engines, each with something wrong with it: the real command, the
// real GAHP in a process of its own, and a simulated engine.
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"gconfig", "ovirt_gahp"} {
		if err := os.Link(self(t), filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("NO_COLOR", "1")
			e.Setenv("GORACE", os.Getenv("GORACE"))
			for name, value := range map[string]string{"PASSWORD": "password", "CA": "ca.pem", "TEMPLATE": "worker", "CLUSTER": "Default", "MEMORY": "2GiB", "MACHINES": "2"} {
				e.Setenv(name, value)
			}
			e.Values[simsKey{}] = t
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"engine": startEngine, "fill": fill, "exits": exits},
	})
}

type simsKey struct{}

// engine MODEL starts an engine. Its URL is $URL, its authority the file ca.pem.
func startEngine(ts *testscript.TestScript, _ bool, args []string) {
	m, err := ovirtsim.ReadModel(ts.MkAbs(args[0]))
	ts.Check(err)
	s := ovirtsim.Start(ts.Value(simsKey{}).(*testing.T), m)
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), s.CA, 0o644))
	ts.Setenv("URL", s.URL)
	u, err := url.Parse(s.URL)
	ts.Check(err)
	ts.Setenv("HOSTPORT", u.Host)
}

// fill FROM TO writes a file with what the environment says of $URL and other variables.
func fill(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o644))
}

// exits STATUS COMMAND ARG... runs a command that ends with that status.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("it exits with %d, not %d", got, want)
	}
}
