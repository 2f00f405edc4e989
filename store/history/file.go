package history

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"vedette/watch/hunt"
)

// A file is Parquet to everybody: blocks as row groups, then the index, which other readers pass over, then the footer.

const (
	parquetMagic = "PAR1"
	tailSize     = 8 + 8 + 8 + 8 // place of the index, sum of the footer, sum of the three before, mark; directly before the footer
	tailMagic    = "VHTAIL\x01\x00"
	createdBy    = "vedette version 1"
)

// writer writes one file. It takes rows in order.
type writer struct {
	f      vfs.File
	w      *bufio.Writer
	sum    *xxhash.Digest // of all that was written
	enc    encoder
	x      indexer
	rows   []row
	buf    []byte
	offset int
	groups thriftWriter
	n      int64
	oldest uint32
	newest uint32
}

func newWriter(f vfs.File) (*writer, error) {
	sum := xxhash.New()
	w := &writer{f: f, w: bufio.NewWriterSize(io.MultiWriter(sum, f), 1<<20), sum: sum, offset: len(parquetMagic), oldest: dayMillis}
	_, err := w.w.WriteString(parquetMagic)
	return w, err
}

func (w *writer) add(r *row) error {
	w.rows = append(w.rows, *r)
	w.oldest, w.newest = min(w.oldest, r.time), max(w.newest, r.time)
	if len(w.rows) == blockRows {
		return w.block()
	}
	return nil
}

func (w *writer) block() error {
	if len(w.rows) == 0 {
		return nil
	}
	if len(w.x.blocks) == maxBlocks {
		return errors.New("history: a file has too many blocks") // merges stop before
	}
	w.buf = w.enc.append(w.buf[:0], w.rows)
	w.x.add(w.offset, len(w.buf), w.rows)
	w.group()
	w.offset += len(w.buf)
	w.n += int64(len(w.rows))
	w.rows = w.rows[:0]
	// Last: a file may use what it was given as it likes.
	_, err := w.w.Write(w.buf)
	return err
}

// group writes what the footer tells of the block that was written last.
func (w *writer) group() {
	t := &w.groups
	t.begin()
	t.list(1, thriftStruct, len(columns))
	at := w.offset
	for c := range columns {
		col, m := &columns[c], &w.enc.metas[c]
		t.begin()
		t.i64(2, 0)
		t.struc(3)
		t.i32(1, int64(col.typ))
		encodings := []int64{int64(m.encoding)}
		if m.dict {
			encodings = append(encodings, encodingPlain)
		}
		t.list(2, thriftI32, len(encodings))
		for _, e := range encodings {
			t.varint(e)
		}
		t.list(3, thriftBinary, 1)
		t.bytes(col.name)
		t.i32(4, 0)
		t.i64(5, int64(len(w.rows)))
		t.i64(6, int64(m.bytes))
		t.i64(7, int64(m.bytes))
		t.i64(9, int64(at+m.dictBytes))
		if m.dict {
			t.i64(11, int64(at))
		}
		if c == colDomain { // the one by which others may skip blocks
			lo, hi := w.rows[0].domain, w.rows[0].domain
			for i := range w.rows {
				lo, hi = min(lo, w.rows[i].domain), max(hi, w.rows[i].domain)
			}
			t.struc(12)
			t.text(5, string(binary.LittleEndian.AppendUint64(nil, hi)))
			t.text(6, string(binary.LittleEndian.AppendUint64(nil, lo)))
			t.end()
		}
		t.end()
		t.end()
		at += m.bytes
	}
	t.i64(2, int64(len(w.buf)))
	t.i64(3, int64(len(w.rows)))
	t.i64(5, int64(w.offset))
	t.i64(6, int64(len(w.buf)))
	t.end()
}

func (w *writer) footer() []byte {
	t := &thriftWriter{}
	t.begin()
	t.i32(1, 1)
	t.list(2, thriftStruct, len(columns)+1)
	t.begin()
	t.text(4, "sighting")
	t.i32(5, int64(len(columns)))
	t.end()
	for c := range columns {
		col := &columns[c]
		t.begin()
		t.i32(1, int64(col.typ))
		if col.typ == typeFixed {
			t.i32(2, int64(col.width))
		}
		t.i32(3, 0)
		t.text(4, col.name)
		switch {
		case c == colTime:
			// Not adjusted: together with its day it is UTC, and other engines then add the two.
			t.struc(10)
			t.struc(7)
			t.bool(1, false)
			t.struc(2)
			t.struc(1)
			t.end()
			t.end()
			t.end()
			t.end()
		case col.bits > 0:
			t.i32(6, map[int]int64{8: 11, 16: 12, 32: 13, 64: 14}[col.bits])
			t.struc(10)
			t.struc(10)
			t.i8(1, byte(col.bits))
			t.bool(2, false)
			t.end()
			t.end()
		}
		t.end()
	}
	t.i64(3, w.n)
	t.list(4, thriftStruct, len(w.x.blocks))
	t.b = append(t.b, w.groups.b...)
	t.list(5, thriftStruct, 1)
	t.begin()
	t.text(1, "vedette.history")
	t.text(2, "1")
	t.end()
	t.text(6, createdBy)
	t.list(7, thriftStruct, len(columns))
	for range columns {
		t.begin()
		t.struc(1)
		t.end()
		t.end()
	}
	t.end()
	return t.b
}

// finish writes the rest. The file is durable when it returns, its name is not. It returns the file's length.
func (w *writer) finish() (int64, error) {
	if err := w.block(); err != nil {
		return 0, err
	}
	place := uint64(w.offset)
	tail, err := w.x.append(nil)
	if err != nil {
		return 0, err
	}
	footer := w.footer()
	was := len(tail)
	tail = binary.LittleEndian.AppendUint64(tail, place)
	tail = binary.LittleEndian.AppendUint64(tail, xxhash.Sum64(footer))
	tail = binary.LittleEndian.AppendUint64(tail, xxhash.Sum64(tail[was:]))
	tail = append(tail, tailMagic...)
	tail = append(tail, footer...)
	tail = binary.LittleEndian.AppendUint32(tail, uint32(len(footer)))
	tail = append(tail, parquetMagic...)
	if _, err := w.w.Write(tail); err != nil {
		return 0, err
	}
	if err := w.w.Flush(); err != nil {
		return 0, err
	}
	if err := w.f.Sync(); err != nil {
		return 0, err
	}
	return int64(w.offset + len(tail)), nil
}

// file is one file that is in force. It is immutable but for without, which only grows, under the history's lock.
type file struct {
	listed
	f       vfs.File
	x       *index
	refs    atomic.Int64
	without atomic.Pointer[map[uint64]struct{}] // units that were forgotten since it was written
	mended  bool                                // its index was made anew from its rows
}

// listed is what the manifest tells of a file.
type listed struct {
	Name    string   `json:"file"` // relative to the folder
	Day     int      `json:"day"`  // days since 1970
	Rows    int64    `json:"rows"`
	Bytes   int64    `json:"bytes"`
	Oldest  int64    `json:"oldest"` // Unix milliseconds
	Newest  int64    `json:"newest"`
	Sum     string   `json:"sum"`               // xxHash64 of all of its bytes, hexadecimal
	Without []string `json:"without,omitempty"` // units whose rows are no longer in history, until the file is written anew; hexadecimal
	Hidden  int64    `json:"hidden,omitempty"`  // how many rows those are
}

func hexOf(k uint64) string { return strconv.FormatUint(k, 16) }

func (f *file) hide(units []uint64) {
	set := map[uint64]struct{}{}
	if old := f.without.Load(); old != nil {
		for k := range *old {
			set[k] = struct{}{}
		}
	}
	for _, k := range units {
		set[k] = struct{}{}
	}
	f.without.Store(&set)
}

func (f *file) hidden(unit uint64) bool {
	set := f.without.Load()
	if set == nil {
		return false
	}
	_, ok := (*set)[unit]
	return ok
}

func (f *file) release() {
	if f.refs.Add(-1) == 0 {
		_ = f.f.Close() // it was only read
	}
}

// openFile opens a file that the manifest lists. A damaged index is made anew in memory; anything else that is wrong is the error.
func openFile(fsys vfs.FS, path string, l listed) (*file, error) {
	h, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	f := &file{listed: l, f: h}
	f.refs.Store(1)
	units := make([]uint64, 0, len(l.Without))
	for _, s := range l.Without {
		k, err := strconv.ParseUint(s, 16, 64)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("unit %q is not a number", s), h.Close())
		}
		units = append(units, k)
	}
	if len(units) > 0 {
		f.hide(units)
	}
	if err := f.open(); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return f, nil
}

func (f *file) open() error {
	st, err := f.f.Stat()
	if err != nil {
		return err
	}
	if st.Size() != f.Bytes {
		return fmt.Errorf("%d bytes where %d belong", st.Size(), f.Bytes)
	}
	place, _, err := f.tail()
	if err != nil {
		return err
	}
	if f.x, err = f.readIndex(place); err == nil {
		var rows int64
		for _, b := range f.x.blocks {
			rows += int64(b.rows)
		}
		if rows != f.Rows {
			return fmt.Errorf("%d rows where %d belong", rows, f.Rows)
		}
		return nil
	}
	f.mended = true
	return f.mend(place)
}

var errTail = errors.New("its end is damaged")

// tail returns the place of the index and the sum of the footer.
func (f *file) tail() (place int64, sum uint64, err error) {
	var end [8]byte
	if f.Bytes < int64(len(parquetMagic)+tailSize+8) {
		return 0, 0, errTail
	}
	if _, err := f.f.ReadAt(end[:], f.Bytes-8); err != nil {
		return 0, 0, err
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	if string(end[4:]) != parquetMagic || n > f.Bytes-8-tailSize-int64(len(parquetMagic)) {
		return 0, 0, errTail
	}
	var t [tailSize]byte
	if _, err := f.f.ReadAt(t[:], f.Bytes-8-n-tailSize); err != nil {
		return 0, 0, err
	}
	place = int64(binary.LittleEndian.Uint64(t[:]))
	if string(t[24:]) != tailMagic || xxhash.Sum64(t[:16]) != binary.LittleEndian.Uint64(t[16:]) || place < 4 || place > f.Bytes-8-n-tailSize {
		return 0, 0, errTail
	}
	return place, binary.LittleEndian.Uint64(t[8:]), nil
}

func (f *file) readIndex(place int64) (*index, error) {
	head := make([]byte, indexHead)
	if _, err := f.f.ReadAt(head, place); err != nil {
		return nil, err
	}
	size, err := indexSize(head)
	if err != nil || place+size > f.Bytes {
		return nil, errIndex
	}
	b := make([]byte, size)
	if _, err := f.f.ReadAt(b, place); err != nil {
		return nil, err
	}
	x, err := readIndex(b)
	if err != nil {
		return nil, err
	}
	end := uint64(len(parquetMagic))
	for _, b := range x.blocks {
		if uint64(b.offset) != end || b.rows > blockRows {
			return nil, errIndex
		}
		end += uint64(b.size)
	}
	if end != uint64(place) {
		return nil, errIndex
	}
	return x, nil
}

// mend makes the index anew, from the blocks, whose pages tell of themselves. They lie one behind the other from the file's beginning.
func (f *file) mend(place int64) error {
	data := make([]byte, place)
	if _, err := f.f.ReadAt(data, 0); err != nil {
		return err
	}
	if string(data[:len(parquetMagic)]) != parquetMagic {
		return errors.New("its beginning is damaged")
	}
	var x indexer
	var b block
	var rows []row
	at := len(parquetMagic)
	for at < len(data) {
		rest := data[at:]
		var err error
		for c := range columns {
			if rest, err = b.readChunk(c, rest); err != nil {
				return fmt.Errorf("index and block %d are damaged: column %s: %w", len(x.blocks), columns[c].name, err)
			}
		}
		if rows, err = b.rows(rows); err != nil {
			return err
		}
		size := len(data) - at - len(rest)
		x.add(at, size, rows)
		at += size
	}
	made, err := x.append(nil)
	if err == nil {
		f.x, err = readIndex(made)
	}
	return err
}

// reader is the memory that one goroutine reads with.
type reader struct {
	buf    []byte
	block  block
	blocks []uint32
	ask    []uint64 // block and place of the unit that asks for it
}

// read reads a block; its rows stay in r.block until the next.
func (f *file) read(r *reader, n uint32) error {
	at := f.x.blocks[n]
	r.buf = slices.Grow(r.buf[:0], int(at.size))[:at.size]
	if _, err := f.f.ReadAt(r.buf, int64(at.offset)); err != nil {
		return fmt.Errorf("block %d: %w", n, err)
	}
	if err := r.block.read(r.buf); err != nil {
		return fmt.Errorf("block %d: %w", n, err)
	}
	if r.block.n != int(at.rows) {
		return fmt.Errorf("block %d: %d rows where %d belong", n, r.block.n, at.rows)
	}
	return nil
}

// verify reads every byte: those that history itself looks at, by what they mean, and then all of them, since others read the file too.
func (f *file) verify(ctx context.Context, r *reader) (wrong []string, err error) {
	if f.mended {
		wrong = append(wrong, "its index is damaged and was made anew in memory")
	}
	for n := range f.x.blocks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := f.read(r, uint32(n))
		if err == nil {
			_, err = r.block.rows(nil)
		}
		if err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	place, sum, err := f.tail()
	if err != nil {
		return append(wrong, err.Error()), nil
	}
	if !f.mended {
		if _, err := f.readIndex(place); err != nil {
			return append(wrong, plain(err)), nil
		}
	}
	var end [8]byte
	if _, err := f.f.ReadAt(end[:], f.Bytes-8); err != nil {
		return append(wrong, err.Error()), nil
	}
	footer := make([]byte, binary.LittleEndian.Uint32(end[:]))
	if _, err := f.f.ReadAt(footer, f.Bytes-8-int64(len(footer))); err != nil {
		return append(wrong, err.Error()), nil
	}
	if xxhash.Sum64(footer) != sum {
		wrong = append(wrong, "its footer is damaged: other engines cannot read it")
	}
	if len(wrong) > 0 {
		return wrong, nil
	}
	all := xxhash.New()
	if _, err := io.Copy(all, io.NewSectionReader(f.f, 0, f.Bytes)); err != nil {
		return []string{plain(err)}, nil
	}
	if sumOf(all) != f.Sum {
		return []string{"a byte is not what was written that only other engines look at, such as in the header of a page"}, nil
	}
	return nil, nil
}

func sumOf(d *xxhash.Digest) string { return fmt.Sprintf("%016x", d.Sum64()) }

// damages names what is wrong with a file.
func (f *file) damages(what ...string) []hunt.Damage {
	out := make([]hunt.Damage, len(what))
	for i, w := range what {
		out[i] = hunt.Damage{File: f.Name, What: w}
	}
	return out
}
