package schedd

import (
	"encoding/json"
	"maps"
	"net"
	"slices"
	"strconv"

	"gridburst/internal/grid"
)

// Where a guest keeps what it was given.
const (
	guestDir   = "/etc/gridburst"
	guestState = "/var/lib/gridburst"
)

// guestData is the cloud-config of an overflow machine: it carries the schedd's address
// and authority and a one-time token, and starts the worker that its template holds.
// It is the same whenever it is made for a claim.
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
	// JSON is YAML. The worker goes on when cloud-init has ended.
	config := map[string]any{
		"hostname": name,
		"write_files": []map[string]any{
			{"path": guestDir + "/ca.pem", "content": string(d.ca.PEM()), "permissions": "0644"},
			{"path": guestDir + "/token", "content": d.secrets.Token(claimPurpose(claim, name)) + "\n", "permissions": "0600"},
		},
		"runcmd": [][]string{
			{"mkdir", "-p", guestState},
			append([]string{"sh", "-c", `exec setsid "$0" "$@" </dev/null >>` + guestState + `/worker.log 2>&1 &`}, run...),
		},
	}
	if b.UserData == "" {
		return cloudConfig("#cloud-config", config)
	}
	// Of two parts with one key cloud-init takes the later, unless it is told to join them.
	config["merge_how"] = "list(append)+dict(no_replace,recurse_list)+str()"
	ours, err := cloudConfig("#cloud-config", config)
	if err != nil {
		return "", err
	}
	return cloudConfig("#cloud-config-archive", []map[string]string{
		{"type": "text/cloud-config", "content": b.UserData}, {"type": "text/cloud-config", "content": ours},
	})
}

// cloudConfig is user data of a kind that its first line names.
func cloudConfig(kind string, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return kind + "\n" + string(b) + "\n", nil
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
