// Command gschedd is the queue daemon.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
	"gridburst/cmd/internal/daemon"
	"gridburst/internal/desk"
)

func main() {
	desk.Main()
	os.Exit(cli.Main(daemon.Schedd))
}
