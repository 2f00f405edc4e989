package feature

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"

	"vedette"
	"vedette/record/journal"
)

// layout is the version of what a segment's bytes mean (docs/formats/memory.md). It grows with every change to it, also to how keys, slots
// and windows are computed.
const layout = 1

var magic = [4]byte{'V', 'M', 'E', 'M'}

// Errors of the room.
var (
	ErrDamaged = fmt.Errorf("feature: segment damaged: %w", vedette.ErrInvalid)         // not the bytes that were written
	ErrForeign = fmt.Errorf("feature: segment of another kind: %w", vedette.ErrInvalid) // another version, or another Config
)

const (
	headBytes = 4 + 2 + 2 + 8 + 4 + 4 // magic, version, tables, digest, segment, day of the last sweep
	tailBytes = 4                     // CRC-32C of all before it
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Segments returns how many parts memory has.
func (m *Memory) Segments() int { return int(m.segments) }

// SaveSegment appends a segment's bytes to dst. They include everything up to Position(i), and equal memories give equal bytes.
func (m *Memory) SaveSegment(i int, dst []byte) []byte {
	start := len(dst)
	dst = append(dst, magic[:]...)
	dst = le.AppendUint16(dst, layout)
	dst = le.AppendUint16(dst, 8)
	dst = le.AppendUint64(dst, m.digest)
	dst = le.AppendUint32(dst, uint32(i))
	dst = le.AppendUint32(dst, m.swept[i])
	dst = save(&m.accounts, i, dst, (*account).append)
	dst = save(&m.pairs, i, dst, (*pair).append)
	dst = save(&m.senderDomains, i, dst, (*sends).append)
	dst = save(&m.domains, i, dst, (*domain).append)
	dst = save(&m.hosts, i, dst, (*host).append)
	dst = save(&m.urls, i, dst, (*sends).append)
	dst = save(&m.devices, i, dst, (*device).append)
	dst = save(&m.networks, i, dst, (*network).append)
	return le.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// LoadSegment replaces a segment by what SaveSegment wrote when its position was at; the bytes tell which segment it is. When it returns an
// error, that wraps ErrDamaged or ErrForeign, and memory is as it was.
func (m *Memory) LoadSegment(at journal.Position, data []byte) error {
	if len(data) < headBytes+tailBytes {
		return fmt.Errorf("feature: %d bytes are too few for a segment: %w", len(data), ErrDamaged)
	}
	if [4]byte(data) != magic {
		return fmt.Errorf("feature: begins with %x, not with %x: %w", data[:4], magic, ErrForeign)
	}
	if v := le.Uint16(data[4:]); v != layout {
		return fmt.Errorf("feature: version %d, not %d: %w", v, layout, ErrForeign)
	}
	body, sum := data[:len(data)-tailBytes], le.Uint32(data[len(data)-tailBytes:])
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return fmt.Errorf("feature: checksum is %08x, not %08x: %w", got, sum, ErrDamaged)
	}
	if d := le.Uint64(data[8:]); d != m.digest {
		return fmt.Errorf("feature: made under configuration %016x, not %016x: %w", d, m.digest, ErrForeign)
	}
	i, swept := int(le.Uint32(data[16:])), le.Uint32(data[20:])
	if i >= m.Segments() || le.Uint16(data[6:]) != 8 {
		return fmt.Errorf("feature: segment %d of %d, %d tables: %w", i, m.segments, le.Uint16(data[6:]), ErrDamaged)
	}
	// First all is looked at, then all is taken: a segment is never loaded by half.
	for _, take := range []bool{false, true} {
		r := reader{data: body[headBytes:]}
		restore(&m.accounts, i, m.segments, true, take, &r, (*account).read)
		restore(&m.pairs, i, m.segments, false, take, &r, (*pair).read)
		restore(&m.senderDomains, i, m.segments, false, take, &r, (*sends).read)
		restore(&m.domains, i, m.segments, true, take, &r, (*domain).read)
		restore(&m.hosts, i, m.segments, true, take, &r, (*host).read)
		restore(&m.urls, i, m.segments, true, take, &r, (*sends).read)
		restore(&m.devices, i, m.segments, true, take, &r, (*device).read)
		restore(&m.networks, i, m.segments, true, take, &r, (*network).read)
		if r.err != nil {
			return fmt.Errorf("feature: segment %d: %w", i, r.err)
		}
		if len(r.data) != 0 {
			return fmt.Errorf("feature: segment %d: %d bytes too many: %w", i, len(r.data), ErrDamaged)
		}
	}
	m.swept[i] = swept
	// From here on segments may stand at different positions, so each keeps its own again.
	for s := range m.at {
		m.at[s] = m.Position(s)
	}
	m.applied = journal.Position{}
	m.at[i] = at
	return nil
}

var le = binary.LittleEndian

// save writes a segment of one table: evictions, a bit for each slot that is taken, then the taken ones in their order.
func save[V any](t *table[V], segment int, dst []byte, write func(*V, []byte) []byte) []byte {
	dst = le.AppendUint64(dst, t.evicted[segment])
	first := segment * int(t.buckets)
	for b := first; b < first+int(t.buckets); b++ {
		dst = append(dst, t.lines[b].taken())
	}
	for b := first; b < first+int(t.buckets); b++ {
		l := &t.lines[b]
		for w := range ways {
			if l.tag[w] == 0 {
				continue
			}
			s := &t.slots[b*ways+w]
			dst = le.AppendUint64(dst, s.key.lo)
			dst = le.AppendUint64(dst, s.key.hi)
			dst = le.AppendUint32(dst, l.last[w])
			dst = write(&s.val, dst)
		}
	}
	return dst
}

func (l *line) taken() (set byte) {
	for w, tag := range l.tag {
		if tag != 0 {
			set |= 1 << w
		}
	}
	return set
}

// restore reads what save wrote; without take it only looks. Where a table's keys tell their own places, they are held against them.
func restore[V any](t *table[V], segment int, segments uint32, owned, take bool, r *reader, read func(*V, *reader)) {
	first := segment * int(t.buckets)
	evicted := r.u64()
	sets := r.take(int(t.buckets))
	if r.err != nil {
		return
	}
	if take {
		t.wipe(segment)
		t.evicted[segment] = evicted
		t.lost.Add(int64(evicted))
		for _, set := range sets {
			t.held.Add(int64(bits.OnesCount8(set)))
		}
	}
	s := new(slot[V])
	for o, set := range sets {
		b := first + o
		var seen [ways]key
		for rest := set; rest != 0; rest &= rest - 1 {
			w := bits.TrailingZeros8(rest)
			s.key = key{r.u64(), r.u64()}
			last := r.u32()
			read(&s.val, r)
			if r.err != nil {
				return
			}
			if take {
				t.lines[b].tag[w], t.lines[b].last[w] = tagOf(mix(s.key.lo^salt0, s.key.hi^salt1)), last
				t.slots[b*ways+w] = *s
				continue
			}
			for _, k := range seen[:w] {
				if k == s.key {
					r.fail("%s: a key stands twice in bucket %d", t.name, o)
					return
				}
			}
			seen[w] = s.key
			if owned {
				if p := own(s.key, segments, t.buckets); int(p.bucket) != b {
					r.fail("%s: bucket %d holds a key that belongs elsewhere", t.name, o)
					return
				}
			}
			if last < earliest || last > latest {
				r.fail("%s: a time in bucket %d is out of range", t.name, o)
				return
			}
		}
	}
}

// reader takes numbers off bytes until there are too few; then it remembers that, and gives zeros.
type reader struct {
	data []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format+": %w", append(args, ErrDamaged)...)
	}
}

func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if len(r.data) < n {
		r.fail("ends %d bytes early", n-len(r.data))
		return nil
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) u64() (v uint64) {
	if len(r.data) < 8 || r.err != nil {
		r.take(8)
		return 0
	}
	v = le.Uint64(r.data)
	r.data = r.data[8:]
	return v
}

func (r *reader) u32() (v uint32) {
	if len(r.data) < 4 || r.err != nil {
		r.take(4)
		return 0
	}
	v = le.Uint32(r.data)
	r.data = r.data[4:]
	return v
}

func (r *reader) u16s(dst []uint16) {
	b := r.take(2 * len(dst))
	if b == nil {
		return
	}
	for i := range dst {
		dst[i] = le.Uint16(b[2*i:])
	}
}

func (r *reader) u32s(dst []uint32) {
	b := r.take(4 * len(dst))
	if b == nil {
		return
	}
	for i := range dst {
		dst[i] = le.Uint32(b[4*i:])
	}
}

func (r *reader) u64s(dst []uint64) {
	b := r.take(8 * len(dst))
	if b == nil {
		return
	}
	for i := range dst {
		dst[i] = le.Uint64(b[8*i:])
	}
}

// head reads the hour of the windows: one that events can have brought about, so that no window begins before time.
func (r *reader) head(hour *uint32) {
	*hour = r.u32()
	if r.err == nil && (*hour < earliest/3600 || *hour > latest/3600) {
		r.fail("hour %d is out of range", *hour)
	}
}

func appendU16s(dst []byte, v []uint16) []byte {
	for _, x := range v {
		dst = le.AppendUint16(dst, x)
	}
	return dst
}

func appendU32s(dst []byte, v ...uint32) []byte {
	for _, x := range v {
		dst = le.AppendUint32(dst, x)
	}
	return dst
}

func appendU64s(dst []byte, v []uint64) []byte {
	for _, x := range v {
		dst = le.AppendUint64(dst, x)
	}
	return dst
}

func (a *account) append(dst []byte) []byte {
	dst = appendU32s(dst, a.flags, a.first, a.active, a.hour, a.deviceSec, a.networkSec)
	dst = appendU64s(dst, []uint64{a.device.lo, a.device.hi, a.network.lo, a.network.hi})
	dst = appendU16s(dst, a.messages[:])
	dst = appendU16s(dst, a.links[:])
	dst = appendU16s(dst, a.lookups[:])
	dst = appendU64s(dst, a.contacts[:])
	dst = appendU64s(dst, a.strangers[:])
	dst = appendU64s(dst, a.newcomers[:])
	dst = appendU64s(dst, a.devices[:])
	dst = appendU64s(dst, a.networks[:])
	dst = appendU64s(dst, a.reporters[:])
	return appendU64s(dst, a.blockers[:])
}

func (a *account) read(r *reader) {
	a.flags, a.first, a.active = r.u32(), r.u32(), r.u32()
	r.head(&a.hour)
	a.deviceSec, a.networkSec = r.u32(), r.u32()
	a.device = key{r.u64(), r.u64()}
	a.network = key{r.u64(), r.u64()}
	r.u16s(a.messages[:])
	r.u16s(a.links[:])
	r.u16s(a.lookups[:])
	r.u64s(a.contacts[:])
	r.u64s(a.strangers[:])
	r.u64s(a.newcomers[:])
	r.u64s(a.devices[:])
	r.u64s(a.networks[:])
	r.u64s(a.reporters[:])
	r.u64s(a.blockers[:])
}

func (p *pair) append(dst []byte) []byte { return dst }
func (p *pair) read(*reader)             {}

func (s *sends) append(dst []byte) []byte { return le.AppendUint32(dst, s.n) }
func (s *sends) read(r *reader)           { s.n = r.u32() }

func (d *domain) append(dst []byte) []byte {
	dst = appendU32s(dst, d.first, d.hour)
	dst = appendU32s(dst, d.sends[:]...)
	dst = appendU64s(dst, d.people.regs[:])
	dst = appendU64s(dst, d.recipients.regs[:])
	return appendU64s(dst, d.reporters[:])
}

func (d *domain) read(r *reader) {
	d.first = r.u32()
	r.head(&d.hour)
	r.u32s(d.sends[:])
	r.u64s(d.people.regs[:])
	r.u64s(d.recipients.regs[:])
	r.u64s(d.reporters[:])
	d.people.recount()
	d.recipients.recount()
}

func (h *host) append(dst []byte) []byte { return appendU64s(dst, h.people.regs[:]) }
func (h *host) read(r *reader) {
	r.u64s(h.people.regs[:])
	h.people.recount()
}

func (d *device) append(dst []byte) []byte {
	return appendU64s(appendU32s(dst, d.first, d.hour), d.accounts[:])
}

func (d *device) read(r *reader) {
	d.first = r.u32()
	r.head(&d.hour)
	r.u64s(d.accounts[:])
}

func (n *network) append(dst []byte) []byte {
	return appendU64s(le.AppendUint32(dst, n.hour), n.accounts[:])
}

func (n *network) read(r *reader) {
	r.head(&n.hour)
	r.u64s(n.accounts[:])
}
