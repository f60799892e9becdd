package ovirtsim

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// domain is a storage domain. Its id derives from its name, which the model says.
type domain struct {
	ID         string
	Name       string
	Kind       string // data, iso
	DataCenter string // name
	Size       int64  // bytes
	Status     string // as its data center sees it
}

func (d *domain) key() (id, name string) { return d.ID, d.Name }

const activeDomain = "active"

// stock puts the model's storage domains where they are. s.mu is held.
func (s *Sim) stock() {
	for _, d := range s.model.StorageDomains {
		s.domains.known(&domain{idOf("storage domain", d.Name), d.Name, d.Type, d.DataCenter, d.SizeMB << 20, d.Status})
	}
}

// domainsOf lists those of a data center, those for disks first; empty: all. s.mu is held.
func (s *Sim) domainsOf(dataCenter string) []*domain {
	all := slices.DeleteFunc(s.domains.sorted(), func(d *domain) bool { return dataCenter != "" && d.DataCenter != dataCenter })
	slices.SortStableFunc(all, func(a, b *domain) int { return cmp.Compare(a.Kind, b.Kind) })
	return all
}

// dataDomain is the first for disks of a data center (empty: of any) that is active; nil:
// there is none. s.mu is held.
func (s *Sim) dataDomain(dataCenter string) (first *domain) {
	for _, d := range s.domainsOf(dataCenter) {
		if d.Kind == "data" && (first == nil || first.Status != activeDomain && d.Status == activeDomain) {
			first = d
		}
	}
	return first
}

// domainBy is the one that a caller names; nil: there is none. s.mu is held.
func (s *Sim) domainBy(r refIn) *domain {
	if r.ID != "" {
		return s.domains.all[strings.ToLower(r.ID)]
	}
	return s.domains.named(r.Name, func(*domain) bool { return true })
}

// usedOf is what disks take of a domain, and what they may come to. s.mu is held.
func (s *Sim) usedOf(at *domain) (used, committed int64) {
	for _, d := range s.disks.all {
		if slices.Contains(d.Domains, at.ID) {
			used += d.used()
			committed += d.Size
		}
	}
	return used, committed
}

func (s *Sim) available(at *domain) int64 {
	used, _ := s.usedOf(at)
	return max(at.Size-used, 0)
}

var domainFields = []string{"name", "id", "type", "status", "datacenter"}

func (d *domain) fields() fields {
	return fields{"name": d.Name, "id": d.ID, "type": d.Kind, "status": d.Status, "datacenter": d.DataCenter}
}

func (c *call) storageDomains() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return show(c, "storage_domain", s.domainsOf(""), domainFields, (*domain).fields, func(d *domain) *node {
		return s.domainNode(d, at("storagedomains", d.ID), []string{"isattached", "reduceluns", "refreshluns", "updateovfstore"},
			[]string{"disks", "disksnapshots", "files", "images", "permissions", "diskprofiles", "storageconnections", "templates", "vms"})
	})
}

// attachedDomains are those of a data center: only there an engine says how one is.
func (c *call) attachedDomains() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	dc := s.dataCenterByID(c.id)
	if dc.Name == "" {
		return &reply{status: http.StatusNotFound}
	}
	id := c.id
	c.id = c.r.PathValue("part")
	return show(c, "storage_domain", s.domainsOf(dc.Name), domainFields, (*domain).fields, func(d *domain) *node {
		return s.domainNode(d, at("datacenters", id)+"/storagedomains/"+d.ID, []string{"activate", "deactivate"}, []string{"disks"}).
			add(tx("status", d.Status), ref("data_center", "datacenters", id))
	})
}

// activateDomain and deactivateDomain bring a storage domain of a data center into and out
// of use. Machines that run go on.
func (c *call) activateDomain() *reply { return c.turnDomain("activate Storage", activeDomain) }

func (c *call) deactivateDomain() *reply {
	return c.turnDomain("deactivate Storage", "maintenance")
}

func (c *call) turnDomain(doing, to string) *reply {
	c.doing = doing
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains.all[c.r.PathValue("part")]
	if dc := s.dataCenterByID(c.id); d == nil || d.DataCenter != dc.Name {
		return &reply{status: http.StatusNotFound}
	}
	if d.Status == to {
		return c.fault("STORAGE_DOMAIN_STATUS", title(d.Status))
	}
	if to != activeDomain {
		for _, v := range s.vms {
			if v.Status.running() && slices.ContainsFunc(v.Disks, func(a attachment) bool { return slices.Contains(s.disks.all[a.Disk].Domains, d.ID) }) {
				return c.fault("STORAGE_DOMAIN_IN_USE", v.Name)
			}
		}
	}
	d.Status = to
	s.domains.put(s, d)
	return c.complete()
}

func (s *Sim) domainNode(d *domain, href string, actions, rels []string) *node {
	used, committed := s.usedOf(d)
	n := object("storage_domain", href, d.ID, actions, []*node{tx("name", d.Name), tx("description", ""), tx("comment", "")}, rels,
		num("available", max(d.Size-used, 0)), yes("backup", false), num("block_size", 512), num("committed", committed), num("critical_space_action_blocker", 5),
		yes("discard_after_delete", false), tx("external_status", "ok"), yes("master", d.Kind == "data" && d == s.dataDomain(d.DataCenter)),
		el("storage", tx("address", "storage.example.org"), tx("nfs_version", "auto"), tx("path", "/"+d.Kind), tx("type", "nfs")), tx("storage_format", "v5"),
		yes("supports_discard", false), yes("supports_discard_zeroes_data", false),
		tx("type", d.Kind), num("used", used), num("warning_low_space_indicator", 10), yes("wipe_after_delete", false))
	return n.add(el("data_centers", ref("data_center", "datacenters", idOf("data center", d.DataCenter))))
}

// isoFile is what a storage domain for files has.
const isoFile = "virtio-win.iso"

func (c *call) files() *reply {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	d := c.s.domains.all[c.id]
	switch {
	case d == nil:
		return &reply{status: http.StatusNotFound}
	case d.Kind == "iso":
		const name = isoFile
		return xmlReply(http.StatusOK, el("files", object("file", at("storagedomains", c.id)+"/files/"+name, name, nil,
			[]*node{tx("name", name)}, nil, ref("storage_domain", "storagedomains", c.id))))
	}
	return xmlReply(http.StatusOK, el("files"))
}
