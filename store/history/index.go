package history

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/FastFilter/xorfilter"
	"github.com/cespare/xxhash/v2"
)

// An index tells for a unit in which blocks of its file it stands: rows are sorted by unit, and the first units of the blocks say where. A
// filter over all units rules out most without reading anything. A hit is verified in the rows.

const maxBlocks = 1 << 15

// mix spreads what stands for a name, so that the filter need not trust it to be random.
func mix(x uint64) uint64 {
	x += golden
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// blockAt is where a block lies.
type blockAt struct {
	offset, size uint32
	rows         uint32
	first        uint64 // unit of its first row
}

// index is kept in memory whole: 1 byte and an eighth for each unit of the file, and 24 for each block.
type index struct {
	blocks []blockAt
	filter xorfilter.BinaryFuse[uint8]
}

func (x *index) memory() int64 { return int64(len(x.blocks)*24 + len(x.filter.Fingerprints)) }

// indexer makes an index while blocks are written.
type indexer struct {
	blocks []blockAt
	units  []uint64
}

func (x *indexer) add(offset, size int, rows []row) {
	for i := range rows {
		if h := mix(rows[i].unit); len(x.units) == 0 || x.units[len(x.units)-1] != h {
			x.units = append(x.units, h)
		}
	}
	x.blocks = append(x.blocks, blockAt{uint32(offset), uint32(size), uint32(len(rows)), rows[0].unit})
}

const (
	indexMagic = "VHIX\x01\x00\x00\x00"
	indexHead  = 8 + 4*4 + 8*2 // magic, four counts, seed, sum
)

func (x *indexer) append(dst []byte) ([]byte, error) {
	filter, err := xorfilter.BuildBinaryFuse[uint8](&xorfilter.BinaryFuseBuilder{}, x.units)
	if err != nil {
		return nil, fmt.Errorf("history: filter: %w", err)
	}
	start := len(dst)
	dst = append(dst, indexMagic...)
	for _, v := range []uint32{uint32(len(x.blocks)), filter.SegmentLength, filter.SegmentCount, uint32(len(filter.Fingerprints))} {
		dst = binary.LittleEndian.AppendUint32(dst, v)
	}
	dst = binary.LittleEndian.AppendUint64(dst, filter.Seed)
	sumAt := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, 0)
	for _, b := range x.blocks {
		dst = binary.LittleEndian.AppendUint32(dst, b.offset)
		dst = binary.LittleEndian.AppendUint32(dst, b.size)
		dst = binary.LittleEndian.AppendUint32(dst, b.rows)
		dst = binary.LittleEndian.AppendUint64(dst, b.first)
	}
	dst = append(dst, filter.Fingerprints...)
	binary.LittleEndian.PutUint64(dst[sumAt:], xxhash.Sum64(dst[start:]))
	return dst, nil
}

var errIndex = errors.New("its index is damaged")

// indexSize returns how long an index is, by its first bytes.
func indexSize(b []byte) (int64, error) {
	if len(b) < indexHead || string(b[:8]) != indexMagic {
		return 0, errIndex
	}
	blocks, prints := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[20:])
	if blocks > maxBlocks || prints > 1<<30 {
		return 0, errIndex
	}
	return indexHead + int64(blocks)*20 + int64(prints), nil
}

// readIndex reads an index. It keeps nothing of b, and spoils it.
func readIndex(b []byte) (*index, error) {
	size, err := indexSize(b)
	if err != nil || size != int64(len(b)) {
		return nil, errIndex
	}
	sum := binary.LittleEndian.Uint64(b[32:])
	clear(b[32:40])
	if xxhash.Sum64(b) != sum {
		return nil, errIndex
	}
	u32 := func(i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
	blocks, prints := int(u32(8)), int(u32(20))
	x := &index{blocks: make([]blockAt, blocks)}
	x.filter = xorfilter.BinaryFuse[uint8]{
		Seed: binary.LittleEndian.Uint64(b[24:]), SegmentLength: u32(12), SegmentLengthMask: u32(12) - 1, SegmentCount: u32(16),
		SegmentCountLength: u32(16) * u32(12),
	}
	if f := &x.filter; bits.OnesCount32(f.SegmentLength) != 1 || (uint64(f.SegmentCount)+2)*uint64(f.SegmentLength) > uint64(prints) {
		return nil, errIndex
	}
	for i := range x.blocks {
		at := indexHead + i*20
		x.blocks[i] = blockAt{u32(at), u32(at + 4), u32(at + 8), binary.LittleEndian.Uint64(b[at+12:])}
	}
	x.filter.Fingerprints = slices.Clone(b[indexHead+blocks*20:])
	if !slices.IsSortedFunc(x.blocks, func(a, b blockAt) int { return cmp.Compare(a.first, b.first) }) {
		return nil, errIndex
	}
	return x, nil
}

// question is one unit with its hash.
type question struct{ unit, hash uint64 }

func ask(k uint64) question { return question{k, mix(k)} }

func (x *index) may(q question) bool { return x.filter.Contains(q.hash) }

// candidates appends the blocks in which rows of a unit may stand.
func (x *index) candidates(dst []uint32, q question) []uint32 {
	if !x.may(q) {
		return dst
	}
	i, _ := slices.BinarySearchFunc(x.blocks, q.unit, func(b blockAt, u uint64) int { return cmp.Compare(b.first, u) })
	for i = max(0, i-1); i < len(x.blocks) && x.blocks[i].first <= q.unit; i++ {
		dst = append(dst, uint32(i))
	}
	return dst
}
