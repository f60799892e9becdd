// Command gworker is the agent of one machine: it runs jobs for a schedd.
package main

import (
	"os"

	"gridburst/cmd/internal/agent"
	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(agent.Worker)) }
