// Command gprio changes the priority of jobs.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(cli.Prio)) }
