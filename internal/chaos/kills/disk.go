package kills

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
)

// disk is a disk with a cache that loses its power: what was written is in memory, and
// on the platter, a file, only once it was flushed. It speaks NBD, one machine at a time.
type disk struct {
	platter *os.File
	size    int64
	deaf    bool // says that it has flushed, and has not

	mu      sync.Mutex
	cache   map[int64][]byte // by number of the sector
	flushes int
}

const sector = 512

func newDisk(platter *os.File, size int64, deaf bool) *disk {
	return &disk{platter: platter, size: size, deaf: deaf, cache: map[int64][]byte{}}
}

// cut is what the loss of power leaves: of the sectors in the cache some have come to
// the platter, in no order, and some have not.
func (d *disk) cut(r *rand.Rand) (lost int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	luck := r.Float64() // of all of them: none is as likely as nearly all
	for n, b := range d.cache {
		if r.Float64() >= luck {
			lost++
			continue
		}
		if _, err := d.platter.WriteAt(b, n*sector); err != nil {
			return lost, err
		}
	}
	clear(d.cache)
	return lost, nil
}

func (d *disk) read(p []byte, at int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := int64(0); i < int64(len(p)); i += sector {
		if b := d.cache[(at+i)/sector]; b != nil {
			copy(p[i:], b)
		} else if _, err := d.platter.ReadAt(p[i:i+sector], at+i); err != nil {
			return err
		}
	}
	return nil
}

// write keeps p, which it does not own, and puts it onto the platter when it is told to
// (force unit access).
func (d *disk) write(p []byte, at int64, through bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := int64(0); i < int64(len(p)); i += sector {
		n := (at + i) / sector
		if !through || d.deaf {
			d.cache[n] = append([]byte(nil), p[i:i+sector]...)
			continue
		}
		delete(d.cache, n)
		if _, err := d.platter.WriteAt(p[i:i+sector], at+i); err != nil {
			return err
		}
	}
	return nil
}

func (d *disk) flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flushes++
	if d.deaf {
		return nil
	}
	for n, b := range d.cache {
		if _, err := d.platter.WriteAt(b, n*sector); err != nil {
			return err
		}
	}
	clear(d.cache)
	return nil
}

// The protocol's numbers: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
const (
	nbdMagic, nbdOption, nbdReply = 0x4e42444d41474943, 0x49484156454f5054, 0x3e889045565a9
	nbdRequest, nbdAnswer         = 0x25609513, 0x67446698

	optAbort, optInfo, optGo = 2, 6, 7
	repAck, repInfo          = 1, 3
	repUnsupported           = 1<<31 | 1

	cmdRead, cmdWrite, cmdEnd, cmdFlush = 0, 1, 2, 3

	hasFlags, canFlush, canForce = 1, 4, 8
	einval                       = 22
)

// serve answers one connection until it ends.
func (d *disk) serve(c net.Conn) error {
	w := bufio.NewWriter(c)
	n := nbd{r: bufio.NewReader(c), w: w}
	n.put(uint64(nbdMagic), uint64(nbdOption), uint16(1|2)) // fixed newstyle, no zeroes
	if err := w.Flush(); err != nil {
		return err
	}
	var flags uint32
	n.get(&flags)
	if err := n.negotiate(uint64(d.size)); err != nil {
		return err
	}
	for {
		var q struct {
			Magic       uint32
			Flags, Type uint16
			Handle      uint64
			Offset      int64
			Length      uint32
		}
		if n.get(&q); n.err != nil {
			return n.err
		}
		end := q.Offset + int64(q.Length)
		if q.Magic != nbdRequest || q.Length > 64<<20 || q.Type != cmdEnd && (q.Offset < 0 || end > d.size || q.Offset%sector != 0 || end%sector != 0) {
			return fmt.Errorf("a request that is none: %+v", q)
		}
		var err error
		var data []byte
		switch q.Type {
		case cmdRead:
			data = make([]byte, q.Length)
			err = d.read(data, q.Offset)
		case cmdWrite:
			p := make([]byte, q.Length)
			if _, err := io.ReadFull(n.r, p); err != nil {
				return err
			}
			err = d.write(p, q.Offset, q.Flags&1 != 0)
		case cmdFlush:
			err = d.flush()
		case cmdEnd:
			return nil
		default:
			n.put(uint32(nbdAnswer), uint32(einval), q.Handle)
			if err := w.Flush(); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		n.put(uint32(nbdAnswer), uint32(0), q.Handle, data)
		if n.err = errors.Join(n.err, w.Flush()); n.err != nil {
			return n.err
		}
	}
}

// nbd reads and writes numbers; the first error stays.
type nbd struct {
	r   *bufio.Reader
	w   *bufio.Writer
	err error
}

func (n *nbd) get(v any) {
	if n.err == nil {
		n.err = binary.Read(n.r, binary.BigEndian, v)
	}
}

func (n *nbd) put(values ...any) {
	for _, v := range values {
		if n.err == nil {
			n.err = binary.Write(n.w, binary.BigEndian, v)
		}
	}
}

// negotiate answers options until the client goes on to the one disk that there is.
func (n *nbd) negotiate(size uint64) error {
	for {
		var o struct {
			Magic       uint64
			Option, Len uint32
		}
		if n.get(&o); n.err != nil {
			return n.err
		}
		if o.Magic != nbdOption || o.Len > 64<<10 {
			return fmt.Errorf("an option that is none: %+v", o)
		}
		if _, err := n.r.Discard(int(o.Len)); err != nil {
			return err
		}
		head := func(kind, length uint32) { n.put(uint64(nbdReply), o.Option, kind, length) }
		switch o.Option {
		case optGo, optInfo:
			head(repInfo, 12)
			n.put(uint16(0), size, uint16(hasFlags|canFlush|canForce))
			head(repAck, 0)
		case optAbort:
			head(repAck, 0)
		default:
			head(repUnsupported, 0)
		}
		if n.err = errors.Join(n.err, n.w.Flush()); n.err != nil || o.Option == optGo {
			return n.err
		}
	}
}
