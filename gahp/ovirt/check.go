package ovirt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ovirtsdk "github.com/ovirt/go-ovirt"

	"gridburst/gahp"
)

// Check implements [gahp.Checker]: it reads what a create and a start would need, in the
// order in which they would meet it. Whether the user may make machines at all an engine
// does not say to users: that is seen when one is made.
func (e *Engine) Check(ctx context.Context, w gahp.Wish) ([]gahp.Finding, error) {
	c := check{e: e, wish: w}
	c.all(ctx)
	return c.found, ctx.Err()
}

// check is one in the making.
type check struct {
	e     *Engine
	wish  gahp.Wish
	found []gahp.Finding
}

func (c *check) say(grade gahp.Grade, topic, format string, args ...any) {
	c.found = append(c.found, gahp.Finding{Topic: topic, Grade: grade, Text: fmt.Sprintf(format, args...)})
}

// fails says what an error means for a topic.
func (c *check) fails(topic string, err error) {
	c.say(gahp.Bad, topic, "%s", textOf(err))
}

// unseen: the engine does not show something to this user. It may do without.
func (c *check) unseen(topic, what string, err error) {
	c.say(gahp.Odd, topic, "%s cannot be looked at (%s)", what, textOf(err))
}

func textOf(err error) string {
	var e *gahp.Error
	if errors.As(err, &e) {
		return e.Text
	}
	return err.Error()
}

func (c *check) all(ctx context.Context) {
	if err := c.e.Ping(ctx); err != nil {
		c.fails("login", err)
		return
	}
	c.say(gahp.Good, "login", "%s is let in at %s", c.e.cfg.Username, c.e.url.Host)
	if c.wish.Template == "" {
		return
	}
	from, err := c.e.newest(ctx, c.wish.Template)
	if err != nil {
		c.fails("template", err)
	} else {
		c.template(ctx, from)
	}
	clusters, err := c.e.clusters(ctx)
	if err != nil {
		c.unseen("cluster", "the clusters", err)
		return
	}
	name, at := c.cluster(clusters, from)
	if at == nil {
		return
	}
	if home, ok := clusters[from.cluster]; ok && home.center != at.center {
		c.say(gahp.Bad, "cluster", "template %s is in another data center than cluster %s; export it there, or name a cluster of its own", c.wish.Template, name)
		return
	}
	c.say(gahp.Good, "cluster", "machines are made in %s", name)
	c.quota(ctx, at.center, from)
}

// template looks at what machines will be made of.
func (c *check) template(ctx context.Context, from base) {
	memory, cores := c.size(from)
	c.say(gahp.Good, "template", "%s (version %d) gives machines of %d MiB and %d cores", from.Name, from.Version, memory, cores)
	bootable := false
	err := things(ctx, c.e, "/templates/"+from.ID+"/diskattachments", nil, "disk_attachment", ovirtsdk.XMLDiskAttachmentReadOne, func(a *ovirtsdk.DiskAttachment) error {
		b, _ := a.Bootable()
		bootable = bootable || b
		return nil
	})
	switch {
	case err != nil:
		c.unseen("disk", "the template's disks", err)
	case !bootable:
		c.say(gahp.Bad, "disk", "template %s has no bootable disk, and its machines would not start; make it of a machine with one", from.Name)
	default:
		c.say(gahp.Good, "disk", "the template has a disk to boot from")
	}
	nics := 0
	err = things(ctx, c.e, "/templates/"+from.ID+"/nics", nil, "nic", ovirtsdk.XMLNicReadOne, func(*ovirtsdk.Nic) error {
		nics++
		return nil
	})
	switch {
	case err != nil:
		c.unseen("network", "the template's network cards", err)
	case nics == 0:
		c.say(gahp.Bad, "network", "template %s has no network card, and a worker in its guests could not reach the schedd; give it one", from.Name)
	default:
		c.say(gahp.Good, "network", "the template has a network card; whether its network reaches the schedd, the first guest shows")
	}
}

// size is what each machine will have.
func (c *check) size(from base) (memoryMB int64, cores int) {
	return cmp.Or(c.wish.MemoryMB, from.MemoryMB), cmp.Or(c.wish.Cores, from.Cores)
}

// place is a cluster as far as it matters.
type place struct {
	name   string
	center string // id of its data center
}

// clusters are all that the user may see, by id.
func (e *Engine) clusters(ctx context.Context) (map[string]place, error) {
	all := map[string]place{}
	err := things(ctx, e, "/clusters", nil, "cluster", ovirtsdk.XMLClusterReadOne, func(v *ovirtsdk.Cluster) error {
		var p place
		id, _ := v.Id()
		p.name, _ = v.Name()
		if c, ok := v.DataCenter(); ok {
			p.center, _ = c.Id()
		}
		all[id] = p
		return nil
	})
	return all, err
}

// thereIs names what there is.
func thereIs(names []string) string {
	if len(names) == 0 {
		return "; it shows none"
	}
	slices.Sort(names)
	return "; it shows " + strings.Join(names, ", ")
}

// cluster is where machines will be made; nil when there is no such place.
func (c *check) cluster(all map[string]place, from base) (name string, at *place) {
	var names []string
	for id, p := range all {
		if p.name == c.wish.Cluster || c.wish.Cluster == "" && id == from.cluster {
			return p.name, &p
		}
		names = append(names, p.name)
	}
	switch {
	case c.wish.Cluster != "":
		c.say(gahp.Bad, "cluster", "the engine at %s has no cluster %s; clusters are named exactly, and %s must be allowed to see it%s", c.e.url.Host, c.wish.Cluster, c.e.cfg.Username, thereIs(names))
	case from.Name == "": // it was said of the template
	default:
		c.say(gahp.Bad, "cluster", "template %s belongs to no cluster; name one%s", from.Name, thereIs(names))
	}
	return "", nil
}

// quota looks for room: in a data center that enforces quotas, a machine's memory and
// cores count while it runs, and its disk while it is there.
func (c *check) quota(ctx context.Context, center string, from base) {
	mode, err := c.e.quotaMode(ctx, center)
	switch {
	case err != nil:
		c.unseen("quota", "the data center", err)
		return
	case mode != ovirtsdk.QUOTAMODETYPE_ENABLED:
		c.say(gahp.Good, "quota", "the data center enforces none")
		return
	}
	limits, err := c.e.limits(ctx, center)
	switch {
	case err != nil:
		c.unseen("quota", "the quotas", err)
		return
	case len(limits) == 0:
		c.say(gahp.Odd, "quota", "the data center enforces quotas, and shows none to %s; one must name this user as a consumer", c.e.cfg.Username)
		return
	}
	memory, cores := c.size(from)
	for _, l := range limits {
		room, of := l.room(memory, cores)
		switch {
		case room == 0:
			c.say(gahp.Bad, "quota", "quota %s has no room for one more machine: %s; raise it, or free something", l.name, of)
		case room > 0 && room < c.wish.Machines:
			c.say(gahp.Odd, "quota", "quota %s has room for %d of %d machines: %s; raise it, or lower max_vms", l.name, room, c.wish.Machines, of)
		default:
			c.say(gahp.Good, "quota", "quota %s has room", l.name)
		}
	}
}

func (e *Engine) quotaMode(ctx context.Context, center string) (mode ovirtsdk.QuotaModeType, err error) {
	err = e.read(ctx, "/datacenters/"+center, nil, "data_center", func(d *document) error {
		v, err := one(d, &d.root, ovirtsdk.XMLDataCenterReadOne)
		if err == nil {
			mode, _ = v.QuotaMode()
		}
		return err
	})
	return mode, err
}

// limit is a quota. What is negative has no bound.
type limit struct {
	name              string
	memory, memoryUse float64 // GiB
	cores, coresUse   int64
	storage, stored   float64 // GiB
}

func (e *Engine) limits(ctx context.Context, center string) (all []limit, err error) {
	path := "/datacenters/" + center + "/quotas"
	var ids []string
	err = things(ctx, e, path, nil, "quota", ovirtsdk.XMLQuotaReadOne, func(q *ovirtsdk.Quota) error {
		l := limit{memory: -1, cores: -1, storage: -1}
		id, _ := q.Id()
		l.name, _ = q.Name()
		ids, all = append(ids, id), append(all, l)
		return nil
	})
	for i := 0; err == nil && i < len(all); i++ {
		err = e.bounds(ctx, path+"/"+ids[i], &all[i])
	}
	return all, err
}

// bounds reads what a quota allows. It may be for all clusters, or for each by itself: the
// tightest counts.
func (e *Engine) bounds(ctx context.Context, path string, l *limit) error {
	err := things(ctx, e, path+"/quotaclusterlimits", nil, "quota_cluster_limit", ovirtsdk.XMLQuotaClusterLimitReadOne, func(q *ovirtsdk.QuotaClusterLimit) error {
		if m, ok := q.MemoryLimit(); ok && m >= 0 && (l.memory < 0 || m < l.memory) {
			l.memory = m
			l.memoryUse, _ = q.MemoryUsage()
		}
		if n, ok := q.VcpuLimit(); ok && n >= 0 && (l.cores < 0 || n < l.cores) {
			l.cores = n
			l.coresUse, _ = q.VcpuUsage()
		}
		return nil
	})
	if err = orNone(err); err != nil {
		return err
	}
	return orNone(things(ctx, e, path+"/quotastoragelimits", nil, "quota_storage_limit", ovirtsdk.XMLQuotaStorageLimitReadOne, func(q *ovirtsdk.QuotaStorageLimit) error {
		if n, ok := q.Limit(); ok && n >= 0 && (l.storage < 0 || float64(n) < l.storage) {
			l.storage = float64(n)
			l.stored, _ = q.Usage()
		}
		return nil
	}))
}

// orNone is err of a listing that an engine may not have: a quota without limits of a kind.
func orNone(err error) error {
	if gahp.KindOf(err) == gahp.NotFound {
		return nil
	}
	return err
}

// room is how many machines more there may be; negative: no bound. of says what is scarce.
func (l *limit) room(memoryMB int64, cores int) (n int, of string) {
	n = -1
	tighter := func(left float64, each float64, what string) {
		if each <= 0 {
			return
		}
		if k := max(int(left/each), 0); n < 0 || k < n {
			n, of = k, what
		}
	}
	if l.memory >= 0 {
		tighter(l.memory-l.memoryUse, float64(memoryMB)/1024, fmt.Sprintf("%g of %g GiB of memory are in use", l.memoryUse, l.memory))
	}
	if l.cores >= 0 {
		tighter(float64(l.cores-l.coresUse), float64(cores), fmt.Sprintf("%d of %d cores are in use", l.coresUse, l.cores))
	}
	if l.storage >= 0 && l.stored >= l.storage {
		n, of = 0, fmt.Sprintf("%g of %g GiB of storage are in use", l.stored, l.storage)
	}
	return n, of
}
