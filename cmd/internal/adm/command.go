package adm

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/grid"
	"gridburst/schedd"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// admin is what every verb of gadm has.
type admin struct {
	*cli.Deps
	ask  cli.Asks
	json bool
}

// Command is gadm.
func Command(d *cli.Deps) *cobra.Command {
	a := &admin{Deps: d}
	c := &cobra.Command{
		Use:   "gadm",
		Short: "Look after a schedd and its queue file",
		Long: `Look after a schedd and its queue file.

The queue file holds a log of every accepted command, and the state that is their
fold. All of this may be done while the schedd runs, but for restore and compact.
` + cli.ExitHelp,
	}
	a.ask.Flags(c)
	c.PersistentFlags().BoolVar(&a.json, "json", false, "print answers as JSON")
	c.AddCommand(a.status(), a.log(), a.verify(), a.backup(), a.restore(), a.compact(), a.events())
	return c
}

func (a *admin) status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say what the schedd is, and what needs looking at", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := a.ask.Client(a.Deps)
			if err != nil {
				return err
			}
			s, err := client.Status(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return cli.PrintJSON(a.Deps, s)
			}
			a.line("name", s.Name)
			a.line("version", s.Version)
			a.line("directory", s.Dir)
			a.line("deployment", s.Deployment)
			a.line("starts", s.Term)
			a.line("log entry", s.Index)
			a.line("since", time.Unix(s.Since, 0).Format("2006-01-02 15:04:05"))
			a.line("you", fmt.Sprintf("%s (%d)", s.You.User, s.You.UID))
			if v := s.Verified; v != nil {
				verdict := "proven"
				if v.Found != "" {
					verdict = v.Found
				}
				a.line("verified", fmt.Sprintf("%s, up to entry %d, in %d s: %s", time.Unix(v.At, 0).Format("2006-01-02 15:04:05"), v.Index, v.Seconds, verdict))
			}
			for _, w := range s.Warnings {
				a.line("warning", w)
			}
			return nil
		},
	}
}

func (a *admin) line(name string, value any) {
	fmt.Fprintf(a.Out, "%-11s %s\n", name, grid.Printable(fmt.Sprint(value)))
}

func (a *admin) log() *cobra.Command {
	var from uint64
	var dir string
	c := &cobra.Command{
		Use: "log", Short: "Print entries of the log, one JSON object a line", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			entries, err := a.entries(c.Context(), dir, from)
			if err != nil {
				return err
			}
			out := json.NewEncoder(a.Out)
			out.SetEscapeHTML(false)
			for e, err := range entries {
				if err != nil {
					return err
				}
				if err := out.Encode(e); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().Uint64Var(&from, "from", 0, "begin with this `entry`")
	c.Flags().StringVar(&dir, "dir", "", "read the queue file of this `directory`, whose schedd does not run")
	return c
}

// entries are those of the schedd, or of a directory without one.
func (a *admin) entries(ctx context.Context, dir string, from uint64) (iter.Seq2[api.LogEntry, error], error) {
	if dir == "" {
		client, err := a.ask.Client(a.Deps)
		if err != nil {
			return nil, err
		}
		return client.Log(ctx, from), nil
	}
	path, err := queueFile(dir)
	if err != nil {
		return nil, err
	}
	m, err := ledger.OpenMachine(path, ledger.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	return func(yield func(api.LogEntry, error) bool) {
		defer m.Close()
		err := m.Read(func(r *ledger.Reader) error {
			for rec, err := range r.Entries(max(from, m.View().LogFirst), 0) {
				if err != nil {
					return err
				}
				e, err := schedd.EntryOf(&rec)
				if err != nil {
					return err
				}
				if !yield(e, nil) {
					return nil
				}
			}
			return nil
		})
		if err != nil {
			yield(api.LogEntry{}, err)
		}
	}, nil
}

// queueFile is the queue file that a directory (a schedd's, or its spool) or a name
// means.
func queueFile(name string) (string, error) {
	for _, p := range []string{filepath.Join(name, schedd.SpoolName, ledger.FileName), filepath.Join(name, ledger.FileName), name} {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p, nil
		}
	}
	return "", grid.Errorf(grid.NotFound, "%s is neither a queue file nor the directory of a schedd", name)
}
