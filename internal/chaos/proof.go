package chaos

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
)

// Bug is one that can be planted, by the build tag "planted_" and its name.
type Bug struct {
	Name string
	What string
	// Options are the run that finds it, or Engine is; Sign is in what the judge says of it.
	Options Options
	Engine  *EngineOptions
	Sign    string
}

// Bugs are all that can be planted.
var Bugs = []Bug{
	{
		Name: "ack_early", What: "commands are answered before they are durable",
		Options: Options{NoVMs: true, Jobs: 1500, Kills: 10, Points: []string{"ledger.commit.before"}, only: []shape{bare}, ahead: 10_000}, Sign: "was acknowledged, and is gone",
	},
	{
		Name: "intent_late", What: "a machine is made before the ledger knows that it was wished for",
		Options: Options{Paper: true, Jobs: 60, Kills: 1, Points: []string{"claim.want.before"}}, Sign: "before it was wished for",
	},
	{
		Name: "any_epoch", What: "reports of older executions count",
		Options: Options{NoVMs: true, Jobs: 20, Kills: 1, Points: []string{"report.propose.after"}}, Sign: "which had been given up",
	},
	{
		Name: "fresh_name", What: "a name that is in use is answered with another name",
		Options: Options{Paper: true, Jobs: 100, Kills: 3, Points: []string{"claim.create.after"}}, Sign: "machines at one time",
	},
	{
		Name: "hasty_sweep", What: "one listing is enough to take a machine away",
		Options: Options{Paper: true, Jobs: 20, Kills: 4, Points: []string{"logs.mark.before"}, Pause: 5 * time.Second}, Sign: "one listing",
	},
	{
		Name: "no_look", What: "a create whose answer is lost is taken for one that failed",
		Engine: wreck(8, "create: its answer is lost", "create: half of its answer comes"), Sign: "was closed, and its machine",
	},
	{
		Name: "any_mark", What: "a machine that has a claim's name is adopted, whosever it is",
		Engine: wreck(8, "the next name is another's"), Sign: "which is not ours",
	},
	{
		Name: "forgotten", What: "a claim is closed although the removal of its machine was refused",
		Engine: wreck(8, "remove: it is locked", "remove: its disks are locked"), Sign: "was closed, and its machine",
	},
	{
		Name: "half_listing", What: "what came of a listing that broke off is taken for all of it",
		Engine: wreck(8, "listing: it breaks off"), Sign: "was closed, and its machine",
	},
	{
		Name: "ready_cap", What: "only machines that are ready count against the most that there may be",
		Engine: wreck(3, "slow", "start: it does not boot"), Sign: "machines that are jobs at one time, and may be",
	},
	{
		Name: "prefix_owns", What: "a machine whose name begins as ours do is taken for ours",
		Engine: wreck(3, "listing: it is lost"), Sign: "which is not ours",
	},
}

// wreck is a short run whose faults are an engine's, and only those.
func wreck(faults int, kinds ...string) *EngineOptions {
	return &EngineOptions{Faults: faults, Kinds: kinds, VMs: 12, Foreign: 20}
}

// Find plants a bug and looks for it, with one seed after another. It gives what the
// judge said of it; "" when nothing was found.
func Find(ctx context.Context, bug Bug, dir string, tries int, log io.Writer) (how string, err error) {
	bin := "" // until it is built
	for seed := range tries {
		wrong, err := bug.run(ctx, dir, bin, uint64(seed+1), log)
		if err != nil {
			// A planted bug may break the run itself, but only what the judge says counts.
			if ctx.Err() != nil {
				return "", err
			}
			fmt.Fprintf(log, "%s, seed %d: %v\n", bug.Name, seed+1, err)
			continue
		}
		bin = filepath.Join(dir, "bin")
		for _, w := range wrong {
			fmt.Fprintf(log, "%s, seed %d: %s\n", bug.Name, seed+1, w)
			if strings.Contains(w, bug.Sign) {
				return w, nil
			}
		}
	}
	return "", nil
}

// run is one run with the bug planted, and what the judge says is wrong.
func (b *Bug) run(ctx context.Context, dir, bin string, seed uint64, log io.Writer) ([]string, error) {
	const limit, drain, pause = 40 * time.Second, 20 * time.Second, 100 * time.Millisecond
	tags := []string{"planted_" + b.Name}
	if b.Engine != nil {
		o := *b.Engine
		o.Dir, o.Bin, o.Tags, o.Seed, o.Log = dir, bin, tags, seed, log
		o.Limit, o.Drain, o.Pause = limit, drain, pause
		rep, err := Engines(ctx, o)
		if err != nil {
			return nil, err
		}
		return rep.Wrong, nil
	}
	o := b.Options
	o.Dir, o.Bin, o.Tags, o.Seed, o.Log = dir, bin, tags, seed, log
	o.Limit, o.Drain = limit, drain
	if o.Pause == 0 {
		o.Pause = pause
	}
	rep, err := Run(ctx, o)
	if err != nil {
		return nil, err
	}
	return rep.Wrong, nil
}
