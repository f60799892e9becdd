package ovirtsim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gridburst/gahp/ovirtsim/guest"
	"gridburst/internal/grid"
)

func TestMain(m *testing.M) {
	guest.Main()
	os.Exit(m.Run())
}

// process starts an engine with process bodies, where this machine has them.
func process(t *testing.T, m Model, o Options) *Sim {
	t.Helper()
	m.Body = Process
	probe, err := Open(m, Options{})
	if grid.CodeOf(err) == grid.Refused {
		t.Skipf("needs root or user namespaces: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	s := Start(t, m, o)
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, v := range s.Machines() {
			for _, f := range []string{"console.log", "disk/var/log/cloud-init-output.log"} {
				b, err := os.ReadFile(filepath.Join(v.Dir, f))
				t.Logf("%s: %s (%v):\n%s", v.Name, f, err, b)
			}
		}
	})
	return s
}

const cloudInitStart = "<action><use_cloud_init>true</use_cloud_init></action>"

// scripted is a machine with user data, down.
func scripted(t *testing.T, s *Sim, c *client, name, script string) seen {
	t.Helper()
	v := c.add(name, "<initialization><custom_script>"+script+"</custom_script><host_name>"+name+"</host_name></initialization>")
	until(t, s, name, Down)
	return v
}

func TestAProcessCarriesCloudInitOut(t *testing.T) {
	tool := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho \"tool $*\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := process(t, Model{Templates: []Template{{Name: "worker", MemoryMB: 256, Image: Image{Files: map[string]string{"/usr/local/bin/tool": tool}}}}}, Options{State: t.TempDir()})
	c := logged(t, s)
	v := scripted(t, s, c, "gb-1", `
write_files: [{"path": "/etc/gridburst/token", "content": "t0ken\n", "permissions": "0600"}]
runcmd:
  - [sh, -c, "tool $(cat /etc/gridburst/token) on $(hostname) &gt; /root/out"]
  - grep MemTotal /proc/meminfo &gt;&gt; /root/out
  - shutdown -h now
`)
	dir := s.Machines()[0].Dir
	c.do("POST", "/vms/"+v.ID+"/start", cloudInitStart, 200)
	until(t, s, "gb-1", PoweringUp)
	await(t, s, func(e Entry) bool { return e.Why == "its guest powered off" })
	b, err := os.ReadFile(filepath.Join(dir, "disk/root/out"))
	if got := strings.Fields(string(b)); err != nil || strings.Join(got, " ") != "tool t0ken on gb-1 MemTotal: 262144 kB" {
		t.Errorf("it wrote %q (%v)", got, err)
	}
	if got := c.get(v.ID); got.Status != "down" {
		t.Errorf("it is %s", got.Status)
	}
	c.do("DELETE", "/vms/"+v.ID, "", 200)
	c.do("GET", "/vms/"+v.ID, "", 404)
}

func TestScriptsGoBehindTheEnginesOwn(t *testing.T) {
	for name, x := range map[string]struct {
		script string
		works  bool
	}{
		"keys at the beginning of lines": {"runcmd:\n- date\n", true},
		"values in braces":               {"#cloud-config\nruncmd: [[\"date\"]]\n", true},
		"all in braces":                  {"#cloud-config\n{\"runcmd\": [[\"date\"]]}\n", false},
		"an archive":                     {"#cloud-config-archive\n[{\"type\": \"text/cloud-config\", \"content\": \"runcmd: [date]\"}]\n", false},
		"a shell script":                 {"#!/bin/sh\ndate\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := guest.CheckUserData(userData(&initialization{CustomScript: x.script}))
			if works := err == nil; works != x.works {
				t.Errorf("it works: %v, want %v (%v)", works, x.works, err)
			}
		})
	}
}

func TestHowProcessesEnd(t *testing.T) {
	s := process(t, Model{}, Options{})
	c := logged(t, s)
	for order, want := range map[string]string{"stop": "its guest was killed", "shutdown": "its guest powered off"} {
		v := scripted(t, s, c, "gb-"+order, "runcmd: [sleep 1000]\n")
		c.do("POST", "/vms/"+v.ID+"/start", cloudInitStart, 200)
		until(t, s, "gb-"+order, Up)
		s.mu.Lock()
		over := s.vms[v.ID].over
		s.mu.Unlock()
		c.do("POST", "/vms/"+v.ID+"/"+order, "<action/>", 200)
		<-over
		entries, _ := s.Journal(0)
		last := Entry{}
		for _, e := range entries {
			if e.Name == "gb-"+order && e.What == Moved {
				last = e
			}
		}
		if last.Status != Down || last.Why != want && order == "shutdown" {
			t.Errorf("after a %s it is %s because %s", order, last.Status, last.Why)
		}
	}
	v := scripted(t, s, c, "gb-removed", "runcmd: [sleep 1000]\n")
	c.do("POST", "/vms/"+v.ID+"/start", cloudInitStart, 200)
	until(t, s, "gb-removed", Up)
	if err := s.Administer("gb-removed", OpRemove); err != nil {
		t.Fatal(err)
	}
	c.do("GET", "/vms/"+v.ID, "", 404)
}

func TestABorrowedMachineRunsItsImage(t *testing.T) {
	s := process(t, Model{
		Templates: []Template{{Name: "old", Image: Image{Boot: "echo booted >> /root/boots; poweroff"}}},
		VMs:       []VM{{Name: "kvm_test_image_64", Template: "old"}},
	}, Options{State: t.TempDir()})
	c := logged(t, s)
	id := idOf("vm", "kvm_test_image_64")
	started := int64(0)
	for range 2 {
		c.do("POST", "/vms/"+id+"/start", "<action/>", 200)
		after := started
		await(t, s, func(e Entry) bool {
			started = e.N
			return e.N > after && e.Why == "its guest powered off"
		})
	}
	b, err := os.ReadFile(filepath.Join(s.Machines()[0].Dir, "disk/root/boots"))
	if err != nil || string(b) != "booted\nbooted\n" {
		t.Errorf("it did %q (%v)", b, err)
	}
	if got := s.Summary(); len(got.ForeignTouched) != 1 || got.Started != 0 {
		t.Errorf("the journal comes to %+v", got)
	}
}
