package schedd

import (
	"crypto/tls"
	"net"
	"net/http"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

func tlsListener(l net.Listener, c *tls.Config) net.Listener { return tls.NewListener(l, c) }

// join exchanges a one-time token for a worker's certificate.
func (d *Daemon) join(w http.ResponseWriter, _ *http.Request) {
	wire.Refuse(w, grid.Errorf(grid.Unauthorized, "this schedd gives no tokens"))
}

// renewCertificate gives a worker whose certificate is about to end another.
func (d *Daemon) renewCertificate(w http.ResponseWriter, _ *http.Request) {
	wire.Refuse(w, grid.Errorf(grid.Unauthorized, "this schedd gives no certificates"))
}
