package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/rig"
	"gridburst/router/route"
	"gridburst/schedd"
	"gridburst/schedd/api"
	"gridburst/schedd/target"
	"gridburst/schedd/target/fake"
)

// routes is how many idle jobs a second come to be at a target by a route: chosen for,
// written down, prepared in their owner's directory, handed over, and written down again
// with the target's id. The schedd is in this process, and so is the target, which costs
// nothing and starts nothing.
func (b *bench) routes(ctx context.Context) ([]Row, error) {
	n := b.count(10_000)
	r := Row{
		Name: "route_jobs_per_s", Unit: "/s", Peer: number(29.6), Bar: number(1000),
		Note: fmt.Sprintf("%d idle vanilla jobs to as many at a target in this process; peer: HTCondor's JobRouter, 1,000 copies that stay idle, polling every second", n),
	}
	table, diags := route.Read("routes", fmt.Appendf(nil, "JOB_ROUTER_ROUTE_NAMES = All\nJOB_ROUTER_ROUTE_All @=rt\n REQUIREMENTS true\n GridResource = batch slurm\n MaxJobs = %d\n MaxIdleJobs = %d\n@rt\n", 2*n, 2*n), nil)
	if diags.HasErrors() {
		return nil, diags.Err()
	}
	for i := range min(b.Runs, 3) + 1 {
		took, err := b.routeOnce(ctx, table, n)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			r.Runs = append(r.Runs, float64(n)/took.Seconds())
		}
	}
	r.Value = median(r.Runs)
	return []Row{r}, nil
}

func (b *bench) routeOnce(ctx context.Context, table *route.Table, n int) (took time.Duration, err error) {
	dir, err := b.fresh("routes")
	if err != nil {
		return 0, err
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	d, err := schedd.New(schedd.Config{
		Dir: filepath.Join(dir, "g"), Routes: table, MaxProcs: n, LocalWorker: []string{"false"},
		Target: func(string, target.Commands) (target.Target, error) { return &fake.Target{Paper: true}, nil },
	}, log)
	if err != nil {
		return 0, err
	}
	living, end := context.WithCancel(ctx)
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- d.Run(living, func() { close(ready) }) }()
	defer func() {
		end()
		err = errors.Join(err, <-ended)
	}()
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		return 0, err
	}
	client := api.NewClient(filepath.Join(dir, "g", "schedd.sock"))
	specs, err := rig.Lower(ctx, client, dir, fmt.Sprintf("executable = /bin/true\nhold = true\nqueue %d\n", n))
	if err != nil {
		return 0, err
	}
	out, err := client.Submit(ctx, api.Submission{Specs: specs})
	if err != nil {
		return 0, err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if _, err := client.Act(ctx, api.Action{Verb: "release", Selection: api.Selection{IDs: []string{fmt.Sprint(out.Clusters[0].Cluster)}}}); err != nil {
		return 0, err
	}
	if err := count(ctx, client, status.Index, n, func(e *api.Event) bool { return e.Type == "route_moved" && e.To == "waiting" }); err != nil {
		return 0, err
	}
	return time.Since(begun), nil
}
