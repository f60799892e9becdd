package schedd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/pki"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/pool"
	"gridburst/schedd/serve"
)

// Daemon is a schedd.
type Daemon struct {
	c    Config                 // as it was at the start; what may change is asked of config
	live atomic.Pointer[Config] // that is in force
	log  logrus.FieldLogger
	self uint32 // the user that it runs as
	born time.Time

	ledger   *ledger.Ledger
	ads      *jobad.Ads
	desks    *desk.Desks
	pool     *pool.Pool
	ca       *pki.CA
	reports  *reports
	logs     *logs
	conns    *connections
	take     *takeovers
	saved    *checkpoints
	secrets  *pki.Secrets
	engines  *engines
	claims   *claims
	vms      *vmJobs
	sites    *sites
	routings *routings
	chooser  *chooser
	dags     *dags
	crons    *crons
	intake   *intake
	reload   reloads
	joins    *rate.Limiter // of workers that want a certificate

	foresight *foresight

	dispatch dispatcher
	trouble  trouble
	strays   strays
	verified atomic.Pointer[api.Verified] // the last proof of the queue
}

// New makes a daemon. Run does everything.
func New(c Config, log logrus.FieldLogger) (*Daemon, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	c.enters()
	d := &Daemon{c: c, log: log, self: uint32(os.Geteuid())}
	d.live.Store(&d.c)
	return d, nil
}

// config is the configuration that is in force. Whoever has it may keep it: it does not
// change, another takes its place.
func (d *Daemon) config() *Config {
	if c := d.live.Load(); c != nil {
		return c
	}
	return &d.c
}

// personal reports whether the daemon can act for nobody but its own user.
func (d *Daemon) personal() bool { return d.self != 0 }

func (d *Daemon) now() int64 { return time.Now().UnixMilli() }

// SpoolName is the directory of the ledger within a schedd's directory.
const SpoolName = "spool"

// spool is where the ledger lies.
func (d *Daemon) spool() string { return filepath.Join(d.c.Dir, SpoolName) }

// Run is the daemon's life: it returns nil when ctx has ended and all is quiet, or
// why it cannot go on. ready is called once the queue answers.
func (d *Daemon) Run(ctx context.Context, ready func()) error {
	unix.Umask(0o022)
	if err := d.open(); err != nil {
		return err
	}
	defer d.ledger.Close()
	failpoint.Hit("daemon.opened")
	listener, err := d.listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	var port net.Listener
	if d.c.Listen != "" {
		if port, err = net.Listen("tcp", d.c.Listen); err != nil {
			return grid.Errorf(grid.Refused, "listen for workers: %w", err)
		}
		defer port.Close()
		d.conns.address.Store(port.Addr().String())
	}

	var monitor net.Listener
	if d.c.Metrics != "" {
		if monitor, err = net.Listen("tcp", d.c.Metrics); err != nil {
			return grid.Errorf(grid.Refused, "listen for metrics: %w", err)
		}
		defer monitor.Close()
		d.log.WithField("address", monitor.Addr().String()).Info("metrics are served")
	}

	asked := ctx
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(asked))
	defer cancel(nil)
	stop := context.AfterFunc(asked, func() {
		d.conns.dismissLocal()
		cancel(context.Cause(asked))
	})
	defer stop()
	var wg sync.WaitGroup
	// A part that ends by itself ends the daemon.
	part := func(name string, run func(context.Context) error) {
		wg.Go(func() {
			err := run(ctx)
			if err != nil && ctx.Err() == nil {
				d.log.WithError(err).WithField("part", name).Error("part failed")
			}
			cancel(err)
		})
	}
	// The ledger outlives the rest, so that everybody's last words are kept.
	ledgerCtx, ledgerEnd := context.WithCancel(context.Background())
	var ledgerDone sync.WaitGroup
	ledgerDone.Go(func() {
		if err := d.ledger.Run(ledgerCtx); err != nil {
			cancel(err)
		}
	})
	defer func() {
		ledgerEnd()
		ledgerDone.Wait()
	}()
	failpoint.Hit("daemon.listening")
	if err := d.begin(ctx); err != nil {
		return err
	}
	failpoint.Hit("daemon.begun")
	d.remember()
	part("dispatch", d.dispatch.run)
	part("reports", d.reports.run)
	part("logs", d.logs.run)
	part("leases", d.watchLeases)
	part("takeovers", d.take.run)
	part("checkpoints", d.saved.run)
	part("housekeeping", d.keep)
	part("memory", d.trim)
	part("policies", newPolicies(d).run)
	part("removals", d.clear)
	part("factories", d.materialize)
	if len(d.c.Verifier) > 0 {
		part("verify", d.verify)
	}
	part("claims", d.claims.run)
	part("vm jobs", d.vms.run)
	part("routings", d.routings.run)
	part("throttles", d.chooser.keep)
	part("dags", d.dags.run)
	part("crons", d.crons.run)
	part("sweep", d.sweep)
	part("http", func(ctx context.Context) error { return d.serve(ctx, listener) })
	if port != nil {
		part("tls", func(ctx context.Context) error { return d.serveTLS(ctx, port) })
	}
	if len(d.c.Sendmail) > 0 {
		m := newMails(d)
		part("mails", m.run)
		part("sendmail", m.send)
	}
	if monitor != nil {
		part("metrics", func(ctx context.Context) error { return d.serveMetrics(ctx, monitor) })
	}
	if ready != nil {
		ready()
	}
	d.log.WithFields(logrus.Fields{"socket": d.c.Socket, "index": d.ledger.View().Index, "term": d.ledger.View().Term}).Info("schedd is ready")
	<-ctx.Done()
	wg.Wait()
	d.sites.end()
	d.engines.close()
	d.desks.Close()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (d *Daemon) open() error {
	for _, dir := range []string{d.c.Dir, d.spool()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return grid.Errorf(grid.Invalid, "make the directory: %w", err)
		}
	}
	if err := os.Chmod(d.spool(), 0o700); err != nil {
		return err
	}
	var err error
	if d.ledger, err = ledger.Open(d.spool(), ledger.Options{Reserve: d.c.Reserve, Committed: d.c.Telemetry.Committed}); err != nil {
		return err
	}
	for _, bad := range d.ledger.Damage() {
		d.trouble.add("the queue file is damaged: " + bad.String())
		d.log.WithField("record", bad.String()).Error("damaged record is left out")
	}
	if d.ca, err = pki.Open(d.c.Dir); err != nil {
		d.ledger.Close()
		return err
	}
	if d.secrets, err = pki.OpenSecrets(d.c.Dir); err != nil {
		d.ledger.Close()
		return err
	}
	if d.saved, err = openCheckpoints(d); err != nil {
		d.ledger.Close()
		return err
	}
	d.born = time.Now()
	d.ads = &jobad.Ads{Machine: d.ledger.Machine, Domain: d.c.Domain, Name: d.c.Name}
	d.desks = desk.New(desk.Options{Log: d.log, Observe: d.c.Telemetry.Desk})
	d.pool = pool.New()
	d.conns = newConnections(d)
	d.reports = newReports(d)
	d.logs = newLogs(d)
	d.take = newTakeovers(d)
	d.engines = newEngines(d)
	d.claims = newClaims(d)
	d.vms = newVMJobs(d)
	d.sites = newSites(d)
	d.routings = newRoutings(d)
	d.chooser = newChooser(d)
	d.foresight = newForesight()
	d.dags = newDags(d)
	d.crons = newCrons(d)
	d.intake = newIntake(d)
	d.joins = rate.NewLimiter(20, 100)
	d.dispatch.init(d)
	d.c.Telemetry.Watch(d.state)
	return nil
}

// begin tells the ledger that a term begins.
func (d *Daemon) begin(ctx context.Context) error {
	var id [16]byte
	rand.Read(id[:])
	mark := filepath.Join(d.spool(), ledger.RestoredMark)
	_, err := os.Stat(mark)
	restored := err == nil
	if _, err := d.propose(ctx, &ledger.Begin{
		Deployment: hex.EncodeToString(id[:]), Host: d.c.Host, Version: d.c.Version, Restored: restored, Rules: ledger.Rules,
	}); err != nil {
		return err
	}
	if restored {
		d.log.Warn("the queue was restored from a backup")
		failpoint.Hit("daemon.restored")
		if err := errors.Join(d.restoreCrons(ctx), d.saved.beginAnew(ctx)); err != nil {
			return err // the mark is there still: the next start does it
		}
		now := time.Now()
		return errors.Join(os.Chtimes(mark, now, now), os.Rename(mark, filepath.Join(d.spool(), restoredLately)))
	}
	return nil
}

// propose is for the daemon's own commands.
func (d *Daemon) propose(ctx context.Context, b ledger.Body) (ledger.Result, error) {
	return d.ledger.Propose(ctx, ledger.Command{By: "schedd", At: d.now(), Body: b})
}

// listen opens the socket. The lock of the spool proves that a socket file that is
// there belongs to nobody.
func (d *Daemon) listen() (net.Listener, error) {
	if err := os.Remove(d.c.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, grid.Errorf(grid.Invalid, "remove the old socket: %w", err)
	}
	l, err := net.Listen("unix", d.c.Socket)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "listen: %w; a socket's path may have at most 107 bytes", err)
	}
	mode := os.FileMode(0o666)
	if d.personal() {
		mode = 0o600
	}
	if err := os.Chmod(d.c.Socket, mode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (d *Daemon) serve(ctx context.Context, l net.Listener) error {
	identifier := &serve.Identifier{Self: d.self, Personal: d.personal()}
	handler := serve.New(d, d.conns.handler(false), d.c.Version, d.c.MaxSubmission, d.log)
	return serveHTTP(ctx, l, d.c.Telemetry.Requests(handler), identifier.ConnContext)
}

// serveMetrics is the port for those who watch the schedd.
func (d *Daemon) serveMetrics(ctx context.Context, l net.Listener) error {
	return serveHTTP(ctx, l, serve.Monitor(d), nil)
}

// serveTLS is the port for workers: nothing but their contract is behind it.
func (d *Daemon) serveTLS(ctx context.Context, l net.Listener) error {
	return serveHTTP(ctx, tlsListener(l, d.ca.ServerConfig(d.c.Names...)), d.conns.handler(true), nil)
}

func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, conn func(context.Context, net.Conn) context.Context) error {
	s := &http.Server{
		Handler: h, ConnContext: conn,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() {
		// Streams end with ctx; what is short may still be answered.
		soon, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if s.Shutdown(soon) != nil {
			s.Close()
		}
	})
	defer stop()
	err := s.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// trouble is what an administrator should look at.
type trouble struct {
	mu   sync.Mutex
	list []string
}

func (t *trouble) add(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.list) < 20 {
		t.list = append(t.list, s)
	}
}

func (t *trouble) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.list...)
}
