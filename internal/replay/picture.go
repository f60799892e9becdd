package replay

import (
	"fmt"
	"html"
	"io"
	"strings"
	"time"
)

// Sizes of a picture, in its own units.
const (
	wide, high          = 1000, 260
	left, top           = 48, 34
	columns, breadth    = 900, 190
	demandInk, readyInk = "#b5482a", "#2a6f97"
)

// SVG draws demand against supply: for each policy how many machines its jobs would have
// filled, and how many served.
func SVG(out io.Writer, trace string, all []*Result) error {
	var b strings.Builder
	svg(&b, trace, all)
	_, err := io.WriteString(out, b.String())
	return err
}

func svg(b *strings.Builder, trace string, all []*Result) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" font-family="sans-serif" font-size="12">`+"\n", wide, high*len(all))
	fmt.Fprintf(b, "<title>%s: machines needed and serving</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n", html.EscapeString(trace))
	for i, r := range all {
		fmt.Fprintf(b, `<g transform="translate(0 %d)">`+"\n", i*high)
		panel(b, trace, r)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
}

// column is a stretch of time that is as wide as a dot.
type column struct{ demand, most int }

func panel(b *strings.Builder, trace string, r *Result) {
	fmt.Fprintf(b, `<text x="%d" y="18" font-weight="bold">%s, %s</text>`+"\n", left, html.EscapeString(trace), html.EscapeString(r.Policy))
	fmt.Fprintf(b, `<text x="%d" y="18" text-anchor="end">%.1f machine-hours, mean wait %.1f s, %d starts</text>`+"\n", left+columns, r.Hours, r.Mean, r.Starts)
	if len(r.Points) < 2 {
		fmt.Fprintf(b, `<text x="%d" y="%d">nothing happened</text>`+"\n", left, top+20)
		return
	}
	cols, most, span := sample(r.Points)
	y := func(n int) float64 { return top + breadth*(1-float64(n)/float64(most)) }
	for _, n := range ticks(most) {
		fmt.Fprintf(b, `<path d="M%d %.1fh%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%d</text>`+"\n", left, y(n), columns, left-6, y(n)+4, n)
	}
	var area, line strings.Builder
	fmt.Fprintf(&area, "M%d %d", left, top+breadth)
	for x, c := range cols {
		fmt.Fprintf(&area, "L%d %.1fh1", left+x, y(c.most))
		cmd := "L"
		if x == 0 {
			cmd = "M"
		}
		fmt.Fprintf(&line, "%s%d %.1fh1", cmd, left+x, y(c.demand))
	}
	fmt.Fprintf(&area, "L%d %dZ", left+columns, top+breadth)
	fmt.Fprintf(b, `<path d="%s" fill="%s" fill-opacity="0.35"/>`+"\n", area.String(), readyInk)
	fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="1"/>`+"\n", line.String(), demandInk)
	for k := 0; k <= 4; k++ {
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", left+columns*k/4, top+breadth+16, clock(span*time.Duration(k)/4))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">— needed</text><text x="%d" y="%d" fill="%s">■ serving</text>`+"\n",
		left, top+breadth+32, demandInk, left+80, top+breadth+32, readyInk)
}

// sample reduces what happened to columns, of each the most.
func sample(points []Point) (cols []column, most int, span time.Duration) {
	begin := points[0].At
	span = max(points[len(points)-1].At-begin, 1)
	cols = make([]column, columns)
	most = 1
	for i, p := range points {
		to := span
		if i+1 < len(points) {
			to = points[i+1].At - begin
		}
		for x := int((p.At - begin) * columns / span); x < columns && x <= int(to*columns/span); x++ {
			cols[x].demand, cols[x].most = max(cols[x].demand, p.Demand), max(cols[x].most, p.Supply)
		}
		most = max(most, p.Demand, p.Supply)
	}
	return cols, most, span
}

// ticks are about four round numbers up to most.
func ticks(most int) (out []int) {
	step := 1
	for _, s := range []int{2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000} {
		if most/step > 5 {
			step = s
		}
	}
	for n := 0; n <= most; n += step {
		out = append(out, n)
	}
	return out
}

func clock(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.0f d", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// HTML is a page of its own with the table and the picture.
func HTML(out io.Writer, trace, currency string, all []*Result) error {
	var table, b strings.Builder
	if err := Table(&table, currency, all); err != nil {
		return err
	}
	fmt.Fprintf(&b, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title>\n", html.EscapeString(trace))
	b.WriteString("<style>body{font-family:sans-serif;margin:2em}pre{overflow-x:auto}svg{max-width:100%}</style></head><body>\n")
	fmt.Fprintf(&b, "<h1>%s</h1>\n<pre>%s</pre>\n", html.EscapeString(trace), html.EscapeString(table.String()))
	svg(&b, trace, all)
	b.WriteString("</body></html>\n")
	_, err := io.WriteString(out, b.String())
	return err
}
