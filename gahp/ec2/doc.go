// Package ec2 lets HTCondor's gridmanager have oVirt machines: it speaks the verbs of
// HTCondor's EC2 GAHP, and means machines of an engine by them.
//
// [New] makes a [Service], whose [Service.Dialect] a gahp.Serve offers. In order of
// reading: verb.go has the verbs and what stands on their lines; start.go, stop.go and
// status.go are what they do; machine.go says how an instance is known again, fault.go
// what failures are called; size.go, userdata.go and keypair.go are what a start is
// given.
//
// # What is what
//
//	service URL           the engine's: https://HOST/ovirt-engine/api
//	access key file       holds the user's name with its profile, as admin@internal
//	secret key file       holds the password; of mode 0600
//	image                 a template's name
//	instance type         CORESxMEMORY in MiB, as 2x4096 or 2x4G; tiny, small, medium,
//	                      large, xlarge as an engine has them at first; or the template's
//	availability zone     a cluster's name
//	client token          the machine's name is made from it
//	instance              the machine's id
//	user data             a #cloud-config, or a script for its first boot
//	key pair              made for one machine: its public half goes with the user data
//
// pending is a machine on its way up, running one on a host, and stopped one whose
// guest has powered off. A client terminates those that are stopped, which removes
// them; a machine that is not listed is gone. What an engine has no word for (spot
// requests, addresses, volumes, tags, networks, security groups) is refused, and not
// passed over.
//
// # Starting twice
//
// A client token is good for one machine: its name comes from the token, and an engine
// refuses a second machine of a name. A start goes on where an earlier one stopped,
// also one of a process that is dead. Whether a machine has ever run cannot be seen
// from one that is down, so its mark says it as soon as a host has it: a guest that has
// powered off is not booted again.
//
// A start that fails for good leaves nothing behind: what it has made, it removes. A
// stop is done when the machine is gone, so that what it says can be believed. Both
// give up before their client does. A listing that began before a start ended, and ends
// after it, says what the start has made: a client takes what is not listed for gone.
//
// # What survives a crash
//
// Nothing here; what is known of a machine is in its name and its mark. The private
// half of a key pair is in its file, and a pair that is made again is the one that is
// there.
//
// Of a machine whose start was broken off, because its GAHP died, the client knows the
// token alone, for no listing has a machine before it has run. It starts it again. If it
// does not want it any more, the machine, which is down, is taken away an hour after it
// was made, by whoever lists machines then; one that runs is listed, and ended.
package ec2
