// Package canary looks for secrets wherever a running grid could let them out.
//
// A test plants values that are nowhere else in the world: a password, a token, what a
// guest is given. A [Search] knows them, and looks for them in texts, in files and in
// processes, as they are and in the forms in which programs write what they do not mean to
// show (base64, hexadecimal, percent signs). What it finds it keeps, with the place; where
// a secret belongs, the test says so.
package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"gridburst/internal/rig"
)

// Search is for secrets. It is safe for many goroutines.
type Search struct {
	mu     sync.Mutex
	forms  map[string][][]byte // by the secret's name
	found  map[string]bool     // sentences
	looked int
}

// New is a search that knows no secret.
func New() *Search { return &Search{forms: map[string][][]byte{}, found: map[string]bool{}} }

// least is how long a secret is at least: a shorter one is found by accident.
const least = 12

// Plant tells the search of a secret. A name may have several.
func (s *Search) Plant(name, secret string) error {
	if len(secret) < least {
		return fmt.Errorf("%s has %d characters, and %d are the least that are not found by accident", name, len(secret), least)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forms[name] = append(s.forms[name], forms(secret)...)
	return nil
}

// forms are what a secret may look like.
func forms(secret string) [][]byte {
	out := []string{secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret)))}
	if q := url.QueryEscape(secret); q != secret {
		out = append(out, q)
	}
	// In base64 three bytes become four characters, so a text looks in three ways, by what
	// stands before it; of its ends some bits are its neighbours'.
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			b := enc.EncodeToString(append(make([]byte, before), secret...))
			from := (8*before + 5) / 6
			to := (8 * (before + len(secret))) / 6
			out = append(out, b[from:to])
		}
	}
	slices.Sort(out)
	var all [][]byte
	for _, f := range slices.Compact(out) {
		all = append(all, []byte(f))
	}
	return all
}

// Text looks in a text. except are names of secrets that belong there.
func (s *Search) Text(where string, text []byte, except ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked++
	for name, forms := range s.forms {
		if slices.Contains(except, name) {
			continue
		}
		for _, f := range forms {
			if bytes.Contains(text, f) {
				s.found[name+" is in "+where] = true
			}
		}
	}
}

// Tree looks in every regular file below a directory, and in the names of all. belongs
// names the secrets that may be in a file, whose path is relative to dir.
func (s *Search) Tree(dir string, belongs func(path string) []string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone while we look
			return nil
		case err != nil:
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		s.Text("the name of "+rel, []byte(rel))
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			s.Text("the file "+rel, b, belongs(rel)...)
		}
		return err
	})
}

// Processes looks at the arguments and environments of all processes below one. What the
// kernel does not show is seen by nobody else of this user either.
func (s *Search) Processes(root int) error {
	all, err := rig.Below(root)
	if err != nil {
		return err
	}
	for _, p := range all {
		for _, part := range []string{"cmdline", "environ", "comm"} {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.PID, part))
			if err == nil {
				s.Text("the "+part+" of "+p.Command(), b)
			}
		}
	}
	return nil
}

// Found is a sentence for each secret in each place where it does not belong.
func (s *Search) Found() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.found))
}

// Looked is how many texts the search has looked into.
func (s *Search) Looked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looked
}
