package submit

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gridburst/internal/ad"
	"gridburst/internal/grid"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const typical = `executable = wc
arguments = -w texts/$(Process).txt
output = out.$(Process)
error = err.$(Process)
log = wordcount.log
request_memory = 512MB
request_cpus = 1
requirements = TARGET.Memory >= 2048 && TARGET.HasDocker
transfer_input_files = a, b
should_transfer_files = YES
max_retries = 2
+Project = "words"
queue 40
`

func typicalSpec(tb testing.TB) Spec {
	tb.Helper()
	return specsOf(tb, typical, tree{}.put("wc", "a", "b"))[0]
}

func attrsGen() *rapid.Generator[[]Attr] {
	return rapid.Custom(func(t *rapid.T) []Attr {
		var out []Attr
		for range rapid.IntRange(0, 20).Draw(t, "n") {
			name := rapid.OneOf(rapid.SampledFrom(wellKnown[:]), rapid.StringMatching(`[A-Za-z_][A-Za-z0-9_]{0,12}`)).Draw(t, "name")
			expr := rapid.OneOf(
				rapid.SampledFrom([]string{"true", "false", "undefined", "-5", "007", "-0", "0", "9223372036854775807", "9223372036854775808", "1.0", "TRUE", "x > 1", "", `"\q"`, `"a" + "b"`, `"\011"`, `"\t"`}),
				rapid.Map(rapid.String(), ad.Quote), rapid.String(), rapid.Map(rapid.Int64(), func(i int64) string { return fmt.Sprint(i) }),
			).Draw(t, "expr")
			out = append(out, Attr{name, expr})
		}
		return out
	})
}

func TestAttributesAreReadBackToTheByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		attrs := attrsGen().Draw(t, "attrs")
		got, err := DecodeAttrs(AppendAttrs(nil, attrs))
		if err != nil || !slices.Equal(got, attrs) {
			t.Fatalf("%q became %q, %v", attrs, got, err)
		}
	})
}

func TestSectionsAndItemsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 20, -1)
		s := Section{
			Attrs:   attrsGen().Draw(t, "attrs"),
			PerItem: rapid.IntRange(0, grid.MaxProcs).Draw(t, "per"),
			Hold:    rapid.Bool().Draw(t, "hold"), Verbatim: rapid.Bool().Draw(t, "verbatim"),
			Vars: rapid.SliceOfN(text, 1, 4).Draw(t, "vars"),
		}
		for range rapid.IntRange(0, 4).Draw(t, "columns") {
			s.Columns = append(s.Columns, Column{text.Draw(t, "attr"), Kind(text.Draw(t, "kind")), text.Draw(t, "text"), rapid.SliceOfN(text, 1, 3).Draw(t, "list")})
		}
		got, err := DecodeSection(AppendSection(nil, &s))
		if diff := cmp.Diff(s, got); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
		for range rapid.IntRange(0, 30).Draw(t, "rows") {
			s.Items = append(s.Items, rapid.SliceOfN(text, len(s.Vars), len(s.Vars)).Draw(t, "row"))
		}
		var rows [][]string
		for n, chunk := range ItemChunks(s.Items, 200) {
			part, err := DecodeItems(chunk)
			if err != nil || len(part) != n || len(chunk) > 200 && n > 1 {
				t.Fatalf("%d rows in %d bytes: %v", n, len(chunk), err)
			}
			rows = append(rows, part...)
		}
		if diff := cmp.Diff(s.Items, rows); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestLoadGivesTheAdThatTheAttributesSay(t *testing.T) {
	attrs, err := func() ([]Attr, error) { s := typicalSpec(t); return s.Proc(grid.JobID{Cluster: 1, Proc: 3}) }()
	if err != nil {
		t.Fatal(err)
	}
	want := adOf(t, attrs)
	var exprs ad.Cache
	got := &ad.Ad{}
	if err := Load(got, AppendAttrs(nil, attrs), &exprs, nil); err != nil {
		t.Fatal(err)
	}
	if d := difference(got, want); d != "" {
		t.Error(d)
	}
	got.Reset()
	if err := Load(got, AppendAttrs(nil, attrs), &exprs, func(n string) bool { return n == "RequestMemory" }); err != nil || got.Len() != 1 {
		t.Error(got.Names(), err)
	}
}

// What one release wrote, the next one reads: a change needs a new version byte.
func TestTheStoredFormDoesNotChange(t *testing.T) {
	s := typicalSpec(t)
	s.Sections[0].Hold = true
	var b strings.Builder
	for _, blob := range [][]byte{AppendAttrs(nil, s.Attrs), AppendSection(nil, &s.Sections[0]), AppendItems(nil, [][]string{{"a", "b"}, {"", "ü"}})} {
		b.WriteString(hex.Dump(blob) + "\n")
	}
	golden(t, "testdata/stored.golden", b.String())
}

func TestAnUnknownVersionIsRefused(t *testing.T) {
	if _, err := DecodeAttrs([]byte{9, 0}); grid.CodeOf(err) != grid.Invalid {
		t.Error(err)
	}
}

func TestWellKnownNamesAreFound(t *testing.T) {
	for i, n := range wellKnown {
		if got, ok := placeOf(n); !ok || got != i {
			t.Errorf("%s is at %d, found at %d", n, i, got)
		}
		if i > 0 && i < sortedKnown && compareNames(wellKnown[i-1], n) >= 0 {
			t.Errorf("%s stands behind %s", n, wellKnown[i-1])
		}
	}
}

func TestSplitAndMergeAreInverse(t *testing.T) {
	s := typicalSpec(t)
	attrs, err := s.Proc(grid.JobID{Cluster: 1})
	if err != nil {
		t.Fatal(err)
	}
	template, own := Split(attrs)
	if len(own) < 4 || len(template) < 30 {
		t.Errorf("%d and %d attributes", len(template), len(own))
	}
	if diff := cmp.Diff(attrs, Merge(template, own)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Attr{{"a", "3"}, {"B", "2"}}, Merge([]Attr{{"B", "1"}, {"A", "1"}}, []Attr{{"b", "0"}, {"B", "2"}, {"a", "3"}})); diff != "" {
		t.Error(diff)
	}
}

func FuzzDecode(f *testing.F) {
	s := typicalSpec(f)
	f.Add(AppendAttrs(nil, s.Attrs))
	f.Add(AppendSection(nil, &s.Sections[0]))
	f.Add(AppendItems(nil, [][]string{{"a", "b"}, {"c", "d"}}))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) {
		if attrs, err := DecodeAttrs(data); err == nil {
			again, err := DecodeAttrs(AppendAttrs(nil, attrs))
			if err != nil || !slices.Equal(attrs, again) {
				t.Fatalf("%q became %q, %v", attrs, again, err)
			}
		}
		var exprs ad.Cache
		_ = Load(&ad.Ad{}, data, &exprs, nil)
		if sec, err := DecodeSection(data); err == nil {
			if again, err := DecodeSection(AppendSection(nil, &sec)); err != nil || cmp.Diff(sec, again) != "" {
				t.Fatalf("%v became %v, %v", sec, again, err)
			}
		}
		if rows, err := DecodeItems(data); err == nil {
			if again, err := DecodeItems(AppendItems(nil, rows)); err != nil || cmp.Diff(rows, again) != "" {
				t.Fatalf("%q became %q, %v", rows, again, err)
			}
		}
	})
}

func BenchmarkTemplateBinary(b *testing.B) { benchCodec(b, AppendAttrs, DecodeAttrs) }

func BenchmarkTemplateJSON(b *testing.B) {
	benchCodec(b,
		func(dst []byte, a []Attr) []byte {
			data, err := json.Marshal(a)
			if err != nil {
				panic(err)
			}
			return append(dst, data...)
		},
		func(data []byte) (a []Attr, err error) { return a, json.Unmarshal(data, &a) })
}

// benchCodec writes and reads the template of a typical job.
func benchCodec(b *testing.B, encode func([]byte, []Attr) []byte, decode func([]byte) ([]Attr, error)) {
	template, _ := Split(typicalSpec(b).Attrs)
	data := encode(nil, template)
	b.ReportMetric(float64(len(data)), "bytes")
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = encode(buf[:0], template)
		}
		b.ReportMetric(float64(len(buf)), "bytes")
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decode(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	data := AppendAttrs(nil, typicalSpec(b).Attrs)
	var exprs ad.Cache
	a := &ad.Ad{}
	b.ReportAllocs()
	for b.Loop() {
		a.Reset()
		if err := Load(a, data, &exprs, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProc(b *testing.B) {
	s := typicalSpec(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Sections[0].Expand(grid.JobID{Cluster: 1, Proc: 7}, 7, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLower(b *testing.B) {
	files := tree{}.put("wc", "a", "b")
	b.ReportAllocs()
	for b.Loop() {
		if _, diags := Lower("x", []byte(typical), testSite(), files); diags.HasErrors() {
			b.Fatal(diags)
		}
	}
}

func TestAMillionItemsCostLittleMoreThanTheirText(t *testing.T) {
	if testing.Short() {
		t.Skip("a million items take a second")
	}
	var text strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&text, "data/file-%07d.dat\n", i)
	}
	files := tree{}.put("/bin/true")
	files["/sub/items"] = tfile{text: text.String()}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := specsOf(t, "executable = /bin/true\narguments = -f $(f)\noutput = $Fn(f).out\nqueue f from items", files)[0]
	runtime.GC()
	runtime.ReadMemStats(&after)
	if s.Len() != 1_000_000 {
		t.Fatal(s.Len())
	}
	perItem := int64(after.HeapAlloc-before.HeapAlloc) / 1_000_000
	stored := 0
	for _, chunk := range ItemChunks(s.Sections[0].Items, 256<<10) {
		stored += len(chunk)
	}
	t.Logf("%d bytes an item in memory, %d stored; the text has %d", perItem, stored/1_000_000, text.Len()/1_000_000)
	if stored > text.Len()+text.Len()/100 || perItem > 100 {
		t.Error("too much")
	}
	runtime.KeepAlive(files)
	runtime.KeepAlive(s)
}
