package ledger

import (
	"fmt"

	"gridburst/internal/bill"
	"gridburst/internal/grid"
)

// ClaimKind says what a claim's machine is for.
type ClaimKind uint8

const (
	Overflow ClaimKind = 1 // a worker's machine, for jobs that the pool cannot run soon
	Made     ClaimKind = 2 // a job that is the machine, made from a template
	Borrowed ClaimKind = 3 // a job that is a machine which existed before and stays
)

func (k ClaimKind) String() string {
	switch k {
	case Overflow:
		return "overflow"
	case Made:
		return "made"
	case Borrowed:
		return "borrowed"
	}
	return "unknown"
}

// Claim is a virtual machine that somebody wished for, from the wish on: it is here
// before its engine hears of it, and until it is proven gone.
type Claim struct {
	State    grid.ClaimState
	Kind     ClaimKind
	Resource string     // by its name in the daemon's configuration
	Name     string     // the machine's: see [ClaimName]; of a borrowed one, its own
	VM       string     // the engine's id; empty while none is known
	Job      grid.JobID // of a job that is the machine
	Epoch    uint32     // and its attempt
	Worker   uint32     // that has joined from the machine; 0: none
	Cpus     int64      // what it is expected to offer
	MemoryMB int64
	Wanted   int64  // ms since 1970
	Entered  int64  // when State was entered, ms since 1970
	Version  uint32 // grows with every change; orders to the engine carry it
	Reason   string // of the last change
	Uses     uint32 // jobs that had the machine before Job
	Rested   int64  // the machine's last stop before Job's start of it is ordered, by the engine's clock, ms since 1970; 0: not noted

	// Of claims that are told of ([Want].Told); Burst is 0 for others.
	Burst   uint32 // the claim that its burst began with: see [Want]
	Owner   uint32 // of the jobs that it was wished for; 0: of none, or of several
	Terms   bill.Terms
	Started int64 // when the engine had taken its last start, ms since 1970; 0: not yet
}

// ClaimName is the name of a claim's machine. Names are unique within an engine's
// data center, so to make one twice fails: the name is the idempotency key.
func ClaimName(deployment string, claim uint32) string {
	return fmt.Sprintf("%s%d", ClaimPrefix(deployment), claim)
}

// ClaimPrefix is what the names of a deployment's machines begin with.
func ClaimPrefix(deployment string) string {
	return "gb-" + deployment[:min(len(deployment), 8)] + "-"
}

func (e *enc) claim(c *Claim) {
	e.b = append(e.b, byte(c.State), byte(c.Kind))
	e.str(c.Resource)
	e.str(c.Name)
	e.str(c.VM)
	e.job(c.Job)
	e.u(uint64(c.Epoch))
	e.u(uint64(c.Worker))
	e.i(c.Cpus)
	e.i(c.MemoryMB)
	e.i(c.Wanted)
	e.i(c.Entered)
	e.u(uint64(c.Version))
	e.str(c.Reason)
	if c.Uses > 0 || c.Rested != 0 || c.Burst != 0 {
		e.u(uint64(c.Uses))
		e.i(c.Rested)
	}
	if c.Burst != 0 {
		e.u(uint64(c.Burst))
		e.u(uint64(c.Owner))
		e.terms(c.Terms)
		e.i(c.Started)
	}
}

func (e *enc) terms(t bill.Terms) {
	e.i(t.Price)
	e.i(t.Period)
	e.i(t.Min)
}

func (d *dec) terms() bill.Terms { return bill.Terms{Price: d.i(), Period: d.i(), Min: d.i()} }

func (d *dec) claim() Claim {
	c := Claim{
		State: grid.ClaimState(d.byte()), Kind: ClaimKind(d.byte()),
		Resource: d.str(), Name: d.str(), VM: d.str(), Job: d.job(), Epoch: d.u32(), Worker: d.u32(),
		Cpus: d.i(), MemoryMB: d.i(), Wanted: d.i(), Entered: d.i(), Version: d.u32(), Reason: d.str(),
	}
	if d.more() {
		c.Uses, c.Rested = d.u32(), d.i()
	}
	if d.more() {
		c.Burst, c.Owner, c.Terms, c.Started = d.u32(), d.u32(), d.terms(), d.i()
	}
	return c
}

func decodeClaim(k, v []byte) (c Claim, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return c, err
	}
	d := dec{b: body}
	c = d.claim()
	return c, d.err()
}

// Want adds a claim. Its result is the claim's number, a uint32. A job that is the
// machine is placed on it in the same step; jobs that wait for an overflow machine
// are bound to it, each for itself.
type Want struct {
	For      ClaimKind
	Resource string
	Borrow   string // of a borrowed machine: its name
	Cap      uint32 // refused when the resource has so many open claims; 0: no bound
	Job      grid.JobID
	Version  uint32 // of the job
	Bind     []Binding
	Cpus     int64
	MemoryMB int64
	Where    string // for people
	Reason   string
	PerOwner uint32 // refused when the job's owner has so many open claims of the resource; 0: no bound
	PerHour  uint32 // refused when so many were wished for of the resource within an hour; 0: no bound

	// Told is of a claim that the journal tells of. An overflow claim that is told belongs to
	// a burst: that of the open ones of its resource, or one that begins with it.
	Told   bool
	Terms  bill.Terms // by which its machine is billed
	Owner  uint32     // of the jobs that it is for; 0: of none, or of several
	Purses []Purse    // refused when one of them does not cover its start
	Inputs string     // what the decision rested on, for people
}

// Binding is a job that waits for a claim.
type Binding struct {
	Job     grid.JobID
	Version uint32
}

func (*Want) Kind() Kind { return KindWant }
func (c *Want) encode(e *enc) {
	e.byte(byte(c.For))
	e.str(c.Resource)
	e.str(c.Borrow)
	e.u(uint64(c.Cap))
	e.job(c.Job)
	e.u(uint64(c.Version))
	e.u(uint64(len(c.Bind)))
	for _, b := range c.Bind {
		e.job(b.Job)
		e.u(uint64(b.Version))
	}
	e.i(c.Cpus)
	e.i(c.MemoryMB)
	e.str(c.Where)
	e.str(c.Reason)
	if c.PerOwner > 0 || c.PerHour > 0 || c.Told {
		e.u(uint64(c.PerOwner))
		e.u(uint64(c.PerHour))
	}
	if c.Told {
		e.terms(c.Terms)
		e.u(uint64(c.Owner))
		e.purses(c.Purses)
		e.str(c.Inputs)
	}
}

func (c *Want) decode(d *dec) {
	c.For, c.Resource, c.Borrow = ClaimKind(d.byte()), d.str(), d.str()
	c.Cap, c.Job, c.Version = d.u32(), d.job(), d.u32()
	if n := d.count(3); n > 0 {
		c.Bind = make([]Binding, n)
		for i := range c.Bind {
			c.Bind[i] = Binding{Job: d.job(), Version: d.u32()}
		}
	}
	c.Cpus, c.MemoryMB, c.Where, c.Reason = d.i(), d.i(), d.str(), d.str()
	if d.more() {
		c.PerOwner, c.PerHour = d.u32(), d.u32()
	}
	if c.Told = d.more(); c.Told {
		c.Terms, c.Owner, c.Purses, c.Inputs = d.terms(), d.u32(), d.purses(), d.str()
	}
}

// Move takes a claim through one line of its table, or notes what was learnt of it
// when Verb is empty. What that means for the job that is the machine is reported
// in the same step: there is no moment at which one has ended without the other.
type Move struct {
	Claim   uint32
	Version uint32 // of the claim, that the decision rests on
	Verb    grid.ClaimVerb
	VM      string // the engine's id, if it has become known
	Worker  uint32 // the worker that has joined, if one has
	Reason  string
	Report  []AttemptReport // none or one
	Rested  int64           // see [Claim]; 0: as it was

	Seen     string // of what is gone: how that was seen
	Template string // of what is launched: what the machine is made from
}

func (*Move) Kind() Kind { return KindMove }
func (c *Move) encode(e *enc) {
	e.u(uint64(c.Claim))
	e.u(uint64(c.Version))
	e.str(string(c.Verb))
	e.str(c.VM)
	e.u(uint64(c.Worker))
	e.str(c.Reason)
	(&Report{c.Report}).encode(e)
	if c.Rested != 0 || c.Seen != "" || c.Template != "" {
		e.i(c.Rested)
	}
	if c.Seen != "" || c.Template != "" {
		e.str(c.Seen)
		e.str(c.Template)
	}
}

func (c *Move) decode(d *dec) {
	*c = Move{Claim: d.u32(), Version: d.u32(), Verb: grid.ClaimVerb(d.str()), VM: d.str(), Worker: d.u32(), Reason: d.str()}
	var r Report
	r.decode(d)
	c.Report = r.List
	if d.more() {
		c.Rested = d.i()
	}
	if d.more() {
		c.Seen, c.Template = d.str(), d.str()
	}
}

// Reuse gives the machine of a claim, whose job has ended, to another job, in place of its
// removal.
type Reuse struct {
	Claim      uint32
	Version    uint32 // of the claim
	Job        grid.JobID
	JobVersion uint32
	Rested     int64 // see [Claim]
	Where      string
	Reason     string
}

func (*Reuse) Kind() Kind { return KindReuse }
func (c *Reuse) encode(e *enc) {
	e.u(uint64(c.Claim))
	e.u(uint64(c.Version))
	e.job(c.Job)
	e.u(uint64(c.JobVersion))
	e.i(c.Rested)
	e.str(c.Where)
	e.str(c.Reason)
}

func (c *Reuse) decode(d *dec) {
	*c = Reuse{Claim: d.u32(), Version: d.u32(), Job: d.job(), JobVersion: d.u32(), Rested: d.i(), Where: d.str(), Reason: d.str()}
}

// Token is what is known of the one-time secret with which a worker of that name may
// join. The secret itself is nowhere: it follows from a key of the daemon's.
type Token struct {
	Serial uint32 // of the secret; 0 for a claim's, of which there is one
	Until  int64  // ms since 1970; 0 for a claim's, which ends with the claim
	Key    []byte // hash of the public key that it was exchanged for; empty: not yet
}

func (t *Token) encode() *enc {
	e := newEnc(64)
	e.u(uint64(t.Serial))
	e.i(t.Until)
	e.bytes(t.Key)
	return e
}

func decodeToken(body []byte) (k Token, err error) {
	d := dec{b: body}
	k = Token{Serial: d.u32(), Until: d.i(), Key: d.bytes()}
	return k, d.err()
}

// Invite lets a worker that is no machine of ours join once. The result is the serial
// of its secret, a uint32; an earlier one for the name is void.
type Invite struct {
	Worker string
	Until  int64 // ms since 1970
}

func (*Invite) Kind() Kind      { return KindInvite }
func (c *Invite) encode(e *enc) { e.str(c.Worker); e.i(c.Until) }
func (c *Invite) decode(d *dec) { *c = Invite{Worker: d.str(), Until: d.i()} }

// Redeem exchanges a secret, which the proposer has checked, for the right of one key.
// Again with the same key is the same; with another it is refused.
type Redeem struct {
	Worker string
	Claim  uint32 // whose machine it is; 0: none
	Serial uint32
	Key    []byte // hash of the public key
}

func (*Redeem) Kind() Kind { return KindRedeem }
func (c *Redeem) encode(e *enc) {
	e.str(c.Worker)
	e.u(uint64(c.Claim))
	e.u(uint64(c.Serial))
	e.bytes(c.Key)
}

func (c *Redeem) decode(d *dec) {
	*c = Redeem{Worker: d.str(), Claim: d.u32(), Serial: d.u32(), Key: d.bytes()}
}
