// Command gadm looks after a schedd and its queue file.
package main

import (
	"os"

	"gridburst/cmd/internal/adm"
	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(adm.Command)) }
