package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gridburst/internal/whole"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
	"gridburst/internal/worker/sandbox"
)

// entry is an attempt as the journal has it.
type entry struct {
	Key   runner.Key     `json:"key"`
	Boot  string         `json:"boot"`
	User  sandbox.User   `json:"user"`
	Exec  wire.Execution `json:"exec"`
	Final *wire.Report   `json:"final,omitempty"` // of one whose end is not just what its runner wrote

	// Of a job that checkpoints itself.
	Kept  uint32     `json:"kept,omitempty"`  // checkpoints of this attempt that the schedd has
	Used  wire.Usage `json:"used,omitzero"`   // up to the last time that the job exited for one
	Again bool       `json:"again,omitempty"` // it is to begin again, and no runner was told
}

const entryExt = ".json"

func (a *Agent) write(e *entry) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := whole.WriteIn(a.journal, e.Key.String()+entryExt, b, 0o600); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

// erase ends what the journal knows of an attempt. The entry goes last: without it
// nobody would look for the rest.
func (a *Agent) erase(k runner.Key) error {
	if err := runner.ForgetResult(a.journal, k); err != nil {
		return err
	}
	err := a.journal.Remove(k.String() + entryExt)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// entries reads the journal, and removes what belongs to no entry. An entry is renamed
// into place, so one that cannot be read is what a power cut left: its attempt died with
// the machine.
func (a *Agent) entries() (map[runner.Key]*entry, error) {
	files, err := fs.ReadDir(a.journal.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	held := map[runner.Key]*entry{}
	for _, f := range files {
		k, ext := split(f.Name())
		if ext != entryExt {
			continue
		}
		b, err := a.journal.ReadFile(f.Name())
		if err != nil {
			return nil, err
		}
		e := new(entry)
		if json.Unmarshal(b, e) != nil || e.Key != k {
			a.log.WithField("entry", f.Name()).Error("a journal entry cannot be read and is dropped")
			continue
		}
		held[k] = e
	}
	for _, f := range files {
		// The runner of an attempt that is held may just be writing its result.
		if k, ext := split(f.Name()); held[k] == nil || ext == entryExt+whole.Beside {
			if err := a.journal.Remove(f.Name()); err != nil {
				return nil, err
			}
		}
	}
	return held, nil
}

// split takes the name of a file in the journal apart; ext is empty for one that is
// nobody's.
func split(name string) (k runner.Key, ext string) {
	for _, ext := range []string{entryExt, entryExt + whole.Beside, runner.ResultExt, runner.ResultExt + whole.Beside} {
		if stem, ok := strings.CutSuffix(name, ext); ok {
			if k, ok := runner.ParseKey(stem); ok {
				return k, ext
			}
		}
	}
	return runner.Key{}, ""
}

// stray lists the sandboxes that belong to no entry.
func (a *Agent) stray(held map[runner.Key]*entry) (boxes []sandbox.Sandbox, err error) {
	dir := filepath.Join(a.c.State, sandboxDir)
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for sandboxes: %w", err)
	}
	for _, f := range files {
		if k, ok := runner.ParseKey(f.Name()); !ok || held[k] == nil {
			boxes = append(boxes, sandbox.Sandbox{Dir: filepath.Join(dir, f.Name()), User: sandbox.Self()})
		}
	}
	return boxes, nil
}

// tenure is how long a machine of ours has leave to run. A new agent on it does not
// begin to wait anew.
type tenure struct {
	Boot  string `json:"boot"`
	Until int64  `json:"until"` // by runner.Clock
}

const leaseFile = "lease.json"

func (a *Agent) readLease() (int64, error) {
	var t tenure
	b, err := os.ReadFile(filepath.Join(a.private(), leaseFile))
	if err == nil && json.Unmarshal(b, &t) == nil && t.Boot == a.boot && !a.c.Local {
		return t.Until, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	until := runner.Clock() + a.c.Patience.Milliseconds()
	return until, a.keepLease(until)
}

// keepLease is not synced: the lease of a machine that has crashed is over.
func (a *Agent) keepLease(until int64) error {
	b, err := json.Marshal(tenure{Boot: a.boot, Until: until})
	if err != nil {
		return err
	}
	return whole.Write(filepath.Join(a.private(), leaseFile), b, 0o600)
}

// memory is what a worker keeps of itself.
type memory struct {
	Term uint64 `json:"term"`
}

const memoryFile = "worker.json"

func (a *Agent) readTerm() (uint64, error) {
	b, err := os.ReadFile(filepath.Join(a.private(), memoryFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var m memory
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w; if the worker has no jobs, it may be removed", filepath.Join(a.private(), memoryFile), err)
	}
	return m.Term, nil
}

// keepTerm remembers a higher term, durably: a schedd that was copied must not get this
// worker back after a power cut.
func (a *Agent) keepTerm(term uint64) error {
	b, err := json.Marshal(memory{Term: term})
	if err != nil {
		return err
	}
	return whole.Store(filepath.Join(a.private(), memoryFile), b, 0o600)
}
