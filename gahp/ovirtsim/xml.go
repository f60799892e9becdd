package ovirtsim

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"time"
)

// node is an element. It holds text or elements. One without a name is several elements
// in a row: links, or what was laid out before.
type node struct {
	name string
	attr []string // name, value, name, value
	leaf bool     // it holds text, maybe none
	text string
	kids []*node

	at   string   // whose links these are
	rels []string // of the links
	laid []string // by depth

	rows int // of a long list, each made when it is written
	row  func(i int) *node
}

func el(name string, kids ...*node) *node { return &node{name: name, kids: kids} }

func tx(name, text string) *node { return &node{name: name, leaf: true, text: text} }

func num[T ~int | ~int64](name string, n T) *node { return tx(name, strconv.FormatInt(int64(n), 10)) }

func yes(name string, b bool) *node { return tx(name, strconv.FormatBool(b)) }

// when is a time as the API writes it.
func when(name string, t time.Time) *node {
	return tx(name, t.Format("2006-01-02T15:04:05.000-07:00"))
}

// with adds attributes.
func (n *node) with(attr ...string) *node {
	n.attr = append(n.attr, attr...)
	return n
}

// add adds elements.
func (n *node) add(kids ...*node) *node {
	n.kids = append(n.kids, kids...)
	return n
}

// addIf adds elements, if.
func (n *node) addIf(yes bool, kids ...*node) *node {
	if yes {
		n.kids = append(n.kids, kids...)
	}
	return n
}

// rows is a list of n elements, of which only one at a time is in memory.
func rows(name string, n int, row func(i int) *node) *node {
	return &node{name: name, rows: n, row: row}
}

// links to what is below an object, or can be done with it.
func links(href string, rels []string) *node { return &node{at: href, rels: rels} }

// fixed is elements that never change, laid out once for wherever machines and templates
// stand: a listing of thousands has them thousands of times.
func fixed(kids ...*node) *node {
	n := &node{}
	for depth := range 3 {
		var b bytes.Buffer
		for _, k := range kids {
			k.write(&b, depth)
		}
		n.laid = append(n.laid, b.String())
	}
	return n
}

// ref names another object.
func ref(name, collection, id string) *node {
	return el(name).with("href", at(collection, id), "id", id)
}

// at is an object's address.
func at(collection, id string) string { return apiPath + "/" + collection + "/" + id }

// object is an element with its own address, its actions and the links to what belongs
// to it.
func object(name, href, id string, actions []string, head []*node, rels []string, rest ...*node) *node {
	n := el(name).with("href", href, "id", id)
	if len(actions) > 0 {
		n.add(el("actions", links(href, actions)))
	}
	return n.add(head...).add(links(href, rels)).add(rest...)
}

// document is n as the body of an answer, laid out as an engine does.
func document(n *node) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n")
	n.write(&b, 0)
	return b.Bytes()
}

const indents = "                                        "

func indent(b *bytes.Buffer, depth int) { b.WriteString(indents[:min(4*depth, len(indents))]) }

func (n *node) write(b *bytes.Buffer, depth int) {
	switch {
	case n.laid != nil:
		b.WriteString(n.laid[depth])
		return
	case n.name == "":
		for _, rel := range n.rels {
			indent(b, depth)
			b.WriteString(`<link href="`)
			escape(b, n.at)
			b.WriteString("/" + rel + `" rel="` + rel + "\"/>\n")
		}
		return
	}
	indent(b, depth)
	b.WriteString("<")
	b.WriteString(n.name)
	for a := range slices.Chunk(n.attr, 2) {
		b.WriteString(" ")
		b.WriteString(a[0])
		b.WriteString(`="`)
		escape(b, a[1])
		b.WriteString(`"`)
	}
	switch {
	case n.rows > 0:
		b.WriteString(">\n")
		for i := range n.rows {
			n.row(i).write(b, depth+1)
			if i == sample {
				b.Grow(b.Len() / sample * (n.rows - sample)) // the rest will be like these
			}
		}
		indent(b, depth)
	case len(n.kids) > 0:
		b.WriteString(">\n")
		for _, k := range n.kids {
			k.write(b, depth+1)
		}
		indent(b, depth)
	case !n.leaf:
		b.WriteString("/>\n")
		return
	default:
		b.WriteString(">")
		escape(b, n.text)
	}
	b.WriteString("</")
	b.WriteString(n.name)
	b.WriteString(">\n")
}

// sample of a listing tells how long it will be.
const sample = 64

// escape writes text.
func escape(b *bytes.Buffer, text string) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '<' || c == '>' || c == '&' || c == '"' || c == '\'' {
			_ = xml.EscapeText(b, []byte(text)) // a buffer takes everything
			return
		}
	}
	b.WriteString(text)
}

func title(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
