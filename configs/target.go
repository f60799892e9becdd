package configs

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Target is how a system outside of the pool is reached that runs jobs: target "batch slurm",
// target "condor NAME POOL", target "gridburst NAME". A Slurm that is not named is reached by
// the commands in the schedd's PATH; of others there are many, and jobs may go to those that
// are named.
type Target struct {
	Resource string   // as a grid_resource names it
	Bin      string   // directory of its commands; empty: the PATH's
	Env      []string // that its commands need, NAME=VALUE
	Schedd   string   // of a Gridburst: its schedd's socket or directory; empty: its name is that
	Spool    bool     // files of jobs travel there and back: its machines share no directory with this one
}

func (f *file) target(b *hclsyntax.Block) Target {
	t := Target{Resource: b.Labels[0]}
	kind, rest, _ := strings.Cut(strings.ToLower(strings.TrimSpace(t.Resource)), " ")
	switch words := len(strings.Fields(rest)); {
	case kind == "batch" && strings.TrimSpace(rest) != "slurm":
		f.unknown(b.LabelRanges[0], "batch system", rest, []string{"slurm"})
	case kind == "condor" && words != 1 && words != 2:
		f.fail(b.LabelRanges[0], "a target of HTCondor is a schedd's name and perhaps its pool", `As in: target "condor schedd@example.com cm.example.com"`)
	case kind == "gridburst" && words != 1:
		f.fail(b.LabelRanges[0], "a target that is a Gridburst has one name", `As in: target "gridburst other", with schedd = "/srv/other/schedd.sock" in it`)
	case kind != "batch" && kind != "condor" && kind != "gridburst":
		f.unknown(b.LabelRanges[0], "kind of target", kind, []string{"batch", "condor", "gridburst"})
	}
	files := "shared"
	keys := []key{
		{"bin", text(&t.Bin)},
		{"environment", texts(&t.Env)},
	}
	if kind == "condor" || kind == "gridburst" {
		keys = append(keys, key{"files", choice(&files, "shared", "spool")})
	}
	if kind == "gridburst" {
		keys = append(keys, key{"schedd", text(&t.Schedd)})
	}
	f.keys(b, keys)
	t.Spool = files == "spool"
	return t
}
