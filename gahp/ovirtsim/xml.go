package ovirtsim

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"time"
)

// node is an element. It holds text or elements.
type node struct {
	name string
	attr []string // name, value, name, value
	leaf bool     // it holds text, maybe none
	text string
	kids []*node
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
		acts := el("actions")
		for _, a := range actions {
			acts.add(el("link").with("href", href+"/"+a, "rel", a))
		}
		n.add(acts)
	}
	n.add(head...)
	for _, rel := range rels {
		n.add(el("link").with("href", href+"/"+rel, "rel", rel))
	}
	return n.add(rest...)
}

// document is n as the body of an answer, laid out as an engine does.
func document(n *node) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n")
	n.write(&b, 0)
	return b.Bytes()
}

func (n *node) write(b *bytes.Buffer, depth int) {
	indent := strings.Repeat("    ", depth)
	b.WriteString(indent + "<" + n.name)
	for a := range slices.Chunk(n.attr, 2) {
		b.WriteString(" " + a[0] + `="`)
		_ = xml.EscapeText(b, []byte(a[1])) // a buffer takes everything
		b.WriteString(`"`)
	}
	switch {
	case len(n.kids) > 0:
		b.WriteString(">\n")
		for _, k := range n.kids {
			k.write(b, depth+1)
		}
		b.WriteString(indent)
	case !n.leaf:
		b.WriteString("/>\n")
		return
	default:
		b.WriteString(">")
		_ = xml.EscapeText(b, []byte(n.text))
	}
	b.WriteString("</" + n.name + ">\n")
}

func title(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
