package ovirtsim

import (
	"encoding/xml"
	"net/http"
)

// cdrom is a machine's one drive.
func (v *vm) cdrom() *node {
	n := object("cdrom", at("vms", v.ID)+"/cdroms/"+blankID, blankID, nil, nil, nil)
	n.addIf(v.CD != "", el("file").with("id", v.CD))
	return n.add(ref("vm", "vms", v.ID))
}

// drive is the machine whose drive is in the path. s.mu is held.
func (c *call) drive() (*vm, *reply) {
	v, out := c.machine()
	if out == nil && c.r.PathValue("part") != blankID {
		return nil, &reply{status: http.StatusNotFound}
	}
	return v, out
}

func (c *call) getCD() *reply {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	v, out := c.drive()
	if out != nil {
		return out
	}
	return xmlReply(http.StatusOK, v.cdrom())
}

// changeCD puts a file of a storage domain for files into a machine's drive; an empty id
// takes it out.
func (c *call) changeCD() *reply {
	c.doing = "change CD"
	var in struct {
		XMLName xml.Name `xml:"cdrom"`
		File    *refIn   `xml:"file"`
	}
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.drive()
	if out != nil {
		return out
	}
	file := ""
	if in.File != nil {
		file = in.File.ID
	}
	if file != "" && (file != isoFile || !s.hasFiles(s.dataCenterOf(v.Cluster))) {
		return c.refused(v, c.fault("NO_SUCH_FILE", file))
	}
	v.CD = file
	c.updated(v)
	return xmlReply(http.StatusOK, v.cdrom())
}

// hasFiles: a data center has files to boot from. s.mu is held.
func (s *Sim) hasFiles(dataCenter string) bool {
	for _, d := range s.domainsOf(dataCenter) {
		if d.Kind == "iso" && d.Status == activeDomain {
			return true
		}
	}
	return false
}

// permissions are whose a machine is: who made it manages it.
func permissions(v *vm) *node {
	n := el("permissions")
	if v.By == "" {
		return n
	}
	id, role := idOf("permission", v.ID+v.By), idOf("role", "UserVmManager")
	return n.add(object("permission", at("permissions", id), id, nil, nil, nil, ref("role", "roles", role), ref("user", "users", idOf("user", v.By)), ref("vm", "vms", v.ID)))
}
