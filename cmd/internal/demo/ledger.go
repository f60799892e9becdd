package demo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

// entry is a line of the client's ledger: that something is about to be handed in, or
// that it was acknowledged.
type entry struct {
	Key   string `json:"key"`
	What  string `json:"what"` // the file
	Acked bool   `json:"acked,omitempty"`
	Jobs  int    `json:"jobs,omitempty"`    // that were promised
	Dag   uint32 `json:"dag,omitempty"`     // the run
	First int32  `json:"cluster,omitempty"` // the cluster
}

// ledger is what a client has promised and been promised, kept apart from the queue.
type ledger struct{ f *os.File }

func openLedger(path string) (*ledger, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	return &ledger{f}, nil
}

func (l *ledger) note(e entry) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := l.f.Write(append(b, '\n')); err != nil {
		return err
	}
	return l.f.Sync()
}

func (l *ledger) Close() error { return l.f.Close() }

// acknowledged reads the ledger's acknowledgements from the disk.
func (l *ledger) acknowledged() (out []entry, err error) {
	b, err := os.ReadFile(l.f.Name())
	if err != nil {
		return nil, err
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		var e entry
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s: %w", l.f.Name(), err)
		}
		if e.Acked {
			out = append(out, e)
		}
	}
	return out, nil
}
