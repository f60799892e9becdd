package jobfile

import (
	"path/filepath"

	"gridburst/configs"
	"gridburst/dag"
	"gridburst/dag/dagfile"
	"gridburst/internal/grid"
)

// Workflow reads a workflow from disk: HCL, or in any other file DAGMan's language. file
// is a full path; name is what diagnostics call it. With errors among the diagnostics
// there is no graph. vars are values of an HCL workflow's variables.
func Workflow(file, name string, vars map[string]string) (*dag.Graph, grid.Diagnostics, error) {
	src, err := readFile(file)
	if err != nil {
		return nil, nil, err
	}
	if IsHCL(file) {
		g, diags := configs.Workflow(name, src, configs.Outside{Vars: vars, Files: below{filepath.Dir(file)}})
		return g, diags, nil
	}
	if len(vars) > 0 {
		return nil, nil, grid.Errorf(grid.Invalid, "%s has no variables: they belong to workflows in HCL; in a DAG file there is VARS ALL_NODES", name)
	}
	g, diags := dagfile.Read(name, src, below{filepath.Dir(file)})
	return g, diags, nil
}

// below opens what a workflow file names beside itself.
type below struct{ dir string }

func (b below) ReadFile(name string) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(b.dir, name)
	}
	return OS{}.ReadFile(name)
}

// Glob lists names as the pattern is written: relative ones stay relative.
func (b below) Glob(pattern string) ([]string, error) {
	if filepath.IsAbs(pattern) {
		return OS{}.Glob(pattern)
	}
	names, err := OS{}.Glob(filepath.Join(b.dir, pattern))
	for i, n := range names {
		if r, err := filepath.Rel(b.dir, n); err == nil {
			names[i] = r
		}
	}
	return names, err
}

// Node is where a node's job is written. file is the workflow's own, dir where its
// nodes' files are found; both are full paths.
func Node(n *dag.Node, file, dir string) Request {
	at := func(dir, name string) string {
		if filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(dir, name)
	}
	r := Request{File: file, Dir: dir, Job: n.Job} // a job block of the workflow's own file
	if n.Dir != "" {
		r.Dir = at(dir, n.Dir)
	}
	if n.File != "" {
		r.File = at(r.Dir, n.File)
	}
	return r
}
