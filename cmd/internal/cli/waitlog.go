package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/userlog"
)

// lookAgain is how often an event log is looked at. Logs lie on file systems that tell
// nobody of changes.
const lookAgain = 100 * time.Millisecond

// follow waits for the jobs of an event log, which need not be there yet, and says how
// the wait ended.
func (o *waitOptions) follow(ctx context.Context, d *Deps, path string, runs []grid.Run) (how string, err error) {
	f := userlog.Follow(path)
	defer f.Close()
	t := newTracker(runs)
	said := false
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		events, err := f.Next()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if _, err := os.Stat(filepath.Dir(path)); err != nil {
				return "", grid.Errorf(grid.NotFound, "%s: no such event log, and no job id either", path)
			}
			if !said {
				fmt.Fprintf(d.Err, "gwait: %s is not there yet; waiting for it\n", grid.Printable(path))
				said = true
			}
		case err != nil:
			return "", grid.Errorf(grid.Invalid, "the event log: %w", err)
		}
		for i := range events {
			e := &events[i]
			if !t.take(e) {
				continue
			}
			switch {
			case o.echo:
				o.print(d, string(userlog.Form{}.Encode(e)))
			case o.status:
				o.say(d, e.Job, fmt.Sprintf("%03d", e.Number()), e.Summary())
			}
			if o.num > 0 && t.ended >= o.num {
				return fmt.Sprintf("%d jobs done.", t.ended), nil
			}
		}
		if len(events) > 0 {
			continue // perhaps there are more
		}
		if t.done() {
			return allDone, nil
		}
		if t.others && !t.seen {
			return "", grid.Errorf(grid.NotFound, "%s holds no events of such jobs", path)
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// tracker knows which jobs of a log have not ended.
type tracker struct {
	runs   []grid.Run
	alive  map[grid.JobID]bool      // proc -1: a cluster whose jobs are told of one by one
	open   map[int32]map[int32]bool // clusters whose jobs are told of one by one, and which of them have ended
	seen   bool                     // an event of theirs
	others bool                     // an event of other jobs
	ended  int
}

func newTracker(runs []grid.Run) *tracker {
	return &tracker{runs: runs, alive: map[grid.JobID]bool{}, open: map[int32]map[int32]bool{}}
}

// done reports whether all that is waited for has ended.
func (t *tracker) done() bool { return t.seen && len(t.alive) == 0 && !t.awaits() }

// take notes an event and reports whether it is of a job that is waited for.
func (t *tracker) take(e *userlog.Event) bool {
	id, number := e.Job, e.Number()
	if id.Cluster < 0 {
		return false // of no job: the beginning of a log of all jobs
	}
	ofCluster := id.Proc < 0 && slices.ContainsFunc(t.runs, func(r grid.Run) bool { return r.Cluster == id.Cluster })
	if !meant(t.runs, id) && !ofCluster {
		t.others = true
		return false
	}
	t.seen = true
	switch number {
	case grid.EventClusterSubmit:
		// Jobs that are named one by one are waited for one by one, also before there is
		// anything to tell of them.
		t.open[id.Cluster] = map[int32]bool{}
		if id.Proc = -1; meant(t.runs, grid.JobID{Cluster: id.Cluster, Proc: grid.MaxProcs - 1}) {
			t.alive[id] = true
		}
	case grid.EventClusterRemove:
		delete(t.open, id.Cluster)
		delete(t.alive, grid.JobID{Cluster: id.Cluster, Proc: -1})
	case grid.EventFactoryPaused, grid.EventFactoryResumed:
		// Its jobs come later.
	case grid.EventTerminated, grid.EventAborted, grid.EventDataflowSkipped:
		delete(t.alive, id)
		t.ended++
		if ended := t.open[id.Cluster]; ended != nil && len(t.runs) > 0 {
			ended[id.Proc] = true
		}
	case grid.EventPostScript, grid.EventPreSkip, grid.EventGeneric, grid.EventAdInformation:
		// Of a node of a workflow, or beside another event: no job lives by it.
	default:
		t.alive[id] = true
	}
	return true
}

// awaits reports whether jobs that were named may be still to come.
func (t *tracker) awaits() bool {
	return slices.ContainsFunc(t.runs, func(r grid.Run) bool {
		ended, open := t.open[r.Cluster]
		if !open || r.Whole() {
			return false // a whole cluster is alive until it ends
		}
		n := 0
		for proc := range ended {
			if r.Has(grid.JobID{Cluster: r.Cluster, Proc: proc}) {
				n++
			}
		}
		return n < r.Len()
	})
}
