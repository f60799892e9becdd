package configs

import (
	"os"
	"slices"
	"strings"
	"testing"

	"gridburst/internal/grid"
	"gridburst/schedd/submit"

	"github.com/google/go-cmp/cmp"
)

// pair is a row of docs/submit.md: a command in both tongues.
type pair struct {
	command     string
	submit, hcl []string
	attr        string
	around      []string // lines of a submit file that stand beside it
}

// tables reads the rows of docs/submit.md.
func tables(tb testing.TB) []pair {
	tb.Helper()
	text, err := os.ReadFile("../docs/submit.md")
	if err != nil {
		tb.Fatal(err)
	}
	var pairs []pair
	var around []string
	within := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		cells := strings.Split(line, " | ")
		switch {
		case strings.HasPrefix(line, "## "):
			around = nil
		case line == "```submit":
			within = true
		case line == "```":
			within = false
		case within:
			around = append(around, line)
		case strings.HasPrefix(line, "| `") && len(cells) == 4:
			code := func(cell string) []string {
				lines := strings.Split(strings.Trim(cell, "| "), "<br>")
				for i := range lines {
					lines[i] = strings.Trim(lines[i], "`")
				}
				return lines
			}
			pairs = append(pairs, pair{code(cells[0])[0], code(cells[1]), code(cells[2]), code(cells[3])[0], around})
		}
	}
	return pairs
}

func TestBothTonguesOfADocumentedCommandMakeTheSameAd(t *testing.T) {
	pairs := tables(t)
	var documented []string
	for _, p := range pairs {
		documented = append(documented, p.command)
		t.Run(p.command, func(t *testing.T) {
			// What stands around is in the submit file's words; as a line of the row
			// has it, it is left out.
			sub, keys := p.submit, p.hcl
			hcl := strings.Join(keys, "\n")
			for _, line := range p.around {
				name, value, _ := strings.Cut(line, " = ")
				if slices.ContainsFunc(sub, func(l string) bool { return strings.HasPrefix(l, name+" ") }) || name == "ovirt_template" && strings.HasPrefix(sub[0], "ovirt_vm ") {
					continue
				}
				sub = append(slices.Clip(sub), line)
				hcl += "\n" + name + ` = "` + value + `"`
			}
			program, quoted := "executable = run.sh", `executable = "run.sh"`
			if p.command == "executable" {
				program, quoted = "", ""
			}
			want, diags := submit.Lower("job.sub", []byte(program+"\n"+strings.Join(sub, "\n")+"\nqueue\n"), site(), documentedFiles{files()})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			got, diags := Jobs("job.hcl", []byte("job \"j\" {\n"+quoted+"\n"+hcl+"\n}\n"), site(), documentedFiles{files()})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			id := grid.JobID{Cluster: 1}
			w, err := want[0].Proc(id)
			if err != nil {
				t.Fatal(err)
			}
			g, err := got[0].Spec.Proc(id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(w, g); diff != "" {
				t.Errorf("submit file - and HCL + differ:\n%s", diff)
			}
			if _, ok := submit.Find(w, p.attr); !ok {
				t.Errorf("it does not set %s", p.attr)
			}
		})
	}
	for _, name := range submit.CommandNames() {
		if !slices.Contains(documented, name) && name != "use_oauth_services" {
			t.Errorf("docs/submit.md has no row for %s", name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(submit.CommandNames(), name) {
			t.Errorf("docs/submit.md has a row for %s, which is no command", name)
		}
	}
}

// documentedFiles are files with a directory among them.
type documentedFiles struct{ tree }

func (f documentedFiles) Stat(name string) (submit.FileInfo, error) {
	if name == "/sub/texts" {
		return submit.FileInfo{Mode: os.ModeDir | 0o755}, nil
	}
	return f.tree.Stat(name)
}
