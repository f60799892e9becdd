package conform

import (
	"testing"
	"time"

	"gridburst/gahp"
)

// Harness is what the suite needs of those who run it.
type Harness struct {
	// Start makes a world for one case. What it starts ends with t.
	Start func(t *testing.T) World
}

// World is one engine that holds the [Stock], and a way to it that is judged.
type World struct {
	// Provider is judged, as a schedd has it: one that does not fence by itself goes
	// behind gahp.Fenced.
	Provider gahp.Provider

	// Inject lets a fault happen until heal is called, which may be never, or twice.
	// An engine that cannot have it skips t and says why.
	Inject func(t testing.TB, f Fault) (heal func())

	// Machines is what is true at the engine, asked past the provider and its faults:
	// all machines that exist, foreign ones too.
	Machines func(t testing.TB) []Machine

	// Pass lets a little time pass at the engine: it moves the engine's clock on by
	// about d and returns. Nil: the engine has the real clock, and the suite waits d.
	Pass func(d time.Duration)
}

// Machine is the truth about a machine.
type Machine struct {
	ID          string
	Name        string
	State       gahp.State
	Mark        string
	Description string
	Template    string // its name
	Version     int    // of the template
	MemoryMB    int64
	Cores       int
	HostName    string
	UserData    string // kept by the machine
	Booted      string // user data that its latest start gave to the guest; empty: none yet

	InstanceType string // its name; empty: none
	Quota        string // its name, if one was asked for
	Affinity     string // names of its groups, in order, separated by commas
	Tags         string // likewise
}

// Inventory is what an engine holds at first.
type Inventory struct {
	Cluster   string // the only one; every template's and machine's
	Templates []gahp.Template
	Machines  []Machine // of ID, Template and Booted the engine's own choice

	InstanceTypes []gahp.Template // of which name, memory and cores count
	Quotas        []string        // names
	Affinity      []string        // names of affinity groups
}

// Names in the [Stock].
const (
	Cluster    = "Default"
	Worker     = "worker"     // a template in two versions, the newest of 1024 MiB and 2 cores
	Unfinished = "unfinished" // a template that is locked
	Foreign    = "gb-someone-elses"
	Medium     = "Medium"  // an instance type of 4096 MiB and 2 cores
	Project    = "project" // a quota without limits
	Apart      = "apart"   // an affinity group
)

// Stock is what the engine of each case holds at first. It has memory and quota for
// two hundred machines of 512 MiB.
func Stock() Inventory {
	return Inventory{
		Cluster: Cluster,
		Templates: []gahp.Template{
			{Name: Worker, Version: 1, State: "ok", MemoryMB: 512, Cores: 1},
			{Name: Worker, Version: 2, State: "ok", MemoryMB: 1024, Cores: 2},
			{Name: Unfinished, Version: 1, State: "locked", MemoryMB: 512, Cores: 1},
		},
		Machines: []Machine{{
			Name: Foreign, State: gahp.Up, Description: "not ours", MemoryMB: 512, Cores: 1,
		}},
		InstanceTypes: []gahp.Template{{Name: Medium, MemoryMB: 4096, Cores: 2}},
		Quotas:        []string{Project},
		Affinity:      []string{Apart},
	}
}

// Fault is something that an engine, or the way to it, does wrong as long as it is
// injected.
type Fault string

const (
	// LoseAnswer: what has an effect is carried out, and its answer never comes: the
	// connection ends in its place.
	LoseAnswer Fault = "lose answer"
	// LoseRequest: what would have an effect is heard and not carried out, and the
	// connection ends.
	LoseRequest Fault = "lose request"
	// Silent: no call is carried out or answered; its connection stays.
	Silent Fault = "silent"
	// Down: the engine cannot be reached.
	Down Fault = "down"
	// BadCredential: the engine refuses the credential in every call.
	BadCredential Fault = "bad credential"
	// NoCapacity: no host fits a machine that is to start.
	NoCapacity Fault = "no capacity"
	// OverQuota: a Create would pass a quota.
	OverQuota Fault = "over quota"
	// BrokenListing: a listing breaks off when some of it has come.
	BrokenListing Fault = "broken listing"
	// SlowCreate: the engine is busy with a Create, and keeps its name, until it is
	// healed or for half a second.
	SlowCreate Fault = "slow create"
	// LongLock: machines made meanwhile stay locked until it is healed.
	LongLock Fault = "long lock"
	// SlowBoot: machines started meanwhile do not come up until it is healed.
	SlowBoot Fault = "slow boot"
	// DeafGuest: guests do not heed a Shutdown.
	DeafGuest Fault = "deaf guest"
	// GuestPowersOff: guests started meanwhile power off when they are up.
	GuestPowersOff Fault = "guest powers off"
	// RollBack: machines made meanwhile are taken back by the engine, some time after
	// it has taken the order.
	RollBack Fault = "roll back"
	// HostLost: the engine sees no running machine's host: their states are unknown.
	HostLost Fault = "host lost"
)
