package ovirtsim

import (
	"strings"
	"time"
)

// vm is a machine. All of it is the Sim's, under its lock. Its status is the one that
// began at Since:
//
//	image_locked -> down -> wait_for_launch -> powering_up -> up -> powering_down -> down
//	      |                       |                 |         '----------------------> down
//	      '-> gone                '-----> down <----'             down -> image_locked -> gone
type vm struct {
	kept
	timer  func() bool   // stops what is to come
	life   int           // counts moves: what was set off in an earlier life does not come
	held   *rule         // keeps it from moving on by itself
	parked bool          // it would have
	guest  guestBody     // nil: paper, or none runs, or none yet
	over   chan struct{} // closed when the latest guest is; nil: there was none
	cut    bool          // the latest guest is to be killed
}

// kept is what a restart of the simulator keeps of a machine.
type kept struct {
	shape
	ID          string
	Name        string
	Comment     string
	Description string
	Template    string // id
	Original    string // id of the template that it was made from
	Cluster     string // id
	Body        Body
	Disks       []attachment
	NICs        []nic
	Tags        []string // ids
	Quota       string   // id; empty: the data center's own
	Pool        string   // id; empty: of none
	Taken       string   // the user who was given it, of a pool's machine
	Doomed      bool     // its pool was removed: it goes when it is down
	CD          string   // the file in its drive
	Snapshots   []snapshot
	Foreign     bool
	By          string // the user who made it

	Status     Status
	Since      time.Time
	Created    time.Time
	Started    time.Time
	Stopped    time.Time
	StopReason string
	Host       string // id, while it runs
	RunOnce    bool
	Ran        bool            // it has run: its own initialization has been given
	Given      *initialization // to the guest by the latest start; nil: none

	Removing   bool
	RolledBack bool
	Failing    bool // no host will run it
	Deaf       bool
	Lifetime   time.Duration
}

// initialization is what cloud-init is given.
type initialization struct {
	CustomScript string `xml:"custom_script"`
	HostName     string `xml:"host_name"`
	UserName     string `xml:"user_name"`
	RootPassword string `xml:"root_password"`
	SSHKeys      string `xml:"authorized_ssh_keys"`
	Timezone     string `xml:"timezone"`
	DNSServers   string `xml:"dns_servers"`
	DNSSearch    string `xml:"dns_search"`
	Regenerate   *bool  `xml:"regenerate_ssh_keys"`
	Cards        []card `xml:"nic_configurations>nic_configuration"`
}

// card says how a guest is to set up a network card.
type card struct {
	Name     string   `xml:"name"`
	Protocol string   `xml:"boot_protocol"`
	OnBoot   bool     `xml:"on_boot"`
	IP       *address `xml:"ip"`
	IPv6     *address `xml:"ipv6"`
}

type address struct {
	Address string `xml:"address"`
	Gateway string `xml:"gateway"`
	Netmask string `xml:"netmask"`
	Version string `xml:"version"`
}

func (h *shape) vcpus() int { return h.Sockets * h.Cores * h.Threads }

// next is what follows by itself, after how long.
func (v *vm) next(t Times) (do func(*Sim, *vm), after time.Duration) {
	switch {
	case v.Status == ImageLocked && (v.Removing || v.RolledBack):
		after = t.Remove
		if v.RolledBack && !v.Removing {
			after += t.Lock
		}
		return (*Sim).vanish, after
	case v.Status == ImageLocked:
		return func(s *Sim, v *vm) { s.move(v, Down, disksMade) }, t.Lock
	case v.Status == WaitForLaunch && v.Failing:
		return func(s *Sim, v *vm) { s.down(v, "", noHost) }, t.Launch
	case v.Status == WaitForLaunch:
		return (*Sim).launch, t.Launch
	case v.Status == PoweringUp:
		return func(s *Sim, v *vm) { s.move(v, Up, "") }, t.Boot
	case v.Status == Up && v.Lifetime > 0 && v.Body == Paper:
		return func(s *Sim, v *vm) { s.down(v, "", "its guest powered off") }, v.Lifetime
	case v.Status == PoweringDown && !v.Deaf && !v.lives():
		return func(s *Sim, v *vm) { s.down(v, "", "its guest powered off, as it was told") }, t.PowerOff
	}
	return nil, 0
}

// move brings v to another state, writes that down, and sets off what follows. s.mu
// is held. If we die between the journal and the state, the journal has what the next
// life sees again, or does not see; Open makes up for that.
func (s *Sim) move(v *vm, to Status, why string) {
	v.Status, v.Since = to, s.clock.Now()
	s.note(Moved, v, Entry{Why: why})
	s.save(v)
	s.follow(v)
}

// follow sets off what follows by itself from v's state.
func (s *Sim) follow(v *vm) {
	v.life++
	if v.timer != nil {
		v.timer()
	}
	v.timer, v.parked = nil, false
	do, after := v.next(s.model.Times)
	if do == nil {
		return
	}
	life := v.life
	at := v.Since.Add(after)
	v.timer = s.clock.AfterFunc(max(0, at.Sub(s.clock.Now())), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if v.life != life || s.closed {
			return
		}
		if v.held != nil {
			v.parked = true
			return
		}
		do(s, v)
	})
}

// release lets a held machine go on. s.mu is held.
func (s *Sim) release(v *vm) {
	v.held = nil
	if !v.parked {
		return
	}
	v.parked = false
	if do, _ := v.next(s.model.Times); do != nil {
		do(s, v)
	}
}

// launch: a host has it, and its guest begins.
func (s *Sim) launch(v *vm) {
	s.move(v, PoweringUp, "")
	if !v.Body.runs() {
		return
	}
	v.over, v.cut = make(chan struct{}), false
	start, over := s.guestStart(v), v.over
	s.wg.Go(func() {
		defer close(over)
		s.boot(v, start)
	})
}

// down: it runs no more. reason is what the engine says of it.
func (s *Sim) down(v *vm, reason, why string) {
	v.Stopped, v.StopReason = s.clock.Now(), reason
	v.Host, v.Failing, v.Deaf, v.Lifetime, v.RunOnce, v.held = "", false, false, 0, false, nil
	if p := s.pools.all[v.Pool]; p != nil && p.Kind == automaticPool {
		v.Taken = ""
	}
	s.move(v, Down, why)
	if v.Doomed {
		s.doom(v)
	}
}

// vanish: it exists no more.
func (s *Sim) vanish(v *vm) {
	v.life++
	why := "it was removed"
	if v.RolledBack && !v.Removing {
		why = "the engine took the order back"
	}
	delete(s.vms, v.ID)
	s.note(Gone, v, Entry{Why: why})
	s.forget(v)
	for _, a := range v.Disks {
		if d := s.disks.all[a.Disk]; d != nil && d.Machine == v.ID {
			s.dropDisk(d)
		}
	}
}

// switchOff ends a machine without asking its guest.
func (s *Sim) switchOff(v *vm, reason, why string) {
	if !v.lives() {
		s.down(v, reason, why)
		return
	}
	v.StopReason, v.cut = reason, true
	if v.Status != PoweringDown {
		s.move(v, PoweringDown, why)
	}
	if v.guest != nil {
		v.guest.Kill() // and it is down when its guest is seen dead
	}
}

// lives: there is a guest, or one is starting.
func (v *vm) lives() bool {
	if v.over == nil {
		return false
	}
	select {
	case <-v.over:
		return false
	default:
		return true
	}
}

// cloudInit says what the start of a machine gives to its guest; nil: nothing.
// An engine gives a machine's own initialization when it is told to use it, and by
// itself at the first start of an operating system that it knows.
func (v *vm) cloudInit(a actionIn) *initialization {
	use := v.OS != "other" && !strings.HasPrefix(v.OS, "windows") && !v.Ran
	switch {
	case a.VM != nil && a.VM.Initialization != nil:
		return a.VM.Initialization
	case a.UseCloudInit != nil:
		use = *a.UseCloudInit
	case a.UseInitialization != nil && *a.UseInitialization:
		use = true
	}
	if !use {
		return nil
	}
	return v.Init
}
