package ovirtsim

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAMachineGoesThroughItsStates(t *testing.T) {
	m, clock := slow(Model{})
	s := Start(t, m, Options{Clock: clock})
	c := logged(t, s)
	v := c.add("gb-1", "<comment>ours</comment><description>for a test</description>")
	if v.Status != "image_locked" || v.Comment != "ours" || v.Description != "for a test" || v.Memory != 1<<30 {
		t.Fatalf("made: %+v", v)
	}
	at := "/vms/" + v.ID
	second := func(want string) {
		t.Helper()
		clock.Advance(time.Second)
		if got := c.status(v.ID); got != want {
			t.Fatalf("it is %s, want %s", got, want)
		}
	}
	c.refused("POST", at+"/start", "<action/>", 409, "VM is locked")
	c.refused("DELETE", at, "", 409, "VM is locked")
	second("down")
	for _, order := range []string{"stop", "shutdown"} {
		c.do("POST", at+"/"+order, "<action/>", 200) // there is nothing to do
	}
	if got := c.do("POST", at+"/start", "<action/>", 200); !strings.Contains(got, "<status>complete</status>") {
		t.Fatalf("the answer to a start is\n%s", got)
	}
	if got := c.status(v.ID); got != "wait_for_launch" {
		t.Fatalf("it is %s", got)
	}
	c.refused("POST", at+"/start", "<action/>", 409, "VM is running")
	c.refused("DELETE", at, "", 409, "VM is running")
	second("powering_up")
	second("up")
	if got := c.get(v.ID).Addresses; len(got) != 0 {
		t.Fatalf("it reports %v before its agent runs", got)
	}
	second("up")
	if got := c.get(v.ID).Addresses; len(got) != 1 {
		t.Fatalf("it reports %v", got)
	}
	c.do("POST", at+"/shutdown", "<action/>", 200)
	if got := c.status(v.ID); got != "powering_down" {
		t.Fatalf("it is %s", got)
	}
	second("down")
	c.do("DELETE", at, "", 200)
	if got := c.status(v.ID); got != "image_locked" {
		t.Fatalf("it is %s", got)
	}
	clock.Advance(time.Second)
	if got := c.do("GET", at, "", 404); got != "" {
		t.Fatalf("404 has a body: %s", got)
	}
	c.do("DELETE", at, "", 404)
	want := "created refused refused moved=down stopped told-off moved=wait_for_launch started refused refused moved=powering_up moved=up " +
		"moved=powering_down told-off moved=down moved=image_locked removed gone"
	if got := happened(s, "gb-1"); got != want {
		t.Errorf("the journal has\n%s, want\n%s", got, want)
	}
}

func TestAStopNeedsNoGuest(t *testing.T) {
	m, clock := slow(Model{})
	s := Start(t, m, Options{Clock: clock})
	c := logged(t, s)
	for _, up := range []int{0, 1, 2} { // seconds after the start
		v := c.add("gb-"+string(rune('a'+up)), "")
		clock.Advance(time.Second)
		c.do("POST", "/vms/"+v.ID+"/start", "<action/>", 200)
		clock.Advance(time.Duration(up) * time.Second)
		c.do("POST", "/vms/"+v.ID+"/stop", "<action><reason>enough</reason></action>", 200)
		if got := c.get(v.ID); got.Status != "down" || got.Stop != "enough" {
			t.Errorf("stopped after %d s: %+v", up, got)
		}
		clock.Advance(time.Minute)
		if got := c.status(v.ID); got != "down" {
			t.Errorf("it went on to %s after it was stopped", got)
		}
	}
}

func TestTheTableOfOrders(t *testing.T) {
	m, clock := slow(Model{})
	for _, st := range statuses {
		m.VMs = append(m.VMs, VM{Name: "in-" + string(st), Status: st, Template: "worker"})
	}
	s := Start(t, m, Options{Clock: clock})
	c := logged(t, s)
	for _, st := range statuses {
		id := idOf("vm", "in-"+string(st))
		for order, op := range map[string]Op{"start": OpStart, "stop": OpStop, "shutdown": OpShutdown} {
			if a := legal(st, op); a.fault == "" {
				continue // it would move
			}
			c.refused("POST", "/vms/"+id+"/"+order, "<action/>", 409, "Cannot ")
		}
		if !legal(st, OpRemove).do {
			c.refused("DELETE", "/vms/"+id, "", 409, "Cannot remove VM")
		}
	}
	if got := s.Summary().ForeignTouched; len(got) != 0 {
		t.Errorf("a refusal touched %v", got)
	}
}

func TestNames(t *testing.T) {
	s := Start(t, Model{
		DataCenters: []DataCenter{{Name: "A"}, {Name: "B"}},
		Clusters:    []Cluster{{Name: "Default"}, {Name: "other", DataCenter: "B"}},
	})
	c := logged(t, s)
	c.add("gb-1", "")
	c.refused("POST", "/vms", newVM("gb-1", ""), 409, "name is already in use")
	c.add("GB-1", "") // names are compared as they are
	c.do("POST", "/vms", strings.ReplaceAll(newVM("gb-1", ""), "Default", "other"), 202)
	c.refused("POST", "/vms", newVM("gb 1", ""), 400, "special characters")
	c.refused("POST", "/vms", newVM(strings.Repeat("x", 65), ""), 400, "too long")
	if got := c.list("search=name%3Dgb-1"); len(got) != 3 {
		t.Errorf("a search found %v: case does not count, and data centers are not kept apart", got)
	}
}

func TestOneNameIsMadeOnce(t *testing.T) {
	s := Start(t, Model{})
	c := logged(t, s)
	takeBack, err := s.AddRule(Rule{Ops: []Op{OpCreate}, Nth: 1, Busy: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan int, 1)
	go func() {
		resp, _, err := c.try("POST", "/vms", newVM("gb-1", ""))
		if err != nil {
			t.Error(err)
			first <- 0
			return
		}
		first <- resp.StatusCode
	}()
	await(t, s, func(e Entry) bool { return e.What == Making })
	c.refused("POST", "/vms", newVM("gb-1", ""), 409, "Related operation is currently in progress")
	takeBack()
	if got := <-first; got != http.StatusAccepted {
		t.Fatalf("the first create was answered %d", got)
	}
	c.refused("POST", "/vms", newVM("gb-1", ""), 409, "name is already in use")
}

func TestWhatCannotBeMade(t *testing.T) {
	s := Start(t, Model{Templates: []Template{{Name: "worker"}, {Name: "worker", Version: 2, MemoryMB: 2048}, {Name: "locked", Status: "locked"}}})
	c := logged(t, s)
	with := func(from, to string) string { return strings.ReplaceAll(newVM("gb-1", ""), from, to) }
	for name, x := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"no cluster":          {with("<cluster><name>Default</name></cluster>", ""), 400, "required for add"},
		"unknown template":    {with("<name>worker</name>", "<name>none</name>"), 404, "Entity not found: Template"},
		"unknown cluster":     {with("Default", "none"), 404, "Entity not found: Cluster"},
		"unknown template id": {with("<template><name>worker</name></template>", `<template id="`+idOf("x", "")+`"/>`), 400, "Template does not exist"},
		"locked template":     {with("<name>worker</name>", "<name>locked</name>"), 409, "Image is locked"},
		"raw markup":          {newVM("gb-1", "<comment>a < b</comment>"), 400, "correct usage"},
		"words for a number":  {newVM("gb-1", "<memory>much</memory>"), 400, "correct usage"},
		"custom properties":   {newVM("gb-1", "<custom_properties><custom_property><name>owner</name><value>me</value></custom_property></custom_properties>"), 400, "owner"},
		"guarantee above":     {newVM("gb-1", "<memory>536870912</memory><memory_policy><guaranteed>1073741824</guaranteed></memory_policy>"), 400, "Guaranteed cannot exceed"},
		"maximum below":       {newVM("gb-1", "<memory>536870912</memory><memory_policy><max>1</max></memory_policy>"), 409, "Maximum memory"},
	} {
		t.Run(name, func(t *testing.T) {
			c := *c
			c.t = t
			c.refused("POST", "/vms", x.body, x.status, x.says)
		})
	}
	if got := c.add("gb-2", ""); got.Memory != 1<<30 {
		t.Errorf("of two versions it took the one of %d bytes", got.Memory)
	}
	if got := c.add("gb-3", "<memory>536870912</memory>"); got.Memory != 512<<20 {
		t.Errorf("it has %d bytes", got.Memory)
	}
}

func TestCapacityAndQuota(t *testing.T) {
	s := Start(t, Model{
		DataCenters: []DataCenter{{Name: "Default", QuotaMode: "enabled"}},
		Hosts:       []Host{{Name: "h1", MemoryMB: 1500}, {Name: "h2", MemoryMB: 4096, Status: "maintenance"}},
		Templates:   []Template{{Name: "worker", MemoryMB: 1024, DiskMB: 100}},
		Quotas:      []Quota{{Name: "q", StorageMB: 350, Cores: 2}},
	})
	c := logged(t, s)
	var ids []string
	for _, name := range []string{"gb-1", "gb-2", "gb-3"} {
		ids = append(ids, c.add(name, "").ID)
	}
	c.refused("POST", "/vms", newVM("gb-4", ""), 409, "Quota's storage limit")
	c.do("POST", "/vms/"+ids[0]+"/start", "<action/>", 200)
	c.refused("POST", "/vms/"+ids[1]+"/start", "<action/>", 409, "available memory is too low (476 MB)")
	c.do("PUT", "/vms/"+ids[1], "<vm><memory>268435456</memory><cpu><topology><cores>2</cores></topology></cpu></vm>", 200)
	c.refused("POST", "/vms/"+ids[1]+"/start", "<action/>", 409, "Quota's cluster limit")
	c.do("POST", "/vms/"+ids[0]+"/stop", "<action/>", 200)
	c.do("POST", "/vms/"+ids[1]+"/start", "<action/>", 200)
}

func TestWhenCloudInitIsGiven(t *testing.T) {
	const own, inline = "runcmd: [own]", "runcmd: [inline]"
	for name, x := range map[string]struct {
		os, action string
		first      string
		second     string
	}{
		"of a system that it does not know": {"other", "<action/>", "", ""},
		"of one that it knows":              {"rhel_9x64", "<action/>", own, ""},
		"told to":                           {"other", "<action><use_cloud_init>true</use_cloud_init></action>", own, own},
		"told not to":                       {"rhel_9x64", "<action><use_cloud_init>false</use_cloud_init></action>", "", ""},
		"told what":                         {"other", "<action><use_cloud_init>true</use_cloud_init><vm><initialization><custom_script>" + inline + "</custom_script></initialization></vm></action>", inline, inline},
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t, Model{Templates: []Template{{Name: "worker", OS: x.os}}})
			c := logged(t, s)
			v := c.add("gb-1", "<initialization><custom_script>"+own+"</custom_script><host_name>h</host_name></initialization>")
			until(t, s, "gb-1", Down)
			for i, want := range []string{x.first, x.second} {
				c.do("POST", "/vms/"+v.ID+"/start", x.action, 200)
				if got := s.Machines()[0].Booted; got != want {
					t.Errorf("start %d gave %q, want %q", i+1, got, want)
				}
				c.do("POST", "/vms/"+v.ID+"/stop", "<action/>", 200)
			}
			if got := c.get(v.ID).Script; got != own {
				t.Errorf("it keeps %q", got)
			}
		})
	}
}

func TestRemovalIsRefused(t *testing.T) {
	s := Start(t, Model{VMs: []VM{{Name: "theirs", Protect: true}}})
	c := logged(t, s)
	c.refused("DELETE", "/vms/"+idOf("vm", "theirs"), "", 409, "Delete protection is enabled")
	v := c.add("gb-1", "")
	c.refused("DELETE", "/vms/"+v.ID+"?detach_only=true", "", 409, "based on a Template")
	c.do("PUT", "/vms/"+idOf("vm", "theirs"), "<vm><delete_protected>false</delete_protected></vm>", 200)
	c.do("DELETE", "/vms/"+idOf("vm", "theirs"), "", 200)
	await(t, s, func(e Entry) bool { return e.Name == "theirs" && e.What == Gone })
	if got := s.Summary(); len(got.ForeignTouched) != 1 || got.Foreign != 0 || got.Created != 1 || len(got.Left) != 1 || got.Removed != 0 {
		t.Errorf("the journal comes to %+v", got)
	}
}

func TestInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Model{Times: Times{Lock: time.Hour}, VMs: []VM{{Name: "there"}}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		do := func(method, path, body string) string { return direct(t, s, method, path, body) }
		do("POST", "/vms", newVM("gb-1", ""))
		time.Sleep(time.Hour - 1)
		synctest.Wait()
		if got := do("GET", "/vms?search=name%3Dgb-1", ""); !strings.Contains(got, "<status>image_locked</status>") {
			t.Fatal(got)
		}
		time.Sleep(1 * time.Nanosecond)
		synctest.Wait()
		if got := do("GET", "/vms?search=name%3Dgb-1", ""); !strings.Contains(got, "<status>down</status>") {
			t.Fatal(got)
		}
	})
}

// direct is a call without a network.
func direct(t testing.TB, s *Sim, method, path, body string) string {
	t.Helper()
	w := &recorder{}
	request(t, s, w, method, path, body)
	return w.body.String()
}

func request(t testing.TB, s *Sim, w http.ResponseWriter, method, path, body string) {
	t.Helper()
	r, err := http.NewRequest(method, "https://engine"+apiPath+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("admin@internal", Password)
	r.Header.Set("Content-Type", "application/xml")
	s.ServeHTTP(w, r)
}

// recorder keeps an answer's body.
type recorder struct{ body strings.Builder }

func (r *recorder) Header() http.Header         { return http.Header{} }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
