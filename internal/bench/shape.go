package bench

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/rig"
	"gridburst/schedd/submit"
)

// shape makes submissions that differ in what a program would vary.
type shape struct{ spec submit.Spec }

// shapeOf is a submit file's one cluster, as a program would hand it in that reads the
// file once.
func (b *bench) shapeOf(ctx context.Context, s *rig.Schedd, src string) (shape, error) {
	status, err := s.Client().Status(ctx)
	if err != nil {
		return shape{}, err
	}
	site := submit.Site{
		Dir: b.rig.Dir, Now: time.Now(), Owner: status.You.User, FileSystemDomain: status.Domain, Arch: "X86_64", OpSys: "LINUX",
	}
	specs, diags := submit.Lower("bench.sub", []byte(src), site, disk{})
	if diags.HasErrors() {
		return shape{}, diags.Err()
	}
	if len(specs) != 1 {
		return shape{}, errors.New("the bench's own job file makes more than one cluster")
	}
	return shape{specs[0]}, nil
}

// with is one submission: the shape's, with these attributes. They must be in the
// shape already, or go before every section's.
func (s *shape) with(attrs ...submit.Attr) submit.Spec {
	out := submit.Spec{Attrs: s.spec.Attrs, Sections: append([]submit.Section(nil), s.spec.Sections...)}
	for i := range out.Sections {
		out.Sections[i].Attrs = submit.Merge(out.Sections[i].Attrs, attrs)
	}
	return out
}

func text(name, value string) submit.Attr { return submit.Attr{Name: name, Expr: ad.Quote(value)} }

// disk is the submitter's files.
type disk struct{}

func (disk) ReadFile(string) ([]byte, error) { return nil, fs.ErrNotExist }

func (disk) Glob(string) ([]string, error) { return nil, nil }

func (disk) Stat(name string) (submit.FileInfo, error) {
	if strings.HasPrefix(name, "/bin/") {
		return submit.FileInfo{Size: 1, Mode: 0o755}, nil
	}
	return submit.FileInfo{}, fs.ErrNotExist
}
