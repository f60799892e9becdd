package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Chirp is gchirp.
func Chirp(d *Deps) *cobra.Command {
	c := &cobra.Command{
		Use:   "gchirp",
		Short: "From within a job, set attributes of its ad",
		Long: `From within a job, set attributes of its ad.

It works where a job runs, on whatever machine that is, and needs no access to the
queue. A provisioner of a workflow says by ProvisionerState how far it has come: 2 when
all is there, 4 when all is given back.

The attribute changes a second or two later. A job can do the same without this program:
it adds a line such as "ProvisionerState = 2" to the file that $_CONDOR_JOB_ATTRS names.
` + ExitHelp,
	}
	set := &cobra.Command{
		Use: "set NAME VALUE", Aliases: []string{"set_job_attr"}, Short: "Set an attribute to a ClassAd expression", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error { return chirp(d, args[0], args[1]) },
	}
	c.AddCommand(set)
	return c
}

func chirp(d *Deps, name, value string) error {
	path := d.Env("_CONDOR_JOB_ATTRS")
	if path == "" || !filepath.IsAbs(path) {
		return grid.Errorf(grid.Refused, "_CONDOR_JOB_ATTRS is not set: gchirp works within a job")
	}
	if _, err := ad.Parse(value); err != nil {
		return grid.Errorf(grid.Invalid, "%s is no ClassAd expression: %w", grid.Printable(value), err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return grid.Errorf(grid.Refused, "say something of the job: %w", err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s = %s\n", name, value); err != nil {
		return grid.Errorf(grid.Refused, "say something of the job: %w", err)
	}
	return f.Close()
}
