package dagfile

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gridburst/dag"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "accept new golden files")

const corpus = "testdata/corpus"

// tree is an owner's files.
type tree map[string]string

func (t tree) ReadFile(name string) ([]byte, error) {
	s, ok := t[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(s), nil
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Fatalf("%s (accept with -update):\n%s", name, d)
	}
}

func corpusFile(tb testing.TB, name string) []byte {
	tb.Helper()
	src, err := os.ReadFile(filepath.Join(corpus, name))
	if err != nil {
		tb.Fatal(err)
	}
	return src
}

// verdicts is whether DAGMan accepts each file of the corpus.
func verdicts(tb testing.TB) map[string]bool {
	tb.Helper()
	out := map[string]bool{}
	for line := range strings.Lines(string(corpusFile(tb, "expected/VERDICTS.tsv"))) {
		if f := strings.Split(line, "\t"); f[0] != "file" {
			out[f[0]] = f[1] == "accepted"
		}
	}
	if len(out) < 50 {
		tb.Fatalf("the corpus has %d files", len(out))
	}
	return out
}

// recorded is what the corpus tells of a run of a file by DAGMan, as far as it is about
// reading the file.
type recorded struct {
	Stubs struct{ Files map[string]string }
}

// stubs is the files that DAGMan found beside a file of the corpus.
func stubs(tb testing.TB, name string) tree {
	tb.Helper()
	out := tree{}
	src, err := os.ReadFile(filepath.Join(corpus, "expected", name+".run1.json"))
	if os.IsNotExist(err) {
		return out
	}
	var o recorded
	if err := json.Unmarshal(src, &o); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	for file, what := range o.Stubs.Files {
		if other, ok := strings.CutPrefix(what, "corpus file "); ok {
			out[file] = string(corpusFile(tb, other))
		} else if text, ok := strings.CutPrefix(what, "stub: "); ok && text != "empty configuration" {
			out[file] = strings.ReplaceAll(text, "; ", "\n") + "\n"
		} else if ok {
			out[file] = ""
		}
	}
	return out
}

func TestEveryFileOfTheCorpusIsReadOrRefusedAsByDAGMan(t *testing.T) {
	var b strings.Builder
	accepted := verdicts(t)
	for _, name := range slices.Sorted(maps.Keys(accepted)) {
		files := stubs(t, name)
		g, diags := Read(name, corpusFile(t, name), files)
		if (g == nil) != diags.HasErrors() {
			t.Errorf("%s: a graph and errors, or neither", name)
		}
		if (g != nil) != accepted[name] {
			t.Errorf("%s: accepted %v, by DAGMan %v: %s", name, g != nil, accepted[name], diags)
		}
		b.WriteString(name + "\n")
		if g != nil {
			fmt.Fprintf(&b, "  %d nodes, %d edges, %d joins, %d categories\n", g.Len(), g.Edges(), g.Joins, len(g.Categories))
			equalWhenWritten(t, g, files)
		}
		for _, d := range diags {
			kind := "error"
			if d.Warning {
				kind = "warning"
			}
			fmt.Fprintf(&b, "  %s, line %d: %s. %s\n", kind, d.Line, d.Summary, d.Detail)
		}
	}
	golden(t, "testdata/corpus.golden", b.String())
}

// equalWhenWritten writes a graph and reads it again.
func equalWhenWritten(t interface {
	Helper()
	Fatalf(string, ...any)
}, g *dag.Graph, files Files,
) {
	t.Helper()
	src, err := Write(g)
	if err != nil {
		t.Fatalf("%v", err)
	}
	again, diags := ReadAll([]File{{Name: g.Name, Text: src}}, files, Options{AnyName: true})
	if again == nil {
		t.Fatalf("written, it is refused: %s\n%s", diags, src)
	}
	if d := cmp.Diff(g, again); d != "" {
		t.Fatalf("written and read again, it differs: %s\n%s", d, src)
	}
}
