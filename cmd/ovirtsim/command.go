package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/gahp/ovirtsim"
	"gridburst/gahp/ovirtsim/cassette"
	"gridburst/internal/grid"
	"gridburst/internal/whole"
)

type options struct {
	listen, model, state, journal string
	caOut, urlFile, admin         string
	cassette                      string
	level                         cli.Log
}

func command(d *cli.Deps) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "ovirtsim",
		Short: "An oVirt engine for machines that have none",
		Long: `An oVirt engine for machines that have none: it serves the API of one over HTTPS, and
its machines go through their states as an engine's do. It runs in the foreground until
it is told to end (SIGTERM, SIGINT); guests end with it.

A model says what the engine has, in HCL (a file *.hcl), YAML or JSON. Without one it has a data center, a
cluster and a host, a template worker, and the user admin@internal with the password
` + ovirtsim.Password + `.

What a machine is beside its states is its template's body: paper is nothing, process a
guest in namespaces of this machine, qemu one that boots a kernel of its own in QEMU.

A browser at the engine's root, /ovirt-engine/, shows what there is. docs/ovirtsim.md has
the inventory's words, and what the engine can do.

With --admin-socket a judge or a driver of tests reads what happened, and makes things
go wrong, while it runs:

  curl --unix-socket SOCKET http://sim/summary
  curl --unix-socket SOCKET http://sim/rules -d '{ops: [create], nth: 2, drop: answer}'
` + cli.ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), d) },
	}
	o.place(c)
	f := c.Flags()
	f.StringVar(&o.model, "model", "", "the `file` that says what the engine has")
	f.StringVar(&o.state, "state", "", "the `directory` in which its machines outlive it (default: they do not)")
	f.StringVar(&o.journal, "journal", "", "the `file` of what happened, a JSON object a line (default: journal in --state)")
	f.StringVar(&o.cassette, "cassette", "", "the new `file` of all that is asked and answered, without secrets, in VCR's form")
	f.StringVar(&o.admin, "admin-socket", "", "the `path` of a Unix socket for judges and drivers of tests")
	c.AddCommand(o.recordCommand(d), o.replayCommand(d))
	return c
}

// place adds the flags that say where and how it is served.
func (o *options) place(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8443", "where it is served, `HOST:PORT`; with port 0 and --state on the port of the last time, if that is free")
	f.StringVar(&o.caOut, "ca-out", "", "the `file` that its authority is written to, PEM")
	f.StringVar(&o.urlFile, "url-file", "", "the `file` that its URL is written to when it is ready")
	o.level.Add(f)
}

func (o *options) run(ctx context.Context, d *cli.Deps) (failed error) {
	log, err := o.level.Logger(d)
	if err != nil {
		return err
	}

	var model ovirtsim.Model
	if o.model != "" {
		var diags grid.Diagnostics
		if model, diags, err = readModel(o.model); err != nil {
			return err
		}
		d.Diagnose(diags)
	}
	how := ovirtsim.Options{State: o.state, Journal: o.journal, Log: log}
	if o.cassette != "" {
		tape, err := cassette.Record(o.cassette)
		if err != nil {
			return err
		}
		defer func() { failed = errors.Join(failed, tape.Close()) }()
		how.Serve = tape.Of
	}
	sim, err := ovirtsim.Open(model, how)
	if err != nil {
		return err
	}
	return errors.Join(o.serve(ctx, sim, log), sim.Close())
}

func (o *options) serve(ctx context.Context, sim *ovirtsim.Sim, log logrus.FieldLogger) error {
	listener, err := o.open(sim)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if o.admin != "" {
		end, err := serveAdmin(o.admin, sim)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		defer end()
	}
	// The URL last: it says that all is ready.
	for _, f := range []struct{ path, text string }{{o.caOut, string(sim.CA)}, {o.urlFile, sim.URL + "\n"}} {
		if f.path == "" {
			continue
		}
		if err := whole.Write(f.path, []byte(f.text), 0o644); err != nil {
			return errors.Join(grid.Errorf(grid.Invalid, "write %s: %w", f.path, err), listener.Close())
		}
	}
	log.WithFields(logrus.Fields{"url": sim.URL, "state": o.state}).Info("serving")
	return sim.Serve(ctx, listener)
}

const addressFile = "address"

// open listens. An engine that starts again has to be where its clients look for it.
func (o *options) open(sim *ovirtsim.Sim) (net.Listener, error) {
	file := filepath.Join(o.state, addressFile)
	if host, port, err := net.SplitHostPort(o.listen); err == nil && port == "0" && o.state != "" {
		if last, err := os.ReadFile(file); err == nil {
			if l, err := sim.Listen(net.JoinHostPort(host, strings.TrimSpace(string(last)))); err == nil {
				return l, nil
			}
		}
	}
	l, err := sim.Listen(o.listen)
	if err != nil || o.state == "" {
		return l, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err == nil {
		err = os.WriteFile(file, []byte(port+"\n"), 0o644)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// serveAdmin serves the admin's part for this user alone.
func serveAdmin(path string, sim *ovirtsim.Sim) (end func(), err error) {
	// One that an earlier life has left is in the way; what is no socket is not ours.
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if conn, err := net.Dial("unix", path); err == nil {
			conn.Close()
			return nil, grid.Errorf(grid.Refused, "%s is in use: another simulator serves it", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "the admin socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	server := &http.Server{Handler: sim.Admin()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintf(os.Stderr, "ovirtsim: the admin socket: %v\n", err)
		}
	}()
	return func() { server.Close(); <-done }, nil
}
