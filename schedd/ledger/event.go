package ledger

import "gridburst/internal/grid"

// EventType says what happened.
type EventType uint8

const (
	JobSubmitted EventType = 1  // Code: procs that share the submission
	JobPlaced    EventType = 2  // Text: where; Sub: 1 by rules 3, if a GridAccepted follows
	JobUnplaced  EventType = 3  // Text: why
	JobStarted   EventType = 4  // Text: where
	JobExited    EventType = 5  // its results are being taken over
	JobCompleted EventType = 6  // Exit
	JobRequeued  EventType = 7  // Code: a vacate code; Text: why
	JobHeld      EventType = 8  // Code, Sub, Text
	JobReleased  EventType = 9  // Text
	JobRemoved   EventType = 10 // Text
	JobLeft      EventType = 11 // it is in the history now; To: its last status; Code: of its cluster's last, how many that had; Text: why it was removed
	JobEdited    EventType = 12 // Text: attribute names
	JobVacated   EventType = 13 // its execution is asked to end. Code: a vacate code; Text: why
	JobSuspended EventType = 14 //
	JobContinued EventType = 15 //
	JobSkipped   EventType = 16 // a dataflow job whose outputs are newer than its inputs
	JobSaved     EventType = 17 // it has taken a checkpoint, which is kept
	NodeStarted  EventType = 18 // Node: of a job of several, which runs. Text: where
	NodeEnded    EventType = 19 // Node: of a job of several, which has exited. Exit
	NodeOver     EventType = 22 // Node: of a job of several, of which nothing is left. Code: a ReportKind; Text: why

	// Of a factory, whose cluster's first job stands for it, made or not.
	FactoryBegun   EventType = 61 // Code: how many jobs it is to make
	FactoryPaused  EventType = 62 // Code, Sub: of a hold; Text: why
	FactoryResumed EventType = 63 // Text: why
	FactoryBounded EventType = 64 // Code: how many may be in the queue now; Sub: how many idle
	FactoryEnded   EventType = 65 // its cluster has left the queue. Code: how many it has made; Sub: of how many

	// Of a job that is a machine of an engine; it stays as it is.
	GridAccepted  EventType = 71 // the engine has taken it. Text: what that calls it
	GridUnreached EventType = 72 // the engine does not answer. Text: why
	GridReached   EventType = 73 // it does again
	GridUnseen    EventType = 74 // what has become of the machine is not known
	GridSeen      EventType = 75 // it is again

	ClaimMoved EventType = 20 // ID: the claim; From, To; Text: why
	DagMoved   EventType = 30 // ID: the run; From, To; Text
	NodeMoved  EventType = 31 // ID: the run; Node; From, To
	DagScaled  EventType = 32 // ID: the run; Text: a pool; Code: how many machines of it the run wants
	PoolTold   EventType = 21 // a line of the journal. ID: a claim; Code: a What; Text
	CronFired  EventType = 40 // Text: the occurrence
	CronNoted  EventType = 41 // what became of one. Text: the timetable; Code: an Outcome; Sub: an OccurrenceKind; ID: the run, if one began
	WorkerSeen EventType = 50 // ID: the worker; Text: its name

	RouteMoved EventType = 80 // of a job that a target has, or is to have. From, To; Text: why

	QueueCleared EventType = 60 // waiting jobs left the queue, each tells of it later; ID: the owner (0: all); Code: how many; Sub: the newest cluster meant; Text: why
)

var eventNames = map[EventType]string{
	JobSubmitted: "job_submitted", JobPlaced: "job_placed", JobUnplaced: "job_unplaced", JobStarted: "job_started",
	JobExited: "job_exited", JobCompleted: "job_completed", JobRequeued: "job_requeued", JobHeld: "job_held",
	JobReleased: "job_released", JobRemoved: "job_removed", JobLeft: "job_left", JobEdited: "job_edited",
	JobVacated: "job_vacated", JobSuspended: "job_suspended", JobContinued: "job_continued", JobSkipped: "job_skipped", JobSaved: "job_checkpointed",
	NodeStarted: "node_started", NodeEnded: "node_ended", NodeOver: "node_over",
	ClaimMoved: "claim_moved", PoolTold: "pool_told", DagMoved: "dag_moved", NodeMoved: "node_moved", DagScaled: "dag_scaled", CronFired: "cron_fired", CronNoted: "cron_noted", WorkerSeen: "worker_seen",
	QueueCleared: "queue_cleared", RouteMoved: "route_moved",
	GridAccepted: "grid_accepted", GridUnreached: "grid_unreached", GridReached: "grid_reached", GridUnseen: "grid_unseen", GridSeen: "grid_seen",
	FactoryBegun: "factory_begun", FactoryPaused: "factory_paused", FactoryResumed: "factory_resumed", FactoryBounded: "factory_bounded", FactoryEnded: "factory_ended",
}

func (t EventType) String() string {
	if s := eventNames[t]; s != "" {
		return s
	}
	return "unknown"
}

// Event is one thing that an accepted command made happen. Events are output: the
// same commands give the same events, and folding them gives the state.
type Event struct {
	Index uint64 // of the entry that made it
	Seq   uint32 // its place among the entry's events, from 0
	At    int64  // ms since 1970; never goes back
	Type  EventType
	Jobs  grid.Run // one job, or a range that shares what happened
	Epoch uint32
	From  uint8 // a grid.Status, grid.ClaimState, grid.NodeState or grid.RouteState, by Type
	To    uint8
	Code  int32
	Sub   int32
	ID    uint32
	Node  int32
	Fresh bool // the first thing that happens to this proc of a larger cluster alone
	Text  string
	Exit  *Exit
	Edits []Edited // of JobEdited, by rules 2, unless they are long
}

// Edited is an attribute of a job's ad that was set after the submit.
type Edited struct {
	Name string
	Was  string // as it was set before; empty: as submitted
	Now  string // empty: as submitted again
}

// Exit is how an execution ended and what it used.
type Exit struct {
	Code     int32
	Signal   bool
	WallMS   int64
	UserMS   int64
	SysMS    int64
	MaxRSSKB int64
	Sent     int64
	Received int64
	Cpus     int64 // what it had been given
	MemoryMB int64
	DiskKB   int64
}

func (e *enc) exit(x *Exit) {
	e.i(int64(x.Code))
	e.bool(x.Signal)
	for _, n := range [...]int64{x.WallMS, x.UserMS, x.SysMS, x.MaxRSSKB, x.Sent, x.Received, x.Cpus, x.MemoryMB, x.DiskKB} {
		e.i(n)
	}
}

func (d *dec) exit() *Exit {
	return &Exit{
		Code: d.i32(), Signal: d.bool(),
		WallMS: d.i(), UserMS: d.i(), SysMS: d.i(), MaxRSSKB: d.i(), Sent: d.i(), Received: d.i(),
		Cpus: d.i(), MemoryMB: d.i(), DiskKB: d.i(),
	}
}

// What follows an event's text.
const (
	hasExit  = 1
	hasEdits = 2
)

// event writes what Index, Seq and At of the entry do not say.
func (e *enc) event(v *Event) {
	e.byte(byte(v.Type))
	e.run(v.Jobs)
	e.u(uint64(v.Epoch))
	e.b = append(e.b, v.From, v.To)
	e.i(int64(v.Code))
	e.i(int64(v.Sub))
	e.u(uint64(v.ID))
	e.u(uint64(v.Node))
	e.bool(v.Fresh)
	e.str(v.Text)
	var has byte
	if v.Exit != nil {
		has |= hasExit
	}
	if len(v.Edits) > 0 {
		has |= hasEdits
	}
	e.byte(has)
	if v.Exit != nil {
		e.exit(v.Exit)
	}
	if len(v.Edits) > 0 {
		e.u(uint64(len(v.Edits)))
		for _, c := range v.Edits {
			e.str(c.Name)
			e.str(c.Was)
			e.str(c.Now)
		}
	}
}

func (d *dec) event() (v Event) {
	v.Type = EventType(d.byte())
	v.Jobs = d.run()
	v.Epoch = d.u32()
	v.From, v.To = d.byte(), d.byte()
	v.Code, v.Sub = d.i32(), d.i32()
	v.ID, v.Node, v.Fresh = d.u32(), d.id(), d.bool()
	v.Text = d.str()
	has := d.byte()
	if has&hasExit != 0 {
		v.Exit = d.exit()
	}
	if has&hasEdits != 0 {
		v.Edits = make([]Edited, d.count(3))
		for i := range v.Edits {
			v.Edits[i] = Edited{Name: d.str(), Was: d.str(), Now: d.str()}
		}
	}
	return v
}
