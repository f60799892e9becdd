package dag

import (
	"fmt"
	"os"
	"testing"

	"gridburst/internal/grid"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAnEncodedGraphIsTheGraph(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t)
		g.Name, g.MaxJobs = rapid.String().Draw(t, "name"), rapid.IntRange(0, 5).Draw(t, "max jobs")
		for i := range g.Nodes {
			n := &g.Nodes[i]
			n.Dir, n.Job = rapid.SampledFrom([]string{"", "d"}).Draw(t, "dir"), rapid.SampledFrom([]string{"", "j"}).Draw(t, "job")
			n.Vars = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Var {
				return Var{rapid.String().Draw(t, "var"), rapid.String().Draw(t, "value"), rapid.Bool().Draw(t, "append")}
			}), 0, 3).Draw(t, "vars")
			if len(n.Vars) == 0 {
				n.Vars = nil
			}
			if rapid.Bool().Draw(t, "abort") {
				n.Abort = &Abort{rapid.IntRange(-9, 300).Draw(t, "exit"), rapid.IntRange(0, 255).Draw(t, "return")}
			}
		}
		back, err := Decode(g.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(g, back); d != "" {
			t.Fatal(d)
		}
	})
}

// TestEarlierFormats reads a graph that release 1 of the format wrote; it stays as it
// is.
func TestEarlierFormats(t *testing.T) {
	b, err := os.ReadFile("testdata/graph-1.golden")
	if err != nil {
		t.Fatal(err)
	}
	g, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	want := goldenGraph(t)
	if d := cmp.Diff(want, g); d != "" {
		t.Fatal(d)
	}
}

func goldenGraph(tb testing.TB) *Graph {
	tb.Helper()
	b := builder("a b > c", "c > d")
	*b.Node(0) = Node{Name: "a", File: "a.sub", Dir: "d", Job: "j", Retries: 3, Unless: new(-4), Priority: -7, Category: "io"}
	*b.Node(3) = Node{Name: "d", Noop: true, Done: true, Abort: &Abort{300, 1}, Vars: []Var{{Name: "+x", Value: "1", Append: true}, {Name: "y", Value: "ä"}}}
	b.Limit("io", 2)
	b.Limit("", 9)
	b.bundles = append(b.bundles, bundle{[]int32{0, 1}, []int32{2, 3}})
	g, err := b.Graph()
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add(goldenGraph(f).Encode())
	f.Add(large(f, 3, 4).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := Decode(b)
		if err != nil {
			if grid.CodeOf(err) != grid.Invalid {
				t.Fatal(err)
			}
			return
		}
		again, err := Decode(g.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(g, again); d != "" {
			t.Fatal(d)
		}
		if _, err := Open(g, Header{}, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	g := large(b, 50, 1000)
	for i := range g.Nodes {
		g.Nodes[i].File, g.Nodes[i].Vars = "job.sub", []Var{{Name: "part", Value: fmt.Sprint(i)}}
	}
	for b.Loop() {
		enc := g.Encode()
		if _, err := Decode(enc); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(enc))/float64(len(g.Nodes)), "bytes/node")
	}
}
