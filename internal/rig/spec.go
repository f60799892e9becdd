package rig

import (
	"context"
	"time"

	"gridburst/internal/jobfile"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

// Lower reads a submit file as gsubmit would in dir, for programs that hand in many.
func Lower(ctx context.Context, c *api.Client, dir, src string) ([]submit.Spec, error) {
	status, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	site := submit.Site{Dir: dir, Now: time.Now(), Owner: status.You.User, FileSystemDomain: status.Domain, Arch: jobfile.Arch(), OpSys: "LINUX"}
	specs, diags := jobfile.Lower("rig.sub", []byte(src), false, "", site)
	if diags.HasErrors() {
		return nil, diags.Err()
	}
	return specs, nil
}
