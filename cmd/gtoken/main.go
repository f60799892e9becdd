// Command gtoken lets workers of other hosts join.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(cli.Token)) }
