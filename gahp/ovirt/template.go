package ovirt

import (
	"context"
	"net/url"

	ovirtsdk "github.com/ovirt/go-ovirt"

	"gridburst/gahp"
)

// Templates lists what machines can be made from, every version by itself.
func (e *Engine) Templates(ctx context.Context) ([]gahp.Template, error) {
	var out []gahp.Template
	err := e.templates(ctx, nil, func(v *ovirtsdk.Template) error {
		t, err := templateOf(v)
		out = append(out, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (e *Engine) templates(ctx context.Context, query url.Values, f func(*ovirtsdk.Template) error) error {
	return things(ctx, e, "/templates", query, "template", ovirtsdk.XMLTemplateReadOne, f)
}

// base is what a machine is made from.
type base struct {
	gahp.Template
	cluster     string // id; "" if it belongs to none
	initialized bool   // its machines' guests are told something by it
}

// newest is the template of that name, of several versions the newest.
func (e *Engine) newest(ctx context.Context, name string) (b base, err error) {
	found := false
	err = e.templates(ctx, search(name, false), func(v *ovirtsdk.Template) error {
		t, err := templateOf(v)
		if err != nil {
			return err
		}
		if t.Name != name || found && t.Version < b.Version {
			return nil
		}
		found, b = true, base{Template: t}
		if c, ok := v.Cluster(); ok {
			b.cluster, _ = c.Id()
		}
		if i, ok := v.Initialization(); ok {
			b.initialized = says(i)
		}
		return nil
	})
	switch {
	case err != nil:
		return b, before(err)
	case !found:
		return b, noTemplate("the engine at %s has no template %s; templates are named exactly, and %s must be allowed to see it", e.url.Host, name, e.cfg.Username)
	case b.State != "" && b.State != "ok":
		return b, noTemplate("template %s (version %d) cannot be used: it is %s", name, b.Version, b.State)
	}
	return b, nil
}

// says: there is something in it; an engine may send an empty one.
func says(i *ovirtsdk.Initialization) bool {
	for _, field := range []func() (string, bool){i.CustomScript, i.HostName, i.UserName, i.RootPassword, i.AuthorizedSshKeys, i.DnsServers, i.Timezone} {
		if s, ok := field(); ok && s != "" {
			return true
		}
	}
	nics, ok := i.NicConfigurations()
	return ok && len(nics.Slice()) > 0
}

// cluster is the id of the cluster of that name.
func (e *Engine) cluster(ctx context.Context, name string) (id string, err error) {
	err = things(ctx, e, "/clusters", search(name, false), "cluster", ovirtsdk.XMLClusterReadOne, func(c *ovirtsdk.Cluster) error {
		if n, _ := c.Name(); n == name {
			id, _ = c.Id()
		}
		return nil
	})
	if err != nil {
		return "", before(err)
	}
	if id == "" {
		return "", noTemplate("the engine at %s has no cluster %s; clusters are named exactly, and %s must be allowed to see it", e.url.Host, name, e.cfg.Username)
	}
	return id, nil
}
