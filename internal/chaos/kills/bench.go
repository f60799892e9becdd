package kills

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/schedd/api"
)

const (
	rigPatience  = 20 * time.Second
	tries        = 4                // until somebody dies at a point
	diePatience  = 3 * time.Second  // of one try: event logs are marked every two seconds
	logPatience  = 20 * time.Second // for logs to be complete
	lookPatience = time.Minute      // for an answer of a schedd that nobody kills
)

// bench is one case: a point, and a work that comes by it.
type bench struct {
	rig     *rig.Rig
	row     *Row
	name    string // of its directory below the rig's
	dir     string
	armed   string   // the directory of armed points
	set     bool     // the point is armed
	fell    bool     // somebody died at it when it was, last
	args    []string // of the schedd
	rand    *rand.Rand
	clients []*client // the first does the work
	schedd  *rig.Schedd
	api     *api.Client
	log     io.Writer
}

func newBench(r *rig.Rig, row *Row, n int, o Options) *bench {
	b := &bench{rig: r, row: row, name: fmt.Sprintf("case%d", n), rand: rand.New(rand.NewPCG(o.Seed, uint64(n))), log: o.Log}
	b.dir = filepath.Join(r.Dir, b.name)
	b.armed = filepath.Join(b.dir, "armed")
	b.api = api.NewClient(filepath.Join(b.dir, "schedd.sock"))
	if row.Work == failpoint.Rotate {
		b.args = []string{"--config", filepath.Join(b.dir, "config.hcl")}
	}
	for i := range 3 {
		name := fmt.Sprintf("client%d", i)
		log := filepath.Join(b.dir, name+".log")
		b.clients = append(b.clients, &client{
			name: name, log: log, copied: log, schedd: b.api, rand: rand.New(rand.NewPCG(b.rand.Uint64(), 1)), works: common,
		})
	}
	if b.sweeps() {
		for _, c := range b.clients[1:] {
			c.works = []failpoint.Work{failpoint.Submit} // what everything is removed of
		}
	}
	return b
}

// run makes so many rounds and a last look. It ends early when something is wrong: what
// there is to see should not be buried.
func (b *bench) run(ctx context.Context, rounds int) error {
	if err := os.MkdirAll(b.armed, 0o755); err != nil {
		return err
	}
	if err := b.configure(); err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	defer func() { b.schedd.Stop(rigPatience) }()
	for range rounds {
		if err := b.round(ctx); err != nil {
			return err
		}
		if len(b.row.Wrong) > 0 {
			return nil
		}
	}
	return b.last(ctx)
}

// env arms a program that is started.
func (b *bench) env() []string { return []string{"GRIDBURST_FAILPOINT_DIR=" + b.armed} }

func (b *bench) start(ctx context.Context) (err error) {
	b.schedd, err = b.rig.Schedd(ctx, b.name, b.env(), b.args...)
	return err
}

func (b *bench) armFile() string { return filepath.Join(b.armed, b.row.Point) }

// arm makes the next process that comes by the point die there.
func (b *bench) arm() error {
	b.set, b.fell = true, false
	return os.WriteFile(b.armFile(), nil, 0o644)
}

// died reports whether somebody has.
func (b *bench) died() bool {
	if b.set {
		_, err := os.Lstat(b.armFile())
		return os.IsNotExist(err)
	}
	return b.fell
}

// disarm takes the point back, and reports whether somebody has died at it.
func (b *bench) disarm() bool {
	if b.set {
		b.set, b.fell = false, os.IsNotExist(os.Remove(b.armFile()))
	}
	return b.fell
}

// round kills once, looks, and asks again for what was not acknowledged.
func (b *bench) round(ctx context.Context) error {
	b.row.Rounds++
	b.fell = false
	var err error
	switch b.row.Work {
	case failpoint.Start:
		err = b.killStart(ctx)
	case failpoint.Backup, failpoint.Restore:
		err = b.killCopy(ctx)
	case failpoint.Compact:
		err = b.killCompact(ctx)
	default:
		err = b.killWork(ctx)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	if err := b.look(ctx); err != nil || len(b.row.Wrong) > 0 {
		return err
	}
	for _, c := range b.clients {
		if c.pending == nil {
			continue
		}
		if err := c.ask(ctx, c.pending); err != nil && ctx.Err() != nil {
			return fmt.Errorf("asking again: %w", err)
		}
	}
	return b.look(ctx)
}

// busy has the clients but the first ask for things until the function that it gives is
// called, or the schedd dies. Requests do not outlive the schedd that they were made to.
func (b *bench) busy(ctx context.Context) (asking context.Context, stop func()) {
	asking, cut := context.WithCancel(ctx)
	var wg sync.WaitGroup
	over := make(chan struct{})
	done := b.schedd.Done()
	go func() {
		select {
		case <-done:
			cut()
		case <-asking.Done():
		}
	}()
	for _, c := range b.clients[1:] {
		wg.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if c.any(asking) != nil {
					return
				}
				b.pace(asking)
			}
		})
	}
	return asking, func() {
		close(over)
		wg.Wait()
		cut()
	}
}

// pace keeps a case small: a few hundred clusters are enough to look at.
func (b *bench) pace(ctx context.Context) { _ = pause.For(ctx, 5*time.Millisecond) }

// killWork arms the point when the first client is about to do the work.
func (b *bench) killWork(ctx context.Context) error {
	asking, stop := b.busy(ctx)
	err := b.provoke(asking)
	stop()
	if err != nil && ctx.Err() != nil {
		return err
	}
	return b.revive(ctx)
}

func (b *bench) provoke(ctx context.Context) error {
	c := b.clients[0]
	for range b.rand.IntN(3) {
		if err := c.any(ctx); err != nil {
			return err
		}
	}
	for range tries {
		s, err := c.prepare(ctx, b.row.Work)
		if err != nil {
			return err
		}
		if err := b.askFor(ctx, s); err != nil {
			return err
		}
		for begun := time.Now(); !b.died() && time.Since(begun) < diePatience; {
			if err := pause.For(ctx, 2*time.Millisecond); err != nil {
				return err
			}
		}
		if b.disarm() {
			return nil
		}
	}
	return nil
}

// askFor has the first client ask for a step, and arms the point: before that, or, of what
// goes on when the step is acknowledged, after it.
func (b *bench) askFor(ctx context.Context, s *step) error {
	c := b.clients[0]
	if b.row.Work == failpoint.Clear {
		if err := c.ask(ctx, s); err != nil {
			return err
		}
		return b.arm()
	}
	if err := b.arm(); err != nil {
		return err
	}
	if b.row.Work == failpoint.Turned {
		if err := c.turn(); err != nil {
			return err
		}
	}
	return c.ask(ctx, s)
}

// revive starts the schedd again if it has died, and counts the death. Where nobody
// died, the point is taken back.
func (b *bench) revive(ctx context.Context) error {
	if !b.disarm() {
		return nil
	}
	b.row.Killed++
	if b.row.Of != failpoint.Schedd || b.row.Work == failpoint.Restore {
		return nil // it is not this schedd that has died
	}
	<-b.schedd.Done()
	if err := b.schedd.Ended(); !rig.Killed(err) {
		b.row.wrong("gschedd ended, and nobody killed it: %v", err)
	}
	if b.row.Work == failpoint.Turned && b.rand.IntN(2) == 0 {
		if err := b.clients[0].turn(); err != nil {
			return err
		}
	}
	return b.start(ctx)
}

// killStart kills the schedd, and then its next start.
func (b *bench) killStart(ctx context.Context) error {
	asking, stop := b.busy(ctx)
	err := b.clients[0].any(asking)
	b.schedd.Kill()
	<-b.schedd.Done()
	stop()
	if err != nil && ctx.Err() != nil {
		return err
	}
	if err := b.arm(); err != nil {
		return err
	}
	if err := b.start(ctx); err == nil {
		return b.revive(ctx) // nobody died
	}
	return b.revive(ctx)
}

// look compares what is there with what the clients know.
func (b *bench) look(ctx context.Context) error {
	there, err := b.settledList(ctx)
	if err != nil {
		return err
	}
	v := judge(b.clients, there)
	for _, c := range b.clients {
		if err := c.judgeSubmits(&v); err != nil {
			return err
		}
	}
	b.tell(v)
	return nil
}

func (b *bench) tell(v Verdict) {
	for _, w := range v.Wrong {
		fmt.Fprintf(b.log, "%s, %s during %s: %s\n", b.name, b.row.Point, b.row.Work, w)
	}
	b.row.add(v)
}

// last waits until the logs are complete, and has the queue proven.
func (b *bench) last(ctx context.Context) error {
	if b.row.Work == failpoint.Rotate {
		if err := b.fill(ctx); err != nil {
			return err
		}
	}
	for _, c := range b.clients {
		for _, k := range c.clusters {
			for _, n := range k.events {
				b.row.Acked += n
			}
		}
		v, err := c.settled(ctx, func() error { return nil })
		if err != nil {
			return err
		}
		b.tell(v)
	}
	if b.row.Work == failpoint.Rotate {
		v, err := complete(ctx, b.judgeRotated)
		if err != nil {
			return err
		}
		b.tell(v)
	}
	if broken, err := filepath.Glob(filepath.Join(b.dir, "spool", ".*")); err != nil || len(broken) > 0 {
		b.tell(Verdict{Wrong: []string{fmt.Sprintf("files that are not whole lie about: %q", broken)}})
	}
	if out, err := b.gadm(ctx, "verify"); err != nil {
		b.tell(Verdict{Wrong: []string{fmt.Sprintf("gadm verify: %v: %s", err, out)}})
	}
	return nil
}

// gadm runs gadm against the case's schedd.
func (b *bench) gadm(ctx context.Context, args ...string) ([]byte, error) {
	env := append(b.env(), "GRIDBURST_SCHEDD="+b.dir)
	return b.rig.Run(ctx, env, append([]string{filepath.Join(b.rig.Bin, "gadm")}, args...)...)
}
