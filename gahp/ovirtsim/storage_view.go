package ovirtsim

import (
	"net/http"
	"strings"
)

// domain is a storage domain: each data center has one for disks, and one for files to boot
// from.
type domain struct{ name, kind, dataCenter string }

func (d domain) id() string { return idOf("storage domain", d.name) }

// disksOf is where a data center's disks are.
func disksOf(dataCenter string) domain { return domain{"data-" + dataCenter, "data", dataCenter} }

func (s *Sim) domains(dataCenter string) (out []domain) {
	for _, d := range s.model.DataCenters {
		if dataCenter == "" || idOf("data center", d.Name) == dataCenter {
			out = append(out, disksOf(d.Name), domain{"iso-" + d.Name, "iso", d.Name})
		}
	}
	return out
}

func (d domain) fields() fields { return fields{"name": d.name, "id": d.id(), "type": d.kind} }

func (c *call) storageDomains() *reply {
	return show(c, "storage_domain", c.s.domains(""), []string{"name", "id", "type"}, domain.fields, func(d domain) *node {
		return d.node(at("storagedomains", d.id()), []string{"isattached", "reduceluns", "refreshluns", "updateovfstore"},
			[]string{"disks", "disksnapshots", "files", "images", "permissions", "diskprofiles", "storageconnections", "templates", "vms"})
	})
}

// attachedDomains are those of a data center: only there an engine says how one is.
func (c *call) attachedDomains() *reply {
	dc := c.id
	all := c.s.domains(dc)
	if len(all) == 0 {
		return &reply{status: http.StatusNotFound}
	}
	c.id = ""
	return show(c, "storage_domain", all, []string{"name", "id", "type"}, domain.fields, func(d domain) *node {
		return d.node(at("datacenters", dc)+"/storagedomains/"+d.id(), []string{"activate", "deactivate"}, []string{"disks"}).
			add(tx("status", "active"), ref("data_center", "datacenters", dc))
	})
}

func (d domain) node(href string, actions, rels []string) *node {
	n := object("storage_domain", href, d.id(), actions, []*node{tx("name", d.name), tx("description", ""), tx("comment", "")}, rels,
		num("available", int64(1)<<42), yes("backup", false), num("block_size", 512), num("committed", 0), num("critical_space_action_blocker", 5),
		yes("discard_after_delete", false), tx("external_status", "ok"), yes("master", d.kind == "data"),
		el("storage", tx("address", "storage.example.org"), tx("nfs_version", "auto"), tx("path", "/"+d.kind), tx("type", "nfs")), tx("storage_format", "v5"),
		yes("supports_discard", false), yes("supports_discard_zeroes_data", false),
		tx("type", d.kind), num("used", int64(1)<<30), num("warning_low_space_indicator", 10), yes("wipe_after_delete", false))
	return n.add(el("data_centers", ref("data_center", "datacenters", idOf("data center", d.dataCenter))))
}

func (c *call) files() *reply {
	for _, d := range c.s.domains("") {
		switch {
		case d.id() != c.id:
		case d.kind == "iso":
			const name = "virtio-win.iso"
			return xmlReply(http.StatusOK, el("files", object("file", at("storagedomains", c.id)+"/files/"+name, name, nil,
				[]*node{tx("name", name)}, nil, ref("storage_domain", "storagedomains", c.id))))
		default:
			return xmlReply(http.StatusOK, el("files"))
		}
	}
	return &reply{status: http.StatusNotFound}
}

// disk is one of a machine or of a template, which has its own.
type disk struct {
	id, alias string
	sizeMB    int64
	domain    domain
	locked    bool
}

func (t Template) disk() string { return idOf("disk", t.id()) }

// disks are all there are. s.mu is held.
func (s *Sim) disks() (out []disk) {
	for _, t := range s.model.Templates {
		if t.DiskMB > 0 {
			out = append(out, disk{t.disk(), t.Name + "_Disk1", t.DiskMB, disksOf(s.clusterNamed(t.Cluster).T.DataCenter), t.Status == "locked"})
		}
	}
	for _, v := range s.sorted() {
		if v.Disk != "" {
			out = append(out, s.diskOf(v))
		}
	}
	return out
}

func (s *Sim) diskOf(v *vm) disk {
	return disk{v.Disk, v.Name + "_Disk1", v.DiskMB, disksOf(s.dataCenterOf(v.Cluster)), v.Status == ImageLocked}
}

func (d disk) status() string {
	if d.locked {
		return "locked"
	}
	return "ok"
}

func (c *call) disks() *reply {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return show(c, "disk", c.s.disks(), []string{"name", "alias", "id", "status"},
		func(d disk) fields {
			return fields{"name": d.alias, "alias": d.alias, "id": d.id, "status": d.status()}
		},
		func(d disk) *node {
			return object("disk", at("disks", d.id), d.id, []string{"reduce", "sparsify", "export", "move", "copy", "refreshlun"},
				[]*node{tx("name", d.alias), tx("description", "")}, []string{"permissions", "statistics"}).
				add(d.content()...).
				add(num("total_size", d.sizeMB<<20), tx("qcow_version", "qcow2_v3"), ref("disk_profile", "diskprofiles", idOf("disk profile", d.domain.name)), quotaOf(d.domain.dataCenter),
					el("storage_domains", ref("storage_domain", "storagedomains", d.domain.id())))
		})
}

// quotaOf is a data center's own quota, of which machines and disks are.
func quotaOf(dataCenter string) *node {
	id := idOf("quota", dataCenter)
	return el("quota").with("href", at("datacenters", idOf("data center", dataCenter))+"/quotas/"+id, "id", id)
}

// content is what is said of a disk and of its snapshots.
func (d disk) content() []*node {
	return []*node{
		num("actual_size", d.sizeMB<<20), tx("alias", d.alias), tx("backup", "none"), tx("content_type", "data"), tx("format", "cow"), tx("image_id", idOf("image", d.id)),
		yes("propagate_errors", false), num("provisioned_size", d.sizeMB<<20), yes("shareable", false), yes("sparse", true),
		tx("status", d.status()), tx("storage_type", "image"), yes("wipe_after_delete", false),
	}
}

// attachment is a disk of a machine or template, self.
func attachment(of, id string, self ...*node) *node {
	return object("disk_attachment", of+"/diskattachments/"+id, id, nil, nil, nil,
		yes("active", true), yes("bootable", true), tx("interface", "virtio"), yes("pass_discard", false), yes("read_only", false),
		yes("uses_scsi_reservation", false), ref("disk", "disks", id)).add(self...)
}

// templateDisks are a template's. An engine calls the template a machine there as well.
func (c *call) templateDisks() *reply {
	for _, t := range c.s.model.Templates {
		if t.id() != strings.ToLower(c.id) {
			continue
		}
		n := el("disk_attachments")
		n.addIf(t.DiskMB > 0, attachment(at("templates", t.id()), t.disk(), ref("template", "templates", t.id()), ref("vm", "vms", t.id())))
		return xmlReply(http.StatusOK, n)
	}
	return &reply{status: http.StatusNotFound}
}

// snapshots: each machine has one, which is what it runs on.
func (s *Sim) snapshots(v *vm) *node {
	id := idOf("snapshot", v.ID)
	return el("snapshots", object("snapshot", at("vms", v.ID)+"/snapshots/"+id, id, []string{"restore"}, []*node{tx("description", "Active VM")}, []string{"disks"},
		when("date", v.Created), yes("persist_memorystate", false), tx("snapshot_status", "ok"), tx("snapshot_type", "active")))
}

func (c *call) snapshotDisks() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.machine()
	if out != nil {
		return out
	}
	id := c.r.PathValue("snapshot")
	if id != idOf("snapshot", v.ID) {
		return &reply{status: http.StatusNotFound}
	}
	n := el("disks")
	if v.Disk != "" {
		d := s.diskOf(v)
		n.add(el("disk", tx("name", d.alias), tx("description", "")).with("id", d.id).add(d.content()...).
			add(num("total_size", 0), el("snapshot").with("id", id), el("storage_domains", el("storage_domain").with("id", d.domain.id()))))
	}
	return xmlReply(http.StatusOK, n)
}
