package desk

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
)

// Owner is whose desk it is.
type Owner struct {
	Name string
	UID  uint32
	GID  uint32
}

// Options say how desks are started. The zero value is right for a daemon.
type Options struct {
	Program []string      // the program and its first arguments; nil: this one, with [Arg]
	Idle    time.Duration // a desk with nothing to do ends after this; 0: 30 s
	Hung    time.Duration // one that answers nothing for this long is killed; 0: 60 s
	Log     logrus.FieldLogger

	// Observe is told of each request that was answered or given up; failure is the code
	// of its error, "" when there was none. nil: nobody is.
	Observe func(operation, failure string, took time.Duration)
}

// look is how often a desk is looked at.
func (o *Options) look() time.Duration { return min(o.Idle, o.Hung) / 2 }

// Desks starts, watches and ends desks: one for each owner who needs one.
type Desks struct {
	o  Options
	mu sync.Mutex
	by map[uint32]*desk
	wg sync.WaitGroup
	no bool // closed
}

// New makes the keeper of desks. [Desks.Close] ends them.
func New(o Options) *Desks {
	if o.Idle == 0 {
		o.Idle = 30 * time.Second
	}
	if o.Hung == 0 {
		o.Hung = time.Minute
	}
	return &Desks{o: o, by: map[uint32]*desk{}}
}

// Close ends every desk and waits for them. A hung one is killed.
func (d *Desks) Close() {
	d.mu.Lock()
	d.no = true
	for _, k := range d.by {
		k.end(grid.Errorf(grid.Unavailable, "the schedd is stopping"))
	}
	d.mu.Unlock()
	d.wg.Wait()
}

// call sends a request to owner's desk, starting one if need be, and waits for the
// answer or for ctx to end. file, if any, is duplicated into the desk; the caller
// closes its own. A request whose ctx ended may still be carried out.
func (d *Desks) call(ctx context.Context, owner Owner, op string, args any, file *os.File, result any) error {
	begun := time.Now()
	err := d.request(ctx, owner, op, args, file, result)
	if d.o.Observe != nil {
		d.o.Observe(op, string(grid.CodeOf(err)), time.Since(begun))
	}
	return err
}

func (d *Desks) request(ctx context.Context, owner Owner, op string, args any, file *os.File, result any) error {
	body, err := json.Marshal(args)
	if err != nil {
		return err
	}
	var k *desk
	var p *pending
	for {
		if k, err = d.desk(owner); err != nil {
			return err
		}
		if p, err = k.send(request{Op: op, Args: body, File: file != nil, Lives: d.o.Hung / 4}, file); err == nil {
			break
		}
		if !errors.Is(err, errIdle) {
			return err
		}
	}
	select {
	case r := <-p.reply:
		if r.Code == grid.Unknown && onlyReads(op) {
			r.Code = grid.Unavailable
		}
		return r.into(result)
	case <-ctx.Done():
		k.forget(p.id)
		return grid.Errorf(grid.Unavailable, "the files of %s do not answer (%s): %w", owner.Name, op, context.Cause(ctx))
	}
}

// onlyReads: of a request that has no effect nothing can be unknown. It is asked again.
func onlyReads(op string) bool {
	return op == opRead || op == opNewer || op == opLower || op == opWorkflow || op == opTimetable || op == opPack
}

func (r response) into(result any) error {
	if r.Error != "" {
		e := &grid.Error{Code: r.Code, Message: r.Error}
		switch {
		case len(r.Diags) > 0:
			e.Err = &grid.DiagnosticsError{Diagnostics: r.Diags}
		case r.Errno != 0:
			e.Err = syscall.Errno(r.Errno)
		}
		return e
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(r.Result, result)
}

// errIdle ends a desk that has nothing to do; who meets it gets another.
var errIdle = errors.New("the desk was idle")

// desk is the connection to one child.
type desk struct {
	owner Owner
	conn  *net.UnixConn
	cmd   *exec.Cmd

	writing sync.Mutex
	mu      sync.Mutex
	next    uint64
	waiting map[uint64]*pending
	heard   time.Time // when it last answered, or was last idle
	over    error     // set once: no more requests
	idle    *time.Timer
}

type pending struct {
	id    uint64
	reply chan response
}

func (d *Desks) desk(owner Owner) (*desk, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.no {
		return nil, grid.Errorf(grid.Unavailable, "the schedd is stopping")
	}
	if k := d.by[owner.UID]; k != nil && k.usable() {
		return k, nil
	}
	k, err := d.start(owner)
	if err != nil {
		return nil, grid.Errorf(grid.Unavailable, "start a desk for %s: %w", owner.Name, err)
	}
	d.by[owner.UID] = k
	return k, nil
}

func (d *Desks) start(owner Owner) (*desk, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "desk"), os.NewFile(uintptr(fds[1]), "schedd")
	defer ours.Close()
	defer theirs.Close()
	program := d.o.Program
	if program == nil {
		// This very program, even if the file has been replaced since, and even
		// where the owner may not look into the directory that holds it.
		program = []string{"/proc/self/exe", Arg}
	}
	cmd := exec.Command(program[0], program[1:]...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"}, failpoint.Environ()...)
	cmd.ExtraFiles = []*os.File{theirs} // the first is descriptor 3
	cmd.Stderr = os.Stderr
	if cmd.SysProcAttr, err = become(owner); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	conn, err := net.FileConn(ours)
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, err
	}
	k := &desk{owner: owner, conn: conn.(*net.UnixConn), cmd: cmd, waiting: map[uint64]*pending{}, heard: time.Now()}
	k.idle = time.AfterFunc(d.o.look(), func() { k.tick(d.o) })
	d.wg.Go(func() { k.receive(d.o.Log) })
	return k, nil
}

// become is how a child gets the owner's rights.
func become(owner Owner) (*syscall.SysProcAttr, error) {
	credential, err := CredentialOf(owner)
	if err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Setsid: true, Credential: credential}, nil
}

// CredentialOf is the owner's rights, for a process that acts as the owner; nil when
// they are this process's own. An ordinary user can become nobody else.
func CredentialOf(owner Owner) (*syscall.Credential, error) {
	self := os.Geteuid()
	if self == int(owner.UID) {
		return nil, nil
	}
	if self != 0 {
		return nil, grid.Errorf(grid.Forbidden, "this schedd runs as user %d and cannot act for user %d: run it as root", self, owner.UID)
	}
	groups, err := groupsOf(owner)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: owner.UID, Gid: owner.GID, Groups: groups}, nil
}

// groupsOf looks the groups up now: who was taken out of one has lost it.
func groupsOf(owner Owner) ([]uint32, error) {
	u, err := user.LookupId(strconv.Itoa(int(owner.UID)))
	if err != nil {
		return nil, grid.Errorf(grid.Forbidden, "user %d is not known on this machine: %w", owner.UID, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	groups := make([]uint32, 0, len(ids))
	for _, id := range ids {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, err
		}
		groups = append(groups, uint32(n))
	}
	return groups, nil
}

func (k *desk) usable() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.over == nil
}

func (k *desk) send(q request, file *os.File) (*pending, error) {
	p := &pending{reply: make(chan response, 1)}
	k.mu.Lock()
	if k.over != nil {
		defer k.mu.Unlock()
		return nil, k.over
	}
	k.next++
	p.id, q.ID = k.next, k.next
	if len(k.waiting) == 0 {
		k.heard = time.Now()
	}
	k.waiting[p.id] = p
	k.mu.Unlock()
	k.writing.Lock()
	defer k.writing.Unlock()
	// A child that works on as much as it may reads no more, and the socket holds
	// a few hundred requests: when that is full too, nobody is to wait for it.
	k.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if err := writeFrame(k.conn, q, file); err != nil {
		k.end(grid.Errorf(grid.Unavailable, "the desk of %s has ended: %w", k.owner.Name, err))
	}
	return p, nil
}

func (k *desk) forget(id uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.waiting, id)
}

// receive hands answers out until the child is gone, and then answers the rest
// itself: what they were to do may or may not have been done.
func (k *desk) receive(log logrus.FieldLogger) {
	for {
		var r response
		if _, err := readFrame(k.conn, &r); err != nil {
			break
		}
		k.mu.Lock()
		p := k.waiting[r.ID]
		delete(k.waiting, r.ID)
		k.heard = time.Now()
		k.mu.Unlock()
		if p != nil {
			p.reply <- r
		}
	}
	k.end(grid.Errorf(grid.Unavailable, "the desk of %s has ended", k.owner.Name))
	err := k.cmd.Wait()
	k.mu.Lock()
	rest := k.waiting
	k.waiting = map[uint64]*pending{}
	k.mu.Unlock()
	for _, p := range rest {
		p.reply <- response{ID: p.id, Code: grid.Unknown, Error: "the desk of " + k.owner.Name + " ended meanwhile"}
	}
	if len(rest) > 0 && log != nil {
		log.WithFields(logrus.Fields{"owner": k.owner.Name, "requests": len(rest), "error": err}).Warn("desk died")
	}
}

// end hangs up. The child ends by itself when it notices; one that is hung is
// killed, which a process in a dead file system may not notice either, but it
// holds nothing of ours.
func (k *desk) end(why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over != nil {
		return
	}
	k.over = why
	k.idle.Stop()
	k.conn.Close()
	if len(k.waiting) > 0 {
		k.cmd.Process.Kill()
	}
}

// tick ends a desk that is idle or hung, and looks again later.
func (k *desk) tick(o Options) {
	k.mu.Lock()
	quiet, busy := time.Since(k.heard), len(k.waiting) > 0
	k.mu.Unlock()
	switch {
	case busy && quiet >= o.Hung:
		if o.Log != nil {
			o.Log.WithField("owner", k.owner.Name).Warn("desk hangs")
		}
		k.end(grid.Errorf(grid.Unavailable, "the files of %s do not answer", k.owner.Name))
	case !busy && quiet >= o.Idle:
		k.end(errIdle)
	default:
		k.mu.Lock()
		if k.over == nil {
			k.idle.Reset(o.look())
		}
		k.mu.Unlock()
	}
}
