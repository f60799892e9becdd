package ovirt_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/ovirt"
	"gridburst/gahp/ovirtsim"
)

// The provider does what every provider must, over the wire of the simulated engine.
func TestConformance(t *testing.T) {
	h := conform.Harness{Start: func(t *testing.T) conform.World {
		w := newWorld(t)
		e, err := ovirt.Open(w.config)
		if err != nil {
			t.Fatal(err)
		}
		return w.behind(gahp.Fenced(e))
	}}
	conform.Run(t, h)
	conform.RunExtra(t, h)
}

// So does the command, at the other side of the process boundary.
func TestConformanceOfTheCommand(t *testing.T) {
	command := build(t)
	h := conform.Harness{Start: func(t *testing.T) conform.World {
		w := newWorld(t)
		c := gahp.NewClient(gahp.Options{Command: []string{
			command, "--url", w.config.URL, "--username", w.config.Username, "--password-file", w.config.PasswordFile,
			"--ca-file", w.config.CAFile, "--refusal-pause", w.config.RefusalPause.String(),
		}})
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
		return w.behind(c)
	}}
	conform.Run(t, h)
	conform.RunExtra(t, h)
}

// What the suite has no word for, and the simulator has.
func TestAgainstTheSimulator(t *testing.T) {
	w := newWorld(t)
	e, err := ovirt.Open(w.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, o := t.Context(), gahp.Order{Term: 1}
	m, err := e.Create(ctx, o, gahp.Create{Name: "gb-1", Template: guarded, Mark: "gridburst d1/1"})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Second)
	w.sim.EndSessions() // a new login is nobody's business
	if err := e.Start(ctx, o, m.ID, gahp.Start{}); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Second)
	for what, look := range map[string]func() (gahp.VM, error){
		"get":  func() (gahp.VM, error) { return e.Get(ctx, m.ID) },
		"find": func() (gahp.VM, error) { return e.Find(ctx, m.Name) },
	} {
		if m, err := look(); err != nil || m.State != gahp.Up || len(m.Addresses) != 1 {
			t.Errorf("%s: %+v, %v; want it up, with one address", what, m, err)
		}
	}
	if err := e.Stop(ctx, o, m.ID); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Second)
	// The template's machines are highly available and may not be deleted. Ours may.
	if err := e.Remove(ctx, o, m.ID); err != nil {
		t.Error(err)
	}
}

// guarded is a template whose machines start again by themselves and cannot be
// deleted.
const guarded = "guarded"

// build makes the command.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ovirt_gahp")
	if out, err := exec.Command("go", "build", "-o", path, "gridburst/cmd/ovirt_gahp").CombinedOutput(); err != nil {
		t.Fatalf("build the command: %v\n%s", err, out)
	}
	return path
}

// world is a simulated engine that holds the stock, and how it is reached.
type world struct {
	sim    *ovirtsim.Sim
	clock  *ovirtsim.ManualClock
	config ovirt.Config
}

func newWorld(t *testing.T) world {
	t.Helper()
	const tick = 20 * time.Millisecond
	m := ovirtsim.Model{
		Clusters: []ovirtsim.Cluster{{Name: conform.Cluster}},
		Times:    ovirtsim.Times{Lock: tick, Launch: tick, Boot: tick, Report: tick, PowerOff: tick, Remove: tick},
	}
	for _, s := range conform.Stock().Templates {
		m.Templates = append(m.Templates, ovirtsim.Template{Name: s.Name, Version: s.Version, Status: s.State, MemoryMB: s.MemoryMB, Cores: s.Cores})
	}
	m.Templates = append(m.Templates, ovirtsim.Template{Name: guarded, HA: true, Protect: true})
	for _, s := range conform.Stock().Machines {
		m.VMs = append(m.VMs, ovirtsim.VM{
			Name: s.Name, Status: ovirtsim.Status(s.State), Comment: s.Mark, Description: s.Description, MemoryMB: s.MemoryMB, Cores: s.Cores,
		})
	}
	for _, q := range conform.Stock().Quotas {
		m.Quotas = append(m.Quotas, ovirtsim.Quota{Name: q})
	}
	w := world{clock: ovirtsim.NewClock()}
	w.sim = ovirtsim.Start(t, m, ovirtsim.Options{Clock: w.clock})
	for _, g := range conform.Stock().Affinity {
		w.group(t, g)
	}
	dir := t.TempDir()
	w.config = ovirt.Config{
		URL: w.sim.URL, Username: "admin@internal", PasswordFile: filepath.Join(dir, "password"), CAFile: filepath.Join(dir, "ca.pem"),
		RefusalPause: 1, // the suite mends the engine, where people mend the password
	}
	for path, content := range map[string]string{w.config.PasswordFile: ovirtsim.Password, w.config.CAFile: string(w.sim.CA)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// group makes an affinity group, as an administrator does.
func (w world) group(t *testing.T, name string) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.sim.CA)
	c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer c.CloseIdleConnections()
	do := func(method, path, body string) string {
		r, err := http.NewRequestWithContext(t.Context(), method, w.sim.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("admin@internal", ovirtsim.Password)
		r.Header.Set("Content-Type", "application/xml")
		a, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err != nil || a.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %s %s (%v)", method, path, a.Status, b, err)
		}
		return string(b)
	}
	_, rest, _ := strings.Cut(do("GET", "/clusters?search=name="+conform.Cluster, ""), `/clusters/`)
	do("POST", "/clusters/"+rest[:36]+"/affinitygroups", "<affinity_group><name>"+name+"</name><positive>false</positive><enforcing>false</enforcing></affinity_group>")
}

func (w world) behind(p gahp.Provider) conform.World {
	return conform.World{Provider: p, Inject: w.inject, Machines: w.machines, Pass: w.clock.Advance}
}

// rules are the suite's faults in the simulator's terms.
var rules = func() map[conform.Fault]ovirtsim.Rule {
	orders := []ovirtsim.Op{ovirtsim.OpChange, ovirtsim.OpCreate, ovirtsim.OpStart, ovirtsim.OpStop, ovirtsim.OpShutdown, ovirtsim.OpRemove}
	list, create, start := []ovirtsim.Op{ovirtsim.OpList}, []ovirtsim.Op{ovirtsim.OpCreate}, []ovirtsim.Op{ovirtsim.OpStart}
	return map[conform.Fault]ovirtsim.Rule{
		conform.LoseAnswer:     {Ops: orders, Drop: ovirtsim.DropAnswer},
		conform.LoseRequest:    {Ops: orders, Drop: ovirtsim.DropRequest},
		conform.Silent:         {Hang: true},
		conform.Down:           {Refuse: true},
		conform.BadCredential:  {Status: 401},
		conform.NoCapacity:     {Ops: start, Fault: "ALL_HOSTS_FILTERED_OUT"},
		conform.OverQuota:      {Ops: create, Fault: "QUOTA_STORAGE_LIMIT"},
		conform.BrokenListing:  {Ops: list, Truncate: true},
		conform.SlowCreate:     {Ops: create, Busy: 500 * time.Millisecond},
		conform.LongLock:       {Ops: create, Hold: true},
		conform.SlowBoot:       {Ops: start, Hold: true},
		conform.DeafGuest:      {Ops: start, Deaf: true},
		conform.GuestPowersOff: {Ops: start, Lifetime: time.Millisecond},
		conform.RollBack:       {Ops: create, RollBack: true},
		conform.HostLost:       {Show: ovirtsim.Unknown},
	}
}()

func (w world) inject(t testing.TB, f conform.Fault) func() {
	t.Helper()
	r, ok := rules[f]
	if !ok {
		t.Fatalf("the simulator is not told how to have the fault %q", f)
	}
	takeBack, err := w.sim.AddRule(r)
	if err != nil {
		t.Fatal(err)
	}
	return takeBack
}

func (w world) machines(testing.TB) (out []conform.Machine) {
	for _, m := range w.sim.Machines() {
		b := w.sim.Belonging(m.ID)
		out = append(out, conform.Machine{
			ID: m.ID, Name: m.Name, State: gahp.State(m.Status), Mark: m.Comment, Description: m.Description, Template: m.Template, Version: m.Version,
			MemoryMB: m.MemoryMB, Cores: m.Cores, HostName: m.HostName, UserData: m.UserData, Booted: m.Booted,
			InstanceType: b.InstanceType, Quota: b.Quota, Affinity: strings.Join(b.Affinity, ","), Tags: strings.Join(b.Tags, ","),
		})
	}
	return out
}
