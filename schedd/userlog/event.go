package userlog

import (
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Event is one event of one job.
type Event struct {
	Job  grid.JobID
	Time time.Time // written in its own location; in year 0 if a reader found none
	Body Body
}

// Number is what kind of event it is.
func (e *Event) Number() grid.EventNumber { return e.Body.number() }

// Body is what an event of one kind says. Each kind is told once, in both directions:
// its text, and its attributes, from which its XML and its JSON are made.
type Body interface {
	number() grid.EventNumber
	name() string // its MyType
	write(*text)
	read(*lines) bool
	attributes(*attributes)
}

// kinds makes an empty body of each kind that is known; see [Other].
var kinds = map[grid.EventNumber]func() Body{
	grid.EventSubmit:          func() Body { return &Submit{} },
	grid.EventExecute:         func() Body { return &Execute{} },
	grid.EventExecutable:      func() Body { return &ExecutableError{} },
	grid.EventEvicted:         func() Body { return &Evicted{} },
	grid.EventTerminated:      func() Body { return &Terminated{} },
	grid.EventImageSize:       func() Body { return &ImageSize{} },
	grid.EventShadow:          func() Body { return &Shadow{} },
	grid.EventGeneric:         func() Body { return &Generic{} },
	grid.EventAborted:         func() Body { return &Aborted{} },
	grid.EventSuspended:       func() Body { return &Suspended{} },
	grid.EventUnsuspended:     func() Body { return &Unsuspended{} },
	grid.EventHeld:            func() Body { return &Held{} },
	grid.EventReleased:        func() Body { return &Released{} },
	grid.EventNodeExecute:     func() Body { return &NodeExecute{} },
	grid.EventNodeTerminated:  func() Body { return &NodeTerminated{} },
	grid.EventPostScript:      func() Body { return &PostScript{} },
	grid.EventRemoteError:     func() Body { return &RemoteError{} },
	grid.EventDisconnected:    func() Body { return &Disconnected{} },
	grid.EventReconnected:     func() Body { return &Reconnected{} },
	grid.EventReconnectFail:   func() Body { return &ReconnectFailed{} },
	grid.EventGridUp:          func() Body { return &GridUp{} },
	grid.EventGridDown:        func() Body { return &GridDown{} },
	grid.EventGridSubmit:      func() Body { return &GridSubmit{} },
	grid.EventAdInformation:   func() Body { return &AdInformation{} },
	grid.EventStatusUnknown:   func() Body { return &StatusUnknown{} },
	grid.EventStatusKnown:     func() Body { return &StatusKnown{} },
	grid.EventAttribute:       func() Body { return &AttributeUpdate{} },
	grid.EventPreSkip:         func() Body { return &PreSkip{} },
	grid.EventClusterSubmit:   func() Body { return &ClusterSubmit{} },
	grid.EventClusterRemove:   func() Body { return &ClusterRemove{} },
	grid.EventFactoryPaused:   func() Body { return &FactoryPaused{} },
	grid.EventFactoryResumed:  func() Body { return &FactoryResumed{} },
	grid.EventFileTransfer:    func() Body { return &FileTransfer{} },
	grid.EventDataflowSkipped: func() Body { return &DataflowSkipped{} },
}

// Other is an event of a kind that is not known here, as it was found.
type Other struct {
	Number grid.EventNumber
	Head   string // the first line, behind the time
	Lines  []string
	Ad     *ad.Ad // of one in XML or JSON: all that it says
}

func (o *Other) number() grid.EventNumber { return o.Number }
func (o *Other) name() string             { return "FutureEvent" }
func (o *Other) write(t *text) {
	t.line("", o.Head)
	for _, l := range o.Lines {
		t.raw(l)
	}
}

func (o *Other) read(l *lines) bool {
	o.Head, o.Lines = l.head, l.rest
	return true
}

func (o *Other) attributes(a *attributes) {
	a.text("EventHead", &o.Head)
	if a.reading {
		o.Ad = a.ad
	} else if o.Ad != nil {
		for _, n := range o.Ad.Names() {
			e, _ := o.Ad.Expr(n)
			a.ad.SetExpr(n, e)
		}
	}
}
