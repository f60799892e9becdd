package configs

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Target is how a system outside of the pool is reached that runs jobs: target "batch slurm".
// One that is not named is reached by the commands in the schedd's PATH.
type Target struct {
	Resource string   // as a grid_resource names it
	Bin      string   // directory of its commands; empty: the PATH's
	Env      []string // that its commands need, NAME=VALUE
}

func (f *file) target(b *hclsyntax.Block) Target {
	t := Target{Resource: b.Labels[0]}
	kind, rest, _ := strings.Cut(strings.ToLower(strings.TrimSpace(t.Resource)), " ")
	switch {
	case kind == "batch" && strings.TrimSpace(rest) != "slurm":
		f.unknown(b.LabelRanges[0], "batch system", rest, []string{"slurm"})
	case kind != "batch":
		f.unknown(b.LabelRanges[0], "kind of target", kind, []string{"batch"})
	}
	f.keys(b, []key{
		{"bin", text(&t.Bin)},
		{"environment", texts(&t.Env)},
	})
	return t
}
