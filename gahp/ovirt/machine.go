package ovirt

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"maps"
	"net/url"
	"regexp"
	"strings"

	ovirtsdk "github.com/ovirt/go-ovirt"

	"gridburst/gahp"
	"gridburst/internal/failpoint"
)

// Get is one machine.
func (e *Engine) Get(ctx context.Context, id string) (gahp.VM, error) {
	m, _, err := e.machine(ctx, get, id, e.follow)
	return m, err
}

// machine is one machine, and what the SDK makes of it. An id that cannot be one is
// a failure of v.
func (e *Engine) machine(ctx context.Context, v verb, id string, ask asking) (m gahp.VM, raw *ovirtsdk.Vm, err error) {
	path, err := machinePath(v, id)
	if err != nil {
		return m, nil, err
	}
	err = ask(ctx, call{verb: get, what: "machine " + id, path: path}, "vm", func(d *document) (err error) {
		if raw, err = one(d, &d.root, ovirtsdk.XMLVmReadOne); err != nil {
			return err
		}
		if m, err = vmOf(raw); err != nil {
			return err
		}
		return d.rest()
	})
	return m, raw, err
}

// asking is [Engine.ask] or [Engine.follow].
type asking func(context.Context, call, string, func(*document) error) error

// follow asks for what a guest reports of its network in the machine's own document,
// and asks again without where what comes of that is no good: addresses are not
// worth a machine.
func (e *Engine) follow(ctx context.Context, c call, root string, f func(*document) error) error {
	plain := c.query
	c.query = maps.Clone(plain)
	if c.query == nil {
		c.query = url.Values{}
	}
	c.query.Set("follow", "reported_devices")
	a, err := e.call(ctx, c)
	if err != nil {
		return err
	}
	err = e.hear(ctx, c, a, root, f)
	a.close()
	if err == nil || a.body.err != nil {
		return err
	}
	c.query = plain
	return e.ask(ctx, c, root, f)
}

// plainName: what the search language takes as it is. In anything else it sees
// operators, wildcards or quotes.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// keywords of the search language, which are no values unless quoted.
var keywords = map[string]bool{"and": true, "or": true, "asc": true, "desc": true, "sortby": true, "page": true}

// search narrows a listing to names that begin with, or are, s; nil where that cannot
// be said in the search language, so that all is listed. It is a help and no more:
// case does not count in it, and an underscore may stand for any character. Who
// searches compares names afterwards.
func search(s string, prefix bool) url.Values {
	if !plainName.MatchString(s) || keywords[strings.ToLower(s)] {
		return nil
	}
	if prefix {
		s += "*"
	}
	return url.Values{"search": {"name=" + s}}
}

// Find is the machine with exactly that name.
func (e *Engine) Find(ctx context.Context, name string) (gahp.VM, error) {
	found, err := e.machines(ctx, "machine "+name, search(name, false), func(n string) bool { return n == name })
	switch {
	case err != nil:
		return gahp.VM{}, err
	case len(found) == 0:
		return gahp.VM{}, &gahp.Error{Kind: gahp.NotFound, Text: "the engine at " + e.url.Host + " has no machine " + name}
	case len(found) > 1:
		// Names are unique in a data center only. Taking one would be a guess.
		return gahp.VM{}, &gahp.Error{Kind: gahp.Refused, Text: "the engine at " + e.url.Host + " has several machines " + name + " (" + found[0].ID + " and " + found[1].ID + "), in different data centers; rename all but one"}
	}
	return found[0], nil
}

// List is every machine whose name begins with prefix. It asks for all of them in
// one document, for that is one moment in the engine's database: between two pages a
// machine that goes moves another across their border, where nobody sees it, and
// what is missing from a listing may be taken for gone. The document is read as it
// comes, so it is never held as a whole.
func (e *Engine) List(ctx context.Context, prefix string) ([]gahp.VM, error) {
	return e.machines(ctx, "machines", search(prefix, true), func(n string) bool { return strings.HasPrefix(n, prefix) })
}

func (e *Engine) machines(ctx context.Context, what string, query url.Values, want func(name string) bool) (out []gahp.VM, err error) {
	err = e.follow(ctx, call{verb: list, what: what, path: "/vms", query: query}, "vms", func(d *document) (err error) {
		out, err = readMachines(d, want)
		return err
	})
	return out, err
}

// readMachines reads a whole <vms>, or nothing.
func readMachines(d *document, want func(name string) bool) (out []gahp.VM, err error) {
	err = d.each("vm", func(start *xml.StartElement) error {
		v, err := one(d, start, ovirtsdk.XMLVmReadOne)
		if err != nil {
			return err
		}
		m, err := vmOf(v)
		if err == nil && want(m.Name) {
			out = append(out, m)
		}
		return err
	})
	if err != nil && !failpoint.HalfListing {
		return nil, err
	}
	return out, nil
}

// Start boots a machine that is down. Cloud-init is asked for when there is user
// data for this boot, and for a machine that has its own and a mark, which is one
// that Create made and nobody has started: an engine does that by itself only for
// the operating systems that it knows. Any other machine starts as its owner has
// configured it.
func (e *Engine) Start(ctx context.Context, _ gahp.Order, id string, s gahp.Start) error {
	m, raw, err := e.machine(ctx, start, id, e.ask)
	if err != nil {
		return before(err)
	}
	switch m.State {
	case gahp.Down:
	case gahp.ImageLocked:
		return locked(start, m)
	default:
		// An engine would also resume a paused machine and wake a suspended one.
		return &gahp.Error{Kind: gahp.WrongState, Text: "start machine " + m.Name + ": it is not down but " + cmp.Or(string(m.State), "in a state without a name")}
	}
	cloudInit := s.UserData != ""
	if own, ok := raw.Initialization(); ok && m.Mark != "" {
		script, _ := own.CustomScript()
		cloudInit = cloudInit || script != ""
	}
	body, err := startAction(s, cloudInit)
	if err != nil {
		return err
	}
	return e.order(ctx, start, id, body, lines(s.UserData))
}

// Shutdown asks the guest to power off.
func (e *Engine) Shutdown(ctx context.Context, _ gahp.Order, id string) error {
	return e.off(ctx, shutdown, id)
}

// Stop switches a machine off.
func (e *Engine) Stop(ctx context.Context, _ gahp.Order, id string) error {
	return e.off(ctx, stop, id)
}

// off tells the engine to have a machine stop. Of one whose disks are being made an
// engine says that it is not running, as of others that will never stop either; a
// look at it tells whether to try again.
func (e *Engine) off(ctx context.Context, v verb, id string) error {
	err := e.order(ctx, v, id, []byte("<action/>"), nil)
	var ge *gahp.Error
	if !errors.As(err, &ge) || ge.Kind != gahp.WrongState {
		return err
	}
	if m, _, fail := e.machine(ctx, v, id, e.ask); fail == nil && m.State == gahp.ImageLocked {
		return locked(v, m)
	}
	return err
}

func locked(v verb, m gahp.VM) *gahp.Error {
	return &gahp.Error{Kind: gahp.Locked, Text: string(v) + " machine " + m.Name + ": its disks are still being made"}
}

// Remove deletes a machine that is down, with its disks: they go with it unless an
// engine is told to detach them.
func (e *Engine) Remove(ctx context.Context, _ gahp.Order, id string) error {
	return e.order(ctx, remove, id, nil, nil)
}

// Remark changes a machine's mark, whether it runs or not, and nothing else of it.
func (e *Engine) Remark(ctx context.Context, id, mark string) error {
	path, err := machinePath(remark, id)
	if err != nil {
		return err
	}
	body, err := newMark(mark)
	if err != nil {
		return err
	}
	return e.ask(ctx, call{verb: remark, what: "machine " + id, path: path, body: body}, "vm", func(d *document) error { return d.rest() })
}

// order tells the engine to do v with a machine.
func (e *Engine) order(ctx context.Context, v verb, id string, body []byte, secrets []string) error {
	path, err := machinePath(v, id)
	if err != nil {
		return err
	}
	if v != remove {
		path += "/" + string(v)
	}
	return e.act(ctx, call{verb: v, what: "machine " + id, path: path, body: body, secrets: secrets})
}

var machineID = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// machinePath is where a machine is. What cannot be an id is not asked about: an
// engine calls such a request wrong, and it could point anywhere.
func machinePath(v verb, id string) (string, error) {
	if !machineID.MatchString(id) {
		return "", &gahp.Error{Kind: gahp.NotFound, Text: string(v) + ": there is no machine " + oneLine(id, `""`) + ", for ids of an engine are UUIDs"}
	}
	return "/vms/" + id, nil
}

// before is the failure of a look-up that comes before an effect: if its answer is
// unknown, then there was no effect all the same.
func before(err error) error {
	var ge *gahp.Error
	if errors.As(err, &ge) && ge.Kind == gahp.Unknown {
		return &gahp.Error{Kind: gahp.EngineDown, Text: "nothing was done, for this look-up failed: " + ge.Text}
	}
	return err
}
