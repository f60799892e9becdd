// Package jobfile reads job files from disk, with the rights of this process: of a
// command that a user runs, or of that user's desk.
package jobfile

import (
	"bufio"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/configs"
	"gridburst/internal/grid"
	"gridburst/schedd/submit"
)

// Request names a job file and what its jobs depend on beside it.
type Request struct {
	File   string       // absolute
	Dir    string       // absolute: where relative paths begin
	Job    string       // of an HCL file: only the job block of that name
	Vars   []submit.Var // macros from outside
	Env    []string     // NAME=value, of the submitter
	Domain string       // jobs and slots of one domain share files
	Text   string       // a submit file that stands in a DAG file; File then names that

	Own []submit.OwnCommand // of the schedd that is to have the jobs
}

// IsHCL reports whether a file of that name is HCL; any other is a submit file.
func IsHCL(name string) bool { return strings.EqualFold(filepath.Ext(name), ".hcl") }

// Read makes specs of a job file. The error is that the file cannot be read at all;
// with errors among the diagnostics there are no specs to use.
func Read(r Request) ([]submit.Spec, grid.Diagnostics, error) {
	if r.Text != "" {
		specs, diags := Lower(r.File, []byte(r.Text), false, "", r.site())
		return specs, diags, nil
	}
	src, err := readFile(r.File)
	if err != nil {
		return nil, nil, err
	}
	specs, diags := Lower(r.File, src, IsHCL(r.File), r.Job, r.site())
	return specs, diags, nil
}

// Lower makes specs of a job file's text, in either tongue. job chooses a job block of
// an HCL file; empty: all.
func Lower(name string, src []byte, hcl bool, job string, site submit.Site) ([]submit.Spec, grid.Diagnostics) {
	if !hcl {
		return submit.Lower(name, src, site, OS{})
	}
	if job != "" {
		j, diags := configs.JobNamed(name, src, job, site, OS{})
		if diags.HasErrors() {
			return nil, diags
		}
		return []submit.Spec{j.Spec}, diags
	}
	jobs, diags := configs.Jobs(name, src, site, OS{})
	var specs []submit.Spec
	for _, j := range jobs {
		specs = append(specs, j.Spec)
	}
	return specs, diags
}

func readFile(path string) ([]byte, error) {
	b, err := OS{}.ReadFile(path)
	if err != nil {
		return nil, grid.Errorf(codeOf(err), "read %s: %w", path, reason(err))
	}
	return b, nil
}

func codeOf(err error) grid.Code {
	switch {
	case os.IsNotExist(err):
		return grid.NotFound
	case os.IsPermission(err):
		return grid.Forbidden
	}
	return grid.Refused
}

// reason is an error without the path, which the sentence names already.
func reason(err error) error {
	if p, ok := err.(*fs.PathError); ok {
		return p.Err
	}
	return err
}

// Here is a site of jobs that are written on this machine, by this process's user. Its
// directory, environment and macros are for the caller to add. Without a domain this
// host's files are nobody else's.
func Here(domain string) submit.Site {
	s := submit.Site{Now: time.Now(), FileSystemDomain: domain, Arch: Arch(), OpSys: "LINUX"}
	if s.FileSystemDomain == "" {
		s.FileSystemDomain, _ = os.Hostname()
	}
	s.OpSysVer, s.OpSysAndVer = Release()
	if u, err := user.Current(); err == nil {
		s.Owner = u.Username
	}
	return s
}

// site is where the jobs of a request are written.
func (r *Request) site() submit.Site {
	s := Here(r.Domain)
	s.Dir, s.Env, s.Vars, s.Own = r.Dir, r.Env, r.Vars, r.Own
	return s
}

// Arch is this machine's, as slots name theirs.
func Arch() string {
	switch runtime.GOARCH {
	case "amd64":
		return "X86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}

// Release is the distribution's version, a hundred to each major one, and its name with
// the major version, as in 1200 and Debian12; empty where nothing says.
func Release() (version, nameAndVersion string) {
	f, err := os.Open("/etc/os-release")
	if err != nil {
		return "", ""
	}
	defer f.Close()
	var id, major, minor string
	for lines := bufio.NewScanner(io.LimitReader(f, 64<<10)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		value = strings.Trim(value, `"'`)
		switch name {
		case "ID":
			id = value
		case "VERSION_ID":
			major, minor, _ = strings.Cut(value, ".")
		}
	}
	number, err := strconv.Atoi(major)
	if id == "" || err != nil {
		return "", ""
	}
	below, _ := strconv.Atoi(minor)
	return strconv.Itoa(100*number + below), strings.ToUpper(id[:1]) + id[1:] + major
}

// OS is this machine's files, opened with this process's rights.
type OS struct{}

// maxFile bounds one file that is read whole: an item list may be long.
const maxFile = 64 << 20

// ReadFile implements [submit.Files]. It opens regular files alone: a FIFO would hold
// its reader for ever.
func (OS) ReadFile(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &fs.PathError{Op: "read", Path: name, Err: unix.EISDIR}
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: name, Err: grid.Errorf(grid.Invalid, "it is not a regular file")}
	case info.Size() > maxFile:
		return nil, &fs.PathError{Op: "read", Path: name, Err: grid.Errorf(grid.TooLarge, "it is larger than %s", grid.FormatSize(maxFile))}
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// Glob implements [submit.Files].
func (OS) Glob(pattern string) ([]string, error) {
	names, err := filepath.Glob(pattern)
	slices.Sort(names)
	return names, err
}

// Stat implements [submit.Files].
func (OS) Stat(name string) (submit.FileInfo, error) {
	info, err := os.Stat(name)
	if err != nil {
		return submit.FileInfo{}, err
	}
	return submit.FileInfo{Size: info.Size(), Mode: info.Mode()}, nil
}
