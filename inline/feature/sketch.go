package feature

import "math/bits"

// Three small counters that need no pointers and no per-item memory. All are commutative: what they hold depends on which items came and
// when they happened, never on the order in which they arrived.

// A span says how a window is cut: Units buckets of Hours each, the newest one still filling. It therefore reaches back at least
// Hours*(Units-1) and at most Hours*Units.
type span struct{ hours, units uint32 }

var (
	spanDay   = span{2, 13}  // 24 to 26 hours
	spanWeek  = span{12, 15} // 7 to 7.5 days
	spanMonth = span{60, 13} // 30 to 32.5 days
)

// newest is the stamp of the unit that is still filling. A stamp is a nibble: 0 says "never, or too long ago"; newest-k says "k units ago".
const newest = 15

// A wide sketch counts distinct items in a sliding window: 128 slots in 64 bytes. Each item falls into one slot by its hash, and the slot
// keeps when it was last hit. Slots differ in how likely they are hit (80 alike, then 6 for each halving), so that the number of slots hit
// within the window gives the count by one table look-up, from 1 to about 30,000.
// Standard error: under 11 % up to 100, 20 % to 300, 33 % to 30,000 (sketch_test.go); it never reads above 35,205.
type wide [8]uint64

// A narrow sketch is the same in 32 bytes: 44 slots alike, then 4 for each halving; from 1 to about 1,000.
// Standard error: under 16 % up to 100, 40 % to 300, 50 % to 1,000; it never reads above 2,151.
type narrow [4]uint64

const (
	wideFlat, wideTail, wideLevels       = 80, 6, 8
	narrowFlat, narrowTail, narrowLevels = 44, 4, 5
)

// slotOf places an item. The flat slots and the heads of the tail are equally likely; each level of the tail is half as likely as the one
// before it (the last as likely as the one before it).
func slotOf(h uint64, flat, tail, levels uint32) uint32 {
	hi, _ := bits.Mul64(h, uint64(flat+tail))
	s := uint32(hi)
	if s < flat {
		return s
	}
	// The low bits have no part in the product's high word as long as flat+tail is small.
	level := min(uint32(bits.TrailingZeros32(uint32(h)|1<<31)), levels-1)
	return flat + level*tail + (s - flat)
}

func (w *wide) add(h uint64, age uint32) {
	stamp(w[:], slotOf(h, wideFlat, wideTail, wideLevels), age)
}

func (n *narrow) add(h uint64, age uint32) {
	stamp(n[:], slotOf(h, narrowFlat, narrowTail, narrowLevels), age)
}

// stamp marks a slot as hit age units before the newest. What is older than a stamp can tell is dropped.
func stamp(words []uint64, slot, age uint32) {
	if age >= newest {
		return
	}
	v, shift := uint64(newest-age), slot%16*4
	if w := &words[slot/16]; *w>>shift&15 < v {
		*w = *w&^(15<<shift) | v<<shift
	}
}

const (
	lowNibbles = 0x0f0f0f0f0f0f0f0f
	eachByte   = 0x0101010101010101
	topBits    = 0x8080808080808080
)

// older ages every stamp by d units. What falls out of reach is forgotten.
func older(words []uint64, d uint32) {
	if d == 0 {
		return
	}
	if d >= newest {
		clear(words)
		return
	}
	sub := uint64(0x80-d) * eachByte
	for i, w := range words {
		if w == 0 {
			continue
		}
		words[i] = less(w&lowNibbles, sub) | less(w>>4&lowNibbles, sub)<<4
	}
}

// less subtracts from each byte, not below zero: sub is 0x80 minus the amount, in each byte.
func less(b, sub uint64) uint64 {
	t := b + sub
	return t & ((t & topBits >> 7) * 15)
}

// hits counts the slots hit in the last units, as seen ahead units after the newest stamp (or before it, for a late event).
func hits(words []uint64, ahead int64, units uint32) int {
	floor := newest + ahead - int64(units) // stamps above this are in the window
	if floor >= newest {
		return 0
	}
	n := above(words, max(floor, 0))
	if ahead < 0 { // a late event does not see what happened after it
		if top := newest + ahead; top <= 0 {
			return 0
		} else {
			n -= above(words, max(top, floor, 0))
		}
	}
	return n
}

func above(words []uint64, k int64) (n int) {
	add := uint64(0x7f-k) * eachByte
	for ; len(words) >= 4; words = words[4:] {
		n += top(words[0], add) + top(words[1], add) + top(words[2], add) + top(words[3], add)
	}
	return n
}

// top counts the nibbles that add lifts to 0x80.
func top(w, add uint64) int {
	return bits.OnesCount64((w&lowNibbles+add)&topBits | ((w>>4&lowNibbles+add)&topBits)>>1)
}

func (w *wide) distinct(ahead int64, units uint32) int64 {
	return int64(wideCount[hits(w[:], ahead, units)])
}

func (n *narrow) distinct(ahead int64, units uint32) int64 {
	return int64(narrowCount[hits(n[:], ahead, units)])
}

// An ever sketch counts distinct items without a window: HyperLogLog with 128 registers of 4 bits in 64 bytes, linear counting while small.
// Its two sums are kept up to date, so that reading it costs no walk over the registers.
// Standard error: under 8 % up to 100, 10 % to 500,000; beyond a million it reads low, by a fifth at two million.
type ever struct {
	regs [8]uint64
	gone uint32 // what the registers have lost of 128<<15: the sum of (1<<15)-(1<<(15-r))
	used uint32 // registers that are not 0
}

func (e *ever) add(h uint64) {
	i := h >> 57
	r := uint64(min(bits.TrailingZeros64(h), 14) + 1)
	w, shift := &e.regs[i/16], i%16*4
	old := *w >> shift & 15
	if r <= old {
		return
	}
	*w = *w&^(15<<shift) | r<<shift
	e.gone += 1<<(15-old) - 1<<(15-r)
	if old == 0 {
		e.used++
	}
}

// alpha is 0.7213/(1+1.079/128) * 128 * 128 * 2^15 as an integer, so that every machine counts alike.
const alpha = 384007922045 // thousandths

func (e *ever) distinct() int64 {
	raw := int64(alpha / uint64(1000*(128<<15-e.gone)))
	if raw <= 320 && e.used < 128 {
		return int64(linearCount[e.used])
	}
	return raw
}

// recount restores the sums from the registers.
func (e *ever) recount() {
	e.gone, e.used = 0, 0
	for _, w := range e.regs {
		for ; w != 0; w >>= 4 {
			if r := w & 15; r != 0 {
				e.used++
				e.gone += 1<<15 - 1<<(15-r)
			}
		}
	}
}
