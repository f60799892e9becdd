package gahp

import (
	"cmp"
	"context"
	"fmt"
	"sync"
)

// Fenced is p behind a fence: orders that an earlier term, claim or epoch has given
// are refused before p sees them. An order that has passed is not called back when
// a newer one comes while p works on it. What the fence knows ends with the process:
// it guards against an order that was late on its way, and the names of machines
// against two processes.
func Fenced(p Provider) Provider {
	return &fence{Provider: p, marks: map[string]*mark{}}
}

// maxMarks bounds what a fence remembers: beyond, it forgets what was not looked at
// for longest, about that many machines ago.
const maxMarks = 1 << 16

type fence struct {
	Provider
	mu    sync.Mutex
	term  uint64
	marks map[string]*mark // by "name NAME" and by "id ID"; both of one machine share one
	old   map[string]*mark // an earlier generation
}

// mark is the highest order seen for a machine.
type mark struct{ claim, epoch uint32 }

func (f *fence) Create(ctx context.Context, o Order, c Create) (VM, error) {
	if err := f.pass(o, "name "+c.Name); err != nil {
		return VM{}, err
	}
	return f.learn(f.Provider.Create(ctx, o, c))
}

func (f *fence) Start(ctx context.Context, o Order, id string, s Start) error {
	if err := f.pass(o, "id "+id); err != nil {
		return err
	}
	return f.Provider.Start(ctx, o, id, s)
}

func (f *fence) Shutdown(ctx context.Context, o Order, id string) error {
	if err := f.pass(o, "id "+id); err != nil {
		return err
	}
	return f.Provider.Shutdown(ctx, o, id)
}

func (f *fence) Stop(ctx context.Context, o Order, id string) error {
	if err := f.pass(o, "id "+id); err != nil {
		return err
	}
	return f.Provider.Stop(ctx, o, id)
}

func (f *fence) Remove(ctx context.Context, o Order, id string) error {
	if err := f.pass(o, "id "+id); err != nil {
		return err
	}
	return f.Provider.Remove(ctx, o, id)
}

func (f *fence) Get(ctx context.Context, id string) (VM, error) {
	return f.learn(f.Provider.Get(ctx, id))
}

func (f *fence) Find(ctx context.Context, name string) (VM, error) {
	return f.learn(f.Provider.Find(ctx, name))
}

// pass lets o through to the machine that key names, or says why not.
func (f *fence) pass(o Order, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o.Term < f.term {
		return stale("term %d has been followed by term %d", o.Term, f.term)
	}
	if o.Term > f.term {
		f.term, f.old = o.Term, nil
		clear(f.marks)
	}
	if o.Claim == 0 {
		return nil
	}
	m := f.mark(key)
	switch now := (mark{o.Claim, o.Epoch}); {
	case m == nil:
		f.keep(key, &now)
	case now.compare(*m) < 0:
		return stale("step %d of claim %d has been followed by step %d of claim %d", o.Epoch, o.Claim, m.epoch, m.claim)
	default:
		*m = now
	}
	return nil
}

// learn joins what is known of a machine by its name and by its id.
func (f *fence) learn(m VM, err error) (VM, error) {
	if err != nil {
		return m, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	name, id := "name "+m.Name, "id "+m.ID
	byName, byID := f.mark(name), f.mark(id)
	switch {
	case byName == byID: // joined, or neither known
	case byID == nil || byName != nil && byName.compare(*byID) > 0:
		f.keep(id, byName)
	default:
		f.keep(name, byID)
	}
	return m, nil
}

// mark is what is known under key. What is asked for stays remembered.
func (f *fence) mark(key string) *mark {
	if m := f.marks[key]; m != nil {
		return m
	}
	m := f.old[key]
	if m != nil {
		f.keep(key, m)
	}
	return m
}

func (f *fence) keep(key string, m *mark) {
	if len(f.marks) >= maxMarks {
		f.old, f.marks = f.marks, map[string]*mark{}
	}
	f.marks[key] = m
}

func (m mark) compare(n mark) int {
	return cmp.Or(cmp.Compare(m.claim, n.claim), cmp.Compare(m.epoch, n.epoch))
}

func stale(format string, args ...any) *Error {
	return &Error{Kind: Stale, Text: "an old order came late: " + fmt.Sprintf(format, args...)}
}
