package userlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// maxEvent bounds an event that has no end: what is longer is no event.
const maxEvent = 1 << 20

// Read takes the whole events from the front of data, in whichever forms they are, and
// says how many bytes they are; the rest is an event that is still being written. What
// is no event is skipped, and so is one that was never finished and has others behind
// it.
func Read(data []byte) (events []Event, n int) {
	for e := range eventsIn(data, &n) {
		events = append(events, e)
	}
	return events, n
}

// eventsIn yields the events of data; *n is behind what has been looked at.
func eventsIn(data []byte, n *int) func(yield func(Event) bool) {
	return func(yield func(Event) bool) {
		for *n < len(data) {
			e, used := first(data[*n:])
			if used == 0 && len(data)-*n > maxEvent {
				used = 1 + bytes.IndexByte(data[*n:], '\n')
			}
			if used == 0 {
				return
			}
			*n += used
			if e != nil && !yield(*e) {
				return
			}
		}
	}
}

// first is the first event and how many bytes it takes up; nil if they are none, and 0
// if there may be more of it to come.
func first(b []byte) (e *Event, used int) {
	blank := len(b) - len(bytes.TrimLeft(b, " \t\r\n"))
	if blank == len(b) {
		return nil, blank
	}
	b = b[blank:]
	switch {
	case b[0] == '{':
		e, used = firstJSON(b)
	case b[0] == '<':
		e, used = firstXML(b)
	default:
		e, used = firstText(b)
	}
	if used == 0 {
		return nil, blank // blanks are nothing's beginning
	}
	return e, blank + used
}

// line is the first line of b without its end, and what is behind it; ok is false if it
// has no end yet.
func line(b []byte) (line, rest []byte, ok bool) {
	line, rest, ok = bytes.Cut(b, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest, ok
}

func firstText(b []byte) (*Event, int) {
	begin, at := 0, 0
	for {
		l, rest, ok := line(b[at:])
		if !ok {
			return nil, 0
		}
		if string(l) == "..." {
			return parseText(string(b[begin:at])), len(b) - len(rest)
		}
		if at > begin && isHeader(l) {
			begin = at // the one before was never finished
		}
		at = len(b) - len(rest)
	}
}

// isHeader reports whether a line begins as an event does: "005 (12.".
func isHeader(l []byte) bool {
	digit := func(i int) bool { return l[i] >= '0' && l[i] <= '9' }
	return len(l) > 6 && digit(0) && digit(1) && digit(2) && l[3] == ' ' && l[4] == '(' && (digit(5) || l[5] == '-')
}

func parseText(s string) *Event {
	all := strings.Split(strings.TrimSuffix(strings.ReplaceAll(s, "\r\n", "\n"), "\n"), "\n")
	if !isHeader([]byte(all[0])) {
		return nil
	}
	id, rest, ok := strings.Cut(all[0][5:], ") ")
	parts := strings.Split(id, ".")
	if !ok || len(parts) != 3 {
		return nil
	}
	number, err1 := strconv.ParseUint(all[0][:3], 10, 8)
	cluster, err2 := strconv.ParseInt(parts[0], 10, 32)
	proc, err3 := strconv.ParseInt(parts[1], 10, 32)
	at, rest, ok := parseTime(rest)
	if err1 != nil || err2 != nil || err3 != nil || !ok {
		return nil
	}
	e := &Event{Job: grid.JobID{Cluster: int32(cluster), Proc: int32(proc)}, Time: at}
	if kind := kinds[grid.EventNumber(number)]; kind != nil {
		e.Body = kind()
		if e.Body.read(&lines{rest, all[1:]}) {
			return e
		}
	}
	e.Body = &Other{Number: grid.EventNumber(number)}
	e.Body.read(&lines{rest, all[1:]})
	return e
}

// parseTime takes an event's time from the front of s, however it is written.
func parseTime(s string) (at time.Time, rest string, ok bool) {
	words := strings.SplitN(s, " ", 3)
	stamp := words[0]
	if len(stamp) <= len("2006-01-02") {
		if len(words) < 2 {
			return at, s, false
		}
		stamp += " " + words[1]
	}
	rest = strings.TrimPrefix(strings.TrimPrefix(s, stamp), " ")
	clock, utc := strings.CutSuffix(stamp, "Z")
	in := time.Local
	if utc {
		in = time.UTC
	}
	for _, layout := range [...]string{"2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, clock, in); err == nil {
			return at, rest, true
		}
	}
	at, err := time.ParseInLocation("01/02 15:04:05", clock, time.UTC)
	return at, rest, err == nil
}

func firstXML(b []byte) (*Event, int) {
	begin, at := 0, 0
	for {
		l, rest, ok := line(b[at:])
		if !ok {
			return nil, 0
		}
		next := len(b) - len(rest)
		switch {
		case string(l) == "</c>":
			a, err := ad.ParseXML(b[begin:next])
			if err != nil {
				return nil, next
			}
			return eventOf(a), next
		case string(l) == "<c>":
			begin = at
		case at == begin:
			return nil, next // of a document around the events
		}
		at = next
	}
}

func firstJSON(b []byte) (*Event, int) {
	d := json.NewDecoder(bytes.NewReader(b))
	var raw json.RawMessage
	err := d.Decode(&raw)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, 0
	}
	if err != nil {
		// The next line that begins one.
		if i := bytes.Index(b[1:], []byte("\n{")); i >= 0 {
			return nil, i + 2
		}
		return nil, 0
	}
	end := int(d.InputOffset())
	l, rest, ok := line(b[end:])
	if !ok {
		return nil, 0 // its last line is not whole
	}
	used := len(b) - len(rest)
	if len(bytes.TrimSpace(l)) > 0 {
		used = end // another follows at once
	}
	a, err := ad.ParseJSON(raw)
	if err != nil {
		return nil, used
	}
	return eventOf(a), used
}

// eventOf is the event that an ad tells of; nil if it tells of none.
func eventOf(a *ad.Ad) *Event {
	number := a.Int("EventTypeNumber", -1)
	at, _, ok := parseTime(a.Text("EventTime"))
	if number < 0 || number > 255 || !ok {
		return nil
	}
	e := &Event{Job: grid.JobID{Cluster: int32(a.Int("Cluster", -1)), Proc: int32(a.Int("Proc", -1))}, Time: at}
	e.Body = &Other{Number: grid.EventNumber(number)}
	if kind := kinds[grid.EventNumber(number)]; kind != nil {
		e.Body = kind()
	}
	// What every event has is in none's body.
	for _, name := range [...]string{"MyType", "EventTypeNumber", "EventTime", "Cluster", "Proc", "Subproc"} {
		a.Delete(name)
	}
	e.Body.attributes(&attributes{ad: a, reading: true})
	return e
}
