package schedd

import (
	"cmp"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/cloudconfig"
)

// Resource is an engine that the daemon may have virtual machines of.
type Resource struct {
	Name string
	URL  string // of the engine's API

	// Username and PasswordFile are the daemon's own credential, for machines that
	// it starts by itself. Jobs that are machines bring their own.
	Username     string
	PasswordFile string
	CAFile       string   // of the engine's certificate; empty: the system's authorities
	GAHP         []string // the command that speaks to the engine

	// Price is what a machine costs for an hour from its start, in Currency; 0: nobody
	// says. It is billed in advance for each BillingPeriod (0: a minute) that is begun, and
	// for MinBill at least. Budget is what the machines may cost.
	Price         float64
	Currency      string
	BillingPeriod time.Duration
	MinBill       time.Duration
	Budget        []Allowance

	MaxVMs int // open claims at a time; 0: no bound
	// Further bounds of claims, 0: none. Those that wait and those whose fate is not known
	// count as any other.
	MaxVMsPerUser int // open ones, of jobs of one user
	MaxVMsPerHour int // wished for within an hour, whatever became of them

	MaxVMTime time.Duration // how long a machine may be; 0: 7 days
	Create    bool          // jobs may make machines from templates
	Borrow    []string      // names, as shell patterns, of machines that jobs may borrow

	Burst *Burst // machines for jobs that the pool cannot run soon; nil: none

	retired bool // it is not configured any more, and machines of it are there
}

// Burst is the machines that a resource gives to the pool.
type Burst struct {
	Template    string
	Cluster     string            // empty: the template's
	Cores       int               // of a machine
	MemoryMB    int64             // of a machine
	DiskKB      int64             // that jobs find there; 0: 10 GiB
	Attrs       map[string]string // ClassAd expressions that its workers offer beside their own
	MaxVMs      int               // 0: as many as the resource may have
	MinVMs      int               // kept although they are idle, once they are up
	Idle        time.Duration     // before a machine is drained; 0: for as long as is worth while
	BootTime    time.Duration     // from the wish to the worker's arrival, until enough machines have shown it; 0: 1 min
	JoinTimeout time.Duration     // from the start to the worker's arrival; 0: 10 min
	Wait        time.Duration     // how long a job waits before it counts
	UserData    string            // a cloud-config that guests carry out too: see package cloudconfig
	KeepFailed  time.Duration     // how long a machine stays whose worker did not join, for somebody to look at it

	InstanceType string   // its name; of the machine, beside cores and memory
	Quota        string   // its name
	Affinity     []string // names of affinity groups of the machine's cluster
	Tags         []string

	Schedd string // https://HOST:PORT by which guests reach the daemon; empty: the first name and the port it listens on
}

func (r *Resource) complete() error {
	bad := func(format string, args ...any) error {
		return grid.Errorf(grid.Invalid, "resource "+r.Name+": "+format, args...)
	}
	u, err := url.Parse(r.URL)
	switch {
	case r.Name == "" || strings.ContainsAny(r.Name, " /\n"):
		return grid.Errorf(grid.Invalid, "a resource is named %q: a word is needed", r.Name)
	case err != nil || u.Host == "":
		return bad("%q is not the URL of an engine", r.URL)
	}
	for _, p := range r.Borrow {
		if _, err := path.Match(p, ""); err != nil {
			return bad("borrow: %q is no pattern of names", p)
		}
	}
	if err := completeBudget(r.Budget); err != nil {
		return bad("%w", err)
	}
	if len(r.Budget) > 0 && r.Currency == "" {
		return bad("a budget needs a price")
	}
	r.MaxVMTime = cmp.Or(r.MaxVMTime, 7*24*time.Hour)
	b := r.Burst
	if b == nil {
		return nil
	}
	if b.Template == "" || r.Username == "" || r.PasswordFile == "" {
		return bad("burst needs a template, and a username and password_file of the daemon's own")
	}
	if b.Cores < 1 || b.MemoryMB < 1 {
		return bad("burst needs cores and memory: what its machines will offer is decided on")
	}
	if _, err := cloudconfig.Merge(b.UserData, []cloudconfig.File{{Path: guestDir + "/ca.pem"}, {Path: guestDir + "/token"}}, nil); err != nil {
		return bad("burst: user_data: %w", err)
	}
	for _, n := range slices.Concat(b.Tags, b.Affinity) {
		if n == "" || strings.Contains(n, ",") {
			return bad("burst: %q is no name of a tag or an affinity group", n)
		}
	}
	b.JoinTimeout = cmp.Or(b.JoinTimeout, 10*time.Minute)
	b.BootTime = cmp.Or(b.BootTime, defaultBootTime)
	b.DiskKB = cmp.Or(b.DiskKB, 10<<20)
	return nil
}

// borrows reports whether jobs may borrow a machine of that name.
func (r *Resource) borrows(name string) bool {
	return slices.ContainsFunc(r.Borrow, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

// resource finds a configured one by its name.
func (d *Daemon) resource(name string) *Resource {
	for i := range d.config().Resources {
		if d.config().Resources[i].Name == name {
			return &d.config().Resources[i]
		}
	}
	return nil
}

// resourceAt finds the configured one that a job's URL means.
func (d *Daemon) resourceAt(url string) *Resource {
	for i := range d.config().Resources {
		if sameURL(d.config().Resources[i].URL, url) {
			return &d.config().Resources[i]
		}
	}
	return nil
}

// sameURL compares URLs as their readers understand them.
func sameURL(a, b string) bool {
	norm := func(s string) string {
		u, err := url.Parse(strings.TrimSpace(s))
		if err != nil {
			return s
		}
		u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
		u.Path = strings.TrimRight(u.Path, "/")
		return u.String()
	}
	return norm(a) == norm(b)
}
