package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"gridburst/internal/grid"
)

// ServerName is in every certificate of a schedd, whatever its address.
const ServerName = "schedd.gridburst.internal"

// Lives of certificates. WorkerLife is a day: a worker renews at two thirds of it,
// and one that has gone is no danger after it.
const (
	caLife     = 10 * 365 * 24 * time.Hour
	serverLife = 90 * 24 * time.Hour
	WorkerLife = 24 * time.Hour
	early      = 7 * 24 * time.Hour // see Clocks in the package comment
)

// File is the name of the authority's file in its directory.
const File = "ca.pem"

// CA is the authority. Its methods may be called from any goroutine.
type CA struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// Open loads the authority of dir, and makes one if there is none. The directory
// has to exist; nobody but its owner may read the file.
func Open(dir string) (*CA, error) {
	path := filepath.Join(dir, File)
	b, err := readOrMake(path, func() ([]byte, error) { return newAuthority(time.Now()) })
	if err != nil {
		return nil, fmt.Errorf("open the certificate authority: %w", err)
	}
	ca, err := parseAuthority(b)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "%s does not hold a certificate authority (%w): restore it from a backup, or remove it and give every worker a new token", path, err)
	}
	return ca, nil
}

func newAuthority(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial := newSerial()
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: fmt.Sprintf("Gridburst authority %x", serial.Bytes()[:4])},
		NotBefore:             now.Add(-early),
		NotAfter:              now.Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return append(keyPEM, encodeCert(der)...), nil
}

func parseAuthority(b []byte) (*CA, error) {
	key, rest, err := parseKey(b)
	if err != nil {
		return nil, err
	}
	certs, err := parseCerts(rest)
	if err != nil {
		return nil, err
	}
	ca := &CA{key: key, cert: certs[0]}
	if pub, ok := ca.cert.PublicKey.(*ecdsa.PublicKey); !ok || !pub.Equal(key.Public()) {
		return nil, errors.New("its certificate is of another key")
	}
	if !ca.cert.IsCA {
		return nil, errors.New("its certificate is no authority's")
	}
	return ca, nil
}

// PEM is the authority's certificate, which is no secret.
func (ca *CA) PEM() []byte { return encodeCert(ca.cert.Raw) }

// Fingerprint is the SHA-256 of the authority's certificate, in hex: what a worker
// that was given nothing longer can pin.
func (ca *CA) Fingerprint() string { return fingerprint(ca.cert) }

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// workerName is what a certificate's name may be: it becomes a file name, a log
// field and part of an ad.
var workerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// Sign turns a worker's request (PEM) into its certificate (PEM), for the given
// name, whatever name the request has, valid for life from now.
func (ca *CA) Sign(csr []byte, name string, now time.Time, life time.Duration) ([]byte, error) {
	if !workerName.MatchString(name) {
		return nil, grid.Errorf(grid.Invalid, "%q is not a worker's name: letters, digits, dots, dashes and underscores are", name)
	}
	req, err := parseRequest(csr)
	if err != nil {
		return nil, err
	}
	// An hour early: the schedd may be restarted by a machine whose clock was put back.
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(life),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca.cert, req.PublicKey, ca.key)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate of %s: %w", name, err)
	}
	return encodeCert(der), nil
}

// parseRequest reads a request that its own key has signed.
func parseRequest(csr []byte) (*x509.CertificateRequest, error) {
	block, rest := pem.Decode(csr)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, grid.Errorf(grid.Invalid, "what came is not a certificate request")
	}
	req, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "read a certificate request: %w", err)
	}
	if err := req.CheckSignature(); err != nil {
		return nil, grid.Errorf(grid.Invalid, "a certificate request that its key has not signed: %w", err)
	}
	if pub, ok := req.PublicKey.(*ecdsa.PublicKey); !ok || pub.Curve != elliptic.P256() {
		return nil, grid.Errorf(grid.Invalid, "a certificate request for a key that is not ECDSA P-256")
	}
	return req, nil
}

// RequestKey names the public key of a request (PEM) by its hash.
func RequestKey(csr []byte) ([]byte, error) {
	req, err := parseRequest(csr)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(req.RawSubjectPublicKeyInfo)
	return sum[:], nil
}

// server makes a key and a certificate for the schedd under names, which may be
// host names and addresses.
func (ca *CA) server(names []string, now time.Time) (certificate [][]byte, key crypto.Signer, until time.Time, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, until, err
	}
	t := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{CommonName: ServerName},
		NotBefore:    now.Add(-early),
		NotAfter:     now.Add(serverLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{ServerName},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.cert, k.Public(), ca.key)
	if err != nil {
		return nil, nil, until, err
	}
	// The authority goes along, for workers that pin its fingerprint.
	return [][]byte{der, ca.cert.Raw}, k, t.NotAfter, nil
}

// readOrMake reads a file that nobody but its owner may open, and makes it if there is
// none.
func readOrMake(path string, secret func() ([]byte, error)) ([]byte, error) {
	b, err := readSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if b, err = secret(); err != nil {
		return nil, err
	}
	if err = writeOnce(path, b); errors.Is(err, fs.ErrExist) { // another process was quicker: its secret is the one
		return readSecret(path)
	}
	return b, err
}

// readSecret reads a file that nobody but its owner may open.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, grid.Errorf(grid.Refused, "%s holds a key, and others may open it (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

// writeOnce makes path hold b, whole or not at all, and fails if it is there.
func writeOnce(path string, b []byte) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := os.CreateTemp(filepath.Dir(path), File+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, does not replace what another process has just made.
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return dir.Sync()
}
