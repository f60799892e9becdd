package qemu

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gridburst/internal/grid"
)

// Kernel is one, with its modules.
type Kernel struct {
	Image   string // its vmlinuz
	Modules string // its directory below lib/modules
}

// FindKernel finds the newest kernel below root, as a package has it: boot/vmlinuz-VERSION
// and lib/modules/VERSION. An empty root is this machine's.
func FindKernel(root string) (Kernel, error) {
	if root == "" {
		root = "/"
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return Kernel{}, err
	}
	const prefix = "vmlinuz-"
	images, err := filepath.Glob(filepath.Join(root, "boot", prefix+"*"))
	if err != nil {
		return Kernel{}, err
	}
	slices.SortFunc(images, func(a, b string) int { return byVersion(b, a) })
	for _, image := range images {
		k := Kernel{Image: image, Modules: filepath.Join(root, "lib/modules", strings.TrimPrefix(filepath.Base(image), prefix))}
		if info, err := os.Stat(k.Modules); err == nil && info.IsDir() {
			return k, nil
		}
	}
	return Kernel{}, grid.Errorf(grid.Refused, "there is no kernel with its modules in %s and %s; "+
		"unpack one (apt-get download linux-image-cloud-amd64's package, dpkg-deb -x) and name the directory",
		filepath.Join(root, "boot"), filepath.Join(root, "lib/modules"))
}

// byVersion compares names in which numbers count as numbers.
func byVersion(a, b string) int {
	for a != "" && b != "" {
		i, j := digits(a), digits(b)
		if i == 0 || j == 0 {
			if a[0] != b[0] {
				return int(a[0]) - int(b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		x, y := strings.TrimLeft(a[:i], "0"), strings.TrimLeft(b[:j], "0")
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
	return len(a) - len(b)
}

func digits(s string) int {
	return len(s) - len(strings.TrimLeft(s, "0123456789"))
}

// files are those of modules and of all that they need, in the order of loading. What is
// part of the kernel needs no file.
func (k Kernel) files(modules ...string) ([]string, error) {
	there := map[string]string{}
	err := filepath.WalkDir(filepath.Join(k.Modules, "kernel"), func(p string, d fs.DirEntry, err error) error {
		if name, _, ok := strings.Cut(filepath.Base(p), ".ko"); ok && err == nil && !d.IsDir() {
			there[moduleName(name)] = p
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(k.Modules, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(builtin)) {
		there[moduleName(strings.TrimSuffix(filepath.Base(strings.TrimSpace(line)), ".ko"))] = ""
	}
	var out []string
	var add func(string) error
	add = func(name string) error {
		file, ok := there[moduleName(name)]
		if !ok {
			return fmt.Errorf("the kernel %s has no module %s", k.Image, name)
		}
		if file == "" || slices.Contains(out, file) {
			return nil
		}
		needs, err := needed(file)
		if err != nil {
			return fmt.Errorf("read module %s: %w", file, err)
		}
		for _, n := range needs {
			if err := add(n); err != nil {
				return err
			}
		}
		out = append(out, file)
		return nil
	}
	for _, m := range modules {
		if err := add(m); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// moduleName is one of the two ways in which a module's name is written.
func moduleName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// needed are the modules that one says it needs.
func needed(module string) ([]string, error) {
	f, err := elf.Open(module)
	if err != nil {
		return nil, fmt.Errorf("%w (one that is compressed has to be unpacked)", err)
	}
	defer f.Close()
	info := f.Section(".modinfo")
	if info == nil {
		return nil, errors.New("it does not say what it needs")
	}
	b, err := info.Data()
	if err != nil {
		return nil, err
	}
	for word := range bytes.SplitSeq(b, []byte{0}) {
		if list, ok := strings.CutPrefix(string(word), "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}
