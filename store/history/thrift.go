package history

import (
	"encoding/binary"
	"errors"
)

// The compact protocol of Apache Thrift, as far as Parquet's headers need it. Written by hand: a file has a thousand blocks of two dozen
// columns, and a page's header is read each time a block is.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftI8     = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftStruct = 12
)

// thriftWriter writes structs; last holds the last field's number of each open one.
type thriftWriter struct {
	b    []byte
	last []int
}

func (w *thriftWriter) begin() { w.last = append(w.last, 0) }
func (w *thriftWriter) end()   { w.b, w.last = append(w.b, 0), w.last[:len(w.last)-1] }

func (w *thriftWriter) field(id, kind int) {
	last := &w.last[len(w.last)-1]
	w.b = append(w.b, byte((id-*last)<<4|kind)) // our fields are never 16 apart
	*last = id
}

func (w *thriftWriter) varint(v int64)        { w.b = binary.AppendVarint(w.b, v) }
func (w *thriftWriter) i32(id int, v int64)   { w.field(id, thriftI32); w.varint(v) }
func (w *thriftWriter) i64(id int, v int64)   { w.field(id, thriftI64); w.varint(v) }
func (w *thriftWriter) struc(id int)          { w.field(id, thriftStruct); w.begin() }
func (w *thriftWriter) text(id int, v string) { w.field(id, thriftBinary); w.bytes(v) }

func (w *thriftWriter) i8(id int, v byte) { w.field(id, thriftI8); w.b = append(w.b, v) }

func (w *thriftWriter) bool(id int, v bool) {
	if v {
		w.field(id, thriftTrue)
	} else {
		w.field(id, thriftFalse)
	}
}

func (w *thriftWriter) bytes(v string) {
	w.b = binary.AppendUvarint(w.b, uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *thriftWriter) list(id, kind, n int) {
	w.field(id, thriftList)
	if n < 15 {
		w.b = append(w.b, byte(n<<4|kind))
		return
	}
	w.b = append(w.b, byte(0xf0|kind))
	w.b = binary.AppendUvarint(w.b, uint64(n))
}

var errThrift = errors.New("its page header is malformed")

// thriftReader reads one struct after another. After an error everything reads as zero.
type thriftReader struct {
	b   []byte
	bad bool
}

func (r *thriftReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *thriftReader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := r.b[0]
		r.b = r.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *thriftReader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// next returns the next field's number and kind; kind 0 ends the struct.
func (r *thriftReader) next(last *int) (id, kind int) {
	c := r.byte()
	if c == 0 || r.bad {
		return 0, 0
	}
	if d := int(c >> 4); d != 0 {
		*last += d
	} else {
		*last = int(int16(r.varint()))
	}
	return *last, int(c & 15)
}

func (r *thriftReader) skip(kind, depth int) {
	if depth > 8 {
		r.bad, r.b = true, nil
	}
	if r.bad {
		return
	}
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftI8:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.uvarint()
	case thriftDouble:
		r.drop(8)
	case thriftBinary:
		r.drop(r.uvarint())
	case thriftList, thriftSet:
		c := r.byte()
		n := uint64(c >> 4)
		if n == 15 {
			n = r.uvarint()
		}
		for i := uint64(0); i < n && !r.bad; i++ {
			if k := int(c & 15); k == thriftTrue || k == thriftFalse {
				r.byte()
			} else {
				r.skip(k, depth+1)
			}
		}
	case thriftStruct:
		for last := 0; !r.bad; {
			_, k := r.next(&last)
			if k == 0 {
				break
			}
			r.skip(k, depth+1)
		}
	default:
		r.bad, r.b = true, nil
	}
}

func (r *thriftReader) drop(n uint64) {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return
	}
	r.b = r.b[n:]
}
