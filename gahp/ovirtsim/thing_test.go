package ovirtsim

import (
	"bytes"
	"crypto/rand"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"
)

// part is what a test reads of anything.
type part struct {
	ID     string `xml:"id,attr"`
	Name   string `xml:"name"`
	Alias  string `xml:"alias"`
	Status string `xml:"status"`
	Phase  string `xml:"phase"`
	Size   int64  `xml:"provisioned_size"`
	URL    string `xml:"transfer_url"`
	Disk   struct {
		ID string `xml:"id,attr"`
	} `xml:"disk"`
	Host struct {
		ID string `xml:"id,attr"`
	} `xml:"host"`
	Template struct {
		ID string `xml:"id,attr"`
	} `xml:"template"`
}

// list is what a test reads of a list.
type list struct {
	All []part `xml:",any"`
}

// all is a list, read.
func all(t testing.TB, text string) []part {
	t.Helper()
	var l list
	if err := xml.Unmarshal([]byte(text), &l); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return l.All
}

// of is an answer, read.
func (c *client) of(method, path, body string, status int) part {
	c.t.Helper()
	var p part
	if text := c.do(method, path, body, status); text != "" {
		if err := xml.Unmarshal([]byte(text), &p); err != nil {
			c.t.Fatalf("%v in\n%s", err, text)
		}
	}
	return p
}

// ids are those of a list.
func (c *client) ids(path string) (out []string) {
	c.t.Helper()
	for _, p := range all(c.t, c.do("GET", path, "", 200)) {
		out = append(out, p.ID)
	}
	return out
}

const newDiskText = "<disk><alias>data</alias><format>cow</format><provisioned_size>1073741824</provisioned_size></disk>"

func TestDisksAreMadeAttachedAndGo(t *testing.T) {
	m, clock := slow(Model{StorageDomains: []StorageDomain{{Name: "one"}, {Name: "two", SizeMB: 512}, {Name: "files", Type: "iso"}}})
	s := Start(t, m, Options{Clock: clock})
	c := logged(t, s)
	v, other := c.add("gb-1", ""), c.add("gb-2", "")
	clock.Advance(time.Second)
	at := "/vms/" + v.ID

	d := c.of("POST", "/disks", newDiskText, 202)
	disk := "/disks/" + d.ID
	if d.Status != "locked" || d.Size != 1<<30 {
		t.Fatalf("made: %+v", d)
	}
	attach := func(id, more string) string {
		return `<disk_attachment><interface>virtio</interface>` + more + `<disk id="` + id + `"/></disk_attachment>`
	}
	c.refused("POST", at+"/diskattachments", attach(d.ID, ""), 409, "Disk is locked")
	clock.Advance(time.Second)
	c.refused("POST", at+"/diskattachments", attach(d.ID, "<bootable>true</bootable>"), 409, "already has a bootable disk")
	c.refused("POST", at+"/diskattachments", "<disk_attachment><disk id='"+d.ID+"'/></disk_attachment>", 400, "required for add")
	c.do("POST", at+"/diskattachments", attach(d.ID, "<active>true</active>"), 201)
	c.refused("POST", "/vms/"+other.ID+"/diskattachments", attach(d.ID, ""), 409, "already attached to VM gb-1")
	if got := c.ids(at + "/diskattachments"); len(got) != 2 {
		t.Fatalf("it has the disks %v", got)
	}
	c.refused("PUT", disk, "<disk><provisioned_size>1</provisioned_size></disk>", 409, "must be larger")
	c.do("PUT", at+"/diskattachments/"+d.ID, "<disk_attachment><disk><provisioned_size>2147483648</provisioned_size></disk></disk_attachment>", 200)
	clock.Advance(time.Second)
	if got := c.of("GET", disk, "", 200); got.Size != 2<<30 || got.Status != "ok" {
		t.Errorf("it is %+v", got)
	}

	c.do("POST", at+"/start", "<action/>", 200)
	c.refused("DELETE", disk, "", 409, "VM is running")
	c.refused("DELETE", at+"/diskattachments/"+d.ID, "", 409, "VM is running")
	c.do("POST", at+"/stop", "<action/>", 200)
	c.do("DELETE", at+"/diskattachments/"+d.ID, "", 200)
	c.do("POST", at+"/diskattachments", attach(d.ID, ""), 201)

	// It goes with its machine; a removal may leave disks that stand alone.
	c.refused("DELETE", at+"?detach_only=true", "", 409, "based on a Template")
	c.do("DELETE", at, "", 200)
	clock.Advance(time.Second)
	c.do("GET", disk, "", 404)
	if got := c.ids("/disks?search=alias%3Dgb-1*"); len(got) != 0 {
		t.Errorf("the machine is gone, and its disks %v are not", got)
	}

	for body, says := range map[string]string{
		"<disk><format>cow</format></disk>":                                                                                                        "required for add",
		"<disk><format>cow</format><provisioned_size>0</provisioned_size></disk>":                                                                  "greater than zero",
		"<disk><format>qed</format><provisioned_size>1</provisioned_size></disk>":                                                                  "isn't valid",
		"<disk><format>cow</format><sparse>false</sparse><provisioned_size>1</provisioned_size></disk>":                                            "incompatible",
		strings.Replace(newDiskText, "</disk>", "<storage_domains><storage_domain><name>none</name></storage_domain></storage_domains></disk>", 1): "doesn't exist",
	} {
		c.refused("POST", "/disks", body, 400, says)
	}
	in := func(domain, more string) string {
		return strings.Replace(newDiskText, "</disk>", more+"<storage_domains><storage_domain><name>"+domain+"</name></storage_domain></storage_domains></disk>", 1)
	}
	c.refused("POST", "/disks", in("files", ""), 409, "not supported for disks")
	c.do("POST", "/disks", in("two", ""), 202) // thin
	c.refused("POST", "/disks", strings.Replace(in("two", "<sparse>false</sparse>"), "cow", "raw", 1), 409, "Low disk space")
}

func TestNetworkCards(t *testing.T) {
	s := Start(t, Model{MACs: 3})
	c := logged(t, s)
	v := c.add("gb-1", "")
	until(t, s, "gb-1", Down)
	nics := "/vms/" + v.ID + "/nics"
	n := c.of("POST", nics, "<nic><name>b</name><mac><address>56:6F:00:00:00:01</address></mac></nic>", 201)
	c.refused("POST", nics, "<nic><name>b</name></nic>", 409, "name is already in use")
	c.refused("POST", nics, "<nic><name>c</name><mac><address>56:6f:00:00:00:01</address></mac></nic>", 409, "already in use")
	c.refused("POST", nics, "<nic><name>c</name><mac><address>here</address></mac></nic>", 400, "Invalid MAC")
	c.refused("POST", nics, `<nic><name>c</name><vnic_profile id="`+blankID+`"/></nic>`, 400, "profile doesn't exist")
	c.do("POST", nics, "<nic><name>c</name></nic>", 201)
	c.refused("POST", nics, "<nic><name>d</name></nic>", 409, "Not enough MAC")
	c.do("PUT", nics+"/"+n.ID, "<nic><name>e</name></nic>", 200)
	c.do("POST", "/vms/"+v.ID+"/start", "<action/>", 200)
	until(t, s, "gb-1", Up)
	c.refused("DELETE", nics+"/"+n.ID, "", 409, "deactivate it first")
	c.do("POST", nics+"/"+n.ID+"/deactivate", "<action/>", 200)
	c.do("DELETE", nics+"/"+n.ID, "", 200)
	if got := c.ids("/vms/" + v.ID + "/reporteddevices"); len(got) != 2 {
		t.Errorf("two cards report as %v", got)
	}
	p := c.of("POST", "/vnicprofiles", `<vnic_profile><name>p</name><network id="`+idOf("network", "Default")+`"/></vnic_profile>`, 201)
	c.do("POST", nics, `<nic><name>f</name><vnic_profile id="`+p.ID+`"/></nic>`, 201)
	c.refused("DELETE", "/vnicprofiles/"+p.ID, "", 409, "used by gb-1")
}

func TestTags(t *testing.T) {
	s := Start(t, Model{VMs: []VM{{Name: "a"}, {Name: "b"}}})
	c := logged(t, s)
	a := idOf("vm", "a")
	tag := c.of("POST", "/tags", "<tag><name>grid</name></tag>", 201)
	c.refused("POST", "/tags", "<tag><name>grid</name></tag>", 409, "already in use")
	c.refused("POST", "/tags", "<tag><name>two words</name></tag>", 400, "letters, digits")
	c.do("POST", "/vms/"+a+"/tags", "<tag><name>grid</name></tag>", 201)
	c.do("POST", "/vms/"+a+"/tags", "<tag><name>none</name></tag>", 404)
	if got := strings.Join(c.list("search=tag%3Dgrid"), " "); got != "a" {
		t.Errorf("by its tag %q is found", got)
	}
	c.do("PUT", "/tags/"+tag.ID, "<tag><name>other</name></tag>", 200)
	if got := strings.Join(c.list("search=tag%3Dgrid"), " "); got != "" {
		t.Errorf("by a tag's old name %q is found", got)
	}
	c.do("DELETE", "/tags/"+tag.ID, "", 200)
	if got := c.ids("/vms/" + a + "/tags"); len(got) != 0 {
		t.Errorf("it carries %v after the tag was removed", got)
	}
	if got := s.Summary().ForeignTouched; len(got) != 1 {
		t.Errorf("a tag touched %v", got)
	}
}

func TestAffinityKeepsMachinesApartOrTogether(t *testing.T) {
	for _, x := range []struct {
		name, rule string
		apart      bool
		refused    string
	}{
		{"apart", "<vms_rule><enabled>true</enabled><positive>false</positive><enforcing>true</enforcing></vms_rule>", true, "negative affinity"},
		{"together", "<vms_rule><enabled>true</enabled><positive>true</positive><enforcing>true</enforcing></vms_rule>", false, ""},
		{"rather apart", "<vms_rule><enabled>true</enabled><positive>false</positive></vms_rule>", true, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := Start(t, Model{Hosts: []Host{{Name: "h1"}, {Name: "h2"}}, VMs: []VM{{Name: "a"}, {Name: "b"}, {Name: "c"}}})
			c := logged(t, s)
			groups := "/clusters/" + idOf("cluster", "Default") + "/affinitygroups"
			g := c.of("POST", groups, "<affinity_group><name>g</name><priority>1.500e+00</priority>"+x.rule+"</affinity_group>", 201)
			c.refused("POST", groups, "<affinity_group><name>g</name></affinity_group>", 409, "already in use")
			hosts := map[string]string{}
			for _, name := range []string{"a", "b", "c"} {
				id := idOf("vm", name)
				c.do("POST", groups+"/"+g.ID+"/vms", `<vm id="`+id+`"/>`, 201)
				if name == "c" && x.refused != "" {
					c.refused("POST", "/vms/"+id+"/start", "<action/>", 409, x.refused)
					c.do("DELETE", groups+"/"+g.ID+"/vms/"+id, "", 200)
				}
				c.do("POST", "/vms/"+id+"/start", "<action/>", 200)
				hosts[name] = c.of("GET", "/vms/"+id, "", 200).Host.ID
			}
			if apart := hosts["a"] != hosts["b"]; apart != x.apart {
				t.Errorf("they run on %v", hosts)
			}
			c.do("DELETE", groups+"/"+g.ID, "", 200)
		})
	}
}

func TestAMachineStaysOnTheHostsItIsPinnedTo(t *testing.T) {
	s := Start(t, Model{Hosts: []Host{{Name: "h1"}, {Name: "h2", MemoryMB: 2048}}})
	c := logged(t, s)
	v := c.add("gb-1", "<placement_policy><affinity>pinned</affinity><hosts><host><name>h2</name></host></hosts></placement_policy>")
	until(t, s, "gb-1", Down)
	c.do("POST", "/vms/"+v.ID+"/start", "<action/>", 200)
	if got := c.of("GET", "/vms/"+v.ID, "", 200).Host.ID; got != idOf("host", "h2") {
		t.Errorf("it runs on %s", got)
	}
}

func TestTemplatesAreMadeFromMachines(t *testing.T) {
	m, clock := slow(Model{})
	s := Start(t, m, Options{Clock: clock})
	c := logged(t, s)
	v := c.add("gb-1", "<cpu><topology><cores>3</cores></topology></cpu>")
	body := `<template><name>mine</name><vm id="` + v.ID + `"/></template>`
	c.refused("POST", "/templates", body, 409, "VM is locked")
	clock.Advance(time.Second)
	made := c.of("POST", "/templates", body, 202)
	from := func(name string) string {
		return strings.Replace(newVM(name, ""), "<template><name>worker</name>", "<template><name>mine</name>", 1)
	}
	c.refused("POST", "/vms", from("gb-2"), 409, "Template's Image is locked")
	clock.Advance(time.Second)
	c.refused("POST", "/templates", body, 409, "name is already in use")
	thin := c.of("POST", "/vms", from("gb-2"), 202)
	clone := c.of("POST", "/vms?clone=true", from("gb-3"), 202)
	if thin.Template.ID != made.ID || clone.Template.ID != blankID {
		t.Errorf("they are of the templates %s and %s", thin.Template.ID, clone.Template.ID)
	}
	if got := c.do("GET", "/vms/"+thin.ID, "", 200); !strings.Contains(got, "<cores>3</cores>") {
		t.Errorf("what is made from it has not its shape:\n%s", got)
	}
	clock.Advance(time.Second)
	c.refused("DELETE", "/templates/"+made.ID, "", 409, "used by the following VMs: gb-2")
	c.do("DELETE", "/vms/"+thin.ID, "", 200)
	clock.Advance(time.Second)
	c.do("DELETE", "/templates/"+made.ID, "", 200)
	c.do("GET", "/templates/"+made.ID, "", 404)
	c.refused("POST", "/vms", strings.Replace(from("gb-4"), "<name>mine</name>", "", 1), 404, "not found")
}

func TestASnapshotIsGoneBackTo(t *testing.T) {
	m, clock := slow(Model{})
	s := Start(t, m, Options{Clock: clock})
	c := logged(t, s)
	v := c.add("gb-1", "")
	clock.Advance(time.Second)
	at := "/vms/" + v.ID
	n := c.of("POST", at+"/snapshots", "<snapshot><description>before</description></snapshot>", 202)
	c.refused("POST", at+"/snapshots/"+n.ID+"/restore", "<action/>", 409, "snapshot is locked")
	c.refused("POST", at+"/start", "<action/>", 409, "Disk is locked")
	clock.Advance(time.Second)
	c.do("PUT", at, "<vm><memory>2147483648</memory></vm>", 200)
	c.do("POST", at+"/snapshots/"+n.ID+"/restore", "<action/>", 200)
	if got := c.get(v.ID).Memory; got != 1<<30 {
		t.Errorf("it has %d bytes", got)
	}
	c.refused("DELETE", at+"/snapshots/"+idOf("snapshot", v.ID), "", 409, "runs on it")
	c.do("DELETE", at+"/snapshots/"+n.ID, "", 200)
	if got := c.ids(at + "/snapshots"); len(got) != 1 {
		t.Errorf("it has the snapshots %v", got)
	}
}

// image asks for a transfer's URL.
func (c *client) image(method, url string, body []byte, head ...string) (int, []byte) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, b
}

func TestAnImageComesBackAsItWent(t *testing.T) {
	s := Start(t, Model{})
	c := logged(t, s)
	const size = 1 << 20
	d := c.of("POST", "/disks", "<disk><alias>i</alias><format>raw</format><provisioned_size>1048576</provisioned_size></disk>", 202)
	begin := func(direction string) (id, url string) {
		x := c.of("POST", "/imagetransfers", `<image_transfer><disk id="`+d.ID+`"/><direction>`+direction+`</direction></image_transfer>`, 201)
		if x.Phase != "transferring" {
			t.Fatalf("it is %s", x.Phase)
		}
		return "/imagetransfers/" + x.ID, x.URL
	}
	id, url := begin("download")
	if status, got := c.image("GET", url, nil); status != 200 || !bytes.Equal(got, make([]byte, size)) {
		t.Fatalf("an empty disk is %d, %d bytes", status, len(got))
	}
	c.do("POST", id+"/finalize", "<action/>", 200)
	if status, _ := c.image("GET", url, nil); status != 403 {
		t.Errorf("after its end a ticket is good for %d", status)
	}

	image := make([]byte, size)
	rand.Read(image)
	id, url = begin("upload")
	c.refused("DELETE", "/disks/"+d.ID, "", 409, "Disk is locked")
	half := size / 2
	if status, says := c.image("PUT", url, image[half:], "Content-Range", "bytes 524288-1048575/1048576"); status != 200 {
		t.Fatalf("%d %s", status, says)
	}
	c.image("PUT", url, image[:half])
	if status, _ := c.image("PUT", url, make([]byte, 3*size+1)); status != 400 {
		t.Errorf("an image that is longer than its disk is %d", status)
	}
	c.image("PUT", url, image)
	c.image("PATCH", url, []byte(`{"op": "zero", "offset": 0, "size": 16}`))
	clear(image[:16])
	c.do("POST", id+"/finalize", "<action/>", 200)
	id, url = begin("download")
	_, got := c.image("GET", url, nil)
	if n := min(len(got), size); !bytes.Equal(got[:n], image) {
		t.Errorf("%d bytes came back, others than went", len(got))
	}
	c.do("POST", id+"/cancel", "<action/>", 200)
	c.refused("POST", id+"/finalize", "<action/>", 409, "transfer is over")

	id, url = begin("upload")
	c.image("PUT", url, []byte("no"))
	c.do("POST", id+"/cancel", "<action/>", 200)
	_, url = begin("download")
	if _, after := c.image("GET", url, nil); !bytes.Equal(after, got) {
		t.Error("an upload that was cancelled has changed the disk")
	}
}

func TestJobsTellOfWork(t *testing.T) {
	m, clock := slow(Model{})
	s := Start(t, m, Options{Clock: clock})
	c := logged(t, s)
	c.do("POST", "/disks?correlation_id=mine", newDiskText, 202)
	job := func() part {
		jobs := all(t, c.do("GET", "/jobs?search=correlation_id%3Dmine", "", 200))
		if len(jobs) != 1 {
			t.Fatalf("there are the jobs %+v", jobs)
		}
		return jobs[0]
	}
	if got := job(); got.Status != "started" || len(c.ids("/jobs/"+got.ID+"/steps")) != 1 {
		t.Errorf("it is %+v", got)
	}
	clock.Advance(time.Second)
	if got := job(); got.Status != "finished" {
		t.Errorf("it is %+v", got)
	}
	clock.Advance(15 * time.Minute)
	if got := c.ids("/jobs?search=correlation_id%3Dmine"); len(got) != 0 {
		t.Errorf("after a quarter of an hour there is %v", got)
	}
}

func TestStorageThatIsNotActive(t *testing.T) {
	s := Start(t, Model{})
	c := logged(t, s)
	v := c.add("gb-1", "")
	until(t, s, "gb-1", Down)
	domain := "/datacenters/" + idOf("data center", "Default") + "/storagedomains/" + idOf("storage domain", "data-Default")
	c.do("POST", "/vms/"+v.ID+"/start", "<action/>", 200)
	c.refused("POST", domain+"/deactivate", "<action/>", 409, "running VMs: gb-1")
	c.do("POST", "/vms/"+v.ID+"/stop", "<action/>", 200)
	c.do("POST", domain+"/deactivate", "<action/>", 200)
	c.refused("POST", "/vms/"+v.ID+"/start", "<action/>", 409, "status is Maintenance")
	c.refused("POST", "/vms", newVM("gb-2", ""), 409, "status is Maintenance")
	c.do("POST", domain+"/activate", "<action/>", 200)
	c.do("POST", "/vms/"+v.ID+"/start", "<action/>", 200)
}

// TestThingsOutliveTheSimulator also dies where it hurts: a disk that was kept for a
// machine that was not, and one whose machine has not heard of it.
func TestThingsOutliveTheSimulator(t *testing.T) {
	dir := t.TempDir()
	var v part
	var d string
	open := func(f func(*Sim, func(method, path, body string) part)) {
		t.Helper()
		s, err := Open(Model{}, Options{State: dir})
		if err != nil {
			t.Fatal(err)
		}
		f(s, func(method, path, body string) part {
			t.Helper()
			var p part
			text := direct(t, s, method, path, body)
			if err := xml.Unmarshal([]byte(text), &p); err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			return p
		})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	open(func(s *Sim, do func(method, path, body string) part) {
		v = do("POST", "/vms", newVM("gb-1", ""))
		until(t, s, "gb-1", Down)
		do("POST", "/tags", "<tag><name>grid</name></tag>")
		do("POST", "/vms/"+v.ID+"/tags", "<tag><name>grid</name></tag>")
		d = do("POST", "/vms/"+v.ID+"/diskattachments", "<disk_attachment><interface>virtio</interface>"+newDiskText+"</disk_attachment>").ID
		do("POST", "/templates", `<template><name>mine</name><vm id="`+v.ID+`"/></template>`)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.disks.put(s, &disk{ID: newID(), Alias: "lost", Machine: newID(), Domains: []string{idOf("storage domain", "data-Default")}})
		s.disks.put(s, &disk{ID: newID(), Alias: "free", Machine: v.ID, Domains: []string{idOf("storage domain", "data-Default")}})
	})
	open(func(s *Sim, do func(method, path, body string) part) {
		look := func(path string, ids ...string) []part {
			t.Helper()
			got := all(t, direct(t, s, "GET", path, ""))
			if len(got) != len(ids) {
				t.Fatalf("%s has %+v", path, got)
			}
			for i, id := range ids {
				if id != "" && got[i].ID != id {
					t.Errorf("%s has %+v, want %v", path, got, ids)
				}
			}
			return got
		}
		look("/vms?search=tag%3Dgrid", v.ID)
		look("/vms/"+v.ID+"/diskattachments", "", d)
		look("/templates?search=name%3Dmine", "")
		look("/disks?search=alias%3Dlost")
		free := look("/disks?search=alias%3Dfree", "")
		do("POST", "/vms/"+v.ID+"/diskattachments", `<disk_attachment><interface>virtio</interface><disk id="`+free[0].ID+`"/></disk_attachment>`)
		look("/vms/"+v.ID+"/diskattachments", "", d, free[0].ID)
	})
	if _, err := os.Stat(filepath.Join(dir, "disks", d+".json")); err != nil {
		t.Error(err)
	}
}

func TestTheEnginesPage(t *testing.T) {
	s := Start(t, Model{VMs: []VM{{Name: "theirs", Comment: "<script>", UserData: "canary-of-user-data"}}})
	c := dial(t, s)
	if _, err := c.http.Get(strings.TrimSuffix(s.URL, "/api")); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("who keeps no cookies meets %v", err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.http.Jar = jar
	resp, err := c.http.Get(strings.TrimSuffix(s.URL, "/api"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if page := string(b); err != nil || !strings.Contains(page, "<td>theirs</td>") || !strings.Contains(page, "&lt;script&gt;") || strings.Contains(page, "canary") {
		t.Errorf("the page is (%v)\n%s", err, page)
	}
}

func TestAnotherVersionsStateIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, readyFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Model{}, Options{State: dir}); grid.CodeOf(err) != grid.Invalid || !strings.Contains(err.Error(), "begin anew") {
		t.Errorf("it is opened: %v", err)
	}
}
