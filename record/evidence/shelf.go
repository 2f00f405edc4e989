package evidence

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"vedette"
	"vedette/record/journal"
)

// Shelf keeps the bodies: what the leaves commit to. Bodies in front of the mark are placed: their leaves stand under a signed checkpoint, and
// they change by erasure alone. Bodies from the mark on were put down before their leaves were appended; a crash may leave some.
// Errors wrap vedette.ErrUnavailable where a method says nothing else.
type Shelf interface {
	// Put forgets all bodies from an index on and keeps these, in one step, durable when it returns. Their indexes ascend from that index on.
	// Its error wraps vedette.ErrConflict when the index is in front of the mark.
	Put(ctx context.Context, from uint64, bodies []Body) error
	// Place moves the mark, together with the checkpoint that covers what is in front of it, durable when it returns. Its error wraps
	// vedette.ErrConflict when the mark would go back.
	Place(ctx context.Context, size uint64, checkpoint []byte) error
	// Placed returns the mark and its checkpoint; 0 and nothing at first.
	Placed(ctx context.Context) (size uint64, checkpoint []byte, err error)
	// Body returns one body, its seal without leaves. Its error wraps vedette.ErrUnknown when there is none.
	Body(ctx context.Context, index uint64) (Body, error)
	// Bodies yields bodies in order of their index, from one on, their seals without leaves, to the last one there was when it began.
	Bodies(ctx context.Context, from uint64) iter.Seq2[Body, error]
	// Erase takes value and salt of parts away and leaves their digests, durable when it returns, and so that no copy is left in its files.
	// What is erased already stays so. Its error wraps vedette.ErrUnknown when the body or a part is not there; then nothing was erased.
	Erase(ctx context.Context, index uint64, names ...string) error

	// LastSeal returns the placed seal of a partition that reaches furthest, without its leaves. False: there is none.
	LastSeal(ctx context.Context, partition uint16) (Sealed, bool, error)
	// SealOf returns the placed seal in whose range a position is, with its leaves. Its error wraps vedette.ErrUnknown when there is none.
	SealOf(ctx context.Context, partition uint16, at journal.Position) (Sealed, error)
	// SealAt returns the seal of an index with its leaves. Its error wraps vedette.ErrUnknown when there is none.
	SealAt(ctx context.Context, index uint64) (Sealed, error)
	// Trim forgets the leaves of placed seals of a partition that end in a frame before the given one. The seals themselves stay.
	Trim(ctx context.Context, partition uint16, before uint64) error
}

// Sealed is a seal and the leaf of the log that holds it.
type Sealed struct {
	Index     uint64
	Partition uint16
	From, To  journal.Position
	Leaves    []vedette.Digest // of its entries, in order; nil where they were not asked for or were forgotten
}

// Seal makes the seal again from its leaves.
func (s *Sealed) Seal() *journal.Seal {
	return &journal.Seal{Partition: s.Partition, From: s.From, To: s.To, Leaves: s.Leaves}
}

// CheckPut refuses bodies that no shelf takes.
func CheckPut(from uint64, bodies []Body) error {
	for i := range bodies {
		b := &bodies[i]
		if b.Index < from || i > 0 && b.Index <= bodies[i-1].Index {
			return fmt.Errorf("evidence: body %d out of order: %w", b.Index, vedette.ErrInvalid)
		}
		for _, p := range b.Parts {
			if p.Erased() != (p.Value == nil) || !p.Erased() && len(p.Salt) != 32 {
				return fmt.Errorf("evidence: body %d: part %.50q with a salt of %d bytes: %w", b.Index, p.Name, len(p.Salt), vedette.ErrInvalid)
			}
		}
	}
	return nil
}

// MemoryShelf is a Shelf that lives as long as the process.
type MemoryShelf struct {
	mu         sync.Mutex
	bodies     map[uint64]Body
	mark       uint64
	checkpoint []byte
}

// NewMemoryShelf returns an empty shelf.
func NewMemoryShelf() *MemoryShelf { return &MemoryShelf{bodies: map[uint64]Body{}} }

func cloneBody(b Body, leaves bool) Body {
	b.Parts = slices.Clone(b.Parts)
	for i := range b.Parts {
		p := &b.Parts[i]
		p.Salt, p.Value = slices.Clone(p.Salt), slices.Clone(p.Value)
	}
	if b.Sealed != nil {
		s := *b.Sealed
		s.Index = b.Index
		if s.Leaves = slices.Clone(s.Leaves); !leaves {
			s.Leaves = nil
		}
		b.Sealed = &s
	}
	return b
}

// Put implements Shelf.
func (m *MemoryShelf) Put(_ context.Context, from uint64, bodies []Body) error {
	if err := CheckPut(from, bodies); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if from < m.mark {
		return fmt.Errorf("evidence: put at %d, in front of the mark at %d: %w", from, m.mark, vedette.ErrConflict)
	}
	maps.DeleteFunc(m.bodies, func(i uint64, _ Body) bool { return i >= from })
	for _, b := range bodies {
		m.bodies[b.Index] = cloneBody(b, true)
	}
	return nil
}

// Place implements Shelf.
func (m *MemoryShelf) Place(_ context.Context, size uint64, checkpoint []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if size < m.mark {
		return fmt.Errorf("evidence: the mark back from %d to %d: %w", m.mark, size, vedette.ErrConflict)
	}
	m.mark, m.checkpoint = size, slices.Clone(checkpoint)
	return nil
}

// Placed implements Shelf.
func (m *MemoryShelf) Placed(context.Context) (uint64, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mark, slices.Clone(m.checkpoint), nil
}

// Body implements Shelf.
func (m *MemoryShelf) Body(_ context.Context, index uint64) (Body, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.bodies[index]
	if !ok {
		return Body{}, fmt.Errorf("evidence: body %d: %w", index, vedette.ErrUnknown)
	}
	return cloneBody(b, false), nil
}

// Bodies implements Shelf.
func (m *MemoryShelf) Bodies(ctx context.Context, from uint64) iter.Seq2[Body, error] {
	return func(yield func(Body, error) bool) {
		m.mu.Lock()
		var at []uint64
		for i := range m.bodies {
			if i >= from {
				at = append(at, i)
			}
		}
		m.mu.Unlock()
		slices.Sort(at)
		for _, i := range at {
			if err := ctx.Err(); err != nil {
				yield(Body{}, fmt.Errorf("evidence: bodies: %w", err))
				return
			}
			b, err := m.Body(ctx, i)
			if err != nil {
				continue // it went meanwhile
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// Erase implements Shelf.
func (m *MemoryShelf) Erase(_ context.Context, index uint64, names ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.bodies[index]
	if !ok {
		return fmt.Errorf("evidence: body %d: %w", index, vedette.ErrUnknown)
	}
	b = cloneBody(b, true)
	for _, name := range names {
		i := slices.IndexFunc(b.Parts, func(p Part) bool { return p.Name == name })
		if i < 0 {
			return fmt.Errorf("evidence: body %d has no %.50q: %w", index, name, vedette.ErrUnknown)
		}
		p := &b.Parts[i]
		p.Digest = p.Commit()
		p.Salt, p.Value = nil, nil
	}
	m.bodies[index] = b
	return nil
}

// seals returns the placed seals of a partition in order of their ranges. The caller holds mu.
func (m *MemoryShelf) seals(partition uint16) []Sealed {
	var out []Sealed
	for i, b := range m.bodies {
		if i < m.mark && b.Sealed != nil && b.Sealed.Partition == partition {
			s := *b.Sealed
			s.Index = i
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Sealed) int {
		return cmp.Or(cmp.Compare(a.To.Frame, b.To.Frame), cmp.Compare(a.To.Index, b.To.Index), cmp.Compare(a.Index, b.Index))
	})
	return out
}

// LastSeal implements Shelf.
func (m *MemoryShelf) LastSeal(_ context.Context, partition uint16) (Sealed, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seals := m.seals(partition)
	if len(seals) == 0 {
		return Sealed{}, false, nil
	}
	s := seals[len(seals)-1]
	s.Leaves = nil
	return s, true, nil
}

// SealOf implements Shelf.
func (m *MemoryShelf) SealOf(_ context.Context, partition uint16, at journal.Position) (Sealed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.seals(partition) {
		if !at.Less(s.From) && !s.To.Less(at) {
			s.Leaves = slices.Clone(s.Leaves)
			return s, nil
		}
	}
	return Sealed{}, fmt.Errorf("evidence: no seal over %s of partition %d: %w", at, partition, vedette.ErrUnknown)
}

// SealAt implements Shelf.
func (m *MemoryShelf) SealAt(_ context.Context, index uint64) (Sealed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.bodies[index]
	if !ok || b.Sealed == nil {
		return Sealed{}, fmt.Errorf("evidence: no seal at %d: %w", index, vedette.ErrUnknown)
	}
	return *cloneBody(b, true).Sealed, nil
}

// Trim implements Shelf.
func (m *MemoryShelf) Trim(_ context.Context, partition uint16, before uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, b := range m.bodies {
		if s := b.Sealed; i < m.mark && s != nil && s.Partition == partition && s.To.Frame < before && s.Leaves != nil {
			b = cloneBody(b, false)
			m.bodies[i] = b
		}
	}
	return nil
}
