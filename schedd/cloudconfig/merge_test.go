package cloudconfig

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"gridburst/internal/grid"
)

var (
	files = []File{{"/etc/gridburst/token", "se: cret\n", "0600"}}
	run   = [][]string{{"sh", "-c", `exec "$0" # it's`, "gworker"}}
)

const ours = `{"path":"/etc/gridburst/token","content":"se: cret\n","permissions":"0600"}`

func TestWhatIsTheirsComesFirstAndOursIsAll(t *testing.T) {
	alone := "write_files: [" + ours + "]\nruncmd: [[\"sh\",\"-c\",\"exec \\\"$0\\\" # it's\",\"gworker\"]]\n"
	for name, c := range map[string]struct{ theirs, want string }{
		"nothing":    {"", alone},
		"comments":   {"#cloud-config\n# a note\n\n", "#cloud-config\n# a note\n" + alone},
		"other keys": {"packages: [nfs-common] # ours needs it\n", "packages: [nfs-common] # ours needs it\n" + alone},
		"lists": {
			"x: &m mount /data\nruncmd:\n  - *m\n  - [touch, /tmp/x]\nwrite_files: [{path: /etc/motd, content: hello, permissions: 0644}]\n",
			"x: &m mount /data\nruncmd:\n  - *m\n  - [touch, /tmp/x]\nwrite_files: [{path: /etc/motd, content: hello, permissions: 0644}]\n" +
				`write_files: [{"content":"hello","path":"/etc/motd","permissions":420},` + ours + "]\n" +
				`runcmd: ["mount /data",["touch","/tmp/x"],["sh","-c","exec \"$0\" # it's","gworker"]]` + "\n",
		},
		"empty lists": {"runcmd:\nwrite_files: []\n", "runcmd:\nwrite_files: []\n" + alone},
	} {
		got, err := Merge(c.theirs, files, run)
		if err != nil || got != "#cloud-config\n"+c.want {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
}

func TestWhatCannotBePutTogetherIsRefusedWithItsLine(t *testing.T) {
	for theirs, says := range map[string]string{
		"a: 1\nhostname: x\n":                                "line 2: hostname is not to be set",
		"a: 1\n\nruncmd: poweroff\n":                         "line 3: runcmd is no list",
		"write_files:\n- content: x\n":                       "line 2: write_files has an entry without a path",
		"write_files:\n- path: /etc/gridburst//token\n":      "line 2: write_files has /etc/gridburst//token, which is the schedd's own",
		"runcmd: [a]\nruncmd: [b]\n":                         "line 2: runcmd is there twice",
		"- a list\n":                                         "line 1: it is no mapping",
		"a: [\n":                                             "it is no YAML",
		"a: 1\n---\nb: 2\n":                                  "line 2: leave out the mark ---",
		"{runcmd: [echo a]}":                                 "line 1: write each key at the beginning of a line",
		"# x\n  a: 1\n  b: 2\n":                              "line 2: write each key at the beginning of a line",
		"write_files:\n- path: /x\n  content: !!binary aGk=": "line 3: write_files has a !!binary value",
		"runcmd:\n- {1: 2}\n":                                "line 2: runcmd has an entry with keys that are no words",
		"#!/bin/sh\necho this is a script, not a config":     "it is no mapping",
	} {
		_, err := Merge(theirs, files, run)
		if grid.CodeOf(err) != grid.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, which does not say %q", theirs, err, says)
		}
	}
}

// Law: whatever text an administrator's lists hold, both are read from the result as they
// were, also when an engine puts keys of its own before it.
func TestBothAreReadFromTheResult(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab \t\n:#-[]{}\"'|>&*!%@`\\é€0"))).Draw(t, "text")
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		theirs := fmt.Sprintf("final_message: %[1]s\nwrite_files:\n- path: /x\n  content: %[1]s\nruncmd:\n- %[1]s\n", quoted)
		got, err := Merge(theirs, files, run)
		if err != nil {
			t.Fatalf("%q: %v", theirs, err)
		}
		// Of keys that come twice the last counts, which this reader has to be told.
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte("#cloud-config\nruncmd: [sed]\n"+got), &doc); err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		last := map[string]any{}
		for i := 0; i+1 < len(doc.Content[0].Content); i += 2 {
			var v any
			if err := doc.Content[0].Content[i+1].Decode(&v); err != nil {
				t.Fatal(err)
			}
			last[doc.Content[0].Content[i].Value] = v
		}
		want := map[string]any{
			"final_message": text,
			"runcmd":        []any{text, []any{"sh", "-c", run[0][2], "gworker"}},
			"write_files": []any{
				map[string]any{"path": "/x", "content": text},
				map[string]any{"path": files[0].Path, "content": files[0].Content, "permissions": files[0].Permissions},
			},
		}
		if !reflect.DeepEqual(last, want) {
			t.Fatalf("%q comes to\n%s", text, got)
		}
	})
}
