package ledger

import "slices"

// Mark records how far the user logs have been written: every event up to Index
// is in its log. Logs says where those logs end that were written lately; it takes
// the place of what the last mark said.
type Mark struct {
	Index uint64
	Logs  []LogPosition
}

// LogPosition is where our writing of one user log ends.
type LogPosition struct {
	UID    uint32
	Path   string // absolute
	Index  uint64 // events of entries up to this one are before Offset
	Device uint64
	Inode  uint64
	Offset int64
	Born   int64 // when the file was made, in ns since 1970; 0: not known
}

func (*Mark) Kind() Kind { return KindMark }
func (c *Mark) encode(e *enc) {
	e.u(c.Index)
	e.u(uint64(len(c.Logs)))
	for i := range c.Logs {
		l := &c.Logs[i]
		e.u(uint64(l.UID))
		e.str(l.Path)
		e.u(l.Index)
		e.u(l.Device)
		e.u(l.Inode)
		e.i(l.Offset)
	}
	if slices.ContainsFunc(c.Logs, func(l LogPosition) bool { return l.Born != 0 }) {
		for i := range c.Logs {
			e.i(c.Logs[i].Born)
		}
	}
}

func (c *Mark) decode(d *dec) {
	c.Index = d.u()
	if n := d.count(6); n > 0 {
		c.Logs = make([]LogPosition, n)
		for i := range c.Logs {
			c.Logs[i] = LogPosition{UID: d.u32(), Path: d.str(), Index: d.u(), Device: d.u(), Inode: d.u(), Offset: d.i()}
		}
	}
	if d.more() {
		for i := range c.Logs {
			c.Logs[i].Born = d.i()
		}
	}
}

// Forget drops, a bounded number at a time, what is past its keeping: idempotency
// keys older than Keys and stages older than Stages, both in ms since 1970. The
// result is how many were dropped, an int; fewer than Max means that nothing is
// left to drop.
type Forget struct {
	Keys   int64
	Stages int64
	Max    int32
}

func (*Forget) Kind() Kind { return KindForget }
func (c *Forget) encode(e *enc) {
	e.i(c.Keys)
	e.i(c.Stages)
	e.u(uint64(c.Max))
}
func (c *Forget) decode(d *dec) { *c = Forget{Keys: d.i(), Stages: d.i(), Max: d.id()} }

// Checkpoint says that a backup of the state at Index exists, with that digest and
// name, and lets the log begin after Trim. At most Max entries are trimmed at a
// time; the result is how many were, an int.
type Checkpoint struct {
	Index  uint64
	Digest [32]byte
	Name   string
	Trim   uint64
	Max    int32
}

func (*Checkpoint) Kind() Kind { return KindCheckpoint }
func (c *Checkpoint) encode(e *enc) {
	e.u(c.Index)
	e.b = append(e.b, c.Digest[:]...)
	e.str(c.Name)
	e.u(c.Trim)
	e.u(uint64(c.Max))
}

func (c *Checkpoint) decode(d *dec) {
	c.Index = d.u()
	for i := range c.Digest {
		c.Digest[i] = d.byte()
	}
	c.Name, c.Trim, c.Max = d.str(), d.u(), d.id()
}

// Expire drops records of the history that left the queue before a time (ms since 1970),
// at most Max of them, but for those of workflows that have not ended. What only they had
// use for, a cluster's own data and its template, goes with the last of them. The result
// is how many were dropped, an int; fewer than Max means that nothing is left to drop.
type Expire struct {
	Before int64
	Max    int32
}

func (*Expire) Kind() Kind { return KindExpire }
func (c *Expire) encode(e *enc) {
	e.i(c.Before)
	e.u(uint64(c.Max))
}
func (c *Expire) decode(d *dec) { *c = Expire{Before: d.i(), Max: d.id()} }
