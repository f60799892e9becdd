package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/rig"
)

// House is the programs of a sandbox that is up.
type House struct {
	Dir    Dir
	Engine string // its URL

	rig  *rig.Rig
	stop context.CancelFunc // of keeping things up
	wg   sync.WaitGroup

	mu     sync.Mutex
	up     map[string]*rig.Process
	starts map[string]int
}

// WorkerName is the pool's worker, which has two slots' worth of this machine.
const WorkerName = "pool"

// Open starts the programs of bin in a sandbox that has been prepared and locked. It
// returns when the schedd answers; the worker comes when it comes.
func Open(ctx context.Context, d Dir, bin string) (*House, error) {
	r, err := rig.New(string(d), bin)
	if err != nil {
		return nil, err
	}
	kept, stop := context.WithCancel(context.WithoutCancel(ctx))
	h := &House{Dir: d, rig: r, stop: stop, up: map[string]*rig.Process{}, starts: map[string]int{}}
	h.wg.Go(func() { r.Tidy(kept) })
	if err := h.open(ctx, kept); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// open starts what is waited for under ctx, and kept up until kept ends.
func (h *House) open(ctx, kept context.Context) error {
	if err := h.keep(ctx, kept, "ovirtsim", h.startEngine); err != nil {
		return err
	}
	url, err := os.ReadFile(h.Dir.path("engine", "url"))
	if err != nil {
		return err
	}
	h.Engine = strings.TrimSpace(string(url))
	if err := h.Dir.Configure(h.Engine); err != nil {
		return err
	}
	if err := h.keep(ctx, kept, "gschedd", h.startSchedd); err != nil {
		return err
	}
	return h.keep(ctx, kept, "gworker", h.startWorker)
}

func (h *House) startEngine(ctx context.Context) (*rig.Process, error) {
	return h.rig.Engine(ctx, h.Dir.path("engine"), "--admin-socket", h.Dir.Admin())
}

func (h *House) startSchedd(ctx context.Context) (*rig.Process, error) {
	s, err := h.rig.Schedd(ctx, "schedd", nil, "--config", h.Dir.path("schedd.hcl"))
	if err != nil {
		return nil, err
	}
	return s.Process, nil
}

func (h *House) startWorker(context.Context) (*rig.Process, error) {
	return h.rig.Start("worker.log", nil, filepath.Join(h.rig.Bin, "gworker"), "--schedd", h.Dir.Socket(),
		"--state", h.Dir.path("worker"), "--name", WorkerName, "--cpus", "2", "--memory", "2GiB", "--disk", "8GiB")
}

// Back-off of a program that keeps dying. One that has been up for calm is forgiven.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
	calm      = 10 * time.Second
)

// keep starts a program and waits under ctx until it is up; from then on it is started
// again whenever it ends, until kept ends.
func (h *House) keep(ctx, kept context.Context, name string, start func(context.Context) (*rig.Process, error)) error {
	p, err := start(ctx)
	for rig.Killed(err) && ctx.Err() == nil {
		p, err = start(ctx) // somebody's kill, and no fault of its own
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return grid.Errorf(grid.Internal, "%s does not come up: %w; look into the logs in %s", name, err, h.Dir)
	}
	h.set(name, p)
	h.wg.Go(func() {
		wait, since := time.Duration(0), time.Now()
		for {
			select {
			case <-p.Done():
			case <-kept.Done():
				return
			}
			if time.Since(since) > calm {
				wait = 0
			}
			for {
				if pause.For(kept, wait) != nil {
					return
				}
				wait = min(max(2*wait, firstWait), lastWait)
				next, err := start(kept)
				if err == nil {
					p, since = next, time.Now()
					break
				}
			}
			h.set(name, p)
		}
	})
	return nil
}

func (h *House) set(name string, p *rig.Process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up[name] = p
	h.starts[name]++
}

// Restarts is how often programs of the house have been started again.
func (h *House) Restarts() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, starts := range h.starts {
		n += starts - 1
	}
	return n
}

// Keep has a house in the directory until ctx ends. What an earlier one has left there,
// jobs included, goes on.
func Keep(ctx context.Context, d Dir, bin string) error {
	lock, err := d.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := d.Prepare(bin); err != nil {
		return err
	}
	h, err := Open(ctx, d, bin)
	if err != nil {
		return err
	}
	if err = h.Announce(); err == nil {
		<-ctx.Done()
	}
	return errors.Join(err, d.Withdraw(), h.Close())
}

// Run runs one of the commands against this grid, in the directory work, and gives what
// it printed. An error may be an [exec.ExitError].
func (h *House) Run(ctx context.Context, work, command string, args ...string) ([]byte, error) {
	return h.rig.RunIn(ctx, work, []string{"GRIDBURST_SCHEDD=" + h.Dir.Socket()}, append([]string{filepath.Join(h.rig.Bin, command)}, args...)...)
}

// Patience with programs that are told to end.
const (
	stopWait = 5 * time.Second
	endWait  = 20 * time.Second
)

// Close ends all programs in order, and then whatever is left below this process.
func (h *House) Close() error {
	h.stop()
	h.wg.Wait()
	h.mu.Lock()
	up := h.up
	h.mu.Unlock()
	for _, name := range []string{"gworker", "gschedd", "ovirtsim"} {
		if p := up[name]; p != nil {
			p.Stop(stopWait)
		}
	}
	if err := h.rig.Close(endWait); err != nil {
		return fmt.Errorf("end what is left of the sandbox: %w", err)
	}
	return nil
}
