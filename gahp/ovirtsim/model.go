package ovirtsim

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"gridburst/gahp/ovirtsim/guest"
	"gridburst/internal/grid"
)

// Model is what an engine has at first. Its zero value is an engine with one host that
// anybody's test can use: a data center and a cluster Default, a template worker and
// the user admin@internal with the password [Password].
type Model struct {
	DataCenters    []DataCenter    `yaml:"data_centers,omitempty"` // empty: one, Default
	Clusters       []Cluster       `yaml:"clusters,omitempty"`     // empty: one, Default
	Hosts          []Host          `yaml:"hosts,omitempty"`        // empty: one in each cluster
	Templates      []Template      `yaml:"templates,omitempty"`    // empty: one, worker. Blank is always there
	Users          []User          `yaml:"users,omitempty"`        // empty: admin@internal
	Quotas         []Quota         `yaml:"quotas,omitempty"`
	StorageDomains []StorageDomain `yaml:"storage_domains,omitempty"` // a data center without any has two: data-NAME and iso-NAME
	Pools          []Pool          `yaml:"pools,omitempty"`
	VMs            []VM            `yaml:"vms,omitempty"` // are foreign: no user of the API has made them

	Body      Body          `yaml:"body,omitempty"` // of machines whose template says nothing; empty: paper
	Hardware  Hardware      `yaml:"hardware,omitempty"`
	Times     Times         `yaml:"times,omitempty"`
	Pace      *Pace         `yaml:"pace,omitempty"`        // of the machines' clock; nil: the real time's
	Rules     []Rule        `yaml:"rules,omitempty"`       // in force from the start
	Seed      uint64        `yaml:"seed,omitempty"`        // of the rules that work by chance
	MACs      int           `yaml:"macs,omitempty"`        // in the pool; 0: enough
	MaxVMName int           `yaml:"max_vm_name,omitempty"` // letters, the engine's MaxVmNameLength; 0: 64, and no more than 255
	Idle      time.Duration `yaml:"idle,omitempty"`        // after which a session ends; 0: half an hour
	TokenFor  time.Duration `yaml:"token_for,omitempty"`   // how long a token holds at most; 0: 100 hours
}

// Password is the one of admin@internal where a model names no users.
const Password = "not-a-secret"

// Times says how long a machine takes. Zero: no time at all.
type Times struct {
	Lock     time.Duration `yaml:"lock,omitempty"`      // to make its disks
	Launch   time.Duration `yaml:"launch,omitempty"`    // to find a host
	Boot     time.Duration `yaml:"boot,omitempty"`      // from there until it is up
	Report   time.Duration `yaml:"report,omitempty"`    // from there until the guest reports addresses
	PowerOff time.Duration `yaml:"power_off,omitempty"` // a paper guest, to heed a shutdown
	Remove   time.Duration `yaml:"remove,omitempty"`    // to vanish
}

// Body is what a machine is beside its states.
type Body string

// Bodies.
const (
	Paper   Body = "paper"   // nothing
	Process Body = "process" // see package guest
	QEMU    Body = "qemu"    // a kernel of its own boots; as well
)

// Hardware is what machines with the body qemu have in common.
type Hardware struct {
	Kernel string            `yaml:"kernel,omitempty"` // the directory with boot/vmlinuz-* and lib/modules, where a package is unpacked; empty: /
	Reach  map[string]string `yaml:"reach,omitempty"`  // all that they reach: by HOST:PORT in their network, 10.0.2.0/24, one of this machine
}

// DataCenter is one.
type DataCenter struct {
	Name      string `yaml:"name"`
	QuotaMode string `yaml:"quota_mode,omitempty"` // disabled (if empty), audit, enabled
}

// Cluster is one.
type Cluster struct {
	Name       string `yaml:"name"`
	DataCenter string `yaml:"data_center,omitempty"` // empty: the first
	OverCommit int    `yaml:"over_commit,omitempty"` // of memory, percent; 0: 100
}

// Host is one.
type Host struct {
	Name     string `yaml:"name"`
	Cluster  string `yaml:"cluster,omitempty"`   // empty: the first
	MemoryMB int64  `yaml:"memory_mb,omitempty"` // 0: 1 TiB
	Cores    int    `yaml:"cores,omitempty"`     // 0: 256
	Status   string `yaml:"status,omitempty"`    // empty: up
}

// StorageDomain is where disks are, or files to boot from.
type StorageDomain struct {
	Name       string `yaml:"name"`
	DataCenter string `yaml:"data_center,omitempty"` // empty: the first
	Type       string `yaml:"type,omitempty"`        // data (if empty), iso
	SizeMB     int64  `yaml:"size_mb,omitempty"`     // 0: 4 TiB
	Status     string `yaml:"status,omitempty"`      // active (if empty), maintenance, inactive
}

// Template is what machines are made from. Several may have one name, if their
// versions differ.
type Template struct {
	Name     string `yaml:"name"`
	Version  int    `yaml:"version,omitempty"`   // 0: 1
	Cluster  string `yaml:"cluster,omitempty"`   // empty: the first
	Status   string `yaml:"status,omitempty"`    // ok (if empty), locked, illegal
	MemoryMB int64  `yaml:"memory_mb,omitempty"` // 0: 1024
	Cores    int    `yaml:"cores,omitempty"`     // 0: 1
	DiskMB   int64  `yaml:"disk_mb,omitempty"`   // 0: 1024
	OS       string `yaml:"os,omitempty"`        // empty: other, of which the engine knows nothing
	HA       bool   `yaml:"high_availability,omitempty"`
	Protect  bool   `yaml:"delete_protected,omitempty"`
	Body     Body   `yaml:"body,omitempty"` // empty: the model's
	Image    Image  `yaml:"image,omitempty"`
}

// Image is what the disk of a machine holds whose body runs.
type Image struct {
	Files map[string]string `yaml:"files,omitempty"` // by the path in the guest: a file of this machine, relative to the model's
	Boot  string            `yaml:"boot,omitempty"`  // a shell script that runs at each boot, after cloud-init
}

// User may log in.
type User struct {
	Name     string `yaml:"name"` // with its profile: admin@internal
	Password string `yaml:"password"`
	Locked   bool   `yaml:"locked,omitempty"`    // the right password does not help
	ReadOnly bool   `yaml:"read_only,omitempty"` // orders are answered with 403
}

// Quota limits what machines of a data center use together. It counts where the data
// center's quota mode is enabled.
type Quota struct {
	Name       string `yaml:"name"`
	DataCenter string `yaml:"data_center,omitempty"` // empty: the first
	MemoryMB   int64  `yaml:"memory_mb,omitempty"`   // of those that run; 0: no limit
	Cores      int    `yaml:"cores,omitempty"`       // of those that run; 0: no limit
	StorageMB  int64  `yaml:"storage_mb,omitempty"`  // of all; 0: no limit
}

// Pool is alike machines of which users are given one at a time.
type Pool struct {
	Name       string `yaml:"name"`               // question marks in it stand for a machine's number
	Template   string `yaml:"template,omitempty"` // empty: the first
	Cluster    string `yaml:"cluster,omitempty"`  // empty: the template's
	Size       int    `yaml:"size,omitempty"`     // 0: 1
	Prestarted int    `yaml:"prestarted_vms,omitempty"`
	MaxPerUser int    `yaml:"max_user_vms,omitempty"` // 0: 1
	Type       string `yaml:"type,omitempty"`         // automatic (if empty), manual
	Stateful   bool   `yaml:"stateful,omitempty"`
}

// VM is a machine that was there before.
type VM struct {
	Name        string `yaml:"name"`
	Template    string `yaml:"template,omitempty"` // empty: the first
	Cluster     string `yaml:"cluster,omitempty"`  // empty: the template's
	Status      Status `yaml:"status,omitempty"`   // empty: down. A body that runs begins only from down
	Comment     string `yaml:"comment,omitempty"`
	Description string `yaml:"description,omitempty"`
	MemoryMB    int64  `yaml:"memory_mb,omitempty"` // 0: the template's
	Cores       int    `yaml:"cores,omitempty"`     // 0: the template's
	UserData    string `yaml:"user_data,omitempty"` // cloud-config, given at the first start where the template's OS is one the engine knows
	HostName    string `yaml:"host_name,omitempty"`
	Protect     bool   `yaml:"delete_protected,omitempty"`
}

// ReadModel reads a model file, YAML or JSON. Paths in it are taken from its directory.
func ReadModel(path string) (Model, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Model{}, grid.Errorf(grid.Invalid, "the model: %w", err)
	}
	m, err := ParseModel(b)
	if err != nil {
		return m, grid.Errorf(grid.Invalid, "%s: %w", path, err)
	}
	m.Beside(filepath.Dir(path))
	return m, nil
}

// Beside makes relative paths of the model those of a directory: its file's.
func (m *Model) Beside(dir string) {
	if k := &m.Hardware.Kernel; *k != "" && !filepath.IsAbs(*k) {
		*k = filepath.Join(dir, *k)
	}
	for i := range m.Templates {
		for in, from := range m.Templates[i].Image.Files {
			if !filepath.IsAbs(from) {
				m.Templates[i].Image.Files[in] = filepath.Join(dir, from)
			}
		}
	}
}

// ParseModel reads a model.
func ParseModel(text []byte) (m Model, err error) {
	return m, decode(text, &m)
}

// decode reads YAML, which JSON is too. A key that is not known is an error.
func decode(text []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	err := d.Decode(into)
	if errors.Is(err, io.EOF) {
		return nil // nothing is said, so everything is as without
	}
	if err == nil {
		return nil
	}
	says := strings.TrimPrefix(err.Error(), "yaml: ")
	var all *yaml.TypeError
	if errors.As(err, &all) {
		says = strings.Join(all.Errors, "; ")
	}
	return grid.Errorf(grid.Invalid, "%s", strings.ReplaceAll(says, "ovirtsim.", ""))
}

// filled is m with its defaults, or every reason why it is none.
func (m Model) filled() (Model, error) {
	m.DataCenters = orFirst(m.DataCenters, DataCenter{Name: "Default"})
	m.Clusters = orFirst(m.Clusters, Cluster{Name: "Default"})
	m.Templates = append([]Template{{Name: blankName}}, orFirst(m.Templates, Template{Name: "worker"})...)
	m.Users = orFirst(m.Users, User{Name: "admin@internal", Password: Password})
	m.Hosts, m.Quotas, m.VMs = slices.Clone(m.Hosts), slices.Clone(m.Quotas), slices.Clone(m.VMs)
	if len(m.Hosts) == 0 {
		for i, c := range m.Clusters {
			m.Hosts = append(m.Hosts, Host{Name: fmt.Sprintf("host-%d", i+1), Cluster: c.Name})
		}
	}
	m.Body = cmp.Or(m.Body, Paper)
	m.MaxVMName = cmp.Or(m.MaxVMName, 64)
	m.Idle = cmp.Or(m.Idle, 30*time.Minute)
	m.TokenFor = cmp.Or(m.TokenFor, 100*time.Hour)
	dc, cluster := m.DataCenters[0].Name, m.Clusters[0].Name
	for i := range m.DataCenters {
		m.DataCenters[i].QuotaMode = cmp.Or(m.DataCenters[i].QuotaMode, "disabled")
	}
	for i := range m.Clusters {
		c := &m.Clusters[i]
		c.DataCenter, c.OverCommit = cmp.Or(c.DataCenter, dc), cmp.Or(c.OverCommit, 100)
	}
	for i := range m.Hosts {
		h := &m.Hosts[i]
		h.Cluster, h.Status = cmp.Or(h.Cluster, cluster), cmp.Or(h.Status, "up")
		h.MemoryMB, h.Cores = cmp.Or(h.MemoryMB, 1<<20), cmp.Or(h.Cores, 256)
	}
	m.StorageDomains = slices.Clone(m.StorageDomains)
	for i := range m.StorageDomains {
		m.StorageDomains[i].DataCenter = cmp.Or(m.StorageDomains[i].DataCenter, dc)
	}
	for _, d := range m.DataCenters {
		if !slices.ContainsFunc(m.StorageDomains, func(o StorageDomain) bool { return o.DataCenter == d.Name }) {
			m.StorageDomains = append(m.StorageDomains, StorageDomain{Name: "data-" + d.Name, DataCenter: d.Name}, StorageDomain{Name: "iso-" + d.Name, DataCenter: d.Name, Type: "iso"})
		}
	}
	for i := range m.StorageDomains {
		d := &m.StorageDomains[i]
		d.Type, d.SizeMB, d.Status = cmp.Or(d.Type, "data"), cmp.Or(d.SizeMB, 4<<20), cmp.Or(d.Status, activeDomain)
	}
	for i := range m.Templates {
		t := &m.Templates[i]
		t.Version, t.Status, t.OS, t.Body = cmp.Or(t.Version, 1), cmp.Or(t.Status, "ok"), cmp.Or(t.OS, "other"), cmp.Or(t.Body, m.Body)
		t.MemoryMB, t.Cores = cmp.Or(t.MemoryMB, 1024), cmp.Or(t.Cores, 1)
		if i > 0 { // Blank has no disk and is in no cluster
			t.DiskMB, t.Cluster = cmp.Or(t.DiskMB, 1024), cmp.Or(t.Cluster, cluster)
		}
	}
	for i := range m.Quotas {
		m.Quotas[i].DataCenter = cmp.Or(m.Quotas[i].DataCenter, dc)
	}
	for i := range m.VMs {
		v := &m.VMs[i]
		v.Template, v.Status = cmp.Or(v.Template, m.Templates[1].Name), cmp.Or(v.Status, Down)
	}
	m.Pools = slices.Clone(m.Pools)
	for i := range m.Pools {
		p := &m.Pools[i]
		p.Template = cmp.Or(p.Template, m.Templates[1].Name)
		if k := slices.IndexFunc(m.Templates, func(t Template) bool { return t.Name == p.Template }); k >= 0 {
			p.Cluster = cmp.Or(p.Cluster, m.Templates[k].Cluster)
		}
		p.Size, p.MaxPerUser, p.Type = cmp.Or(p.Size, 1), cmp.Or(p.MaxPerUser, 1), cmp.Or(p.Type, automaticPool)
	}
	return m, m.check()
}

func orFirst[T any](list []T, first T) []T {
	if len(list) > 0 {
		return slices.Clone(list)
	}
	return []T{first}
}

// check lists everything that is wrong with a filled model.
func (m Model) check() error {
	c := checker{seen: map[string]bool{}}
	if m.MaxVMName < 1 || m.MaxVMName > 255 {
		c.bad("max_vm_name is between 1 and 255, and not %d", m.MaxVMName)
	}
	for _, d := range m.DataCenters {
		c.once("data center", d.Name)
		c.oneOf("data center "+d.Name+": quota_mode", d.QuotaMode, "disabled", "audit", "enabled")
	}
	for _, d := range m.Clusters {
		c.once("cluster", d.Name)
		c.known("cluster "+d.Name, "data center", d.DataCenter)
	}
	for _, d := range m.StorageDomains {
		c.once("storage domain", d.Name)
		c.known("storage domain "+d.Name, "data center", d.DataCenter)
		c.oneOf("storage domain "+d.Name+": type", d.Type, "data", "iso")
		c.oneOf("storage domain "+d.Name+": status", d.Status, activeDomain, "maintenance", "inactive")
	}
	for _, d := range m.DataCenters {
		if !slices.ContainsFunc(m.StorageDomains, func(o StorageDomain) bool { return o.DataCenter == d.Name && o.Type == "data" }) {
			c.bad("data center %s: it has no storage domain for disks", d.Name)
		}
	}
	for _, h := range m.Hosts {
		c.once("host", h.Name)
		c.known("host "+h.Name, "cluster", h.Cluster)
	}
	for i, t := range m.Templates {
		c.once("template", fmt.Sprintf("%s version %d", t.Name, t.Version))
		c.seen["template "+t.Name] = true
		if i > 0 {
			c.known("template "+t.Name, "cluster", t.Cluster)
		}
		c.oneOf("template "+t.Name+": status", t.Status, "ok", "locked", "illegal")
		c.oneOf("template "+t.Name+": body", string(t.Body), string(Paper), string(Process), string(QEMU))
		for in := range t.Image.Files {
			if !inImage(in) {
				c.bad("template %s: an image can hold files below %s, not %q", t.Name, strings.Join(imageDirs, ", "), in)
			}
		}
	}
	for _, u := range m.Users {
		c.once("user", u.Name)
		if !strings.Contains(u.Name, "@") {
			c.bad("user %s: a name carries its profile, as %s@internal", u.Name, u.Name)
		}
	}
	for _, q := range m.Quotas {
		c.once("quota", q.Name)
		c.known("quota "+q.Name, "data center", q.DataCenter)
	}
	for _, p := range m.Pools {
		c.once("pool", p.Name)
		c.known("pool "+p.Name, "template", p.Template)
		c.known("pool "+p.Name, "cluster", p.Cluster)
		c.oneOf("pool "+p.Name+": type", p.Type, automaticPool, manualPool)
		if !vmName.MatchString(strings.ReplaceAll(p.Name, "?", "0")) {
			c.bad("pool %q: a name has letters, digits, '_', '-', '.' and question marks", p.Name)
		}
		if p.Size < 1 || p.Prestarted < 0 || p.Prestarted > p.Size || p.MaxPerUser < 1 {
			c.bad("pool %s: it has at least one machine, at least one for each user, and prestarts no more than it has", p.Name)
		}
	}
	for _, v := range m.VMs {
		c.once("vm", v.Name)
		c.known("vm "+v.Name, "template", v.Template)
		if v.Cluster != "" {
			c.known("vm "+v.Name, "cluster", v.Cluster)
		}
		if !vmName.MatchString(v.Name) || len(v.Name) > m.MaxVMName {
			c.bad("vm %q: a name has letters, digits, '_', '-' and '.', at most %d", v.Name, m.MaxVMName)
		}
		if !slices.Contains(statuses, v.Status) {
			c.bad("vm %s: there is no status %s", v.Name, v.Status)
		}
	}
	for in, out := range m.Hardware.Reach {
		if err := guest.CheckReach(in, out); err != nil {
			c.bad("hardware: %v", err)
		}
	}
	if p := m.Pace; p != nil && (p.From.IsZero() || p.Speed <= 0) {
		c.bad("pace: it has the instant that it runs from, and a speed above 0")
	}
	for i, r := range m.Rules {
		if err := r.check(); err != nil {
			c.bad("rule %d: %v", i+1, err)
		}
	}
	if len(c.wrong) > 0 {
		return grid.Errorf(grid.Invalid, "the model makes no sense: %s", strings.Join(c.wrong, "; "))
	}
	return nil
}

type checker struct {
	seen  map[string]bool
	wrong []string
}

func (c *checker) bad(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

func (c *checker) once(kind, name string) {
	switch key := kind + " " + name; {
	case name == "":
		c.bad("a %s has no name", kind)
	case c.seen[key]:
		c.bad("there are two of %s", key)
	default:
		c.seen[key] = true
	}
}

func (c *checker) known(who, kind, name string) {
	if !c.seen[kind+" "+name] {
		c.bad("%s: there is no %s %s", who, kind, name)
	}
}

func (c *checker) oneOf(who, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.bad("%s is %q and not %s", who, value, strings.Join(allowed, ", "))
	}
}

var vmName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,255}$`)

// imageDirs is where a guest's own disk is; the rest is this machine's.
var imageDirs = []string{"/etc", "/home", "/opt", "/root", "/srv", "/usr/local", "/var"}

func inImage(p string) bool {
	return filepath.Clean(p) == p && slices.ContainsFunc(imageDirs, func(d string) bool { return strings.HasPrefix(p, d+"/") })
}

const (
	blankName = "Blank"
	blankID   = "00000000-0000-0000-0000-000000000000"
)

// idOf is the id of a thing of the model. It is the same at every start.
func idOf(kind, name string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + name))
	return formatID(sum[:16])
}

func formatID(b []byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
