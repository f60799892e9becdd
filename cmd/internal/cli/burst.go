package cli

import (
	"github.com/spf13/cobra"
)

// Burst is gburst.
func Burst(d *Deps) *cobra.Command {
	c := &cobra.Command{
		Use:   "gburst",
		Short: "Try out how many machines are brought up for jobs that the pool cannot run soon",
		Long: `Try out how many virtual machines are brought up for jobs that the pool cannot run soon,
and which are let go.
` + ExitHelp,
	}
	c.AddCommand(replayCommand(d))
	return c
}
