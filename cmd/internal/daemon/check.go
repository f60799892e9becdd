package daemon

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"gridburst/cmd/internal/cli"
	"gridburst/gahp"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/schedd"
	"gridburst/schedd/api"
)

type checkOptions struct {
	options
	resource string
	json     bool
	limit    time.Duration
}

// Config is gconfig.
func Config(d *cli.Deps) *cobra.Command {
	c := &cobra.Command{
		Use:   "gconfig",
		Short: "Look at a schedd's configuration, and put another in force",
		Long: `Look at a schedd's configuration, before or while the schedd runs; compare it with
another, put that in force, and go back.
` + cli.ExitHelp,
	}
	c.AddCommand(check(d))
	c.AddCommand(live(d)...)
	return c
}

func check(d *cli.Deps) *cobra.Command {
	var o checkOptions
	c := &cobra.Command{
		Use: "check", Short: "Say what of the configuration would fail, and what to do",
		Long: `Say what of the configuration would fail, and what to do.

The file is read; the ports that it names are tried; and each engine is asked, with the
schedd's own credential and through its GAHP, for what a burst needs: the login, the
template with a disk and a network card, the cluster, and room in the quotas. Nothing is
changed, here or at an engine. Run it as the user that the schedd runs as, to whom the password files belong.

Three things only a first machine shows: whether the engine's user may make one, whether
the network of its guests reaches the schedd, and whether the template has a gworker.

A line begins with ok, with warn where it may do or cannot be told, and with fail. With a
fail the exit status is 1.
` + cli.ExitHelp,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), d) },
	}
	f := c.Flags()
	f.StringVar(&o.dir, "dir", "", "the `directory` of the schedd")
	f.StringVar(&o.config, "config", "", "the configuration `file` (default: as gschedd finds it)")
	f.StringVar(&o.resource, "resource", "", "only the engine of the resource with this `name`")
	f.BoolVar(&o.json, "json", false, "print what was found as JSON")
	f.DurationVar(&o.limit, "timeout", 2*time.Minute, "how `long` an engine may take for all of its answers")
	return c
}

// absolute is a path on which others can rest; none stays none.
func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

// found is what was looked at of one part of the configuration.
type found struct {
	Part     string    `json:"part"` // schedd, or resource NAME
	About    string    `json:"about,omitempty"`
	Findings []finding `json:"findings"`
}

type finding struct {
	Topic string     `json:"topic"`
	Grade gahp.Grade `json:"grade"`
	Text  string     `json:"text"`
}

func (f *found) say(grade gahp.Grade, topic, format string, args ...any) {
	f.Findings = append(f.Findings, finding{topic, grade, fmt.Sprintf(format, args...)})
}

func (o *checkOptions) run(ctx context.Context, d *cli.Deps) error {
	p, err := o.places(d)
	if err != nil {
		return err
	}
	file, err := p.read(d)
	if err != nil {
		return err
	}
	if p.config, err = absolute(p.config); err != nil {
		return err
	}
	if p.config == "" {
		return grid.Errorf(grid.NotFound, "there is no configuration to check: gschedd would go by its defaults; name a file with --config")
	}
	// What the GAHP logs is an answer's cause, and the answer says it.
	log := logrus.New()
	log.SetOutput(io.Discard)
	c, err := wire(&file, &o.options, p, log)
	if err != nil {
		return err
	}
	if _, err := schedd.New(c, log); err != nil { // which starts nothing
		return err
	}
	var all []found
	if o.resource == "" {
		all = append(all, ports(ctx, &c, p.config))
	}
	for i := range c.Resources {
		r := &c.Resources[i]
		if o.resource != "" && o.resource != r.Name {
			continue
		}
		all = append(all, o.engine(ctx, &c, r))
	}
	if len(all) == 0 {
		return grid.Errorf(grid.NotFound, "no resource is named %s", o.resource)
	}
	return o.tell(d, all)
}

// tell prints what was found. Its error is that something would fail.
func (o *checkOptions) tell(d *cli.Deps, all []found) error {
	bad := 0
	for i := range all {
		for _, f := range all[i].Findings {
			if f.Grade == gahp.Bad {
				bad++
			}
		}
	}
	if o.json {
		if err := cli.PrintJSON(d, map[string]any{"parts": all, "failures": bad}); err != nil {
			return err
		}
		return cli.Status(min(bad, 1))
	}
	for i := range all {
		fmt.Fprintf(d.Out, "%s  %s\n", all[i].Part, grid.Printable(all[i].About))
		for _, f := range all[i].Findings {
			fmt.Fprintf(d.Out, "  %-4s  %-8s  %s\n", f.Grade, f.Topic, grid.Printable(f.Text))
		}
	}
	if bad > 0 {
		return grid.Errorf(grid.Internal, "%d of these would fail", bad)
	}
	return nil
}

// ports tries what the schedd will listen at.
func ports(ctx context.Context, c *schedd.Config, config string) found {
	f := found{Part: "schedd", About: config}
	f.say(gahp.Good, "file", "it is read without a mistake")
	running := false
	if _, err := api.NewClient(c.Socket).Status(ctx); err == nil {
		running = true
		f.say(gahp.Good, "socket", "a schedd answers at %s", c.Socket)
	}
	bursts := false
	for i := range c.Resources {
		bursts = bursts || c.Resources[i].Burst != nil && c.Resources[i].Burst.Schedd == ""
	}
	switch {
	case c.Listen == "" && bursts:
		f.say(gahp.Bad, "listen", "no port is open for workers, and machines of a burst could not join; set listen and names in schedd { }, or schedd in burst { }")
	case c.Listen == "":
		f.say(gahp.Good, "listen", "no port is open, and none is needed")
	default:
		f.bind("listen", c.Listen, running)
		f.names(ctx, c, bursts)
	}
	if c.Metrics != "" {
		f.bind("metrics", c.Metrics, running)
	}
	return f
}

// bind tries to listen at an address, as the schedd will.
func (f *found) bind(topic, address string, running bool) {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		if err := l.Close(); err != nil {
			f.say(gahp.Odd, topic, "%v", err)
			return
		}
		f.say(gahp.Good, topic, "%s is free", address)
	case running:
		f.say(gahp.Good, topic, "%s is in use, by the schedd that answers or by another program", address)
	default:
		f.say(gahp.Bad, topic, "%v; end what listens there, or take another port", err)
	}
}

// names looks at what guests will call this host.
func (f *found) names(ctx context.Context, c *schedd.Config, bursts bool) {
	if len(c.Names) == 0 {
		if bursts {
			f.say(gahp.Odd, "names", "there are none, so guests look for this host by its own name; set names in schedd { }")
		}
		return
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, c.Names[0])
	if err != nil {
		f.say(gahp.Bad, "names", "guests are told to look for %s, which is not found here: %v", c.Names[0], err)
		return
	}
	for _, a := range addresses {
		if ip := net.ParseIP(a); ip != nil && ip.IsLoopback() {
			f.say(gahp.Odd, "names", "guests are told to look for %s, which is this host to itself alone (%s)", c.Names[0], a)
			return
		}
	}
	f.say(gahp.Good, "names", "guests are told to look for %s", c.Names[0])
}

// engine asks one.
func (o *checkOptions) engine(ctx context.Context, c *schedd.Config, r *schedd.Resource) found {
	f := found{Part: "resource " + r.Name, About: r.URL}
	if r.CAFile != "" && !f.authority(r.CAFile) {
		return f
	}
	provider, err := c.Engine(schedd.Credential{
		Resource: r.Name, URL: r.URL, CAFile: r.CAFile, Username: r.Username, PasswordFile: r.PasswordFile,
		User: desk.Owner{Name: "schedd", UID: uint32(os.Geteuid())},
	})
	if err != nil {
		f.say(gahp.Bad, "gahp", "%v", err)
		return f
	}
	if closer, ok := provider.(io.Closer); ok {
		defer closer.Close()
	}
	checker, ok := provider.(gahp.Checker)
	if !ok {
		f.say(gahp.Bad, "gahp", "it cannot say what would fail; use one of this release")
		return f
	}
	w := gahp.Wish{Machines: r.MaxVMs}
	if b := r.Burst; b != nil {
		w = gahp.Wish{Template: b.Template, Cluster: b.Cluster, MemoryMB: b.MemoryMB, Cores: b.Cores, Machines: b.MaxVMs}
	}
	limited, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	got, err := checker.Check(limited, w)
	if err != nil {
		var e *gahp.Error
		if errors.As(err, &e) {
			err = errors.New(e.Text)
		}
		f.say(gahp.Bad, "gahp", "%v", err)
	}
	for _, g := range got {
		f.Findings = append(f.Findings, finding(g))
	}
	if r.Burst == nil {
		f.say(gahp.Good, "burst", "there is none, so no template is looked at")
	}
	return f
}

// authority looks at the file by which the engine is known.
func (f *found) authority(path string) bool {
	pem, err := os.ReadFile(path)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
		err = fmt.Errorf("%s holds no certificate in PEM", path)
	}
	if err != nil {
		f.say(gahp.Bad, "ca_file", "%v; an engine offers its own at https://HOST/ovirt-engine/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA (compare its fingerprint with what the administrator says)", err)
		return false
	}
	f.say(gahp.Good, "ca_file", "%s holds an authority", path)
	return true
}
