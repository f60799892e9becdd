package ovirtsim

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"gridburst/gahp/ovirtsim/guest"
)

// guestBody is a guest that runs.
type guestBody interface {
	Shutdown() // asks it to power off
	Kill()     // ends it
	Done() <-chan struct{}
}

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

// canRun makes room for the bodies that the model wants, and a guest to see whether
// this machine can have them.
func (s *Sim) canRun() error {
	if !slices.ContainsFunc(s.model.Templates, func(t Template) bool { return t.Body == Process }) {
		return nil
	}
	if s.o.State == "" {
		dir, err := os.MkdirTemp("", "ovirtsim")
		if err != nil {
			return err
		}
		s.scratch = dir
	}
	dir := filepath.Join(s.guests(), "probe")
	g, err := guest.Start(guest.Config{Dir: dir})
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	g.Kill()
	<-g.Done()
	return os.RemoveAll(dir)
}

// guests is where process bodies have their disks.
func (s *Sim) guests() string { return filepath.Join(cmp.Or(s.o.State, s.scratch), guestsDir) }

func (s *Sim) guestDir(v *vm) string { return filepath.Join(s.guests(), v.ID) }

// guestConfig is v's guest, as its latest start has it. s.mu is held.
func (s *Sim) guestConfig(v *vm) guest.Config {
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
	return c
}

// boot starts the guest of a machine that is powering up, and sees it to its end.
func (s *Sim) boot(v *vm, c guest.Config) {
	g, err := guest.Start(c)
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
	if g.Off() {
		s.guestEnded(v, "its guest powered off")
	} else {
		s.guestEnded(v, "its guest was killed")
	}
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
