package replay

import (
	"path/filepath"
	"testing"
	"time"

	"gridburst/internal/replay/trace"
)

// machines are what traces are replayed against here: 16 cores, two minutes to boot.
func machines(cores int64, most int) *Setup {
	return &Setup{Shapes: []Shape{{Name: "burst", Cpus: cores, MemoryMB: 60 << 10, Max: most, Boot: 2 * time.Minute}}, Seed: 1}
}

func read(t testing.TB, name string) *trace.Trace {
	t.Helper()
	out, err := trace.Read(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Each job is two events: it comes, and it ends.
func BenchmarkReplay(b *testing.B) {
	for _, c := range []struct {
		file  string
		cores int64
		most  int
	}{
		{"swf/NASA-iPSC-1993-3.1-cln.swf.gz", 16, 32},
		{"swf/HPC2N-2002-first3194lines.swf.gz", 16, 32},
		{"swf/lublin_256.synthetic.swf.gz", 16, 32},
		{"swf/lublin_256.synthetic.swf.gz", 4, 128},
		{"arrivals/FB-2009_samples_24_times_1hr_0.tsv.gz", 16, 32},
		{"workflows/montage-chameleon-dss-10d-001.json", 16, 32},
	} {
		b.Run(filepath.Base(c.file), func(b *testing.B) {
			t := read(b, c.file)
			set := machines(c.cores, c.most)
			for b.Loop() {
				r, err := Run(set, t, Default)
				if err != nil || r.Failed != "" {
					b.Fatal(err, r.Failed)
				}
			}
			b.ReportMetric(float64(t.Events())*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
