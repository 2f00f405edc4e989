package population

import (
	"encoding/binary"
	"math/bits"
)

// key is what an index finds places by. Surrogates and tokens are random already, so that no hash is made of them.
type key interface {
	comparable
	spread() uint64
}

type wide [16]byte

func (k wide) spread() uint64 { return binary.LittleEndian.Uint64(k[:8]) * 0x9e3779b97f4a7c15 }

type narrow uint64

func (k narrow) spread() uint64 { return uint64(k) * 0x9e3779b97f4a7c15 }

func (k narrow) bytes() (b [8]byte) {
	binary.LittleEndian.PutUint64(b[:], uint64(k))
	return b
}

// cut is the narrow key of 16 random bytes: two of a billion meet with a chance of 3 %, and then two devices are taken for one.
func cut(b [16]byte) narrow {
	return narrow(binary.LittleEndian.Uint64(b[:8]))
}

// index finds places in a list that holds the keys; a slot is four bytes, and of four slots three are taken at most, two at least.
type index[K key] struct {
	slots []uint32 // place + 1
	used  int
}

// find returns the place of a key; at gives the key of a place.
func (x *index[K]) find(k K, at func(uint32) K) (uint32, bool) {
	if len(x.slots) == 0 {
		return 0, false
	}
	for i := x.first(k); ; i = x.next(i) {
		s := x.slots[i]
		if s == 0 {
			return 0, false
		}
		if at(s-1) == k {
			return s - 1, true
		}
	}
}

// add remembers a key that is not there yet.
func (x *index[K]) add(k K, place uint32, at func(uint32) K) {
	if 4*(x.used+1) > 3*len(x.slots) {
		old := x.slots
		x.slots = make([]uint32, max(64, len(old)+len(old)/2)) // half as many again: doubling would leave it nearly two thirds empty
		for _, s := range old {
			if s != 0 {
				x.put(at(s-1), s)
			}
		}
	}
	x.put(k, place+1)
	x.used++
}

// first is the slot where a key belongs, next the one to try where another key has it.
func (x *index[K]) first(k K) uint64 {
	i, _ := bits.Mul64(k.spread(), uint64(len(x.slots)))
	return i
}

func (x *index[K]) next(i uint64) uint64 {
	if i++; i == uint64(len(x.slots)) {
		return 0
	}
	return i
}

func (x *index[K]) put(k K, s uint32) {
	i := x.first(k)
	for x.slots[i] != 0 {
		i = x.next(i)
	}
	x.slots[i] = s
}
