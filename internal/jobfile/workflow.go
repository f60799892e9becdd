package jobfile

import (
	"path/filepath"
	"strings"

	"gridburst/configs"
	"gridburst/dag"
	"gridburst/dag/dagfile"
	"gridburst/internal/grid"
)

// Workflow reads a workflow from disk: HCL, or in any other file DAGMan's language. file
// is a full path; name is what diagnostics call it. With errors among the diagnostics
// there is no graph.
func Workflow(file, name string) (*dag.Graph, grid.Diagnostics, error) {
	return Workflows([]string{file}, []string{name}, "", nil)
}

// Workflows reads several DAG files that are to be one run, and behind them a rescue file,
// if one is named. vars are values of an HCL workflow's variables.
func Workflows(files, names []string, rescue string, vars map[string]string) (*dag.Graph, grid.Diagnostics, error) {
	var dags []dagfile.File
	for k, file := range files {
		src, err := readFile(file)
		if err != nil {
			return nil, nil, err
		}
		if IsHCL(file) {
			if len(files) > 1 || rescue != "" {
				return nil, nil, grid.Errorf(grid.Invalid, "%s is no DAG file: a workflow in HCL is one file, and has no rescue files", names[k])
			}
			g, diags := configs.Workflow(names[k], src, configs.Outside{Vars: vars, Files: below{filepath.Dir(file)}})
			return g, diags, nil
		}
		if len(vars) > 0 {
			return nil, nil, grid.Errorf(grid.Invalid, "%s has no variables: they belong to workflows in HCL; in a DAG file there is VARS ALL_NODES", names[k])
		}
		dir, err := filepath.Rel(filepath.Dir(files[0]), filepath.Dir(file))
		if err != nil {
			return nil, nil, grid.Errorf(grid.Invalid, "%s: %w", file, err)
		}
		if dir == "." {
			dir = ""
		}
		dags = append(dags, dagfile.File{Name: names[k], Text: src, Dir: dir})
	}
	var o dagfile.Options
	if rescue != "" {
		src, err := readFile(rescue)
		if err != nil {
			return nil, nil, err
		}
		o.Rescue = &dagfile.File{Name: filepath.Base(rescue), Text: src}
	}
	g, diags := dagfile.ReadAll(dags, below{filepath.Dir(files[0])}, o)
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

// Described completes the request of a node whose submit description stands in the DAG
// file. There a queue statement may be left out.
func (r *Request) Described(g *dag.Graph, n *dag.Node) {
	d := g.Description(n.Submit)
	if d == nil {
		return
	}
	r.Text = d.Text + "\n"
	for line := range strings.Lines(d.Text) {
		if word, _, _ := strings.Cut(strings.TrimLeft(line, " \t"), " "); strings.EqualFold(strings.TrimSpace(word), "queue") {
			return
		}
	}
	r.Text += "queue\n"
}
