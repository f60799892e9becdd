package fake

import (
	"context"
	"io"
	"net"

	"gridburst/gahp"
)

// Dial gives p to a GAHP without a process, as gahp.Options.Dial. Each connection
// has a server of its own, which ends with it, and so do the calls in it.
func Dial(p gahp.Provider) func(context.Context) (io.ReadWriteCloser, error) {
	return func(context.Context) (io.ReadWriteCloser, error) {
		ours, theirs := net.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			defer theirs.Close()
			_ = gahp.Serve(ctx, theirs, theirs, p, gahp.ServerOptions{Name: "Fake GAHP"})
		}()
		return &pipe{Conn: ours, hangUp: cancel}, nil
	}
}

type pipe struct {
	net.Conn
	hangUp context.CancelFunc
}

func (p *pipe) Close() error {
	err := p.Conn.Close() // first: what the server then gives up is no answer
	p.hangUp()
	return err
}
