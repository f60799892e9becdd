package cli

import (
	"os"
	"os/user"

	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

// here is the site of a submission by this process.
func here(d *Deps, schedd api.Status) (submit.Site, error) {
	dir, err := os.Getwd()
	if err != nil {
		return submit.Site{}, grid.Errorf(grid.Invalid, "the current directory: %w", err)
	}
	s := submit.Site{
		Dir: dir, Env: os.Environ(), Now: d.Now(), Owner: schedd.You.User, FileSystemDomain: schedd.Domain,
		Arch: jobfile.Arch(), OpSys: "LINUX",
	}
	s.OpSysVer, s.OpSysAndVer = jobfile.Release()
	if s.Owner == "" {
		s.Owner = d.Env("USER")
	}
	if u, err := user.Current(); s.Owner == "" && err == nil {
		s.Owner = u.Username
	}
	if s.FileSystemDomain == "" {
		s.FileSystemDomain, _ = os.Hostname()
	}
	return s, nil
}
