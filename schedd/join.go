package schedd

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/pki"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

func tlsListener(l net.Listener, c *tls.Config) net.Listener { return tls.NewListener(l, c) }

// maxJoin bounds a request for a certificate.
const maxJoin = 64 << 10

// join exchanges a one-time token for a worker's certificate. The ledger remembers
// which key the token was exchanged for before the certificate is given.
func (d *Daemon) join(w http.ResponseWriter, r *http.Request) {
	d.certify(w, r, func(body []byte) (name string, csr []byte, err error) {
		var q wire.JoinRequest
		if err := json.Unmarshal(body, &q); err != nil {
			return "", nil, grid.Errorf(grid.Invalid, "the request is not one to join: %w", err)
		}
		if !d.joins.Allow() {
			return "", nil, grid.Errorf(grid.Unavailable, "too many workers want to join at once; try again")
		}
		c := &ledger.Redeem{Worker: q.Worker, Claim: d.ledger.View().ClaimNamed(q.Worker)}
		purpose := claimPurpose(c.Claim, q.Worker)
		if c.Claim == 0 {
			k, err := d.tokenOf(q.Worker)
			if err != nil {
				return "", nil, err
			}
			c.Serial = k.Serial
			purpose = workerPurpose(q.Worker, k.Serial)
		}
		if !d.secrets.Check(strings.TrimSpace(q.Token), purpose) {
			return "", nil, grid.Errorf(grid.Unauthorized, "the token is not one for a worker named %s: ask for another", grid.Printable(q.Worker))
		}
		if c.Key, err = pki.RequestKey([]byte(q.CSR)); err != nil {
			return "", nil, err
		}
		_, err = d.propose(r.Context(), c)
		failpoint.Hit("join.redeem.after")
		return q.Worker, []byte(q.CSR), err
	})
}

// renewCertificate gives a worker whose certificate is about to end another, for the
// key that its token was exchanged for.
func (d *Daemon) renewCertificate(w http.ResponseWriter, r *http.Request) {
	d.certify(w, r, func(body []byte) (name string, csr []byte, err error) {
		name, ok := pki.WorkerOf(r.TLS)
		if !ok {
			return "", nil, grid.Errorf(grid.Unauthorized, "a worker renews with the certificate that it has")
		}
		var q wire.RenewRequest
		if err := json.Unmarshal(body, &q); err != nil {
			return "", nil, grid.Errorf(grid.Invalid, "the request is not one to renew: %w", err)
		}
		if _, _, err := d.claimed(name); err != nil {
			return "", nil, err
		}
		key, err := pki.RequestKey([]byte(q.CSR))
		if err != nil {
			return "", nil, err
		}
		k, err := d.tokenOf(name)
		if err == nil && string(k.Key) != string(key) {
			err = grid.Errorf(grid.Unauthorized, "worker %s has joined with another key since", name)
		}
		return name, []byte(q.CSR), err
	})
}

// claimed is the claim whose machine a worker of that name is, 0 if it is none, and
// whether it may not be given anything. A machine of ours may be a worker only while its
// claim is open.
func (d *Daemon) claimed(worker string) (claim uint32, drains bool, err error) {
	v := d.ledger.View()
	claim = v.ClaimNamed(worker)
	if claim == 0 && strings.HasPrefix(worker, ledger.ClaimPrefix(v.Deployment)) {
		return 0, false, grid.Errorf(grid.Unauthorized, "the machine %s is not wanted any more", worker)
	}
	c, ok := v.Claim(claim)
	return claim, ok && (c.State == grid.ClaimDraining || c.State == grid.ClaimStopping), nil
}

func (d *Daemon) tokenOf(worker string) (k ledger.Token, err error) {
	err = d.ledger.Read(func(r *ledger.Reader) error {
		k, err = r.Token(worker)
		return err
	})
	return k, err
}

func (d *Daemon) certify(w http.ResponseWriter, r *http.Request, check func([]byte) (string, []byte, error)) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJoin))
	if err != nil {
		wire.Refuse(w, grid.Errorf(grid.TooLarge, "the request is too long, or broke off: %w", err))
		return
	}
	name, csr, err := check(body)
	var cert []byte
	if err == nil {
		cert, err = d.ca.Sign(csr, name, time.Now(), pki.WorkerLife)
	}
	if err != nil {
		d.log.WithError(err).WithField("worker", grid.Printable(name)).Warn("a worker got no certificate")
		wire.Refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The worker asks again if the answer does not arrive.
	_ = json.NewEncoder(w).Encode(wire.JoinAnswer{Certificate: string(cert), CA: string(d.ca.PEM()), ValidMS: pki.WorkerLife.Milliseconds()})
}

// inviteFor is how long a token for a worker is good.
const inviteFor = 24 * time.Hour

// Invite implements [serve.Backend].
func (d *Daemon) Invite(ctx context.Context, who serve.Identity, q api.Invite) (out api.Invitation, err error) {
	if strings.HasPrefix(q.Worker, "gb-") {
		return out, grid.Errorf(grid.Invalid, "names that begin with gb- are those of machines that this schedd starts")
	}
	at, err := d.address()
	if err != nil {
		return out, err
	}
	until := d.now() + inviteFor.Milliseconds()
	r, err := d.ledger.Propose(ctx, ledger.Command{By: byUser(who.UID), At: d.now(), Body: &ledger.Invite{Worker: q.Worker, Until: until}})
	if err != nil {
		return out, err
	}
	return api.Invitation{
		Worker: q.Worker, Token: d.secrets.Token(workerPurpose(q.Worker, r.Value.(uint32))), Until: until / 1000,
		Schedd: at, CA: string(d.ca.PEM()), Fingerprint: d.ca.Fingerprint(),
	}, nil
}
