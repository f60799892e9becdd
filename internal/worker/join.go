package worker

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/pki"
	"gridburst/internal/wire"
)

// identity is what a worker proves itself with over TLS: a key that it makes itself and
// never shows, and a certificate for it.
//
// Every step may be repeated. The key is on the disk before anybody hears of it, so a
// worker that dies after its token was redeemed asks again with the same key, which the
// schedd grants.
type identity struct {
	a      *Agent
	config *tls.Config
	key    []byte

	mu    sync.Mutex
	cert  *tls.Certificate
	since time.Time // when it was given, or loaded
	until time.Time
}

const (
	keyFile  = "worker.key"
	certFile = "worker.pem"
)

func openIdentity(a *Agent) (*identity, error) {
	i := &identity{a: a}
	var err error
	if i.config, err = pki.ClientConfig(pki.Pin{CA: a.c.CA}, i.own); err != nil {
		return nil, err
	}
	path := filepath.Join(a.private(), keyFile)
	if i.key, err = os.ReadFile(path); errors.Is(err, fs.ErrNotExist) {
		if i.key, err = pki.NewKey(); err == nil {
			err = writeDurably(a.private(), keyFile, i.key)
		}
	}
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(filepath.Join(a.private(), certFile))
	if errors.Is(err, fs.ErrNotExist) {
		return i, nil
	}
	if err != nil {
		return nil, err
	}
	cert, err := pki.KeyPair(pem, i.key)
	if err != nil {
		return nil, err
	}
	i.set(cert, time.Until(cert.Leaf.NotAfter))
	return i, nil
}

// own is the certificate for a handshake.
func (i *identity) own() *tls.Certificate {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cert
}

func (i *identity) set(cert *tls.Certificate, life time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cert, i.since = cert, time.Now()
	i.until = i.since.Add(life)
}

// valid reports whether there is a certificate that has not ended.
func (i *identity) valid() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cert != nil && time.Now().Before(i.until)
}

// join exchanges the token for a certificate, unless there is one.
func (i *identity) join(ctx context.Context) error {
	if i.valid() {
		return nil
	}
	if i.a.c.Token == nil {
		return grid.Errorf(grid.Unauthorized, "this worker has no certificate and no token to get one with: ask for a token with gtoken %s", i.a.c.Name)
	}
	token, err := i.a.c.Token()
	if err != nil {
		return err
	}
	csr, err := pki.Request(i.key, i.a.c.Name)
	if err != nil {
		return err
	}
	failpoint.Hit("worker.join.before")
	return i.ask(ctx, wire.JoinPath, wire.JoinRequest{Token: token, Worker: i.a.c.Name, CSR: string(csr)})
}

// ask sends a request for a certificate, and keeps what is given.
func (i *identity) ask(ctx context.Context, path string, q any) error {
	ctx, cancel := context.WithTimeout(ctx, firstSilence)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	c := http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return i.a.c.Schedd.DialContext(ctx) },
		DisableKeepAlives: true,
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://schedd"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := wire.Refusal(resp); err != nil {
		return err
	}
	var answer wire.JoinAnswer
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return grid.Errorf(grid.Unavailable, "the answer to a request for a certificate broke off: %w", err)
	}
	cert, err := pki.KeyPair([]byte(answer.Certificate), i.key)
	if err != nil {
		return err
	}
	failpoint.Hit("worker.join.after")
	if err := writeDurably(i.a.private(), certFile, []byte(answer.Certificate)); err != nil {
		return err
	}
	i.set(cert, time.Duration(answer.ValidMS)*time.Millisecond)
	return nil
}

// stayValid renews the certificate when two thirds of its life are over, until ctx ends.
func (i *identity) stayValid(ctx context.Context) {
	for {
		i.mu.Lock()
		life := i.until.Sub(i.since)
		wait := time.Until(i.since.Add(life * 2 / 3))
		have := i.cert != nil
		i.mu.Unlock()
		if !have {
			wait = time.Minute
		}
		t := time.NewTimer(max(wait, time.Minute))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		if !i.valid() {
			continue // joining is the way then
		}
		csr, err := pki.Request(i.key, i.a.c.Name)
		if err == nil && time.Until(i.since.Add(life*2/3)) <= 0 {
			err = i.ask(ctx, wire.RenewPath, wire.RenewRequest{CSR: string(csr)})
		}
		if err != nil && ctx.Err() == nil {
			i.a.log.WithError(err).Warn("the worker's certificate could not be renewed, and is tried again")
		}
	}
}
