package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/gahp/ovirtsim"
	"gridburst/gahp/ovirtsim/cassette"
	"gridburst/internal/grid"
)

// recordCommand is ovirtsim record: another engine's answers.
func (o *options) recordCommand(d *cli.Deps) *cobra.Command {
	var engine, ca string
	c := &cobra.Command{
		Use:   "record --engine URL --cassette FILE",
		Short: "Pass on what an engine is asked, and keep what it answers",
		Long: `Pass on what an engine is asked, and keep what it answers: programs are given this
address instead of the engine's. The cassette holds no passwords, tokens and user data,
and is in the form that VCR and its relatives read; "ovirtsim replay" answers from it, and
"make ovirt-coverage DIR=..." compares what it holds with what ovirtsim says.
` + cli.ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			through, err := proxy(engine, ca)
			if err != nil {
				return err
			}
			tape, err := cassette.Record(o.cassette)
			if err != nil {
				return err
			}
			return errors.Join(o.instead(c.Context(), d, tape.Of(through)), tape.Close())
		},
	}
	o.place(c)
	c.Flags().StringVar(&engine, "engine", "", "the engine's `URL`, as https://engine.example.com")
	c.Flags().StringVar(&ca, "ca", "", "the `file` with its authority, PEM (default: those of this machine)")
	c.Flags().StringVar(&o.cassette, "cassette", "", "the new `file` of what is asked and answered")
	c.MarkFlagRequired("engine")
	c.MarkFlagRequired("cassette")
	return c
}

// replayCommand is ovirtsim replay.
func (o *options) replayCommand(d *cli.Deps) *cobra.Command {
	c := &cobra.Command{
		Use:   "replay CASSETTE",
		Short: "Answer as an engine was recorded to answer",
		Long: `Answer as an engine was recorded to answer: each request with the next answer to the
same one. What was not recorded is answered with 404, and listed at the end, with exit
status 4.
` + cli.ExitHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			player, err := cassette.Play(args[0])
			if err != nil {
				return err
			}
			err = o.instead(c.Context(), d, player)
			if unknown := player.Unknown(); err == nil && len(unknown) > 0 {
				err = grid.Errorf(grid.NotFound, "not recorded: %s", strings.Join(unknown, ", "))
			}
			return err
		},
	}
	o.place(c)
	return c
}

// instead serves something else at an engine's place.
func (o *options) instead(ctx context.Context, d *cli.Deps, what http.Handler) error {
	log, err := o.level.Logger(d)
	if err != nil {
		return err
	}
	sim, err := ovirtsim.Open(ovirtsim.Model{}, ovirtsim.Options{Log: log, Serve: func(http.Handler) http.Handler { return what }})
	if err != nil {
		return err
	}
	return errors.Join(o.serve(ctx, sim, log), sim.Close())
}

// proxy passes requests on to an engine.
func proxy(engine, ca string) (http.Handler, error) {
	u, err := url.Parse(engine)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, grid.Errorf(grid.Invalid, "--engine %s is no URL as https://engine.example.com", engine)
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, grid.Errorf(grid.Invalid, "the authority: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, grid.Errorf(grid.Invalid, "%s holds no certificate", ca)
		}
	}
	return &httputil.ReverseProxy{
		Transport: &http.Transport{TLSClientConfig: trust, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "https", u.Host, u.Host
			r.Out.Header.Del("Accept-Encoding") // what is kept can be read
		},
	}, nil
}
