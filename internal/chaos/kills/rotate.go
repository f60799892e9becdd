package kills

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/userlog"
)

// turned are the files of a log that are there, the oldest first: path.2, path.1, path.
func turned(path string) ([]string, error) {
	all, err := filepath.Glob(path + "*")
	age := func(name string) int {
		if name == path {
			return 0
		}
		n, err := strconv.Atoi(strings.TrimPrefix(name, path+"."))
		if err != nil {
			return -1
		}
		return n
	}
	all = slices.DeleteFunc(all, func(name string) bool { return age(name) < 0 })
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(age(b), age(a)) })
	return all, err
}

// turn moves the client's log away, as whoever keeps logs small does.
func (c *client) turn() error {
	all, err := turned(c.log)
	if err != nil || len(all) == 0 || all[len(all)-1] != c.log {
		return err // there is none to move
	}
	for i, name := range all {
		if err := os.Rename(name, fmt.Sprintf("%s.%d", c.log, len(all)-i)); err != nil {
			return err
		}
	}
	return nil
}

// configure gives the schedd an event log of all jobs that is full again and again, if the
// case is about that.
func (b *bench) configure() error {
	if b.row.Work != failpoint.Rotate {
		return nil
	}
	text := fmt.Sprintf("schedd {\n  event_log {\n    path          = %q\n    max_size      = \"4KiB\"\n    max_rotations = 100000\n  }\n}\n", b.global())
	return os.WriteFile(b.args[1], []byte(text), 0o644)
}

// fill goes on with submissions until the event log of all jobs has been rotated: a few
// deaths may have come before it was full once.
func (b *bench) fill(ctx context.Context) error {
	for range 100 { // a dozen fill it
		if all, err := turned(b.global()); err != nil || len(all) > 1 {
			return err
		}
		if err := b.clients[0].do(ctx, failpoint.Submit); err != nil {
			return err
		}
	}
	return nil // the judge says so
}

func (b *bench) global() string { return filepath.Join(b.dir, "EventLog") }

// judgeRotated judges the event log of all jobs: each event stands in one of its files,
// once, and each file says where it stands among the others.
func (b *bench) judgeRotated() (v Verdict, late bool, err error) {
	count, cut, err := events(b.global())
	if err != nil {
		return v, false, err
	}
	if cut {
		v.half("a file of %s ends in the midst of an event", b.global())
		late = true
	}
	for _, c := range b.clients {
		late = c.judgeEvents(&v, b.global(), count) || late
	}
	delete(count, grid.JobID{Cluster: -1, Proc: -1}) // headers
	for id := range count {
		v.wrong("%s tells of job %s, which nobody asked for", b.global(), id)
	}
	return v, late, judgeHeaders(&v, b.global())
}

// judgeHeaders: each file but the last begins by saying how long it is and how many events
// it has, and what all before it have.
func judgeHeaders(v *Verdict, path string) error {
	all, err := turned(path)
	if err != nil {
		return err
	}
	if len(all) < 2 {
		v.wrong("%s was never rotated", path)
	}
	size, events := 0, 0 // of those before
	for i, name := range all {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		list, _ := userlog.Read(b)
		said := ""
		if len(list) > 0 {
			if g, ok := list[0].Body.(*userlog.Generic); ok {
				said = " " + g.Info + " "
			}
		}
		want := fmt.Sprintf(" offset=%d event_off=%d ", size, events)
		if i < len(all)-1 {
			want = fmt.Sprintf(" size=%d events=%d", len(b), len(list)-1) + want
		}
		if sequence := fmt.Sprintf(" sequence=%d ", i+1); !strings.Contains(said, sequence) || !strings.Contains(said, want) {
			v.wrong("%s does not say%sand%sbut%s", name, sequence, want, said)
		}
		size, events = size+len(b), events+len(list)-1
	}
	return nil
}
