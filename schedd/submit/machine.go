package submit

import (
	"strings"

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
}

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
