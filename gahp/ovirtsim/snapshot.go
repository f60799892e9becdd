package ovirtsim

import (
	"encoding/xml"
	"net/http"
	"slices"
	"time"
)

// snapshot is how a machine was. Beside those that were ordered, each machine has one
// that it runs on.
type snapshot struct {
	ID          string
	Description string
	Made        time.Time
	Until       time.Time // locked
	Shape       shape
	Disks       []string
}

func (c *call) addSnapshot() *reply {
	c.doing = "create Snapshot"
	var in struct {
		XMLName     xml.Name `xml:"snapshot"`
		Description string   `xml:"description"`
	}
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
	for _, a := range v.Disks {
		if out := c.lockedDisk(s.disks.all[a.Disk]); out != nil {
			return c.refused(v, out)
		}
	}
	now := s.clock.Now()
	n := snapshot{ID: newID(), Description: in.Description, Made: now, Until: now.Add(s.model.Times.Lock), Shape: v.shape}
	for _, a := range v.Disks {
		d := s.disks.all[a.Disk]
		n.Disks = append(n.Disks, d.ID)
		d.Until = n.Until
		s.disks.put(s, d)
	}
	v.Snapshots = append(slices.Clone(v.Snapshots), n)
	c.updated(v)
	c.job("Creating VM Snapshot "+n.Description+" for VM "+v.Name, func() bool { return s.clock.Now().Before(n.Until) })
	return c.made(at("vms", v.ID)+"/snapshots/"+n.ID, s.snapshotNode(v, n), true)
}

// theSnapshot is the index of the one in the path. s.mu is held.
func (c *call) theSnapshot() (*vm, int, *reply) {
	v, out := c.machine()
	if out != nil {
		return nil, 0, out
	}
	id := c.r.PathValue("part")
	if id == idOf("snapshot", v.ID) {
		return v, -1, nil
	}
	i := slices.IndexFunc(v.Snapshots, func(n snapshot) bool { return n.ID == id })
	if i < 0 {
		return nil, 0, &reply{status: http.StatusNotFound}
	}
	return v, i, nil
}

func (c *call) getSnapshot() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, i, out := c.theSnapshot()
	switch {
	case out != nil:
		return out
	case i < 0:
		return xmlReply(http.StatusOK, s.activeSnapshot(v))
	}
	return xmlReply(http.StatusOK, s.snapshotNode(v, v.Snapshots[i]))
}

// restoreSnapshot brings a machine that is down back to how it was.
func (c *call) restoreSnapshot() *reply {
	c.doing = "restore VM from snapshot"
	return c.changeSnapshot(func(v *vm, i int) *reply {
		if v.Status != Down {
			return c.fault("VM_STATUS_ILLEGAL", v.Status.words())
		}
		n := v.Snapshots[i]
		v.shape = n.Shape
		v.Snapshots = slices.Clone(v.Snapshots[:i+1])
		return nil
	})
}

func (c *call) removeSnapshot() *reply {
	c.doing = "remove Snapshot"
	return c.changeSnapshot(func(v *vm, i int) *reply {
		v.Snapshots = slices.Delete(slices.Clone(v.Snapshots), i, i+1)
		return nil
	})
}

func (c *call) changeSnapshot(f func(v *vm, i int) *reply) *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, i, out := c.theSnapshot()
	switch {
	case out != nil:
		return out
	case v.Status == ImageLocked:
		return c.refused(v, c.fault("VM_IS_LOCKED", ""))
	case i < 0:
		return c.refused(v, c.fault("SNAPSHOT_ACTIVE", ""))
	case s.clock.Now().Before(v.Snapshots[i].Until):
		return c.refused(v, c.fault("SNAPSHOT_LOCKED", ""))
	}
	if out := f(v, i); out != nil {
		return c.refused(v, out)
	}
	c.updated(v)
	c.job("Changing snapshots of VM "+v.Name, nil)
	return c.complete()
}

// snapshots are a machine's, the one that it runs on first. s.mu is held.
func (s *Sim) snapshots(v *vm) *node {
	n := el("snapshots", s.activeSnapshot(v))
	for _, o := range v.Snapshots {
		n.add(s.snapshotNode(v, o))
	}
	return n
}

func (s *Sim) activeSnapshot(v *vm) *node {
	id := idOf("snapshot", v.ID)
	return object("snapshot", at("vms", v.ID)+"/snapshots/"+id, id, []string{"restore"}, []*node{tx("description", "Active VM")}, []string{"disks"},
		when("date", v.Created), yes("persist_memorystate", false), tx("snapshot_status", "ok"), tx("snapshot_type", "active"))
}

func (s *Sim) snapshotNode(v *vm, n snapshot) *node {
	status := "ok"
	if s.clock.Now().Before(n.Until) {
		status = "locked"
	}
	return object("snapshot", at("vms", v.ID)+"/snapshots/"+n.ID, n.ID, []string{"restore"}, []*node{tx("description", n.Description)}, []string{"disks"},
		when("date", n.Made), yes("persist_memorystate", false), tx("snapshot_status", status), tx("snapshot_type", "regular"), ref("vm", "vms", v.ID))
}

func (c *call) snapshotDisks() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, i, out := c.theSnapshot()
	if out != nil {
		return out
	}
	id := c.r.PathValue("part")
	n := el("disks")
	for _, a := range v.Disks {
		if i >= 0 && !slices.Contains(v.Snapshots[i].Disks, a.Disk) {
			continue
		}
		d := s.disks.all[a.Disk]
		n.add(el("disk", tx("name", d.Alias), tx("description", "")).with("id", d.ID).add(s.diskContent(d)...).
			add(num("total_size", 0), el("snapshot").with("id", id), el("storage_domains", el("storage_domain").with("id", d.Domains[0]))))
	}
	return xmlReply(http.StatusOK, n)
}
