package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// jobOptions is how gq and ghistory choose jobs and print them.
type jobOptions struct {
	Asks
	owner       string
	constraints []string
	attributes  []string
	af          []string
	afFormat    string
	formats     []string // FORMAT, 0, EXPRESSION
	printf      []conversion
	printFile   string
	print       *printFormat
	long        bool
	json        bool
	limit       int
}

func (o *jobOptions) Flags(c *cobra.Command) {
	o.Asks.Flags(c)
	f := c.Flags()
	f.StringVar(&o.owner, "owner", "", "only jobs of this `user`")
	f.StringArrayVar(&o.constraints, "constraint", nil, "only jobs of which this ClassAd `expression` is true")
	f.StringSliceVar(&o.attributes, "attributes", nil, "only these attributes, `A,B`: a table of them, or with --long or --json that part of the ads")
	f.StringArrayVar(&o.af, "af", nil, "print these attributes or ClassAd expressions, `A,B`, on a line for each job; further ones among the arguments")
	f.StringVar(&o.afFormat, "af-format", "", "of --af: j id first, h headings, l labels, V quotes, t tabs, `,` commas (-af:jh is --af-format=jh --af)")
	f.StringArrayVar(&o.formats, "format", nil, "as in condor_q, -format `'%d ' ClusterId`: print an attribute or expression as printf does; several make a line, whose end is \\n")
	f.StringVar(&o.printFile, "print-format", "", "print as this `file` says, in HTCondor's language for it: SELECT, fields, WHERE, GROUP BY, SUMMARY")
	f.StringVar(&o.printFile, "pr", "", "the same, as HTCondor calls it")
	f.BoolVarP(&o.long, "long", "l", false, "print whole ads")
	f.BoolVar(&o.json, "json", false, "print whole ads as JSON")
	f.IntVar(&o.limit, "limit", 0, "print at most so many jobs; 0: all")
}

// query sorts the arguments: ids, attributes for --af, else a user's name.
func (o *jobOptions) query(args []string) (q api.JobsQuery, err error) {
	q.Owner = o.owner
	o.af = chosen(o.af)
	for _, a := range args {
		switch {
		case a != "" && a[0] >= '0' && a[0] <= '9':
			if _, err := grid.ParseRun(a); err != nil {
				return q, err
			}
			q.IDs = append(q.IDs, a)
		case len(o.af) > 0:
			o.af = append(o.af, a)
		case q.Owner == "":
			q.Owner = a
		default:
			return q, usage(fmt.Sprintf("%q is neither a job id nor an option", a))
		}
	}
	q.Constraint = allOf(o.constraints)
	if o.columns() {
		o.af, o.afFormat = o.attributes, "jh"
	}
	q.Attributes = o.attributes
	if o.printf, err = conversions(o.formats); err != nil {
		return q, err
	}
	if len(o.printf) > 0 && (len(o.af) > 0 || o.long || o.json) {
		return q, usage("--format goes with none of --af, --attributes, --long, --json")
	}
	if o.printFile != "" {
		if !o.tabled() {
			return q, usage("--print-format goes with none of --af, --attributes, --format, --long, --json")
		}
		src, err := os.ReadFile(o.printFile)
		if err != nil {
			return q, grid.Errorf(grid.NotFound, "the print format: %w", err)
		}
		if o.print, err = readPrintFormat(o.printFile, src); err != nil {
			return q, err
		}
		o.constraints = append(o.constraints, o.print.where...)
		q.Constraint, q.Evaluate = allOf(o.constraints), true
		if q.Attributes, err = o.print.looksAt(); err != nil {
			return q, err
		}
		if q.Attributes != nil {
			q.Attributes = append(q.Attributes, "JobStatus") // for the summary
		}
		return o.limited(q), nil
	}
	shown := o.af
	for _, c := range o.printf {
		shown = append(shown, c.text)
	}
	switch {
	case len(shown) > 0:
		q.Evaluate = true
		if q.Attributes, err = looksAt(shown); err != nil {
			return q, err
		}
	case !o.long && !o.json:
		q.Attributes, q.Evaluate = rowAttributes, true
	}
	return o.limited(q), nil
}

func (o *jobOptions) limited(q api.JobsQuery) api.JobsQuery {
	if o.limit > 0 && o.limit < 1000 {
		q.Limit = o.limit
	}
	return q
}

// rowAttributes are those that a row of a table is made of.
var rowAttributes = []string{
	"ClusterId", "ProcId", "Owner", "QDate", "JobStatus", "JobPrio", "Cmd", "Args", "Arguments", "RemoteWallClockTime", "ShadowBday",
	"CompletionDate", "EnteredCurrentStatus", "MemoryUsage", "ImageSize",
}

// each calls row for every job, or prints jobs in the form that was asked for. It
// says how many there were.
func (o *jobOptions) each(d *Deps, jobs iter.Seq2[json.RawMessage, error], row func(*ad.Ad)) (n int, err error) {
	list := adList{d: d, long: o.long}
	lines := autoformat{out: d.Out, names: o.af, format: o.afFormat, now: d.Now()}
	table := printTable{out: d.Out, format: o.print, now: d.Now()}
	var columns *tabwriter.Writer
	if o.columns() {
		columns = tabwriter.NewWriter(d.Out, 0, 8, 2, ' ', 0)
		defer columns.Flush()
		lines.out, lines.format = columns, lines.format+"t"
	}
	for job, err := range jobs {
		if err != nil {
			return n, err
		}
		n++
		if len(o.af) == 0 && (o.long || o.json) {
			if err := list.raw(job); err != nil {
				return n, err
			}
		} else {
			a, err := parseAd(job)
			if err != nil {
				return n, err
			}
			switch {
			case o.print != nil:
				if err := table.add(a); err != nil {
					return n, err
				}
				row(a)
			case len(o.printf) > 0:
				if err := printAll(d.Out, o.printf, a, d.Now()); err != nil {
					return n, err
				}
			case len(o.af) > 0:
				lines.print(a)
				if columns != nil && n%1000 == 0 {
					columns.Flush() // the widths begin anew, and memory is bounded
				}
			default:
				row(a)
			}
		}
		if n == o.limit {
			break
		}
	}
	if len(o.af) == 0 && (o.long || o.json) {
		list.end()
	}
	if o.print != nil {
		err = table.flush()
	}
	return n, err
}

// columns reports whether chosen attributes are printed as a table.
func (o *jobOptions) columns() bool { return len(o.attributes) > 0 && !o.long && !o.json }

// tabled reports whether jobs are printed as rows of a table.
func (o *jobOptions) tabled() bool {
	return len(o.af) == 0 && len(o.formats) == 0 && o.print == nil && !o.long && !o.json
}

// jobRow is a job as tables show it.
type jobRow struct {
	id        grid.JobID
	owner     string
	submitted time.Time
	runTime   time.Duration
	status    grid.Status
	prio      int64
	sizeMB    float64
	cmd       string
	completed time.Time
}

func rowOf(a *ad.Ad, now time.Time) jobRow {
	r := jobRow{
		id:        idOf(a),
		owner:     grid.Printable(a.Text("Owner")),
		submitted: time.Unix(a.Int("QDate", 0), 0),
		status:    grid.Status(a.Int("JobStatus", 0)),
		prio:      a.Int("JobPrio", 0),
		sizeMB:    float64(a.Int("MemoryUsage", 0)),
	}
	if wall, ok := a.Literal("RemoteWallClockTime"); ok {
		seconds, _ := wall.Number()
		r.runTime = time.Duration(seconds) * time.Second
	}
	if since := a.Int("ShadowBday", 0); r.status.Active() && since > 0 {
		r.runTime += max(now.Sub(time.Unix(since, 0)), 0)
	}
	if r.sizeMB == 0 {
		r.sizeMB = float64(a.Int("ImageSize", 0)) / 1024
	}
	if done := a.Int("CompletionDate", 0); done > 0 {
		r.completed = time.Unix(done, 0)
	}
	cmd := a.Text("Cmd")
	cmd = cmd[strings.LastIndexByte(cmd, '/')+1:]
	args := a.Text("Args")
	if args == "" {
		args = a.Text("Arguments")
	}
	r.cmd = strings.TrimSpace(strings.ReplaceAll(grid.Printable(cmd+" "+args), "\n", " "))
	return r
}

// moment is a time in the two words of HTCondor's tables.
func moment(t time.Time) string { return t.Format("01/02 15:04") }

// clock is a duration as D+HH:MM:SS.
func clock(d time.Duration) string {
	s := int64(d / time.Second)
	return fmt.Sprintf("%d+%02d:%02d:%02d", s/86400, s/3600%24, s/60%60, s%60)
}

// cut shortens a line to the terminal's width.
func (d *Deps) cut(line string) string {
	if d.Width <= 0 {
		return line
	}
	return cut(line, d.Width)
}

func cut(line string, width int) string {
	if r := []rune(line); len(r) > width {
		return string(r[:width])
	}
	return line
}

// paint colours a whole line, where colours may be.
func (d *Deps) paint(colour, line string) string {
	if !d.Colour || colour == "" {
		return line
	}
	return colour + line + plain
}

// none is the error when jobs were named and none was there.
func none(ctx context.Context, ids []string, where, other string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return grid.Errorf(grid.NotFound, "%s: not in the %s; %s %s may know more", strings.Join(ids, " "), where, other, strings.Join(ids, " "))
}
