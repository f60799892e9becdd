package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"gridburst/internal/grid"
)

// Endpoint is where a schedd listens.
type Endpoint struct {
	Network string      // "unix" or "tcp"
	Address string      // a path, or host:port
	TLS     *tls.Config // for tcp, which is never spoken without
}

// DefaultPort is the schedd's, when a URL names none.
const DefaultPort = "9618"

// ParseEndpoint reads a socket's path, unix:PATH, or https://HOST[:PORT].
func ParseEndpoint(s string) (Endpoint, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok || strings.HasPrefix(s, "/") || strings.HasPrefix(s, ".") {
		if !ok {
			path = s
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return Endpoint{}, fmt.Errorf("find the socket %s: %w", s, err)
		}
		return Endpoint{Network: "unix", Address: path}, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || (u.Path != "" && u.Path != "/") {
		return Endpoint{}, grid.Errorf(grid.Invalid, "%q is not where a schedd listens: write a socket's path, or https://HOST:PORT", s)
	}
	port := u.Port()
	if port == "" {
		port = DefaultPort
	}
	return Endpoint{Network: "tcp", Address: net.JoinHostPort(u.Hostname(), port)}, nil
}

// DialContext connects, TLS handshake included.
func (e Endpoint) DialContext(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	switch {
	case e.Network == "unix":
		return dialUnix(ctx, &d, e.Address)
	case e.TLS == nil:
		return nil, grid.Errorf(grid.Internal, "a connection to %s without TLS", e.Address)
	}
	return (&tls.Dialer{NetDialer: &d, Config: e.TLS}).DialContext(ctx, e.Network, e.Address)
}

// maxUnixPath is what a socket address holds (sun_path without its end).
const maxUnixPath = 107

// dialUnix connects to a socket whose path may be longer than an address: such
// a path is shortened through its directory's descriptor.
func dialUnix(ctx context.Context, d *net.Dialer, path string) (net.Conn, error) {
	if len(path) > maxUnixPath {
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		path = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	}
	return d.DialContext(ctx, "unix", path)
}
