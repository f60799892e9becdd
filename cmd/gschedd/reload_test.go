package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/failpoint"
	"gridburst/internal/rig/rigtest"
	"gridburst/schedd/api"
)

// A schedd that is killed at any instant while other routes take the place of those that there
// are runs each job once: those that are at their target go on there, those that wait go by the
// routes that it finds, and the change is made once more where it was not.
func TestADeathWhileRoutesChangeLosesNoRoutedJob(t *testing.T) {
	rigtest.Slow(t)
	ctx, r := rigtest.New(t, []string{"failpoints"}, "gschedd")
	tried := 0
	for _, p := range failpoint.Points {
		if strings.HasPrefix(p.Name, "config.") {
			tried++
			t.Run(p.Name, func(t *testing.T) {
				d := &death{T: t, ctx: ctx, rig: r, dir: filepath.Join(r.Dir, p.Name)}
				d.must(os.MkdirAll(d.dir, 0o755))
				d.far = newSlurm(d)
				d.reroute(p)
			})
		}
	}
	if tried < 3 {
		t.Errorf("%d points were tried", tried)
	}
}

func (d *death) reroute(p failpoint.Point) {
	d.lay(d.config(false, "Old", "  max_jobs = 2\n"))
	d.begin("GRIDBURST_FAILPOINT_DIR=" + filepath.Join(d.dir, "armed"))
	const jobs = 4
	d.submit(jobs)
	d.until("two to be there", func() bool { return len(d.far.taken()) == 2 })
	d.arm(p)
	text := d.config(false, "New", "")
	configure := func(ctx context.Context) error {
		_, err := d.s.Client().Configure(ctx, api.Configure{Text: text})
		return err
	}
	if err := d.call(configure); err == nil {
		d.Fatal("gschedd lives")
	}
	select {
	case <-d.s.Done():
	case <-d.ctx.Done():
		d.Fatal("gschedd lives")
	}
	d.begin()
	now, err := d.s.Client().Configuration(d.ctx, 0)
	d.must(err)
	if is := now.Text == text; is != (p.Name == "config.written") {
		d.Errorf("after %s there is in force: %s", p.Name, now.Text)
	}
	d.must(configure(d.ctx))
	d.far.letGo()
	d.until("all to be done", func() bool { return d.left() == 0 })
	d.until("nothing to be left", func() bool {
		left, _ := filepath.Glob(filepath.Join(d.dir, ".g*"))
		routes, err := d.s.Client().Routes(d.ctx)
		return len(left) == 0 && err == nil && len(routes.Routes) == 1 && routes.Routes[0].Name == "New" && routes.Routes[0].Jobs == 0
	})
	by := map[string]int{}
	for job, err := range d.s.Client().History(d.ctx, api.HistoryQuery{JobsQuery: api.JobsQuery{Evaluate: true}}) {
		d.must(err)
		a, err := ad.ParseJSON(job)
		d.must(err)
		by[a.Text("RouteName")]++
	}
	if len(by) != 2 || by["Old"] != 2 || by["New"] != 2 {
		d.Errorf("they went by %v", by)
	}
	d.s.Stop(time.Minute)
	for i := range jobs {
		ran, _ := os.ReadFile(filepath.Join(d.dir, fmt.Sprint("ran.", i)))
		out, _ := os.ReadFile(filepath.Join(d.dir, fmt.Sprint("out.", i)))
		if n := bytes.Count(ran, []byte("\n")); n != 1 || string(out) != fmt.Sprintf("out of %d\n", i) {
			d.Errorf("job 1.%d ran %d times and wrote %q", i, n, out)
		}
	}
}
