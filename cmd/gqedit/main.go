// Command gqedit changes attributes of jobs in the queue.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(cli.QueueEdit)) }
