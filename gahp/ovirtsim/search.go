package ovirtsim

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// query is a search text, understood:
//
//	name=wn-* and status=up sortby name asc page 2
//
// Terms are joined from the left. In a value * stands for any text and, because the
// engine hands values to its database's LIKE, _ stands for any character. Case does
// not count unless the caller says so.
type query struct {
	terms  []term
	sortBy string
	desc   bool
	page   int // from 1; 0: none asked for
}

type term struct {
	or    bool // joined to what is before by "or"
	field string
	not   bool
	value *regexp.Regexp
}

// searchWords splits a search text, at blanks and around =, != outside quotes.
var searchWords = regexp.MustCompile(`"[^"]*"|!=|=|[^\s="!]+`)

// fields of an object, by the names that a search may use.
type fields map[string]string

// several values of a field are parted by this.
const several = "\x00"

func parseSearch(text string, caseSensitive bool, known []string) (query, error) {
	var q query
	words := searchWords.FindAllString(text, -1)
	next := func() string {
		if len(words) == 0 {
			return ""
		}
		w := words[0]
		words = words[1:]
		return w
	}
	for or := false; len(words) > 0; {
		w := next()
		switch strings.ToLower(w) {
		case "and", "or":
			or = strings.EqualFold(w, "or")
			continue
		case "sortby":
			q.sortBy = strings.ToLower(next())
			if len(words) > 0 && (strings.EqualFold(words[0], "asc") || strings.EqualFold(words[0], "desc")) {
				q.desc = strings.EqualFold(next(), "desc")
			}
			if !slices.Contains(known, q.sortBy) {
				return q, fmt.Errorf("cannot sort by %q", q.sortBy)
			}
			continue
		case "page":
			n, err := strconv.Atoi(next())
			if err != nil || n < 1 {
				return q, fmt.Errorf("page wants a number")
			}
			q.page = n
			continue
		}
		t := term{or: or, field: strings.ToLower(w)}
		or = false
		op := next()
		if !slices.Contains(known, t.field) || op != "=" && op != "!=" || len(words) == 0 {
			return q, fmt.Errorf("%q is no condition", strings.Join([]string{w, op}, ""))
		}
		t.not = op == "!="
		t.value = like(strings.Trim(next(), `"`), caseSensitive)
		q.terms = append(q.terms, t)
	}
	return q, nil
}

// like is a value as a pattern.
func like(value string, caseSensitive bool) *regexp.Regexp {
	p := regexp.QuoteMeta(value)
	p = strings.ReplaceAll(p, `\*`, `.*`)
	p = strings.ReplaceAll(p, `_`, `.`)
	if !caseSensitive {
		p = `(?i)` + p
	}
	return regexp.MustCompile(`(?s)^(?:` + p + `)$`)
}

func (q query) matches(f fields) bool {
	ok := true
	for i, t := range q.terms {
		this := slices.ContainsFunc(strings.Split(f[t.field], several), t.value.MatchString) != t.not
		switch {
		case i == 0:
			ok = this
		case t.or:
			ok = ok || this
		default:
			ok = ok && this
		}
	}
	return ok
}

// pick is what of all the query wants, in its order, no more than limit (0: no limit).
func pick[T any](q query, all []T, of func(T) fields, limit int) []T {
	type row struct {
		x      T
		fields fields // nil where the query looks at none
	}
	var rows []row
	for _, x := range all {
		r := row{x: x}
		if len(q.terms) > 0 || q.sortBy != "" {
			r.fields = of(x)
		}
		if q.matches(r.fields) {
			rows = append(rows, r)
		}
	}
	if q.sortBy != "" {
		slices.SortStableFunc(rows, func(a, b row) int {
			c := strings.Compare(a.fields[q.sortBy], b.fields[q.sortBy])
			if q.desc {
				return -c
			}
			return c
		})
	}
	if q.page > 0 {
		if limit <= 0 {
			limit = 100 // a page's size where none is said
		}
		rows = rows[min(len(rows), (q.page-1)*limit):]
	}
	if limit > 0 {
		rows = rows[:min(len(rows), limit)]
	}
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = r.x
	}
	return out
}
