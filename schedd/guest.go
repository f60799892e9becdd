package schedd

import (
	"maps"
	"net"
	"slices"
	"strconv"

	"gridburst/internal/grid"
	"gridburst/schedd/cloudconfig"
)

// Where a guest keeps what it was given.
const (
	guestDir   = "/etc/gridburst"
	guestState = "/var/lib/gridburst"
)

// guestData is the cloud-config of an overflow machine: it carries the schedd's address
// and authority and a one-time token, and starts the worker that its template holds.
// It is the same whenever it is made for a claim. What the administrator gives to guests
// comes before it. The guest's name is the engine's to give.
func (d *Daemon) guestData(claim uint32, name string, b *Burst) (string, error) {
	at := b.Schedd
	if at == "" {
		var err error
		if at, err = d.address(); err != nil {
			return "", err
		}
	}
	run := []string{"gworker", "--schedd", at, "--ca", guestDir + "/ca.pem", "--token-file", guestDir + "/token", "--state", guestState, "--name", name, "--vm"}
	for _, n := range slices.Sorted(maps.Keys(b.Attrs)) {
		run = append(run, "--attr", n+"="+b.Attrs[n])
	}
	return cloudconfig.Merge(b.UserData, d.guestFiles(claim, name), [][]string{
		{"mkdir", "-p", guestState},
		// The worker goes on when cloud-init has ended, and is started again when it dies.
		append([]string{"setsid", "-f", "sh", "-c", `exec </dev/null >>` + guestState + `/worker.log 2>&1; until "$0" "$@"; do sleep 1; done`}, run...),
	})
}

// guestFiles are what a worker begins with.
func (d *Daemon) guestFiles(claim uint32, name string) []cloudconfig.File {
	return []cloudconfig.File{
		{Path: guestDir + "/ca.pem", Content: string(d.ca.PEM()), Permissions: "0644"},
		{Path: guestDir + "/token", Content: d.secrets.Token(claimPurpose(claim, name)) + "\n", Permissions: "0600"},
	}
}

// address is where guests reach the daemon, unless their resource says otherwise.
func (d *Daemon) address() (string, error) {
	if d.c.Listen == "" {
		return "", grid.Errorf(grid.Invalid, "no port is open for workers of other machines: set listen, or a machine could not join")
	}
	at, _ := d.conns.address.Load().(string)
	if at == "" {
		return "", grid.Errorf(grid.Unavailable, "the port for workers is not open yet")
	}
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return "", err
	}
	if len(d.c.Names) > 0 {
		host = d.c.Names[0]
	} else if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = d.c.Host
	}
	return "https://" + net.JoinHostPort(host, port), nil
}

// Purposes of tokens: what the secret of each is derived for.
func claimPurpose(claim uint32, name string) string {
	return "claim " + strconv.FormatUint(uint64(claim), 10) + " " + name
}

func workerPurpose(name string, serial uint32) string {
	return "worker " + strconv.FormatUint(uint64(serial), 10) + " " + name
}
