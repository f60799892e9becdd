package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// batchRow is a batch as tables show it: what of it is done, runs, waits and is held.
type batchRow struct {
	owner, name, submitted      string
	done, run, idle, held, jobs int
	coming                      int // still to be made
	ids                         string
}

func batchOf(b *api.Batch) batchRow {
	r := batchRow{
		owner: grid.Printable(b.Owner), name: strings.Join(strings.Fields(grid.Printable(b.Name)), " "), submitted: moment(time.Unix(b.Submitted, 0)),
		done: b.Left + b.Completed, run: b.Running + b.Transferring + b.Suspended, idle: b.Idle, held: b.Held,
		jobs: b.Jobs, coming: b.Coming, ids: b.First,
	}
	cluster, _, _ := strings.Cut(b.First, ".")
	lastCluster, lastProc, _ := strings.Cut(b.Last, ".")
	switch {
	case b.First == b.Last:
	case cluster == lastCluster:
		r.ids += "-" + lastProc
	default:
		r.ids += " ... " + b.Last
	}
	switch {
	case b.Dag != 0:
		r.name = strings.TrimSpace(r.name + fmt.Sprintf(" (run %d)", b.Dag))
	case r.name == "":
		r.name = "ID: " + cluster
	}
	return r
}

// barWidth is the width of a batch's progress bar; barLegend says what it is made of.
const (
	barWidth  = 16
	barLegend = "#: done  =: running  -: idle  !: held"
)

// bar is a batch's progress: what there is any of has at least one place.
func (r *batchRow) bar() string {
	parts := []struct {
		letter string
		n      int
	}{{"#", r.done}, {"=", r.run}, {"-", r.idle}, {"!", r.held}, {" ", r.coming}}
	total := 0
	for _, p := range parts {
		total += p.n
	}
	if total == 0 {
		return ""
	}
	var b strings.Builder
	seen, places := 0, 0
	for _, p := range parts {
		seen += p.n
		upTo := seen * barWidth / total
		if p.n > 0 && upTo == places {
			upTo++
		}
		b.WriteString(strings.Repeat(p.letter, max(min(upTo, barWidth)-places, 0)))
		places = max(places, min(upTo, barWidth))
	}
	return "[" + b.String() + strings.Repeat(" ", barWidth-places) + "]"
}

// colour is that of what needs somebody, or else of what moves.
func (r *batchRow) colour() string {
	switch {
	case r.held > 0:
		return red
	case r.run > 0:
		return green
	}
	return ""
}

// batchTable is a table of batches, with a bar each where progress is watched.
func batchTable(out api.Batches, bars bool) []line {
	rows := make([]batchRow, len(out.Batches))
	owner, name, held := len("OWNER"), len("BATCH_NAME"), false
	for i := range out.Batches {
		rows[i] = batchOf(&out.Batches[i])
		r := &rows[i]
		owner, name = max(owner, len(r.owner)), max(name, len(r.name))
		held = held || r.held > 0
	}
	row := func(who, what, when, done, run, idle, hold, total, which, bar string) string {
		s := fmt.Sprintf("%-*s %-*s %-11s %6s %6s %6s", owner, who, name, what, when, done, run, idle)
		if held {
			s += fmt.Sprintf(" %6s", hold)
		}
		s += fmt.Sprintf(" %6s ", total)
		if bars {
			s += fmt.Sprintf("%-*s ", barWidth+2, bar)
		}
		return s + which
	}
	lines := []line{{bold, row("OWNER", "BATCH_NAME", "SUBMITTED", "DONE", "RUN", "IDLE", "HOLD", "TOTAL", "JOB_IDS", "PROGRESS")}}
	number := func(n int) string {
		if n == 0 {
			return "_"
		}
		return strconv.Itoa(n)
	}
	for i := range rows {
		r, bar := &rows[i], ""
		if bars {
			bar = r.bar()
		}
		lines = append(lines, line{r.colour(), row(r.owner, r.name, r.submitted, number(r.done), number(r.run), number(r.idle), number(r.held), number(r.jobs), r.ids, bar)})
	}
	if out.Omitted > 0 {
		lines = append(lines, line{dim, fmt.Sprintf("... and %d more clusters in further batches: --limit shows more, --totals only the numbers", out.Omitted)})
	}
	return lines
}
