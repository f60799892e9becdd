package ovirt

import (
	"context"
	"encoding/xml"
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
	return e.read(ctx, "/templates", query, "templates", func(d *document) error {
		return d.each("template", func(start *xml.StartElement) error {
			v, err := one(d, start, ovirtsdk.XMLTemplateReadOne)
			if err != nil {
				return err
			}
			return f(v)
		})
	})
}

// newest is the template of that name, of several versions the newest, with the
// cluster that it belongs to ("" if to none).
func (e *Engine) newest(ctx context.Context, name string) (t gahp.Template, cluster string, err error) {
	found := false
	err = e.templates(ctx, search(name, false), func(v *ovirtsdk.Template) error {
		u, err := templateOf(v)
		if err != nil {
			return err
		}
		if u.Name != name || found && u.Version < t.Version {
			return nil
		}
		found, t, cluster = true, u, ""
		if c, ok := v.Cluster(); ok {
			cluster, _ = c.Id()
		}
		return nil
	})
	switch {
	case err != nil:
		return t, "", before(err)
	case !found:
		return t, "", noTemplate("the engine at %s has no template %s; templates are named exactly, and %s must be allowed to see it", e.url.Host, name, e.cfg.Username)
	case t.State != "" && t.State != "ok":
		return t, "", noTemplate("template %s (version %d) cannot be used: it is %s", name, t.Version, t.State)
	}
	return t, cluster, nil
}

// cluster is the id of the cluster of that name.
func (e *Engine) cluster(ctx context.Context, name string) (id string, err error) {
	err = e.read(ctx, "/clusters", search(name, false), "clusters", func(d *document) error {
		return d.each("cluster", func(start *xml.StartElement) error {
			c, err := one(d, start, ovirtsdk.XMLClusterReadOne)
			if err != nil {
				return err
			}
			if n, _ := c.Name(); n == name {
				id, _ = c.Id()
			}
			return nil
		})
	})
	if err != nil {
		return "", before(err)
	}
	if id == "" {
		return "", noTemplate("the engine at %s has no cluster %s; clusters are named exactly, and %s must be allowed to see it", e.url.Host, name, e.cfg.Username)
	}
	return id, nil
}
