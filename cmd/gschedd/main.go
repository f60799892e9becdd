// Command gschedd is the queue daemon.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
	"gridburst/cmd/internal/daemon"
	"gridburst/internal/desk"
	"gridburst/internal/script"
)

func main() {
	desk.Main()
	script.Main()
	os.Exit(cli.Main(daemon.Schedd))
}
