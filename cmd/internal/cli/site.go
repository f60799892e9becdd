package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

// here is the site of a submission by this process.
func here(d *Deps, schedd api.Status) (submit.Site, error) {
	dir, err := os.Getwd()
	if err != nil {
		return submit.Site{}, grid.Errorf(grid.Invalid, "the current directory: %w", err)
	}
	s := submit.Site{
		Dir: dir, Env: os.Environ(), Now: d.Now(), Owner: schedd.You.User, FileSystemDomain: schedd.Domain,
		Arch: arch(), OpSys: strings.ToUpper(runtime.GOOS),
	}
	s.OpSysVer, s.OpSysAndVer = distribution("/etc/os-release")
	if s.Owner == "" {
		s.Owner = d.Env("USER")
	}
	if s.FileSystemDomain == "" {
		s.FileSystemDomain, _ = os.Hostname()
	}
	return s, nil
}

// arch is this machine's, as a slot names its own.
func arch() string {
	switch runtime.GOARCH {
	case "amd64":
		return "X86_64"
	case "arm64":
		return "aarch64"
	case "ppc64le":
		return "ppc64le"
	}
	return strings.ToUpper(runtime.GOARCH)
}

// distribution reads a distribution's version, "13" and "Debian13".
func distribution(path string) (version, whole string) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", ""
	}
	id := ""
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch name {
		case "ID":
			id = value
		case "VERSION_ID":
			version, _, _ = strings.Cut(value, ".")
		}
	}
	if id == "" || version == "" {
		return version, ""
	}
	return version, strings.ToUpper(id[:1]) + id[1:] + version
}

// files are the submitter's own, opened as the submitter.
type files struct{}

func (files) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }

func (files) Glob(pattern string) ([]string, error) { return filepath.Glob(pattern) }

func (files) Stat(name string) (submit.FileInfo, error) {
	info, err := os.Stat(name)
	if err != nil {
		return submit.FileInfo{}, err
	}
	return submit.FileInfo{Size: info.Size(), Mode: info.Mode()}, nil
}
