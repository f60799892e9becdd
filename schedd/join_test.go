package schedd

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"os/user"
	"strings"
	"testing"

	"gridburst/internal/grid"
	"gridburst/internal/pki"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
)

// guest is a worker of another host, as far as joining goes.
type guest struct {
	t    *testing.T
	at   wire.Endpoint
	key  []byte
	cert *tls.Certificate
}

func newGuest(t *testing.T, inv api.Invitation) *guest {
	t.Helper()
	g := &guest{t: t}
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	g.key = key
	if g.at, err = wire.ParseEndpoint(inv.Schedd); err != nil {
		t.Fatal(err)
	}
	if g.at.TLS, err = pki.ClientConfig(pki.Pin{CA: []byte(inv.CA)}, func() *tls.Certificate { return g.cert }); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *guest) ask(path string, q any) error {
	g.t.Helper()
	body, err := json.Marshal(q)
	if err != nil {
		g.t.Fatal(err)
	}
	c := http.Client{Transport: &http.Transport{
		DialTLSContext:    func(ctx context.Context, _, _ string) (net.Conn, error) { return g.at.DialContext(ctx) },
		DisableKeepAlives: true,
	}}
	resp, err := c.Post("https://schedd"+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := wire.Refusal(resp); err != nil {
		return err
	}
	var a wire.JoinAnswer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return err
	}
	g.cert, err = pki.KeyPair([]byte(a.Certificate), g.key)
	return err
}

func (g *guest) join(name, token string) error {
	csr, err := pki.Request(g.key, name)
	if err != nil {
		g.t.Fatal(err)
	}
	return g.ask(wire.JoinPath, wire.JoinRequest{Token: token, Worker: name, CSR: string(csr)})
}

func (g *guest) renew(name string) error {
	csr, err := pki.Request(g.key, name)
	if err != nil {
		g.t.Fatal(err)
	}
	return g.ask(wire.RenewPath, wire.RenewRequest{CSR: string(csr)})
}

func TestAWorkerOfAnotherHostJoinsOnceWithItsToken(t *testing.T) {
	w := newPlace(t, func(c *Config) { c.Listen, c.Names = "127.0.0.1:0", []string{"127.0.0.1"} })
	invite := func(name string) api.Invitation {
		inv, err := w.Invite(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return inv
	}
	inv := invite("node7")
	g := newGuest(t, inv)
	if err := g.join("node8", inv.Token); grid.CodeOf(err) != grid.Unauthorized {
		t.Errorf("with the token of another name: %v", err)
	}
	if err := g.join("node7", strings.ToUpper(inv.Token)); grid.CodeOf(err) != grid.Unauthorized {
		t.Errorf("with a wrong token: %v", err)
	}
	if err := g.renew("node7"); grid.CodeOf(err) != grid.Unauthorized {
		t.Errorf("renewing without a certificate: %v", err)
	}
	if _, err := wire.Dial(t.Context(), g.at); grid.CodeOf(err) != grid.Unauthorized {
		t.Errorf("a stream without a certificate: %v", err)
	}
	if err := g.join("node7", inv.Token); err != nil {
		t.Fatal(err)
	}
	if err := g.join("node7", inv.Token); err != nil {
		t.Errorf("again with the same key, as after a lost answer: %v", err)
	}
	other := newGuest(t, inv)
	if err := other.join("node7", inv.Token); grid.CodeOf(err) != grid.Unauthorized {
		t.Errorf("the token a second time, with another key: %v", err)
	}
	w.restart() // what the token was exchanged for is remembered
	inv2 := inv
	inv2.Schedd, _ = w.live.d.address()
	late := newGuest(t, inv2)
	if err := late.join("node7", inv.Token); grid.CodeOf(err) != grid.Unauthorized {
		t.Errorf("the token a second time, after a restart: %v", err)
	}
	g.at.Address = late.at.Address
	if err := g.renew("node7"); err != nil {
		t.Errorf("renewing: %v", err)
	}
	w.crew("node7", 1, &g.at, nil)
	id := w.submit("executable = /bin/true\nshould_transfer_files = no\nqueue\n")
	if e := w.left(grid.JobID{Cluster: id}); e.To != "completed" {
		t.Errorf("its job: %+v", e)
	}
	// A new invitation is for a new key: the old one cannot renew any more.
	again := newGuest(t, inv2)
	if err := again.join("node7", invite("node7").Token); err != nil {
		t.Fatal(err)
	}
	if err := g.renew("node7"); grid.CodeOf(err) != grid.Unauthorized {
		t.Errorf("renewing with a key that another has followed: %v", err)
	}
	if _, err := w.Invite(t.Context(), "gb-x"); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("an invitation for a name of ours: %v", err)
	}
}

func TestWithoutAPortThereIsNothingToJoin(t *testing.T) {
	w := newPlace(t, nil)
	if _, err := w.Invite(t.Context(), "node7"); grid.CodeOf(err) != grid.Invalid || !strings.Contains(err.Error(), "listen") {
		t.Errorf("an invitation: %v", err)
	}
}

// handedOver is what a cloud-config carries for the worker.
func handedOver(t *testing.T, data string) (token, ca string) {
	t.Helper()
	// Behind an engine's own keys it must go on as the rest of a mapping.
	lines := strings.Split(data, "\n")
	var files []struct{ Path, Content string }
	for _, line := range lines {
		if value, ok := strings.CutPrefix(line, "write_files: "); ok {
			if err := json.Unmarshal([]byte(value), &files); err != nil {
				t.Fatalf("the user data %q: %v", data, err)
			}
		} else if word, _, key := strings.Cut(line, ":"); line != "" && line[0] != '#' && line[0] != ' ' && (!key || strings.ContainsAny(word, " {[")) {
			t.Errorf("the user data have the line %q", line)
		}
	}
	for _, f := range files {
		switch f.Path {
		case guestDir + "/token":
			token = strings.TrimSpace(f.Content)
		case guestDir + "/ca.pem":
			ca = f.Content
		}
	}
	return token, ca
}

func currentUser() (string, error) {
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return u.Username, nil
}
