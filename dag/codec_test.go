package dag

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"gridburst/internal/grid"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAGraphIsTheSameWhenItIsPacked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t)
		for i := range g.Nodes {
			n := &g.Nodes[i]
			n.File = rapid.SampledFrom([]string{"", "a.sub", "b.sub"}).Draw(t, "file")
			for range rapid.IntRange(0, 2).Draw(t, "vars") {
				n.Vars = append(n.Vars, Var{rapid.StringN(0, 3, -1).Draw(t, "var"), rapid.String().Draw(t, "value"), rapid.Bool().Draw(t, "append")})
			}
		}
		blob, err := g.Pack()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Unpack(blob)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(g, again); d != "" {
			t.Fatal(d)
		}
		// What is cut or changed is refused, or is another graph: it breaks nothing.
		if cut := rapid.IntRange(0, len(blob)-1).Draw(t, "cut"); cut >= len(packed) {
			if _, err := Unpack(blob[:cut]); grid.CodeOf(err) != grid.Invalid {
				t.Fatalf("cut to %d of %d bytes: %v", cut, len(blob), err)
			}
		}
		changed := slices.Clone(blob)
		changed[rapid.IntRange(0, len(blob)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		if other, err := Unpack(changed); err == nil {
			_ = other.Check()
		}
	})
}

func TestAGraphInJSONIsUnpackedToo(t *testing.T) {
	b := NewBuilder("w")
	b.Add(Node{Name: "a", File: "a.sub"})
	b.Add(Node{Name: "b", File: "a.sub", Retries: 2})
	b.Order([]int32{0}, []int32{1})
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	blob, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Unpack(blob)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(g, again); d != "" {
		t.Fatal(d)
	}
	if _, err := Unpack([]byte("no graph")); grid.CodeOf(err) != grid.Invalid {
		t.Fatal(err)
	}
}

func FuzzUnpack(f *testing.F) {
	b := NewBuilder("w")
	for i := range 5 {
		b.Add(Node{Name: fmt.Sprint(i), File: "a.sub", Vars: []Var{{Name: "x", Value: "y"}}, Retries: i})
	}
	b.Order([]int32{0, 1}, []int32{2, 3, 4})
	g, err := b.Graph()
	if err != nil {
		f.Fatal(err)
	}
	blob, err := g.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(blob)
	f.Fuzz(func(t *testing.T, blob []byte) {
		if g, err := Unpack(blob); err == nil {
			_ = g.Check()
		}
	})
}

func BenchmarkPack(b *testing.B) {
	made := NewBuilder("w")
	const nodes = 100_000
	for i := range int32(nodes) {
		made.Add(Node{Name: fmt.Sprint("n", i), File: "job.sub", Vars: []Var{{Name: "part", Value: fmt.Sprint(i)}}})
		if i > 0 {
			made.Order([]int32{i / 2}, []int32{i})
		}
	}
	g, err := made.Graph()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		blob, err := g.Pack()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Unpack(blob); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(blob)), "bytes")
	}
}
