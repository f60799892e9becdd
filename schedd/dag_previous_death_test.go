//go:build failpoints

package schedd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/sirupsen/logrus"

	"gridburst/schedd/api"
)

func init() { previousAndDie = previousDaemon }

// previousDaemon is a daemon of the pipeline's timetable, until it dies.
func previousDaemon(dir string) {
	log := logrus.New()
	me, err := currentUser()
	if err != nil {
		log.Fatal(err)
	}
	d, err := New(Config{
		Dir: filepath.Join(dir, "d"), Name: "grid", Host: "host", Domain: "dom",
		Crons: []Cron{{Name: "flow", Schedule: "0 0 1 1 *", Owner: me, Dag: filepath.Join(dir, "flow.hcl"), Overlap: "allow"}},
	}, log)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(d.Run(context.Background(), func() { fmt.Println("ready") }))
}

// Whoever dies while a run is told of the run before it, at whatever step, tells it again:
// no node begins before that of the run before has ended, and none waits for ever.
func TestADeathBetweenTwoRunsOfATimetable(t *testing.T) {
	for _, point := range []string{"dag.previous.before", "dag.keep.before", "dag.keep.after"} {
		for n := 1; n <= 13; n += 3 {
			t.Run(fmt.Sprint(point, n), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				writePipeline(t, dir, pipeline)
				child := exec.Command(os.Args[0])
				child.Env = append(os.Environ(), "SCHEDD_PREVIOUS="+dir, fmt.Sprintf("GRIDBURST_FAILPOINTS=%s=%d", point, n))
				out, err := child.StdoutPipe()
				if err == nil {
					err = child.Start()
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err := out.Read(make([]byte, 8)); err != nil {
					t.Fatal(err)
				}
				c := api.NewClient(filepath.Join(dir, "d", "schedd.sock"))
				dead := make(chan error, 1)
				ctx, over := context.WithCancel(t.Context())
				go func() { dead <- child.Wait(); over() }()
				runs := pipelineGoesOn(ctx, c, 2)
				if runs != nil {
					child.Process.Kill() // it came to its end before
				}
				var ended *exec.ExitError
				if err := <-dead; !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("the child did not die: %v", err)
				}
				p := newPlace(t, func(c *Config) { flowing(t, dir)(c); c.Dir = filepath.Join(dir, "d") })
				if runs = pipelineGoesOn(t.Context(), p.Client, 2); runs == nil {
					t.Fatal("it does not go on")
				}
				gate, let := p.moved(runs[0], 0, "done"), p.moved(runs[1], fitBefore, "done")
				if gate.Index >= let.Index {
					t.Errorf("the gate is done at %d, and what is behind it was let go at %d", gate.Index, let.Index)
				}
				for _, run := range runs {
					if d := p.dagEnd(run); d.Status != "done" {
						t.Errorf("workflow %d ended %s: %s", run, d.Status, states(d))
					}
				}
			})
		}
	}
}

// pipelineGoesOn begins the runs of instants, unless they are, and opens their gates, the last
// one's first; nil: the schedd has died.
func pipelineGoesOn(ctx context.Context, c *api.Client, instants int) (runs []uint32) {
	for n := range instants {
		out, err := c.RunCron(ctx, api.CronRun{Name: "flow", At: instantOf(n).Unix(), Anyway: true, Key: fmt.Sprint("instant ", n)})
		if err != nil {
			return nil
		}
		runs = append(runs, out.Run)
	}
	for k := range runs {
		run := runs[len(runs)-1-k]
		for e, err := range c.Events(ctx, 0) {
			if err != nil {
				return nil
			}
			if e.Type == "job_submitted" && e.ID == run && e.Node == 0 {
				if _, err := c.Act(ctx, api.Action{Verb: "remove", Selection: api.Selection{IDs: []string{e.Jobs}}}); err != nil && ctx.Err() != nil {
					return nil
				}
				break
			}
		}
	}
	for _, run := range runs {
		for e, err := range c.Events(ctx, 0) {
			if err != nil {
				return nil
			}
			if e.Type == "dag_moved" && e.ID == run && slices.Contains([]string{"done", "failed", "removed"}, e.To) {
				break
			}
		}
	}
	return runs
}
