package corpus

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gridburst/internal/grid"
)

// recorded is a run of a DAG file by DAGMan, with stubs for jobs and scripts.
type recorded struct {
	Dag   string // the file in the collection
	Run   string // runN, or runN-resume: submitted again behind runN
	Kind  string
	Line  string `json:"line_appended_to_the_dag"`
	Stubs struct {
		Nodes map[string]struct {
			Exit int32
		} // X+Y is node Y of splice X, X/Y node Y of sub-DAG X
		Scripts map[string]string // what a script does
		Files   map[string]string // other files that the DAG names
	}
	Options    []string          `json:"submit_dag_options"`
	PickedUp   string            `json:"picked_up"`
	TimedOut   bool              `json:"timed_out"` // it did not end, and was removed
	ExitCode   *int32            `json:"exit_code"`
	Nodes      map[string]status `json:"node_status"`
	Submitted  map[string]int    `json:"submissions"`
	Order      []string          `json:"first_submit_order"`
	Scripts    []call            `json:"script_calls"`
	Rescue     *rescueFile
	SubRescues []string `json:"sub_dag_rescue_files"`
	Metrics    struct {
		DagStatus int
	}
	Jobs map[string][]map[string]any `json:"job_attributes"`
}

// status is how a node has ended.
type status struct {
	Status  string
	Retries int
}

// call is one of a script.
type call struct {
	Script string
	Args   string
	Exit   string
}

// rescueFile is what a rescue file says.
type rescueFile struct {
	File   string
	Done   []string
	Others []string `json:"other_lines"`
	Header []string
}

// dagFile is a DAG file of a collection, with what DAGMan made of it.
type dagFile struct {
	file     string // its path
	name     string
	accepted bool
	said     string
	files    map[string]string // other files that it names: a stub, or a file of the collection
	runs     []recorded
}

// base is the name that the file has where it runs: that in its repository.
func (f *dagFile) base() string {
	return f.name[strings.LastIndex(f.name, "__")+len("__"):]
}

// dagCollection reads a directory of DAG files with what DAGMan made of them.
func dagCollection(dir string) ([]dagFile, error) {
	text, err := os.ReadFile(filepath.Join(dir, verdictFile))
	if err != nil {
		return nil, err
	}
	var list []dagFile
	for line := range strings.Lines(string(text)) {
		columns := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(columns) < 4 || columns[0] == "file" {
			continue
		}
		f := dagFile{file: filepath.Join(dir, columns[0]), name: columns[0], accepted: columns[1] == "accepted", said: columns[3], files: map[string]string{}}
		if len(columns) > 4 {
			_, others, _ := strings.Cut(columns[4], "other files: ")
			for part := range strings.SplitSeq(others, "), ") {
				if name, what, ok := strings.Cut(strings.TrimSuffix(part, ")"), " ("); ok {
					f.files[name] = what
				}
			}
		}
		runs, err := filepath.Glob(filepath.Join(dir, "expected", f.name+".run*.json"))
		if err != nil {
			return nil, err
		}
		slices.Sort(runs)
		for _, r := range runs {
			var o recorded
			src, err := os.ReadFile(r)
			if err != nil {
				return nil, err
			}
			if err := json.Unmarshal(src, &o); err != nil {
				return nil, grid.Errorf(grid.Invalid, "%s: %w", r, err)
			}
			f.runs = append(f.runs, o)
		}
		list = append(list, f)
	}
	return list, nil
}

// verdictFile is there in a collection of DAG files.
var verdictFile = filepath.Join("expected", "VERDICTS.tsv")

// disk is files by their paths, relative to where a DAG was submitted.
type disk map[string]string

// ReadFile implements [dagfile.Files].
func (d disk) ReadFile(name string) ([]byte, error) {
	text, ok := d[path.Clean(name)]
	if !ok {
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	}
	return []byte(text), nil
}

// lay gives the files that f found beside it, by its notes and those of a run.
func (f *dagFile) lay(o *recorded) (disk, error) {
	d := disk{}
	put := func(name, what string) error {
		other, inside := strings.CutPrefix(what, "corpus file ")
		text, stub := strings.CutPrefix(what, "stub: ")
		switch {
		case inside:
			src, err := os.ReadFile(filepath.Join(filepath.Dir(f.file), other))
			if err != nil {
				return err
			}
			d[path.Clean(name)] = string(src)
		case text == "empty configuration":
			d[path.Clean(name)] = ""
		case stub:
			d[path.Clean(name)] = strings.ReplaceAll(text, "; ", "\n") + "\n"
		case what == "stub":
			d[path.Clean(name)] = "JOB StubNode stub.sub\n"
		}
		return nil
	}
	for name, what := range f.files {
		if err := put(name, what); err != nil {
			return nil, err
		}
	}
	if o != nil {
		for name, what := range o.Stubs.Files {
			if err := put(name, what); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}
