package ledger

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"

	"gridburst/internal/grid"
)

// Every stored value is
//
//	+---------+-----------+------------------------------------+
//	| version | body      | CRC-32C of key, version and body   |
//	| 1 byte  | any bytes | 4 bytes, big-endian                |
//	+---------+-----------+------------------------------------+
//
// because bbolt keeps no checksum of its data. The key is in it so that a record
// cannot turn up under another one. In a body, integers are varints
// (zig-zag where they can be negative) and strings are a length and bytes.
// Binary, and not JSON, because it was measured: see BenchmarkCodec.

const codecVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errCorrupt = errors.New("checksum does not match")

// seal closes a value that begins with its version.
func seal(key, value []byte) []byte {
	return binary.BigEndian.AppendUint32(value, checksum(key, value))
}

func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// unseal checks a value and returns its body. The body shares v's memory.
func unseal(key, v []byte) ([]byte, error) {
	if len(v) < 5 {
		return nil, errCorrupt
	}
	value, sum := v[:len(v)-4], v[len(v)-4:]
	if checksum(key, value) != binary.BigEndian.Uint32(sum) {
		return nil, errCorrupt
	}
	if value[0] != codecVersion {
		return nil, grid.Errorf(grid.Invalid, "record version %d is not known to this program", value[0])
	}
	return value[1:], nil
}

// enc appends to a buffer that begins with the version byte.
type enc struct{ b []byte }

func newEnc(size int) *enc {
	b := make([]byte, 1, size)
	b[0] = codecVersion
	return &enc{b}
}

// raw is p as a body of its own.
func raw(p []byte) *enc {
	e := newEnc(len(p) + 5)
	e.b = append(e.b, p...)
	return e
}

func (e *enc) u(v uint64) { e.b = binary.AppendUvarint(e.b, v) }
func (e *enc) i(v int64)  { e.b = binary.AppendVarint(e.b, v) }
func (e *enc) byte(v byte) {
	e.b = append(e.b, v)
}

func (e *enc) bool(v bool) {
	if v {
		e.b = append(e.b, 1)
	} else {
		e.b = append(e.b, 0)
	}
}

func (e *enc) str(s string) {
	e.u(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *enc) bytes(p []byte) {
	e.u(uint64(len(p)))
	e.b = append(e.b, p...)
}

func (e *enc) run(r grid.Run) {
	e.u(uint64(r.Cluster))
	e.u(uint64(r.Lo))
	e.u(uint64(r.Hi - r.Lo))
}

func (e *enc) job(id grid.JobID) {
	e.u(uint64(id.Cluster))
	e.u(uint64(id.Proc))
}

func (e *enc) attrs(as []Attr) {
	e.u(uint64(len(as)))
	for _, a := range as {
		e.str(a.Name)
		e.str(a.Expr)
	}
}

// dec reads what enc wrote. The first fault sticks; every later read gives zero.
type dec struct {
	b   []byte
	bad bool
}

func (d *dec) err() error {
	if d.bad || len(d.b) != 0 {
		return errMalformed
	}
	return nil
}

var errMalformed = errors.New("record is malformed")

// more reports whether there is more to read: the fields of a newer form come last, and
// are written only when they say something.
func (d *dec) more() bool { return !d.bad && len(d.b) > 0 }

func (d *dec) fail() {
	d.bad = true
	d.b = nil
}

func (d *dec) u() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *dec) i() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *dec) u32() uint32 {
	v := d.u()
	if v > math.MaxUint32 {
		d.fail()
		return 0
	}
	return uint32(v)
}

func (d *dec) i32() int32 {
	v := d.i()
	if v < math.MinInt32 || v > math.MaxInt32 {
		d.fail()
		return 0
	}
	return int32(v)
}

func (d *dec) holdCode() grid.HoldCode {
	v := d.i()
	if v < math.MinInt16 || v > math.MaxInt16 {
		d.fail()
		return 0
	}
	return grid.HoldCode(v)
}

func (d *dec) id() int32 {
	v := d.u()
	if v > math.MaxInt32 {
		d.fail()
		return 0
	}
	return int32(v)
}

func (d *dec) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *dec) bool() bool { return d.byte() != 0 }

func (d *dec) take() []byte {
	n := d.u()
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *dec) str() string { return string(d.take()) }

// bytes copies, because the memory of a stored value ends with its transaction.
func (d *dec) bytes() []byte {
	p := d.take()
	if len(p) == 0 {
		return nil
	}
	return append([]byte(nil), p...)
}

// count reads a length and refuses one that the rest cannot hold, each element
// taking at least size bytes.
func (d *dec) count(size int) int {
	n := d.u()
	if n > uint64(len(d.b)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *dec) run() grid.Run {
	r := grid.Run{Cluster: d.id(), Lo: d.id()}
	n := d.id()
	if r.Lo > grid.MaxProcs || n > grid.MaxProcs {
		d.fail()
		return grid.Run{}
	}
	r.Hi = r.Lo + n
	return r
}

func (d *dec) job() grid.JobID { return grid.JobID{Cluster: d.id(), Proc: d.id()} }

func (d *dec) attrs() []Attr {
	n := d.count(2)
	if n == 0 {
		return nil
	}
	as := make([]Attr, n)
	for i := range as {
		as[i] = Attr{Name: d.str(), Expr: d.str()}
	}
	return as
}
