package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"gridburst/cmd/internal/sandbox"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/api"
)

// Options say how a demo goes.
type Options struct {
	Dir      sandbox.Dir // what is in it is removed first
	Bin      string      // where the programs are
	Examples string      // the directory of the examples
	Limit    time.Duration
	Out      io.Writer // the words, the timeline, the receipt
	Width    int       // of the timeline, in characters
	View     *View     // how it goes
}

// run is one run.
type run struct {
	Options
	house  *sandbox.House
	client *api.Client
	ledger *ledger
	story  *story
	work   string // where the jobs work
	begun  time.Time
}

// Run runs the demo to its end. It is an error when the receipt is not as it must be.
func Run(ctx context.Context, o Options) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.Limit, grid.Errorf(grid.Internal, "the run has not ended within %s: look into the logs in %s", o.Limit, o.Dir))
	defer cancel()
	r := &run{Options: o, story: newStory(), work: filepath.Join(string(o.Dir), "work"), begun: time.Now()}
	r.View.begun = r.begun
	lock, err := o.Dir.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := errors.Join(o.Dir.Empty(), o.Dir.Prepare(o.Bin)); err != nil {
		return err
	}
	if r.house, err = sandbox.Open(ctx, o.Dir, o.Bin); err != nil {
		return err
	}
	receipt, err := r.all(ctx)
	r.View.end()
	// What is told is true of what is: the receipt comes when all has ended.
	if err := errors.Join(err, r.house.Close()); err != nil {
		return err
	}
	return r.print(receipt)
}

func (r *run) tell(format string, args ...any) { r.View.say(format, args...) }

// all does everything while the house is up.
func (r *run) all(ctx context.Context) (*receipt, error) {
	r.client = r.Dir.Client()
	var err error
	if r.ledger, err = openLedger(filepath.Join(string(r.Dir), "client.ledger")); err != nil {
		return nil, err
	}
	defer r.ledger.Close()
	if err := r.layOut(); err != nil {
		return nil, err
	}
	r.tell("an engine at %s, a schedd at %s", r.house.Engine, r.Dir.Socket())
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	wg.Go(func() {
		if err := r.story.follow(ctx, r.client, r.tell); err != nil {
			cancel(err)
		}
	})
	wg.Go(func() { r.watch(ctx) })
	if err := r.story.until(ctx, func() bool { return r.story.workers[sandbox.WorkerName] }); err != nil {
		return nil, err
	}
	if err := r.submit(ctx); err != nil {
		return nil, err
	}
	if err := r.wait(ctx); err != nil {
		return nil, err
	}
	for {
		rec, err := r.judge(ctx)
		if code := grid.CodeOf(err); code != grid.Unavailable && code != grid.Unknown {
			return rec, err
		}
		// A witness was killed while it was asked.
		if err := pause.For(ctx, retryWait); err != nil {
			return nil, err
		}
	}
}

// watch draws what happens.
func (r *run) watch(ctx context.Context) {
	t := time.NewTicker(200 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			r.View.draw(r.story)
		case <-ctx.Done():
			return
		}
	}
}

// wait returns when nothing can happen any more: the workflow has ended, its jobs and
// the others have left, and no machine is claimed. A job that is held stands in the way
// of what is behind it: when nothing else goes on, that is an end too.
func (r *run) wait(ctx context.Context) error {
	acks, err := r.ledger.acknowledged()
	if err != nil {
		return err
	}
	s := r.story
	return s.until(ctx, func() bool {
		for _, c := range s.claims {
			if !c.closed() {
				return false
			}
		}
		n := s.counts()
		if n.held > 0 {
			return n.running == 0 && n.waiting == 0
		}
		for _, e := range acks {
			switch {
			case e.Dag != 0:
				if d := s.dags[e.Dag]; d != "done" && d != "failed" && d != "removed" {
					return false
				}
			default:
				if j := s.jobs[fmt.Sprintf("%d.0", e.First)]; j == nil || !j.left {
					return false
				}
			}
		}
		return n.running == 0 && n.waiting == 0
	})
}

// commonest is how many words are shown.
const commonest = 10

// print tells what came of the run.
func (r *run) print(rec *receipt) error {
	words, err := r.words()
	if err != nil {
		rec.bad("%v", err)
	}
	fmt.Fprintf(r.Out, "the %d commonest words\n", commonest)
	for i, w := range words[:min(len(words), commonest)] {
		fmt.Fprintf(r.Out, "%4d  %-8s %6d\n", i+1, w.text, w.times)
	}
	end := time.Now()
	fmt.Fprintln(r.Out)
	timeline(r.Out, r.story.lanes(), r.begun, end, r.Width)
	fmt.Fprintln(r.Out)
	rec.wall = end.Sub(r.begun)
	for _, w := range rec.wrong {
		fmt.Fprintln(r.Out, "wrong:", grid.Printable(w))
	}
	fmt.Fprintln(r.Out, rec)
	if n := len(rec.wrong); n > 0 {
		return grid.Errorf(grid.Internal, "%d things are not as they must be; the sandbox is %s", n, r.Dir)
	}
	return nil
}
