package schedd

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/pki"
	"gridburst/internal/wire"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
	"gridburst/schedd/submit"
)

// connections are the streams of workers. Orders may be given from any goroutine; one
// for a worker that is not there is dropped, because what it should do is worked out
// again when it comes.
type connections struct {
	d       *Daemon
	address atomic.Value // of the TLS listener, a string
	local   localWorker

	mu sync.Mutex
	by map[uint32]*connection
}

// connection is one worker's.
type connection struct {
	id      uint32
	name    string
	proven  bool // by its certificate
	session string
	stream  *wire.Stream
	orders  chan order
	end     context.CancelCauseFunc
	gone    chan struct{} // closed when it has ended
	log     logrus.FieldLogger
}

type order struct {
	kind  orderKind
	job   grid.JobID
	epoch uint32
	why   string
}

type orderKind uint8

const (
	orderStart orderKind = iota
	orderKill
	orderKillFast
	orderForget
	orderSuspend
	orderContinue
	orderQuit
)

func newConnections(d *Daemon) *connections { return &connections{d: d, by: map[uint32]*connection{}} }

// silence is after how long without a byte either side hangs up.
func (c *connections) silence() time.Duration { return min(30*time.Second, c.d.c.WorkerLease/2) }

// handler is the worker contract. On the Unix socket a worker is root or the
// daemon's own user; over TLS it has a certificate.
func (c *connections) handler(tls bool) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /worker/v1/stream", func(w http.ResponseWriter, r *http.Request) {
		name, err := c.workerOf(r, tls)
		if err != nil {
			wire.Refuse(w, err)
			return
		}
		c.accept(w, r, name)
	})
	m.HandleFunc("GET /worker/v1/attempts/{job}/{epoch}/inputs", func(w http.ResponseWriter, r *http.Request) { c.transfer(w, r, tls, c.d.sendInputs) })
	m.HandleFunc("GET /worker/v1/attempts/{job}/{epoch}/token", func(w http.ResponseWriter, r *http.Request) { c.transfer(w, r, tls, c.d.sendToken) })
	m.HandleFunc("PUT /worker/v1/attempts/{job}/{epoch}/outputs", func(w http.ResponseWriter, r *http.Request) { c.transfer(w, r, tls, c.d.takeOutputs) })
	m.HandleFunc("GET /worker/v1/attempts/{job}/{epoch}/checkpoint", func(w http.ResponseWriter, r *http.Request) { c.transfer(w, r, tls, c.d.sendCheckpoint) })
	m.HandleFunc("PUT /worker/v1/attempts/{job}/{epoch}/checkpoint", func(w http.ResponseWriter, r *http.Request) { c.transfer(w, r, tls, c.d.takeCheckpoint) })
	if tls {
		m.HandleFunc("POST /worker/v1/join", c.d.join)
		m.HandleFunc("POST /worker/v1/renew", c.d.renewCertificate)
	}
	return m
}

// workerOf is the name that a request's connection proves; "" when the worker may
// name itself.
func (c *connections) workerOf(r *http.Request, tls bool) (string, error) {
	if tls {
		name, ok := pki.WorkerOf(r.TLS)
		if !ok {
			return "", grid.Errorf(grid.Unauthorized, "a worker needs a certificate of this schedd: join with a token first")
		}
		return name, nil
	}
	id, ok := serve.Caller(r.Context())
	if !ok || !id.Admin {
		return "", grid.Errorf(grid.Forbidden, "on this socket only root and the schedd's own user may be a worker")
	}
	return "", nil
}

// accept runs a worker's stream until it ends.
func (c *connections) accept(w http.ResponseWriter, r *http.Request, name string) {
	rwc, err := wire.Accept(w, r)
	if err != nil {
		return
	}
	ctx, end := context.WithCancelCause(r.Context())
	defer end(nil)
	k := &connection{stream: wire.NewStream(rwc, c.silence()), orders: make(chan order, 4096), end: end, gone: make(chan struct{}), log: c.d.log}
	var sender sync.WaitGroup
	err = k.stream.Run(ctx, func(m wire.Message) error { return c.handle(ctx, k, name, m, &sender) })
	end(nil)
	sender.Wait()
	c.leave(k)
	k.log.WithError(err).Info("worker has gone")
}

func (c *connections) handle(ctx context.Context, k *connection, name string, m wire.Message, sender *sync.WaitGroup) error {
	switch {
	case m.Hello != nil:
		if k.id != 0 {
			return grid.Errorf(grid.Invalid, "a second hello")
		}
		if name != "" {
			m.Hello.Worker, k.proven = name, true
		}
		if err := c.hello(ctx, k, m.Hello); err != nil {
			k.log.WithError(err).Warn("worker is refused")
			return err
		}
		sender.Go(func() { c.send(ctx, k) })
	case k.id == 0:
		return grid.Errorf(grid.Invalid, "a worker says hello first")
	case m.Beat != nil:
		return k.stream.Send(wire.Message{Renew: &wire.Renew{Term: c.d.ledger.View().Term, Clock: m.Beat.Clock}})
	case m.Report != nil:
		c.report(ctx, k, m.Report)
	case m.Update != nil:
		c.update(ctx, k, m.Update)
	case m.Advert != nil:
		s, _ := c.d.pool.Worker(k.id)
		s.Info.Attrs = m.Advert.Attrs
		return c.d.pool.Connect(k.id, s.Info, time.Now())
	}
	return nil
}

// update takes what a job says of itself into its ad. What it may not say is left out.
func (c *connections) update(ctx context.Context, k *connection, u *wire.Update) {
	j, ok := c.d.ledger.View().Job(u.Job)
	if !ok || j.Epoch != u.Epoch || len(u.Attrs) == 0 || len(u.Attrs) > c.d.config().MaxAttributes {
		return
	}
	var attrs []submit.Attr
	for _, name := range slices.Sorted(maps.Keys(u.Attrs)) {
		attrs = append(attrs, submit.Attr{Name: name, Expr: u.Attrs[name]})
	}
	set, err := c.d.editable(attrs)
	if err == nil {
		err = c.learn(ctx, u.Job, set)
	}
	if err != nil && ctx.Err() == nil {
		k.log.WithError(err).WithField("job", u.Job).Warn("what a job says of itself is not taken")
	}
}

// learn sets those attributes of a job that have another value.
func (c *connections) learn(ctx context.Context, id grid.JobID, set []submit.Attr) error {
	var has []ledger.Attr
	err := c.d.ledger.Read(func(r *ledger.Reader) (err error) {
		has, err = r.Attrs(c.d.ledger.View(), id)
		return err
	})
	if err != nil {
		return err
	}
	var fresh []ledger.Attr
	for _, a := range set {
		if !slices.Contains(has, ledger.Attr(a)) {
			fresh = append(fresh, ledger.Attr(a))
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	_, err = c.d.propose(ctx, &ledger.Edit{Job: id, Attrs: fresh})
	return err
}

// arrival is a worker that introduces itself, as the dispatcher is asked to take it in.
type arrival struct {
	k     *connection
	hello *wire.Hello
	err   error
	done  chan struct{}
}

func (c *connections) hello(ctx context.Context, k *connection, h *wire.Hello) error {
	switch {
	case h.Version != wire.Version:
		return grid.Errorf(grid.Invalid, "worker %s speaks version %d of the contract; this schedd speaks %d", h.Worker, h.Version, wire.Version)
	case h.Worker == "" || len(h.Worker) > 255 || h.Boot == "" || h.Session == "":
		return grid.Errorf(grid.Invalid, "a worker without a name, a boot id or a session")
	case h.Term > c.d.ledger.View().Term:
		return grid.Errorf(grid.Refused, "worker %s has served term %d of this schedd, and the queue is at %d: was an old copy of it restored?", h.Worker, h.Term, c.d.ledger.View().Term)
	}
	if k.proven {
		if err := c.d.revoked(h.Worker); err != nil {
			return err
		}
	}
	k.name, k.session = h.Worker, h.Session
	k.log = c.d.log.WithField("worker", h.Worker)
	a := &arrival{k: k, hello: h, done: make(chan struct{})}
	select {
	case c.d.dispatch.hellos <- a:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	<-a.done
	return a.err
}

// join makes k the worker's connection. An older one of the same worker ends: of two
// that claim to be one, the one that came last is believed.
func (c *connections) join(k *connection) {
	c.mu.Lock()
	old := c.by[k.id]
	c.by[k.id] = k
	c.mu.Unlock()
	if old != nil {
		old.end(grid.Errorf(grid.Conflict, "worker %s has connected again", k.name))
	}
}

func (c *connections) leave(k *connection) {
	defer close(k.gone)
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.id != 0 && c.by[k.id] == k {
		delete(c.by, k.id)
		c.d.pool.Disconnect(k.id, time.Now())
		if w, ok := c.d.pool.Worker(k.id); ok && w.Info.Claim != 0 {
			c.d.claims.poke(w.Info.Claim) // its machine waits for it only so long
		}
	}
}

func (c *connections) get(worker uint32) *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by[worker]
}

// session reports whether a worker's agent of that session is connected.
func (c *connections) session(worker uint32, session string) bool {
	k := c.get(worker)
	return k != nil && k.session == session
}

func (c *connections) give(worker uint32, o order) {
	k := c.get(worker)
	if k == nil {
		return
	}
	select {
	case k.orders <- o:
	default:
		// Thousands of orders that nobody carries out: begin anew.
		k.end(grid.Errorf(grid.Unavailable, "worker %s takes no orders", k.name))
	}
}

func (c *connections) start(worker uint32, job grid.JobID, epoch uint32) {
	c.give(worker, order{kind: orderStart, job: job, epoch: epoch})
}

// end tells a worker to end an attempt that its job does not want any more, or that is to
// be vacated; nothing for one that is wanted.
func (c *connections) end(worker uint32, job grid.JobID, epoch uint32, j *ledger.Job, g *ledger.Gang) {
	if kind, why := endedBy(j, g); why != "" {
		c.give(worker, order{kind: kind, job: job, epoch: epoch, why: why})
	}
}

// endedBy is how and why an attempt is to end, or what is left of the nodes of one; no why:
// it is not.
func endedBy(j *ledger.Job, g *ledger.Gang) (kind orderKind, why string) {
	switch {
	case j.Status == grid.Held || j.Status == grid.Removed:
		return orderKill, "the job was " + j.Status.String()
	case j.Flags&ledger.VacateFast != 0:
		return orderKillFast, "it was vacated"
	case j.Flags&ledger.Vacating != 0:
		return orderKill, "it was vacated"
	case g != nil && g.Over.Kind != ledger.TakeOver:
		return orderKill, "the job needs all of its nodes: " + g.Over.Reason
	case g != nil && j.Status == grid.TransferringOutput:
		return orderKill, "node 0 has exited"
	}
	return 0, ""
}

// suspend tells a worker whether an attempt is to stand still.
func (c *connections) suspend(worker uint32, job grid.JobID, epoch uint32, j *ledger.Job) {
	kind := orderContinue
	if j.Status == grid.Suspended {
		kind = orderSuspend
	}
	c.give(worker, order{kind: kind, job: job, epoch: epoch})
}

func (c *connections) forget(worker uint32, job grid.JobID, epoch uint32) {
	c.give(worker, order{kind: orderForget, job: job, epoch: epoch})
}

// quit ends the agent of a machine of ours, and with it the guest.
func (c *connections) quit(worker uint32) { c.give(worker, order{kind: orderQuit}) }

// send carries orders to the worker. What a start needs is read here, so that reading
// ads holds up nobody else.
func (c *connections) send(ctx context.Context, k *connection) {
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-k.orders:
			if err := c.carry(ctx, k, o); err != nil {
				k.end(err)
				return
			}
		}
	}
}

func (c *connections) carry(ctx context.Context, k *connection, o order) error {
	term := c.d.ledger.View().Term
	switch o.kind {
	case orderStart:
		s, err := c.d.startOf(k.id, o.job, o.epoch)
		if err != nil {
			code := grid.HoldNoProcess
			if errors.Is(err, errCron) {
				code = grid.HoldCron
			}
			c.d.reports.add(ctx, report{AttemptReport: ledger.AttemptReport{
				Job: o.job, Epoch: o.epoch, Kind: ledger.Failed, HoldCode: code, Reason: grid.MessageOf(err),
			}})
			return nil
		}
		if s == nil {
			return nil // it is not to start any more
		}
		if s.Nodes == 0 && c.d.skips(ctx, o.job) {
			c.d.reports.add(ctx, report{AttemptReport: ledger.AttemptReport{
				Job: o.job, Epoch: o.epoch, Kind: ledger.Skipped, Reason: "its outputs are newer than its inputs",
			}})
			return nil
		}
		s.Term = term
		failpoint.Hit("worker.order.before")
		err = k.stream.Send(wire.Message{Start: s})
		failpoint.Hit("worker.order.after")
		return err
	case orderKill, orderKillFast:
		return k.stream.Send(wire.Message{Kill: &wire.Kill{Term: term, Job: o.job, Epoch: o.epoch, Fast: o.kind == orderKillFast, Reason: o.why}})
	case orderSuspend, orderContinue:
		return k.stream.Send(wire.Message{Suspend: &wire.Suspend{Term: term, Job: o.job, Epoch: o.epoch, On: o.kind == orderSuspend}})
	case orderQuit:
		return k.stream.Send(wire.Message{Quit: &wire.Quit{Term: term, PowerOff: true}})
	case orderForget:
		return k.stream.Send(wire.Message{Forget: &wire.Forget{Term: term, Job: o.job, Epoch: o.epoch}})
	}
	return nil
}

// slotOf names the slot that a job, or a node of one, was given, for its execute event.
func (d *Daemon) slotOf(id grid.JobID, epoch, number uint32, worker string) string {
	v := d.ledger.View()
	if _, n, ok := v.OnSlot(id, epoch, number); ok && n != nil {
		return slotName(int(n.Slot), worker)
	}
	job, err := d.ads.Job(v, id)
	if err != nil {
		return worker
	}
	return job.Text("RemoteHost")
}

// report takes what a worker says of an attempt. A final report is answered with
// Forget once the ledger has it, or once it is known not to count.
func (c *connections) report(ctx context.Context, k *connection, w *wire.Report) {
	if w.Kind == wire.Failed && w.Staged != nil {
		// What there is of the outputs goes into place, then the job is held.
		c.d.take.begin(takeover{job: w.Job, epoch: w.Epoch, worker: k.id, sha256: w.Staged.SHA256, failed: w})
		return
	}
	where := ""
	if w.Kind == wire.Started {
		where = c.d.slotOf(w.Job, w.Epoch, k.id, k.name)
	}
	a, ok := fromWorker(w, where)
	if !ok {
		return
	}
	final := w.Kind.Final()
	c.d.reports.add(ctx, report{AttemptReport: a, done: func(counted bool) {
		switch {
		case counted && a.Verdict == ledger.TakeOver && a.Kind == ledger.Ended:
			c.d.take.begin(takeover{job: a.Job, epoch: a.Epoch, worker: k.id, sha256: w.Staged.SHA256})
		case final:
			c.forget(k.id, a.Job, a.Epoch)
		case !counted:
			c.give(k.id, order{kind: orderKillFast, job: a.Job, epoch: a.Epoch, why: "it is not the job's attempt any more"})
		}
	}})
}
