package qemu

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"gridburst/internal/grid"
)

// Machine is a virtual machine. Its serial port is the command's input and output, and it
// ends when it is switched off or begins anew.
type Machine struct {
	Image     string   // of its kernel
	Initramfs string   // a file that [Initramfs.Write] has made
	First     []string // arguments of the first process
	MemoryMB  int64
	Cores     int
	Disks     []Disk
	Network   string   // options of QEMU's user network, beside those that close it: what is reached, from where
	More      []string // of QEMU's command line
}

// Disk is one that a machine has, in the order of the list.
type Disk struct {
	Name     string // letters
	File     string // its content, raw; or
	NBD      string // the socket of a server that has it
	ReadOnly bool
	Careless bool // what it has written need not survive the host
}

const program = "qemu-system-x86_64"

// Available says whether this machine can have virtual ones. The error is Refused.
func Available() error {
	if runtime.GOARCH != "amd64" {
		return grid.Errorf(grid.Refused, "virtual machines are of x86_64, and this one is not")
	}
	if _, err := exec.LookPath(program); err != nil {
		return grid.Errorf(grid.Refused, "%s is not here: install QEMU (Debian: qemu-system-x86)", program)
	}
	return nil
}

// Command is the command line that boots it.
func (m Machine) Command() []string {
	line := "console=ttyS0 quiet panic=-1 random.trust_cpu=on rdinit=/init"
	if len(m.First) > 0 {
		line += " -- " + strings.Join(m.First, " ")
	}
	out := []string{
		program, "-M", "q35", "-cpu", "max", "-m", strconv.FormatInt(m.MemoryMB, 10), "-smp", strconv.Itoa(max(1, m.Cores)),
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-kernel", m.Image, "-initrd", m.Initramfs, "-append", line,
	}
	for _, a := range accelerators() {
		out = append(out, "-accel", a)
	}
	network := "user,id=net,restrict=on"
	if m.Network != "" {
		network += "," + m.Network
	}
	out = append(out, "-netdev", network, "-device", "virtio-net-pci,netdev=net,romfile=")
	for _, d := range m.Disks {
		out = append(out, "-blockdev", d.node(), "-device", "virtio-blk-pci,write-cache=on,drive="+d.Name)
	}
	return append(out, m.More...)
}

// node is the disk in QEMU's words, as JSON, in which a comma in a file's name is no end.
func (d Disk) node() string {
	file := map[string]any{"driver": "file", "filename": d.File}
	if d.NBD != "" {
		file = map[string]any{"driver": "nbd", "server": map[string]any{"type": "unix", "path": d.NBD}}
	}
	b, err := json.Marshal(map[string]any{
		"driver": "raw", "node-name": d.Name, "read-only": d.ReadOnly, "cache": map[string]any{"no-flush": d.Careless}, "file": file,
	})
	if err != nil {
		panic(err) // strings and bools
	}
	return string(b)
}

// Quote is text as a part of an option's value.
func Quote(s string) string { return strings.ReplaceAll(s, ",", ",,") }

// Forward lets the machine reach guest, an address in its network, as what a command
// serves on its input and output: one process a connection.
func Forward(guest string, command ...string) string {
	for i, word := range command {
		command[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return Quote(fmt.Sprintf("guestfwd=tcp:%s-cmd:%s", guest, strings.Join(command, " ")))
}

// accelerators are those to be tried, the best first.
//
// /dev/kvm alone says little: there are KVMs without virtualization in the processor, on
// which a kernel that does not know of them dies while it boots.
func accelerators() []string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !virtualizes(info) {
		return []string{"tcg"}
	}
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return []string{"tcg"}
	}
	kvm.Close()
	return []string{"kvm", "tcg"}
}

// virtualizes looks for the flags of Intel's and AMD's processors.
func virtualizes(cpuinfo []byte) bool {
	for line := range bytes.Lines(cpuinfo) {
		if name, flags, _ := bytes.Cut(line, []byte(":")); strings.TrimSpace(string(name)) == "flags" {
			for _, f := range strings.Fields(string(flags)) {
				if f == "vmx" || f == "svm" {
					return true
				}
			}
		}
	}
	return false
}
