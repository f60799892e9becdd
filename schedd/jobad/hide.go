package jobad

import (
	"encoding/binary"

	"gridburst/schedd/submit"
)

// HideTemplate and HideOwn are the stored parts of a spec as they may be shown to people:
// without the values that nobody is shown. What cannot be read is not shown at all.

// HideTemplate is a template for people.
func HideTemplate(blob []byte) []byte {
	if len(blob) == 0 {
		return blob
	}
	p := open(blob)
	out := appendBlob([]byte{blobVersion}, hideAttrs(&p))
	n := p.uvarint()
	out = binary.AppendUvarint(out, n)
	for range n {
		s, err := submit.DecodeSection(p.blob())
		if p.bad || err != nil {
			return nil
		}
		s = submit.HideSection(s)
		out = appendBlob(out, submit.AppendSection(nil, &s))
	}
	if p.bad {
		return nil
	}
	return out
}

// HideOwn is what is a cluster's own for people.
func HideOwn(blob []byte) []byte {
	if len(blob) == 0 {
		return blob
	}
	p := open(blob)
	out := appendBlob([]byte{blobVersion}, hideAttrs(&p))
	for len(p.b) > 0 && !p.bad {
		out = binary.AppendUvarint(out, p.uvarint())
		out = appendBlob(out, hideAttrs(&p))
	}
	if p.bad {
		return nil
	}
	return out
}

// hideAttrs takes a blob of attributes.
func hideAttrs(p *parts) []byte {
	attrs, err := submit.DecodeAttrs(p.blob())
	if err != nil {
		p.b, p.bad = nil, true
		return nil
	}
	return submit.AppendAttrs(nil, submit.HideAttrs(attrs))
}
