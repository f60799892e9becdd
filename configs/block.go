package configs

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// blocks are the blocks of a job or workflow file.
type blocks struct {
	jobs      []*hclsyntax.Block // with a name each, no two the same
	workflows []*hclsyntax.Block
	outputs   []*hclsyntax.Block // of a module
}

// blocks sorts a file's blocks and takes its locals and variables, those given from
// outside among them.
func (v *variables) blocks(body *hclsyntax.Body, given map[string]string) blocks {
	var out blocks
	names := map[string]bool{}
	for _, b := range body.Blocks {
		switch b.Type {
		case "job":
			switch {
			case label(b) == "":
				v.file.fail(b.TypeRange, "a job block has a name", `As in: job "wordcount" { ... }`)
			case names[label(b)]:
				v.file.fail(b.LabelRanges[0], "there are two jobs named "+quote(label(b)), "")
			}
			names[label(b)] = true
			out.jobs = append(out.jobs, b)
		case "workflow":
			out.workflows = append(out.workflows, b)
		case "locals":
			v.addLocals(b)
		case "variable":
			v.addVariable(b, given)
		case "output":
			out.outputs = append(out.outputs, b)
		default:
			v.file.unknown(b.TypeRange, "block", b.Type, []string{"job", "workflow", "locals", "variable", "output"})
		}
	}
	for _, a := range sorted(body.Attributes) {
		v.file.fail(a.NameRange, quote(a.Name)+" stands outside of a job block", `As in: job "name" { executable = ... }`)
	}
	return out
}

// label is a block's name; empty: it has none, or several.
func label(b *hclsyntax.Block) string {
	if len(b.Labels) != 1 {
		return ""
	}
	return b.Labels[0]
}
