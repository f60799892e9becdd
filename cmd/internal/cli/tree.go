package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// later is what a row is that is printed later.
var later = line{}

// tree prints jobs with those of a workflow's run under a row for it, as condor_q -dag
// does. A run that has no jobs now, and did not end, has a row too unless jobs were chosen.
func (o *queueOptions) tree(ctx context.Context, d *Deps, client *api.Client, q api.JobsQuery) (found api.Totals, err error) {
	runs, err := client.Dags(ctx, false)
	if err != nil {
		return found, err
	}
	nodes := map[int64][]*ad.Ad{}
	q.Attributes, q.Evaluate = append(slices.Clone(rowAttributes), "DAGManJobId", "DAGNodeName"), true
	found, err = o.jobs(ctx, d, client, q, func(a *ad.Ad, now time.Time) (l line) {
		if run := a.Int("DAGManJobId", 0); run != 0 {
			nodes[run] = append(nodes[run], a)
			return later
		}
		return queueRow(a, now)
	})
	if err != nil {
		return found, err
	}
	chosen := len(q.IDs) > 0 || q.Constraint != ""
	for _, run := range runs.Dags {
		its := nodes[int64(run.ID)]
		delete(nodes, int64(run.ID))
		if len(its) == 0 && (chosen || q.Owner != "" && q.Owner != run.Owner) {
			continue
		}
		d.lines(line{bold, runRow(&run, d.Now())})
		d.lines(nodeRows(its, d.Now())...)
	}
	for _, its := range nodes { // of runs that have ended meanwhile
		d.lines(nodeRows(its, d.Now())...)
	}
	return found, nil
}

func runRow(r *api.Dag, now time.Time) string {
	started := time.Unix(r.Started, 0)
	letter := 'R'
	if r.Status == "stopping" {
		letter = 'X'
	}
	return fmt.Sprintf(" %-7s %-14s %-11s %12s %-2c %-3s %-6s %s (%d of %d done)", fmt.Sprintf("run %d", r.ID), grid.Printable(r.Owner), moment(started),
		clock(max(now.Sub(started), 0)), letter, "", "", grid.Printable(r.Name), r.Done, r.Nodes)
}

// nodeRows are jobs with their node's name where others have their owner's.
func nodeRows(jobs []*ad.Ad, now time.Time) []line {
	lines := make([]line, len(jobs))
	for i, a := range jobs {
		if name := a.Text("DAGNodeName"); name != "" {
			a.SetString("Owner", " |-"+name)
		}
		lines[i] = queueRow(a, now)
	}
	return lines
}
