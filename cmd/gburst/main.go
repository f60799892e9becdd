// Command gburst plans machines for jobs that the pool cannot run soon, and replays how it
// would have gone.
package main

import (
	"os"

	"gridburst/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(cli.Burst)) }
