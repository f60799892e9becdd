package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/grid"
)

// tcpProbe begins what a probe is told of a port; else it is told a URL.
const tcpProbe = "tcp:"

// errNotReady ends a probe that has said why.
var errNotReady = errors.New("not ready")

// probe is one try of a check for which no command of the job's is run: this program again,
// as the job's user and in its surroundings, so that it gets no further than the job does.
// Why it has not succeeded it says on out. Whoever runs it sees to its time.
func probe(ctx context.Context, what string, out io.Writer) error {
	err := error(nil)
	if port, is := strings.CutPrefix(what, tcpProbe); is {
		err = probePort(ctx, port)
	} else {
		err = probeURL(ctx, what)
	}
	if err == nil {
		return nil
	}
	fmt.Fprintln(out, reason(err))
	return errNotReady
}

// reason is an error without what whoever wrote the check knows.
func reason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" && op.Err != nil {
		var why interface{ Unwrap() error }
		if errors.As(op.Err, &why) && why.Unwrap() != nil {
			return why.Unwrap().Error() // connection refused
		}
		return op.Err.Error()
	}
	return err.Error()
}

// maxAddresses bounds the addresses of a machine at which a port is looked for.
const maxAddresses = 16

// probePort succeeds if the port accepts at any address of this machine.
func probePort(ctx context.Context, port string) error {
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return grid.Errorf(grid.Invalid, "%s is no port", port)
	}
	hosts := []string{"127.0.0.1", "::1"}
	addrs, _ := net.InterfaceAddrs() // without them there are the two
	for _, a := range addrs {
		if n, is := a.(*net.IPNet); is && n.IP.IsGlobalUnicast() && len(hosts) < maxAddresses {
			hosts = append(hosts, n.IP.String())
		}
	}
	var first error
	for _, host := range hosts {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
		if err == nil {
			return conn.Close()
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// probeURL succeeds if the URL is answered with 2xx. It goes there and nowhere else.
func probeURL(ctx context.Context, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("User-Agent", "gridburst")
	c := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}, // no proxy
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Hour,
	}
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxTail)) // as much as there is
	return errors.New("answered " + strings.TrimSpace(resp.Status+" "+string(body)))
}
