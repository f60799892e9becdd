package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"

	"gridburst/internal/whole"
)

// PrintJSON prints an answer of the API.
func PrintJSON(d *Deps, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := d.Out.Write(b.Bytes())
	return err
}

// WriteJSON makes a file hold a value for programs, whole or not at all, and its
// directories.
func WriteJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return whole.Write(path, append(b, '\n'), 0o644)
}
