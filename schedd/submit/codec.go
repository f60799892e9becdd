package submit

import (
	"encoding/binary"
	"iter"
	"strconv"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

// Attributes, sections and item rows have a compact binary form for storage. Each
// blob begins with a version; whoever stores it adds a checksum.
//
//	attributes  version  count  (name tag value)*
//	section     version  flags  per_item  vars  attributes  columns
//	items       version  rows  columns  cell*
//
//	name        0 text, or 1 + its place in wellKnown
//	tag         what the value is: most are a number or a plain string, whose quotes
//	            and digits need not be stored or read again
//	text        length bytes
//
// Counts and lengths are unsigned varints.
const (
	attrsVersion   = 1
	sectionVersion = 1
	itemsVersion   = 1
)

// Tags of values. They are stored: never change one.
const (
	tagExpr   = 0 // text: any expression
	tagString = 1 // text: a string literal, without quotes and escapes
	tagInt    = 2 // signed varint
	tagTrue   = 3
	tagFalse  = 4
)

// AppendAttrs appends attributes in their binary form.
func AppendAttrs(dst []byte, attrs []Attr) []byte {
	dst = append(dst, attrsVersion)
	dst = binary.AppendUvarint(dst, uint64(len(attrs)))
	for _, a := range attrs {
		dst = appendName(dst, a.Name)
		dst = appendExpr(dst, a.Expr)
	}
	return dst
}

func appendName(dst []byte, name string) []byte {
	if i, ok := placeOf(name); ok {
		return binary.AppendUvarint(dst, uint64(i)+1)
	}
	return appendText(append(dst, 0), name)
}

// appendExpr stores an expression so that the same text is read back.
func appendExpr(dst []byte, expr string) []byte {
	switch {
	case expr == "true":
		return append(dst, tagTrue)
	case expr == "false":
		return append(dst, tagFalse)
	case len(expr) > 1 && expr[0] == '"':
		if s, ok := ad.Unquote(expr); ok && (plainText(s) || ad.Quote(s) == expr) {
			return appendText(append(dst, tagString), s)
		}
	case len(expr) > 0 && len(expr) < 20 && (expr[0] == '-' || expr[0] >= '0' && expr[0] <= '9'):
		if i, err := strconv.ParseInt(expr, 10, 64); err == nil && strconv.FormatInt(i, 10) == expr {
			return binary.AppendVarint(append(dst, tagInt), i)
		}
	}
	return appendText(append(dst, tagExpr), expr)
}

// plainText reports whether s, quoted, has no escapes.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// decoder reads a blob. After the first error everything it reads is zero.
type decoder struct {
	data string // one copy of the blob: all texts are parts of it
	err  error
}

func decode(data []byte, what string, version byte) *decoder {
	d := &decoder{data: string(data)}
	if v := d.byte(); d.err == nil && v != version {
		d.err = grid.Errorf(grid.Invalid, "%s are stored in version %d, and this program reads %d", what, v, version)
	}
	return d
}

func (d *decoder) damaged() {
	if d.err == nil {
		d.err = grid.Errorf(grid.Invalid, "stored attributes are damaged, %d bytes before their end", len(d.data))
	}
	d.data = ""
}

func (d *decoder) byte() byte {
	if d.data == "" {
		d.damaged()
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	var x uint64
	for shift := 0; shift < 64; shift += 7 {
		b := d.byte()
		if b < 0x80 {
			if shift == 63 && b > 1 {
				break
			}
			return x | uint64(b)<<shift
		}
		x |= uint64(b&0x7f) << shift
	}
	d.damaged()
	return 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// count reads a number of things of at least size bytes each.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.data)/size) {
		d.damaged()
		return 0
	}
	return int(n)
}

func (d *decoder) text() string {
	n := d.count(1)
	s := d.data[:n]
	d.data = d.data[n:]
	return s
}

func (d *decoder) name() string {
	i := d.uvarint()
	switch {
	case i == 0:
		return d.text()
	case i > uint64(len(wellKnown)):
		d.damaged()
		return ""
	}
	return wellKnown[i-1]
}

// value reads a value: as itself when it is one, else as an expression's text.
func (d *decoder) value() (v ad.Value, expr string, isExpr bool) {
	switch d.byte() {
	case tagExpr:
		return ad.Value{}, d.text(), true
	case tagString:
		return ad.StringValue(d.text()), "", false
	case tagInt:
		return ad.IntValue(d.varint()), "", false
	case tagTrue:
		return ad.BoolValue(true), "", false
	case tagFalse:
		return ad.BoolValue(false), "", false
	}
	d.damaged()
	return ad.Value{}, "", true
}

func (d *decoder) attrs() []Attr {
	n := d.count(2)
	if n == 0 {
		return nil
	}
	out := make([]Attr, 0, n)
	for range n {
		name := d.name()
		v, expr, isExpr := d.value()
		if !isExpr {
			expr = v.String()
		}
		out = append(out, Attr{name, expr})
	}
	return out
}

// end is the error of the reading, or that something is left.
func (d *decoder) end() error {
	if d.err == nil && d.data != "" {
		d.damaged()
	}
	return d.err
}

// DecodeAttrs reads what [AppendAttrs] wrote.
func DecodeAttrs(data []byte) ([]Attr, error) {
	d := decode(data, "attributes", attrsVersion)
	attrs := d.attrs()
	if err := d.end(); err != nil {
		return nil, err
	}
	return attrs, nil
}

// Load puts stored attributes into an ad: those that want accepts by their name, or
// all if want is nil. Expressions come from the cache, so that an ad costs no
// parsing when its like was seen before.
func Load(dst *ad.Ad, data []byte, exprs *ad.Cache, want func(name string) bool) error {
	d := decode(data, "attributes", attrsVersion)
	for range d.count(2) {
		name := d.name()
		v, text, isExpr := d.value()
		if d.err != nil {
			break
		}
		if want != nil && !want(name) {
			continue
		}
		if !isExpr {
			dst.SetValue(name, v)
			continue
		}
		e, err := exprs.Parse(text)
		if err != nil {
			return grid.Errorf(grid.CodeOf(err), "stored attribute %s: %w", name, err)
		}
		dst.SetExpr(name, e)
	}
	return d.end()
}

// Flags of a section.
const (
	flagHold     = 1
	flagVerbatim = 2
)

// AppendSection appends a section without its items.
func AppendSection(dst []byte, s *Section) []byte {
	var flags byte
	if s.Hold {
		flags |= flagHold
	}
	if s.Verbatim {
		flags |= flagVerbatim
	}
	dst = append(dst, sectionVersion, flags)
	dst = binary.AppendUvarint(dst, uint64(s.PerItem))
	dst = appendTexts(dst, s.Vars)
	dst = AppendAttrs(dst, s.Attrs)
	dst = binary.AppendUvarint(dst, uint64(len(s.Columns)))
	for _, c := range s.Columns {
		dst = appendName(dst, c.Attr)
		dst = appendText(dst, string(c.Kind))
		dst = appendText(dst, c.Text)
		dst = appendTexts(dst, c.List)
	}
	return dst
}

func appendTexts(dst []byte, texts []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(texts)))
	for _, t := range texts {
		dst = appendText(dst, t)
	}
	return dst
}

func (d *decoder) texts() []string {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	out := make([]string, n)
	for i := range out {
		out[i] = d.text()
	}
	return out
}

// DecodeSection reads what [AppendSection] wrote.
func DecodeSection(data []byte) (Section, error) {
	d := decode(data, "sections", sectionVersion)
	flags := d.byte()
	perItem := d.uvarint()
	s := Section{Hold: flags&flagHold != 0, Verbatim: flags&flagVerbatim != 0, PerItem: int(perItem)}
	if perItem > grid.MaxProcs || flags > flagHold|flagVerbatim {
		d.damaged()
	}
	s.Vars = d.texts()
	if d.byte() != attrsVersion {
		d.damaged()
	}
	s.Attrs = d.attrs()
	for range d.count(4) {
		s.Columns = append(s.Columns, Column{Attr: d.name(), Kind: Kind(d.text()), Text: d.text(), List: d.texts()})
	}
	if err := d.end(); err != nil {
		return Section{}, err
	}
	return s, nil
}

// AppendItems appends rows, all of the same length.
func AppendItems(dst []byte, rows [][]string) []byte {
	dst = append(dst, itemsVersion)
	columns := 0
	if len(rows) > 0 {
		columns = len(rows[0])
	}
	dst = binary.AppendUvarint(dst, uint64(len(rows)))
	dst = binary.AppendUvarint(dst, uint64(columns))
	for _, row := range rows {
		for _, cell := range row {
			dst = appendText(dst, cell)
		}
	}
	return dst
}

// DecodeItems reads what [AppendItems] wrote.
func DecodeItems(data []byte) ([][]string, error) {
	d := decode(data, "items", itemsVersion)
	n := d.uvarint()
	columns := d.uvarint()
	if d.err == nil && (columns == 0 && n > 0 || columns > 0 && n > uint64(len(d.data))/columns) {
		d.damaged()
	}
	if d.err != nil || n == 0 {
		return nil, d.end()
	}
	cells := make([]string, n*columns)
	for i := range cells {
		cells[i] = d.text()
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	rows := make([][]string, n)
	for i := range rows {
		rows[i] = cells[uint64(i)*columns : uint64(i+1)*columns : uint64(i+1)*columns]
	}
	return rows, nil
}

// ItemChunks are rows in blobs of at most limit bytes, with the number of rows in
// each. A row that is larger makes a blob of its own.
func ItemChunks(rows [][]string, limit int) iter.Seq2[int, []byte] {
	const head = 1 + 2*binary.MaxVarintLen32
	return func(yield func(int, []byte) bool) {
		for len(rows) > 0 {
			n, size := 0, head
			for n < len(rows) {
				for _, cell := range rows[n] {
					size += binary.MaxVarintLen32 + len(cell)
				}
				if size > limit && n > 0 {
					break
				}
				n++
			}
			if !yield(n, AppendItems(nil, rows[:n])) {
				return
			}
			rows = rows[n:]
		}
	}
}
