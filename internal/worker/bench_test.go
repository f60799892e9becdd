package worker

import (
	"testing"

	"gridburst/internal/wire"
)

// BenchmarkTrueJobs runs /bin/true through an agent: orders, reports, and the end of
// all duty, as over the wire; in as many slots as a bench machine has processors, and
// in more.
func BenchmarkTrueJobs(b *testing.B) {
	for name, slots := range map[string]int32{"in 2 slots": 2, "in 8 slots": 8} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			w.run()
			l := w.line()
			x := wire.Execution{Owner: owner(), Cmd: "/bin/true", Iwd: w.home}
			next := int32(0)
			begin := func() {
				next++
				l.start(next, 1, x)
			}
			run := func(n int) {
				for range min(slots, int32(n)) {
					begin()
				}
				for left := n; left > 0; {
					r := l.report()
					if !r.Kind.Final() {
						continue
					}
					if r.Kind != wire.Exited {
						b.Fatalf("%+v", r)
					}
					l.forget(r.Job.Cluster, 1)
					if left--; left >= int(slots) {
						begin()
					}
				}
			}
			run(50)
			b.ResetTimer()
			run(b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
