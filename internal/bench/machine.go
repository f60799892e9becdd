package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// fdatasync is how long the disk takes to say that a page is on it.
func (b *bench) fdatasync(ctx context.Context) ([]Row, error) {
	dir, err := b.fresh("sync")
	if err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(dir, "page"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	page := make([]byte, 4096)
	r := Row{Name: "fdatasync_us", Unit: "us", Less: true}
	for range b.count(200) {
		page[0]++
		if _, err := f.WriteAt(page, 0); err != nil {
			return nil, err
		}
		begun := time.Now()
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return nil, err
		}
		r.Runs = append(r.Runs, float64(time.Since(begun).Nanoseconds())/1000)
	}
	r.Value = median(r.Runs)
	return []Row{r}, ctx.Err()
}

// rawBatches is how many records a second the bare storage library takes, durably, so
// many in one transaction: what a queue on it could reach at best with as many clients
// that wait for their answers. size is a record's.
func (b *bench) rawBatches(batch, size int) (float64, error) {
	dir, err := b.fresh("raw")
	if err != nil {
		return 0, err
	}
	db, err := bolt.Open(filepath.Join(dir, "raw.db"), 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, NoFreelistSync: true, InitialMmapSize: 1 << 30})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var runs []float64
	var next uint64
	for range b.Runs {
		begun := time.Now()
		done := 0
		for time.Since(begun) < time.Second {
			err := db.Update(func(tx *bolt.Tx) error {
				bucket, err := tx.CreateBucketIfNotExists([]byte("records"))
				if err != nil {
					return err
				}
				for range batch {
					next++
					if err := bucket.Put(binary.BigEndian.AppendUint64(nil, next), make([]byte, size)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return 0, err
			}
			done += batch
		}
		runs = append(runs, float64(done)/time.Since(begun).Seconds())
	}
	return median(runs), nil
}

// xargs is how many processes a second two of its hands start and end.
func (b *bench) xargs(ctx context.Context) ([]Row, error) {
	r := Row{Name: "xargs_true_per_s", Unit: "/s"}
	n := b.count(2000)
	for range b.Runs {
		c := exec.CommandContext(ctx, "xargs", "-P2", "-n1", "/bin/true")
		c.Stdin = strings.NewReader(strings.Repeat("x\n", n))
		begun := time.Now()
		if err := c.Run(); err != nil {
			return nil, fmt.Errorf("xargs: %w", err)
		}
		r.Runs = append(r.Runs, float64(n)/time.Since(begun).Seconds())
	}
	r.Value = median(r.Runs)
	b.limits[r.Name] = r.Value
	return []Row{r}, nil
}

// oneProcess is how long a process takes that does nothing.
func (b *bench) oneProcess(ctx context.Context) (ms float64, err error) {
	var runs []float64
	for range b.count(100) {
		begun := time.Now()
		if err := exec.CommandContext(ctx, "/bin/true").Run(); err != nil {
			return 0, err
		}
		runs = append(runs, millis(time.Since(begun)))
	}
	return median(runs), nil
}

func millis(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
