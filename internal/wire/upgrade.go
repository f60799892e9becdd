package wire

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"gridburst/internal/grid"
)

// protocol is the name in the Upgrade header.
var protocol = fmt.Sprintf("gridburst-worker/%d", Version)

// Dial connects to the schedd at e and turns the connection into a worker's
// stream. The error is the schedd's own refusal, if it answered with one.
func Dial(ctx context.Context, e Endpoint) (io.ReadWriteCloser, error) {
	conn, err := e.DialContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the schedd: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	up, err := upgrade(conn)
	if !stop() && err == nil {
		err = ctx.Err() // the context ended and its function has closed, or closes, the connection
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return up, nil
}

func upgrade(conn net.Conn) (io.ReadWriteCloser, error) {
	req, err := http.NewRequest(http.MethodGet, "http://schedd"+StreamPath, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", protocol)
	if err := req.Write(conn); err != nil {
		return nil, fmt.Errorf("ask for a stream: %w", err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, fmt.Errorf("read the answer to a request for a stream: %w", err)
	}
	defer resp.Body.Close()
	if err := Refusal(resp); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != protocol {
		return nil, grid.Errorf(grid.Unavailable, "the schedd's address answered %s to a request for %s", resp.Status, protocol)
	}
	return &upgraded{Conn: conn, r: r}, nil
}

// Accept takes a worker's request for a stream over. After an error the request
// has been answered.
func Accept(w http.ResponseWriter, r *http.Request) (io.ReadWriteCloser, error) {
	if r.Method != http.MethodGet || !strings.EqualFold(r.Header.Get("Connection"), "Upgrade") || r.Header.Get("Upgrade") != protocol {
		err := grid.Errorf(grid.Invalid, "this address speaks %s: ask with GET and Upgrade", protocol)
		Refuse(w, err)
		return nil, err
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		err := grid.Errorf(grid.Internal, "take the connection over: %w", err)
		Refuse(w, err)
		return nil, err
	}
	// The server's own deadlines must not outlive its part.
	err = conn.SetDeadline(time.Time{})
	if err == nil {
		_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("answer a request for a stream: %w", err)
	}
	return &upgraded{Conn: conn, r: rw.Reader}, nil
}

// upgraded is a connection whose first bytes may sit in the reader that read the
// request or the answer.
type upgraded struct {
	net.Conn
	r *bufio.Reader
}

func (u *upgraded) Read(p []byte) (int, error) { return u.r.Read(p) }
