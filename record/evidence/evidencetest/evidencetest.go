// Package evidencetest holds trees and shelves of the evidence log against their promises.
//
// In:     a function that opens an empty one, and one that opens it again after a restart.
// Out:    test failures; a tree that fails when it is told to.
// Keeps:  nothing.
// Fails:  through testing.T only.
// Source: record/evidence
package evidencetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"vedette"
	"vedette/record/evidence"
	"vedette/record/journal"
)

// Origin is the name of logs in tests.
const Origin = "vedette.example/log"

// Start is the time of records in tests.
var Start = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

// Keys returns the key pair of logs in tests.
func Keys() (note.Signer, note.Verifier) { return evidence.NewSigner(Origin, [32]byte{1, 2, 3}) }

// Now is a clock that stands still.
func Now() time.Time { return Start }

// RunTree holds a tree against the promises. open returns an empty tree, signed with Keys, and a function that closes it and gives the same tree
// after a restart (nil: it does not outlive the process).
func RunTree(t *testing.T, open func(t *testing.T) (evidence.Tree, func() evidence.Tree)) {
	_, verifier := Keys()
	checkpoint := func(t *testing.T, tree evidence.Tree) evidence.Checkpoint {
		t.Helper()
		b, err := tree.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, err := evidence.OpenCheckpoint(b, verifier)
		if err != nil {
			t.Fatalf("%v in %q", err, b)
		}
		return c
	}
	// same compares a tree with a reference that shares no code with it: the standard tools' own hashing.
	same := func(t *testing.T, tree evidence.Tree, leaves [][]byte) {
		t.Helper()
		c := checkpoint(t, tree)
		size, err := tree.Size(t.Context())
		if err != nil || size != uint64(len(leaves)) || c.Size != size || c.Origin != Origin {
			t.Fatalf("Size() = %d, %v and checkpoint %+v, want %d", size, err, c, len(leaves))
		}
		if want := rootOf(leaves); c.Root != want {
			t.Fatalf("root %s, want %s", c.Root, want)
		}
		for i, want := range leaves {
			got, err := tree.Leaf(t.Context(), uint64(i))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("Leaf(%d) = %q, %v; want %q", i, got, err, want)
			}
		}
		if _, err := tree.Leaf(t.Context(), size); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Leaf(%d) of %d = %v, want unknown", size, size, err)
		}
	}
	t.Run("an empty tree has a signed checkpoint", func(t *testing.T) {
		tree, again := open(t)
		same(t, tree, nil)
		if again != nil {
			same(t, again(), nil)
		}
	})
	t.Run("leaves stand where they were put, each proof leads to the root, and each tree begins the next", func(t *testing.T) {
		tree, again := open(t)
		var leaves [][]byte
		var was []evidence.Checkpoint
		for _, n := range []int{1, 2, 1, 7, 250, 3} { // over the edge of a tile
			var more [][]byte
			for range n {
				more = append(more, fmt.Appendf(nil, "leaf %d", len(leaves)+len(more)))
			}
			first, err := tree.Append(t.Context(), more)
			if err != nil || first != uint64(len(leaves)) {
				t.Fatalf("Append(%d leaves) = %d, %v; want %d", n, first, err, len(leaves))
			}
			leaves = append(leaves, more...)
			was = append(was, checkpoint(t, tree))
		}
		for round := range 2 {
			same(t, tree, leaves)
			for _, size := range []uint64{1, 3, 5, 11, 256, 257, uint64(len(leaves))} { // also of trees that had no checkpoint
				root := rootOf(leaves[:size])
				for i := range size {
					path, err := tree.Inclusion(t.Context(), i, size)
					if err == nil {
						err = evidence.CheckInclusion(vedette.Digest(tlog.RecordHash(leaves[i])), i, size, path, root)
					}
					if err != nil {
						t.Fatalf("Inclusion(%d, %d): %v", i, size, err)
					}
				}
			}
			for _, from := range was {
				for _, to := range was {
					proof, err := tree.Consistency(t.Context(), from.Size, to.Size)
					if from.Size > to.Size {
						if !errors.Is(err, vedette.ErrUnknown) {
							t.Errorf("Consistency(%d, %d) = %v, want unknown", from.Size, to.Size, err)
						}
						continue
					}
					if err == nil {
						err = evidence.CheckConsistency(from, to, proof)
					}
					if err != nil {
						t.Fatalf("Consistency(%d, %d): %v", from.Size, to.Size, err)
					}
				}
			}
			if again == nil {
				break
			}
			if round == 0 {
				tree = again()
			}
		}
		size := uint64(len(leaves))
		if _, err := tree.Inclusion(t.Context(), size, size); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Inclusion behind the end = %v, want unknown", err)
		}
		if _, err := tree.Inclusion(t.Context(), 0, size+1); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Inclusion in a larger tree = %v, want unknown", err)
		}
		if p, err := tree.Consistency(t.Context(), 0, size); err != nil || len(p) != 0 {
			t.Errorf("Consistency(0, %d) = %d hashes, %v; want none", size, len(p), err)
		}
	})
	t.Run("appends at the same time stand each in one piece", func(t *testing.T) {
		tree, _ := open(t)
		var wg sync.WaitGroup
		var mu sync.Mutex
		at := map[uint64]string{}
		for w := range 20 {
			wg.Go(func() {
				n := w%3 + 1
				var leaves [][]byte
				for i := range n {
					leaves = append(leaves, fmt.Appendf(nil, "%d/%d", w, i))
				}
				first, err := tree.Append(t.Context(), leaves)
				if err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for i := range n {
					at[first+uint64(i)] = string(leaves[i])
				}
			})
		}
		wg.Wait()
		var leaves [][]byte
		for i := range uint64(len(at)) {
			leaves = append(leaves, []byte(at[i]))
		}
		same(t, tree, leaves)
	})
	t.Run("what is no leaf is refused, and a closed tree does nothing", func(t *testing.T) {
		tree, _ := open(t)
		for _, bad := range [][]byte{nil, {}, make([]byte, 65536)} {
			if _, err := tree.Append(t.Context(), [][]byte{[]byte("good"), bad}); !errors.Is(err, vedette.ErrInvalid) {
				t.Errorf("Append of %d bytes = %v, want invalid", len(bad), err)
			}
		}
		if _, err := tree.Append(t.Context(), [][]byte{make([]byte, 65535)}); err != nil {
			t.Errorf("Append of 65535 bytes = %v", err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := tree.Append(ended, [][]byte{[]byte("late")}); err == nil {
			t.Error("Append after its time: done")
		}
		same(t, tree, [][]byte{make([]byte, 65535)})
		for range 2 {
			if err := tree.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := tree.Append(t.Context(), [][]byte{[]byte("late")}); !errors.Is(err, evidence.ErrClosed) {
			t.Errorf("Append after Close = %v", err)
		}
		if _, err := tree.Checkpoint(t.Context()); !errors.Is(err, evidence.ErrClosed) {
			t.Errorf("Checkpoint after Close = %v", err)
		}
	})
}

// rootOf is the Merkle tree hash of leaves, by the definition of RFC 6962 §2.1.
func rootOf(leaves [][]byte) vedette.Digest {
	var hash func(l []tlog.Hash) tlog.Hash
	hash = func(l []tlog.Hash) tlog.Hash {
		if len(l) == 1 {
			return l[0]
		}
		k := 1
		for k*2 < len(l) {
			k *= 2
		}
		return tlog.NodeHash(hash(l[:k]), hash(l[k:]))
	}
	if len(leaves) == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return vedette.Digest(h)
	}
	l := make([]tlog.Hash, len(leaves))
	for i := range leaves {
		l[i] = tlog.RecordHash(leaves[i])
	}
	return vedette.Digest(hash(l))
}

// MakeBody makes a body with fields named a, b, … after the particulars; the value of the first is empty.
func MakeBody(index uint64, fields int) evidence.Body {
	b := evidence.Body{Index: index}
	names := []string{evidence.NameAt, evidence.NameKind, evidence.NameTenant}
	for i := range fields {
		names = append(names, string(rune('a'+i)))
	}
	for i, name := range names {
		value := make([]byte, 0, 8)
		for range max(0, i-3) * 3 {
			value = append(value, byte(index), byte(i))
		}
		b.Parts = append(b.Parts, evidence.Part{Name: name, Salt: bytes.Repeat([]byte{byte(index), byte(i)}, 16), Value: value})
	}
	return b
}

func sealBody(index uint64, partition uint16, from, to journal.Position, leaves int) evidence.Body {
	b := MakeBody(index, 1)
	b.Sealed = &evidence.Sealed{Index: index, Partition: partition, From: from, To: to}
	for i := range leaves {
		b.Sealed.Leaves = append(b.Sealed.Leaves, vedette.Digest{byte(index), byte(i)})
	}
	return b
}

// RunShelf holds a shelf against the promises. open returns an empty shelf and a function that closes it and gives the same shelf after a restart
// (nil: it does not outlive the process).
func RunShelf(t *testing.T, open func(t *testing.T) (evidence.Shelf, func() evidence.Shelf)) {
	holds := func(t *testing.T, s evidence.Shelf, want ...evidence.Body) {
		t.Helper()
		var got []evidence.Body
		for b, err := range s.Bodies(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			one, err := s.Body(t.Context(), b.Index)
			if err != nil || !reflect.DeepEqual(one, b) {
				t.Fatalf("Body(%d) = %+v, %v; Bodies says %+v", b.Index, one, err, b)
			}
			got = append(got, b)
		}
		want = slices.Clone(want)
		for i := range want {
			if q := want[i].Sealed; q != nil {
				c := *q
				c.Leaves = nil
				want[i].Sealed = &c
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("the shelf holds\n%+v, want\n%+v", got, want)
		}
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("an empty shelf has no mark and no bodies", func(t *testing.T) {
		s, _ := open(t)
		holds(t, s)
		if size, cp, err := s.Placed(t.Context()); size != 0 || cp != nil || err != nil {
			t.Errorf("Placed() = %d, %q, %v", size, cp, err)
		}
		if _, err := s.Body(t.Context(), 0); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Body(0) = %v, want unknown", err)
		}
		if _, ok, err := s.LastSeal(t.Context(), 0); ok || err != nil {
			t.Errorf("LastSeal = %t, %v", ok, err)
		}
	})
	t.Run("bodies behind the mark are replaced, bodies in front of it stay", func(t *testing.T) {
		s, again := open(t)
		a, b, c, d := MakeBody(0, 2), MakeBody(1, 0), MakeBody(2, 3), MakeBody(5, 1)
		must(t, s.Put(t.Context(), 0, []evidence.Body{a, b, c}))
		holds(t, s, a, b, c)
		must(t, s.Put(t.Context(), 1, []evidence.Body{d}))
		holds(t, s, a, d)
		must(t, s.Put(t.Context(), 1, []evidence.Body{b, c}))
		must(t, s.Place(t.Context(), 2, []byte("checkpoint")))
		for _, err := range []error{s.Put(t.Context(), 1, nil), s.Place(t.Context(), 1, []byte("older"))} {
			if !errors.Is(err, vedette.ErrConflict) {
				t.Errorf("in front of the mark: %v, want a conflict", err)
			}
		}
		must(t, s.Place(t.Context(), 2, []byte("checkpoint 2")))
		must(t, s.Put(t.Context(), 2, nil))
		holds(t, s, a, b)
		if again != nil {
			s = again()
			holds(t, s, a, b)
		}
		if size, cp, err := s.Placed(t.Context()); size != 2 || string(cp) != "checkpoint 2" || err != nil {
			t.Errorf("Placed() = %d, %q, %v", size, cp, err)
		}
		bad := MakeBody(3, 1)
		bad.Parts[0].Salt = bad.Parts[0].Salt[:31]
		for _, bodies := range [][]evidence.Body{{MakeBody(1, 1)}, {MakeBody(3, 1), MakeBody(3, 1)}, {bad}} {
			if err := s.Put(t.Context(), 2, bodies); !errors.Is(err, vedette.ErrInvalid) {
				t.Errorf("Put of what is out of order: %v, want invalid", err)
			}
		}
		holds(t, s, a, b)
	})
	t.Run("many bodies are read in order", func(t *testing.T) {
		s, _ := open(t)
		var want []evidence.Body
		for i := range 300 {
			want = append(want, MakeBody(uint64(i*2), i%3))
		}
		must(t, s.Put(t.Context(), 0, want))
		holds(t, s, want...)
		n := 0
		for b, err := range s.Bodies(t.Context(), 401) {
			if must(t, err); b.Index != uint64(402+2*n) {
				t.Fatalf("body %d, want %d", b.Index, 402+2*n)
			}
			if n++; n == 3 {
				break
			}
		}
	})
	t.Run("an erased value is gone, its digest stays, and the leaf is the same", func(t *testing.T) {
		s, again := open(t)
		b := MakeBody(0, 4)
		leaf := b.Leaf()
		must(t, s.Put(t.Context(), 0, []evidence.Body{b, MakeBody(1, 2)}))
		must(t, s.Place(t.Context(), 2, []byte("checkpoint")))
		if err := s.Erase(t.Context(), 0, "b", "nothing"); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Erase of a part that is not there: %v, want unknown", err)
		}
		if err := s.Erase(t.Context(), 7, "b"); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("Erase of a body that is not there: %v, want unknown", err)
		}
		holds(t, s, b, MakeBody(1, 2))
		for range 2 {
			must(t, s.Erase(t.Context(), 0, "a", "c"))
		}
		for i := range b.Parts {
			if p := &b.Parts[i]; p.Name == "a" || p.Name == "c" {
				p.Digest, p.Salt, p.Value = p.Commit(), nil, nil
			}
		}
		holds(t, s, b, MakeBody(1, 2))
		if again != nil {
			s = again()
			holds(t, s, b, MakeBody(1, 2))
		}
		got, err := s.Body(t.Context(), 0)
		if err != nil || !bytes.Equal(got.Leaf(), leaf) {
			t.Errorf("the leaf is %x, %v; want %x", got.Leaf(), err, leaf)
		}
	})
	t.Run("seals are found by position once they are placed, and forget their leaves", func(t *testing.T) {
		s, again := open(t)
		at := func(frame uint64, index uint16) journal.Position { return journal.Position{Frame: frame, Index: index} }
		one, two := sealBody(0, 1, at(1, 0), at(4, 2), 5), sealBody(1, 1, at(4, 3), at(9, 0), 7)
		other, later := sealBody(2, 2, at(1, 0), at(100, 0), 1), sealBody(4, 1, at(9, 1), at(10, 0), 2)
		must(t, s.Put(t.Context(), 0, []evidence.Body{one, two, other, MakeBody(3, 1), later}))
		if _, ok, err := s.LastSeal(t.Context(), 1); ok || err != nil {
			t.Errorf("LastSeal in front of nothing = %t, %v", ok, err)
		}
		must(t, s.Place(t.Context(), 4, []byte("checkpoint")))
		for round := range 2 {
			if got, ok, err := s.LastSeal(t.Context(), 1); !ok || err != nil || got.Index != 1 || got.To != at(9, 0) || got.From != at(4, 3) || got.Leaves != nil {
				t.Errorf("LastSeal = %+v, %t, %v", got, ok, err)
			}
			for p, want := range map[journal.Position]*evidence.Sealed{
				at(1, 0): one.Sealed, at(2, 77): one.Sealed, at(4, 2): one.Sealed, at(4, 3): two.Sealed, at(9, 0): two.Sealed, at(9, 1): nil, {}: nil, at(20, 0): nil,
			} {
				got, err := s.SealOf(t.Context(), 1, p)
				if want == nil {
					if !errors.Is(err, vedette.ErrUnknown) {
						t.Errorf("SealOf(%s) = %+v, %v; want unknown", p, got, err)
					}
					continue
				}
				if err != nil || !reflect.DeepEqual(got, *want) {
					t.Errorf("SealOf(%s) = %+v, %v; want %+v", p, got, err, want)
				}
			}
			if got, err := s.SealAt(t.Context(), 4); err != nil || !reflect.DeepEqual(got, *later.Sealed) {
				t.Errorf("SealAt(4) = %+v, %v", got, err)
			}
			if _, err := s.SealAt(t.Context(), 3); !errors.Is(err, vedette.ErrUnknown) {
				t.Errorf("SealAt of what is no seal = %v", err)
			}
			if again == nil {
				break
			}
			if round == 0 {
				s = again()
			}
		}
		must(t, s.Trim(t.Context(), 1, 9))
		if got, err := s.SealOf(t.Context(), 1, at(2, 0)); err != nil || got.Leaves != nil || got.To != at(4, 2) {
			t.Errorf("SealOf a trimmed seal = %+v, %v", got, err)
		}
		if got, err := s.SealOf(t.Context(), 1, at(5, 0)); err != nil || len(got.Leaves) != 7 {
			t.Errorf("SealOf a seal that is not trimmed = %+v, %v", got, err)
		}
		if got, err := s.SealOf(t.Context(), 2, at(5, 0)); err != nil || len(got.Leaves) != 1 {
			t.Errorf("SealOf another partition's seal = %+v, %v", got, err)
		}
	})
}

// ErrMade is the error of what was told to fail.
var ErrMade = fmt.Errorf("evidencetest: made to fail: %w", vedette.ErrUnavailable)

// Tree is a tree that fails when it is told to.
type Tree struct {
	evidence.Tree

	mu     sync.Mutex
	before int // appends that fail and do nothing
	after  int // appends that fail and stand all the same
	half   int // appends of which all but the first leaf stand, and that fail
	blind  int // Sizes that fail
}

// Verifier returns the inner tree's.
func (t *Tree) Verifier() note.Verifier {
	if v, ok := t.Tree.(interface{ Verifier() note.Verifier }); ok {
		return v.Verifier()
	}
	return nil
}

// Fail sets how many of the next appends fail before and after they stand, and how many with a part of them, in this order, and how many Sizes fail.
func (t *Tree) Fail(before, after, half, blind int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.before, t.after, t.half, t.blind = before, after, half, blind
}

func (t *Tree) take(n *int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if *n == 0 {
		return false
	}
	*n--
	return true
}

// Append implements evidence.Tree.
func (t *Tree) Append(ctx context.Context, leaves [][]byte) (uint64, error) {
	switch {
	case t.take(&t.before):
		return 0, ErrMade
	case t.take(&t.after):
		_, err := t.Tree.Append(ctx, leaves)
		return 0, errors.Join(ErrMade, err)
	case t.take(&t.half):
		if len(leaves) > 1 {
			if _, err := t.Tree.Append(ctx, leaves[1:]); err != nil {
				return 0, err
			}
		}
		return 0, ErrMade
	}
	return t.Tree.Append(ctx, leaves)
}

// Size implements evidence.Tree.
func (t *Tree) Size(ctx context.Context) (uint64, error) {
	if t.take(&t.blind) {
		return 0, ErrMade
	}
	return t.Tree.Size(ctx)
}

// Grown is a tree of n leaves, each a word and its number, under the key of Keys, and its checkpoint.
func Grown(t testing.TB, word string, n int) (*evidence.MemoryTree, []byte) {
	t.Helper()
	signer, _ := Keys()
	tree := evidence.NewMemoryTree(signer)
	for i := range n {
		if _, err := tree.Append(t.Context(), [][]byte{fmt.Appendf(nil, "%s %d", word, i)}); err != nil {
			t.Fatal(err)
		}
	}
	cp, err := tree.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tree, cp
}
