package ovirtsim

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

var vmFields = []string{"name", "id", "comment", "description", "status", "cluster", "datacenter", "template", "host", "fqdn", "created_by_user_id", "creationdate", "type", "os", "tag", "pool"}

// fields are what a search sees of a machine. s.mu is held.
func (s *Sim) fields(v *vm) fields {
	return fields{
		"name": v.Name, "id": v.ID, "comment": v.Comment, "description": v.Description, "status": strings.ReplaceAll(string(s.shown(v)), "_", ""),
		"pool":    s.poolName(v.Pool),
		"cluster": s.clusterByID(v.Cluster).T.Name, "datacenter": s.dataCenterOf(v.Cluster), "template": s.templateName(v.Template),
		"host": s.hostName(v.Host), "created_by_user_id": v.By, "creationdate": v.Created.Format("2006-01-02"), "type": v.Type, "os": v.OS, "tag": s.tagNames(v),
	}
}

func (s *Sim) templateName(id string) string {
	if t := s.templates.all[id]; t != nil {
		return t.Name
	}
	return ""
}

// tagNames are those of the tags that v carries, each as a search may name it.
func (s *Sim) tagNames(v *vm) string {
	var names []string
	for _, t := range s.tagsOf(v) {
		names = append(names, t.Name)
	}
	return strings.Join(names, several)
}

func (s *Sim) hostName(id string) string {
	for _, h := range s.model.Hosts {
		if idOf("host", h.Name) == id {
			return h.Name
		}
	}
	return ""
}

func (c *call) list() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	found, out := listing(c, s.sorted(), vmFields, s.fields)
	if out != nil {
		return out
	}
	found = slices.DeleteFunc(found, func(v *vm) bool { return c.omitted(v.Name) })
	return xmlReply(http.StatusOK, rows("vms", len(found), func(i int) *node { return c.vmNode(found[i], c.allContent()) }))
}

// omitted: a rule leaves it out.
func (c *call) omitted(name string) bool {
	for _, r := range c.met {
		if r.Omit != "" && matches(r.Omit, name) {
			return true
		}
	}
	return false
}

func (c *call) allContent() bool {
	return c.flag("all_content") || strings.EqualFold(c.r.Header.Get("All-Content"), "true")
}

func (c *call) get() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.machine()
	if out != nil {
		return out
	}
	return xmlReply(http.StatusOK, c.vmNode(v, c.allContent()))
}

var (
	vmActions = []string{
		"detach", "export", "freezefilesystems", "logon", "maintenance", "previewsnapshot", "reordermacaddresses", "thawfilesystems", "undosnapshot",
		"commitsnapshot", "clone", "cancelmigration", "ticket", "reboot", "migrate", "shutdown", "start", "stop", "suspend",
	}
	vmLinks = []string{
		"sessions", "affinitylabels", "cdroms", "nics", "snapshots", "applications", "hostdevices", "reporteddevices", "watchdogs",
		"graphicsconsoles", "numanodes", "katelloerrata", "permissions", "tags", "diskattachments", "statistics", "backups",
	}
)

// vmNode is a machine as an engine shows it; whole as it does after an add, or when
// asked for all content. s.mu is held.
func (c *call) vmNode(v *vm, whole bool) *node {
	s := c.s
	status := s.shown(v)
	n := object("vm", at("vms", v.ID), v.ID, vmActions, []*node{tx("name", v.Name), tx("description", v.Description), tx("comment", v.Comment)}, nil)
	var rels []string
	for _, rel := range vmLinks {
		if part := c.followed(v, rel); part != nil {
			n.add(part)
		} else {
			rels = append(rels, rel)
		}
	}
	n.add(links(at("vms", v.ID), rels))
	n.add(v.nodes("x86_64")...)
	n.add(s.displayOf(v))
	n.add(
		when("creation_time", v.Created), yes("delete_protected", v.Protected),
		el("high_availability", yes("enabled", v.HA), num("priority", v.Priority)),
	)
	if v.Init != nil {
		n.add(v.Init.node())
	}
	n.addIf(v.Pool != "", ref("vm_pool", "vmpools", v.Pool))
	n.addIf(whole, el("console", yes("enabled", v.Serial)), el("virtio_scsi", yes("enabled", true)), yes("soundcard_enabled", v.Soundcard))
	n.add(
		ref("cluster", "clusters", v.Cluster), ref("cpu_profile", "cpuprofiles", idOf("cpuprofile", v.Cluster)),
		el("quota").with("id", cmp.Or(v.Quota, idOf("quota", s.dataCenterOf(v.Cluster)))),
		yes("next_run_configuration_exists", false), tx("numa_tune_mode", "interleave"),
		tx("status", string(status)),
	)
	if v.Status.running() {
		n.add(ref("host", "hosts", v.Host), when("start_time", v.Started), yes("run_once", v.RunOnce))
		n.addIf(s.reports(v), tx("fqdn", v.guestName()))
	}
	n.addIf(status == Paused, tx("status_detail", "eio"))
	n.addIf(v.StopReason != "", tx("stop_reason", v.StopReason))
	n.add(when("stop_time", cmp.Or(v.Stopped, v.Created))) // also while it runs, and before it ever has
	return n.add(ref("original_template", "templates", v.Original), ref("template", "templates", v.Template))
}

// followed is what belongs to a machine, where it is wanted in place of a link.
func (c *call) followed(v *vm, rel string) *node {
	if !c.follow[rel] {
		return nil
	}
	return c.partOf(v, rel)
}

// displayOf is a machine's first screen: where it is while it runs. s.mu is held.
func (s *Sim) displayOf(v *vm) *node {
	if !v.Status.running() || len(v.Consoles) == 0 {
		return display(v.Consoles)
	}
	return display(v.Consoles, tx("address", s.hostName(v.Host)+".example.org"), num("port", consolePort(v.Consoles[0])), num("secure_port", consolePort(v.Consoles[0])+1))
}

// reports: the guest's agent has reported what the guest has. s.mu is held.
func (s *Sim) reports(v *vm) bool {
	return v.Status == Up && s.shown(v) == Up && !s.clock.Now().Before(v.Since.Add(s.model.Times.Report))
}

func (v *vm) guestName() string {
	if v.Given != nil && v.Given.HostName != "" {
		return v.Given.HostName
	}
	return "localhost"
}

func (c *call) part() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.machine()
	if out != nil {
		return out
	}
	if n := c.partOf(v, c.r.PathValue("part")); n != nil {
		return xmlReply(http.StatusOK, n)
	}
	return page(http.StatusNotFound, "Not Found")
}

// nobodyHas is what no machine here has, by the link to it: its list is empty.
var nobodyHas = map[string]string{
	"affinitylabels": "affinity_labels", "backups": "backups", "hostdevices": "host_devices", "katelloerrata": "katello_errata",
	"numanodes": "vm_numa_nodes", "sessions": "sessions", "watchdogs": "watchdogs",
}

// partOf is what belongs to a machine; nil for what is not simulated. s.mu is held.
func (c *call) partOf(v *vm, rel string) *node {
	self := ref("vm", "vms", v.ID)
	switch rel {
	case "nics":
		n := el("nics")
		for _, i := range v.NICs {
			n.add(c.nicNode(v, i))
		}
		return n
	case "reporteddevices":
		return c.s.reported(v, nil)
	case "diskattachments":
		n := el("disk_attachments")
		for _, a := range v.Disks {
			n.add(c.attachmentNode(at("vms", v.ID), a, self))
		}
		return n
	case "graphicsconsoles":
		return c.s.consolesOf(v)
	case "cdroms":
		return el("cdroms", v.cdrom())
	case "permissions":
		return permissions(v)
	case "tags":
		return c.s.tagsNode(v)
	case "snapshots":
		return c.s.snapshots(v)
	case "applications":
		n := el("applications")
		if c.s.reports(v) {
			id := idOf("application", v.ID)
			n.add(object("application", at("vms", v.ID)+"/applications/"+id, id, nil, []*node{tx("name", "qemu-guest-agent-9.0.0")}, nil, self))
		}
		return n
	case "statistics":
		return statistics(at("vms", v.ID), self, []measure{
			{"memory.installed", "Total memory configured", "bytes", v.Memory},
			{"memory.used", "Memory used (agent)", "bytes", 0},
			{"cpu.current.guest", "CPU used by guest", "percent", 0},
			{"cpu.current.total", "Total CPU used", "percent", 0},
		})
	}
	if list := nobodyHas[rel]; list != "" {
		return el(list)
	}
	return nil
}
