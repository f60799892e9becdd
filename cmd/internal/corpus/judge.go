package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/grid"
)

// judge runs the programs on files and counts.
type judge struct {
	out     io.Writer
	verbose bool
	gsubmit string
	gdag    string
	counts
}

type counts struct {
	accepted, acceptable int
	equal                int
	refused, refusable   int
	differences          int

	read, otherRefused, broken int
	dags                       dagCounts
}

func (c *counts) add(o *counts) {
	c.accepted, c.acceptable, c.equal = c.accepted+o.accepted, c.acceptable+o.acceptable, c.equal+o.equal
	c.refused, c.refusable, c.differences = c.refused+o.refused, c.refusable+o.refusable, c.differences+o.differences
	c.dags.add(&o.dags)
	c.read, c.otherRefused, c.broken = c.read+o.read, c.otherRefused+o.otherRefused, c.broken+o.broken
}

// atOnce is how many files are judged at one time.
const atOnce = 8

// all judges every file. What is said of them is in their order.
func (j *judge) all(ctx context.Context, found files) error {
	type result struct {
		judge
		said bytes.Buffer
		err  error
	}
	results := make([]result, len(found.judged)+len(found.others)+len(found.dags))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i := range results {
		r := &results[i]
		r.judge = judge{out: &r.said, verbose: j.verbose, gsubmit: j.gsubmit, gdag: j.gdag}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			switch n := i - len(found.judged); {
			case n < 0:
				r.err = r.submission(ctx, found.judged[i])
			case n < len(found.others):
				r.err = r.other(ctx, found.others[n])
			default:
				r.err = r.dag(found.dags[n-len(found.others)])
			}
		})
	}
	wg.Wait()
	for i := range results {
		r := &results[i]
		if r.err != nil {
			return r.err
		}
		if _, err := r.said.WriteTo(j.out); err != nil {
			return err
		}
		j.add(&r.counts)
	}
	return nil
}

// answer is what a program made of a file.
type answer struct {
	out, err string
	status   int
}

func run(ctx context.Context, dir string, env []string, program string, args ...string) (answer, error) {
	c := exec.CommandContext(ctx, program, args...)
	var out, errs bytes.Buffer
	c.Dir, c.Env, c.Stdout, c.Stderr = dir, env, &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return answer{}, grid.Errorf(grid.Internal, "run %s: %w", program, err)
	}
	return answer{out.String(), errs.String(), c.ProcessState.ExitCode()}, nil
}

// submission judges a file with expectations.
func (j *judge) submission(ctx context.Context, s submission) error {
	src, err := os.ReadFile(s.file)
	if err != nil {
		return err
	}
	root, err := os.MkdirTemp("", "corpus")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	// Stubs may lie a few directories up.
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return err
	}
	dir := filepath.Join(root, "a", "b", "c", "d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := s.lay(dir, src); err != nil {
		return err
	}
	// The file itself comes by its full path: the directory holds stubs alone.
	file, err := filepath.Abs(s.file)
	if err != nil {
		return err
	}
	env := []string{"HOME=/home/tester", "PATH=/usr/bin:/bin", "USER=tester", "PWD=" + dir}
	a, err := run(ctx, dir, env, j.gsubmit, "--dry-run", "--schedd", filepath.Join(root, "none"), "--domain", "test.local", file)
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(a.err, "\n")
	if a.status != cli.ExitDone && a.status != cli.ExitUsage {
		j.differs(s, fmt.Sprintf("gsubmit ended with status %d: %s", a.status, a.err))
	}
	if s.expected == "" {
		j.refusable++
		if a.status != cli.ExitUsage {
			j.differs(s, "accepted, but HTCondor said: "+s.said)
			return nil
		}
		j.refused++
		if j.verbose {
			fmt.Fprintf(j.out, "%s is refused:\n  HTCondor: %s\n  ours:     %s\n", s.name, s.said, first)
		}
		return nil
	}
	j.acceptable++
	if a.status != cli.ExitDone {
		j.differs(s, "refused, but HTCondor accepts it: "+strings.TrimSpace(a.err))
		return nil
	}
	j.accepted++
	text, err := os.ReadFile(s.expected)
	if err != nil {
		return err
	}
	want, err := parseAds(strings.ReplaceAll(string(text), "$IWD", dir))
	if err != nil {
		return grid.Errorf(grid.Invalid, "%s: %w", s.expected, err)
	}
	got, err := parseAds(a.out)
	if err != nil {
		return grid.Errorf(grid.Internal, "what gsubmit printed for %s: %w", s.name, err)
	}
	if d := compare(got, want); len(d) > 0 {
		j.differs(s, d...)
		return nil
	}
	j.equal++
	return nil
}

func (j *judge) differs(s submission, lines ...string) { j.differ(s.name, lines...) }

func (j *judge) differ(name string, lines ...string) {
	j.differences++
	fmt.Fprintf(j.out, "%s:\n", name)
	for _, l := range lines {
		fmt.Fprintf(j.out, "  %s\n", strings.ReplaceAll(l, "\n", "\n  "))
	}
}

// other judges a file of which nothing is known: it fails only when a program breaks
// down.
func (j *judge) other(ctx context.Context, file string) error {
	dir, base := filepath.Split(file)
	program, args := j.gdag, []string{"check", base}
	if isSubmit(file) {
		program, args = j.gsubmit, []string{"--dry-run", "--terse", base}
	}
	a, err := run(ctx, dir, os.Environ(), program, args...)
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(a.err, "\n")
	switch a.status {
	case cli.ExitDone:
		j.read++
	case cli.ExitUsage, cli.ExitNotFound, cli.ExitFailed:
		j.otherRefused++
		fmt.Fprintf(j.out, "refused %s: %s\n", file, first)
	default:
		j.broken++
		fmt.Fprintf(j.out, "BROKEN %s: %s\n", file, strings.TrimSpace(a.err))
	}
	return nil
}
