package ovirt

import (
	"context"
	"encoding/xml"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"

	ovirtsdk "github.com/ovirt/go-ovirt"

	"gridburst/gahp"
)

var _ gahp.Extra = (*Engine)(nil)

// Verbs of what belongs to a machine.
const (
	assign verb = "assign"
	copyOf verb = "copy"
)

// Assign puts a machine into affinity groups of its cluster, and gives it tags.
func (e *Engine) Assign(ctx context.Context, _ gahp.Order, id string, a gahp.Assign) error {
	m, raw, err := e.machine(ctx, assign, id, e.ask)
	if err != nil {
		return before(err)
	}
	if m.State == gahp.ImageLocked {
		return locked(assign, m)
	}
	if err := e.group(ctx, m, raw, a.Affinity); err != nil {
		return err
	}
	err = e.tag(ctx, m, a.Tags)
	var ge *gahp.Error
	if errors.As(err, &ge) && ge.Kind == gahp.Forbidden {
		e.cfg.Log.WithError(err).WithField("vm", m.Name).Warn("a machine goes without its tags")
		return nil
	}
	return err
}

// group puts a machine into those groups that it is not in.
func (e *Engine) group(ctx context.Context, m gahp.VM, raw *ovirtsdk.Vm, names []string) error {
	if len(names) == 0 {
		return nil
	}
	cluster := ""
	if c, ok := raw.Cluster(); ok {
		cluster, _ = c.Id()
	}
	groups := "/clusters/" + url.PathEscape(cluster) + "/affinitygroups"
	ids, err := named(ctx, e, groups, "affinity_group", ovirtsdk.XMLAffinityGroupReadOne)
	if err != nil {
		return before(err)
	}
	for _, name := range names {
		id, ok := ids[name]
		if !ok {
			return &gahp.Error{Kind: gahp.Refused, Text: "the cluster of machine " + m.Name + " has no affinity group " + name + "; groups are named exactly, and " + e.cfg.Username + " must be allowed to see it"}
		}
		in, err := named(ctx, e, groups+"/"+url.PathEscape(id)+"/vms", "vm", ovirtsdk.XMLVmReadOne)
		if err != nil {
			return before(err)
		}
		if slices.Contains(slices.Collect(maps.Values(in)), m.ID) {
			continue
		}
		body, err := refBody(m.ID)
		if err != nil {
			return err
		}
		if err := e.add(ctx, call{verb: assign, what: "machine " + m.Name + " to group " + name, path: groups + "/" + url.PathEscape(id) + "/vms", body: body}); err != nil {
			return err
		}
	}
	return nil
}

// tag gives a machine the tags that it has not, which are made where there are none.
func (e *Engine) tag(ctx context.Context, m gahp.VM, names []string) error {
	if len(names) == 0 {
		return nil
	}
	has, err := named(ctx, e, "/vms/"+m.ID+"/tags", "tag", ovirtsdk.XMLTagReadOne)
	if err != nil {
		return before(err)
	}
	all, err := named(ctx, e, "/tags", "tag", ovirtsdk.XMLTagReadOne)
	if err != nil {
		return before(err)
	}
	for _, name := range names {
		if _, ok := has[name]; ok {
			continue
		}
		body, err := tagBody(name)
		if err != nil {
			return err
		}
		if _, ok := all[name]; !ok {
			if err := e.add(ctx, call{verb: assign, what: "tag " + name, path: "/tags", body: body}); err != nil {
				return err
			}
		}
		if err := e.add(ctx, call{verb: assign, what: "tag " + name + " to machine " + m.Name, path: "/vms/" + m.ID + "/tags", body: body}); err != nil {
			return err
		}
	}
	return nil
}

// add is a call that makes something, of which nothing needs to be known.
func (e *Engine) add(ctx context.Context, c call) error {
	a, err := e.call(ctx, c)
	if err != nil {
		return err
	}
	defer a.close()
	if a.status/100 != 2 {
		return e.refusal(c, a)
	}
	if _, err := a.small(); err != nil {
		return unknown("%s: the answer (status %d) broke off: %v", c.name(), a.status, cause(ctx, err))
	}
	return nil
}

// thing is what most things of an engine have.
type thing interface {
	Id() (string, bool)
	Name() (string, bool)
}

// named are the ids of a listing's things, by their names.
func named[T any, P interface {
	*T
	thing
}](ctx context.Context, e *Engine, path, element string, read func(*ovirtsdk.XMLReader, *xml.StartElement, string) (*T, error),
) (map[string]string, error) {
	out := map[string]string{}
	err := things(ctx, e, path, nil, element, read, func(v *T) error {
		id, _ := P(v).Id()
		name, _ := P(v).Name()
		if name == "" {
			name = id // a reference has its id alone
		}
		out[name] = id
		return nil
	})
	return out, err
}

// Copy makes a template of a machine that is down. If we die after the request, the next
// call finds it by its name and its mark.
func (e *Engine) Copy(ctx context.Context, _ gahp.Order, id string, c gahp.Copy) error {
	m, _, err := e.machine(ctx, copyOf, id, e.ask)
	if err != nil {
		return before(err)
	}
	state, mark, found := "", "", false
	err = e.templates(ctx, search(c.Name, false), func(v *ovirtsdk.Template) error {
		t, err := templateOf(v)
		if err != nil || t.Name != c.Name {
			return err
		}
		state, found = t.State, true
		mark, _ = v.Comment()
		return nil
	})
	switch {
	case err != nil:
		return before(err)
	case found && (mark != c.Mark || mark == ""):
		return &gahp.Error{Kind: gahp.NameInUse, Text: "the engine at " + e.url.Host + " has a template " + c.Name + " already, which is not made of machine " + m.Name}
	case found && state == "ok":
		return nil
	case found && state == "locked":
		return &gahp.Error{Kind: gahp.Locked, Text: "template " + c.Name + " is being made of machine " + m.Name}
	case found:
		return &gahp.Error{Kind: gahp.Refused, Text: "template " + c.Name + " of machine " + m.Name + " has become " + state}
	case m.State == gahp.ImageLocked:
		return locked(copyOf, m)
	case m.State != gahp.Down:
		return &gahp.Error{Kind: gahp.WrongState, Text: "copy machine " + m.Name + ": it is not down but " + string(m.State)}
	}
	body, err := templateBody(c, m)
	if err != nil {
		return err
	}
	if err := e.add(ctx, call{verb: copyOf, what: "machine " + m.Name + " to template " + c.Name, path: "/templates", body: body}); err != nil {
		return err
	}
	return &gahp.Error{Kind: gahp.Locked, Text: "template " + c.Name + " is being made of machine " + m.Name}
}

// maxEvents is how many of an engine's events are asked for.
const maxEvents = 1000

// Events are what the engine's audit log tells of a machine.
func (e *Engine) Events(ctx context.Context, id string) (out []gahp.Event, err error) {
	m, _, err := e.machine(ctx, get, id, e.ask)
	if err != nil {
		return nil, err
	}
	query := url.Values{"max": {strconv.Itoa(maxEvents)}}
	if plainName.MatchString(m.Name) {
		query.Set("search", "event_vm="+m.Name)
	}
	err = things(ctx, e, "/events", query, "event", ovirtsdk.XMLEventReadOne, func(v *ovirtsdk.Event) error {
		of := ""
		if vm, ok := v.Vm(); ok {
			of, _ = vm.Id()
		}
		if of != m.ID {
			return nil
		}
		var ev gahp.Event
		ev.At, _ = v.Time()
		if s, ok := v.Severity(); ok {
			ev.Severity = string(s)
		}
		text, _ := v.Description()
		ev.Text = oneLine(text, "an event without words")
		out = append(out, ev)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(out) // the newest come first
	slices.SortStableFunc(out, func(a, b gahp.Event) int { return a.At.Compare(b.At) })
	return out, nil
}

// instanceType is the id of the instance type of that name.
func (e *Engine) instanceType(ctx context.Context, name string) (string, error) {
	ids, err := named(ctx, e, "/instancetypes", "instance_type", ovirtsdk.XMLInstanceTypeReadOne)
	if err != nil {
		return "", before(err)
	}
	if ids[name] == "" {
		return "", &gahp.Error{Kind: gahp.Refused, Text: "the engine at " + e.url.Host + " has no instance type " + name}
	}
	return ids[name], nil
}

// quota is the id of the quota of that name, in a cluster's data center.
func (e *Engine) quota(ctx context.Context, cluster, name string) (string, error) {
	dc := ""
	err := e.ask(ctx, call{verb: list, what: "cluster", path: "/clusters/" + url.PathEscape(cluster)}, "cluster", func(d *document) error {
		c, err := one(d, &d.root, ovirtsdk.XMLClusterReadOne)
		if err != nil {
			return err
		}
		if at, ok := c.DataCenter(); ok {
			dc, _ = at.Id()
		}
		return d.rest()
	})
	if err != nil {
		return "", before(err)
	}
	ids, err := named(ctx, e, "/datacenters/"+url.PathEscape(dc)+"/quotas", "quota", ovirtsdk.XMLQuotaReadOne)
	if err != nil {
		return "", before(err)
	}
	if ids[name] == "" {
		return "", &gahp.Error{Kind: gahp.Refused, Text: "the cluster's data center has no quota " + name + "; quotas are named exactly, and " + e.cfg.Username + " must be allowed to use it"}
	}
	return ids[name], nil
}

// refBody names a machine.
func refBody(id string) ([]byte, error) {
	var w writer
	vm, err := ovirtsdk.NewVmBuilder().Id(id).Build()
	if err != nil {
		return nil, err
	}
	return w.body(func(x *ovirtsdk.XMLWriter) error { return ovirtsdk.XMLVmWriteOne(x, vm, "") })
}

func tagBody(name string) ([]byte, error) {
	var w writer
	tag, err := ovirtsdk.NewTagBuilder().Name(w.text("the tag", name)).Build()
	if err != nil {
		return nil, err
	}
	return w.body(func(x *ovirtsdk.XMLWriter) error { return ovirtsdk.XMLTagWriteOne(x, tag, "") })
}

func templateBody(c gahp.Copy, m gahp.VM) ([]byte, error) {
	var w writer
	t, err := ovirtsdk.NewTemplateBuilder().Name(w.text("the name", c.Name)).Comment(w.text("the mark", c.Mark)).
		Description(w.text("the description", "kept of machine "+m.Name)).VmBuilder(ovirtsdk.NewVmBuilder().Id(m.ID)).Build()
	if err != nil {
		return nil, err
	}
	return w.body(func(x *ovirtsdk.XMLWriter) error { return ovirtsdk.XMLTemplateWriteOne(x, t, "") })
}
