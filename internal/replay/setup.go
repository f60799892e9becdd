package replay

import (
	"cmp"
	"time"

	"gridburst/configs"
	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/router"
)

// Shape is a kind of machine that can be had.
type Shape struct {
	Name     string
	Cpus     int64
	MemoryMB int64
	Max      int           // at one time
	Min      int           // kept though nobody needs them
	Idle     time.Duration // before one is let go; 0: the policy decides
	Boot     time.Duration // half of the machines take no longer until they serve
	Price    float64       // of an hour; 0: none
	Period   time.Duration // what is begun of it is paid for; 0: by the second
}

// Setup is what a workload is replayed against.
type Setup struct {
	Shapes   []Shape
	Currency string
	Seed     uint64
	Faults   bool // machines that take ten times as long or never come, answers that are lost, quotas that are hit
}

// noBound is the most machines where a configuration has no bound.
const noBound = 10_000

// noPeriod is a billing period that makes no difference: machines take longer to go.
const noPeriod = 3 * time.Minute

// SetupOf is what a configuration says of machines for the pool.
func SetupOf(file *configs.Schedd, seed uint64, faults bool) (*Setup, error) {
	set := &Setup{Seed: seed, Faults: faults}
	for i := range file.Resources {
		r := &file.Resources[i]
		b := r.Burst
		if b == nil {
			continue
		}
		most := cmp.Or(b.MaxVMs, r.MaxVMs, noBound)
		if r.MaxVMs > 0 {
			most = min(most, r.MaxVMs)
		}
		period := r.Period
		if r.Price == 0 || period <= noPeriod {
			period = 0
		}
		set.Shapes = append(set.Shapes, Shape{
			Name: r.Name, Period: period, Cpus: int64(b.Cores), MemoryMB: b.MemoryMB - b.MemoryMB/16, Max: most, Min: b.MinVMs, Idle: b.IdleTime, Boot: b.BootTime, Price: r.Price,
		})
		if r.Currency != "" && set.Currency != "" && r.Currency != set.Currency {
			return nil, grid.Errorf(grid.Invalid, "machines of %s cost %s and others %s: costs in two currencies are not compared", r.Name, r.Currency, set.Currency)
		}
		set.Currency = cmp.Or(r.Currency, set.Currency)
	}
	return set, set.check()
}

// What an engine is like. The spread is of the logarithm of a boot; the rest is only there
// with faults.
const (
	bootSpread  = 0.35
	createEvery = 2 * time.Second        // 30 a minute
	createTakes = 500 * time.Millisecond // until a call is answered
	lookTakes   = 5 * time.Second        // from a drain until the machine is stopped
	stopTakes   = 10 * time.Second       // from there until it is gone

	slowShare = 0.05 // of machines
	slowTimes = 10
	lostShare = 0.02 // never come
	giveUp    = 10 * time.Minute
	blindRate = 0.01 // of calls: made, and nobody is told
	blindFor  = time.Minute
	quotaPart = 0.8 // of the cap is what is left in a bad hour
	quotaHour = time.Hour
	quotaDay  = 24 * time.Hour // of which one is bad
)

func (s *Setup) check() error {
	if len(s.Shapes) == 0 {
		return grid.Errorf(grid.Invalid, "there is no kind of machine to bring up: the configuration has no resource with a burst block")
	}
	for i := range s.Shapes {
		if c := &s.Shapes[i]; c.Cpus < 1 || c.Max < 1 || c.Boot <= 0 {
			return grid.Errorf(grid.Invalid, "machines of %s need cores, a largest number and a boot_time", c.Name)
		}
	}
	return nil
}

// offer is what a machine has when nothing runs on it.
func (c *Shape) offer() router.Resources {
	return router.Resources{Cpus: c.Cpus, MemoryMB: c.MemoryMB, DiskKB: 1 << 40}
}

// class is what its ad says.
func (c *Shape) class(id uint32) *router.Class {
	a := ad.New(4)
	a.SetString("Arch", "X86_64")
	a.SetString("OpSys", "LINUX")
	a.SetBool("Requirements", true)
	a.SetString("Machine", c.Name)
	return &router.Class{ID: id, Ad: a}
}
