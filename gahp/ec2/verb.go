package ec2

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"gridburst/gahp"
)

// Engine is a provider whose machines' marks can be changed.
type Engine interface {
	gahp.Provider

	// Remark changes a machine's mark, whether it runs or not. It fails with
	// gahp.Locked while its disks are being made.
	Remark(ctx context.Context, id, mark string) error
}

// Options are how a [Service] works.
type Options struct {
	// Open gives the engine at url, for a user whose password is in a file. It does not
	// reach for it. It is called once for each credential.
	Open func(url, username, passwordFile string) (Engine, error)

	Patience time.Duration // how long a start or a stop goes on; 0: [DefaultPatience]
	Log      logrus.FieldLogger
}

// DefaultPatience is a minute less than HTCondor's own (GRIDMANAGER_GAHP_CALL_TIMEOUT):
// a client that has given up does not hear how it ended.
const DefaultPatience = 9 * time.Minute

// Service carries the verbs out. Every method may be called from any goroutine.
type Service struct {
	o Options

	mu     sync.Mutex
	clouds map[credential]*cloud
	pairs  map[string]pair // by name
	asked  int             // requests so far
}

// credential is who asks, and where.
type credential struct{ url, accessFile, secretFile string }

// New makes a service. It does no I/O.
func New(o Options) *Service {
	o.Patience = cmp.Or(o.Patience, DefaultPatience)
	if o.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		o.Log = l
	}
	return &Service{o: o, clouds: map[credential]*cloud{}, pairs: map[string]pair{}}
}

// Dialect is all verbs. REQUEST, URL, ACCESS and SECRET are in front of each but
// STATISTICS; an empty word stands for what is not given.
//
//	EC2_VM_START            image key-pair user-data user-data-file type zone subnet address
//	                        token block-devices role-arn role-name count
//	                        group... NULL group-id... NULL name value ... NULL
//	                           -> instance
//	EC2_VM_STOP             instance...
//	EC2_VM_STATUS           instance
//	                           -> instance state image reason address private-address key-pair group
//	EC2_VM_STATUS_ALL       [filter value]
//	                           -> instance state token key-pair reason address fleet annex, of each
//	EC2_VM_SERVER_TYPE         -> Nimbus
//	EC2_VM_CREATE_KEYPAIR   key-pair file
//	EC2_VM_DESTROY_KEYPAIR  key-pair
//	EC2_VM_STATUS_ALL_SPOT     -> nothing, for there are none
//	STATISTICS                 at once: requests, distinct requests, and two zeros
//
// EC2_VM_CREATE_TAGS, EC2_VM_ASSOCIATE_ADDRESS, EC2_VM_ATTACH_VOLUME, EC2_VM_START_SPOT,
// EC2_VM_STOP_SPOT and EC2_VM_STATUS_SPOT are refused. A good result is REQUEST, 0 and
// the words behind the arrow; a bad one REQUEST, 1, a code and a sentence.
func (s *Service) Dialect() gahp.Dialect {
	d := gahp.Dialect{
		Failed: failed,
		Now:    map[string]func([]string) ([]string, error){"STATISTICS": s.statistics},
		Later: map[string]func([]string) (gahp.Work, error){
			"EC2_VM_START":           s.verb(readStart),
			"EC2_VM_STOP":            s.verb(readStop),
			"EC2_VM_STATUS":          s.verb(readStatus),
			"EC2_VM_STATUS_ALL":      s.verb(readStatusAll),
			"EC2_VM_SERVER_TYPE":     s.verb(readServerType),
			"EC2_VM_CREATE_KEYPAIR":  s.verb(readCreatePair),
			"EC2_VM_DESTROY_KEYPAIR": s.verb(readDestroyPair),
			"EC2_VM_STATUS_ALL_SPOT": s.verb(readNothing),
		},
	}
	for verb, why := range map[string]string{
		"EC2_VM_CREATE_TAGS":       "tags of an engine belong to its administrators",
		"EC2_VM_ASSOCIATE_ADDRESS": "an engine gives its guests no addresses: their network does",
		"EC2_VM_ATTACH_VOLUME":     "a machine has its template's disks and no others",
		"EC2_VM_START_SPOT":        "an engine has no spot market; leave ec2_spot_price out",
		"EC2_VM_STOP_SPOT":         "an engine has no spot market",
		"EC2_VM_STATUS_SPOT":       "an engine has no spot market",
	} {
		d.Later[verb] = s.verb(readRefused(verb, why))
	}
	return d
}

// deed is a verb with its arguments, read.
type deed func(ctx context.Context, s *Service, c *cloud) ([]string, error)

// verb reads what stands before the arguments of each verb, and carries it out.
func (s *Service) verb(read func(*args) deed) func([]string) (gahp.Work, error) {
	return func(words []string) (gahp.Work, error) {
		a := &args{rest: words}
		who := credential{a.named("service URL"), a.named("access key file"), a.named("secret key file")}
		do := read(a)
		if err := a.end(); err != nil {
			return nil, err
		}
		return func(ctx context.Context) []string {
			c, err := s.cloud(who)
			if err != nil {
				return failed(err)
			}
			ctx, cancel := context.WithTimeoutCause(ctx, s.o.Patience, fmt.Errorf("it took longer than %s", s.o.Patience))
			defer cancel()
			said, err := do(ctx, s, c)
			if err != nil {
				return failed(err)
			}
			return append([]string{"0"}, said...)
		}, nil
	}
}

// cloud is the engine of a credential.
func (s *Service) cloud(who credential) (*cloud, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if c := s.clouds[who]; c != nil {
		return c, nil
	}
	name, err := oneLine(who.accessFile)
	if err != nil {
		return nil, err
	}
	engine, err := s.o.Open(who.url, name, who.secretFile)
	if err != nil {
		// As of a credential that is refused: it stays so, and whoever has the job is to
		// hear why.
		return nil, &failure{unauthorized, "InvalidParameterValue", err.Error()}
	}
	c := &cloud{engine: engine, log: s.o.Log.WithField("resource", who.url), starting: map[string]int{}, ran: map[string]bool{}, fresh: map[string]fresh{}}
	s.clouds[who] = c
	return c, nil
}

// oneLine is the user's name in an access key file.
func oneLine(path string) (string, error) {
	if path == "FROM INSTANCE" {
		return "", &failure{unauthorized, "AuthFailure", "an engine's machines have no credential of their own: ec2_access_key_id names a file with a user's name in it"}
	}
	b, err := readSome(path, 4096)
	if err != nil {
		return "", err
	}
	name := strings.TrimSpace(string(b))
	if name == "" || strings.ContainsAny(name, "\r\n\x00") {
		return "", &failure{unauthorized, "AuthFailure", "the access key file " + path + " holds no user's name as its only line, as admin@internal"}
	}
	return name, nil
}

// readSome is a file of most bytes.
func readSome(path string, most int64) ([]byte, error) {
	// NONBLOCK: a named pipe must not hang us before we see that it is one.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &failure{"E_FILE_IO", "E_FILE_IO", err.Error()}
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, &failure{"E_FILE_IO", "E_FILE_IO", path + " is no regular file"}
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, &failure{"E_FILE_IO", "E_FILE_IO", err.Error()}
	}
	if int64(len(b)) > most {
		return nil, &failure{"E_FILE_IO", "E_FILE_IO", fmt.Sprintf("%s is longer than %d bytes", path, most)}
	}
	return b, nil
}

// statistics are what a gridmanager publishes of this resource. An engine limits no
// rates, and its sessions are renewed by themselves.
func (s *Service) statistics(words []string) ([]string, error) {
	if len(words) > 0 {
		return nil, fmt.Errorf("%d words too many", len(words))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := strconv.Itoa(s.asked)
	return []string{n, n, "0", "0"}, nil
}

// readServerType proves that the engine answers. Nimbus is the kind of service whose
// client tokens a gridmanager trusts, and whose machines it takes for gone when they are.
func readServerType(*args) deed {
	return func(ctx context.Context, _ *Service, c *cloud) ([]string, error) {
		return []string{"Nimbus"}, c.engine.Ping(ctx)
	}
}

func readNothing(*args) deed {
	return func(context.Context, *Service, *cloud) ([]string, error) { return nil, nil }
}

func readRefused(verb, why string) func(*args) deed {
	return func(a *args) deed {
		a.rest = nil
		return func(context.Context, *Service, *cloud) ([]string, error) {
			return nil, &failure{"UnsupportedOperation", "UnsupportedOperation", verb + ": " + why}
		}
	}
}

// args takes the words of a line one by one; the first that is missing stays as err.
type args struct {
	rest []string
	err  error
}

func (a *args) text(what string) string {
	if a.err != nil {
		return ""
	}
	if len(a.rest) == 0 {
		a.err = fmt.Errorf("no %s", what)
		return ""
	}
	s := a.rest[0]
	a.rest = a.rest[1:]
	return s
}

// named is a word that is not empty.
func (a *args) named(what string) string {
	s := a.text(what)
	if s == "" && a.err == nil {
		a.err = fmt.Errorf("no %s", what)
	}
	return s
}

// list is the words before an empty one.
func (a *args) list(what string) (all []string) {
	for {
		s := a.text("NULL behind the " + what)
		if s == "" {
			return all
		}
		all = append(all, s)
	}
}

func (a *args) end() error {
	if a.err == nil && len(a.rest) > 0 {
		a.err = fmt.Errorf("%d words too many", len(a.rest))
	}
	return a.err
}
