package evidence

import (
	"bytes"
	"context"

	"vedette"
)

// Tiled is a Tree that keeps its hashes in tiles (C2SP tlog-tiles), which others read as they lie.
type Tiled interface {
	Tree
	// Tile returns the hashes of a tile, 32 bytes each: those of level 0 are of leaves, one of a higher level is of 256 of the level below. Width is
	// how many there are, 1 to 256.
	Tile(ctx context.Context, level, index uint64, width int) ([]byte, error)
}

const tileWidth = 256

// tiler computes every tile again from the leaves' hashes, with one tile kept for each level, and compares.
type tiler struct {
	tree   Tiled
	report *Report
	levels []tileLevel
	off    bool // a leaf could not be read: nothing behind it can be computed
}

type tileLevel struct {
	index  uint64
	hashes []vedette.Digest
}

func (t *tiler) add(ctx context.Context, h vedette.Digest) error { return t.put(ctx, 0, h) }

func (t *tiler) put(ctx context.Context, level int, h vedette.Digest) error {
	if t.off {
		return nil
	}
	if level == len(t.levels) {
		t.levels = append(t.levels, tileLevel{})
	}
	l := &t.levels[level]
	if l.hashes = append(l.hashes, h); len(l.hashes) < tileWidth {
		return nil
	}
	var roll roller
	for _, h := range l.hashes {
		roll.add(h)
	}
	err := t.compare(ctx, level)
	l = &t.levels[level]
	l.index, l.hashes = l.index+1, l.hashes[:0]
	if err != nil {
		return err
	}
	return t.put(ctx, level+1, roll.root())
}

// end compares the tiles at the edge, which are not full.
func (t *tiler) end(ctx context.Context) error {
	for level := range t.levels {
		if len(t.levels[level].hashes) == 0 || t.off {
			continue
		}
		if err := t.compare(ctx, level); err != nil {
			return err
		}
	}
	return nil
}

func (t *tiler) compare(ctx context.Context, level int) error {
	l := &t.levels[level]
	under := uint64(1) << (8 * level) // leaves under one hash
	first := l.index * tileWidth * under
	b, err := t.tree.Tile(ctx, uint64(level), l.index, len(l.hashes))
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		t.report.misplaced(first, "tile %d of level %d cannot be read: %v", l.index, level, err)
		return nil
	}
	if len(b) != 32*len(l.hashes) {
		t.report.misplaced(first, "tile %d of level %d has %d bytes, not %d hashes", l.index, level, len(b), len(l.hashes))
		return nil
	}
	for i, h := range l.hashes {
		if !bytes.Equal(b[32*i:32*i+32], h[:]) {
			t.report.misplaced(first+uint64(i)*under, "tile %d of level %d: hash %d is not that of the leaves", l.index, level, i)
		}
	}
	return nil
}
