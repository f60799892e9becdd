package ad

import (
	"bytes"
	"encoding/xml"
	"io"
	"strconv"
	"strings"

	"gridburst/internal/grid"
)

// In XML an ad is <c>, with an <a n="Name"> for each attribute that holds its value:
// <i>1</i>, <r>1.0</r>, <s>text</s>, <b v="t"/>, <un/>, <er/>, <l>, another <c>, or any
// other expression as <e>source</e>.

// AppendXML appends a, and what it is chained to, as HTCondor writes it: a line for
// each attribute.
func (a *Ad) AppendXML(dst []byte) []byte {
	w := xmlWriter{dst: dst}
	w.record(a.Record().root.(*recordNode), "")
	return append(w.dst, '\n')
}

type xmlWriter struct{ dst []byte }

func (w *xmlWriter) put(parts ...string) {
	for _, p := range parts {
		w.dst = append(w.dst, p...)
	}
}

var xmlText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// text escapes s, without what XML has no way to say.
func (w *xmlWriter) text(s string) {
	w.put(xmlText.Replace(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r == 0xfffe || r == 0xffff {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))))
}

func (w *xmlWriter) record(n *recordNode, indent string) {
	w.put("<c>\n")
	for _, f := range n.fields {
		w.put(indent, `    <a n="`, f.name, `">`)
		w.node(f.value, indent+"    ")
		w.put("</a>\n")
	}
	w.put(indent, "</c>")
}

func (w *xmlWriter) node(n node, indent string) {
	switch n := n.(type) {
	case *recordNode:
		w.record(n, indent)
		return
	case *listNode:
		w.put("<l>")
		for _, e := range n.elems {
			w.node(e, indent)
		}
		w.put("</l>")
		return
	case *literal:
		switch v := n.v; v.kind {
		case Undefined:
			w.put("<un/>")
			return
		case Error:
			w.put("<er/>")
			return
		case Bool:
			w.put(`<b v="`, map[bool]string{true: "t", false: "f"}[v.bits != 0], `"/>`)
			return
		case Int:
			w.put("<i>", v.String(), "</i>")
			return
		case Real:
			w.put("<r>", v.String(), "</r>")
			return
		case String:
			w.put("<s>")
			w.text(v.str)
			w.put("</s>")
			return
		}
	}
	source := writer{}
	source.node(n)
	w.put("<e>")
	w.text(source.String())
	w.put("</e>")
}

// ParseXML reads an ad that [Ad.AppendXML] or an HTCondor tool wrote: one <c>.
func ParseXML(data []byte) (*Ad, error) {
	r := xmlReader{xml.NewDecoder(bytes.NewReader(data))}
	for {
		t, err := r.d.Token()
		if err != nil {
			return nil, grid.Errorf(grid.Invalid, "read an ad as XML: %w", err)
		}
		if start, ok := t.(xml.StartElement); ok {
			if start.Name.Local != "c" {
				return nil, grid.Errorf(grid.Invalid, "read an ad as XML: <%s> where an ad should begin", start.Name.Local)
			}
			n, err := r.record(0)
			if err != nil {
				return nil, grid.Errorf(grid.CodeOf(err), "read an ad as XML: %w", err)
			}
			return (&Expr{root: n}).Record(), nil
		}
	}
}

type xmlReader struct{ d *xml.Decoder }

// element is the next one inside of another; ok is false at the other's end.
func (r *xmlReader) element() (start xml.StartElement, ok bool, err error) {
	for {
		t, err := r.d.Token()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return start, false, grid.Errorf(grid.Invalid, "%w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			return t, true, nil
		case xml.EndElement:
			return start, false, nil
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// record reads what stands between <c> and </c>.
func (r *xmlReader) record(depth int) (*recordNode, error) {
	out := New(16)
	for {
		a, ok, err := r.element()
		if err != nil || !ok {
			return out.Record().root.(*recordNode), err
		}
		name := attribute(a, "n")
		if a.Name.Local != "a" || !ValidName(name) {
			return nil, grid.Errorf(grid.Invalid, "<%s> is no attribute, or has no name", a.Name.Local)
		}
		start, ok, err := r.element()
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, grid.Errorf(grid.Invalid, "attribute %s has no value", name)
		}
		n, err := r.value(start, depth+1)
		if err != nil {
			return nil, err
		}
		out.SetExpr(name, &Expr{root: n, size: 1})
		if _, more, err := r.element(); err != nil || more {
			return nil, grid.Errorf(grid.Invalid, "attribute %s has more than one value", name)
		}
	}
}

// value reads an element whose beginning has been read.
func (r *xmlReader) value(start xml.StartElement, depth int) (node, error) {
	if depth > MaxDepth {
		return nil, grid.Errorf(grid.TooLarge, "nested too deeply: %d levels at most", MaxDepth)
	}
	switch start.Name.Local {
	case "c":
		return r.record(depth)
	case "l":
		list := &listNode{}
		for {
			e, ok, err := r.element()
			if err != nil || !ok {
				return list, err
			}
			n, err := r.value(e, depth+1)
			if err != nil {
				return nil, err
			}
			list.elems = append(list.elems, n)
		}
	}
	var text string
	if err := r.d.DecodeElement(&text, &start); err != nil {
		return nil, grid.Errorf(grid.Invalid, "%w", err)
	}
	bad := func(what string) error {
		return grid.Errorf(grid.Invalid, "%q is no %s", text, what)
	}
	switch start.Name.Local {
	case "i":
		i, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return nil, bad("integer")
		}
		return &literal{IntValue(i)}, nil
	case "r":
		f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			return nil, bad("real")
		}
		return &literal{RealValue(f)}, nil
	case "b":
		return &literal{BoolValue(strings.HasPrefix(attribute(start, "v"), "t"))}, nil
	case "s":
		return &literal{StringValue(text)}, nil
	case "un":
		return &literal{UndefinedValue()}, nil
	case "er":
		return &literal{ErrorValue()}, nil
	case "e":
		e, err := Parse(text)
		if err != nil {
			return nil, err
		}
		return e.root, nil
	}
	return nil, grid.Errorf(grid.Invalid, "<%s> is no value", start.Name.Local)
}
