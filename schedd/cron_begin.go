package schedd

import (
	"context"
	"encoding/json"
	"maps"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridburst/dag"
	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// beginOccurrence reads a timetable's workflow, as its owner, and begins its run for an
// occurrence.
func (d *Daemon) beginOccurrence(ctx context.Context, k *cron, o *occasion) (uint32, error) {
	failpoint.Hit("cron.fire.before")
	defer failpoint.Hit("cron.fire.after")
	owner, err := d.personOf(k.Owner)
	if err != nil {
		return 0, err
	}
	limited, cancel := context.WithTimeout(ctx, deskLimit)
	defer cancel()
	read, err := d.desks.ReadTimetable(limited, desk.Owner(owner), k.Dag)
	if err != nil {
		return 0, err
	}
	details := api.OccurrenceDetails{
		Owner: owner.Name, UID: owner.UID, Schedule: k.Schedule, TimeZone: k.schedule.Zone().String(), Version: d.c.Version, Env: read.Env, Params: o.params,
	}
	for _, f := range read.Files {
		details.Files = append(details.Files, api.FileSum(f))
	}
	note, err := json.Marshal(details)
	if err != nil {
		return 0, err
	}
	start := ledger.StartDag{Owner: owner, File: k.Dag, Dir: filepath.Dir(k.Dag), Cron: k.Name, Due: o.due.UnixMilli(), Rescue: read.Rescue}
	start.Header.Priority = o.prio
	by := "cron"
	if o.kind == ledger.Manual {
		by = byUser(o.uid)
	}
	if err := d.prepareDag(ctx, by, &start, read.Graph); err != nil {
		return 0, err
	}
	r, err := d.ledger.Propose(ctx, ledger.Command{Key: o.key, By: by, At: d.now(), Body: &ledger.Fire{
		Start: start, As: o.kind, Fill: o.fill, Vars: occasionVars(k, o), Why: o.why, By: o.by, Details: note, Follows: true,
	}})
	if err != nil {
		return 0, err
	}
	return r.Value.(uint32), nil
}

// occasionVars are the macros that all jobs of an occurrence's run have.
func occasionVars(k *cron, o *occasion) []ledger.Attr {
	vars := []ledger.Attr{
		{Name: "cron_name", Expr: k.Name},
		{Name: "cron_due", Expr: o.due.In(k.schedule.Zone()).Format(time.RFC3339)},
		{Name: "cron_due_unix", Expr: strconv.FormatInt(o.due.Unix(), 10)},
		{Name: "cron_kind", Expr: o.kind.String()},
	}
	for _, name := range slices.Sorted(maps.Keys(o.params)) {
		vars = append(vars, ledger.Attr{Name: name, Expr: o.params[name]})
	}
	return vars
}

// cronVars are the macros that a node's jobs have from the occurrence that its run is of.
func cronVars(v *ledger.View, id uint32, run *ledger.Dag) (vars []submit.Var) {
	if run.Cron == "" {
		return nil
	}
	t, _ := v.Timetable(run.Cron)
	of, _ := t.Of(id)
	for _, a := range of.Vars {
		// What is asked for counts before what the file says; what is told does not.
		given := !strings.HasPrefix(a.Name, "cron_")
		vars = append(vars, submit.Var{Name: a.Name, Value: a.Expr, Append: given})
	}
	return vars
}

// endRun asks a run to end, if it goes on.
func (d *Daemon) endRun(ctx context.Context, id uint32) error {
	return d.dags.ask(ctx, func(ctx context.Context) error {
		if r := d.dags.runs[id]; r != nil && !r.run.Status.Ended() {
			return d.dags.step(ctx, r, dag.Remove{})
		}
		return nil
	})
}

// personOf is the user of this machine with that name.
func (d *Daemon) personOf(name string) (ledger.Owner, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return ledger.Owner{}, grid.Errorf(grid.NotFound, "this machine has no user %s", name)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		return ledger.Owner{}, grid.Errorf(grid.Internal, "user %s has the number %s and the group %s", name, u.Uid, u.Gid)
	}
	if d.personal() && uint32(uid) != d.self {
		return ledger.Owner{}, grid.Errorf(grid.Forbidden, "a personal schedd acts for its own user alone, not for %s", name)
	}
	return ledger.Owner{Name: u.Username, UID: uint32(uid), GID: uint32(gid)}, nil
}

// restoreCrons is the first thing of a term whose queue comes from a backup: what it does
// not know of its timetables' last hours may have been, and is not done again.
func (d *Daemon) restoreCrons(ctx context.Context) error {
	_, err := d.propose(ctx, &ledger.RestoreTimetables{
		Until:  d.cronsNow(),
		Reason: "the queue was restored from a backup: whether it had run since is not known; gcron backfill runs it again",
	})
	return err
}
