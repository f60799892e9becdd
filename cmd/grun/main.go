// Command grun is a whole grid on one machine: it shows one, or keeps one up.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(command)) }
