package fake

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/gahp"
)

// arg is a test binary's first argument when it is to be a GAHP.
const arg = "fake-gahp"

// Main makes this process a GAHP if [Command] has started it, and does not return
// then. A TestMain begins with it.
func Main() {
	if len(os.Args) != 3 || os.Args[1] != arg {
		return
	}
	if err := child(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is a GAHP whose engine is another process.
func child(socket string) error {
	out, err := gahp.TakeStdout()
	if err != nil {
		return err
	}
	fmt.Println("this must not be taken for an answer")
	log := logrus.New() // on stderr
	engine := gahp.NewClient(gahp.Options{Log: log, Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}})
	defer engine.Close()
	return gahp.Serve(context.Background(), os.Stdin, out, engine, gahp.ServerOptions{Name: "Fake GAHP", Log: log})
}

// linger is for calls whose GAHP is dead, at this end of its connection.
const linger = 100 * time.Millisecond

// Env is for the environment of what [Command] starts: a program built with the race
// detector waits a second at its end otherwise.
const Env = "GORACE=atexit_sleep_ms=0"

// Command starts a GAHP that drives p, as gahp.Options.Command. Every process that
// it starts drives the same p, which lives in the test, until the test ends.
func Command(t testing.TB, p gahp.Provider) []string {
	t.Helper()
	// A socket's address is short, and a test's directory may be long.
	dir, err := os.MkdirTemp("", "gahp")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "engine")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				_ = gahp.Serve(ctx, conn, conn, p, gahp.ServerOptions{Linger: linger})
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		l.Close()
		wg.Wait()
		os.RemoveAll(dir)
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, arg, socket}
}
