package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"gridburst/internal/grid"
)

// Exit statuses of every command.
const (
	ExitDone     = 0
	ExitFailed   = 1 // it could not be done, or nobody knows whether it was
	ExitUsage    = 2 // the command line or a file that it names makes no sense
	ExitRefused  = 3 // understood, and not allowed or not possible now
	ExitNotFound = 4
)

// ExitHelp ends every command's help.
const ExitHelp = `
Exit status:
  0  done
  1  failed
  2  usage: the command line, or a file that it names, makes no sense
  3  refused
  4  not found`

// ExitOf is the status that an error ends a command with.
func ExitOf(err error) int {
	var s *saidError
	if errors.As(err, &s) {
		return s.code
	}
	switch grid.CodeOf(err) {
	case "":
		return ExitDone
	case grid.Invalid:
		return ExitUsage
	case grid.NotFound, grid.Gone:
		return ExitNotFound
	case grid.Refused, grid.Forbidden, grid.Unauthorized, grid.Conflict, grid.Exists, grid.TooLarge, grid.NoSpace, grid.TooMany:
		return ExitRefused
	}
	return ExitFailed
}

// usage is an error of the command line.
func usage(message string) error { return &grid.Error{Code: grid.Invalid, Message: message} }

// oneOf refuses a command line with more than one of these options.
func oneOf(c *cobra.Command, options ...string) error {
	given := ""
	for _, name := range options {
		switch {
		case !c.Flags().Changed(name):
		case given != "":
			return usage("--" + given + " and --" + name + " do not go together")
		default:
			given = name
		}
	}
	return nil
}

// saidError ends a command whose failure has been told already.
type saidError struct{ code int }

func (*saidError) Error() string { return "it was said above" }

// Status is an error that ends a command with a status, where another program has said
// why; nil for [ExitDone].
func Status(code int) error { return said(code) }

// said is an error that ends with code and says nothing more; nil for [ExitDone].
func said(code int) error {
	if code == ExitDone {
		return nil
	}
	return &saidError{code}
}
