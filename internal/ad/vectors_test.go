package ad

import (
	"os"
	"strings"
	"testing"
)

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

func TestAnswersAreHTCondorsButForTheDocumentedDifferences(t *testing.T) {
	t.Setenv("TZ", "UTC")
	my, target, vectors := readVectors(t)
	documented := documentedDifferences(t)
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
		if d, ok := documented[v.expr]; !ok || d != [2]string{v.want, got} {
			t.Errorf("%s\n  HTCondor: %s\n  here:     %s\ndocs/classad.md says %q", v.expr, v.want, got, d)
		}
		delete(documented, v.expr)
	}
	t.Logf("equal %d/%d", equal, len(vectors))
	for expr := range documented {
		t.Errorf("docs/classad.md knows a difference that is none: %s", expr)
	}
	if equal*100 < 98*len(vectors) {
		t.Errorf("only %d of %d equal", equal, len(vectors))
	}
}

// documentedDifferences are the rows of docs/classad.md that have a reason: HTCondor's
// answer and ours, by the expression.
func documentedDifferences(t *testing.T) map[string][2]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/classad.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][2]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if !strings.HasPrefix(line, "| `") || len(cells) != 4 || len(cells[3]) < 10 {
			continue
		}
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.Trim(cells[i], "| `"), `\|`, "|")
		}
		rows[cells[0]] = [2]string{cells[1], cells[2]}
	}
	return rows
}

// octalUTF8 undoes the octal that HTCondor prints for bytes above 0x7f.
func octalUTF8(s string) string {
	r := strings.NewReplacer(`\303\237`, "ß")
	return r.Replace(s)
}
