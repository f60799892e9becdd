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
	// Options are the run that finds it; Sign is in what the judge says of it.
	Options Options
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
}

// Find plants a bug and looks for it, with one seed after another. It gives what the
// judge said of it; "" when nothing was found.
func Find(ctx context.Context, bug Bug, dir string, tries int, log io.Writer) (how string, err error) {
	for seed := range tries {
		o := bug.Options
		o.Dir, o.Tags, o.Seed, o.Log = dir, []string{"planted_" + bug.Name}, uint64(seed+1), log
		o.Limit, o.Drain = 40*time.Second, 20*time.Second
		if o.Pause == 0 {
			o.Pause = 100 * time.Millisecond
		}
		if seed > 0 {
			o.Bin = filepath.Join(dir, "bin")
		}
		rep, err := Run(ctx, o)
		if err != nil {
			// A planted bug may break the run itself, but only what the judge says counts.
			if ctx.Err() != nil {
				return "", err
			}
			fmt.Fprintf(log, "%s, seed %d: %v\n", bug.Name, o.Seed, err)
			continue
		}
		for _, w := range rep.Wrong {
			fmt.Fprintf(log, "%s, seed %d: %s\n", bug.Name, o.Seed, w)
			if strings.Contains(w, bug.Sign) {
				return w, nil
			}
		}
	}
	return "", nil
}
