package target

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path"
	"strings"

	"gridburst/internal/grid"
)

// Names of what travels, beside the script.
const (
	InputsName  = "inputs.tar" // what the job begins with, in WorkName
	OutputsName = "outputs"    // what it left: see [Left]
	WorkName    = "work"       // where it runs
)

// Spooled says which files of a job travel.
type Spooled struct {
	Inputs    []string // names at the top of the inputs: of these come back which have changed
	Outputs   []string // what is to come back; none: files at the top that are new or have changed
	NoOutput  bool     // nothing comes back beside the job's streams
	MaxOutput int64    // bytes that may come back; 0: no bound
}

// InputsDate is what inputs are dated that travel, in seconds since 1970: one that the job has
// not changed is told by that.
const InputsDate = 946684800

// begin are the functions of a script whose files travel. What it leaves is there from the
// beginning, empty: a target may hold a job that does not leave it.
func (*Spooled) begin(line func(string, ...any)) {
	line(": >%s", OutputsName)
	line(`pack() { rm -f %[1]s.new; tar -cf %[1]s.new "$@" 2>pack.log && sum=$(sha256sum <%[1]s.new) && echo "sha256 ${sum%%%% *}" >>%[1]s.new && mv -f %[1]s.new %[1]s; }`, OutputsName)
	line(`fail() { cd "$dir"; echo "hold $1 $2 $3" >%[1]s.new; keep; pack %[1]s; exit 113; }`, ResultName)
}

func (*Spooled) unpack(line func(string, ...any)) {
	line("mkdir %[1]s && tar -xof %[2]s -C %[1]s 2>pack.log || fail %[3]d 2 \"its inputs cannot be unpacked on the machine that the target gave: $(head -n 1 pack.log)\"", WorkName, InputsName, grid.HoldInput)
	line("rm -f %s", InputsName)
	line("touch -t 200001020000 inputs.date")
}

// pack takes what is to come back together, all of it or nothing.
func (s *Spooled) pack(line func(string, ...any), w Work) {
	line("set -- %s", ResultName)
	streams := []string{w.Stdout}
	if w.Stderr != w.Stdout {
		streams = append(streams, w.Stderr)
	}
	for _, p := range streams {
		if p != "" {
			line(`set -- "$@" %s`, quote(p))
		}
	}
	switch {
	case s.NoOutput:
	case len(s.Outputs) > 0:
		for _, o := range s.Outputs {
			// What is not there, or leads out, is told here: the job is then held.
			if clean := path.Clean(o); clean != "." && !path.IsAbs(clean) && clean != ".." && !strings.HasPrefix(clean, "../") {
				line(`[ ! -e %[1]s ] || set -- "$@" %[1]s`, quote(path.Join(WorkName, clean)))
			}
		}
	default:
		// Links and directories do not come back by themselves, nor inputs that are as they were.
		line("for f in %[1]s/* %[1]s/.[!.]* %[1]s/..?*; do", WorkName)
		line(`	if [ ! -f "$f" ] || [ -L "$f" ]; then rm -rf "$f"; continue; fi`)
		if len(s.Inputs) > 0 {
			names := make([]string, len(s.Inputs))
			for i, n := range s.Inputs {
				names[i] = quote(path.Join(WorkName, n))
			}
			line(`	case $f in %s) [ "$f" -nt inputs.date ] || rm -f "$f" ;; esac`, strings.Join(names, "|"))
		}
		line("done")
		line(`set -- "$@" %s`, WorkName)
	}
	line(`pack "$@" || { why=$(head -n 1 pack.log); rm -rf %s %s.new; fail %d 0 "what it left cannot be packed on the machine that the target gave: ${why:-the disk is full}"; }`, WorkName, OutputsName, grid.HoldOutput)
	if s.MaxOutput > 0 {
		line(`size=$(($(wc -c <%[1]s) - %[2]d * $(tar -tf %[1]s 2>/dev/null | wc -l)))`, OutputsName, overhead)
		line(`[ $size -le %d ] || { rm -rf %s; fail %d 0 "what it left is $size bytes: at most %d may come back"; }`, s.MaxOutput+slack, WorkName, grid.HoldOutputSize, s.MaxOutput)
	}
}

// What the form of an archive adds at most: to each file, and to all.
const (
	overhead = 2048
	slack    = 64 << 10
)

// sealed is how long the line is that ends what a spooled job has left.
const sealed = int64(len("sha256 ")) + sha256.Size*2 + 1

// Left is what a job has left whose files travel: a tar stream with its [ResultName], streams
// and [WorkName], behind which the stream's digest stands. [grid.NotFound] when it has left
// nothing, and [grid.Unavailable] when that has not come whole.
func Left(r io.ReaderAt, size int64) (*io.SectionReader, error) {
	if size == 0 {
		return nil, grid.Errorf(grid.NotFound, "the job has left nothing")
	}
	cut := grid.Errorf(grid.Unavailable, "what the job has left has not come whole")
	if size < sealed {
		return nil, cut
	}
	seal := make([]byte, sealed)
	if _, err := r.ReadAt(seal, size-sealed); err != nil && err != io.EOF {
		return nil, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r, 0, size-sealed)); err != nil {
		return nil, err
	}
	if string(seal) != "sha256 "+hex.EncodeToString(sum.Sum(nil))+"\n" {
		return nil, cut
	}
	return io.NewSectionReader(r, 0, size-sealed), nil
}
