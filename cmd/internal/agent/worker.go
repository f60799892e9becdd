// Package agent is the command line of gworker.
package agent

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/ad"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/secrecy"
	"gridburst/internal/wire"
	"gridburst/internal/worker"
	"gridburst/internal/worker/runner"
)

type options struct {
	schedd, state, name, isolation string
	level                          cli.Log
	cpus                           int
	memory, disk                   string
	attrs                          []string
	local, vm                      bool
	ca, token                      string
	powerOff                       []string
}

var isolations = []string{"auto", string(wire.Namespaces), string(wire.UserNamespaces), string(wire.ProcessGroups)}

// Worker is gworker.
func Worker(d *cli.Deps) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "gworker",
		Short: "The agent of one machine: it runs jobs for a schedd",
		Long: `The agent of one machine: it offers the machine to a schedd and runs what it is given.

It runs in the foreground until it is told to end (SIGTERM, SIGINT). Jobs that run then
go on, and the next gworker with the same state takes them up again.

A schedd of this host is asked on its socket, by root or the schedd's own user. One of
another host is asked over TLS: --schedd https://HOST:PORT with its authority in --ca,
and, until the worker has a certificate, a one-time token (gtoken) in --token-file.
` + cli.ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), d) },
	}
	f := c.Flags()
	f.StringVar(&o.schedd, "schedd", "", "the schedd's socket or directory, or https://HOST:PORT (default: as for every command)")
	f.StringVar(&o.state, "state", "", "the `directory` of what it has to remember (default: worker, or with --local local, in the schedd's default directory)")
	f.StringVar(&o.name, "name", "", "the worker's name (default: the host's)")
	f.IntVar(&o.cpus, "cpus", 0, "cpus to offer (default: all)")
	f.StringVar(&o.memory, "memory", "", "memory to offer, as in 4GiB (default: all)")
	f.StringVar(&o.disk, "disk", "", "disk to offer (default: what is free)")
	f.StringArrayVar(&o.attrs, "attr", nil, "NAME=EXPR, a further attribute of the machine's ad, as a ClassAd expression")
	f.BoolVar(&o.local, "local", false, "serve jobs of the local universe, and no others")
	f.StringVar(&o.ca, "ca", "", "`file` with the schedd's authority, PEM")
	f.StringVar(&o.token, "token-file", "", "`file` with a one-time token")
	f.BoolVar(&o.vm, "vm", false, "this is a virtual machine of the schedd's: power it off when told to, and when the lease has ended")
	f.StringArrayVar(&o.powerOff, "poweroff", []string{"poweroff"}, "the `command` that powers the machine off; again for its arguments")
	f.StringVar(&o.isolation, "isolation", "auto", "how jobs are kept apart: "+strings.Join(isolations, ", "))
	o.level.Add(f)
	c.AddCommand(&cobra.Command{
		Use: "runner", Hidden: true, DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error { return serveRunner(d, args) },
	})
	return c
}

// serveRunner is the life of a runner: this program again, started by an agent.
func serveRunner(d *cli.Deps, args []string) error {
	o, err := runner.ParseArgs(args)
	if err != nil {
		return err
	}
	o.Log = d.Logger(logrus.InfoLevel)
	if failpoint.Enabled {
		o.Fail = failpoint.Hit
	}
	// Not the command's context: a runner decides by itself what signals mean.
	return runner.Serve(context.Background(), o)
}

func (o *options) run(ctx context.Context, d *cli.Deps) error {
	log, err := o.level.Logger(d)
	if err != nil {
		return err
	}
	c, err := o.config(d)
	if err != nil {
		return err
	}
	// It has a key and tokens. A plain user's worker has to start runners in user
	// namespaces, which one that is sealed cannot.
	protect := secrecy.Seal
	if os.Geteuid() != 0 {
		protect = secrecy.NoCore
	}
	if err := protect(); err != nil {
		log.WithError(err).Warn("memory is not protected")
	}
	a, err := worker.New(c, log)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

func (o *options) config(d *cli.Deps) (c worker.Config, err error) {
	c = worker.Config{State: o.state, Name: o.name, Version: cli.Version(), Local: o.local}
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	c.Runner = []string{self, "runner"}
	if c.Schedd, err = o.endpoint(d); err != nil {
		return c, err
	}
	if c.Name == "" {
		if c.Name, err = os.Hostname(); err != nil {
			return c, err
		}
		if o.local {
			c.Name = "local@" + c.Name
		}
	}
	if c.State == "" {
		dir, err := cli.DefaultDir(d.Env)
		if err != nil {
			return c, err
		}
		c.State = filepath.Join(dir, "worker")
		if o.local {
			c.State = filepath.Join(dir, "local")
		}
	}
	if c.State, err = filepath.Abs(c.State); err != nil {
		return c, err
	}
	if !slices.Contains(isolations, o.isolation) {
		return c, grid.Errorf(grid.Invalid, "--isolation %s: it is %s", o.isolation, strings.Join(isolations, ", "))
	}
	if o.isolation != "auto" {
		c.Isolation = wire.Isolation(o.isolation)
	}
	if o.vm {
		c.PowerOff = o.powerOff
	}
	if o.token != "" {
		c.Token = o.readToken
		if o.vm { // nobody else put it there
			c.Spent = func() error { return os.RemoveAll(o.token) }
		}
	}
	if c.Schedd.Network == "unix" && (o.ca != "" || o.token != "") {
		return c, grid.Errorf(grid.Invalid, "--ca and --token-file are for a schedd that is asked over TLS: --schedd https://HOST:PORT")
	}
	if c.Schedd.Network == "tcp" {
		if o.ca == "" {
			return c, grid.Errorf(grid.Invalid, "a schedd over TLS is known by its authority: name a file with --ca")
		}
		if c.CA, err = os.ReadFile(o.ca); err != nil {
			return c, grid.Errorf(grid.Invalid, "the schedd's authority: %w", err)
		}
	}
	fixed, err := o.fixed()
	c.Offer = func() (map[string]string, error) {
		attrs, err := worker.Machine(c.State)
		if err == nil {
			o.adjust(attrs, fixed)
		}
		return attrs, err
	}
	return c, err
}

func (o *options) endpoint(d *cli.Deps) (e wire.Endpoint, err error) {
	if !strings.HasPrefix(o.schedd, "https:") {
		socket, err := cli.Find(o.schedd, d.Env)
		if err != nil {
			return e, err
		}
		if socket, err = filepath.Abs(socket); err != nil {
			return e, err
		}
		return wire.ParseEndpoint("unix:" + socket)
	}
	return wire.ParseEndpoint(o.schedd)
}

func (o *options) readToken() (string, error) {
	b, err := os.ReadFile(o.token)
	if err != nil {
		return "", grid.Errorf(grid.Invalid, "the token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// fixed is what the command line says of the machine, whatever is found.
func (o *options) fixed() (map[string]string, error) {
	fixed := map[string]string{}
	if o.cpus < 0 {
		return nil, grid.Errorf(grid.Invalid, "--cpus %d: it is a number of processors", o.cpus)
	}
	if o.cpus > 0 {
		fixed["Cpus"] = strconv.Itoa(o.cpus)
	}
	for name, x := range map[string]struct {
		text string
		unit int64
	}{"Memory": {o.memory, 1 << 20}, "Disk": {o.disk, 1 << 10}} {
		if x.text == "" {
			continue
		}
		n, ok := grid.ParseSize(x.text, x.unit)
		if !ok {
			return nil, grid.Errorf(grid.Invalid, "--%s %s is not a size: write 4GiB", strings.ToLower(name), x.text)
		}
		fixed[name] = strconv.FormatInt(n, 10)
	}
	for _, a := range o.attrs {
		name, expr, ok := strings.Cut(a, "=")
		name = strings.TrimSpace(name)
		if !ok || !ad.ValidName(name) {
			return nil, grid.Errorf(grid.Invalid, "--attr %s: it is NAME=EXPR", a)
		}
		e, err := ad.Parse(strings.TrimSpace(expr))
		if err == nil {
			err = e.Check()
		}
		if err != nil {
			return nil, grid.Errorf(grid.Invalid, "--attr %s: %w", name, err)
		}
		set(fixed, name, e.String())
	}
	return fixed, nil
}

// localShare is how many times its processors and memory a machine offers to jobs of
// the local universe. They are helpers that start and watch others, and are not meant
// to wait for each other.
const localShare = 16

// adjust makes what was found of the machine what it offers.
func (o *options) adjust(attrs, fixed map[string]string) {
	if o.local {
		for _, name := range []string{"Cpus", "Memory"} {
			if n, err := strconv.ParseInt(attrs[name], 10, 64); err == nil {
				attrs[name] = strconv.FormatInt(n*localShare, 10)
			}
		}
	}
	for name, expr := range fixed {
		set(attrs, name, expr)
	}
}

// set sets an attribute, whose name has no case.
func set(attrs map[string]string, name, expr string) {
	for known := range maps.Clone(attrs) {
		if strings.EqualFold(known, name) {
			delete(attrs, known)
		}
	}
	attrs[name] = expr
}
