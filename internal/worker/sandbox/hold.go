package sandbox

import (
	"errors"
	"fmt"
	"syscall"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

// HoldError is a reason to hold the job: something that its owner can mend.
type HoldError struct {
	wire.Hold
	Err error // the cause, if there is one
}

func (e *HoldError) Error() string { return e.Reason }

func (e *HoldError) Unwrap() error { return e.Err }

// Hold makes a [HoldError] of a sentence and its cause, whose errno becomes the
// subcode. The sentence ends with what the system said.
func Hold(code grid.HoldCode, cause error, format string, args ...any) *HoldError {
	e := &HoldError{Hold: wire.Hold{Code: code, Reason: fmt.Sprintf(format, args...)}, Err: cause}
	var errno syscall.Errno
	switch {
	case errors.As(cause, &errno):
		e.Subcode = int32(errno)
		e.Reason += ": " + errno.Error()
	case cause != nil:
		e.Reason += ": " + cause.Error()
	}
	return e
}
