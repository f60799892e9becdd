package whole_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"gridburst/internal/whole"
)

// every way to write, at the same place.
func every(dir *os.Root, name string) map[string]func(b string, mode os.FileMode) error {
	path := filepath.Join(dir.Name(), name)
	return map[string]func(string, os.FileMode) error{
		"Write":   func(b string, mode os.FileMode) error { return whole.Write(path, []byte(b), mode) },
		"WriteIn": func(b string, mode os.FileMode) error { return whole.WriteIn(dir, name, []byte(b), mode) },
		"Store":   func(b string, mode os.FileMode) error { return whole.Store(path, []byte(b), mode) },
	}
}

func TestAFileIsMadeAndReplaced(t *testing.T) {
	for way := range every(root(t), "") {
		t.Run(way, func(t *testing.T) {
			dir := root(t)
			write := every(dir, "file")[way]
			for _, text := range []string{"first", "2nd", "", "the last one"} {
				if err := write(text, 0o600); err != nil {
					t.Fatal(err)
				}
				b, err := dir.ReadFile("file")
				if err != nil || string(b) != text {
					t.Fatalf("it holds %q, %v; want %q", b, err, text)
				}
			}
			if info, err := dir.Stat("file"); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			if _, err := dir.Stat("file" + whole.Beside); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what was beside it is left: %v", err)
			}
		})
	}
}

// A writer that died left half a file beside; one that fails leaves the file as it was.
func TestWhatIsHalfIsNotTheFile(t *testing.T) {
	for way := range every(root(t), "") {
		t.Run(way, func(t *testing.T) {
			dir := root(t)
			write := every(dir, "file")[way]
			if err := errors.Join(dir.WriteFile("file", []byte("before"), 0o600), dir.WriteFile("file"+whole.Beside, []byte("half of something long"), 0o600)); err != nil {
				t.Fatal(err)
			}
			if err := write("after", 0o600); err != nil {
				t.Fatal(err)
			}
			if b, _ := dir.ReadFile("file"); string(b) != "after" {
				t.Fatalf("it holds %q", b)
			}
			if err := dir.Mkdir("file"+whole.Beside, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := write("never", 0o600); err == nil {
				t.Error("it was written over a directory")
			}
			if b, _ := dir.ReadFile("file"); string(b) != "after" {
				t.Errorf("after a failure it holds %q", b)
			}
		})
	}
}

func root(t *testing.T) *os.Root {
	t.Helper()
	r, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}
