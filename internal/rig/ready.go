package rig

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"gridburst/schedd/api"
)

// Schedd is a gschedd of the rig.
type Schedd struct {
	*Process
	Socket string
}

// Client asks it.
func (s *Schedd) Client() *api.Client { return api.NewClient(s.Socket) }

// Schedd starts a gschedd on the directory Dir/name and waits until it answers.
func (r *Rig) Schedd(ctx context.Context, name string, env []string, args ...string) (*Schedd, error) {
	dir := filepath.Join(r.Dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &Schedd{Socket: filepath.Join(dir, "schedd.sock")}
	told, err := listen(filepath.Join(dir, "ready"))
	if err != nil {
		return nil, err
	}
	defer told.Close()
	argv := append([]string{filepath.Join(r.Bin, "gschedd"), "--dir", dir}, args...)
	s.Process, err = r.Start(name+".log", append([]string{"NOTIFY_SOCKET=" + told.LocalAddr().String()}, env...), argv...)
	if err != nil {
		return nil, err
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		told.Read(make([]byte, 64))
	}()
	select {
	case <-heard:
		return s, nil
	case <-s.done:
		return s, fmt.Errorf("gschedd ended before it was ready (%w); see %s.log", s.err, name)
	case <-ctx.Done():
		s.Kill()
		return s, context.Cause(ctx)
	}
}

// listen is where a program says that it is ready, as it would to a service manager.
func listen(path string) (*net.UnixConn, error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
}
