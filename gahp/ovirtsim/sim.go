package ovirtsim

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/grid"
	"gridburst/internal/qemu"
)

// Options say how an engine is simulated, where a [Model] says which.
type Options struct {
	State   string             // a directory, in which machines outlive the simulator; empty: none
	Journal string             // the journal's file; empty: in State if there is one
	Clock   Clock              // nil: the model's, or the real time
	Log     logrus.FieldLogger // nil: none

	// Serve is what is served at the API's port, given the engine; nil: the engine.
	Serve func(engine http.Handler) http.Handler
}

// Sim is an engine. Every method may be called from any goroutine.
type Sim struct {
	URL string // of its API, when it is served
	CA  []byte // PEM, of the authority that signed its certificate

	o       Options
	model   Model
	clock   Clock
	log     logrus.FieldLogger
	keys    *authority
	handler http.Handler // of the API's port

	mu         sync.Mutex
	vms        map[string]*vm // by id
	disks      shelf[disk, *disk]
	domains    shelf[domain, *domain]
	templates  shelf[template, *template]
	profiles   shelf[profile, *profile]
	tags       shelf[tag, *tag]
	affinities shelf[affinity, *affinity]
	pools      shelf[pool, *pool]
	transfers  map[string]*transfer // by id
	jobs       []*job               // the oldest first
	imagesIn   string               // where contents of disks are; empty: nowhere yet
	making     map[string]bool      // names of machines on their way, with their data center
	sessions   map[string]*session
	rules      []*rule
	lastRule   int
	journal    *journal
	calls      map[Op]int
	random     *mathrand.Rand
	closed     bool

	lock    *os.File      // of State
	scratch string        // holds guests where there is no State
	kernel  qemu.Kernel   // of qemu bodies
	closing chan struct{} // closed by Close
	wg      sync.WaitGroup
}

// Open makes an engine from a model, or takes up the one that State holds: machines
// are as they were, those with a body that runs are down, the rest of the model is as it
// says now.
func Open(m Model, o Options) (*Sim, error) {
	m, err := m.filled()
	if err != nil {
		return nil, err
	}
	s := &Sim{
		o: o, model: m, clock: o.Clock, log: o.Log,
		vms: map[string]*vm{}, transfers: map[string]*transfer{}, making: map[string]bool{}, sessions: map[string]*session{}, calls: map[Op]int{},
		random: mathrand.New(mathrand.NewPCG(m.Seed, 0)), closing: make(chan struct{}),
	}
	s.handler = s.routes()
	if o.Serve != nil {
		s.handler = o.Serve(s.handler)
	}
	if s.clock == nil && m.Pace != nil {
		s.clock = *m.Pace
	}
	if s.clock == nil {
		s.clock = realTime{}
	}
	if s.log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		s.log = l
	}
	kept, fresh, err := s.openState()
	if err == nil {
		err = s.canRun()
	}
	if err != nil {
		return nil, errors.Join(err, s.letGo())
	}
	if err := s.begin(kept, fresh); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// begin puts machines and rules in their places.
func (s *Sim) begin(kept []*vm, fresh bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(Entry{What: Began})
	s.tags.known(&tag{ID: blankID, Name: "root", Description: "root"})
	s.stock()
	s.plugIn()
	s.mint()
	for _, r := range s.model.Rules {
		s.putRule(r)
	}
	defer s.prestart()
	if fresh {
		for _, d := range s.model.VMs {
			s.inherit(d)
		}
		for _, d := range s.model.Pools {
			s.inheritPool(d)
		}
		return s.ready()
	}
	s.takeUp(kept)
	return errors.Join(s.sweep(), s.sweepImages())
}

// inheritPool makes a pool of the model, with machines that are down. s.mu is held.
func (s *Sim) inheritPool(d Pool) {
	t := s.templateNamed(d.Template)
	p := &pool{
		ID: idOf("vm pool", d.Name), Name: d.Name, Template: t.ID, Cluster: s.clusterNamed(d.Cluster).ID,
		Size: d.Size, Prestarted: d.Prestarted, MaxPerUser: d.MaxPerUser, Kind: d.Type, Stateful: d.Stateful,
	}
	for p.Made < p.Size {
		p.Made++
		s.inherit(VM{Name: p.member(), Template: d.Template, Cluster: d.Cluster, Status: Down})
		s.vms[idOf("vm", p.member())].Pool = p.ID
	}
	s.pools.put(s, p)
	for _, v := range s.poolVMs(p.ID) {
		s.save(v)
	}
}

// inherit makes a machine of the model. s.mu is held.
func (s *Sim) inherit(d VM) {
	t := s.templateNamed(d.Template)
	cluster := identified[Cluster]{ID: t.Cluster}
	if d.Cluster != "" {
		cluster = s.clusterNamed(d.Cluster)
	}
	v, disks := s.newVM(t, cluster.ID)
	v.ID, v.Foreign = idOf("vm", d.Name), true
	v.Name, v.Comment, v.Description, v.Protected = d.Name, d.Comment, d.Description, d.Protect
	v.Status, v.Created, v.Since = d.Status, s.clock.Now(), s.clock.Now()
	if d.MemoryMB > 0 {
		v.Memory = d.MemoryMB << 20
		v.Guaranteed, v.MaxMemory = v.Memory, 4*v.Memory
	}
	if d.Cores > 0 {
		v.Cores = d.Cores
	}
	if d.UserData != "" || d.HostName != "" {
		v.Init = &initialization{CustomScript: d.UserData, HostName: d.HostName}
	}
	if v.Status.running() {
		v.Body = Paper // nothing was started, so nothing runs
		v.Started = v.Created
		if h := s.hosts(cluster.ID); len(h) > 0 {
			v.Host = h[0].ID
		}
	}
	s.vms[v.ID] = v
	s.keepDisks(v, disks)
	s.save(v)
	s.note(Moved, v, Entry{Why: "it is in the model"})
	s.follow(v)
}

// newVM is a machine as its template has it, with the disks that are to be made for it.
func (s *Sim) newVM(t *template, cluster string) (*vm, []*disk) {
	v := &vm{kept: kept{shape: t.shape, ID: newID(), Template: t.ID, Original: t.ID, Cluster: cluster, Body: t.Body, Status: ImageLocked}}
	v.Priority = 1
	for _, n := range t.NICs {
		c := newNIC(n.Name, n.Profile)
		c.Interface = n.Interface
		if p := s.profiles.all[n.Profile]; p == nil || p.DataCenter != s.dataCenterOf(cluster) {
			c.Profile = idOf("vnicprofile", cluster)
		}
		v.NICs = append(v.NICs, c)
	}
	var disks []*disk
	for _, a := range t.Disks {
		d := *s.disks.all[a.Disk]
		d.Base, d.ID, d.Image = d.ID, newID(), newID()
		d.Machine, d.Template, d.Content, d.Actual = v.ID, "", "", thin
		d.Domains = []string{d.Domains[0]}
		if dc := s.dataCenterOf(cluster); s.domains.all[d.Domains[0]].DataCenter != dc {
			d.Base = "" // it is copied to where it can be
			d.Domains[0] = s.dataDomain(dc).ID
		}
		disks, a.Disk = append(disks, &d), d.ID
		v.Disks = append(v.Disks, a)
	}
	return v, disks
}

// keepDisks puts disks that were made for a machine on the shelf. Before the machine is
// kept: disks that name one that is not there are nobody's.
func (s *Sim) keepDisks(v *vm, disks []*disk) {
	for i, d := range disks {
		d.Alias = fmt.Sprintf("%s_Disk%d", v.Name, i+1)
		s.disks.put(s, d)
	}
}

// nextAlias is a name for a disk more.
func (v *vm) nextAlias() string { return fmt.Sprintf("%s_Disk%d", v.Name, len(v.Disks)+1) }

func newID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails, as its documentation says
	return formatID(b)
}

// sorted lists machines by name. s.mu is held.
func (s *Sim) sorted() []*vm {
	out := make([]*vm, 0, len(s.vms))
	for _, v := range s.vms {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *vm) int { return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID)) })
	return out
}

// shown is the state that the engine says v is in, which is what orders meet.
func (s *Sim) shown(v *vm) Status {
	if v.Status.running() {
		if r := s.inForce(func(r *rule) bool { return r.Show != "" && (r.Name == "" || matches(r.Name, v.Name)) }); r != nil {
			return r.Show
		}
	}
	return v.Status
}

// Machine is the truth about a machine, past the API and its faults.
type Machine struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Status      Status    `json:"status"`
	Comment     string    `json:"comment"`
	Description string    `json:"description"`
	Template    string    `json:"template"` // its name
	Version     int       `json:"version"`  // of the template
	MemoryMB    int64     `json:"memory_mb"`
	Cores       int       `json:"cores"`
	HostName    string    `json:"host_name"`
	UserData    string    `json:"user_data"` // kept by the machine
	Booted      string    `json:"booted"`    // what its latest start gave to the guest
	Foreign     bool      `json:"foreign"`
	Body        Body      `json:"body"`
	Created     time.Time `json:"created"`
	Dir         string    `json:"dir,omitempty"` // of a body that runs: console.log is in it
}

// Machines lists all machines by name.
func (s *Sim) Machines() []Machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Machine{}
	for _, v := range s.sorted() {
		m := Machine{
			ID: v.ID, Name: v.Name, Status: v.Status, Comment: v.Comment, Description: v.Description,
			MemoryMB: v.Memory >> 20, Cores: v.vcpus(), Foreign: v.Foreign, Body: v.Body, Created: v.Created,
		}
		if t := s.templates.all[v.Template]; t != nil {
			m.Template, m.Version = t.Name, t.Version
		}
		if v.Init != nil {
			m.HostName, m.UserData = v.Init.HostName, v.Init.CustomScript
		}
		if v.Given != nil {
			m.Booted = v.Given.CustomScript
		}
		if v.Body.runs() {
			m.Dir = s.guestDir(v)
		}
		out = append(out, m)
	}
	return out
}

// Calls is how often each operation was asked for, whatever became of it.
func (s *Sim) Calls() map[Op]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// Close ends the engine: guests are killed, and what waits is let go. Machines that
// State keeps are as they were.
func (s *Sim) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.closing)
	for _, v := range s.vms {
		if v.timer != nil {
			v.timer()
		}
		if v.guest != nil {
			v.guest.Kill()
		}
	}
	s.mu.Unlock()
	s.wg.Wait()
	return s.letGo()
}

// letGo closes what Open opened.
func (s *Sim) letGo() error {
	var errs []error
	if s.journal != nil && s.journal.file != nil {
		errs = append(errs, s.journal.file.Close())
	}
	if s.kernel != (qemu.Kernel{}) {
		errs = append(errs, os.RemoveAll(s.boots()))
	}
	if s.scratch != "" {
		errs = append(errs, os.RemoveAll(s.scratch))
	}
	if s.imagesIn != "" && s.o.State == "" {
		errs = append(errs, os.RemoveAll(s.imagesIn))
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// Administer has an administrator of the engine, who is no user of ours, act on a
// machine, by its name or id: stop it, or remove it whatever its state.
func (s *Sim) Administer(name string, op Op) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.vms {
		if v.Name != name && v.ID != name {
			continue
		}
		switch op {
		case OpRemove:
			v.Removing = true
			if v.guest != nil {
				v.guest.Kill()
			}
			s.vanish(v)
		case OpStop:
			if v.Status.running() {
				s.switchOff(v, "", "an administrator switched it off")
			}
		default:
			return grid.Errorf(grid.Invalid, "an administrator can stop or remove a machine, not %s it", op)
		}
		return nil
	}
	return grid.Errorf(grid.NotFound, "there is no machine %s", name)
}
