package gahp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
)

// parentArg makes the test binary the parent of a GAHP, to be killed.
const parentArg = "parent-of"

func TestMain(m *testing.M) {
	fake.Main()
	if len(os.Args) > 2 && os.Args[1] == parentArg {
		os.Exit(asParent(os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}

func asParent(command []string) int {
	c := gahp.NewClient(gahp.Options{Command: command})
	if err := c.Ping(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(c.Stats().PID)
	bufio.NewReader(os.Stdin).ReadByte() // until it is killed, or the test is
	return 0
}

func kindOf(err error) gahp.Kind {
	var e *gahp.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

func wantKind(t *testing.T, what string, err error, want gahp.Kind) {
	t.Helper()
	if kindOf(err) != want {
		t.Errorf("%s: got %v, want kind %q", what, err, want)
	}
}

// within is a context for what is to end soon, and fails the test otherwise.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func newEngine() *fake.Engine {
	return fake.New(fake.Config{Inventory: conform.Stock()})
}

// records keeps what is logged.
type records struct {
	mu  sync.Mutex
	buf strings.Builder
}

func newLog() (*logrus.Logger, *records) {
	r := &records{}
	log := logrus.New()
	log.SetLevel(logrus.DebugLevel)
	log.SetOutput(r)
	return log, r
}

func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(b)
}

// more is what came since it was last asked.
func (r *records) more() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.buf.Reset()
	return r.buf.String()
}
