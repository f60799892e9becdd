// Command gbench measures this system beside its machine and its peers.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/desk"
)

func main() {
	desk.Main() // a row has a schedd in this process
	os.Exit(cli.Main(command))
}
