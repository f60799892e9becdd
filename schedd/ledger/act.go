package ledger

import (
	"cmp"
	"math"

	"gridburst/internal/grid"
)

// Act does one verb to jobs: [grid.Hold], [grid.Release], [grid.Remove], [grid.Vacate],
// [grid.Suspend], [grid.Continue] or [grid.Leave]. The result is an [Acted].
type Act struct {
	Verb   grid.Verb
	Runs   []grid.Run
	Code   grid.HoldCode // of a hold
	Sub    int32
	Reason string
	Owner  uint32 // only jobs of this owner; 0: anybody's

	Vacate grid.VacateCode // of a vacate
	Fast   bool            // of a vacate: without asking the execution first
	Force  bool            // of a removal: of those being removed, without waiting for their executions

	Part Part
}

// Part bounds what one command does to a whole cluster, of which many jobs may have records
// of their own: an entry has an event for each. Whoever proposes goes on with [Acted.Rest].
type Part struct {
	From int32 // the jobs before this one are done, and those that share the cluster's record
	Max  int32 // of about so many jobs; 0: of all
	Each bool  // those that share the record lie between too many others: they are done one by one, too
}

func (p *Part) encode(e *enc) {
	e.u(uint64(p.From))
	e.u(uint64(p.Max))
	e.bool(p.Each)
}
func (p *Part) decode(d *dec) { *p = Part{From: d.id(), Max: d.id(), Each: d.bool()} }

// Acted counts what an [Act] did.
type Acted struct {
	Changed int32
	Already int32 // were there already
	Refused int32 // not possible in their state
	Foreign int32 // of another owner
	Missing int32 // not in the queue; a whole cluster that is not there counts one

	Rest Part // what a command that was bounded has left; zero: nothing
}

func (*Act) Kind() Kind { return KindAct }
func (c *Act) encode(e *enc) {
	e.str(string(c.Verb))
	e.u(uint64(len(c.Runs)))
	for _, r := range c.Runs {
		e.run(r)
	}
	e.i(int64(c.Code))
	e.i(int64(c.Sub))
	e.str(c.Reason)
	e.u(uint64(c.Owner))
	if c.Vacate != 0 || c.Fast || c.Force || c.Part != (Part{}) {
		e.i(int64(c.Vacate))
		e.bool(c.Fast)
		e.bool(c.Force)
	}
	if c.Part != (Part{}) {
		c.Part.encode(e)
	}
}

func (c *Act) decode(d *dec) {
	c.Verb = grid.Verb(d.str())
	if n := d.count(3); n > 0 {
		c.Runs = make([]grid.Run, n)
		for i := range c.Runs {
			c.Runs[i] = d.run()
		}
	}
	c.Code, c.Sub, c.Reason, c.Owner = d.holdCode(), d.i32(), d.str(), d.u32()
	if d.more() {
		c.Vacate, c.Fast, c.Force = grid.VacateCode(d.i32()), d.bool(), d.bool()
	}
	if d.more() {
		c.Part.decode(d)
	}
}

// Decide is what policies mean for jobs. Each decision stands or falls alone, and job by
// job: one that has changed since is left as it is. The result is an [Acted], in which
// those count as refused.
type Decide struct{ List []Decision }

// Decision is one act on jobs of one version.
type Decision struct {
	Act
	Version uint32 // of the jobs that it rests on
	Base    bool   // it is for those that share their cluster's record
}

func (*Decide) Kind() Kind { return KindDecide }
func (c *Decide) encode(e *enc) {
	e.u(uint64(len(c.List)))
	for i := range c.List {
		body := encodeBody(&c.List[i].Act)
		e.bytes(body)
		e.u(uint64(c.List[i].Version))
		e.bool(c.List[i].Base)
	}
}

func (c *Decide) decode(d *dec) {
	if n := d.count(9); n > 0 {
		c.List = make([]Decision, n)
		for i := range c.List {
			a := dec{b: d.take()}
			c.List[i].Act.decode(&a)
			if a.err() != nil {
				d.fail()
			}
			c.List[i].Version, c.List[i].Base = d.u32(), d.bool()
		}
	}
}

// Edit sets attributes of one job's ad, or deletes those with an empty Expr.
type Edit struct {
	Job     grid.JobID
	Version uint32 // 0: whatever it is
	Attrs   []Attr
}

func (*Edit) Kind() Kind { return KindEdit }
func (c *Edit) encode(e *enc) {
	e.job(c.Job)
	e.u(uint64(c.Version))
	e.attrs(c.Attrs)
}
func (c *Edit) decode(d *dec) { *c = Edit{Job: d.job(), Version: d.u32(), Attrs: d.attrs()} }

// Alter sets attributes of many jobs' ads, or deletes those with an empty Expr. The
// result is an [Acted].
type Alter struct {
	Runs  []grid.Run
	Owner uint32 // only jobs of this owner; 0: anybody's
	Attrs []Attr

	Bounds *Bounds // of the factories of whole clusters among Runs; nil: as they are

	Part Part
}

func (*Alter) Kind() Kind { return KindAlter }
func (c *Alter) encode(e *enc) {
	e.u(uint64(len(c.Runs)))
	for _, r := range c.Runs {
		e.run(r)
	}
	e.u(uint64(c.Owner))
	e.attrs(c.Attrs)
	if c.Part == (Part{}) {
		e.bounds(c.Bounds)
		return
	}
	e.bounds(cmp.Or(c.Bounds, &noBounds))
	c.Part.encode(e)
}

// noBounds stands for no bounds where something follows.
var noBounds = Bounds{Limit: math.MinInt32}

func (c *Alter) decode(d *dec) {
	if n := d.count(3); n > 0 {
		c.Runs = make([]grid.Run, n)
		for i := range c.Runs {
			c.Runs[i] = d.run()
		}
	}
	c.Owner, c.Attrs, c.Bounds = d.u32(), d.attrs(), d.bounds()
	if d.more() {
		c.Part.decode(d)
		if *c.Bounds == noBounds {
			c.Bounds = nil
		}
	}
}
