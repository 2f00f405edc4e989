package population

import "encoding/binary"

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

// index finds places in a list that holds the keys; a slot is four bytes.
type index[K key] struct {
	slots []uint32 // place + 1
	used  int
}

// find returns the place of a key; at gives the key of a place.
func (x *index[K]) find(k K, at func(uint32) K) (uint32, bool) {
	if len(x.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(x.slots) - 1)
	for i := k.spread() >> 20 & mask; ; i = (i + 1) & mask {
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
		x.slots = make([]uint32, max(64, 2*len(old)))
		for _, s := range old {
			if s != 0 {
				x.put(at(s-1), s)
			}
		}
	}
	x.put(k, place+1)
	x.used++
}

func (x *index[K]) put(k K, s uint32) {
	mask := uint64(len(x.slots) - 1)
	i := k.spread() >> 20 & mask
	for x.slots[i] != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = s
}
