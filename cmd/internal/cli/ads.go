package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// parseAd reads an ad as the API gives it.
func parseAd(job json.RawMessage) (*ad.Ad, error) {
	a, err := ad.ParseJSON(job)
	if err != nil {
		return nil, grid.Errorf(grid.Internal, "an ad that cannot be read: %w", err)
	}
	return a, nil
}

// idOf is the id of the job whose ad it is.
func idOf(a *ad.Ad) grid.JobID {
	return grid.JobID{Cluster: int32(a.Int("ClusterId", 0)), Proc: int32(a.Int("ProcId", 0))}
}

// allOf is the expression that is true where all of them are; "" of none.
func allOf(constraints []string) string {
	if len(constraints) == 0 {
		return ""
	}
	return "(" + strings.Join(constraints, ") && (") + ")"
}

// adList prints ads as JSON or in HTCondor's long form: an array whose brackets and
// commas have lines of their own, or blocks with a blank line between them.
type adList struct {
	d    *Deps
	long bool
	n    int
}

func (l *adList) ad(a *ad.Ad) {
	if l.long {
		l.write(a.AppendLong(nil))
		return
	}
	l.write(a.AppendJSON(nil))
}

// raw prints an ad that came as JSON.
func (l *adList) raw(job json.RawMessage) error {
	if !l.long {
		l.write(job)
		return nil
	}
	a, err := parseAd(job)
	if err != nil {
		return err
	}
	l.ad(a)
	return nil
}

func (l *adList) write(b []byte) {
	switch {
	case l.long && l.n > 0:
		fmt.Fprintln(l.d.Out)
	case !l.long && l.n == 0:
		fmt.Fprintln(l.d.Out, "[")
	case !l.long:
		fmt.Fprintln(l.d.Out, ",")
	}
	l.n++
	l.d.Out.Write(b)
	if len(b) == 0 || b[len(b)-1] != '\n' {
		fmt.Fprintln(l.d.Out)
	}
}

// end closes the list; an empty one in JSON is an empty array.
func (l *adList) end() {
	switch {
	case l.long:
	case l.n == 0:
		fmt.Fprint(l.d.Out, "[\n]\n")
	default:
		fmt.Fprintln(l.d.Out, "]")
	}
}

// autoformat prints chosen attributes of an ad on a line, as condor_q -af does.
// Letters of its format: j the job's id first, h a line of headings, l labels, V and
// r values as they are written (strings in quotes), t tabs and , commas between.
type autoformat struct {
	out    io.Writer
	names  []string
	format string
	now    time.Time
	begun  bool
}

func (f *autoformat) has(letter string) bool { return strings.Contains(f.format, letter) }

func (f *autoformat) gap() string {
	switch {
	case f.has("t"):
		return "\t"
	case f.has(","):
		return ", "
	}
	return " "
}

func (f *autoformat) print(a *ad.Ad) {
	if !f.begun && f.has("h") {
		head := f.names
		if f.has("j") {
			head = append([]string{"ID"}, head...)
		}
		fmt.Fprintln(f.out, strings.Join(head, f.gap()))
	}
	f.begun = true
	var parts []string
	if f.has("j") {
		parts = append(parts, idOf(a).String())
	}
	for _, n := range f.names {
		text := "undefined"
		if v, ok := valueOf(a, n, f.now); ok {
			if s, isText := v.Text(); isText && !f.has("V") && !f.has("r") {
				text = grid.Printable(s)
			} else {
				text = v.String()
			}
		}
		if f.has("l") {
			text = n + " = " + text
		}
		parts = append(parts, text)
	}
	fmt.Fprintln(f.out, strings.Join(parts, f.gap()))
}
