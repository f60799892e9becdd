package api

// Bursts is the pools of machines that resources give for jobs that the pool cannot run
// soon.
type Bursts struct {
	Pools []BurstPool `json:"pools"`
}

// BurstPool is one.
type BurstPool struct {
	Name     string `json:"name" doc:"Of the resource"`
	Template string `json:"template"`
	Steered

	Open     int `json:"open" doc:"Machines for jobs, from the wish to the proof that they are gone"`
	Starting int `json:"starting"`
	Serving  int `json:"serving"`
	Idle     int `json:"idle" doc:"Of those that serve"`
	Draining int `json:"draining"`
	Stopping int `json:"stopping"`
	Unknown  int `json:"unknown" doc:"Of those that start: whether they are there is not known"`

	Burst  uint32       `json:"burst,omitempty" doc:"The claim that the burst began with which goes on"`
	Boot   float64      `json:"boot" doc:"Seconds from the wish until a machine serves, as expected"`
	Room   int          `json:"room" doc:"How many more there may be now; -1: no bound"`
	Bounds []BurstBound `json:"bounds,omitempty" doc:"What bounds it, the tightest first"`
	Purses []Purse      `json:"purses,omitempty"`
}

// Steered is how a pool or a route is steered by commands.
type Steered struct {
	Mode  string `json:"mode" enum:"running,paused,draining"`
	Cap   *int   `json:"cap,omitempty" doc:"As it was capped by a command"`
	By    string `json:"by,omitempty" doc:"Who has steered it last"`
	Why   string `json:"why,omitempty"`
	Since int64  `json:"since,omitempty" doc:"Seconds since 1970"`
}

// BurstBound is one thing that bounds machines.
type BurstBound struct {
	Reason string `json:"reason"`
	Left   int    `json:"left"`
	Text   string `json:"text,omitempty" doc:"What is the matter, where nothing is left"`
	Help   string `json:"help,omitempty"`
}

// Purse is a budget, and what is left of it. What is promised counts as spent.
type Purse struct {
	Name     string  `json:"name"`
	Owner    string  `json:"owner,omitempty" doc:"Whose jobs it is for"`
	Limit    float64 `json:"limit"`
	Spent    float64 `json:"spent"`
	Left     float64 `json:"left" doc:"Less than nothing where what works went on"`
	Currency string  `json:"currency"`
}

// BurstPlan is what would be done now, and why. Nothing is done by asking.
type BurstPlan struct {
	Time    int64          `json:"time" doc:"Seconds since 1970"`
	Waiting int            `json:"waiting" doc:"Jobs that no slot takes now and no machine is on its way for"`
	Start   []PlannedStart `json:"start"`
	Bind    []PlannedBind  `json:"bind"`
	Keep    []PlannedMove  `json:"keep" doc:"Drains that would be taken back, and idle machines that are kept for jobs which will come"`
	Drain   []PlannedMove  `json:"drain"`
	Unmet   int            `json:"unmet" doc:"Jobs that a machine could run, and get none now"`
	Refused []PlannedNot   `json:"refused"`
	Pools   []BurstPool    `json:"pools"`
}

// PlannedStart is machines of one pool that would be started for the same owner.
type PlannedStart struct {
	Pool   string   `json:"pool"`
	Owner  string   `json:"owner,omitempty"`
	Jobs   []string `json:"jobs" doc:"That the machine is for"`
	Cost   float64  `json:"cost,omitempty" doc:"Of its start"`
	Price  float64  `json:"price,omitempty" doc:"Of an hour"`
	Money  string   `json:"currency,omitempty"`
	Boot   float64  `json:"boot" doc:"Seconds until it serves, as expected"`
	Reason string   `json:"reason"`
}

// PlannedBind is jobs that would wait for a machine on its way.
type PlannedBind struct {
	Claim uint32   `json:"claim"`
	Jobs  []string `json:"jobs"`
}

// PlannedMove is a machine of which something would become.
type PlannedMove struct {
	Claim  uint32 `json:"claim"`
	VM     string `json:"vm"`
	Pool   string `json:"pool"`
	Reason string `json:"reason"`
}

// PlannedNot is jobs that would get no machine.
type PlannedNot struct {
	Pool   string `json:"pool"`
	Owner  string `json:"owner"`
	Jobs   int    `json:"jobs"`
	Reason string `json:"reason"`
	Text   string `json:"text"`
	Help   string `json:"help,omitempty"`
}

// Steer says how a pool or a route is steered from now on.
type Steer struct {
	Cap    *int   `json:"cap,omitempty" doc:"Of the verb cap: so many machines, or jobs on the route, at most; none: no cap any more"`
	Reason string `json:"reason,omitempty"`
}

// JournalQuery selects lines of the journal.
type JournalQuery struct {
	Job   string `query:"job" doc:"Only what was said of this job"`
	VM    string `query:"vm" doc:"Only what was said of the machine of this name, or of this claim"`
	Pool  string `query:"pool" doc:"Only what was said of this pool"`
	Since int64  `query:"since" doc:"Only what came later, seconds since 1970"`
	Limit int    `query:"limit" doc:"At most so many, the newest; 0: 1000"`
}

// Journal is what was done about machines, and not done, the oldest first.
type Journal struct {
	Notes []Note `json:"notes"`
}

// Note is a line of it.
type Note struct {
	Seq    uint64   `json:"seq"`
	Time   int64    `json:"time" doc:"Milliseconds since 1970"`
	What   string   `json:"what" enum:"start,ready,lost,drain,keep,stop,gone,failed,wait,refuse,steer,config"`
	Pool   string   `json:"pool,omitempty"`
	Claim  uint32   `json:"claim,omitempty"`
	VM     string   `json:"vm,omitempty"`
	Jobs   []string `json:"jobs,omitempty" doc:"Some of those that it is about"`
	Reason string   `json:"reason,omitempty" doc:"A word that stays the same as long as the answer does"`
	Text   string   `json:"text"`
	Inputs string   `json:"inputs,omitempty" doc:"What it rested on"`
	By     string   `json:"by,omitempty" doc:"Who asked for it"`
}

// ReceiptsQuery selects bursts.
type ReceiptsQuery struct {
	Pool  string `query:"pool"`
	Since int64  `query:"since" doc:"Only those that were not over then, seconds since 1970"`
}

// BurstReceipts is bursts, the oldest first.
type BurstReceipts struct {
	Bursts []BurstReceipt `json:"bursts"`
}

// BurstReceipt says what a burst was: from the first machine of a pool that was wished for
// until all were gone. Times are seconds since 1970.
type BurstReceipt struct {
	Pool     string  `json:"pool"`
	Burst    uint32  `json:"burst" doc:"The claim that it began with"`
	Began    int64   `json:"began"`
	Gone     int64   `json:"gone,omitempty" doc:"When all were seen gone; none: it goes on"`
	Asked    int     `json:"asked" doc:"Machines that were wished for"`
	Started  int     `json:"started" doc:"Machines that the engine had started"`
	Used     int     `json:"used" doc:"Machines on which anything ran"`
	Failed   int     `json:"failed" doc:"Machines that never served"`
	Most     int     `json:"most" doc:"Machines at one time"`
	Runs     uint32  `json:"runs" doc:"Executions that began on them"`
	Minutes  float64 `json:"minutes" doc:"Of all machines, from their starts until they were gone"`
	Busy     float64 `json:"busy_minutes" doc:"Of which jobs ran on at least a part of a machine"`
	Idle     float64 `json:"idle_minutes" doc:"Of which no job ran, boot and end included"`
	Cost     float64 `json:"cost,omitempty"`
	Currency string  `json:"currency,omitempty"`
}
