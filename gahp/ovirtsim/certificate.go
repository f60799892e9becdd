package ovirtsim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/whole"
)

// authority signs the engine's certificate, as an engine's own does. Its time is the
// real one, for its clients' is.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

const (
	caFile    = "ca.pem"
	caKeyFile = "ca.key"
	caLife    = 10 * 365 * 24 * time.Hour
)

// openAuthority takes up the one in dir, or makes one there; without a dir it is kept
// nowhere.
func openAuthority(dir string) (*authority, error) {
	if dir == "" {
		return newAuthority()
	}
	certPEM, err := os.ReadFile(filepath.Join(dir, caFile))
	if err == nil {
		return loadAuthority(dir, certPEM)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	a, err := newAuthority()
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		return nil, err
	}
	// The key first: a certificate that is there has its key.
	block := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key})
	if err := os.WriteFile(filepath.Join(dir, caKeyFile), block, 0o600); err != nil {
		return nil, err
	}
	return a, whole.Write(filepath.Join(dir, caFile), a.pem, 0o644)
}

func loadAuthority(dir string, certPEM []byte) (*authority, error) {
	keyPEM, err := os.ReadFile(filepath.Join(dir, caKeyFile))
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "%s and its key: %w; remove both, and clients will need the new one", filepath.Join(dir, caFile), err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, grid.Errorf(grid.Invalid, "the key in %s is not one of ours; remove it and %s", caKeyFile, caFile)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	return &authority{key, cert, certPEM}, err
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := blank("oVirt simulator CA", caLife)
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, err
}

func blank(name string, life time.Duration) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // rand.Reader never fails
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"simulated"}, CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life),
	}
}

// certificate is for the engine under a name or address.
func (a *authority) certificate(host string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := blank(host, caLife)
	t.NotAfter = a.cert.NotAfter
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.DNSNames = []string{"localhost"}
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if ip := net.ParseIP(host); ip != nil {
		t.IPAddresses = append(t.IPAddresses, ip)
	} else {
		t.DNSNames = append(t.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &key.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}, err
}
