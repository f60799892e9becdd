//go:build profile

package daemon

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
)

// A daemon built with the tag "profile" serves its profiles on the Unix socket that
// GRIDBURST_PROFILE names:
//
//	curl --unix-socket SOCKET -o cpu 'http://x/debug/pprof/profile?seconds=5'
func init() {
	path := os.Getenv("GRIDBURST_PROFILE")
	if path == "" {
		return
	}
	os.Remove(path)
	l, err := net.Listen("unix", path)
	if err != nil {
		fmt.Fprintln(os.Stderr, "profiles are not served:", err)
		return
	}
	go http.Serve(l, nil)
}
