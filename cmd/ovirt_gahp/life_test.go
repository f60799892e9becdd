package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gridburst/gahp"
	"gridburst/gahp/ovirtsim"
	"gridburst/schedd"
	"gridburst/schedd/api"
)

// ask is a request of an administrator's.
func (c *cloud) ask(method, path, body string) string {
	c.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.sim.CA)
	h := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer h.CloseIdleConnections()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.sim.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.SetBasicAuth("admin@internal", password)
	r.Header.Set("Content-Type", "application/xml")
	a, err := h.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode/100 != 2 {
		c.t.Fatalf("%s %s: %s %s (%v)", method, path, a.Status, b, err)
	}
	return string(b)
}

// things are the ids of what a listing holds.
func (c *cloud) things(path, element string) (ids []string) {
	c.t.Helper()
	d := xml.NewDecoder(strings.NewReader(c.ask("GET", path, "")))
	for depth := 0; ; {
		t, err := d.Token()
		if err == io.EOF {
			slices.Sort(ids)
			return ids
		}
		if err != nil {
			c.t.Fatal(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth++; depth == 2 && t.Name.Local == element {
				for _, a := range t.Attr {
					if a.Name.Local == "id" {
						ids = append(ids, a.Value)
					}
				}
			}
		case xml.EndElement:
			depth--
		}
	}
}

// removed: the machine, its disks and its network cards are gone, each by itself.
func TestNothingOfAMachineIsLeft(t *testing.T) {
	t.Parallel()
	h := newCloud(t).house(nil)
	before := map[string][]string{"vms": h.things("/vms", "vm"), "disks": h.things("/disks", "disk")}
	id := h.running()
	vm := ""
	for _, m := range h.sim.Machines() {
		if !m.Foreign {
			vm = m.ID
		}
	}
	nics, disks := h.things("/vms/"+vm+"/nics", "nic"), h.things("/disks", "disk")
	if len(nics) == 0 || len(disks) != len(before["disks"])+1 {
		t.Fatalf("its network cards are %v; there were the disks %v and are %v", nics, before["disks"], disks)
	}
	h.remove(id)
	h.event("job_left", id)
	for what, was := range before {
		if now := h.things("/"+what, strings.TrimSuffix(what, "s")); !slices.Equal(now, was) {
			t.Errorf("of %s there were %v, and are %v", what, was, now)
		}
	}
	if _, err := h.find(vm); gahp.KindOf(err) != gahp.NotFound {
		t.Errorf("its machine: %v", err)
	}
	h.judge(1)
}

func (c *cloud) find(id string) (gahp.VM, error) {
	g := c.gahp()
	defer g.Close()
	return g.Get(c.t.Context(), id)
}

// vmWith hands in a job that is a machine, with more lines.
func (h *house) vmWith(more string) string {
	h.t.Helper()
	return fmt.Sprintf("%d.0", h.submit(fmt.Sprintf("universe = grid\ngrid_resource = ovirt %s\novirt_username = admin@internal\novirt_password_file = password\novirt_template = worker\nlog = vm.log\n%s\nqueue\n", h.sim.URL, more)))
}

// What a job asks of the engine for its machine is what the engine then has.
func TestAMachineBelongsWhereItsJobSays(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	cluster := c.things("/clusters", "cluster")[0]
	c.ask("POST", "/clusters/"+cluster+"/affinitygroups", "<affinity_group><name>apart</name><positive>false</positive><enforcing>false</enforcing></affinity_group>")
	h := c.house(func(c *schedd.Config) {
		c.Resources[0].Burst = &schedd.Burst{
			Template: "worker", Cores: 1, MemoryMB: 512, MinVMs: 1, MaxVMs: 1,
			InstanceType: "Small", Affinity: []string{"apart"}, Tags: []string{"pool"},
		}
	})
	h.moved(1, "booting") // ahead of any need
	id := h.vmWith("ovirt_instance_type = Medium\novirt_affinity_groups = apart\novirt_tags = grid, alice")
	h.event("job_started", id)
	for _, m := range h.sim.Machines() {
		if m.Foreign {
			continue
		}
		b, want := h.sim.Belonging(m.ID), ovirtsim.Belonging{InstanceType: "Medium", Affinity: []string{"apart"}, Tags: []string{"alice", "grid"}}
		if strings.HasPrefix(m.Description, "overflow") {
			want = ovirtsim.Belonging{InstanceType: "Small", Affinity: []string{"apart"}, Tags: []string{"pool"}}
			if m.MemoryMB != 512 || m.Cores != 1 {
				t.Errorf("%s has %d MiB and %d cores", m.Name, m.MemoryMB, m.Cores)
			}
		}
		slices.Sort(b.Tags)
		if fmt.Sprint(b) != fmt.Sprint(want) {
			t.Errorf("%s belongs to %+v, want %+v", m.Name, b, want)
		}
	}
	h.remove(id)
	h.event("job_left", id)
	if err := h.ActOnClaim(t.Context(), 1, "stop"); err != nil {
		t.Fatal(err)
	}
}

// What is to be kept of a machine is there when it is gone: a template, and the engine's
// words about it. An answer that is lost on the way is no second template.
func TestWhatIsToBeKeptOfAMachineIs(t *testing.T) {
	t.Parallel()
	h := newCloud(t).house(nil)
	h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpChange}, Method: "POST", Times: 1, Drop: ovirtsim.DropAnswer})
	templates := h.things("/templates", "template")
	h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpStart}, Lifetime: 1})
	id := h.vmWith("ovirt_snapshot = kept-$(Cluster)\novirt_machine_log = machine.log")
	h.event("job_left", id)
	h.moved(1, "gone")
	if now := h.things("/templates", "template"); len(now) != len(templates)+1 {
		t.Errorf("there were the templates %v, and are %v", templates, now)
	}
	if got := h.ask("GET", "/templates?search=name=kept-1", ""); !strings.Contains(got, "<status>ok</status>") {
		t.Errorf("the template is %s", got)
	}
	b, err := os.ReadFile(filepath.Join(h.dir, "machine.log"))
	if text := string(b); err != nil || !strings.Contains(text, " normal VM gb-") || !strings.Contains(text, "is down") {
		t.Errorf("the engine's words are %q (%v)", b, err)
	}
	h.judge(1)
}

// One machine is one job after another; vacated, a job is its machine again.
func TestAMachineIsUsedAgain(t *testing.T) {
	t.Parallel()
	h := newCloud(t).house(func(c *schedd.Config) { c.Resources[0].MaxVMs = 1 })
	id := h.vmWith("ovirt_reuse = 3600\novirt_user_data = #cloud-config")
	h.event("job_started", id)
	if _, err := h.Act(t.Context(), api.Action{Verb: "vacate", Selection: api.Selection{IDs: []string{id}}}); err != nil {
		t.Fatal(err)
	}
	h.wait("its second start", func(e *api.Event) bool { return e.Type == "job_started" && e.Epoch == 2 })
	h.rule(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpStart}, Times: 1, Drop: ovirtsim.DropAnswer, Lifetime: 1}) // its guest has ended when the answer is missed
	h.remove(id)
	h.event("job_left", id)
	next := []string{h.vmWith("ovirt_reuse = 3600\novirt_user_data = one"), h.vmWith("ovirt_reuse = 1\novirt_user_data = two")}
	h.event("job_left", next[0])
	h.event("job_started", next[1])
	entries, _ := h.sim.Journal(0)
	made, started := 0, 0
	for _, e := range entries {
		switch e.What {
		case ovirtsim.Created:
			made++
		case ovirtsim.Started:
			started++
		}
	}
	if made != 2 || started != 4 {
		t.Errorf("%d machines were made and %d times started, for 4 executions of which two were of a machine that was there", made, started)
	}
	for _, m := range h.sim.Machines() {
		if !m.Foreign && m.Booted != "two" {
			t.Errorf("its guest was given %q", m.Booted)
		}
	}
	h.remove(next[1])
	h.judge(1)
}
