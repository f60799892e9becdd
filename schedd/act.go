package schedd

import (
	"context"
	"fmt"
	"iter"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// maxReason is the most bytes of a person's words, which two events of each job repeat: an
// entry with all of them is below its limit.
const maxReason = 400

// Act implements [serve.Backend].
func (d *Daemon) Act(ctx context.Context, who serve.Identity, a api.Action) (out api.Acted, err error) {
	if len(a.Reason) > maxReason {
		return out, grid.Errorf(grid.TooLarge, "the reason has %d bytes: at most %d", len(a.Reason), maxReason)
	}
	runs, owner, err := d.targets(who, &a.Selection)
	if err != nil {
		return out, err
	}
	if a.All && grid.Verb(a.Verb) == grid.Remove && !a.Force {
		// What waits goes by one command, however much it is; what is left runs.
		failpoint.Hit("act.before")
		r, err := d.ledger.Propose(ctx, ledger.Command{By: byUser(who.UID), At: d.now(), Body: &ledger.RemoveAll{Owner: owner, Reason: reasonOf(&a, who)}})
		if err != nil {
			return out, err
		}
		failpoint.Hit("act.after")
		done := r.Value.(ledger.Removing)
		out.Changed = int(done.Jobs)
		runs = all(d.ledger.View(), owner, done.Last)
	}
	act := func(some []grid.Run, part ledger.Part) (ledger.Result, error) {
		failpoint.Hit("act.before")
		r, err := d.ledger.Propose(ctx, ledger.Command{By: byUser(who.UID), At: d.now(), Body: &ledger.Act{
			Verb: grid.Verb(a.Verb), Runs: some, Reason: reasonOf(&a, who), Code: grid.HoldUser, Sub: a.Subcode, Owner: owner,
			Vacate: vacateOf(a.Verb), Fast: a.Fast, Force: a.Force, Part: part,
		}})
		if err == nil {
			failpoint.Hit("act.after")
		}
		return r, err
	}
	if err = d.inParts(runs, &out, act); err != nil || out.Refused == 0 {
		return out, err
	}
	if grid.Verb(a.Verb) == grid.Release {
		err = d.releaseLater(ctx, runs, owner, &out, act)
		return out, err
	}
	out.Why = d.whyNever(grid.Verb(a.Verb), runs)
	return out, nil
}

// endWait is how long a release waits for executions that a hold has ended, and that are not
// over yet.
const endWait = 15 * time.Second

// releaseLater releases jobs that could not be, for what they ran is still being ended: who
// holds a job and releases it at once has it released.
func (d *Daemon) releaseLater(ctx context.Context, runs []grid.Run, owner uint32, out *api.Acted, act func([]grid.Run, ledger.Part) (ledger.Result, error)) error {
	later, ending := d.heldOf(runs, owner)
	if len(later) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, endWait)
	defer cancel()
	for ending && limited.Err() == nil {
		changed := d.ledger.Changed(d.ledger.View().Index)
		if _, ending = d.heldOf(later, owner); ending {
			select {
			case <-changed:
			case <-limited.Done():
			}
		}
	}
	if ending {
		out.Why = "is held, and what it ran is still being ended: release it again in a while"
	}
	if ctx.Err() != nil {
		return nil // nobody waits for more
	}
	for _, r := range later {
		out.Refused -= r.Len()
	}
	out.Refused = max(out.Refused, 0) // a job may have been held meanwhile
	return d.inParts(later, out, act)
}

// heldOf are the jobs that are held, and whether one of them is still being
// ended where it ran; owner 0: of everybody.
func (d *Daemon) heldOf(runs []grid.Run, owner uint32) (held []grid.Run, ending bool) {
	v := d.ledger.View()
	for _, r := range runs {
		if c, ok := v.Cluster(r.Cluster); !ok || owner != 0 && c.Owner != owner {
			continue
		}
		for s := range v.Stretches(r) {
			if s.Job.Status != grid.Held {
				continue
			}
			ending = ending || !v.Releasable(s.Run.First(), &s.Job)
			held = append(held, s.Run)
		}
	}
	return held, ending
}

// whyNever says why what was asked of a job is not possible in any of its states; empty
// when it is in others. Machines are switched off or left alone: one that stands still
// goes on to be paid for.
func (d *Daemon) whyNever(verb grid.Verb, runs []grid.Run) string {
	if verb != grid.Suspend && verb != grid.Continue {
		return ""
	}
	v := d.ledger.View()
	for _, r := range runs {
		if c, ok := v.Cluster(r.Cluster); ok && c.Universe == grid.Grid {
			return "is a virtual machine, and those do not stand still: hold it or vacate it"
		}
	}
	return ""
}

// all are the clusters of an owner (0: of everybody) up to one.
func all(v *ledger.View, owner uint32, last int32) (runs []grid.Run) {
	for id, c := range v.Clusters(0) {
		if id > last {
			break
		}
		if owner == 0 || c.Owner == owner {
			runs = append(runs, grid.WholeCluster(id))
		}
	}
	return runs
}

func vacateOf(verb string) grid.VacateCode {
	if grid.Verb(verb) == grid.Vacate {
		return grid.VacateUser
	}
	return 0
}

func addActed(out *api.Acted, done ledger.Acted) {
	out.Changed += int(done.Changed)
	out.Already += int(done.Already)
	out.Refused += int(done.Refused)
	out.Foreign += int(done.Foreign)
	out.Missing += int(done.Missing)
}

// tools are the commands that the reasons of acts name.
var tools = map[string]string{
	"hold": "ghold", "release": "grelease", "remove": "grm", "vacate": "gvacate", "suspend": "gsuspend", "continue": "gcontinue",
}

func reasonOf(a *api.Action, who serve.Identity) string {
	if a.Reason != "" {
		return fmt.Sprintf("via %s (by user %s): %s", tools[a.Verb], who.Name, a.Reason)
	}
	return fmt.Sprintf("via %s (by user %s)", tools[a.Verb], who.Name)
}

// Bounds of one command: clusters that are changed whole, and jobs one by one. Its entry
// has the events of all of them.
const (
	maxRuns = clearStep
	maxJobs = clearStep
)

// inParts proposes what is to be done to runs, in commands that are bounded.
func (d *Daemon) inParts(runs []grid.Run, out *api.Acted, propose func([]grid.Run, ledger.Part) (ledger.Result, error)) error {
	for some, part := range batches(d.ledger.View(), runs) {
		for {
			r, err := propose(some, part)
			if err != nil {
				return err
			}
			done := r.Value.(ledger.Acted)
			addActed(out, done)
			if part = done.Rest; part.Max == 0 {
				break
			}
		}
	}
	return nil
}

// batches cuts runs into as many as one command may have. A whole cluster stays whole:
// the procs to which nothing has happened alone are one record. One with too many others
// comes by itself, with a bound.
func batches(v *ledger.View, runs []grid.Run) iter.Seq2[[]grid.Run, ledger.Part] {
	return func(yield func([]grid.Run, ledger.Part) bool) {
		var some []grid.Run
		jobs := 0
		// next takes in a part of a run, of so many jobs.
		next := func(part grid.Run, n int) bool {
			if jobs += n; jobs > maxJobs || len(some) == maxRuns {
				if len(some) > 0 && !yield(some, ledger.Part{}) {
					return false
				}
				some, jobs = nil, n
			}
			some = append(some, part)
			return true
		}
		for _, r := range runs {
			if r.Whole() {
				switch n := records(v, r); {
				case n <= maxJobs:
					if !next(r, n-1) {
						return
					}
				case !yield([]grid.Run{r}, ledger.Part{Max: maxJobs}):
					return
				}
				continue
			}
			for r.Len() > 0 {
				part := r
				part.Hi = min(r.Hi, r.Lo+maxJobs)
				if !next(part, part.Len()) {
					return
				}
				r.Lo = part.Hi
			}
		}
		if len(some) > 0 {
			yield(some, ledger.Part{})
		}
	}
}

// records counts what a whole cluster has of jobs with records of their own, and of
// stretches of others between them: up to one more than a command may have.
func records(v *ledger.View, r grid.Run) (n int) {
	if c, ok := v.Cluster(r.Cluster); ok && c.Touched == 0 && c.Live == c.Procs {
		return 1
	}
	for range v.Stretches(r) {
		if n++; n > maxJobs {
			break
		}
	}
	return max(n, 1)
}

// targets works out which jobs are meant, and whose they must be: an owner's number, 0
// for anybody's.
func (d *Daemon) targets(who serve.Identity, s *api.Selection) (runs []grid.Run, owner uint32, err error) {
	ways := 0
	for _, w := range []bool{len(s.IDs) > 0, s.JobSet != "" || s.Constraint != "" || s.Owner != "", s.JobSet != "" && s.Constraint != "", s.All} {
		if w {
			ways++
		}
	}
	if ways != 1 {
		return nil, 0, grid.Errorf(grid.Invalid, "name jobs by ids, by owner and constraint, by a job set, or all: one of these")
	}
	v := d.ledger.View()
	if !who.Admin {
		if owner = v.OwnerOf(who.UID); owner == 0 {
			owner = 1<<32 - 1 // has never had a job: nothing is theirs
		}
	}
	for _, text := range s.IDs {
		r, err := grid.ParseRun(text)
		if err != nil {
			return nil, 0, err
		}
		runs = append(runs, r)
	}
	if len(runs) > 0 {
		return runs, owner, nil
	}
	if s.JobSet != "" {
		runs, err = d.setRuns(v, who, s)
		return runs, owner, err
	}
	var constraint *ad.Expr
	if s.Constraint != "" {
		if constraint, err = ad.ParseConstraint(s.Constraint); err != nil {
			return nil, 0, err
		}
	}
	now := instant()
	err = d.ads.Read(v, func(session *jobad.Session) error {
		for id, c := range v.Clusters(0) {
			name, _ := v.Owner(c.Owner)
			switch {
			case owner != 0 && c.Owner != owner, s.Owner != "" && s.Owner != name.Name:
			case constraint == nil:
				runs = append(runs, grid.WholeCluster(id))
			default:
				if err := session.Where(now, id, c, constraint, func(r grid.Run) { runs = join(runs, r) }); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return runs, owner, err
}

// join adds a run that may go on where the last one ends.
func join(runs []grid.Run, r grid.Run) []grid.Run {
	if n := len(runs) - 1; n >= 0 && runs[n].Cluster == r.Cluster && runs[n].Hi == r.Lo {
		runs[n].Hi = r.Hi
		return runs
	}
	return append(runs, r)
}
