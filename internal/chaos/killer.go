package chaos

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/failpoint"
	"gridburst/internal/freeze"
	"gridburst/internal/pause"
)

// killer ends processes: at random instants, and at failpoints that it arms one after
// another.
type killer struct {
	house  *house
	rand   *rand.Rand
	log    io.Writer
	points []failpoint.Point // in the order of this seed
	again  bool              // they are armed again and again, and nothing else is killed
	pause  time.Duration     // between faults, on the average

	programs []failpoint.Program // that are killed; nil: all but keepers of scripts

	random  map[failpoint.Program]int // that were killed at random instants
	stopped map[failpoint.Program]int // that stood still for a while
	wg      sync.WaitGroup            // of those that do now
}

// patience is how many pauses a point is waited for before the next fault; it stays
// armed.
const patience = 10

// run goes on until every point has killed somebody, at least so many kills were made
// in all, and ctx has not ended.
func (k *killer) run(ctx context.Context, kills int) error {
	k.random, k.stopped = map[failpoint.Program]int{}, map[failpoint.Program]int{}
	defer k.wg.Wait()
	left := k.points
	programs := k.programs
	if programs == nil {
		programs = []failpoint.Program{failpoint.Schedd, failpoint.Agent, failpoint.Runner, failpoint.GAHP, failpoint.Desk}
	}
	for {
		_, died, err := k.house.passed()
		if err != nil {
			return err
		}
		missing := 0
		for _, p := range k.points {
			if died[p.Name] == 0 {
				missing++
			}
		}
		if missing == 0 && k.total(died) >= kills {
			return nil
		}
		if k.again && len(left) == 0 {
			left = k.points
		}
		if len(left) > 0 {
			if err := k.at(ctx, left[0]); err != nil {
				return err
			}
			left = left[1:]
		}
		if err := pause.For(ctx, time.Duration((0.5+k.rand.Float64())*float64(k.pause))); err != nil {
			return err
		}
		if k.again || len(left) == 0 && k.total(died) >= kills {
			continue // what is left needs time to get there
		}
		harm := k.anyOf
		if k.rand.IntN(4) == 0 {
			harm = k.stop
		}
		if err := harm(programs[k.rand.IntN(len(programs))]); err != nil {
			return err
		}
		if err := pause.For(ctx, time.Duration((0.5+k.rand.Float64())*float64(k.pause))); err != nil {
			return err
		}
	}
}

// at arms a point and waits for a death there, for a while.
func (k *killer) at(ctx context.Context, p failpoint.Point) error {
	if err := k.house.arm(p); err != nil {
		return err
	}
	fmt.Fprintf(k.log, "arm %s\n", p.Name)
	for begun := time.Now(); k.house.armedNow(p.Name) && time.Since(begun) < patience*k.pause; {
		if err := pause.For(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// anyOf kills one process of the program, if there is one.
func (k *killer) anyOf(of failpoint.Program) error {
	list, err := k.house.victims(of)
	if err != nil || len(list) == 0 {
		return err
	}
	p := list[k.rand.IntN(len(list))]
	if p.Kill() {
		k.random[of]++
		fmt.Fprintf(k.log, "kill %s %d\n", of, p.PID)
	}
	return nil
}

// stop has one process of the program stand still for a while, if there is one: within
// the lease of a worker, or beyond it.
func (k *killer) stop(of failpoint.Program) error {
	list, err := k.house.victims(of)
	if err != nil || len(list) == 0 {
		return err
	}
	p := list[k.rand.IntN(len(list))]
	if freeze.Process(p.PID) != nil {
		return nil // it has ended meanwhile
	}
	still := time.Duration(k.rand.ExpFloat64() * float64(2*time.Second))
	k.stopped[of]++
	fmt.Fprintf(k.log, "stop %s %d for %s\n", of, p.PID, still.Round(time.Millisecond))
	k.wg.Go(func() {
		time.Sleep(still) // however the run ends: nobody else wakes it
		p.Signal(unix.SIGCONT)
	})
	return nil
}

// total is how many processes were killed.
func (k *killer) total(died map[string]int) (n int) {
	for _, c := range died {
		n += c
	}
	for _, c := range k.random {
		n += c
	}
	return n
}
