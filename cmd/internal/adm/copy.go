package adm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/whole"
	"gridburst/schedd"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

func (a *admin) backup() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a consistent copy of the queue file, while the schedd goes on",
		Long: `Write a consistent copy of the queue file, while the schedd goes on.

The copy is proven before it gets its name; FILE.json, beside it, says what it holds
and belongs to it. Checkpoints of jobs, which may be large, are not in it; how many there
are, and how large, is told.
` + cli.ExitHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := a.ask.Client(a.Deps)
			if err != nil {
				return err
			}
			b, err := fetch(c.Context(), client, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return cli.PrintJSON(a.Deps, b)
			}
			fmt.Fprintf(a.Out, "%s: entry %d, %s, digest %s\n", args[0], b.Index, grid.FormatSize(b.Size), b.Digest)
			if b.Checkpoints > 0 {
				fmt.Fprintf(a.Out, "not in it are the checkpoints of jobs (%d, %s, in spool/checkpoints): their jobs begin anew unless these are there when it is restored\n", b.Checkpoints, grid.FormatSize(b.CheckpointBytes))
			}
			return nil
		},
	}
}

// fetch puts a proven copy of the queue file at path, with its description beside it.
// Until both are whole, what was there stays.
func fetch(ctx context.Context, client *api.Client, path string) (b api.Backup, err error) {
	dir, base := filepath.Split(path)
	f, err := os.CreateTemp(filepath.Clean(dir+"."), "."+base+".*")
	if err != nil {
		return b, grid.Errorf(grid.Invalid, "write the backup: %w", err)
	}
	fresh := f.Name()
	defer func() {
		f.Close()
		os.Remove(fresh)
		os.Remove(fresh + ".json")
	}()
	if b, err = client.Backup(ctx, f); err != nil {
		return b, err
	}
	if err := f.Sync(); err != nil {
		return b, grid.Errorf(grid.NoSpace, "write the backup: %w", err)
	}
	failpoint.Hit("gadm.backup.fetched")
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return b, err
	}
	if err := writeSynced(fresh+".json", append(text, '\n')); err != nil {
		return b, err
	}
	if _, err := ledger.ReadBackup(fresh); err != nil {
		return b, grid.Errorf(grid.Internal, "the copy that came is not a queue file: %w", err)
	}
	failpoint.Hit("gadm.backup.proven")
	// The description goes first and comes last: a copy without one is not whole.
	if err := os.Remove(path + ".json"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return b, grid.Errorf(grid.Invalid, "write the backup: %w", err)
	}
	for _, end := range []string{"", ".json"} {
		failpoint.Hit("gadm.backup.named")
		if err := os.Rename(fresh+end, path+end); err != nil {
			return b, grid.Errorf(grid.Invalid, "write the backup: %w", err)
		}
	}
	failpoint.Hit("gadm.backup.done")
	return b, whole.SyncDir(filepath.Dir(path))
}

func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return err
	}
	return f.Sync()
}

func (a *admin) restore() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE DIR",
		Short: "Make a backup the queue of a schedd that does not run",
		Long: `Make a backup the queue of the schedd of DIR, which must not run.

What was there is kept as queue.db.before-restore. The schedd's next start knows that
its queue was restored, and gives no id a second time that was given since. Jobs that
checkpoint themselves go on from the checkpoints that the backup names, as far as these
are in DIR/spool/checkpoints, and otherwise begin anew.
` + cli.ExitHelp,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			spool := filepath.Join(args[1], schedd.SpoolName)
			if err := os.MkdirAll(spool, 0o700); err != nil {
				return grid.Errorf(grid.Invalid, "make the directory: %w", err)
			}
			b, err := ledger.Restore(args[0], spool)
			if err != nil {
				return err
			}
			if a.json {
				return cli.PrintJSON(a.Deps, b)
			}
			fmt.Fprintf(a.Out, "%s: entry %d, digest %s; start it with gschedd --dir %s\n", args[1], b.Index, b.Digest, args[1])
			return nil
		},
	}
}

func (a *admin) compact() *cobra.Command {
	return &cobra.Command{
		Use:   "compact DIR",
		Short: "Make the queue file of a schedd that does not run as small as it can be",
		Long: `Copy the queue file of the schedd of DIR, which must not run, without the room that
nothing uses any more, prove that the copy holds the same, and put it in the file's place.
It may be killed at any time: the file is then the old one, or the whole new one. It needs
room for the copy in DIR.
` + cli.ExitHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := ledger.Compact(filepath.Join(args[0], schedd.SpoolName))
			if err != nil {
				return err
			}
			if a.json {
				return cli.PrintJSON(a.Deps, c)
			}
			fmt.Fprintf(a.Out, "%s: %s before, %s now, digest %s\n", args[0], grid.FormatSize(c.Before), grid.FormatSize(c.After), c.Digest)
			return nil
		},
	}
}
