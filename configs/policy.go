package configs

import (
	"slices"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/submit"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Policy is a rule of the configuration for jobs in the queue: policy "hold" "NAME".
type Policy struct {
	Kind    string // hold, release, remove, vacate
	Name    string
	When    *ad.Expr
	Reason  *ad.Expr // nil: the reason names the policy
	SubCode *ad.Expr // nil: 0
}

// Requirement is a rule for jobs that are submitted: submit_requirement "NAME".
type Requirement struct {
	Name    string
	When    *ad.Expr
	Reason  *ad.Expr // nil: the refusal names the rule
	Warning bool
}

var policyKinds = []string{"hold", "release", "remove", "vacate"}

func (f *file) policy(b *hclsyntax.Block) Policy {
	p := Policy{Kind: b.Labels[0], Name: b.Labels[1]}
	if !slices.Contains(policyKinds, p.Kind) {
		f.unknown(b.LabelRanges[0], "kind of policy", p.Kind, policyKinds)
	}
	f.keys(b, []key{
		{"when", required(expression(&p.When))},
		{"reason", expression(&p.Reason)},
		{"subcode", expression(&p.SubCode)},
	})
	return p
}

func (f *file) requirement(b *hclsyntax.Block) Requirement {
	r := Requirement{Name: b.Labels[0]}
	f.keys(b, []key{
		{"when", required(expression(&r.When))},
		{"reason", expression(&r.Reason)},
		{"warning", boolean(&r.Warning)},
	})
	return r
}

// command is a submit command of the site's own: submit_command "NAME".
func (f *file) command(b *hclsyntax.Block) submit.OwnCommand {
	o := submit.OwnCommand{Name: b.Labels[0]}
	before := len(f.diags)
	f.keys(b, []key{{"type", required(text(&o.Type))}})
	if err := o.Check(); err != nil && len(f.diags) == before {
		f.fail(b.LabelRanges[0], grid.MessageOf(err), "")
	}
	return o
}

// expression is a text that is a ClassAd expression.
func expression(to **ad.Expr) setter {
	return setter{set: func(f *file, e hclsyntax.Expression) {
		var src string
		text(&src).set(f, e)
		if src == "" {
			return
		}
		x, err := ad.Parse(src)
		if err == nil {
			err = x.Check()
		}
		if err != nil {
			f.fail(e.Range(), "this expression cannot be used: "+grid.MessageOf(err), "")
			return
		}
		*to = x
	}}
}
