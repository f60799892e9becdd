package guest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const outputLog = "/var/log/cloud-init-output.log"

// booting is one boot of a guest.
type booting struct {
	n     *nursery
	out   *os.File      // the log of what runs
	again bool          // the guest has rebooted
	stop  chan struct{} // closed when the guest ends
	end   chan bool     // gets whether to come back, when cloud-init wants it to end
}

// boot is what happens in a guest from its start on. It ends early when the guest does.
func (b booting) boot(s spec) {
	var err error
	if b.out, err = os.OpenFile(outputLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640); err != nil {
		logf("guest: %v", err)
		return
	}
	defer b.out.Close()
	b.setHostName(s.HostName)
	var c cloudConfig
	if s.UserData != "" {
		if c, err = parseCloudConfig(s.UserData); err != nil {
			b.complain("cloud-init: %v", err)
		}
		for _, note := range c.notes {
			b.complain("cloud-init: %s", note)
		}
		b.cloudInit(c)
	}
	if s.Boot != "" {
		b.script("boot script", "/run/boot", "#!/bin/sh\n"+s.Boot)
	}
	if c.powerState != nil && !b.again {
		b.power(c.powerState)
	}
}

// complain says something on the console and in the log.
func (b booting) complain(format string, args ...any) {
	logf(format, args...)
	fmt.Fprintf(b.out, format+"\n", args...)
}

func (b booting) setHostName(name string) {
	if name == "" {
		name = "localhost"
	}
	err := unix.Sethostname([]byte(name))
	if err == nil {
		err = os.WriteFile("/etc/hostname", []byte(name+"\n"), 0o644)
	}
	if err == nil && name != "localhost" {
		err = os.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost "+name+"\n::1 localhost\n"), 0o644)
	}
	if err != nil {
		logf("guest: the host name: %v", err)
	}
}

// cloudInit carries out the modules in cloud-init's order. What is done once for an
// instance is not done again after a reboot.
func (b booting) cloudInit(c cloudConfig) {
	if c.hostname != "" {
		b.setHostName(c.hostname)
	}
	b.script("bootcmd", "/run/bootcmd", c.bootcmd)
	if b.again {
		return
	}
	for _, late := range []bool{false, true} {
		for _, f := range c.files {
			if f.late != late {
				continue
			}
			if err := f.write(); err != nil {
				b.complain("cloud-init: write_files: %v", err)
				break // as cloud-init, whose module has failed
			}
		}
	}
	b.script("runcmd", "/var/lib/cloud/runcmd", c.runcmd)
	logf("cloud-init: done")
}

// script runs a shell script to its end, if there is one.
func (b booting) script(what, path, text string) (ok bool) {
	if text == "" {
		return true
	}
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		logf("guest: %s: %v", what, err)
		return false
	}
	ws, err := b.n.run([]string{"/bin/sh", path}, []string{"PATH=" + searchPath}, b.out)
	switch {
	case errors.Is(err, errEnding):
		return false
	case err != nil:
		logf("guest: %s: %v", what, err)
		return false
	case ws.ExitStatus() != 0:
		logf("guest: %s ended with status %d; see %s", what, ws.ExitStatus(), outputLog)
		return false
	}
	return true
}

// power does what power_state says.
func (b booting) power(p *powerState) {
	if !b.script("condition of power_state", "/run/power-state", p.condition) {
		return
	}
	t := time.NewTimer(time.Duration(p.delay) * time.Minute)
	defer t.Stop()
	select {
	case <-t.C:
		b.end <- p.mode == "reboot"
	case <-b.stop:
	}
}

// write makes a file as write_files does.
func (f file) write() error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if f.more {
		flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	w, err := os.OpenFile(f.path, flags, 0o600)
	if err != nil {
		return err
	}
	_, err = w.Write(f.content)
	if err == nil {
		err = unix.Fchmod(int(w.Fd()), f.mode)
	}
	if err == nil && f.owner != "" {
		err = own(w, f.owner)
	}
	return errors.Join(err, w.Close())
}

// own gives a file to user:group, by name or number.
func own(w *os.File, owner string) error {
	name, group, _ := strings.Cut(owner, ":")
	uid, gid := -1, -1
	if name != "" {
		id := name
		if u, err := user.Lookup(name); err == nil {
			id = u.Uid
		}
		var err error
		if uid, err = strconv.Atoi(id); err != nil {
			return fmt.Errorf("there is no user %s", name)
		}
	}
	if group != "" {
		id := group
		if g, err := user.LookupGroup(group); err == nil {
			id = g.Gid
		}
		var err error
		if gid, err = strconv.Atoi(id); err != nil {
			return fmt.Errorf("there is no group %s", group)
		}
	}
	return w.Chown(uid, gid)
}
