package ovirtsim_test

import (
	"fmt"
	"time"

	"gridburst/gahp/ovirtsim"
)

// A model is data, and so is what goes wrong; a clock of the test's own says when.
func ExampleOpen() {
	model, err := ovirtsim.ParseModel([]byte(`
times: {lock: 30s, launch: 2s, boot: 1m}
hosts:
  - {name: h1, memory_mb: 4096, cores: 4}
templates:
  - {name: worker, version: 2, memory_mb: 1024}
vms:
  - {name: theirs, status: up}
rules:
  - {show: unknown, for: 1h}    # the engine cannot see its hosts
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	clock := ovirtsim.NewClock()
	sim, err := ovirtsim.Open(model, ovirtsim.Options{Clock: clock})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sim.Close()
	fmt.Println(len(sim.Rules()), "rule")
	clock.Advance(time.Hour)
	fmt.Println(len(sim.Rules()), "rules")
	for _, m := range sim.Machines() {
		fmt.Println(m.Name, m.Status, "foreign:", m.Foreign)
	}
	// Output:
	// 1 rule
	// 0 rules
	// theirs up foreign: true
}
