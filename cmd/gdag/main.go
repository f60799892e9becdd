// Command gdag runs workflows.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
	"gridburst/cmd/internal/draw"
)

func main() { os.Exit(cli.Main(draw.Workflow)) }
