package bench

import (
	"context"
	"errors"

	"gridburst/internal/ad"
	"gridburst/internal/rig"
	"gridburst/schedd/submit"
)

// shape makes submissions that differ in what a program would vary.
type shape struct{ spec submit.Spec }

// shapeOf is a submit file's one cluster, as a program would hand it in that reads the
// file once.
func (b *bench) shapeOf(ctx context.Context, s *rig.Schedd, src string) (shape, error) {
	specs, err := rig.Lower(ctx, s.Client(), b.rig.Dir, src)
	if err != nil {
		return shape{}, err
	}
	if len(specs) != 1 {
		return shape{}, errors.New("the bench's own job file makes more than one cluster")
	}
	return shape{specs[0]}, nil
}

// with is one submission: the shape's, with these attributes on top.
func (s *shape) with(attrs ...submit.Attr) submit.Spec {
	out := submit.Spec{Attrs: s.spec.Attrs, Sections: append([]submit.Section(nil), s.spec.Sections...)}
	for i := range out.Sections {
		out.Sections[i].Attrs = submit.Merge(out.Sections[i].Attrs, attrs)
	}
	return out
}

func text(name, value string) submit.Attr { return submit.Attr{Name: name, Expr: ad.Quote(value)} }
