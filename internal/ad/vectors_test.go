package ad

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "accept new golden files")

type vector struct{ expr, want string }

// readVectors is HTCondor's answers, and the two ads that they were given for.
func readVectors(tb testing.TB) (my, target *Ad, vectors []vector) {
	tb.Helper()
	data, err := os.ReadFile("testdata/classad-vectors.tsv")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		left, right, ok := strings.Cut(line, "\t")
		switch {
		case !ok:
		case left == "# MY":
			my = record2ad(tb, right)
		case left == "# TARGET":
			target = record2ad(tb, right)
		case !strings.HasPrefix(left, "#"):
			vectors = append(vectors, vector{left, right})
		}
	}
	if my == nil || target == nil || len(vectors) < 400 {
		tb.Fatalf("vectors: MY %v, TARGET %v, %d lines", my != nil, target != nil, len(vectors))
	}
	return my, target, vectors
}

func record2ad(tb testing.TB, src string) *Ad {
	tb.Helper()
	e, err := Parse(src)
	if err != nil {
		tb.Fatal(err)
	}
	a := &Ad{}
	for _, f := range e.root.(*recordNode).fields {
		a.SetExpr(f.name, &Expr{root: f.value, size: sizeOf(f.value)})
	}
	return a
}

func TestAnswersAreHTCondorsButForTheKnownDifferences(t *testing.T) {
	t.Setenv("TZ", "UTC")
	my, target, vectors := readVectors(t)
	var differences strings.Builder
	equal := 0
	for _, v := range vectors {
		got := "PARSE-ERROR"
		if e, err := Parse(v.expr); err == nil {
			w := writer{exact: true}
			w.value(Instant(1_700_000_000).Eval(e, my, target))
			got = w.String()
		}
		if got == octalUTF8(v.want) {
			equal++
			continue
		}
		fmt.Fprintf(&differences, "%s\n\tHTCondor: %s\n\twe:       %s\n", v.expr, v.want, got)
	}
	t.Logf("%d of %d equal", equal, len(vectors))
	const path = "testdata/differences.txt"
	if *update {
		if err := os.WriteFile(path, []byte(differences.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if differences.String() != string(want) {
		t.Errorf("differences are not those of %s; now:\n%s", path, differences.String())
	}
	if equal*100 < 90*len(vectors) {
		t.Errorf("only %d of %d equal", equal, len(vectors))
	}
}

// octalUTF8 undoes the octal that HTCondor prints for bytes above 0x7f.
func octalUTF8(s string) string {
	r := strings.NewReplacer(`\303\237`, "ß")
	return r.Replace(s)
}
