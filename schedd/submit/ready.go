package submit

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// ReadyCheck is how a worker finds out that a job is ready: by exactly one of a command, a
// port and a URL, which it tries beside the job.
type ReadyCheck struct {
	Command []string      // exits with 0, and runs as the job does
	TCP     int           // a port of the job's machine that accepts
	HTTP    string        // a URL that is answered with 2xx
	Every   time.Duration // between two tries, whole seconds
	Timeout time.Duration // of one try, whole seconds
	Address string        // where others find the job then; empty: it says that itself, or nobody does
}

// What a check is without being told.
const (
	ReadyEvery   = time.Second
	ReadyTimeout = 5 * time.Second
)

// Bounds of a check.
const (
	maxReady        = 24 * time.Hour // of its times
	maxReadyCommand = 16 << 10       // bytes
	maxReadyAddress = 255            // bytes
)

// ReadyProblem is what is wrong with a check.
type ReadyProblem struct {
	Key     string // which key of it, as it is called without ready_ before it; empty: all of it
	Summary string
	Detail  string
}

// ready is the commands of a check, by their keys, and their attributes.
var ready = [...]struct{ key, attr string }{
	{"command", "ReadyCommand"}, {"tcp", "ReadyTcp"}, {"http", "ReadyHttp"}, {"every", "ReadyEvery"}, {"timeout", "ReadyTimeout"}, {"address", "ReadyAddress"},
}

// Attrs are the attributes of a job that is checked so, by name.
func (c *ReadyCheck) Attrs() (attrs []Attr) {
	if c.Address != "" {
		attrs = append(attrs, quoted("ReadyAddress", c.Address))
	}
	if len(c.Command) > 0 {
		attrs = append(attrs, quoted("ReadyCommand", ad.JoinWords(c.Command)))
	}
	attrs = append(attrs, Attr{"ReadyEvery", strconv.FormatInt(int64(c.Every/time.Second), 10)})
	if c.HTTP != "" {
		attrs = append(attrs, quoted("ReadyHttp", c.HTTP))
	}
	if c.TCP != 0 {
		attrs = append(attrs, Attr{"ReadyTcp", strconv.Itoa(c.TCP)})
	}
	return append(attrs, Attr{"ReadyTimeout", strconv.FormatInt(int64(c.Timeout/time.Second), 10)})
}

// ReadyOf is the check of a job; nil: it has none. What is to be filled in by $$(...) may be
// in it yet.
func ReadyOf(job *ad.Ad) (*ReadyCheck, *ReadyProblem) {
	c := &ReadyCheck{Every: ReadyEvery, Timeout: ReadyTimeout}
	kinds, any := 0, ""
	for _, r := range ready {
		if !job.Has(r.attr) {
			continue
		}
		any = r.key
		v, _ := job.Literal(r.attr)
		text, isText := v.Text()
		n, isInt := v.Int()
		bad := func(what string) (*ReadyCheck, *ReadyProblem) {
			src, _ := job.Source(r.attr)
			return nil, &ReadyProblem{r.key, "ready_" + r.key + " is " + what + ", not " + src, ""}
		}
		switch r.key {
		case "command":
			kinds++
			words, err := ad.SplitWords(text)
			if !isText || err != nil {
				return bad("a text of words, as arguments are")
			}
			if c.Command = words; len(words) == 0 {
				c.Command = []string{""}
			}
		case "tcp":
			kinds++
			if c.TCP = int(n); !isInt || n < 1 || n > 65535 {
				return bad("a port from 1 to 65535")
			}
		case "http":
			kinds++
			if c.HTTP = text; !isText || text == "" {
				return bad("a URL")
			}
		case "every":
			if c.Every = time.Duration(n) * time.Second; !isInt {
				return bad("a whole number of seconds")
			}
		case "timeout":
			if c.Timeout = time.Duration(n) * time.Second; !isInt {
				return bad("a whole number of seconds")
			}
		case "address":
			if c.Address = text; !isText || text == "" {
				return bad("a text, as in host:7000")
			}
		}
	}
	switch {
	case any == "":
		return nil, nil
	case kinds == 0:
		return nil, &ReadyProblem{any, "nothing says what is checked", "Say one of ready_command, ready_tcp and ready_http."}
	case kinds > 1:
		return nil, &ReadyProblem{"", "a job is checked in one way", "Say one of ready_command, ready_tcp and ready_http."}
	}
	if bad := c.Problem(0); bad != nil {
		return nil, bad
	}
	return c, nil
}

// filledIn finds what is replaced when a job has been given its slot.
var filledIn = regexp.MustCompile(`\$\$\((\[.*?\]|[^)]*)\)`)

// Problem is what is wrong with a check of which one kind is set, nil if nothing is. within
// is the time that there is for all of it; 0: any.
func (c *ReadyCheck) Problem(within time.Duration) *ReadyProblem {
	for _, t := range []struct {
		key string
		is  time.Duration
	}{{"every", c.Every}, {"timeout", c.Timeout}} {
		switch {
		case t.is < time.Second:
			return &ReadyProblem{t.key, fmt.Sprintf("the %s of a check is %v: it is a second at least", t.key, t.is), ""}
		case t.is > maxReady:
			return &ReadyProblem{t.key, fmt.Sprintf("the %s of a check is %v: it is a day at most", t.key, t.is), ""}
		case within > 0 && t.is > within:
			return &ReadyProblem{t.key, fmt.Sprintf("the %s of a check is %v, and all of the time for it is %v", t.key, t.is, within), "It is shorter than ready_within."}
		}
	}
	if len(c.Command) > 0 {
		switch words := strings.Join(c.Command, " "); {
		case c.Command[0] == "":
			return &ReadyProblem{"command", "the command of a check is empty", `As in: ["redis-cli", "-p", "7000", "ping"]`}
		case strings.Contains(words, "\x00") || len(words) > maxReadyCommand:
			return &ReadyProblem{"command", fmt.Sprintf("the command of a check holds a NUL, or more than %d bytes", maxReadyCommand), ""}
		}
	}
	if c.TCP < 0 || c.TCP > 65535 {
		return &ReadyProblem{"tcp", strconv.Itoa(c.TCP) + " is no port", "It is from 1 to 65535."}
	}
	if c.HTTP != "" {
		if why := urlProblem(filledIn.ReplaceAllString(c.HTTP, "1")); why != "" {
			return &ReadyProblem{"http", grid.Printable(c.HTTP) + " " + why, "As in: http://localhost:8080/health"}
		}
	}
	if plain := filledIn.ReplaceAllString(c.Address, "host"); len(c.Address) > maxReadyAddress || !AddressFit(plain) && plain != "" {
		return &ReadyProblem{"address", grid.Printable(c.Address) + " is no address", fmt.Sprintf("It is a text without blanks, quotes and $, of %d bytes at most, as in host:7000.", maxReadyAddress)}
	}
	return nil
}

// AddressFit reports whether a text may be the address of a service.
func AddressFit(s string) bool {
	return s != "" && len(s) <= maxReadyAddress && !strings.ContainsFunc(s, func(c rune) bool {
		return !unicode.IsGraphic(c) || unicode.IsSpace(c) || strings.ContainsRune("\"'$", c)
	})
}

func urlProblem(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Opaque != "", u.Hostname() == "":
		return "is no URL of a host"
	case u.Scheme != "http" && u.Scheme != "https":
		return "is no URL of http or https"
	case u.User != nil:
		return "holds a user, whom everybody would see"
	case u.Port() == "":
		return ""
	}
	if n, err := strconv.Atoi(u.Port()); err != nil || n < 1 || n > 65535 {
		return "has a port that there is not"
	}
	return ""
}

// setReady sets the check of a job that says when it is ready.
func (l *lowering) setReady() {
	before := len(*l.diags)
	defer func() { l.unready = (*l.diags)[before:].HasErrors() }()
	for _, r := range ready {
		l.asked = nil
		_, v, ok := l.word("ready_" + r.key)
		if !ok {
			continue
		}
		kind := KindString
		switch r.key {
		case "command":
			words := v.List
			if !v.IsList {
				var err error
				if words, _, err = submitWords(v.Text); err != nil {
					l.failed(v.Pos, r.attr, err)
					continue
				}
			}
			v = Value{Text: ad.JoinWords(words), Pos: v.Pos}
		case "tcp":
			kind = KindInt
		case "every", "timeout":
			kind = KindDuration
		}
		l.put(r.attr, kind, v)
	}
}

// checkReady looks through the check of the job, however its attributes were set.
func (l *lowering) checkReady() {
	if l.unready {
		return
	}
	job := ad.New(len(ready))
	at := ""
	for _, r := range ready {
		if slices.ContainsFunc(l.columns, func(c Column) bool { return compareNames(c.Attr, r.attr) == 0 }) {
			l.fail(l.readyAt(r.key), r.attr+" must not differ between the jobs of one queue statement", "")
			return
		}
		if a, ok := l.attrs[fold(r.attr)]; ok {
			at = r.key
			if err := job.Set(r.attr, a.Expr); err != nil {
				l.failed(l.readyAt(r.key), r.attr, err)
				return
			}
		}
	}
	switch _, bad := ReadyOf(job); {
	case at == "":
	case bad != nil:
		l.fail(l.readyAt(bad.Key), bad.Summary, bad.Detail)
	case l.universe.docker || l.universe.container != "", !slices.Contains(checked[:], grid.Universe(l.universe.number)):
		l.fail(l.readyAt(at), "nobody checks whether a job of this universe is ready", "A check is made beside a job that a worker runs by itself: of the universes vanilla, java and local, without an image.")
	}
}

// checked are the universes whose jobs are checked.
var checked = [...]grid.Universe{grid.Vanilla, grid.Java, grid.Local}

// readyAt is where a key of the check was written, or the first of it.
func (l *lowering) readyAt(key string) Pos {
	for _, r := range ready {
		if key != "" && r.key != key {
			continue
		}
		for _, c := range l.job.Custom {
			if compareNames(c.Name, r.attr) == 0 {
				return c.Value.Pos
			}
		}
		if v, ok := l.command("ready_" + r.key); ok {
			return v.Pos
		}
	}
	return l.job.Queue.Pos
}
