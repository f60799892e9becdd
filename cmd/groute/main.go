// Command groute shows the routes by which jobs leave the pool, and tries them.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(cli.Routes)) }
