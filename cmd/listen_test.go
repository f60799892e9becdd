package cmd_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// reserve NAME... takes a port of 127.0.0.1 for each variable, which nobody gets until the
// script has ended but a "listens" of the same user, which $LISTENS is.
func reserve(ts *testscript.TestScript, _ bool, args []string) {
	bin, _, _ := strings.Cut(ts.Getenv("PATH"), string(os.PathListSeparator))
	ts.Setenv("LISTENS", filepath.Join(bin, "listens"))
	for _, name := range args {
		fd, port, err := bound(0)
		ts.Check(err)
		ts.Defer(func() { unix.Close(fd) })
		ts.Setenv(name, strconv.Itoa(port))
	}
}

// loopback NAME sets a variable to an address of this machine's own, of sixteen million, on
// which nobody else is.
func loopback(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)))
}

// bound is a socket that has a port, 0 for any, with others that ask for the same.
func bound(port int) (fd, got int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, 0, err
	}
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, 0, err
	}
	if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}); err != nil {
		return 0, 0, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, 0, err
	}
	return fd, name.(*unix.SockaddrInet4).Port, nil
}

// listens is a daemon: listens PORT FILE accepts at a port once there is a file; listens PORT
// FILE http answers 503 until then, and 204 after.
func listens() {
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	there := func() bool { _, err := os.Stat(os.Args[2]); return err == nil }
	speaks := len(os.Args) > 3
	for !speaks && !there() {
		time.Sleep(20 * time.Millisecond)
	}
	fd, _, err := bound(port)
	if err != nil {
		panic(err)
	}
	if err := syscall.Listen(fd, 16); err != nil {
		panic(err)
	}
	l, err := net.FileListener(os.NewFile(uintptr(fd), "listener"))
	if err != nil {
		panic(err)
	}
	panic(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasPrefix(r.URL.Path, "/health"):
			http.NotFound(w, r)
		case !there():
			http.Error(w, "warming up", http.StatusServiceUnavailable)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})))
}
