package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/delta"
)

// blockRows is how many rows a block has; the last of a file has fewer. A block is a Parquet row group whose bytes lie together, so that all
// that is kept of a sighting comes with one read.
const blockRows = 512

// Numbers of the Parquet format.
const (
	typeBool  = 0
	typeInt32 = 1
	typeInt64 = 2
	typeFixed = 7

	encodingPlain      = 0
	encodingRLE        = 3
	encodingDelta      = 5
	encodingDictionary = 8

	pageData       = 0
	pageDictionary = 2
)

// column is one of a file's columns. All are required and of fixed width.
type column struct {
	name  string
	typ   int  // the physical type
	width int  // bytes of a value; 0: a bit
	bits  int  // of the unsigned integer that it means; 0: none
	delta bool // differences may be shorter than a dictionary
	get   func(*row) uint64
	set   func(*row, uint64)
	blob  func(*row) *[16]byte
}

// What look-ups compare stands first. The order is part of the format.
const (
	colDomain = iota
	colHost
	colURL
	colTenant
	colTime
	colFrame
	colEntry
	colLink
	colAct
	colVerdict
	colWould
	colEstablished
	colPlace
	colFlags
	colTokenLike
	colEntropy
	colPathSegments
	colQueryKeys
	colHostLabels
	colLength
	colSender
	colRecipient
	colGroup
	columnCount
)

func key(name string, at func(*row) *uint64, differences bool) column {
	return column{
		name: name, typ: typeInt64, width: 8, bits: 64, delta: differences,
		get: func(r *row) uint64 { return *at(r) }, set: func(r *row, v uint64) { *at(r) = v },
	}
}

func small[T uint8 | uint16 | uint32](name string, bits int, at func(*row) *T) column {
	return column{
		name: name, typ: typeInt32, width: 4, bits: bits,
		get: func(r *row) uint64 { return uint64(*at(r)) }, set: func(r *row, v uint64) { *at(r) = T(v) },
	}
}

func identity(name string, at func(*row) *[16]byte) column {
	return column{name: name, typ: typeFixed, width: 16, blob: at}
}

var columns = [columnCount]column{
	colDomain: key("domain", func(r *row) *uint64 { return &r.domain }, true),
	colHost:   key("host", func(r *row) *uint64 { return &r.host }, false),
	colURL:    key("url", func(r *row) *uint64 { return &r.url }, false),
	colTenant: key("tenant", func(r *row) *uint64 { return &r.tenant }, false),
	colTime: {
		name: "time", typ: typeInt32, width: 4, delta: true,
		get: func(r *row) uint64 { return uint64(r.time) }, set: func(r *row, v uint64) { r.time = uint32(v) },
	},
	colFrame:   key("frame", func(r *row) *uint64 { return &r.frame }, true),
	colEntry:   small("entry", 16, func(r *row) *uint16 { return &r.entry }),
	colLink:    small("link", 16, func(r *row) *uint16 { return &r.link }),
	colAct:     small("act", 8, func(r *row) *uint8 { return &r.act }),
	colVerdict: small("verdict", 8, func(r *row) *uint8 { return &r.verdict }),
	colWould:   small("would", 8, func(r *row) *uint8 { return &r.would }),
	colEstablished: {
		name: "established", typ: typeBool,
		get: func(r *row) uint64 {
			if r.established {
				return 1
			}
			return 0
		},
		set: func(r *row, v uint64) { r.established = v != 0 },
	},
	colPlace:        small("place", 8, func(r *row) *uint8 { return &r.place }),
	colFlags:        small("flags", 32, func(r *row) *uint32 { return &r.flags }),
	colTokenLike:    small("token_like", 8, func(r *row) *uint8 { return &r.tokenLike }),
	colEntropy:      small("entropy", 8, func(r *row) *uint8 { return &r.entropy }),
	colPathSegments: small("path_segments", 8, func(r *row) *uint8 { return &r.pathSegments }),
	colQueryKeys:    small("query_keys", 8, func(r *row) *uint8 { return &r.queryKeys }),
	colHostLabels:   small("host_labels", 8, func(r *row) *uint8 { return &r.hostLabels }),
	colLength:       small("length", 16, func(r *row) *uint16 { return &r.length }),
	colSender:       identity("sender", func(r *row) *[16]byte { return &r.from }),
	colRecipient:    identity("recipient", func(r *row) *[16]byte { return &r.to }),
	colGroup:        identity("group_id", func(r *row) *[16]byte { return &r.group }),
}

// distinct numbers the values of a chunk in the order in which they come: an open table whose slots are marked by round, so that it needs no
// emptying.
type distinct struct {
	slots [1 << 12]struct{ round, at uint32 }
	round uint32
}

const golden = 0x9e3779b97f4a7c15

// chunkMeta is what the footer tells of a column in a block.
type chunkMeta struct {
	encoding  int
	dict      bool
	dictBytes int // header included
	bytes     int // all pages, headers included
}

// encoder turns rows into blocks. It is used by one goroutine at a time.
type encoder struct {
	seen  distinct
	ints  [blockRows]uint64
	dictI [blockRows]uint64
	dictB [blockRows][16]byte
	index [blockRows]uint32
	i32   [blockRows]int32
	i64   [blockRows]int64
	page  []byte
	alt   []byte
	head  thriftWriter
	metas [columnCount]chunkMeta
}

// append writes the rows' block; metas tells of its columns.
func (e *encoder) append(dst []byte, rows []row) []byte {
	for c := range columns {
		col, start, m := &columns[c], len(dst), &e.metas[c]
		*m = chunkMeta{}
		switch {
		case col.blob != nil:
			dst = e.blobChunk(dst, col, rows, m)
		case col.width == 0:
			e.page = e.page[:0]
			for i := range rows {
				if i%8 == 0 {
					e.page = append(e.page, 0)
				}
				e.page[len(e.page)-1] |= byte(col.get(&rows[i])) << (i % 8)
			}
			dst = e.writePage(dst, pageData, encodingPlain, len(rows), e.page)
		default:
			dst = e.intChunk(dst, col, rows, m)
		}
		m.bytes = len(dst) - start
	}
	return dst
}

func (e *encoder) intChunk(dst []byte, col *column, rows []row, m *chunkMeta) []byte {
	vals := e.ints[:len(rows)]
	e.seen.round++
	n := uint32(0)
	for i := range rows {
		v := col.get(&rows[i])
		vals[i] = v
		for at := v * golden >> (64 - 12); ; at = (at + 1) % uint64(len(e.seen.slots)) {
			s := &e.seen.slots[at]
			if s.round != e.seen.round {
				s.round, s.at = e.seen.round, n
				e.dictI[n], e.index[i] = v, n
				n++
				break
			}
			if e.dictI[s.at] == v {
				e.index[i] = s.at
				break
			}
		}
	}
	size := len(rows) * col.width
	m.encoding = encodingPlain
	if s := int(n)*col.width + indexBytes(len(rows), int(n)) + 20; s < size {
		size, m.encoding = s, encodingDictionary
	}
	if col.delta {
		if e.alt = e.deltas(e.alt[:0], col, vals); len(e.alt) < size {
			m.encoding = encodingDelta
		}
	}
	switch m.encoding {
	case encodingDelta:
		return e.writePage(dst, pageData, encodingDelta, len(rows), e.alt)
	case encodingPlain:
		e.page = appendInts(e.page[:0], vals, col.width)
		return e.writePage(dst, pageData, encodingPlain, len(rows), e.page)
	}
	e.page = appendInts(e.page[:0], e.dictI[:n], col.width)
	return e.dictChunk(dst, len(rows), int(n), m)
}

func (e *encoder) blobChunk(dst []byte, col *column, rows []row, m *chunkMeta) []byte {
	e.seen.round++
	n := uint32(0)
	for i := range rows {
		v := col.blob(&rows[i])
		h := (binary.LittleEndian.Uint64(v[:8]) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(v[8:]), 31)) * golden
		for at := h >> (64 - 12); ; at = (at + 1) % uint64(len(e.seen.slots)) {
			s := &e.seen.slots[at]
			if s.round != e.seen.round {
				s.round, s.at = e.seen.round, n
				e.dictB[n], e.index[i] = *v, n
				n++
				break
			}
			if e.dictB[s.at] == *v {
				e.index[i] = s.at
				break
			}
		}
	}
	e.page = e.page[:0]
	if int(n)*16+indexBytes(len(rows), int(n))+20 >= len(rows)*16 {
		for i := range rows {
			e.page = append(e.page, col.blob(&rows[i])[:]...)
		}
		m.encoding = encodingPlain
		return e.writePage(dst, pageData, encodingPlain, len(rows), e.page)
	}
	for i := range n {
		e.page = append(e.page, e.dictB[i][:]...)
	}
	m.encoding = encodingDictionary
	return e.dictChunk(dst, len(rows), int(n), m)
}

// dictChunk writes the dictionary that stands in page, and the index.
func (e *encoder) dictChunk(dst []byte, rows, n int, m *chunkMeta) []byte {
	was := len(dst)
	dst = e.writePage(dst, pageDictionary, encodingPlain, n, e.page)
	m.dict, m.dictBytes = true, len(dst)-was
	e.page = appendIndex(e.page[:0], e.index[:rows], n)
	return e.writePage(dst, pageData, encodingDictionary, rows, e.page)
}

func (e *encoder) deltas(dst []byte, col *column, vals []uint64) []byte {
	var enc delta.BinaryPackedEncoding
	var err error
	if col.width == 4 {
		for i, v := range vals {
			e.i32[i] = int32(v)
		}
		dst, err = enc.EncodeInt32(dst, e.i32[:len(vals)])
	} else {
		for i, v := range vals {
			e.i64[i] = int64(v)
		}
		dst, err = enc.EncodeInt64(dst, e.i64[:len(vals)])
	}
	if err != nil {
		panic(fmt.Sprintf("history: integers have differences: %v", err)) // cannot happen: there is nothing that could fail
	}
	return dst
}

func appendInts(dst []byte, vals []uint64, width int) []byte {
	if width == 4 {
		for _, v := range vals {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
		}
		return dst
	}
	for _, v := range vals {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	return dst
}

// An index of a dictionary is one run: repeated where there is but one value, else packed bits.
func bitWidth(n int) int { return max(1, bits.Len(uint(n-1))) }

func indexBytes(rows, n int) int {
	if n == 1 {
		return 4
	}
	return 3 + (rows+7)/8*bitWidth(n)
}

func appendIndex(dst []byte, index []uint32, n int) []byte {
	width := bitWidth(n)
	dst = append(dst, byte(width))
	if n == 1 {
		dst = binary.AppendUvarint(dst, uint64(len(index))<<1)
		return append(dst, 0)
	}
	groups := (len(index) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	var acc uint64
	have := 0
	for i := range groups * 8 {
		if i < len(index) {
			acc |= uint64(index[i]) << have
		}
		for have += width; have >= 8; have -= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
		}
	}
	return dst
}

func (e *encoder) writePage(dst []byte, kind, encoding, n int, data []byte) []byte {
	w := &e.head
	w.b = dst
	w.begin()
	w.i32(1, int64(kind))
	w.i32(2, int64(len(data)))
	w.i32(3, int64(len(data)))
	w.i32(4, int64(int32(crc32.ChecksumIEEE(data))))
	if kind == pageData {
		w.struc(5)
		w.i32(1, int64(n))
		w.i32(2, int64(encoding))
		w.i32(3, encodingRLE)
		w.i32(4, encodingRLE)
	} else {
		w.struc(7)
		w.i32(1, int64(n))
		w.i32(2, encodingPlain)
	}
	w.end()
	w.end()
	dst, w.b = append(w.b, data...), nil
	return dst
}

// chunk is a column of a block as it was read.
type chunk struct {
	encoding int
	data     []byte
	dict     []byte
	width    int // bits of an index; 0: one value throughout
	have     bool
}

// block is a row group as it was read. It stands on the bytes that it was read from, and is used again for the next.
type block struct {
	n      int
	chunks [columnCount]chunk
	vals   [columnCount][]uint64
	i32    []int32
	i64    []int64
}

type pageHeader struct {
	kind, encoding, n, size int
	crc                     uint32
}

// readPageHeader reads a header: as this house writes them at once, any other as the format has it.
func readPageHeader(b []byte) (p pageHeader, rest []byte, err error) {
	if p, rest, ok := quickPageHeader(b); ok {
		return p, rest, nil
	}
	return slowPageHeader(b)
}

// quickPageHeader knows the fields' places, and refuses what has others.
func quickPageHeader(b []byte) (p pageHeader, rest []byte, ok bool) {
	var v [7]uint64
	n, fields := 0, 7
	for i := 0; i < fields; i++ {
		if n+12 > len(b) {
			return p, nil, false
		}
		if i == 4 {
			switch b[n] {
			case 0x1c: // field 5, a struct: a data page
			case 0x3c: // field 7: a dictionary, which has two fields
				fields = 6
			default:
				return p, nil, false
			}
			n++
		}
		if b[n] != 0x15 { // the next field, 32 bits
			return p, nil, false
		}
		n++
		if b[n] < 0x80 {
			v[i] = uint64(b[n])
			n++
			continue
		}
		u, used := binary.Uvarint(b[n:])
		if used <= 0 {
			return p, nil, false
		}
		v[i] = u
		n += used
	}
	if fields == 7 {
		if n+4 > len(b) || b[n] != 0x15 || b[n+1] != 2*encodingRLE {
			return p, nil, false
		}
		n += 2
	}
	if n+2 > len(b) || b[n] != 0 || b[n+1] != 0 {
		return p, nil, false
	}
	rest = b[n+2:]
	p = pageHeader{kind: int(v[0] >> 1), size: int(v[1] >> 1), crc: uint32(v[3]>>1) ^ -uint32(v[3]&1), n: int(v[4] >> 1), encoding: int(v[5] >> 1)}
	ok = (v[0]|v[1]|v[4]|v[5])&1 == 0 && v[1] == v[2] && uint64(p.size) <= uint64(len(rest)) && p.n > 0 && p.n <= blockRows &&
		(fields == 7) == (p.kind == pageData) && (fields == 6) == (p.kind == pageDictionary)
	return p, rest, ok
}

func slowPageHeader(b []byte) (p pageHeader, rest []byte, err error) {
	r := thriftReader{b: b}
	size, packed := int64(-1), int64(-2)
	var sum, seen bool
	for last := 0; ; {
		id, kind := r.next(&last)
		if kind == 0 {
			break
		}
		switch {
		case id == 1 && kind == thriftI32:
			p.kind = int(r.varint())
		case id == 2 && kind == thriftI32:
			size = r.varint()
		case id == 3 && kind == thriftI32:
			packed = r.varint()
		case id == 4 && kind == thriftI32:
			p.crc, sum = uint32(r.varint()), true
		case (id == 5 || id == 7) && kind == thriftStruct:
			seen = true
			for in := 0; ; {
				id, kind := r.next(&in)
				if kind == 0 {
					break
				}
				switch {
				case id == 1 && kind == thriftI32:
					p.n = int(r.varint())
				case id == 2 && kind == thriftI32:
					p.encoding = int(r.varint())
				default:
					r.skip(kind, 0)
				}
			}
		default:
			r.skip(kind, 0)
		}
	}
	if r.bad || !sum || !seen || size != packed || size < 0 || size > int64(len(r.b)) || p.n <= 0 || p.n > blockRows {
		return p, nil, errThrift
	}
	p.size = int(size)
	return p, r.b, nil
}

var errSum = errors.New("its checksum differs")

// read takes a block apart. Every byte is checked; it keeps standing on them.
func (b *block) read(data []byte) error {
	for c := range columns {
		rest, err := b.readChunk(c, data)
		if err != nil {
			return fmt.Errorf("column %s: %w", columns[c].name, err)
		}
		data = rest
	}
	if len(data) != 0 {
		return fmt.Errorf("%d bytes too many", len(data))
	}
	return nil
}

func (b *block) readChunk(c int, data []byte) ([]byte, error) {
	col, ch := &columns[c], &b.chunks[c]
	*ch = chunk{}
	p, rest, err := readPageHeader(data)
	if err != nil {
		return nil, err
	}
	if p.kind == pageDictionary {
		ch.dict = rest[:p.size]
		if crc32.ChecksumIEEE(ch.dict) != p.crc {
			return nil, errSum
		}
		if col.width == 0 || p.size != p.n*col.width {
			return nil, fmt.Errorf("a dictionary of %d bytes for %d values", p.size, p.n)
		}
		if p, rest, err = readPageHeader(rest[p.size:]); err != nil {
			return nil, err
		}
	}
	ch.encoding, ch.data = p.encoding, rest[:p.size]
	if crc32.ChecksumIEEE(ch.data) != p.crc {
		return nil, errSum
	}
	if c == 0 {
		b.n = p.n
	}
	if p.kind != pageData || p.n != b.n {
		return nil, fmt.Errorf("%d values where %d belong", p.n, b.n)
	}
	return rest[p.size:], ch.check(col, b.n)
}

// check brings the chunk's data to where values can be read at any place.
func (ch *chunk) check(col *column, n int) error {
	switch ch.encoding {
	case encodingPlain:
		want := n * col.width
		if col.width == 0 {
			want = (n + 7) / 8
		}
		if len(ch.data) != want || ch.dict != nil {
			return fmt.Errorf("%d bytes for %d values", len(ch.data), n)
		}
	case encodingDelta:
		if !col.delta || ch.dict != nil {
			return fmt.Errorf("encoding %d does not belong", ch.encoding)
		}
	case encodingDictionary:
		if ch.dict == nil || len(ch.data) < 2 {
			return errors.New("an index without its dictionary")
		}
		known := len(ch.dict) / col.width
		width := int(ch.data[0])
		head, used := binary.Uvarint(ch.data[1:])
		if used <= 0 || width != bitWidth(known) {
			return fmt.Errorf("an index of %d bits for %d values", width, known)
		}
		ch.data = ch.data[1+used:]
		if head&1 == 0 {
			if head>>1 != uint64(n) || len(ch.data) != 1 || ch.data[0] != 0 {
				return errors.New("a run that is not the column")
			}
			break
		}
		if head>>1 != uint64(n+7)/8 || len(ch.data) != (n+7)/8*width {
			return fmt.Errorf("an index of %d bytes for %d values", len(ch.data), n)
		}
		ch.width = width
	default:
		return fmt.Errorf("encoding %d is unknown", ch.encoding)
	}
	return nil
}

// at returns the place in the dictionary of a row's value; it may lie beyond it.
func (ch *chunk) at(i int) int {
	if ch.width == 0 {
		return 0
	}
	from := i * ch.width
	var v uint32
	if b := ch.data[from>>3:]; len(b) >= 4 {
		v = binary.LittleEndian.Uint32(b)
	} else {
		for k := range b {
			v |= uint32(b[k]) << (8 * k)
		}
	}
	return int(v >> (from & 7) & (1<<ch.width - 1)) // at most 10 bits, of which at most 7 stand before
}

func getInt(b []byte, i, width int) uint64 {
	if width == 4 {
		return uint64(binary.LittleEndian.Uint32(b[i*4:]))
	}
	return binary.LittleEndian.Uint64(b[i*8:])
}

func errBeyond(c int) error {
	return fmt.Errorf("column %s: an index beyond its dictionary", columns[c].name)
}

// ints returns all values of an integer column. They are the block's until it reads another.
func (b *block) ints(c int) ([]uint64, error) {
	ch, col := &b.chunks[c], &columns[c]
	if b.vals[c] == nil {
		b.vals[c] = make([]uint64, blockRows)
	}
	out := b.vals[c][:b.n]
	if ch.have {
		return out, nil
	}
	switch {
	case col.width == 0:
		for i := range out {
			out[i] = uint64(ch.data[i/8] >> (i % 8) & 1)
		}
	case ch.encoding == encodingDelta:
		if err := b.undelta(out, ch, col); err != nil {
			return nil, fmt.Errorf("column %s: %w", col.name, err)
		}
	case ch.encoding == encodingPlain:
		for i := range out {
			out[i] = getInt(ch.data, i, col.width)
		}
	default:
		known := len(ch.dict) / col.width
		for i := range out {
			at := ch.at(i)
			if at >= known {
				return nil, errBeyond(c)
			}
			out[i] = getInt(ch.dict, at, col.width)
		}
	}
	ch.have = true
	return out, nil
}

func (b *block) undelta(out []uint64, ch *chunk, col *column) (err error) {
	// The library trusts the counts that the data names: they are looked at before memory is given for them.
	r := thriftReader{b: ch.data}
	size, minis, count := r.uvarint(), r.uvarint(), r.uvarint()
	if r.bad || size != 128 || minis != 4 || count != uint64(b.n) {
		return fmt.Errorf("differences of %d values where %d belong", count, b.n)
	}
	var enc delta.BinaryPackedEncoding
	if col.width == 4 {
		if b.i32, err = enc.DecodeInt32(b.i32[:0], ch.data); err == nil && len(b.i32) != len(out) {
			err = fmt.Errorf("%d values where %d belong", len(b.i32), len(out))
		}
		if err != nil {
			return err
		}
		for i, v := range b.i32 {
			out[i] = uint64(uint32(v))
		}
		return nil
	}
	if b.i64, err = enc.DecodeInt64(b.i64[:0], ch.data); err == nil && len(b.i64) != len(out) {
		err = fmt.Errorf("%d values where %d belong", len(b.i64), len(out))
	}
	if err != nil {
		return err
	}
	for i, v := range b.i64 {
		out[i] = uint64(v)
	}
	return nil
}

func (b *block) intAt(c, i int) (uint64, error) {
	ch, col := &b.chunks[c], &columns[c]
	switch {
	case ch.encoding == encodingDelta:
		vals, err := b.ints(c)
		if err != nil {
			return 0, err
		}
		return vals[i], nil
	case col.width == 0:
		return uint64(ch.data[i/8] >> (i % 8) & 1), nil
	case ch.encoding == encodingPlain:
		return getInt(ch.data, i, col.width), nil
	}
	at := ch.at(i)
	if at*col.width >= len(ch.dict) {
		return 0, errBeyond(c)
	}
	return getInt(ch.dict, at, col.width), nil
}

func (b *block) blobAt(c, i int) ([]byte, error) {
	ch := &b.chunks[c]
	if ch.encoding == encodingPlain {
		return ch.data[i*16 : i*16+16], nil
	}
	at := ch.at(i)
	if at*16 >= len(ch.dict) {
		return nil, errBeyond(c)
	}
	return ch.dict[at*16 : at*16+16], nil
}

// row reads one row.
func (b *block) row(i int, r *row) error {
	for c := range columns {
		col := &columns[c]
		if col.blob != nil {
			v, err := b.blobAt(c, i)
			if err != nil {
				return err
			}
			*col.blob(r) = [16]byte(v)
			continue
		}
		v, err := b.intAt(c, i)
		if err != nil {
			return err
		}
		col.set(r, v)
	}
	r.reckon()
	return nil
}

// rows reads all rows into dst, which it may replace.
func (b *block) rows(dst []row) ([]row, error) {
	if cap(dst) < blockRows {
		dst = make([]row, blockRows)
	}
	dst = dst[:b.n]
	for c := range columns {
		col := &columns[c]
		if col.blob != nil {
			for i := range dst {
				v, err := b.blobAt(c, i)
				if err != nil {
					return nil, err
				}
				*col.blob(&dst[i]) = [16]byte(v)
			}
			continue
		}
		vals, err := b.ints(c)
		if err != nil {
			return nil, err
		}
		for i := range dst {
			col.set(&dst[i], vals[i])
		}
	}
	for i := range dst {
		dst[i].reckon()
	}
	return dst, nil
}

// hits is a set of rows of a block.
type hits [blockRows / 64]uint64

func (h *hits) add(i int) { h[i>>6] |= 1 << (i & 63) }

// unitAt computes the unit of a row.
func (b *block) unitAt(i int) (uint64, error) {
	var r row
	for _, c := range [...]int{colFlags, colTenant, colDomain, colHost, colURL} {
		v, err := b.intAt(c, i)
		if err != nil {
			return 0, err
		}
		columns[c].set(&r, v)
	}
	r.reckon()
	return r.unit, nil
}

// span returns the rows of a unit. They lie together, since rows are sorted by it; a unit is one of the row's names, the domain mostly.
func (b *block) span(unit uint64) (from, to int, err error) {
	for _, c := range [...]int{colDomain, colTenant, colURL, colHost} {
		for i := -1; ; {
			if i, err = b.next(c, unit, i+1); err != nil || i < 0 {
				break
			}
			if u, err := b.unitAt(i); err != nil {
				return 0, 0, err
			} else if u != unit {
				continue
			}
			// The first row that is found need not be the unit's first: others may have it by another name.
			for from = i; from > 0; from-- {
				if u, err := b.unitAt(from - 1); err != nil {
					return 0, 0, err
				} else if u != unit {
					break
				}
			}
			for to = i + 1; to < b.n; to++ {
				if u, err := b.unitAt(to); err != nil {
					return 0, 0, err
				} else if u != unit {
					break
				}
			}
			return from, to, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return 0, 0, nil
}

// next returns the first row from a place on whose column has a value, or -1.
func (b *block) next(c int, v uint64, from int) (int, error) {
	ch, col := &b.chunks[c], &columns[c]
	switch ch.encoding {
	case encodingDictionary:
		for at := range len(ch.dict) / col.width {
			if getInt(ch.dict, at, col.width) != v {
				continue
			}
			for i := from; i < b.n; i++ {
				if ch.at(i) == at {
					return i, nil
				}
			}
			break
		}
		return -1, nil
	case encodingPlain:
		for i := from; i < b.n; i++ {
			if getInt(ch.data, i, col.width) == v {
				return i, nil
			}
		}
		return -1, nil
	}
	vals, err := b.ints(c)
	if err != nil {
		return -1, err
	}
	if i := slices.Index(vals[from:], v); i >= 0 {
		return from + i, nil
	}
	return -1, nil
}
