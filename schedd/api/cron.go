package api

import (
	"context"
	"net/url"
	"strconv"
)

// Timetable is what a user hands in: when a workflow of theirs is to run.
type Timetable struct {
	Name          string   `json:"name" doc:"Letters, digits, dots, dashes and underscores; it is known as USER/NAME"`
	File          string   `json:"file" doc:"The workflow, read as its owner each time; full path"`
	Schedules     []string `json:"schedules" doc:"Cron expressions; each has its occurrences"`
	TimeZone      string   `json:"time_zone,omitempty" doc:"As in Europe/Berlin; empty: UTC"`
	Gap           string   `json:"gap,omitempty" enum:"run,skip," doc:"What becomes of a time that the clock skips"`
	Repeat        string   `json:"repeat,omitempty" enum:"first,last,both," doc:"Which counts of a time that the clock shows twice"`
	Except        []string `json:"except,omitempty" doc:"Days without occurrences: 2026-12-24, 2026-12-24..2027-01-01"`
	Begin         string   `json:"begin,omitempty" doc:"No occurrence before this: RFC 3339"`
	End           string   `json:"end,omitempty" doc:"None from this on: RFC 3339"`
	Jitter        int64    `json:"jitter,omitempty" doc:"Seconds by which an occurrence is begun later, at most"`
	Missed        string   `json:"missed,omitempty" enum:"none,last,all,skip,once," doc:"What becomes of occurrences that nobody looked at in time"`
	MissedLimit   int      `json:"missed_limit,omitempty" doc:"Of missed all: the newest so many; 0: 100"`
	Overlap       string   `json:"overlap,omitempty" enum:"forbid,allow,queue,replace,skip," doc:"What becomes of an occurrence while the last run goes on"`
	AfterPrevious string   `json:"after_previous,omitempty" enum:"done," doc:"What has to become of the run before, so that an occurrence is begun"`
	StartDeadline int64    `json:"start_deadline,omitempty" doc:"Seconds after its time in which an occurrence may be begun; 0: no bound"`
}

// Crons are timetables and bursts by the clock.
type Crons struct {
	Crons []Cron `json:"crons"`
}

// Cron is a timetable, or with Window set a burst by the clock, as it stands.
type Cron struct {
	Name      string   `json:"name"`
	Owner     string   `json:"owner,omitempty"`
	File      string   `json:"file,omitempty" doc:"The workflow; only for its owner and administrators"`
	Origin    string   `json:"origin" enum:"configuration,handed in"`
	Schedules []string `json:"schedules"`
	TimeZone  string   `json:"time_zone"`
	Missed    string   `json:"missed,omitempty"`
	Overlap   string   `json:"overlap,omitempty"`
	Jitter    int64    `json:"jitter,omitempty"`

	AfterPrevious string `json:"after_previous,omitempty"`

	Next   int64       `json:"next,omitempty" doc:"The next occurrence, seconds since 1970; 0: there is none any more"`
	Last   *Occurrence `json:"last,omitempty"`
	Runs   []uint32    `json:"runs,omitempty" doc:"Workflow runs of it that go on"`
	Queued []int64     `json:"queued,omitempty" doc:"Occurrences that wait for these to end"`

	Paused      bool   `json:"paused,omitempty"`
	PausedUntil int64  `json:"paused_until,omitempty" doc:"0: until somebody ends it"`
	PauseReason string `json:"pause_reason,omitempty"`

	Backfills []Backfill  `json:"backfills,omitempty"`
	Window    *CronWindow `json:"window,omitempty"`
}

// CronWindow is what a burst by the clock is configured to, and what it is at.
type CronWindow struct {
	Resource string `json:"resource"`
	Count    int    `json:"count" doc:"Machines"`
	Lead     int64  `json:"lead" doc:"Seconds before the hour at which machines are asked for"`
	Learned  bool   `json:"learned,omitempty" doc:"As machines have shown how long they take"`
	Hold     int64  `json:"hold" doc:"Seconds from the hour on for which they are kept"`
	Drain    int64  `json:"drain" doc:"Seconds that jobs may still take then"`
	Budget   int64  `json:"budget,omitempty" doc:"Seconds of machines' time"`
	Open     bool   `json:"open,omitempty"`
	Due      int64  `json:"due,omitempty"`
	Machines int    `json:"machines,omitempty" doc:"Of the open window, those that are not gone"`
}

// Backfill is a range of the past whose occurrences are run again.
type Backfill struct {
	ID     uint32 `json:"id"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	Done   int64  `json:"done" doc:"Nothing up to this is begun any more"`
	AtOnce int    `json:"at_once"`
	Prio   int    `json:"prio"`
	Again  bool   `json:"again,omitempty"`
	Runs   int    `json:"runs" doc:"That go on"`
}

// Occurrences are what became of a timetable's instants, the last noted first.
type Occurrences struct {
	Name        string       `json:"name"`
	Occurrences []Occurrence `json:"occurrences"`
}

// Occurrence is what became of one instant. Its name is the timetable's and Due.
type Occurrence struct {
	Due      int64              `json:"due"`
	Kind     string             `json:"kind" enum:"scheduled,manual,backfill,window"`
	Outcome  string             `json:"outcome" enum:"started,skipped,missed,failed,queued,closed"`
	At       int64              `json:"at" doc:"When that was decided"`
	Run      uint32             `json:"run,omitempty"`
	Status   string             `json:"status,omitempty" doc:"Of the run, now"`
	Backfill uint32             `json:"backfill,omitempty"`
	Why      string             `json:"why,omitempty"`
	By       string             `json:"by,omitempty"`
	Details  *OccurrenceDetails `json:"details,omitempty"`
}

// OccurrenceDetails is what was read and given when a run began, or what a window cost.
type OccurrenceDetails struct {
	Owner    string            `json:"owner,omitempty"`
	UID      uint32            `json:"uid,omitempty"`
	Schedule string            `json:"schedule,omitempty"`
	TimeZone string            `json:"time_zone,omitempty"`
	Version  string            `json:"version,omitempty" doc:"Of the schedd"`
	Env      []string          `json:"env,omitempty" doc:"What the files were read with"`
	Files    []FileSum         `json:"files,omitempty"`
	Params   map[string]string `json:"params,omitempty"`
	Receipt  *WindowReceipt    `json:"receipt,omitempty"`
}

// FileSum is a file as it was read.
type FileSum struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// WindowReceipt is what a burst by the clock had.
type WindowReceipt struct {
	Resource string `json:"resource"`
	Planned  int    `json:"planned" doc:"Machines that were to be there"`
	Asked    int    `json:"asked" doc:"Machines that were wished for; more when some failed"`
	Started  int    `json:"started"`
	Joined   int    `json:"joined"`
	InTime   int    `json:"in_time" doc:"Joined by the hour"`
	Runs     int    `json:"runs" doc:"Executions on them"`
	Opened   int64  `json:"opened"`
	Drained  int64  `json:"drained" doc:"From when on they took no more jobs"`
	Gone     int64  `json:"gone" doc:"When the last was seen gone"`

	Minutes  float64  `json:"minutes" doc:"Of machines, from their start until they were gone"`
	Used     float64  `json:"used" doc:"Of these, with a job"`
	Idle     float64  `json:"idle" doc:"Of these, joined and without one"`
	Cost     float64  `json:"cost,omitempty"`
	Currency string   `json:"currency,omitempty"`
	Claims   []uint32 `json:"claims,omitempty"`
}

// Instants are occurrences to come.
type Instants struct {
	Name     string    `json:"name"`
	TimeZone string    `json:"time_zone"`
	Instants []Instant `json:"instants"`
	Ends     bool      `json:"ends,omitempty" doc:"There is none after these"`
}

// Instant is an occurrence to come, or a time at which none is because the clock is
// changed.
type Instant struct {
	At    int64    `json:"at" doc:"Seconds since 1970"`
	Zone  string   `json:"zone" doc:"What the clock shows in its zone"`
	UTC   string   `json:"utc"`
	Left  bool     `json:"left,omitempty" doc:"It is left out"`
	Delay int64    `json:"delay,omitempty" doc:"Seconds by which it is begun later, by the jitter"`
	Asked int64    `json:"asked,omitempty" doc:"Of a burst by the clock: when its machines are asked for, as things are now"`
	Notes []string `json:"notes,omitempty"`
}

// CronRun asks for a run now, or of a burst by the clock for its machines.
type CronRun struct {
	Key    string            `json:"key,omitempty" doc:"Made by the client: the same key again gives the same run"`
	Name   string            `json:"name"`
	At     int64             `json:"at,omitempty" doc:"The instant that it is to be the run of; 0: now"`
	Params map[string]string `json:"params,omitempty" doc:"Macros for its jobs"`
	Anyway bool              `json:"anyway,omitempty" doc:"Though its last run goes on"`
}

// CronPause asks that occurrences are passed over.
type CronPause struct {
	Name   string `json:"name"`
	Reason string `json:"reason,omitempty"`
	Until  int64  `json:"until,omitempty" doc:"0: until resume"`
}

// CronName names one.
type CronName struct {
	Name string `json:"name"`
}

// CronBackfill asks that the occurrences of a range of the past are run, or that this
// ends.
type CronBackfill struct {
	Name   string `json:"name"`
	From   int64  `json:"from,omitempty"`
	To     int64  `json:"to,omitempty"`
	AtOnce int    `json:"at_once,omitempty" doc:"Runs at a time; 0: 1"`
	Prio   int    `json:"prio,omitempty" doc:"Added to that of its jobs; 0: -10"`
	Again  bool   `json:"again,omitempty" doc:"Also those that have run"`
	End    uint32 `json:"end,omitempty" doc:"The number of one that is to begin no more"`
}

// CronAnswer is what came of one of these.
type CronAnswer struct {
	Name string `json:"name" doc:"The whole one"`
	Run  uint32 `json:"run,omitempty"`
	ID   uint32 `json:"id,omitempty" doc:"Of a backfill"`
	Next int64  `json:"next,omitempty"`
	Due  int64  `json:"due,omitempty"`
}

// Crons lists timetables and bursts by the clock.
func (c *Client) Crons(ctx context.Context) (out Crons, err error) {
	return out, c.do(ctx, "GET", "/v1/crons", nil, &out)
}

// CronNext is the next n occurrences of one, from a time on (seconds since 1970; 0: now).
func (c *Client) CronNext(ctx context.Context, name string, n int, from int64) (out Instants, err error) {
	q := url.Values{"name": {name}, "count": {strconv.Itoa(n)}, "from": {strconv.FormatInt(from, 10)}}
	return out, c.do(ctx, "GET", "/v1/crons/next?"+q.Encode(), nil, &out)
}

// CronHistory is what became of the occurrences of one, at most so many (0: all that is
// remembered).
func (c *Client) CronHistory(ctx context.Context, name string, most int) (out Occurrences, err error) {
	q := url.Values{"name": {name}, "limit": {strconv.Itoa(most)}}
	return out, c.do(ctx, "GET", "/v1/crons/history?"+q.Encode(), nil, &out)
}

// SubmitCron hands a timetable in; again with the same name puts it in the place of the
// first.
func (c *Client) SubmitCron(ctx context.Context, t Timetable) (out CronAnswer, err error) {
	return out, c.again(ctx, func() error { return c.do(ctx, "POST", "/v1/crons", t, &out) })
}

// RunCron begins a run of one now. When the outcome is not known it asks again, with the
// same key, until ctx ends.
func (c *Client) RunCron(ctx context.Context, r CronRun) (out CronAnswer, err error) {
	if r.Key == "" {
		r.Key = NewKey()
	}
	return out, c.again(ctx, func() error { return c.do(ctx, "POST", "/v1/crons/run", r, &out) })
}

// PauseCron has its occurrences passed over.
func (c *Client) PauseCron(ctx context.Context, p CronPause) (out CronAnswer, err error) {
	return out, c.do(ctx, "POST", "/v1/crons/pause", p, &out)
}

// ResumeCron ends a pause.
func (c *Client) ResumeCron(ctx context.Context, name string) (out CronAnswer, err error) {
	return out, c.do(ctx, "POST", "/v1/crons/resume", CronName{name}, &out)
}

// RemoveCron takes a timetable back that was handed in.
func (c *Client) RemoveCron(ctx context.Context, name string) (out CronAnswer, err error) {
	return out, c.do(ctx, "POST", "/v1/crons/remove", CronName{name}, &out)
}

// BackfillCron begins or ends a backfill.
func (c *Client) BackfillCron(ctx context.Context, b CronBackfill) (out CronAnswer, err error) {
	return out, c.do(ctx, "POST", "/v1/crons/backfill", b, &out)
}
