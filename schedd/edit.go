package schedd

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
	"gridburst/schedd/submit"
)

// Edit implements [serve.Backend]. A job that waits is matched by its new ad; policies
// of any job are the new ones from the next time on; what an execution was begun with,
// it keeps.
func (d *Daemon) Edit(ctx context.Context, who serve.Identity, e api.Edit) (out api.Acted, err error) {
	if (len(e.Attrs) > 0) == (e.AddPriority != 0) {
		return out, grid.Errorf(grid.Invalid, "an edit sets attributes, or adds to the priority: one of these")
	}
	attrs, err := d.editable(e.Attrs)
	if err != nil {
		return out, err
	}
	runs, owner, err := d.targets(who, &e.Selection)
	if err != nil {
		return out, err
	}
	bounds, err := editedBounds(attrs, runs)
	if err != nil {
		return out, err
	}
	sets := []edit{{attrs, runs}}
	if e.AddPriority != 0 {
		if sets, err = d.raised(runs, e.AddPriority); err != nil {
			return out, err
		}
	}
	for _, s := range sets {
		err := d.inParts(s.runs, &out, func(some []grid.Run, part ledger.Part) (ledger.Result, error) {
			return d.ledger.Propose(ctx, ledger.Command{By: byUser(who.UID), At: d.now(), Body: &ledger.Alter{Runs: some, Owner: owner, Attrs: s.attrs, Bounds: bounds, Part: part}})
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// edit is attributes for jobs.
type edit struct {
	attrs []submit.Attr
	runs  []grid.Run
}

// fixed are attributes that nobody changes once a job is in the queue, with why. Those
// of [submit.Protected] are the queue's own.
var fixed = map[string]string{
	"jobuniverse": "a job stays in the universe that it was submitted for",
	"iwd":         "what is relative to it was resolved at the submit",
	"jobsetname":  "a cluster stays in the set that it was submitted for",
}

// kept are those that the queue learns in a job's life.
var kept = []string{
	"cpusprovisioned", "memoryprovisioned", "diskprovisioned", "stagedoutputs", "spooledcheckpoint", "numholdsbyreason", "numvacatesbyreason", "lastreleasereason",
	"lastholdreasonsubcode", "vacatereasonsubcode", "lastsuspensiontime", "dagmanjobid", "dagnodename",
	"gridjobid", "gridjobstatus", "gridresourceunavailabletime", "currentstatusunknown", "lastremotestatusupdate", "ovirtaddresses",
}

// needed are attributes that a job cannot be without.
var needed = []string{"cmd", "requirements"}

// editable refuses attributes that an edit may not set, and sorts the others.
func (d *Daemon) editable(attrs []submit.Attr) ([]submit.Attr, error) {
	attrs = submit.Merge(attrs)
	for _, a := range attrs {
		key := strings.ToLower(a.Name)
		switch {
		case fixed[key] != "":
			return nil, grid.Errorf(grid.Forbidden, "%s cannot be changed: %s", a.Name, fixed[key])
		case key == strings.ToLower(spooledCheckpoint) && (a.Expr == "" || a.Expr == "undefined"):
			// To begin from the start.
		case slices.Contains(kept, key), submit.Protected(key):
			return nil, grid.Errorf(grid.Forbidden, "%s cannot be changed: the queue itself keeps it", a.Name)
		case a.Expr == "" && slices.Contains(needed, key):
			return nil, grid.Errorf(grid.Forbidden, "%s cannot be deleted: a job needs it", a.Name)
		}
		if key == "jobprio" {
			if _, err := strconv.ParseInt(a.Expr, 10, 32); err != nil {
				return nil, grid.Errorf(grid.Invalid, "JobPrio is a whole number, not %q", a.Expr)
			}
		}
	}
	return attrs, submit.CheckAttrs(attrs, &d.ads.Exprs)
}

// raised adds to the priority of each job. Jobs of one priority are edited together.
func (d *Daemon) raised(runs []grid.Run, by int32) (sets []edit, err error) {
	v := d.ledger.View()
	at := map[int64]int{}
	err = d.ads.Read(v, func(s *jobad.Session) error {
		for _, r := range runs {
			for st := range v.Stretches(r) {
				for p := st.Run.Lo; p < st.Run.Hi; p++ {
					id := grid.JobID{Cluster: r.Cluster, Proc: p}
					a, err := s.Job(id)
					if err != nil {
						return err
					}
					prio := max(min(a.Int("JobPrio", 0)+int64(by), 1<<31-1), -1<<31)
					i, known := at[prio]
					if !known {
						i = len(sets)
						at[prio] = i
						sets = append(sets, edit{attrs: []submit.Attr{{Name: "JobPrio", Expr: strconv.FormatInt(prio, 10)}}})
					}
					sets[i].runs = join(sets[i].runs, grid.OneJob(id))
				}
			}
		}
		return nil
	})
	if err == nil && len(sets) == 0 {
		sets = []edit{{runs: runs}} // none is there, which the ledger says in its words
	}
	return sets, err
}
