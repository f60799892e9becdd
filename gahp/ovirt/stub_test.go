package ovirt

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"

	"gridburst/gahp"
)

const (
	vmID     = "a1293e54-dae8-496f-baa4-27719592113e"
	password = "kept-from-all-logs"
)

// stub answers over TLS. Paths are those below /ovirt-engine.
type stub struct {
	*httptest.Server
	mux *http.ServeMux
	log bytes.Buffer // what the engine client logs at debug; read when it is quiet

	mu       sync.Mutex
	seen     []*http.Request
	bodies   []string
	password string // that a login needs
	token    string // that a call needs
}

// newStub is an engine with a login and nothing else.
func newStub(t *testing.T) *stub {
	t.Helper()
	s := &stub{mux: http.NewServeMux(), password: password, token: "token-1-kept-from-all-logs"}
	s.handle("POST /sso/oauth/token", s.login)
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *stub) handle(pattern string, h http.HandlerFunc) {
	method, path, _ := strings.Cut(pattern, " ")
	s.mux.HandleFunc(method+" /ovirt-engine"+path, h)
}

// reply is a handler with one fixed answer.
func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml;charset=UTF-8")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func fault(detail string) string {
	return "<fault><detail>[" + detail + "]</detail><reason>Operation Failed</reason></fault>"
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	s.seen = append(s.seen, r)
	s.bodies = append(s.bodies, string(body))
	token := s.token
	s.mu.Unlock()
	if strings.HasPrefix(r.URL.Path, "/ovirt-engine/api") && r.Header.Get("Authorization") != "Bearer "+token {
		w.Header().Set("Content-Type", "text/html;charset=UTF-8")
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, "<html><head><title>Error</title></head><body>invalid_grant: The provided authorization grant for the auth code has expired.</body></html>")
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *stub) login(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.FormValue("password") != s.password {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error_code":"access_denied","error":"Cannot authenticate user 'admin@internal': not with `+r.FormValue("password")+`."}`)
		return
	}
	io.WriteString(w, `{"access_token":"`+s.token+`","scope":"ovirt-app-api","exp":"9223372036854775807","token_type":"bearer"}`)
}

// set changes what the stub wants, as an administrator would.
func (s *stub) set(password, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password, s.token = password, token
}

// requests are those that came so far, as "METHOD /path?query" with their bodies.
func (s *stub) requests() (lines, bodies []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.seen {
		line := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/ovirt-engine")
		if r.URL.RawQuery != "" {
			line += "?" + r.URL.RawQuery
		}
		lines = append(lines, line)
	}
	return lines, append(bodies, s.bodies...)
}

// config is one that reaches the stub.
func (s *stub) config(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	log := logrus.New()
	log.SetOutput(&s.log)
	log.SetLevel(logrus.TraceLevel)
	return Config{
		URL: s.URL + "/ovirt-engine/api", Username: "admin@internal",
		PasswordFile: write(t, dir, "password", password+"\n"), CAFile: write(t, dir, "ca.pem", string(ca)),
		Log: log,
	}
}

func (s *stub) engine(t *testing.T) *Engine {
	t.Helper()
	return mustOpen(t, s.config(t))
}

func mustOpen(t *testing.T, cfg Config) *Engine {
	t.Helper()
	e, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func recorded(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "recorded", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// want checks an error's kind and that its text has these words.
func want(t *testing.T, err error, kind gahp.Kind, texts ...string) {
	t.Helper()
	var ge *gahp.Error
	if !errors.As(err, &ge) {
		t.Fatalf("error %v, want one of kind %s", err, kind)
	}
	if ge.Kind != kind {
		t.Errorf("%s, want kind %s", ge, kind)
	}
	for _, text := range texts {
		if !strings.Contains(ge.Text, text) {
			t.Errorf("%s: does not say %q", ge, text)
		}
	}
}
