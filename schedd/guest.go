package schedd

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

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
	// The worker goes on when cloud-init has ended.
	ours, err := cloudConfig(map[string]any{
		"hostname": name,
		"write_files": []map[string]any{
			{"path": guestDir + "/ca.pem", "content": string(d.ca.PEM()), "permissions": "0644"},
			{"path": guestDir + "/token", "content": d.secrets.Token(claimPurpose(claim, name)) + "\n", "permissions": "0600"},
		},
		"runcmd": [][]string{
			{"mkdir", "-p", guestState},
			append([]string{"sh", "-c", `exec setsid "$0" "$@" </dev/null >>` + guestState + `/worker.log 2>&1 &`}, run...),
		},
	})
	if err != nil || b.UserData == "" {
		return ours, err
	}
	return strings.TrimRight(b.UserData, "\n") + "\n" + ours, nil
}

// ourKeys are those of a cloud-config that carry the worker. Of a key that is there
// twice cloud-init takes the last and says nothing.
var ourKeys = []string{"hostname", "runcmd", "write_files"}

// checkUserData refuses a further cloud-config that ours could not be put behind.
func checkUserData(text string) error {
	for line := range strings.Lines(text) {
		key, _, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		key = strings.Trim(strings.TrimSpace(key), `"'`)
		switch indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"); {
		case !indented && slices.Contains(ourKeys, key):
			return grid.Errorf(grid.Invalid, "user_data may have no %s, which starts the worker: use bootcmd, or the template", key)
		case strings.HasPrefix(line, "{"), strings.HasPrefix(line, "#cloud-config-archive"), strings.HasPrefix(line, "#!"), strings.HasPrefix(line, "Content-Type:"):
			return grid.Errorf(grid.Invalid, "user_data is a cloud-config with its keys at the beginnings of lines: the worker's are put behind them")
		}
	}
	return nil
}

// cloudConfig is a cloud-config. Engines put theirs before it, so it is the rest of a
// YAML mapping: each key begins a line, and what belongs to it is on that line, as JSON,
// which YAML can read.
func cloudConfig(keys map[string]any) (string, error) {
	out := strings.Builder{}
	out.WriteString("#cloud-config\n")
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		v, err := json.Marshal(keys[k])
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "%s: %s\n", k, v)
	}
	return out.String(), nil
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
