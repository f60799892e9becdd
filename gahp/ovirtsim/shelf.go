package ovirtsim

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gridburst/internal/grid"
	"gridburst/internal/whole"
)

// thing is what a shelf keeps: a pointer to a T, with an id and a name.
type thing[T any] interface {
	*T
	key() (id, name string)
}

// shelf keeps things of one kind by their ids, and in a directory if it has one. All of
// it is the Sim's, under its lock.
type shelf[T any, P thing[T]] struct {
	dir string // empty: in memory alone
	all map[string]P
}

// openShelf reads what an earlier life has left, unless there was none.
func openShelf[T any, P thing[T]](state, kind string, fresh bool) (shelf[T, P], error) {
	h := shelf[T, P]{all: map[string]P{}}
	if state == "" {
		return h, nil
	}
	h.dir = filepath.Join(state, kind)
	if fresh { // a life that ended before its beginning was over
		if err := os.RemoveAll(h.dir); err != nil {
			return h, err
		}
	}
	if err := os.MkdirAll(h.dir, 0o755); err != nil {
		return h, grid.Errorf(grid.Invalid, "the state directory: %w", err)
	}
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return h, err
	}
	for _, e := range entries {
		path := filepath.Join(h.dir, e.Name())
		if !strings.HasSuffix(path, ".json") { // written halfway when we died
			if err := os.Remove(path); err != nil {
				return h, err
			}
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return h, err
		}
		p := P(new(T))
		if err := json.Unmarshal(b, p); err != nil {
			return h, grid.Errorf(grid.Invalid, "%s: %w; remove the state directory to begin anew", path, err)
		}
		id, _ := p.key()
		h.all[id] = p
	}
	return h, nil
}

// put keeps p as it is now.
func (h *shelf[T, P]) put(s *Sim, p P) {
	id, name := p.key()
	h.all[id] = p
	if h.dir == "" {
		return
	}
	b, err := json.Marshal(p)
	if err == nil {
		err = whole.Write(filepath.Join(h.dir, id+".json"), b, 0o600)
	}
	if err != nil {
		s.log.WithError(err).WithField("name", name).Error("a thing is not kept; it will be as before when the simulator ends")
	}
}

// known has p unless an earlier life has left it otherwise. It is not written: the model
// says it.
func (h *shelf[T, P]) known(p P) {
	if id, _ := p.key(); h.all[id] == nil {
		h.all[id] = p
	}
}

// drop forgets p.
func (h *shelf[T, P]) drop(s *Sim, p P) {
	id, name := p.key()
	delete(h.all, id)
	if h.dir == "" {
		return
	}
	if err := os.Remove(filepath.Join(h.dir, id+".json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.WithError(err).WithField("name", name).Error("a removed thing is still kept; it will be back")
	}
}

// sorted lists what there is by name.
func (h *shelf[T, P]) sorted() []P {
	return slices.SortedFunc(maps.Values(h.all), func(a, b P) int {
		ai, an := a.key()
		bi, bn := b.key()
		return cmp.Or(strings.Compare(an, bn), strings.Compare(ai, bi))
	})
}

// named is the first of that name that is wanted; nil: there is none.
func (h *shelf[T, P]) named(name string, want func(P) bool) P {
	for _, p := range h.sorted() {
		if _, n := p.key(); n == name && want(p) {
			return p
		}
	}
	return nil
}
