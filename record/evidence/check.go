package evidence

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"vedette"
	"vedette/record/journal"
)

// Report is what Check found.
type Report struct {
	Checkpoint Checkpoint  `json:"checkpoint"` // over which leaves it was checked
	Signed     bool        `json:"signed"`     // the checkpoint's signature is good; false also when no key was known to check it with
	Anchored   Checkpoint  `json:"anchored"`   // the last checkpoint that the shelf knows, of which the tree is the continuation when Places says nothing else
	Records    uint64      `json:"records"`    // bodies that fit their leaves
	Erased     uint64      `json:"erased"`     // fields of them whose values were erased
	Seals      uint64      `json:"seals"`
	Sealed     uint64      `json:"sealed"`     // entries of the journal under seals
	Unproved   uint64      `json:"unproved"`   // seals whose leaves were forgotten with the journal's entries
	Unfinished []uint64    `json:"unfinished"` // bodies without a leaf that were found and forgotten when the log was opened; never acknowledged
	Places     []Misplaced `json:"places"`     // what does not fit, by index
}

// Misplaced is one thing that does not fit.
type Misplaced struct {
	Index uint64 `json:"index"` // of the leaf; of the tree's size when it is about the whole
	What  string `json:"what"`
}

// Good tells whether everything fits and the checkpoint is signed.
func (r *Report) Good() bool { return r.Signed && len(r.Places) == 0 }

func (r *Report) misplaced(index uint64, format string, args ...any) {
	r.Places = append(r.Places, Misplaced{index, fmt.Sprintf(format, args...)})
}

// Check reads everything again: that the leaves make the root that is signed, and every tile, that each leaf's proof leads there, that the tree continues the last one
// known, that each body is what its leaf commits to, and that seals follow one another without a gap and have the leaves that make their roots. Its
// error is about reading; what does not fit is in the report.
func (l *Log) Check(ctx context.Context) (Report, error) {
	l.mu.Lock()
	r := Report{Unfinished: slices.Clone(l.left)}
	l.mu.Unlock()
	text, err := l.tree.Checkpoint(ctx)
	if err != nil {
		return r, err
	}
	cp, err := ReadCheckpoint(text)
	if err != nil {
		r.misplaced(0, "%v", err)
		return r, nil
	}
	r.Checkpoint = cp
	if l.verifier == nil {
		r.misplaced(cp.Size, "no key to check the checkpoint's signature with")
	} else if _, err := l.readCheckpoint(text); err != nil {
		r.misplaced(cp.Size, "%v", err)
	} else {
		r.Signed = true
	}
	if err := l.checkAnchor(ctx, &r); err != nil {
		return r, err
	}
	if err := l.checkLeaves(ctx, &r); err != nil {
		return r, err
	}
	slices.SortStableFunc(r.Places, func(a, b Misplaced) int { return cmp.Compare(a.Index, b.Index) })
	return r, nil
}

func (l *Log) checkAnchor(ctx context.Context, r *Report) error {
	mark, known, err := l.shelf.Placed(ctx)
	if err != nil || known == nil {
		return err
	}
	anchor, err := l.readCheckpoint(known)
	if err != nil {
		r.misplaced(mark, "the last known checkpoint: %v", err)
		return nil
	}
	r.Anchored = anchor
	if mark != anchor.Size {
		r.misplaced(mark, "the mark is at %d, its checkpoint over %d leaves", mark, anchor.Size)
	}
	if anchor.Size > r.Checkpoint.Size { // it grew between the two readings, or it lost leaves
		text, err := l.tree.Checkpoint(ctx)
		if err != nil {
			return err
		}
		now, err := ReadCheckpoint(text)
		if err != nil || now.Size < anchor.Size {
			for i := r.Checkpoint.Size; i < anchor.Size; i++ {
				r.misplaced(i, "the leaf is gone: the tree has %d leaves, and had %d", r.Checkpoint.Size, anchor.Size)
			}
			return nil
		}
		r.Checkpoint = now
	}
	proof, err := l.tree.Consistency(ctx, anchor.Size, r.Checkpoint.Size)
	if err == nil {
		err = CheckConsistency(anchor, r.Checkpoint, proof)
	}
	if err != nil && ctx.Err() == nil {
		r.misplaced(r.Checkpoint.Size, "%v", err)
		return nil
	}
	return err
}

func (l *Log) checkLeaves(ctx context.Context, r *Report) error {
	cp := r.Checkpoint
	var roll roller
	tiled, _ := l.tree.(Tiled)
	tile := tiler{tree: tiled, report: r, off: tiled == nil}
	chain := map[uint16]journal.Position{}
	check := func(i uint64, b *Body) error {
		leaf, err := l.tree.Leaf(ctx, i)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			r.misplaced(i, "the leaf cannot be read: %v", err)
			roll.broken, tile.off = true, true
			return nil
		}
		h := leafHash(leaf)
		roll.add(h)
		if err := tile.add(ctx, h); err != nil {
			return err
		}
		path, err := l.tree.Inclusion(ctx, i, cp.Size)
		if err == nil {
			err = CheckInclusion(h, i, cp.Size, path, cp.Root)
		}
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			r.misplaced(i, "the leaf's proof: %v", err)
		}
		if b == nil {
			r.misplaced(i, "the leaf has no body")
			return nil
		}
		if !bytes.Equal(leaf, b.Leaf()) {
			r.misplaced(i, "the body is not what the leaf commits to")
			return nil
		}
		k, err := b.kept()
		if err != nil {
			r.misplaced(i, "the body: %v", err)
			return nil
		}
		r.Records++
		r.Erased += uint64(len(k.Erased))
		if k.Kind == KindSeal || b.Sealed != nil {
			return l.checkSeal(ctx, r, chain, &k, b.Sealed)
		}
		return nil
	}
	next := uint64(0)
	for b, err := range l.shelf.Bodies(ctx, 0) {
		if err != nil {
			return err
		}
		if b.Index >= cp.Size {
			break // not yet under this checkpoint; what is lost is named by the anchor
		}
		for ; next < b.Index; next++ {
			if err := check(next, nil); err != nil {
				return err
			}
		}
		next++
		if err := check(b.Index, &b); err != nil {
			return err
		}
	}
	for ; next < cp.Size; next++ {
		if err := check(next, nil); err != nil {
			return err
		}
	}
	if err := tile.end(ctx); err != nil {
		return err
	}
	if !roll.broken && roll.root() != cp.Root {
		r.misplaced(cp.Size, "the leaves do not make the root that is signed")
	}
	return nil
}

func (l *Log) checkSeal(ctx context.Context, r *Report, chain map[uint16]journal.Position, k *Kept, s *Sealed) error {
	r.Seals++
	if s == nil {
		r.misplaced(k.Index, "the seal's leaves are not on the shelf")
		return nil
	}
	rng, after, err := readSeal(&k.Record)
	if err != nil {
		r.misplaced(k.Index, "%v", err)
		return nil
	}
	r.Sealed += rng.Count
	if rng.Partition != s.Partition || rng.From != s.From || rng.To != s.To {
		r.misplaced(k.Index, "the seal is over %s to %s of partition %d, the shelf says %s to %s of %d", rng.From, rng.To, rng.Partition, s.From, s.To, s.Partition)
	}
	if was := chain[rng.Partition]; after != was {
		r.misplaced(k.Index, "the seal follows %s of partition %d, the one before it ends at %s", after, rng.Partition, was)
	}
	chain[rng.Partition] = rng.To
	full, err := l.shelf.SealAt(ctx, k.Index)
	if errors.Is(err, vedette.ErrUnknown) {
		r.misplaced(k.Index, "the seal's leaves are not on the shelf")
		return nil
	}
	if err != nil {
		return err
	}
	if full.Leaves == nil {
		r.Unproved++
		return nil
	}
	var roll roller
	for _, h := range full.Leaves {
		roll.add(h)
	}
	if uint64(len(full.Leaves)) != rng.Count || roll.root() != rng.Root {
		r.misplaced(k.Index, "the seal's leaves do not make its root")
	}
	return nil
}

// roller computes a Merkle tree hash (RFC 6962 §2.1) leaf by leaf, with one hash kept for each level.
type roller struct {
	n      uint64
	stack  []vedette.Digest // roots of full trees, largest first
	broken bool             // a leaf could not be read
}

func (r *roller) add(h vedette.Digest) {
	for n := r.n; n&1 == 1; n >>= 1 {
		h = node(r.stack[len(r.stack)-1], h)
		r.stack = r.stack[:len(r.stack)-1]
	}
	r.stack = append(r.stack, h)
	r.n++
}

func (r *roller) root() vedette.Digest {
	if len(r.stack) == 0 {
		return emptyRoot
	}
	h := r.stack[len(r.stack)-1]
	for i := len(r.stack) - 2; i >= 0; i-- {
		h = node(r.stack[i], h)
	}
	return h
}

var emptyRoot = vedette.Digest(sha256.Sum256(nil))

func node(l, r vedette.Digest) vedette.Digest {
	return vedette.Digest(tlog.NodeHash(tlog.Hash(l), tlog.Hash(r)))
}
