package cli

import (
	"os"

	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

// here is the site of a submission by this process, as the schedd knows its user.
func here(d *Deps, schedd api.Status) (submit.Site, error) {
	dir, err := os.Getwd()
	if err != nil {
		return submit.Site{}, grid.Errorf(grid.Invalid, "the current directory: %w", err)
	}
	s := jobfile.Here(schedd.Domain)
	s.Dir, s.Env, s.Now, s.Own = dir, os.Environ(), d.Now(), schedd.Commands
	if schedd.You.User != "" {
		s.Owner = schedd.You.User
	} else if user := d.Env("USER"); user != "" {
		s.Owner = user
	}
	return s, nil
}
