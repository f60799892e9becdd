// Command gschedd is the queue daemon.
package main

import (
	"fmt"
	"os"

	"gridburst/cmd/internal/cli"
	"gridburst/cmd/internal/daemon"
	"gridburst/internal/desk"
)

func main() {
	// A desk is this same program, with the rights of a user.
	if len(os.Args) == 2 && os.Args[1] == desk.Arg {
		if err := desk.Serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(cli.ExitFailed)
		}
		return
	}
	os.Exit(cli.Main(daemon.Schedd))
}
