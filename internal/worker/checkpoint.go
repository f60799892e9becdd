package worker

import (
	"context"
	"errors"
	"net/http"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
	"gridburst/internal/worker/sandbox"
)

// checkpointed reports whether a job has exited because it has taken a checkpoint. One that
// was told to end, and took the time for that, counts too.
func (t *attempt) checkpointed(r *wire.Report) bool {
	c := t.entry.Exec.Checkpoint
	return c != nil && t.entry.Exec.Transfer && (r.Kind == wire.Exited || r.Kind == wire.Killed) && r.Code == c.Code && r.Signal == c.Signal
}

// checkpoint sends the checkpoint that a job has exited for, and begins the job again. nil:
// it does not go on here.
//
// The result that r is of stays in the journal until the schedd has the checkpoint: an
// agent that dies before is followed by one that sends it again. After that the entry
// says that the job is to begin again, until a runner is about to be told. One that dies
// then may have told it or not: the attempt is lost, and the next has this checkpoint.
func (t *attempt) checkpoint(ctx context.Context, r wire.Report) *runner.Client {
	kept, err := t.keep(ctx, r.Usage.WallMS-t.entry.Used.WallMS)
	if ctx.Err() != nil {
		return nil // the next agent sends it
	}
	log := t.a.log.WithField("job", r.Job)
	r.Usage.Sent += kept.Bytes
	var hold *sandbox.HoldError
	switch {
	case r.Kind == wire.Killed:
		if err != nil {
			log.WithError(err).Warn("the last checkpoint of a job that was told to end is not kept")
		}
		t.conclude(ctx, r)
		return nil
	case errors.Is(err, errKilled):
		used := r.Usage
		r = *t.asKilled()
		r.Usage = used
	case errors.As(err, &hold):
		r.Kind, r.Hold = wire.Failed, hold.Hold
	case grid.CodeOf(err) == grid.NoSpace:
		log.WithError(err).Warn("a checkpoint is not kept: the job goes on, and has the one before")
		t.entry.Used = r.Usage
		return t.prepare(ctx, t.anew)
	case err != nil:
		r = lost(t.entry.Key, grid.VacateStarter, err.Error())
	case kept.Leave != "":
		r.Kind, r.Vacate, r.Reason = wire.Killed, grid.VacateSaved, kept.Leave
	default:
		t.entry.Kept++
		t.entry.Used = r.Usage
		return t.prepare(ctx, t.anew)
	}
	t.decide(ctx, r)
	return nil
}

// keep has the schedd keep a checkpoint, to which the job ran for that long. An end that
// can wait does not stop it.
func (t *attempt) keep(living context.Context, wallMS int64) (kept wire.Kept, err error) {
	t.save(true)
	defer t.save(false)
	ctx, done := t.killable(living)
	defer done(nil)
	k := t.entry.Key
	failpoint.Hit("worker.checkpoint.before")
	var refused error
	err = t.patiently(ctx, "sending a checkpoint", func() (err error) {
		kept, err = t.send(ctx, wire.KeepPath(k.Job, k.Epoch, t.entry.Kept+1, wallMS), sandbox.CheckpointOf(t.entry.Exec), true)
		if c := grid.CodeOf(err); c == grid.NoSpace || c == grid.Refused {
			refused, err = err, nil
		}
		return err
	})
	failpoint.Hit("worker.checkpoint.after")
	return kept, errors.Join(ofCheckpoint(err), refused)
}

func (t *attempt) save(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.saving = on
}

// ofCheckpoint says of what the owner can mend that it is about a checkpoint.
func ofCheckpoint(err error) error {
	var hold *sandbox.HoldError
	switch {
	case errors.As(err, &hold):
		return &sandbox.HoldError{Hold: wire.Hold{Code: grid.HoldCheckpoint, Subcode: hold.Subcode, Reason: "the checkpoint cannot be kept: " + hold.Reason}, Err: err}
	case grid.CodeOf(err) == grid.Invalid:
		return sandbox.Hold(grid.HoldCheckpoint, nil, "the checkpoint cannot be kept: %s", grid.MessageOf(err))
	}
	return err
}

// anew comes to a runner that begins the job again in its sandbox. Nothing of it runs.
func (t *attempt) anew(ctx context.Context) (*runner.Client, error) {
	t.entry.Again = true
	if err := t.a.write(t.entry); err != nil {
		return nil, err
	}
	failpoint.Hit("worker.checkpoint.noted")
	if err := runner.ForgetResult(t.a.journal, t.entry.Key); err != nil {
		return nil, err
	}
	if err := t.a.fresh(ctx, &t.entry.Exec); err != nil {
		return nil, err
	}
	r, err := t.a.runners.take(ctx)
	if err != nil {
		return nil, err
	}
	t.entry.Again = false
	if err := t.a.write(t.entry); err != nil {
		t.a.runners.put(r)
		return nil, err
	}
	failpoint.Hit("worker.checkpoint.again")
	return r, nil
}

// restore puts the checkpoint that the schedd has into the sandbox.
func (t *attempt) restore(ctx context.Context) (names []string, err error) {
	k := t.entry.Key
	err = t.patiently(ctx, "fetching a checkpoint", func() error {
		resp, err := t.a.request(ctx, http.MethodGet, wire.CheckpointPath(k.Job, k.Epoch), nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		var n int64
		names, n, err = t.box.Restore(resp.Body, t.entry.Exec, sandbox.Limits{})
		if err == nil {
			t.received += n
		}
		return err
	})
	if grid.CodeOf(err) == grid.Invalid {
		return nil, sandbox.Hold(grid.HoldInput, nil, "%s", grid.MessageOf(err))
	}
	return names, err
}
