package jobfile

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"

	"gridburst/configs"
	"gridburst/dag"
	"gridburst/dag/dagfile"
	"gridburst/internal/grid"
)

// Workflow reads a workflow from disk: HCL, or in any other file DAGMan's language. file
// is a full path; name is what diagnostics call it. With errors among the diagnostics
// there is no graph.
func Workflow(file, name string) (*dag.Graph, grid.Diagnostics, error) {
	return workflow(file, name, func(string, []byte) {})
}

func workflow(file, name string, saw func(path string, src []byte)) (*dag.Graph, grid.Diagnostics, error) {
	src, err := readFile(file)
	if err != nil {
		return nil, nil, err
	}
	saw(file, src)
	if IsHCL(file) {
		g, diags := configs.Workflow(name, src)
		return g, diags, nil
	}
	g, diags := dagfile.Read(name, src, below{filepath.Dir(file), saw})
	return g, diags, nil
}

// below opens what a workflow file names beside itself.
type below struct {
	dir string
	saw func(path string, src []byte)
}

func (b below) ReadFile(name string) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(b.dir, name)
	}
	src, err := OS{}.ReadFile(name)
	if err == nil {
		b.saw(name, src)
	}
	return src, err
}

// Sum is a file as it was read.
type Sum struct {
	Path   string
	SHA256 string // in hexadecimal digits
}

// maxSums bounds the files whose sums are told.
const maxSums = 100

// Traced is [Workflow], with the sums of the files that it was read from and of its nodes'
// job files as they are now: at most 100. A job file that is not there yet has none.
func Traced(file, name string) (*dag.Graph, []Sum, grid.Diagnostics, error) {
	var sums []Sum
	seen := map[string]bool{}
	saw := func(path string, src []byte) {
		if !seen[path] && len(sums) < maxSums {
			sum := sha256.Sum256(src)
			sums = append(sums, Sum{path, hex.EncodeToString(sum[:])})
		}
		seen[path] = true
	}
	g, diags, err := workflow(file, name, saw)
	if g == nil || err != nil {
		return g, sums, diags, err
	}
	for i := range g.Nodes {
		if n := &g.Nodes[i]; n.File != "" && len(sums) < maxSums {
			path := Node(n, file, filepath.Dir(file)).File
			if seen[path] {
				continue
			}
			if src, err := (OS{}).ReadFile(path); err == nil {
				saw(path, src)
			}
			seen[path] = true
		}
	}
	return g, sums, diags, err
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
