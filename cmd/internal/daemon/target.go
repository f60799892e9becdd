package daemon

import (
	"cmp"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"gridburst/configs"
	"gridburst/internal/grid"
	"gridburst/schedd"
	"gridburst/schedd/target"
	"gridburst/schedd/target/condor"
	"gridburst/schedd/target/gridburst"
	"gridburst/schedd/target/slurm"
)

// ways is what the configuration says of the ways to them. The environment of its commands, and
// the place of a Gridburst's schedd, say which system it is; and what is left there by jobs whose
// files travel is found in no other way.
func ways(list []configs.Target) (out []schedd.TargetWay) {
	for _, t := range list {
		leads := append(slices.Sorted(slices.Values(t.Env)), t.Schedd, strconv.FormatBool(t.Spool))
		out = append(out, schedd.TargetWay{Resource: t.Resource, Leads: strings.Join(leads, "\n"), Means: t.Bin})
	}
	return out
}

// targets gives access to the systems outside of the pool that grid_resource may name, by
// what the configuration says of them.
func targets(list []configs.Target) func(string, target.Commands) (target.Target, error) {
	own := target.Owner{Name: "schedd", UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	if u, err := user.Current(); err == nil {
		own.Name = u.Username
	}
	return func(resource string, run target.Commands) (target.Target, error) {
		said, named := configs.Target{Resource: resource}, false
		for _, t := range list {
			if strings.EqualFold(strings.Join(strings.Fields(t.Resource), " "), resource) {
				said, named = t, true
			}
		}
		switch f := strings.Fields(said.Resource); {
		case len(f) == 2 && strings.EqualFold(f[0], "batch") && strings.EqualFold(f[1], "slurm"):
			return slurm.New(run, slurm.Options{Bin: said.Bin, Env: said.Env, Own: own}), nil
		case named && len(f) > 1 && strings.EqualFold(f[0], "condor"):
			o := condor.Options{Name: f[1], Pool: strings.Join(f[2:], ""), Bin: said.Bin, Env: said.Env, Own: own}
			if said.Spool {
				return condor.NewSpool(run, o), nil
			}
			return condor.New(run, o), nil
		case named && len(f) == 2 && strings.EqualFold(f[0], "gridburst"):
			o := gridburst.Options{Schedd: cmp.Or(said.Schedd, f[1]), Bin: said.Bin, Env: said.Env, Own: own}
			if said.Spool {
				return gridburst.NewSpool(run, o), nil
			}
			return gridburst.New(run, o), nil
		}
		return nil, grid.Errorf(grid.Invalid, "this schedd has no way to %[1]s: its configuration has no target %[1]q", resource)
	}
}
