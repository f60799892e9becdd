package ledger

import (
	"iter"

	"gridburst/internal/grid"
)

// What is the kind of thing that a [Note] tells of.
type What uint8

const (
	NoteStart  What = 1  // a machine was wished for
	NoteReady  What = 2  // it serves
	NoteLost   What = 3  // whether it is there is not known
	NoteDrain  What = 4  // it is given no more jobs
	NoteKeep   What = 5  // a drain was taken back
	NoteStop   What = 6  // it is to go
	NoteGone   What = 7  // it was seen gone
	NoteFailed What = 8  // it came to nothing
	NoteWait   What = 9  // a machine that jobs could use is not started
	NoteRefuse What = 10 // a machine was refused
	NoteSteer  What = 11 // somebody has steered a pool
	NoteConfig What = 12 // another configuration is in force, or was refused
)

var whats = [...]string{
	NoteStart: "start", NoteReady: "ready", NoteLost: "lost", NoteDrain: "drain", NoteKeep: "keep", NoteStop: "stop", NoteGone: "gone",
	NoteFailed: "failed", NoteWait: "wait", NoteRefuse: "refuse", NoteSteer: "steer", NoteConfig: "config",
}

func (w What) String() string {
	if int(w) < len(whats) && whats[w] != "" {
		return whats[w]
	}
	return "unknown"
}

// Note is a line of the journal: what was done about machines or not done, why, and what
// that rested on. The journal is for whoever asks later; nothing is decided by it.
type Note struct {
	Seq    uint64 // its place in the journal
	At     int64  // ms since 1970
	What   What
	Pool   string // the resource; empty: all
	Claim  uint32 // 0: none
	VM     string // the machine's name
	Jobs   []grid.JobID
	Reason string // short, the same as long as the answer is: budget, quota
	Text   string
	Inputs string
	By     string // who has asked for it; empty: the schedd decided
}

// maxNotes bounds the journal, maxNoteJobs the jobs of a note.
const (
	maxNotes    = 20_000
	maxNoteJobs = 16
)

func (e *enc) note(n *Note) {
	e.i(n.At)
	e.byte(byte(n.What))
	e.str(n.Pool)
	e.u(uint64(n.Claim))
	e.str(n.VM)
	e.u(uint64(len(n.Jobs)))
	for _, id := range n.Jobs {
		e.job(id)
	}
	e.str(n.Reason)
	e.str(n.Text)
	e.str(n.Inputs)
	e.str(n.By)
}

func (d *dec) note() (n Note) {
	n = Note{At: d.i(), What: What(d.byte()), Pool: d.str(), Claim: d.u32(), VM: d.str()}
	for range d.count(2) {
		n.Jobs = append(n.Jobs, d.job())
	}
	n.Reason, n.Text, n.Inputs, n.By = d.str(), d.str(), d.str(), d.str()
	return n
}

// Notes yields the journal, the newest first.
func (r *Reader) Notes() iter.Seq[Note] {
	return func(yield func(Note) bool) {
		b := r.bucket(bJournal)
		if b == nil {
			return // an older file, which is only read
		}
		c := b.Cursor()
		for k, v := c.Last(); k != nil; k, v = c.Prev() {
			body, err := unseal(k, v)
			if err != nil {
				continue // damage is found and told by the checks
			}
			d := dec{b: body}
			n := d.note()
			n.Seq = be64(k)
			if d.err() == nil && !yield(n) {
				return
			}
		}
	}
}

// Tell writes lines of the journal that no other command writes. Their times are the
// entry's.
type Tell struct{ Notes []Note }

func (*Tell) Kind() Kind { return KindTell }
func (c *Tell) encode(e *enc) {
	e.u(uint64(len(c.Notes)))
	for i := range c.Notes {
		e.note(&c.Notes[i])
	}
}

func (c *Tell) decode(d *dec) {
	for range d.count(9) {
		c.Notes = append(c.Notes, d.note())
	}
}
