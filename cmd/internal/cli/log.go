package cli

import (
	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"gridburst/internal/grid"
)

// LogLevel is the option that says how much a daemon logs.
type LogLevel string

// Add adds the option to a command's.
func (l *LogLevel) Add(f *pflag.FlagSet) {
	f.StringVar((*string)(l), "log-level", "info", "how much is logged, on standard error: error, warn, info, debug")
}

// Logger is the log that was asked for. The error is Invalid.
func (l LogLevel) Logger(d *Deps) (*logrus.Logger, error) {
	level, err := logrus.ParseLevel(string(l))
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "--log-level %s: it is error, warn, info or debug", string(l))
	}
	return d.Logger(level), nil
}

// Logger is a log on standard error.
func (d *Deps) Logger(level logrus.Level) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(d.Err)
	log.SetLevel(level)
	log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, DisableColors: !d.ErrColour})
	return log
}
