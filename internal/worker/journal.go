package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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
	Final *wire.Report   `json:"final,omitempty"` // of one whose end the agent itself decided
}

const entryExt = ".json"

func (a *Agent) write(e *entry) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	name := e.Key.String() + entryExt
	if err := a.journal.WriteFile(name+".new", b, 0o600); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return a.journal.Rename(name+".new", name)
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

// entries reads the journal. An entry that cannot be read was being written when its
// agent died: nothing had been done about it.
func (a *Agent) entries() (list []*entry, err error) {
	names, err := fs.Glob(a.journal.FS(), "*"+entryExt)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		k, ok := runner.ParseKey(strings.TrimSuffix(name, entryExt))
		if !ok {
			continue
		}
		b, err := a.journal.ReadFile(name)
		if err != nil {
			return nil, err
		}
		e := new(entry)
		if json.Unmarshal(b, e) != nil || e.Key != k {
			a.log.WithField("entry", name).Error("a journal entry cannot be read and is dropped")
			if err := a.erase(k); err != nil {
				return nil, err
			}
			continue
		}
		list = append(list, e)
	}
	return list, nil
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
	return writeDurably(a.private(), memoryFile, b)
}

// writeDurably makes a file of dir, whole or not at all, and sees it on the disk.
func writeDurably(dir, name string, b []byte) error {
	f, err := os.OpenFile(filepath.Join(dir, name+".new"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
