package rig

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Engine starts ovirtsim in the directory dir, whose model.json says what it has, and
// waits until it serves. Its machines are in dir/state, its record is dir/journal, its
// authority dir/ca.pem and its URL dir/url.
func (r *Rig) Engine(ctx context.Context, dir string, args ...string) (*Process, error) {
	url := filepath.Join(dir, "url")
	if err := os.Remove(url); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	p, err := r.Start("ovirtsim.log", nil, append([]string{
		filepath.Join(r.Bin, "ovirtsim"), "--listen", "127.0.0.1:0", "--model", filepath.Join(dir, "model.json"),
		"--state", filepath.Join(dir, "state"), "--journal", filepath.Join(dir, "journal"), "--ca-out", filepath.Join(dir, "ca.pem"), "--url-file", url,
	}, args...)...)
	if err != nil {
		return nil, err
	}
	return p, p.ready(ctx, url)
}

// ready waits for a program's sign, and ends it when that does not come.
func (p *Process) ready(ctx context.Context, file string) error {
	err := WaitFile(ctx, file, p.Done())
	if err != nil {
		p.Kill()
		<-p.Done()
	}
	if errors.Is(err, ErrEnded) {
		return fmt.Errorf("%w: %w", err, p.Ended())
	}
	return err
}
