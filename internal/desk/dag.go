package desk

import (
	"context"
	"os"
	"path/filepath"

	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
)

// What a run of a workflow leaves beside its DAG file.
const (
	opRescue = "rescue"
	opSave   = "save point"
	opLines  = "lines"
)

// RescueFile is a rescue file that is to be written: see [jobfile.KeepRescue].
type RescueFile struct {
	File    string `json:"file"` // the DAG file
	Several bool   `json:"several,omitempty"`
	Text    []byte `json:"text"`
	Began   int    `json:"began,omitempty"`
	Most    int    `json:"most"`
}

// KeepRescue writes a rescue file, and gives its number. Done twice it is done once.
func (d *Desks) KeepRescue(ctx context.Context, owner Owner, f RescueFile) (number int, err error) {
	return number, d.call(ctx, owner, opRescue, f, nil, &number)
}

func keepRescue(f RescueFile) (int, error) {
	if err := full(f.File); err != nil {
		return 0, err
	}
	return jobfile.KeepRescue(f.File, f.Several, f.Text, f.Began, f.Most)
}

// KeepSave writes the save point of a workflow's node.
func (d *Desks) KeepSave(ctx context.Context, owner Owner, path string, text []byte) error {
	return d.call(ctx, owner, opSave, writeArgs{path, text}, nil, nil)
}

func keepSave(a writeArgs) (struct{}, error) {
	if err := full(a.Path); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, jobfile.KeepSave(a.Path, a.Data)
}

// AddLines puts text at the end of a file of the owner. After a failure it may be there.
func (d *Desks) AddLines(ctx context.Context, owner Owner, path string, text []byte) error {
	return d.call(ctx, owner, opLines, writeArgs{path, text}, nil, nil)
}

func addLines(a writeArgs) (struct{}, error) {
	if err := full(a.Path); err != nil {
		return struct{}{}, err
	}
	f, err := os.OpenFile(a.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err == nil {
		_, err = f.Write(a.Data)
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		return struct{}{}, grid.Errorf(codeOfPath(err), "write %s: %w", a.Path, err)
	}
	return struct{}{}, nil
}

func full(path string) error {
	if !filepath.IsAbs(path) {
		return grid.Errorf(grid.Invalid, "%q is not a full path", path)
	}
	return nil
}
