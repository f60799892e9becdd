package cli

import (
	"github.com/spf13/cobra"
)

// Burst is gburst.
func Burst(d *Deps) *cobra.Command {
	c := &cobra.Command{
		Use:   "gburst",
		Short: "Machines that are brought up for jobs that the pool cannot run soon",
		Long: `Show, steer and try out the pools of virtual machines that are brought up for jobs which
the pool cannot run soon, and let go again.
` + ExitHelp,
	}
	c.AddCommand(burstCommands(d)...)
	c.AddCommand(replayCommand(d))
	return c
}
