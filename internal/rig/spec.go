package rig

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"gridburst/schedd/submit"
)

// Lower reads a submit file as gsubmit would in dir, for programs that hand in many.
func (s *Schedd) Lower(ctx context.Context, dir, src string) ([]submit.Spec, error) {
	status, err := s.Client().Status(ctx)
	if err != nil {
		return nil, err
	}
	site := submit.Site{Dir: dir, Now: time.Now(), Owner: status.You.User, FileSystemDomain: status.Domain, Arch: "X86_64", OpSys: "LINUX"}
	specs, diags := submit.Lower("rig.sub", []byte(src), site, disk{})
	if diags.HasErrors() {
		return nil, diags.Err()
	}
	return specs, nil
}

// disk is the submitter's files.
type disk struct{}

func (disk) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }

func (disk) Glob(pattern string) ([]string, error) { return filepath.Glob(pattern) }

func (disk) Stat(name string) (submit.FileInfo, error) {
	info, err := os.Stat(name)
	if err != nil {
		return submit.FileInfo{}, err
	}
	return submit.FileInfo{Size: info.Size(), Mode: info.Mode()}, nil
}
