package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/kdomanski/iso9660"
	"golang.org/x/sys/unix"
)

// The drive on which cloud-init finds what an engine gives to a machine: an ISO 9660
// image with OpenStack's layout, known by its label.
const (
	driveLabel = "config-2"
	metaDataIn = "openstack/latest/meta_data.json"
	userDataIn = "openstack/latest/user_data"
)

// metaData is what it says of the machine.
type metaData struct {
	UUID      string            `json:"uuid"` // of the instance: what cloud-init does once, it does once for each
	Name      string            `json:"name"`
	HostName  string            `json:"hostname"`
	Launch    string            `json:"launch_index"`
	Zone      string            `json:"availability_zone"`
	Meta      map[string]string `json:"meta"`
	PublicKey []string          `json:"public_keys"`
}

// writeDrive makes the image. It may hold secrets.
func writeDrive(file string, m metaData, userData string) (err error) {
	w, err := iso9660.NewWriter()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Cleanup()) }()
	m.Launch, m.Zone, m.Meta = "0", "nova", map[string]string{"essential": "false", "role": "server", "dsmode": "local"}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	for in, text := range map[string]string{metaDataIn: string(b), userDataIn: userData} {
		if err := w.AddFile(strings.NewReader(text), in); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(w.WriteTo(f, driveLabel), f.Close())
}

// disks are the machine's block devices, by what is on them.
type disks struct {
	drive string // the config drive; empty: none
	own   string // with a file system; empty: none
}

// findDisks looks at every device for the marks of an ISO 9660 image and of ext4.
func findDisks() (d disks, err error) {
	names, err := os.ReadDir("/sys/class/block")
	if err != nil {
		return d, err
	}
	for _, n := range names {
		dev := filepath.Join("/dev", n.Name())
		f, err := os.Open(dev)
		if err != nil {
			return d, err
		}
		switch label, err := labelOf(f); {
		case err != nil:
			return d, errors.Join(fmt.Errorf("look at %s: %w", dev, err), f.Close())
		case label == driveLabel:
			d.drive = dev
		case label == ext4Label:
			d.own = dev
		}
		f.Close()
	}
	return d, nil
}

// ext4Label stands for a file system, whatever its label.
const ext4Label = "\x00ext4"

func labelOf(r io.ReaderAt) (string, error) {
	at := func(offset int64, n int) (string, error) {
		b := make([]byte, n)
		_, err := r.ReadAt(b, offset)
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		return string(b), err
	}
	const volume = 16 * 2048 // descriptor
	magic, err := at(volume+1, 5)
	if err != nil {
		return "", err
	}
	if magic == "CD001" {
		label, err := at(volume+40, 32)
		return strings.TrimRight(label, " \x00"), err
	}
	magic, err = at(1024+0x38, 2)
	if magic == "\x53\xef" {
		return ext4Label, err
	}
	return "", err
}

// readDrive reads the config drive, as cloud-init does at its beginning.
func readDrive(dev string) (m metaData, userData string, err error) {
	const at = "/drive"
	err = errors.Join(os.MkdirAll(at, 0o700), unix.Mount(dev, at, "iso9660", unix.MS_RDONLY, ""))
	if err != nil {
		return m, "", fmt.Errorf("mount the config drive: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Unmount(at, 0)) }()
	b, err := os.ReadFile(filepath.Join(at, metaDataIn))
	if err != nil {
		return m, "", err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, "", fmt.Errorf("the config drive's %s: %w", metaDataIn, err)
	}
	b, err = os.ReadFile(filepath.Join(at, userDataIn))
	return m, string(b), err
}
