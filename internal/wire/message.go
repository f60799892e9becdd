package wire

import "gridburst/internal/grid"

// Version is the contract's version, the number after "gridburst-worker/".
const Version = 1

// Limits of the stream.
const (
	MaxFrame    = 4 << 20 // bytes of one frame's JSON
	Window      = 256     // unacknowledged messages in one direction
	MaxAttempts = 1024    // attempts that one worker holds
	MaxReason   = 400     // bytes of a sentence in a report, so that MaxAttempts of them fit a Hello
)

// Frame is the unit of the stream. Messages are numbered from 1 in each direction.
type Frame struct {
	First uint64    `json:"n,omitempty"` // number of Messages[0]; 0 in a frame without messages
	Ack   uint64    `json:"a,omitempty"` // number of the last message received
	Msgs  []Message `json:"m,omitempty"`
}

// Message is exactly one of its fields.
type Message struct {
	// From the worker.
	Hello  *Hello  `json:"hello,omitempty"`  // first on every stream
	Advert *Advert `json:"advert,omitempty"` // the machine changed
	Report *Report `json:"report,omitempty"`
	Beat   *Beat   `json:"beat,omitempty"` // every Welcome.RenewMS
	Update *Update `json:"update,omitempty"`

	// From the schedd.
	Welcome *Welcome `json:"welcome,omitempty"` // first on every stream
	Renew   *Renew   `json:"renew,omitempty"`
	Start   *Start   `json:"start,omitempty"`
	Kill    *Kill    `json:"kill,omitempty"`
	Suspend *Suspend `json:"suspend,omitempty"`
	Forget  *Forget  `json:"forget,omitempty"`
	Drain   *Drain   `json:"drain,omitempty"`
	Quit    *Quit    `json:"quit,omitempty"`
}

// Hello introduces a worker and lists what it holds.
type Hello struct {
	Version   int       `json:"version"`
	Worker    string    `json:"worker"`          // stable name of the agent; over TLS the certificate's name wins
	Boot      string    `json:"boot"`            // the machine's boot id: another one proves all old attempts dead
	Session   string    `json:"session"`         // random, new with each start of the agent
	Term      uint64    `json:"term"`            // the highest term seen
	Clock     int64     `json:"clock"`           // as in Beat; Welcome answers it
	Agent     string    `json:"agent"`           // the agent's version
	Isolation Isolation `json:"isolation"`       // how jobs are kept apart here
	Local     bool      `json:"local,omitempty"` // serves the local universe on the schedd's host
	Advert    Advert    `json:"advert"`
	Attempts  []Attempt `json:"attempts,omitempty"`
}

// Isolation names how a worker contains its jobs.
type Isolation string

const (
	Namespaces     Isolation = "namespaces"      // each slot its own PID and mount namespace, as root
	UserNamespaces Isolation = "user_namespaces" // the same, without root
	ProcessGroups  Isolation = "process_groups"  // weaker: parent-death signals and a scan for what was left
)

// Advert is what a machine offers. Attributes are ClassAd expressions in source
// form; Cpus, Memory (MiB) and Disk (KiB) are the machine's totals, from which the
// schedd carves dynamic slots.
type Advert struct {
	Attrs map[string]string `json:"attrs"`
}

// Update is what a job that runs says of itself: ClassAd expressions for its ad, all that
// it has said so far. It comes again from time to time: one may be lost with a connection.
type Update struct {
	Job   grid.JobID        `json:"job"`
	Epoch uint32            `json:"epoch"`
	Attrs map[string]string `json:"attrs"`
}

// Attempt is one execution that the worker holds.
type Attempt struct {
	Job   grid.JobID `json:"job"`
	Epoch uint32     `json:"epoch"`
	Last  Report     `json:"last"` // the newest report; Kind Accepted when none was due yet

	Suspended bool `json:"suspended,omitempty"` // as it was ordered last
}

// ReportKind says what became of an attempt.
type ReportKind string

const (
	Accepted ReportKind = "accepted" // journalled; not running yet
	Started  ReportKind = "started"  // the job's process runs
	Exited   ReportKind = "exited"   // it ended by itself; outputs are staged. Final
	Killed   ReportKind = "killed"   // it was ended by Kill. Final
	Failed   ReportKind = "failed"   // could not be run for a reason of the job's: Hold says which. Final
	Lost     ReportKind = "lost"     // its end is certain, its result is not known. Final
)

// Final reports whether nothing of the attempt runs after k.
func (k ReportKind) Final() bool { return k != Accepted && k != Started }

// Beat carries the worker's clock: milliseconds since its machine started, sleep
// included (CLOCK_BOOTTIME). It asks for a [Renew].
type Beat struct {
	Clock int64 `json:"clock"`
}

// Report is news of an attempt. A final report is kept by the worker until Forget.
type Report struct {
	Job    grid.JobID      `json:"job"`
	Epoch  uint32          `json:"epoch"`
	Kind   ReportKind      `json:"kind"`
	Code   int32           `json:"code,omitempty"`   // exit code, or signal number if Signal
	Signal bool            `json:"signal,omitempty"` // ended by a signal
	Usage  Usage           `json:"usage,omitzero"`
	Hold   Hold            `json:"hold,omitzero"` // Failed
	Reason string          `json:"reason,omitempty"`
	Vacate grid.VacateCode `json:"vacate,omitempty"` // Lost
	Staged *Staged         `json:"staged,omitempty"` // Exited with Transfer, or Failed because some outputs were missing
}

// Hold is a reason to hold the job.
type Hold struct {
	Code    grid.HoldCode `json:"code"`
	Subcode int32         `json:"subcode,omitempty"`
	Reason  string        `json:"reason"`
}

// Usage is what an attempt consumed so far.
type Usage struct {
	WallMS   int64 `json:"wall_ms,omitempty"`
	UserMS   int64 `json:"user_ms,omitempty"`
	SysMS    int64 `json:"sys_ms,omitempty"`
	MaxRSSKB int64 `json:"max_rss_kb,omitempty"`
	DiskKB   int64 `json:"disk_kb,omitempty"`
	Sent     int64 `json:"sent,omitempty"` // bytes of outputs
	Received int64 `json:"received,omitempty"`
}

// Plus is what both have consumed; the larger where it is no sum.
func (u Usage) Plus(o Usage) Usage {
	return Usage{
		WallMS: u.WallMS + o.WallMS, UserMS: u.UserMS + o.UserMS, SysMS: u.SysMS + o.SysMS, MaxRSSKB: max(u.MaxRSSKB, o.MaxRSSKB),
		DiskKB: max(u.DiskKB, o.DiskKB), Sent: u.Sent + o.Sent, Received: u.Received + o.Received,
	}
}

// Staged names the outputs that the schedd has acknowledged.
type Staged struct {
	Files  int    `json:"files"` // entries of the tar stream
	Bytes  int64  `json:"bytes"` // its length
	SHA256 string `json:"sha256"`
}

// Welcome accepts a worker, and its attempts' lease from Hello.Clock on.
type Welcome struct {
	Version   int    `json:"version"`
	Term      uint64 `json:"term"`
	LeaseMS   int64  `json:"lease_ms"`   // the worker's lease
	RenewMS   int64  `json:"renew_ms"`   // how often the worker asks for it again
	SilenceMS int64  `json:"silence_ms"` // either side hangs up after hearing nothing for this long
}

// Renew extends the lease of every attempt.
type Renew struct {
	Term  uint64 `json:"term"`
	Clock int64  `json:"clock"` // of the Beat that it answers: the lease counts from there
}

// Start begins an attempt.
type Start struct {
	Term  uint64     `json:"term"`
	Job   grid.JobID `json:"job"`
	Epoch uint32     `json:"epoch"`
	Execution
}

// Execution is everything that a runner needs to know.
type Execution struct {
	Owner     Owner             `json:"owner"`
	Cmd       string            `json:"cmd"`  // absolute, or with Transfer a path within the sandbox
	Args      []string          `json:"args"` // without argv[0]
	Env       []string          `json:"env"`  // NAME=value
	Iwd       string            `json:"iwd"`  // without Transfer: the working directory
	In        string            `json:"in,omitempty"`
	Out       string            `json:"out,omitempty"` // paths, relative to Iwd or with Transfer the sandbox; empty: /dev/null
	Err       string            `json:"err,omitempty"` // with Transfer Out and Err only say that they are wanted, and whether as one
	Transfer  bool              `json:"transfer,omitempty"`
	Outputs   []string          `json:"outputs,omitempty"`    // with Transfer: what to send back; none: every new or changed file at the top of the sandbox
	NoOutput  bool              `json:"no_output,omitempty"`  // with Transfer: send back nothing but Out and Err
	KillSig   int               `json:"kill_sig,omitempty"`   // first signal of a graceful end; 0: SIGTERM
	KillMS    int64             `json:"kill_ms,omitempty"`    // then SIGKILL after this long; 0: 10 s
	LeaseMS   int64             `json:"lease_ms,omitempty"`   // shorter than the worker's, if set
	NotBefore int64             `json:"not_before,omitempty"` // the process starts then, by the worker's clock: ms since 1970
	WindowMS  int64             `json:"window_ms,omitempty"`  // and is not started any more after so long
	Cpus      int32             `json:"cpus"`
	MemoryMB  int64             `json:"memory_mb"`
	DiskKB    int64             `json:"disk_kb"`
	Ad        map[string]string `json:"ad,omitempty"` // with Transfer: written to .job.ad in the sandbox

	Checkpoint *Checkpoint `json:"checkpoint,omitempty"` // with Transfer: of a job that checkpoints itself
	Run        uint32      `json:"run,omitempty"`        // a workflow's run whose token the job is to have; 0: none
	Ready      *Check      `json:"ready,omitempty"`      // how it is found out that the job is ready; nil: it says so itself. For workers that offer HasReadyCheck

	Nodes int32 `json:"nodes,omitempty"` // of a job of several nodes: how many, of which this is one; 0: of any other
}

// Checkpoint is how a job shows that it has taken a checkpoint, and what belongs to it.
type Checkpoint struct {
	Code   int32    `json:"code"`             // it has exited with this code, or by this signal if Signal
	Signal bool     `json:"signal,omitempty"` //
	Files  []string `json:"files,omitempty"`  // paths within the sandbox; none: what outputs would be
	Kept   bool     `json:"kept,omitempty"`   // the schedd has one, with which the attempt begins
}

// Check is how a worker finds out that a job is ready. It is one of Command, TCP and HTTP,
// and is tried beside the job, as the job, until it succeeds.
type Check struct {
	Command   []string `json:"command,omitempty"` // exits with 0
	TCP       int      `json:"tcp,omitempty"`     // a port of this machine that accepts
	HTTP      string   `json:"http,omitempty"`    // a URL that is answered with 2xx
	EveryMS   int64    `json:"every_ms"`          // between the end of a try and the next
	TimeoutMS int64    `json:"timeout_ms"`        // of one try, which is killed then
	Address   string   `json:"address,omitempty"` // where the job is found once it is ready; empty: the job says that itself, or nobody does
}

// What a job that is checked is said to say of itself, in its ad. It may say the first two by
// itself.
const (
	ServiceReady   = "ServiceReady"   // true
	ServiceAddress = "ServiceAddress" // a text
	ReadyAnswer    = "ReadyAnswer"    // of the last try: why it is not ready; empty: it is
)

// Abilities are the attributes by which jobs ask for what every worker of this release can do.
// The map is its caller's.
func Abilities() map[string]string {
	return map[string]string{"HasFileTransfer": "true", "HasJobDeferral": "true", "HasSelfCheckpointTransfers": "true", "HasReadyCheck": "true"}
}

// Kept is the schedd's answer to outputs or a checkpoint that it has.
type Kept struct {
	Staged
	Leave string `json:"leave,omitempty"` // of a checkpoint: why the job is not to go on where it is
}

// Names in an outputs stream.
const (
	StdoutName = "_stdout"
	StderrName = "_stderr"
	OutputDir  = "out/"
)

// Owner is whose job it is, as known on the schedd's host. A worker whose users
// are not the schedd's runs it as a user of its own.
type Owner struct {
	Name string `json:"name"`
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
}

// Kill ends an attempt, gracefully first unless Fast.
type Kill struct {
	Term   uint64     `json:"term"`
	Job    grid.JobID `json:"job"`
	Epoch  uint32     `json:"epoch"`
	Fast   bool       `json:"fast,omitempty"`
	Reason string     `json:"reason,omitempty"`
}

// Suspend stops an attempt's processes, or lets them go on. Its lease runs on.
type Suspend struct {
	Term  uint64     `json:"term"`
	Job   grid.JobID `json:"job"`
	Epoch uint32     `json:"epoch"`
	On    bool       `json:"on"`
}

// Forget ends the worker's duty for an attempt.
type Forget struct {
	Term  uint64     `json:"term"`
	Job   grid.JobID `json:"job"`
	Epoch uint32     `json:"epoch"`
}

// Drain stops a worker from being given more, or takes that back.
type Drain struct {
	Term uint64 `json:"term"`
	On   bool   `json:"on"`
}

// Quit ends the agent, once it holds no attempt; a worker in a VM of ours powers
// its guest off.
type Quit struct {
	Term     uint64 `json:"term"`
	PowerOff bool   `json:"power_off,omitempty"`
}
