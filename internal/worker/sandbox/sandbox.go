package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

// Sandbox is one attempt's directory. Nothing of it is kept in memory: a new
// agent finds its sandboxes by their names.
type Sandbox struct {
	Dir  string
	User User
}

// Work is the job's directory with Transfer.
func (s Sandbox) Work() string { return filepath.Join(s.Dir, "work") }

// Tmp is the job's /tmp where it has one of its own.
func (s Sandbox) Tmp() string { return filepath.Join(s.Dir, "tmp") }

// Stdout is where the job's output goes with Transfer.
func (s Sandbox) Stdout() string { return filepath.Join(s.Dir, "stdout") }

// Stderr is where the job's error output goes with Transfer.
func (s Sandbox) Stderr() string { return filepath.Join(s.Dir, "stderr") }

func (s Sandbox) inputs() string { return filepath.Join(s.Dir, InputsName) }

// InputsName is the file of what [Sandbox.Remember] has seen: names, and what they were.
const InputsName = "inputs.json"

// Create makes the sandbox. What an earlier try has left there goes first.
func (s Sandbox) Create() error {
	// Nobody but the worker can enter before it is whole.
	err := os.Mkdir(s.Dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		if err = s.Remove(); err == nil {
			err = os.Mkdir(s.Dir, 0o700)
		}
	}
	for _, dir := range []string{s.Work(), s.Tmp()} {
		if err == nil {
			err = os.Mkdir(dir, 0o700)
		}
		if err == nil && !s.User.IsSelf() {
			err = os.Lchown(dir, int(s.User.UID), int(s.User.GID))
		}
	}
	if err == nil && !s.User.IsSelf() {
		err = os.Chmod(s.Dir, 0o711)
	}
	if err != nil {
		return fmt.Errorf("make a sandbox: %w", err)
	}
	return nil
}

// Capture makes the files that the job's output and error output go to, where
// they are wanted.
func (s Sandbox) Capture(x wire.Execution) error {
	for path, wanted := range map[string]bool{s.Stdout(): x.Out != "", s.Stderr(): x.Err != "" && x.Err != x.Out} {
		if !wanted {
			continue
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil && !s.User.IsSelf() {
			err = f.Chown(int(s.User.UID), int(s.User.GID))
		}
		if err != nil {
			return fmt.Errorf("make a file for the job's output: %w", err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// stamp tells whether a file was touched.
type stamp struct {
	Size  int64 `json:"size"`
	MTime int64 `json:"mtime_ns"`
}

// WriteAd puts the job's ad into the job's directory.
func (s Sandbox) WriteAd(ad map[string]string) error {
	if len(ad) == 0 {
		return nil
	}
	lines := make([]string, 0, len(ad))
	for name, expr := range ad {
		lines = append(lines, name+" = "+expr+"\n")
	}
	slices.Sort(lines)
	return As(s.User, func() error {
		root, err := os.OpenRoot(s.Work())
		if err != nil {
			return err
		}
		defer root.Close()
		return root.WriteFile(AdName, []byte(strings.Join(lines, "")), 0o600)
	})
}

// AdName is the job's ad in its directory.
const AdName = ".job.ad"

// TokenName is the token of the job's run in its directory.
const TokenName = ".run.token"

// WriteToken puts the token of the job's run into the job's directory, for the job alone.
func (s Sandbox) WriteToken(token []byte) error {
	return As(s.User, func() error {
		root, err := os.OpenRoot(s.Work())
		if err != nil {
			return err
		}
		defer root.Close()
		if err := root.Remove(TokenName); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return root.WriteFile(TokenName, token, 0o600)
	})
}

// Remember writes down what is at the top of the job's directory before the job
// runs, for [Sandbox.Collect] to tell what is new. What a checkpoint has brought is.
func (s Sandbox) Remember(restored ...string) error {
	var before map[string]stamp
	err := As(s.User, func() (err error) {
		before, err = stamps(s.Work())
		return err
	})
	if err != nil {
		return fmt.Errorf("look at the inputs: %w", err)
	}
	for _, name := range restored {
		delete(before, name)
	}
	b, err := json.Marshal(before)
	if err != nil {
		return err
	}
	// Not synced: it is needed only as long as this machine is up.
	return os.WriteFile(s.inputs(), b, 0o600)
}

func (s Sandbox) remembered() (map[string]stamp, error) {
	b, err := os.ReadFile(s.inputs())
	if err != nil {
		return nil, fmt.Errorf("find what the inputs were: %w", err)
	}
	var before map[string]stamp
	if err := json.Unmarshal(b, &before); err != nil {
		return nil, grid.Errorf(grid.Internal, "read what the inputs were from %s: %w", s.inputs(), err)
	}
	return before, nil
}

func stamps(dir string) (map[string]stamp, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	m := make(map[string]stamp, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		m[e.Name()] = stamp{Size: info.Size(), MTime: info.ModTime().UnixNano()}
	}
	return m, nil
}
