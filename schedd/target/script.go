package target

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/grid"
)

// Names in a job's directory at its target.
const (
	ScriptName  = "job.sh"     // what the target runs
	StartedName = "started"    // whoever makes it may run the job; it says where
	ResultName  = "result"     // how it ended
	LogName     = "target.log" // what the target itself has to say
)

// BegunCode is what a script exits with that finds its job begun, or may not begin it.
const BegunCode = 112

// Work is what a script does.
type Work struct {
	Job    string   // for people
	Dir    string   // of the names above, and of the job's streams
	In     string   // a directory: where the job runs
	Argv   []string // the first is a path
	Env    []string
	Stdin  string // empty: nothing; relative to In
	Stdout string // empty: nowhere; full paths
	Stderr string // the same as Stdout: into it

	// Spool: files travel. Dir is wherever the target begins the script; In and the streams
	// are relative to it.
	Spool *Spooled
}

// Script is what a target runs for a job. The first to begin it runs the job, and any other
// runs nothing: a target may be handed it twice, or start it twice. Its result is there
// when the job has ended by itself, and then it is whole.
func Script(w Work) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	at := quote // what a path is in the script
	line("#!/bin/sh")
	line("# Job %s of Gridburst, which runs once, however often this is begun.", strings.Map(printable, w.Job))
	if w.Spool != nil {
		line("dir=$(pwd)")
		at = func(p string) string { return `"$dir"/` + quote(p) }
	} else {
		line("dir=%s", quote(w.Dir))
	}
	line(`cd "$dir" || exit 111`)
	line("set -C")
	// By its whole path: when the directory has been moved away to be removed, it is not there.
	line(`{ echo "$(hostname) $$" >"$dir"/%s; } 2>/dev/null || exit %d`, StartedName, BegunCode)
	line("set +C")
	line(`keep() { mv -f %[1]s.new %[1]s; }`, ResultName)
	if w.Spool != nil {
		w.Spool.begin(line)
	} else {
		line(`fail() { cd "$dir"; echo "hold $1 $2 $3" >%s.new; keep; exit 113; }`, ResultName)
	}
	line("begun=$(date +%%s.%%N)")
	if w.Spool != nil {
		w.Spool.unpack(line)
	}
	line("cd %s 2>/dev/null || fail %d 2 %s", at(w.In), grid.HoldIwd, quote("the directory "+w.In+" is not there on the machine that the target gave"))
	if w.Stdin != "" {
		line("[ -r %s ] || fail %d 2 %s", quote(w.Stdin), grid.HoldOpenInput, quote("the input "+w.Stdin+" cannot be read on the machine that the target gave"))
	}
	if len(w.Argv) > 0 {
		line("[ -x %[1]s ] && [ ! -d %[1]s ] || fail %[2]d 2 %[3]s", quote(w.Argv[0]), grid.HoldNoProcess, quote("the executable "+w.Argv[0]+" cannot be run on the machine that the target gave"))
	}
	b.WriteString("(exec env")
	for _, e := range w.Env {
		if name, _, ok := strings.Cut(e, "="); ok && name != "" && !strings.HasPrefix(name, "-") {
			b.WriteString(" " + quote(e))
		}
	}
	b.WriteString(` sh -c 'exec "$@"' sh`)
	for _, a := range w.Argv {
		b.WriteString(" " + quote(a))
	}
	to := func(p string) string {
		if p == "" {
			return quote(orNull(p))
		}
		return at(p)
	}
	b.WriteString(" <" + quote(orNull(w.Stdin)) + " >" + to(w.Stdout))
	if w.Stderr == w.Stdout {
		b.WriteString(" 2>&1)\n")
	} else {
		b.WriteString(" 2>" + to(w.Stderr) + ")\n")
	}
	line("code=$?")
	line(`cd "$dir" || exit 114`)
	line(`{ echo "exit $code"; echo "begun $begun"; echo "ended $(date +%%s.%%N)"; echo "host $(hostname)"; times; } >%s.new && keep`, ResultName)
	if w.Spool != nil {
		w.Spool.pack(line, w)
	}
	return []byte(b.String())
}

func orNull(p string) string {
	if p == "" {
		return "/dev/null"
	}
	return p
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return '?'
	}
	return r
}

// quote is s as one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Result is how a job ended at its target.
type Result struct {
	Code   int32
	Signal bool // Code is a signal's number
	Host   string
	WallMS int64
	UserMS int64
	SysMS  int64

	// HoldCode, when it is set, says that the job did not begin, and why.
	HoldCode grid.HoldCode `json:",omitempty"`
	HoldSub  int32         `json:",omitempty"`
	Reason   string        `json:",omitempty"`
}

// maxSignal is the highest number of a signal: a shell exits with 128 and that.
const maxSignal = 64

// ParseResult reads what a [Script] left.
func ParseResult(text []byte) (r Result, err error) {
	bad := grid.Errorf(grid.Invalid, "the job's result is not one that its script writes: %.80q", text)
	var begun, ended time.Duration
	exited := false
	s := bufio.NewScanner(bytes.NewReader(text))
	for times := 0; s.Scan(); {
		word, rest, _ := strings.Cut(s.Text(), " ")
		switch word {
		case "hold":
			var code int16
			if _, err := fmt.Sscanf(rest, "%d %d", &code, &r.HoldSub); err != nil {
				return r, bad
			}
			r.HoldCode = grid.HoldCode(code)
			_, rest, _ = strings.Cut(rest, " ")
			_, r.Reason, _ = strings.Cut(rest, " ")
			return r, nil
		case "exit":
			n, err := strconv.ParseUint(rest, 10, 8)
			if err != nil {
				return r, bad
			}
			exited = true
			r.Code = int32(n)
			if n > 128 && n <= 128+maxSignal {
				r.Code, r.Signal = int32(n)-128, true
			}
		case "begun":
			begun = seconds(rest)
		case "ended":
			ended = seconds(rest)
		case "host":
			r.Host = rest
		default:
			// The shell's own, and then its children's, as in 0m0.001s 0m0.002s.
			if times++; times == 2 {
				r.UserMS, r.SysMS = minutes(word).Milliseconds(), minutes(rest).Milliseconds()
			}
		}
	}
	if !exited {
		return r, bad
	}
	r.WallMS = max(ended-begun, 0).Milliseconds()
	return r, nil
}

// seconds reads what date says; where it knows no nanoseconds there are none.
func seconds(s string) time.Duration {
	whole, part, _ := strings.Cut(strings.TrimSpace(s), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return 0
	}
	ns, err := strconv.ParseInt(part, 10, 64)
	if err != nil || len(part) != 9 {
		ns = 0
	}
	return time.Duration(n)*time.Second + time.Duration(ns)
}

// minutes reads what times says.
func minutes(s string) time.Duration {
	d, err := time.ParseDuration(strings.TrimSpace(s))
	if err != nil {
		return 0
	}
	return d
}
