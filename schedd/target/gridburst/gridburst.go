// Package gridburst is another Gridburst as a target, by its commands: gsubmit, gq, ghistory,
// ghold, grelease and grm, and gadm for which one it is.
//
// The commands ask a schedd on this host, by its socket, as the job's owner: whose job it is
// there is what the kernel says. A job there is in the vanilla universe and moves no files: its
// script is in a directory that the machines of both share. Its ad carries our name of it, and
// its name is the key of its submission too, so that handing it in again gives the job that is
// there. It is kept when it is over, until it is forgotten here.
//
// [Spool] is one whose machines share no directory with us: that schedd's own desk takes the
// files of a job from its directory here, and puts what it left there.
//
// Its ad also carries which deployments have had it ([grid.PathAttr]). A schedd refuses a job
// that it has had, and a route to it does not take one: so jobs do not go in circles.
package gridburst

import (
	"context"
	"encoding/json"
	"path"
	"slices"
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
	target.Ads
	run target.Commands
	o   Options
}

// New is a schedd whose commands run runs.
func New(run target.Commands, o Options) *Gridburst {
	g := &Gridburst{run: run, o: o}
	g.Ads = target.Ads{Who: "the Gridburst there", Query: g.query, Left: g.left, Order: g.order}
	return g
}

var _ target.Target = (*Gridburst)(nil)

// Exit statuses of its commands, as their help has them.
const (
	exitUsage    = 2
	exitRefused  = 3
	exitNotFound = 4
)

// command runs one of its commands. What it says goes wrong is an error.
func (g *Gridburst) command(ctx context.Context, o target.Owner, stdin []byte, name string, args ...string) ([]byte, error) {
	out, err := g.run.Run(ctx, o, target.Command{Argv: append([]string{path.Join(g.o.Bin, name), "--schedd", g.o.Schedd}, args...), Env: g.o.Env, Stdin: stdin})
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
	var words []string
	if said := strings.Join(strings.Fields(string(out.Stderr)), " "); said != "" {
		words = []string{strings.TrimPrefix(said, name+": ")}
	}
	return nil, grid.Errorf(code, "%s: %s", name, out.Sentence(words))
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
	return g.submit(ctx, j)
}

func (g *Gridburst) submit(ctx context.Context, j target.Job, more ...string) (string, error) {
	text, err := target.SubmitFile(&j)
	if err != nil {
		return "", err
	}
	out, err := g.command(ctx, j.Owner, text, "gsubmit", append(append(append([]string{"--terse", "--key", j.Name}, j.Extra...), more...), "-")...)
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

// query is what its queue has.
func (g *Gridburst) query(ctx context.Context, constraint string) ([]target.Ad, error) {
	return g.ads(ctx, "gq", "--allusers", "--constraint", constraint, "--json", "--attributes", target.AdAttributes)
}

// left is what its history has of a job.
func (g *Gridburst) left(ctx context.Context, id string) ([]target.Ad, error) {
	return g.ads(ctx, "ghistory", id, "--json", "--attributes", target.AdAttributes)
}

func (g *Gridburst) ads(ctx context.Context, name string, args ...string) ([]target.Ad, error) {
	out, err := g.reads(ctx, name, args...)
	if err != nil {
		return nil, err
	}
	return target.ParseAds(out)
}

// orders are the commands that give them.
var orders = map[grid.Verb][]string{
	grid.Hold: {"ghold", "--reason", "held at the Gridburst that it came from"}, grid.Release: {"grelease"}, grid.Remove: {"grm"},
}

// order gives an order about the jobs that are as the constraint says.
func (g *Gridburst) order(ctx context.Context, o target.Owner, verb grid.Verb, constraint string) error {
	args := append(slices.Clone(orders[verb]), "--constraint", constraint)
	_, err := g.command(ctx, o, nil, args[0], args[1:]...)
	return err
}
