package ovirtsim

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"gridburst/internal/grid"
)

// Listen opens the engine's port and sets URL. An address without a port, or with port
// 0, gets one that is free.
func (s *Sim) Listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, grid.Errorf(grid.Refused, "listen on %s: %w", address, err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	host, _, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	s.URL = "https://" + net.JoinHostPort(host, port) + apiPath
	cert, err := s.keys.certificate(host)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &listener{l, s, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}}, nil
}

// listener speaks TLS, unless a rule refuses connections.
type listener struct {
	net.Listener
	s   *Sim
	tls *tls.Config
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.s.mu.Lock()
		refuses := l.s.inForce(func(r *rule) bool { return r.Refuse }) != nil
		l.s.mu.Unlock()
		if !refuses {
			return tls.Server(c, l.tls), nil
		}
		c.Close()
	}
}

// Serve answers on l until ctx ends, and returns when nothing is being answered.
func (s *Sim) Serve(ctx context.Context, l net.Listener) error {
	server := http.Server{
		Handler: s, ReadHeaderTimeout: time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // of handshakes that clients break off
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return grid.Errorf(grid.Internal, "serve %s: %w", s.URL, err)
	}
	return nil
}

// TB is what [Start] needs of a test.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Start serves an engine on the loopback until the test ends.
func Start(t TB, m Model, o ...Options) *Sim {
	t.Helper()
	var options Options
	for _, options = range o {
	}
	s, err := Open(m, options)
	if err != nil {
		t.Fatalf("open the engine: %v", err)
	}
	l, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close the engine: %v", err)
		}
	})
	return s
}
