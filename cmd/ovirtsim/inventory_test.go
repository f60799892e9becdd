package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gridburst/gahp/ovirtsim"
)

// The same inventory in both tongues is the same model.
func TestInventoriesInHCLAreThoseInYAML(t *testing.T) {
	const asHCL = `
seed        = 7
macs        = 200
idle        = "30m"
max_vm_name = 64
body        = "paper"
data_center "Default" { quota_mode = "enabled" }
cluster "Default" { over_commit = 150 }
host "host-1" {
  memory_mb = 64 * 1024
  cores     = 32
}
host "host-2" { status = "maintenance" }
storage_domain "files" { type = "iso" }
storage_domain "fast" { size_mb = 102400 }
template "worker" {
  memory_mb         = 2048
  high_availability = true
  image {
    files = { "/usr/bin/gworker" = "gworker", "/etc/x" = "/etc/hostname" }
    boot  = join("\n", ["one", "two"])
  }
}
quota "small" { memory_mb = 16384 }
user "admin@internal" { password = "secret" }
user "guest@internal" {
  password  = "x"
  read_only = true
}
vm "web-1" {
  status  = "up"
  comment = "not yours"
}
times {
  lock = "2s"
  boot = "30s"
}
pace {
  from  = "2026-01-02T03:04:05Z"
  speed = 10.5
}
hardware {
  kernel = "/boot/x"
  reach  = { "10.0.2.100:9618" = "127.0.0.1:9618" }
}
rule {
  ops  = ["create", "start"]
  nth  = 3
  drop = "answer"
}
rule {
  name    = "web-*"
  chance  = 0.5
  restart = true
  for     = "20s"
}
`
	const asYAML = `
seed: 7
macs: 200
idle: 30m
max_vm_name: 64
body: paper
data_centers: [{name: Default, quota_mode: enabled}]
clusters: [{name: Default, over_commit: 150}]
hosts: [{name: host-1, memory_mb: 65536, cores: 32}, {name: host-2, status: maintenance}]
storage_domains: [{name: files, type: iso}, {name: fast, size_mb: 102400}]
templates:
- name: worker
  memory_mb: 2048
  high_availability: true
  image: {files: {/usr/bin/gworker: gworker, /etc/x: /etc/hostname}, boot: "one\ntwo"}
quotas: [{name: small, memory_mb: 16384}]
users: [{name: admin@internal, password: secret}, {name: guest@internal, password: x, read_only: true}]
vms: [{name: web-1, status: up, comment: not yours}]
times: {lock: 2s, boot: 30s}
pace: {from: 2026-01-02T03:04:05Z, speed: 10.5}
hardware: {kernel: /boot/x, reach: {"10.0.2.100:9618": "127.0.0.1:9618"}}
rules:
- {ops: [create, start], nth: 3, drop: answer}
- {name: web-*, chance: 0.5, restart: true, for: 20s}
`
	dir := t.TempDir()
	var models [2]ovirtsim.Model
	for i, f := range []struct{ name, text string }{{"engine.hcl", asHCL}, {"engine.yaml", asYAML}} {
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, []byte(f.text), 0o644); err != nil {
			t.Fatal(err)
		}
		m, diags, err := readModel(path)
		if err != nil || len(diags) > 0 {
			t.Fatal(f.name, err, diags)
		}
		models[i] = m
	}
	if d := cmp.Diff(models[1], models[0]); d != "" {
		t.Errorf("the model in HCL is not that in YAML:\n%s", d)
	}
	if got := models[0].Templates[0].Image.Files["/usr/bin/gworker"]; got != filepath.Join(dir, "gworker") {
		t.Errorf("a path beside the model is %s", got)
	}
}

// What is wrong has its place, all at once.
func TestInventoriesThatAreWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "engine.hcl")
	const src = `
mcas = 3
seed = "x"
host { cores = 1 }
host "a" "b" {}
hots "a" {}
template "t" { memory = 3 }
times { lock = 3 }
times {}
hardware = {}
rule { ops = [1] }
users = nosuch
`
	if err := os.WriteFile(path, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	_, diags, err := readModel(path)
	if err == nil {
		t.Fatal("it was taken")
	}
	got := map[int]string{}
	for _, d := range diags {
		got[d.Line] = d.Summary + "|" + d.Detail
	}
	want := map[int]string{
		2:  `there is no key "mcas"|Did you mean "macs"?`,
		3:  `this is not a number|`,
		6:  `there is no block "hots"|Did you mean "host"?`,
		7:  `there is no key "memory"|Did you mean "memory_mb"?`,
		8:  `this is not a text|`,
		9:  `there is a second block times|`,
		10: `"hardware" is a block, not a key|Write hardware { ... }`,
		11: `this is not a list of texts|`,
		12: `there is no key "users"|Did you mean "user"?`,
	}
	for line, text := range want {
		if got[line] != text {
			t.Errorf("line %d: %q, not %q", line, got[line], text)
		}
	}
	for _, line := range []int{4, 5} {
		if got[line] == "" {
			t.Errorf("line %d was taken: a host has one name", line)
		}
	}
}
