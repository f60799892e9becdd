package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// shape is what a submission is for.
type shape uint8

const (
	inPlace  shape = iota // files used where they lie, with a log
	bare                  // the same, with no log: acknowledged by the commit alone
	moved                 // the program goes to the worker, its outputs come back
	retried               // exits with 1, and is to be run again once
	large                 // item data that does not fit one entry of the queue
	anywhere              // may go to a machine of the engine
	machine               // the job is a machine
	belated               // for the worker that repeats itself late
	stepped               // checkpoints itself after each of its steps
	fleet                 // each job is a machine on paper, which stays until it is told to go
)

// submission is jobs that are handed in together.
type submission struct {
	Key   string
	Shape shape
	Jobs  int
	Text  string // the submit file
	Log   string // the event log; empty: none
	Dir   string // where outputs go
}

// load makes submissions, by the seed alone.
type load struct {
	dir     string // of users' files
	port    int    // the witness's
	program string
	steps   string // the program of those that checkpoint themselves
	rand    *rand.Rand
	n       int
	only    []shape // none: all

	engine, password string // the engine's URL and the file with its password; empty: no machines
	paper            bool   // machines have no guests, so no job is one
}

func newLoad(dir string, port int, seed uint64) (*load, error) {
	l := &load{dir: dir, port: port, program: filepath.Join(dir, "job"), steps: filepath.Join(dir, "steps"), rand: rand.New(rand.NewPCG(seed, 1))}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	return l, errors.Join(writeProgram(l.program), os.WriteFile(l.steps, []byte(stepper), 0o755))
}

// next is the next submission.
func (l *load) next() (submission, error) {
	l.n++
	s := submission{Key: fmt.Sprintf("chaos-%d", l.n), Shape: l.pick(), Dir: filepath.Join(l.dir, fmt.Sprintf("s%d", l.n))}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return s, err
	}
	s.Jobs = 1 + l.rand.IntN(12)
	seconds := fmt.Sprintf("%.2f", 0.02+l.rand.ExpFloat64()*0.25)
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if s.Shape != bare {
		s.Log = filepath.Join(s.Dir, "log")
		line("log = %s", s.Log)
	}
	if s.Shape == machine {
		s.Jobs = 1
		err := l.machine(&s, line)
		s.Text = b.String()
		return s, err
	}
	code := 0 // with which the jobs exit
	if s.Shape == retried {
		code = 1
		line("max_retries = 1")
	}
	program := l.program
	if s.Shape == stepped {
		program = l.steps
	}
	line("executable = %s", program)
	line("request_memory = 32MB")
	line("request_disk = 1MB")
	switch s.Shape {
	case moved, anywhere:
		line("should_transfer_files = YES\nwhen_to_transfer_output = ON_EXIT")
		line("arguments = %d $(Cluster).$(Process) %s %d one two", l.port, seconds, code)
		line(`transfer_output_remaps = "one=%s/one.$(Process);two=%s/two.$(Process)"`, s.Dir, s.Dir)
		line("transfer_output_files = one, two")
		line("output = %s/out.$(Process)", s.Dir)
		if s.Shape == moved {
			line("requirements = TARGET.Pool == true")
		} else {
			line("requirements = TARGET.Late =!= true")
		}
		line("queue %d", s.Jobs)
	case large:
		// More than one entry of the queue's log may hold.
		s.Jobs = 10
		line("should_transfer_files = NO\nrequirements = TARGET.Pool == true")
		line("arguments = %d $(Cluster).$(Process) %s %d one.$(Process)", l.port, seconds, code)
		line("initialdir = %s", s.Dir)
		line("MY.Words = \"$(Words)\"")
		line("queue Words from (")
		for i := range s.Jobs {
			line("%d-%s", i, strings.Repeat("word", 15_000))
		}
		line(")")
	case stepped:
		line("should_transfer_files = YES\nwhen_to_transfer_output = ON_EXIT\nrequirements = TARGET.Late =!= true")
		line("checkpoint_exit_code = 85\ntransfer_checkpoint_files = reached")
		line("arguments = %d $(Cluster).$(Process) %s %d", l.port, seconds, steps)
		line("transfer_output_files = reached\ntransfer_output_remaps = \"reached=%s/reached.$(Process)\"", s.Dir)
		line("output = %s/out.$(Process)", s.Dir)
		line("queue %d", s.Jobs)
	case belated:
		s.Jobs = 1
		line("should_transfer_files = NO\nrequirements = TARGET.Late == true\nqueue")
	default:
		line("should_transfer_files = NO\nrequirements = TARGET.Pool == true")
		line("initialdir = %s", s.Dir)
		line("arguments = %d $(Cluster).$(Process) %s %d one.$(Process)", l.port, seconds, code)
		line("output = out.$(Process)")
		line("queue %d", s.Jobs)
	}
	s.Text = b.String()
	return s, nil
}

// pick follows a fixed beginning, so that short runs have every shape, and is random
// from then on.
func (l *load) pick() shape {
	if len(l.only) > 0 {
		return l.only[l.n%len(l.only)]
	}
	first := []shape{belated, inPlace, bare, moved, large, retried, stepped, anywhere, anywhere, machine}
	if l.n <= len(first) {
		if s := first[l.n-1]; s != anywhere && s != machine || l.engine != "" && (s == anywhere || !l.paper) {
			return s
		}
		return inPlace
	}
	if l.n%40 == 0 {
		return belated
	}
	n := l.rand.IntN(100)
	switch {
	case l.engine != "" && !l.paper && n < 2:
		return machine
	case l.engine != "" && n < 40:
		return anywhere
	case n < 46:
		return large
	case n < 53:
		return retried
	case n < 58:
		return stepped
	case n < 65:
		return moved
	case n < 80:
		return bare
	}
	return inPlace
}

// machine is a job that is a machine: its guest tells the witness, under the
// submission's key, and powers off.
func (l *load) machine(s *submission, line func(string, ...any)) error {
	// An engine puts it behind a cloud-config of its own, so its keys are lines. What
	// is under them may be JSON.
	source, err := json.Marshal(program)
	if err != nil {
		return err
	}
	guest := fmt.Sprintf("#cloud-config\nwrite_files:\n- {path: /root/job, permissions: '0755', content: %s}\nruncmd:\n- [/root/job, '%d', %s, '0.5', '0']\n- [poweroff]\n", source, l.port, s.Key)
	file := filepath.Join(s.Dir, "guest.yaml")
	if err := os.WriteFile(file, []byte(guest), 0o644); err != nil {
		return err
	}
	line("universe = grid\ngrid_resource = ovirt %s", l.engine)
	line("ovirt_username = %s\novirt_password_file = %s", engineUser, l.password)
	line("ovirt_template = %s\novirt_memory = 256MB\novirt_user_data_file = %s", templateName, file)
	line("queue")
	return nil
}
