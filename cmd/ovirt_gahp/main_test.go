package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gridburst/cmd/internal/cli"
	"gridburst/cmd/internal/daemon"
	"gridburst/gahp"
	"gridburst/gahp/ovirtsim/guest"
	"gridburst/internal/desk"
)

// asCommand in the environment makes this test binary the command.
const asCommand = "OVIRT_GAHP_TEST_COMMAND"

// TestMain is also the command, a desk of a test's schedd, and a guest.
func TestMain(m *testing.M) {
	desk.Main()
	guest.Main()
	switch {
	case os.Getenv(asCommand) != "", filepath.Base(os.Args[0]) == "ovirt_gahp":
		main()
	case filepath.Base(os.Args[0]) == "gconfig":
		os.Exit(cli.Main(daemon.Config))
	}
	// Most of these tests wait for a simulated engine's time, and not for this machine.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// command is the real command in a process of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), self(t), args...)
	c.Env = []string{asCommand + "=1"}
	return c
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

const password = "kept-from-all-logs"

// engine is one that says its name and no more; args are those that reach it.
func engine(t *testing.T) (args []string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ovirt-engine/sso/oauth/token", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("password") != password {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error_code":"access_denied","error":"no"}`)
			return
		}
		io.WriteString(w, `{"access_token":"t"}`)
	})
	mux.HandleFunc("GET /ovirt-engine/api", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<api/>") })
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return []string{
		"--url", s.URL + "/ovirt-engine/api", "--username", "admin@internal",
		"--password-file", write(t, dir, "password", password), "--ca-file", write(t, dir, "ca.pem", string(ca)),
	}
}

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTyped(t *testing.T) {
	for name, input := range map[string]string{
		"until QUIT":           "VERSION\nQUIT\n",
		"until the input ends": "VERSION\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := command(t, append(engine(t), "--log-level", "debug")...)
			var stderr bytes.Buffer
			c.Stdin, c.Stderr = strings.NewReader(input), &stderr
			out, err := c.Output()
			if err != nil {
				t.Fatalf("%v; %s", err, &stderr)
			}
			for i, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
				if ok := strings.HasPrefix(line, "S") || i == 0 && strings.HasPrefix(line, "$GahpVersion: "); !ok {
					t.Errorf("standard output has %q", line)
				}
			}
			if text := stderr.String(); !strings.Contains(text, "serving") || strings.Contains(text, password) {
				t.Errorf("log: %s", text)
			}
		})
	}
}

func TestServed(t *testing.T) {
	args := engine(t)
	c := gahp.NewClient(gahp.Options{Command: append([]string{self(t)}, args...), Env: []string{asCommand + "=1"}})
	defer c.Close()
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := c.Find(t.Context(), "gb-1")
	var ge *gahp.Error
	if !errors.As(err, &ge) || ge.Kind != gahp.EngineDown || !strings.Contains(ge.Text, "404") {
		t.Errorf("%v: not the engine's refusal", err)
	}
}

func TestPasswordThatOthersCanRead(t *testing.T) {
	args := engine(t)
	if err := os.Chmod(args[5], 0o644); err != nil {
		t.Fatal(err)
	}
	c := gahp.NewClient(gahp.Options{Command: append([]string{self(t)}, args...), Env: []string{asCommand + "=1"}})
	defer c.Close()
	err := c.Ping(t.Context())
	var ge *gahp.Error
	if !errors.As(err, &ge) || ge.Kind != gahp.BadPassword || !strings.Contains(ge.Text, "chmod 600") {
		t.Errorf("%v", err)
	}
}

func TestUsage(t *testing.T) {
	good := engine(t)
	for name, c := range map[string]struct {
		args []string
		say  string
	}{
		"nothing":          {nil, "https"},
		"plain HTTP":       {append(good[2:], "--url", "http://engine/ovirt-engine/api"), "in clear"},
		"no user":          {append(good[:2:2], good[4:]...), "admin@internal"},
		"no CA file":       {append(good[:6:6], "--ca-file", "/nonexistent"), "no such file"},
		"an unknown flag":  {append(good, "--insecure"), "--insecure"},
		"a further word":   {append(good, "x"), `"x"`},
		"a strange level":  {append(good, "--log-level", "loud"), "loud"},
		"a strange number": {append(good, "--timeout", "soon"), "soon"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := command(t, c.args...)
			var out, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &stderr
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
				t.Fatalf("%v, want exit status %d", err, exitUsage)
			}
			if text := stderr.String(); !strings.Contains(text, c.say) || strings.Count(text, "\n") != 1 || out.Len() > 0 {
				t.Errorf("%q on standard error, want one line that says %q; %q on standard output", text, c.say, &out)
			}
		})
	}
}

func TestHelpSaysTheExitStatuses(t *testing.T) {
	out, err := command(t, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"Exit status:", "0  done", "1  failed", "2  usage", "--password-file", "mode 0600"} {
		if !strings.Contains(string(out), text) {
			t.Errorf("no %q in\n%s", text, out)
		}
	}
}
