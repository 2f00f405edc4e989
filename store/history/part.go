package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/FastFilter/xorfilter"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"vedette"
)

// pageSize is how many bytes of one column a page holds before compression: small, since a question reads a page of each column for each find.
const pageSize = 4 << 10

// column is one of the file's columns, as the reader knows it.
type column struct {
	name  string
	width int
	get   func(r *row, b []byte) // puts a plain value into a row
}

func u64(f func(*row) *uint64) func(*row, []byte) {
	return func(r *row, b []byte) { *f(r) = binary.LittleEndian.Uint64(b) }
}

func u32(f func(*row) *uint32) func(*row, []byte) {
	return func(r *row, b []byte) { *f(r) = binary.LittleEndian.Uint32(b) }
}

// columns are in the order of the file.
var columns = [...]column{
	{"unit", 8, u64(func(r *row) *uint64 { return &r.Unit })},
	{"unit_kind", 4, u32(func(r *row) *uint32 { return &r.UnitKind })},
	{"domain", 8, u64(func(r *row) *uint64 { return &r.Domain })},
	{"host", 8, u64(func(r *row) *uint64 { return &r.Host })},
	{"tenant", 8, u64(func(r *row) *uint64 { return &r.Tenant })},
	{"url", 8, u64(func(r *row) *uint64 { return &r.URL })},
	{"sender", 16, func(r *row, b []byte) { copy(r.Sender[:], b) }},
	{"recipient", 16, func(r *row, b []byte) { copy(r.Recipient[:], b) }},
	{"at", 4, func(r *row, b []byte) { r.At = int32(binary.LittleEndian.Uint32(b)) }},
	{"frame", 8, u64(func(r *row) *uint64 { return &r.Frame })},
	{"entry", 4, u32(func(r *row) *uint32 { return &r.Index })},
	{"act", 4, u32(func(r *row) *uint32 { return &r.Act })},
	{"verdict", 4, u32(func(r *row) *uint32 { return &r.Verdict })},
	{"would", 4, u32(func(r *row) *uint32 { return &r.Would })},
	{"marks", 4, u32(func(r *row) *uint32 { return &r.Marks })},
	{"shape", 12, func(r *row, b []byte) { copy(r.Shape[:], b) }},
}

const (
	colUnit      = 0
	colSender    = 6
	colRecipient = 7
)

// page is where some rows of one column stand in the file.
type page struct {
	first  uint32 // row
	size   uint32 // bytes in the file
	offset int64
	crc    uint32 // IEEE, of those bytes, as the page's header has it
	packed bool   // zstd
}

// chunk is one column of a part.
type chunk struct {
	same  []byte // the one value of all rows; nil: they differ
	pages []page
}

// part is one file of rows, in the order of their units, with what finds a row in it. It is immutable.
type part struct {
	entry
	dir    string
	f      *os.File
	chunks [len(columns)]chunk
	first  []uint64 // unit of the first row of each page of units
	filter *xorfilter.BinaryFuse8

	refs  atomic.Int64 // readers, and one for the state that holds it
	hurt  atomic.Pointer[string]
	gone  atomic.Bool // remove it from the disk when nobody reads it any more
	ended sync.Once
}

// entry is how the manifest names a part.
type entry struct {
	Day   int32  `json:"day"`
	Seq   uint64 `json:"seq"`
	Rows  uint32 `json:"rows"`
	Bytes int64  `json:"bytes"`
	Sum   string `json:"crc"`   // of the Parquet file: CRC-32C, eight hexadecimal digits
	Index int64  `json:"index"` // bytes of the index
}

func (e entry) name() string {
	return fmt.Sprintf("day=%s/part-%08x.parquet", dayStart(e.Day).Format("2006-01-02"), e.Seq)
}

func (e entry) indexName() string { return e.name()[:len(e.name())-len("parquet")] + "index" }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode makes a part's bytes from rows in order.
func encode(rows []row) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(len(rows)*72 + 1<<16)
	w := parquet.NewGenericWriter[row](&b,
		parquet.PageBufferSize(pageSize), parquet.DataPageVersion(1), parquet.MaxRowsPerRowGroup(1<<40), parquet.DataPageStatistics(false),
		parquet.CreatedBy("vedette", "history", "1"), parquet.SkipPageBounds("sender"), parquet.SkipPageBounds("recipient"),
		parquet.SkipPageBounds("url"), parquet.SkipPageBounds("shape"),
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("unit"))),
	)
	for i := 0; i < len(rows); i += 4096 {
		if _, err := w.Write(rows[i:min(i+4096, len(rows))]); err != nil {
			return nil, fmt.Errorf("history: write rows: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("history: write rows: %w", err)
	}
	return b.Bytes(), nil
}

// survey reads from a whole Parquet file where its pages stand, checks each of them, and makes the filter of its units.
func survey(data []byte, p *part) error {
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return fmt.Errorf("not a Parquet file: %w", err)
	}
	groups := f.RowGroups()
	if len(groups) != 1 {
		return fmt.Errorf("%d row groups, not 1", len(groups))
	}
	if n := groups[0].NumRows(); n <= 0 || n > 1<<31 || p.Rows != 0 && n != int64(p.Rows) {
		return fmt.Errorf("%d rows, not %d", n, p.Rows)
	}
	p.Rows = uint32(groups[0].NumRows())
	chunks := groups[0].ColumnChunks()
	if len(chunks) != len(columns) {
		return fmt.Errorf("%d columns, not %d", len(chunks), len(columns))
	}
	names := f.Schema().Columns()
	var units []uint64
	d := reader()
	defer d.done()
	for c, ch := range chunks {
		if names[c][0] != columns[c].name {
			return fmt.Errorf("column %d is %q, not %q", c, names[c][0], columns[c].name)
		}
		idx, err := ch.OffsetIndex()
		if err != nil {
			return fmt.Errorf("column %s: %w", columns[c].name, err)
		}
		out := chunk{pages: make([]page, 0, idx.NumPages())}
		var same []byte
		differ := false
		for i := range idx.NumPages() {
			off, size := idx.Offset(i), idx.CompressedPageSize(i)
			if off < 0 || size <= 0 || off+size > int64(len(data)) {
				return fmt.Errorf("column %s, page %d stands outside the file", columns[c].name, i)
			}
			var h format.PageHeader
			src := bytes.NewReader(data[off : off+size])
			if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReader(src)).Decode(&h); err != nil {
				return fmt.Errorf("column %s, page %d: header: %w", columns[c].name, i, err)
			}
			head := size - int64(src.Len())
			if int64(h.CompressedPageSize) != size-head || h.Type != format.DataPage {
				return fmt.Errorf("column %s, page %d: no plain data page", columns[c].name, i)
			}
			pg := page{first: uint32(idx.FirstRowIndex(i)), offset: off + head, size: uint32(h.CompressedPageSize), crc: uint32(h.CRC), packed: compressed(c)}
			end := p.Rows
			if i+1 < idx.NumPages() {
				end = uint32(idx.FirstRowIndex(i + 1))
			}
			plain, err := d.unpack(data[pg.offset:pg.offset+int64(pg.size)], &pg, int(end-pg.first)*columns[c].width)
			if err != nil {
				return fmt.Errorf("column %s, page %d: %w", columns[c].name, i, err)
			}
			if same == nil {
				same = slices.Clone(plain[:columns[c].width])
			}
			for at := 0; !differ && at < len(plain); at += columns[c].width {
				differ = !bytes.Equal(plain[at:at+columns[c].width], same)
			}
			if c == colUnit {
				p.first = append(p.first, binary.LittleEndian.Uint64(plain))
				for at := 0; at < len(plain); at += 8 {
					u := binary.LittleEndian.Uint64(plain[at:])
					if n := len(units); n == 0 || units[n-1] != u {
						if n > 0 && units[n-1] > u {
							return errors.New("units are not in order")
						}
						units = append(units, u)
					}
				}
			}
			out.pages = append(out.pages, pg)
		}
		if !differ && c != colUnit {
			out.same, out.pages = same, nil
		}
		p.chunks[c] = out
	}
	if p.filter, err = filterOf(units); err != nil {
		return err
	}
	return nil
}

// filterOf makes the filter of a part's units. Its seeds are constant, so that the same units give the same bytes.
func filterOf(units []uint64) (*xorfilter.BinaryFuse8, error) {
	f, err := xorfilter.PopulateBinaryFuse8(units)
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	return f, nil
}

func compressed(c int) bool { return c != 5 && c != 8 && c != colSender && c != colRecipient }

// pageReader reads pages. Many are kept for use again; each is one goroutine's.
type pageReader struct {
	z     *zstd.Decoder
	raw   []byte
	plain []byte
}

var readers = sync.Pool{New: func() any {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(1<<20))
	if err != nil {
		panic("history: a zstd decoder without input: " + err.Error()) // constant options
	}
	return &pageReader{z: z}
}}

func reader() *pageReader { return readers.Get().(*pageReader) }

func (d *pageReader) done() { readers.Put(d) }

var errPage = errors.New("a page is not what was written")

// unpack checks a page's bytes and returns its plain values: valid until the next call.
func (d *pageReader) unpack(raw []byte, pg *page, want int) ([]byte, error) {
	if crc32.ChecksumIEEE(raw) != pg.crc {
		return nil, errPage
	}
	plain := raw
	if pg.packed {
		var err error
		if d.plain, err = d.z.DecodeAll(raw, d.plain[:0]); err != nil {
			return nil, errPage
		}
		plain = d.plain
	}
	if len(plain) != want {
		return nil, errPage
	}
	return plain, nil
}

// rowsOf returns the first row of page i of a column, and the row after its last.
func (p *part) rowsOf(c, i int) (from, to uint32) {
	pages := p.chunks[c].pages
	to = p.Rows
	if i+1 < len(pages) {
		to = pages[i+1].first
	}
	return pages[i].first, to
}

// page reads page i of column c.
func (p *part) page(d *pageReader, c, i int) ([]byte, error) {
	pg := &p.chunks[c].pages[i]
	d.raw = slices.Grow(d.raw[:0], int(pg.size))[:pg.size]
	if _, err := p.f.ReadAt(d.raw, pg.offset); err != nil {
		return nil, fmt.Errorf("column %s: %w", columns[c].name, err)
	}
	from, to := p.rowsOf(c, i)
	plain, err := d.unpack(d.raw, pg, int(to-from)*columns[c].width)
	if err != nil {
		return nil, fmt.Errorf("column %s, bytes %d to %d: %w", columns[c].name, pg.offset, pg.offset+int64(pg.size), err)
	}
	return plain, nil
}

// find returns the rows of a unit: from one to before another.
func (p *part) find(d *pageReader, unit uint64) (from, to uint32, err error) {
	if !p.filter.Contains(unit) {
		return 0, 0, nil
	}
	// The first page that can hold it is the one before the first that begins with it or later.
	i := sort.Search(len(p.first), func(i int) bool { return p.first[i] >= unit })
	i = max(i-1, 0)
	found := false
	for ; i < len(p.first) && p.first[i] <= unit; i++ {
		plain, err := p.page(d, colUnit, i)
		if err != nil {
			return 0, 0, err
		}
		first, _ := p.rowsOf(colUnit, i)
		n := len(plain) / 8
		at := func(k int) uint64 { return binary.LittleEndian.Uint64(plain[k*8:]) }
		lo := sort.Search(n, func(k int) bool { return at(k) >= unit })
		hi := sort.Search(n, func(k int) bool { return at(k) > unit })
		if lo < hi {
			if !found {
				from, found = first+uint32(lo), true
			}
			to = first + uint32(hi)
		}
	}
	return from, to, nil
}

// read puts the rows from one to before another into dst, column by column: a page is read once for all rows in it.
func (p *part) read(d *pageReader, from, to uint32, dst []row) ([]row, error) {
	base := len(dst)
	dst = slices.Grow(dst, int(to-from))[:base+int(to-from)]
	rows := dst[base:]
	for c := range columns {
		ch, width, get := &p.chunks[c], columns[c].width, columns[c].get
		if ch.same != nil {
			for i := range rows {
				get(&rows[i], ch.same)
			}
			continue
		}
		i := sort.Search(len(ch.pages), func(i int) bool { return ch.pages[i].first > from }) - 1
		for at := from; at < to; i++ {
			first, end := p.rowsOf(c, i)
			plain, err := p.page(d, c, i)
			if err != nil {
				return dst[:base], err
			}
			for ; at < min(end, to); at++ {
				get(&rows[at-from], plain[int(at-first)*width:])
			}
		}
	}
	return dst, nil
}

// scan tells of every row whose sender or recipient is one of the accounts.
func (p *part) scan(d *pageReader, want *people, hit func(r uint32)) error {
	for c := colSender; c <= colRecipient; c++ {
		ch := &p.chunks[c]
		if ch.same != nil {
			if want.has(ch.same) {
				for r := range p.Rows {
					hit(r)
				}
			}
			continue
		}
		for i := range ch.pages {
			plain, err := p.page(d, c, i)
			if err != nil {
				return err
			}
			first, _ := p.rowsOf(c, i)
			for at := 0; at < len(plain); at += 16 {
				if want.bits[plain[at]] && want.has(plain[at:at+16]) {
					hit(first + uint32(at/16))
				}
			}
		}
	}
	return nil
}

// people is a small set of surrogates.
type people struct {
	bits [256]bool
	set  map[[16]byte]bool
}

func peopleOf(accounts ...[16]byte) *people {
	p := &people{set: map[[16]byte]bool{}}
	for _, a := range accounts {
		if a != [16]byte{} {
			p.bits[a[0]], p.set[a] = true, true
		}
	}
	return p
}

func accountsOf(accounts []vedette.AccountID) *people {
	list := make([][16]byte, len(accounts))
	for i, a := range accounts {
		list[i] = a
	}
	return peopleOf(list...)
}

func (p *people) has(b []byte) bool { return p.set[[16]byte(b)] }

// verify reads every byte.
func (p *part) verify() error {
	data, err := os.ReadFile(filepath.Join(p.dir, p.name()))
	if err != nil {
		return err
	}
	if int64(len(data)) != p.Bytes {
		return fmt.Errorf("%d bytes, not %d", len(data), p.Bytes)
	}
	if got := fmt.Sprintf("%08x", crc32.Checksum(data, castagnoli)); got != p.Sum {
		return fmt.Errorf("its checksum is %s, not %s", got, p.Sum)
	}
	return survey(data, &part{entry: p.entry})
}

func (p *part) acquire() { p.refs.Add(1) }

// release gives a part back. The last one closes it, and removes it where it is gone.
func (p *part) release() error {
	if p.refs.Add(-1) > 0 {
		return nil
	}
	var err error
	p.ended.Do(func() {
		if p.f != nil {
			err = p.f.Close()
		}
	})
	return err
}

// index is what is kept beside a part: docs/formats/history.md, "The index".
const indexMagic = "vedette-history-index-1\n"

func (p *part) appendIndex(b []byte) ([]byte, error) {
	b = append(b, indexMagic...)
	b = binary.LittleEndian.AppendUint32(b, p.Rows)
	for c := range p.chunks {
		ch := &p.chunks[c]
		b = append(b, byte(len(ch.same)))
		b = append(b, ch.same...)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(ch.pages)))
		last := int64(0)
		for _, pg := range ch.pages {
			b = binary.AppendUvarint(b, uint64(pg.first))
			b = binary.AppendUvarint(b, uint64(pg.size))
			b = binary.AppendVarint(b, pg.offset-last)
			last = pg.offset
			b = binary.LittleEndian.AppendUint32(b, pg.crc)
		}
	}
	for _, u := range p.first {
		b = binary.LittleEndian.AppendUint64(b, u)
	}
	f := p.filter
	b = binary.LittleEndian.AppendUint64(b, f.Seed)
	for _, n := range []uint32{f.SegmentLength, f.SegmentLengthMask, f.SegmentCount, f.SegmentCountLength, uint32(len(f.Fingerprints))} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = append(b, f.Fingerprints...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

var errIndex = errors.New("the index is not what was written")

// readIndex is the reverse. Every number is checked before it is used: a damaged index is made anew from the file, never believed.
func (p *part) readIndex(b []byte) error {
	if len(b) < len(indexMagic)+8 || string(b[:len(indexMagic)]) != indexMagic ||
		crc32.Checksum(b[:len(b)-4], castagnoli) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return errIndex
	}
	r := &cursor{b: b[len(indexMagic) : len(b)-4]}
	if r.u32() != p.Rows {
		return errIndex
	}
	for c := range p.chunks {
		ch := chunk{}
		if n := int(r.u8()); n > 0 {
			if n != columns[c].width {
				return errIndex
			}
			ch.same = slices.Clone(r.take(n))
		}
		n := int(r.u32())
		if n > len(r.b) || (n == 0) != (ch.same != nil) {
			return errIndex
		}
		last := int64(0)
		for range n {
			pg := page{first: uint32(r.uvarint()), size: uint32(r.uvarint()), packed: compressed(c)}
			last += r.varint()
			pg.offset, pg.crc = last, r.u32()
			if pg.offset < 0 || pg.offset+int64(pg.size) > p.Bytes || pg.first >= p.Rows || pg.size > 64<<10 {
				return errIndex
			}
			if k := len(ch.pages); k > 0 && ch.pages[k-1].first >= pg.first || k == 0 && pg.first != 0 {
				return errIndex
			}
			ch.pages = append(ch.pages, pg)
		}
		p.chunks[c] = ch
	}
	for range p.chunks[colUnit].pages {
		p.first = append(p.first, r.u64())
	}
	f := &xorfilter.BinaryFuse8{Seed: r.u64(), SegmentLength: r.u32(), SegmentLengthMask: r.u32(), SegmentCount: r.u32(), SegmentCountLength: r.u32()}
	n := int(r.u32())
	if n > len(r.b) {
		return errIndex
	}
	f.Fingerprints = slices.Clone(r.take(n))
	if r.bad || len(r.b) != 0 || len(p.chunks[colUnit].pages) == 0 || f.SegmentCountLength+2*f.SegmentLength > uint32(n) {
		return errIndex
	}
	p.filter = f
	return nil
}

// cursor reads numbers and remembers that one was missing.
type cursor struct {
	b   []byte
	bad bool
}

func (r *cursor) take(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, n)
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *cursor) u8() byte    { return r.take(1)[0] }
func (r *cursor) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *cursor) u64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

func (r *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *cursor) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// openPart opens a part that the manifest names. When its index is damaged it is made anew from the file.
func openPart(dir string, e entry) (*part, error) {
	p := &part{entry: e, dir: dir}
	p.refs.Store(1)
	path := filepath.Join(dir, e.name())
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.Size() != e.Bytes {
		err = fmt.Errorf("%d bytes, not %d", st.Size(), e.Bytes)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	p.f = f
	b, err := os.ReadFile(filepath.Join(dir, e.indexName()))
	if err == nil {
		err = p.readIndex(b)
	}
	if err == nil {
		return p, nil
	}
	*p = part{entry: e, dir: dir, f: f}
	p.refs.Store(1)
	data, err := io.ReadAll(io.NewSectionReader(f, 0, e.Bytes))
	if err == nil {
		err = survey(data, p)
	}
	if err == nil {
		b, err = p.appendIndex(nil)
	}
	if err == nil {
		err = writeFile(filepath.Join(dir, e.indexName()), b)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

// makePart writes rows, which are in order, as a new part. It is durable when it returns; nobody knows of it until a manifest names it.
func makePart(dir string, day int32, seq uint64, rows []row) (*part, error) {
	data, err := encode(rows)
	if err != nil {
		return nil, err
	}
	p := &part{dir: dir, entry: entry{Day: day, Seq: seq, Rows: uint32(len(rows)), Bytes: int64(len(data)), Sum: fmt.Sprintf("%08x", crc32.Checksum(data, castagnoli))}}
	p.refs.Store(1)
	if err := survey(data, p); err != nil { // what was written can be read again
		return nil, fmt.Errorf("history: %s: %w", p.name(), err)
	}
	index, err := p.appendIndex(nil)
	if err != nil {
		return nil, err
	}
	p.Index = int64(len(index))
	folder := filepath.Join(dir, filepath.Dir(p.name()))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		b    []byte
	}{{p.name(), data}, {p.indexName(), index}} {
		if err := writeFile(filepath.Join(dir, f.name), f.b); err != nil {
			return nil, err
		}
	}
	if err := syncDir(folder); err != nil {
		return nil, err
	}
	if err := syncDir(dir); err != nil {
		return nil, err
	}
	if p.f, err = os.Open(filepath.Join(dir, p.name())); err != nil {
		return nil, err
	}
	return p, nil
}

// remove takes the part's files away, with the day's folder when it is the last.
func (p *part) remove() error {
	var errs []error
	for _, name := range []string{p.name(), p.indexName()} {
		if err := os.Remove(filepath.Join(p.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	_ = os.Remove(filepath.Join(p.dir, filepath.Dir(p.name()))) // fails while something is in it
	return errors.Join(errs...)
}

// writeFile writes a file under another name, syncs it, and gives it its name.
func writeFile(path string, b []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
