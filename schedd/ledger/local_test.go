package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"gridburst/internal/grid"
)

// running is an open ledger whose Run runs until the test ends.
func running(t *testing.T, dir string) *Ledger {
	t.Helper()
	l, err := Open(dir, Options{NoSync: true})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		l.Close()
	})
	return l
}

func submitOne(key string) Command {
	template := []byte("t")
	return Command{Key: key, By: "user:1", At: 1, Body: &Submit{Owner: Owner{Name: "a", UID: 1}, Template: template, Hash: HashTemplate(template), Procs: 1}}
}

func TestProposalsOfManyAreAllThere(t *testing.T) {
	l := running(t, t.TempDir())
	const clients, each = 16, 50
	var wg sync.WaitGroup
	ids := make(chan int32, clients*each)
	for c := range clients {
		wg.Go(func() {
			for n := range each {
				r, err := l.Propose(t.Context(), submitOne(fmt.Sprint(c, "-", n)))
				if err != nil {
					t.Error(err)
					return
				}
				s := r.Value.(Submitted)
				// Visible before the answer.
				if _, ok := l.View().Cluster(s.Cluster); !ok {
					t.Errorf("cluster %d was acknowledged and cannot be seen", s.Cluster)
				}
				ids <- s.Cluster
			}
		})
	}
	wg.Wait()
	close(ids)
	seen := map[int32]bool{}
	for id := range ids {
		if seen[id] {
			t.Errorf("cluster %d was given twice", id)
		}
		seen[id] = true
	}
	if tally := l.View().Tally(0); len(seen) != clients*each || tally.Total() != clients*each {
		t.Errorf("%d ids, %d jobs, want %d", len(seen), tally.Total(), clients*each)
	}
}

func TestSecondLedgerOnTheDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := running(t, dir)
	_, err := Open(dir, Options{})
	if grid.CodeOf(err) != grid.Refused {
		t.Errorf("second open: %v", err)
	}
	// Also when somebody has renamed the file away.
	must(t, os.Rename(filepath.Join(dir, FileName), filepath.Join(dir, "elsewhere")))
	if _, err := Open(dir, Options{}); grid.CodeOf(err) != grid.Refused {
		t.Errorf("second open after a rename: %v", err)
	}
	must(t, os.Rename(filepath.Join(dir, "elsewhere"), filepath.Join(dir, FileName)))
	if _, err := l.Propose(t.Context(), submitOne("")); err != nil {
		t.Error(err)
	}
}

func TestFullDiskRefusesSubmitsAndTakesReports(t *testing.T) {
	l, err := Open(t.TempDir(), Options{NoSync: true, Reserve: 1 << 20})
	must(t, err)
	free := int64(100 << 20)
	var mu sync.Mutex
	set := func(n int64) { mu.Lock(); free = n; mu.Unlock() }
	l.space.free = func(string) (int64, error) { mu.Lock(); defer mu.Unlock(); return free, nil }
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	defer func() { cancel(); wg.Wait(); l.Close() }()
	ballast := func() bool { _, err := os.Stat(l.space.ballast()); return err == nil }

	r, err := l.Propose(ctx, submitOne(""))
	must(t, err)
	if !ballast() {
		t.Error("there is room and no ballast")
	}
	set(900 << 10)
	if _, err := l.Propose(ctx, submitOne("")); grid.CodeOf(err) != grid.NoSpace {
		t.Errorf("submit on a full disk: %v", err)
	}
	id := grid.JobID{Cluster: r.Value.(Submitted).Cluster}
	if r, err := l.Propose(ctx, Command{By: "user:1", Body: &Act{Verb: grid.Remove, Runs: []grid.Run{grid.OneJob(id)}}}); err != nil || r.Value.(Acted).Changed != 1 {
		t.Errorf("remove on a full disk: %+v %v", r, err)
	}
	set(100 << 10)
	if _, err := l.Propose(ctx, Command{By: "schedd", Body: &SeeWorker{Worker{Name: "w"}}}); err != nil || ballast() {
		t.Errorf("ballast is kept although others ate the reserve (%v)", err)
	}
	set(100 << 20)
	if _, err := l.Propose(ctx, submitOne("")); err != nil || !ballast() {
		t.Errorf("there is room again: %v, ballast %v", err, ballast())
	}
}

func TestProposeEndsWithItsContext(t *testing.T) {
	l, err := Open(t.TempDir(), Options{NoSync: true}) // nobody runs it
	must(t, err)
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Propose(ctx, submitOne("")); grid.CodeOf(err) != grid.Unknown && grid.CodeOf(err) != grid.Unavailable {
		t.Errorf("propose with an ended context: %v", err)
	}
	big := submitOne("")
	big.Body.(*Submit).Own = bytes.Repeat([]byte("x"), MaxEntry)
	if _, err := l.Propose(t.Context(), big); grid.CodeOf(err) != grid.TooLarge {
		t.Errorf("a huge entry: %v", err)
	}
}

// A commit that fails has an unknown outcome: nothing is acknowledged, nothing goes
// on, and looking again after a restart tells.
func TestFailedCommitStopsTheMachine(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, Options{})
	must(t, err)
	defer l.lock.Close()
	done := make(chan error, 1)
	go func() { done <- l.Run(context.Background()) }()
	if _, err := l.Propose(t.Context(), submitOne("before")); err != nil {
		t.Fatal(err)
	}
	l.db.Close() // the disk is gone
	_, err = l.Propose(t.Context(), submitOne("lost"))
	if grid.CodeOf(err) != grid.Unknown {
		t.Errorf("propose on a broken file: %v", err)
	}
	if err := <-done; grid.CodeOf(err) != grid.Unknown {
		t.Errorf("Run ended with %v", err)
	}
	if _, err := l.Propose(t.Context(), submitOne("after")); err == nil {
		t.Error("it goes on")
	}
}

// A reader that is behind reads the file, which has entries before the view has them.
func TestEventsAreNoNewerThanTheView(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	m, err := OpenMachine(path, Options{})
	must(t, err)
	for range 3 {
		apply(m, submitOne(""))
	}
	must(t, m.Close())
	m, err = OpenMachine(path, Options{}) // memory has none of their events
	must(t, err)
	defer m.Close()
	before := m.View()
	apply(m, submitOne(""))
	after := m.View()
	m.view.Store(before) // as between a commit and its publication
	if _, next, err := m.Events(t.Context(), 0, 1000); err != nil || next != before.Index {
		t.Errorf("entries up to %d are told of, and the view is of %d (%v)", next, before.Index, err)
	}
	if events, next, err := m.Events(t.Context(), before.Index-1, 1000); err != nil || next != before.Index || len(events) != 1 {
		t.Errorf("behind the last but one there are %d events, up to entry %d (%v)", len(events), next, err)
	}
	m.view.Store(after)
	if _, next, err := m.Events(t.Context(), 0, 1000); err != nil || next != after.Index {
		t.Errorf("entries up to %d are told of, and the view is of %d (%v)", next, after.Index, err)
	}
}

func TestEventsResumeFromMemoryAndFromTheLog(t *testing.T) {
	m := newScratch(t).open(t)
	defer m.Close()
	const n = 2*keepEvents + 500
	var batch []Entry
	for i := range n {
		batch = append(batch, Entry{Index: uint64(i + 1), Command: submitOne("")})
		if len(batch) == 1000 || i == n-1 {
			m.ApplyBatch(batch)
			batch = nil
		}
	}
	next := uint64(0)
	total := 0
	for {
		events, after, err := m.Events(t.Context(), next, 777)
		must(t, err)
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			if e.Index != next+1 {
				t.Fatalf("event of entry %d after %d", e.Index, next)
			}
			next = e.Index
			total++
		}
		if after != next {
			t.Fatalf("next is %d after entry %d", after, next)
		}
	}
	if total != n {
		t.Errorf("%d events, want %d", total, n)
	}
	select {
	case <-m.Changed(next):
		t.Error("woken without news")
	default:
	}
	wake := m.Changed(next)
	apply(m, submitOne(""))
	<-wake
	apply(m, Command{By: "schedd", Body: &Checkpoint{Index: 100, Trim: 100, Max: 1000}})
	if _, _, err := m.Events(t.Context(), 50, 10); grid.CodeOf(err) != grid.Gone {
		t.Errorf("events from before the log: %v", err)
	}
	if events, _, err := m.Events(t.Context(), 100, 10); err != nil || len(events) == 0 || events[0].Index != 101 {
		t.Errorf("events from the log's begin: %v %v", events, err)
	}
}

func TestBackupUnderLoadRestoresToItsDigest(t *testing.T) {
	l := running(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				l.Propose(ctx, submitOne(""))
			}
		})
	}
	path := filepath.Join(t.TempDir(), "backup.db")
	for range 5 {
		<-l.Changed(l.View().Index + 20)
		if _, err := l.WriteBackup(path); err != nil {
			t.Fatal(err)
		}
	}
	c, err := l.Checkpoint(ctx, 10, 1)
	must(t, err)
	<-l.Changed(c.Index + 50)
	cancel()
	wg.Wait()
	b, err := ReadBackup(path)
	must(t, err)
	into := t.TempDir()
	r, err := Restore(path, into)
	must(t, err)
	if r != b {
		t.Errorf("restored %+v, the backup is %+v", r, b)
	}
	m, err := OpenMachine(filepath.Join(into, FileName), Options{})
	must(t, err)
	if d := digestOf(t, m); d != b.Digest {
		t.Errorf("digest %v, want %v", d, b.Digest)
	}
	must(t, m.Close())
	if _, err := os.Stat(filepath.Join(into, RestoredMark)); err != nil {
		t.Error(err)
	}
	if _, err := Restore(path, l.dir); grid.CodeOf(err) != grid.Refused {
		t.Errorf("restore under a running ledger: %v", err)
	}
	// After the checkpoint the log is short, and still folds to the state.
	copied := filepath.Join(t.TempDir(), "now.db")
	_, err = l.WriteBackup(copied)
	must(t, err)
	v, err := Verify(copied, l.dir, t.TempDir())
	must(t, err)
	if len(v.Found) > 0 || v.Base != c.Index || l.View().LogFirst < 10 {
		t.Errorf("verify: %+v, log from %d", v, l.View().LogFirst)
	}
	// A backup that was changed is found out.
	data, err := os.ReadFile(path)
	must(t, err)
	// Every copy: some lie in pages that are not in use any more.
	must(t, os.WriteFile(path, bytes.ReplaceAll(data, []byte("user:1"), []byte("user:2")), 0o600))
	if _, err := Restore(path, t.TempDir()); err == nil {
		t.Error("a changed backup was restored")
	} else if errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestRestoredIdsAreNotGivenAgain(t *testing.T) {
	m := newScratch(t).open(t)
	defer m.Close()
	apply(m, submitOne(""))
	apply(m, Command{By: "schedd", Body: &Begin{Deployment: "d", Restored: true}})
	r := apply(m, submitOne(""))
	if id := r.Value.(Submitted).Cluster; id <= restoreGap {
		t.Errorf("cluster %d after a restore may have been given before", id)
	}
}
