package ovirtsim

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "accept what the engine says as what it should say")

// TestGolden holds what clients have seen of this engine.
func TestGolden(t *testing.T) {
	m, clock := slow(Model{VMs: []VM{{Name: "up", Status: Up, Comment: "<&>", Description: "it's \"there\""}}})
	s := Start(t, m, Options{Clock: clock})
	c := logged(t, s)
	clock.Advance(2e9)
	for name, path := range map[string]string{
		"vms": "/vms?follow=reported_devices,nics", "templates": "/templates", "clusters": "/clusters", "hosts": "/hosts",
		"datacenters": "/datacenters", "storagedomains": "/storagedomains", "none": "/vms?search=name%3Dnone",
	} {
		got := c.do("GET", path, "", 200)
		if v := objectsOf(t, got); name == "vms" && (len(v) != 1 || !v[0]["nics/nic/mac/address"] || v[0]["link@rel=nics"]) {
			t.Error("links are not followed")
		}
		got = stable(got, s)
		file := filepath.Join("testdata", name+".xml")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// stable is an answer without what is made up anew for each machine.
func stable(text string, s *Sim) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.vms {
		text = strings.NewReplacer(v.NICs[0].ID, "NIC", v.NICs[0].MAC, "MAC", v.Disks[0].Disk, "DISK").Replace(text)
	}
	return text
}

func TestTheHeadsOfAnswers(t *testing.T) {
	s := Start(t, Model{})
	c := logged(t, s)
	resp, _, err := c.try("GET", "", "")
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/xml;charset=UTF-8" || resp.Header.Get("Correlation-Id") == "" {
		t.Errorf("%v, %+v", err, resp)
	}
	for path, status := range map[string]int{
		"/vms/not-an-id": 400, "/vms/" + idOf("none", ""): 404, "/nothing": 404, "/v4/vms": 200, "/v3/vms": 400, "/vms/": 200,
		"/vms?search=nonsense": 400, "/vms?max=few": 400, "/templates/" + blankID: 200, "/clusters/" + idOf("cluster", "Default"): 200,
	} {
		c.do("GET", path, "", status)
	}
	v := c.add("gb-1", "")
	resp, _, err = c.try("POST", "/vms", newVM("gb-2", ""))
	if err != nil || !strings.HasPrefix(resp.Header.Get("Location"), "https://127.0.0.1:") {
		t.Errorf("the location is %q (%v)", resp.Header.Get("Location"), err)
	}
	// Of an unknown machine the validators speak, where an order looks nothing up.
	c.refused("POST", "/vms/"+idOf("none", "")+"/stop", "<action/>", 400, "VM is not found")
	c.do("POST", "/vms/"+idOf("none", "")+"/start", "<action><vm/></action>", 404)
	if got := c.do("POST", "/vms/"+v.ID+"/start", "<action/>", 200); !strings.HasPrefix(got, "<?xml") {
		t.Error(got)
	}
}

func TestSearch(t *testing.T) {
	s := Start(t, Model{VMs: []VM{{Name: "a-1"}, {Name: "a-2", Comment: "ours"}, {Name: "axb", Status: Up}, {Name: "A-3"}, {Name: "b", Description: "two words"}}})
	c := logged(t, s)
	for search, want := range map[string]string{
		"name=a-1":                           "a-1",
		"name=a*":                            "A-3 a-1 a-2 axb",
		"name=a_b":                           "axb", // LIKE's own wildcard
		"name=a_1":                           "a-1",
		"name=a* and comment=ours":           "a-2",
		"name=b or status=up":                "axb b",
		"name!=a*":                           "b",
		`description="two words"`:            "b",
		"sortby name desc":                   "b axb a-2 a-1 A-3",
		"sortby name asc page 2":             "a-2 axb", // of two
		"sortby name asc page 9":             "",
		"name=a* sortby name asc":            "A-3 a-1 a-2 axb",
		"datacenter=Default and template=w*": "A-3 a-1 a-2 axb b",
	} {
		query := "search=" + strings.NewReplacer(" ", "%20", "=", "%3D", `"`, "%22").Replace(search)
		if strings.Contains(search, "page") {
			query += "&max=2"
		}
		if got := strings.Join(c.list(query), " "); got != want {
			t.Errorf("%s found %q, want %q", search, got, want)
		}
	}
	if got := strings.Join(c.list("search=name%3DA*&case_sensitive=true"), " "); got != "A-3" {
		t.Errorf("with case found %q", got)
	}
}
