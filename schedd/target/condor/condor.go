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
	"slices"
	"strings"
	"time"

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
	target.Ads
	run target.Commands
	o   Options
}

// New is a schedd whose commands run runs.
func New(run target.Commands, o Options) *Condor {
	c := &Condor{run: run, o: o}
	c.Ads = target.Ads{Who: "HTCondor", Query: c.query, Left: c.left, Order: c.order}
	return c
}

var _ target.Target = (*Condor)(nil)

// command runs one of HTCondor's commands about our schedd.
func (c *Condor) command(ctx context.Context, o target.Owner, stdin []byte, name string, args ...string) (target.Output, error) {
	return c.moving(ctx, o, stdin, 0, name, args...)
}

// moving is command, of one that may take longer.
func (c *Condor) moving(ctx context.Context, o target.Owner, stdin []byte, limit time.Duration, name string, args ...string) (target.Output, error) {
	argv := []string{path.Join(c.o.Bin, name), "-name", c.o.Name}
	if c.o.Pool != "" {
		argv = append(argv, "-pool", c.o.Pool)
	}
	return c.run.Run(ctx, o, target.Command{Argv: append(argv, args...), Env: c.o.Env, Stdin: stdin, Limit: limit})
}

// Submit implements [target.Target].
func (c *Condor) Submit(ctx context.Context, j target.Job) (string, error) {
	text, err := target.SubmitFile(&j)
	if err != nil {
		return "", err
	}
	return c.submit(ctx, &j, text, 0, append([]string{"-terse"}, j.Extra...))
}

func (c *Condor) submit(ctx context.Context, j *target.Job, text []byte, limit time.Duration, args []string) (string, error) {
	out, err := c.moving(ctx, j.Owner, text, limit, "condor_submit", append(args, "-")...)
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

// query is what HTCondor's queue has.
func (c *Condor) query(ctx context.Context, constraint string) ([]target.Ad, error) {
	return c.read(ctx, "condor_q", "-allusers", "-constraint", constraint, "-json", "-attributes", target.AdAttributes)
}

// read runs a command that lists jobs. Of one that only reads nothing is unknown.
func (c *Condor) read(ctx context.Context, name string, args ...string) ([]target.Ad, error) {
	out, err := c.command(ctx, c.o.Own, nil, name, args...)
	switch {
	case err != nil:
		return nil, target.Reading(err)
	case out.Code != 0:
		return nil, grid.Errorf(grid.Unavailable, "%s: %s", name, words(out))
	}
	return target.ParseAds(out.Stdout)
}

// scans is how many jobs of HTCondor's history are looked through, from the last one on.
const scans = "20000"

// left is what HTCondor's history has of a job.
func (c *Condor) left(ctx context.Context, id string) ([]target.Ad, error) {
	return c.read(ctx, "condor_history", id, "-limit", "1", "-scanlimit", scans, "-json", "-attributes", target.AdAttributes)
}

// orders are the commands that give them.
var orders = map[grid.Verb][]string{
	grid.Hold: {"condor_hold", "-reason", "held at Gridburst"}, grid.Release: {"condor_release"}, grid.Remove: {"condor_rm"},
}

// order gives an order about the jobs that are as the constraint says.
func (c *Condor) order(ctx context.Context, o target.Owner, verb grid.Verb, constraint string) error {
	name, args := orders[verb][0], orders[verb][1:]
	out, err := c.command(ctx, o, nil, name, append(slices.Clone(args), "-constraint", constraint)...)
	if err == nil && (out.Code != 0 || !strings.Contains(string(out.Stdout), "All jobs matching constraint")) {
		err = failure(name, out)
	}
	return err
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
	unmatched = []string{"Couldn't find/", "There are no jobs in the queue", "Failed to set attribute"}
	// full: there was no room for a file, here or there.
	full = []string{"(errno 28)", "(errno 122)"}
	// half: the job is there, and its files, or what it left, did not come whole.
	half = []string{"Failed to spool job files"}
)

// failure sorts what a command that was to do something has come to.
func failure(name string, out target.Output) error {
	code := grid.Refused
	switch {
	case out.Code < 0:
		code = grid.Unknown
	case out.Says(full):
		code = grid.NoSpace
	case out.Says(half):
		code = grid.Unknown
	case out.Says(denied):
	case out.Says(unheard):
		code = grid.Unavailable
	case out.Says(lost):
		code = grid.Unknown
	case out.Says(unmatched):
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
	return out.Sentence(all)
}
