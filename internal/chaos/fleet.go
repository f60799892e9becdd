package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/api"
)

// fleetJobs keeps more jobs that are machines in the queue than there may be machines,
// and ends some of them all the time: removes them, whatever they are at, or holds them
// and lets them go or begin again.
type fleetJobs struct {
	schedd *api.Client
	client *Client
	rand   *rand.Rand
	dir    string
	most   int // machines that there may be
	engine string
	secret string // the password's file
	pause  time.Duration
	n      int
	churn  atomic.Bool // until then, jobs only come
}

// do goes on until ctx ends.
func (f *fleetJobs) do(ctx context.Context) error {
	for pause.For(ctx, f.pause) == nil {
		all, err := f.jobs(ctx)
		if err != nil {
			continue // the schedd was killed
		}
		if missing := f.most + f.most/8 + 2 - len(all); missing > 0 {
			if err := f.submit(ctx, min(missing, 25)); err != nil {
				return err
			}
		}
		for range 1 + f.most/200 {
			if len(all) > 0 && f.churn.Load() {
				f.end(ctx, all[f.rand.IntN(len(all))])
			}
		}
	}
	return nil
}

// fleetJob is one in the queue.
type fleetJob struct {
	ClusterId, ProcId int32
	JobStatus         grid.Status
}

func (f *fleetJobs) jobs(ctx context.Context) (out []fleetJob, err error) {
	ask := api.JobsQuery{Attributes: []string{"ClusterId", "ProcId", "JobStatus", "JobUniverse"}, Limit: 5000}
	for raw, err := range f.schedd.Jobs(ctx, ask) {
		var j struct {
			fleetJob
			JobUniverse grid.Universe
		}
		if err == nil {
			err = json.Unmarshal(raw, &j)
		}
		if err != nil {
			return nil, err
		}
		if j.JobUniverse == grid.Grid && j.JobStatus != grid.Removed {
			out = append(out, j.fleetJob)
		}
	}
	return out, nil
}

func (f *fleetJobs) submit(ctx context.Context, jobs int) error {
	f.n++
	s := submission{Key: fmt.Sprintf("fleet-%d", f.n), Shape: fleet, Jobs: jobs, Dir: filepath.Join(f.dir, fmt.Sprintf("fleet%d", f.n))}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	s.Text = fmt.Sprintf("universe = grid\ngrid_resource = ovirt %s\novirt_username = %s\novirt_password_file = %s\novirt_template = %s\nqueue %d\n",
		f.engine, engineUser, f.secret, desktopName, jobs)
	err := f.client.handIn(ctx, s)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// end does something to a job: what is held is let go on or go, what is not is removed or
// held. Nobody waits for an answer: whatever comes of it is right, if nothing is left.
func (f *fleetJobs) end(ctx context.Context, j fleetJob) {
	verb := grid.Remove
	switch held := j.JobStatus == grid.Held; {
	case held && f.rand.IntN(2) == 0:
		verb = grid.Release
	case !held && f.rand.IntN(4) == 0:
		verb = grid.Hold
	}
	id := grid.JobID{Cluster: j.ClusterId, Proc: j.ProcId}.String()
	_, _ = f.schedd.Act(ctx, api.Action{Verb: string(verb), Selection: api.Selection{IDs: []string{id}}})
}

// release lets all held jobs of the fleet go on: most were held by faults.
func (f *fleetJobs) release(ctx context.Context) {
	for pause.For(ctx, 3*time.Second) == nil {
		_, _ = f.schedd.Act(ctx, api.Action{Verb: string(grid.Release), Selection: api.Selection{Constraint: "JobUniverse == 9 && JobStatus == 5"}})
	}
}

// removeAll removes every job of the fleet; it returns when that was acknowledged.
func (f *fleetJobs) removeAll(ctx context.Context) error {
	for {
		_, err := f.schedd.Act(ctx, api.Action{Verb: string(grid.Remove), Selection: api.Selection{Constraint: "JobUniverse == 9"}})
		if err == nil {
			return nil
		}
		if pause.For(ctx, 50*time.Millisecond) != nil {
			return err
		}
	}
}
