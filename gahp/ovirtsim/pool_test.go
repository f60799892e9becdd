package ovirtsim

import (
	"strings"
	"testing"
	"time"
)

func (c *client) states(search string) string {
	c.t.Helper()
	var out []string
	for _, p := range all(c.t, c.do("GET", "/vms?search="+search, "", 200)) {
		out = append(out, p.Name+" "+p.Status)
	}
	return strings.Join(out, ", ")
}

func TestPoolsGiveMachinesToUsers(t *testing.T) {
	m, clock := slow(Model{
		Users: []User{{Name: "admin@internal", Password: Password}, {Name: "other@internal", Password: "x"}},
		Pools: []Pool{{Name: "desk-??", Size: 3, Prestarted: 1, MaxPerUser: 2}},
	})
	s := Start(t, m, Options{Clock: clock})
	c := logged(t, s)
	pool := c.ids("/vmpools")[0]
	clock.Advance(3 * time.Second)
	if got := c.states("pool%3Ddesk-%3F%3F"); got != "desk-01 up, desk-02 down, desk-03 down" {
		t.Fatalf("the pool has %s", got)
	}
	for _, want := range []string{"desk-01", "desk-02"} {
		if body := c.do("POST", "/vmpools/"+pool+"/allocatevm", "<action/>", 200); !strings.Contains(body, "<name>"+want+"</name>") || !strings.Contains(body, "<status>complete</status>") {
			t.Errorf("allocated: %s", body)
		}
	}
	c.refused("POST", "/vmpools/"+pool+"/allocatevm", "<action/>", 409, "as many VMs of this VM-Pool as one may have")
	clock.Advance(3 * time.Second)
	if got := c.states("pool%3Ddesk-%3F%3F"); got != "desk-01 up, desk-02 up, desk-03 down" {
		t.Errorf("the pool has %s", got)
	}
	// Another user takes the last; then there is none.
	o := dial(t, s)
	o.logIn("other@internal", "x")
	o.do("POST", "/vmpools/"+pool+"/allocatevm", "<action/>", 200)
	o.refused("POST", "/vmpools/"+pool+"/allocatevm", "<action/>", 409, "no available VMs")
	// A machine that is down is free again, and the pool starts it before anybody asks.
	one := all(t, c.do("GET", "/vms?search=name%3Ddesk-01", "", 200))[0]
	c.refused("DELETE", "/vms/"+one.ID, "", 409, "VM is running")
	c.do("POST", "/vms/"+one.ID+"/stop", "<action/>", 200)
	c.refused("DELETE", "/vms/"+one.ID, "", 409, "attached to a VM-Pool")
	clock.Advance(poolEvery)
	clock.Advance(3 * time.Second)
	if got := c.states("name%3Ddesk-01"); got != "desk-01 up" {
		t.Errorf("the free machine is %s", got)
	}
	// It grows, and does not shrink but by a machine that is taken out.
	c.refused("PUT", "/vmpools/"+pool, "<vm_pool><size>2</size></vm_pool>", 409, "cannot be decreased")
	c.do("PUT", "/vmpools/"+pool, "<vm_pool><size>4</size></vm_pool>", 200)
	clock.Advance(time.Second)
	four := all(t, c.do("GET", "/vms?search=name%3Ddesk-04", "", 200))[0]
	c.do("POST", "/vms/"+four.ID+"/detach", "<action/>", 200)
	c.refused("POST", "/vms/"+four.ID+"/detach", "<action/>", 409, "not attached")
	c.do("DELETE", "/vms/"+four.ID, "", 200)
	if body := c.do("GET", "/vmpools/"+pool, "", 200); !strings.Contains(body, "<size>3</size>") {
		t.Errorf("the pool is %s", body)
	}
	// It goes with its machines.
	c.do("DELETE", "/vmpools/"+pool, "", 200)
	clock.Advance(3 * time.Second)
	if got := c.states(""); got != "" {
		t.Errorf("left: %s", got)
	}
}

func TestPoolsByTheAPI(t *testing.T) {
	m, clock := slow(Model{})
	s := Start(t, m, Options{Clock: clock})
	c := logged(t, s)
	of := func(more string) string {
		return "<vm_pool><name>p</name><cluster><name>Default</name></cluster><template><name>worker</name></template>" + more + "</vm_pool>"
	}
	c.refused("POST", "/vmpools", "<vm_pool><name>p</name></vm_pool>", 400, "required for add")
	c.refused("POST", "/vmpools", of("<size>2</size><prestarted_vms>3</prestarted_vms>"), 409, "cannot be larger than the size")
	c.refused("POST", "/vmpools", of("<type>other</type>"), 400, "VmPoolType")
	c.do("POST", "/vmpools", of("<size>2</size><type>manual</type>"), 201)
	c.refused("POST", "/vmpools", of(""), 409, "name is already in use")
	if got := c.states("pool%3Dp"); got != "p-1 image_locked, p-2 image_locked" {
		t.Errorf("made: %s", got)
	}
	clock.Advance(time.Second)
	pool := c.ids("/vmpools?search=name%3Dp")[0]
	c.do("POST", "/vmpools/"+pool+"/allocatevm", "<action/>", 200)
	one := all(t, c.do("GET", "/vms?search=name%3Dp-1", "", 200))[0]
	clock.Advance(3 * time.Second)
	c.do("POST", "/vms/"+one.ID+"/stop", "<action/>", 200)
	// In a manual pool it stays that user's.
	c.refused("POST", "/vmpools/"+pool+"/allocatevm", "<action/>", 409, "as many VMs of this VM-Pool")
	c.do("GET", "/vmpools/00000000-0000-0000-0000-000000000001", "", 404)
	for _, wrong := range []Pool{{Name: "a b"}, {Name: "a", Size: 1, Prestarted: 2}, {Name: "a", Template: "none"}, {Name: "a", Type: "some"}} {
		if _, err := Open(Model{Pools: []Pool{wrong}}, Options{}); err == nil {
			t.Errorf("%+v was taken", wrong)
		}
	}
}
