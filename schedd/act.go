package schedd

import (
	"context"
	"fmt"
	"math"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// maxRuns bounds the targets of one command, and maxReason the bytes of a person's words,
// which two events of each job repeat: an entry with all of them is below its limit.
const (
	maxRuns   = clearStep
	maxReason = 400
)

// Act implements [serve.Backend].
func (d *Daemon) Act(ctx context.Context, who serve.Identity, a api.Action) (out api.Acted, err error) {
	if len(a.Reason) > maxReason {
		return out, grid.Errorf(grid.TooLarge, "the reason has %d bytes: at most %d", len(a.Reason), maxReason)
	}
	verb := grid.Verb(a.Verb)
	cmd := &ledger.Act{Verb: verb, Reason: reasonOf(&a, who), Code: grid.HoldUser, Sub: a.Subcode}
	v := d.ledger.View()
	if !who.Admin {
		if cmd.Owner = v.OwnerOf(who.UID); cmd.Owner == 0 {
			cmd.Owner = 1<<32 - 1 // has never had a job: nothing is theirs
		}
	}
	runs, err := d.targets(who, &a)
	if err != nil {
		return out, err
	}
	if a.All && verb == grid.Remove {
		// What waits goes by one command, however much it is; what is left runs.
		r, err := d.ledger.Propose(ctx, ledger.Command{By: byUser(who.UID), At: d.now(), Body: &ledger.RemoveAll{Owner: cmd.Owner, Reason: cmd.Reason}})
		if err != nil {
			return out, err
		}
		done := r.Value.(ledger.Removing)
		out.Changed = int(done.Jobs)
		runs = all(d.ledger.View(), cmd.Owner, done.Last)
	}
	for len(runs) > 0 {
		cmd.Runs = runs[:min(len(runs), maxRuns)]
		runs = runs[len(cmd.Runs):]
		r, err := d.ledger.Propose(ctx, ledger.Command{By: byUser(who.UID), At: d.now(), Body: cmd})
		if err != nil {
			return out, err
		}
		done := r.Value.(ledger.Acted)
		out.Changed += int(done.Changed)
		out.Already += int(done.Already)
		out.Refused += int(done.Refused)
		out.Foreign += int(done.Foreign)
		out.Missing += int(done.Missing)
	}
	return out, nil
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

func reasonOf(a *api.Action, who serve.Identity) string {
	tool := map[string]string{"hold": "ghold", "release": "grelease", "remove": "grm"}[a.Verb]
	if a.Reason != "" {
		return fmt.Sprintf("via %s (by user %s): %s", tool, who.Name, a.Reason)
	}
	return fmt.Sprintf("via %s (by user %s)", tool, who.Name)
}

// targets works out which jobs an action means.
func (d *Daemon) targets(who serve.Identity, a *api.Action) ([]grid.Run, error) {
	ways := 0
	for _, w := range []bool{len(a.IDs) > 0, a.Constraint != "", a.All} {
		if w {
			ways++
		}
	}
	if ways != 1 {
		return nil, grid.Errorf(grid.Invalid, "name jobs by ids, by a constraint, or all: one of these")
	}
	runs := make([]grid.Run, 0, len(a.IDs))
	for _, s := range a.IDs {
		r, err := grid.ParseRun(s)
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	if len(runs) > 0 {
		return runs, nil
	}
	v := d.ledger.View()
	owner := v.OwnerOf(who.UID)
	switch {
	case a.All && a.Verb == string(grid.Remove):
		return nil, nil // they need not be named
	case a.All && who.Admin:
		return all(v, 0, math.MaxInt32), nil
	case a.All && owner == 0:
		return nil, nil // has never had a job
	case a.All:
		return all(v, owner, math.MaxInt32), nil
	}
	e, err := ad.Parse(a.Constraint)
	if err == nil {
		err = e.Check()
	}
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "the constraint: %w", err)
	}
	var ids []grid.JobID
	now := instant()
	err = d.ads.Read(v, func(s *jobad.Session) error {
		for id, c := range v.Clusters(0) {
			if !who.Admin && c.Owner != owner {
				continue
			}
			for st := range v.Stretches(grid.WholeCluster(id)) {
				for p := st.Run.Lo; p < st.Run.Hi; p++ {
					job := grid.JobID{Cluster: id, Proc: p}
					a, err := s.Job(job)
					if err != nil {
						return err
					}
					if ad.Truth(now.Eval(e, a, nil)) {
						ids = append(ids, job)
					}
				}
			}
		}
		return nil
	})
	return grid.Runs(ids), err
}
