package desk

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"gridburst/internal/grid"
)

const opNewer = "newer"

// Dependence is files that are made from others. Relative paths rest on Iwd.
type Dependence struct {
	Iwd  string   `json:"iwd"`
	Made []string `json:"made"`
	From []string `json:"from"`
}

// UpToDate reports whether every file that is made is there and newer than every one that
// it is made from. One of those that is missing makes it false.
func (d *Desks) UpToDate(ctx context.Context, owner Owner, x Dependence) (yes bool, err error) {
	return yes, d.call(ctx, owner, opNewer, x, nil, &yes)
}

func upToDate(x Dependence) (bool, error) {
	if !filepath.IsAbs(x.Iwd) {
		return false, grid.Errorf(grid.Invalid, "%q is not a full path", x.Iwd)
	}
	at := func(name string) (time.Time, bool) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(x.Iwd, name)
		}
		info, err := os.Stat(name)
		if err != nil {
			return time.Time{}, false
		}
		return info.ModTime(), true
	}
	var oldest time.Time
	for _, name := range x.Made {
		t, ok := at(name)
		if !ok {
			return false, nil
		}
		if oldest.IsZero() || t.Before(oldest) {
			oldest = t
		}
	}
	for _, name := range x.From {
		if t, ok := at(name); !ok || !t.Before(oldest) {
			return false, nil
		}
	}
	return len(x.Made) > 0, nil
}
