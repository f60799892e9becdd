package cli

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// SystemDir is where the schedd of a machine, which runs as root, keeps everything.
const SystemDir = "/var/lib/gridburst"

// PersonalDir is where a user's own schedd keeps everything.
func PersonalDir(env func(string) string) (string, error) {
	home := env("HOME")
	if home == "" {
		return "", grid.Errorf(grid.Invalid, "HOME is not set: name a directory with --dir, or a schedd with --schedd")
	}
	return filepath.Join(home, ".gridburst"), nil
}

// DefaultDir is where a schedd that this user starts keeps everything.
func DefaultDir(env func(string) string) (string, error) {
	if os.Geteuid() == 0 {
		return SystemDir, nil
	}
	return PersonalDir(env)
}

// SocketName is the socket's name in a schedd's directory.
const SocketName = "schedd.sock"

// Find is the socket of the schedd that a command means: the named one (a socket, or
// a schedd's directory), that of GRIDBURST_SCHEDD, the user's own if it has one, or
// the machine's.
func Find(named string, env func(string) string) (string, error) {
	if named == "" {
		named = env("GRIDBURST_SCHEDD")
	}
	if named != "" {
		if info, err := os.Stat(named); err == nil && info.IsDir() {
			return filepath.Join(named, SocketName), nil
		}
		return named, nil
	}
	personal, err := PersonalDir(env)
	if err == nil {
		personal = filepath.Join(personal, SocketName)
		if _, err := os.Lstat(personal); err == nil {
			return personal, nil
		}
	}
	system := filepath.Join(SystemDir, SocketName)
	if _, there := os.Lstat(system); there == nil || err != nil || os.Geteuid() == 0 {
		return system, nil
	}
	return personal, nil
}

// Asks is what every command that talks to a schedd has.
type Asks struct{ schedd string }

// Flags adds --schedd.
func (a *Asks) Flags(c *cobra.Command) {
	c.PersistentFlags().StringVar(&a.schedd, "schedd", "", "the schedd's socket or directory (default: $GRIDBURST_SCHEDD, ~/.gridburst, "+SystemDir+")")
}

// NodeClient is as Client, and where the command runs in a service or provisioner of a
// workflow, it asks by the token of the run.
func (a *Asks) NodeClient(d *Deps) (*api.Client, error) {
	client, err := a.Client(d)
	path := d.Env("GRIDBURST_TOKEN_FILE")
	if err != nil || path == "" {
		return client, err
	}
	token, err := os.ReadFile(path)
	if err != nil {
		return nil, grid.Errorf(grid.Refused, "read the token of the run, which GRIDBURST_TOKEN_FILE names: %w", err)
	}
	return client.WithToken(strings.TrimSpace(string(token))), nil
}

// Client is a client of the schedd that is meant.
func (a *Asks) Client(d *Deps) (*api.Client, error) {
	socket, err := Find(a.schedd, d.Env)
	if err != nil {
		return nil, err
	}
	return api.NewClient(socket), nil
}
