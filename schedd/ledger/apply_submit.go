package ledger

import (
	"crypto/sha256"

	"gridburst/internal/grid"
)

func (c *Begin) apply(t *txn) (any, error) {
	t.v.Term++
	t.v.rules = c.Rules
	if t.v.Deployment == "" {
		t.v.Deployment = c.Deployment
	}
	if c.Restored {
		// Ids given after the backup was taken are lost with what came after it; a
		// gap keeps them from being given again.
		t.v.counters.Cluster += restoreGap
		t.v.counters.Worker += restoreGap
		t.v.counters.Stage += restoreGap
		t.v.counters.Claim += restoreGap
		t.v.counters.Dag += restoreGap
		t.v.counters.Token += restoreGap
	}
	return t.v.Term, nil
}

const restoreGap = 100_000

// HashTemplate names a template by its content.
func HashTemplate(template []byte) [16]byte {
	sum := sha256.Sum256(template)
	return [16]byte(sum[:16])
}

func (c *Submit) apply(t *txn) (any, error) {
	if c.Procs < 1 || c.Procs > grid.MaxProcs {
		return nil, grid.Errorf(grid.TooLarge, "a submission of %d jobs: one cluster holds 1 to %d", c.Procs, grid.MaxProcs)
	}
	if b := c.Bounds; b != nil && (b.Limit < 0 || b.MaxIdle < 0) {
		return nil, grid.Errorf(grid.Invalid, "at most %d jobs in the queue and %d idle: neither is below 0", b.Limit, b.MaxIdle)
	}
	known, err := t.get(bTemplateHash, c.Hash[:])
	if err != nil {
		return nil, err
	}
	switch {
	case known == nil && len(c.Template) == 0:
		return nil, grid.Errorf(grid.Conflict, "the template is not known; send it whole")
	case len(c.Template) > 0 && HashTemplate(c.Template) != c.Hash:
		return nil, grid.Errorf(grid.Invalid, "the template is not what its hash says")
	}
	users, err := t.get(bTemplateUsers, known)
	if err != nil {
		return nil, err
	}
	chunks, err := t.staged(c.Stage)
	if err != nil {
		return nil, err
	}
	if c.Dag != 0 {
		if err := t.due(Parent{c.Dag, c.Node, c.Attempt}); err != nil {
			return nil, err
		}
	}

	t.v.counters.Cluster++
	id := t.v.counters.Cluster
	cl := Cluster{
		QDate: t.at, Owner: t.owner(c.Owner), Template: t.template(c, known, users), Procs: c.Procs, Live: c.Procs,
		Universe: c.Universe, HasItems: len(c.Items)+len(chunks) > 0, Dag: c.Dag, Node: c.Node,
		Base: Job{Status: grid.Idle, Prio: c.Prio, Entered: t.at, Version: 1},
	}
	if c.Bounds != nil {
		cl.Factory, cl.Procs, cl.Live = true, 0, 0
	}
	var attrs []Attr
	if c.Held && !cl.Factory {
		cl.Base.Status, cl.Base.HoldCode, cl.Base.Holds = grid.Held, grid.HoldSubmitted, 1
		attrs = merge(t.tally(nil, "NumHoldsByReason", grid.HoldSubmitted.Label()), text("HoldReason", heldAtSubmit))
	}
	base := Stretch{Run: grid.Run{Cluster: id, Lo: 0, Hi: c.Procs}, Job: cl.Base, Base: true}
	t.setAttrs(&base, attrs)
	cl.Base = base.Job
	if len(c.Own) > 0 {
		t.put(bOwn, key4(uint32(id)), raw(c.Own))
	}
	for i, p := range c.Items {
		t.put(bItems, keyPair(uint32(id), uint32(i)), raw(p))
	}
	for i, p := range chunks {
		t.put(bItems, keyPair(uint32(id), uint32(len(c.Items)+i)), raw(p))
	}
	t.dropStage(c.Stage, len(chunks))
	if cl.Factory {
		t.beginFactory(c, id, &cl)
		return Submitted{Cluster: id, Procs: c.Procs}, nil
	}
	t.putCluster(id, &cl)
	t.count(cl.Owner, 0, cl.Base.Status, c.Procs)
	t.emit(Event{
		Type: JobSubmitted, Jobs: base.Run, To: uint8(cl.Base.Status), Code: c.Procs, ID: c.Dag, Node: c.Node,
	})
	if c.Held {
		t.emit(Event{
			Type: JobHeld, Jobs: base.Run, From: uint8(grid.Idle), To: uint8(grid.Held),
			Code: int32(grid.HoldSubmitted), Text: heldAtSubmit,
		})
	}
	return Submitted{Cluster: id, Procs: c.Procs}, nil
}

const heldAtSubmit = "submitted on hold at user's request"

// template is the number of the submit's template, counted as used once more.
func (t *txn) template(c *Submit, known, users []byte) uint32 {
	id := be32(known)
	if known == nil {
		t.v.counters.Template++
		id = t.v.counters.Template
		t.put(bTemplateHash, c.Hash[:], raw(key4(id)))
		t.put(bTemplate, key4(id), raw(c.Template))
	}
	t.put(bTemplateUsers, key4(id), raw(key4(be32(users)+1)))
	return id
}

// Staged item data: beside the chunks stands when the stage was begun.

func (c *Stage) apply(t *txn) (any, error) {
	if c.Stage == 0 {
		t.v.counters.Stage++
		id := t.v.counters.Stage
		t.put(bStage, key4(id), raw(key8(uint64(t.at))))
		return id, nil
	}
	if t.bucket(bStage).Get(key4(c.Stage)) == nil {
		return nil, noStage(c.Stage)
	}
	next := uint32(0)
	cur := t.bucket(bStage).Cursor()
	cur.Seek(keyPair(c.Stage, baseProc)) // past its chunks
	k, _ := cur.Prev()
	if k == nil { // they are the last in the bucket
		k, _ = cur.Last()
	}
	if len(k) == 8 && be32(k) == c.Stage {
		next = be32(k[4:]) + 1
	}
	switch {
	case c.Seq != next:
		return nil, grid.Errorf(grid.Conflict, "chunk %d of stage %d was sent as number %d", next, c.Stage, c.Seq)
	case len(c.Data) > MaxChunk:
		return nil, grid.Errorf(grid.TooLarge, "a chunk of %d bytes: at most %d", len(c.Data), MaxChunk)
	}
	t.put(bStage, keyPair(c.Stage, c.Seq), raw(c.Data))
	return c.Stage, nil
}

func noStage(stage uint32) error {
	return grid.Errorf(grid.NotFound, "stage %d is not known; it may have been dropped", stage)
}

// staged is the chunks of a stage.
func (t *txn) staged(stage uint32) (chunks [][]byte, err error) {
	if stage == 0 {
		return nil, nil
	}
	b := t.bucket(bStage)
	if b.Get(key4(stage)) == nil {
		return nil, noStage(stage)
	}
	c := b.Cursor()
	for k, v := c.Seek(keyPair(stage, 0)); len(k) == 8 && be32(k) == stage; k, v = c.Next() {
		body, err := unseal(k, v)
		if err != nil {
			return nil, grid.Errorf(grid.Internal, "stage %d is damaged: %w", stage, err)
		}
		chunks = append(chunks, append([]byte(nil), body...))
	}
	return chunks, nil
}

func (t *txn) dropStage(stage uint32, chunks int) {
	if stage == 0 {
		return
	}
	t.drop(bStage, key4(stage))
	for seq := range chunks {
		t.drop(bStage, keyPair(stage, uint32(seq)))
	}
}
