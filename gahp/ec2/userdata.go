package ec2

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// maxUserData bounds a user data file, bytes. EC2's own limit is 16 KiB.
const maxUserData = 256 << 10

// scriptPath is where a guest finds a script that was its user data.
const scriptPath = "/var/lib/cloud/ec2-user-data"

// userData is what the guest gets: data and then the file's, as a cloud-config, and a
// key that may log in. An engine puts a cloud-config of its own before it, text before
// text, so it is the rest of a mapping.
func userData(data, file, key string) (string, error) {
	if file != "" {
		b, err := readSome(file, maxUserData)
		if err != nil {
			return "", err
		}
		data += string(b)
	}
	begin, _, _ := strings.Cut(data, "\n")
	switch begin = strings.TrimRight(begin, "\r \t"); {
	case strings.TrimSpace(data) == "":
		data = ""
	case begin == "#cloud-config":
	case strings.HasPrefix(begin, "#!"):
		data = fmt.Sprintf("#cloud-config\nwrite_files:\n- path: %s\n  permissions: '0700'\n  encoding: b64\n  content: %s\nruncmd:\n- [%s]\n",
			scriptPath, base64.StdEncoding.EncodeToString([]byte(data)), scriptPath)
	default:
		return "", invalid("the user data begin with %.40q: an engine takes a #cloud-config, or a script that begins with #!", begin)
	}
	if key == "" {
		return data, nil
	}
	if data == "" {
		data = "#cloud-config\n"
	}
	const names = "ssh_authorized_keys:"
	for line := range strings.Lines(data) {
		switch {
		case strings.HasPrefix(line, names):
			return "", invalid("the user data have %s themselves, and ec2_keypair_file wants one too: use either", strings.TrimSuffix(names, ":"))
		case strings.HasPrefix(line, "{"), strings.HasPrefix(line, "---"), strings.HasPrefix(line, "..."):
			return "", invalid("the user data have a line that begins with %.1q: for ec2_keypair_file they must be a mapping in block style, and one document", line)
		}
	}
	return strings.TrimRight(data, "\n") + "\n" + names + "\n- " + key + "\n", nil
}
