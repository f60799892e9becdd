package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

// idle is what a queue of 100,000 clusters of one job costs: the memory that the schedd
// grew by, and the time from a start after a kill to the first answer to gq.
func (b *bench) idle(ctx context.Context) ([]Row, error) {
	s, err := b.schedd(ctx)
	if err != nil {
		return nil, err
	}
	size := Row{Name: "idle_job_bytes", Unit: "B", Less: true, Peer: number(2200), Bar: number(1500)}
	again := Row{Name: "restart_100k_s", Unit: "s", Less: true, Peer: number(6), Bar: number(3)}
	if err := b.grow(ctx, s, b.count(100_000), &size); err != nil {
		s.Stop(calm)
		return nil, err
	}
	s, err = b.restarts(ctx, s, &again)
	if err != nil {
		return nil, err
	}
	s.Stop(calm)
	return []Row{size, again}, nil
}

// grow fills the queue of a new schedd with clusters of one job, each with arguments of
// its own and one of 1,000 Requirements, and measures what each adds to its memory.
func (b *bench) grow(ctx context.Context, s *rig.Schedd, n int, r *Row) error {
	job, err := b.shapeOf(ctx, s, "executable = /bin/true\narguments = x\nrequirements = TARGET.Kind == 0\nqueue\n")
	if err != nil {
		return err
	}
	before, err := rested(ctx, s)
	if err != nil {
		return err
	}
	const together = 10 // submissions in one request: what is measured is the queue, not its way there
	_, _, err = b.swarm(ctx, s.Socket, 64, (n+together-1)/together, 0, func(_ int, c *api.Client) func(context.Context, int) error {
		return func(ctx context.Context, i int) error {
			var specs []submit.Spec
			for k := i * together; k < min((i+1)*together, n); k++ {
				specs = append(specs, job.with(
					text("Args", fmt.Sprintf("job number %d", k)),
					submit.Attr{Name: "Requirements", Expr: fmt.Sprintf("TARGET.Kind == %d && TARGET.Memory >= RequestMemory", k%1000)}))
			}
			return handIn(ctx, c, specs...)
		}
	})
	if err != nil {
		return err
	}
	after, err := rested(ctx, s)
	if err != nil {
		return err
	}
	r.Value = float64(after-before) * 1024 / float64(n)
	r.Runs = []float64{r.Value}
	r.Note = fmt.Sprintf("growth of RssAnon over %d jobs, 10 s idle; peer: HTCondor (Slurm: 6180)", n)
	return nil
}

// restarts kills a schedd and starts it again, several times, and gives the last.
func (b *bench) restarts(ctx context.Context, s *rig.Schedd, r *Row) (*rig.Schedd, error) {
	for range b.Runs {
		var err error
		begun := time.Now()
		if s, err = b.restart(ctx, s); err != nil {
			return nil, err
		}
		if _, err := b.rig.Run(ctx, nil, filepath.Join(b.rig.Bin, "gq"), "--schedd", s.Socket, "--totals"); err != nil {
			s.Stop(calm)
			return nil, err
		}
		r.Runs = append(r.Runs, time.Since(begun).Seconds())
	}
	r.Value = median(r.Runs)
	r.Note = "from a kill to the end of the first gq --totals; peer: HTCondor, 100,000 jobs"
	return s, nil
}

// restart kills a schedd and starts it again.
func (b *bench) restart(ctx context.Context, s *rig.Schedd) (*rig.Schedd, error) {
	s.Kill()
	<-s.Done()
	return b.rig.Schedd(ctx, filepath.Base(filepath.Dir(s.Socket)), nil, "--log-level", "warn")
}

// list is a table of 100,000 jobs of one cluster.
func (b *bench) list(ctx context.Context) ([]Row, error) {
	s, err := b.schedd(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Stop(calm)
	n := b.count(100_000)
	job, err := b.shapeOf(ctx, s, fmt.Sprintf("executable = /bin/true\narguments = $(Process)\nqueue %d\n", n))
	if err != nil {
		return nil, err
	}
	if err := handIn(ctx, s.Client(), job.with()); err != nil {
		return nil, err
	}
	r := Row{Name: "gq_list_100k_s", Unit: "s", Less: true, Peer: number(3.26)}
	r.Note = "gq, a row for each job; peer: condor_q -nobatch"
	for range b.Runs {
		begun := time.Now()
		if _, err := b.rig.Run(ctx, nil, filepath.Join(b.rig.Bin, "gq"), "--schedd", s.Socket); err != nil {
			return nil, err
		}
		r.Runs = append(r.Runs, time.Since(begun).Seconds())
	}
	r.Value = median(r.Runs)
	return []Row{r}, nil
}

// rested is the private memory of a schedd that has been left alone for 10 s.
func rested(ctx context.Context, s *rig.Schedd) (kib int64, err error) {
	if err := pause.For(ctx, 10*time.Second); err != nil {
		return 0, err
	}
	return rig.Status(s.PID, "RssAnon")
}
