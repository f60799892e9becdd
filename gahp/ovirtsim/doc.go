// Package ovirtsim is an oVirt engine for machines that have none.
//
// It serves the engine's own wire (HTTPS, single sign-on, XML) and shares nothing with
// the client beside it: where the two disagree about an engine, a test fails. A test
// starts a cloud on one line:
//
//	sim := ovirtsim.Start(t, ovirtsim.Model{})
//	// sim.URL, sim.CA, the user admin@internal with the password ovirtsim.Password
//
// In order of reading: a [Model] says what the engine has at first, as a literal or a
// file (model.go); [Sim] holds its machines under one lock (sim.go), each going through
// its states by a clock that a test may own (vm.go, clock.go); life.go has the table of
// which order meets what in which state, and the engine's words for it. service.go is a
// request from its first byte to its last, login.go who it is from, order.go what has
// an effect, view.go and inventory_view.go what is shown. What machines have, and what
// there is beside them, is by its name: disk.go, attachment.go, nic.go, template.go, tag.go
// and so on, each kept on a shelf (shelf.go) and each with its orders and its view.
//
// What goes wrong is data: a [Rule] says which calls it meets and what becomes of them,
// and may come and go at run time (rule.go; [Sim.Admin] over a socket). What happened is
// data too: the [Entry]s of the journal, written before anybody is answered, are what a
// judge of the engine's clients reads.
//
// # Time
//
// With [Options].Clock a [ManualClock], machines move in [ManualClock.Advance] and at no
// other time. Calls are delayed by the real time, and inside a testing/synctest bubble
// all is the bubble's. Sockets do not become idle in a bubble: call [Sim.ServeHTTP]
// there.
//
// # What survives
//
// With [Options].State machines, their disks, the rest that was made, the authority and the
// journal outlive the simulator. What the model says is there again, also where an order
// has removed it. Hosts go on without their engine, so machines on paper do as well; guests
// that run end with the simulator, and so do sessions, jobs and image transfers.
// A kill is foreseen at each line, a power cut is not: nothing is synced.
//
// # What is not simulated
//
// Suspending, rebooting and migrating by order, changing hosts, clusters and
// networks, permissions beyond read-only users. A snapshot keeps a machine's shape, and
// not what is on its disks; an image is taken as it comes and is not converted. What a
// process body writes is no image.
//
// Programs of the oVirt project run against it unmodified: .ci/ovirt-clients.
//
// What is shown is compared with recorded answers of real engines: make ovirt-coverage.
package ovirtsim
