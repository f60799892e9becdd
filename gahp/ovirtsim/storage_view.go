package ovirtsim

import (
	"net/http"
	"slices"
	"strings"
)

// listDisks shows all disks, those of a storage domain, or one of either.
func (c *call) listDisks() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.disks.sorted()
	if id := c.r.PathValue("domain"); id != "" {
		if s.domains.all[id] == nil {
			return &reply{status: http.StatusNotFound}
		}
		all = slices.DeleteFunc(all, func(d *disk) bool { return !slices.Contains(d.Domains, id) })
	}
	return show(c, "disk", all, []string{"name", "alias", "id", "status", "description", "disk_type", "vm_names", "storage.name"}, s.diskFields, s.diskNode)
}

func (s *Sim) diskFields(d *disk) fields {
	f := fields{"name": d.Alias, "alias": d.Alias, "id": d.ID, "status": s.diskStatus(d), "description": d.Description, "disk_type": "image"}
	var in []string
	for _, id := range d.Domains {
		in = append(in, s.domains.all[id].Name)
	}
	f["storage.name"] = strings.Join(in, several)
	if v := s.vms[d.Machine]; v != nil {
		f["vm_names"] = v.Name
	}
	return f
}

func (s *Sim) diskNode(d *disk) *node {
	n := object("disk", at("disks", d.ID), d.ID, []string{"reduce", "sparsify", "export", "move", "copy", "refreshlun"},
		[]*node{tx("name", d.Alias), tx("description", d.Description)}, []string{"permissions", "statistics"}).
		add(s.diskContent(d)...).
		add(num("total_size", d.used()))
	n.addIf(d.Format == "cow", tx("qcow_version", "qcow2_v3"))
	domains := el("storage_domains")
	for _, id := range d.Domains {
		domains.add(ref("storage_domain", "storagedomains", id))
	}
	at := s.domains.all[d.Domains[0]]
	return n.add(ref("disk_profile", "diskprofiles", idOf("disk profile", at.Name)), quotaOf(at.DataCenter), domains)
}

// quotaOf is a data center's own quota, of which machines and disks are.
func quotaOf(dataCenter string) *node {
	id := idOf("quota", dataCenter)
	return el("quota").with("href", at("datacenters", idOf("data center", dataCenter))+"/quotas/"+id, "id", id)
}

// diskContent is what is said of a disk and of its snapshots.
func (s *Sim) diskContent(d *disk) []*node {
	return []*node{
		num("actual_size", d.used()), tx("alias", d.Alias), tx("backup", "none"), tx("content_type", "data"), tx("format", d.Format), tx("image_id", d.Image),
		yes("propagate_errors", d.Propagate), num("provisioned_size", d.Size), yes("shareable", d.Shareable), yes("sparse", d.Sparse),
		tx("status", s.diskStatus(d)), tx("storage_type", "image"), yes("wipe_after_delete", d.Wipe),
	}
}

// attachmentNode is a disk of a machine or template, self. With its disk where that is
// followed.
func (c *call) attachmentNode(of string, a attachment, self ...*node) *node {
	d := ref("disk", "disks", a.Disk)
	if c.follow["diskattachments.disk"] || c.follow["disk"] {
		d = c.s.diskNode(c.s.disks.all[a.Disk])
	}
	return object("disk_attachment", of+"/diskattachments/"+a.Disk, a.Disk, nil, nil, nil,
		yes("active", a.Active), yes("bootable", a.Bootable), tx("interface", a.Interface), yes("pass_discard", a.PassDiscard), yes("read_only", a.ReadOnly),
		yes("uses_scsi_reservation", false), d).add(self...)
}

// templateDisks are a template's. An engine calls the template a machine there as well.
func (c *call) templateDisks() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.templates.all[c.id]
	if t == nil {
		return &reply{status: http.StatusNotFound}
	}
	n := el("disk_attachments")
	for _, a := range t.Disks {
		n.add(c.attachmentNode(at("templates", t.ID), a, ref("template", "templates", t.ID), ref("vm", "vms", t.ID)))
	}
	return xmlReply(http.StatusOK, n)
}
