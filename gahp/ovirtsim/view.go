package ovirtsim

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

var vmFields = []string{"name", "id", "comment", "description", "status", "cluster", "datacenter", "template", "host", "fqdn", "created_by_user_id", "creationdate", "type", "os"}

// fields are what a search sees of a machine. s.mu is held.
func (s *Sim) fields(v *vm) fields {
	return fields{
		"name": v.Name, "id": v.ID, "comment": v.Comment, "description": v.Description, "status": strings.ReplaceAll(string(s.shown(v)), "_", ""),
		"cluster": s.clusterByID(v.Cluster).T.Name, "datacenter": s.dataCenterOf(v.Cluster), "template": s.templateByID(v.Template).Name,
		"host": s.hostName(v.Host), "created_by_user_id": v.By, "creationdate": v.Created.Format("2006-01-02"), "type": "server", "os": v.OS,
	}
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
	templateLinks = []string{"cdroms", "nics", "watchdogs", "graphicsconsoles", "permissions", "tags", "diskattachments"}
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
	n.add(shape(v.Memory, v.Guaranteed, v.MaxMemory, v.Sockets, v.Cores, v.Threads, "x86_64", v.OS)...)
	n.add(
		when("creation_time", v.Created), yes("delete_protected", v.Protected),
		el("high_availability", yes("enabled", v.HA), num("priority", 1)),
	)
	if v.Init != nil {
		n.add(v.Init.node())
	}
	n.addIf(whole, el("console", yes("enabled", false)), el("virtio_scsi", yes("enabled", true)), yes("soundcard_enabled", false))
	n.add(
		ref("cluster", "clusters", v.Cluster), ref("cpu_profile", "cpuprofiles", idOf("cpuprofile", v.Cluster)),
		el("quota").with("id", idOf("quota", s.dataCenterOf(v.Cluster))),
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
	return n.add(ref("original_template", "templates", v.Template), ref("template", "templates", v.Template))
}

// followed is what belongs to a machine, where it is wanted in place of a link.
func (c *call) followed(v *vm, rel string) *node {
	if !c.follow[rel] {
		return nil
	}
	return c.partOf(v, rel)
}

// shape is what machines and templates have in common.
func shape(memory, guaranteed, most int64, sockets, cores, threads int, arch, os string) []*node {
	return []*node{
		el("cpu", tx("architecture", arch), el("topology", num("cores", cores), num("sockets", sockets), num("threads", threads))),
		num("memory", memory),
		el("memory_policy", num("guaranteed", guaranteed), num("max", most)),
		el("os", el("boot", el("devices", tx("device", "hd"))), tx("type", os)),
		shaped,
	}
}

// shaped is what all of them have alike.
var shaped = fixed(
	el("bios", el("boot_menu", yes("enabled", false)), tx("type", "q35_sea_bios")),
	num("cpu_shares", 0),
	el("display", yes("allow_override", false), yes("copy_paste_enabled", true), tx("disconnect_action", "LOCK_SCREEN"),
		yes("file_transfer_enabled", true), num("monitors", 1), yes("single_qxl_pci", false), yes("smartcard_enabled", false), tx("type", "spice")),
	el("io", num("threads", 0)),
	ref("large_icon", "icons", idOf("icon", "large")),
	el("migration", tx("auto_converge", "inherit"), tx("compressed", "inherit")),
	num("migration_downtime", -1),
	yes("multi_queues_enabled", true),
	tx("origin", "ovirt"),
	el("placement_policy", tx("affinity", "migratable")),
	ref("small_icon", "icons", idOf("icon", "small")),
	el("sso", el("methods", el("method").with("id", "guest_agent"))),
	yes("start_paused", false), yes("stateless", false), tx("storage_error_resume_behaviour", "auto_resume"),
	el("time_zone", tx("name", "Etc/GMT")),
	tx("type", "server"),
	el("usb", yes("enabled", false)),
)

// node is an initialization as its owner may read it: all of it but the password.
func (i *initialization) node() *node {
	n := el("initialization")
	for _, f := range []struct{ name, text string }{
		{"authorized_ssh_keys", i.SSHKeys},
		{"custom_script", i.CustomScript},
		{"dns_search", i.DNSSearch},
		{"dns_servers", i.DNSServers},
		{"host_name", i.HostName},
		{"timezone", i.Timezone},
		{"user_name", i.UserName},
	} {
		n.addIf(f.text != "", tx(f.name, f.text))
	}
	if i.Regenerate != nil {
		n.add(yes("regenerate_ssh_keys", *i.Regenerate))
	}
	return n
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

// partOf is what belongs to a machine; nil for what is not simulated. s.mu is held.
func (c *call) partOf(v *vm, rel string) *node {
	self := ref("vm", "vms", v.ID)
	nic := at("vms", v.ID) + "/nics/" + v.NIC
	switch rel {
	case "nics":
		n := object("nic", nic, v.NIC, []string{"activate", "deactivate"}, []*node{tx("name", "nic1")}, nil)
		for _, rel := range []string{"reporteddevices", "networkfilterparameters", "statistics"} {
			if rel == "reporteddevices" && c.follow["nics.reporteddevices"] {
				n.add(c.partOf(v, rel))
				continue
			}
			n.add(el("link").with("href", nic+"/"+rel, "rel", rel))
		}
		return el("nics", n.add(self, tx("interface", "virtio"), yes("linked", true), el("mac", tx("address", v.MAC)), yes("plugged", true),
			ref("vnic_profile", "vnicprofiles", idOf("vnicprofile", v.Cluster))))
	case "reporteddevices":
		n := el("reported_devices")
		if c.s.reports(v) {
			id := idOf("device", v.ID)
			n.add(object("reported_device", at("vms", v.ID)+"/reporteddevices/"+id, id, nil, []*node{tx("name", "eth0"), tx("description", "guest reported data")}, nil,
				el("ips", el("ip", tx("address", addressOf(v)), tx("version", "v4"))), el("mac", tx("address", v.MAC)), tx("type", "network"), self))
		}
		return n
	case "diskattachments":
		n := el("disk_attachments")
		if v.Disk != "" {
			n.add(attachment(at("vms", v.ID), v.Disk, self))
		}
		return n
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
	return nil
}

func (c *call) templates() *reply {
	return show(c, "template", c.s.model.Templates, []string{"name", "id", "cluster", "status"},
		func(t Template) fields {
			return fields{"name": t.Name, "id": t.id(), "cluster": t.Cluster, "status": t.Status}
		},
		func(t Template) *node {
			base := t
			for _, o := range c.s.model.Templates {
				if o.Name == t.Name && o.Version < base.Version {
					base = o
				}
			}
			arch, version := "x86_64", t.Version
			if t.Name == blankName {
				arch, version = "undefined", 0
			}
			n := object("template", at("templates", t.id()), t.id(), []string{"export"},
				[]*node{tx("name", t.Name), tx("description", ""), tx("comment", "")}, templateLinks)
			n.add(shape(t.MemoryMB<<20, t.MemoryMB<<20, 4*t.MemoryMB<<20, 1, t.Cores, 1, arch, t.OS)...)
			n.add(when("creation_time", epoch), yes("delete_protected", false), el("high_availability", yes("enabled", t.HA), num("priority", 0)))
			if t.Cluster != "" {
				id := idOf("cluster", t.Cluster)
				n.add(ref("cluster", "clusters", id), ref("cpu_profile", "cpuprofiles", idOf("cpuprofile", id)))
			}
			return n.add(tx("status", t.Status), el("version",
				tx("version_name", map[bool]string{true: "base version"}[t.Version == base.Version && version > 0]), num("version_number", version), ref("base_template", "templates", base.id())))
		})
}
