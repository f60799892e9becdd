package ledger

import (
	"gridburst/internal/bill"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
)

func (c *Want) apply(t *txn) (any, error) {
	if c.Resource == "" || (c.For == Borrowed) != (c.Borrow != "") || c.For < Overflow || c.For > Borrowed {
		return nil, grid.Errorf(grid.Invalid, "a claim of no kind, of no resource, or of a machine without a name")
	}
	var open, hour, owners, overflow uint32
	owner := uint32(0)
	if cl, ok := t.v.Cluster(c.Job.Cluster); ok && c.For != Overflow {
		owner = cl.Owner
	}
	for id, o := range t.v.claims.from(0) {
		if o.Resource != c.Resource {
			continue
		}
		if !failpoint.ReadyCap || o.State == grid.ClaimReady {
			open++
		}
		if o.Kind == Overflow {
			overflow++
		}
		if o.Wanted > t.at-hourMS {
			hour++
		}
		if owner != 0 && t.ownerOf(o) == owner {
			owners++
		}
		if c.For == Borrowed && o.Kind == Borrowed && o.Name == c.Borrow {
			return nil, grid.Errorf(grid.Exists, "claim %d has machine %s of %s", id, c.Borrow, c.Resource)
		}
	}
	if c.Cap > 0 && open >= c.Cap {
		return nil, grid.Errorf(grid.Refused, "%s has %d machines of ours, as many as it may have", c.Resource, open)
	}
	if c.PerOwner > 0 && owners >= c.PerOwner {
		return nil, grid.Errorf(grid.Refused, "this user has %d machines of %s, as many as one may have", owners, c.Resource)
	}
	if c.PerHour > 0 && hour+pastHour(t.bucket(bPastClaim).Cursor(), c.Resource, t.at) >= c.PerHour {
		return nil, grid.Errorf(grid.Refused, "%d machines of %s were wished for within an hour, as many as may be", c.PerHour, c.Resource)
	}
	burst, began := t.burstOf(c.Resource)
	if steered := t.v.Steering(c.Resource); c.For == Overflow {
		if err := steered.refuses(c.Resource, overflow); err != nil {
			return nil, err
		}
	}
	var stays []stay
	if len(c.Purses) > 0 {
		stays = t.v.stays(t.bucket(bBilled).Cursor(), oldest(c.Purses, began, t.at))
	}
	for i := range c.Purses {
		p := &c.Purses[i]
		if spent := p.spent(stays, burst, began, t.at); c.Terms.Price > 0 && (spent > p.Limit || p.Start(c.Terms) > p.Limit-spent) {
			return nil, grid.Errorf(grid.Refused, "%s, of which %s are spent or promised, and a start costs %s", p, bill.Text(spent, p.Unit), bill.Text(p.Start(c.Terms), p.Unit))
		}
	}
	var s Stretch
	var cl Cluster
	if c.For != Overflow {
		var ok bool
		if s, cl, ok = t.stretch(c.Job); !ok || s.Job.Status != grid.Idle || s.Job.Attempt() || s.Job.Version != c.Version {
			return nil, grid.Errorf(grid.Conflict, "job %s has changed since", c.Job)
		}
	}
	t.v.counters.Claim++
	id := t.v.counters.Claim
	claim := Claim{
		State: grid.ClaimWanted, Kind: c.For, Resource: c.Resource, Name: c.Borrow, Job: c.Job,
		Cpus: c.Cpus, MemoryMB: c.MemoryMB, Wanted: t.at, Entered: t.at, Version: 1, Reason: c.Reason,
	}
	if c.For != Borrowed {
		claim.Name = ClaimName(t.v.Deployment, id)
	}
	if c.Told {
		claim.Burst, claim.Owner, claim.Terms = id, c.Owner, c.Terms
		if c.For == Overflow && burst != 0 {
			claim.Burst = burst
		}
		note := Note{What: NoteStart, Pool: c.Resource, Claim: id, VM: claim.Name, Text: c.Reason, Inputs: c.Inputs}
		if c.For != Overflow {
			note.Jobs = []grid.JobID{c.Job}
		}
		for _, b := range c.Bind {
			note.Jobs = append(note.Jobs, b.Job)
		}
		t.note(note)
	}
	t.emit(Event{Type: ClaimMoved, ID: id, To: uint8(claim.State), Text: c.Reason})
	if c.For != Overflow {
		s.Job.Place, s.Job.At = AsVM, id
		s.Job.Epoch++
		claim.Epoch = s.Job.Epoch
		t.store(&s, &cl, s.Job.Status, 1)
		t.placedAsVM(&s, id, c.Where)
	}
	for _, b := range c.Bind {
		t.place(&Placement{Job: b.Job, Version: b.Version, Kind: ForClaim, At: id, Where: c.Where})
	}
	t.putClaim(id, &claim)
	t.receipt(id, func(r *Receipt) { *r = Receipt{Why: c.Reason} })
	return id, nil
}

// burstOf is the burst that an overflow machine of a resource would belong to, and when
// that began.
func (t *txn) burstOf(resource string) (burst uint32, began int64) {
	burst, began = t.v.burstOf(resource)
	if value := t.bucket(bPastClaim).Get(key4(burst)); value != nil {
		if first, err := decodeClaim(key4(burst), value); err == nil {
			began = min(began, first.Wanted)
		}
	}
	return burst, began
}

// hourMS is an hour, which bounds of a [Want] count.
const hourMS = 3_600_000

// ownerOf is whose job a claim's machine is; 0 when that is nobody's, or not in the queue.
func (t *txn) ownerOf(c *Claim) uint32 {
	if c.Kind == Overflow {
		return 0
	}
	cl, _ := t.v.Cluster(c.Job.Cluster)
	return cl.Owner
}

// pastHour counts closed claims of a resource that were wished for within an hour. Their
// numbers go up with time, so only the last are looked at.
func pastHour(past cursor, resource string, at int64) (n uint32) {
	for k, v := past.Last(); k != nil; k, v = past.Prev() {
		c, err := decodeClaim(k, v)
		if err != nil {
			continue // it is damaged, which is told of elsewhere
		}
		if c.Wanted <= at-hourMS {
			break
		}
		if c.Resource == resource {
			n++
		}
	}
	return n
}

// cursor goes through a bucket from its end.
type cursor interface {
	Last() (k, v []byte)
	Prev() (k, v []byte)
}

// placedAsVM tells that a job is a claim's machine.
func (t *txn) placedAsVM(s *Stretch, claim uint32, where string) {
	e := Event{Type: JobPlaced, Jobs: s.Run, Fresh: s.fresh, Epoch: s.Job.Epoch, Code: int32(AsVM), ID: claim, Text: where}
	if t.v.rules >= 3 {
		e.Sub = 1
	}
	t.emit(e)
}

// apply gives a machine whose job has ended to another job: the claim goes on with that
// one, so the machine keeps its name and its mark.
func (c *Reuse) apply(t *txn) (any, error) {
	claim, ok := t.v.claims.get(c.Claim)
	switch {
	case !ok:
		return nil, grid.Errorf(grid.NotFound, "claim %d is not open", c.Claim)
	case claim.Version != c.Version:
		return nil, grid.Errorf(grid.Conflict, "claim %d has changed since", c.Claim)
	case claim.Kind != Made || claim.VM == "":
		return nil, grid.Errorf(grid.Refused, "claim %d has no machine that another job could be", c.Claim)
	}
	was := claim.State
	next, err := was.On(grid.ClaimReuse)
	if err != nil {
		return nil, err
	}
	if old, ok := t.v.Job(claim.Job); ok && old.Place == AsVM && old.At == c.Claim {
		return nil, grid.Errorf(grid.Conflict, "claim %d is still job %s", c.Claim, claim.Job)
	}
	s, cl, ok := t.stretch(c.Job)
	if !ok || s.Job.Status != grid.Idle || s.Job.Attempt() || s.Job.Version != c.JobVersion {
		return nil, grid.Errorf(grid.Conflict, "job %s has changed since", c.Job)
	}
	s.Job.Place, s.Job.At = AsVM, c.Claim
	s.Job.Epoch++
	claim.State, claim.Entered, claim.Reason = next, t.at, c.Reason
	claim.Job, claim.Epoch, claim.Rested = c.Job, s.Job.Epoch, c.Rested
	claim.Uses++
	claim.Version++
	t.store(&s, &cl, s.Job.Status, 1)
	t.emit(Event{Type: ClaimMoved, ID: c.Claim, From: uint8(was), To: uint8(next), Text: c.Reason})
	t.placedAsVM(&s, c.Claim, c.Where)
	t.putClaim(c.Claim, &claim)
	return nil, nil
}

func (t *txn) putClaim(id uint32, c *Claim) {
	t.v.claims.set(t.ed, id, *c)
	e := newEnc(96)
	e.claim(c)
	t.put(bClaim, key4(id), e)
}

// closeClaim moves a claim of which nothing is left out of the view.
func (t *txn) closeClaim(id uint32, c *Claim) {
	t.v.claims.del(t.ed, id)
	t.drop(bClaim, key4(id))
	t.drop(bToken, []byte(c.Name))
	e := newEnc(96)
	e.claim(c)
	t.put(bPastClaim, key4(id), e)
	if s, ok := c.billed(); ok {
		t.put(bBilled, append(key8(uint64(s.End)), key4(id)...), s.encode())
	}
}

func (c *Move) apply(t *txn) (any, error) {
	claim, ok := t.v.claims.get(c.Claim)
	switch {
	case !ok:
		return nil, grid.Errorf(grid.NotFound, "claim %d is not open", c.Claim)
	case claim.Version != c.Version:
		return nil, grid.Errorf(grid.Conflict, "claim %d has changed since", c.Claim)
	case len(c.Report) > 1, len(c.Report) == 1 && c.Report[0].Job != claim.Job:
		return nil, grid.Errorf(grid.Invalid, "claim %d and a report of another job", c.Claim)
	}
	was := claim.State
	if c.Verb != "" {
		next, err := was.On(c.Verb)
		if err != nil {
			return nil, err
		}
		claim.State, claim.Entered, claim.Reason = next, t.at, c.Reason
	}
	if c.VM != "" {
		claim.VM = c.VM
	}
	if c.Worker != 0 {
		claim.Worker = c.Worker
	}
	if c.Rested != 0 {
		claim.Rested = c.Rested
	}
	if c.Verb == grid.ClaimStarted && claim.Burst != 0 && claim.Started == 0 {
		claim.Started = t.at
	}
	claim.Version++
	if c.Verb != "" {
		t.tell(c.Claim, &claim, c.Verb, c.Reason)
		t.emit(Event{Type: ClaimMoved, ID: c.Claim, From: uint8(was), To: uint8(claim.State), Text: c.Reason})
	}
	if c.Verb != "" || c.VM != "" {
		t.receipt(c.Claim, func(r *Receipt) {
			if c.VM != "" && r.Made == 0 {
				r.Made = t.at
			}
			if c.Template != "" {
				r.Template = c.Template
			}
			r.moved(c.Verb, t.at, c.Seen)
		})
	}
	for i := range c.Report {
		t.report(&c.Report[i])
	}
	if claim.State.Closed() {
		t.closeClaim(c.Claim, &claim)
	} else {
		t.putClaim(c.Claim, &claim)
	}
	return claim.Version, nil
}

func (t *txn) token(worker string) (k Token, err error) {
	body, err := t.get(bToken, []byte(worker))
	if body == nil {
		return k, err
	}
	return decodeToken(body)
}

func (c *Invite) apply(t *txn) (any, error) {
	if c.Worker == "" {
		return nil, grid.Errorf(grid.Invalid, "an invitation for a worker without a name")
	}
	t.v.counters.Token++
	k := Token{Serial: t.v.counters.Token, Until: c.Until}
	t.put(bToken, []byte(c.Worker), k.encode())
	return k.Serial, nil
}

func (c *Redeem) apply(t *txn) (any, error) {
	k, err := t.token(c.Worker)
	if err != nil {
		return nil, err
	}
	if len(c.Key) == 0 {
		return nil, grid.Errorf(grid.Invalid, "a token is exchanged for a key")
	}
	if c.Claim != 0 {
		claim, ok := t.v.claims.get(c.Claim)
		if !ok || claim.Kind != Overflow || claim.Name != c.Worker || claim.State == grid.ClaimStopping {
			return nil, grid.Errorf(grid.Unauthorized, "the machine of this token is not wanted any more")
		}
	} else if k.Serial == 0 || k.Serial != c.Serial || k.Until < t.at {
		return nil, grid.Errorf(grid.Unauthorized, "the token is not known or has expired: ask for another")
	}
	if len(k.Key) > 0 && string(k.Key) != string(c.Key) {
		return nil, grid.Errorf(grid.Unauthorized, "the token has been used already: ask for another")
	}
	k.Key = c.Key
	t.put(bToken, []byte(c.Worker), k.encode())
	return nil, nil
}
