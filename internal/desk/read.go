package desk

import (
	"context"
	"io"
	"os"

	"gridburst/internal/grid"
)

const opRead = "read"

type readArgs struct {
	Path string `json:"path"`
	Max  int64  `json:"max"`
}

// ReadFile is what a file of the owner holds: a regular file of at most max bytes.
// [grid.Unavailable] says that the owner's files do not answer; any other failure is
// one that the owner can mend.
func (d *Desks) ReadFile(ctx context.Context, owner Owner, path string, max int64) (data []byte, err error) {
	return data, d.call(ctx, owner, opRead, readArgs{path, max}, nil, &data)
}

func readFile(a readArgs) ([]byte, error) {
	if err := full(a.Path); err != nil {
		return nil, err
	}
	f, err := os.Open(a.Path)
	if err != nil {
		return nil, grid.Errorf(codeOfPath(err), "read %s: %w", a.Path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, grid.Errorf(codeOfPath(err), "read %s: %w", a.Path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, grid.Errorf(grid.Invalid, "%s is not a regular file", a.Path)
	}
	data, err := io.ReadAll(io.LimitReader(f, a.Max+1))
	if err != nil {
		return nil, grid.Errorf(codeOfPath(err), "read %s: %w", a.Path, err)
	}
	if int64(len(data)) > a.Max {
		return nil, grid.Errorf(grid.TooLarge, "%s is larger than %s", a.Path, grid.FormatSize(a.Max))
	}
	return data, nil
}
