package demo

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridburst/cmd/internal/sandbox"
)

// lane is one machine in the timeline.
type lane struct {
	name, kind string
	states     []span // of its claim; none: a worker of the pool
	runs       []span // executions on it
}

// lanes are the pool's worker and the machines, in the order of their beginnings.
func (s *story) lanes() []lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []lane{{name: sandbox.WorkerName, kind: "worker"}}
	for _, c := range s.machines() {
		out = append(out, lane{name: c.title(), kind: c.kind, states: c.states})
	}
	for _, j := range s.jobs {
		for _, r := range j.runs {
			if i := slices.IndexFunc(out, func(l lane) bool { return l.name == r.what }); i >= 0 {
				out[i].runs = append(out[i].runs, r)
			}
		}
	}
	return out
}

// stateMarks are what a machine's states look like, where no job runs.
var stateMarks = map[string]byte{"wanted": '.', "launching": '.', "unknown": '?', "booting": ':', "ready": '-', "draining": '~', "stopping": 'x'}

const legend = `a digit: so many jobs run   v: a job that is the machine   -: ready
.: being made   :: booting   ~: draining   x: being removed   ?: unknown
`

// timeline draws the lanes from begin to end, width characters wide.
func timeline(w io.Writer, lanes []lane, begin, end time.Time, width int) {
	names := 0
	for _, l := range lanes {
		names = max(names, len(l.name)+1+len(l.kind))
	}
	columns := max(width-names-2, 20)
	step := time.Second
	for end.Sub(begin) > time.Duration(columns)*step {
		step += time.Second
	}
	n := int((end.Sub(begin) + step - 1) / step)
	fmt.Fprintf(w, "timeline, a column is %s\n", step)
	fmt.Fprintf(w, "%-*s  %s\n", names, "", scale(n, step))
	for _, l := range lanes {
		b := make([]byte, n)
		for i := range b {
			from := begin.Add(time.Duration(i) * step)
			b[i] = l.mark(from, from.Add(step))
		}
		fmt.Fprintf(w, "%-*s  %s\n", names, l.name+" "+l.kind, strings.TrimRight(string(b), " "))
	}
	fmt.Fprint(w, legend)
}

// scale is the seconds above every tenth column.
func scale(n int, step time.Duration) string {
	var b strings.Builder
	for i := 0; i < n; i += 10 {
		fmt.Fprintf(&b, "%-10s", strconv.Itoa(int((time.Duration(i) * step).Seconds())))
	}
	return strings.TrimRight(b.String(), " ")
}

// mark is what the lane shows for an interval: the most jobs at a time, or else the
// last state in it.
func (l *lane) mark(from, to time.Time) byte {
	if most := l.most(from, to); most > 0 {
		if l.kind == "made" || l.kind == "borrowed" {
			return 'v'
		}
		return strconv.Itoa(min(most, 9))[0]
	}
	if l.states == nil {
		return '-'
	}
	mark := byte(' ')
	for _, s := range l.states {
		if m, ok := stateMarks[s.what]; ok && s.from.Before(to) && (s.to.IsZero() || s.to.After(from)) {
			mark = m
		}
	}
	return mark
}

// most is how many executions there are at one time, at the most.
func (l *lane) most(from, to time.Time) (most int) {
	type turn struct {
		at   time.Time
		more int
	}
	var turns []turn
	for _, r := range l.runs {
		if r.from.Before(to) && (r.to.IsZero() || r.to.After(from)) {
			turns = append(turns, turn{r.from, 1})
			if !r.to.IsZero() {
				turns = append(turns, turn{r.to, -1})
			}
		}
	}
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.more, b.more)) })
	now := 0
	for _, t := range turns {
		now += t.more
		most = max(most, now)
	}
	return most
}
