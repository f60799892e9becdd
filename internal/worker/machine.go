package worker

import (
	"bufio"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/internal/wire"
	"gridburst/internal/worker/sandbox"
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
	attrs := map[string]string{
		"Cpus": strconv.Itoa(runtime.NumCPU()), "Memory": strconv.FormatInt(memory, 10),
		"Disk": strconv.FormatUint(fs.Bavail*uint64(fs.Bsize)/1024, 10),
		"Arch": ad.Quote(jobfile.Arch()), "OpSys": ad.Quote("LINUX"),
		"Machine": ad.Quote(host), "FileSystemDomain": ad.Quote(host), "HasFileTransfer": "true",
	}
	if version, whole := jobfile.Release(); whole != "" {
		attrs["OpSysVer"], attrs["OpSysAndVer"] = ad.Quote(version), ad.Quote(whole)
	}
	return attrs, nil
}

// memoryMB is the machine's memory, or the limit of what this process is in.
func memoryMB() (int64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	total := int64(0)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) >= 2 && fields[0] == "MemTotal:" {
			kb, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0, err
			}
			total = kb / 1024
		}
	}
	for _, limit := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		b, err := os.ReadFile(limit)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 && n>>20 < total {
			total = n >> 20
		}
	}
	if total == 0 {
		return 0, grid.Errorf(grid.Internal, "/proc/meminfo does not say how much memory there is")
	}
	return total, nil
}

// nobody is who runs jobs of people that this machine does not know.
const nobody = 65534

// userOf is whose rights a job of o has here: its owner's, where this machine has a user
// of that name and number. A worker that is no root has only its own.
func userOf(o wire.Owner) (sandbox.User, error) {
	if os.Geteuid() != 0 || o.UID == 0 {
		return sandbox.Self(), nil
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(o.UID), 10))
	if err != nil || u.Username != o.Name {
		return sandbox.User{UID: nobody, GID: nobody}, nil
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return sandbox.User{}, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return sandbox.User{}, err
	}
	out := sandbox.User{UID: o.UID, GID: uint32(gid)}
	for _, id := range ids {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return sandbox.User{}, err
		}
		out.Groups = append(out.Groups, uint32(n))
	}
	return out, nil
}
