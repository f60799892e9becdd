package fake

import (
	"context"
	"slices"
	"strings"
	"time"

	"gridburst/gahp"
)

// copied is a template that was made of a machine.
type copied struct {
	gahp.Template
	mark string
	made time.Time // when its disks are
}

var _ gahp.Extra = (*Engine)(nil)

// Assign puts a machine into groups and gives it tags. Tags that there are not are made.
func (e *Engine) Assign(ctx context.Context, _ gahp.Order, id string, a gahp.Assign) error {
	return e.order(ctx, Assign, id, func(m *machine, _ []*rule) error {
		if m.State == gahp.ImageLocked {
			return fail(gahp.Locked, "the disks of %s are locked", m.Name)
		}
		for _, g := range a.Affinity {
			if !slices.Contains(e.c.Inventory.Affinity, g) {
				return fail(gahp.Refused, "there is no affinity group %s", g)
			}
		}
		m.Affinity, m.Tags = with(m.Affinity, a.Affinity), with(m.Tags, a.Tags)
		return nil
	})
}

// with is a list with more names, each once, in order.
func with(list string, names []string) string {
	all := slices.Concat(strings.FieldsFunc(list, func(r rune) bool { return r == ',' }), names)
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ",")
}

// Copy makes a template of a machine, whose disks are locked meanwhile.
func (e *Engine) Copy(ctx context.Context, _ gahp.Order, id string, c gahp.Copy) error {
	return e.order(ctx, Copy, id, func(m *machine, rules []*rule) error {
		for _, t := range e.templates() {
			switch {
			case t.Name != c.Name:
			case t.mark != c.Mark || c.Mark == "":
				return fail(gahp.NameInUse, "there is a template %s", c.Name)
			case t.State != "ok":
				return fail(gahp.Locked, "template %s is being made", c.Name)
			default:
				return nil
			}
		}
		switch m.State {
		case gahp.Down:
		case gahp.ImageLocked:
			return fail(gahp.Locked, "the disks of %s are locked", m.Name)
		default:
			return fail(gahp.WrongState, "%s is %s", m.Name, e.vm(m).State)
		}
		m.to(gahp.ImageLocked, e.c.Now())
		t := gahp.Template{Name: c.Name, Version: 1, MemoryMB: m.MemoryMB, Cores: m.Cores}
		e.copies = append(e.copies, copied{t, c.Mark, e.c.Now().Add(e.c.Lock)})
		if err := answered(rules); err != nil {
			return err
		}
		return fail(gahp.Locked, "template %s is being made", c.Name)
	})
}

// templates are all that there are, as they are now. e.mu is held.
func (e *Engine) templates() (out []copied) {
	for _, t := range e.c.Inventory.Templates {
		out = append(out, copied{Template: t})
	}
	for _, t := range e.copies {
		t.State = "ok"
		if e.c.Now().Before(t.made) {
			t.State = "locked"
		}
		out = append(out, t)
	}
	return out
}

// Events tell of a machine's beginnings and ends.
func (e *Engine) Events(ctx context.Context, id string) ([]gahp.Event, error) {
	if err := e.look(ctx, Events, e.nameOf(id)); err != nil {
		return nil, err
	}
	defer e.mu.Unlock()
	m := e.machines[id]
	if m == nil {
		return nil, fail(gahp.NotFound, "there is no machine %s", id)
	}
	out := []gahp.Event{{At: m.created, Severity: "normal", Text: "VM " + m.Name + " was created"}}
	if !m.started.IsZero() {
		out = append(out, gahp.Event{At: m.started, Severity: "normal", Text: "VM " + m.Name + " was started"})
	}
	if !m.stopped.IsZero() && !m.stopped.Before(m.started) {
		out = append(out, gahp.Event{At: m.stopped, Severity: "normal", Text: "VM " + m.Name + " is down"})
	}
	return out, nil
}
