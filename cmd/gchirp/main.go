// Command gchirp sets attributes of the ad of the job that it runs in.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(cli.Chirp)) }
