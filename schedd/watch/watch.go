// Package watch keeps what an engine shows of many machines by asking for all of them at once.
//
// A [Watch] has one listing made for everybody who looks at a machine by one credential,
// as often as the one of them who waits most eagerly needs it. Whoever has looked is told
// when there is news. A listing that breaks off counts for nothing, and a machine is gone
// only when two complete listings, apart in time, do not show it.
//
// Nothing here survives a crash, and nothing needs to: the first listing of the next life
// shows all machines again.
package watch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gridburst/gahp"
)

// Pace: Soon is between two listings at least, with a millisecond more for each machine
// that the last one showed, and never less than the last one took: an engine is kept busy
// for half of the time at most. Apart is between two listings that show that a machine is
// gone. After n failures in a row the next listing waits twice as long as after n-1, up to
// Longest.
const (
	Soon    = 500 * time.Millisecond
	Apart   = time.Second
	Longest = 30 * time.Second
	stale   = time.Minute
)

// Options say what is watched.
type Options struct {
	List func(context.Context) ([]gahp.VM, error) // every machine, or an error
	News func(claim uint32)                       // is called when a look at the claim's machine would show something else; not while a method of the Watch runs
	Lost func(err error)                          // is called when a listing fails that came after one that did not
	Turn func()                                   // is called when [Watch.Down] has become another; nil: nobody is told. Not while a method of the Watch runs
}

// Watch lists machines. Every method may be called from any goroutine.
type Watch struct {
	o     Options
	woken chan struct{}

	mu     sync.Mutex
	looks  map[uint32]*look
	last   listing // the last complete one
	tried  time.Time
	err    error // of the last listing; nil: it was complete
	failed int   // listings in a row
	next   time.Time
	done   chan struct{} // closed when a listing has ended, either way
}

// listing is a complete one.
type listing struct {
	began time.Time
	ended time.Time
	vms   []gahp.VM
	byID  map[string]*gahp.VM
}

// look is somebody's interest in a machine.
type look struct {
	vm     string
	since  time.Time
	most   time.Duration
	seen   Seen
	state  gahp.State
	absent time.Time // when the first listing in a row began that did not show it; zero: the last did
}

// Seen is what came of a look.
type Seen uint8

// Looks come to one of these.
const (
	NotYet Seen = iota // no complete listing has begun since then, or only one that does not show it
	Here
	Gone // two complete listings, apart in time, do not show it
)

// New makes a Watch that has seen nothing.
func New(o Options) *Watch {
	return &Watch{o: o, woken: make(chan struct{}, 1), looks: map[uint32]*look{}, done: make(chan struct{})}
}

// Look is a claim's machine, by the engine's id, as it was at some time after since. Until
// it is forgotten a listing is made for it at least every most: more often when since is
// not long ago, for then things happen.
func (w *Watch) Look(claim uint32, vm string, since time.Time, most time.Duration) (gahp.VM, Seen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.looks[claim]
	if l == nil || l.vm != vm || l.since != since {
		l = &look{vm: vm, since: since}
		w.looks[claim] = l
	}
	l.most = most
	l.meet(&w.last)
	if at := w.wants(l); w.next.IsZero() || at.Before(w.next) {
		w.next = at
		w.wake()
	}
	if l.seen == Here {
		return *w.last.byID[vm], Here
	}
	return gahp.VM{}, l.seen
}

// Forget ends the interest in a claim's machine.
func (w *Watch) Forget(claim uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.looks, claim)
}

// After is a complete listing that has begun after t. It is shared: whoever has it changes
// nothing in it.
func (w *Watch) After(ctx context.Context, t time.Time) ([]gahp.VM, error) {
	for {
		w.mu.Lock()
		switch {
		case w.last.began.After(t):
			defer w.mu.Unlock()
			return w.last.vms, nil
		case w.err != nil && w.tried.After(t):
			defer w.mu.Unlock()
			return nil, w.err
		}
		if at := w.earliest(); w.next.IsZero() || at.Before(w.next) {
			w.next = at
			w.wake()
		}
		done := w.done
		w.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Blind says why nothing is known of the machines that somebody looks at: the last listing
// has failed, or none has come for a minute. Nil: they are seen.
func (w *Watch) Blind() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	since := "has not shown its machines yet"
	if !w.last.began.IsZero() {
		since = "has not shown its machines since " + w.last.began.Format(time.TimeOnly)
	}
	switch {
	case w.err != nil:
		return fmt.Errorf("the engine %s: %w", since, w.err)
	case len(w.looks) > 0 && time.Since(w.last.began) > stale:
		return errors.New("the engine " + since)
	}
	return nil
}

// Down reports whether the engine does not answer: two listings in a row have failed.
func (w *Watch) Down() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed >= 2
}

// Run makes the listings until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		w.mu.Lock()
		at := w.next
		w.mu.Unlock()
		if wait := time.Until(at); !at.IsZero() && wait <= 0 {
			w.list(ctx)
			continue
		} else if !at.IsZero() {
			timer.Reset(wait)
		}
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-w.woken:
		}
	}
}

// list makes one listing, and tells of its news.
func (w *Watch) list(ctx context.Context) {
	n := listing{began: time.Now(), byID: map[string]*gahp.VM{}}
	vms, err := w.o.List(ctx)
	if ctx.Err() != nil {
		return
	}
	n.vms, n.ended = vms, time.Now()
	for i := range vms {
		n.byID[vms[i].ID] = &vms[i]
	}
	down := w.Down()
	news, lost := w.take(n, err)
	if lost {
		w.o.Lost(err)
	}
	if w.o.Turn != nil && w.Down() != down {
		w.o.Turn()
	}
	for _, claim := range news {
		w.o.News(claim)
	}
}

// take puts a listing in the last one's place.
func (w *Watch) take(n listing, err error) (news []uint32, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tried, w.err = n.began, err
	close(w.done)
	w.done = make(chan struct{})
	if err != nil {
		w.failed++
		w.last.ended = n.ended // it rests from here
	} else {
		w.failed, w.last = 0, n
		for claim, l := range w.looks {
			if l.meet(&w.last) {
				news = append(news, claim)
			}
		}
	}
	w.next = time.Time{}
	for _, l := range w.looks {
		if at := w.wants(l); w.next.IsZero() || at.Before(w.next) {
			w.next = at
		}
	}
	return news, w.failed == 1
}

// meet lets a look see a listing, and reports whether that shows something else.
func (l *look) meet(n *listing) bool {
	if !n.began.After(l.since) {
		return false
	}
	seen, state := NotYet, l.state
	if vm := n.byID[l.vm]; vm != nil {
		seen, state, l.absent = Here, vm.State, time.Time{}
	} else if l.absent.IsZero() {
		l.absent = n.began
	} else if l.seen == Gone || n.began.Sub(l.absent) >= Apart {
		seen = Gone
	}
	news := seen != l.seen || state != l.state
	l.seen, l.state = seen, state
	return news
}

// wants is when a look wants the next listing.
func (w *Watch) wants(l *look) time.Time {
	at := w.last.began
	if at.After(l.since) {
		pace := max(Soon, min(l.most, at.Sub(l.since)/4))
		if !l.absent.IsZero() && l.seen != Gone {
			pace = Apart
		}
		at = at.Add(pace)
	}
	if first := w.earliest(); at.Before(first) {
		return first
	}
	return at
}

// earliest is when the engine may be asked again.
func (w *Watch) earliest() time.Time {
	rest := max(Soon+time.Duration(len(w.last.vms))*time.Millisecond, w.last.ended.Sub(w.tried))
	if w.failed > 0 {
		rest = max(rest, min(Soon<<min(w.failed, 10), Longest))
	}
	return w.last.ended.Add(rest)
}

func (w *Watch) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}
