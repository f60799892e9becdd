package daemon

import (
	"os"
	"os/user"
	"strings"

	"gridburst/configs"
	"gridburst/internal/grid"
	"gridburst/schedd/target"
	"gridburst/schedd/target/slurm"
)

// targets gives access to the systems outside of the pool that grid_resource may name, by
// what the configuration says of them.
func targets(list []configs.Target) func(string, target.Commands) (target.Target, error) {
	own := target.Owner{Name: "schedd", UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	if u, err := user.Current(); err == nil {
		own.Name = u.Username
	}
	return func(resource string, run target.Commands) (target.Target, error) {
		said := configs.Target{Resource: resource}
		for _, t := range list {
			if strings.EqualFold(strings.Join(strings.Fields(t.Resource), " "), resource) {
				said = t
			}
		}
		f := strings.Fields(resource)
		switch {
		case len(f) == 2 && f[0] == "batch" && f[1] == "slurm":
			return slurm.New(run, slurm.Options{Bin: said.Bin, Env: said.Env, Own: own}), nil
		}
		return nil, grid.Errorf(grid.Invalid, "this schedd has no way to %s: it can hand jobs to batch slurm", resource)
	}
}
