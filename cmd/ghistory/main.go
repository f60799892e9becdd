// Command ghistory shows jobs that have left the queue.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(cli.History)) }
