// Command gcorpus judges submit and DAG files of other people.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
	"gridburst/cmd/internal/corpus"
)

func main() { os.Exit(cli.Main(corpus.Command)) }
