package router

import (
	"cmp"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Resources are what a job takes from a slot.
type Resources struct {
	Cpus     int64 `json:"cpus"`
	MemoryMB int64 `json:"memory_mb"`
	DiskKB   int64 `json:"disk_kb"`
}

// Fits reports whether r is within free.
func (r Resources) Fits(free Resources) bool {
	return r.Cpus <= free.Cpus && r.MemoryMB <= free.MemoryMB && r.DiskKB <= free.DiskKB
}

// Minus is r without o.
func (r Resources) Minus(o Resources) Resources {
	return Resources{r.Cpus - o.Cpus, r.MemoryMB - o.MemoryMB, r.DiskKB - o.DiskKB}
}

// Plus is r and o together.
func (r Resources) Plus(o Resources) Resources {
	return Resources{r.Cpus + o.Cpus, r.MemoryMB + o.MemoryMB, r.DiskKB + o.DiskKB}
}

// Group is jobs that match alike.
type Group struct {
	ID   uint32 // another ad never has the same
	Ad   *ad.Ad // one of theirs, at least everything that matching looks at
	Nice bool   // they give way to all others, whosever these are (nice_user)

	// Nodes is how many parts of slots each of them takes at once, all or none. Those that
	// have nodes, if only one, say so; 0 is a job without, which takes one part.
	Nodes int
}

// Class is slots that match alike, but for what is free of them.
type Class struct {
	ID uint32 // another ad never has the same
	Ad *ad.Ad // without Cpus, Memory and Disk
}

// Slot is a machine's resources, from which jobs are given their parts.
type Slot struct {
	ID    uint32
	Class *Class
	Total Resources
	Free  Resources
}

// Job is one that waits.
type Job struct {
	ID      grid.JobID
	Version uint32
	Prio    int32
}

// Compare orders jobs as they are served: by priority, then by age.
func (j Job) Compare(o Job) int {
	return cmp.Or(cmp.Compare(o.Prio, j.Prio), cmp.Compare(j.ID.Key(), o.ID.Key()))
}

// Queue is jobs of one owner and group, larger Prio first, then older first. It need
// not hold more than could be started.
type Queue struct {
	Owner uint32
	Group *Group
	Jobs  []Job
}

// Input is all that a cycle looks at.
type Input struct {
	Now    ad.Instant
	Slots  []Slot
	Queues []Queue
	Usage  map[uint32]int64 // by owner: cpus in use
	Limits Limits           // what jobs that name limits may still take

	// Turn is the job of several nodes whose turn it is: see [Turn]. The zero job: none's. Slots
	// then has those too of which nothing is free, which might come free for it.
	Turn grid.JobID
}

// Assignment gives a job its part of a slot. A job of several nodes has as many, one after
// the other.
type Assignment struct {
	Job   Job
	Owner uint32
	Group uint32
	Slot  int // index into Input.Slots
	Part  Resources
	Uses  string // what it takes of limits; empty: of none
	Nodes int    // of a job of several nodes: of how many this is one; 0: of any other
}

// Plan is what a cycle proposes.
type Plan struct {
	Assign []Assignment
	// Left, for each of Input.Queues, is how many of its jobs got nothing because
	// nothing that is free now takes them.
	Left []int
	// Kept is how many parts of what is free now were kept for the job whose turn it is.
	Kept int
}
