package ovirtsim

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/internal/whole"
)

// In a state directory:
//
//	journal        entries, a line each
//	ca.pem ca.key  the authority
//	vms/ID.json    a machine; disks/, templates/, tags/ and so on: other things
//	images/        of disks, as they were uploaded
//	guests/ID/     the disk and console of a body that runs
//	boot/          what qemu bodies boot from, while the simulator runs
//	ready          made when the model's machines are all there; the form of all this is in it
//	lock           held by the simulator that has the directory
const (
	readyFile = "ready"
	stateForm = "2\n"
	vmsDir    = "vms"
	guestsDir = "guests"
	bootDir   = "boot"
)

// openState reads what an earlier life has left. fresh: there was none.
func (s *Sim) openState() (old []*vm, fresh bool, err error) {
	journalPath := s.o.Journal
	if dir := s.o.State; dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, false, grid.Errorf(grid.Invalid, "the state directory: %w", err)
		}
		if journalPath == "" {
			journalPath = filepath.Join(dir, "journal")
		}
		if s.lock, err = lockDir(dir); err != nil {
			return nil, false, err
		}
		vms := filepath.Join(dir, vmsDir)
		if err := os.MkdirAll(vms, 0o755); err != nil {
			return nil, false, grid.Errorf(grid.Invalid, "the state directory: %w", err)
		}
		form, err := os.ReadFile(filepath.Join(dir, readyFile))
		if fresh = errors.Is(err, fs.ErrNotExist); err != nil && !fresh {
			return nil, false, err
		}
		if !fresh && string(form) != stateForm {
			return nil, false, grid.Errorf(grid.Invalid, "%s was written by another version of this program; remove it to begin anew", dir)
		}
		if !fresh {
			if old, err = readVMs(vms); err != nil {
				return nil, false, err
			}
		}
	} else {
		fresh = true
	}
	if s.keys, err = openAuthority(s.o.State); err != nil {
		return nil, false, err
	}
	s.CA = s.keys.pem
	if err := s.openShelves(fresh); err != nil {
		return nil, false, err
	}
	s.journal, err = openJournal(journalPath)
	return old, fresh, err
}

// openShelves reads what there is beside machines.
func (s *Sim) openShelves(fresh bool) (err error) {
	dir := s.o.State
	if s.disks, err = openShelf[disk](dir, "disks", fresh); err != nil {
		return err
	}
	if s.domains, err = openShelf[domain](dir, "storagedomains", fresh); err != nil {
		return err
	}
	if s.templates, err = openShelf[template](dir, "templates", fresh); err != nil {
		return err
	}
	if s.profiles, err = openShelf[profile](dir, "vnicprofiles", fresh); err != nil {
		return err
	}
	if s.tags, err = openShelf[tag](dir, "tags", fresh); err != nil {
		return err
	}
	if s.pools, err = openShelf[pool](dir, "vmpools", fresh); err != nil {
		return err
	}
	if s.affinities, err = openShelf[affinity](dir, "affinitygroups", fresh); err != nil {
		return err
	}
	return s.openImages()
}

// lockDir takes a directory for this process, as long as the file is open.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "the state directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, grid.Errorf(grid.Refused, "%s belongs to another simulator that runs", dir)
	}
	return f, nil
}

// ready says that the model's machines are there.
func (s *Sim) ready() error {
	if s.o.State == "" {
		return nil
	}
	return whole.Write(filepath.Join(s.o.State, readyFile), []byte(stateForm), 0o644)
}

func readVMs(dir string) (out []*vm, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !strings.HasSuffix(path, ".json") {
			// Written halfway when we died. Its machine is as it was before that.
			if err := os.Remove(path); err != nil {
				return nil, err
			}
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		v := &vm{}
		if err := json.Unmarshal(b, &v.kept); err != nil {
			return nil, grid.Errorf(grid.Invalid, "%s: %w; remove the state directory to begin anew", path, err)
		}
		out = append(out, v)
	}
	return out, nil
}

// takeUp goes on with machines of an earlier life. Hosts have gone on meanwhile, so
// what was due is made up for; bodies that run have ended with the simulator. s.mu is
// held.
func (s *Sim) takeUp(old []*vm) {
	// We may have died between an entry and the machine's file.
	last := map[string]Entry{}
	for _, e := range s.journal.entries {
		if e.VM != "" && e.What != Refused {
			last[e.VM] = e
		}
	}
	for _, v := range old {
		if last[v.ID].What == Gone { // and only its file was left
			s.forget(v)
			continue
		}
		s.vms[v.ID] = v
		if v.Body.runs() && v.Status.running() && v.Status != WaitForLaunch {
			s.down(v, "", "its process ended with the simulator")
			continue
		}
		s.follow(v)
	}
	s.disown()
	for id, e := range last {
		if e.What != Gone && s.vms[id] == nil {
			e.What, e.Why, e.At = Gone, "the simulator died before it was kept", s.clock.Now()
			s.record(e)
		}
	}
}

// disown sorts out disks that an earlier life was killed over: one that was attached to a
// machine that does not know it is nobody's; one of a machine or template that is gone is
// gone as well. s.mu is held.
func (s *Sim) disown() {
	for _, d := range s.disks.sorted() {
		v := s.vms[d.Machine]
		switch {
		case d.Machine != "" && v == nil, d.Template != "" && s.templates.all[d.Template] == nil:
			s.disks.drop(s, d) // its content is swept
		case v != nil && v.attached(d.ID).Disk == "":
			d.Machine = ""
			s.disks.put(s, d)
		}
	}
	for _, v := range s.vms {
		v.Disks = slices.DeleteFunc(v.Disks, func(a attachment) bool { return s.disks.all[a.Disk] == nil })
	}
}

// save keeps a machine. Power cuts are not foreseen, kills are. s.mu is held.
func (s *Sim) save(v *vm) {
	if s.o.State == "" {
		return
	}
	b, err := json.Marshal(v.kept)
	if err == nil {
		err = whole.Write(filepath.Join(s.o.State, vmsDir, v.ID+".json"), b, 0o600)
	}
	if err != nil {
		s.log.WithError(err).WithField("vm", v.Name).Error("a machine is not kept; it will be gone when the simulator ends")
	}
}

// forget undoes save, and drops the guest's disk. s.mu is held.
func (s *Sim) forget(v *vm) {
	if v.Body.runs() && !s.closed { // otherwise the next life removes it
		dir, alive, over := s.guestDir(v), v.lives(), v.over
		s.wg.Go(func() {
			if alive {
				<-over
			}
			if err := os.RemoveAll(dir); err != nil {
				s.log.WithError(err).WithField("vm", v.Name).Warn("a guest's disk stays")
			}
		})
	}
	if s.o.State == "" {
		return
	}
	if err := os.Remove(filepath.Join(s.o.State, vmsDir, v.ID+".json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.WithError(err).WithField("vm", v.Name).Error("a removed machine is still kept; it will be back")
	}
}
