package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gridburst/gahp/ovirtsim"
)

// visitor asks an engine for things, as a program would.
type visitor struct {
	t      *testing.T
	client *http.Client
	base   string // https://HOST:PORT
	token  string
}

// visit starts the command and goes there.
func visit(t *testing.T, args ...string) (*visitor, func(syscall.Signal) int) {
	t.Helper()
	dir := t.TempDir()
	end := serving(t, append(args, "--listen", "127.0.0.1:0", "--ca-out", filepath.Join(dir, "ca.pem"), "--url-file", filepath.Join(dir, "url"))...)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(read(t, filepath.Join(dir, "ca.pem")))) {
		t.Fatal("--ca-out is no certificate")
	}
	base, _, _ := strings.Cut(strings.TrimSpace(read(t, filepath.Join(dir, "url"))), "/ovirt-engine")
	return &visitor{t: t, base: base, client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}}, end
}

func (v *visitor) ask(method, path, body string) (int, string) {
	v.t.Helper()
	q, err := http.NewRequestWithContext(v.t.Context(), method, v.base+"/ovirt-engine"+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/xml")
	q.Header.Set("Accept", "application/json")
	if strings.HasPrefix(path, "/sso") {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		q.Header.Set("Accept", "application/xml")
		q.Header.Set("Authorization", "Bearer "+v.token)
	}
	a, err := v.client.Do(q)
	if err != nil {
		v.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return a.StatusCode, string(b)
}

// tour is what a program asks for: what changes is answered in turn.
func (v *visitor) tour() (said []string) {
	v.t.Helper()
	status, login := v.ask("POST", "/sso/oauth/token", "grant_type=password&scope=ovirt-app-api&username=admin%40internal&password="+ovirtsim.Password)
	var token struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(login), &token); status != http.StatusOK || err != nil || token.Token == "" {
		v.t.Fatalf("the login is answered with %d %s (%v)", status, login, err)
	}
	v.token = token.Token
	for _, q := range [][3]string{
		{"GET", "/api/vms?search=name%3Dmine&max=5", ""},
		{"POST", "/api/vms", `<vm><name>mine</name><cluster><name>Default</name></cluster><template><name>worker</name></template><initialization><root_password>` + secretWord + `</root_password><custom_script>` + secretWord + `</custom_script></initialization></vm>`},
		{"GET", "/api/vms?max=5&search=name%3Dmine", ""},
		{"POST", "/api/vms", `<vm><name>mine</name><cluster><name>Default</name></cluster><template><name>worker</name></template></vm>`},
	} {
		_, body := v.ask(q[0], q[1], q[2])
		said = append(said, body)
	}
	return said
}

const secretWord = "a-secret-of-the-guest"

// What one engine said, kept on the way, is said again without it; and by that another way
// of keeping it is the same.
func TestAnEngineIsRecordedAndReplayed(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	model := in("model.hcl")
	if err := os.WriteFile(model, []byte(`vm "theirs" {}`), 0o600); err != nil {
		t.Fatal(err)
	}
	engine, endEngine := visit(t, "--model", model, "--cassette", in("own.yml"))
	ca := filepath.Join(dir, "engine.pem")
	if err := os.WriteFile(ca, []byte(authorityOf(t, engine)), 0o600); err != nil {
		t.Fatal(err)
	}
	between, endBetween := visit(t, "record", "--engine", engine.base, "--ca", ca, "--cassette", in("passed.yml"))
	said := between.tour()
	if !strings.Contains(said[1], "<name>mine</name>") || strings.Contains(said[0], "<name>mine</name>") || !strings.Contains(said[2], "<name>mine</name>") || !strings.Contains(said[3], "<fault>") {
		t.Fatalf("the engine says\n%s", strings.Join(said, "\n"))
	}
	for what, end := range map[string]func(syscall.Signal) int{"the recorder": endBetween, "the engine": endEngine} {
		if code := end(syscall.SIGTERM); code != 0 {
			t.Errorf("%s ends with %d", what, code)
		}
	}
	for _, name := range []string{"passed.yml", "own.yml"} {
		tape := read(t, in(name))
		for _, secret := range []string{secretWord, ovirtsim.Password, between.token} {
			if strings.Contains(tape, secret) {
				t.Errorf("%s holds a secret: %s", name, secret)
			}
		}
		again, end := visit(t, "replay", in(name))
		for i, body := range again.tour() {
			if want := strings.ReplaceAll(said[i], secretWord, "hidden"); body != want {
				t.Errorf("%s: answer %d is\n%s\nnot\n%s", name, i, body, want)
			}
		}
		if status, body := again.ask("GET", "/api/hosts", ""); status != http.StatusNotFound || !strings.Contains(body, "not recorded") {
			t.Errorf("%s: what was not recorded is answered with %d %s", name, status, body)
		}
		if code := end(syscall.SIGTERM); code != 4 {
			t.Errorf("%s: a replay that lacked something ends with %d", name, code)
		}
	}
}

// authorityOf is the certificate that signed the engine's.
func authorityOf(t *testing.T, v *visitor) string {
	t.Helper()
	status, pem := v.ask("GET", "/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA", "")
	if status != http.StatusOK {
		t.Fatal(status, pem)
	}
	return pem
}

func TestCassettesThatAreNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yml")
	for _, text := range []string{"", "a: b\n", "http_interactions:\n- request: {method: get, uri: /x}\n", "\t"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := program(t, "replay", path).CombinedOutput(); err == nil || !strings.Contains(string(out), "x.yml") {
			t.Errorf("%q: %v, %s", text, err, out)
		}
	}
	if out, err := program(t, "--cassette", path).CombinedOutput(); err == nil || !strings.Contains(string(out), "exists") {
		t.Errorf("a file that is there is written over: %v, %s", err, out)
	}
	if out, err := program(t, "record", "--engine", "http://x", "--cassette", path+"2").CombinedOutput(); err == nil || !strings.Contains(string(out), "no URL") {
		t.Errorf("%v, %s", err, out)
	}
}
