package ovirtsim

import (
	"encoding/xml"
	"net/http"
	"slices"
	"time"
)

// disk is a virtual disk: of a machine, of a template, or of nobody.
type disk struct {
	ID          string
	Alias       string
	Description string
	Size        int64  // bytes, as the guest sees it
	Actual      int64  // bytes, of its storage, where no content says otherwise
	Format      string // cow, raw
	Sparse      bool
	Shareable   bool
	Wipe        bool
	Propagate   bool
	Domains     []string // ids; a template's disk may be in several
	Image       string   // id
	Base        string   // id of the template's disk below; empty: it stands alone
	Content     string   // the file that was uploaded; empty: none was, or the one of Base
	Machine     string   // id, that it is attached to or is being made for
	Template    string   // id, whose it is
	Until       time.Time
}

func (d *disk) key() (id, name string) { return d.ID, d.Alias }

// used is what it takes of its storage.
func (d *disk) used() int64 {
	if !d.Sparse {
		return d.Size
	}
	return d.Actual
}

const (
	thin  = 200704 // bytes of a disk that nothing was written to
	chunk = 1 << 20
)

// diskIn is a <disk> as callers send it.
type diskIn struct {
	XMLName     xml.Name `xml:"disk"`
	ID          string   `xml:"id,attr"`
	Name        *string  `xml:"name"`
	Alias       *string  `xml:"alias"`
	Description *string  `xml:"description"`
	Size        *int64   `xml:"provisioned_size"`
	Initial     *int64   `xml:"initial_size"`
	Format      *string  `xml:"format"`
	Sparse      *bool    `xml:"sparse"`
	Shareable   *bool    `xml:"shareable"`
	Wipe        *bool    `xml:"wipe_after_delete"`
	Propagate   *bool    `xml:"propagate_errors"`
	Domains     []refIn  `xml:"storage_domains>storage_domain"`
	Domain      *refIn   `xml:"storage_domain"`
}

// domains are the storage domains that a caller names.
func (in diskIn) domains() []refIn {
	if in.Domain != nil {
		return append(slices.Clone(in.Domains), *in.Domain)
	}
	return in.Domains
}

// status of a disk. s.mu is held.
func (s *Sim) diskStatus(d *disk) string {
	if s.clock.Now().Before(d.Until) || s.transferring(d) {
		return "locked"
	}
	if v := s.vms[d.Machine]; v != nil && v.Status == ImageLocked {
		return "locked"
	}
	return "ok"
}

// locked is why a disk cannot be changed now; nil: it can. s.mu is held.
func (c *call) lockedDisk(d *disk) *reply {
	if c.s.diskStatus(d) == "ok" {
		return nil
	}
	return c.fault("DISK_IS_LOCKED", d.Alias)
}

// theDisk is the one of that id. s.mu is held.
func (c *call) theDisk(id string) (*disk, *reply) {
	if !uuid.MatchString(id) {
		return nil, c.badID(id)
	}
	if d := c.s.disks.all[id]; d != nil {
		return d, nil
	}
	return nil, &reply{status: http.StatusNotFound}
}

// newDisk is the disk that a caller describes, in a data center if one is meant. s.mu is
// held.
func (c *call) newDisk(in diskIn, dataCenter string) (*disk, *reply) {
	s := c.s
	if in.Size == nil || in.Format == nil {
		return nil, c.faultReply(http.StatusBadRequest, incomplete, "Disk [provisionedSize, format] required for add")
	}
	d := &disk{ID: newID(), Image: newID(), Size: *in.Size, Format: *in.Format, Sparse: *in.Format == "cow", Until: s.clock.Now().Add(s.model.Times.Lock)}
	if out := c.describe(d, in); out != nil {
		return nil, out
	}
	var at *domain
	for _, r := range in.domains() {
		if at = s.domainBy(r); at == nil {
			return nil, c.fault("STORAGE_DOMAIN_NOT_EXIST", "")
		}
	}
	if at == nil {
		if at = s.dataDomain(dataCenter); at == nil {
			return nil, c.fault("STORAGE_DOMAIN_NOT_EXIST", "")
		}
	}
	d.Actual = thin
	if in.Initial != nil {
		d.Actual = max(*in.Initial, thin)
	}
	d.Domains = []string{at.ID}
	return d, c.room(at, d.used())
}

// describe sets what a caller says of a disk.
func (c *call) describe(d *disk, in diskIn) *reply {
	set(&d.Alias, in.Name)
	set(&d.Alias, in.Alias)
	set(&d.Description, in.Description)
	set(&d.Format, in.Format)
	set(&d.Sparse, in.Sparse)
	set(&d.Shareable, in.Shareable)
	set(&d.Wipe, in.Wipe)
	set(&d.Propagate, in.Propagate)
	switch {
	case d.Format != "cow" && d.Format != "raw":
		return c.faultReply(http.StatusBadRequest, invalid, "The provided value '"+d.Format+"' for 'format' isn't valid, it should be one of: cow, raw")
	case d.Format == "cow" && !d.Sparse:
		return c.fault("DISK_CONFIGURATION", "COW Preallocated")
	case d.Size <= 0:
		return c.fault("DISK_SIZE", "")
	}
	return nil
}

// room checks that a storage domain takes n bytes more. s.mu is held.
func (c *call) room(at *domain, n int64) *reply {
	switch {
	case at.Kind != "data":
		return c.fault("STORAGE_DOMAIN_TYPE", at.Kind)
	case at.Status != activeDomain:
		return c.fault("STORAGE_DOMAIN_STATUS", title(at.Status))
	case n > c.s.available(at):
		return c.fault("DISK_SPACE_LOW", at.Name)
	}
	return nil
}

func (c *call) addDisk() *reply {
	c.doing = "add Virtual Disk"
	var in diskIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	d, out := c.newDisk(in, "")
	if out != nil {
		return out
	}
	s.disks.put(s, d)
	c.job("Adding Disk "+d.Alias, func() bool { return s.clock.Now().Before(d.Until) })
	return c.made(at("disks", d.ID), s.diskNode(d).add(el("creation_status", tx("state", "in_progress"))), true)
}

func (c *call) updateDisk() *reply {
	c.doing = "edit Virtual Disk"
	var in diskIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	d, out := c.theDisk(c.id)
	if out == nil {
		out = c.changeDisk(d, in)
	}
	if out != nil {
		return out
	}
	return xmlReply(http.StatusOK, s.diskNode(d))
}

// changeDisk sets what a caller says of a disk that is there. s.mu is held.
func (c *call) changeDisk(d *disk, in diskIn) *reply {
	s := c.s
	if out := c.lockedDisk(d); out != nil {
		return out
	}
	next := *d
	in.Format, in.Sparse = nil, nil // those do not change
	if in.Size != nil && *in.Size != d.Size {
		if *in.Size < d.Size {
			return c.fault("DISK_SHRINKS", "")
		}
		next.Size = *in.Size
		if out := c.room(s.domains.all[d.Domains[0]], next.used()-d.used()); out != nil {
			return out
		}
		next.Until = s.clock.Now().Add(s.model.Times.Lock)
	}
	if out := c.describe(&next, in); out != nil {
		return out
	}
	*d = next
	s.disks.put(s, d)
	c.job("Editing Virtual Disk "+d.Alias, func() bool { return s.clock.Now().Before(d.Until) })
	return nil
}

// removeDisk takes a disk away, also from the machine that has it.
func (c *call) removeDisk() *reply {
	c.doing = "remove Virtual Disk"
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	d, out := c.theDisk(c.id)
	if out != nil {
		return out
	}
	if out := c.inDomain(d); out != nil {
		return out
	}
	v := s.vms[d.Machine]
	switch {
	case d.Template != "":
		return c.fault("DISK_OF_TEMPLATE", "")
	case v != nil && v.Status.running() && v.attached(d.ID).Active:
		return c.refused(v, c.fault("VM_IS_RUNNING", ""))
	}
	if out := c.lockedDisk(d); out != nil {
		return out
	}
	if v != nil {
		v.detach(d.ID)
		s.note(Updated, v, Entry{By: c.user, Correlation: c.correlation, Why: "its disk " + d.Alias + " was removed"})
		s.save(v)
	}
	s.dropDisk(d)
	c.job("Removing Disk "+d.Alias, nil)
	return c.complete()
}

// inDomain: the path names a storage domain, in which the disk has to be.
func (c *call) inDomain(d *disk) *reply {
	if id := c.r.PathValue("domain"); id != "" && !slices.Contains(d.Domains, id) {
		return &reply{status: http.StatusNotFound}
	}
	return nil
}

// dropDisk forgets a disk, and its content if no other disk has it. s.mu is held.
func (s *Sim) dropDisk(d *disk) {
	s.disks.drop(s, d)
	s.dropContent(d.Content)
}

// copyIn is an <action> about a disk.
type copyIn struct {
	XMLName xml.Name `xml:"action"`
	Disk    *struct {
		Name  *string `xml:"name"`
		Alias *string `xml:"alias"`
	} `xml:"disk"`
	Domain *refIn `xml:"storage_domain"`
}

// where is the disk of an order to bring it elsewhere, and the domain that it names. s.mu
// is held.
func (c *call) where(in *copyIn) (*disk, *domain, *reply) {
	s := c.s
	d, out := c.theDisk(c.id)
	if out != nil {
		return nil, nil, out
	}
	if in.Domain == nil {
		return nil, nil, c.faultReply(http.StatusBadRequest, incomplete, "Action [storageDomain.id|name] required for "+c.doing)
	}
	to := s.domainBy(*in.Domain)
	if to == nil {
		return nil, nil, c.fault("STORAGE_DOMAIN_NOT_EXIST", "")
	}
	if out := c.lockedDisk(d); out != nil {
		return nil, nil, out
	}
	return d, to, c.room(to, d.used())
}

// copyDisk makes another disk like this. One of a template becomes known in another
// storage domain instead.
func (c *call) copyDisk() *reply {
	c.doing = "copy Virtual Disk"
	var in copyIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	d, to, out := c.where(&in)
	if out != nil {
		return out
	}
	until := s.clock.Now().Add(s.model.Times.Lock)
	switch {
	case d.Template != "" && slices.Contains(d.Domains, to.ID):
		return c.fault("DISK_IS_THERE", to.Name)
	case d.Template != "":
		d.Domains, d.Until = append(d.Domains, to.ID), until
		s.disks.put(s, d)
	default:
		n := *d
		n.ID, n.Image, n.Base, n.Machine, n.Until = newID(), newID(), "", "", until
		n.Domains, n.Content = []string{to.ID}, s.contentOf(d)
		if in.Disk != nil {
			set(&n.Alias, in.Disk.Name)
			set(&n.Alias, in.Disk.Alias)
		}
		s.disks.put(s, &n)
	}
	c.job("Copying Disk "+d.Alias, func() bool { return s.clock.Now().Before(until) })
	return c.complete()
}

// moveDisk brings a disk to another storage domain.
func (c *call) moveDisk() *reply {
	c.doing = "move Virtual Disk"
	var in copyIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	d, to, out := c.where(&in)
	switch {
	case out != nil:
		return out
	case d.Template != "":
		return c.fault("DISK_OF_TEMPLATE", "")
	case slices.Contains(d.Domains, to.ID):
		return c.fault("DISK_IS_THERE", to.Name)
	}
	d.Domains, d.Until = []string{to.ID}, s.clock.Now().Add(s.model.Times.Lock)
	s.disks.put(s, d)
	c.job("Moving Disk "+d.Alias, func() bool { return s.clock.Now().Before(d.Until) })
	return c.complete()
}
