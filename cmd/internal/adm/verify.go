package adm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/grid"
	"gridburst/schedd"
	"gridburst/schedd/ledger"
)

func (a *admin) verify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify [FILE | DIR]",
		Short: "Prove that the queue is the fold of its log",
		Long: `Prove that the queue is the fold of its log: every record's checksum is right, and
applying the log again, from the last checkpoint on, gives the same state.

Without an argument it is the running schedd's, by a fresh copy; else a queue file or
backup, or the directory of a schedd that does not run. The proof needs room for two
copies among temporary files (TMPDIR).
` + cli.ExitHelp,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			scratch, err := os.MkdirTemp("", "gadm-verify-*")
			if err != nil {
				return grid.Errorf(grid.Invalid, "make a directory for copies: %w", err)
			}
			defer os.RemoveAll(scratch)
			path, dir := "", ""
			if len(args) > 0 {
				if path, err = queueFile(args[0]); err != nil {
					return err
				}
				dir = filepath.Dir(path)
			} else if path, dir, err = a.fresh(c.Context(), scratch); err != nil {
				return err
			}
			v, err := ledger.Verify(path, dir, scratch)
			if err != nil {
				return err
			}
			return a.verdict(path, &v)
		},
	}
}

// fresh is a copy of the running schedd's queue, and where its checkpoints lie.
func (a *admin) fresh(ctx context.Context, scratch string) (path, dir string, err error) {
	client, err := a.ask.Client(a.Deps)
	if err != nil {
		return "", "", err
	}
	s, err := client.Status(ctx)
	if err != nil {
		return "", "", err
	}
	path = filepath.Join(scratch, "copy.db")
	_, err = fetch(ctx, client, path)
	return path, filepath.Join(s.Dir, schedd.SpoolName), err
}

// verdict tells what was found.
func (a *admin) verdict(path string, v *ledger.Verified) error {
	found := make([]string, len(v.Found))
	for i, f := range v.Found {
		found[i] = f.String()
	}
	if a.json {
		err := cli.PrintJSON(a.Deps, struct {
			Base    uint64        `json:"base"`
			Index   uint64        `json:"index"`
			Entries int           `json:"entries"`
			Digest  ledger.Digest `json:"digest"`
			Found   []string      `json:"found"`
		}{v.Base, v.Index, v.Entries, v.Digest, found})
		if err != nil {
			return err
		}
	} else {
		for _, f := range found {
			fmt.Fprintln(a.Out, grid.Printable(f))
		}
	}
	if len(found) > 0 {
		return grid.Errorf(grid.Internal, "%s is damaged: restore it from a backup with gadm restore", path)
	}
	if !a.json {
		fmt.Fprintf(a.Out, "proven: entries %d to %d (%d applied again), digest %s\n", v.Base+1, v.Index, v.Entries, v.Digest)
	}
	return nil
}
