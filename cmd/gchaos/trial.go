package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/grid"
)

// begin prepares a trial in the sandbox dir, which becomes absolute: a seed, if there is
// none, and a journal of what happens.
func begin(d *cli.Deps, dir *string, seed *uint64, log *io.Writer) (end func() error, err error) {
	if *seed == 0 {
		*seed = rand.Uint64()>>40 + 1
	}
	if *dir, err = filepath.Abs(*dir); err != nil {
		return nil, err
	}
	*log, end, err = open(*dir, "journal")
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(d.Err, "seed %d; what happens is told in %s\n", *seed, filepath.Join(*dir, "journal"))
	return end, nil
}

// open is a file below dir that is written to as things happen.
func open(dir, name string) (io.Writer, func() error, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return nil, nil, err
	}
	return &stamped{f, time.Now()}, f.Close, nil
}

// stamped puts the time before each write, which is a line.
type stamped struct {
	w     io.Writer
	begun time.Time
}

func (s *stamped) Write(p []byte) (int, error) {
	if _, err := fmt.Fprintf(s.w, "%8.3f %s", time.Since(s.begun).Seconds(), p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// report writes what came of a trial, as JSON.
func report(path string, rep any) error {
	if err := cli.WriteJSON(path, rep); err != nil {
		return grid.Errorf(grid.Internal, "write the report: %w", err)
	}
	return nil
}

// verdict prints what was wrong in a trial, which is an error. seed: 0: the trial has none.
func verdict(d *cli.Deps, seed uint64, wrong []string) error {
	for _, w := range wrong {
		fmt.Fprintln(d.Out, "wrong:", w)
	}
	switch {
	case len(wrong) == 0:
		return nil
	case seed == 0:
		return grid.Errorf(grid.Internal, "%d things are wrong", len(wrong))
	}
	return grid.Errorf(grid.Internal, "%d things are wrong; the seed was %d", len(wrong), seed)
}
