package schedd

import (
	"context"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/dag/trigger"
	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/ledger"
)

// Cron is a timetable that starts a workflow.
type Cron struct {
	Name     string
	Schedule string // see package trigger
	TimeZone string // empty: UTC
	Owner    string // the user whose workflow it is; it is read with that user's rights
	Dag      string // the workflow's file; full path
	Missed   string // what becomes of occurrences while the daemon was away: skip, once, all; empty: skip
	Overlap  string // what becomes of one while the last run goes on: skip, allow; empty: skip

	// StartDeadline is how late an occurrence may still be started; 0: no bound.
	StartDeadline time.Duration
}

// cron is a Cron that makes sense.
type cron struct {
	Cron
	schedule *trigger.Schedule
	policy   trigger.Policy
}

func (c *Cron) parse() (*cron, error) {
	bad := func(err error) error { return grid.Errorf(grid.Invalid, "cron %s: %w", c.Name, err) }
	out := &cron{Cron: *c}
	var err error
	if out.schedule, err = trigger.Parse(c.Schedule, c.TimeZone); err != nil {
		return nil, bad(err)
	}
	if out.policy.Missed, err = trigger.ParseMissed(c.Missed); err != nil {
		return nil, bad(err)
	}
	out.policy.StartDeadline = c.StartDeadline
	switch {
	case c.Name == "":
		return nil, grid.Errorf(grid.Invalid, "a cron without a name")
	case c.Owner == "":
		return nil, bad(grid.Errorf(grid.Invalid, "it has no owner"))
	case !filepath.IsAbs(c.Dag):
		return nil, bad(grid.Errorf(grid.Invalid, "its dag %q is not a full path", c.Dag))
	case c.Overlap != "" && c.Overlap != "skip" && c.Overlap != "allow":
		return nil, bad(grid.Errorf(grid.Invalid, "overlap is skip or allow, not %q", c.Overlap))
	}
	return out, nil
}

// crons starts workflows by the clock. How far each timetable has been followed is a
// watermark in the ledger, moved in the same step that starts a run: an occurrence is
// started at most once, whatever dies.
type crons struct {
	d    *Daemon
	list []*cron
}

// cronLook bounds how long the loop sleeps: a wall clock may be set.
const cronLook = 30 * time.Second

func (c *crons) run(ctx context.Context) error {
	for {
		wait := cronLook
		for _, k := range c.list {
			next, err := c.follow(ctx, k)
			if err != nil {
				return ignoreEnd(ctx, err)
			}
			if !next.IsZero() {
				wait = min(wait, max(time.Until(next), time.Millisecond))
			}
		}
		if pause.For(ctx, wait) != nil {
			return nil
		}
	}
}

// follow does what is due of one timetable, and says when to look again.
func (c *crons) follow(ctx context.Context, k *cron) (time.Time, error) {
	now := time.Now()
	mark := c.d.ledger.View().Cron(k.Name)
	if mark == 0 {
		// New: it begins now.
		return now, c.pass(ctx, k, now, "it is new")
	}
	plan := trigger.Due(k.schedule, time.UnixMilli(mark), now, k.policy)
	for _, s := range plan.Skipped {
		c.log(k, s.At).Info("occurrence is passed over: " + s.Why)
	}
	for _, at := range plan.Start {
		again, err := c.fire(ctx, k, at)
		if err != nil {
			return now, err
		}
		if again {
			return now.Add(cronRetry), nil
		}
	}
	if plan.Watermark.UnixMilli() > c.d.ledger.View().Cron(k.Name) {
		if err := c.pass(ctx, k, plan.Watermark, "passed over"); err != nil {
			return now, err
		}
	}
	return plan.Next, nil
}

// cronRetry is when an occurrence is tried again whose files do not answer. It is not
// for ever: with time it counts as missed.
const cronRetry = 5 * time.Second

func (c *crons) log(k *cron, at time.Time) logrus.FieldLogger {
	return c.d.log.WithFields(logrus.Fields{"cron": k.Name, "due": at.UTC().Format(time.RFC3339)})
}

func (c *crons) pass(ctx context.Context, k *cron, at time.Time, why string) error {
	_, err := c.d.propose(ctx, &ledger.PassCron{Cron: k.Name, At: at.UnixMilli(), Reason: why})
	if grid.CodeOf(err) == grid.Conflict {
		return nil // it is beyond that
	}
	return err
}

// fire starts the run of one occurrence, or passes it over when there can be none.
func (c *crons) fire(ctx context.Context, k *cron, at time.Time) (again bool, err error) {
	failpoint.Hit("cron.fire.before")
	err = c.start(ctx, k, at)
	failpoint.Hit("cron.fire.after")
	switch code := grid.CodeOf(err); {
	case err == nil:
		c.log(k, at).Info("workflow is started")
		return false, nil
	case ctx.Err() != nil:
		return false, err
	case code == grid.Conflict:
		return false, nil // it was started before
	case code == grid.Unavailable, code == grid.NoSpace:
		c.log(k, at).WithError(err).Warn("workflow cannot be started now")
		return true, nil
	case code == grid.Unknown:
		return false, err // the ledger has stopped
	}
	c.log(k, at).WithError(err).Error("workflow cannot be started")
	c.d.trouble.add("cron " + k.Name + ": " + grid.MessageOf(err))
	return false, c.pass(ctx, k, at, grid.MessageOf(err))
}

func (c *crons) start(ctx context.Context, k *cron, at time.Time) error {
	if k.Overlap != "allow" {
		for id, g := range c.d.ledger.View().Dags() {
			if g.Cron == k.Name {
				return grid.Errorf(grid.Refused, "its last run, workflow %d, goes on", id)
			}
		}
	}
	owner, err := c.d.personOf(k.Owner)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, deskLimit)
	defer cancel()
	g, rescue, err := c.d.desks.ReadWorkflow(limited, desk.Owner(owner), k.Dag)
	if err != nil {
		return err
	}
	_, err = c.d.startDag(ctx, ledger.Command{By: "cron"}, &ledger.StartDag{
		Owner: owner, File: k.Dag, Dir: filepath.Dir(k.Dag), Cron: k.Name, Due: at.UnixMilli(), Rescue: rescue,
	}, g)
	return err
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
