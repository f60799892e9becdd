package ledger

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gridburst/internal/grid"
)

// Every drawn command survives the log.
func TestEntryCodecIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := script{t: t}
		e := Entry{Index: rapid.Uint64().Draw(t, "index"), Command: s.draw(&View{})}
		refused := rapid.SampledFrom([]*grid.Error{nil, grid.Errorf(grid.Refused, "no")}).Draw(t, "refused")
		at := e.At + rapid.Int64Range(0, 100).Draw(t, "later")
		events := []Event{
			{Index: e.Index, At: at, Type: JobHeld, Jobs: grid.Run{Cluster: 1, Lo: 2, Hi: 5}, Code: -1, Text: "x"},
			{Index: e.Index, Seq: 1, At: at, Type: JobCompleted, Exit: &Exit{Code: 3, Signal: true, WallMS: 1}},
		}
		k := key8(e.Index)
		got, err := decodeEntry(k, seal(k, encodeEntry(&e, at, refused, events).b))
		must(t, err)
		want := Record{Entry: e, Time: at, Err: refused, Events: events}
		want.body, got.body = nil, nil
		if d := cmp.Diff(want, got, cmp.AllowUnexported(Entry{}), cmp.Comparer(func(a, b []byte) bool { return string(a) == string(b) })); d != "" {
			t.Fatal(d)
		}
	})
}

// No input makes a decoder panic or reserve more than it was given, and an entry that is
// read is written and read again as it is. The corpus has records of each kind from the
// golden file.
func FuzzDecode(f *testing.F) {
	e := Entry{Index: 1, Command: submitOne("k")}
	f.Add(encodeEntry(&e, 1, nil, []Event{{Type: JobHeld, Text: "x", Exit: &Exit{}}}).b)
	f.Add((&Cluster{Procs: 1}).encode().b)
	f.Add((&Past{Run: grid.Run{Cluster: 1, Hi: 1}, Attrs: []Attr{{Name: "a", Expr: "1"}}}).encode().b)
	f.Add((&View{}).encodeState().b)
	f.Fuzz(func(t *testing.T, value []byte) {
		k := key8(1)
		v := seal(k, append([]byte{}, value...))
		if r, err := decodeEntry(k, v); err == nil {
			again, err := decodeEntry(k, seal(k, encodeEntry(&r.Entry, r.Time, r.Err, r.Events).b))
			r.body, again.body = nil, nil
			if err != nil || !reflect.DeepEqual(r, again) {
				t.Fatalf("%v: %+v was written and read as %+v", err, r, again)
			}
		}
		decodeCluster(k, v)
		decodeWorker(k, v)
		decodePast(k, v)
		decodeAttrs(k, v)
		decodeLogPosition(k, v)
		decodeClaim(k, v)
		decodeDag(k, v)
		decodeNode(k, v)
		decodeToken(value)
		decodeFirst(value)
		new(View).decodeState(v)
		unseal(k, value)
	})
}

// The measurement behind codec.go: a job record and a submit as we store them, and
// as JSON.
func BenchmarkCodec(b *testing.B) {
	c := Cluster{
		Base:  Job{Status: grid.Idle, Prio: 3, Entered: 1_700_000_000_000, Version: 1, Epoch: 2, Starts: 2},
		QDate: 1_700_000_000_000, Owner: 3, Template: 1000, Procs: 1, Live: 1, Universe: grid.Vanilla,
	}
	attrs := make([]Attr, 25)
	for i := range attrs {
		attrs[i] = Attr{Name: fmt.Sprint("RequestSomething", i), Expr: `"value of it"`}
	}
	k := key4(7)
	b.Run("cluster/binary", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v := seal(k, c.encode().b)
			if _, err := decodeCluster(k, v); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(v)), "bytes")
		}
	})
	b.Run("cluster/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v, _ := json.Marshal(c)
			var back Cluster
			if err := json.Unmarshal(v, &back); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(v)), "bytes")
		}
	})
	b.Run("attrs/binary", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			e := newEnc(1024)
			e.attrs(attrs)
			v := seal(k, e.b)
			if _, err := decodeAttrs(k, v); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(v)), "bytes")
		}
	})
	b.Run("attrs/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v, _ := json.Marshal(attrs)
			var back []Attr
			if err := json.Unmarshal(v, &back); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(v)), "bytes")
		}
	})
}

// BenchmarkSubmit is durable submits through the log, by one client and by 64.
func BenchmarkSubmit(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprint(clients, "clients"), func(b *testing.B) {
			l, err := Open(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- l.Run(b.Context()) }()
			b.SetParallelism(clients)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := l.Propose(b.Context(), submitOne("")); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
			b.Cleanup(func() { <-done; l.Close() })
		})
	}
}
