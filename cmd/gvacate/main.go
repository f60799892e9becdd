// Command gvacate stops jobs where they run.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(cli.Vacate)) }
