// Command gchaos kills the programs of a grid while jobs run on it, and judges.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(command)) }
