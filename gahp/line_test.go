package gahp

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// awkward are user data and the like, as people and engines write them.
var awkward = []string{
	"", "NULL", "null", `\`, `\\`, " ", "\n", "\r\n", "a b", " leading", "trailing ", `ends with \`,
	"#cloud-config\nwrite_files:\n  - path: /etc/x\n    content: |\n      \"a\" <&> ]]> 'b'\n",
	"tab\tbell\aesc\x1b[31m", "\xff\xfe not utf-8", "ümläut €", `\n is two bytes`, "\r", "NULL NULL",
}

func readAll(t *testing.T, text string) (lines [][]string) {
	t.Helper()
	r := newLineReader(strings.NewReader(text))
	for {
		raw, err := r.next()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		words, err := splitLine(raw)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, words)
	}
}

func TestWordsComeBackAsTheyWere(t *testing.T) {
	for _, end := range []string{"\n", "\r\n"} {
		line, err := appendLine(nil, awkward...)
		if err != nil {
			t.Fatal(err)
		}
		got := readAll(t, string(line)+end+string(line)+end)
		if len(got) != 2 || !slices.Equal(got[0], awkward) || !slices.Equal(got[1], awkward) {
			t.Errorf("with end %q:\n got %q\nwant %q twice", end, got, awkward)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`(?s)[\x01-\x{ff} \\\r\nNUL]*`), 1, 6).Draw(t, "words")
		line, err := appendLine(nil, words...)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := newLineReader(strings.NewReader(string(line) + "\r\n")).next()
		if err != nil {
			t.Fatal(err)
		}
		got, err := splitLine(raw)
		if err != nil || !slices.Equal(got, words) {
			t.Fatalf("%q came back as %q, %v", words, got, err)
		}
	})
}

func TestLinesAsTheyTravel(t *testing.T) {
	for _, c := range []struct {
		why   string
		words []string
		line  string
	}{
		{"plain words stand as they are", []string{"VM_GET", "7", "5000", "abc"}, "VM_GET 7 5000 abc"},
		{"an empty word is NULL", []string{"S", "", "x"}, "S NULL x"},
		{"the word NULL is no empty one", []string{"NULL"}, `\NULL`},
		{"blank, backslash, CR and LF are escaped", []string{"a b\\c\r\n"}, "a\\ b\\\\c\\\r\\\n"},
	} {
		line, err := appendLine(nil, c.words...)
		if err != nil || string(line) != c.line {
			t.Errorf("%s: got %q, %v; want %q", c.why, line, err, c.line)
		}
	}
	if got := readAll(t, "  vm_ping   1 0  \n\n"); len(got) != 2 || !slices.Equal(got[0], []string{"vm_ping", "1", "0"}) || got[1] != nil {
		t.Errorf("blanks as a person types them: %q", got)
	}
}

func TestWhatNoLineCanCarry(t *testing.T) {
	if line, err := appendLine([]byte("kept"), "a\x00b"); !errors.Is(err, errNUL) || string(line) != "kept" {
		t.Errorf("a NUL was written as %q, %v", line, err)
	}
	for _, raw := range []string{"a\x00b", "a\\\x00b"} {
		if _, err := splitLine([]byte(raw)); !errors.Is(err, errNUL) {
			t.Errorf("a NUL was read from %q: %v", raw, err)
		}
	}
	if _, err := splitLine([]byte(`a\`)); err == nil {
		t.Error("a line that ends with a backslash was read")
	}
	if _, err := appendLine(nil, strings.Repeat("x", MaxLine+1)); !errors.Is(err, errLong) {
		t.Errorf("a line that nobody reads was written: %v", err)
	}
}

func TestALongLineIsPassedOver(t *testing.T) {
	longest := strings.Repeat("x", MaxLine)
	for _, c := range []struct {
		long string
		ok   bool
	}{
		{longest + "\n", true},
		{longest + "\r\n", true},
		{longest + "y\n", false},
		{longest + "y\r\n", false},
		{longest + "y\\\nstill the same line\n", false},
		{strings.Repeat("z", 5*MaxLine) + "\n", false},
	} {
		r := newLineReader(strings.NewReader(c.long + "next\n"))
		line, err := r.next()
		if c.ok && (err != nil || len(line) != MaxLine) || !c.ok && !errors.Is(err, errLong) {
			t.Errorf("a line of %d bytes: %d bytes, %v", len(c.long), len(line), err)
		}
		if line, err = r.next(); err != nil || string(line) != "next" {
			t.Errorf("after a line of %d bytes: %q, %v", len(c.long), line, err)
		}
		if cap(r.buf) > 2*MaxLine {
			t.Errorf("a line of %d bytes was held in %d", len(c.long), cap(r.buf))
		}
	}
}

func TestHalfALineIsNone(t *testing.T) {
	for _, half := range []string{"VM_STOP 7", "VM_STOP 7\\\n", "\r"} {
		if _, err := newLineReader(strings.NewReader(half)).next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v", half, err)
		}
	}
}

// FuzzLine: what is read as words is written as a line that is read as the same.
func FuzzLine(f *testing.F) {
	for _, s := range awkward {
		line, err := appendLine(nil, "VM_CREATE", s, s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(line, '\n'))
		f.Add([]byte(s + "\r\n"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := newLineReader(bytes.NewReader(text))
		for range 100 {
			raw, err := r.next()
			if err != nil {
				return
			}
			words, err := splitLine(raw)
			if err != nil {
				continue
			}
			line, err := appendLine(nil, words...)
			if errors.Is(err, errLong) {
				continue // NULL in many words' place is longer
			}
			if err != nil {
				t.Fatalf("%q was read and cannot be written: %v", words, err)
			}
			again, err := newLineReader(bytes.NewReader(append(line, '\n'))).next()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := splitLine(again); err != nil || !slices.Equal(got, words) {
				t.Fatalf("%q came back as %q, %v", words, got, err)
			}
		}
	})
}
