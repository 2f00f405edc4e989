package population

import "iter"

// piece is how many rows a table grows by.
const piece = 1024

// table is a list of rows that grows by a piece at a time: at most two pieces of it are empty, and what stands in a full one is not copied. A row is one T, or
// width of them: whoever uses a table always says the same width. The zero table is empty.
type table[T any] struct {
	pieces [][]T
	rows   int
}

func (t *table[T]) len() int { return t.rows }

// at is the row of a table of width 1, good until the table grows.
func (t *table[T]) at(i uint32) *T { return &t.pieces[i/piece][i%piece] }

func (t *table[T]) row(i uint32, width int) []T {
	from := int(i%piece) * width
	return t.pieces[i/piece][from : from+width : from+width]
}

// all yields the rows of a table of width 1.
func (t *table[T]) all() iter.Seq2[uint32, *T] {
	return func(yield func(uint32, *T) bool) {
		for i := range uint32(t.rows) {
			if !yield(i, t.at(i)) {
				return
			}
		}
	}
}

// add makes a row, with anything in it.
func (t *table[T]) add(width int) (place uint32) {
	at, in := t.rows/piece, (t.rows%piece+1)*width
	if at == len(t.pieces) {
		t.pieces = append(t.pieces, nil)
	}
	p := t.pieces[at]
	if in > cap(p) {
		n := piece * width
		if at == 0 { // a small platform needs no whole piece
			n = min(n, max(in, 2*cap(p)))
		}
		p = append(make([]T, 0, n), p...)
	}
	t.pieces[at] = p[:max(in, len(p))]
	t.rows++
	return uint32(t.rows - 1)
}

// cut drops the rows from n on.
func (t *table[T]) cut(n int) {
	t.rows = n
	if most := (n+piece-1)/piece + 1; most < len(t.pieces) { // one is kept empty: rows come and go
		clear(t.pieces[most:])
		t.pieces = t.pieces[:most]
	}
}

// list says where a short list stands: its length, and its row among the lists of that length. The zero list is empty.
type list uint32

// The bounds of lists: items of one, and how many lists may be of one length.
const (
	maxList  = 1<<(32-rowBits) - 1
	rowBits  = 27
	maxLists = 1 << rowBits // 134 million
)

func (l list) len() int    { return int(l >> rowBits) }
func (l list) row() uint32 { return uint32(l) & (maxLists - 1) }

// lists keeps the short lists of many owners, each in a row of its exact length. A list that grows moves among those that are one longer, and the last of those
// that it leaves moves into its place: no row stands empty, and the garbage collector has nothing to look through.
type lists[T any] struct {
	of   [maxList]shelf[T]        // by length, less one
	mine func(owner uint32) *list // where an owner notes where its list stands
}

// shelf is the lists of one length.
type shelf[T any] struct {
	items  table[T]
	owners table[uint32]
}

// items are a list's, good until any list of its kind changes its length.
func (x *lists[T]) items(l list) []T {
	n := l.len()
	if n == 0 {
		return nil
	}
	return x.of[n-1].items.row(l.row(), n)
}

// resize gives an owner's list another length and returns it. What fits is kept; what is new has anything in it.
func (x *lists[T]) resize(owner uint32, n int) []T {
	l := x.mine(owner)
	old := *l
	was := x.items(old)
	if n == len(was) {
		return was
	}
	var now []T
	*l = 0
	if n > 0 {
		s := &x.of[n-1]
		row := s.items.add(n)
		if row >= maxLists {
			panic("population: more than 134 million lists of one length") // cannot happen below as many accounts
		}
		*s.owners.at(s.owners.add(1)) = owner
		*l = list(uint32(n)<<rowBits | row)
		now = x.items(*l)
		copy(now, was)
	}
	if len(was) > 0 {
		s := &x.of[len(was)-1]
		last := uint32(s.items.len() - 1)
		if old.row() != last {
			copy(was, s.items.row(last, len(was)))
			other := *s.owners.at(last)
			*s.owners.at(old.row()) = other
			*x.mine(other) = old
		}
		s.items.cut(int(last))
		s.owners.cut(int(last))
	}
	return now
}

// add appends to an owner's list.
func (x *lists[T]) add(owner uint32, v T) *T {
	now := x.resize(owner, x.mine(owner).len()+1)
	last := &now[len(now)-1]
	*last = v
	return last
}

// keep keeps the items of an owner's list that still has them by keep, which may change them.
func (x *lists[T]) keep(owner uint32, keep func(*T) bool) (left int) {
	items := x.items(*x.mine(owner))
	for i := range items {
		if keep(&items[i]) {
			items[left] = items[i]
			left++
		}
	}
	x.resize(owner, left)
	return left
}

// rename tells that the owner of a list has another place.
func (x *lists[T]) rename(l list, owner uint32) {
	if n := l.len(); n > 0 {
		*x.of[n-1].owners.at(l.row()) = owner
	}
}
