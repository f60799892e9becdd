// Package slurm is Slurm as a target, by its commands: sbatch, squeue, scontrol, scancel,
// and sacct where there is accounting.
//
// The commands come from Slurm's own packages on the schedd's host and find slurmctld by
// its configuration. One squeue shows all jobs of ours; sacct is asked about a job alone
// that squeue does not know any more. What the commands answer is text for people: what is
// no refusal for certain is an unknown outcome, and is looked up.
package slurm

import (
	"context"
	"path"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

// Options say where Slurm is. The zero value is right where its commands are in the PATH.
type Options struct {
	Bin string   // directory of the commands; empty: the PATH's
	Env []string // as SLURM_CONF=/etc/slurm/slurm.conf
	Own target.Owner
}

// Slurm is one.
type Slurm struct {
	run target.Commands
	o   Options
}

// New is Slurm whose commands run runs.
func New(run target.Commands, o Options) *Slurm { return &Slurm{run, o} }

var _ target.Target = (*Slurm)(nil)

// command runs one of Slurm's commands.
func (s *Slurm) command(ctx context.Context, o target.Owner, name string, args ...string) (target.Output, error) {
	return s.run.Run(ctx, o, target.Command{Argv: append([]string{path.Join(s.o.Bin, name)}, args...), Env: s.o.Env})
}

// Submit implements [target.Target].
func (s *Slurm) Submit(ctx context.Context, j target.Job) (string, error) {
	args := []string{
		"--parsable", "--no-requeue", "--export=ALL", "--open-mode=append",
		"--job-name=" + j.Name, "--comment=" + j.Label, "--chdir=" + j.Dir,
		"--output=" + path.Join(j.Dir, target.LogName), "--error=" + path.Join(j.Dir, target.LogName),
		"--nodes=1", "--ntasks=1", "--cpus-per-task=" + strconv.FormatInt(max(j.Cpus, 1), 10),
	}
	if j.MemoryMB > 0 {
		args = append(args, "--mem="+strconv.FormatInt(j.MemoryMB, 10)+"M")
	}
	if j.Runtime > 0 {
		args = append(args, "--time="+strconv.FormatInt(int64((j.Runtime+time.Minute-1)/time.Minute), 10))
	}
	if j.Queue != "" {
		args = append(args, "--partition="+j.Queue)
	}
	if j.Project != "" {
		args = append(args, "--account="+j.Project)
	}
	args = append(append(args, j.Extra...), j.Script)
	out, err := s.command(ctx, j.Owner, "sbatch", args...)
	if err != nil {
		return "", err
	}
	if out.Code != 0 {
		return "", failure("sbatch", out)
	}
	id, _, _ := strings.Cut(strings.TrimSpace(string(out.Stdout)), ";")
	if _, err := strconv.ParseUint(id, 10, 64); err != nil {
		return "", grid.Errorf(grid.Unknown, "sbatch answered %.80q, which is no job's id", out.Stdout)
	}
	return id, nil
}

// squeueFormat is what is asked of squeue: fields with bars between, the free text last.
const squeueFormat = "%i|%j|%T|%N|%r"

// List implements [target.Target].
func (s *Slurm) List(ctx context.Context, prefix string, owners []target.Owner) ([]target.Seen, error) {
	if len(owners) == 0 {
		return nil, nil
	}
	users := make([]string, len(owners))
	for i, o := range owners {
		users[i] = strconv.FormatUint(uint64(o.UID), 10)
	}
	out, err := s.command(ctx, s.o.Own, "squeue", "--noheader", "--states=all", "--user="+strings.Join(users, ","), "--format="+squeueFormat)
	if err != nil {
		return nil, target.Reading(err)
	}
	if out.Code != 0 {
		return nil, unavailable("squeue", out)
	}
	return parseQueue(string(out.Stdout), prefix)
}

// parseQueue reads a listing. One whose last line has no end broke off.
func parseQueue(text, prefix string) (all []target.Seen, err error) {
	if text != "" && !strings.HasSuffix(text, "\n") {
		return nil, grid.Errorf(grid.Unavailable, "squeue's listing breaks off")
	}
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimRight(line, "\n"), "|", 5)
		if len(f) != 5 {
			if strings.TrimSpace(line) == "" {
				continue
			}
			return nil, grid.Errorf(grid.Unavailable, "squeue's listing holds the line %.80q", line)
		}
		if !strings.HasPrefix(f[1], prefix) {
			continue
		}
		all = append(all, seen(f[0], f[1], f[2], f[3], f[4]))
	}
	return all, nil
}

// seen is a job in our words.
func seen(id, name, state, node, reason string) target.Seen {
	// sacct says by whom, as in CANCELLED by 1000; a job on its way out may have two words.
	state, _, _ = strings.Cut(strings.TrimSuffix(state, "+"), " ")
	s := target.Seen{Name: name, ID: id, Word: strings.ToLower(state)}
	if reason != "" && reason != "None" && state != "RUNNING" {
		s.Word += " (" + reason + ")"
	}
	switch state {
	case "PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD":
		s.State = target.Waiting
		if strings.HasPrefix(reason, "JobHeld") || state == "REQUEUE_HOLD" || state == "SPECIAL_EXIT" || state == "RESV_DEL_HOLD" {
			s.State = target.Held
		}
	case "RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT", "COMPLETING":
		s.State, s.Host = target.Running, node
	default:
		s.State, s.End = target.Ended, ends[state]
	}
	return s
}

// ends are Slurm's words for ends that are not the job's own.
var ends = map[string]target.End{
	"CANCELLED": target.Cancelled, "REVOKED": target.Cancelled,
	"NODE_FAIL": target.Lost, "BOOT_FAIL": target.Lost, "PREEMPTED": target.Lost, "LAUNCH_FAILED": target.Lost, "RECONFIG_FAIL": target.Lost,
	"TIMEOUT": target.TimeUp, "DEADLINE": target.TimeUp, "OUT_OF_MEMORY": target.OutOfMemory,
}

// Look implements [target.Target]: slurmctld's memory first, then accounting's.
func (s *Slurm) Look(ctx context.Context, r target.Ref) (target.Seen, error) {
	out, err := s.command(ctx, s.o.Own, "squeue", "--noheader", "--states=all", "--jobs="+r.ID, "--format="+squeueFormat)
	if err != nil {
		return target.Seen{}, target.Reading(err)
	}
	if out.Code == 0 {
		if all, err := parseQueue(string(out.Stdout), r.Name); err == nil && len(all) > 0 && all[0].Name == r.Name {
			return all[0], nil
		}
	} else if !out.Says(unknownJob) {
		return target.Seen{}, unavailable("squeue", out)
	}
	out, err = s.command(ctx, s.o.Own, "sacct", "--noheader", "--parsable2", "--allocations", "--jobs="+r.ID, "--format=JobIDRaw,JobName%100,State,NodeList")
	if err != nil && grid.CodeOf(err) != grid.Unavailable {
		return target.Seen{}, target.Reading(err)
	}
	if err == nil && out.Code == 0 {
		for line := range strings.Lines(string(out.Stdout)) {
			if f := strings.Split(strings.TrimRight(line, "\n"), "|"); len(f) == 4 && f[0] == r.ID && f[1] == r.Name {
				return seen(f[0], f[1], f[2], f[3], ""), nil
			}
		}
	}
	return target.Seen{}, grid.Errorf(grid.NotFound, "slurm does not know job %s (%s) any more", r.ID, r.Name)
}

// Hold implements [target.Target].
func (s *Slurm) Hold(ctx context.Context, r target.Ref) error {
	return s.order(ctx, r, "scontrol", "hold", r.ID)
}

// Release implements [target.Target].
func (s *Slurm) Release(ctx context.Context, r target.Ref) error {
	return s.order(ctx, r, "scontrol", "release", r.ID)
}

// Remove implements [target.Target].
func (s *Slurm) Remove(ctx context.Context, r target.Ref) error {
	err := s.order(ctx, r, "scancel", r.ID)
	if grid.CodeOf(err) == grid.Refused && over(err) {
		return nil
	}
	return err
}

// Forget implements [target.Target]: Slurm forgets by itself.
func (s *Slurm) Forget(context.Context, target.Ref) error { return nil }

func (s *Slurm) order(ctx context.Context, r target.Ref, name string, args ...string) error {
	out, err := s.command(ctx, r.Owner, name, args...)
	switch {
	case err != nil:
		return err
	case out.Code == 0:
		return nil
	case out.Says(unknownJob):
		return grid.Errorf(grid.NotFound, "slurm does not know job %s any more", r.ID)
	}
	return failure(name, out)
}

// What Slurm's commands say of these; they have one exit code for everything.
var (
	unknownJob = []string{"Invalid job id", "Job has finished"}
	finished   = []string{"already completing", "already completed", "completing or completed"}
	// unheard: slurmctld was not reached, so it has not heard the order.
	unheard = []string{"Unable to contact slurm controller (connect failure)", "Unable to contact slurm controller (host"}
	// lost: the order may have arrived.
	lost = []string{
		"Unable to contact", "timed out", "Zero Bytes", "Unexpected message", "Connection", "connection", "onnect failure", "Communication", "ommunications",
		"send/recv", "socket", "slurm_msg_", "slurm_receive", "temporarily", "try again", "in standby", "Protocol authentication", "Munge", "munge",
	}
)

func over(err error) bool {
	for _, w := range finished {
		if strings.Contains(err.Error(), w) {
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
	case out.Says(unheard):
		code = grid.Unavailable
	case out.Says(lost):
		code = grid.Unknown
	}
	return grid.Errorf(code, "%s: %s", name, words(out))
}

// unavailable is why a command that only reads has not answered.
func unavailable(name string, out target.Output) error {
	return grid.Errorf(grid.Unavailable, "%s: %s", name, words(out))
}

// words is what a command has said, without its own name before each line.
func words(out target.Output) string {
	var all []string
	for line := range strings.Lines(string(out.Stderr)) {
		line = strings.TrimSpace(line)
		for _, before := range []string{"sbatch: ", "squeue: ", "scancel: ", "scontrol: ", "error: ", "slurm_load_jobs error: "} {
			line = strings.TrimPrefix(line, before)
		}
		if line != "" {
			all = append(all, line)
		}
	}
	return out.Sentence(all)
}
