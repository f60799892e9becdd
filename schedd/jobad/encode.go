package jobad

import (
	"encoding/binary"

	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// A template is
//
//	version(1)  attributes  sections  section*
//
// where each part is a length and a blob of package submit, and what belongs to the
// cluster alone has been taken out of attributes and sections. That is the own blob:
//
//	version(1)  attributes  (items  attributes)*    one pair for each section
//
// An item chunk is version(1), the section, the number of its first row, and rows.
const blobVersion = 1

// Stored is a spec in the parts that the ledger keeps.
type Stored struct {
	Template []byte
	Hash     [16]byte
	Own      []byte
	Items    [][]byte
	Procs    int32
}

// Encode makes the parts of a spec that has been checked.
func Encode(s *submit.Spec) Stored {
	var out Stored
	shared, own := submit.Split(s.Attrs)
	out.Template = appendBlob([]byte{blobVersion}, submit.AppendAttrs(nil, shared))
	out.Template = binary.AppendUvarint(out.Template, uint64(len(s.Sections)))
	out.Own = appendBlob([]byte{blobVersion}, submit.AppendAttrs(nil, own))
	for i := range s.Sections {
		sec := s.Sections[i] // a copy: its attributes are about to be parted
		out.Procs += int32(sec.Len())
		shared, own := submit.Split(sec.Attrs)
		sec.Attrs = shared
		out.Template = appendBlob(out.Template, submit.AppendSection(nil, &sec))
		out.Own = binary.AppendUvarint(out.Own, uint64(len(sec.Items)))
		out.Own = appendBlob(out.Own, submit.AppendAttrs(nil, own))
		first := 0
		for n, rows := range submit.ItemChunks(sec.Items, ledger.MaxChunk-16) {
			chunk := binary.AppendUvarint([]byte{blobVersion}, uint64(i))
			chunk = binary.AppendUvarint(chunk, uint64(first))
			out.Items = append(out.Items, append(chunk, rows...))
			first += n
		}
	}
	out.Hash = ledger.HashTemplate(out.Template)
	return out
}

func appendBlob(dst, blob []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(blob))), blob...)
}

// parts reads the blobs of a part. The first fault sticks.
type parts struct {
	b   []byte
	bad bool
}

func open(b []byte) parts {
	if len(b) == 0 || b[0] != blobVersion {
		return parts{bad: true}
	}
	return parts{b: b[1:]}
}

func (p *parts) uvarint() uint64 {
	v, n := binary.Uvarint(p.b)
	if n <= 0 {
		p.b, p.bad = nil, true
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *parts) blob() []byte {
	n := p.uvarint()
	if n > uint64(len(p.b)) {
		p.b, p.bad = nil, true
		return nil
	}
	b := p.b[:n]
	p.b = p.b[n:]
	return b
}

func (p *parts) err(what string) error {
	if p.bad {
		return grid.Errorf(grid.Internal, "%s is stored in a form that this program cannot read", what)
	}
	return nil
}
