package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"gridburst/internal/grid"
)

// ServerConfig is the schedd's side of TLS 1.3: a certificate for [ServerName] and
// names (host names and addresses), renewed as time goes by, and clients with
// certificates of this authority or with none. [WorkerOf] tells which.
func (ca *CA) ServerConfig(names ...string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	var mu sync.Mutex
	var current *tls.Certificate
	var until time.Time
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.VerifyClientCertIfGiven,
		ClientCAs:  pool,
		// A resumed session would not look at the client's certificate again.
		SessionTicketsDisabled: true,
		NextProtos:             []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			if current == nil || until.Sub(now) < serverLife/3 {
				chain, key, end, err := ca.server(names, now)
				if err != nil {
					return nil, fmt.Errorf("make the schedd's certificate: %w", err)
				}
				current, until = &tls.Certificate{Certificate: chain, PrivateKey: key}, end
			}
			return current, nil
		},
	}
}

// WorkerOf is the name in the client certificate of a connection that
// [CA.ServerConfig] has checked; false without one.
func WorkerOf(state *tls.ConnectionState) (string, bool) {
	if state == nil || len(state.VerifiedChains) == 0 {
		return "", false
	}
	return state.VerifiedChains[0][0].Subject.CommonName, true
}

// Pin is whom a worker trusts: an authority's certificates, or one's fingerprint.
type Pin struct {
	CA          []byte // PEM
	Fingerprint string // hex of SHA-256, colons allowed; used without CA
}

// ClientConfig is a worker's side of TLS 1.3: the schedd's certificate must come
// from pin's authority. The client's own certificate is asked for at each
// handshake, since it is renewed; nil, or an answer of nil: none.
func ClientConfig(pin Pin, own func() *tls.Certificate) (*tls.Config, error) {
	var trusted func(chain []*x509.Certificate) (*x509.CertPool, error)
	switch want := strings.ToLower(strings.ReplaceAll(pin.Fingerprint, ":", "")); {
	case len(pin.CA) > 0:
		certs, err := parseCerts(pin.CA)
		if err != nil {
			return nil, grid.Errorf(grid.Invalid, "read the schedd's CA: %w", err)
		}
		pool := x509.NewCertPool()
		for _, c := range certs {
			pool.AddCert(c)
		}
		trusted = func([]*x509.Certificate) (*x509.CertPool, error) { return pool, nil }
	default:
		if b, err := hex.DecodeString(want); err != nil || len(b) != 32 {
			return nil, grid.Errorf(grid.Invalid, "%q is not the fingerprint of a CA: it is 64 hex digits", pin.Fingerprint)
		}
		trusted = func(chain []*x509.Certificate) (*x509.CertPool, error) {
			for _, c := range chain {
				if fingerprint(c) == want {
					pool := x509.NewCertPool()
					pool.AddCert(c)
					return pool, nil
				}
			}
			return nil, grid.Errorf(grid.Unauthorized, "the schedd's address did not show the CA with fingerprint %s", want)
		}
	}
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: ServerName,
		NextProtos: []string{"http/1.1"},
		// Not insecure: VerifyConnection below does the whole check, because the standard
		// one cannot take its root from what the server shows.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return grid.Errorf(grid.Unauthorized, "the schedd's address showed no certificate")
			}
			roots, err := trusted(s.PeerCertificates)
			if err != nil {
				return err
			}
			_, err = s.PeerCertificates[0].Verify(x509.VerifyOptions{
				Roots: roots, DNSName: ServerName, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			})
			if err != nil {
				return grid.Errorf(grid.Unauthorized, "the schedd's certificate does not hold (by this machine's clock it is %s): %w", time.Now().UTC().Format(time.RFC3339), err)
			}
			return nil
		},
	}
	if own != nil {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if c := own(); c != nil {
				return c, nil
			}
			return &tls.Certificate{}, nil
		}
	}
	return cfg, nil
}

// KeyPair puts a worker's certificate (PEM, of [CA.Sign]) and key (PEM, of
// [NewKey]) together.
func KeyPair(certPEM, keyPEM []byte) (*tls.Certificate, error) {
	c, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "put the worker's certificate and key together: %w", err)
	}
	return &c, nil
}
