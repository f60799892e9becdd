package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// What -af and -format print of an ad are attributes, or expressions: those are evaluated
// here, from the attributes that they name.

// chosen parts lists of attributes. An expression with commas is one.
func chosen(lists []string) (out []string) {
	for _, l := range lists {
		parts := strings.Split(l, ",")
		if slices.ContainsFunc(parts, func(p string) bool { return !ad.ValidName(strings.TrimSpace(p)) }) {
			parts = []string{l}
		}
		for _, p := range parts {
			out = append(out, strings.TrimSpace(p))
		}
	}
	return out
}

// looksAt are the attributes that are needed of each job; none: all of them.
func looksAt(texts []string) (names []string, err error) {
	names = []string{"ClusterId", "ProcId"}
	for _, t := range texts {
		if ad.ValidName(t) {
			names = append(names, t)
			continue
		}
		e, err := ad.Parse(t)
		if err != nil {
			return nil, grid.Errorf(grid.Invalid, "%q is neither an attribute nor an expression: %w", t, err)
		}
		refs := e.Refs()
		if refs.Opaque {
			return nil, nil
		}
		names = append(append(names, refs.My...), refs.Bare...)
	}
	return names, nil
}

// valueOf is an attribute's or an expression's value; not ok when it is undefined.
func valueOf(a *ad.Ad, text string, now time.Time) (ad.Value, bool) {
	t := formula{text: text}
	if !ad.ValidName(text) {
		var err error
		if t, err = formulaOf(text); err != nil {
			return ad.ErrorValue(), true
		}
	}
	return t.value(a, now)
}

// formula is an expression that is asked of many ads.
type formula struct {
	text string
	e    *ad.Expr
}

func formulaOf(text string) (t formula, err error) {
	t.text = text
	t.e, err = ad.Parse(text)
	return t, err
}

// value is what it comes to; false when that is undefined, or no such attribute is there.
func (t *formula) value(a *ad.Ad, now time.Time) (ad.Value, bool) {
	if ad.ValidName(t.text) {
		return a.Literal(t.text)
	}
	v := ad.At(now).Eval(t.e, a, nil)
	return v, !v.IsUndefined()
}

// conversion is one -format: text before and behind, and how printf prints a value.
type conversion struct {
	before, after string
	verb          string // with flags and width: "%-5d"; "" when nothing is printed of the value
	kind          byte   // its letter
	text          string // what is printed
}

// conversions reads pairs of a format and what it prints.
func conversions(pairs []string) (out []conversion, err error) {
	for _, p := range pairs {
		format, text, ok := strings.Cut(p, "\x00")
		if !ok {
			return nil, usage(fmt.Sprintf("-format %q needs what it prints: -format '%%d\\n' ClusterId", p))
		}
		c := conversion{text: text}
		format = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\\`, `\`, `\"`, `"`).Replace(format)
		for i := 0; i < len(format); i++ {
			into := &c.before
			if c.verb != "" {
				into = &c.after
			}
			if format[i] != '%' {
				*into += format[i : i+1]
				continue
			}
			end := i + 1
			for end < len(format) && strings.IndexByte("-+ 0#.123456789", format[end]) >= 0 {
				end++
			}
			for end < len(format) && format[end] == 'l' { // a C programmer's long
				format = format[:end] + format[end+1:]
			}
			switch {
			case end == i+1 && end < len(format) && format[end] == '%':
				*into += "%"
			case end == len(format) || strings.IndexByte("diusfgexXcvV", format[end]) < 0 || c.verb != "":
				return nil, usage(fmt.Sprintf("-format %q has at most one of %%d %%s %%f %%g %%e %%x %%c %%v %%V", format))
			default:
				c.verb, c.kind = format[i:end], format[end]
			}
			i = end
		}
		out = append(out, c)
	}
	return out, nil
}

// printAll prints a job as the conversions say; one whose value is undefined prints
// nothing at all, as in condor_q.
func printAll(w io.Writer, all []conversion, a *ad.Ad, now time.Time) error {
	var b strings.Builder
	for _, c := range all {
		v, ok := valueOf(a, c.text, now)
		if !ok {
			continue
		}
		b.WriteString(c.before)
		if c.verb != "" {
			b.WriteString(c.print(v))
		}
		b.WriteString(c.after)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c *conversion) print(v ad.Value) string {
	number, isNumber := v.Number()
	switch c.kind {
	case 'd', 'i', 'u', 'x', 'X', 'c':
		whole, ok := v.Int()
		if !ok {
			whole = int64(number)
		}
		if isNumber {
			return fmt.Sprintf(c.verb+strings.NewReplacer("i", "d", "u", "d").Replace(string(c.kind)), whole)
		}
	case 'f', 'g', 'e':
		if isNumber {
			return fmt.Sprintf(c.verb+string(c.kind), number)
		}
	}
	text, isText := v.Text()
	if isText && c.kind != 'V' {
		text = grid.Printable(text)
	} else {
		text = v.String()
	}
	verb := c.verb
	if strings.IndexByte("svV", c.kind) < 0 { // another kind of value is printed as it is, in that width
		verb, _, _ = strings.Cut(verb, ".")
	}
	return fmt.Sprintf(verb+"s", text)
}
