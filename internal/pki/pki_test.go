package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/internal/grid"
)

func open(t *testing.T) *CA {
	t.Helper()
	ca, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// worker makes a key and its certificate.
func worker(t *testing.T, ca *CA, name string, now time.Time, life time.Duration) *tls.Certificate {
	t.Helper()
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	csr, err := Request(key, "whatever it says")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Sign(csr, name, now, life)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// shake lets a client and a server meet, and returns each one's error and the
// server's view of the client.
func shake(t *testing.T, server, client *tls.Config) (name string, known bool, serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // buffered, unlike net.Pipe: both sides may send an alert at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s, c := tls.Server(a, server), tls.Client(b, client)
	var done sync.WaitGroup
	done.Go(func() {
		defer a.Close()
		if serverErr = s.Handshake(); serverErr == nil {
			state := s.ConnectionState()
			name, known = WorkerOf(&state)
			_, serverErr = s.Write([]byte("x"))
		}
	})
	done.Go(func() {
		defer b.Close()
		if clientErr = c.Handshake(); clientErr == nil {
			// In TLS 1.3 a client hears that its certificate was refused when it reads.
			_, clientErr = io.ReadFull(c, make([]byte, 1))
		}
	})
	done.Wait()
	return name, known, serverErr, clientErr
}

func config(t *testing.T, pin Pin, own *tls.Certificate) *tls.Config {
	t.Helper()
	cfg, err := ClientConfig(pin, func() *tls.Certificate { return own })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestAWorkerAndItsScheddKnowEachOther(t *testing.T) {
	ca := open(t)
	for name, pin := range map[string]Pin{
		"by the authority's certificate":       {CA: ca.PEM()},
		"by one of two certificates":           {CA: append(open(t).PEM(), ca.PEM()...)},
		"by its fingerprint":                   {Fingerprint: ca.Fingerprint()},
		"by its fingerprint as openssl has it": {Fingerprint: strings.ToUpper(colons(ca.Fingerprint()))},
	} {
		t.Run(name, func(t *testing.T) {
			own := worker(t, ca, "claim-7", time.Now(), WorkerLife)
			got, known, serverErr, clientErr := shake(t, ca.ServerConfig("head.example", "10.1.2.3"), config(t, pin, own))
			if err := errors.Join(serverErr, clientErr); err != nil || !known || got != "claim-7" {
				t.Fatalf("the schedd sees %q (%v), %v", got, known, err)
			}
		})
	}
}

func colons(s string) string {
	var parts []string
	for i := 0; i < len(s); i += 2 {
		parts = append(parts, s[i:i+2])
	}
	return strings.Join(parts, ":")
}

func TestAWorkerWithoutACertificateIsNobodyYet(t *testing.T) {
	ca := open(t)
	name, known, serverErr, clientErr := shake(t, ca.ServerConfig(), config(t, Pin{CA: ca.PEM()}, nil))
	if err := errors.Join(serverErr, clientErr); err != nil || known {
		t.Fatalf("the schedd sees %q (%v), %v", name, known, err)
	}
}

func TestNoOtherCertificateIsTrusted(t *testing.T) {
	ca, other := open(t), open(t)
	now := time.Now()
	asServer := func(c *tls.Certificate) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{*c}, ClientAuth: tls.RequestClientCert}
	}
	withCA := func(c *tls.Certificate) *tls.Certificate {
		return &tls.Certificate{Certificate: append(c.Certificate, ca.cert.Raw), PrivateKey: c.PrivateKey}
	}
	old := ca.ServerConfig()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for name, c := range map[string]struct {
		server *tls.Config
		client *tls.Config
	}{
		"a schedd of another authority":                   {other.ServerConfig(), config(t, Pin{CA: ca.PEM()}, nil)},
		"a schedd of another authority, by fingerprint":   {other.ServerConfig(), config(t, Pin{Fingerprint: ca.Fingerprint()}, nil)},
		"a worker that plays the schedd":                  {asServer(worker(t, ca, "w", now, WorkerLife)), config(t, Pin{CA: ca.PEM()}, nil)},
		"a worker that plays the schedd and shows the CA": {asServer(withCA(worker(t, ca, "w", now, WorkerLife))), config(t, Pin{Fingerprint: ca.Fingerprint()}, nil)},
		"another's certificate with our CA beside it":     {asServer(withCA(worker(t, other, ServerName, now, WorkerLife))), config(t, Pin{Fingerprint: ca.Fingerprint()}, nil)},
		"a worker of another authority":                   {ca.ServerConfig(), config(t, Pin{CA: ca.PEM()}, worker(t, other, "w", now, WorkerLife))},
		"a worker whose certificate has run out":          {ca.ServerConfig(), config(t, Pin{CA: ca.PEM()}, worker(t, ca, "w", now.Add(-48*time.Hour), WorkerLife))},
		"a schedd that speaks TLS 1.2":                    {old, config(t, Pin{CA: ca.PEM()}, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, serverErr, clientErr := shake(t, c.server, c.client)
			if clientErr == nil {
				t.Fatalf("they talked (server: %v)", serverErr)
			}
		})
	}
}

func TestAGuestWhoseClockIsDaysBehindStillKnowsItsSchedd(t *testing.T) {
	ca := open(t)
	cfg := ca.ServerConfig()
	for _, c := range []struct {
		behind time.Duration
		ok     bool
	}{{6 * 24 * time.Hour, true}, {8 * 24 * time.Hour, false}} {
		cert, err := cfg.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(cert.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(ca.cert)
		_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: ServerName, CurrentTime: time.Now().Add(-c.behind)})
		if (err == nil) != c.ok {
			t.Errorf("%v behind: %v", c.behind, err)
		}
	}
}

func TestTheScheddRenewsItsOwnCertificate(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		cfg := ca.ServerConfig("head.example", "10.1.2.3")
		serials := map[string]bool{}
		for range 40 { // ten days each: more than a year
			cert, err := cfg.GetCertificate(nil)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(cert.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(leaf.NotAfter); left < serverLife/4 {
				t.Fatalf("a certificate with %v left was shown", left)
			}
			if err := errors.Join(leaf.VerifyHostname("head.example"), leaf.VerifyHostname("10.1.2.3"), leaf.VerifyHostname(ServerName)); err != nil {
				t.Fatal(err)
			}
			serials[leaf.SerialNumber.String()] = true
			time.Sleep(10 * 24 * time.Hour)
		}
		if len(serials) < 5 || len(serials) > 10 {
			t.Fatalf("%d certificates in 400 days", len(serials))
		}
	})
}

func TestTheAuthorityIsMadeOnceAndStays(t *testing.T) {
	dir := t.TempDir()
	var made [8]*CA
	var all sync.WaitGroup
	for i := range made {
		all.Go(func() {
			var err error
			if made[i], err = Open(dir); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, ca := range made {
		if ca == nil || ca.Fingerprint() != made[0].Fingerprint() {
			t.Fatal("two authorities were made")
		}
	}
	info, err := os.Stat(filepath.Join(dir, File))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Fatalf("left in the directory: %v, %v", left, err)
	}
}

func TestAnAuthoritysFileThatIsWrongIsRefused(t *testing.T) {
	good, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, rest := pem.Decode(good)
	_, otherCert := pem.Decode(other)
	for name, c := range map[string]struct {
		content []byte
		mode    os.FileMode
		code    grid.Code
	}{
		"empty":                       {nil, 0o600, grid.Invalid},
		"cut short":                   {good[:len(good)/2], 0o600, grid.Invalid},
		"a certificate without a key": {rest, 0o600, grid.Invalid},
		"a key without a certificate": {pem.EncodeToMemory(key), 0o600, grid.Invalid},
		"another key's certificate":   {append(pem.EncodeToMemory(key), otherCert...), 0o600, grid.Invalid},
		"readable by others":          {good, 0o644, grid.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, File)
			if err := os.WriteFile(path, c.content, c.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir); grid.CodeOf(err) != c.code || !strings.Contains(err.Error(), path) {
				t.Fatalf("%v (%s)", err, grid.CodeOf(err))
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, c.content) {
				t.Fatal("the file was changed")
			}
		})
	}
}

func TestAnAuthorityThatWasHalfWrittenIsNoAuthority(t *testing.T) {
	// What a crash leaves behind: the file under its other name, without the last.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, File+".new-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(dir)
	if err != nil || first.Fingerprint() != second.Fingerprint() {
		t.Fatal("it was made twice", err)
	}
}

func TestOnlyGoodRequestsAreSigned(t *testing.T) {
	ca := open(t)
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	good, err := Request(key, "w")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(good)
	broken := bytes.Clone(block.Bytes)
	broken[len(broken)-1] ^= 1
	for name, c := range map[string]struct {
		csr  []byte
		name string
	}{
		"nothing":                      {nil, "w"},
		"no PEM":                       {[]byte("hello"), "w"},
		"a certificate":                {ca.PEM(), "w"},
		"something after it":           {append(bytes.Clone(good), "more"...), "w"},
		"a signature that is broken":   {pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: broken}), "w"},
		"a name with a slash":          {good, "../w"},
		"a name with a blank":          {good, "w w"},
		"no name":                      {good, ""},
		"a name that is hidden":        {good, ".w"},
		"a name that is much too long": {good, strings.Repeat("w", 200)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ca.Sign(c.csr, c.name, time.Now(), WorkerLife); grid.CodeOf(err) != grid.Invalid {
				t.Fatal(err)
			}
		})
	}
}

func FuzzSign(f *testing.F) {
	ca, err := Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	key, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	good, err := Request(key, "w")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(ca.PEM())
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n"))
	f.Fuzz(func(t *testing.T, csr []byte) {
		out, err := ca.Sign(csr, "w", time.Now(), WorkerLife)
		if err != nil {
			return
		}
		certs, err := parseCerts(out)
		if err != nil || certs[0].Subject.CommonName != "w" || certs[0].IsCA || len(certs[0].DNSNames) > 0 {
			t.Fatalf("signed: %+v, %v", certs, err)
		}
	})
}

func TestPinsThatPinNothingAreRefused(t *testing.T) {
	for name, pin := range map[string]Pin{
		"none":                {},
		"half a fingerprint":  {Fingerprint: "abcd"},
		"no hex":              {Fingerprint: strings.Repeat("zz", 32)},
		"a CA that is no PEM": {CA: []byte("x")},
	} {
		if _, err := ClientConfig(pin, nil); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokensFollowFromTheKeyAndThePurpose(t *testing.T) {
	dir := t.TempDir()
	open := func(dir string) *Secrets {
		s, err := OpenSecrets(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, again, other := open(dir), open(dir), open(t.TempDir())
	token := one.Token("claim 7")
	switch {
	case len(token) < 43:
		t.Fatal("a token that is no secret")
	case again.Token("claim 7") != token:
		t.Fatal("after a restart the token is another")
	case !one.Check(token, "claim 7"), one.Check(token, "claim 8"), one.Check("", "claim 7"), one.Check(token+"x", "claim 7"), other.Check(token, "claim 7"):
		t.Fatal("a token is taken for what it is not")
	}
}

func TestKeysOfRequestsAreKnownAgain(t *testing.T) {
	key, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	request := func() []byte {
		csr, err := Request(key, "w")
		if err != nil {
			t.Fatal(err)
		}
		return csr
	}
	a, err := RequestKey(request())
	if err != nil {
		t.Fatal(err)
	}
	b, err := RequestKey(request())
	if err != nil || !bytes.Equal(a, b) {
		t.Fatalf("two requests of one key give %x and %x (%v)", a, b, err)
	}
	if _, err := RequestKey([]byte("x")); grid.CodeOf(err) != grid.Invalid {
		t.Fatalf("no request: %v", err)
	}
}
