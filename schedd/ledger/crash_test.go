package ledger

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"gridburst/internal/grid"
)

// Law 4: kill -9 at any moment under load. Every acknowledged command is there,
// none is half there, bbolt's own check is clean, and the state is the fold of the
// log. The child is this test binary.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	dir := t.TempDir()
	acked := map[string]int32{} // idempotency key -> cluster
	for round := range rounds {
		started, err := startWriter(dir, round)
		must(t, err)
		lines := bufio.NewScanner(started.out)
		// The load must be on before the kill: wait for some acknowledgements,
		// then kill at a random instant.
		kill := time.AfterFunc(time.Hour, func() {})
		n := 0
		for lines.Scan() {
			key, cluster, ok := strings.Cut(lines.Text(), " ")
			id, err := strconv.Atoi(cluster)
			if !ok || err != nil {
				continue // a line cut by the kill
			}
			if !strings.HasPrefix(key, fmt.Sprintf("r%d-", round)) {
				t.Fatalf("round %d acknowledged %q", round, lines.Text())
			}
			acked[key] = int32(id)
			if n++; n == 20 {
				kill = time.AfterFunc(time.Duration(rand.IntN(40_000))*time.Microsecond, func() { started.cmd.Process.Kill() })
			}
		}
		kill.Stop()
		started.cmd.Wait()
		if n < 20 {
			t.Fatalf("round %d: the writer ended by itself after %d acknowledgements: %s", round, n, started.stderr.String())
		}
		checkAfterCrash(t, dir, acked)
	}
	t.Logf("%d kills, %d acknowledged submits, lost 0", rounds, len(acked))
}

type writer struct {
	cmd    *exec.Cmd
	out    io.Reader
	stderr *strings.Builder
}

func startWriter(dir string, round int) (*writer, error) {
	w := &writer{cmd: exec.Command(os.Args[0], "-test.run=^$"), stderr: &strings.Builder{}}
	w.cmd.Env = append(os.Environ(), "LEDGER_WRITER="+dir, "LEDGER_ROUND="+strconv.Itoa(round))
	w.cmd.Stderr = w.stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = out
	return w, w.cmd.Start()
}

func checkAfterCrash(t *testing.T, dir string, acked map[string]int32) {
	t.Helper()
	l, err := Open(dir, Options{})
	must(t, err)
	defer l.Close()
	must(t, l.db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("bbolt's check: %v", err)
		}
		for key, cluster := range acked {
			k := scopedKey(&Entry{Command: Command{By: "user:1", Key: key}})
			body, err := unseal(k, tx.Bucket(stateBuckets[bKey]).Get(k))
			if err != nil {
				t.Fatalf("lost: %s was acknowledged as cluster %d: %v", key, cluster, err)
			}
			if first := decodeFirst(body); first != (Submitted{Cluster: cluster, Procs: 2}) {
				t.Fatalf("%s is %+v now, acknowledged as cluster %d", key, first, cluster)
			}
		}
		return nil
	}))
	for id, c := range l.View().Clusters(0) {
		n := 0
		for s := range l.View().Stretches(grid.WholeCluster(id)) {
			n += s.Run.Len()
		}
		if n != int(c.Live) || c.Procs != 2 {
			t.Errorf("cluster %d is half there: %+v, %d procs", id, c, n)
		}
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	_, err = l.WriteBackup(copied)
	must(t, err)
	v, err := Verify(copied, dir, t.TempDir())
	must(t, err)
	if len(v.Found) > 0 {
		t.Errorf("verify found %v", v.Found)
	}
}

// TestMain is also the children that tests need: one to be killed, one to read what
// may end its process.
func TestMain(m *testing.M) {
	var err error
	if dir := os.Getenv("LEDGER_WRITER"); dir != "" {
		err = write(dir, os.Getenv("LEDGER_ROUND"))
	} else if path := os.Getenv("LEDGER_READ"); path != "" {
		err = readDamaged(path)
	} else if do := os.Getenv("LEDGER_COPY"); do != "" && copies != nil {
		err = copies(do, os.Getenv("LEDGER_COPY_DIR"))
	} else {
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// copies makes copies in a child that dies at a failpoint; nil in a build without them.
var copies func(do, dir string) error

// write is eight clients that submit, hold and remove as fast as they can, and
// print what was acknowledged.
func write(dir, round string) error {
	l, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	wg.Go(func() { l.Run(ctx) })
	template := []byte("t")
	errs := make(chan error, 8)
	for client := range 8 {
		wg.Go(func() {
			for n := range 100_000 {
				key := fmt.Sprintf("r%s-%d-%d", round, client, n)
				r, err := l.Propose(ctx, Command{Key: key, By: "user:1", At: time.Now().UnixMilli(), Body: &Submit{
					Owner: Owner{Name: "a", UID: 1}, Template: template, Hash: HashTemplate(template), Procs: 2,
				}})
				if err != nil {
					errs <- err
					return
				}
				cluster := r.Value.(Submitted).Cluster
				fmt.Printf("%s %d\n", key, cluster)
				verb := []grid.Verb{grid.Hold, grid.Remove}[n%2]
				if _, err := l.Propose(ctx, Command{By: "user:1", At: time.Now().UnixMilli(), Body: &Act{Verb: verb, Runs: []grid.Run{grid.WholeCluster(cluster)}}}); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	return <-errs
}
