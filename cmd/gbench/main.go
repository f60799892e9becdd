// Command gbench measures this system beside its machine and its peers.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(command)) }
