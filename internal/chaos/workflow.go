package chaos

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gridburst/internal/pause"
)

// workflows are runs of a diamond, and a timetable that starts runs of one node.
type workflows struct {
	run *run
	dir string

	mu    sync.Mutex
	names []string // of those that were acknowledged
}

func newWorkflows(r *run) (*workflows, error) {
	w := &workflows{run: r, dir: filepath.Join(r.rig.Dir, "dags")}
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return nil, err
	}
	node := fmt.Sprintf("executable = %s\narguments = %d $(label) 0.3 0\nshould_transfer_files = NO\nrequirements = TARGET.Pool == true\nrequest_memory = 32MB\nlog = nodes.log\nqueue\n",
		r.load.program, r.witness.Port())
	if err := os.WriteFile(filepath.Join(w.dir, "node.sub"), []byte(node), 0o644); err != nil {
		return nil, err
	}
	beat := "JOB beat node.sub\nVARS beat label=\"beat-$(JobId)\"\n"
	return w, os.WriteFile(filepath.Join(w.dir, "beat.dag"), []byte(beat), 0o644)
}

// cron is the timetable's configuration.
func (w *workflows) cron() (string, error) {
	me, err := user.Current()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("cron \"beat\" {\n  schedule = \"@every 7s\"\n  owner    = %q\n  dag      = %q\n  missed   = \"all\"\n  overlap  = \"allow\"\n}\n",
		me.Username, filepath.Join(w.dir, "beat.dag")), nil
}

// diamonds submits one workflow after another while the storm lasts, the next when the
// last has begun to be old.
func (w *workflows) diamonds(ctx context.Context) {
	for n := 1; ; n++ {
		name := fmt.Sprintf("diamond%d", n)
		if err := w.submit(ctx, name); err != nil {
			if ctx.Err() == nil {
				fmt.Fprintf(w.run.Log, "%s: %v\n", name, err)
			}
			return
		}
		if pause.For(ctx, 8*time.Second) != nil {
			return
		}
	}
}

func (w *workflows) submit(ctx context.Context, name string) error {
	var b strings.Builder
	for _, node := range []string{"a", "b", "c", "d"} {
		fmt.Fprintf(&b, "JOB %s node.sub\nVARS %s label=\"%s-%s\"\n", node, node, name, node)
	}
	b.WriteString("PARENT a CHILD b c\nPARENT b c CHILD d\n")
	file := filepath.Join(w.dir, name+".dag")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return err
	}
	for {
		_, err := w.run.rig.Run(ctx, nil, filepath.Join(w.run.rig.Bin, "gdag"), "submit", "--schedd", w.run.house.socket, "--key", name, file)
		if err == nil {
			w.mu.Lock()
			w.names = append(w.names, name)
			w.mu.Unlock()
			return nil
		}
		if pause.For(ctx, 100*time.Millisecond) != nil {
			return err
		}
	}
}

// busy says which workflow goes on; empty: none of ours.
func (w *workflows) busy(ctx context.Context) string {
	list, err := w.run.house.schedd.Dags(ctx, false)
	if err != nil {
		return "workflows: " + err.Error()
	}
	for _, d := range list.Dags {
		if d.Cron == "" {
			return fmt.Sprintf("workflow %d of %s is %s", d.ID, d.File, d.Status)
		}
	}
	return ""
}

// judge looks whether each workflow ran once, whole and in order, and each instant of
// the timetable at most once.
func (w *workflows) judge(ctx context.Context, rep *Report, runs map[string][]Execution) error {
	list, err := w.run.house.schedd.Dags(ctx, true)
	if err != nil {
		return err
	}
	times, due := map[string]int{}, map[int64]int{}
	for _, d := range list.Dags {
		if d.Cron != "" {
			due[d.Due]++
			if due[d.Due] == 2 {
				rep.Duplicated++
				rep.wrong("the timetable started two runs for %s", time.UnixMilli(d.Due))
			}
			continue
		}
		name := strings.TrimSuffix(filepath.Base(d.File), ".dag")
		times[name]++
		if d.Status != "done" || d.Done != 4 {
			rep.wrong("workflow %d, %s, is %s with %d nodes done", d.ID, name, d.Status, d.Done)
		}
	}
	rep.Workflows, rep.Occurrences = len(w.names), len(due)
	for _, name := range w.names {
		switch n := times[name]; {
		case n == 0:
			rep.Lost++
			rep.wrong("workflow %s was acknowledged, and is gone", name)
		case n > 1:
			rep.Duplicated++
			rep.wrong("workflow %s runs %d times", name, n)
		}
		for _, edge := range []string{"ab", "ac", "bd", "cd"} {
			parent, child := runs[name+"-"+edge[:1]], runs[name+"-"+edge[1:]]
			if len(child) == 0 || !endedBefore(parent, child[0].Begin) {
				rep.wrong("of workflow %s, node %s began before node %s had done all", name, edge[1:], edge[:1])
			}
		}
	}
	return nil
}

func endedBefore(runs []Execution, t time.Time) bool {
	for _, e := range runs {
		if e.Ended && e.Begin.Before(t) {
			return true
		}
	}
	return false
}
