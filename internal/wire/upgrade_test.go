package wire

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"
)

// listen serves h on a Unix socket and returns its endpoint.
func listen(t *testing.T, path string, h http.Handler) Endpoint {
	t.Helper()
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	t.Chdir(filepath.Dir(path)) // the path may be longer than an address
	l, err := net.Listen("unix", filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	t.Cleanup(srv.Close)
	return Endpoint{Network: "unix", Address: path}
}

func TestAWorkerDialsAndBothSidesTalk(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, strings.Repeat("d", 90))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"a short path": filepath.Join(dir, "s"), "a path longer than an address": filepath.Join(long, "schedd.sock")} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			e := listen(t, path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := Accept(w, r)
				if err != nil {
					ended <- err
					return
				}
				s := NewStream(conn, time.Minute)
				ended <- s.Run(context.Background(), func(m Message) error {
					return s.Send(Message{Renew: &Renew{Term: 1, Clock: m.Beat.Clock}})
				})
			}))
			conn, err := Dial(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			s := NewStream(conn, time.Minute)
			if err := s.Send(beat(42)); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var got Message
			s.Run(ctx, func(m Message) error {
				got = m
				cancel()
				return nil
			})
			if got.Renew == nil || got.Renew.Clock != 42 {
				t.Fatalf("the answer to a beat: %+v", got)
			}
			if err := <-ended; err == nil {
				t.Fatal("the schedd's side ended without a reason")
			}
		})
	}
}

func TestDialTellsWhatTheScheddSaid(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		code    grid.Code
		says    string
	}{
		"a refusal": {func(w http.ResponseWriter, r *http.Request) {
			Refuse(w, grid.Errorf(grid.Forbidden, "claim 7 is gone"))
		}, grid.Forbidden, "claim 7 is gone"},
		"something else that listens there": {http.NotFound, grid.Unavailable, "404"},
		"another protocol": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Upgrade", "websocket")
			w.WriteHeader(http.StatusSwitchingProtocols)
		}, grid.Unavailable, "101"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(t.Context(), listen(t, filepath.Join(t.TempDir(), "s"), c.handler))
			if grid.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v (%s), want %s and %q", err, grid.CodeOf(err), c.code, c.says)
			}
		})
	}
}

func TestAcceptRefusesWhatIsNoWorker(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := Accept(w, r); err == nil {
			conn.Close()
			t.Error("it was accepted")
		}
	}))
	defer srv.Close()
	for name, change := range map[string]func(*http.Request){
		"a plain GET":        func(r *http.Request) {},
		"a POST":             func(r *http.Request) { r.Method = http.MethodPost; r.Header.Set("Upgrade", protocol) },
		"an unknown version": func(r *http.Request) { r.Header.Set("Upgrade", "gridburst-worker/99") },
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+StreamPath, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Connection", "Upgrade")
			change(req)
			resp, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if err := Refusal(resp); grid.CodeOf(err) != grid.Invalid || !strings.Contains(err.Error(), protocol) {
				t.Fatalf("%v", err)
			}
		})
	}
}

func TestDialGivesUpWithItsContext(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := l.Accept() // and says nothing
		if err == nil {
			cancel()
			defer conn.Close()
			conn.Read(make([]byte, 1<<10))
			conn.Read(make([]byte, 1))
		}
	}()
	if _, err := Dial(ctx, Endpoint{Network: "unix", Address: l.Addr().String()}); err == nil {
		t.Fatal("a schedd that says nothing was dialled")
	}
}

func TestEndpointsAreReadAsPeopleWriteThem(t *testing.T) {
	for in, want := range map[string]Endpoint{
		"/run/g.sock":               {Network: "unix", Address: "/run/g.sock"},
		"unix:/run/g.sock":          {Network: "unix", Address: "/run/g.sock"},
		"https://head.example":      {Network: "tcp", Address: "head.example:9618"},
		"https://10.0.0.1:443/":     {Network: "tcp", Address: "10.0.0.1:443"},
		"https://[2001:db8::1]:700": {Network: "tcp", Address: "[2001:db8::1]:700"},
	} {
		if got, err := ParseEndpoint(in); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "head.example:9618", "http://head.example", "https://", "https://u:p@h", "https://h/x", "ftp://h"} {
		if e, err := ParseEndpoint(in); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%q was read as %+v, %v", in, e, err)
		}
	}
	if _, err := (Endpoint{Network: "tcp", Address: "127.0.0.1:1"}).DialContext(t.Context()); grid.CodeOf(err) != grid.Internal {
		t.Errorf("TCP without TLS: %v", err)
	}
}
