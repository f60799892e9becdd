package configs

import (
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/submit"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// queue reads a queue block:
//
//	queue { count = 40 }                          40 jobs
//	queue { in = ["a", "b"] }                     one for each element, which is item
//	queue { in = [{ name = "a", size = 1 }] }     the parts are item.name and item.size
//	queue { from = "list.txt" }                   one for each line
//	queue { from = "list.txt", vars = ["name", "size"] }
//	queue { matching = "texts/*.txt" }            one for each file
//
// count beside one of the others is the number of jobs for each item.
func (r *reader) queue(l *lowering, b *hclsyntax.Block) (submit.Queue, bool) {
	q := submit.Queue{PerItem: 1, Verbatim: true, Pos: r.pos(b.TypeRange)}
	l.bad = false
	var source *hclsyntax.Attribute
	only := ""
	for _, a := range sorted(b.Body.Attributes) {
		switch a.Name {
		case "count":
			q.PerItem = r.count(l, a)
		case "vars":
			q.Vars = r.texts(l, a)
		case "only":
			l.live = false
			if only = l.text(a.Expr); only != "files" && only != "dirs" && !l.bad {
				l.fail(a.Expr.Range(), `only is "files" or "dirs"`, "")
			}
		case "in", "from", "matching":
			if source != nil {
				l.fail(a.NameRange, a.Name+" and "+source.Name+" are both set", "Items come from one of them.")
			}
			source = a
		default:
			l.bad = true
			r.unknown(a.NameRange, "key of a queue block", a.Name, []string{"count", "in", "from", "matching", "vars", "only"})
		}
	}
	for _, inner := range b.Body.Blocks {
		l.fail(inner.TypeRange, "a queue block holds no blocks", "")
	}
	for _, v := range q.Vars {
		if !ad.ValidName(v) || submit.Automatic(v) {
			l.fail(b.TypeRange, quote(v)+" cannot be the name of an item's part", "Letters, digits and underscores, and not a name that every job has, such as process.")
		}
	}
	switch {
	case source != nil:
		r.items(l, source, only, &q)
	case q.Vars != nil:
		l.fail(b.TypeRange, "vars are names for items, and there are none", "Set in, from or matching.")
	}
	if n := q.PerItem * max(len(q.Items), 1); n > grid.MaxProcs || len(q.Items) > grid.MaxProcs {
		l.fail(b.TypeRange, "a cluster cannot have more than "+strconv.Itoa(grid.MaxProcs)+" jobs", "")
	}
	return q, !l.bad
}

func (r *reader) count(l *lowering, a *hclsyntax.Attribute) int {
	l.live = false
	if isLive(a.Expr) {
		l.fail(a.Expr.Range(), "the number of jobs cannot depend on the job", "")
		return 0
	}
	text := l.text(a.Expr)
	n, err := strconv.Atoi(text)
	if !l.bad && (err != nil || n < 0 || n > grid.MaxProcs) {
		l.fail(a.Expr.Range(), quote(text)+" is no number of jobs", "0 to "+strconv.Itoa(grid.MaxProcs)+" are possible.")
		return 0
	}
	return n
}

// texts is a list of texts, or one text, that is known now.
func (r *reader) texts(l *lowering, a *hclsyntax.Attribute) []string {
	l.live = false
	if isLive(a.Expr) {
		l.fail(a.Expr.Range(), a.Name+" cannot depend on the job", "")
		return nil
	}
	if words, isList := l.words(a.Expr); isList {
		return words
	}
	return []string{l.text(a.Expr)}
}

// items fills q with the items that a names.
func (r *reader) items(l *lowering, a *hclsyntax.Attribute, only string, q *submit.Queue) {
	vars := q.Vars
	if vars == nil {
		q.Vars = []string{"Item"}
	}
	if only != "" && a.Name != "matching" {
		l.fail(a.NameRange, "only belongs to matching", "")
	}
	var err error
	var items []string
	switch a.Name {
	case "in":
		r.elements(l, a, vars, q)
		return
	case "from":
		names := r.texts(l, a)
		if l.bad {
			return
		}
		if len(names) != 1 {
			l.fail(a.Expr.Range(), "from names one file", "")
			return
		}
		items, err = submit.ItemsFrom(r.site, r.files, names[0])
	default:
		patterns := r.texts(l, a)
		if l.bad {
			return
		}
		items, err = submit.ItemsMatching(r.site, r.files, patterns, only)
	}
	if err != nil {
		l.fail(a.Expr.Range(), grid.MessageOf(err), "")
		return
	}
	if a.Name == "matching" && len(q.Vars) == 1 {
		q.Items = make([][]string, len(items))
		for i := range items {
			q.Items[i] = items[i : i+1 : i+1]
		}
		return
	}
	q.Items = submit.SplitItems(items, len(q.Vars))
}

// elements makes the elements of a list items: texts and numbers, lists of them (with
// vars), or objects, whose names become the variables.
func (r *reader) elements(l *lowering, a *hclsyntax.Attribute, vars []string, q *submit.Queue) {
	l.live = false
	v, ok := r.list(l, a.Expr)
	if !ok {
		return
	}
	for it := v.ElementIterator(); it.Next(); {
		_, x := it.Element()
		row := r.row(l, x, a.Expr.Range(), vars, q)
		if l.bad {
			return
		}
		q.Items = append(q.Items, row)
	}
}

func (r *reader) row(l *lowering, x cty.Value, at hcl.Range, vars []string, q *submit.Queue) []string {
	switch t := x.Type(); {
	case x.IsNull():
		l.fail(at, "null is no item", "")
	case t.IsObjectType() || t.IsMapType():
		fields := x.AsValueMap()
		names := make([]string, 0, len(fields))
		for n := range fields {
			names = append(names, n)
		}
		slices.Sort(names)
		if len(q.Items) == 0 && vars == nil {
			q.Vars = names
			for _, n := range names {
				if !ad.ValidName(n) || submit.Automatic(n) {
					l.fail(at, quote(n)+" cannot be the name of an item's part", "")
				}
			}
		}
		row := make([]string, len(q.Vars))
		for i, n := range q.Vars {
			field, ok := fields[n]
			if !ok || len(fields) != len(q.Vars) {
				l.fail(at, "the items have different parts", "All have those of the first: "+strings.Join(q.Vars, ", ")+".")
				return nil
			}
			row[i] = l.plain(field, at)
		}
		return row
	case t.IsTupleType() || t.IsListType():
		if x.LengthInt() != len(q.Vars) || vars == nil {
			l.fail(at, "an item that is a list needs a name for each element", `As in: vars = ["name", "size"]`)
			return nil
		}
		var row []string
		for it := x.ElementIterator(); it.Next(); {
			_, cell := it.Element()
			row = append(row, l.plain(cell, at))
		}
		return row
	}
	if len(q.Vars) != 1 {
		l.fail(at, "an item needs "+strconv.Itoa(len(q.Vars))+" parts", "They are "+strings.Join(q.Vars, ", ")+".")
		return nil
	}
	return []string{l.plain(x, at)}
}

// list is the value of an expression that must be a list known now.
func (r *reader) list(l *lowering, e hclsyntax.Expression) (cty.Value, bool) {
	v, ok := r.vars.computed(e)
	if !ok {
		l.bad = true
		return v, false
	}
	if v.IsNull() || !v.IsWhollyKnown() || !(v.Type().IsTupleType() || v.Type().IsListType() || v.Type().IsSetType()) {
		l.fail(e.Range(), "in takes a list", `As in: in = ["a", "b"]`)
		return v, false
	}
	return v, true
}
