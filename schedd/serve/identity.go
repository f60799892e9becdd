package serve

import (
	"context"
	"net"
	"os/user"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
)

// identityKey is where a connection's identity is in the contexts of its requests.
type identityKey struct{}

// Caller is the identity of a request; false when its connection proves none.
func Caller(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(identityKey{}).(Identity)
	return id, ok
}

// Identifier learns who is at the other end of connections.
type Identifier struct {
	// Self is the user that the schedd runs as: an administrator, as root is.
	Self uint32
	// Personal: nobody else may ask anything.
	Personal bool

	names sync.Map // uid -> name
}

// overflow is the user that the kernel shows for one who is not mapped into our user
// namespace: nobody in particular.
const overflow = 65534

// ConnContext is for [http.Server]: it puts the identity into the connection's
// context.
func (i *Identifier) ConnContext(ctx context.Context, c net.Conn) context.Context {
	id, err := i.identify(c)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, identityKey{}, id)
}

// identify asks the kernel who opened a Unix socket. Credentials are those at the
// time of connect: a socket that was handed on keeps its opener's.
func (i *Identifier) identify(c net.Conn) (Identity, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return Identity{}, grid.Errorf(grid.Unauthorized, "this connection proves nobody")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Identity{}, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return Identity{}, err
	}
	admin := cred.Uid == 0 || cred.Uid == i.Self
	if cred.Uid == overflow && i.Self != overflow || i.Personal && !admin {
		return Identity{}, grid.Errorf(grid.Unauthorized, "user %d may not use this schedd", cred.Uid)
	}
	return Identity{Name: i.name(cred.Uid), UID: cred.Uid, GID: cred.Gid, Admin: admin}, nil
}

func (i *Identifier) name(uid uint32) string {
	if n, ok := i.names.Load(uid); ok {
		return n.(string)
	}
	name := strconv.Itoa(int(uid))
	u, err := user.LookupId(name)
	if err != nil {
		return name // not known now: asked again the next time
	}
	i.names.Store(uid, u.Username)
	return u.Username
}
