package configs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gridburst/dag"
	"gridburst/dag/dagfile"
)

// A node names what it waits for of the run before in the words of after: nodes, those of
// modules under their names, instances.
func TestNodesAreBehindTheRunBefore(t *testing.T) {
	g := flowOf(t, `
workflow "w" {
  node "load" { file = "x.sub" }
  node "fit" {
    file           = "x.sub"
    for_each       = ["a", "b"]
    after          = [node.load]
    after_previous = [node.fit[each.key], node.load]
  }
  module "part" {
    source = "part.hcl"
    after  = [node.load]
  }
}`, Outside{Files: shelf{"part.hcl": `
workflow "part" {
  node "first" {
    file               = "x.sub"
    after_any_previous = [node.last]
  }
  node "last" {
    file  = "x.sub"
    after = [node.first]
  }
}`}})
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		for _, p := range g.Parents(int32(i)) {
			got[n.Name] = append(got[n.Name], g.Nodes[p].Name)
		}
		if any := strings.HasPrefix(n.Name, "previous_any."); n.PastAny != any || (n.Past != "") != strings.HasPrefix(n.Name, "previous") {
			t.Errorf("%s stands for %q, any end %v", n.Name, n.Past, n.PastAny)
		}
	}
	want := map[string][]string{
		"fit-0": {"load", "previous.fit-0", "previous.load"}, "fit-1": {"load", "previous.load", "previous.fit-1"},
		"part+first": {"load", "previous_any.part+last"}, "part+last": {"part+first"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := dagfile.Write(g); err == nil || !strings.Contains(err.Error(), "of the run before") {
		t.Errorf("as a DAG file it is %v", err)
	}
}

// A provision block says how many machines of a pool are there for a run, and how many there
// may be.
func TestMachinesForARun(t *testing.T) {
	g := flowOf(t, `
workflow "w" {
  provision "main" {
    count = 1
    max   = 4
  }
  provision "spare" { count = 2 }
  node "n" { file = "x.sub" }
}`, Outside{})
	want := []dag.Provision{{Pool: "main", Count: 1, Max: 4}, {Pool: "spare", Count: 2, Max: 2}}
	if d := cmp.Diff(want, g.Provision); d != "" {
		t.Error(d)
	}
	if err := g.Check(); err != nil {
		t.Error(err)
	}
	for spoil, says := range map[string]string{
		`provision {}`:        "names a pool",
		`provision "main" {}`: "how many machines there may be",
		`provision "main" { max = 1 }` + "\n" + `provision "main" { max = 1 }`: "two provision blocks",
		"provision \"main\" {\n count = 3\n max = 2\n}":                        "more machines than may be",
		`provision "main" { most = 2 }`:                                        `"most"`,
	} {
		_, diags := Workflow("wf.hcl", []byte(parted.Replace("workflow \"w\" {\n"+spoil+"\nnode \"n\" { file = \"n.sub\" }\n}")), Outside{})
		if text := said(diags); !diags.HasErrors() || !strings.Contains(text, says) {
			t.Errorf("%s\nis said to be wrong by\n%s", spoil, text)
		}
	}
}
