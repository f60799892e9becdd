package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"gridburst/internal/grid"
)

// filled makes a queue file with something in every common bucket and no unused
// page at its end.
func filled(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, FileName)
	m, err := OpenMachine(filepath.Join(t.TempDir(), FileName), Options{})
	must(t, err)
	template := bytes.Repeat([]byte("template "), 50)
	apply(m, Command{At: 1000, By: "schedd", Body: &Begin{Deployment: "deployment", Host: "host"}})
	for i := range 40 {
		apply(m, Command{Key: fmt.Sprint(i), At: 2000, By: "user:1", Body: &Submit{
			Owner: Owner{Name: "a", UID: 1}, Template: template, Hash: HashTemplate(template), Procs: int32(i%3 + 1), Own: []byte("own"),
		}})
	}
	apply(m, Command{At: 3000, By: "user:1", Body: &Act{Verb: grid.Hold, Runs: []grid.Run{grid.OneJob(grid.JobID{Cluster: 2, Proc: 1})}, Reason: "held"}})
	apply(m, Command{At: 3000, By: "user:1", Body: &Act{Verb: grid.Remove, Runs: []grid.Run{grid.WholeCluster(1), grid.OneJob(grid.JobID{Cluster: 3, Proc: 1})}, Reason: "gone"}})
	must(t, writeWhole(path, func(f *os.File) error {
		_, err := m.Snapshot(f)
		return err
	}))
	must(t, m.Close())
	return path
}

func TestFileCutShortIsRefusedBeforeItIsMapped(t *testing.T) {
	path := filled(t, t.TempDir())
	whole, err := os.ReadFile(path)
	must(t, err)
	for _, size := range []int{1, 100, 4096, 8191, 8192, 8193, len(whole) / 2, len(whole) - 40_000} {
		cut := filepath.Join(t.TempDir(), "cut.db")
		must(t, os.WriteFile(cut, whole[:size], 0o600))
		_, err := OpenMachine(cut, Options{})
		if grid.CodeOf(err) != grid.Invalid || !strings.Contains(err.Error(), "gadm restore") {
			t.Errorf("cut to %d of %d bytes: %v", size, len(whole), err)
		}
	}
}

var places = flag.Int("places", 200, "in how many places of a queue file bits are flipped, one after another")

// Damage is found, or changes nothing that anybody would read; it is never silently
// another record. bbolt ends the process on some damage of its structure (from a
// goroutine of its own, so nobody can catch it): each copy is opened by a child, and a
// child that ends so has refused it.
func TestDamageIsNeverSilent(t *testing.T) {
	path := filled(t, t.TempDir())
	whole, err := os.ReadFile(path)
	must(t, err)
	m, err := OpenMachine(path, Options{ReadOnly: true})
	must(t, err)
	want := digestOf(t, m).String()
	must(t, m.Close())
	page := os.Getpagesize()
	for name, c := range map[string]struct {
		places int
		harm   func(b []byte, at int)
	}{
		"a flipped bit": {*places, func(b []byte, at int) { b[at] ^= 1 << (at % 8) }},
		"a page of which the beginning was written": {*places / 5, func(b []byte, at int) { clear(b[at/512*512 : (at/page+1)*page]) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			counts := map[string]int{}
			var mu sync.Mutex
			var wg sync.WaitGroup
			for worker := range 4 {
				wg.Go(func() {
					file := filepath.Join(dir, fmt.Sprint(worker))
					for nth := worker; nth < c.places; nth += 4 {
						bad := bytes.Clone(whole)
						c.harm(bad, nth*len(bad)/c.places)
						what := readBy(t, file, bad, want)
						mu.Lock()
						counts[what]++
						mu.Unlock()
						if what == "silent" {
							t.Errorf("place %d of %d: another state, and nothing said", nth, c.places)
						}
					}
				})
			}
			wg.Wait()
			t.Logf("%d places: %d refused, %d found by the check, %d in bytes that nobody reads, silent %d",
				c.places, counts["refused"], counts["found"], counts["unused"], counts["silent"])
		})
	}
}

// What bbolt would follow without end, or die of, is refused in words.
func TestPagesThatDoNotHangTogetherAreRefused(t *testing.T) {
	path := filled(t, t.TempDir())
	whole, err := os.ReadFile(path)
	must(t, err)
	page := os.Getpagesize()
	// The root is a branch, and the bucket of workers is all in its value.
	branch := 0
	m, err := OpenMachine(path, Options{ReadOnly: true})
	must(t, err)
	must(t, m.db.View(func(tx *bolt.Tx) error {
		branch = int(tx.Cursor().Bucket().Root())
		if root := tx.Bucket(stateBuckets[bWorker]).Root(); root != 0 {
			t.Fatalf("the bucket of workers has page %d", root)
		}
		return nil
	}))
	must(t, m.Close())
	if binary.NativeEndian.Uint16(whole[branch*page+8:]) != branchPage {
		t.Fatal("the root is no branch")
	}
	at := branch * page
	child := at + pageHeader + 8 // the number of the first page below
	for name, harm := range map[string]func(b []byte){
		"a branch below itself":          func(b []byte) { binary.NativeEndian.PutUint64(b[child:], uint64(branch)) },
		"one page below twice":           func(b []byte) { copy(b[child+pageElement:], b[child:child+8]) },
		"a page that is not there":       func(b []byte) { binary.NativeEndian.PutUint64(b[child:], uint64(len(b)/page)) },
		"a first page as a page below":   func(b []byte) { binary.NativeEndian.PutUint64(b[child:], 1) },
		"a branch with nothing below it": func(b []byte) { binary.NativeEndian.PutUint16(b[at+10:], 0) },
		"a branch that is too full":      func(b []byte) { binary.NativeEndian.PutUint16(b[at+10:], 0xffff) },
		"a page longer than the file":    func(b []byte) { binary.NativeEndian.PutUint32(b[at+12:], 1<<20) },
		"a page of another kind":         func(b []byte) { binary.NativeEndian.PutUint16(b[at+8:], 0) },
		"a small bucket without a leaf": func(b []byte) {
			for rest := b; len(rest) > 0; { // older versions of the root lie about
				_, rest, _ = bytes.Cut(rest, stateBuckets[bWorker])
				clear(rest[:min(len(rest), bucketHeader+pageHeader)])
			}
		},
		"another page in its place": func(b []byte) { binary.NativeEndian.PutUint64(b[at:], 0) },
	} {
		t.Run(name, func(t *testing.T) {
			bad := bytes.Clone(whole)
			harm(bad)
			path := filepath.Join(t.TempDir(), FileName)
			must(t, os.WriteFile(path, bad, 0o600))
			for _, o := range []Options{{ReadOnly: true}, {}} {
				if _, err := OpenMachine(path, o); grid.CodeOf(err) != grid.Invalid || !strings.Contains(err.Error(), "gadm restore") {
					t.Errorf("with %+v: %v", o, err)
				}
			}
		})
	}
}

// readBy has a child read a file of these bytes, and says what came of it.
func readBy(t *testing.T, file string, b []byte, want string) string {
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), "LEDGER_READ="+file, "GORACE=atexit_sleep_ms=0")
	out, err := child.Output()
	switch got := strings.TrimSpace(string(out)); {
	case ctx.Err() != nil:
		t.Errorf("%s is read without end", file)
		return "silent"
	case err != nil:
		return "refused"
	case strings.HasPrefix(got, "found"):
		return "found"
	case got == want:
		return "unused"
	}
	return "silent"
}

// readDamaged prints the digest of a file, or what its check found.
func readDamaged(path string) error {
	m, err := OpenMachine(path, Options{ReadOnly: true})
	if err != nil {
		return err
	}
	found, err := m.Check(1)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		fmt.Println("found", found[0])
		return nil
	}
	d, _, err := m.Digest()
	fmt.Println(d)
	return err
}

func TestDamagedRecordIsQuarantined(t *testing.T) {
	path := filled(t, t.TempDir())
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		v := bytes.Clone(tx.Bucket(stateBuckets[bCluster]).Get(key4(5)))
		v[3] ^= 1
		return tx.Bucket(stateBuckets[bCluster]).Put(key4(5), v)
	}))
	must(t, db.Close())
	m, err := OpenMachine(path, Options{})
	must(t, err)
	defer m.Close()
	if d := m.Damage(); len(d) != 1 || d[0].Bucket != "cluster" || !errors.Is(d[0].Err, errCorrupt) {
		t.Errorf("damage %v", d)
	}
	if _, ok := m.View().Cluster(5); ok {
		t.Error("the damaged cluster is shown")
	}
	if _, ok := m.View().Cluster(6); !ok {
		t.Error("its neighbour is not")
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	path := filled(t, t.TempDir())
	m, err := OpenMachine(path, Options{format: Format + 1, migrations: migrations{Format: func(*bolt.Tx) error { return nil }}})
	must(t, err)
	must(t, m.Close())
	_, err = OpenMachine(path, Options{})
	if grid.CodeOf(err) != grid.Refused || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("opened a newer format: %v", err)
	}
}

func TestOlderFormatIsMigratedWithACopyKept(t *testing.T) {
	path := filled(t, t.TempDir())
	before, err := os.ReadFile(path)
	must(t, err)
	next := Options{format: Format + 1}
	if _, err := OpenMachine(path, next); grid.CodeOf(err) != grid.Refused {
		t.Fatalf("migrated without knowing how: %v", err)
	}
	next.migrations = migrations{Format: func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("new"))
		return err
	}}
	m, err := OpenMachine(path, next)
	must(t, err)
	defer m.Close()
	must(t, m.db.View(func(tx *bolt.Tx) error {
		if tx.Bucket([]byte("new")) == nil {
			t.Error("not migrated")
		}
		return nil
	}))
	old, err := OpenMachine(fmt.Sprintf("%s.format%d", path, Format), Options{ReadOnly: true})
	must(t, err)
	defer old.Close()
	check := filepath.Join(t.TempDir(), "before.db")
	must(t, os.WriteFile(check, before, 0o600))
	want, err := OpenMachine(check, Options{ReadOnly: true})
	must(t, err)
	defer want.Close()
	if a, b := digestOf(t, old), digestOf(t, want); a != b {
		t.Errorf("the copy has digest %v, the file had %v", a, b)
	}
}

// Law 7: a queue file that an earlier release wrote is read, and its log folds to
// the digest that was recorded then. The files are never made anew; a release whose
// commands or records are others adds one (go test -run GoldenFile -update-golden NAME).
func TestGoldenFileOfEachFormat(t *testing.T) {
	if write := goldens[*updateGolden]; write != nil {
		write(t, filepath.Join("testdata", *updateGolden+".db"))
	}
	paths, err := filepath.Glob(filepath.Join("testdata", "*.db"))
	must(t, err)
	if len(paths) < 2 {
		t.Fatalf("only %v", paths)
	}
	for _, path := range paths {
		copied := filepath.Join(t.TempDir(), FileName)
		data, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(copied, data, 0o600))
		want, err := ReadBackup(path)
		must(t, err)
		v, err := Verify(copied, t.TempDir(), t.TempDir())
		must(t, err)
		if len(v.Found) > 0 || v.Digest != want.Digest || v.Entries < 20 {
			t.Errorf("%s: %d entries, digest %v, want %v; found %v", path, v.Entries, v.Digest, want.Digest, v.Found)
		}
		// The same file, taken over by this program: what it has to add changes no digest.
		m, err := OpenMachine(copied, Options{})
		must(t, err)
		found, err := m.Check(5)
		must(t, err)
		if d := digestOf(t, m); d != want.Digest || len(found) > 0 {
			t.Errorf("%s, opened to be written: digest %v, found %v", path, d, found)
		}
		must(t, m.Close())
	}
}
