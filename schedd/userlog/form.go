package userlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Kind is a form of event logs.
type Kind uint8

// The forms, in the numbers of a job's UserLogUseXML.
const (
	Text Kind = 0
	XML  Kind = 1
	JSON Kind = 2
)

// Form is how events are written. The zero one is text with a year and local time.
type Form struct {
	Kind      Kind
	Legacy    bool // MM/DD, without a year; in text alone
	UTC       bool
	SubSecond bool // milliseconds; XML and JSON always have them
}

// options are HTCondor's words, as in DEFAULT_USERLOG_FORMAT_OPTIONS.
var options = map[string]func(*Form, bool){
	"XML":        func(f *Form, on bool) { f.kind(XML, on) },
	"JSON":       func(f *Form, on bool) { f.kind(JSON, on) },
	"ISO_DATE":   func(f *Form, on bool) { f.Legacy = !on },
	"UTC":        func(f *Form, on bool) { f.UTC = on },
	"SUB_SECOND": func(f *Form, on bool) { f.SubSecond = on },
	"LEGACY": func(f *Form, on bool) {
		if f.Legacy = on; on {
			f.UTC, f.SubSecond = false, false
		}
	},
}

func (f *Form) kind(k Kind, on bool) {
	if on {
		f.Kind = k
	} else if f.Kind == k {
		f.Kind = Text
	}
}

// ParseForm reads HTCondor's words for a form: XML, JSON, ISO_DATE, UTC, SUB_SECOND,
// LEGACY, and each with a ! before it for its opposite.
func ParseForm(words []string) (f Form, err error) {
	for _, w := range words {
		name, off := strings.CutPrefix(w, "!")
		set := options[strings.ToUpper(name)]
		if set == nil {
			return f, grid.Errorf(grid.Invalid, "%q says nothing of an event log's form: there are XML, JSON, ISO_DATE, UTC, SUB_SECOND and LEGACY", w)
		}
		set(&f, !off)
	}
	return f, nil
}

// Encode is e as it stands in a log, whole.
func (f Form) Encode(e *Event) []byte {
	switch f.Kind {
	case XML:
		return f.ad(e).AppendXML(nil)
	case JSON:
		var b bytes.Buffer
		json.Indent(&b, f.ad(e).AppendJSON(nil), "", "  ") // it is JSON
		b.WriteByte('\n')
		return b.Bytes()
	}
	t := &text{}
	fmt.Fprintf(t, "%03d (%03d.%03d.%03d) %s ", e.Number(), e.Job.Cluster, e.Job.Proc, subproc(e), f.stamp(e.Time))
	e.Body.write(t)
	t.WriteString("...\n")
	return []byte(t.String())
}

// subproc is always 0, but for the header of an event log, which is of no job.
func subproc(e *Event) int32 { return min(e.Job.Cluster, 0) }

func (f Form) stamp(t time.Time) string {
	layout := "2006-01-02 15:04:05"
	if f.Legacy {
		layout = "01/02 15:04:05"
	}
	if f.SubSecond {
		layout += ".000"
	}
	if f.UTC {
		return t.UTC().Format(layout + "Z")
	}
	return t.Format(layout)
}

// ad is e as a ClassAd.
func (f Form) ad(e *Event) *ad.Ad {
	a := ad.New(16)
	e.Body.attributes(&attributes{ad: a})
	layout, t := "2006-01-02T15:04:05", e.Time
	if t.Nanosecond() >= int(time.Millisecond) {
		layout += ".000"
	}
	if f.UTC {
		layout, t = layout+"Z", t.UTC()
	}
	a.SetString("MyType", e.Body.name())
	a.SetInt("EventTypeNumber", int64(e.Number()))
	a.SetString("EventTime", t.Format(layout))
	for name, n := range map[string]int32{"Cluster": e.Job.Cluster, "Proc": e.Job.Proc, "Subproc": subproc(e)} {
		if n >= 0 {
			a.SetInt(name, int64(n))
		}
	}
	return a
}

// JSON is e as one line, for programs.
func (e *Event) JSON() []byte { return Form{Kind: JSON, UTC: true}.ad(e).AppendJSON(nil) }

// Summary is the first line of e's text: what happened, in a few words.
func (e *Event) Summary() string {
	t := &text{}
	e.Body.write(t)
	line, _, _ := strings.Cut(t.String(), "\n")
	return strings.TrimSpace(line)
}
