package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/sirupsen/logrus"
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
	p.reloadable(&c, o, log)
	daemon, err := schedd.New(c, log)
	if err != nil {
		return err
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	err = daemon.Run(ctx, func() {
		go p.reread(ctx, hangups, daemon, log)
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

// reloadable lets another configuration take the place of this one while the schedd runs.
// It is read as this one was: by the same flags, with paths that rest on the same directory.
func (p *places) reloadable(c *schedd.Config, o *options, log logrus.FieldLogger) {
	if p.config == "" {
		return
	}
	at, count := *p, c.Telemetry
	c.File, c.Text = p.config, p.text
	c.Parse = func(text string) (schedd.Config, error) {
		file, diags := configs.ReadSchedd(at.config, []byte(text))
		if diags.HasErrors() {
			return schedd.Config{}, diags.Err()
		}
		fresh, err := wire(&file, o, at, log)
		if err != nil {
			return fresh, err
		}
		fresh.Telemetry = count
		fresh.Engine = engine(fresh.Resources, count, log)
		return fresh, nil
	}
}

// reread puts the configuration file in force whenever somebody asks for that by a signal.
func (p *places) reread(ctx context.Context, hangups <-chan os.Signal, d *schedd.Daemon, log logrus.FieldLogger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		err := d.Reload(ctx, func() (string, error) {
			if p.config == "" {
				return "", grid.Errorf(grid.NotFound, "this schedd was started without a configuration file")
			}
			b, err := os.ReadFile(p.config)
			return string(b), err
		})
		if err != nil {
			log.WithError(err).Error("the configuration file was read again, and is refused: the one before stays in force")
		}
	}
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
	text   string // of the config
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
	p.text = string(src)
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
