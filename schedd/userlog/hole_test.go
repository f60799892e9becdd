package userlog

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A power cut may leave zeros where an event was, or the rest of one: what lies before
// them stays.
func TestZerosThatAPowerCutLeavesAreCutOff(t *testing.T) {
	for name, c := range map[string]struct{ there, want string }{
		"an event and a hole":          {"event\n...\n" + string(make([]byte, 100)), "event\n...\n"},
		"half an event and a hole":     {"event\n...\n00" + string(make([]byte, 200_000)), "event\n...\n00"},
		"a hole alone":                 {string(make([]byte, 70_000)), ""},
		"no hole":                      {"event\n...\n", "event\n...\n"},
		"nothing":                      {"", ""},
		"a zero that another wrote on": {"a\x00b", "a\x00b"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte(c.there), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := dropHole(f); err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, []byte(c.want)) {
				t.Errorf("%q %v", b, err)
			}
		})
	}
}
