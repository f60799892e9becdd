// Command ovirt_gahp starts, watches and removes the virtual machines of an oVirt
// engine for the schedd, or the gridmanager of HTCondor, that speaks the GAHP protocol
// with it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"gridburst/gahp"
	"gridburst/gahp/ec2"
	"gridburst/gahp/ovirt"
	"gridburst/internal/grid"
	"gridburst/internal/secrecy"
)

func main() { os.Exit(run(os.Args[1:])) }

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const long = `The hand of a schedd at an oVirt engine (also OLVM, RHV): it speaks the GAHP
protocol on standard input and output, one line a message, which a person can type
too (try COMMANDS). It logs on standard error. Everything that goes wrong at the
engine is the answer to a command; the program goes on.

The password is read from a file of its own: of mode 0600 or stricter, a regular
file, belonging to the user that this runs as, with the password as its only line. It
is read again when the engine wants a new login, so a new password needs no restart.

The engine's certificate is always checked, by --ca-file alone if it is given. An
engine offers its authority at
https://HOST/ovirt-engine/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA

As HTCondor's EC2 GAHP (EC2_GAHP in its configuration, grid_resource = ec2 URL) it is
given neither engine nor user: each request names them, the access key file holding the
user's name and the secret key file the password. docs/gahp.md says what becomes of the
rest. GAHP_SSL_CAFILE of HTCondor's configuration names the authority.

Exit status:
  0  done: told to QUIT, standard input ended, or SIGTERM or SIGINT came
  1  failed: standard input or output broke, or a call did not end
  2  usage: the command line, or the CA file that it names, makes no sense`

type options struct {
	ovirt.Config
	level string
	ec2   bool
	// What HTCondor's gridmanager gives.
	condor struct{ log, least, most, debug string }
}

// condorFlags are those.
var condorFlags = []string{"condor-log", "condor-least", "condor-most", "condor-debug"}

// run is the command. Its errors are one line each.
func run(args []string) int {
	var o options
	c := &cobra.Command{
		Use: "ovirt_gahp --url URL --username NAME --password-file FILE", Short: "Virtual machines of an oVirt engine, for a schedd",
		Long: long, SilenceErrors: true, SilenceUsage: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return grid.Errorf(grid.Invalid, "%q is no option; ovirt_gahp takes no other arguments", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			for _, name := range condorFlags {
				o.ec2 = o.ec2 || c.Flags().Changed(name)
			}
			return o.serve(c.Context())
		},
	}
	c.CompletionOptions.DisableDefaultCmd = true
	f := c.Flags()
	f.StringVar(&o.URL, "url", "", "the engine's `URL`: https://HOST/ovirt-engine/api")
	f.StringVar(&o.Username, "username", "", "`name` with its profile, as admin@internal")
	f.StringVar(&o.PasswordFile, "password-file", "", "the `file` that holds the password")
	f.StringVar(&o.CAFile, "ca-file", "", "the `file` of the authority, in PEM, that signed the engine's certificate (default: the system's)")
	f.BoolVar(&o.UserView, "user-view", false, "the user is no administrator of the engine")
	f.DurationVar(&o.Timeout, "timeout", ovirt.DefaultTimeout, "how `long` the engine may take for one request")
	f.DurationVar(&o.RefusalPause, "refusal-pause", ovirt.DefaultRefusalPause, "how `long` a refused password is not tried again, unless the file changes")
	f.StringVar(&o.level, "log-level", "info", "how much is logged: error, warn, info, debug")
	f.BoolVar(&o.ec2, "ec2", false, "without --url: only what HTCondor's EC2 GAHP does; -d, -f, -m or -w say so too")
	f.StringVarP(&o.condor.log, condorFlags[0], "f", "", "from HTCondor; not used: the log is on standard error")
	f.StringVarP(&o.condor.least, condorFlags[1], "w", "", "from HTCondor; not used")
	f.StringVarP(&o.condor.most, condorFlags[2], "m", "", "from HTCondor; not used")
	f.StringVarP(&o.condor.debug, condorFlags[3], "d", "", "from HTCondor: with D_FULLDEBUG more is logged")
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return grid.Errorf(grid.Invalid, "%w", err) })
	c.SetArgs(args)
	// SIGPIPE is a schedd that is gone: the write fails, and that ends us.
	signal.Ignore(syscall.SIGPIPE)
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer end()
	err := c.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(os.Stderr, "ovirt_gahp: "+err.Error())
	if grid.CodeOf(err) == grid.Invalid {
		return exitUsage
	}
	return exitFailed
}

// serve speaks the protocol until it ends.
func (o *options) serve(ctx context.Context) error {
	level, err := logrus.ParseLevel(o.level)
	if err != nil {
		return grid.Errorf(grid.Invalid, "--log-level %s: it is error, warn, info or debug", o.level)
	}
	if strings.Contains(o.condor.debug, "D_FULLDEBUG") {
		level = logrus.DebugLevel
	}
	log := logrus.New()
	log.SetOutput(os.Stderr)
	log.SetLevel(level)
	log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, DisableColors: true})
	o.Log = log
	// This process will hold a password.
	if err := secrecy.Seal(); err != nil {
		log.WithError(err).Warn("memory is not protected from other processes of this user")
	}
	// Without an engine there is nobody for the verbs of a schedd.
	var provider gahp.Provider
	if o.URL != "" || !o.ec2 {
		if provider, err = ovirt.Open(o.Config); err != nil {
			return err
		}
	}
	out, err := gahp.TakeStdout()
	if err != nil {
		return err
	}
	log.WithFields(logrus.Fields{"resource": o.URL, "user": o.Username}).Info("serving")
	return gahp.Serve(ctx, os.Stdin, out, provider, gahp.ServerOptions{
		Name: "ovirt_gahp", Log: log, Dialect: ec2.New(ec2.Options{Open: o.open, Log: log}).Dialect(),
	})
}

// open is an engine that a request names.
func (o *options) open(url, username, passwordFile string) (ec2.Engine, error) {
	c := o.Config
	c.URL, c.Username, c.PasswordFile = url, username, passwordFile
	if c.CAFile == "" {
		c.CAFile = os.Getenv("GAHP_SSL_CAFILE")
	}
	return ovirt.Open(c)
}
