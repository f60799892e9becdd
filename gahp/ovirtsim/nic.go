package ovirtsim

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// nic is a network card of a machine or template.
type nic struct {
	ID        string
	Name      string
	Interface string
	MAC       string // empty: of a template, which has none
	Profile   string // id; empty: in no network
	Linked    bool
	Plugged   bool
}

// nicIn is a <nic> as callers send it.
type nicIn struct {
	XMLName   xml.Name `xml:"nic"`
	Name      *string  `xml:"name"`
	Interface *string  `xml:"interface"`
	MAC       *string  `xml:"mac>address"`
	Profile   *refIn   `xml:"vnic_profile"`
	Network   *refIn   `xml:"network"`
	Linked    *bool    `xml:"linked"`
	Plugged   *bool    `xml:"plugged"`
}

var macAddress = regexp.MustCompile(`^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$`)

func (v *vm) nic(id string) int {
	return slices.IndexFunc(v.NICs, func(n nic) bool { return n.ID == id })
}

// describe sets what a caller says of a network card of v, or tells what is wrong. s.mu is
// held.
func (c *call) describeNIC(v *vm, n *nic, in nicIn) *reply {
	s := c.s
	set(&n.Name, in.Name)
	set(&n.Interface, in.Interface)
	set(&n.MAC, in.MAC)
	set(&n.Linked, in.Linked)
	set(&n.Plugged, in.Plugged)
	if in.Profile != nil {
		n.Profile = strings.ToLower(in.Profile.ID)
		switch p := s.profiles.all[n.Profile]; {
		case n.Profile == "" && in.Profile.Name != "":
			return c.faultReply(http.StatusNotFound, failed, "Entity not found: VnicProfile: name="+in.Profile.Name)
		case n.Profile != "" && (p == nil || p.DataCenter != s.dataCenterOf(v.Cluster)):
			return c.fault("VNIC_PROFILE_NOT_EXIST", "")
		}
	}
	for _, o := range v.NICs {
		if o.ID != n.ID && o.Name == n.Name {
			return c.fault("NIC_NAME_IN_USE", "")
		}
	}
	switch {
	case !vmName.MatchString(n.Name):
		return c.fault("NAME_SPECIAL_CHARS", "")
	case !slices.Contains([]string{"virtio", "e1000", "e1000e", "rtl8139", "pci_passthrough"}, n.Interface):
		return c.faultReply(http.StatusBadRequest, invalid, "The provided value '"+n.Interface+"' for 'interface' isn't valid")
	case !macAddress.MatchString(n.MAC):
		return c.faultReply(http.StatusBadRequest, failed, "Invalid MAC address, Attribute: vmInterface.macAddress")
	}
	n.MAC = strings.ToLower(n.MAC)
	if in.MAC != nil {
		for _, o := range s.vms {
			if slices.ContainsFunc(o.NICs, func(m nic) bool { return m.MAC == n.MAC && m.ID != n.ID }) {
				return c.fault("MAC_IN_USE", n.MAC)
			}
		}
	}
	return nil
}

// newNIC is a network card with an address of the pool. s.mu is held.
func newNIC(name, profile string) nic {
	n := nic{ID: newID(), Name: name, Interface: "virtio", Profile: profile, Linked: true, Plugged: true}
	n.MAC = macOf(n.ID)
	return n
}

// macsLeft: the pool has an address for n cards more. s.mu is held.
func (s *Sim) macsLeft(n int) bool {
	if s.model.MACs == 0 || n == 0 {
		return true
	}
	for _, v := range s.vms {
		n += len(v.NICs)
	}
	return n <= s.model.MACs
}

func (c *call) addNIC() *reply {
	c.doing = "add Interface"
	var in nicIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.changeable()
	if out != nil {
		return out
	}
	if in.Name == nil {
		return c.faultReply(http.StatusBadRequest, incomplete, "Nic [name] required for add")
	}
	n := newNIC(*in.Name, "")
	if out := c.describeNIC(v, &n, in); out != nil {
		return c.refused(v, out)
	}
	if !s.macsLeft(1) {
		return c.refused(v, c.fault("NOT_ENOUGH_MAC", ""))
	}
	v.NICs = append(slices.Clone(v.NICs), n)
	c.updated(v)
	return c.made(at("vms", v.ID)+"/nics/"+n.ID, c.nicNode(v, n), false)
}

// theNIC is the one in the path. s.mu is held.
func (c *call) theNIC(v *vm, out *reply) (*vm, int, *reply) {
	if out != nil {
		return nil, 0, out
	}
	if i := v.nic(c.r.PathValue("part")); i >= 0 {
		return v, i, nil
	}
	return nil, 0, &reply{status: http.StatusNotFound}
}

func (c *call) getNIC() *reply {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	v, i, out := c.theNIC(c.machine())
	if out != nil {
		return out
	}
	return xmlReply(http.StatusOK, c.nicNode(v, v.NICs[i]))
}

// nicPart is what belongs to a network card.
func (c *call) nicPart() *reply {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	v, i, out := c.theNIC(c.machine())
	if out != nil {
		return out
	}
	switch c.r.PathValue("more") {
	case "reporteddevices":
		return xmlReply(http.StatusOK, c.s.reported(v, &v.NICs[i]))
	case "networkfilterparameters":
		return xmlReply(http.StatusOK, el("network_filter_parameters"))
	}
	return page(http.StatusNotFound, "Not Found")
}

func (c *call) updateNIC() *reply {
	c.doing = "edit Interface"
	var in nicIn
	if out := c.read(&in); out != nil {
		return out
	}
	return c.changeNIC(func(v *vm, n *nic) *reply { return c.describeNIC(v, n, in) })
}

func (c *call) activateNIC() *reply   { return c.plug(true) }
func (c *call) deactivateNIC() *reply { return c.plug(false) }

func (c *call) plug(in bool) *reply {
	c.doing = "activate/deactivate Interface"
	if out := c.changeNIC(func(_ *vm, n *nic) *reply { n.Plugged = in; return nil }); out.status != http.StatusOK {
		return out
	}
	return c.complete()
}

func (c *call) changeNIC(f func(*vm, *nic) *reply) *reply {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	v, i, out := c.theNIC(c.changeable())
	if out != nil {
		return out
	}
	n := v.NICs[i]
	if out := f(v, &n); out != nil {
		return c.refused(v, out)
	}
	v.NICs = slices.Clone(v.NICs)
	v.NICs[i] = n
	c.updated(v)
	return xmlReply(http.StatusOK, c.nicNode(v, n))
}

func (c *call) removeNIC() *reply {
	c.doing = "remove Interface"
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	v, i, out := c.theNIC(c.changeable())
	if out != nil {
		return out
	}
	if v.Status.running() && v.NICs[i].Plugged {
		return c.refused(v, c.fault("NIC_PLUGGED", ""))
	}
	v.NICs = slices.Delete(slices.Clone(v.NICs), i, i+1)
	c.updated(v)
	return c.complete()
}

// updated writes down that v was changed by c. s.mu is held.
func (c *call) updated(v *vm) {
	c.s.note(Updated, v, Entry{By: c.user, Correlation: c.correlation})
	c.s.save(v)
}

// nicNode is a network card as an engine shows it. s.mu is held.
func (c *call) nicNode(v *vm, i nic) *node {
	href := at("vms", v.ID) + "/nics/" + i.ID
	n := object("nic", href, i.ID, []string{"activate", "deactivate"}, []*node{tx("name", i.Name)}, nil)
	for _, rel := range []string{"reporteddevices", "networkfilterparameters", "statistics"} {
		if rel == "reporteddevices" && (c.follow["nics.reporteddevices"] || c.follow[rel] && c.r.PathValue("part") != "") {
			n.add(c.s.reported(v, &i))
			continue
		}
		n.add(el("link").with("href", href+"/"+rel, "rel", rel))
	}
	n.add(ref("vm", "vms", v.ID), tx("interface", i.Interface), yes("linked", i.Linked), el("mac", tx("address", i.MAC)), yes("plugged", i.Plugged))
	return n.addIf(i.Profile != "", ref("vnic_profile", "vnicprofiles", i.Profile))
}

// reported is what a guest's agent says of its machine's network cards, or of one. s.mu is
// held.
func (s *Sim) reported(v *vm, only *nic) *node {
	n := el("reported_devices")
	if !s.reports(v) {
		return n
	}
	for i, card := range v.NICs {
		if !card.Plugged || only != nil && only.ID != card.ID {
			continue
		}
		id := idOf("device", v.ID)
		if i > 0 {
			id = idOf("device", fmt.Sprint(v.ID, i))
		}
		d := object("reported_device", at("vms", v.ID)+"/reporteddevices/"+id, id, nil,
			[]*node{tx("name", "eth"+string(rune('0'+i%10))), tx("description", "guest reported data")}, nil)
		d.addIf(card.Linked, el("ips", el("ip", tx("address", addressOf(v, i)), tx("version", "v4"))))
		n.add(d.add(el("mac", tx("address", card.MAC)), tx("type", "network"), ref("vm", "vms", v.ID)))
	}
	return n
}
