package schedd

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

// transferred is an attempt whose files a worker may move: the one that it runs now.
type transferred struct {
	id    grid.JobID
	epoch uint32
	owner desk.Owner
	job   *ad.Ad

	worker uint32
	status grid.Status
}

// wanted refuses what is moved for an attempt that its job does not want any more.
func (t *transferred) wanted() error {
	if t.status == grid.Held || t.status == grid.Removed {
		return grid.Errorf(grid.Conflict, "job %s is %s", t.id, t.status)
	}
	return nil
}

// transfer checks that the caller is the worker of the attempt, in the session that
// is connected, and calls do.
func (c *connections) transfer(w http.ResponseWriter, r *http.Request, tls bool, do func(http.ResponseWriter, *http.Request, transferred) error) {
	t, err := c.transferOf(r, tls)
	if err == nil {
		err = do(w, r, t)
	}
	if err != nil {
		wire.Refuse(w, err)
	}
}

func (c *connections) transferOf(r *http.Request, tls bool) (t transferred, err error) {
	name, err := c.workerOf(r, tls)
	if err != nil {
		return t, err
	}
	if err := t.id.UnmarshalText([]byte(r.PathValue("job"))); err != nil {
		return t, err
	}
	epoch, err := strconv.ParseUint(r.PathValue("epoch"), 10, 32)
	if err != nil {
		return t, grid.Errorf(grid.Invalid, "%q is no epoch", r.PathValue("epoch"))
	}
	t.epoch = uint32(epoch)
	v := c.d.ledger.View()
	number := v.AttemptAt(t.id, t.epoch)
	j, node, ok := v.OnSlot(t.id, t.epoch, number)
	worker, _ := v.Worker(number)
	if !ok || name != "" && worker.Name != name {
		return t, grid.Errorf(grid.NotFound, "attempt %d of job %s is not one of this worker's", epoch, t.id)
	}
	if !c.session(number, r.Header.Get(wire.SessionHeader)) {
		return t, grid.Errorf(grid.Conflict, "that is not the agent of %s that is connected", worker.Name)
	}
	t.worker, t.status = number, j.Status
	cl, _ := v.Cluster(t.id.Cluster)
	owner, _ := v.Owner(cl.Owner)
	t.owner = desk.Owner(owner)
	t.job, err = c.d.attemptAd(v, t.id, t.epoch, node)
	return t, err
}

// fileLimit bounds one transfer: a file system that hangs must not hold it for ever.
const fileLimit = 6 * time.Hour

// sendInputs streams a job's inputs. An error before the first byte is an answer; one
// after it breaks the stream, and the worker asks again.
func (d *Daemon) sendInputs(w http.ResponseWriter, r *http.Request, t transferred) error {
	if err := t.wanted(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), fileLimit)
	defer cancel()
	failpoint.Hit("transfer.inputs.before")
	out := &began{w: w}
	err := d.desks.PackInputs(ctx, t.owner, inputsOf(t.job), out)
	if err != nil && out.begun {
		d.log.WithError(err).WithField("job", t.id).Warn("inputs broke off")
		panic(http.ErrAbortHandler)
	}
	return ofTheJob(err)
}

// ofTheJob says of a failure whose it is: what the owner can mend is Invalid, which a
// worker takes for the job's fault; all else it tries again.
func ofTheJob(err error) error {
	switch grid.CodeOf(err) {
	case "", grid.Unavailable, grid.Unknown, grid.Internal:
		return err
	}
	return &grid.Error{Code: grid.Invalid, Message: grid.MessageOf(err), Err: err}
}

// began notes the first write.
type began struct {
	w     http.ResponseWriter
	begun bool
}

func (b *began) Write(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		b.w.Header().Set("Content-Type", "application/x-tar")
	}
	return b.w.Write(p)
}

// takeOutputs stages what a worker sends.
func (d *Daemon) takeOutputs(w http.ResponseWriter, r *http.Request, t transferred) error {
	if err := t.wanted(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), fileLimit)
	defer cancel()
	staged, err := d.desks.StageOutputs(ctx, t.owner, outputsOf(t.job, t.id, t.epoch), r.Body)
	if err != nil {
		return ofTheJob(err)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return grid.Errorf(grid.Unavailable, "the outputs broke off: %w", err)
	}
	failpoint.Hit("transfer.outputs.after")
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(staged)
}

// sendCheckpoint streams the checkpoint that a job goes on from.
func (d *Daemon) sendCheckpoint(w http.ResponseWriter, _ *http.Request, t transferred) error {
	if err := t.wanted(); err != nil {
		return err
	}
	f, err := d.saved.open(t.id, t.job)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	if _, err := io.Copy(w, f); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// takeCheckpoint keeps a checkpoint that a worker sends. One of a job that is held
// meanwhile is wanted: released, the job goes on from there.
func (d *Daemon) takeCheckpoint(w http.ResponseWriter, r *http.Request, t transferred) error {
	if t.status == grid.Removed {
		return grid.Errorf(grid.Refused, "job %s is %s", t.id, t.status)
	}
	q := r.URL.Query()
	number, err := strconv.ParseUint(q.Get("number"), 10, 32)
	ran, bad := strconv.ParseInt(q.Get("wall_ms"), 10, 64)
	if err != nil || bad != nil || number == 0 || ran < 0 || checkpointOf(t.job) == nil {
		return grid.Errorf(grid.Invalid, "%q is no checkpoint of job %s", r.URL.RawQuery, t.id)
	}
	ctx, cancel := context.WithTimeout(r.Context(), fileLimit)
	defer cancel()
	kept, err := d.saved.take(ctx, &savedCheckpoint{transferred: t, number: uint32(number), ran: time.Duration(ran) * time.Millisecond}, r.Body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(kept)
}
