package schedd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/whole"
	"gridburst/schedd/api"
)

// Versions of the configuration are kept in the daemon's directory: each text that was put
// in force, by a number that goes up, and a list of who has done that, when and why.

// keepVersions is how many are kept.
const keepVersions = 100

func (d *Daemon) versionDir() string { return filepath.Join(d.c.Dir, "configs") }

func (d *Daemon) versionFile(n int) string {
	return filepath.Join(d.versionDir(), fmt.Sprintf("%06d.hcl", n))
}

// versions are those that are kept, the oldest first.
func (d *Daemon) versions() (list []api.ConfigVersion, err error) {
	b, err := os.ReadFile(filepath.Join(d.versionDir(), "versions.json"))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return []api.ConfigVersion{}, nil
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("the list of configurations that were in force: %w", err)
	}
	return list, nil
}

func (d *Daemon) versionText(n int) (string, error) {
	b, err := os.ReadFile(d.versionFile(n))
	if errors.Is(err, os.ErrNotExist) {
		return "", grid.Errorf(grid.NotFound, "no version %d of the configuration is kept: gconfig show --versions lists them", n)
	}
	return string(b), err
}

// keepVersion keeps a text, if it is not the last that was kept, and says which it is. The
// list is written last: a text that is not in it is written over by the next.
func (d *Daemon) keepVersion(text, by, reason string) (int, error) {
	list, err := d.versions()
	if err != nil {
		return 0, err
	}
	next := 1
	if n := len(list); n > 0 {
		last := list[n-1].Version
		if old, err := d.versionText(last); err == nil && old == text {
			return last, nil
		}
		next = last + 1
	}
	if err := os.MkdirAll(d.versionDir(), 0o700); err != nil {
		return 0, err
	}
	if err := whole.Store(d.versionFile(next), []byte(text), 0o600); err != nil {
		return 0, err
	}
	list = append(list, api.ConfigVersion{Version: next, Time: time.Now().Unix(), By: by, Reason: reason})
	old := list[:max(len(list)-keepVersions, 0)]
	list = list[len(old):]
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return 0, err
	}
	if err := whole.Store(filepath.Join(d.versionDir(), "versions.json"), b, 0o600); err != nil {
		return 0, err
	}
	for _, v := range old {
		if err := os.Remove(d.versionFile(v.Version)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
	}
	return next, nil
}
