// Package gridburst is another Gridburst as a target, by its commands: gsubmit, gq, ghistory,
// ghold, grelease and grm, and gadm for which one it is.
//
// The commands ask a schedd on this host, by its socket, as the job's owner: whose job it is
// there is what the kernel says. A job there is in the vanilla universe and moves no files: its
// script is in a directory that the machines of both share. Its ad carries our name of it, and
// its name is the key of its submission too, so that handing it in again gives the job that is
// there. It is kept when it is over, until it is forgotten here.
//
// Its ad also carries which deployments have had it ([grid.PathAttr]). A schedd refuses a job
// that it has had, and a route to it does not take one: so jobs do not go in circles.
package gridburst

import (
	"context"
	"encoding/json"
	"path"
	"strconv"
	"strings"

	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

// Options say where the schedd and the commands are.
type Options struct {
	Schedd string   // its socket or directory
	Bin    string   // directory of the commands; empty: the PATH's
	Env    []string // that they need
	Own    target.Owner
}

// Gridburst is one schedd.
type Gridburst struct {
	run target.Commands
	o   Options
}

// New is a schedd whose commands run runs.
func New(run target.Commands, o Options) *Gridburst { return &Gridburst{run, o} }

var _ target.Target = (*Gridburst)(nil)

// Exit statuses of its commands, as their help has them.
const (
	exitUsage    = 2
	exitRefused  = 3
	exitNotFound = 4
)

// command runs one of its commands. What it says goes wrong is an error.
func (g *Gridburst) command(ctx context.Context, o target.Owner, stdin []byte, name string, args ...string) ([]byte, error) {
	program := name
	if g.o.Bin != "" {
		program = path.Join(g.o.Bin, name)
	}
	out, err := g.run.Run(ctx, o, target.Command{Argv: append([]string{program, "--schedd", g.o.Schedd}, args...), Env: g.o.Env, Stdin: stdin})
	if err != nil {
		return nil, err
	}
	code := grid.Unknown
	switch out.Code {
	case 0:
		return out.Stdout, nil
	case exitUsage, exitRefused:
		code = grid.Refused
	case exitNotFound:
		code = grid.NotFound
	}
	words := strings.Join(strings.Fields(string(out.Stderr)), " ")
	if words == "" {
		words = "it exited with " + strconv.Itoa(out.Code) + ", and said nothing"
	}
	return nil, grid.Errorf(code, "%s: %s", name, strings.TrimPrefix(words, name+": "))
}

// reads runs a command that changes nothing. Of such a one nothing is unknown, and its
// refusals decide nothing.
func (g *Gridburst) reads(ctx context.Context, name string, args ...string) ([]byte, error) {
	out, err := g.command(ctx, g.o.Own, nil, name, args...)
	if code := grid.CodeOf(err); code == grid.Unknown || code == grid.Refused {
		return nil, grid.Errorf(grid.Unavailable, "%w", err)
	}
	return out, err
}

// Deployment is which Gridburst it is.
func (g *Gridburst) Deployment(ctx context.Context) (string, error) {
	out, err := g.reads(ctx, "gadm", "status", "--json")
	if err != nil {
		return "", err
	}
	var s struct {
		Deployment string `json:"deployment"`
	}
	if err := json.Unmarshal(out, &s); err != nil || s.Deployment == "" {
		return "", grid.Errorf(grid.Unavailable, "gadm status answered %.80q, without a deployment", out)
	}
	return s.Deployment, nil
}

// Submit implements [target.Target].
func (g *Gridburst) Submit(ctx context.Context, j target.Job) (string, error) {
	text, err := target.SubmitFile(&j)
	if err != nil {
		return "", err
	}
	out, err := g.command(ctx, j.Owner, text, "gsubmit", append(append([]string{"--terse", "--key", j.Name}, j.Extra...), "-")...)
	if err != nil {
		if grid.CodeOf(err) == grid.NotFound { // a file that it names
			return "", grid.Errorf(grid.Refused, "%w", err)
		}
		return "", err
	}
	if id := target.SubmitID(out); id != "" {
		return id, nil
	}
	return "", grid.Errorf(grid.Unknown, "gsubmit answered %.80q, which is no job's id", out)
}

// List implements [target.Target].
func (g *Gridburst) List(ctx context.Context, prefix string, owners []target.Owner) (all []target.Seen, err error) {
	if len(owners) == 0 {
		return nil, nil
	}
	ads, err := g.query(ctx, target.Marked(prefix))
	for i := range ads {
		all = append(all, ads[i].Seen(false))
	}
	return all, err
}

// query is what its queue has.
func (g *Gridburst) query(ctx context.Context, constraint string) ([]target.Ad, error) {
	return g.ads(ctx, "gq", "--allusers", "--constraint", constraint, "--json", "--attributes", target.AdAttributes)
}

func (g *Gridburst) ads(ctx context.Context, name string, args ...string) ([]target.Ad, error) {
	out, err := g.reads(ctx, name, args...)
	if err != nil {
		return nil, err
	}
	return target.ParseAds(out)
}

// Look implements [target.Target]: the queue first, then the history.
func (g *Gridburst) Look(ctx context.Context, r target.Ref) (target.Seen, error) {
	id, err := target.AdID(r.ID)
	if err != nil {
		return target.Seen{}, err
	}
	all, err := g.query(ctx, target.Matching(id, r.Name))
	left := err == nil && len(all) == 0
	if left {
		all, err = g.ads(ctx, "ghistory", r.ID, "--json", "--attributes", target.AdAttributes)
	}
	if err != nil {
		return target.Seen{}, err
	}
	for i := range all {
		if s := all[i].Seen(left); s.Name == r.Name {
			return s, nil
		}
	}
	return target.Seen{}, grid.Errorf(grid.NotFound, "the Gridburst there does not know job %s (%s) any more", r.ID, r.Name)
}

// Hold implements [target.Target]. One that runs would be ended: that is refused.
func (g *Gridburst) Hold(ctx context.Context, r target.Ref) error {
	err := g.order(ctx, r, "ghold", "JobStatus == 1", "--reason", "held at the Gridburst that it came from")
	return g.otherwise(ctx, r, err, func(s *target.Seen) error {
		if s.State == target.Held {
			return nil
		}
		return grid.Errorf(grid.Refused, "job %s is %s: only one that waits is held there", r.ID, s.Word)
	})
}

// Release implements [target.Target].
func (g *Gridburst) Release(ctx context.Context, r target.Ref) error {
	return g.otherwise(ctx, r, g.order(ctx, r, "grelease", "JobStatus == 5"), func(*target.Seen) error { return nil })
}

// Remove implements [target.Target].
func (g *Gridburst) Remove(ctx context.Context, r target.Ref) error {
	return g.otherwise(ctx, r, g.order(ctx, r, "grm", "JobStatus != 3 && JobStatus != 4"), func(*target.Seen) error { return nil })
}

// Forget implements [target.Target]: the job leaves its queue for its history.
func (g *Gridburst) Forget(ctx context.Context, r target.Ref) error {
	err := g.order(ctx, r, "grm", "JobStatus != 3")
	if grid.CodeOf(err) == grid.NotFound {
		return nil
	}
	return err
}

// order gives an order about a job if that is in one of some states; [grid.NotFound] when it
// is not, or is not there.
func (g *Gridburst) order(ctx context.Context, r target.Ref, name, state string, args ...string) error {
	id, err := target.AdID(r.ID)
	if err != nil {
		return err
	}
	_, err = g.command(ctx, r.Owner, nil, name, append(args, "--constraint", target.Matching(id, r.Name)+" && "+state)...)
	return err
}

// otherwise decides what an order means that found no job to carry it out on.
func (g *Gridburst) otherwise(ctx context.Context, r target.Ref, err error, is func(*target.Seen) error) error {
	if grid.CodeOf(err) != grid.NotFound {
		return err
	}
	s, err := g.Look(ctx, r)
	if err != nil {
		return err
	}
	return is(&s)
}
