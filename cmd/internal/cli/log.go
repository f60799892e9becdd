package cli

import (
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"gridburst/internal/grid"
)

// Log is the options that say how a daemon logs.
type Log struct{ level, format string }

// Add adds the options to a command's.
func (l *Log) Add(f *pflag.FlagSet) {
	f.StringVar(&l.level, "log-level", "info", "how much is logged, on standard error: error, warn, info, debug")
	f.StringVar(&l.format, "log-format", "text", "how it is written: text, or json, one object a line")
}

// Logger is the log that was asked for. The error is Invalid.
func (l *Log) Logger(d *Deps) (*logrus.Logger, error) {
	level, err := logrus.ParseLevel(l.level)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "--log-level %s: it is error, warn, info or debug", l.level)
	}
	log := d.Logger(level)
	switch l.format {
	case "text":
	case "json":
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	default:
		return nil, grid.Errorf(grid.Invalid, "--log-format %s: it is text or json", l.format)
	}
	return log, nil
}

// Logger is a log on standard error.
func (d *Deps) Logger(level logrus.Level) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(d.Err)
	log.SetLevel(level)
	log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, DisableColors: !d.ErrColour})
	return log
}
