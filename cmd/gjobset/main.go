// Command gjobset hands in job sets, and shows and removes them.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(cli.JobSets)) }
