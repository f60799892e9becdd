package ovirtsim

import (
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"slices"
)

// Protocols of screens.
const (
	spice = "spice"
	vnc   = "vnc"
)

// consoleID is a screen's id, which an engine makes of its protocol.
func consoleID(protocol string) string { return hex.EncodeToString([]byte(protocol)) }

// consoles are the screens of a machine or template, self.
func consoles(of string, protocols []string, self *node) *node {
	n := el("graphics_consoles")
	for _, p := range protocols {
		n.add(console(of, p, self))
	}
	return n
}

func console(of, protocol string, more ...*node) *node {
	id := consoleID(protocol)
	return object("graphics_console", of+"/graphicsconsoles/"+id, id, []string{"proxyticket", "remoteviewerconnectionfile", "ticket"}, nil, nil, tx("protocol", protocol)).add(more...)
}

// display is how a machine or template shows its first screen.
func display(protocols []string, more ...*node) *node {
	kind := spice
	if len(protocols) > 0 {
		kind = protocols[0]
	}
	return el("display", more...).add(yes("allow_override", false), yes("copy_paste_enabled", true), tx("disconnect_action", "LOCK_SCREEN"),
		yes("file_transfer_enabled", true), num("monitors", 1), yes("single_qxl_pci", false), yes("smartcard_enabled", false), tx("type", kind))
}

// consolePort is where a screen would be, on the host that has the machine.
func consolePort(protocol string) int {
	if protocol == vnc {
		return 5900
	}
	return 5901
}

func (s *Sim) consolesOf(v *vm) *node {
	n := el("graphics_consoles")
	for _, p := range v.Consoles {
		k := console(at("vms", v.ID), p, ref("vm", "vms", v.ID))
		if v.Status.running() {
			k.add(tx("address", s.hostName(v.Host)+".example.org"), num("port", consolePort(p)))
		}
		n.add(k)
	}
	return n
}

func (c *call) addConsole() *reply {
	c.doing = "add Graphics Device"
	var in struct {
		XMLName  xml.Name `xml:"graphics_console"`
		Protocol string   `xml:"protocol"`
	}
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.changeable()
	switch {
	case out != nil:
		return out
	case in.Protocol != spice && in.Protocol != vnc:
		return c.faultReply(http.StatusBadRequest, invalid, "The provided value '"+in.Protocol+"' for 'protocol' isn't valid, it should be one of: spice, vnc")
	case slices.Contains(v.Consoles, in.Protocol):
		return c.refused(v, c.fault("CONSOLE_THERE", in.Protocol))
	}
	v.Consoles = append(slices.Clone(v.Consoles), in.Protocol)
	c.updated(v)
	return c.made(at("vms", v.ID)+"/graphicsconsoles/"+consoleID(in.Protocol), console(at("vms", v.ID), in.Protocol, ref("vm", "vms", v.ID)), false)
}

func (c *call) removeConsole() *reply {
	c.doing = "remove Graphics Device"
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.changeable()
	if out != nil {
		return out
	}
	for _, p := range v.Consoles {
		if consoleID(p) == c.r.PathValue("part") {
			v.Consoles = without(v.Consoles, p)
			c.updated(v)
			return c.complete()
		}
	}
	return &reply{status: http.StatusNotFound}
}

// ticket is a password for a machine's screen, while it runs.
func (c *call) ticket() *reply {
	c.doing = "set VM ticket"
	var in struct {
		XMLName xml.Name `xml:"action"`
		Value   string   `xml:"ticket>value"`
		Expiry  int      `xml:"ticket>expiry"`
	}
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.machine()
	switch {
	case out != nil:
		return out
	case v.Status != Up && v.Status != PoweringUp && v.Status != Paused:
		return c.refused(v, c.fault("VM_STATUS_ILLEGAL", v.Status.words()))
	}
	if in.Value == "" {
		in.Value = randomToken()[:12]
	}
	if in.Expiry == 0 {
		in.Expiry = 7200 // seconds
	}
	return xmlReply(http.StatusOK, el("action", tx("status", "complete"), el("ticket", num("expiry", in.Expiry), tx("value", in.Value))))
}
