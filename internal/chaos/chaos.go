package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/pause"
	"gridburst/internal/rig"
)

// Options say how a run goes. The zero value of each means what is named here.
type Options struct {
	Dir    string // the sandbox; what an earlier run left in it goes
	Bin    string // programs built with the tag failpoints; empty: they are built
	Tags   []string
	Seed   uint64
	Jobs   int           // at least so many; 0: 500
	Kills  int           // at least so many; 0: 60
	Points []string      // only these failpoints, again and again; none: each once
	Pause  time.Duration // between faults; 0: 300 ms
	Limit  time.Duration // of the faults; 0: 10 min
	Drain  time.Duration // of what comes after the last fault; 0: 5 min
	NoVMs  bool          // the pool alone, without an engine
	Paper  bool          // machines have no guests: they come to nothing, and must go
	Log    io.Writer

	only  []shape // of submissions; none: all
	ahead int     // jobs that wait or run at one time; 0: 60
}

func (o *Options) complete() {
	o.Log = &journal{w: o.Log}
	if o.ahead == 0 {
		o.ahead = 60
	}
	if o.Jobs == 0 {
		o.Jobs = 500
	}
	if o.Kills == 0 {
		o.Kills = 60
	}
	if o.Pause == 0 {
		o.Pause = 300 * time.Millisecond
	}
	if o.Limit == 0 {
		o.Limit = 10 * time.Minute
	}
	if o.Drain == 0 {
		o.Drain = 5 * time.Minute
	}
}

// run is one run.
type run struct {
	Options
	rig     *rig.Rig
	house   *house
	witness *Witness
	client  *Client
	load    *load
	killer  *killer
	meddler *meddler
	late    *lateWorker
	flows   *workflows
	comers  *newcomers
	engine  *engine // nil without machines
}

// Run makes a run and judges it. The error is of the run itself: what the judge found
// is in the report.
func Run(ctx context.Context, o Options) (rep *Report, err error) {
	o.complete()
	r := &run{Options: o}
	if r.rig, err = rig.Fresh(ctx, o.Dir, o.Bin, append([]string{"failpoints"}, o.Tags...), r.programs()...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer func() {
		cancel(nil)
		err = errors.Join(err, r.rig.Close(20*time.Second))
		if r.house != nil {
			r.house.wg.Wait()
		}
		if r.witness != nil {
			r.witness.Close()
		}
	}()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	wg.Go(func() { r.late.run(ctx) })
	wg.Go(func() { r.rig.Tidy(ctx) })
	begun := time.Now()
	if err := r.storm(ctx); err != nil {
		return nil, err
	}
	calm := time.Now()
	fmt.Fprintf(r.Log, "the last fault was after %s\n", calm.Sub(begun).Round(time.Second))
	if err := r.house.disarm(); err != nil {
		return nil, err
	}
	stuck := r.drain(ctx)
	fmt.Fprintf(r.Log, "all was quiet after %s more\n", time.Since(calm).Round(time.Second))
	return r.judge(ctx, stuck)
}

func (r *run) programs() []string {
	p := []string{"gschedd", "gworker", "gdag", "gadm"}
	if !r.NoVMs {
		p = append(p, "ovirtsim", "ovirt_gahp")
	}
	return p
}

// open starts everything.
func (r *run) open(ctx context.Context) (err error) {
	if r.house, err = newHouse(r.rig); err != nil {
		return err
	}
	if r.witness, err = NewWitness(); err != nil {
		return err
	}
	if r.load, err = newLoad(filepath.Join(r.rig.Dir, "jobs"), r.witness.Port(), r.Seed); err != nil {
		return err
	}
	if r.client, err = newClient(r.house.schedd, filepath.Join(r.rig.Dir, "client.ledger")); err != nil {
		return err
	}
	r.load.only = r.only
	r.late = &lateWorker{house: r.house}
	if !r.NoVMs {
		if err := r.openEngine(ctx); err != nil {
			return err
		}
	}
	if r.flows, err = newWorkflows(r); err != nil {
		return err
	}
	// The port is one that was free a moment ago.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.comers = &newcomers{run: r, addr: l.Addr().String()}
	l.Close()
	config, err := r.config()
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.house.config, []byte(config), 0o644); err != nil {
		return err
	}
	if err := r.house.keep(ctx, "gschedd", r.house.startSchedd); err != nil {
		return err
	}
	for _, w := range []string{"worker1", "worker2"} {
		if err := r.house.keep(ctx, w, r.house.startWorker(w, 2)); err != nil {
			return err
		}
	}
	r.killer = &killer{house: r.house, rand: rand.New(rand.NewPCG(r.Seed, 2)), log: r.Log, pause: r.Pause, again: len(r.Points) > 0}
	for _, p := range failpoint.Points {
		if p.Test == "" && r.reachable(p) && (len(r.Points) == 0 || slices.Contains(r.Points, p.Name)) {
			r.killer.points = append(r.killer.points, p)
		}
	}
	r.meddler = &meddler{run: r, rand: rand.New(rand.NewPCG(r.Seed, 4)), removed: map[string]removal{}}
	r.killer.rand.Shuffle(len(r.killer.points), func(i, j int) {
		p := r.killer.points
		p[i], p[j] = p[j], p[i]
	})
	return nil
}

// config is the schedd's.
func (r *run) config() (string, error) {
	c := fmt.Sprintf("schedd {\n  name         = \"chaos\"\n  worker_lease = \"10s\"\n  lease_margin = \"3s\"\n  sweep        = %q\n  listen       = %q\n  names        = [\"127.0.0.1\"]\n  event_log {\n    path          = %q\n    max_size      = \"16KiB\"\n    max_rotations = 100000\n  }\n}\n",
		sweepEvery, r.comers.addr, r.eventLog())
	if r.engine != nil {
		c += r.engine.config(r.comers.addr)
	}
	cron, err := r.flows.cron()
	return c + cron, err
}

// eventLog is the log of all jobs; small files make many rotations.
func (r *run) eventLog() string { return filepath.Join(r.house.rig.Dir, "EventLog") }

// sweepEvery is how often the schedd looks for machines without a claim.
const sweepEvery = 2 * time.Second

// storm hands in jobs and makes faults, until both have been enough.
func (r *run) storm(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	faults := make(chan struct{})
	var failed error
	aside, stop := context.WithCancel(ctx)
	defer stop()
	wg.Go(func() { r.flows.diamonds(aside) })
	wg.Go(func() { r.comers.do(aside) })
	wg.Go(func() { r.meddler.do(aside, ctx) })
	if r.engine != nil {
		wg.Go(func() { r.engine.haunt(aside) })
	}
	wg.Go(func() {
		defer close(faults)
		limited, end := context.WithTimeout(ctx, r.Limit)
		defer end()
		err := r.killer.run(limited, r.Kills)
		if err != nil && limited.Err() == nil {
			failed = err
			cancel(err)
		}
	})
	errs := make(chan error, 4)
	next := make(chan submission)
	for range cap(errs) {
		wg.Go(func() {
			for s := range next {
				if err := r.client.handIn(ctx, s); err != nil {
					cancel(err)
					errs <- err
					return
				}
			}
			errs <- nil
		})
	}
	err := r.feed(ctx, next, faults)
	close(next)
	stop()
	wg.Wait()
	for range cap(errs) {
		err = errors.Join(err, <-errs)
	}
	return errors.Join(err, failed)
}

// feed makes submissions, so many that there is always something to do, until there
// were enough and no more faults come. When jobs pile up and nothing goes on after the
// last fault, it is for the drain to say so.
func (r *run) feed(ctx context.Context, next chan<- submission, faults <-chan struct{}) error {
	made := 0
	over := false
	var enough <-chan time.Time
	for !over || made < r.Jobs {
		select {
		case <-faults:
			if !over {
				over, enough = true, time.After(r.Drain)
			}
		default:
		}
		select {
		case <-enough:
			return nil
		default:
		}
		if t, err := r.house.schedd.Totals(ctx); err != nil || t.All.Total() > r.ahead {
			if err := pause.For(ctx, 50*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		s, err := r.load.next()
		if err != nil {
			return err
		}
		select {
		case next <- s:
			made += s.Jobs
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// drain waits until nothing is in the queue, and no machine of ours at the engine. The
// text says what would not go.
func (r *run) drain(ctx context.Context) (stuck string) {
	ctx, cancel := context.WithTimeout(ctx, r.Drain)
	defer cancel()
	for {
		left := r.left(ctx)
		if left == "" {
			return ""
		}
		if pause.For(ctx, 100*time.Millisecond) != nil {
			return left
		}
	}
}

func (r *run) left(ctx context.Context) string {
	t, err := r.house.schedd.Totals(ctx)
	if err != nil {
		return "the schedd does not answer: " + err.Error()
	}
	if n := t.All.Total(); n > 0 {
		return fmt.Sprintf("%d jobs are in the queue: %+v", n, t.All)
	}
	if busy := r.flows.busy(ctx); busy != "" {
		return busy
	}
	if r.engine != nil {
		return r.engine.left()
	}
	return ""
}

// reachable reports whether this run's load can come by the point.
func (r *run) reachable(p failpoint.Point) bool {
	return r.engine != nil || !slices.ContainsFunc([]string{"claim.", "sweep.", "gahp."}, func(prefix string) bool { return strings.HasPrefix(p.Name, prefix) })
}
