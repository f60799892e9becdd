// Command gcron shows timetables and bursts by the clock, and acts on them.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(cli.Cron)) }
