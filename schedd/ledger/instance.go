package ledger

import (
	"iter"

	"gridburst/internal/grid"
)

// Instance is an execution of a job that has ended, other than by the job's leaving the
// queue: of that, the job's record in the history is what is to be known.
type Instance struct {
	Job   grid.JobID
	Epoch uint32
	Rec   Job   // the job's record as that end left it
	Ended int64 // ms since 1970
	Attrs []Attr
}

// keepInstances is how many of a job's instances are kept: its latest.
const keepInstances = 100

func instanceKey(id grid.JobID, epoch uint32) []byte { return append(key8(id.Key()), key4(epoch)...) }

func (i *Instance) encode() *enc {
	e := newEnc(160)
	e.jobRec(&i.Rec)
	e.i(i.Ended)
	e.attrs(i.Attrs)
	return e
}

func decodeInstance(k, v []byte) (i Instance, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return i, err
	}
	if len(k) != 12 {
		return i, errMalformed
	}
	d := dec{b: body}
	i = Instance{Job: grid.JobIDOfKey(be64(k)), Epoch: be32(k[8:]), Rec: d.jobRec(), Ended: d.i(), Attrs: d.attrs()}
	return i, d.err()
}

// Instance is one execution of a job.
func (r *Reader) Instance(id grid.JobID, epoch uint32) (i Instance, ok bool, err error) {
	k := instanceKey(id, epoch)
	b := r.bucket(bInstance)
	if b == nil {
		return i, false, nil // an older file, which is only read
	}
	v := b.Get(k)
	if v == nil {
		return i, false, nil
	}
	i, err = decodeInstance(k, v)
	return i, err == nil, err
}

// Instances yields executions, of the highest job first and of a job the last, those below
// a job's epoch; of the zero job: all.
func (r *Reader) Instances(before grid.JobID, epoch uint32) iter.Seq2[Instance, error] {
	return func(yield func(Instance, error) bool) {
		b := r.bucket(bInstance)
		if b == nil {
			return
		}
		c := b.Cursor()
		k, v := c.Last()
		if before != (grid.JobID{}) {
			k, v = lastBelow(c, instanceKey(before, epoch))
		}
		for ; k != nil; k, v = c.Prev() {
			if i, err := decodeInstance(k, v); !yield(i, err) {
				return
			}
		}
	}
}
