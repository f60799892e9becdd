package ovirtsim

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"gridburst/gahp/ovirtsim/guest"
	"gridburst/internal/grid"
	"gridburst/internal/qemu"
)

// guestBody is a guest that runs.
type guestBody interface {
	Shutdown() // asks it to power off
	Kill()     // ends it
	Done() <-chan struct{}
	End() string // of one that is done: how it ended
}

// runs: there is something beside the states.
func (b Body) runs() bool { return b == Process || b == QEMU }

// userData is what an engine writes on the disk that cloud-init reads: a cloud-config
// of its own, in block style, with the custom script behind it as it is. So a script
// has to be the rest of a YAML mapping: keys at the beginning of lines. One in braces
// makes the whole no YAML, and a first line that names another format is a comment.
func userData(i *initialization) string {
	config := yaml.Node{Kind: yaml.MappingNode}
	put := func(key string, value any) {
		var k, v yaml.Node
		if k.Encode(key) == nil && v.Encode(value) == nil { // plain values
			config.Content = append(config.Content, &k, &v)
		}
	}
	put("output", map[string]string{"all": ">> /var/log/cloud-init-output.log"})
	put("user", cmp.Or(i.UserName, "root"))
	put("disable_root", false)
	put("runcmd", []string{`sed -i '/^datasource_list: /d' /etc/cloud/cloud.cfg; echo 'datasource_list: ["NoCloud", "ConfigDrive"]' >> /etc/cloud/cloud.cfg`})
	put("chpasswd", map[string]bool{"expire": false})
	put("ssh_pwauth", true)
	if i.Timezone != "" {
		put("timezone", i.Timezone)
	}
	if i.RootPassword != "" {
		put("password", i.RootPassword)
	}
	if i.Regenerate != nil {
		put("ssh_deletekeys", *i.Regenerate)
	}
	b, err := yaml.Marshal(&config)
	if err != nil {
		return "#cloud-config\n" + i.CustomScript
	}
	return "#cloud-config\n" + string(b) + i.CustomScript
}

// canRun makes room for the bodies that the model wants, and sees whether this machine
// can have them.
func (s *Sim) canRun() error {
	wanted := map[Body]bool{}
	for _, t := range s.model.Templates {
		wanted[t.Body] = true
	}
	if s.o.State != "" { // an earlier life may have been killed
		if err := os.RemoveAll(s.boots()); err != nil {
			return err
		}
	}
	if s.o.State == "" && (wanted[Process] || wanted[QEMU]) {
		dir, err := os.MkdirTemp("", "ovirtsim")
		if err != nil {
			return err
		}
		s.scratch = dir
	}
	if wanted[Process] {
		if err := s.probe(); err != nil {
			return err
		}
	}
	if wanted[QEMU] {
		return s.pack()
	}
	return nil
}

// probe starts a process body.
func (s *Sim) probe() error {
	dir := filepath.Join(s.guests(), "probe")
	g, err := guest.Start(guest.Config{Dir: dir})
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	g.Kill()
	<-g.Done()
	return os.RemoveAll(dir)
}

// pack makes what qemu bodies boot from.
func (s *Sim) pack() error {
	if err := guest.Bootable(); err != nil {
		return err
	}
	var err error
	if s.kernel, err = qemu.FindKernel(s.model.Hardware.Kernel); err != nil {
		return err
	}
	if err := os.MkdirAll(s.boots(), 0o755); err != nil {
		return err
	}
	for _, t := range s.model.Templates {
		if t.Body != QEMU {
			continue
		}
		if err := guest.Pack(s.bootOf(t.Image), s.kernel, t.Image.Files, t.Image.Boot); err != nil {
			return grid.Errorf(grid.Invalid, "the image of template %s: %w", t.Name, err)
		}
	}
	return nil
}

// boots has what qemu bodies boot from, as long as the simulator runs.
func (s *Sim) boots() string { return filepath.Join(cmp.Or(s.o.State, s.scratch), bootDir) }

// bootOf is what an image boots from: the same for a template that was made from a machine
// as for the one that the machine was made from.
func (s *Sim) bootOf(i Image) string {
	return filepath.Join(s.boots(), idOf("boot", fmt.Sprintf("%q %q", i.Files, i.Boot)))
}

// guests is where bodies have their disks.
func (s *Sim) guests() string { return filepath.Join(cmp.Or(s.o.State, s.scratch), guestsDir) }

func (s *Sim) guestDir(v *vm) string { return filepath.Join(s.guests(), v.ID) }

// guestStart is how v's guest is started, as its latest start has it. s.mu is held.
func (s *Sim) guestStart(v *vm) func() (guestBody, error) {
	var image Image
	if t := s.templates.all[v.Original]; t != nil {
		image = t.Image
	}
	c := guest.Config{
		Dir: s.guestDir(v), Cores: v.vcpus(), MemoryMB: v.Memory >> 20,
		Files: image.Files, Boot: image.Boot,
	}
	if v.Given != nil {
		c.HostName, c.UserData = v.Given.HostName, userData(v.Given)
	}
	if v.Body == Process {
		return func() (guestBody, error) { return guest.Start(c) }
	}
	h := guest.Hardware{
		Kernel: s.kernel, Initramfs: s.bootOf(image), ID: newID(), Name: v.Name, Reach: s.model.Hardware.Reach,
	}
	for _, a := range v.Disks {
		if d := s.disks.all[a.Disk]; d != nil && (h.DiskMB == 0 || a.Bootable) {
			h.DiskMB = d.Size >> 20
		}
	}
	return func() (guestBody, error) { return guest.Boot(c, h) }
}

// boot starts the guest of a machine that is powering up, and sees it to its end.
func (s *Sim) boot(v *vm, start func() (guestBody, error)) {
	g, err := start()
	if err != nil {
		s.log.WithError(err).WithField("vm", v.Name).Error("a guest does not start")
		s.guestEnded(v, "its guest did not start: "+err.Error())
		return
	}
	s.mu.Lock()
	v.guest = g
	switch { // what was ordered before there was a guest to hear it
	case s.closed || s.vms[v.ID] != v || v.cut:
		g.Kill()
	case v.Status == PoweringDown && !v.Deaf:
		g.Shutdown()
	}
	s.mu.Unlock()
	<-g.Done()
	s.guestEnded(v, g.End())
}

func (s *Sim) guestEnded(v *vm, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.guest = nil
	if !s.closed && s.vms[v.ID] == v {
		s.down(v, v.StopReason, why)
	}
}

// sweep removes the disks of guests whose machines are gone.
func (s *Sim) sweep() error {
	entries, err := os.ReadDir(s.guests())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		if s.vms[e.Name()] == nil {
			errs = append(errs, os.RemoveAll(filepath.Join(s.guests(), e.Name())))
		}
	}
	return errors.Join(errs...)
}
