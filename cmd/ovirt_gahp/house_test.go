package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/gahp"
	"gridburst/gahp/ovirtsim"
	"gridburst/internal/rig"
	"gridburst/schedd"
	"gridburst/schedd/api"
)

// patience bounds what a test waits for; nothing is asserted about it.
const patience = time.Minute

// cloud is a simulated engine, on which other people have machines too.
type cloud struct {
	t   *testing.T
	sim *ovirtsim.Sim
	dir string
}

// foreign are machines of other people, with names like ours.
var foreign = []string{"gb-foreign", "gb-00000000-1"}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	m := ovirtsim.Model{
		Templates: []ovirtsim.Template{{Name: "worker", MemoryMB: 512}},
		Users:     []ovirtsim.User{{Name: "admin@internal", Password: password}},
		Times:     ovirtsim.Times{Lock: 20 * time.Millisecond, Launch: 20 * time.Millisecond, Boot: 20 * time.Millisecond, PowerOff: 20 * time.Millisecond, Remove: 20 * time.Millisecond},
	}
	for _, name := range foreign {
		m.VMs = append(m.VMs, ovirtsim.VM{Name: name, Status: ovirtsim.Up, Comment: "somebody else's"})
	}
	c := &cloud{t: t, sim: ovirtsim.Start(t, m), dir: t.TempDir()}
	for name, b := range map[string][]byte{"ca.pem": c.sim.CA, "password": []byte(password + "\n")} {
		if err := os.WriteFile(filepath.Join(c.dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// gahp is a process of the command, at this engine.
func (c *cloud) gahp() *gahp.Client {
	return gahp.NewClient(gahp.Options{Env: []string{asCommand + "=1"}, Command: []string{
		self(c.t), "--url", c.sim.URL, "--username", "admin@internal", "--password-file", filepath.Join(c.dir, "password"),
		"--ca-file", filepath.Join(c.dir, "ca.pem"), "--log-level", "error",
	}})
}

// rule lets something go wrong.
func (c *cloud) rule(r ovirtsim.Rule) (takeBack func()) {
	c.t.Helper()
	takeBack, err := c.sim.AddRule(r)
	if err != nil {
		c.t.Fatal(err)
	}
	return takeBack
}

// ours are the names of the machines that are not foreign.
func (c *cloud) ours() (out []string) {
	for _, m := range c.sim.Machines() {
		if !m.Foreign {
			out = append(out, m.Name)
		}
	}
	return out
}

// house is a schedd that may have machines of a cloud.
type house struct {
	*cloud
	*api.Client
	config schedd.Config
}

func (c *cloud) house(mod func(*schedd.Config)) *house {
	t := c.t
	t.Helper()
	dir := filepath.Join(t.TempDir(), "d")
	h := &house{cloud: c, Client: api.NewClient(filepath.Join(dir, "schedd.sock")), config: schedd.Config{
		Dir: dir, Name: "grid", Host: "host", Domain: "dom", Listen: "127.0.0.1:0", Names: []string{"127.0.0.1"}, Sweep: 50 * time.Millisecond,
		Resources: []schedd.Resource{{Name: "sim", URL: c.sim.URL, Username: "admin@internal", PasswordFile: filepath.Join(c.dir, "password"), MaxVMs: 4, Create: true}},
		Engine:    func(schedd.Credential) (gahp.Provider, error) { return c.gahp(), nil },
	}}
	if mod != nil {
		mod(&h.config)
	}
	log := logrus.New()
	log.SetOutput(t.Output())
	d, err := schedd.New(h.config, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- d.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the schedd ended with %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatalf("the schedd did not start: %v", err)
	}
	return h
}

// submit hands jobs in and gives the cluster.
func (h *house) submit(text string) int32 {
	h.t.Helper()
	specs, err := rig.Lower(h.t.Context(), h.Client, h.dir, text)
	if err != nil {
		h.t.Fatal(err)
	}
	out, err := h.Submit(h.t.Context(), api.Submission{Specs: specs})
	if err != nil {
		h.t.Fatal(err)
	}
	return out.Clusters[0].Cluster
}

// vm hands in a job that is a machine.
func (h *house) vm() string {
	h.t.Helper()
	return fmt.Sprintf("%d.0", h.submit(fmt.Sprintf("universe = grid\ngrid_resource = ovirt %s\novirt_username = admin@internal\novirt_password_file = password\novirt_template = worker\nqueue\n", h.sim.URL)))
}

// running is one whose guest is up.
func (h *house) running() string {
	h.t.Helper()
	id := h.vm()
	h.event("job_started", id)
	return id
}

// event waits for an event of a job.
func (h *house) event(kind, id string) api.Event {
	h.t.Helper()
	return h.wait(kind+" of "+id, func(e *api.Event) bool { return e.Type == kind && e.Jobs == id })
}

// moved waits until a claim has come to a state.
func (h *house) moved(claim uint32, to string) api.Event {
	h.t.Helper()
	return h.wait(fmt.Sprintf("claim %d to be %s", claim, to), func(e *api.Event) bool { return e.Type == "claim_moved" && e.ID == claim && e.To == to })
}

func (h *house) wait(what string, is func(*api.Event) bool) api.Event {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	for e, err := range h.Events(ctx, 0) {
		if err != nil {
			h.t.Fatalf("waiting for %s: %v; the claims are %+v", what, err, h.claims())
		}
		if is(&e) {
			return e
		}
	}
	h.t.Fatalf("waiting for %s: the events ended", what)
	return api.Event{}
}

// claims are the open ones.
func (h *house) claims() []api.Claim {
	h.t.Helper()
	out, err := h.Claims(h.t.Context(), false)
	if err != nil {
		h.t.Fatal(err)
	}
	return out.Claims
}

// waits waits until a claim says that it waits for something.
func (h *house) waits(for_ string) {
	h.t.Helper()
	h.until("a claim waits for "+for_, func() bool {
		return slices.ContainsFunc(h.claims(), func(c api.Claim) bool { return strings.Contains(c.Waits, for_) })
	})
}

// until looks until it is so.
func (c *cloud) until(what string, is func() bool) {
	c.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !is(); {
		select {
		case <-tick.C:
		case <-late:
			c.t.Fatalf("it does not come to be that %s; the machines are %+v", what, c.sim.Machines())
		}
	}
}

// listings waits until the engine was asked for so many more.
func (c *cloud) listings(n int) {
	c.t.Helper()
	n += c.sim.Calls()[ovirtsim.OpList]
	c.until("there are more listings", func() bool { return c.sim.Calls()[ovirtsim.OpList] >= n })
}

// remove removes jobs.
func (h *house) remove(ids ...string) {
	h.t.Helper()
	if _, err := h.Act(h.t.Context(), api.Action{Verb: "remove", Selection: api.Selection{IDs: ids}}); err != nil {
		h.t.Fatal(err)
	}
}

// judge heals everything, removes all jobs, and looks what is left: no machine of ours, and
// of the others all. most is how many of ours there may ever have been at a time.
func (c *cloud) judge(most int) {
	c.t.Helper()
	c.sim.ClearRules()
	c.until("no machine of ours is left", func() bool { return len(c.ours()) == 0 })
	left := map[string]bool{}
	for _, m := range c.sim.Machines() {
		left[m.Name] = m.Status == ovirtsim.Up && m.Comment == "somebody else's"
	}
	for _, name := range foreign {
		if !left[name] {
			c.t.Errorf("machine %s of somebody else is not as it was", name)
		}
	}
	entries, _ := c.sim.Journal(0)
	there := map[string]int{}
	for _, e := range entries {
		switch e.What {
		case ovirtsim.Created:
			there[e.Name]++
			if there[e.Name] > 1 {
				c.t.Errorf("machine %s was made twice", e.Name)
			}
		case ovirtsim.Gone:
			delete(there, e.Name)
		}
		if len(there) > most {
			c.t.Errorf("there were %d machines of ours at a time, and may be %d", len(there), most)
		}
	}
}

// killGAHPs kills every process of the command that this test has below it.
func killGAHPs(t *testing.T, url string) (n int) {
	t.Helper()
	all, err := rig.Below(os.Getpid())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for i := range all {
		if slices.Contains(all[i].Args, url) && all[i].Kill() {
			n++
		}
	}
	return n
}
