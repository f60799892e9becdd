package ovirt

import (
	"context"
	"fmt"
	"net/url"

	ovirtsdk "github.com/ovirt/go-ovirt"

	"gridburst/gahp"
)

// Create makes a machine from a template. If we die after the request, a machine of
// that name may be there: a second Create fails with NameInUse, and Find tells.
func (e *Engine) Create(ctx context.Context, _ gahp.Order, c gahp.Create) (gahp.VM, error) {
	var m gahp.VM
	from, err := e.newest(ctx, c.Template)
	if err != nil {
		return m, err
	}
	if c.Cluster != "" {
		if from.cluster, err = e.cluster(ctx, c.Cluster); err != nil {
			return m, err
		}
	}
	if from.cluster == "" {
		return m, noTemplate("template %s belongs to no cluster; name one to make %s in", from.Name, c.Name)
	}
	var of belonging
	if c.InstanceType != "" {
		if of.instanceType, err = e.instanceType(ctx, c.InstanceType); err != nil {
			return m, err
		}
	}
	if c.Quota != "" {
		if of.quota, err = e.quota(ctx, from.cluster, c.Quota); err != nil {
			return m, err
		}
	}
	body, err := newMachine(c, from, of)
	if err != nil {
		return m, err
	}
	// Not a clone: the machine's disks are the template's and what it writes.
	order := call{
		verb: create, what: "machine " + c.Name, path: "/vms", query: url.Values{"clone": {"false"}},
		body: body, secrets: lines(c.UserData),
	}
	err = e.ask(ctx, order, "vm", func(d *document) error {
		v, err := one(d, &d.root, ovirtsdk.XMLVmReadOne)
		if err != nil {
			return err
		}
		m, err = vmOf(v)
		return err
	})
	if err != nil {
		return gahp.VM{}, err
	}
	return m, nil
}

// belonging is what a new machine is said to be of, by ids; empty: the engine's choice.
type belonging struct{ instanceType, quota string }

func noTemplate(format string, args ...any) *gahp.Error {
	return &gahp.Error{Kind: gahp.NoTemplate, Text: fmt.Sprintf(format, args...)}
}
