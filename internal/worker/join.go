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
	"slices"
	"sync"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/pki"
	"gridburst/internal/whole"
	"gridburst/internal/wire"
)

// identity is what a worker proves itself with over TLS: a key that it makes itself and
// never shows, and a certificate for it.
//
// Every step may be repeated. The key is on the disk before anybody hears of it, so a
// worker that dies after its token was redeemed asks again with the same key, which the
// schedd grants.
type identity struct {
	a   *Agent
	key []byte

	mu      sync.Mutex
	has     certificate // zero: none yet
	tls     *tls.Config
	refused bool // the schedd did not take the certificate
}

// certificate is what the worker was given, as its file has it. Times are this
// machine's, whose clock may be wrong: the schedd says how long the certificate lives.
type certificate struct {
	Worker string          `json:"worker"`
	Given  time.Time       `json:"given"`
	Answer wire.JoinAnswer `json:"answer"`
}

const (
	keyFile  = "worker.key"
	certFile = "certificate.json"
)

// over is the part of the certificate's life that is over; more than 1 for one that
// has ended, or was given by a clock that was ahead.
func (c *certificate) over(now time.Time) float64 {
	if now.Before(c.Given) || c.Answer.ValidMS <= 0 {
		return 2
	}
	return float64(now.Sub(c.Given).Milliseconds()) / float64(c.Answer.ValidMS)
}

// renewAt is the part of its life after which a certificate is renewed.
const renewAt = 2.0 / 3

func openIdentity(a *Agent) (*identity, error) {
	i := &identity{a: a}
	var err error
	if i.key, err = os.ReadFile(filepath.Join(a.private(), keyFile)); errors.Is(err, fs.ErrNotExist) {
		if i.key, err = pki.NewKey(); err == nil {
			err = whole.Store(filepath.Join(a.private(), keyFile), i.key, 0o600)
		}
	}
	if err != nil {
		return nil, err
	}
	var has certificate
	b, err := os.ReadFile(filepath.Join(a.private(), certFile))
	if err == nil {
		err = json.Unmarshal(b, &has)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if has.Worker != a.c.Name { // none, or one under a name that the worker had
		has = certificate{}
	}
	return i, i.take(has)
}

// take makes a certificate, or none, the one that is shown.
func (i *identity) take(has certificate) error {
	var cert *tls.Certificate
	var err error
	if has.Answer.Certificate != "" {
		if cert, err = pki.KeyPair([]byte(has.Answer.Certificate), i.key); err != nil {
			return err
		}
	}
	// The authority that was given by hand stays, whatever the schedd named since.
	trusted := slices.Concat(i.a.c.CA, []byte("\n"), []byte(has.Answer.CA))
	config, err := pki.ClientConfig(pki.Pin{CA: trusted}, func() *tls.Certificate { return cert })
	if err != nil {
		return err
	}
	i.mu.Lock()
	i.has, i.tls, i.refused = has, config, false
	i.mu.Unlock()
	i.a.files.CloseIdleConnections() // they showed another one
	return nil
}

// config is for the next handshake.
func (i *identity) config() *tls.Config {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.tls
}

// judge looks whether a connection failed because the schedd does not take the
// certificate: its life was told wrong, or the authority is another one.
func (i *identity) judge(err error) {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" { // an alert of TLS
		i.mu.Lock()
		defer i.mu.Unlock()
		i.refused = true
	}
}

// refusedError is a schedd that will not have this worker.
type refusedError struct{ Err error }

func (e *refusedError) Error() string { return e.Err.Error() }

func (e *refusedError) Unwrap() error { return e.Err }

// ensure gets a certificate where there is none that holds: by the old one, or else by
// the token. The error is a [*refusedError] when neither can ever do.
func (i *identity) ensure(ctx context.Context) error {
	i.mu.Lock()
	old, have, over, refused := i.has, i.has.Answer.Certificate != "", i.has.over(time.Now()), i.refused
	i.mu.Unlock()
	if have && !refused && over < renewAt {
		return nil
	}
	if have && !refused && (i.renew(ctx) == nil || over < 1) {
		return nil // or it is tried again soon
	}
	// A certificate that does not hold must not be shown, with whatever request.
	if err := i.take(certificate{}); err != nil {
		return err
	}
	err := i.join(ctx)
	if err == nil {
		return nil
	}
	if have {
		// The schedd may think better of it.
		i.a.log.WithError(err).Warn("the worker's certificate does not hold, and there is no other")
		return i.take(old)
	}
	switch grid.CodeOf(err) {
	case grid.Unauthorized, grid.Forbidden, grid.Refused, grid.Conflict, grid.Invalid, grid.NotFound, grid.Gone:
		return &refusedError{err}
	}
	return err
}

// join exchanges the token for a certificate.
func (i *identity) join(ctx context.Context) error {
	if i.a.c.Token == nil {
		return grid.Errorf(grid.Unauthorized, "this worker has no certificate that holds, and no token to get one with: ask for a token with gtoken %s", i.a.c.Name)
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

// renew exchanges the certificate for a younger one.
func (i *identity) renew(ctx context.Context) error {
	csr, err := pki.Request(i.key, i.a.c.Name)
	if err == nil {
		err = i.ask(ctx, wire.RenewPath, wire.RenewRequest{CSR: string(csr)})
	}
	if err != nil && ctx.Err() == nil {
		i.a.log.WithError(err).Warn("the worker's certificate could not be renewed, which is tried again")
	}
	return err
}

// ask sends a request for a certificate, and keeps what is given.
func (i *identity) ask(ctx context.Context, path string, q any) error {
	ctx, cancel := context.WithTimeout(ctx, firstSilence)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return err
	}
	resp, err := i.a.request(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		var known *grid.Error
		if errors.As(err, &known) {
			return err
		}
		return grid.Errorf(grid.Unavailable, "ask the schedd for a certificate: %w", err)
	}
	defer resp.Body.Close()
	has := certificate{Worker: i.a.c.Name, Given: time.Now().Truncate(time.Millisecond)}
	if err := json.NewDecoder(resp.Body).Decode(&has.Answer); err != nil {
		return grid.Errorf(grid.Unavailable, "the answer to a request for a certificate broke off: %w", err)
	}
	failpoint.Hit("worker.join.after")
	if _, err := pki.KeyPair([]byte(has.Answer.Certificate), i.key); err != nil {
		return grid.Errorf(grid.Internal, "the schedd gave a certificate that does not hold: %w", err)
	}
	b, err := json.Marshal(has)
	if err != nil {
		return err
	}
	if err := whole.Store(filepath.Join(i.a.private(), certFile), b, 0o600); err != nil {
		return err
	}
	return i.take(has)
}

// stayValid renews the certificate in time, until ctx ends.
func (i *identity) stayValid(ctx context.Context) {
	for pause.For(ctx, time.Minute) == nil {
		i.mu.Lock()
		due := i.has.Answer.Certificate != "" && i.has.over(time.Now()) >= renewAt
		i.mu.Unlock()
		if due {
			_ = i.renew(ctx) // it has said what is wrong
		}
	}
}
