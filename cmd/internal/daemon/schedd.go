package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/configs"
	"gridburst/internal/grid"
	"gridburst/internal/secrecy"
	"gridburst/schedd"
)

type options struct {
	dir, config, socket string
	level               cli.Log
}

// Schedd is gschedd.
func Schedd(d *cli.Deps) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "gschedd",
		Short: "The queue daemon",
		Long: `The queue daemon: it keeps every job, gives jobs to workers, and serves the commands.

It runs in the foreground until it is told to end (SIGTERM, SIGINT); jobs that run go
on without it. Everything of it lies in one directory: ` + cli.SystemDir + ` for root,
~/.gridburst for anybody else, where it is that user's own and serves nobody but them.

The configuration is the file that --config names; without it schedd.hcl in the
directory, if it is there, and for root's default directory ` + systemConfig + `.
` + cli.ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), d) },
	}
	f := c.Flags()
	f.StringVar(&o.dir, "dir", "", "the `directory` of this schedd")
	f.StringVar(&o.config, "config", "", "the configuration `file`")
	f.StringVar(&o.socket, "socket", "", "where commands find it (default: DIR/"+cli.SocketName+")")
	o.level.Add(f)
	return c
}

func (o *options) run(ctx context.Context, d *cli.Deps) error {
	log, err := o.level.Logger(d)
	if err != nil {
		return err
	}
	// The keys of workers and tokens are here, and what users give their machines.
	if err := secrecy.Seal(); err != nil {
		log.WithError(err).Warn("memory is not protected from other processes of this user")
	}
	p, err := o.places(d)
	if err != nil {
		return err
	}
	file, err := p.read(d)
	if err == nil && p.config != "" {
		p.config, err = filepath.Abs(p.config) // its relative paths rest on its directory
	}
	if err != nil {
		return err
	}
	c, err := wire(&file, o, p, log)
	if err != nil {
		return err
	}
	daemon, err := schedd.New(c, log)
	if err != nil {
		return err
	}
	err = daemon.Run(ctx, func() {
		if err := p.link(c.Socket); err != nil {
			log.WithError(err).Warn("commands will not find this schedd by themselves")
		}
		if err := notify(d.Env("NOTIFY_SOCKET"), "READY=1"); err != nil {
			log.WithError(err).Warn("the service manager was not told")
		}
	})
	// What cannot be read at a start (a damaged file) is no mistake of the command
	// line.
	if grid.CodeOf(err) == grid.Invalid {
		return &grid.Error{Code: grid.Internal, Message: grid.MessageOf(err), Err: err}
	}
	return err
}

// systemConfig is the configuration of a machine's schedd.
const systemConfig = "/etc/gridburst/schedd.hcl"

// configName is a configuration's name in a schedd's directory.
const configName = "schedd.hcl"

// places is where a schedd looks before it knows anything.
type places struct {
	home   string // the default directory, where commands look; "" if there is none
	dir    string // the one named, else home
	config string // "" if there is none
	named  bool   // the config was named: it must be there
}

func (o *options) places(d *cli.Deps) (p places, err error) {
	p.home, err = cli.DefaultDir(d.Env)
	if p.dir = o.dir; p.dir == "" {
		p.dir = p.home
	}
	if p.dir == "" && o.config == "" {
		return p, err
	}
	switch {
	case o.config != "":
		p.config, p.named = o.config, true
	case o.dir == "" && p.home == cli.SystemDir:
		p.config = systemConfig
	default:
		p.config = filepath.Join(p.dir, configName)
	}
	return p, nil
}

// read reads the configuration, if there is one.
func (p *places) read(d *cli.Deps) (c configs.Schedd, err error) {
	f, err := os.Open(p.config)
	switch {
	case errors.Is(err, os.ErrNotExist) && !p.named:
		p.config = ""
		return c, nil
	case err != nil:
		return c, grid.Errorf(grid.Invalid, "the configuration: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, configs.MaxFile+1))
	if err != nil {
		return c, grid.Errorf(grid.Invalid, "read the configuration: %w", err)
	}
	c, diags := configs.ReadSchedd(p.config, src)
	if diags.HasErrors() {
		return c, diags.Err()
	}
	d.Diagnose(diags)
	return c, nil
}

// link leaves a link in the default directory when the configuration found there puts
// the socket elsewhere. Commands read no configuration.
func (p *places) link(socket string) error {
	if p.home == "" || p.named || p.dir != p.home {
		return nil
	}
	name := filepath.Join(p.home, cli.SocketName)
	if name == socket {
		return nil
	}
	if info, err := os.Lstat(name); err == nil && info.Mode()&os.ModeSymlink == 0 {
		return fmt.Errorf("%s is there already", name)
	}
	if err := os.MkdirAll(p.home, 0o755); err != nil {
		return err
	}
	// Made beside and renamed: there is never none.
	fresh := name + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(socket, fresh); err != nil {
		return err
	}
	return os.Rename(fresh, name)
}

// notify tells a service manager that waits for it.
func notify(socket, state string) error {
	if socket == "" {
		return nil
	}
	c, err := net.Dial("unixgram", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte(state))
	return err
}
