package userlog

import (
	"bytes"
	"strconv"
	"strings"

	"gridburst/internal/grid"
)

// Seen is an event as a reader finds it: what every tool looks at, and the text.
type Seen struct {
	Number grid.EventNumber
	Job    grid.JobID
	Time   string // as written
	Text   string // the first line after the time
	Lines  []string
}

// Normal reports whether a terminated event says a normal end, and with what value.
func (s *Seen) Normal() (value int, ok bool) {
	for _, l := range s.Lines {
		if rest, found := strings.CutPrefix(strings.TrimSpace(l), "(1) Normal termination (return value "); found {
			value, err := strconv.Atoi(strings.TrimSuffix(rest, ")"))
			return value, err == nil
		}
	}
	return 0, false
}

// Read takes the whole events from the front of data and says how many bytes they
// are; the rest is an event that is still being written. Text that is no event is
// skipped to the next end of one, as HTCondor's readers do.
func Read(data []byte) (events []Seen, n int) {
	for {
		rest := data[n:]
		end, next := endOfEvent(rest)
		if end < 0 {
			return events, n
		}
		if e, ok := parse(string(rest[:end])); ok {
			events = append(events, e)
		}
		n += next
	}
}

// endOfEvent finds the line "...": where it begins, and what follows it.
func endOfEvent(b []byte) (begin, next int) {
	if bytes.HasPrefix(b, []byte("...\n")) {
		return 0, 4
	}
	i := bytes.Index(b, []byte("\n...\n"))
	if i < 0 {
		return -1, 0
	}
	return i + 1, i + 5
}

func parse(s string) (e Seen, ok bool) {
	head, body, _ := strings.Cut(s, "\n")
	number, rest, ok := strings.Cut(head, " (")
	if !ok || len(number) != 3 {
		return e, false
	}
	id, rest, ok := strings.Cut(rest, ") ")
	parts := strings.Split(id, ".")
	if !ok || len(parts) != 3 {
		return e, false
	}
	n, err1 := strconv.ParseUint(number, 10, 8)
	cluster, err2 := strconv.ParseInt(parts[0], 10, 32)
	proc, err3 := strconv.ParseInt(parts[1], 10, 32)
	if err1 != nil || err2 != nil || err3 != nil {
		return e, false
	}
	e.Number, e.Job = grid.EventNumber(n), grid.JobID{Cluster: int32(cluster), Proc: int32(proc)}
	// The time is two words, or one (2006-01-02T15:04:05).
	words := strings.SplitN(rest, " ", 3)
	if len(words) == 3 {
		e.Time, e.Text = words[0]+" "+words[1], words[2]
	}
	for line := range strings.Lines(body) {
		e.Lines = append(e.Lines, strings.TrimRight(line, "\n"))
	}
	return e, true
}
