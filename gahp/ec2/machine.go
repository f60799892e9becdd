package ec2

import (
	"context"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/gahp"
)

// cloud is one engine, for one credential.
type cloud struct {
	engine Engine
	log    logrus.FieldLogger

	mu       sync.Mutex
	starting map[string]int   // starts that are on their way, by token
	ran      map[string]bool  // ids of machines that were seen to run
	listings int              // that are on their way
	ended    uint64           // starts that have ended well
	fresh    map[string]fresh // by id: those of them that a listing may not show
}

// fresh is a machine that was started while a listing was on its way.
type fresh struct {
	mark mark
	at   uint64 // which of the starts
}

// prefix begins the name of each of our machines.
const prefix = "ec2-"

// maxToken is what EC2 allows.
const maxToken = 64

var plainToken = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// mark is what a machine's comment says of it.
//
//	gridburst-ec2 TOKEN made|started [KEYPAIR]
type mark struct {
	token   string
	started bool   // a host has had it
	pair    string // the key pair's name
}

const markWord = "gridburst-ec2"

func (m mark) String() string {
	words := []string{markWord, m.token, "made"}
	if m.started {
		words[2] = "started"
	}
	if m.pair != "" {
		words = append(words, url.QueryEscape(m.pair))
	}
	return strings.Join(words, " ")
}

// markOf is the mark of a machine of ours. One whose name does not go with it is not.
func markOf(vm *gahp.VM) (m mark, ours bool) {
	words := strings.Split(vm.Mark, " ")
	if len(words) < 3 || len(words) > 4 || words[0] != markWord || vm.Name != prefix+words[1] {
		return m, false
	}
	m.token = words[1]
	switch words[2] {
	case "made":
	case "started":
		m.started = true
	default:
		return m, false
	}
	if len(words) == 4 {
		pair, err := url.QueryUnescape(words[3])
		if err != nil {
			return m, false
		}
		m.pair = pair
	}
	return m, true
}

// onHost: a host has the machine, or had it when it was last seen.
func onHost(s gahp.State) bool {
	switch s {
	case gahp.Down, gahp.ImageLocked, gahp.WaitForLaunch, gahp.Unassigned, gahp.NoState:
		return false
	}
	return true
}

// pause is between two looks at something that takes its time.
type pause struct{ next time.Duration }

const (
	firstPause = 250 * time.Millisecond
	maxPause   = 5 * time.Second
)

// wait lets some time pass, or says why there is no more.
func (p *pause) wait(ctx context.Context) error {
	p.next = min(max(firstPause, p.next*8/5), maxPause)
	t := time.NewTimer(p.next)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
