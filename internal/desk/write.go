package desk

import (
	"context"

	"gridburst/internal/grid"
	"gridburst/internal/whole"
)

const opWrite = "write"

type writeArgs struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
}

// WriteFile makes a file of the owner hold data, a little of it, in the place of what was
// there. Done twice it is done once. [grid.Unavailable] says that the owner's files do
// not answer; any other failure is one that the owner can mend.
func (d *Desks) WriteFile(ctx context.Context, owner Owner, path string, data []byte) error {
	return d.call(ctx, owner, opWrite, writeArgs{path, data}, nil, nil)
}

func replaceFile(a writeArgs) (struct{}, error) {
	if err := full(a.Path); err != nil {
		return struct{}{}, err
	}
	if err := whole.Write(a.Path, a.Data, 0o644); err != nil {
		return struct{}{}, grid.Errorf(codeOfPath(err), "write %s: %w", a.Path, err)
	}
	return struct{}{}, nil
}
