package ovirtsim

import (
	"encoding/xml"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// refIn names another object, by id or name.
type refIn struct {
	ID   string `xml:"id,attr"`
	Name string `xml:"name"`
}

// vmIn is a <vm> as callers send it.
type vmIn struct {
	XMLName     xml.Name `xml:"vm"`
	Name        *string  `xml:"name"`
	Comment     *string  `xml:"comment"`
	Description *string  `xml:"description"`
	Cluster     *refIn   `xml:"cluster"`
	Template    *refIn   `xml:"template"`
	Memory      *int64   `xml:"memory"`
	Policy      struct {
		Guaranteed *int64 `xml:"guaranteed"`
		Max        *int64 `xml:"max"`
		Ballooning *bool  `xml:"ballooning"`
	} `xml:"memory_policy"`
	CPU struct {
		Mode     *string `xml:"mode"`
		Topology struct {
			Sockets *int `xml:"sockets"`
			Cores   *int `xml:"cores"`
			Threads *int `xml:"threads"`
		} `xml:"topology"`
	} `xml:"cpu"`
	Initialization *initialization `xml:"initialization"`
	HA             struct {
		Enabled  *bool `xml:"enabled"`
		Priority *int  `xml:"priority"`
	} `xml:"high_availability"`
	DeleteProtected *bool   `xml:"delete_protected"`
	Type            *string `xml:"type"`
	CPUShares       *int    `xml:"cpu_shares"`
	Soundcard       *bool   `xml:"soundcard_enabled"`
	Stateless       *bool   `xml:"stateless"`
	InstanceType    *refIn  `xml:"instance_type"`
	Quota           *refIn  `xml:"quota"`
	Console         struct {
		Enabled *bool `xml:"enabled"`
	} `xml:"console"`
	Placement *struct {
		Affinity *string `xml:"affinity"`
		Hosts    *struct {
			Host []refIn `xml:"host"`
		} `xml:"hosts"`
	} `xml:"placement_policy"`
	Attachments []attachmentIn `xml:"disk_attachments>disk_attachment"`
	OS          struct {
		Type *string `xml:"type"`
	} `xml:"os"`
	CustomProperties *struct {
		Property []property `xml:"custom_property"`
	} `xml:"custom_properties"`
}

// actionIn is an <action> as callers send it.
type actionIn struct {
	XMLName           xml.Name `xml:"action"`
	UseCloudInit      *bool    `xml:"use_cloud_init"`
	UseSysprep        *bool    `xml:"use_sysprep"`
	UseInitialization *bool    `xml:"use_initialization"`
	Reason            string   `xml:"reason"`
	VM                *vmIn    `xml:"vm"`
}

// read is the body as XML.
func (c *call) read(into any) *reply {
	media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || media != "application/xml" {
		return page(http.StatusUnsupportedMediaType, "Unsupported Media Type")
	}
	if err := xml.Unmarshal(c.body, into); err != nil {
		return c.faultReply(http.StatusBadRequest, syntax, "For correct usage, see: https://"+c.r.Host+engine+"/apidoc#services/"+c.service()+"/methods/add")
	}
	return nil
}

// create makes a machine. Its name is locked from the first look at it to the end, so
// a second create of the name meets the lock, and then the name.
func (c *call) create() *reply {
	var in vmIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, disks, out := c.wanted(in)
	if out != nil {
		return c.refused(nil, out)
	}
	key := s.dataCenterOf(v.Cluster) + "\x00" + v.Name
	if s.making[key] {
		return c.refused(nil, c.fault("OBJECT_LOCKED", ""))
	}
	s.making[key] = true
	defer delete(s.making, key)
	if c.busy != nil {
		s.record(Entry{What: Making, Name: v.Name, By: c.user, Correlation: c.correlation})
		s.mu.Unlock()
		c.busy.wait(s, c.busy.Busy)
		s.mu.Lock()
	}
	if out := c.takes(v, disks...); out != nil {
		return c.refused(nil, out)
	}
	c.add(v, disks)
	status, n := http.StatusAccepted, c.vmNode(v, true)
	if v.Status == Down {
		status = http.StatusCreated
	} else {
		n.add(el("creation_status", tx("state", "in_progress")))
	}
	out = xmlReply(status, n)
	out.header["Location"] = "https://" + c.r.Host + at("vms", v.ID)
	return out
}

// add makes a machine that the engine takes. s.mu is held.
func (c *call) add(v *vm, disks []*disk) {
	s := c.s
	v.Created, v.Since, v.By = s.clock.Now(), s.clock.Now(), c.user
	s.bend(v, c)
	if len(v.Disks) == 0 && !v.RolledBack {
		v.Status = Down // no disk is to be made
	}
	s.vms[v.ID] = v
	s.note(Created, v, Entry{By: c.user, Correlation: c.correlation})
	s.keepDisks(v, disks)
	s.save(v)
	c.job("Creating VM "+v.Name+" from Template "+s.templates.all[v.Original].Name, func() bool { return s.vms[v.ID] == v && v.Status == ImageLocked })
	s.follow(v)
}

// wanted is the machine that a create asks for.
func (c *call) wanted(in vmIn) (*vm, []*disk, *reply) {
	s := c.s
	if in.Name == nil || *in.Name == "" || in.Template == nil || in.Cluster == nil {
		return nil, nil, c.faultReply(http.StatusBadRequest, incomplete, "Vm [name, template.id|name, cluster.id|name] required for add")
	}
	t, cluster, out := c.origin(in.Template, in.Cluster)
	if out != nil {
		return nil, nil, out
	}
	v, disks := s.newVM(t, cluster)
	clone := c.flag("clone")
	for _, a := range in.Attachments {
		if out := c.replaced(disks, a, clone); out != nil {
			return nil, nil, out
		}
	}
	if clone {
		v.Template = blankID
		for _, d := range disks {
			of := s.disks.all[d.Base]
			d.Base, d.Content, d.Actual = "", s.contentOf(of), of.Actual
		}
	}
	return v, disks, c.change(v, in)
}

// origin is the template and the cluster's id that a caller names. s.mu is held.
func (c *call) origin(of, in *refIn) (t *template, cluster string, out *reply) {
	s := c.s
	if of.ID != "" {
		if t = s.templates.all[strings.ToLower(of.ID)]; t == nil {
			return nil, "", c.fault("TEMPLATE_DOES_NOT_EXIST", "")
		}
	} else if t = s.templateNamed(of.Name); t == nil {
		return nil, "", c.faultReply(http.StatusNotFound, failed, "Entity not found: Template: name="+of.Name)
	}
	found := s.clusterByID(in.ID)
	if in.ID != "" && found.ID == "" {
		return nil, "", c.fault("CLUSTER_IS_NOT_VALID", "")
	}
	if in.ID == "" {
		if found = s.clusterNamed(in.Name); found.ID == "" {
			return nil, "", c.faultReply(http.StatusNotFound, failed, "Entity not found: Cluster: name="+in.Name)
		}
	}
	return t, found.ID, nil
}

// replaced sets what a caller says of a template's disk as its new machine has it. s.mu is
// held.
func (c *call) replaced(disks []*disk, in attachmentIn, clone bool) *reply {
	id := in.ID
	if id == "" && in.Disk != nil {
		id = in.Disk.ID
	}
	i := slices.IndexFunc(disks, func(d *disk) bool { return d.Base == id })
	if i < 0 {
		return c.fault("DISK_NOT_EXIST", "")
	}
	if out := c.placed(disks[i], in); out != nil {
		return out
	}
	// A thin disk is where the one below it is.
	if of := c.s.disks.all[disks[i].Base]; !clone && !slices.Contains(of.Domains, disks[i].Domains[0]) {
		return c.fault("DISK_NOT_IN_DOMAIN", c.s.domains.all[disks[i].Domains[0]].Name)
	}
	return nil
}

// takes checks what only the engine as a whole can say of a machine, and of disks to be
// made for it. s.mu is held.
func (c *call) takes(v *vm, disks ...*disk) *reply {
	s := c.s
	dc := s.dataCenterOf(v.Cluster)
	for _, o := range s.vms {
		if o.ID != v.ID && o.Name == v.Name && s.dataCenterOf(o.Cluster) == dc {
			return c.fault("NAME_ALREADY_USED", "")
		}
	}
	if s.vms[v.ID] != nil { // it is there
		return nil
	}
	switch t := s.templates.all[v.Original]; {
	case t == nil:
		return c.fault("TEMPLATE_DOES_NOT_EXIST", "")
	case s.templateStatus(t) == "locked":
		return c.fault("TEMPLATE_IMAGE_IS_LOCKED", "")
	case s.templateStatus(t) == "illegal":
		return c.fault("TEMPLATE_IS_DISABLED", "")
	case !s.macsLeft(len(v.NICs)):
		return c.fault("NOT_ENOUGH_MAC", "")
	}
	for _, d := range disks {
		if of := s.disks.all[d.Base]; of != nil && s.diskStatus(of) != "ok" {
			return c.fault("DISKS_LOCKED", of.Alias)
		}
		if out := c.room(s.domains.all[d.Domains[0]], d.used()); out != nil {
			return out
		}
	}
	if q := s.overQuota(v, OpCreate, disks...); q != "" {
		return c.fault("QUOTA_STORAGE_LIMIT", q)
	}
	return nil
}

// change sets what a <vm> says of a machine, or tells what is wrong with it. s.mu is held.
func (c *call) change(v *vm, in vmIn) *reply {
	set(&v.Name, in.Name)
	set(&v.Comment, in.Comment)
	set(&v.Description, in.Description)
	switch {
	case len(v.Name) > c.s.model.MaxVMName:
		return c.fault("NAME_TOO_LONG", "")
	case !vmName.MatchString(v.Name):
		return c.fault("NAME_SPECIAL_CHARS", "")
	}
	if out := c.describeQuota(v, &in); out != nil {
		return out
	}
	return c.describeShape(&v.shape, &in)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// bend lets the rules that a call met have the machine. s.mu is held.
func (s *Sim) bend(v *vm, c *call) {
	for _, r := range c.met {
		if r.Hold && !r.over() {
			v.held = r
		}
		v.RolledBack = v.RolledBack || r.RollBack && c.op == OpCreate
		v.Failing = v.Failing || r.Fail && c.op == OpStart
		v.Deaf = v.Deaf || r.Deaf
		if r.Lifetime > 0 {
			v.Lifetime = r.Lifetime
		}
	}
}

func (c *call) update() *reply {
	var in vmIn
	if out := c.read(&in); out != nil {
		return out
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.machine()
	if out != nil {
		return out
	}
	if v.Status == ImageLocked {
		return c.refused(v, c.fault("VM_IS_LOCKED", ""))
	}
	next := *v
	if out := c.change(&next, in); out != nil {
		return c.refused(v, out)
	}
	if out := c.takes(&next); out != nil {
		return c.refused(v, out)
	}
	v.kept = next.kept
	c.updated(v)
	return xmlReply(http.StatusOK, c.vmNode(v, false))
}

// machine is the one in the path. s.mu is held.
func (c *call) machine() (*vm, *reply) {
	if !uuid.MatchString(c.id) {
		return nil, c.badID(c.id)
	}
	if v := c.s.vms[strings.ToLower(c.id)]; v != nil {
		return v, nil
	}
	return nil, &reply{status: http.StatusNotFound}
}

// changeable is machine, if nothing holds it fast. s.mu is held.
func (c *call) changeable() (*vm, *reply) {
	v, out := c.machine()
	if out == nil && v.Status == ImageLocked {
		return nil, c.refused(v, c.fault("VM_IS_LOCKED", ""))
	}
	return v, out
}

func (c *call) badID(id string) *reply {
	return c.faultReply(http.StatusBadRequest, "Operation failed", "Invalid UUID string: "+id)
}

var uuid = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// refused writes a refusal down. s.mu is held.
func (c *call) refused(v *vm, out *reply) *reply {
	e := Entry{Op: c.op, By: c.user, Correlation: c.correlation}
	var f struct {
		Detail string `xml:"detail"`
	}
	if xml.Unmarshal(out.body, &f) == nil {
		e.Why = fmt.Sprintf("%d %s", out.status, f.Detail)
	}
	if v == nil {
		e.What, e.Name = Refused, c.name
		c.s.record(e)
	} else {
		c.s.note(Refused, v, e)
	}
	return out
}

// order is an order to a machine that is there: f carries it out. s.mu is held
// meanwhile.
func (c *call) order(what What, f func(*vm, actionIn) *reply) *reply {
	var in actionIn
	if c.op != OpRemove {
		if out := c.read(&in); out != nil {
			return out
		}
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	v, out := c.machine()
	if out != nil {
		if out.status == http.StatusNotFound && (c.op == OpStop || c.op == OpShutdown || c.op == OpStart && in.VM == nil) {
			out = c.fault("VM_NOT_FOUND", "") // by the validators: only a look-up says 404
		}
		return out
	}
	status := s.shown(v)
	a := legal(status, c.op)
	switch {
	case a.fault != "":
		return c.refused(v, c.fault(a.fault, status.words()))
	case a.do:
		if out := f(v, in); out != nil {
			return c.refused(v, out)
		}
	}
	s.note(what, v, Entry{By: c.user, Correlation: c.correlation, Why: in.Reason})
	c.job(title(orderWords[c.op])+" "+v.Name, func() bool { return s.vms[v.ID] == v && (v.Status == ImageLocked || v.Status == WaitForLaunch) })
	return c.complete()
}

func (c *call) start() *reply {
	return c.order(Started, func(v *vm, in actionIn) *reply {
		s := c.s
		if v.Status == Paused || v.Status == Suspended {
			s.move(v, Up, "it was resumed")
			return nil
		}
		if v.Status != Down {
			return nil // a rule shows it as paused; it runs
		}
		return c.run(v, in)
	})
}

// run starts a machine that is down. s.mu is held.
func (c *call) run(v *vm, in actionIn) *reply {
	s := c.s
	host, fault, what := s.schedule(v)
	quota := s.overQuota(v, OpStart)
	switch {
	case !v.boots():
		return c.fault("WITHOUT_DISK", "")
	case in.UseSysprep != nil && *in.UseSysprep && in.UseCloudInit != nil && *in.UseCloudInit:
		return c.fault("CLOUD_INIT_AND_SYSPREP", "")
	case fault != "":
		return c.fault(fault, what)
	case quota != "":
		return c.fault("QUOTA_CLUSTER_LIMIT", quota)
	}
	for _, a := range v.Disks {
		d := s.disks.all[a.Disk]
		if out := c.lockedDisk(d); out != nil {
			return out
		}
		if at := s.domains.all[d.Domains[0]]; at.Status != activeDomain {
			return c.fault("STORAGE_DOMAIN_STATUS", title(at.Status))
		}
	}
	v.Given = v.cloudInit(in)
	v.Ran, v.RunOnce, v.Started, v.Host, v.StopReason = true, in.VM != nil, s.clock.Now(), host, ""
	s.bend(v, c)
	s.move(v, WaitForLaunch, "it was told to start")
	return nil
}

func (c *call) stop() *reply {
	return c.order(Stopped, func(v *vm, in actionIn) *reply {
		c.s.switchOff(v, in.Reason, "it was switched off")
		return nil
	})
}

func (c *call) shutdown() *reply {
	return c.order(ToldOff, func(v *vm, in actionIn) *reply {
		switch {
		case v.Status == PoweringDown:
		case v.Status != Up:
			c.s.switchOff(v, in.Reason, "it was told to shut down before it was up")
		case v.guest != nil && !v.Deaf:
			v.guest.Shutdown()
			fallthrough
		default:
			c.s.move(v, PoweringDown, "it was told to shut down")
		}
		return nil
	})
}

func (c *call) remove() *reply {
	out := c.order(Removed, func(v *vm, _ actionIn) *reply {
		s := c.s
		var kept []*disk
		for _, a := range v.Disks {
			switch d := s.disks.all[a.Disk]; {
			case s.transferring(d):
				return c.fault("DISK_IS_LOCKED", d.Alias)
			case c.flag("detach_only") && d.Base != "":
				return c.fault("DETACH_BASED_ON_TEMPLATE", "")
			case c.flag("detach_only"):
				kept = append(kept, d)
			}
		}
		switch {
		case v.Pool != "":
			return c.fault("VM_ATTACHED_TO_POOL", "")
		case v.Protected:
			return c.fault("DELETE_PROTECTION", "")
		}
		for _, d := range kept {
			v.detach(d.ID)
			d.Machine = ""
			s.disks.put(s, d)
		}
		v.Removing = true
		s.move(v, ImageLocked, "it is being removed")
		return nil
	})
	if s := c.s; out.status == http.StatusOK && s.model.Times.Remove == 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		if v := s.vms[c.id]; v != nil && v.Removing && v.held == nil {
			s.vanish(v) // who is answered finds it gone
		}
	}
	return out
}
