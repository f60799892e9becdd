package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/rig"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

// pool is a schedd with one worker of two slots, once that has come.
func (b *bench) pool(ctx context.Context) (*rig.Schedd, func(), error) {
	s, err := b.schedd(ctx)
	if err != nil {
		return nil, nil, err
	}
	state, err := b.fresh("worker")
	if err != nil {
		return nil, nil, err
	}
	w, err := b.rig.Start(filepath.Base(state)+".log", nil, filepath.Join(b.rig.Bin, "gworker"),
		"--schedd", s.Socket, "--state", state, "--cpus", "2", "--log-level", "warn")
	if err != nil {
		return nil, nil, err
	}
	end := func() {
		w.Stop(calm)
		s.Stop(calm)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		slots, err := s.Client().Slots(ctx)
		if err == nil && len(slots.Slots) > 0 && slots.Slots[0].State == "idle" {
			return s, end, nil
		}
		select {
		case <-tick.C:
		case <-w.Done():
			return nil, end, fmt.Errorf("gworker ended: %w", w.Ended())
		case <-ctx.Done():
			return nil, end, context.Cause(ctx)
		}
	}
}

// trueJobs is how many jobs a second are handed in, run and seen completed, of a
// thousand that do nothing, on two slots.
func (b *bench) trueJobs(ctx context.Context) ([]Row, error) {
	r := Row{Name: "true_jobs_per_s", Unit: "/s", Peer: number(58), Bar: number(300)}
	if x, ok := b.limits["xargs_true_per_s"]; ok {
		r.Limit, r.Note = &x, "machine: xargs -P2; peer: Slurm tuned (HTCondor: 33)"
	}
	s, end, err := b.pool(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	n := b.count(1000)
	job, err := b.shapeOf(ctx, s, fmt.Sprintf("executable = /bin/true\nshould_transfer_files = NO\nrequest_memory = 16\nlog = true.log\nqueue %d\n", n))
	if err != nil {
		return nil, err
	}
	client := s.Client()
	for i := range b.Runs + 1 {
		status, err := client.Status(ctx)
		if err != nil {
			return nil, err
		}
		begun := time.Now()
		out, err := client.Submit(ctx, api.Submission{Specs: []submit.Spec{job.with()}})
		if err != nil {
			return nil, err
		}
		if err := completed(ctx, client, status.Index, out.Clusters[0]); err != nil {
			return nil, err
		}
		if i > 0 {
			r.Runs = append(r.Runs, float64(n)/time.Since(begun).Seconds())
		}
	}
	r.Value = median(r.Runs)
	b.limits[r.Name] = r.Value
	return []Row{r}, nil
}

// completed waits until every job of a cluster, handed in behind the index after, has
// completed.
func completed(ctx context.Context, c *api.Client, after uint64, of api.Cluster) error {
	left := int(of.Procs)
	ids := fmt.Sprintf("%d.", of.Cluster)
	for e, err := range c.Events(ctx, after) {
		switch {
		case err != nil:
			return err
		case !strings.HasPrefix(e.Jobs, ids):
		case e.Type == "job_completed":
			if left--; left == 0 {
				return nil
			}
		case e.Type == "job_held", e.Type == "job_requeued":
			return fmt.Errorf("%s: %s %s", e.Jobs, e.Type, e.Text)
		}
	}
	return context.Cause(ctx)
}

// latency is from the moment that a client hands in a job to the moment that the job
// itself speaks, on an idle pool.
func (b *bench) latency(ctx context.Context) ([]Row, error) {
	r := Row{Name: "submit_to_start_ms", Unit: "ms", Less: true, Peer: number(46), Bar: number(20)}
	r.Note = "until the job's own shell speaks; machine: a process that does nothing; peer: HTCondor's local universe (Slurm: 683)"
	limit, err := b.oneProcess(ctx)
	if err != nil {
		return nil, err
	}
	r.Limit = &limit
	s, end, err := b.pool(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	fifo := filepath.Join(b.rig.Dir, "spoken")
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		return nil, err
	}
	ear, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer ear.Close()
	job, err := b.shapeOf(ctx, s, "executable = /bin/sh\narguments = \"-c 'echo x >"+fifo+"'\"\nshould_transfer_files = NO\nrequest_memory = 16\nlog = latency.log\nqueue\n")
	if err != nil {
		return nil, err
	}
	client := s.Client()
	word := make([]byte, 2)
	for i := range b.count(50) + 2 {
		status, err := client.Status(ctx)
		if err != nil {
			return nil, err
		}
		begun := time.Now()
		spoken := make(chan error, 1)
		go func() {
			ear.SetReadDeadline(begun.Add(time.Minute))
			_, err := ear.Read(word)
			spoken <- err
		}()
		out, err := client.Submit(ctx, api.Submission{Specs: []submit.Spec{job.with()}})
		if err != nil {
			return nil, err
		}
		if err := <-spoken; err != nil {
			return nil, fmt.Errorf("job %d.0 does not speak: %w", out.Clusters[0].Cluster, err)
		}
		took := time.Since(begun)
		if err := completed(ctx, client, status.Index, out.Clusters[0]); err != nil {
			return nil, err
		}
		if i > 1 {
			r.Runs = append(r.Runs, millis(took))
		}
	}
	r.Value = median(r.Runs)
	return []Row{r}, nil
}
