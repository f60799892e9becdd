package ovirtsim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"gridburst/internal/grid"
)

// What happened.
type What string

// Kinds of entries.
const (
	Began     What = "began"     // the simulator started, or started again
	Making    What = "making"    // a create takes its time, by a rule, and keeps the name meanwhile
	Created   What = "created"   // by order
	Started   What = "started"   // by order
	ToldOff   What = "told-off"  // a guest was asked to power off, by order
	Stopped   What = "stopped"   // switched off, by order
	Updated   What = "updated"   // by order
	Removed   What = "removed"   // by order
	Moved     What = "moved"     // by itself, to Status
	Gone      What = "gone"      // it exists no more
	Refused   What = "refused"   // an order, and why
	RuleAdded What = "rule"      // and what it says
	RuleMet   What = "rule-met"  // a call
	RuleGone  What = "rule-gone" // taken back, or its time was over
)

// Entry is one thing that happened. The journal is the simulator's own record: who
// judges what programs did to an engine need not ask them.
type Entry struct {
	N           int64     `json:"n"` // from 1, without gaps
	At          time.Time `json:"at"`
	What        What      `json:"what"`
	Op          Op        `json:"op,omitempty"` // that was refused, or met a rule
	VM          string    `json:"vm,omitempty"` // id
	Name        string    `json:"name,omitempty"`
	Comment     string    `json:"comment,omitempty"`
	Description string    `json:"description,omitempty"`
	Foreign     bool      `json:"foreign,omitempty"` // it was there before
	Status      Status    `json:"status,omitempty"`  // after this
	By          string    `json:"by,omitempty"`      // the user whose order it was
	Why         string    `json:"why,omitempty"`
	Rule        int       `json:"rule,omitempty"`
	Correlation string    `json:"correlation,omitempty"`
}

// journal keeps entries in memory and, if there is a file, there. Under a Sim's lock.
type journal struct {
	entries []Entry
	file    *os.File
	err     error         // the first that writing met; nothing is written after it
	more    chan struct{} // closed when there is an entry more
}

// openJournal reads what an earlier life has written, and goes on behind it. A line
// that this life was killed in is cut off.
func openJournal(path string) (*journal, error) {
	j := &journal{more: make(chan struct{})}
	if path == "" {
		return j, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "the journal: %w", err)
	}
	end := int64(0)
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			var e Entry
			if err = json.Unmarshal(line, &e); err == nil && e.N != int64(len(j.entries))+1 {
				err = fmt.Errorf("it should be entry %d", len(j.entries)+1)
			}
			j.entries, end = append(j.entries, e), end+int64(len(line))
		}
		if err != nil {
			f.Close()
			return nil, grid.Errorf(grid.Invalid, "%s, line %d: %w; begin a new journal", path, len(j.entries), err)
		}
	}
	if err := f.Truncate(end); err != nil {
		f.Close()
		return nil, err
	}
	j.file = f
	return j, nil
}

// add also says, once, that from here on nothing is written.
func (j *journal) add(e Entry) error {
	e.N = int64(len(j.entries)) + 1
	j.entries = append(j.entries, e)
	close(j.more)
	j.more = make(chan struct{})
	if j.file == nil || j.err != nil {
		return nil
	}
	var b bytes.Buffer
	if j.err = json.NewEncoder(&b).Encode(e); j.err == nil {
		// One write: who reads the file sees whole lines, but for the last.
		_, j.err = j.file.Write(b.Bytes())
	}
	return j.err
}

// record writes down what happened, before anybody is answered. s.mu is held.
func (s *Sim) record(e Entry) {
	if e.At.IsZero() {
		e.At = s.clock.Now()
	}
	if err := s.journal.add(e); err != nil {
		s.log.WithError(err).Error("the journal cannot be written; from here on it lacks what happens")
	}
}

// note is record for a machine.
func (s *Sim) note(what What, v *vm, e Entry) {
	e.What, e.VM, e.Name, e.Comment, e.Description, e.Foreign, e.Status = what, v.ID, v.Name, v.Comment, v.Description, v.Foreign, v.Status
	s.record(e)
}

// Journal is what happened after entry n, and a channel that is closed when there is
// more.
func (s *Sim) Journal(n int64) ([]Entry, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = min(max(n, 0), int64(len(s.journal.entries)))
	return slices.Clone(s.journal.entries[n:]), s.journal.more
}

// Summary counts the journal. Machines that were there before count as foreign only.
type Summary struct {
	Created        int      `json:"created"`
	Started        int      `json:"started"`         // orders to start one
	Removed        int      `json:"removed"`         // that were created, and exist no more
	Left           []string `json:"left"`            // that were created, and exist
	Running        []string `json:"running"`         // that were created, and run
	Foreign        int      `json:"foreign"`         // machines that were there before, and exist
	ForeignTouched []string `json:"foreign_touched"` // that an order was carried out on
	Entries        int64    `json:"entries"`
	At             string   `json:"at"`
}

// Summary is what the journal comes to.
func (s *Sim) Summary() Summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Summary{Left: []string{}, Running: []string{}, ForeignTouched: []string{}, Entries: int64(len(s.journal.entries)), At: s.clock.Now().Format(time.RFC3339Nano)}
	for _, e := range s.journal.entries {
		byOrder := slices.Contains([]What{Started, ToldOff, Stopped, Updated, Removed}, e.What)
		switch {
		case e.Foreign && byOrder && !slices.Contains(out.ForeignTouched, e.Name):
			out.ForeignTouched = append(out.ForeignTouched, e.Name)
		case e.Foreign:
		case e.What == Created:
			out.Created++
		case e.What == Started:
			out.Started++
		case e.What == Gone:
			out.Removed++
		}
	}
	for _, v := range s.sorted() {
		switch {
		case v.Foreign:
			out.Foreign++
		default:
			out.Left = append(out.Left, v.Name)
			if v.Status.running() {
				out.Running = append(out.Running, v.Name)
			}
		}
	}
	return out
}
