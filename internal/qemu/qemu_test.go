package qemu

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
)

// write makes a file below dir.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheNewestKernelWithModulesIsTaken(t *testing.T) {
	dir := t.TempDir()
	if _, err := FindKernel(dir); grid.CodeOf(err) != grid.Refused {
		t.Errorf("in an empty directory: %v", err)
	}
	for _, v := range []string{"6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64", "6.12.1"} {
		write(t, dir, "boot/vmlinuz-"+v, "")
	}
	for _, v := range []string{"6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64"} {
		write(t, dir, "lib/modules/"+v+"/modules.builtin", "")
	}
	k, err := FindKernel(dir)
	if err != nil || filepath.Base(k.Image) != "vmlinuz-6.1.0-56-cloud-amd64" || filepath.Base(k.Modules) != "6.1.0-56-cloud-amd64" {
		t.Errorf("it takes %+v (%v)", k, err)
	}
}

func TestVersionsAreNumbers(t *testing.T) {
	want := []string{"6.1", "6.1.0-9", "6.1.0-56", "6.02", "6.10"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, byVersion)
	if !slices.Equal(got, want) {
		t.Errorf("the order is %v", got)
	}
}

// builtIn is a kernel that has all that a machine needs without modules.
func builtIn(t *testing.T, also ...string) Kernel {
	t.Helper()
	dir := t.TempDir()
	list := ""
	for _, d := range append(also, devices...) {
		list += "kernel/drivers/" + strings.ReplaceAll(d, "_", "-") + ".ko\n"
	}
	write(t, dir, "modules/modules.builtin", list)
	write(t, dir, "modules/kernel/fs/broken.ko", "no module")
	return Kernel{Image: filepath.Join(dir, "vmlinuz"), Modules: filepath.Join(dir, "modules")}
}

func TestModulesThatAreNotThere(t *testing.T) {
	k := builtIn(t, "ext4")
	if files, err := k.files("ext4", "virtio_blk"); err != nil || len(files) != 0 {
		t.Errorf("of the kernel itself: %v (%v)", files, err)
	}
	if _, err := k.files("zfs"); err == nil || !strings.Contains(err.Error(), "no module zfs") {
		t.Errorf("of no kernel: %v", err)
	}
	if _, err := k.files("broken"); err == nil || !strings.Contains(err.Error(), "broken.ko") {
		t.Errorf("a broken one: %v", err)
	}
}

// unpack reads an archive in the form "newc", and is as strict as a kernel.
func unpack(t *testing.T, b []byte) (modes map[string]uint32, bodies map[string]string) {
	t.Helper()
	modes, bodies = map[string]uint32{}, map[string]string{}
	for at := 0; ; {
		var f [13]uint32
		if string(b[at:at+6]) != "070701" {
			t.Fatalf("at %d there is no head", at)
		}
		for i := range f {
			if _, err := fmt.Sscanf(string(b[at+6+8*i:at+14+8*i]), "%08X", &f[i]); err != nil {
				t.Fatal(err)
			}
		}
		name := string(b[at+110 : at+110+int(f[11])-1])
		at = (at + 110 + int(f[11]) + 3) &^ 3
		if name == "TRAILER!!!" {
			if at != len(b) {
				t.Errorf("%d bytes follow the end", len(b)-at)
			}
			return modes, bodies
		}
		if parent := filepath.Dir(name); parent != "." && modes[parent]&unix.S_IFMT != unix.S_IFDIR {
			t.Errorf("%s comes before its directory", name)
		}
		modes[name], bodies[name] = f[1], string(b[at:at+int(f[6])])
		at = (at + int(f[6]) + 3) &^ 3
	}
}

func TestAnInitramfs(t *testing.T) {
	dir := t.TempDir()
	tool := write(t, dir, "tool", "#!/bin/sh\n")
	file := filepath.Join(dir, "initramfs")
	i := Initramfs{
		Kernel: builtIn(t, "isofs"), Modules: []string{"isofs"}, Dirs: []string{"/a/b"}, Links: map[string]string{"/bin": "usr/bin"},
		Programs: map[string]string{"/init": tool, "/usr/bin/again": tool}, Files: map[string]string{"/etc/passwd": "root"},
	}
	if err := i.Write(file); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	modes, bodies := unpack(t, b)
	for name, want := range map[string]struct {
		mode uint32
		body string
	}{
		"init": {unix.S_IFREG | 0o755, "#!/bin/sh\n"}, "usr/bin/again": {unix.S_IFLNK | 0o777, "/init"}, "etc/passwd": {unix.S_IFREG | 0o644, "root"},
		"bin": {unix.S_IFLNK | 0o777, "usr/bin"}, "a/b": {unix.S_IFDIR | 0o755, ""}, "proc": {unix.S_IFDIR | 0o755, ""},
	} {
		if modes[name] != want.mode || bodies[name] != want.body {
			t.Errorf("%s is %o %q, want %o %q", name, modes[name], bodies[name], want.mode, want.body)
		}
	}
	i.Programs["/usr/bin/none"] = filepath.Join(dir, "none")
	if err := i.Write(file); err == nil {
		t.Error("a program that is not there is packed")
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
	if again, err := os.ReadFile(file); err != nil || !bytes.Equal(again, b) {
		t.Errorf("what was there before is not (%v)", err)
	}
}

func TestProgramsBringTheirLibraries(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{self, "/bin/sh"} {
		libs, err := newLibraries().of(program)
		if err != nil {
			t.Errorf("%s: %v", program, err)
		}
		for _, l := range libs {
			if _, err := os.Stat(l); err != nil {
				t.Errorf("%s: %v", program, err)
			}
		}
	}
	if libs, err := newLibraries().of(write(t, t.TempDir(), "script", "#!/bin/sh\n")); err != nil || len(libs) != 0 {
		t.Errorf("a script has %v (%v)", libs, err)
	}
}

func TestCommasInNamesAreNoEnds(t *testing.T) {
	args := Machine{MemoryMB: 64, Disks: []Disk{{Name: "disk", File: `/a,b"c`, ReadOnly: true}}, Network: Forward("10.0.2.4:1", "/a,b/it's", "x")}.Command()
	var disk struct {
		ReadOnly bool `json:"read-only"`
		File     struct{ Filename string }
	}
	if err := json.Unmarshal([]byte(args[slices.Index(args, "-blockdev")+1]), &disk); err != nil || disk.File.Filename != `/a,b"c` || !disk.ReadOnly {
		t.Errorf("the disk is %+v (%v)", disk, err)
	}
	if got, want := args[slices.Index(args, "-netdev")+1], `user,id=net,restrict=on,guestfwd=tcp:10.0.2.4:1-cmd:'/a,,b/it'\''s' 'x'`; got != want {
		t.Errorf("the network is %s, want %s", got, want)
	}
}

func TestKVMNeedsTheProcessorsHelp(t *testing.T) {
	for flags, want := range map[string]bool{"fpu vmx sse": true, "fpu svm": true, "fpu vmxnet": false, "": false} {
		if got := virtualizes([]byte("processor\t: 0\nflags\t\t: " + flags + "\nbugs\t\t: vmx\n")); got != want {
			t.Errorf("with %q it is %t", flags, got)
		}
	}
}
