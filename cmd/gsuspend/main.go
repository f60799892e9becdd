// Command gsuspend lets running jobs stand still.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(cli.Suspend)) }
