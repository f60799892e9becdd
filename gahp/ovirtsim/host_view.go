package ovirtsim

import "net/http"

func (c *call) hosts() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return show(c, "host", s.model.Hosts, []string{"name", "id", "status", "cluster"},
		func(h Host) fields {
			return fields{"name": h.Name, "id": idOf("host", h.Name), "status": h.Status, "cluster": h.Cluster}
		},
		func(h Host) *node {
			id := idOf("host", h.Name)
			used, active := s.used(id)
			return object("host", at("hosts", id), id, hostActions, []*node{tx("name", h.Name), tx("comment", "")}, hostLinks,
				tx("address", h.Name+".example.org"),
				el("certificate", tx("organization", "example.org"), tx("subject", "O=example.org,CN="+h.Name+".example.org")),
				el("cpu", tx("name", "Westmere"), num("speed", 2400), el("topology", num("cores", h.Cores), num("sockets", 1), num("threads", 1)), tx("type", "Intel Westmere Family")),
				el("hardware_information", tx("family", "Simulated"), tx("manufacturer", "ovirtsim"), tx("product_name", "Host"), tx("serial_number", id),
					el("supported_rng_sources", tx("supported_rng_source", "random")), tx("uuid", id), tx("version", "1")),
				el("iscsi", tx("initiator", "iqn.2008-04.org.example:"+h.Name)),
				num("max_scheduling_memory", h.MemoryMB<<20-used), num("memory", h.MemoryMB<<20),
				tx("status", h.Status),
				el("summary", num("active", active), num("migrating", 0), num("total", active)),
				hosted,
				ref("cluster", "clusters", idOf("cluster", h.Cluster)))
		})
}

var (
	hostActions = []string{
		"refresh", "install", "activate", "deactivate", "upgrade", "unregisteredstoragedomainsdiscover", "upgradecheck", "syncallnetworks", "setupnetworks",
		"approve", "commitnetconfig", "enrollcertificate", "fence", "forceselectspm", "iscsidiscover", "iscsilogin",
	}
	hostLinks = []string{
		"fenceagents", "devices", "hooks", "nics", "numanodes", "storage", "networkattachments", "storageconnectionextensions", "unmanagednetworks",
		"externalnetworkproviderconfigurations", "affinitylabels", "katelloerrata", "permissions", "tags", "statistics",
	}
)

// hosted is what all hosts have alike.
var hosted = fixed(
	tx("auto_numa_status", "disable"),
	el("device_passthrough", yes("enabled", false)),
	tx("external_status", "ok"), tx("kdump_status", "disabled"),
	el("ksm", yes("enabled", false)),
	el("libvirt_version", num("build", 0), tx("full_version", "libvirt-10.0.0-1.sim"), num("major", 10), num("minor", 0), num("revision", 0)),
	yes("numa_supported", false),
	el("os", tx("custom_kernel_cmdline", ""), tx("reported_kernel_cmdline", ""), tx("type", "RHEL"), el("version", tx("full_version", "9.5 - 1.sim"), num("major", 9), num("minor", 5))),
	num("port", 54321),
	el("power_management", yes("automatic_pm_enabled", true), yes("enabled", false), yes("kdump_detection", true), el("pm_proxies")),
	tx("protocol", "stomp"),
	el("se_linux", tx("mode", "enforcing")),
	el("spm", num("priority", 5), tx("status", "none")),
	el("ssh", tx("fingerprint", "SHA256:none"), num("port", 22)),
	el("transparent_hugepages", yes("enabled", true)),
	tx("type", "ovirt_node"), yes("update_available", false),
	el("version", num("build", 1), tx("full_version", "vdsm-4.50.5-1.sim"), num("major", 4), num("minor", 50), num("revision", 0)),
	tx("vgpu_placement", "consolidated"),
)

// hostPart is what belongs to a host.
func (c *call) hostPart() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.model.Hosts {
		if id := idOf("host", h.Name); id == c.id {
			if n := s.partOfHost(h, id, c.r.PathValue("part")); n != nil {
				return xmlReply(http.StatusOK, n)
			}
		}
	}
	return page(http.StatusNotFound, "Not Found")
}

// partOfHost is nil for what is not simulated. s.mu is held.
func (s *Sim) partOfHost(h Host, id, part string) *node {
	here, self := at("hosts", id), ref("host", "hosts", id)
	nic := idOf("host nic", h.Name)
	network := ref("network", "networks", idOf("network", s.dataCenterOf(idOf("cluster", h.Cluster))))
	switch part {
	case "nics":
		return el("host_nics", object("host_nic", here+"/nics/"+nic, nic, nil, []*node{el("actions"), tx("name", "eth0")},
			[]string{"linklayerdiscoveryprotocolelements", "networklabels", "networkattachments", "statistics"},
			tx("boot_protocol", "dhcp"), yes("bridged", true), yes("custom_configuration", false),
			el("ip", tx("address", "192.0.2.1"), tx("gateway", "192.0.2.254"), tx("netmask", "255.255.255.0"), tx("version", "v4")),
			el("ipv6", tx("address", "2001:db8::1"), tx("gateway", "2001:db8::fe"), tx("netmask", "64"), tx("version", "v6")), tx("ipv6_boot_protocol", "none"),
			el("mac", tx("address", macOf(nic))), num("mtu", 1500), el("properties"), tx("status", "up"), self, network))
	case "networkattachments":
		attached := idOf("network attachment", h.Name)
		return el("network_attachments", object("network_attachment", here+"/networkattachments/"+attached, attached, nil, nil, nil,
			yes("in_sync", true),
			el("ip_address_assignments", el("ip_address_assignment", tx("assignment_method", "dhcp"), el("ip", tx("version", "v4")))),
			el("reported_configurations", el("reported_configuration",
				tx("actual_value", "1500"), tx("expected_value", "1500"), yes("in_sync", true), tx("name", "mtu"))),
			self, el("host_nic").with("href", here+"/nics/"+nic, "id", nic), network))
	case "statistics":
		used, _ := s.used(id)
		total := h.MemoryMB << 20
		return statistics(here, self, []measure{
			{"memory.total", "Total memory", "bytes", total},
			{"memory.used", "Used memory", "bytes", used},
			{"memory.free", "Free memory", "bytes", total - used},
		})
	}
	return nil
}

// measure is a number that is said of a host or a machine.
type measure struct {
	name, description, unit string
	n                       int64
}

func statistics(of string, self *node, all []measure) *node {
	n := el("statistics")
	for _, m := range all {
		id := idOf("statistic", of+m.name)
		n.add(object("statistic", of+"/statistics/"+id, id, nil, []*node{tx("name", m.name), tx("description", m.description)}, nil,
			tx("kind", "gauge"), tx("type", "integer"), tx("unit", m.unit), el("values", el("value", num("datum", m.n))), self))
	}
	return n
}
