package worker

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/pki"
	"gridburst/internal/wire"
)

// authority is a schedd's side of joining: one token, good for the first key that comes
// with it.
type authority struct {
	*schedd
	ca *pki.CA

	key    []byte // that the token was exchanged for
	joins  int
	renews int
	life   time.Duration
}

const token = "one time"

func newAuthority(t *testing.T) *authority {
	t.Helper()
	ca, err := pki.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{schedd: scheddAt(t, wire.Endpoint{Network: "tcp", Address: l.Addr().String()}), ca: ca, life: pki.WorkerLife}
	files, stream := a.schedd.mux, a.schedd.stream
	mux := http.NewServeMux()
	mux.Handle("/", files)
	mux.HandleFunc("POST "+wire.JoinPath, a.join)
	mux.HandleFunc("POST "+wire.RenewPath, a.renew)
	mux.HandleFunc("GET "+wire.StreamPath, func(w http.ResponseWriter, r *http.Request) {
		if name, ok := pki.WorkerOf(r.TLS); !ok || name != "w1" {
			wire.Refuse(w, grid.Errorf(grid.Unauthorized, "no certificate"))
			return
		}
		stream(w, r)
	})
	a.mux = mux
	a.serve(tls.NewListener(l, ca.ServerConfig()))
	return a
}

func (a *authority) join(w http.ResponseWriter, r *http.Request) {
	var q wire.JoinRequest
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		wire.Refuse(w, err)
		return
	}
	key, err := pki.RequestKey([]byte(q.CSR))
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err != nil:
	case q.Token != token:
		err = grid.Errorf(grid.Unauthorized, "no such token")
	case a.key != nil && string(a.key) != string(key):
		err = grid.Errorf(grid.Unauthorized, "the token is spent")
	}
	if err != nil {
		wire.Refuse(w, err)
		return
	}
	a.key = key
	a.joins++
	a.answer(w, q.Worker, q.CSR)
}

func (a *authority) renew(w http.ResponseWriter, r *http.Request) {
	name, ok := pki.WorkerOf(r.TLS)
	var q wire.RenewRequest
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || !ok {
		wire.Refuse(w, grid.Errorf(grid.Unauthorized, "no certificate"))
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.renews++
	a.answer(w, name, q.CSR)
}

func (a *authority) answer(w http.ResponseWriter, name, csr string) {
	cert, err := a.ca.Sign([]byte(csr), name, time.Now(), a.life)
	if err != nil {
		wire.Refuse(w, err)
		return
	}
	json.NewEncoder(w).Encode(wire.JoinAnswer{Certificate: string(cert), CA: string(a.ca.PEM()), ValidMS: a.life.Milliseconds()})
}

func (a *authority) counts() (joins, renews int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.joins, a.renews
}

func (a *authority) with(token string) func(*Config) {
	return func(c *Config) {
		c.CA = a.ca.PEM()
		if token != "" {
			c.Token = func() (string, error) { return token, nil }
		}
	}
}

func TestAWorkerJoinsOnceAndIsKnownThen(t *testing.T) {
	a := newAuthority(t)
	w := worldOf(t, a.schedd)
	k := w.run(a.with(token))
	l := w.line()
	inputs := pack(t, file{"run.sh", "#!/bin/sh\nid -u; id -g; id -G\n", 0o755})
	w.set(func() { w.inputs = inputs })
	l.start(1, 1, wire.Execution{Owner: owner(), Cmd: "run.sh", Transfer: true, Out: "o"})
	r := l.ends(1, 1, wire.Exited)
	var sent []byte
	w.set(func() { sent = w.outputs[wire.OutputsPath(r.Job, 1)] })
	id := fmt.Sprintln(os.Geteuid())
	if os.Geteuid() == 0 { // people of another host are nobody here
		id = fmt.Sprintln(firstGuest + owner().UID)
	}
	if got := unpack(t, sent)[wire.StdoutName]; got != id+id+id {
		t.Fatalf("it ran as %q, want %q", got, id)
	}
	k.end(t)
	k = w.run(a.with("")) // no token any more
	w.line()
	k.end(t)
	// It died before it had its certificate written down: the same key gets another.
	cert := filepath.Join(w.state, privateDir, certFile)
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	k = w.run(a.with(token))
	w.line()
	k.end(t)
	if joins, renews := a.counts(); joins != 2 || renews != 0 {
		t.Fatalf("%d joins, %d renewals", joins, renews)
	}
	// Another key is another worker, whatever its name.
	for _, f := range []string{certFile, keyFile} {
		if err := os.Remove(filepath.Join(w.state, privateDir, f)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.run(a.with(token)).ended(t); grid.CodeOf(err) != grid.Unauthorized {
		t.Fatal(err)
	}
	if err := w.run(a.with("")).ended(t); grid.CodeOf(err) != grid.Unauthorized {
		t.Fatal(err)
	}
}

func TestACertificateIsRenewedInTime(t *testing.T) {
	a := newAuthority(t)
	w := worldOf(t, a.schedd)
	k := w.run(a.with(token))
	w.line()
	k.end(t)
	age := func(by time.Duration) {
		t.Helper()
		path := filepath.Join(w.state, privateDir, certFile)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var c certificate
		if err := json.Unmarshal(b, &c); err != nil {
			t.Fatal(err)
		}
		c.Given = c.Given.Add(-by)
		if b, err = json.Marshal(c); err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		by            time.Duration
		joins, renews int
	}{
		{pki.WorkerLife / 2, 1, 0}, {pki.WorkerLife/2 - time.Hour, 1, 1}, {2 * pki.WorkerLife, 1, 2}, {-time.Hour, 1, 3},
	} {
		age(c.by)
		k := w.run(a.with(token))
		w.line()
		k.end(t)
		if joins, renews := a.counts(); joins != c.joins || renews != c.renews {
			t.Fatalf("aged by %v: %d joins, %d renewals", c.by, joins, renews)
		}
	}
}

func TestACertificateThatIsNotTakenIsReplaced(t *testing.T) {
	a := newAuthority(t)
	w := worldOf(t, a.schedd)
	a.set(func() { a.life = -time.Minute }) // over, and the worker is not told
	path := filepath.Join(w.state, privateDir, certFile)
	k := w.run(a.with(token))
	until(t, "it has a certificate", func() bool { return exists(path) })
	k.end(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var c certificate
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	c.Answer.ValidMS = pki.WorkerLife.Milliseconds()
	if b, err = json.Marshal(c); err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.set(func() { a.life = pki.WorkerLife })
	w.run(a.with(token))
	w.line()
}

func TestAnotherAuthorityIsNotTrusted(t *testing.T) {
	a := newAuthority(t)
	other := newAuthority(t)
	w := worldOf(t, a.schedd)
	if err := w.run(other.with(token)).ended(t); grid.CodeOf(err) != grid.Unauthorized {
		t.Fatal(err)
	}
	if joins, _ := a.counts(); joins != 0 {
		t.Fatal("the token was shown to a stranger")
	}
}

func TestAMachineOfOursThatIsRefusedGoesOnTrying(t *testing.T) {
	a := newAuthority(t)
	w := worldOf(t, a.schedd)
	w.run(func(c *Config) {
		a.with("")(c)
		c.PowerOff = []string{"true"}
		tries := 0
		c.Token = func() (string, error) {
			if tries++; tries < 3 {
				return "wrong", nil
			}
			return token, nil
		}
	})
	w.line()
}
