package submit

import (
	"io/fs"
	"strings"
	"time"

	"gridburst/internal/grid"
)

// Site is what a submission depends on beside its text. The package asks neither
// the clock nor the environment for any of it.
type Site struct {
	Dir   string    // absolute: relative paths and the job's Iwd rest on it
	Env   []string  // NAME=value, for getenv and $ENV
	Now   time.Time // for $(SUBMIT_TIME), $(YEAR) and their like
	Owner string    // of the jobs; what accounting groups default to

	FileSystemDomain string // jobs and slots of one domain share files
	Arch             string // as in a slot's Arch: X86_64, AARCH64
	OpSys            string // as in a slot's OpSys: LINUX
	OpSysVer         string
	OpSysAndVer      string

	// Vars are macros set from outside, by a command line or a DAG's VARS: before
	// the file is read, or, with Append, behind it. A name that begins with + or My.
	// sets a job attribute.
	Vars []Var

	// Own are the commands that the site has beside those of every site.
	Own []OwnCommand

	// Explain is told of each section, in the order of their jobs, where its attributes
	// came from; it may be nil.
	Explain func(Origins)

	// Check also asks for the files that a job reads when it starts. They may be
	// written between submit and start, so it is the submitter's choice.
	Check bool
}

// Var is a macro set from outside.
type Var struct {
	Name   string
	Value  string
	Append bool
}

// Files is how a submission sees the owner's files: only the owner's hand opens
// them. Names are absolute. Errors that a file is not there are [fs.ErrNotExist].
type Files interface {
	ReadFile(name string) ([]byte, error)
	// Glob lists the names that match pattern, sorted.
	Glob(pattern string) ([]string, error)
	Stat(name string) (FileInfo, error)
}

// FileInfo is what is asked about a file.
type FileInfo struct {
	Size int64       `json:"size"`
	Mode fs.FileMode `json:"mode"`
}

// path makes name absolute.
func (s *Site) path(name string) string { return fullPath(s.Dir, name) }

// getenv looks a variable of the environment up.
func (s *Site) getenv(name string) (value string, set, ok bool) {
	for _, e := range s.Env {
		if n, v, _ := strings.Cut(e, "="); n == name {
			return v, true, true
		}
	}
	return "", false, true
}

// Pos is a place in a text that a person wrote.
type Pos = grid.Pos
