package ovirtsim

import (
	"net/http"
	"slices"
)

// shape is what machines and templates have in common, and machines take from templates.
type shape struct {
	Type         string // server, desktop, high_performance
	OS           string
	Memory       int64 // bytes
	Guaranteed   int64
	MaxMemory    int64
	Ballooning   bool
	Sockets      int
	Cores        int
	Threads      int
	CPUMode      string
	CPUShares    int
	HA           bool
	Priority     int
	Protected    bool
	Serial       bool // a serial console
	Soundcard    bool
	Stateless    bool
	Properties   []property
	Affinity     string   // migratable, user_migratable, pinned
	Hosts        []string // ids, that it may run on; none: all
	InstanceType string   // id
	Consoles     []string // protocols of its screens
	Init         *initialization
}

// property is a custom property.
type property struct {
	Name   string `xml:"name"`
	Value  string `xml:"value"`
	Regexp string `xml:"regexp"`
}

// properties are the ones that an engine knows where nobody has defined any.
var properties = []string{"hugepages", "mdev_type", "sap_agent", "sndbuf", "vhost", "viodiskcache"}

// describe sets what a <vm> says of a shape, or tells what is wrong with it.
func (c *call) describeShape(h *shape, in *vmIn) *reply {
	if r := in.InstanceType; r != nil {
		i := slices.IndexFunc(instanceTypes, func(t instanceType) bool { return t.id() == r.ID || r.ID == "" && t.name == r.Name })
		if i < 0 {
			return c.fault("INSTANCE_TYPE_NOT_EXIST", "")
		}
		t := instanceTypes[i]
		h.InstanceType = t.id()
		h.Memory, h.Sockets, h.Cores, h.Threads = t.memoryMB<<20, t.cores, 1, 1
		h.Guaranteed, h.MaxMemory = h.Memory, 4*h.Memory
	}
	set(&h.Type, in.Type)
	set(&h.OS, in.OS.Type)
	set(&h.HA, in.HA.Enabled)
	set(&h.Priority, in.HA.Priority)
	set(&h.Protected, in.DeleteProtected)
	set(&h.Sockets, in.CPU.Topology.Sockets)
	set(&h.Cores, in.CPU.Topology.Cores)
	set(&h.Threads, in.CPU.Topology.Threads)
	set(&h.CPUMode, in.CPU.Mode)
	set(&h.CPUShares, in.CPUShares)
	set(&h.Serial, in.Console.Enabled)
	set(&h.Soundcard, in.Soundcard)
	set(&h.Stateless, in.Stateless)
	if in.Memory != nil {
		h.Memory = *in.Memory
		h.Guaranteed, h.MaxMemory = min(h.Guaranteed, h.Memory), max(h.MaxMemory, h.Memory)
	}
	set(&h.Guaranteed, in.Policy.Guaranteed)
	set(&h.MaxMemory, in.Policy.Max)
	set(&h.Ballooning, in.Policy.Ballooning)
	if in.Initialization != nil {
		h.Init = in.Initialization
	}
	if p := in.Placement; p != nil {
		set(&h.Affinity, p.Affinity)
		if p.Hosts != nil {
			h.Hosts = nil
			for _, r := range p.Hosts.Host {
				id := c.s.hostBy(r)
				if id == "" {
					return c.fault("HOST_NOT_EXIST", "")
				}
				h.Hosts = append(h.Hosts, id)
			}
		}
	}
	if in.CustomProperties != nil {
		h.Properties = in.CustomProperties.Property
	}
	for _, p := range h.Properties {
		if !slices.Contains(properties, p.Name) {
			return c.fault("CUSTOM_PROPERTIES", p.Name)
		}
	}
	switch {
	case h.Memory <= 0:
		return c.faultReply(http.StatusBadRequest, failed, "size must be greater than or equal to 1, Attribute: vmStatic.memSizeMb")
	case h.Guaranteed > h.Memory:
		return c.fault("MIN_MEMORY", "")
	case h.MaxMemory < h.Memory:
		return c.fault("MAX_MEMORY", "")
	case h.Sockets < 1 || h.Cores < 1 || h.Threads < 1:
		return c.faultReply(http.StatusBadRequest, failed, "size must be greater than or equal to 1, Attribute: vmStatic.cpuPerSocket")
	case !slices.Contains([]string{"server", "desktop", "high_performance"}, h.Type):
		return c.faultReply(http.StatusBadRequest, invalid, "The provided value '"+h.Type+"' for 'type' isn't valid, it should be one of: desktop, server, high_performance")
	case !slices.Contains([]string{"migratable", "user_migratable", "pinned"}, h.Affinity):
		return c.faultReply(http.StatusBadRequest, invalid, "The provided value '"+h.Affinity+"' for 'affinity' isn't valid, it should be one of: migratable, pinned, user_migratable")
	}
	return nil
}

// nodes is a shape as an engine shows it.
func (h *shape) nodes(arch string) []*node {
	cpu := el("cpu", tx("architecture", arch))
	cpu.addIf(h.CPUMode != "", tx("mode", h.CPUMode))
	cpu.add(el("topology", num("cores", h.Cores), num("sockets", h.Sockets), num("threads", h.Threads)))
	placement := el("placement_policy", tx("affinity", h.Affinity))
	if len(h.Hosts) > 0 {
		hosts := el("hosts")
		for _, id := range h.Hosts {
			hosts.add(ref("host", "hosts", id))
		}
		placement.add(hosts)
	}
	out := []*node{
		cpu, num("cpu_shares", h.CPUShares), num("memory", h.Memory),
		el("memory_policy", yes("ballooning", h.Ballooning), num("guaranteed", h.Guaranteed), num("max", h.MaxMemory)),
		el("os", el("boot", el("devices", tx("device", "hd"))), tx("type", h.OS)),
		placement, yes("stateless", h.Stateless), tx("type", h.Type),
		shaped,
	}
	if len(h.Properties) > 0 {
		all := el("custom_properties")
		for _, p := range h.Properties {
			all.add(el("custom_property", tx("name", p.Name), tx("value", p.Value)))
		}
		out = append(out, all)
	}
	if h.InstanceType != "" {
		out = append(out, ref("instance_type", "instancetypes", h.InstanceType))
	}
	return out
}

// shaped is what all of them have alike.
var shaped = fixed(
	el("bios", el("boot_menu", yes("enabled", false)), tx("type", "q35_sea_bios")),
	el("io", num("threads", 0)),
	ref("large_icon", "icons", idOf("icon", "large")),
	el("migration", tx("auto_converge", "inherit"), tx("compressed", "inherit")),
	num("migration_downtime", -1),
	yes("multi_queues_enabled", true),
	tx("origin", "ovirt"),
	ref("small_icon", "icons", idOf("icon", "small")),
	el("sso", el("methods", el("method").with("id", "guest_agent"))),
	yes("start_paused", false), tx("storage_error_resume_behaviour", "auto_resume"),
	el("time_zone", tx("name", "Etc/GMT")),
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
	if len(i.Cards) > 0 {
		cards := el("nic_configurations")
		for _, c := range i.Cards {
			card := el("nic_configuration", tx("boot_protocol", c.Protocol))
			if c.IP != nil {
				card.add(c.IP.node("ip"))
			}
			if c.IPv6 != nil {
				card.add(c.IPv6.node("ipv6"))
			}
			cards.add(card.add(tx("name", c.Name), yes("on_boot", c.OnBoot)))
		}
		n.add(cards)
	}
	return n
}

func (a *address) node(name string) *node {
	return el(name, tx("address", a.Address), tx("gateway", a.Gateway), tx("netmask", a.Netmask), tx("version", a.Version))
}

// instanceType is a size that an engine offers from its beginning.
type instanceType struct {
	name     string
	memoryMB int64
	cores    int
}

func (t instanceType) id() string { return idOf("instance type", t.name) }

var instanceTypes = []instanceType{{"Large", 8192, 2}, {"Medium", 4096, 2}, {"Small", 2048, 1}, {"Tiny", 512, 1}, {"XLarge", 16384, 4}}

func (c *call) listInstanceTypes() *reply {
	return show(c, "instance_type", instanceTypes, []string{"name", "id"},
		func(t instanceType) fields { return fields{"name": t.name, "id": t.id()} },
		func(t instanceType) *node {
			return object("instance_type", at("instancetypes", t.id()), t.id(), nil, []*node{tx("name", t.name), tx("description", t.name+" instance type"), tx("comment", "")},
				[]string{"nics", "watchdogs", "graphicsconsoles"},
				el("cpu", el("topology", num("cores", 1), num("sockets", t.cores), num("threads", 1))),
				el("high_availability", yes("enabled", false), num("priority", 0)), el("io", num("threads", 0)), num("memory", t.memoryMB<<20),
				el("memory_policy", yes("ballooning", true), num("guaranteed", t.memoryMB<<20), num("max", 4*t.memoryMB<<20)),
				tx("origin", "ovirt"), tx("status", "ok"))
		})
}
