package ovirtsim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// epoch is when what was always there was made.
var epoch = time.Date(2008, 4, 1, 0, 0, 0, 0, time.UTC)

// show answers for a collection, or for the one of it that the path names.
func show[T any](c *call, name string, all []T, known []string, of func(T) fields, view func(T) *node) *reply {
	if c.id != "" {
		for _, t := range all {
			if of(t)["id"] == strings.ToLower(c.id) {
				return xmlReply(http.StatusOK, view(t))
			}
		}
		return &reply{status: http.StatusNotFound}
	}
	found, out := listing(c, all, known, of)
	if out != nil {
		return out
	}
	n := el(name + "s")
	for _, t := range found {
		n.add(view(t))
	}
	return xmlReply(http.StatusOK, n)
}

func (c *call) root() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	n := el("api")
	for _, rel := range rootLinks {
		n.add(el("link").with("href", apiPath+"/"+rel, "rel", rel))
		n.addIf(slices.Contains(searchable, rel), el("link").with("href", apiPath+"/"+rel+"?search={query}", "rel", rel+"/search"))
	}
	active, up := 0, 0
	for _, v := range s.vms {
		if v.Status.running() {
			active++
		}
	}
	for _, h := range s.model.Hosts {
		if h.Status == "up" {
			up++
		}
	}
	count := func(name string, active, total int) *node {
		return el(name, num("active", active), num("total", total))
	}
	return xmlReply(http.StatusOK, n.add(
		el("product_info",
			tx("instance_id", idOf("engine", "")), tx("name", "oVirt Engine"), tx("vendor", "ovirt.org"),
			el("version", num("build", 7), tx("full_version", "4.5.7-1.sim"), num("major", 4), num("minor", 5), num("revision", 0))),
		el("special_objects", ref("blank_template", "templates", blankID), ref("root_tag", "tags", blankID)),
		el("summary", count("hosts", up, len(s.model.Hosts)), count("storage_domains", len(s.domains.all), len(s.domains.all)),
			count("users", 1, len(s.model.Users)), count("vms", active, len(s.vms))),
		when("time", s.clock.Now()),
		ref("authenticated_user", "users", idOf("user", c.user)), ref("effective_user", "users", idOf("user", c.user)),
	))
}

var (
	rootLinks  = []string{"clusters", "datacenters", "disks", "events", "hosts", "imagetransfers", "instancetypes", "jobs", "networks", "storagedomains", "tags", "templates", "vmpools", "vms", "vnicprofiles"}
	searchable = []string{"clusters", "datacenters", "disks", "events", "hosts", "networks", "storagedomains", "templates", "vmpools", "vms"}
)

func (c *call) clusters() *reply {
	all := c.s.model.Clusters
	if strings.HasSuffix(c.r.URL.Path, "/clusters") && c.id != "" { // of a data center
		name := c.s.dataCenterByID(c.id).Name
		if name == "" {
			return &reply{status: http.StatusNotFound}
		}
		all, c.id = slices.DeleteFunc(slices.Clone(all), func(d Cluster) bool { return d.DataCenter != name }), ""
	}
	return show(c, "cluster", all, []string{"name", "id", "datacenter"},
		func(d Cluster) fields {
			return fields{"name": d.Name, "id": idOf("cluster", d.Name), "datacenter": d.DataCenter}
		},
		func(d Cluster) *node {
			id := idOf("cluster", d.Name)
			return object("cluster", at("clusters", id), id, []string{"resetemulatedmachine", "upgrade", "syncallnetworks"},
				[]*node{tx("name", d.Name), tx("description", ""), tx("comment", "")},
				[]string{"cpuprofiles", "networkfilters", "networks", "affinitygroups", "glusterhooks", "glustervolumes", "enabledfeatures", "externalnetworkproviders", "permissions"},
				yes("ballooning_enabled", false),
				el("cpu", tx("architecture", "x86_64"), tx("type", "Intel Westmere Family")),
				el("error_handling", tx("on_error", "migrate")),
				el("fencing_policy", yes("enabled", true),
					el("skip_if_connectivity_broken", yes("enabled", false), num("threshold", 50)),
					yes("skip_if_gluster_bricks_up", false), yes("skip_if_gluster_quorum_not_met", false),
					el("skip_if_sd_active", yes("enabled", false))),
				tx("firewall_type", "firewalld"), yes("gluster_service", false), yes("ha_reservation", false),
				el("ksm", yes("enabled", true), yes("merge_across_nodes", true)),
				el("memory_policy", el("over_commit", num("percent", d.OverCommit)), el("transparent_hugepages", yes("enabled", true))),
				el("migration", tx("auto_converge", "inherit"), el("bandwidth", tx("assignment_method", "auto")), tx("compressed", "inherit"), el("policy").with("id", blankID)),
				num("log_max_memory_used_threshold", 95), tx("log_max_memory_used_threshold_type", "percentage"),
				yes("maintenance_reason_required", false), yes("optional_reason", false),
				el("required_rng_sources", tx("required_rng_source", "urandom")),
				el("custom_scheduling_policy_properties", el("property", tx("name", "CpuOverCommitDurationMinutes"), tx("value", "2"))),
				tx("switch_type", "legacy"), yes("threads_as_cores", false), yes("trusted_service", false), yes("tunnel_migration", false),
				el("version", num("major", 4), num("minor", 7)), yes("virt_service", true),
				ref("data_center", "datacenters", idOf("data center", d.DataCenter)),
				ref("mac_pool", "macpools", idOf("mac pool", d.DataCenter)),
				ref("scheduling_policy", "schedulingpolicies", idOf("scheduling policy", "")))
		})
}

func (c *call) dataCenters() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return show(c, "data_center", s.model.DataCenters, []string{"name", "id", "status", "storage.name", "clusters.name"},
		func(d DataCenter) fields {
			var domains, clusters []string
			for _, o := range s.domainsOf(d.Name) {
				domains = append(domains, o.Name)
			}
			for _, o := range s.model.Clusters {
				if o.DataCenter == d.Name {
					clusters = append(clusters, o.Name)
				}
			}
			return fields{
				"name": d.Name, "id": idOf("data center", d.Name), "status": "up",
				"storage.name": strings.Join(domains, several), "clusters.name": strings.Join(clusters, several),
			}
		},
		func(d DataCenter) *node {
			id := idOf("data center", d.Name)
			version := func(name string) *node { return el(name, num("major", 4), num("minor", 7)) }
			return object("data_center", at("datacenters", id), id, nil,
				[]*node{tx("name", d.Name), tx("description", ""), tx("comment", "")},
				[]string{"clusters", "iscsibonds", "networks", "permissions", "qoss", "quotas", "storagedomains"},
				yes("local", false), tx("quota_mode", d.QuotaMode), tx("status", "up"), tx("storage_format", "v5"),
				el("supported_versions", version("version")), version("version"), ref("mac_pool", "macpools", idOf("mac pool", d.Name)))
		})
}

// events tell of machines, newest first, as the engine's audit log does.
func (c *call) events() *reply {
	s := c.s
	from, limit := int64(0), 0
	q := c.r.URL.Query()
	for _, p := range []struct {
		name string
		set  func(int64)
	}{{"from", func(n int64) { from = n }}, {"max", func(n int64) { limit = int(n) }}} {
		if text := q.Get(p.name); text != "" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 {
				return c.faultReply(http.StatusBadRequest, invalid, p.name+" is not a number")
			}
			p.set(n)
		}
	}
	entries, _ := s.Journal(from)
	name, one := strings.CutPrefix(q.Get("search"), "event_vm=")
	n := el("events")
	for i := len(entries) - 1; i >= 0 && (limit == 0 || len(n.kids) < limit); i-- {
		e := entries[i]
		code, severity, text := e.event()
		if code == 0 || one && e.Name != name {
			continue
		}
		id := strconv.FormatInt(e.N, 10)
		n.add(object("event", at("events", id), id, nil, []*node{tx("description", text)}, nil,
			num("code", code), tx("correlation_id", e.Correlation), num("custom_id", -1), num("flood_rate", 30), tx("origin", "oVirt"),
			tx("severity", severity), when("time", e.At), ref("vm", "vms", e.VM).add(tx("name", e.Name))))
	}
	return xmlReply(http.StatusOK, n)
}

// event is an entry in the audit log's words; code 0: it is not in it.
func (e Entry) event() (code int, severity, text string) {
	by := " by " + e.By
	switch {
	case e.What == Created:
		return 37, "normal", "VM " + e.Name + " creation was initiated" + by + "."
	case e.What == Started:
		return 150, "normal", "VM " + e.Name + " was started" + by + "."
	case e.What == ToldOff:
		return 73, "normal", "VM shutdown initiated" + by + " on VM " + e.Name + "."
	case e.What == Stopped:
		return 33, "normal", "VM " + e.Name + " powered off" + by + "."
	case e.What == Gone:
		return 113, "normal", "VM " + e.Name + " was successfully removed."
	case e.What == Moved && e.Status == Up:
		return 32, "normal", "VM " + e.Name + " started."
	case e.What == Moved && e.Status == Down && e.Why == noHost:
		return 54, "error", "Failed to run VM " + e.Name + "."
	case e.What == Moved && e.Status == Down && e.Why == disksMade:
		return 53, "normal", "VM " + e.Name + " creation has been completed."
	case e.What == Moved && e.Status == Down:
		return 61, "normal", "VM " + e.Name + " is down. " + e.Why
	}
	return 0, "", ""
}

// Why a machine is down: it was taken for a start, or just made.
const (
	noHost    = "no host could run it"
	disksMade = "its disks are made"
)
