package ec2

import "gridburst/gahp"

// What tests look at without a server.
var (
	StateOf = stateOf
	Failed  = failed
)

// Remarked is a machine's mark, read and written again.
func Remarked(vm *gahp.VM) (string, bool) {
	m, ours := markOf(vm)
	return m.String(), ours
}
