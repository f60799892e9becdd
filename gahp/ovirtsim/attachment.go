package ovirtsim

import (
	"encoding/xml"
	"net/http"
	"slices"
)

// attachment is a disk at a machine or template.
type attachment struct {
	Disk        string // id, which is the attachment's as well
	Interface   string
	Bootable    bool
	Active      bool
	ReadOnly    bool
	PassDiscard bool
}

// attachmentIn is a <disk_attachment> as callers send it.
type attachmentIn struct {
	XMLName     xml.Name `xml:"disk_attachment"`
	ID          string   `xml:"id,attr"`
	Interface   *string  `xml:"interface"`
	Bootable    *bool    `xml:"bootable"`
	Active      *bool    `xml:"active"`
	ReadOnly    *bool    `xml:"read_only"`
	PassDiscard *bool    `xml:"pass_discard"`
	Disk        *diskIn  `xml:"disk"`
}

var interfaces = []string{"virtio", "virtio_scsi", "ide", "sata", "spapr_vscsi"}

// describe sets what a caller says of an attachment.
func (in attachmentIn) describe(c *call, a *attachment) *reply {
	set(&a.Interface, in.Interface)
	set(&a.Bootable, in.Bootable)
	set(&a.Active, in.Active)
	set(&a.ReadOnly, in.ReadOnly)
	set(&a.PassDiscard, in.PassDiscard)
	if !slices.Contains(interfaces, a.Interface) {
		return c.faultReply(http.StatusBadRequest, invalid, "The provided value '"+a.Interface+"' for 'interface' isn't valid")
	}
	return nil
}

// attached is how a disk is at a machine; without a disk: it is not.
func (v *vm) attached(disk string) attachment {
	for _, a := range v.Disks {
		if a.Disk == disk {
			return a
		}
	}
	return attachment{}
}

func (v *vm) detach(disk string) {
	v.Disks = slices.DeleteFunc(slices.Clone(v.Disks), func(a attachment) bool { return a.Disk == disk })
}

// boots: there is a disk that it could boot from.
func (v *vm) boots() bool {
	return slices.ContainsFunc(v.Disks, func(a attachment) bool { return a.Active })
}

func (c *call) addAttachment() *reply {
	c.doing = "attach Virtual Disk"
	var in attachmentIn
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
	if in.Disk == nil || in.Interface == nil {
		return c.faultReply(http.StatusBadRequest, incomplete, "DiskAttachment [disk, interface] required for add")
	}
	a := attachment{}
	if out := in.describe(c, &a); out != nil {
		return out
	}
	var d *disk
	if in.Disk.ID != "" {
		if d, out = c.attachable(in.Disk.ID); out != nil {
			return c.refused(v, out)
		}
	} else if d, out = c.newDisk(*in.Disk, s.dataCenterOf(v.Cluster)); out != nil {
		return c.refused(v, out)
	} else if d.Alias == "" {
		d.Alias = v.nextAlias()
	}
	switch {
	case v.attached(d.ID).Disk != "":
		return c.refused(v, c.fault("DISK_IS_ATTACHED", v.Name))
	case a.Bootable && slices.ContainsFunc(v.Disks, func(o attachment) bool { return o.Bootable }):
		return c.refused(v, c.fault("DISK_BOOTABLE_THERE", v.Name))
	}
	a.Disk = d.ID
	if !d.Shareable {
		d.Machine = v.ID
	}
	s.disks.put(s, d) // first: a disk that names a machine is not lost
	v.Disks = append(slices.Clone(v.Disks), a)
	s.note(Updated, v, Entry{By: c.user, Correlation: c.correlation, Why: "disk " + d.Alias + " was attached"})
	s.save(v)
	c.job("Attaching Disk to VM "+v.Name, func() bool { return s.clock.Now().Before(d.Until) })
	return c.made(at("vms", v.ID)+"/diskattachments/"+d.ID, c.attachmentNode(at("vms", v.ID), a, ref("vm", "vms", v.ID)), s.diskStatus(d) != "ok")
}

// attachable is the disk of that id, if it can be attached. s.mu is held.
func (c *call) attachable(id string) (*disk, *reply) {
	d := c.s.disks.all[id]
	switch {
	case d == nil:
		return nil, c.fault("DISK_NOT_EXIST", "")
	case d.Template != "":
		return nil, c.fault("DISK_OF_TEMPLATE", "")
	case d.Machine != "" && c.s.vms[d.Machine] != nil:
		return nil, c.fault("DISK_IS_ATTACHED", c.s.vms[d.Machine].Name)
	}
	return d, c.lockedDisk(d)
}

// theAttachment is the one in the path. s.mu is held.
func (c *call) theAttachment() (*vm, attachment, *reply) {
	v, out := c.changeable()
	if out != nil {
		return nil, attachment{}, out
	}
	a := v.attached(c.r.PathValue("part"))
	if a.Disk == "" {
		return nil, a, &reply{status: http.StatusNotFound}
	}
	return v, a, nil
}

func (c *call) getAttachment() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.machine()
	if out != nil {
		return out
	}
	if a := v.attached(c.r.PathValue("part")); a.Disk != "" {
		return xmlReply(http.StatusOK, c.attachmentNode(at("vms", v.ID), a, ref("vm", "vms", v.ID)))
	}
	return &reply{status: http.StatusNotFound}
}

func (c *call) updateAttachment() *reply {
	c.doing = "edit Virtual Disk"
	var in attachmentIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, a, out := c.theAttachment()
	if out != nil {
		return out
	}
	if out := in.describe(c, &a); out != nil {
		return out
	}
	if a.Bootable && slices.ContainsFunc(v.Disks, func(o attachment) bool { return o.Bootable && o.Disk != a.Disk }) {
		return c.refused(v, c.fault("DISK_BOOTABLE_THERE", v.Name))
	}
	if in.Disk != nil {
		if out := c.changeDisk(s.disks.all[a.Disk], *in.Disk); out != nil {
			return c.refused(v, out)
		}
	}
	disks := slices.Clone(v.Disks)
	disks[slices.IndexFunc(disks, func(o attachment) bool { return o.Disk == a.Disk })] = a
	v.Disks = disks
	s.note(Updated, v, Entry{By: c.user, Correlation: c.correlation})
	s.save(v)
	return xmlReply(http.StatusOK, c.attachmentNode(at("vms", v.ID), a, ref("vm", "vms", v.ID)))
}

func (c *call) removeAttachment() *reply {
	c.doing = "detach Virtual Disk"
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, a, out := c.theAttachment()
	if out != nil {
		return out
	}
	d := s.disks.all[a.Disk]
	switch {
	case v.Status.running() && a.Active:
		return c.refused(v, c.fault("VM_IS_RUNNING", ""))
	case s.diskStatus(d) != "ok":
		return c.refused(v, c.fault("DISK_IS_LOCKED", d.Alias))
	}
	v.detach(d.ID) // first: a disk that names a machine that does not know it is nobody's
	s.note(Updated, v, Entry{By: c.user, Correlation: c.correlation, Why: "disk " + d.Alias + " was detached"})
	s.save(v)
	d.Machine = ""
	s.disks.put(s, d)
	return c.complete()
}
