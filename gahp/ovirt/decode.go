package ovirt

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	ovirtsdk "github.com/ovirt/go-ovirt"

	"gridburst/gahp"
)

// document is an XML answer that is being read.
type document struct {
	reader *ovirtsdk.XMLReader
	root   xml.StartElement
}

// errOther is an answer that an engine did not write: a proxy's page, a portal's.
var errOther = errors.New("that is not an oVirt engine's answer")

// open reads up to the first element.
func open(r io.Reader) (*document, error) {
	d := &document{reader: &ovirtsdk.XMLReader{Decoder: xml.NewDecoder(r)}}
	for {
		t, err := d.reader.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errOther, err)
		}
		if s, ok := t.(xml.StartElement); ok {
			d.root = s.Copy()
			return d, nil
		}
	}
}

// rest reads to the end: an answer that lacks its end is none.
func (d *document) rest() error {
	for {
		if _, err := d.reader.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// each calls f at the start of each child of the root that has that name, and reads
// to the end.
func (d *document) each(name string, f func(*xml.StartElement) error) error {
	for {
		t, err := d.reader.Token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local == name {
				s := t.Copy()
				err = f(&s)
			} else {
				err = d.reader.Skip()
			}
			if err != nil {
				return err
			}
		case xml.EndElement:
			return d.rest()
		}
	}
}

// one reads the element that begins with start by one of the SDK's readers. Those
// dereference nil when a text ends inside an enumeration.
func one[T any](d *document, start *xml.StartElement, read func(*ovirtsdk.XMLReader, *xml.StartElement, string) (*T, error)) (v *T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("a <%s> that cannot be read: %v", start.Name.Local, p)
		}
	}()
	v, err = read(d.reader, start, start.Name.Local)
	if err == nil && v == nil {
		err = fmt.Errorf("a <%s> without content", start.Name.Local)
	}
	return v, err
}

// read asks for a document of the given root and lets f read it.
func (e *Engine) read(ctx context.Context, path string, query url.Values, root string, f func(*document) error) error {
	return e.ask(ctx, call{verb: list, what: root, path: path, query: query}, root, f)
}

// things reads a listing of elements, whose root is their plural, one after another.
func things[T any](ctx context.Context, e *Engine, path string, query url.Values, element string, read func(*ovirtsdk.XMLReader, *xml.StartElement, string) (*T, error), f func(*T) error) error {
	return e.read(ctx, path, query, element+"s", func(d *document) error {
		return d.each(element, func(start *xml.StartElement) error {
			v, err := one(d, start, read)
			if err != nil {
				return err
			}
			return f(v)
		})
	})
}

// ask makes a call that is answered by a document of the given root.
func (e *Engine) ask(ctx context.Context, c call, root string, f func(*document) error) error {
	a, err := e.call(ctx, c)
	if err != nil {
		return err
	}
	defer a.close()
	return e.hear(ctx, c, a, root, f)
}

// hear reads the answer to c.
func (e *Engine) hear(ctx context.Context, c call, a *answer, root string, f func(*document) error) error {
	if a.status/100 != 2 {
		return e.refusal(c, a)
	}
	d, err := open(a.body)
	if err == nil && d.root.Name.Local != root {
		err = fmt.Errorf("%w: it begins with <%s>", errOther, d.root.Name.Local)
	}
	if err == nil {
		err = f(d)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errOther) && !c.verb.writes() && a.body.err == nil:
		return down("%s: %s does not answer as an engine does (%v); is %s its URL?", c.name(), e.url.Host, err, e.url)
	}
	return unknown("%s: the answer (status %d) cannot be read to its end: %v", c.name(), a.status, cause(ctx, err))
}

// cause prefers the reason for which ctx ended to what came of it.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// act makes a call whose answer is an <action>, or nothing.
func (e *Engine) act(ctx context.Context, c call) error {
	a, err := e.call(ctx, c)
	if err != nil {
		return err
	}
	defer a.close()
	if a.status/100 != 2 {
		return e.refusal(c, a)
	}
	body, err := a.small()
	if err != nil {
		return unknown("%s: the answer (status %d) broke off: %v", c.name(), a.status, cause(ctx, err))
	}
	if len(body) == 0 {
		return nil
	}
	said := readFault(body)
	switch {
	case said.fault:
		return e.sort(c, http.StatusConflict, said) // the failure of an action inside a success
	case !said.engine:
		return unknown("%s: %s does not answer as an engine does; is %s its URL?", c.name(), e.url.Host, e.url)
	case said.status == "failed":
		return unknown("%s: the engine says that it failed, and not why", c.name())
	}
	return nil
}

// vmOf is a VM in our words. Only the id and the name must be there.
func vmOf(v *ovirtsdk.Vm) (gahp.VM, error) {
	m := gahp.VM{State: gahp.NoState}
	var ok bool
	if m.ID, ok = v.Id(); !ok {
		return m, errors.New("a machine without an id")
	}
	if m.Name, ok = v.Name(); !ok {
		return m, fmt.Errorf("machine %s has no name", m.ID)
	}
	if s, ok := v.Status(); ok {
		m.State = gahp.State(s)
	}
	m.Detail, _ = v.StatusDetail()
	m.Mark, _ = v.Comment()
	m.Description, _ = v.Description()
	if t, ok := v.Template(); ok {
		m.Template, _ = t.Id()
	}
	m.Created, _ = v.CreationTime()
	m.Started, _ = v.StartTime()
	m.StopReason, _ = v.StopReason()
	// An engine keeps the last stop of a machine that runs again.
	if stopped, ok := v.StopTime(); ok && !stopped.Before(m.Started) {
		m.Stopped = stopped
	}
	if devices, ok := v.ReportedDevices(); ok {
		for _, d := range devices.Slice() {
			ips, ok := d.Ips()
			if !ok {
				continue
			}
			for _, ip := range ips.Slice() {
				if address, ok := ip.Address(); ok && address != "" {
					m.Addresses = append(m.Addresses, address)
				}
			}
		}
	}
	return m, nil
}

// templateOf is a template in our words.
func templateOf(v *ovirtsdk.Template) (gahp.Template, error) {
	t := gahp.Template{Version: 1}
	var ok bool
	if t.ID, ok = v.Id(); !ok {
		return t, errors.New("a template without an id")
	}
	if t.Name, ok = v.Name(); !ok {
		return t, fmt.Errorf("template %s has no name", t.ID)
	}
	if s, ok := v.Status(); ok {
		t.State = string(s)
	}
	if n, ok := v.Version(); ok {
		if n, ok := n.VersionNumber(); ok {
			t.Version = int(n)
		}
	}
	if bytes, ok := v.Memory(); ok {
		t.MemoryMB = bytes >> 20
	}
	if cpu, ok := v.Cpu(); ok {
		if top, ok := cpu.Topology(); ok {
			t.Cores = 1
			for _, f := range []func() (int64, bool){top.Sockets, top.Cores, top.Threads} {
				if n, ok := f(); ok {
					t.Cores *= int(n)
				}
			}
		}
	}
	return t, nil
}
