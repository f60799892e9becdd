package daemon

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/configs"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// liveOptions are of what asks a schedd that runs.
type liveOptions struct {
	cli.Asks
	json, versions bool
	reason         string
	version        int
}

// live is the commands of gconfig that go by the configuration in force.
func live(d *cli.Deps) []*cobra.Command {
	var o liveOptions
	show := &cobra.Command{
		Use: "show", Short: "Print the configuration that is in force",
		Long: "Print the configuration that is in force in a schedd that runs, or an earlier version.\n" + cli.ExitHelp,
		Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return o.show(c.Context(), d) },
	}
	show.Flags().BoolVar(&o.versions, "versions", false, "list those that were in force: when, by whom, and why")
	show.Flags().IntVar(&o.version, "version-number", 0, "print this `version`")
	diff := &cobra.Command{
		Use: "diff NEW", Short: "Say what another configuration would change",
		Long: `Say in words what the file NEW says otherwise than the configuration that is in force, and
whether it could take its place while the schedd runs. Nothing is changed. NEW is read as if
it were in the place of the configuration file: relative paths rest on that one's directory.
` + cli.ExitHelp,
		Args: cobra.ExactArgs(1), RunE: func(c *cobra.Command, args []string) error { return o.diff(c.Context(), d, args[0]) },
	}
	apply := &cobra.Command{
		Use: "apply [NEW]", Short: "Put a configuration in force, whole or not at all",
		Long: `Check the file NEW whole, put it in the place of the configuration file, and put it in force
while the schedd runs. With any mistake in it nothing changes. Without NEW the configuration
file is read again, as by a SIGHUP.

Anything may change so but what others hold a schedd by, as its directory, its name and its
addresses: that needs the schedd to be started anew, and is refused by name. Jobs that are at
a target go on there, and it cannot be taken away while it has some. What is due by a
timetable is decided before it changes. Machines of a resource that is not there any more are
drained and taken away.
` + cli.ExitHelp,
		Args: cobra.MaximumNArgs(1), RunE: func(c *cobra.Command, args []string) error { return o.apply(c.Context(), d, args) },
	}
	rollback := &cobra.Command{
		Use: "rollback [VERSION]", Short: "Put an earlier configuration in force again",
		Long: "Put an earlier version of the configuration in force again: the one before, or the one named.\ngconfig show --versions lists them.\n" + cli.ExitHelp,
		Args: cobra.MaximumNArgs(1), RunE: func(c *cobra.Command, args []string) error { return o.rollback(c.Context(), d, args) },
	}
	list := []*cobra.Command{show, diff, apply, rollback}
	for _, c := range list {
		o.Flags(c)
		c.Flags().BoolVar(&o.json, "json", false, "print it as JSON")
		if c == apply || c == rollback {
			c.Flags().StringVar(&o.reason, "reason", "", "`why`, for whoever asks later")
		}
	}
	return list
}

func (o *liveOptions) show(ctx context.Context, d *cli.Deps) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	c, err := client.Configuration(ctx, o.version)
	if err != nil {
		return err
	}
	switch {
	case o.json:
		return cli.PrintJSON(d, c)
	case o.versions:
		for _, v := range c.Versions {
			mark := " "
			if v.Version == c.Version {
				mark = "*"
			}
			who := v.By
			if who == "" {
				who = "-"
			}
			fmt.Fprintf(d.Out, "%s %4d  %s  %-10s  %s\n", mark, v.Version, time.Unix(v.Time, 0).Format(time.DateTime), grid.Printable(who), grid.Printable(v.Reason))
		}
		return nil
	}
	fmt.Fprint(d.Out, c.Text)
	return nil
}

// readText reads a file that is to be a configuration.
func readText(d *cli.Deps, path string) (string, error) {
	var in io.Reader = d.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", grid.Errorf(grid.NotFound, "the new configuration: %w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, configs.MaxFile+1))
	if err != nil {
		return "", grid.Errorf(grid.Invalid, "read %s: %w", path, err)
	}
	return string(b), nil
}

func (o *liveOptions) diff(ctx context.Context, d *cli.Deps, path string) error {
	text, err := readText(d, path)
	if err != nil {
		return err
	}
	fresh, diags := configs.ReadSchedd(path, []byte(text))
	if diags.HasErrors() {
		return diags.Err()
	}
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	c, err := client.Configuration(ctx, 0)
	if err != nil {
		return err
	}
	old, diags := configs.ReadSchedd(c.File, []byte(c.Text))
	if diags.HasErrors() {
		return diags.Err()
	}
	changes := configs.Diff(&old, &fresh)
	would, refused := client.Configure(ctx, api.Configure{Text: text, Check: true})
	if o.json {
		out := struct {
			Changes []configs.Change `json:"changes"`
			Notes   []string         `json:"notes,omitempty"`
			Refused string           `json:"refused,omitempty"`
		}{append([]configs.Change{}, changes...), would.Notes, ""}
		if refused != nil {
			out.Refused = grid.MessageOf(refused)
		}
		return cli.PrintJSON(d, out)
	}
	for _, x := range changes {
		fmt.Fprintln(d.Out, x)
	}
	if len(changes) == 0 {
		fmt.Fprintln(d.Out, "They say the same.")
	}
	for _, n := range would.Notes {
		fmt.Fprintln(d.Out, grid.Printable(n))
	}
	if refused != nil {
		return refused
	}
	if len(changes) > 0 {
		fmt.Fprintf(d.Out, "It can be put in force: gconfig apply %s\n", path)
	}
	return nil
}

func (o *liveOptions) apply(ctx context.Context, d *cli.Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	q := api.Configure{Reason: o.reason}
	if len(args) == 0 {
		c, err := client.Configuration(ctx, 0)
		if err != nil {
			return err
		}
		if c.File == "" {
			return grid.Errorf(grid.NotFound, "the schedd was started without a configuration file; name one")
		}
		args = []string{c.File}
	}
	if q.Text, err = readText(d, args[0]); err != nil {
		return err
	}
	// Its mistakes are shown under the name that it has here.
	if _, diags := configs.ReadSchedd(args[0], []byte(q.Text)); diags.HasErrors() {
		return diags.Err()
	}
	return o.configure(ctx, d, client, q)
}

func (o *liveOptions) configure(ctx context.Context, d *cli.Deps, client *api.Client, q api.Configure) error {
	out, err := client.Configure(ctx, q)
	if err != nil {
		return err
	}
	if o.json {
		return cli.PrintJSON(d, out)
	}
	fmt.Fprintf(d.Out, "Version %d of the configuration is in force.\n", out.Version)
	for _, n := range out.Notes {
		fmt.Fprintln(d.Out, grid.Printable(n))
	}
	return nil
}

func (o *liveOptions) rollback(ctx context.Context, d *cli.Deps, args []string) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	q := api.Configure{Reason: o.reason}
	if len(args) == 1 {
		if q.Version, err = strconv.Atoi(args[0]); err != nil || q.Version < 1 {
			return grid.Errorf(grid.Invalid, "%q is no version: gconfig show --versions lists them", args[0])
		}
		return o.configure(ctx, d, client, q)
	}
	c, err := client.Configuration(ctx, 0)
	if err != nil {
		return err
	}
	for _, v := range c.Versions {
		if v.Version < c.Version {
			q.Version = v.Version
		}
	}
	if q.Version == 0 {
		return grid.Errorf(grid.NotFound, "there is no version before the one in force")
	}
	if q.Reason == "" {
		q.Reason = fmt.Sprintf("back to version %d", q.Version)
	}
	return o.configure(ctx, d, client, q)
}
