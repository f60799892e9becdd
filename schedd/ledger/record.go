package ledger

import (
	"gridburst/internal/grid"
	"gridburst/schedd/submit"
)

// Attr is a job attribute with its value as ClassAd source. The ledger carries
// them and never looks into a value.
type Attr = submit.Attr

// PlaceKind says where an idle job is meant to run, or an active one runs.
type PlaceKind uint8

const (
	Nowhere  PlaceKind = 0
	OnSlot   PlaceKind = 1 // an attempt on worker At
	ForClaim PlaceKind = 2 // waits for claim At, which is being brought up for it
	AsVM     PlaceKind = 3 // an attempt that is the virtual machine of claim At
	AtTarget PlaceKind = 4 // an attempt at a target outside of the pool: the job has a [Routing]
)

func (k PlaceKind) String() string {
	switch k {
	case OnSlot:
		return "slot"
	case ForClaim:
		return "claim"
	case AsVM:
		return "vm"
	case AtTarget:
		return "target"
	}
	return "nowhere"
}

// Job is the part of a job that changes: 64 bytes without a pointer.
type Job struct {
	Status   grid.Status
	Last     grid.Status // the status before
	Place    PlaceKind
	Flags    JobFlags
	HoldCode grid.HoldCode
	Ends     uint16 // executions that ended by themselves
	HoldSub  int32
	Epoch    uint32 // counts attempts; 0: none yet
	Starts   uint32 // attempts whose process ran
	Prio     int32
	Entered  int64  // when Status was entered, ms since 1970
	Started  int64  // when the current or last execution began, ms since 1970
	First    uint32 // when the first execution began, s since 1970
	Exit     int32  // exit code or signal number, by Flags
	At       uint32 // worker or claim, by Place
	Wall     uint32 // seconds of all past executions
	Holds    uint16
	Requeues uint16
	Version  uint32 // grows with every change
}

// JobFlags are small truths about a job.
type JobFlags uint8

const (
	HasAttrs   JobFlags = 1 << iota // the attrs bucket has more of it
	HasExited                       // Exit is meant
	BySignal                        // Exit is a signal number
	Vacating                        // the attempt is to end, and the job to be idle again
	VacateFast                      // without being asked first
	Several                         // the attempt has nodes: see [Gang]
)

// Attempt reports whether an execution of the job may be alive somewhere.
func (j *Job) Attempt() bool { return j.Place == OnSlot || j.Place == AsVM || j.Place == AtTarget }

// EnteredSec is Entered in seconds, as the job attribute EnteredCurrentStatus has it.
func (j *Job) EnteredSec() int64 { return j.Entered / 1000 }

func (e *enc) jobRec(j *Job) {
	e.b = append(e.b, byte(j.Status), byte(j.Last), byte(j.Place), byte(j.Flags))
	e.i(int64(j.HoldCode))
	e.i(int64(j.HoldSub))
	e.u(uint64(j.Epoch))
	e.u(uint64(j.Starts))
	e.i(int64(j.Prio))
	e.i(j.Entered)
	e.i(j.Started)
	e.u(uint64(j.First))
	e.i(int64(j.Exit))
	e.u(uint64(j.At))
	e.u(uint64(j.Wall))
	e.u(uint64(j.Ends))
	e.u(uint64(j.Holds))
	e.u(uint64(j.Requeues))
	e.u(uint64(j.Version))
}

func (d *dec) jobRec() (j Job) {
	j.Status, j.Last = grid.Status(d.byte()), grid.Status(d.byte())
	j.Place, j.Flags = PlaceKind(d.byte()), JobFlags(d.byte())
	j.HoldCode, j.HoldSub = d.holdCode(), d.i32()
	j.Epoch, j.Starts, j.Prio = d.u32(), d.u32(), d.i32()
	j.Entered, j.Started, j.First = d.i(), d.i(), d.u32()
	j.Exit, j.At, j.Wall = d.i32(), d.u32(), d.u32()
	j.Ends, j.Holds, j.Requeues = uint16(d.u32()), uint16(d.u32()), uint16(d.u32())
	j.Version = d.u32()
	return j
}

// Cluster is a submission. Its immutable parts (the template, what it owns beside
// that, item data) stay on disk; Base is the state of every proc that nothing has
// happened to alone. For a cluster of one proc, Base is that proc.
type Cluster struct {
	Base     Job
	QDate    int64 // ms since 1970
	Owner    uint32
	Template uint32
	Procs    int32 // in all, so far
	Live     int32 // still in the queue
	Touched  int32 // of the live ones, those with a record of their own
	Universe grid.Universe
	HasItems bool
	Factory  bool   // its jobs are made little by little: see [Factory]
	Dag      uint32 // the run that submitted it; 0: none
	Node     int32  // and the node
}

// single reports whether Base is the cluster's one proc.
func (c *Cluster) single() bool { return c.Procs == 1 && !c.Factory }

// Untouched is how many live procs share Base.
func (c *Cluster) Untouched() int32 { return c.Live - c.Touched }

func (c *Cluster) encode() *enc {
	e := newEnc(128)
	e.jobRec(&c.Base)
	e.i(c.QDate)
	e.u(uint64(c.Owner))
	e.u(uint64(c.Template))
	e.u(uint64(c.Procs))
	e.u(uint64(c.Live))
	e.u(uint64(c.Touched))
	e.byte(byte(c.Universe))
	e.bool(c.HasItems)
	e.u(uint64(c.Dag))
	e.u(uint64(c.Node))
	if c.Factory {
		e.bool(true)
	}
	return e
}

func decodeCluster(k, v []byte) (c Cluster, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return c, err
	}
	d := dec{b: body}
	c.Base = d.jobRec()
	c.QDate = d.i()
	c.Owner, c.Template = d.u32(), d.u32()
	c.Procs, c.Live, c.Touched = d.id(), d.id(), d.id()
	c.Universe, c.HasItems = grid.Universe(d.byte()), d.bool()
	c.Dag, c.Node = d.u32(), d.id()
	if d.more() {
		c.Factory = d.bool()
	}
	return c, d.err()
}

// Owner is a person whose jobs these are.
type Owner struct {
	Name string
	UID  uint32
	GID  uint32
}

func (e *enc) owner(o Owner) {
	e.str(o.Name)
	e.u(uint64(o.UID))
	e.u(uint64(o.GID))
}

func (d *dec) owner() Owner { return Owner{Name: d.str(), UID: d.u32(), GID: d.u32()} }

// Worker is an agent that has ever introduced itself.
type Worker struct {
	Name  string
	Boot  string // boot id of its machine when it last did
	Claim uint32 // the claim whose machine it is; 0: none of ours
}

func (w *Worker) encode() *enc {
	e := newEnc(64)
	e.str(w.Name)
	e.str(w.Boot)
	e.u(uint64(w.Claim))
	return e
}

func decodeWorker(k, v []byte) (w Worker, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return w, err
	}
	d := dec{b: body}
	w = Worker{Name: d.str(), Boot: d.str(), Claim: d.u32()}
	return w, d.err()
}

// Past is a job, or a range of jobs with one fate, that has left the queue.
type Past struct {
	Run   grid.Run
	Job   Job
	Left  int64 // ms since 1970
	Attrs []Attr
}

func (p *Past) encode() *enc {
	e := newEnc(160)
	e.u(uint64(p.Run.Hi))
	e.jobRec(&p.Job)
	e.i(p.Left)
	e.attrs(p.Attrs)
	return e
}

func decodePast(k, v []byte) (p Past, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return p, err
	}
	d := dec{b: body}
	first := grid.JobIDOfKey(be64(k))
	p.Run = grid.Run{Cluster: first.Cluster, Lo: first.Proc, Hi: d.id()}
	p.Job = d.jobRec()
	p.Left = d.i()
	p.Attrs = d.attrs()
	return p, d.err()
}

// leftPage marks which of 2048 neighbouring procs have left the queue.
type leftPage [32]uint64

const leftSpan = 32 * 64

func (p *leftPage) has(proc int32) bool { return p[proc%leftSpan/64]&(1<<(proc%64)) != 0 }

func (p *leftPage) add(proc int32) { p[proc%leftSpan/64] |= 1 << (proc % 64) }
