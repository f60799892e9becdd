package qemu

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// modulesDir has the modules in a machine, in the order of their names.
const modulesDir = "modules"

// Initramfs is what a machine boots from.
type Initramfs struct {
	Kernel   Kernel
	Modules  []string          // of the kernel, beside those of a machine's own devices
	Programs map[string]string // by the path inside: one of this machine, packed with its libraries; /init is the first process
	Files    map[string]string // by the path inside: what is in it
	Links    map[string]string // by the path inside: where it leads
	Dirs     []string          // that are there beside those of the others
}

// devices are the modules that every machine's devices need.
var devices = []string{"virtio_pci", "virtio_blk", "virtio_net", "button", "evdev"}

// Write packs it into a file, which appears when it is whole.
func (i Initramfs) Write(file string) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = i.pack(w)
	err = errors.Join(err, w.Flush(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make an initramfs: %w", err), os.Remove(f.Name()))
	}
	return nil
}

func (i Initramfs) pack(w io.Writer) error {
	from := map[string]string{} // by the path inside: the file
	modules, err := i.Kernel.files(append(slices.Clone(devices), i.Modules...)...)
	if err != nil {
		return err
	}
	for n, m := range modules {
		from[fmt.Sprintf("/%s/%02d-%s", modulesDir, n, filepath.Base(m))] = m
	}
	l := newLibraries()
	for in, program := range i.Programs {
		from[in] = program
		needs, err := l.of(program)
		if err != nil {
			return fmt.Errorf("look what %s is linked to: %w", program, err)
		}
		for _, lib := range needs {
			from[lib] = lib
		}
	}
	c := cpio{w: w, made: map[string]bool{"/": true}, first: map[string]string{}}
	for _, dir := range append([]string{"/proc", "/sys", "/dev", "/tmp"}, i.Dirs...) {
		c.dir(dir)
	}
	for _, in := range slices.Sorted(maps.Keys(from)) {
		c.copy(in, from[in])
	}
	for _, in := range slices.Sorted(maps.Keys(i.Files)) {
		c.file(in, 0o644, int64(len(i.Files[in])), strings.NewReader(i.Files[in]))
	}
	for _, in := range slices.Sorted(maps.Keys(i.Links)) {
		c.link(in, i.Links[in])
	}
	c.put("TRAILER!!!", 0, 0, nil)
	return c.err
}

// cpio writes an archive in the form "newc": of each file a head of hexadecimal numbers,
// a name and a body, each filled up to four bytes. The first error stays.
type cpio struct {
	w     io.Writer
	inode int
	at    int64
	made  map[string]bool   // directories
	first map[string]string // by a file of this machine: where it went first
	err   error
}

func (c *cpio) put(name string, mode uint32, size int64, body io.Reader) {
	if c.err != nil {
		return
	}
	c.inode++
	c.add(fmt.Fprintf(c.w, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00", c.inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name)+1, 0, name))
	c.fill()
	if size > 0 && c.err == nil {
		n, err := io.CopyN(c.w, body, size)
		c.at, c.err = c.at+n, err
	}
	c.fill()
}

func (c *cpio) add(n int, err error) {
	c.at += int64(n)
	if c.err == nil {
		c.err = err
	}
}

func (c *cpio) fill() {
	if c.err == nil {
		c.add(c.w.Write(make([]byte, (4-c.at%4)%4)))
	}
}

// dir makes a directory and those above it.
func (c *cpio) dir(name string) {
	if name = path.Clean(name); c.made[name] {
		return
	}
	c.made[name] = true
	c.dir(path.Dir(name))
	c.put(strings.TrimPrefix(name, "/"), unix.S_IFDIR|0o755, 0, nil)
}

func (c *cpio) file(in string, mode uint32, size int64, body io.Reader) {
	c.dir(path.Dir(in))
	c.put(strings.TrimPrefix(in, "/"), unix.S_IFREG|mode, size, body)
}

func (c *cpio) link(in, to string) {
	c.dir(path.Dir(in))
	c.put(strings.TrimPrefix(in, "/"), unix.S_IFLNK|0o777, int64(len(to)), strings.NewReader(to))
}

// copy puts a file of this machine there, or a link if it is in the archive already, as
// one program may have many names.
func (c *cpio) copy(in, from string) {
	if c.err != nil {
		return
	}
	real, err := filepath.EvalSymlinks(from)
	if err != nil {
		c.err = err
		return
	}
	if first := c.first[real]; first != "" {
		c.link(in, first)
		return
	}
	c.first[real] = in
	f, err := os.Open(real)
	if err != nil {
		c.err = err
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		c.err = err
		return
	}
	c.file(in, uint32(info.Mode().Perm()), info.Size(), f)
}
