package ovirtsim

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

// networks: each data center has one.
func (c *call) networks() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.model.DataCenters
	if c.r.PathValue("part") != "" || strings.HasSuffix(c.r.URL.Path, "/networks") && c.id != "" { // of a data center or cluster
		name := s.dataCenterByID(c.id).Name
		if name == "" {
			name = s.dataCenterOf(c.id)
		}
		all, c.id = slices.DeleteFunc(slices.Clone(all), func(d DataCenter) bool { return d.Name != name }), ""
	}
	return show(c, "network", all, []string{"name", "id", "datacenter"},
		func(d DataCenter) fields {
			return fields{"name": networkName, "id": idOf("network", d.Name), "datacenter": d.Name}
		},
		func(d DataCenter) *node {
			id := idOf("network", d.Name)
			return object("network", at("networks", id), id, nil, []*node{tx("name", networkName), tx("description", "Management Network"), tx("comment", "")},
				[]string{"networklabels", "permissions", "vnicprofiles"},
				num("mtu", 0), yes("stp", false), el("usages", tx("usage", "vm")), ref("data_center", "datacenters", idOf("data center", d.Name)))
		})
}

const networkName = "ovirtmgmt"

// profile is how network cards are in a network. Each cluster brings one.
type profile struct{ ID, Name, Description, DataCenter string } // DataCenter by its name; its network is meant

func (p *profile) key() (id, name string) { return p.ID, p.Name }

// plugIn makes the profiles that clusters bring. s.mu is held.
func (s *Sim) plugIn() {
	for _, d := range s.model.Clusters {
		s.profiles.known(&profile{ID: idOf("vnicprofile", idOf("cluster", d.Name)), Name: networkName, DataCenter: d.DataCenter})
	}
}

type profileIn struct {
	XMLName     xml.Name `xml:"vnic_profile"`
	Name        *string  `xml:"name"`
	Description *string  `xml:"description"`
	Network     *refIn   `xml:"network"`
}

func (c *call) listProfiles() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.profiles.sorted()
	if strings.HasSuffix(c.r.URL.Path, "/vnicprofiles") && c.id != "" { // of a network
		network := c.id
		all, c.id = slices.DeleteFunc(all, func(p *profile) bool { return idOf("network", p.DataCenter) != network }), ""
	}
	return show(c, "vnic_profile", all, []string{"name", "id"},
		func(p *profile) fields { return fields{"name": p.Name, "id": p.ID} }, (*profile).node)
}

func (p *profile) node() *node {
	head := []*node{tx("name", p.Name)}
	if p.Description != "" {
		head = append(head, tx("description", p.Description))
	}
	return object("vnic_profile", at("vnicprofiles", p.ID), p.ID, nil, head, []string{"permissions"},
		el("pass_through", tx("mode", "disabled")), yes("port_mirroring", false),
		ref("network", "networks", idOf("network", p.DataCenter)), ref("network_filter", "networkfilters", idOf("network filter", "")))
}

func (c *call) addProfile() *reply {
	c.doing = "add VM network interface profile"
	var in profileIn
	if out := c.read(&in); out != nil {
		return out
	}
	if in.Name == nil || in.Network == nil {
		return c.faultReply(http.StatusBadRequest, incomplete, "VnicProfile [name, network.id] required for add")
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &profile{ID: newID(), Name: *in.Name}
	set(&p.Description, in.Description)
	for _, d := range s.model.DataCenters {
		if idOf("network", d.Name) == in.Network.ID {
			p.DataCenter = d.Name
		}
	}
	switch {
	case p.DataCenter == "":
		return c.fault("NETWORK_NOT_EXIST", "")
	case !vmName.MatchString(p.Name):
		return c.fault("NAME_SPECIAL_CHARS", "")
	case s.profiles.named(p.Name, func(o *profile) bool { return o.DataCenter == p.DataCenter }) != nil:
		return c.fault("VNIC_PROFILE_NAME_IN_USE", "")
	}
	s.profiles.put(s, p)
	return c.made(at("vnicprofiles", p.ID), p.node(), false)
}

func (c *call) removeProfile() *reply {
	c.doing = "remove VM network interface profile"
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.profiles.all[c.id]
	if p == nil {
		return &reply{status: http.StatusNotFound}
	}
	for _, v := range s.sorted() {
		if slices.ContainsFunc(v.NICs, func(n nic) bool { return n.Profile == p.ID }) {
			return c.fault("VNIC_PROFILE_IN_USE", v.Name)
		}
	}
	for _, d := range s.model.Clusters {
		if p.ID == idOf("vnicprofile", idOf("cluster", d.Name)) {
			return c.fault("VNIC_PROFILE_IN_USE", "the cluster "+d.Name)
		}
	}
	s.profiles.drop(s, p)
	return c.complete()
}
