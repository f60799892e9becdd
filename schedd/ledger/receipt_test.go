package ledger

import (
	"path/filepath"
	"testing"

	"gridburst/internal/grid"
)

// What a machine was for is told in order, also when it is gone.
func TestReceiptsTellWhatMachinesWereFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	writeReceipts(t, path)
	m, err := OpenMachine(path, Options{ReadOnly: true})
	must(t, err)
	defer m.Close()
	var over, made, none Receipt
	must(t, m.Read(func(r *Reader) (err error) {
		for claim, to := range map[uint32]*Receipt{1: &over, 2: &made, 3: &none} {
			if *to, err = r.Receipt(claim); err != nil {
				return err
			}
		}
		return nil
	}))
	if over.Why != "jobs wait" || over.Template != "worker" || over.Seen != "the engine shows it no more" || over.Runs != maxReceiptJobs+2 || len(over.Jobs) != maxReceiptJobs {
		t.Errorf("the overflow machine's: %+v", over)
	}
	if last := (grid.JobID{Cluster: maxReceiptJobs + 2}); over.Jobs[len(over.Jobs)-1] != last {
		t.Errorf("its last jobs: %v", over.Jobs)
	}
	if !(0 < over.Made && over.Made < over.Started && over.Started < over.Ready && over.Ready < over.Ended) {
		t.Errorf("its times: %+v", over)
	}
	if made.Runs != 1 || len(made.Jobs) != 1 || made.Template != "image" || made.Ready == 0 || made.Ended != 0 {
		t.Errorf("the job's: %+v", made)
	}
	if none.Ended == 0 || none.Started != 0 || none.Runs != 0 {
		t.Errorf("the one that came to nothing: %+v", none)
	}
}

// By older rules there are none, so that old logs fold to what they did.
func TestOlderRulesMakeNoReceipts(t *testing.T) {
	m, err := OpenMachine(filepath.Join(t.TempDir(), FileName), Options{})
	must(t, err)
	defer m.Close()
	for i, b := range []Body{&Begin{Deployment: "d", Rules: 2}, &Want{For: Overflow, Resource: "lab", Reason: "jobs wait"}} {
		if r := apply(m, Command{At: int64(i + 1), By: "schedd", Body: b}); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	must(t, m.Read(func(r *Reader) error {
		if !empty(r.bucket(bReceipt)) {
			t.Error("there is a receipt")
		}
		return nil
	}))
}
