package runner

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/sandbox"
)

// Key names an attempt.
type Key struct {
	Job   grid.JobID `json:"job"`
	Epoch uint32     `json:"epoch"`
}

// String is "12.0.3": the name of an attempt's files.
func (k Key) String() string { return fmt.Sprintf("%s.%d", k.Job, k.Epoch) }

// ParseKey is the inverse of [Key.String].
func ParseKey(s string) (Key, bool) {
	job, epoch, _ := cutLast(s, '.')
	var k Key
	n, err := strconv.ParseUint(epoch, 10, 32)
	if err != nil || k.Job.UnmarshalText([]byte(job)) != nil {
		return Key{}, false
	}
	k.Epoch = uint32(n)
	return k, k.String() == s
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// Job is an attempt as a runner is given it.
type Job struct {
	Key
	Box   string         `json:"box"` // the sandbox's directory
	User  sandbox.User   `json:"user"`
	Exec  wire.Execution `json:"exec"`
	Lease Lease          `json:"lease"`

	Schedd string `json:"schedd,omitempty"` // where a job that has a token of its run finds the schedd
}

// Lease is how long a job may run, on the machine's boot-time clock.
type Lease struct {
	Until int64 `json:"until"` // milliseconds since boot
	Span  int64 `json:"span"`  // milliseconds: how long a lease is, and so how long an idle runner waits for an agent
}

// Order is what an agent tells its runner: exactly one field.
type Order struct {
	Run   *Job   `json:"run,omitempty"`
	Lease *Lease `json:"lease,omitempty"`
	Kill  *Kill  `json:"kill,omitempty"`

	Suspend *Suspend `json:"suspend,omitempty"`

	Quit *Quit `json:"quit,omitempty"`
}

// Kill ends the job, gracefully first unless Fast.
type Kill struct {
	Key
	Fast   bool   `json:"fast,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Suspend stops the job's processes, or lets them go on.
type Suspend struct {
	Key
	On bool `json:"on"`
}

// Quit ends a runner that is idle.
type Quit struct{}

// News is what a runner tells its agent: exactly one field.
type News struct {
	Ready   *Ready       `json:"ready,omitempty"`   // first on each connection
	Started *Key         `json:"started,omitempty"` // its process runs
	Ended   *wire.Report `json:"ended,omitempty"`   // nothing of it runs any more; the result is in its file
	Checked *Checked     `json:"checked,omitempty"` // its readiness check has another answer
}

// Checked is what the readiness check of a job has come to. Once the job is ready it is not
// checked any more.
type Checked struct {
	Key
	Ready  bool   `json:"ready,omitempty"`
	Answer string `json:"answer,omitempty"` // of the last try: why the job is not ready, at most MaxAnswer bytes of printable text
}

// Ready is what a runner is and does.
type Ready struct {
	Problem string       `json:"problem,omitempty"` // why it cannot be a runner; it ends then
	Notes   []string     `json:"notes,omitempty"`   // what of its containment could not be had
	Cgroup  string       `json:"cgroup,omitempty"`  // the cgroup that its jobs are in, if any
	Busy    *Key         `json:"busy,omitempty"`    // the attempt that it runs
	Running bool         `json:"running,omitempty"` // and whether its process runs yet
	Last    *wire.Report `json:"last,omitempty"`    // the newest result, until the next job

	Suspended bool `json:"suspended,omitempty"` // its job stands still

	Checks  bool     `json:"checks,omitempty"`  // it makes readiness checks, which runners of earlier releases pass over
	Checked *Checked `json:"checked,omitempty"` // what the check of the job in work has come to
}

// maxBlock bounds one order or news: an execution fits, which came in a frame.
const maxBlock = wire.MaxFrame + 64<<10

func send(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(wire.AppendBlock(nil, b))
	return err
}

func receive(r io.Reader, buf *[]byte, v any) error {
	b, err := wire.ReadBlock(r, *buf, maxBlock)
	if err != nil {
		return err
	}
	*buf = b
	if err := json.Unmarshal(b, v); err != nil {
		return grid.Errorf(grid.Internal, "between an agent and its runner: %w", err)
	}
	return nil
}
