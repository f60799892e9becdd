package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"gridburst/internal/rig"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

// gsubmitOne is the whole command, from its start to its end, for one job with a log.
func (b *bench) gsubmitOne(ctx context.Context) ([]Row, error) {
	limit, err := b.oneProcess(ctx)
	if err != nil {
		return nil, err
	}
	r := Row{Name: "gsubmit_one_ms", Unit: "ms", Less: true, Limit: &limit, Peer: number(6.5), Bar: number(8)}
	r.Note = "machine: a process that does nothing; peer: sbatch, which makes nothing durable (condor_submit: 29)"
	return b.gsubmit(ctx, r, "queue", b.count(100))
}

// submitMany is the whole command for one cluster of so many jobs, with a log.
func (b *bench) submitMany(ctx context.Context, name string, jobs int) ([]Row, error) {
	limit, err := b.oneProcess(ctx)
	if err != nil {
		return nil, err
	}
	n := b.count(jobs)
	r := Row{Name: name, Unit: "ms", Less: true, Limit: &limit, Peer: number(33), Bar: number(100)}
	r.Note = fmt.Sprintf("one gsubmit with queue %d; machine: a process that does nothing; peer: HTCondor, 10,000 that it makes later, not durable (10,000 that it makes at once: 3600; Slurm's array of 10,000: 7)", n)
	return b.gsubmit(ctx, r, fmt.Sprintf("queue %d", n), b.Runs)
}

// gsubmit times the command on a new schedd, for a job file with that queue statement.
func (b *bench) gsubmit(ctx context.Context, r Row, queue string, runs int) ([]Row, error) {
	s, err := b.schedd(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Stop(calm)
	dir, err := b.fresh("submit")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "job.sub")
	err = os.WriteFile(file, []byte("executable = /bin/true\narguments = $(Cluster) $(Process)\nlog = "+filepath.Join(dir, "job.log")+"\n"+queue+"\n"), 0o644)
	if err != nil {
		return nil, err
	}
	for i := range runs + 1 {
		begun := time.Now()
		if _, err := b.rig.Run(ctx, nil, filepath.Join(b.rig.Bin, "gsubmit"), "--schedd", s.Socket, file); err != nil {
			return nil, err
		}
		if i > 0 { // the first finds nothing warm
			r.Runs = append(r.Runs, millis(time.Since(begun)))
		}
	}
	r.Value = median(r.Runs)
	return []Row{r}, nil
}

// durable is what clients hand in, each on a connection of its own, waiting for one
// answer before the next: one job each, with a log and arguments of its own. An answer
// means that the job is on the disk and its log has its first event.
func (b *bench) durable(ctx context.Context, clients int) ([]Row, error) {
	r := Row{Name: fmt.Sprintf("durable_submits_%d_per_s", clients), Unit: "/s"}
	limit, err := b.rawBatches(clients, 700)
	if err != nil {
		return nil, err
	}
	r.Limit = &limit
	r.Note = fmt.Sprintf("machine: the bare storage library, %d records in a transaction", clients)
	if clients > 1 {
		r.Bar = number(6000)
	} else {
		r.Peer = number(240)
	}
	s, err := b.schedd(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Stop(calm)
	dir, err := b.fresh("logs")
	if err != nil {
		return nil, err
	}
	logged, err := b.shapeOf(ctx, s, "executable = /bin/true\narguments = x\nlog = x.log\nqueue\n")
	if err != nil {
		return nil, err
	}
	bare, err := b.shapeOf(ctx, s, "executable = /bin/true\narguments = x\nqueue\n")
	if err != nil {
		return nil, err
	}
	// The two take turns, so that a machine that drifts drifts under both.
	var without []float64
	total := 0
	theirs, err := rig.CPU(s.PID)
	if err != nil {
		return nil, err
	}
	ours, err := rig.CPU(os.Getpid())
	if err != nil {
		return nil, err
	}
	for i := range b.Runs + 1 {
		for _, log := range []bool{true, false} {
			n, took, err := b.swarm(ctx, s.Socket, clients, b.count(clients*1000), 3*time.Second, func(client int, api *api.Client) func(context.Context, int) error {
				path := text("UserLog", filepath.Join(dir, fmt.Sprintf("client%d.log", client)))
				return func(ctx context.Context, i int) error {
					args := text("Args", fmt.Sprintf("client %d job %d", client, i))
					if log {
						return handIn(ctx, api, logged.with(args, path))
					}
					return handIn(ctx, api, bare.with(args))
				}
			})
			if err != nil {
				return nil, err
			}
			total += n
			rate := float64(n) / took.Seconds()
			switch {
			case i == 0:
			case log:
				r.Runs = append(r.Runs, rate)
			default:
				without = append(without, rate)
			}
		}
	}
	r.Value = median(r.Runs)
	theirsNow, err := rig.CPU(s.PID)
	if err != nil {
		return nil, err
	}
	oursNow, err := rig.CPU(os.Getpid())
	if err != nil {
		return nil, err
	}
	r.Note += fmt.Sprintf("; without a log: %.0f; processor time of each: %.0f us in the schedd, %.0f in the clients",
		median(without), each(theirsNow-theirs, total), each(oursNow-ours, total))
	return []Row{r}, nil
}

// each is how many microseconds of a time one of n things took.
func each(d time.Duration, n int) float64 { return d.Seconds() * 1e6 / float64(max(n, 1)) }

func handIn(ctx context.Context, c *api.Client, specs ...submit.Spec) error {
	out, err := c.Submit(ctx, api.Submission{Specs: specs})
	if err == nil && len(out.Warnings) > 0 {
		return fmt.Errorf("a submit was accepted with a warning: %s", out.Warnings[0])
	}
	return err
}

// swarm lets clients work until most things are done or the time is over, and gives
// how many were done and how long it took.
func (b *bench) swarm(ctx context.Context, socket string, clients, most int, long time.Duration,
	begin func(client int, c *api.Client) func(context.Context, int) error,
) (int, time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var next, done atomic.Int64
	begun := time.Now()
	for n := range clients {
		wg.Go(func() {
			c := api.NewClient(socket)
			do := begin(n, c)
			for long == 0 || time.Since(begun) < long {
				i := int(next.Add(1)) - 1
				if i >= most || ctx.Err() != nil {
					return
				}
				if err := do(ctx, i); err != nil {
					cancel(err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return int(done.Load()), time.Since(begun), context.Cause(ctx)
}
