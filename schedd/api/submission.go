package api

import (
	"encoding/json"
	"strconv"

	"gridburst/schedd/submit"
)

// DecodeSubmission reads a submission from JSON. It is the one request whose cost
// counts, so what a [Client] sends is read in one pass, whose strings share the memory
// of the whole; anything else is left to encoding/json, which also says what is wrong.
func DecodeSubmission(body []byte) (s Submission, err error) {
	q := quick{s: string(body)}
	q.object(func(key string) {
		switch {
		case key == "key" && s.Key == "":
			s.Key = q.text()
		case key == "specs" && s.Specs == nil:
			s.Specs = list(&q, q.spec)
		default:
			q.give()
		}
	})
	if q.space(); q.ok() && q.i == len(q.s) {
		return s, nil
	}
	s = Submission{}
	err = json.Unmarshal(body, &s)
	return s, err
}

// quick reads the JSON that encoding/json writes for a submission. It gives up at
// anything else: an unknown or repeated key, a null, an empty list.
type quick struct {
	s   string
	i   int
	bad bool
}

func (q *quick) ok() bool { return !q.bad }

func (q *quick) give() { q.bad, q.i = true, len(q.s) }

func (q *quick) space() {
	for q.i < len(q.s) {
		switch q.s[q.i] {
		case ' ', '\t', '\n', '\r':
			q.i++
		default:
			return
		}
	}
}

// next takes a byte that must come, and reports whether it did.
func (q *quick) next(c byte) bool {
	q.space()
	if q.i < len(q.s) && q.s[q.i] == c {
		q.i++
		return true
	}
	return false
}

func (q *quick) must(c byte) {
	if !q.next(c) {
		q.give()
	}
}

// object calls field for each key, which reads the value.
func (q *quick) object(field func(key string)) {
	q.must('{')
	for q.ok() {
		key := q.text()
		q.must(':')
		field(key)
		if q.next('}') {
			return
		}
		q.must(',')
	}
}

func list[T any](q *quick, read func() T) (out []T) {
	q.must('[')
	out = make([]T, 0, 8)
	for q.ok() {
		out = append(out, read())
		if q.next(']') {
			return out
		}
		q.must(',')
	}
	return nil
}

func (q *quick) text() string {
	q.must('"')
	escaped, plain := false, true
	for first := q.i; q.i < len(q.s); q.i++ {
		switch c := q.s[q.i]; {
		case c == '"':
			text := q.s[first:q.i]
			q.i++
			switch {
			case plain && !escaped:
				return text
			case plain:
				return unescape(text)
			}
			var out string
			if json.Unmarshal([]byte(q.s[first-1:q.i]), &out) != nil {
				q.give()
			}
			return out
		case c == '\\':
			escaped = true
			q.i++ // what is escaped ends nothing
			plain = plain && q.i < len(q.s) && (q.s[q.i] == '"' || q.s[q.i] == '\\' || q.s[q.i] == '/')
		case c >= 0x80:
			plain = false
		case c < ' ':
			q.give()
		}
	}
	q.give()
	return ""
}

// unescape takes out the backslashes before quotes, backslashes and slashes.
func unescape(text string) string {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			i++
		}
		out = append(out, text[i])
	}
	return string(out)
}

func (q *quick) number() int {
	q.space()
	first := q.i
	for q.i < len(q.s) && (q.s[q.i] >= '0' && q.s[q.i] <= '9' || q.s[q.i] == '-') {
		q.i++
	}
	n, err := strconv.Atoi(q.s[first:q.i])
	if err != nil || strconv.Itoa(n) != q.s[first:q.i] {
		q.give()
	}
	return n
}

func (q *quick) yes() bool {
	q.space()
	for _, word := range [...]string{"true", "false"} {
		if len(q.s)-q.i >= len(word) && q.s[q.i:q.i+len(word)] == word {
			q.i += len(word)
			return word == "true"
		}
	}
	q.give()
	return false
}

func (q *quick) spec() (s submit.Spec) {
	q.object(func(key string) {
		switch {
		case key == "attrs" && s.Attrs == nil:
			s.Attrs = list(q, q.attr)
		case key == "sections" && s.Sections == nil:
			s.Sections = list(q, q.section)
		default:
			q.give()
		}
	})
	return s
}

func (q *quick) attr() (a submit.Attr) {
	q.object(func(key string) {
		switch {
		case key == "name" && a.Name == "":
			a.Name = q.text()
		case key == "expr" && a.Expr == "":
			a.Expr = q.text()
		default:
			q.give()
		}
	})
	return a
}

func (q *quick) section() (s submit.Section) {
	q.object(func(key string) {
		switch {
		case key == "attrs" && s.Attrs == nil:
			s.Attrs = list(q, q.attr)
		case key == "vars" && s.Vars == nil:
			s.Vars = list(q, q.text)
		case key == "items" && s.Items == nil:
			s.Items = list(q, func() []string { return list(q, q.text) })
		case key == "per_item" && s.PerItem == 0:
			s.PerItem = q.number()
		case key == "verbatim" && !s.Verbatim:
			s.Verbatim = q.yes()
		case key == "hold" && !s.Hold:
			s.Hold = q.yes()
		default:
			q.give() // columns too: who has them has many jobs in one submission
		}
	})
	return s
}
