package ledger

import (
	"gridburst/internal/grid"
)

// Kind is a command's stable number. A number is never used again for another
// meaning, because logs outlive programs.
type Kind uint8

const (
	KindBegin       Kind = 1
	KindSubmit      Kind = 2
	KindStage       Kind = 3
	KindAct         Kind = 4
	KindPlace       Kind = 5
	KindUnplace     Kind = 6
	KindReport      Kind = 7
	KindWorker      Kind = 8
	KindMark        Kind = 9
	KindForget      Kind = 10
	KindCheckpoint  Kind = 11
	KindEdit        Kind = 12
	KindWant        Kind = 13
	KindMove        Kind = 14
	KindInvite      Kind = 15
	KindRedeem      Kind = 16
	KindStartDag    Kind = 17
	KindStepDag     Kind = 18
	KindPassCron    Kind = 19
	KindDecide      Kind = 20
	KindAlter       Kind = 21
	KindRemoveAll   Kind = 30
	KindClear       Kind = 31
	KindExpire      Kind = 32
	KindMaterialize Kind = 33
	KindScaleDag    Kind = 34
	KindReuse       Kind = 36
	KindSteer       Kind = 50
	KindTell        Kind = 51

	KindSetTimetable      Kind = 60
	KindSettle            Kind = 61
	KindFire              Kind = 62
	KindPauseTimetable    Kind = 63
	KindBackfill          Kind = 64
	KindSetWindow         Kind = 65
	KindWantFor           Kind = 66
	KindRestoreTimetables Kind = 67

	KindRoute         Kind = 70
	KindCarry         Kind = 71
	KindKeepThrottles Kind = 72
)

// Body is what a kind of command says. Bodies are plain data: every choice (ids of
// workers, verdicts of expressions, times in At) has been made when one is
// proposed, so applying it twice on two machines gives one result.
type Body interface {
	Kind() Kind
	encode(*enc)
	decode(*dec)
	// apply checks the command against the state and stages its changes. A
	// returned error is a refusal: then it has staged nothing.
	apply(*txn) (any, error)
}

// kinds is every kind of command. One that grows makes the queue larger, and is
// refused when the disk is nearly full.
var kinds = map[Kind]struct {
	name  string
	make  func() Body
	grows bool
}{
	KindBegin:       {"begin", func() Body { return new(Begin) }, false},
	KindSubmit:      {"submit", func() Body { return new(Submit) }, true},
	KindStage:       {"stage", func() Body { return new(Stage) }, true},
	KindAct:         {"act", func() Body { return new(Act) }, false},
	KindPlace:       {"place", func() Body { return new(Place) }, false},
	KindUnplace:     {"unplace", func() Body { return new(Unplace) }, false},
	KindReport:      {"report", func() Body { return new(Report) }, false},
	KindWorker:      {"worker", func() Body { return new(SeeWorker) }, false},
	KindMark:        {"mark", func() Body { return new(Mark) }, false},
	KindForget:      {"forget", func() Body { return new(Forget) }, false},
	KindCheckpoint:  {"checkpoint", func() Body { return new(Checkpoint) }, false},
	KindEdit:        {"edit", func() Body { return new(Edit) }, false},
	KindWant:        {"want", func() Body { return new(Want) }, true},
	KindMove:        {"move", func() Body { return new(Move) }, false},
	KindInvite:      {"invite", func() Body { return new(Invite) }, true},
	KindRedeem:      {"redeem", func() Body { return new(Redeem) }, false},
	KindStartDag:    {"start_dag", func() Body { return new(StartDag) }, true},
	KindStepDag:     {"step_dag", func() Body { return new(StepDag) }, false},
	KindPassCron:    {"pass_cron", func() Body { return new(PassCron) }, false},
	KindDecide:      {"decide", func() Body { return new(Decide) }, false},
	KindAlter:       {"alter", func() Body { return new(Alter) }, false},
	KindRemoveAll:   {"remove_all", func() Body { return new(RemoveAll) }, false},
	KindClear:       {"clear", func() Body { return new(Clear) }, false},
	KindExpire:      {"expire", func() Body { return new(Expire) }, false},
	KindMaterialize: {"materialize", func() Body { return new(Materialize) }, true},
	KindScaleDag:    {"scale_dag", func() Body { return new(ScaleDag) }, false},
	KindReuse:       {"reuse", func() Body { return new(Reuse) }, false},
	KindSteer:       {"steer", func() Body { return new(Steer) }, false},
	KindTell:        {"tell", func() Body { return new(Tell) }, true},

	KindSetTimetable:      {"set_timetable", func() Body { return new(SetTimetable) }, true},
	KindSettle:            {"settle", func() Body { return new(Settle) }, false},
	KindFire:              {"fire", func() Body { return new(Fire) }, true},
	KindPauseTimetable:    {"pause_timetable", func() Body { return new(PauseTimetable) }, false},
	KindBackfill:          {"backfill", func() Body { return new(BeginBackfill) }, true},
	KindSetWindow:         {"set_window", func() Body { return new(SetWindow) }, false},
	KindWantFor:           {"want_for", func() Body { return new(WantFor) }, true},
	KindRestoreTimetables: {"restore_timetables", func() Body { return new(RestoreTimetables) }, false},
	KindRoute:             {"route", func() Body { return new(Route) }, false},
	KindCarry:             {"carry", func() Body { return new(Carry) }, false},
	KindKeepThrottles:     {"keep_throttles", func() Body { return new(KeepThrottles) }, false},
}

func (k Kind) String() string {
	if d, ok := kinds[k]; ok {
		return d.name
	}
	return "unknown"
}

// Command is a request to change the state.
type Command struct {
	Key  string // the client's idempotency key; "" for none. Scoped by By
	By   string // who asks: "user:1000", or the part of the daemon that does
	At   int64  // ms since 1970, the proposer's clock: the only one that apply sees
	Body Body
}

// Limits of one command.
const (
	MaxEntry = 512 << 10 // bytes of an encoded entry
	MaxChunk = 256 << 10 // bytes of one chunk of item data
	MaxKey   = 128       // bytes of an idempotency key
)

// Begin is the first command of a daemon's term. The very first names the deployment.
type Begin struct {
	Deployment string // random; kept from the first Begin on
	Host       string
	Version    string // the program's
	Restored   bool   // the state comes from a backup: ids jump, so that none is given twice
	Rules      uint32 // by which the entries from here on are applied; see [Rules]
}

// Rules numbers the rules of apply. An entry is applied again by those that it was
// applied by first, so that old logs fold to what they did; each Begin sets them for
// what follows.
//
//	1: holds and evictions are counted by their reasons (NumHoldsByReason), and a
//	   release keeps the codes of the last hold
//	2: events of an [Alter] say what the attributes were and are
//	3: executions that have ended are kept ([Instance]); what a [RemoveAll] removes leaves
//	   the queue at its time, and not when it is moved; a job that is a machine can be
//	   vacated, and its engine's acceptance is an event
//	4: claims have receipts
//	5: a job of several nodes runs when the last has begun, also where of that one only the
//	   end was heard
const Rules = 5

func (*Begin) Kind() Kind { return KindBegin }
func (c *Begin) encode(e *enc) {
	e.str(c.Deployment)
	e.str(c.Host)
	e.str(c.Version)
	e.bool(c.Restored)
	if c.Rules != 0 {
		e.u(uint64(c.Rules))
	}
}

func (c *Begin) decode(d *dec) {
	*c = Begin{Deployment: d.str(), Host: d.str(), Version: d.str(), Restored: d.bool()}
	if d.more() {
		c.Rules = d.u32()
	}
}

// Submit adds a cluster. Its result is a [Submitted].
type Submit struct {
	Owner    Owner
	Template []byte   // what can be shared; empty when the ledger has it under Hash
	Hash     [16]byte // of Template: see [HashTemplate]
	Own      []byte   // what is this cluster's alone
	Items    [][]byte // item data, in chunks
	Stage    uint32   // further item data, staged before; 0: none
	Procs    int32
	Universe grid.Universe
	Prio     int32
	Held     bool   // begins held, code 15
	Dag      uint32 // the run and its node and attempt that this is for; 0: none
	Node     int32
	Attempt  uint32
	Bounds   *Bounds // the jobs are made little by little, within these; nil: all exist at once
}

// Submitted is the result of a [Submit].
type Submitted struct {
	Cluster int32
	Procs   int32
}

func (*Submit) Kind() Kind { return KindSubmit }
func (c *Submit) encode(e *enc) {
	e.owner(c.Owner)
	e.bytes(c.Template)
	e.b = append(e.b, c.Hash[:]...)
	e.bytes(c.Own)
	e.u(uint64(len(c.Items)))
	for _, p := range c.Items {
		e.bytes(p)
	}
	e.u(uint64(c.Stage))
	e.u(uint64(c.Procs))
	e.byte(byte(c.Universe))
	e.i(int64(c.Prio))
	e.bool(c.Held)
	e.u(uint64(c.Dag))
	e.u(uint64(c.Node))
	e.u(uint64(c.Attempt))
	e.bounds(c.Bounds)
}

func (c *Submit) decode(d *dec) {
	c.Owner = d.owner()
	c.Template = d.bytes()
	for i := range c.Hash {
		c.Hash[i] = d.byte()
	}
	c.Own = d.bytes()
	if n := d.count(1); n > 0 {
		c.Items = make([][]byte, n)
		for i := range c.Items {
			c.Items[i] = d.bytes()
		}
	}
	c.Stage = d.u32()
	c.Procs = d.id()
	c.Universe, c.Prio, c.Held = grid.Universe(d.byte()), d.i32(), d.bool()
	c.Dag, c.Node, c.Attempt = d.u32(), d.id(), d.u32()
	c.Bounds = d.bounds()
}

// Stage puts one chunk of item data aside for a later [Submit]. Stage 0 asks for a
// new stage; the result is its number, a uint32. Chunks of a stage that no submit
// took are dropped by [Forget].
type Stage struct {
	Stage uint32
	Seq   uint32 // 0, 1, 2, ...
	Data  []byte
}

func (*Stage) Kind() Kind { return KindStage }
func (c *Stage) encode(e *enc) {
	e.u(uint64(c.Stage))
	e.u(uint64(c.Seq))
	e.bytes(c.Data)
}
func (c *Stage) decode(d *dec) { *c = Stage{Stage: d.u32(), Seq: d.u32(), Data: d.bytes()} }

// Place gives idle jobs their placements. Each stands or falls alone: a stale one
// is refused, the others go on. The result is a []uint32, for each placement the
// job's epoch or 0 when it was refused.
type Place struct{ List []Placement }

// Placement is one job's.
type Placement struct {
	Job     grid.JobID
	Version uint32 // the version of the job that the decision rests on
	Kind    PlaceKind
	At      uint32
	Where   string // for people
	Attrs   []Attr // what the job's ad learns from it
	Gang    *Gang  // of a job of several nodes, OnSlot: all of them, node 0 on worker At; nil: of any other
}

func (*Place) Kind() Kind { return KindPlace }
func (c *Place) encode(e *enc) {
	e.u(uint64(len(c.List)))
	several := false
	for i := range c.List {
		p := &c.List[i]
		e.job(p.Job)
		e.u(uint64(p.Version))
		e.byte(byte(p.Kind))
		e.u(uint64(p.At))
		e.str(p.Where)
		e.attrs(p.Attrs)
		several = several || p.Gang != nil
	}
	for i := range c.List {
		if several {
			e.placedGang(c.List[i].Gang)
		}
	}
}

func (c *Place) decode(d *dec) {
	if n := d.count(7); n > 0 {
		c.List = make([]Placement, n)
		for i := range c.List {
			c.List[i] = Placement{
				Job: d.job(), Version: d.u32(), Kind: PlaceKind(d.byte()), At: d.u32(), Where: d.str(), Attrs: d.attrs(),
			}
		}
	}
	if d.more() {
		for i := range c.List {
			c.List[i].Gang = d.placedGang()
		}
	}
}

// Unplace takes back placements that are not attempts: a wait for a claim that
// will not come, or for which there is something better.
type Unplace struct {
	Jobs   []grid.JobID
	At     uint32 // the claim they wait for
	Reason string
}

func (*Unplace) Kind() Kind { return KindUnplace }
func (c *Unplace) encode(e *enc) {
	e.u(uint64(len(c.Jobs)))
	for _, j := range c.Jobs {
		e.job(j)
	}
	e.u(uint64(c.At))
	e.str(c.Reason)
}

func (c *Unplace) decode(d *dec) {
	if n := d.count(2); n > 0 {
		c.Jobs = make([]grid.JobID, n)
		for i := range c.Jobs {
			c.Jobs[i] = d.job()
		}
	}
	c.At, c.Reason = d.u32(), d.str()
}

// SeeWorker records that a worker introduced itself. The result is its number, a
// uint32. Before a new boot id is recorded, the proposer has reported every attempt
// of the old one as lost.
type SeeWorker struct{ Worker }

func (*SeeWorker) Kind() Kind { return KindWorker }
func (c *SeeWorker) encode(e *enc) {
	e.str(c.Name)
	e.str(c.Boot)
	e.u(uint64(c.Claim))
}

func (c *SeeWorker) decode(d *dec) { c.Worker = Worker{Name: d.str(), Boot: d.str(), Claim: d.u32()} }
