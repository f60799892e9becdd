package daemon

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/sirupsen/logrus"

	"gridburst/gahp"
	"gridburst/internal/desk"
	"gridburst/schedd"
)

// engine is the GAHP that speaks to an engine with a credential: a process of its own,
// with the rights of whoever's credential it is.
func engine(resources []schedd.Resource, log logrus.FieldLogger) func(schedd.Credential) (gahp.Provider, error) {
	return func(c schedd.Credential) (gahp.Provider, error) {
		command, err := gahpOf(resources, c.Resource)
		if err != nil {
			return nil, err
		}
		command = append(command, "--url", c.URL, "--username", c.Username, "--password-file", c.PasswordFile)
		if c.CAFile != "" {
			command = append(command, "--ca-file", c.CAFile)
		}
		o := gahp.Options{Command: command, Dir: "/", Log: log.WithField("resource", c.Resource)}
		if o.Credential, err = desk.CredentialOf(c.User); err != nil {
			return nil, err
		}
		return gahp.NewClient(o), nil
	}
}

// gahpOf is the command of a resource's GAHP: the configured one, or the one beside this
// program.
func gahpOf(resources []schedd.Resource, name string) ([]string, error) {
	for i := range resources {
		if r := &resources[i]; r.Name == name && len(r.GAHP) > 0 {
			return slices.Clone(r.GAHP), nil
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return []string{filepath.Join(filepath.Dir(self), "ovirt_gahp")}, nil
}
