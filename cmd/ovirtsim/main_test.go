package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gridburst/cmd/internal/cli"
	"gridburst/gahp/ovirtsim"
	"gridburst/gahp/ovirtsim/guest"
)

// asCommand in the environment makes this test binary the command.
const asCommand = "OVIRTSIM_TEST_COMMAND"

func TestMain(m *testing.M) {
	guest.Main()
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	return c
}

// serving starts the command, and returns when it says that it serves.
func serving(t *testing.T, args ...string) (end func(syscall.Signal) int) {
	t.Helper()
	c := program(t, args...)
	errs, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func(sig syscall.Signal) int {
		if ended {
			return -1
		}
		ended = true
		if err := c.Process.Signal(sig); err != nil {
			t.Error(err)
		}
		var exit *exec.ExitError
		if err := c.Wait(); err != nil && !errors.As(err, &exit) {
			t.Error(err)
		}
		return c.ProcessState.ExitCode()
	}
	t.Cleanup(func() { end(syscall.SIGKILL) })
	lines := bufio.NewReader(errs)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("it ended with %q (%v)", line, err)
		}
		if strings.Contains(line, "msg=serving") {
			return end
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func fetch(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin@internal", ovirtsim.Password)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestTheCommand(t *testing.T) {
	// A socket's address is short, and a test's directory may be long.
	dir, err := os.MkdirTemp("", "sim")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("model.yaml"), []byte("vms: [{name: theirs, status: up}]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--listen", "127.0.0.1:0", "--state", in("state"), "--ca-out", in("ca.pem"), "--url-file", in("url"),
		"--admin-socket", in("admin"), "--model", in("model.yaml"),
	}
	end := serving(t, args...)
	url := strings.TrimSpace(read(t, in("url")))
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(read(t, in("ca.pem")))) {
		t.Fatal("--ca-out is no certificate")
	}
	engine := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	if status, body := fetch(t, engine, url+"/vms"); status != 200 || !strings.Contains(body, "<name>theirs</name>") {
		t.Fatalf("it answers %d\n%s", status, body)
	}
	admin := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", in("admin"))
	}}}
	if status, body := fetch(t, admin, "http://sim/summary"); status != 200 || !strings.Contains(body, `"foreign":1`) {
		t.Errorf("the summary is %d %s", status, body)
	}
	if info, err := os.Stat(in("admin")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the admin socket is %v (%v)", info.Mode(), err)
	}
	second := program(t, args...)
	out, err := second.CombinedOutput()
	if err == nil || second.ProcessState.ExitCode() != cli.ExitRefused || !strings.Contains(string(out), "another simulator") {
		t.Errorf("a second one ends with %v: %s", err, out)
	}
	end(syscall.SIGKILL)
	end = serving(t, args...)
	if now := strings.TrimSpace(read(t, in("url"))); now != url {
		t.Errorf("after a kill it serves %s, and %s before", now, url)
	}
	if status, _ := fetch(t, engine, url+"/vms"); status != 200 {
		t.Errorf("after a kill it answers %d", status)
	}
	if code := end(syscall.SIGTERM); code != cli.ExitDone {
		t.Errorf("told to end, it ends with %d", code)
	}
	if lines := strings.Count(read(t, filepath.Join(in("state"), "journal")), "\n"); lines < 3 {
		t.Errorf("the journal has %d lines", lines)
	}
}

func TestWrongUse(t *testing.T) {
	model := filepath.Join(t.TempDir(), "model.yaml")
	if err := os.WriteFile(model, []byte("templats: []\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--model", model}, cli.ExitUsage, "field templats not found"},
		{[]string{"--model", model + ".none"}, cli.ExitUsage, "no such file"},
		{[]string{"--log-level", "loud"}, cli.ExitUsage, "error, warn, info or debug"},
		{[]string{"extra"}, cli.ExitUsage, "extra"},
		{[]string{"--listen", "127.0.0.1:1:1"}, cli.ExitRefused, "listen on 127.0.0.1:1:1"},
	} {
		c := program(t, x.args...)
		out, err := c.CombinedOutput()
		if err == nil || c.ProcessState.ExitCode() != x.code || !strings.Contains(string(out), x.says) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%v ends with %v, want %d: %s", x.args, err, x.code, out)
		}
	}
}
