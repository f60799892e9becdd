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

// idle is what a queue of 100,000 clusters of one job costs, each with arguments of
// its own and one of 1,000 Requirements: the memory that the schedd grew by, and the
// time from a start after a kill to the first answer to gq.
func (b *bench) idle(ctx context.Context) ([]Row, error) {
	s, err := b.schedd(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { s.Stop(calm) }()
	job, err := b.shapeOf(ctx, s, "executable = /bin/true\narguments = x\nrequirements = TARGET.Kind == 0\nqueue\n")
	if err != nil {
		return nil, err
	}
	before, err := rested(ctx, s)
	if err != nil {
		return nil, err
	}
	n := b.count(100_000)
	done, _, err := b.swarm(ctx, s.Socket, 64, n, 0, func(_ int, c *api.Client) func(context.Context, int) error {
		return func(ctx context.Context, i int) error {
			return handIn(ctx, c, job.with(text("Args", fmt.Sprintf("job number %d", i)), submit.Attr{Name: "Requirements", Expr: fmt.Sprintf("TARGET.Kind == %d && TARGET.Memory >= RequestMemory", i%1000)}))
		}
	})
	if err != nil {
		return nil, err
	}
	after, err := rested(ctx, s)
	if err != nil {
		return nil, err
	}
	size := Row{Name: "idle_job_bytes", Unit: "B", Less: true, Peer: number(2200), Bar: number(1500)}
	size.Value = float64(after-before) * 1024 / float64(done)
	size.Runs = []float64{size.Value}
	size.Note = fmt.Sprintf("growth of RssAnon over %d jobs, 10 s idle; peer: HTCondor (Slurm: 6180)", done)

	again := Row{Name: "restart_100k_s", Unit: "s", Less: true, Peer: number(6), Bar: number(3)}
	again.Note = fmt.Sprintf("from the start after a kill to the end of the first gq --totals, %d jobs", done)
	for range b.Runs {
		s.Kill()
		<-s.Done()
		begun := time.Now()
		if s, err = b.rig.Schedd(ctx, filepath.Base(filepath.Dir(s.Socket)), nil, "--log-level", "warn"); err != nil {
			return nil, err
		}
		if _, err := b.rig.Run(ctx, nil, filepath.Join(b.rig.Bin, "gq"), "--schedd", s.Socket, "--totals"); err != nil {
			return nil, err
		}
		again.Runs = append(again.Runs, time.Since(begun).Seconds())
	}
	again.Value = median(again.Runs)
	return []Row{size, again}, nil
}

// rested is the private memory of a schedd that has been left alone for 10 s.
func rested(ctx context.Context, s *rig.Schedd) (kib int64, err error) {
	if err := pause.For(ctx, 10*time.Second); err != nil {
		return 0, err
	}
	return rig.Status(s.PID, "RssAnon")
}
