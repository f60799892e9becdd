package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"gridburst/cmd/internal/sandbox"
)

// View shows how a run goes: a picture that changes on a terminal, lines elsewhere.
type View struct {
	W     io.Writer
	Width int // of the terminal; 0: W is none

	mu    sync.Mutex
	begun time.Time
	drawn int      // lines of the picture that stand on the terminal
	last  []string // things that happened lately
}

// lately is how many things the picture shows.
const lately = 5

// say tells what happened.
func (v *View) say(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	line := fmt.Sprintf("%6.1f s  %s", time.Since(v.begun).Seconds(), fmt.Sprintf(format, args...))
	if v.Width == 0 {
		fmt.Fprintln(v.W, line)
		return
	}
	if v.last = append(v.last, line); len(v.last) > lately {
		v.last = v.last[1:]
	}
}

// draw draws the picture anew.
func (v *View) draw(s *story) {
	if v.Width == 0 {
		return
	}
	picture := v.picture(s)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rub()
	for _, line := range append(picture, v.last...) {
		if r := []rune(line); len(r) >= v.Width {
			line = string(r[:v.Width-1])
		}
		fmt.Fprintln(v.W, line)
		v.drawn++
	}
}

// rub takes the picture away. The caller holds v.mu.
func (v *View) rub() {
	if v.drawn > 0 {
		fmt.Fprintf(v.W, "\x1b[%dA\x1b[J", v.drawn)
		v.drawn = 0
	}
}

// end leaves the terminal as it was.
func (v *View) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rub()
}

func (v *View) picture(s *story) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.counts()
	bar := max(min(v.Width-40, 60), 10)
	full := 0
	if n.jobs > 0 {
		full = bar * n.completed / n.jobs
	}
	out := []string{
		fmt.Sprintf("%s%s  %3.0f s  %d of %d jobs", strings.Repeat("#", full), strings.Repeat(".", bar-full), time.Since(v.begun).Seconds(), n.completed, n.jobs),
		fmt.Sprintf("%d running, %d waiting, %d held", n.running, n.waiting, n.held),
	}
	running := s.running()
	out = append(out, fmt.Sprintf("  %-24s %-9s %-9s %s", sandbox.WorkerName, "worker", "", strings.Repeat("*", running[sandbox.WorkerName])))
	for _, c := range s.machines() {
		if !c.closed() {
			out = append(out, fmt.Sprintf("  %-24s %-9s %-9s %s", c.title(), c.kind, c.state(), strings.Repeat("*", running[c.name])))
		}
	}
	return out
}
