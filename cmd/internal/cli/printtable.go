package cli

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// printTable prints jobs as a print format says. Columns are as wide as what is in them,
// which is known when all of it is: of very many jobs the widths begin anew after each
// thousand, unless they are to be sorted.
type printTable struct {
	out    io.Writer
	format *printFormat
	now    time.Time
	rows   []printRow
	begun  bool
}

type printRow struct {
	cells []string
	keys  []ad.Value
}

const printPage = 1000

func (t *printTable) add(a *ad.Ad) error {
	r := printRow{cells: make([]string, len(t.format.fields))}
	for i := range t.format.fields {
		r.cells[i] = t.format.fields[i].text(a, t.now)
	}
	for _, k := range t.format.group {
		v, _ := k.expr.value(a, t.now)
		r.keys = append(r.keys, v)
	}
	t.rows = append(t.rows, r)
	if len(t.rows) >= printPage && len(t.format.group) == 0 {
		return t.flush()
	}
	return nil
}

// text is what is printed of a job in a field; "" where a whole column is to be filled.
func (p *printField) text(a *ad.Ad, now time.Time) string {
	v, ok := p.expr.value(a, now)
	switch {
	case p.as != nil && (ok || p.always):
		if text := p.as(a, v, now); text != "" {
			return text
		}
	case !ok:
	case p.printf != nil:
		text := p.printf.before + p.printf.after
		if p.printf.verb != "" {
			text = p.printf.before + p.printf.print(v) + p.printf.after
		}
		return text
	default:
		if s, isText := v.Text(); isText {
			return strings.ReplaceAll(grid.Printable(s), "\n", " ")
		}
		return v.String()
	}
	switch {
	case len(p.or) == 2:
		return ""
	case p.or != "":
		return p.or
	}
	return "undefined"
}

// flush prints what has been gathered.
func (t *printTable) flush() error {
	f := t.format
	slices.SortStableFunc(t.rows, func(a, b printRow) int {
		for i, k := range f.group {
			c := compareValues(a.keys[i], b.keys[i])
			if k.down {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	widths := make([]int, len(f.fields))
	for i := range f.fields {
		p := &f.fields[i]
		widths[i] = p.width
		if !p.fit || f.labels {
			continue
		}
		if !f.noHeader {
			widths[i] = max(widths[i], utf8.RuneCountInString(p.label))
		}
		for _, r := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r.cells[i]))
		}
	}
	var b strings.Builder
	if !f.noHeader && !t.begun && len(f.fields) > 0 {
		labels := make([]string, len(f.fields))
		for i := range f.fields {
			labels[i] = f.fields[i].label
		}
		b.WriteString(strings.TrimRight(f.record(labels, widths, true), " ") + "\n")
	}
	for _, r := range t.rows {
		if len(f.fields) > 0 {
			text := f.recordBefore + f.record(r.cells, widths, false)
			if f.fieldAfter == " " {
				text = strings.TrimRight(text, " ")
			}
			b.WriteString(text + f.recordAfter)
		}
	}
	t.begun, t.rows = true, t.rows[:0]
	_, err := io.WriteString(t.out, b.String())
	return err
}

func (f *printFormat) record(cells []string, widths []int, heading bool) string {
	var b strings.Builder
	for i := range f.fields {
		p := &f.fields[i]
		if !p.noBefore && i > 0 {
			b.WriteString(f.fieldBefore)
		}
		text := cells[i]
		if text == "" && len(p.or) == 2 && !heading {
			text = strings.Repeat(p.or[:1], max(widths[i], 1))
		}
		if f.labels {
			text = p.label + f.separator + text
		}
		b.WriteString(p.pad(text, widths[i]))
		if !p.noAfter && i < len(f.fields)-1 {
			b.WriteString(f.fieldAfter)
		}
	}
	return b.String()
}

// compareValues puts undefined values first, then numbers, then the rest as text, in
// which case does not count.
func compareValues(a, b ad.Value) int {
	class := func(v ad.Value) (int, float64, string) {
		if v.IsUndefined() {
			return 0, 0, ""
		}
		if n, ok := v.Number(); ok {
			return 1, n, ""
		}
		if s, ok := v.Text(); ok {
			return 2, 0, strings.ToLower(s)
		}
		return 3, 0, v.String()
	}
	ca, na, ta := class(a)
	cb, nb, tb := class(b)
	return cmp.Or(cmp.Compare(ca, cb), cmp.Compare(na, nb), cmp.Compare(ta, tb))
}

// printFunction prints a job's value its own way; "": as one that is undefined.
type printFunction func(a *ad.Ad, v ad.Value, now time.Time) string

// printFunctions are those of PRINTAS, by HTCondor's names.
var printFunctions = map[string]printFunction{
	"BATCH_NAME": func(a *ad.Ad, _ ad.Value, _ time.Time) string {
		return cmp.Or(grid.Printable(a.Text("JobBatchName")), fmt.Sprintf("ID: %d", a.Int("ClusterId", 0)))
	},
	"CPU_TIME": func(a *ad.Ad, _ ad.Value, now time.Time) string { return clock(rowOf(a, now).runTime) },
	"DAG_OWNER": func(a *ad.Ad, v ad.Value, _ time.Time) string {
		return cmp.Or(grid.Printable(a.Text("DAGNodeName")), plainText(v))
	},
	"GRID_JOB_ID":   func(_ *ad.Ad, v ad.Value, _ time.Time) string { return plainText(v) },
	"GRID_RESOURCE": func(_ *ad.Ad, v ad.Value, _ time.Time) string { return plainText(v) },
	"GRID_STATUS":   statusName,
	"JOB_DESCRIPTION": func(a *ad.Ad, _ ad.Value, _ time.Time) string {
		return cmp.Or(grid.Printable(a.Text("JobDescription")), rowOf(a, time.Time{}).cmd)
	},
	"JOB_ID": func(a *ad.Ad, _ ad.Value, _ time.Time) string { return idOf(a).String() },
	"JOB_STATUS": func(a *ad.Ad, _ ad.Value, _ time.Time) string {
		return string(grid.Status(a.Int("JobStatus", 0)).Letter())
	},
	"JOB_STATUS_RAW": statusName,
	"JOB_UNIVERSE":   func(_ *ad.Ad, v ad.Value, _ time.Time) string { return universeName(v) },
	"MEMORY_USAGE": func(a *ad.Ad, _ ad.Value, _ time.Time) string {
		return fmt.Sprintf("%.1f", rowOf(a, time.Time{}).sizeMB)
	},
	"OWNER":          func(_ *ad.Ad, v ad.Value, _ time.Time) string { return plainText(v) },
	"QDATE":          dateOf,
	"DATE":           dateOf,
	"READABLE_BYTES": func(_ *ad.Ad, v ad.Value, _ time.Time) string { return readable(v, 1) },
	"READABLE_KB":    func(_ *ad.Ad, v ad.Value, _ time.Time) string { return readable(v, 1<<10) },
	"READABLE_MB":    func(_ *ad.Ad, v ad.Value, _ time.Time) string { return readable(v, 1<<20) },
	"REMOTE_HOST":    func(_ *ad.Ad, v ad.Value, _ time.Time) string { return path.Base(plainText(v)) },
}

func printFunctionNames() []string { return slices.Sorted(maps.Keys(printFunctions)) }

func plainText(v ad.Value) string {
	if s, ok := v.Text(); ok {
		return grid.Printable(s)
	}
	return v.String()
}

func statusName(_ *ad.Ad, v ad.Value, _ time.Time) string {
	n, ok := v.Int()
	if !ok {
		return plainText(v)
	}
	return capital(grid.Status(n).String())
}

// capital is a name as HTCondor prints it: Transferring Output.
func capital(name string) string {
	return strings.ReplaceAll(strings.ToUpper(name[:1])+name[1:], "_o", " O")
}

func dateOf(_ *ad.Ad, v ad.Value, _ time.Time) string {
	n, ok := v.Int()
	if !ok {
		return ""
	}
	return moment(time.Unix(n, 0))
}

// readable is a size in the unit that makes it short.
func readable(v ad.Value, unit float64) string {
	n, ok := v.Number()
	if !ok {
		return ""
	}
	n *= unit
	for _, name := range []string{"B", "KB", "MB", "GB"} {
		if n <= 1024 && n >= -1024 {
			return fmt.Sprintf("%.1f %s", n, name)
		}
		n /= 1024
	}
	return fmt.Sprintf("%.1f TB", n)
}

// universeName is a universe's name with its first letter large.
func universeName(v ad.Value) string {
	n, _ := v.Int()
	return capital(grid.Universe(n).String())
}
