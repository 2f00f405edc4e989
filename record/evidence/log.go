package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"vedette"
)

// groupLimit is how many leaves share one checkpoint at most.
const groupLimit = 256

// Options are what a log needs besides its tree and its shelf.
type Options struct {
	Now      func() time.Time // of records without a time of their own, of seals and erasures. Needed
	Log      *slog.Logger     // nil logs nothing
	Verifier note.Verifier    // that checkpoints are checked with; nil: the tree's own, when it knows it
	Retired  []Retired        // keys that signed this log's checkpoints before
}

// Retired is a key that signs no more. Each next key is announced in the log under the one before, by a record of kind "key".
type Retired struct {
	note.Verifier
	Upto uint64 // leaves under its last checkpoint; what it signs beyond them is not the log's
}

// Log is the evidence log: a Book and a Reader. It is safe for concurrent use; it is the only writer of its tree and its shelf.
type Log struct {
	tree     Tree
	shelf    Shelf
	now      func() time.Time
	log      *slog.Logger
	verifier note.Verifier
	retired  []Retired

	mu      sync.Mutex // guards queue, leading, size, open, stopped, left
	queue   []*waiting
	leading bool     // somebody writes
	size    uint64   // leaves that stand, as far as is known
	open    bool     // an append failed, and it is not known what of it stands
	stopped error    // wraps ErrStopped: the log must not grow any more
	left    []uint64 // indexes of bodies whose leaves never came to stand, found when the log was opened
}

var (
	_ Book   = (*Log)(nil)
	_ Reader = (*Log)(nil)
)

// waiting is one Append until it is answered.
type waiting struct {
	bodies   []Body
	leaves   [][]byte
	receipts []Receipt
	err      error
	turn     chan bool // true: you write for all; false: answered. One is sent in its life, or two: first true, never two falses
}

// Open opens a log over its tree and its shelf and brings the two together: a body whose leaf came to stand before a crash is placed, a
// body whose leaf did not is forgotten, and said. A tree that is not what it was (shorter than its mark, or another than its last known checkpoint)
// opens for reading and Check, and refuses every Append with ErrStopped.
func Open(ctx context.Context, tree Tree, shelf Shelf, opts Options) (*Log, error) {
	if opts.Now == nil {
		return nil, fmt.Errorf("evidence: open without a clock: %w", vedette.ErrInvalid)
	}
	l := &Log{tree: tree, shelf: shelf, now: opts.Now, log: opts.Log, verifier: opts.Verifier, retired: opts.Retired}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if t, ok := tree.(interface{ Verifier() note.Verifier }); ok && l.verifier == nil {
		l.verifier = t.Verifier()
	}
	_, left, err := l.settle(ctx)
	switch {
	case errors.Is(err, ErrStopped):
		l.stopped = err
		l.log.LogAttrs(ctx, slog.LevelError, "the evidence log is not what it was and takes no more records", slog.Any("err", err))
	case err != nil:
		return nil, err
	}
	l.left = left
	return l, nil
}

// Verifier returns the key that checkpoints are checked with, or nil.
func (l *Log) Verifier() note.Verifier { return l.verifier }

// Stopped returns why the log takes no more records, or nil. The error wraps ErrStopped.
func (l *Log) Stopped() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

// Size returns how many records stand.
func (l *Log) Size() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// Append implements Book. Records of one call stand one behind the other; calls at the same time share a checkpoint. When ctx ends while the
// records are being written its error wraps ErrUnsure.
func (l *Log) Append(ctx context.Context, records ...Record) ([]Receipt, error) {
	bodies := make([]Body, len(records))
	for i := range records {
		r := records[i]
		if r.At.IsZero() {
			r.At = l.now()
		}
		b, err := newBody(&r)
		if err != nil {
			return nil, err
		}
		bodies[i] = b
	}
	if len(bodies) == 0 {
		return nil, nil
	}
	return l.append(ctx, bodies)
}

// sure returns once it is known what stands, also of an append whose outcome was not known.
func (l *Log) sure(ctx context.Context) error {
	_, err := l.append(ctx, nil)
	return err
}

func (l *Log) append(ctx context.Context, bodies []Body) ([]Receipt, error) {
	if len(bodies) > groupLimit {
		return nil, fmt.Errorf("evidence: %d records at once, at most %d: %w", len(bodies), groupLimit, vedette.ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("evidence: append: %w: %w", vedette.ErrUnavailable, err)
	}
	w := &waiting{bodies: bodies, turn: make(chan bool, 2)} // 2: whoever writes never waits for whoever left
	for i := range bodies {
		w.leaves = append(w.leaves, bodies[i].Leaf())
	}
	l.mu.Lock()
	l.queue = append(l.queue, w)
	if !l.leading {
		l.leading = true
		w.turn <- true
	}
	l.mu.Unlock()
	for {
		select {
		case write := <-w.turn:
			if !write {
				return w.receipts, w.err
			}
			l.write(context.WithoutCancel(ctx)) // others wait for it too
		case <-ctx.Done():
			if l.leave(w) {
				return nil, fmt.Errorf("evidence: append: %w: %w", vedette.ErrUnavailable, ctx.Err())
			}
			// It is being written, or this call writes: then the answer or the turn is on its way.
			if write := <-w.turn; write {
				l.write(context.WithoutCancel(ctx))
				continue
			}
			return w.receipts, w.err
		}
	}
}

// leave takes a call out of the queue, if nobody writes it yet and it is not its turn to write.
func (l *Log) leave(w *waiting) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.queue, w)
	if i < 0 || len(w.turn) > 0 {
		return false
	}
	l.queue = slices.Delete(l.queue, i, i+1)
	return true
}

// write writes one group from the head of the queue, answers it, and hands the turn on.
func (l *Log) write(ctx context.Context) {
	l.mu.Lock()
	n, leaves := 0, 0
	for n < len(l.queue) && leaves+len(l.queue[n].leaves) <= groupLimit {
		leaves += len(l.queue[n].leaves)
		n++
	}
	group := slices.Clone(l.queue[:n])
	l.queue = slices.Delete(l.queue, 0, n)
	l.mu.Unlock()

	l.commit(ctx, group)

	l.mu.Lock()
	if len(l.queue) > 0 {
		l.queue[0].turn <- true
	} else {
		l.leading = false
	}
	l.mu.Unlock()
	for _, w := range group {
		w.turn <- false
	}
}

// commit makes a group stand, or says of each call why it does not. Only the one whose turn it is calls it.
func (l *Log) commit(ctx context.Context, group []*waiting) {
	answer := func(err error) {
		for _, w := range group {
			w.err = err
		}
	}
	l.mu.Lock()
	first, unsure, stopped := l.size, l.open, l.stopped
	l.mu.Unlock()
	if stopped != nil {
		answer(stopped)
		return
	}
	if unsure {
		if _, _, err := l.settle(ctx); err != nil {
			l.stop(err)
			answer(err)
			return
		}
		first = l.Size()
	}
	var bodies []Body
	var leaves [][]byte
	for _, w := range group {
		for i := range w.bodies {
			w.bodies[i].Index = first + uint64(len(bodies))
			bodies = append(bodies, w.bodies[i])
		}
		leaves = append(leaves, w.leaves...)
	}
	if len(leaves) == 0 {
		return
	}
	// The body first: a leaf that nobody can open any more would be no evidence. A body without a leaf is found and forgotten.
	if err := l.shelf.Put(ctx, first, bodies); err != nil {
		answer(fmt.Errorf("evidence: keep what is to be recorded: %w", err))
		return
	}
	at, err := l.tree.Append(ctx, leaves)
	if err == nil && at == first {
		cp, cperr := l.tree.Checkpoint(ctx)
		if cperr == nil {
			cperr = l.shelf.Place(ctx, first+uint64(len(leaves)), cp)
		}
		l.mu.Lock()
		l.size = first + uint64(len(leaves))
		l.open = cperr != nil
		l.mu.Unlock()
		if cperr != nil { // it stands; the mark follows before the next append
			l.log.LogAttrs(ctx, slog.LevelWarn, "the mark of the evidence log could not be moved", slog.Any("err", cperr))
		}
		for _, w := range group {
			for i := range w.bodies {
				w.receipts = append(w.receipts, Receipt{Index: w.bodies[i].Index, Leaf: leafHash(w.leaves[i])})
			}
		}
		return
	}
	if err == nil {
		err = fmt.Errorf("evidence: leaf %d stands where %d was due: %w", at, first, vedette.ErrConflict)
	}
	l.mu.Lock()
	l.open = true
	l.mu.Unlock()
	where, _, serr := l.settle(ctx)
	if serr != nil {
		l.stop(serr)
		answer(fmt.Errorf("%w: %w", ErrUnsure, errors.Join(err, serr)))
		return
	}
	for _, w := range group {
		w.err = fmt.Errorf("evidence: append: %w", err)
		if !errors.Is(err, vedette.ErrInvalid) {
			w.err = fmt.Errorf("evidence: append: %w: %w", vedette.ErrUnavailable, err)
		}
		for i := range w.leaves {
			if at, ok := where[leafHash(w.leaves[i])]; ok {
				w.receipts = append(w.receipts, Receipt{Index: at, Leaf: leafHash(w.leaves[i])})
			}
		}
		switch len(w.receipts) {
		case len(w.leaves):
			w.err = nil // all of it stands: the tree's error was about something else
		case 0:
		default:
			w.err = fmt.Errorf("evidence: %d of %d records stand: %w: %w", len(w.receipts), len(w.leaves), ErrUnsure, err)
			w.receipts = nil
		}
	}
}

func (l *Log) stop(err error) {
	if errors.Is(err, ErrStopped) {
		l.mu.Lock()
		l.stopped = err
		l.mu.Unlock()
		l.log.LogAttrs(context.Background(), slog.LevelError, "the evidence log is not what it was and takes no more records", slog.Any("err", err))
	}
}

// settle brings shelf and tree together: it finds the bodies of the leaves behind the mark, forgets bodies whose leaves do not stand, and moves the
// mark to the tree's end. It returns where the newly placed leaves stand, and which bodies were forgotten. Its error wraps ErrStopped when the tree
// is not the continuation of what the mark knows.
func (l *Log) settle(ctx context.Context) (where map[vedette.Digest]uint64, left []uint64, err error) {
	size, err := l.tree.Size(ctx)
	if err != nil {
		return nil, nil, err
	}
	mark, known, err := l.shelf.Placed(ctx)
	if err != nil {
		return nil, nil, err
	}
	if size < mark {
		return nil, nil, fmt.Errorf("%w: it has %d leaves, and had %d", ErrStopped, size, mark)
	}
	cp, err := l.tree.Checkpoint(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := l.continues(ctx, known, cp, size); err != nil {
		return nil, nil, err
	}
	pending := map[vedette.Digest]Body{}
	for b, err := range l.shelf.Bodies(ctx, mark) {
		if err != nil {
			return nil, nil, err
		}
		if b.Sealed != nil {
			s, err := l.shelf.SealAt(ctx, b.Index)
			if err != nil {
				return nil, nil, err
			}
			b.Sealed = &s
		}
		pending[leafHash(b.Leaf())] = b
	}
	where = map[vedette.Digest]uint64{}
	var stand []Body
	moved := false
	var bare []uint64
	for i := mark; i < size; i++ {
		leaf, err := l.tree.Leaf(ctx, i)
		if err != nil {
			return nil, nil, err
		}
		h := leafHash(leaf)
		b, ok := pending[h]
		if !ok {
			bare = append(bare, i)
			continue
		}
		delete(pending, h)
		moved = moved || b.Index != i
		b.Index = i
		where[h] = i
		stand = append(stand, b)
	}
	for _, b := range pending {
		left = append(left, b.Index)
	}
	slices.Sort(left)
	if moved || len(left) > 0 {
		if err := l.shelf.Put(ctx, mark, stand); err != nil {
			return nil, nil, err
		}
	}
	if size > mark || known == nil {
		if err := l.shelf.Place(ctx, size, cp); err != nil {
			return nil, nil, err
		}
	}
	if len(left) > 0 {
		l.log.LogAttrs(ctx, slog.LevelWarn, "records that were never acknowledged do not stand and were forgotten", slog.Int("records", len(left)), slog.Uint64("from", left[0]))
	}
	if len(bare) > 0 {
		l.log.LogAttrs(ctx, slog.LevelError, "leaves of the evidence log have no body", slog.Int("leaves", len(bare)), slog.Uint64("from", bare[0]))
	}
	l.mu.Lock()
	l.size, l.open = size, false
	l.mu.Unlock()
	return where, left, nil
}

// continues checks that the tree is what the last known checkpoint was the beginning of.
func (l *Log) continues(ctx context.Context, known, now []byte, size uint64) error {
	to, err := l.readCheckpoint(now)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStopped, err)
	}
	if to.Size != size {
		return fmt.Errorf("%w: the checkpoint is over %d leaves of %d", ErrStopped, to.Size, size)
	}
	if known == nil {
		return nil
	}
	from, err := l.readCheckpoint(known)
	if err != nil {
		return fmt.Errorf("%w: the last known checkpoint: %w", ErrStopped, err)
	}
	if from.Size > to.Size {
		return fmt.Errorf("%w: it has %d leaves, and had %d", ErrStopped, to.Size, from.Size)
	}
	proof, err := l.tree.Consistency(ctx, from.Size, to.Size)
	if err == nil {
		err = CheckConsistency(from, to, proof)
	}
	if errors.Is(err, ErrUnfit) || errors.Is(err, vedette.ErrUnknown) {
		return fmt.Errorf("%w: %w", ErrStopped, err)
	}
	return err
}

// readCheckpoint reads a checkpoint of this log, signed by its key or, as far as that reached, by one that it had before.
func (l *Log) readCheckpoint(b []byte) (Checkpoint, error) {
	if l.verifier == nil {
		return ReadCheckpoint(b)
	}
	c, err := OpenCheckpoint(b, l.verifier)
	for _, old := range l.retired {
		if err == nil {
			break
		}
		if was, olderr := OpenCheckpoint(b, old); olderr == nil && was.Size <= old.Upto {
			return was, nil
		}
	}
	return c, err
}

// Open reads a checkpoint that somebody kept of this log. Its error wraps ErrUnfit when no key of the log signed it.
func (l *Log) Open(checkpoint []byte) (Checkpoint, error) { return l.readCheckpoint(checkpoint) }

// Read implements Reader: records that stood when it began, from an index on. A record that does not fit its leaf, or is missing, is yielded as an error
// that wraps ErrUnfit and names the index; the reading goes on behind it.
func (l *Log) Read(ctx context.Context, from uint64) iter.Seq2[Kept, error] {
	return func(yield func(Kept, error) bool) {
		size := l.Size()
		next := from
		for b, err := range l.shelf.Bodies(ctx, from) {
			if err != nil {
				yield(Kept{}, err)
				return
			}
			if b.Index >= size {
				break
			}
			for ; next < b.Index; next++ {
				if !yield(Kept{}, missing(next)) {
					return
				}
			}
			next++
			if !yield(l.fit(ctx, &b)) {
				return
			}
		}
		for ; next < size; next++ {
			if !yield(Kept{}, missing(next)) {
				return
			}
		}
	}
}

func missing(index uint64) error {
	return fmt.Errorf("%w: leaf %d has no body", ErrUnfit, index)
}

// fit reads a body that is what its leaf commits to.
func (l *Log) fit(ctx context.Context, b *Body) (Kept, error) {
	leaf, err := l.tree.Leaf(ctx, b.Index)
	if err != nil {
		return Kept{}, err
	}
	if !bytes.Equal(leaf, b.Leaf()) {
		return Kept{}, fmt.Errorf("%w: the body of leaf %d is not what the leaf commits to", ErrUnfit, b.Index)
	}
	k, err := b.kept()
	if err != nil {
		return Kept{}, fmt.Errorf("evidence: leaf %d: %w", b.Index, err)
	}
	return k, nil
}

// Get reads one record. Its error wraps vedette.ErrUnknown when it does not stand, and ErrUnfit when it is not what its leaf commits to.
func (l *Log) Get(ctx context.Context, index uint64) (Kept, error) {
	b, err := l.body(ctx, index)
	if err != nil {
		return Kept{}, err
	}
	return l.fit(ctx, &b)
}

func (l *Log) body(ctx context.Context, index uint64) (Body, error) {
	if size := l.Size(); index >= size {
		return Body{}, fmt.Errorf("evidence: record %d of %d: %w", index, size, vedette.ErrUnknown)
	}
	b, err := l.shelf.Body(ctx, index)
	if errors.Is(err, vedette.ErrUnknown) {
		return Body{}, missing(index)
	}
	return b, err
}

// Erase takes the values and salts of fields of a record away, so that nobody can say or prove any more what they were; the log goes on
// verifying. That it happens is recorded first, as a KindErasure with the index, the names and their number. What is erased already is no error and no
// record. Kind, time and tenant stay, and seals and erasures stay whole: they tell of nobody. Its error wraps vedette.ErrUnknown, ErrForbidden or ErrInvalid.
func (l *Log) Erase(ctx context.Context, index uint64, fields ...string) error {
	if len(fields) == 0 {
		return fmt.Errorf("evidence: erase %d: no fields named: %w", index, vedette.ErrInvalid)
	}
	b, err := l.body(ctx, index)
	if err != nil {
		return err
	}
	k, err := b.kept()
	if err != nil {
		return fmt.Errorf("evidence: leaf %d: %w", index, err)
	}
	if k.Kind == KindSeal || k.Kind == KindErasure {
		return fmt.Errorf("evidence: erase %d: a record of kind %s stays: %w", index, k.Kind, vedette.ErrForbidden)
	}
	names := slices.Compact(slices.Sorted(slices.Values(fields)))
	var do []string
	for _, name := range names {
		i := slices.IndexFunc(b.Parts, func(p Part) bool { return p.Name == name })
		switch {
		case !fieldName(name), i < 0:
			return fmt.Errorf("evidence: erase %d: no field %.50q: %w", index, name, vedette.ErrUnknown)
		case !b.Parts[i].Erased():
			do = append(do, name)
		}
	}
	if len(do) > 0 {
		_, err := l.Append(ctx, Record{Kind: KindErasure, At: l.now(), Tenant: k.Tenant, Fields: []Field{
			{Name: "index", Value: strconv.AppendUint(nil, index, 10)},
			{Name: "fields", Value: []byte(strings.Join(do, ","))},
			{Name: "count", Value: strconv.AppendInt(nil, int64(len(do)), 10)},
		}})
		if err != nil {
			return err
		}
	}
	return l.shelf.Erase(ctx, index, names...) // also what is erased: a copy may be left from a time when this failed
}

// Checkpoint returns the last signed checkpoint, as it is and read. Its error wraps ErrUnfit when it is not signed by the log's key.
func (l *Log) Checkpoint(ctx context.Context) ([]byte, Checkpoint, error) {
	text, err := l.tree.Checkpoint(ctx)
	if err != nil {
		return nil, Checkpoint{}, err
	}
	c, err := l.readCheckpoint(text)
	return text, c, err
}

// Consistency proves that the tree of size from is the beginning of the tree of size to.
func (l *Log) Consistency(ctx context.Context, from, to uint64) ([]vedette.Digest, error) {
	return l.tree.Consistency(ctx, from, to)
}

// Continues tells whether the log is the continuation of a checkpoint that somebody kept: signed by the log's key, and its tree the beginning of
// the present one. Its error wraps ErrUnfit when it is not.
func (l *Log) Continues(ctx context.Context, checkpoint []byte) error {
	now, err := l.tree.Checkpoint(ctx)
	if err != nil {
		return err
	}
	_, err = l.Between(ctx, checkpoint, now)
	return err
}

// Between proves that the log under a checkpoint of it is the beginning of the log under a later one (RFC 6962, section 2.1.2). Its error wraps
// ErrUnfit when it is not.
func (l *Log) Between(ctx context.Context, earlier, later []byte) ([]vedette.Digest, error) {
	from, err := l.readCheckpoint(earlier)
	if err != nil {
		return nil, err
	}
	to, err := l.readCheckpoint(later)
	if err != nil {
		return nil, err
	}
	if from.Size > to.Size {
		return nil, fmt.Errorf("%w: it had %d leaves by then, and has %d", ErrUnfit, from.Size, to.Size)
	}
	proof, err := l.tree.Consistency(ctx, from.Size, to.Size)
	if err == nil {
		err = CheckConsistency(from, to, proof)
	}
	return proof, err
}
