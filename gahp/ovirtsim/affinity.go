package ovirtsim

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// affinity is a group of machines, and hosts, that want to be together or apart.
type affinity struct {
	ID          string
	Name        string
	Description string
	Cluster     string // id
	Priority    float64
	Machines    affinityRule // among each other
	HostsRule   affinityRule // towards Hosts
	VMs         []string     // ids
	Hosts       []string     // ids
}

// affinityRule is what a group wants. One that is not enforced yields when nothing else
// would run a machine.
type affinityRule struct{ Enabled, Positive, Enforcing bool }

func (g *affinity) key() (id, name string) { return g.ID, g.Name }

type affinityRuleIn struct {
	Enabled   *bool `xml:"enabled"`
	Positive  *bool `xml:"positive"`
	Enforcing *bool `xml:"enforcing"`
}

func (r *affinityRule) describe(in *affinityRuleIn) {
	if in != nil {
		set(&r.Enabled, in.Enabled)
		set(&r.Positive, in.Positive)
		set(&r.Enforcing, in.Enforcing)
	}
}

type affinityIn struct {
	XMLName     xml.Name        `xml:"affinity_group"`
	Name        *string         `xml:"name"`
	Description *string         `xml:"description"`
	Priority    *float64        `xml:"priority"`
	Positive    *bool           `xml:"positive"` // of the rule among machines, as older callers say it
	Enforcing   *bool           `xml:"enforcing"`
	VMsRule     *affinityRuleIn `xml:"vms_rule"`
	HostsRule   *affinityRuleIn `xml:"hosts_rule"`
	VMs         *struct {
		VM []refIn `xml:"vm"`
	} `xml:"vms"`
	Hosts *struct {
		Host []refIn `xml:"host"`
	} `xml:"hosts"`
}

// describe sets what a caller says of a group. s.mu is held.
func (c *call) describeAffinity(g *affinity, in affinityIn) *reply {
	s := c.s
	set(&g.Name, in.Name)
	set(&g.Description, in.Description)
	set(&g.Priority, in.Priority)
	if in.Positive != nil || in.Enforcing != nil {
		g.Machines.Enabled = true
	}
	set(&g.Machines.Positive, in.Positive)
	set(&g.Machines.Enforcing, in.Enforcing)
	g.Machines.describe(in.VMsRule)
	g.HostsRule.describe(in.HostsRule)
	if in.VMs != nil {
		g.VMs = nil
		for _, r := range in.VMs.VM {
			v := s.vms[strings.ToLower(r.ID)]
			if v == nil || v.Cluster != g.Cluster {
				return c.fault("AFFINITY_VM", "")
			}
			g.VMs = append(g.VMs, v.ID)
		}
	}
	if in.Hosts != nil {
		g.Hosts = nil
		for _, r := range in.Hosts.Host {
			id := s.hostBy(r)
			if id == "" {
				return c.fault("HOST_NOT_EXIST", "")
			}
			g.Hosts = append(g.Hosts, id)
		}
	}
	switch {
	case !vmName.MatchString(g.Name):
		return c.fault("NAME_SPECIAL_CHARS", "")
	case s.affinities.named(g.Name, func(o *affinity) bool { return o.ID != g.ID && o.Cluster == g.Cluster }) != nil:
		return c.fault("AFFINITY_NAME_IN_USE", "")
	}
	return nil
}

func (c *call) listAffinities() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	cluster := c.id
	if s.clusterByID(cluster).ID == "" {
		return &reply{status: http.StatusNotFound}
	}
	all := slices.DeleteFunc(s.affinities.sorted(), func(g *affinity) bool { return g.Cluster != cluster })
	c.id = c.r.PathValue("group")
	return show(c, "affinity_group", all, []string{"name", "id"},
		func(g *affinity) fields { return fields{"name": g.Name, "id": g.ID} }, s.affinityNode)
}

func (g *affinity) href() string { return at("clusters", g.Cluster) + "/affinitygroups/" + g.ID }

func (s *Sim) affinityNode(g *affinity) *node {
	rule := func(name string, r affinityRule) *node {
		return el(name, yes("enabled", r.Enabled), yes("enforcing", r.Enforcing), yes("positive", r.Positive))
	}
	n := object("affinity_group", g.href(), g.ID, nil, []*node{tx("name", g.Name), tx("description", g.Description)},
		[]string{"vms", "vmlabels", "hosts", "hostlabels"}, yes("broken", false), yes("enforcing", g.Machines.Enforcing))
	n.addIf(g.Machines.Enabled, yes("positive", g.Machines.Positive))
	return n.add(rule("hosts_rule", g.HostsRule), tx("priority", strconv.FormatFloat(g.Priority, 'f', -1, 64)), rule("vms_rule", g.Machines),
		ref("cluster", "clusters", g.Cluster), g.members("hosts", "host", g.Hosts), g.members("vms", "vm", g.VMs))
}

func (g *affinity) members(list, each string, ids []string) *node {
	n := el(list)
	for _, id := range ids {
		n.add(ref(each, list, id))
	}
	return n
}

func (c *call) addAffinity() *reply {
	c.doing = "create Affinity Group"
	var in affinityIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.clusterByID(c.id).ID == "":
		return &reply{status: http.StatusNotFound}
	case in.Name == nil:
		return c.faultReply(http.StatusBadRequest, incomplete, "AffinityGroup [name] required for add")
	}
	g := &affinity{ID: newID(), Cluster: c.id, Priority: 1}
	if out := c.describeAffinity(g, in); out != nil {
		return out
	}
	s.affinities.put(s, g)
	return c.made(g.href(), s.affinityNode(g), false)
}

// theAffinity is the group in the path. s.mu is held.
func (c *call) theAffinity() *affinity {
	g := c.s.affinities.all[c.r.PathValue("group")]
	if g == nil || g.Cluster != c.id {
		return nil
	}
	return g
}

func (c *call) updateAffinity() *reply {
	c.doing = "edit Affinity Group"
	var in affinityIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	g := c.theAffinity()
	if g == nil {
		return &reply{status: http.StatusNotFound}
	}
	next := *g
	if out := c.describeAffinity(&next, in); out != nil {
		return out
	}
	s.affinities.put(s, &next)
	return xmlReply(http.StatusOK, s.affinityNode(&next))
}

func (c *call) removeAffinity() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	g := c.theAffinity()
	if g == nil {
		return &reply{status: http.StatusNotFound}
	}
	s.affinities.drop(s, g)
	return c.complete()
}

// affinityMembers lists the machines or hosts of a group.
func (c *call) affinityMembers() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	g := c.theAffinity()
	if g == nil {
		return &reply{status: http.StatusNotFound}
	}
	switch c.r.PathValue("kind") {
	case "vms":
		return xmlReply(http.StatusOK, g.members("vms", "vm", g.VMs))
	case "hosts":
		return xmlReply(http.StatusOK, g.members("hosts", "host", g.Hosts))
	}
	return page(http.StatusNotFound, "Not Found")
}

func (c *call) joinAffinity() *reply {
	c.doing = "edit Affinity Group"
	var in struct {
		XMLName xml.Name
		refIn
	}
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	g, kind := c.theAffinity(), c.r.PathValue("kind")
	if g == nil {
		return &reply{status: http.StatusNotFound}
	}
	next, id := *g, ""
	switch kind {
	case "vms":
		v := s.vms[strings.ToLower(in.ID)]
		if v == nil || v.Cluster != g.Cluster {
			return c.fault("AFFINITY_VM", "")
		}
		if id = v.ID; !slices.Contains(g.VMs, id) {
			next.VMs = append(slices.Clone(g.VMs), id)
		}
	case "hosts":
		if id = s.hostBy(in.refIn); id == "" {
			return c.fault("HOST_NOT_EXIST", "")
		}
		if !slices.Contains(g.Hosts, id) {
			next.Hosts = append(slices.Clone(g.Hosts), id)
		}
	default:
		return page(http.StatusNotFound, "Not Found")
	}
	s.affinities.put(s, &next)
	return c.made(next.href()+"/"+kind+"/"+id, ref(strings.TrimSuffix(kind, "s"), kind, id), false)
}

func (c *call) leaveAffinity() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	g, id := c.theAffinity(), c.r.PathValue("member")
	if g == nil || !slices.Contains(g.VMs, id) && !slices.Contains(g.Hosts, id) {
		return &reply{status: http.StatusNotFound}
	}
	next := *g
	next.VMs, next.Hosts = without(g.VMs, id), without(g.Hosts, id)
	s.affinities.put(s, &next)
	return c.complete()
}

// against is the reason, as the scheduler's filters give it, why v should not run on a
// host; hard: nothing helps. s.mu is held.
func (s *Sim) against(v *vm, host identified[Host]) (why string, hard bool) {
	says := func(filter, reason string) string {
		return fmt.Sprintf("The host %s did not satisfy internal filter %s because %s.", host.T.Name, filter, reason)
	}
	if len(v.Hosts) > 0 && !slices.Contains(v.Hosts, host.ID) {
		return says("PinToHost", "it is not one of the hosts that the VM is pinned to"), true
	}
	for _, g := range s.affinities.all {
		if !slices.Contains(g.VMs, v.ID) {
			continue
		}
		if r := g.HostsRule; r.Enabled && len(g.Hosts) > 0 && slices.Contains(g.Hosts, host.ID) != r.Positive {
			if why = says("VmToHostsAffinityGroups", "it did not match the affinity rules of group "+g.Name); r.Enforcing {
				return why, true
			}
		}
		r, here, elsewhere := g.Machines, 0, 0
		if !r.Enabled {
			continue
		}
		for _, id := range g.VMs {
			if o := s.vms[id]; o == nil || o == v || o.Host == "" {
				continue
			} else if o.Host == host.ID {
				here++
			} else {
				elsewhere++
			}
		}
		if r.Positive && here == 0 && elsewhere > 0 || !r.Positive && here > 0 {
			kind := map[bool]string{true: "positive", false: "negative"}[r.Positive]
			if why = says("VmAffinityGroups", "it did not match "+kind+" affinity rules of group "+g.Name); r.Enforcing {
				return why, true
			}
		}
	}
	return why, false
}
