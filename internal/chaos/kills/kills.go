package kills

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"

	"gridburst/internal/failpoint"
	"gridburst/internal/rig"
)

// Options say how a run goes.
type Options struct {
	Dir      string // the sandbox; what an earlier run left in it goes
	Bin      string // gschedd and gadm, built with the tag failpoints; empty: they are built
	Seed     uint64
	Rounds   int      // of each case; 0: 20
	Points   []string // only these; none: all
	Short    bool     // one work for each point, drawn by the seed
	Parallel int      // cases at a time; 0: 4
	Log      io.Writer
}

// Row is what came of one point, during one work.
type Row struct {
	Point  string            `json:"point"`
	Of     failpoint.Program `json:"of"`
	Work   failpoint.Work    `json:"work"`
	Rounds int               `json:"rounds"`
	Killed int               `json:"killed"`
	Acked  int               `json:"acked"` // submits, holds, releases and removes
	Verdict
}

// Report is what came of a run.
type Report struct {
	Seed uint64 `json:"seed"`
	Rows []Row  `json:"rows"`
}

// Sum adds the rows up; points is how many different ones they are.
func (r *Report) Sum() (points int, all Row) {
	seen := map[string]bool{}
	for _, row := range r.Rows {
		seen[row.Point] = true
		all.Rounds += row.Rounds
		all.Killed += row.Killed
		all.Acked += row.Acked
		all.add(row.Verdict)
		if row.Killed < row.Rounds {
			all.wrong("%s during %s: %d of %d rounds killed nobody", row.Point, row.Work, row.Rounds-row.Killed, row.Rounds)
		}
	}
	return len(seen), all
}

// Run makes a run. The error is of the run itself; what was found is in the report.
func Run(ctx context.Context, o Options) (rep *Report, err error) {
	if o.Rounds == 0 {
		o.Rounds = 20
	}
	if o.Parallel == 0 {
		o.Parallel = 4
	}
	r, err := rig.Fresh(ctx, o.Dir, o.Bin, []string{"failpoints"}, "gschedd", "gadm")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var tidy sync.WaitGroup
	tidy.Go(func() { r.Tidy(ctx) }) // each kill leaves desks behind
	defer func() {
		cancel(nil)
		tidy.Wait()
		err = errors.Join(err, r.Close(rigPatience))
	}()
	rep = &Report{Seed: o.Seed}
	draw := rand.New(rand.NewPCG(o.Seed, 0))
	var cases []*bench
	for _, p := range failpoint.Points {
		if len(o.Points) > 0 && !slices.Contains(o.Points, p.Name) {
			continue
		}
		works := p.In
		if o.Short && len(works) > 0 {
			i := draw.IntN(len(works))
			works = works[i : i+1]
		}
		for _, w := range works {
			rep.Rows = append(rep.Rows, Row{Point: p.Name, Of: p.Of, Work: w})
		}
	}
	for i := range rep.Rows {
		cases = append(cases, newBench(r, &rep.Rows[i], i, o))
	}
	next := make(chan *bench)
	var wg sync.WaitGroup
	for range o.Parallel {
		wg.Go(func() {
			for b := range next {
				if err := b.run(ctx, o.Rounds); err != nil {
					cancel(fmt.Errorf("%s during %s: %w", b.row.Point, b.row.Work, err))
				}
			}
		})
	}
	for _, b := range cases {
		next <- b
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return rep, nil
}
