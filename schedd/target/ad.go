package target

import (
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Mark is the attribute of a job that has its [Job.Name], at a target that speaks HTCondor's
// language.
const Mark = "GridburstJob"

// Go is the attribute of a spooled job that is true from its [Spool.Begin] on.
const Go = "GridburstGo"

// Once is what is required of a spooled job's ad, that it be given to a machine once at most:
// the count is made before that.
const Once = "(NumShadowStarts =?= undefined || NumShadowStarts == 0)"

// keeps is how long such a target keeps a job that is over for us to see, in seconds.
const keeps = 10 * 24 * 3600

// SubmitFile describes a job in HTCondor's submit language: one of the vanilla universe, that
// moves no files unless they travel, is kept when it is over, and is not begun again once it
// was taken from its machine. more are further lines. [grid.Invalid]: the language cannot say
// it.
func SubmitFile(j *Job, more ...[2]string) ([]byte, error) {
	quoted := func(name, s string) [2]string {
		if s != "" {
			s = ad.StringValue(s).String()
		}
		return [2]string{"My." + name, s}
	}
	counted := func(name string, n int64) [2]string {
		if n <= 0 {
			return [2]string{name, ""} // for the target to say
		}
		return [2]string{name, strconv.FormatInt(n, 10)}
	}
	files := [][2]string{{"transfer_executable", "false"}, {"should_transfer_files", "NO"}, {"periodic_remove", "JobStatus == 1 && NumJobStarts > 0"}}
	if j.Spool {
		files = [][2]string{
			{"transfer_executable", "true"},
			{"should_transfer_files", "YES"},
			{"when_to_transfer_output", "ON_EXIT"},
			{"transfer_input_files", InputsName},
			{"transfer_output_files", OutputsName},
		}
	}
	var b strings.Builder
	for _, l := range append(append([][2]string{
		{"universe", "vanilla"},
		{"executable", j.Script},
		{"initialdir", j.Dir},
		{"output", path.Join(j.Dir, LogName)},
		{"error", path.Join(j.Dir, LogName)},
		{"notification", "never"},
		{"description", j.Label},
		quoted(Mark, j.Name),
		quoted(grid.PathAttr, strings.Join(j.Path, " ")),
		{"leave_in_queue", fmt.Sprintf("JobStatus == 4 && (CompletionDate =?= undefined || time() - CompletionDate < %d)", keeps)},
		counted("request_cpus", max(j.Cpus, 1)),
		counted("request_memory", j.MemoryMB),
		counted("request_disk", j.DiskKB),
		counted("allowed_job_duration", int64(j.Runtime/time.Second)),
		{"accounting_group", j.Project},
		quoted("BatchQueue", j.Queue),
	}, files...), more...) {
		name, value := l[0], l[1]
		if value == "" {
			continue
		}
		if strings.ContainsAny(value, "\n\r") {
			return nil, grid.Errorf(grid.Invalid, "a submit file cannot hold the %s %.200q: it has more than one line", name, value)
		}
		b.WriteString(name + " = " + strings.ReplaceAll(value, "$", "$(DOLLAR)") + "\n")
	}
	b.WriteString("queue\n")
	return []byte(b.String()), nil
}

// SubmitID is the job that condor_submit -terse, or gsubmit --terse, says it has made, as in
// 12.0 - 12.0; empty: none.
func SubmitID(out []byte) string {
	for line := range strings.Lines(string(out)) {
		if first, last, ok := strings.Cut(strings.TrimSpace(line), " - "); ok && first == last {
			if id, err := AdID(first); err == nil {
				return id.String()
			}
		}
	}
	return ""
}

// AdID is a job's id; [grid.NotFound] when no job has such a one.
func AdID(text string) (grid.JobID, error) {
	r, err := grid.ParseRun(text)
	if err != nil || r.Len() != 1 {
		return grid.JobID{}, grid.Errorf(grid.NotFound, "there is no job %q", text)
	}
	return r.First(), nil
}

// Ad is what is asked of a job in a queue of HTCondor's kind: the attributes of these names.
// Some are what whoever submitted the job has made of them: one that is of another kind is as
// none, so that no job spoils the listing of others.
type Ad struct {
	ClusterId, ProcId                 number
	Owner, GridburstJob               text
	JobStatus                         number
	HoldReason                        text
	HoldReasonCode, HoldReasonSubCode number
	RemoveReason, RemoteHost          text
	ExitCode, NumJobStarts            number
	NumShadowStarts, CurrentHosts     number
	GridburstGo                       truth
}

// number and text are attributes of an ad; nought and empty: undefined, or something else.
type (
	number int32
	text   string
	truth  bool
)

// UnmarshalJSON implements [json.Unmarshaler].
func (n *number) UnmarshalJSON(b []byte) error {
	i, err := strconv.ParseInt(string(b), 10, 32)
	if *n = 0; err == nil {
		*n = number(i)
	}
	return nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if *t = ""; json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *truth) UnmarshalJSON(b []byte) error {
	*t = string(b) == "true"
	return nil
}

// AdAttributes are their names.
const AdAttributes = "ClusterId,ProcId,Owner," + Mark + ",JobStatus,HoldReason,HoldReasonCode,HoldReasonSubCode,RemoveReason,RemoteHost,ExitCode,NumJobStarts,NumShadowStarts,CurrentHosts," + Go

// ParseAds reads a listing in JSON: a list, or nothing at all. One that breaks off is none,
// and [grid.Unavailable].
func ParseAds(text []byte) (all []Ad, err error) {
	if len(strings.TrimSpace(string(text))) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, grid.Errorf(grid.Unavailable, "the listing cannot be read: %w", err)
	}
	return all, nil
}

// Marked is true of jobs whose name begins with prefix.
func Marked(prefix string) string {
	return fmt.Sprintf("substr(%s, 0, %d) == %s", Mark, len(prefix), ad.StringValue(prefix))
}

// Matching is true of one job, if it has its name: an id may have been given again.
func Matching(id grid.JobID, name string) string {
	return fmt.Sprintf("ClusterId == %d && ProcId == %d && %s == %s", id.Cluster, id.Proc, Mark, ad.StringValue(name))
}

// ofMemory is the sub-code of [grid.HoldOutOfResource] that is about memory.
const ofMemory = 102

// Seen is a job in our words. One that was removed is over when it has left the queue: until
// then it may run.
func (a *Ad) Seen(left bool) Seen {
	status := grid.Status(a.JobStatus)
	s := Seen{Name: string(a.GridburstJob), ID: grid.JobID{Cluster: int32(a.ClusterId), Proc: int32(a.ProcId)}.String(), Owner: string(a.Owner), Word: status.String(), Starts: int(a.NumShadowStarts)}
	var why text
	switch status {
	case grid.Idle:
		// It has a host while its files go there.
		if s.State = Waiting; a.NumShadowStarts > 0 && a.CurrentHosts == 0 {
			s.Wants = WantsEnd
		}
	case grid.Running, grid.TransferringOutput, grid.Suspended:
		s.State, s.Host = Running, string(a.RemoteHost)
	case grid.Held:
		s.State, why = Held, a.HoldReason
		switch code := grid.HoldCode(a.HoldReasonCode); {
		case code == grid.HoldJobDuration || code == grid.HoldExecDuration:
			s.State, s.End = Ended, TimeUp
		case code == grid.HoldOutOfResource && a.HoldReasonSubCode == ofMemory:
			s.State, s.End = Ended, OutOfMemory
		case code == grid.HoldSpooling:
			s.Wants = WantsFiles
		}
	case grid.Completed:
		s.State = Ended
		if a.ExitCode == BegunCode && a.NumJobStarts > 1 {
			s.End, why = Lost, "it was started again"
		}
	case grid.Removed:
		why = a.RemoveReason
		if s.State, s.Host = Running, string(a.RemoteHost); left {
			s.State, s.Host, s.End = Ended, "", Cancelled
		}
	}
	if why != "" {
		s.Word += " (" + strings.TrimSpace(string(why)) + ")"
	}
	return s
}
