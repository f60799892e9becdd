package ad

import "testing"

const benchRequirements = `(TARGET.Arch == "X86_64") && (TARGET.OpSys == "LINUX") && (TARGET.Disk >= RequestDisk) && (TARGET.Memory >= RequestMemory) && (TARGET.Cpus >= RequestCpus) && (TARGET.HasFileTransfer)`

func benchPair(b *testing.B) (job, slot *Ad) {
	job = adOf(b, "RequestDisk = DiskUsage | DiskUsage = 1 | RequestMemory = ifthenelse(MemoryUsage =!= undefined,MemoryUsage,(ImageSize + 1023) / 1024) | ImageSize = 100 | RequestCpus = 1 | Owner = \"alice\"")
	if err := job.Set("Requirements", benchRequirements); err != nil {
		b.Fatal(err)
	}
	slot = adOf(b, "Arch = \"X86_64\" | OpSys = \"LINUX\" | Disk = 20000000 | Memory = 8192 | Cpus = 4 | HasFileTransfer = true | START = TARGET.Owner =!= \"bob\" && TARGET.RequestMemory <= Memory | Requirements = START && TARGET.RequestCpus <= Cpus")
	return job, slot
}

func BenchmarkParseRequirements(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(benchRequirements); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseCached(b *testing.B) {
	var c Cache
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Parse(benchRequirements); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSetLiteral(b *testing.B) {
	a := &Ad{}
	b.ReportAllocs()
	for b.Loop() {
		a.Set("RequestCpus", "12")
		a.Set("Cmd", `"/bin/true"`)
		a.Set("LeaveJobInQueue", "false")
	}
}

func BenchmarkEval(b *testing.B) {
	job, slot := benchPair(b)
	e := parse(b, "TARGET.Memory >= RequestMemory")
	b.ReportAllocs()
	for b.Loop() {
		if !Truth(Instant(0).Eval(e, job, slot)) {
			b.Fatal("no")
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	job, slot := benchPair(b)
	b.ReportAllocs()
	for b.Loop() {
		if v := Instant(0).Match(job, slot); !v.Matches() {
			b.Fatal(v)
		}
	}
}
