package gahp

import (
	"context"
	"errors"
	"time"
)

// Provider starts, watches and removes virtual machines of one engine. The GAHP
// server drives one; [Client] is one, on the other side of the process boundary;
// package conform holds what each of them must do.
//
// Every method may be called from any goroutine and gives up when ctx ends. A call
// that was cut off (by ctx, a timeout, a broken connection, a dead process) after
// the engine may have heard it fails with [Unknown] and only then: any other kind
// of [Error] says for certain that this call had no effect.
type Provider interface {
	// Ping proves that the engine answers and takes the credential.
	Ping(ctx context.Context) error

	// Create makes a machine from a template and returns as soon as the engine has
	// taken the order: the machine is usually [ImageLocked] then. It does not start
	// it. Names are the idempotency key: a second Create of a name fails with
	// [NameInUse], also while the first is still on its way.
	Create(ctx context.Context, o Order, c Create) (VM, error)

	// Start boots a machine that is Down, with user data if given. Fails with
	// [Locked] while its disks are being made: try again later. A machine that is
	// up or on its way fails with [WrongState].
	Start(ctx context.Context, o Order, id string, s Start) error

	// Get is one machine; [NotFound] when there is none with that id.
	Get(ctx context.Context, id string) (VM, error)

	// Find is the machine with exactly that name; [NotFound] when there is none.
	Find(ctx context.Context, name string) (VM, error)

	// List is every machine whose name begins with prefix: all of them, or an error.
	List(ctx context.Context, prefix string) ([]VM, error)

	// Shutdown asks the guest to power off, Stop switches the machine off. Both do
	// nothing to a machine that is Down.
	Shutdown(ctx context.Context, o Order, id string) error
	Stop(ctx context.Context, o Order, id string) error

	// Remove deletes a machine with its disks; it must be Down ([Locked] while its
	// disks are being made, [WrongState] otherwise). It returns when the engine has taken the order; Get says when the
	// machine is gone. Removing what is not there fails with [NotFound].
	Remove(ctx context.Context, o Order, id string) error

	// Templates lists what machines can be made from.
	Templates(ctx context.Context) ([]Template, error)
}

// Order fences: a receiver keeps the highest term it has seen, and per machine the
// highest claim of that term and its highest epoch, and refuses a lower one with
// [Stale]. The same order again is none lower. [Fenced] is such a receiver.
type Order struct {
	Term  uint64 // grows with each start of the schedd
	Claim uint32 // of the claims that use one machine, one after another, the later has the higher; 0: of no claim, so the term alone counts
	Epoch uint32 // grows with each step of the claim
}

// Create says what to make.
type Create struct {
	Name        string // unique in the engine's data center
	Template    string // name; of several versions the newest
	Cluster     string // name; empty: the template's
	MemoryMB    int64  // 0: the template's
	Cores       int    // 0: the template's
	Description string // shown to people
	Mark        string // ours, in the machine's comment: how we know it again
	UserData    string // cloud-config, kept by the machine for its first start
	HostName    string // of the guest; empty: Name

	InstanceType string // name; its memory and cores count where MemoryMB and Cores are 0. Empty: none
	Quota        string // name, in the cluster's data center; empty: the engine's default
}

// Start says how to boot.
type Start struct {
	UserData string // cloud-config for this boot only; empty: the machine's own
}

// VM is what an engine says of a machine.
type VM struct {
	ID          string
	Name        string
	State       State
	Detail      string // the engine's further word: a pause reason, a background task
	Mark        string
	Template    string // id
	Addresses   []string
	Created     time.Time // zero: not said
	Started     time.Time
	Stopped     time.Time
	StopReason  string
	Description string
}

// State is a machine's state, in the engine's words.
type State string

// States that oVirt has.
const (
	ImageLocked    State = "image_locked"
	Down           State = "down"
	WaitForLaunch  State = "wait_for_launch"
	PoweringUp     State = "powering_up"
	Up             State = "up"
	PoweringDown   State = "powering_down"
	Rebooting      State = "reboot_in_progress"
	Paused         State = "paused"
	Migrating      State = "migrating"
	Suspended      State = "suspended"
	SavingState    State = "saving_state"
	RestoringState State = "restoring_state"
	NotResponding  State = "not_responding"
	UnknownState   State = "unknown" // the engine cannot see the host: it may still run
	Unassigned     State = "unassigned"
	NoState        State = "" // the engine said none
)

// Template is what machines can be made from.
type Template struct {
	ID       string
	Name     string
	Version  int
	State    string // ok, locked, illegal
	MemoryMB int64
	Cores    int
}

// Kind sorts what can go wrong at an engine into what a caller does about it.
type Kind string

const (
	Locked       Kind = "locked"       // busy with something else: try again soon
	NameInUse    Kind = "name_in_use"  // a machine has that name: find it, see whose it is
	NoCapacity   Kind = "no_capacity"  // no host fits: try again later, or elsewhere
	Quota        Kind = "quota"        // over a quota: somebody must raise it or free something
	NoTemplate   Kind = "no_template"  // the template or cluster is missing or not ready
	NotFound     Kind = "not_found"    // there is no such machine
	WrongState   Kind = "wrong_state"  // not in this state of the machine
	Unauthorized Kind = "unauthorized" // the credential was refused
	Forbidden    Kind = "forbidden"    // the credential may not do that
	Refused      Kind = "refused"      // the engine calls the request wrong
	EngineDown   Kind = "engine_down"  // not reached, and nothing was done
	Unknown      Kind = "unknown"      // it may or may not have been done: look
	Stale        Kind = "stale"        // a newer term or epoch was seen
	BadPassword  Kind = "bad_password" // the password file cannot be used: missing, empty, readable by others
)

// Kinds lists every kind.
var Kinds = []Kind{
	Locked, NameInUse, NoCapacity, Quota, NoTemplate, NotFound, WrongState, Unauthorized,
	Forbidden, Refused, EngineDown, Unknown, Stale, BadPassword,
}

// Error is a failure at an engine. Text is the engine's own words where there are
// any, without secrets.
type Error struct {
	Kind Kind
	Text string
}

func (e *Error) Error() string { return string(e.Kind) + ": " + e.Text }

// KindOf is the kind of a call's error: "" of none, [Unknown] of what is no [Error].
func KindOf(err error) Kind {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Kind
	}
	return Unknown
}
