package schedd

import (
	"slices"
	"strings"
	"testing"

	"gridburst/gahp/conform"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
)

// comes is an agent that comes as a worker by an endpoint.
func (p *place) comes(at wire.Endpoint, worker, boot, session string) *worker {
	p.t.Helper()
	return p.connectAt(&at, helloOf(worker, boot, session))
}

// refuses: one is not let in.
func (p *place) refuses(at wire.Endpoint, worker, boot, session string) {
	p.t.Helper()
	rwc, err := wire.Dial(p.t.Context(), at)
	if err != nil {
		p.t.Fatal(err)
	}
	s := wire.NewStream(rwc, patience)
	h := helloOf(worker, boot, session)
	if err := s.Send(wire.Message{Hello: &h}); err != nil {
		return
	}
	_ = s.Run(p.t.Context(), func(m wire.Message) error {
		if m.Welcome != nil {
			p.t.Errorf("worker %s is welcome as %s", worker, session)
		}
		return grid.Errorf(grid.Refused, "it is enough")
	})
}

func helloOf(worker, boot, session string) wire.Hello {
	return wire.Hello{
		Version: wire.Version, Worker: worker, Boot: boot, Session: session, Agent: "test", Isolation: wire.ProcessGroups,
		Advert: wire.Advert{Attrs: map[string]string{
			"Cpus": "2", "Memory": "1000", "Disk": "1000000", "Arch": `"X86_64"`, "OpSys": `"LINUX"`, "FileSystemDomain": `"dom"`, "HasFileTransfer": "true",
		}},
	}
}

func TestAWorkerOfWhichThereAreTwoLosesItsIdentity(t *testing.T) {
	p := newPlace(t, func(c *Config) { c.Listen, c.Names = "127.0.0.1:0", []string{"127.0.0.1"} })
	joins := func() *guest {
		inv, err := p.Invite(t.Context(), "node7")
		if err != nil {
			t.Fatal(err)
		}
		g := newGuest(t, inv)
		if err := g.join("node7", inv.Token); err != nil {
			t.Fatal(err)
		}
		return g
	}
	g := joins()
	// Agents that are started anew, one after another, are one worker.
	for _, session := range []string{"1", "1", "2", "2", "3"} {
		p.comes(g.at, "node7", "boot", session)
	}
	// Two that come in turn are not.
	for range 2 {
		p.comes(g.at, "node7", "boot", "original")
		p.comes(g.at, "node7", "another boot", "copy")
	}
	p.refuses(g.at, "node7", "boot", "original")
	p.refuses(g.at, "node7", "another boot", "copy")
	if err := g.renew("node7"); grid.CodeOf(err) != grid.Unauthorized {
		t.Errorf("renewing: %v", err)
	}
	p.restart()
	at, err := wire.ParseEndpoint(func() string { a, _ := p.live.d.address(); return a }())
	if err != nil {
		t.Fatal(err)
	}
	at.TLS = g.at.TLS
	p.refuses(at, "node7", "boot", "original")
	p.comes(joins().at, "node7", "boot", "original")
}

func TestAMachineThatWasClonedIsTakenAway(t *testing.T) {
	l := newLab(t, bursting)
	l.submit("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\nqueue\n")
	l.waitFor("the machine to boot", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
	machines := l.engine.Machines()
	m := machines[slices.IndexFunc(machines, func(m conform.Machine) bool { return strings.HasPrefix(m.Name, "gb-") && m.Name != conform.Foreign })]
	token, ca := handedOver(t, m.UserData)
	at, err := l.live.d.address()
	if err != nil {
		t.Fatal(err)
	}
	g := newGuest(t, api.Invitation{Schedd: at, CA: ca})
	if err := g.join(m.Name, token); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l.comes(g.at, m.Name, "boot", "original")
		l.comes(g.at, m.Name, "another boot", "copy")
	}
	l.refuses(g.at, m.Name, "boot", "original")
	e := l.waitFor("the machine to be stopped", func(e *api.Event) bool { return e.Type == "claim_moved" && e.ID == 1 && e.To == "stopping" })
	if !strings.Contains(e.Text, "cloned") {
		t.Errorf("it is stopped because %q", e.Text)
	}
	l.gone(1)
}
