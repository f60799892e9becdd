// Command gcontinue lets suspended jobs go on.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(cli.Continue)) }
