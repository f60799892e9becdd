package submit

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Machine is the virtual machine that a grid job is. The job's attributes:
//
//	GridResource       "ovirt URL", or "deltacloud URL" as the old files have it
//	OvirtUsername      DeltacloudUsername                 as in admin@internal
//	OvirtPasswordFile  DeltacloudPasswordFile             full path; the password itself is in no ad
//	OvirtTemplate      DeltacloudImageId                  the template to make the machine from
//	OvirtVM            DeltacloudInstanceName             or the name of the machine to borrow
//	OvirtCluster       DeltacloudRealmId                  empty: the template's
//	OvirtMemory        DeltacloudHardwareProfileMemory    MiB; 0: the template's
//	OvirtCpus          DeltacloudHardwareProfileCpu       0: the template's
//	OvirtUserData      DeltacloudUserData                 cloud-config, given to the machine
//	OvirtUserDataFile                                     a file that holds it; full path
//	OvirtInstanceType                                     a size by name, where memory and cpus are 0
//	OvirtQuota                                            that it counts in
//	OvirtAffinityGroups, OvirtTags                        names, separated by commas
//	OvirtKeepOnFailure                                    seconds that a machine stays when its job is held for it
//	OvirtReuse                                            seconds that it waits, when its guest has powered off, for another job that asks for the same
//	OvirtSnapshot                                         the name of a template to be made of it before it is removed
//	OvirtMachineLog                                       a file to be written of what the engine tells of it; full path
type Machine struct {
	URL          string
	Username     string
	PasswordFile string
	Template     string
	Borrow       string // the name of a machine that exists; Template is empty then
	Cluster      string
	MemoryMB     int64
	Cpus         int64
	UserData     string
	UserDataFile string
	InstanceType string
	Quota        string
	Affinity     []string
	Tags         []string
	Keep         time.Duration
	Reuse        time.Duration
	Snapshot     string
	Log          string
}

// maxSeconds is how long a machine may wait for something.
const maxSeconds = 30 * 24 * 3600

// MachineOf is the machine of a grid job.
func MachineOf(a *ad.Ad) (Machine, error) {
	kind, url, ok := strings.Cut(strings.TrimSpace(a.Text("GridResource")), " ")
	m := Machine{URL: strings.TrimSpace(url)}
	prefix := ""
	switch strings.ToLower(kind) {
	case "ovirt":
		prefix = "Ovirt"
		m.Template, m.Borrow, m.Cluster = a.Text("OvirtTemplate"), a.Text("OvirtVM"), a.Text("OvirtCluster")
		m.MemoryMB, m.Cpus = a.Int("OvirtMemory", 0), a.Int("OvirtCpus", 0)
		m.UserDataFile = a.Text("OvirtUserDataFile")
		m.InstanceType, m.Quota, m.Snapshot, m.Log = a.Text("OvirtInstanceType"), a.Text("OvirtQuota"), a.Text("OvirtSnapshot"), a.Text("OvirtMachineLog")
		m.Affinity, m.Tags = machineNames(a.Text("OvirtAffinityGroups")), machineNames(a.Text("OvirtTags"))
		for name, d := range map[string]*time.Duration{"OvirtKeepOnFailure": &m.Keep, "OvirtReuse": &m.Reuse} {
			seconds := a.Int(name, -1)
			if a.Has(name) && (seconds < 0 || seconds > maxSeconds) {
				return Machine{}, grid.Errorf(grid.Invalid, "%s is no number of seconds, at most %d", name, maxSeconds)
			}
			*d = time.Duration(max(seconds, 0)) * time.Second
		}
	case "deltacloud":
		prefix = "Deltacloud"
		m.Template, m.Borrow, m.Cluster = a.Text("DeltacloudImageId"), a.Text("DeltacloudInstanceName"), a.Text("DeltacloudRealmId")
		m.MemoryMB, _ = grid.ParseSize(a.Text("DeltacloudHardwareProfileMemory"), 1<<20)
		m.Cpus, _ = grid.ParseSize(a.Text("DeltacloudHardwareProfileCpu"), 1)
	default:
		return Machine{}, grid.Errorf(grid.Invalid, "GridResource %q names no virtual machine: its type is ovirt or deltacloud", a.Text("GridResource"))
	}
	m.Username, m.PasswordFile, m.UserData = a.Text(prefix+"Username"), a.Text(prefix+"PasswordFile"), a.Text(prefix+"UserData")
	if !ok || m.URL == "" || m.Username == "" || m.PasswordFile == "" || m.Template == "" && m.Borrow == "" {
		return Machine{}, grid.Errorf(grid.Invalid, "a virtual machine job needs a URL in GridResource, a user, a password file, and a template or a machine to borrow")
	}
	if m.Borrow != "" {
		m.Template = ""
	}
	return m, nil
}

func machineNames(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// Alike reports whether a machine that was made for m will do for another job, once it is
// started anew: what it was made of is the same.
func (m Machine) Alike(o Machine) bool {
	rest := func(m Machine) Machine {
		m.UserData, m.UserDataFile, m.Keep, m.Reuse, m.Snapshot, m.Log = "", "", 0, 0, "", ""
		m.Affinity, m.Tags = nil, nil
		return m
	}
	return slices.Equal(m.Affinity, o.Affinity) && slices.Equal(m.Tags, o.Tags) && reflect.DeepEqual(rest(m), rest(o))
}

// setVirtualMachine sets what a grid job needs.
func (l *lowering) setVirtualMachine() {
	for _, name := range []string{"deltacloud_password_file", "ovirt_password_file", "ovirt_user_data_file"} {
		v, ok := l.command(name)
		if !ok {
			continue
		}
		c, _ := CommandNamed(name)
		l.put(c.Attr, KindPath, v, l.iwd...)
		if v.Live || l.iwd[len(l.iwd)-1].live || l.files == nil {
			continue
		}
		file := fullPath(l.iwd[0].s, strings.TrimSpace(v.Text))
		info, ok := l.needFile(v.Pos, "the "+name, file)
		if ok && strings.HasSuffix(name, "password_file") && info.Mode.Perm()&0o077 != 0 {
			l.fail(v.Pos, "the "+name+" "+file+" can be read by others", "Take their rights away: chmod 600 "+file)
		}
	}
	if v, ok := l.command("ovirt_machine_log"); ok {
		l.put("OvirtMachineLog", KindPath, v, l.iwd...)
	}
	if l.universe.number != gridUniverse {
		return
	}
	v, _ := l.command("grid_resource")
	l.put("GridResource", KindString, v)
	need := func(one, other string) {
		if _, ok := l.command(one); ok {
			return
		}
		if other != "" {
			if _, ok := l.command(other); ok {
				return
			}
			l.fail(v.Pos, "a virtual machine job needs "+one+" or "+other, "")
			return
		}
		l.fail(v.Pos, "a virtual machine job needs "+one, "")
	}
	switch kind, _, _ := strings.Cut(fold(strings.TrimSpace(v.Text)), " "); kind {
	case "deltacloud":
		need("deltacloud_username", "")
		need("deltacloud_password_file", "")
		need("deltacloud_instance_name", "deltacloud_image_id")
	case "ovirt":
		need("ovirt_username", "")
		need("ovirt_password_file", "")
		need("ovirt_template", "ovirt_vm")
		l.borrows()
		if both, ok := l.command("ovirt_vm"); ok {
			if _, ok := l.command("ovirt_template"); ok {
				l.fail(both.Pos, "ovirt_vm and ovirt_template are both set", "A job borrows a machine by its name, or makes one from a template.")
			}
		}
	}
}

// ofMade are the commands that a machine which is borrowed has no use for: it is taken as
// it is, and given back.
var ofMade = [...]string{
	"ovirt_affinity_groups", "ovirt_instance_type", "ovirt_keep_on_failure", "ovirt_quota", "ovirt_reuse", "ovirt_snapshot", "ovirt_tags",
}

func (l *lowering) borrows() {
	if _, ok := l.command("ovirt_vm"); !ok {
		return
	}
	for _, name := range ofMade {
		if v, ok := l.command(name); ok {
			l.fail(v.Pos, name+" is not for a machine that is borrowed", "It is started and stopped, and otherwise left as it is.")
		}
	}
}

var gridTypes = [...]string{"ovirt", "deltacloud", "batch", "condor", "gridburst"}

// batchTypes are the systems that batch may name.
var batchTypes = [...]string{"slurm"}

// foreignTypes are those of HTCondor that nothing here serves.
var foreignTypes = [...]string{"arc", "ec2", "gce", "azure", "boinc", "nordugrid", "cream", "gt2", "gt5", "unicore"}

// setGridType decides what a grid job is.
func (l *lowering) setGridType() {
	l.universe.vm = true // also when it is nothing: one thing wrong is enough
	v, ok := l.command("grid_resource")
	if !ok {
		l.fail(l.job.Queue.Pos, "grid_resource attribute not defined for grid universe job", "Write grid_resource = batch slurm, or grid_resource = ovirt https://...")
		return
	}
	fields := append(strings.Fields(v.Text), "")
	kind := fold(fields[0])
	switch {
	case kind == "batch", kind == "condor", kind == "gridburst":
		l.universe.vm = false
		l.setTarget(v, kind, fields[1:len(fields)-1])
	case !slices.Contains(gridTypes[:], kind):
		detail := "Those that are: " + strings.Join(gridTypes[:], ", ") + "."
		if slices.Contains(foreignTypes[:], kind) {
			detail = "HTCondor hands such jobs to another system. " + detail
		}
		if near := grid.Nearest(kind, gridTypes[:]); near != "" {
			detail = "Did you mean " + quote(near) + "? " + detail
		}
		l.fail(v.Pos, quote(fields[0])+" is not a supported type of grid_resource", detail)
	case len(fields) != 3 || !strings.Contains(fields[1], "://"):
		l.fail(v.Pos, "grid_resource for "+kind+" is a type and a URL", "As in: grid_resource = "+kind+" https://engine.example.com/ovirt-engine/api")
	}
}

// setTarget looks at the rest of a grid_resource that names another system for jobs.
func (l *lowering) setTarget(v Value, kind string, rest []string) {
	switch n := len(rest); {
	case kind == "condor" && n != 1 && n != 2:
		l.fail(v.Pos, "grid_resource for condor is a type, the name of a schedd and perhaps its pool", "As in: grid_resource = condor schedd@example.com cm.example.com")
	case kind == "gridburst" && n != 1:
		l.fail(v.Pos, "grid_resource for gridburst is a type and a name", "As in: grid_resource = gridburst other")
	case kind == "batch" && n != 1:
		l.fail(v.Pos, "grid_resource for batch is a type and a system", "As in: grid_resource = batch slurm")
	case kind == "batch" && !slices.Contains(batchTypes[:], fold(rest[0])):
		l.fail(v.Pos, quote(rest[0])+" is not a supported batch system", "Those that are: "+strings.Join(batchTypes[:], ", ")+".")
	}
}
