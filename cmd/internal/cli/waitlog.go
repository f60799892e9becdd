package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/userlog"
)

// lookAgain is how often an event log is looked at. Logs lie on file systems that tell
// nobody of changes.
const lookAgain = 100 * time.Millisecond

// follow waits for the jobs of an event log.
func (o *waitOptions) follow(ctx context.Context, d *Deps, path string, runs []grid.Run) error {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return grid.Errorf(grid.NotFound, "%s: no such event log, and no job id either", path)
	case err != nil:
		return grid.Errorf(grid.Invalid, "the event log: %w", err)
	}
	defer f.Close()
	t := tracker{runs: runs, alive: map[grid.JobID]bool{}}
	var rest []byte
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		more, err := io.ReadAll(f)
		if err != nil {
			return grid.Errorf(grid.Unavailable, "read %s: %w", path, err)
		}
		events, n := userlog.Read(append(rest, more...))
		rest = append(rest, more...)[n:]
		for i := range events {
			e := &events[i]
			if t.take(e) && o.status {
				o.say(d, e.Job, fmt.Sprintf("%03d", e.Number), e.Text)
			}
		}
		if t.seen && len(t.alive) == 0 {
			return nil
		}
		if !t.seen && len(more) == 0 {
			return grid.Errorf(grid.NotFound, "%s holds no events of such jobs", path)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// tracker knows which jobs of a log have not ended.
type tracker struct {
	runs  []grid.Run
	alive map[grid.JobID]bool // proc -1: a cluster whose jobs are told of one by one
	seen  bool
}

// take notes an event and reports whether it is of a job that is waited for.
func (t *tracker) take(e *userlog.Seen) bool {
	id := e.Job
	whole := e.Number == grid.EventClusterSubmit || e.Number == grid.EventClusterRemove
	if whole {
		id.Proc = 0
	}
	if !inRuns(t.runs, id) {
		return false
	}
	t.seen = true
	switch e.Number {
	case grid.EventClusterSubmit:
		// Jobs that are named one by one are waited for one by one.
		if id.Proc = -1; len(t.runs) == 0 || inRuns(t.runs, grid.JobID{Cluster: id.Cluster, Proc: grid.MaxProcs - 1}) {
			t.alive[id] = true
		}
	case grid.EventClusterRemove:
		delete(t.alive, grid.JobID{Cluster: id.Cluster, Proc: -1})
	case grid.EventTerminated, grid.EventAborted, grid.EventDataflowSkip:
		delete(t.alive, id)
	default:
		t.alive[id] = true
	}
	return true
}
