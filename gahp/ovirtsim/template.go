package ovirtsim

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"time"
)

// template is what machines are made from: of the model, or made from a machine.
type template struct {
	shape
	ID          string
	Name        string
	Description string
	Comment     string
	Version     int
	VersionName string
	Base        string // id of the first version
	Cluster     string // id; empty: in all
	Status      string // ok, locked, illegal: locked stays
	Body        Body
	Image       Image
	Disks       []attachment
	NICs        []nic
	Made        time.Time
	Until       time.Time // locked
	Model       bool      // the model says it
}

func (t *template) key() (id, name string) { return t.ID, t.Name }

// status of a template. s.mu is held.
func (s *Sim) templateStatus(t *template) string {
	if s.clock.Now().Before(t.Until) {
		return "locked"
	}
	return t.Status
}

// mint makes the model's templates, with their disks. s.mu is held.
func (s *Sim) mint() {
	for _, m := range s.model.Templates {
		base := m.Version
		for _, o := range s.model.Templates {
			if o.Name == m.Name {
				base = min(base, o.Version)
			}
		}
		t := &template{
			ID: m.id(), Name: m.Name, Version: m.Version, Status: m.Status, Body: m.Body, Image: m.Image, Made: epoch, Model: true,
			Base: Template{Name: m.Name, Version: base}.id(),
			shape: shape{
				Type: "server", OS: m.OS, Memory: m.MemoryMB << 20, Guaranteed: m.MemoryMB << 20, MaxMemory: 4 * m.MemoryMB << 20, Ballooning: true,
				Sockets: 1, Cores: m.Cores, Threads: 1, HA: m.HA, Protected: m.Protect, Soundcard: true, Affinity: "migratable", Consoles: []string{spice},
			},
		}
		if m.Version == base {
			t.VersionName = "base version"
		}
		if m.Cluster != "" {
			t.Cluster = idOf("cluster", m.Cluster)
			t.NICs = []nic{{ID: idOf("nic", t.ID), Name: "nic1", Interface: "virtio", Profile: idOf("vnicprofile", t.Cluster), Linked: true, Plugged: true}}
		}
		if m.DiskMB > 0 {
			at := s.dataDomain(s.dataCenterOf(t.Cluster))
			d := &disk{
				ID: idOf("disk", t.ID), Alias: m.Name + "_Disk1", Size: m.DiskMB << 20, Actual: m.DiskMB << 20, Format: "cow", Sparse: true,
				Domains: []string{at.ID}, Image: idOf("image", idOf("disk", t.ID)), Template: t.ID,
			}
			s.disks.known(d)
			t.Disks = []attachment{{Disk: d.ID, Interface: "virtio", Bootable: true, Active: true}}
		}
		s.templates.known(t)
	}
}

// templateNamed is the one of that name. Of several versions an engine takes the base, so
// who wants the newest has to look for it.
func (s *Sim) templateNamed(name string) (t *template) {
	for _, o := range s.templates.all {
		if o.Name == name && (t == nil || o.Version < t.Version) {
			t = o
		}
	}
	return t
}

// templateIn is a <template> as callers send it.
type templateIn struct {
	XMLName     xml.Name `xml:"template"`
	Name        *string  `xml:"name"`
	Description *string  `xml:"description"`
	Comment     *string  `xml:"comment"`
	VM          *struct {
		refIn
		Attachments []attachmentIn `xml:"disk_attachments>disk_attachment"`
	} `xml:"vm"`
	Version *struct {
		Name string `xml:"version_name"`
		Base refIn  `xml:"base_template"`
	} `xml:"version"`
	Protected *bool `xml:"delete_protected"`
}

// addTemplate makes a template from a machine that is down.
func (c *call) addTemplate() *reply {
	c.doing = "add Template"
	var in templateIn
	if out := c.read(&in); out != nil {
		return out
	}
	if in.Name == nil || in.VM == nil {
		return c.faultReply(http.StatusBadRequest, incomplete, "Template [name, vm.id|name] required for add")
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.vms[strings.ToLower(in.VM.ID)]
	for _, o := range s.vms {
		if in.VM.ID == "" && o.Name == in.VM.Name {
			v = o
		}
	}
	if v == nil {
		return c.faultReply(http.StatusNotFound, failed, "Entity not found: Vm")
	}
	until := s.clock.Now().Add(s.model.Times.Lock)
	t := &template{
		ID: newID(), Name: *in.Name, Version: 1, VersionName: "base version", Cluster: v.Cluster, Status: "ok",
		Body: v.Body, Made: s.clock.Now(), Until: until, shape: v.shape,
	}
	if from := s.templates.all[v.Original]; from != nil {
		t.Image = from.Image
	}
	t.Base, t.Protected = t.ID, false
	set(&t.Description, in.Description)
	set(&t.Comment, in.Comment)
	set(&t.Protected, in.Protected)
	if out := c.versioned(t, in); out != nil {
		return out
	}
	switch {
	case !vmName.MatchString(t.Name):
		return c.fault("NAME_SPECIAL_CHARS", "")
	case v.Status == ImageLocked:
		return c.refused(v, c.fault("VM_IS_LOCKED", ""))
	case v.Status != Down:
		return c.refused(v, c.fault("VM_STATUS_ILLEGAL", v.Status.words()))
	}
	for _, n := range v.NICs {
		n.ID, n.MAC = newID(), ""
		t.NICs = append(t.NICs, n)
	}
	var disks []*disk
	for _, a := range v.Disks {
		d := s.disks.all[a.Disk]
		if out := c.lockedDisk(d); out != nil {
			return c.refused(v, out)
		}
		n := *d
		n.ID, n.Image, n.Base, n.Machine, n.Template, n.Until, n.Shareable = newID(), newID(), "", "", t.ID, until, false
		n.Content = s.contentOf(d)
		for _, o := range in.VM.Attachments {
			if o.ID == d.ID || o.Disk != nil && o.Disk.ID == d.ID {
				if out := c.placed(&n, o); out != nil {
					return out
				}
			}
		}
		if out := c.room(s.domains.all[n.Domains[0]], n.used()); out != nil {
			return out
		}
		disks, a.Disk = append(disks, &n), n.ID
		t.Disks = append(t.Disks, a)
	}
	for _, d := range disks { // first: disks of a template that is not there are nobody's
		s.disks.put(s, d)
	}
	s.templates.put(s, t)
	c.job("Creating Template "+t.Name+" from VM "+v.Name, func() bool { return s.clock.Now().Before(until) })
	return c.made(at("templates", t.ID), c.templateNode(t).add(el("creation_status", tx("state", "in_progress"))), true)
}

// versioned makes t a version of what is there, or has it named anew. s.mu is held.
func (c *call) versioned(t *template, in templateIn) *reply {
	s := c.s
	if in.Version == nil || in.Version.Base.ID == "" && in.Version.Base.Name == "" {
		if s.templateNamed(t.Name) != nil {
			return c.fault("TEMPLATE_NAME_IN_USE", "")
		}
		return nil
	}
	base := s.templates.all[in.Version.Base.ID]
	if base == nil {
		base = s.templateNamed(in.Version.Base.Name)
	}
	if base == nil {
		return c.fault("TEMPLATE_DOES_NOT_EXIST", "")
	}
	t.Base, t.Name, t.VersionName = base.Base, base.Name, in.Version.Name
	for _, o := range s.templates.all {
		if o.Base == t.Base {
			t.Version = max(t.Version, o.Version+1)
		}
	}
	return nil
}

// placed sets what a caller says of a disk that is to be made like another. s.mu is held.
func (c *call) placed(d *disk, in attachmentIn) *reply {
	if in.Disk == nil {
		return nil
	}
	w := *in.Disk
	w.Size = nil
	for _, r := range w.domains() {
		to := c.s.domainBy(r)
		if to == nil {
			return c.fault("STORAGE_DOMAIN_NOT_EXIST", "")
		}
		d.Domains = []string{to.ID}
	}
	if w.Sparse != nil && w.Format == nil { // a format that can be so
		f := "cow"
		if !*w.Sparse {
			f = "raw"
		}
		w.Format = &f
	}
	if w.Format != nil && w.Sparse == nil {
		sparse := *w.Format == "cow"
		w.Sparse = &sparse
	}
	return c.describe(d, w)
}

func (c *call) updateTemplate() *reply {
	c.doing = "edit Template"
	var in templateIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.templates.all[c.id]
	switch {
	case t == nil:
		return &reply{status: http.StatusNotFound}
	case s.templateStatus(t) == "locked":
		return c.fault("TEMPLATE_IMAGE_IS_LOCKED", "")
	case in.Name != nil && *in.Name != t.Name && s.templateNamed(*in.Name) != nil:
		return c.fault("TEMPLATE_NAME_IN_USE", "")
	}
	set(&t.Name, in.Name)
	set(&t.Description, in.Description)
	set(&t.Comment, in.Comment)
	set(&t.Protected, in.Protected)
	s.templates.put(s, t)
	return xmlReply(http.StatusOK, c.templateNode(t))
}

func (c *call) removeTemplate() *reply {
	c.doing = "remove Template"
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.templates.all[c.id]
	if t == nil {
		return &reply{status: http.StatusNotFound}
	}
	var users []string
	for _, v := range s.sorted() {
		if v.Template == t.ID {
			users = append(users, v.Name)
		}
	}
	switch {
	case t.ID == blankID:
		return c.fault("BLANK_TEMPLATE", "")
	case t.Protected:
		return c.fault("DELETE_PROTECTION", "")
	case s.templateStatus(t) == "locked":
		return c.fault("TEMPLATE_IMAGE_IS_LOCKED", "")
	case len(users) > 0:
		return c.fault("DERIVED_VMS", strings.Join(users, ","))
	}
	for _, a := range t.Disks {
		if slices.ContainsFunc(s.disks.sorted(), func(d *disk) bool { return d.Base == a.Disk }) {
			return c.fault("DERIVED_VMS", "a disk of it")
		}
	}
	s.templates.drop(s, t) // first: disks of a template that is not there are nobody's
	for _, a := range t.Disks {
		s.dropDisk(s.disks.all[a.Disk])
	}
	c.job("Removing Template "+t.Name, nil)
	return c.complete()
}

var templateLinks = []string{"cdroms", "nics", "watchdogs", "graphicsconsoles", "permissions", "tags", "diskattachments"}

func (c *call) listTemplates() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return show(c, "template", s.templates.sorted(), []string{"name", "id", "cluster", "status", "description", "comment", "datacenter", "vm.name"},
		func(t *template) fields {
			var machines []string
			for _, v := range s.vms {
				if v.Template == t.ID {
					machines = append(machines, v.Name)
				}
			}
			return fields{
				"vm.name": strings.Join(machines, several),
				"name":    t.Name, "id": t.ID, "cluster": s.clusterByID(t.Cluster).T.Name, "status": s.templateStatus(t),
				"description": t.Description, "comment": t.Comment, "datacenter": s.dataCenterOf(t.Cluster),
			}
		}, c.templateNode)
}

// templateNode is a template as an engine shows it. s.mu is held.
func (c *call) templateNode(t *template) *node {
	arch, version := "x86_64", t.Version
	if t.ID == blankID {
		arch, version = "undefined", 0
	}
	n := object("template", at("templates", t.ID), t.ID, []string{"export"},
		[]*node{tx("name", t.Name), tx("description", t.Description), tx("comment", t.Comment)}, templateLinks)
	n.add(t.nodes(arch)...)
	n.add(display(t.Consoles))
	n.add(when("creation_time", t.Made), yes("delete_protected", t.Protected), el("high_availability", yes("enabled", t.HA), num("priority", t.Priority)))
	if t.Init != nil {
		n.add(t.Init.node())
	}
	if t.Cluster != "" {
		n.add(ref("cluster", "clusters", t.Cluster), ref("cpu_profile", "cpuprofiles", idOf("cpuprofile", t.Cluster)))
	}
	name := t.VersionName
	if version == 0 {
		name = ""
	}
	return n.add(tx("status", c.s.templateStatus(t)), el("version", tx("version_name", name), num("version_number", version), ref("base_template", "templates", t.Base)))
}

// templatePart is what belongs to a template beside its disks.
func (c *call) templatePart() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.templates.all[c.id]
	if t == nil {
		return &reply{status: http.StatusNotFound}
	}
	self := ref("template", "templates", t.ID)
	switch c.r.PathValue("part") {
	case "nics":
		n := el("nics")
		for _, i := range t.NICs {
			n.add(object("nic", at("templates", t.ID)+"/nics/"+i.ID, i.ID, nil, []*node{tx("name", i.Name)}, nil,
				tx("interface", i.Interface), yes("linked", i.Linked), yes("plugged", i.Plugged), self, ref("vnic_profile", "vnicprofiles", i.Profile)))
		}
		return xmlReply(http.StatusOK, n)
	case "graphicsconsoles":
		return xmlReply(http.StatusOK, consoles(at("templates", t.ID), t.Consoles, self))
	case "cdroms", "watchdogs", "tags", "permissions":
		return xmlReply(http.StatusOK, el(c.r.PathValue("part")))
	}
	return page(http.StatusNotFound, "Not Found")
}
