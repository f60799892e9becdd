package wire

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gridburst/internal/grid"
)

func TestAFrameIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Frame{Ack: rapid.Uint64().Draw(t, "ack")}
		var encoded [][]byte
		for i := range rapid.IntRange(0, 5).Draw(t, "messages") {
			m := Message{Report: &Report{Job: grid.JobID{Cluster: 1, Proc: int32(i)}, Kind: Exited, Reason: rapid.String().Draw(t, "reason")}}
			b, err := m.encode()
			if err != nil {
				t.Fatal(err)
			}
			// What is compared is the message after JSON, which replaces invalid UTF-8.
			var read Message
			if err := json.Unmarshal(b, &read); err != nil {
				t.Fatal(err)
			}
			encoded, want.Msgs = append(encoded, b), append(want.Msgs, read)
		}
		if len(want.Msgs) > 0 {
			want.First = rapid.Uint64Range(1, 1<<63).Draw(t, "first")
		}
		body, err := ReadBlock(bytes.NewReader(appendFrame(nil, want.First, want.Ack, encoded)), nil, MaxFrame)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseFrame(body)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

func TestWhatIsNotAFrameIsRefused(t *testing.T) {
	many := `{"n":1,"m":[` + strings.TrimSuffix(strings.Repeat(`{"quit":{}},`, Window+1), ",") + `]}`
	for name, c := range map[string]struct {
		block []byte
		code  grid.Code
		is    error
	}{
		"a length over the limit":        {[]byte{0xff, 0, 0, 0}, grid.TooLarge, nil},
		"a length that is cut":           {[]byte{0, 0}, "", io.ErrUnexpectedEOF},
		"a body that is cut":             {[]byte{0, 0, 0, 9, '{'}, "", io.ErrUnexpectedEOF},
		"a body that does not come":      {[]byte{0, 0, 0, 9}, "", io.ErrUnexpectedEOF},
		"no JSON":                        {AppendBlock(nil, []byte("hello")), grid.Invalid, nil},
		"an empty body":                  {AppendBlock(nil, nil), grid.Invalid, nil},
		"a number without messages":      {AppendBlock(nil, []byte(`{"n":3}`)), grid.Invalid, nil},
		"messages without a number":      {AppendBlock(nil, []byte(`{"m":[{"quit":{}}]}`)), grid.Invalid, nil},
		"a message that says nothing":    {AppendBlock(nil, []byte(`{"n":1,"m":[{}]}`)), grid.Invalid, nil},
		"a message that says two things": {AppendBlock(nil, []byte(`{"n":1,"m":[{"quit":{},"drain":{}}]}`)), grid.Invalid, nil},
		"more messages than the window":  {AppendBlock(nil, []byte(many)), grid.Invalid, nil},
		"a report of no job":             {AppendBlock(nil, []byte(`{"n":1,"m":[{"report":{"kind":"exited"}}]}`)), grid.Invalid, nil},
		"an attempt's report of another": {AppendBlock(nil, []byte(`{"n":1,"m":[{"hello":{"attempts":[{"job":"1.0","epoch":1,"last":{"job":"2.0","epoch":1}}]}}]}`)), grid.Invalid, nil},
		"a job id that is none":          {AppendBlock(nil, []byte(`{"n":1,"m":[{"kill":{"job":"x"}}]}`)), grid.Invalid, nil},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := ReadBlock(bytes.NewReader(c.block), nil, MaxFrame)
			if err == nil {
				_, err = parseFrame(body)
			}
			if c.is != nil {
				if err != c.is {
					t.Fatalf("got %v, want %v", err, c.is)
				}
			} else if grid.CodeOf(err) != c.code {
				t.Fatalf("got %v (%s), want %s", err, grid.CodeOf(err), c.code)
			}
		})
	}
}

func TestTheEndBetweenBlocksIsEOF(t *testing.T) {
	if _, err := ReadBlock(strings.NewReader(""), nil, MaxFrame); err != io.EOF {
		t.Fatalf("got %v, want io.EOF", err)
	}
}

func TestAClaimedLengthCostsNoMemory(t *testing.T) {
	r := slices.Concat([]byte{0, 0x3f, 0, 0}, []byte("short"))
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ReadBlock(bytes.NewReader(r), nil, MaxFrame); err != io.ErrUnexpectedEOF {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 256<<10 {
		t.Fatalf("4 MiB were claimed, 5 bytes came, %d bytes were allocated", allocated)
	}
}

// FuzzReadFrame feeds the reader bytes from outside. A frame that it accepts is
// one that it could have written: written and read again it is the same.
func FuzzReadFrame(f *testing.F) {
	f.Add(appendFrame(nil, 0, 0, nil))
	f.Add(appendFrame(nil, 7, 3, [][]byte{[]byte(`{"beat":{"clock":5}}`), []byte(`{"quit":{"term":2,"power_off":true}}`)}))
	f.Add(AppendBlock(nil, []byte(`{"n":1,"m":[{"start":{"term":1,"job":"1.0","epoch":1,"cmd":"/bin/true","args":null,"env":["A=b"]}}]}`)))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		body, err := ReadBlock(bytes.NewReader(b), nil, MaxFrame)
		if err != nil {
			return
		}
		first, err := parseFrame(body)
		if err != nil {
			return
		}
		var encoded [][]byte
		for i := range first.Msgs {
			e, err := first.Msgs[i].encode()
			if err != nil {
				t.Fatalf("a message that was read cannot be written: %v", err)
			}
			encoded = append(encoded, e)
		}
		body, err = ReadBlock(bytes.NewReader(appendFrame(nil, first.First, first.Ack, encoded)), nil, 8*MaxFrame)
		if err != nil {
			t.Fatal(err)
		}
		second, err := parseFrame(body)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(encodeAll(t, first), encodeAll(t, second)); d != "" {
			t.Fatal(d)
		}
	})
}

func encodeAll(t *testing.T, f Frame) string {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
