package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
)

// checkTree refuses a file whose pages do not hang together as trees. bbolt follows them
// without looking: one below which it stands itself would be followed until memory ends,
// and others end the process.
//
// It reads the beginning of each page in use. A page has a header, then one element of 16
// bytes for each key: of a branch, where the key lies (4), its length (4), and the page
// below (8); of a leaf, flags (4), where the key lies, its length and the value's (4 each).
// All numbers are in native order.
func checkTree(path string) error {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return grid.Errorf(grid.Forbidden, "open %s: %w", path, err)
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil {
		return nil // it is in use, which bbolt says
	}
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return grid.Errorf(grid.Internal, "read %s: %w", path, err)
	}
	defer unix.Munmap(data)
	p := pages{data: data}
	root, ok := p.newest()
	if !ok {
		return nil // what is wrong with its first pages is for bbolt to say
	}
	p.met = make([]uint64, (p.unused+63)/64)
	if err := p.tree(root, true); err != nil {
		return grid.Errorf(grid.Invalid, "%s is damaged: %w; restore it from a backup with gadm restore", path, err)
	}
	return nil
}

const (
	pageHeader  = 16 // number (8), flags (2), elements (2), pages that follow and belong to it (4)
	pageElement = 16
	branchPage  = 1
	leafPage    = 2
	subBucket   = 1 // of an element of a leaf

	bucketHeader = 16
)

// pages is a file as bbolt maps it.
type pages struct {
	data   []byte
	size   uint64 // of a page
	unused uint64 // the first page that is not in use, nor any behind it
	met    []uint64
}

// newest takes in the newest of the two descriptions of the file that is whole, as
// [checkSize] has them, and gives the page of the root.
func (p *pages) newest() (root uint64, ok bool) {
	newest := uint64(0)
	size := uint64(os.Getpagesize())
	for page := range uint64(2) {
		at := page*size + pageHeader
		if at+64 > uint64(len(p.data)) {
			break
		}
		m := p.data[at : at+64]
		sum := fnv.New64a()
		sum.Write(m[:56])
		tx := binary.NativeEndian.Uint64(m[48:])
		if sum.Sum64() != binary.NativeEndian.Uint64(m[56:]) || ok && tx < newest {
			continue
		}
		newest, ok = tx, true
		size = uint64(binary.NativeEndian.Uint32(m[8:]))
		p.size, p.unused, root = size, binary.NativeEndian.Uint64(m[40:]), binary.NativeEndian.Uint64(m[16:])
	}
	return root, ok && p.size >= pageHeader && p.unused <= uint64(len(p.data))/p.size
}

// tree goes through the tree below a page, and if that is the file's root, through those
// of its buckets.
func (p *pages) tree(root uint64, buckets bool) error {
	for todo := []uint64{root}; len(todo) > 0; {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		page, err := p.page(id)
		if err != nil {
			return err
		}
		leaf := binary.NativeEndian.Uint16(page[8:]) == leafPage
		if leaf && !buckets {
			continue
		}
		for i := range uint64(binary.NativeEndian.Uint16(page[10:])) {
			at := pageHeader + i*pageElement
			e := page[at : at+pageElement]
			if !leaf {
				todo = append(todo, binary.NativeEndian.Uint64(e[8:]))
				continue
			}
			if binary.NativeEndian.Uint32(e) != subBucket {
				continue
			}
			value := at + uint64(binary.NativeEndian.Uint32(e[4:])) + uint64(binary.NativeEndian.Uint32(e[8:]))
			end := value + uint64(binary.NativeEndian.Uint32(e[12:]))
			if end > uint64(len(page)) || end < value+bucketHeader {
				return fmt.Errorf("a bucket of page %d is beyond its end", id)
			}
			if err := p.bucket(page[value:end]); err != nil {
				return fmt.Errorf("a bucket of page %d: %w", id, err)
			}
		}
	}
	return nil
}

// bucket goes through the tree of a bucket, whose value begins with the page of its root
// (8) and a number. A small one is all in its value: one leaf follows there.
func (p *pages) bucket(value []byte) error {
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return p.tree(root, false)
	}
	leaf := value[bucketHeader:]
	if len(leaf) < pageHeader || binary.NativeEndian.Uint16(leaf[8:]) != leafPage ||
		pageHeader+pageElement*int(binary.NativeEndian.Uint16(leaf[10:])) > len(leaf) {
		return errors.New("it is small, and no leaf is in its value")
	}
	return nil
}

// page is one page with those that follow and belong to it. Each is met once.
func (p *pages) page(id uint64) ([]byte, error) {
	if id < 2 || id >= p.unused {
		return nil, fmt.Errorf("page %d is to be in use, and the file has pages 2 to %d", id, p.unused-1)
	}
	h := p.data[id*p.size:][:pageHeader]
	flags, count, more := binary.NativeEndian.Uint16(h[8:]), uint64(binary.NativeEndian.Uint16(h[10:])), uint64(binary.NativeEndian.Uint32(h[12:]))
	switch {
	case binary.NativeEndian.Uint64(h) != id || flags != branchPage && flags != leafPage:
		return nil, fmt.Errorf("page %d is not what it is to be", id)
	case id+more >= p.unused:
		return nil, fmt.Errorf("page %d is longer than the file", id)
	case pageHeader+count*pageElement > (1+more)*p.size:
		return nil, fmt.Errorf("page %d has more records than room for them", id)
	case flags == branchPage && count == 0:
		return nil, fmt.Errorf("page %d is a branch with nothing below it", id)
	}
	for n := id; n <= id+more; n++ {
		if p.met[n/64]&(1<<(n%64)) != 0 {
			return nil, fmt.Errorf("page %d is in two places", n)
		}
		p.met[n/64] |= 1 << (n % 64)
	}
	return p.data[id*p.size : (id+1+more)*p.size], nil
}
