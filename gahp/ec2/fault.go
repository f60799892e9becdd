package ec2

import (
	"errors"
	"strings"

	"gridburst/gahp"
)

// Codes that mean something to a gridmanager itself.
const (
	needCheck    = "NEED_CHECK_VM_START"           // it starts again, with the same token, later
	tryLater     = "InstanceLimitExceeded"         // it starts again later
	noContact    = "E_CURL_IO"                     // it asks whether the service is there
	unauthorized = "E_HTTP_RESPONSE_NOT_200 (401)" // the service is there, and its jobs are held
)

// failure is why a request was not carried out. A gridmanager compares its code, and
// looks for the name, EC2's for it, in the text.
type failure struct{ code, name, text string }

func (f *failure) Error() string { return f.name + ": " + f.text }

// names are what EC2 calls the failures of an engine.
var names = map[gahp.Kind]failure{
	gahp.Locked:       {name: "IncorrectInstanceState"},
	gahp.NameInUse:    {name: "IdempotentParameterMismatch"},
	gahp.NoCapacity:   {code: tryLater, name: "InsufficientInstanceCapacity"},
	gahp.Quota:        {code: tryLater, name: "InstanceLimitExceeded"},
	gahp.NoTemplate:   {name: "InvalidAMIID.NotFound"},
	gahp.NotFound:     {name: "InvalidInstanceID.NotFound"},
	gahp.WrongState:   {name: "IncorrectInstanceState"},
	gahp.Unauthorized: {code: unauthorized, name: "AuthFailure"},
	gahp.BadPassword:  {code: unauthorized, name: "AuthFailure"},
	gahp.Forbidden:    {name: "UnauthorizedOperation"},
	gahp.Refused:      {name: "InvalidParameterValue"},
	gahp.EngineDown:   {code: noContact, name: "Unavailable"},
	gahp.Unknown:      {code: noContact, name: "Unavailable"},
	gahp.Stale:        {name: "InternalError"},
}

// failureOf is err in EC2's words.
func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	out := names[gahp.KindOf(err)]
	out.text = err.Error()
	if out.code == "" {
		out.code = out.name
	}
	var e *gahp.Error
	if errors.As(err, &e) {
		out.text = e.Text
	}
	return &out
}

// maxText bounds a sentence: a gridmanager's hold reasons have 1023 bytes.
const maxText = 900

// failed is a bad result.
func failed(err error) []string {
	f := failureOf(err)
	text := strings.ReplaceAll(f.text, "\x00", "")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	return []string{"1", f.code, f.name + ": " + text}
}

// passing: what fails so may do next time.
func passing(err error) bool {
	var f *failure
	if errors.As(err, &f) {
		return false
	}
	switch gahp.KindOf(err) {
	case gahp.EngineDown, gahp.Unknown, gahp.Locked, gahp.WrongState:
		return true
	}
	return false
}
