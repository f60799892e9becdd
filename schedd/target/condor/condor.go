// Package condor is an HTCondor schedd as a target, by HTCondor's commands: condor_submit,
// condor_q, condor_history, condor_hold, condor_release and condor_rm.
//
// The commands come from HTCondor's own packages on our schedd's host, and find the other
// schedd by its name and its pool. A job there is in the vanilla universe and moves no files:
// its script is in a directory that the pool's machines share. Its ad carries our name of it
// ([Mark]), by which one condor_q shows all that are ours, and every order names it beside
// the id, so that no order reaches a job that was given an id again.
//
// A job that is over stays in HTCondor's queue until it is forgotten here, for ten days at
// most; condor_history is asked about a job alone that the queue does not show any more. One
// that HTCondor has taken from its machine is not to begin again: it is removed, or its
// second start ends with [target.BegunCode], and then it counts as lost. What the commands
// answer is text for people: what is no refusal for certain is an unknown outcome, and is
// looked up.
package condor

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

// Mark is the attribute of a job there that has the job's name.
const Mark = "GridburstJob"

// Options say where the schedd and the commands are.
type Options struct {
	Name string   // of the schedd, as condor_q -name takes it
	Pool string   // its collector's address; empty: the configuration's
	Bin  string   // directory of the commands; empty: the PATH's
	Env  []string // as CONDOR_CONFIG=/etc/condor/condor_config
	Own  target.Owner
}

// Condor is one schedd.
type Condor struct {
	run target.Commands
	o   Options
}

// New is a schedd whose commands run runs.
func New(run target.Commands, o Options) *Condor { return &Condor{run, o} }

var _ target.Target = (*Condor)(nil)

// command runs one of HTCondor's commands about our schedd.
func (c *Condor) command(ctx context.Context, o target.Owner, stdin []byte, name string, args ...string) (target.Output, error) {
	argv := []string{name, "-name", c.o.Name}
	if c.o.Bin != "" {
		argv[0] = path.Join(c.o.Bin, name)
	}
	if c.o.Pool != "" {
		argv = append(argv, "-pool", c.o.Pool)
	}
	return c.run.Run(ctx, o, target.Command{Argv: append(argv, args...), Env: c.o.Env, Stdin: stdin})
}

// Submit implements [target.Target].
func (c *Condor) Submit(ctx context.Context, j target.Job) (string, error) {
	text, err := description(&j)
	if err != nil {
		return "", err
	}
	out, err := c.command(ctx, j.Owner, text, "condor_submit", append(append([]string{"-terse"}, j.Extra...), "-")...)
	if err != nil {
		return "", err
	}
	if out.Code != 0 {
		return "", failure("condor_submit", out)
	}
	// As in 12.0 - 12.0, behind what HTCondor may warn of.
	for line := range strings.Lines(string(out.Stdout)) {
		if first, last, ok := strings.Cut(strings.TrimSpace(line), " - "); ok && first == last {
			if id, err := idOf(first); err == nil {
				return id.String(), nil
			}
		}
	}
	return "", grid.Errorf(grid.Unknown, "condor_submit answered %.80q, which is no job's id", out.Stdout)
}

// keeps is how long HTCondor keeps a job that is over for us to see, in seconds.
const keeps = 10 * 24 * 3600

// description is the submit file of a job.
func description(j *target.Job) ([]byte, error) {
	var b strings.Builder
	for _, l := range []struct{ name, value string }{
		{"universe", "vanilla"},
		{"executable", j.Script},
		{"transfer_executable", "false"},
		{"should_transfer_files", "NO"},
		{"initialdir", j.Dir},
		{"output", path.Join(j.Dir, target.LogName)},
		{"error", path.Join(j.Dir, target.LogName)},
		{"notification", "never"},
		{"description", j.Label},
		{"My." + Mark, ad.StringValue(j.Name).String()},
		{"leave_in_queue", fmt.Sprintf("JobStatus == 4 && (CompletionDate =?= undefined || time() - CompletionDate < %d)", keeps)},
		// It was taken from its machine: it does not begin again.
		{"periodic_remove", "JobStatus == 1 && NumJobStarts > 0"},
		{"request_cpus", strconv.FormatInt(max(j.Cpus, 1), 10)},
		{"request_memory", number(j.MemoryMB)},
		{"request_disk", number(j.DiskKB)},
		{"allowed_job_duration", number(int64(j.Runtime / time.Second))},
		{"accounting_group", j.Project},
	} {
		if l.value == "" {
			continue
		}
		if strings.ContainsAny(l.value, "\n\r") {
			return nil, grid.Errorf(grid.Invalid, "a submit file of HTCondor cannot hold the %s %.200q: it has more than one line", l.name, l.value)
		}
		b.WriteString(l.name + " = " + strings.ReplaceAll(l.value, "$", "$(DOLLAR)") + "\n")
	}
	if j.Queue != "" {
		b.WriteString("My.BatchQueue = " + ad.StringValue(j.Queue).String() + "\n")
	}
	b.WriteString("queue\n")
	return []byte(b.String()), nil
}

// number is n, or nothing when it is for HTCondor to say.
func number(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// job is what is asked of a job's ad.
type job struct {
	ClusterId, ProcId int32
	GridburstJob      string
	JobStatus         grid.Status
	HoldReason        string
	HoldReasonCode    grid.HoldCode
	HoldReasonSubCode int32
	RemoveReason      string
	RemoteHost        string
	ExitCode          int32
	NumJobStarts      int32
	CompletionDate    int64
}

// asked are its attributes.
const asked = "ClusterId,ProcId," + Mark + ",JobStatus,HoldReason,HoldReasonCode,HoldReasonSubCode,RemoveReason,RemoteHost,ExitCode,NumJobStarts,CompletionDate"

// parse reads what condor_q and condor_history print with -json: a list, or nothing at all.
// One that breaks off is none.
func parse(name string, text []byte) (all []job, err error) {
	if len(strings.TrimSpace(string(text))) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, grid.Errorf(grid.Unavailable, "%s's listing cannot be read: %w", name, err)
	}
	return all, nil
}

// List implements [target.Target]: all of the prefix, whoever the pool takes their owners for.
func (c *Condor) List(ctx context.Context, prefix string, owners []target.Owner) (all []target.Seen, err error) {
	if len(owners) == 0 {
		return nil, nil
	}
	jobs, err := c.query(ctx, fmt.Sprintf("substr(%s, 0, %d) == %s", Mark, len(prefix), ad.StringValue(prefix)))
	for i := range jobs {
		all = append(all, jobs[i].seen())
	}
	return all, err
}

// query is what HTCondor's queue has.
func (c *Condor) query(ctx context.Context, constraint string) ([]job, error) {
	return c.read(ctx, "condor_q", "-allusers", "-constraint", constraint, "-json", "-attributes", asked)
}

// read runs a command that lists jobs. Of one that only reads nothing is unknown.
func (c *Condor) read(ctx context.Context, name string, args ...string) ([]job, error) {
	out, err := c.command(ctx, c.o.Own, nil, name, args...)
	switch {
	case grid.CodeOf(err) == grid.Unknown:
		return nil, grid.Errorf(grid.Unavailable, "%w", err)
	case err != nil:
		return nil, err
	case out.Code != 0:
		return nil, grid.Errorf(grid.Unavailable, "%s: %s", name, words(out))
	}
	return parse(name, out.Stdout)
}

// ofMemory is the sub-code of [grid.HoldOutOfResource] that is about memory.
const ofMemory = 102

// seen is a job in our words.
func (j *job) seen() target.Seen {
	s := target.Seen{Name: j.GridburstJob, ID: grid.JobID{Cluster: j.ClusterId, Proc: j.ProcId}.String(), Word: j.JobStatus.String()}
	why := ""
	switch j.JobStatus {
	case grid.Idle:
		s.State = target.Waiting
	case grid.Running, grid.TransferringOutput, grid.Suspended:
		s.State, s.Host = target.Running, j.RemoteHost
	case grid.Held:
		s.State, why = target.Held, j.HoldReason
		switch {
		case j.HoldReasonCode == grid.HoldJobDuration || j.HoldReasonCode == grid.HoldExecDuration:
			s.State, s.End = target.Ended, target.TimeUp
		case j.HoldReasonCode == grid.HoldOutOfResource && j.HoldReasonSubCode == ofMemory:
			s.State, s.End = target.Ended, target.OutOfMemory
		}
	case grid.Completed:
		s.State = target.Ended
		if j.ExitCode == target.BegunCode && j.NumJobStarts > 1 {
			s.End, why = target.Lost, "it was started again"
		}
	case grid.Removed:
		s.State, why = target.Ended, j.RemoveReason
		if j.CompletionDate == 0 {
			s.End = target.Cancelled
		}
	}
	if why != "" {
		s.Word += " (" + strings.TrimSpace(why) + ")"
	}
	return s
}

// scans is how many jobs of HTCondor's history are looked through, from the last one on.
const scans = "20000"

// Look implements [target.Target]: the queue first, then the history.
func (c *Condor) Look(ctx context.Context, r target.Ref) (target.Seen, error) {
	id, err := idOf(r.ID)
	if err != nil {
		return target.Seen{}, err
	}
	all, err := c.query(ctx, matching(id, r.Name))
	if err == nil && len(all) == 0 {
		all, err = c.read(ctx, "condor_history", r.ID, "-limit", "1", "-scanlimit", scans, "-json", "-attributes", asked)
	}
	if err != nil {
		return target.Seen{}, err
	}
	for i := range all {
		if all[i].GridburstJob == r.Name {
			return all[i].seen(), nil
		}
	}
	return target.Seen{}, grid.Errorf(grid.NotFound, "HTCondor does not know job %s (%s) any more", r.ID, r.Name)
}

// idOf is a job's id; [grid.NotFound] when no job has such a one.
func idOf(text string) (grid.JobID, error) {
	r, err := grid.ParseRun(text)
	if err != nil || r.Len() != 1 {
		return grid.JobID{}, grid.Errorf(grid.NotFound, "HTCondor has no job %q", text)
	}
	return r.First(), nil
}

// matching is true of one job.
func matching(id grid.JobID, name string) string {
	return fmt.Sprintf("ClusterId == %d && ProcId == %d && %s == %s", id.Cluster, id.Proc, Mark, ad.StringValue(name))
}

// Hold implements [target.Target]. HTCondor would end one that runs: that is refused.
func (c *Condor) Hold(ctx context.Context, r target.Ref) error {
	err := c.order(ctx, r, "condor_hold", "JobStatus == 1", "-reason", "held at Gridburst")
	return c.otherwise(ctx, r, err, func(s *target.Seen) error {
		if s.State == target.Held {
			return nil
		}
		return grid.Errorf(grid.Refused, "job %s is %s: only one that waits is held there", r.ID, s.Word)
	})
}

// Release implements [target.Target].
func (c *Condor) Release(ctx context.Context, r target.Ref) error {
	return c.otherwise(ctx, r, c.order(ctx, r, "condor_release", "JobStatus == 5"), func(*target.Seen) error { return nil })
}

// Remove implements [target.Target].
func (c *Condor) Remove(ctx context.Context, r target.Ref) error {
	return c.otherwise(ctx, r, c.order(ctx, r, "condor_rm", "JobStatus != 3 && JobStatus != 4"), func(*target.Seen) error { return nil })
}

// Forget implements [target.Target]: the job leaves HTCondor's queue for its history.
func (c *Condor) Forget(ctx context.Context, r target.Ref) error {
	err := c.order(ctx, r, "condor_rm", "JobStatus != 3")
	if grid.CodeOf(err) == grid.NotFound {
		return nil
	}
	return err
}

// order gives an order about a job if that is in one of some states; [grid.NotFound] when it
// is not, or is not there.
func (c *Condor) order(ctx context.Context, r target.Ref, name, state string, args ...string) error {
	id, err := idOf(r.ID)
	if err != nil {
		return err
	}
	out, err := c.command(ctx, r.Owner, nil, name, append(args, "-constraint", matching(id, r.Name)+" && "+state)...)
	if err == nil && (out.Code != 0 || !strings.Contains(string(out.Stdout), "All jobs matching constraint")) {
		err = failure(name, out)
	}
	return err
}

// otherwise decides what an order means that found no job to carry it out on.
func (c *Condor) otherwise(ctx context.Context, r target.Ref, err error, is func(*target.Seen) error) error {
	if grid.CodeOf(err) != grid.NotFound {
		return err
	}
	s, err := c.Look(ctx, r)
	if err != nil {
		return err
	}
	return is(&s)
}

// What HTCondor's commands say of these. They exit with 1 for everything, and with 0 also
// when no job was as the constraint says.
var (
	// unheard: the schedd was not reached, so it has not heard this.
	unheard = []string{"Can't find address", "Failed to connect to", "has no record of", "Couldn't contact the condor_collector", "Unable to locate"}
	// lost: it may have heard it.
	lost = []string{"CEDAR:", "SECMAN:", "timed out", "Failed to commit", "No result found", "Failed to end", "Failed to fetch", "Unable to send"}
	// denied: it has heard it, in whichever of the words above that is said.
	denied = []string{"DENIED", "AUTHENTICATE:", "Permission denied"}
	// unmatched: no job was as the constraint says.
	unmatched = []string{"Couldn't find/", "There are no jobs in the queue"}
)

func says(out target.Output, any []string) bool {
	for _, w := range any {
		if strings.Contains(string(out.Stderr), w) {
			return true
		}
	}
	return false
}

// failure sorts what a command that was to do something has come to.
func failure(name string, out target.Output) error {
	code := grid.Refused
	switch {
	case out.Code < 0:
		code = grid.Unknown
	case says(out, denied):
	case says(out, unheard):
		code = grid.Unavailable
	case says(out, lost):
		code = grid.Unknown
	case says(out, unmatched):
		code = grid.NotFound
	}
	return grid.Errorf(code, "%s: %s", name, words(out))
}

// words is what a command has said, in one line, without HTCondor's advice of how to go on.
func words(out target.Output) string {
	var all []string
	for line := range strings.Lines(string(out.Stderr)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Extra Info:") || strings.HasPrefix(line, "Typically,") {
			break
		}
		line = strings.TrimPrefix(strings.TrimPrefix(line, "ERROR: "), "Error: ")
		if line != "" && (len(all) == 0 || all[len(all)-1] != line) {
			all = append(all, line)
		}
	}
	if len(all) == 0 {
		return "it exited with " + strconv.Itoa(out.Code) + ", and said nothing"
	}
	return strings.Join(all, "; ")
}
