package vault

import "sync"

// shards is how many parts a cache has, each with its own lock. A key is already random, so its first byte chooses the part.
const shards = 64

// shard is one part of a cache with two generations of entries: when the young one is full, it becomes the old one, and the old one is dropped.
// It holds at most 2*half entries, and no pointers where K and V hold none.
type shard[V any] struct {
	mu         sync.Mutex
	young, old map[[16]byte]V
	half       int
	// version changes whenever something that a store might still have told leaves the shard, so that who asked the store before asks again.
	version uint64
}

func (s *shard[V]) get(k [16]byte) (V, bool) {
	if v, ok := s.young[k]; ok {
		return v, true
	}
	v, ok := s.old[k]
	if ok {
		s.put(k, v)
	}
	return v, ok
}

func (s *shard[V]) put(k [16]byte, v V) {
	if len(s.young) >= s.half {
		s.young, s.old = nil, s.young
	}
	if s.young == nil {
		s.young = make(map[[16]byte]V)
	}
	s.young[k] = v
}

func (s *shard[V]) drop(k [16]byte) {
	delete(s.young, k)
	delete(s.old, k)
	s.version++
}
