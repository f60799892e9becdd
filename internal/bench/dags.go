package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gridburst/internal/rig"
	"gridburst/schedd/api"
)

// layered is a DAG file of n nodes in layers of a thousand, each behind three of the
// layer before.
func layered(n int, option string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "JOB n%d node.sub%s\n", i, option)
	}
	for i := 1000; i < n; i++ {
		before, at := i/1000*1000-1000, i%1000
		fmt.Fprintf(&b, "PARENT n%d n%d n%d CHILD n%d\n", before+at, before+(at+1)%1000, before+(at+7)%1000, i)
	}
	return b.String()
}

// dagDir is a directory with a submit file for nodes, and a DAG file.
func (b *bench) dagDir(text string) (string, error) {
	dir, err := b.fresh("dag")
	if err != nil {
		return "", err
	}
	node := "executable = /bin/true\nshould_transfer_files = NO\nrequest_memory = 16\nqueue\n"
	if err := os.WriteFile(filepath.Join(dir, "node.sub"), []byte(node), 0o644); err != nil {
		return "", err
	}
	return filepath.Join(dir, "a.dag"), os.WriteFile(filepath.Join(dir, "a.dag"), []byte(text), 0o644)
}

// gdag submits a DAG file, and gives the number of its run.
func (b *bench) gdag(ctx context.Context, s *rig.Schedd, file string, options ...string) (uint32, error) {
	out, err := b.rig.Run(ctx, nil, append([]string{filepath.Join(b.rig.Bin, "gdag"), "submit", "--json", "--schedd", s.Socket, file}, options...)...)
	if err != nil {
		return 0, err
	}
	var done api.DagSubmitted
	return done.Dag, json.Unmarshal(out, &done)
}

// dagEnd waits for the end of a run, of which something is told after index.
func dagEnd(ctx context.Context, c *api.Client, after uint64, id uint32) error {
	return count(ctx, c, after, 1, func(e *api.Event) bool {
		return e.Type == "dag_moved" && e.ID == id && (e.To == "done" || e.To == "failed")
	})
}

// timeDag is how long a run takes, from gdag's start to the end of the run being durable.
func (b *bench) timeDag(ctx context.Context, s *rig.Schedd, file string) (time.Duration, error) {
	c := s.Client()
	status, err := c.Status(ctx)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	id, err := b.gdag(ctx, s, file)
	if err != nil {
		return 0, err
	}
	if err := dagEnd(ctx, c, status.Index, id); err != nil {
		return 0, err
	}
	took := time.Since(begun)
	d, err := c.Dag(ctx, id)
	if err == nil && (d.Status != "done" || d.Done != d.Nodes) {
		err = fmt.Errorf("run %d of %s is %s with %d of %d nodes done", id, file, d.Status, d.Done, d.Nodes)
	}
	return took, err
}

// dagNoop is how many nodes without jobs the engine has done, from gdag's start on.
func (b *bench) dagNoop(ctx context.Context) ([]Row, error) {
	r := Row{Name: "dag_noop_nodes_per_s", Unit: "/s", Peer: number(22_000), Bar: number(40_000), Note: "100,000 nodes, 297,000 edges, from gdag submit until the end is durable; peer: DAGMan's engine (20 by default)"}
	s, err := b.schedd(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Stop(calm)
	n := b.count(100_000)
	file, err := b.dagDir(layered(n, " NOOP"))
	if err != nil {
		return nil, err
	}
	for range b.Runs {
		took, err := b.timeDag(ctx, s, file)
		if err != nil {
			return nil, err
		}
		r.Runs = append(r.Runs, float64(n)/took.Seconds())
	}
	r.Value = median(r.Runs)
	return []Row{r}, nil
}

// dagAccept is how long a large workflow takes to be accepted, and what it costs.
func (b *bench) dagAccept(ctx context.Context) ([]Row, error) {
	took := Row{Name: "dag_100k_accept_s", Unit: "s", Less: true, Peer: number(0.3), Bar: number(2), Note: "gdag submit of 100,000 nodes and 297,000 edges that share a submit file; peer: DAGMan, to parse it"}
	size := Row{Name: "dag_100k_rss_mb", Unit: "MB", Less: true, Peer: number(82), Bar: number(80), Note: "growth of the schedd, at rest, with its first nodes in the queue; peer: DAGMan"}
	n := b.count(100_000)
	for range b.Runs {
		if err := b.acceptOne(ctx, n, &took, &size); err != nil {
			return nil, err
		}
	}
	took.Value, size.Value = median(took.Runs), median(size.Runs)
	return []Row{took, size}, nil
}

func (b *bench) acceptOne(ctx context.Context, n int, took, size *Row) error {
	s, err := b.schedd(ctx)
	if err != nil {
		return err
	}
	defer s.Stop(calm)
	// One small run, so that what any run needs is there.
	small, err := b.dagDir(layered(10, " NOOP"))
	if err != nil {
		return err
	}
	if _, err := b.timeDag(ctx, s, small); err != nil {
		return err
	}
	before, err := rested(ctx, s)
	if err != nil {
		return err
	}
	file, err := b.dagDir(layered(n, ""))
	if err != nil {
		return err
	}
	begun := time.Now()
	if _, err := b.gdag(ctx, s, file, "--maxjobs", "1"); err != nil {
		return err
	}
	took.Runs = append(took.Runs, time.Since(begun).Seconds())
	after, err := rested(ctx, s)
	if err != nil {
		return err
	}
	size.Runs = append(size.Runs, float64(after-before)*1024/1e6)
	return nil
}

// dagJobs is a chain of a hundred jobs, and a thousand side by side.
func (b *bench) dagJobs(ctx context.Context) ([]Row, error) {
	chain := Row{Name: "dag_chain_ms_per_node", Unit: "ms", Less: true, Peer: number(2040), Bar: number(20), Note: "100 jobs, one after another; peer: DAGMan, tuned"}
	flat := Row{Name: "dag_flat_nodes_per_s", Unit: "/s", Note: "1,000 jobs side by side; to reach: half of true_jobs_per_s"}
	if x, ok := b.limits["true_jobs_per_s"]; ok {
		flat.Bar, flat.Limit = number(x/2), number(x)
	}
	s, end, err := b.pool(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	links, width := b.count(100), b.count(1000)
	var row strings.Builder
	for i := range links {
		fmt.Fprintf(&row, "JOB n%d node.sub\n", i)
		if i > 0 {
			fmt.Fprintf(&row, "PARENT n%d CHILD n%d\n", i-1, i)
		}
	}
	for _, x := range []struct {
		r    *Row
		text string
		of   func(time.Duration) float64
	}{
		{&chain, row.String(), func(d time.Duration) float64 { return millis(d) / float64(links) }},
		{&flat, layered(min(width, 1000), ""), func(d time.Duration) float64 { return float64(width) / d.Seconds() }},
	} {
		file, err := b.dagDir(x.text)
		if err != nil {
			return nil, err
		}
		if _, err := b.timeDag(ctx, s, file); err != nil { // once, so that all is warm
			return nil, err
		}
		for range b.Runs {
			took, err := b.timeDag(ctx, s, file)
			if err != nil {
				return nil, err
			}
			x.r.Runs = append(x.r.Runs, x.of(took))
		}
		x.r.Value = median(x.r.Runs)
	}
	return []Row{chain, flat}, nil
}
