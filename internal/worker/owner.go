package worker

import (
	"bufio"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"sync"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/internal/worker/sandbox"
)

// owners says whose rights a job has here.
//
// On the schedd's own host a job has its owner's. Another machine may know other people
// by the same number: there an owner whom it knows by name and number is himself, and
// anybody else, and always root, is a user that exists nowhere else, with a number made
// of his own there. So the jobs of two owners stay apart, and none meets a user of the
// machine. A worker without root's rights has its own user only.
type owners struct {
	home   bool // on the schedd's host
	guests bool // numbers from firstGuest on can be had

	mu    sync.Mutex
	known map[wire.Owner]known
}

type known struct {
	user  sandbox.User
	until time.Time
}

const (
	// firstGuest begins the numbers of owners that this machine does not know. What
	// distributions and directory services give out lies below.
	firstGuest = 1 << 30
	// knownFor is how long what the user database said is believed.
	knownFor = time.Minute
)

func newOwners(home bool) (*owners, error) {
	guests, err := mapped(firstGuest)
	return &owners{home: home, guests: guests, known: map[wire.Owner]known{}}, err
}

// of is the user for an owner's job. The error is a [*sandbox.HoldError] where there is
// none.
func (o *owners) of(w wire.Owner) (sandbox.User, error) {
	if os.Geteuid() != 0 {
		if self := sandbox.Self(); !o.home || w.UID == self.UID {
			return self, nil
		}
		return sandbox.User{}, sandbox.Hold(grid.HoldNoProcess, nil, "the worker here runs as uid %d, and only root could run a job of %s (uid %d)", os.Geteuid(), w.Name, w.UID)
	}
	now := time.Now()
	o.mu.Lock()
	k := o.known[w]
	o.mu.Unlock()
	if now.Before(k.until) {
		return k.user, nil
	}
	u, err := o.look(w)
	if err != nil {
		return sandbox.User{}, fmt.Errorf("find the groups of %s: %w", w.Name, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known[w] = known{u, now.Add(knownFor)}
	return u, nil
}

func (o *owners) look(w wire.Owner) (sandbox.User, error) {
	u, err := user.LookupId(strconv.FormatUint(uint64(w.UID), 10))
	known := err == nil && (o.home || u.Username == w.Name && w.UID != 0)
	if known && !o.home {
		// A user namespace may have the name and not the number.
		if known, err = mapped(int64(w.UID)); err != nil {
			return sandbox.User{}, err
		}
	}
	switch {
	case known:
		return withGroups(w, u)
	case o.home:
		return sandbox.User{UID: w.UID, GID: w.GID, Groups: []uint32{w.GID}}, nil // a user of no database, as in a container
	case o.guests:
		id := firstGuest + w.UID%firstGuest
		return sandbox.User{UID: id, GID: id, Groups: []uint32{id}}, nil
	}
	return sandbox.Self(), nil // in a user namespace that has nobody else
}

func withGroups(w wire.Owner, u *user.User) (sandbox.User, error) {
	out := sandbox.User{UID: w.UID, GID: w.GID}
	if gid, err := strconv.ParseUint(u.Gid, 10, 32); err == nil {
		out.GID = uint32(gid)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return out, err
	}
	for _, id := range ids {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return out, err
		}
		out.Groups = append(out.Groups, uint32(n))
	}
	return out, nil
}

// mapped reports whether this process's user namespace has a uid.
func mapped(uid int64) (bool, error) {
	f, err := os.Open("/proc/self/uid_map")
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var inside, outside, count int64
		if _, err := fmt.Sscan(lines.Text(), &inside, &outside, &count); err != nil {
			return false, fmt.Errorf("read /proc/self/uid_map: %w", err)
		}
		if uid >= inside && uid < inside+count {
			return true, nil
		}
	}
	return false, lines.Err()
}
