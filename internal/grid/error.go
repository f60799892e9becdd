package grid

import (
	"errors"
	"fmt"
	"time"
)

// Code sorts errors into the few kinds that callers act on.
type Code string

// The kinds. Each says what the caller may conclude.
const (
	Invalid      Code = "invalid"         // the request makes no sense; asking again will not help
	NotFound     Code = "not_found"       // the named thing is not there
	Refused      Code = "refused"         // understood and allowed in general, but not now or not by policy
	Forbidden    Code = "forbidden"       // this caller may not do that
	Unauthorized Code = "unauthorized"    // the caller did not prove who it is
	Conflict     Code = "conflict"        // the world changed under the request: look and decide anew
	Exists       Code = "exists"          // the name is taken
	TooLarge     Code = "too_large"       // over a stated limit
	NoSpace      Code = "no_space"        // the disk's reserve is reached
	TooMany      Code = "too_many"        // asked too often: nothing happened, try again when [RetryAfter] says
	Gone         Code = "gone"            // was there, is past the horizon that is kept
	Unavailable  Code = "unavailable"     // try later: nothing happened
	Unknown      Code = "unknown_outcome" // it may or may not have happened: look before acting
	Internal     Code = "internal"        // our fault
)

// Error is a code for programs and a sentence for people. Message says what
// happened, to which thing, and what to try; Err, when set, is the cause that
// errors.Is and errors.As find.
type Error struct {
	Code    Code
	Message string
	Err     error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an [Error]. A %w verb in format keeps its operand as the cause;
// its text is then part of the message.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// CodeOf is the code of the outermost [Error] in err's chain: "" for nil,
// [Internal] for an error that has none.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// MessageOf is what a user may read of err: the outermost [Error]'s sentence, or
// nothing of an error that no border has put into words.
func MessageOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "internal error; the daemon's log has the cause"
}

// Later is the cause of an error that goes away by itself: try again after so long.
type Later struct{ After time.Duration }

func (l *Later) Error() string { return "try again in " + l.After.String() }

// RetryAfter is how long to wait before a request is made again; false when the error
// does not say.
func RetryAfter(err error) (time.Duration, bool) {
	var l *Later
	if errors.As(err, &l) {
		return l.After, true
	}
	return 0, false
}
