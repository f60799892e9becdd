package ovirtsim

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// pool is alike machines of which users are given one at a time. In an automatic pool a
// machine that is down is free again.
type pool struct {
	ID, Name, Comment, Description string
	Cluster, Template              string // ids
	Size, Prestarted, MaxPerUser   int
	Kind                           string // automatic, manual
	Stateful                       bool
	Made                           int // machines so far: the next one's number
}

func (p *pool) key() (id, name string) { return p.ID, p.Name }

// The kinds of pools.
const (
	automaticPool = "automatic"
	manualPool    = "manual"
)

// How often an engine sees to prestarted machines, and how many it starts at a time.
const (
	poolEvery = 5 * time.Minute
	poolBatch = 5
)

type poolIn struct {
	XMLName     xml.Name `xml:"vm_pool"`
	Name        *string  `xml:"name"`
	Comment     *string  `xml:"comment"`
	Description *string  `xml:"description"`
	Cluster     *refIn   `xml:"cluster"`
	Template    *refIn   `xml:"template"`
	Size        *int     `xml:"size"`
	Prestarted  *int     `xml:"prestarted_vms"`
	MaxPerUser  *int     `xml:"max_user_vms"`
	Kind        *string  `xml:"type"`
	Stateful    *bool    `xml:"stateful"`
}

func (c *call) listPools() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	return show(c, "vm_pool", s.pools.sorted(), []string{"name", "id", "cluster"},
		func(p *pool) fields {
			return fields{"name": p.Name, "id": p.ID, "cluster": s.clusterByID(p.Cluster).T.Name}
		},
		func(p *pool) *node { return p.node() })
}

func (p *pool) node() *node {
	return object("vm_pool", at("vmpools", p.ID), p.ID, []string{"allocatevm"},
		[]*node{tx("name", p.Name), tx("description", p.Description), tx("comment", p.Comment)}, []string{"permissions"},
		yes("auto_storage_select", false), num("max_user_vms", p.MaxPerUser), num("prestarted_vms", p.Prestarted), num("size", p.Size),
		yes("stateful", p.Stateful), tx("type", p.Kind), yes("use_latest_template_version", false),
		ref("cluster", "clusters", p.Cluster), ref("template", "templates", p.Template))
}

// describePool sets what a caller says of a pool. s.mu is held.
func (c *call) describePool(p *pool, in *poolIn) *reply {
	set(&p.Name, in.Name)
	set(&p.Comment, in.Comment)
	set(&p.Description, in.Description)
	set(&p.Size, in.Size)
	set(&p.Prestarted, in.Prestarted)
	set(&p.MaxPerUser, in.MaxPerUser)
	set(&p.Kind, in.Kind)
	set(&p.Stateful, in.Stateful)
	switch {
	case !vmName.MatchString(strings.ReplaceAll(p.Name, "?", "0")):
		return c.fault("NAME_SPECIAL_CHARS", "")
	case c.s.pools.named(p.Name, func(o *pool) bool { return o.ID != p.ID }) != nil:
		return c.fault("VM_POOL_NAME_IN_USE", "")
	case p.Kind != automaticPool && p.Kind != manualPool:
		return c.faultReply(http.StatusBadRequest, failed, "Invalid value for VmPoolType: "+p.Kind)
	case p.Prestarted < 0 || p.Prestarted > p.Size:
		return c.fault("VM_POOL_PRESTARTED", "")
	case p.Size < 1 || p.MaxPerUser < 1:
		return c.faultReply(http.StatusBadRequest, failed, "VmPool [size, max_user_vms] are at least 1")
	}
	return nil
}

func (c *call) addPool() *reply {
	c.doing = "create VM-Pool"
	var in poolIn
	if out := c.read(&in); out != nil {
		return out
	}
	if in.Name == nil || in.Template == nil || in.Cluster == nil {
		return c.faultReply(http.StatusBadRequest, incomplete, "VmPool [name, template.id|name, cluster.id|name] required for add")
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &pool{ID: newID(), Size: 1, MaxPerUser: 1, Kind: automaticPool}
	t, cluster, out := c.origin(in.Template, in.Cluster)
	if out == nil {
		out = c.describePool(p, &in)
	}
	if out != nil {
		return out
	}
	p.Template, p.Cluster = t.ID, cluster
	if out := c.fill(p); out != nil {
		return out
	}
	return c.made(at("vmpools", p.ID), p.node(), false)
}

// fill makes the machines that a pool lacks, all or none, and keeps it. s.mu is held.
func (c *call) fill(p *pool) *reply {
	s := c.s
	next := *p
	var all []*vm
	var disks [][]*disk
	for len(s.poolVMs(p.ID))+len(all) < next.Size {
		next.Made++
		t := s.templates.all[p.Template]
		if t == nil {
			return c.fault("TEMPLATE_DOES_NOT_EXIST", "")
		}
		v, its := s.newVM(t, p.Cluster)
		v.Name, v.Pool = next.member(), p.ID
		if out := c.takes(v, its...); out != nil {
			return out
		}
		all, disks = append(all, v), append(disks, its)
	}
	*p = next
	s.pools.put(s, p)
	for i, v := range all {
		c.add(v, disks[i])
	}
	return nil
}

// member is the name of the pool's next machine: its number stands where the pool's name
// has question marks, or behind it.
func (p *pool) member() string {
	from := strings.IndexByte(p.Name, '?')
	if from < 0 {
		return fmt.Sprintf("%s-%d", p.Name, p.Made)
	}
	to := from
	for to < len(p.Name) && p.Name[to] == '?' {
		to++
	}
	return fmt.Sprintf("%s%0*d%s", p.Name[:from], to-from, p.Made, p.Name[to:])
}

func (s *Sim) poolName(id string) string {
	if p := s.pools.all[id]; p != nil {
		return p.Name
	}
	return ""
}

// poolVMs are a pool's machines by their names.
func (s *Sim) poolVMs(id string) (out []*vm) {
	for _, v := range s.vms {
		if v.Pool == id && !v.Removing {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b *vm) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), strings.Compare(a.Name, b.Name))
	})
	return out
}

func (c *call) updatePool() *reply {
	c.doing = "edit VM-Pool"
	var in poolIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pools.all[c.id]
	if p == nil {
		return &reply{status: http.StatusNotFound}
	}
	next := *p
	if out := c.describePool(&next, &in); out != nil {
		return out
	}
	if next.Size < p.Size {
		return c.fault("VM_POOL_SHRINKS", "")
	}
	if out := c.fill(&next); out != nil {
		return out
	}
	return xmlReply(http.StatusOK, next.node())
}

// removePool removes a pool and its machines, which are switched off.
func (c *call) removePool() *reply {
	c.doing = "remove VM-Pool"
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pools.all[c.id]
	if p == nil {
		return &reply{status: http.StatusNotFound}
	}
	all := s.poolVMs(p.ID)
	for _, v := range all {
		if v.Status == ImageLocked {
			return c.fault("VM_IS_LOCKED", "")
		}
	}
	s.pools.drop(s, p)
	for _, v := range all {
		v.Pool, v.Taken, v.Doomed = "", "", true
		if v.Status.running() {
			s.switchOff(v, "", "its pool was removed")
		} else {
			s.doom(v)
		}
	}
	return c.complete()
}

// doom removes a machine whose pool has gone. s.mu is held.
func (s *Sim) doom(v *vm) {
	v.Removing = true
	s.move(v, ImageLocked, "it is being removed, as its pool was")
}

// allocate gives the caller one of a pool's machines, and starts it unless it runs.
func (c *call) allocate() *reply {
	c.doing = "allocate and run VM from VM-Pool"
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pools.all[c.id]
	if p == nil {
		return &reply{status: http.StatusNotFound}
	}
	taken := 0
	var best *vm
	for _, v := range s.poolVMs(p.ID) {
		switch {
		case v.Taken == c.user:
			taken++
		case v.Taken != "" || v.Status == ImageLocked:
		case best == nil || v.Status.running() && !best.Status.running():
			best = v
		}
	}
	switch {
	case taken >= p.MaxPerUser:
		return c.fault("VM_POOL_CANNOT_ATTACH_TO_MORE_VMS_FROM_POOL", "")
	case best == nil:
		return c.fault("NO_AVAILABLE_POOL_VMS", "")
	}
	if best.Status == Down {
		if out := c.run(best, actionIn{}); out != nil {
			return out
		}
		s.note(Started, best, Entry{By: c.user, Correlation: c.correlation})
	}
	best.Taken = c.user
	s.save(best)
	out := c.complete()
	return xmlReply(out.status, el("action", tx("status", "complete"), c.vmNode(best, false)))
}

// detachVM takes a machine out of its pool.
func (c *call) detachVM() *reply {
	c.doing = "detach VM from VM-Pool"
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.machine()
	if out != nil {
		return out
	}
	p := s.pools.all[v.Pool]
	switch {
	case p == nil:
		return c.fault("VM_NOT_IN_POOL", "")
	case v.Status.running():
		return c.fault("VM_IS_RUNNING", "")
	}
	v.Pool, v.Taken = "", ""
	c.updated(v)
	p.Size--
	p.Prestarted = min(p.Prestarted, p.Size)
	s.pools.put(s, p)
	return c.complete()
}

// prestart sees to it that free machines run, now and every few minutes. s.mu is held.
func (s *Sim) prestart() {
	for _, p := range s.pools.sorted() {
		ready, begun := 0, 0
		var down []*vm
		for _, v := range s.poolVMs(p.ID) {
			switch {
			case v.Taken != "":
			case v.Status.running():
				ready++
			case v.Status == Down:
				down = append(down, v)
			}
		}
		for _, v := range down {
			if ready+begun >= p.Prestarted || begun == poolBatch {
				break
			}
			c := &call{s: s, op: OpStart}
			if c.run(v, actionIn{}) == nil {
				s.note(Started, v, Entry{Why: "its pool has machines that wait"})
				begun++
			}
		}
	}
	s.clock.AfterFunc(poolEvery, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closed {
			s.prestart()
		}
	})
}
