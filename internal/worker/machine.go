package worker

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/internal/wire"
	"gridburst/schedd/submit"
)

// Machine is what this machine offers, as ClassAd expressions: Cpus, Memory (MiB), Disk
// (KiB, what is free where state lies) and what it is. What a container or a guest may
// not use is not offered.
func Machine(state string) (map[string]string, error) {
	memory, err := memoryMB()
	if err != nil {
		return nil, err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(state, &fs); err != nil {
		return nil, grid.Errorf(grid.Invalid, "the disk of %s: %w", state, err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	attrs := wire.Abilities()
	maps.Copy(attrs, map[string]string{
		"Cpus": strconv.Itoa(cpus()), "Memory": strconv.FormatInt(memory, 10),
		"Disk": strconv.FormatUint(fs.Bavail*uint64(fs.Bsize)/1024, 10),
		"Arch": ad.Quote(jobfile.Arch()), "OpSys": ad.Quote("LINUX"),
		"Machine": ad.Quote(host), "FileSystemDomain": ad.Quote(host),
		"HasPerFileEncryption": "true", // what travels, travels encrypted
		"CondorVersion":        ad.Quote("$CondorVersion: " + submit.Compatible + " $"),
	})
	if version, whole := jobfile.Release(); whole != "" {
		attrs["OpSysVer"], attrs["OpSysAndVer"] = version, ad.Quote(whole)
	}
	return attrs, nil
}

// rounded is an offer without what changes all the time: a sixteenth of the disk.
func rounded(attrs map[string]string) map[string]string {
	out := maps.Clone(attrs)
	if disk, err := strconv.ParseFloat(out["Disk"], 64); err == nil && disk > 0 {
		out["Disk"] = strconv.Itoa(int(math.Log2(disk) * 11)) // steps of 1/16
	}
	return out
}

// cpus is how many this process may use: those that its affinity allows, and no more
// than the quota of its cgroups.
func cpus() int {
	n := runtime.NumCPU()
	for _, dir := range cgroups("cpu") {
		quota, period := number(dir, "cpu.cfs_quota_us", 0), number(dir, "cpu.cfs_period_us", 0)
		if b, err := os.ReadFile(filepath.Join(dir, "cpu.max")); err == nil {
			if f := strings.Fields(string(b)); len(f) == 2 {
				q, _ := strconv.ParseInt(f[0], 10, 64) // "max" is no number, and no limit
				p, _ := strconv.ParseInt(f[1], 10, 64)
				quota, period = q, p
			}
		}
		if quota > 0 && period > 0 {
			n = min(n, int((quota+period-1)/period))
		}
	}
	return n
}

// memoryMB is the machine's memory, or the limit of the cgroups that this process is in.
func memoryMB() (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0, err
			}
			total = kb << 10
		}
	}
	if total == 0 {
		return 0, grid.Errorf(grid.Internal, "/proc/meminfo does not say how much memory there is")
	}
	for _, dir := range cgroups("memory") {
		for _, name := range []string{"memory.max", "memory.limit_in_bytes"} {
			total = min(total, number(dir, name, total))
		}
	}
	return total >> 20, nil
}

// number reads a file of a cgroup; otherwise where there is none, or no limit.
func number(dir, name string, otherwise int64) int64 {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return otherwise
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || n <= 0 {
		return otherwise
	}
	return n
}

// cgroups are the directories of this process's cgroup with a controller, and of all
// above it; of version 1 or 2, where they are mounted as everywhere.
func cgroups(controller string) (dirs []string) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	const mount = "/sys/fs/cgroup"
	for line := range strings.Lines(string(b)) {
		// 4:cpu,cpuacct:/path, and of version 2 0::/path
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		at := mount
		if f[1] != "" {
			if !strings.Contains(","+f[1]+",", ","+controller+",") {
				continue
			}
			at = filepath.Join(mount, f[1])
		}
		for path := filepath.Clean("/" + f[2]); ; path = filepath.Dir(path) {
			dirs = append(dirs, filepath.Join(at, path))
			if path == "/" {
				break
			}
		}
	}
	return dirs
}
