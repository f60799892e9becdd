package ledger

import (
	"slices"
	"strconv"
	"strings"
)

// find is the expression of an attribute, case aside; "" when it is not there.
func find(as []Attr, name string) string {
	i := slices.IndexFunc(as, func(a Attr) bool { return strings.EqualFold(a.Name, name) })
	if i < 0 {
		return ""
	}
	return as[i].Expr
}

// renamed moves an attribute to another name.
func renamed(as []Attr, from, to string) []Attr {
	if expr := find(as, from); expr != "" {
		return merge(as, Attr{Name: to, Expr: expr}, Attr{Name: from})
	}
	return as
}

// integer is an attribute with a number, which number reads; 0 when it has none.
func integer(name string, n int64) Attr { return Attr{Name: name, Expr: strconv.FormatInt(n, 10)} }

func number(as []Attr, name string) int64 {
	n, _ := strconv.ParseInt(find(as, name), 10, 64)
	return n
}

// tally adds one to a word's count in an attribute such as
//
//	NumHoldsByReason = [ JobPolicy = 2; UserRequest = 1 ]
func (t *txn) tally(as []Attr, name, word string) []Attr {
	if t.v.rules < 1 {
		return as
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(find(as, name), "[ "), " ]")
	var fields []string
	count := 1
	for f := range strings.SplitSeq(inner, "; ") {
		was, n, ok := strings.Cut(f, " = ")
		switch {
		case !ok:
		case was == word:
			old, _ := strconv.Atoi(n)
			count += old
		default:
			fields = append(fields, f)
		}
	}
	fields = append(fields, word+" = "+strconv.Itoa(count))
	slices.Sort(fields)
	return merge(as, Attr{Name: name, Expr: "[ " + strings.Join(fields, "; ") + " ]"})
}

func namesOf(as []Attr) string {
	names := make([]string, len(as))
	for i, a := range as {
		names[i] = a.Name
	}
	return strings.Join(names, " ")
}

// merge sets attributes by name, case aside; an empty Expr deletes. The result is
// sorted, so that equal sets are equal bytes.
func merge(as []Attr, news ...Attr) []Attr {
	as = slices.Clone(as)
	for _, n := range news {
		i, found := slices.BinarySearchFunc(as, n.Name, func(a Attr, name string) int {
			return strings.Compare(strings.ToLower(a.Name), strings.ToLower(name))
		})
		switch {
		case found && n.Expr == "":
			as = slices.Delete(as, i, i+1)
		case found:
			as[i] = n
		case n.Expr != "":
			as = slices.Insert(as, i, n)
		}
	}
	return as
}

// text is an attribute with a string value. The quoting is the ledger's own: it is
// part of what replaying an old log must give.
func text(name, value string) Attr { return Attr{Name: name, Expr: quote(value)} }

func quote(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// unquote undoes quote.
func unquote(s string) string {
	if len(s) < 2 {
		return s
	}
	return unquoter.Replace(s[1 : len(s)-1])
}

var unquoter = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\n`, "\n", `\r`, "\r", `\t`, "\t")
