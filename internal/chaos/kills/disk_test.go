package kills

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// What was flushed, or written through, is there after a cut; of the rest, sectors are
// whole or as they were, and not all are there.
func TestDiskLosesWhatWasNotFlushed(t *testing.T) {
	const size = 256 * sector
	for name, c := range map[string]struct {
		through, flush, deaf bool
		kept                 bool
	}{
		"flushed":                     {flush: true, kept: true},
		"written through":             {through: true, kept: true},
		"neither":                     {},
		"flushed by a disk that lies": {flush: true, deaf: true},
	} {
		t.Run(name, func(t *testing.T) {
			platter, err := os.OpenFile(filepath.Join(t.TempDir(), "disk"), os.O_CREATE|os.O_RDWR, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer platter.Close()
			if err := platter.Truncate(size); err != nil {
				t.Fatal(err)
			}
			d := newDisk(platter, size, c.deaf)
			p := bytes.Repeat([]byte{7}, size)
			if err := d.write(p, 0, c.through); err != nil {
				t.Fatal(err)
			}
			if c.flush {
				if err := d.flush(); err != nil {
					t.Fatal(err)
				}
			}
			got := make([]byte, size)
			if err := d.read(got, 0); err != nil || !bytes.Equal(got, p) {
				t.Fatalf("before the cut it does not read what was written: %v", err)
			}
			lost, err := d.cut(rand.New(rand.NewPCG(1, 1)))
			if err != nil || lost == 0 != c.kept {
				t.Fatalf("lost %d sectors: %v", lost, err)
			}
			if err := d.read(got, 0); err != nil {
				t.Fatal(err)
			}
			gone := 0
			for i := 0; i < size; i += sector {
				switch s := got[i : i+sector]; {
				case bytes.Equal(s, make([]byte, sector)):
					gone++
				case !bytes.Equal(s, p[:sector]):
					t.Fatalf("sector %d is neither", i/sector)
				}
			}
			if gone != lost {
				t.Errorf("%d sectors are gone, and %d were said to be", gone, lost)
			}
		})
	}
}
