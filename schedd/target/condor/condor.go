// Package condor is an HTCondor schedd as a target, by HTCondor's commands: condor_submit,
// condor_q, condor_history, condor_hold, condor_release and condor_rm.
//
// The commands come from HTCondor's own packages on our schedd's host, and find the other
// schedd by its name and its pool. A job there is in the vanilla universe and moves no files:
// its script is in a directory that the pool's machines share. Its ad carries our name of it
// ([target.Mark]), by which one condor_q shows all that are ours, and every order names it beside
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
	"path"
	"strconv"
	"strings"

	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

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
	text, err := target.SubmitFile(&j)
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
	if id := target.SubmitID(out.Stdout); id != "" {
		return id, nil
	}
	return "", grid.Errorf(grid.Unknown, "condor_submit answered %.80q, which is no job's id", out.Stdout)
}

// List implements [target.Target]: all of the prefix, whoever the pool takes their owners for.
func (c *Condor) List(ctx context.Context, prefix string, owners []target.Owner) (all []target.Seen, err error) {
	if len(owners) == 0 {
		return nil, nil
	}
	jobs, err := c.query(ctx, target.Marked(prefix))
	for i := range jobs {
		all = append(all, jobs[i].Seen(false))
	}
	return all, err
}

// query is what HTCondor's queue has.
func (c *Condor) query(ctx context.Context, constraint string) ([]target.Ad, error) {
	return c.read(ctx, "condor_q", "-allusers", "-constraint", constraint, "-json", "-attributes", target.AdAttributes)
}

// read runs a command that lists jobs. Of one that only reads nothing is unknown.
func (c *Condor) read(ctx context.Context, name string, args ...string) ([]target.Ad, error) {
	out, err := c.command(ctx, c.o.Own, nil, name, args...)
	switch {
	case grid.CodeOf(err) == grid.Unknown:
		return nil, grid.Errorf(grid.Unavailable, "%w", err)
	case err != nil:
		return nil, err
	case out.Code != 0:
		return nil, grid.Errorf(grid.Unavailable, "%s: %s", name, words(out))
	}
	return target.ParseAds(out.Stdout)
}

// scans is how many jobs of HTCondor's history are looked through, from the last one on.
const scans = "20000"

// Look implements [target.Target]: the queue first, then the history.
func (c *Condor) Look(ctx context.Context, r target.Ref) (target.Seen, error) {
	id, err := target.AdID(r.ID)
	if err != nil {
		return target.Seen{}, err
	}
	all, err := c.query(ctx, target.Matching(id, r.Name))
	left := err == nil && len(all) == 0
	if left {
		all, err = c.read(ctx, "condor_history", r.ID, "-limit", "1", "-scanlimit", scans, "-json", "-attributes", target.AdAttributes)
	}
	if err != nil {
		return target.Seen{}, err
	}
	for i := range all {
		if s := all[i].Seen(left); s.Name == r.Name {
			return s, nil
		}
	}
	return target.Seen{}, grid.Errorf(grid.NotFound, "HTCondor does not know job %s (%s) any more", r.ID, r.Name)
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
	id, err := target.AdID(r.ID)
	if err != nil {
		return err
	}
	out, err := c.command(ctx, r.Owner, nil, name, append(args, "-constraint", target.Matching(id, r.Name)+" && "+state)...)
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
