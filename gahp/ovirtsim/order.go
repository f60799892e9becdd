package ovirtsim

import (
	"encoding/xml"
	"fmt"
	"mime"
	"net/http"
	"regexp"
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
	} `xml:"memory_policy"`
	CPU struct {
		Topology struct {
			Sockets *int `xml:"sockets"`
			Cores   *int `xml:"cores"`
			Threads *int `xml:"threads"`
		} `xml:"topology"`
	} `xml:"cpu"`
	Initialization *initialization `xml:"initialization"`
	HA             struct {
		Enabled *bool `xml:"enabled"`
	} `xml:"high_availability"`
	DeleteProtected *bool `xml:"delete_protected"`
	OS              struct {
		Type *string `xml:"type"`
	} `xml:"os"`
	CustomProperties []struct {
		Name string `xml:"name"`
	} `xml:"custom_properties>custom_property"`
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
		return c.faultReply(http.StatusBadRequest, syntax, "For correct usage, see: https://"+c.r.Host+engine+"/apidoc#services/vms/methods/add")
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
	v, t, out := c.wanted(in)
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
	if out := c.takes(v, t); out != nil {
		return c.refused(nil, out)
	}
	v.Created, v.Since, v.By = s.clock.Now(), s.clock.Now(), c.user
	s.bend(v, c)
	if v.Disk == "" && !v.RolledBack {
		v.Status = Down // no disk is to be made
	}
	s.vms[v.ID] = v
	s.note(Created, v, Entry{By: c.user, Correlation: c.correlation})
	s.save(v)
	status, n := http.StatusAccepted, c.vmNode(v, true)
	if v.Status == Down {
		status = http.StatusCreated
	} else {
		n.add(el("creation_status", tx("state", "in_progress")))
	}
	s.follow(v)
	out = xmlReply(status, n)
	out.header["Location"] = "https://" + c.r.Host + at("vms", v.ID)
	return out
}

// wanted is the machine that a create asks for.
func (c *call) wanted(in vmIn) (*vm, Template, *reply) {
	s := c.s
	if in.Name == nil || *in.Name == "" || in.Template == nil || in.Cluster == nil {
		return nil, Template{}, c.faultReply(http.StatusBadRequest, incomplete, "Vm [name, template.id|name, cluster.id|name] required for add")
	}
	var t Template
	if id := in.Template.ID; id != "" {
		if t = s.templateByID(id); t.Name == "" {
			return nil, t, c.fault("TEMPLATE_DOES_NOT_EXIST", "")
		}
	} else if t = s.template(in.Template.Name); t.Name == "" {
		return nil, t, c.faultReply(http.StatusNotFound, failed, "Entity not found: Template: name="+in.Template.Name)
	}
	cluster := s.clusterByID(in.Cluster.ID)
	if in.Cluster.ID != "" && cluster.ID == "" {
		return nil, t, c.fault("CLUSTER_IS_NOT_VALID", "")
	}
	if in.Cluster.ID == "" {
		if cluster = s.clusterNamed(in.Cluster.Name); cluster.ID == "" {
			return nil, t, c.faultReply(http.StatusNotFound, failed, "Entity not found: Cluster: name="+in.Cluster.Name)
		}
	}
	v := s.newVM(t, cluster.ID)
	return v, t, c.change(v, in)
}

// takes checks what only the engine as a whole can say. s.mu is held.
func (c *call) takes(v *vm, t Template) *reply {
	s := c.s
	dc := s.dataCenterOf(v.Cluster)
	for _, o := range s.vms {
		if o != v && o.Name == v.Name && s.dataCenterOf(o.Cluster) == dc {
			return c.fault("NAME_ALREADY_USED", "")
		}
	}
	switch {
	case t.Status == "locked":
		return c.fault("TEMPLATE_IMAGE_IS_LOCKED", "")
	case t.Status == "illegal":
		return c.fault("TEMPLATE_IS_DISABLED", "")
	case s.model.MACs > 0 && len(s.vms) >= s.model.MACs:
		return c.fault("NOT_ENOUGH_MAC", "")
	}
	if q := s.overQuota(v, OpCreate); q != "" {
		return c.fault("QUOTA_STORAGE_LIMIT", q)
	}
	return nil
}

// change sets what a <vm> says of a machine, or tells what is wrong with it.
func (c *call) change(v *vm, in vmIn) *reply {
	set(&v.Name, in.Name)
	set(&v.Comment, in.Comment)
	set(&v.Description, in.Description)
	set(&v.OS, in.OS.Type)
	set(&v.HA, in.HA.Enabled)
	set(&v.Protected, in.DeleteProtected)
	set(&v.Sockets, in.CPU.Topology.Sockets)
	set(&v.Cores, in.CPU.Topology.Cores)
	set(&v.Threads, in.CPU.Topology.Threads)
	if in.Memory != nil {
		v.Memory = *in.Memory
		v.Guaranteed, v.MaxMemory = min(v.Guaranteed, v.Memory), max(v.MaxMemory, v.Memory)
	}
	set(&v.Guaranteed, in.Policy.Guaranteed)
	set(&v.MaxMemory, in.Policy.Max)
	if in.Initialization != nil {
		v.Init = in.Initialization
	}
	switch {
	case len(v.Name) > 64:
		return c.fault("NAME_TOO_LONG", "")
	case !vmName.MatchString(v.Name):
		return c.fault("NAME_SPECIAL_CHARS", "")
	case v.Memory <= 0:
		return c.faultReply(http.StatusBadRequest, failed, "size must be greater than or equal to 1, Attribute: vmStatic.memSizeMb")
	case v.Guaranteed > v.Memory:
		return c.fault("MIN_MEMORY", "")
	case v.MaxMemory < v.Memory:
		return c.fault("MAX_MEMORY", "")
	case v.Sockets < 1 || v.Cores < 1 || v.Threads < 1:
		return c.faultReply(http.StatusBadRequest, failed, "size must be greater than or equal to 1, Attribute: vmStatic.cpuPerSocket")
	case len(in.CustomProperties) > 0:
		return c.fault("CUSTOM_PROPERTIES", in.CustomProperties[0].Name)
	}
	return nil
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
	if out := c.takes(&next, Template{}); out != nil && next.Name != v.Name {
		return c.refused(v, out)
	}
	v.kept = next.kept
	s.note(Updated, v, Entry{By: c.user, Correlation: c.correlation})
	s.save(v)
	return xmlReply(http.StatusOK, c.vmNode(v, false))
}

// machine is the one in the path. s.mu is held.
func (c *call) machine() (*vm, *reply) {
	if !uuid.MatchString(c.id) {
		return nil, c.faultReply(http.StatusBadRequest, "Operation failed", "Invalid UUID string: "+c.id)
	}
	if v := c.s.vms[strings.ToLower(c.id)]; v != nil {
		return v, nil
	}
	return nil, &reply{status: http.StatusNotFound}
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
	return xmlReply(http.StatusOK, el("action", tx("status", "complete")))
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
		host, fault, what := s.schedule(v)
		quota := s.overQuota(v, OpStart)
		switch {
		case v.Disk == "":
			return c.fault("WITHOUT_DISK", "")
		case in.UseSysprep != nil && *in.UseSysprep && in.UseCloudInit != nil && *in.UseCloudInit:
			return c.fault("CLOUD_INIT_AND_SYSPREP", "")
		case fault != "":
			return c.fault(fault, what)
		case quota != "":
			return c.fault("QUOTA_CLUSTER_LIMIT", quota)
		}
		v.Given = v.cloudInit(in)
		v.Ran, v.RunOnce, v.Started, v.Host, v.StopReason = true, in.VM != nil, s.clock.Now(), host, ""
		s.bend(v, c)
		s.move(v, WaitForLaunch, "it was told to start")
		return nil
	})
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
	return c.order(Removed, func(v *vm, _ actionIn) *reply {
		switch {
		case v.Protected:
			return c.fault("DELETE_PROTECTION", "")
		case c.flag("detach_only") && v.Disk != "":
			return c.fault("DETACH_BASED_ON_TEMPLATE", "")
		}
		v.Removing = true
		c.s.move(v, ImageLocked, "it is being removed")
		return nil
	})
}
