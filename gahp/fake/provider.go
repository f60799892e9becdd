package fake

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gridburst/gahp"
)

func fail(k gahp.Kind, format string, args ...any) error {
	return &gahp.Error{Kind: k, Text: fmt.Sprintf(format, args...)}
}

// begin is what a call to something that exists begins with. It comes back with the
// rules that the call meets and e.mu held, unless it fails.
func (e *Engine) begin(ctx context.Context, v Verb, name string) ([]*rule, error) {
	if ctx.Err() != nil {
		return nil, fail(gahp.EngineDown, "not asked: %v", context.Cause(ctx))
	}
	e.mu.Lock()
	rules := e.meeting(v, name)
	e.mu.Unlock()
	if _, err := meet(ctx, rules); err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.pass()
	return rules, nil
}

// look is begin of a call that only looks.
func (e *Engine) look(ctx context.Context, v Verb, name string) error {
	_, err := e.begin(ctx, v, name)
	return err
}

// order carries out do on a machine.
func (e *Engine) order(ctx context.Context, v Verb, id string, do func(m *machine, rules []*rule) error) error {
	rules, err := e.begin(ctx, v, e.nameOf(id))
	if err != nil {
		return err
	}
	defer e.mu.Unlock()
	m := e.machines[id]
	if m == nil {
		return fail(gahp.NotFound, "there is no machine %s", id)
	}
	if err := do(m, rules); err != nil {
		return err
	}
	return answered(rules)
}

// Ping proves that the engine answers.
func (e *Engine) Ping(ctx context.Context) error {
	if err := e.look(ctx, Ping, ""); err != nil {
		return err
	}
	e.mu.Unlock()
	return nil
}

var goodName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Create makes a machine. A call that was cut off while it waited makes it all the
// same.
func (e *Engine) Create(ctx context.Context, _ gahp.Order, c gahp.Create) (gahp.VM, error) {
	if ctx.Err() != nil {
		return gahp.VM{}, fail(gahp.EngineDown, "not asked: %v", context.Cause(ctx))
	}
	e.mu.Lock()
	rules := e.meeting(Create, c.Name)
	e.pass()
	m, err := e.plan(c)
	if err != nil {
		e.mu.Unlock()
		return gahp.VM{}, err
	}
	e.making[c.Name] = true
	e.mu.Unlock()

	cut, err := meet(ctx, rules)
	silent := slices.ContainsFunc(rules, func(r *rule) bool { return r.Silent })

	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.making, c.Name)
	if err != nil && (!cut || silent) {
		return gahp.VM{}, err
	}
	e.add(m)
	bend(m, rules)
	e.pass()
	if err == nil {
		err = answered(rules)
	}
	if err != nil {
		return gahp.VM{}, err
	}
	return e.vm(m), nil
}

// plan is the machine that c asks for. e.mu is held.
func (e *Engine) plan(c gahp.Create) (*machine, error) {
	t, ok := e.newest(c.Template)
	switch {
	case !goodName.MatchString(c.Name):
		return nil, fail(gahp.Refused, "a machine cannot be named %q", c.Name)
	case strings.Contains(c.UserData, "\x00"):
		return nil, fail(gahp.Refused, "a NUL in the user data of %s", c.Name)
	case e.making[c.Name] || e.named(c.Name) != nil:
		return nil, fail(gahp.NameInUse, "there is a machine %s", c.Name)
	case !ok:
		return nil, fail(gahp.NoTemplate, "there is no template %s", c.Template)
	case t.State != "ok":
		return nil, fail(gahp.NoTemplate, "template %s is %s", c.Template, t.State)
	case c.Cluster != "" && c.Cluster != e.c.Inventory.Cluster:
		return nil, fail(gahp.NoTemplate, "there is no cluster %s", c.Cluster)
	case c.InstanceType != "" && e.instanceType(c.InstanceType) < 0:
		return nil, fail(gahp.Refused, "there is no instance type %s", c.InstanceType)
	case c.Quota != "" && !slices.Contains(e.c.Inventory.Quotas, c.Quota):
		return nil, fail(gahp.Refused, "there is no quota %s", c.Quota)
	case e.c.Quota > 0 && len(e.machines)+len(e.making) >= e.c.Quota:
		return nil, fail(gahp.Quota, "%d machines exist, as many as may", e.c.Quota)
	}
	m := &machine{}
	m.InstanceType, m.Quota = c.InstanceType, c.Quota
	m.Name, m.State, m.Mark, m.Description, m.UserData, m.HostName = c.Name, gahp.ImageLocked, c.Mark, c.Description, c.UserData, c.HostName
	m.Template, m.Version, m.MemoryMB, m.Cores = t.Name, t.Version, t.MemoryMB, t.Cores
	if size := e.instanceType(c.InstanceType); size >= 0 {
		m.MemoryMB, m.Cores = e.c.Inventory.InstanceTypes[size].MemoryMB, e.c.Inventory.InstanceTypes[size].Cores
	}
	if c.MemoryMB > 0 {
		m.MemoryMB = c.MemoryMB
	}
	if c.Cores > 0 {
		m.Cores = c.Cores
	}
	if c.HostName == "" {
		m.HostName = c.Name
	}
	return m, nil
}

// instanceType is which of the inventory's has that name; -1: none.
func (e *Engine) instanceType(name string) int {
	return slices.IndexFunc(e.c.Inventory.InstanceTypes, func(t gahp.Template) bool { return t.Name == name })
}

// vm is m as this engine says it now. e.mu is held.
func (e *Engine) vm(m *machine) gahp.VM {
	return m.vm(e.hostLost > 0, templateID(m.Template, m.Version))
}

func templateID(name string, version int) string { return fmt.Sprintf("template-%s-%d", name, version) }

// Start boots a machine.
func (e *Engine) Start(ctx context.Context, _ gahp.Order, id string, s gahp.Start) error {
	return e.order(ctx, Start, id, func(m *machine, rules []*rule) error {
		switch m.State {
		case gahp.Down:
		case gahp.ImageLocked:
			return fail(gahp.Locked, "the disks of %s are locked", m.Name)
		default:
			return fail(gahp.WrongState, "%s is %s", m.Name, e.vm(m).State)
		}
		used := m.MemoryMB
		for _, n := range e.machines {
			if running(n.State) {
				used += n.MemoryMB
			}
		}
		if e.c.MemoryMB > 0 && used > e.c.MemoryMB {
			return fail(gahp.NoCapacity, "no host has %d MiB for %s", m.MemoryMB, m.Name)
		}
		m.Booted = s.UserData
		if m.Booted == "" {
			m.Booted = m.UserData
		}
		m.to(gahp.WaitForLaunch, e.c.Now())
		m.started, m.deaf, m.lifetime = m.since, false, 0
		bend(m, rules)
		return nil
	})
}

// Get is one machine.
func (e *Engine) Get(ctx context.Context, id string) (gahp.VM, error) {
	if err := e.look(ctx, Get, e.nameOf(id)); err != nil {
		return gahp.VM{}, err
	}
	defer e.mu.Unlock()
	if m := e.machines[id]; m != nil {
		return e.vm(m), nil
	}
	return gahp.VM{}, fail(gahp.NotFound, "there is no machine %s", id)
}

func (e *Engine) nameOf(id string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m := e.machines[id]; m != nil {
		return m.Name
	}
	return ""
}

// Find is the machine of that name.
func (e *Engine) Find(ctx context.Context, name string) (gahp.VM, error) {
	if err := e.look(ctx, Find, name); err != nil {
		return gahp.VM{}, err
	}
	defer e.mu.Unlock()
	if m := e.named(name); m != nil {
		return e.vm(m), nil
	}
	return gahp.VM{}, fail(gahp.NotFound, "there is no machine %s", name)
}

// List is every machine whose name begins with prefix, by name.
func (e *Engine) List(ctx context.Context, prefix string) ([]gahp.VM, error) {
	if err := e.look(ctx, List, ""); err != nil {
		return nil, err
	}
	defer e.mu.Unlock()
	var out []gahp.VM
	for _, m := range e.machines {
		if strings.HasPrefix(m.Name, prefix) {
			out = append(out, e.vm(m))
		}
	}
	slices.SortFunc(out, func(a, b gahp.VM) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Shutdown asks a guest to power off. Of a guest that is not up yet nothing can be
// asked: its machine is switched off.
func (e *Engine) Shutdown(ctx context.Context, _ gahp.Order, id string) error {
	return e.order(ctx, Shutdown, id, func(m *machine, _ []*rule) error {
		switch m.State {
		case gahp.Down:
			return nil
		case gahp.Up, gahp.PoweringDown:
			if e.hostLost == 0 {
				if m.State == gahp.Up {
					m.to(gahp.PoweringDown, e.c.Now())
				}
				return nil
			}
		}
		return e.off(m)
	})
}

// Stop switches a machine off.
func (e *Engine) Stop(ctx context.Context, _ gahp.Order, id string) error {
	return e.order(ctx, Stop, id, func(m *machine, _ []*rule) error { return e.off(m) })
}

// off switches m off, where that can be done. e.mu is held.
func (e *Engine) off(m *machine) error {
	switch s := e.vm(m).State; s {
	case gahp.Down:
	case gahp.ImageLocked:
		return fail(gahp.Locked, "the disks of %s are locked", m.Name)
	case gahp.UnknownState, gahp.SavingState, gahp.RestoringState, gahp.Unassigned:
		return fail(gahp.WrongState, "%s is %s", m.Name, s)
	default:
		m.to(gahp.Down, e.c.Now())
	}
	return nil
}

// Remark changes a machine's mark.
func (e *Engine) Remark(ctx context.Context, id, mark string) error {
	return e.order(ctx, Remark, id, func(m *machine, _ []*rule) error {
		if m.State == gahp.ImageLocked {
			return fail(gahp.Locked, "the disks of %s are locked", m.Name)
		}
		m.Mark = mark
		return nil
	})
}

// Remove deletes a machine.
func (e *Engine) Remove(ctx context.Context, _ gahp.Order, id string) error {
	return e.order(ctx, Remove, id, func(m *machine, _ []*rule) error {
		switch m.State {
		case gahp.Down:
			m.to(gahp.ImageLocked, e.c.Now())
			m.removed = true
			e.pass()
			return nil
		case gahp.ImageLocked:
			return fail(gahp.Locked, "the disks of %s are locked", m.Name)
		}
		return fail(gahp.WrongState, "%s is %s", m.Name, e.vm(m).State)
	})
}

// Templates lists what machines can be made from.
func (e *Engine) Templates(ctx context.Context) ([]gahp.Template, error) {
	if err := e.look(ctx, Templates, ""); err != nil {
		return nil, err
	}
	defer e.mu.Unlock()
	var out []gahp.Template
	for _, t := range e.templates() {
		t.ID = templateID(t.Name, t.Version)
		out = append(out, t.Template)
	}
	return out, nil
}
