package api

import (
	"encoding/json"
	"net/http"

	"gridburst/internal/grid"
	"gridburst/schedd/submit"
)

// Problem is the answer to a request that failed.
type Problem struct {
	Code        grid.Code        `json:"code" doc:"What kind of failure it is"`
	Message     string           `json:"message" doc:"What happened, to which thing, and what to try"`
	Diagnostics grid.Diagnostics `json:"diagnostics,omitempty" doc:"Problems in a file that a person wrote"`
	RetryAfter  float64          `json:"retry_after,omitempty" doc:"Seconds after which the same request may do"`
}

// HTTPStatus is the status of an answer whose problem has that code.
func HTTPStatus(c grid.Code) int {
	switch c {
	case "":
		return http.StatusOK
	case grid.Invalid:
		return http.StatusBadRequest
	case grid.NotFound:
		return http.StatusNotFound
	case grid.Refused, grid.Conflict, grid.Exists:
		return http.StatusConflict
	case grid.Forbidden:
		return http.StatusForbidden
	case grid.Unauthorized:
		return http.StatusUnauthorized
	case grid.TooLarge:
		return http.StatusRequestEntityTooLarge
	case grid.TooMany:
		return http.StatusTooManyRequests
	case grid.NoSpace:
		return http.StatusInsufficientStorage
	case grid.Gone:
		return http.StatusGone
	case grid.Unavailable, grid.Unknown:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Status is what a schedd says of itself.
type Status struct {
	Name       string   `json:"name"`
	Domain     string   `json:"domain" doc:"Of its users, and of the machines that share its files"`
	Dir        string   `json:"dir,omitempty" doc:"Where everything of it lies; told to administrators"`
	Version    string   `json:"version"`
	Deployment string   `json:"deployment"`
	Term       uint64   `json:"term" doc:"Counts the starts of this schedd"`
	Index      uint64   `json:"index" doc:"The last entry of its log"`
	Since      int64    `json:"since" doc:"When it started, seconds since 1970"`
	You        Identity `json:"you"`
	Personal   bool     `json:"personal" doc:"It runs as an ordinary user, for that user"`
	Warnings   []string `json:"warnings,omitempty" doc:"What its administrator should look at"`

	Commands []submit.OwnCommand `json:"commands,omitempty" doc:"Submit commands that it has beside those of every schedd"`

	Verified *Verified `json:"verified,omitempty" doc:"The last proof that its queue is the fold of its log"`
}

// Verified is one proof of the queue.
type Verified struct {
	At      int64  `json:"at" doc:"When it was begun, seconds since 1970"`
	Index   uint64 `json:"index" doc:"The last entry of the log that it has seen"`
	Entries int    `json:"entries" doc:"Of the log, applied again"`
	Seconds int64  `json:"seconds" doc:"How long it took"`
	Found   string `json:"found,omitempty" doc:"What is wrong; nothing: it was proven"`
}

// Health says whether a schedd works.
type Health struct {
	Live    bool     `json:"live" doc:"It goes on; if not, restart it"`
	Ready   bool     `json:"ready" doc:"It takes new jobs"`
	Reasons []string `json:"reasons" doc:"What keeps it from that, and what its administrator should look at"`
}

// Identity is who asks, as the socket says.
type Identity struct {
	User  string `json:"user"`
	UID   uint32 `json:"uid"`
	Admin bool   `json:"admin"`
}

// Submission asks for new jobs.
type Submission struct {
	Key   string        `json:"key,omitempty" doc:"Made by the client: the same key again gives the same clusters"`
	Specs []submit.Spec `json:"specs" doc:"One cluster each"`
}

// Submitted is the answer to a [Submission].
type Submitted struct {
	Clusters []Cluster `json:"clusters"`
	Warnings []string  `json:"warnings,omitempty"`
}

// Cluster is one that was submitted.
type Cluster struct {
	Cluster int32 `json:"cluster"`
	Procs   int32 `json:"procs"`
}

// JobsQuery selects jobs in the queue or the history.
type JobsQuery struct {
	IDs        []string `query:"id" doc:"Clusters (12), jobs (12.0), ranges (12.0-9); none: all"`
	Owner      string   `query:"owner" doc:"Only jobs of this user"`
	Constraint string   `query:"constraint" doc:"A ClassAd expression that must be true of a job's ad"`
	Attributes []string `query:"attribute" doc:"Give only these attributes; none: all"`
	Evaluate   bool     `query:"evaluate" doc:"Give values, not expressions"`
	Limit      int      `query:"limit" doc:"At most so many in one answer; 0: 1000" maximum:"10000"`
	After      string   `query:"after" doc:"Go on behind this place, as Jobs.Next says"`
}

// EventsQuery says of which jobs events are told, and in what form.
type EventsQuery struct {
	IDs    []string // as in [JobsQuery]
	Format string   // text (also if empty), xml or json
}

// HistoryQuery selects jobs in the history.
type HistoryQuery struct {
	JobsQuery
	Since   int64 `query:"since" doc:"Only jobs that left the queue at or after this time, s since 1970"`
	Forward bool  `query:"forward" doc:"The other way round: the first that left comes first"`
	Epochs  bool  `query:"epochs" doc:"Instead of jobs their executions that have ended, also of jobs in the queue: the ad as each left it, with RunInstanceID and EpochWriteDate; the highest job and its last execution first"`
}

// Jobs is one page of job ads, in the order of their ids; of a history the latest that
// left the queue first, or the highest id first where ids were asked for.
type Jobs struct {
	Jobs []json.RawMessage `json:"jobs" doc:"Job ads, in HTCondor's words"`
	Next string            `json:"next,omitempty" doc:"There are more: ask with after= this"`
}

// BatchesQuery selects the jobs of batches.
type BatchesQuery struct {
	IDs        []string `query:"id" doc:"Clusters (12), jobs (12.0), ranges (12.0-9); none: all"`
	Owner      string   `query:"owner" doc:"Only jobs of this user"`
	Constraint string   `query:"constraint" doc:"A ClassAd expression that must be true of a job's ad"`
	Limit      int      `query:"limit" doc:"At most so many batches; 0: 1000" maximum:"10000"`
}

// Batches is the queue by batches, the oldest first.
type Batches struct {
	Batches []Batch `json:"batches"`
	Total   Totals  `json:"total" doc:"Of all jobs that were found, those of omitted batches too"`
	Omitted int     `json:"omitted,omitempty" doc:"Clusters of further batches, beyond the limit"`
}

// Batch is jobs that belong together: those of a workflow's run, of one owner's
// clusters with one batch name, or of a cluster.
type Batch struct {
	Owner     string `json:"owner"`
	Name      string `json:"name,omitempty" doc:"The batch name, or the workflow's; a cluster without has none"`
	Dag       uint32 `json:"dag,omitempty" doc:"The workflow's run"`
	Submitted int64  `json:"submitted" doc:"Its first cluster, seconds since 1970"`
	Totals
	Left   int    `json:"left" doc:"Jobs of its clusters in the queue that have left it"`
	Jobs   int    `json:"jobs" doc:"Jobs of its clusters in the queue, as they were submitted"`
	Coming int    `json:"coming,omitempty" doc:"Jobs of its clusters that are still to be made (max_materialize, max_idle)"`
	First  string `json:"first" doc:"Its first job in the queue; when there is none, the next that is to be made"`
	Last   string `json:"last" doc:"And its last"`
}

// FactoriesQuery selects clusters whose jobs are made little by little.
type FactoriesQuery struct {
	IDs   []string `query:"id" doc:"Clusters (12); none: all"`
	Owner string   `query:"owner" doc:"Only those of this user"`
}

// Factories is clusters whose jobs are made little by little (max_materialize, max_idle).
type Factories struct {
	Factories []Factory `json:"factories"`
}

// Factory is one such cluster in the queue.
type Factory struct {
	Cluster   int32  `json:"cluster"`
	Owner     string `json:"owner"`
	Name      string `json:"name,omitempty" doc:"The batch name"`
	Submitted int64  `json:"submitted" doc:"Seconds since 1970"`
	Jobs      int32  `json:"jobs" doc:"That it makes in all"`
	Made      int32  `json:"made" doc:"So far: the next is this proc"`
	Limit     int32  `json:"limit,omitempty" doc:"At most so many of its jobs are in the queue (max_materialize); none: no bound"`
	MaxIdle   int32  `json:"max_idle,omitempty" doc:"At most so many of them are idle or held; none: no bound"`
	State     string `json:"state" enum:"making,full,paused,waiting,done" doc:"Makes jobs; waits for room; was paused by a hold; waits for the owner's limit of jobs; has made all"`
	Totals
}

// JobSetsQuery selects job sets.
type JobSetsQuery struct {
	Owner string `query:"owner" doc:"Only sets of this user"`
	Name  string `query:"name" doc:"Only sets of this name"`
}

// JobSets is job sets that have jobs in the queue, by owner and name.
type JobSets struct {
	Sets []JobSet `json:"sets"`
}

// JobSet is the clusters of an owner that say one jobset. It begins with the first of
// them, and ends when none of them has a job in the queue.
type JobSet struct {
	Name      string `json:"name"`
	Owner     string `json:"owner"`
	ID        int32  `json:"id" doc:"Its first cluster"`
	Submitted int64  `json:"submitted" doc:"Its first cluster, seconds since 1970"`
	Clusters  int    `json:"clusters" doc:"Those that have left the queue too, as long as the history is kept"`
	Jobs      int    `json:"jobs" doc:"Of all its clusters, also those still to be made"`
	Totals
	Left     Totals `json:"left" doc:"Its jobs that have left the queue: completed, or removed"`
	Coming   int    `json:"coming,omitempty" doc:"Its jobs that are still to be made (max_materialize, max_idle)"`
	Existing int    `json:"existing" doc:"Its clusters in the queue"`
}

// Selection names jobs: by ids, by owner and constraint, by a job set, or all.
type Selection struct {
	IDs        []string `json:"ids,omitempty" doc:"Clusters (12), jobs (12.0), ranges (12.0-9)"`
	Owner      string   `json:"owner,omitempty" doc:"Instead of ids: jobs of this user"`
	Constraint string   `json:"constraint,omitempty" doc:"Instead of ids: jobs of whose ad this is true"`
	JobSet     string   `json:"job_set,omitempty" doc:"Instead of ids: all jobs of the set of that name, the caller's own or the owner's"`
	All        bool     `json:"all,omitempty" doc:"Instead of ids: all jobs that the caller may act on"`
}

// Action does something to jobs.
type Action struct {
	Verb string `json:"verb" enum:"hold,release,remove,vacate,suspend,continue"`
	Selection
	Reason  string `json:"reason,omitempty"`
	Subcode int32  `json:"subcode,omitempty" doc:"Of a hold"`
	Fast    bool   `json:"fast,omitempty" doc:"Of a vacate: without asking the job first"`
	Force   bool   `json:"force,omitempty" doc:"Of a removal: jobs that are being removed go at once, whatever still runs of them"`
}

// Edit changes the ads of jobs in the queue.
type Edit struct {
	Selection
	Attrs       []submit.Attr `json:"attrs,omitempty" doc:"Attributes to set; an empty expression deletes one"`
	AddPriority int32         `json:"add_priority,omitempty" doc:"Instead of attributes: add this to the priority of each"`
}

// Acted is what an [Action] or an [Edit] did.
type Acted struct {
	Changed int    `json:"changed"`
	Already int    `json:"already" doc:"Were there already"`
	Refused int    `json:"refused" doc:"Not possible in their state"`
	Why     string `json:"why,omitempty" doc:"Why one of those is not possible in any state"`
	Foreign int    `json:"foreign" doc:"Of another user"`
	Missing int    `json:"missing" doc:"Not in the queue"`
}

// Totals counts jobs by status.
type Totals struct {
	Idle         int `json:"idle"`
	Running      int `json:"running"`
	Removed      int `json:"removed"`
	Completed    int `json:"completed"`
	Held         int `json:"held"`
	Transferring int `json:"transferring"`
	Suspended    int `json:"suspended"`
}

// Add counts n jobs of a status.
func (t *Totals) Add(s grid.Status, n int) {
	switch s {
	case grid.Idle:
		t.Idle += n
	case grid.Running:
		t.Running += n
	case grid.Removed:
		t.Removed += n
	case grid.Completed:
		t.Completed += n
	case grid.Held:
		t.Held += n
	case grid.TransferringOutput:
		t.Transferring += n
	case grid.Suspended:
		t.Suspended += n
	}
}

// Total is all of them.
func (t Totals) Total() int {
	return t.Idle + t.Running + t.Removed + t.Completed + t.Held + t.Transferring + t.Suspended
}

// OwnerTotals is one user's.
type OwnerTotals struct {
	Owner string `json:"owner"`
	Totals
}

// QueueTotals is the queue in numbers.
type QueueTotals struct {
	All    Totals        `json:"all"`
	Owners []OwnerTotals `json:"owners"`

	Leaving int `json:"leaving,omitempty" doc:"Removed jobs that are out of the queue and not in the history yet"`
}

// Why says what stands between a job and its start.
type Why struct {
	Job   string `json:"job"`
	State string `json:"state"`
	Text  string `json:"text" doc:"The answer in words"`

	Reason string `json:"reason,omitempty" doc:"A word for what stands in the way, which stays the same as long as that does"`
	Matter string `json:"matter,omitempty" doc:"What is the matter, in a sentence"`
	Help   string `json:"help,omitempty" doc:"What would help, in a sentence"`
}

// Slots is the pool.
type Slots struct {
	Slots []Slot `json:"slots"`
}

// Slot is one worker's machine, and what of it is in use.
type Slot struct {
	Name      string            `json:"name"`
	Worker    string            `json:"worker"`
	State     string            `json:"state" enum:"idle,busy,draining,lost"`
	Arch      string            `json:"arch"`
	OpSys     string            `json:"opsys"`
	Isolation string            `json:"isolation" doc:"How jobs are kept apart there"`
	Claim     uint32            `json:"claim,omitempty" doc:"The virtual machine of ours that it is"`
	Cpus      int64             `json:"cpus"`
	MemoryMB  int64             `json:"memory_mb"`
	DiskKB    int64             `json:"disk_kb"`
	FreeCpus  int64             `json:"free_cpus"`
	FreeMB    int64             `json:"free_mb"`
	Jobs      []string          `json:"jobs,omitempty"`
	Since     int64             `json:"since" doc:"When it came, or was last heard, seconds since 1970"`
	Attrs     map[string]string `json:"attrs,omitempty"`
}

// Event is one thing that happened.
type Event struct {
	Index uint64 `json:"index" doc:"The log entry that made it; streams resume behind an index"`
	Time  int64  `json:"time" doc:"Milliseconds since 1970"`
	Type  string `json:"type"`
	Jobs  string `json:"jobs,omitempty"`
	Epoch uint32 `json:"epoch,omitempty"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	Code  int32  `json:"code,omitempty"`
	Sub   int32  `json:"sub,omitempty"`
	ID    uint32 `json:"id,omitempty" doc:"Of a claim, a workflow run or a worker, by type"`
	Node  int32  `json:"node,omitempty"`
	Text  string `json:"text,omitempty"`
	Exit  *Exit  `json:"exit,omitempty"`
}

// Exit is how an execution ended.
type Exit struct {
	Code   int32 `json:"code"`
	Signal bool  `json:"signal,omitempty"`
	WallMS int64 `json:"wall_ms"`
	UserMS int64 `json:"user_ms"`
	SysMS  int64 `json:"sys_ms"`
}

// LogEntry is an entry of the ledger's log.
type LogEntry struct {
	Index   uint64          `json:"index"`
	Time    int64           `json:"time" doc:"Milliseconds since 1970"`
	Kind    string          `json:"kind"`
	By      string          `json:"by"`
	Key     string          `json:"key,omitempty"`
	Body    json.RawMessage `json:"body"`
	Refused string          `json:"refused,omitempty"`
	Events  []Event         `json:"events,omitempty"`
}

// Backup describes a copy of the queue file.
type Backup struct {
	Format     uint64 `json:"format"`
	Deployment string `json:"deployment"`
	Index      uint64 `json:"index"`
	Digest     string `json:"digest"`
	Size       int64  `json:"size"`

	Checkpoints     int   `json:"checkpoints" doc:"Checkpoints of jobs that there were, which are not in the copy: their jobs begin anew unless they are there when it is restored"`
	CheckpointBytes int64 `json:"checkpoint_bytes" doc:"How large those are"`
}

// Invite asks for a one-time token with which a worker of another host may join.
type Invite struct {
	Worker string `json:"worker" doc:"The name that the worker will have"`
}

// Invitation is what a worker needs to join.
type Invitation struct {
	Worker      string `json:"worker"`
	Token       string `json:"token" doc:"Good once, for a worker of that name"`
	Until       int64  `json:"until" doc:"Seconds since 1970"`
	Schedd      string `json:"schedd" doc:"Where the worker finds the schedd"`
	CA          string `json:"ca" doc:"The schedd's authority, PEM"`
	Fingerprint string `json:"fingerprint" doc:"Its SHA-256"`
}

// Claims is virtual machines of resources.
type Claims struct {
	Claims []Claim `json:"claims"`
}

// Claim is a virtual machine that somebody wished for.
type Claim struct {
	ID       uint32 `json:"id"`
	State    string `json:"state"`
	Kind     string `json:"kind" enum:"overflow,made,borrowed"`
	Resource string `json:"resource"`
	Name     string `json:"name" doc:"The machine's, at its engine"`
	VM       string `json:"vm,omitempty" doc:"The engine's id of it"`
	Job      string `json:"job,omitempty" doc:"The job that is the machine"`
	Worker   string `json:"worker,omitempty" doc:"That has joined from it"`
	Wanted   int64  `json:"wanted" doc:"Seconds since 1970"`
	Entered  int64  `json:"entered" doc:"When it entered its state"`
	Reason   string `json:"reason,omitempty"`
	Waits    string `json:"waits,omitempty" doc:"What it waits for"`

	Receipt *Receipt `json:"receipt,omitempty" doc:"What it was for; claims of older programs have none"`
}

// Receipt says what a claim's machine was for, and how it came and went. Times are seconds
// since 1970; what has not happened is left out.
type Receipt struct {
	Why      string   `json:"why,omitempty" doc:"Why it was wished for"`
	Template string   `json:"template,omitempty" doc:"What it was made from"`
	Made     int64    `json:"made,omitempty" doc:"When the engine had taken the order to make it"`
	Started  int64    `json:"started,omitempty" doc:"When the engine had taken the order to start it"`
	Ready    int64    `json:"ready,omitempty" doc:"When its worker had joined, or its guest was up"`
	Ended    int64    `json:"ended,omitempty" doc:"When it was ordered to go, or came to nothing"`
	Gone     int64    `json:"gone,omitempty" doc:"When it was seen gone"`
	Seen     string   `json:"seen,omitempty" doc:"How it was seen gone"`
	Runs     uint32   `json:"runs" doc:"Executions that have begun on it"`
	Jobs     []string `json:"jobs,omitempty" doc:"Of these the last few"`
	Minutes  float64  `json:"minutes" doc:"From its start until it was gone, or until now"`
	Cost     float64  `json:"cost,omitempty" doc:"For that time, by price_per_hour"`
	Currency string   `json:"currency,omitempty"`
}

// Boots is how long machines take from the wish for one until it serves.
type Boots struct {
	Boots []Boot `json:"boots"`
}

// Boot is of machines of one resource, template and kind, seconds.
type Boot struct {
	Resource string  `json:"resource"`
	Template string  `json:"template,omitempty"`
	Kind     string  `json:"kind" enum:"overflow,made"`
	Samples  int     `json:"samples" doc:"Machines that have shown it"`
	Learned  bool    `json:"learned" doc:"There are enough; if not, the times are what is configured"`
	P50      float64 `json:"p50" doc:"Half of them were there within it"`
	P90      float64 `json:"p90"`
	P99      float64 `json:"p99"`
}

// Strays is machines of ours, by their marks, that no open claim stands for.
type Strays struct {
	Strays    []Stray `json:"strays"`
	Kept      bool    `json:"kept" doc:"Those of unknown claims are left alone until an administrator says otherwise"`
	KeptUntil int64   `json:"kept_until,omitempty" doc:"They are left alone until then, for the queue was restored from a backup; seconds since 1970"`
}

// Stray is one, as the last complete listing of its resource shows it.
type Stray struct {
	Resource string `json:"resource"`
	Name     string `json:"name"`
	VM       string `json:"vm" doc:"The engine's id of it"`
	State    string `json:"state" doc:"In the engine's words"`
	Claim    uint32 `json:"claim" doc:"That it was made for, as its mark says"`
	Unknown  bool   `json:"unknown,omitempty" doc:"The queue does not know that claim, and leaves it alone for now"`
}
