package ovirt

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"gridburst/gahp"
)

func TestOpenRefuses(t *testing.T) {
	good := newStub(t).config(t)
	for name, c := range map[string]struct {
		change func(*Config)
		say    string
	}{
		"plain HTTP":             {func(c *Config) { c.URL = "http://engine/ovirt-engine/api" }, "in clear"},
		"a password in the URL":  {func(c *Config) { c.URL = "https://admin:" + password + "@engine/ovirt-engine/api" }, "not of the form"},
		"a URL that is no API":   {func(c *Config) { c.URL = "https://engine/ovirt-engine" }, "/ovirt-engine/api"},
		"no user":                {func(c *Config) { c.Username = "" }, "admin@internal"},
		"no password file":       {func(c *Config) { c.PasswordFile = "" }, "password file"},
		"no such CA file":        {func(c *Config) { c.CAFile += "x" }, "no such file"},
		"a CA file that is none": {func(c *Config) { c.CAFile = c.PasswordFile }, "no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			_, err := Open(cfg)
			if err == nil || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), password) {
				t.Errorf("%v, want one that says %q", err, c.say)
			}
		})
	}
}

// Before a request is on its way nothing was done, and the error says what to do.
func TestNotReached(t *testing.T) {
	s := newStub(t)
	cfg := s.config(t)

	closed := cfg
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.URL = "https://" + l.Addr().String() + "/ovirt-engine/api"
	l.Close()
	want(t, mustOpen(t, closed).Stop(t.Context(), order, vmID), gahp.EngineDown, "not reached", "refused")

	other := cfg
	other.CAFile = ""
	want(t, mustOpen(t, other).Stop(t.Context(), order, vmID), gahp.EngineDown, "the system's authorities", "unknown authority", "pki-resource")

	name := cfg
	name.URL = strings.Replace(cfg.URL, "127.0.0.1", "localhost", 1)
	want(t, mustOpen(t, name).Stop(t.Context(), order, vmID), gahp.EngineDown, "the authorities in "+cfg.CAFile, "localhost")

	clear := httptest.NewServer(http.NotFoundHandler())
	defer clear.Close()
	plain := cfg
	plain.URL = strings.Replace(clear.URL, "http:", "https:", 1) + "/ovirt-engine/api"
	want(t, mustOpen(t, plain).Stop(t.Context(), order, vmID), gahp.EngineDown)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	want(t, s.engine(t).Stop(ended, order, vmID), gahp.EngineDown)
	if lines, _ := s.requests(); len(lines) > 0 {
		t.Errorf("the engine heard %q", lines)
	}
}

// What the engine may have heard is Unknown when no answer comes.
func TestCutOff(t *testing.T) {
	hung := func(s *stub, heard chan<- struct{}) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			heard <- struct{}{}
			<-r.Context().Done()
			panic(http.ErrAbortHandler) // an answer could still arrive
		}
	}
	t.Run("by the caller", func(t *testing.T) {
		s, heard := newStub(t), make(chan struct{}, 1)
		s.handle("POST /api/vms/{id}/stop", hung(s, heard))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-heard; cancel() }()
		want(t, s.engine(t).Stop(ctx, order, vmID), gahp.Unknown, "look")
	})
	t.Run("by the timeout", func(t *testing.T) {
		s, heard := newStub(t), make(chan struct{}, 1)
		s.handle("POST /api/vms/{id}/stop", hung(s, heard))
		cfg := s.config(t)
		cfg.Timeout = time.Second
		want(t, mustOpen(t, cfg).Stop(t.Context(), order, vmID), gahp.Unknown, "no answer within 1s")
	})
	t.Run("by the engine", func(t *testing.T) {
		s := newStub(t)
		s.handle("POST /api/vms/{id}/stop", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		want(t, s.engine(t).Stop(t.Context(), order, vmID), gahp.Unknown, "look")
	})
	t.Run("in the middle of the answer", func(t *testing.T) {
		s := newStub(t)
		s.handle("DELETE /api/vms/{id}", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "<action>")
		})
		want(t, s.engine(t).Remove(t.Context(), order, vmID), gahp.Unknown, "broke off")
		s.handle("GET /api/vms", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "<vms>"+vmXML("up", ""))
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		_, err := s.engine(t).List(t.Context(), "")
		want(t, err, gahp.Unknown)
	})
	t.Run("while it waits for its turn nothing was heard", func(t *testing.T) {
		s, heard := newStub(t), make(chan struct{}, parallel)
		s.handle("POST /api/vms/{id}/stop", hung(s, heard))
		s.handle("GET /api", reply(http.StatusOK, "<api/>"))
		e := s.engine(t)
		if err := e.Ping(t.Context()); err != nil { // so that all have a token
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range parallel {
			all.Go(func() { e.Stop(ctx, order, vmID) })
		}
		for range parallel {
			<-heard
		}
		late, give := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer give()
		want(t, e.Stop(late, order, vmID), gahp.EngineDown)
		cancel()
		all.Wait()
	})
}

func TestTooLong(t *testing.T) {
	s := newStub(t)
	s.handle("POST /api/vms/{id}/stop", reply(http.StatusOK, strings.Repeat(" ", maxSmall+1)))
	want(t, s.engine(t).Stop(t.Context(), order, vmID), gahp.Unknown, "longer")
}

func TestHeaders(t *testing.T) {
	s := newStub(t)
	s.handle("GET /api", reply(http.StatusOK, "<api><product_info/></api>"))
	cfg := s.config(t)
	cfg.UserView = true
	if err := mustOpen(t, cfg).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	login, ping := s.seen[0].Header, s.seen[1].Header
	for header, value := range map[string]string{"Version": "4", "Filter": "true", "Accept": "application/xml", "Accept-Language": ""} {
		if ping.Get(header) != value {
			t.Errorf("%s: %q, want %q", header, ping.Get(header), value)
		}
	}
	if id := ping.Get("Correlation-Id"); id == "" || len(id) > 36 || id == login.Get("Correlation-Id") {
		t.Errorf("correlation id %q", id)
	}
}

func TestPingWantsAnAPI(t *testing.T) {
	s := newStub(t)
	s.handle("GET /api", reply(http.StatusOK, "<html/>"))
	want(t, s.engine(t).Ping(t.Context()), gahp.EngineDown)
}
