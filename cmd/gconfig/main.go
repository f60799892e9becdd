// Command gconfig looks at a schedd's configuration.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
	"gridburst/cmd/internal/daemon"
)

func main() { os.Exit(cli.Main(daemon.Config)) }
