// Command ovirtsim is an oVirt engine for machines that have none.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
	"gridburst/gahp/ovirtsim/guest"
)

func main() {
	guest.Main() // a guest's first process is this program again
	os.Exit(cli.Main(command))
}
