package history

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"vedette"
	"vedette/watch/hunt"
)

// readers is how many files are read at the same time: more than there are processors, since a disk answers many at once.
const readers = 16

// match is a sighting with what orders it.
type match struct {
	s    hunt.Sighting
	key  int
	link uint16
}

func byTime(a, b match) int {
	return cmp.Or(
		a.s.At.Compare(b.s.At), cmp.Compare(a.s.Position.Frame, b.s.Position.Frame),
		cmp.Compare(a.s.Position.Index, b.s.Position.Index), cmp.Compare(a.link, b.link),
	)
}

// asked is a question's units.
type asked struct {
	set  hunt.KeySet
	keys []question // in the order of their units
}

func askedFor(units []hunt.Key) *asked {
	a := &asked{set: hunt.KeysOf(units)}
	for k := range a.set {
		a.keys = append(a.keys, ask(uint64(k)))
	}
	slices.SortFunc(a.keys, func(a, b question) int { return cmp.Compare(a.unit, b.unit) })
	return a
}

func (a *asked) has(unit uint64) bool { _, ok := a.set[hunt.Key(unit)]; return ok }

// find appends what one file has. Units are asked in their order, so that a block that several ask for is read once.
func (f *file) find(ctx context.Context, r *reader, a *asked, w hunt.Window, dst []match) (out []match, blocks int, wrong []string, err error) {
	r.ask = r.ask[:0]
	for i, q := range a.keys {
		r.blocks = f.x.candidates(r.blocks[:0], q)
		for _, n := range r.blocks {
			r.ask = append(r.ask, uint64(n)<<32|uint64(i))
		}
	}
	for i, j := 0, 0; i < len(r.ask); i = j {
		n := uint32(r.ask[i] >> 32)
		for j = i; j < len(r.ask) && uint32(r.ask[j]>>32) == n; {
			j++
		}
		if err := ctx.Err(); err != nil {
			return dst, blocks, wrong, err
		}
		blocks++
		got, bad := f.findIn(r, n, a, r.ask[i:j], w, dst)
		if dst = got; bad != nil {
			wrong = append(wrong, plain(bad))
		}
	}
	return dst, blocks, wrong, nil
}

func (f *file) findIn(r *reader, n uint32, a *asked, by []uint64, w hunt.Window, dst []match) ([]match, error) {
	if err := f.read(r, n); err != nil {
		return dst, err
	}
	was := len(dst)
	for _, o := range by {
		q := a.keys[uint32(o)]
		if f.hidden(q.unit) {
			continue
		}
		from, to, err := r.block.span(q.unit)
		if err != nil {
			return dst[:was], err
		}
		for i := from; i < to; i++ {
			var rw row
			if err := r.block.row(i, &rw); err != nil {
				return dst[:was], err
			}
			if m := (match{s: sightingOf(&rw, f.Day), key: a.set[hunt.Key(q.unit)], link: rw.link}); w.Covers(m.s.At) {
				dst = append(dst, m)
			}
		}
	}
	return dst, nil
}

// each runs work on the files of each day of the window, several at a time, and hands on what each day has, in order. hand returns false to end it.
func (h *History) each(ctx context.Context, w hunt.Window, mem func(i int, m *fresh) bool,
	work func(ctx context.Context, r *reader, f *file, dst []match) ([]match, []string, error), finish func(*match), yield func(*match) bool,
) ([]hunt.Damage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v, recent, damaged, err := h.hold()
	if err != nil {
		return nil, err
	}
	defer h.unhold(v)
	type day struct {
		n     int
		files []*file
		found []match
		wrong [][]string // beside files
		err   error
		done  chan struct{}
	}
	days := map[int]*day{}
	of := func(n int) *day {
		if days[n] == nil {
			days[n] = &day{n: n, done: make(chan struct{})}
		}
		return days[n]
	}
	for _, f := range v.files {
		if w.CoversDay(f.Day) {
			d := of(f.Day)
			d.files = append(d.files, f)
		}
	}
	for _, m := range recent {
		for i := range m.rows {
			if !mem(i, &m) {
				continue
			}
			if s := sightingOf(&m.rows[i], m.days[i]); w.Covers(s.At) {
				d := of(m.days[i])
				x := match{s: s, link: m.rows[i].link}
				finish(&x)
				d.found = append(d.found, x)
			}
		}
	}
	order := make([]*day, 0, len(days))
	for _, d := range days {
		order = append(order, d)
	}
	slices.SortFunc(order, func(a, b *day) int { return cmp.Compare(a.n, b.n) })

	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	run := func(d *day) {
		r := h.scratch.Get().(*reader)
		defer h.scratch.Put(r)
		d.wrong = make([][]string, len(d.files))
		for i, f := range d.files {
			if d.found, d.wrong[i], d.err = work(ctx, r, f, d.found); d.err != nil {
				break
			}
		}
		slices.SortFunc(d.found, byTime)
		close(d.done)
	}
	// Days ahead are read while one is handed on, but not many: what is found and not yet handed on is memory.
	next := 0
	slots := make(chan struct{}, readers)
	start := func() {
		d := order[next]
		next++
		wg.Go(func() { slots <- struct{}{}; defer func() { <-slots }(); run(d) })
	}
	for i, d := range order {
		for next < len(order) && next < i+2*readers {
			start()
		}
		<-d.done
		if d.err != nil {
			return nil, d.err
		}
		for k, f := range d.files {
			for _, x := range f.damages(d.wrong[k]...) {
				if !slices.Contains(damaged, x) { // it may have been known
					damaged = append(damaged, x)
				}
			}
		}
		for k := range d.found {
			if !yield(&d.found[k]) {
				return damaged, nil
			}
		}
		d.found = nil
	}
	return damaged, nil
}

// Find implements hunt.History.
func (h *History) Find(ctx context.Context, keys []hunt.Key, w hunt.Window, yield func(key int, s *hunt.Sighting) bool) ([]hunt.Damage, error) {
	a := askedFor(keys)
	h.counts.finds.Add(1)
	return h.each(ctx, w, func(i int, m *fresh) bool { return a.has(m.units[i]) },
		func(ctx context.Context, r *reader, f *file, dst []match) ([]match, []string, error) {
			dst, blocks, wrong, err := f.find(ctx, r, a, w, dst)
			h.counts.blocks.Add(int64(blocks))
			return dst, wrong, err
		},
		func(m *match) { m.key, _ = a.set.Match(&m.s) },
		func(m *match) bool { return yield(m.key, &m.s) })
}

// Cost implements hunt.History.
func (h *History) Cost(ctx context.Context, keys []hunt.Key, w hunt.Window) (hunt.Cost, error) {
	if err := ctx.Err(); err != nil {
		return hunt.Cost{}, err
	}
	v, recent, _, err := h.hold()
	if err != nil {
		return hunt.Cost{}, err
	}
	defer h.unhold(v)
	a := askedFor(keys)
	var c hunt.Cost
	days := map[int]bool{}
	for _, f := range v.files {
		if !w.CoversDay(f.Day) {
			continue
		}
		days[f.Day] = true
		h.mu.Lock()
		c.Rows += f.Rows - f.Hidden
		h.mu.Unlock()
		c.Lookups += int64(len(a.keys))
		for _, q := range a.keys {
			if f.x.may(q) {
				c.Possible++
			}
		}
	}
	for _, m := range recent {
		possible := map[uint64]bool{}
		any := false
		for i := range m.rows {
			if !w.CoversDay(m.days[i]) {
				continue
			}
			any, days[m.days[i]] = true, true
			c.Rows++
			if a.has(m.units[i]) {
				possible[m.units[i]] = true
			}
		}
		if any {
			c.Lookups += int64(len(a.keys))
			c.Possible += int64(len(possible))
		}
	}
	c.Days = len(days)
	return c, nil
}

// Of implements hunt.History.
func (h *History) Of(ctx context.Context, accounts []vedette.AccountID, w hunt.Window, yield func(s *hunt.Sighting) bool) ([]hunt.Damage, error) {
	set, err := hunt.AccountsOf(accounts)
	if err != nil {
		return nil, err
	}
	people := make([][16]byte, 0, len(set))
	for a := range set {
		people = append(people, a)
	}
	return h.each(ctx, w, func(i int, m *fresh) bool {
		return slices.Contains(people, m.rows[i].from) || slices.Contains(people, m.rows[i].to)
	},
		func(ctx context.Context, r *reader, f *file, dst []match) ([]match, []string, error) {
			wrong, err := f.scan(ctx, r, func() error {
				return r.block.eachOf(people, [16]byte{}, func(i int) error {
					var rw row
					if err := r.block.row(i, &rw); err != nil {
						return err
					}
					if s := sightingOf(&rw, f.Day); !f.hidden(rw.unit) && w.Covers(s.At) {
						dst = append(dst, match{s: s, link: rw.link})
					}
					return nil
				})
			})
			return dst, wrong, err
		},
		func(*match) {}, func(m *match) bool { return yield(&m.s) })
}

// scan reads block after block, and names those that cannot be read.
func (f *file) scan(ctx context.Context, r *reader, do func() error) (wrong []string, err error) {
	for n := range f.x.blocks {
		if err := ctx.Err(); err != nil {
			return wrong, err
		}
		err := f.read(r, uint32(n))
		if err == nil {
			err = do()
		}
		if err != nil {
			wrong = append(wrong, plain(err))
		}
	}
	return wrong, nil
}

// eachOf calls do with each row in which one of the people, or the group, stands.
func (b *block) eachOf(people [][16]byte, group [16]byte, do func(i int) error) error {
	var hit hits
	any := false
	for _, c := range [...]int{colSender, colRecipient, colGroup} {
		ch := &b.chunks[c]
		is := func(v [16]byte) bool {
			if c == colGroup {
				return group != [16]byte{} && v == group
			}
			return slices.Contains(people, v)
		}
		vals := ch.data
		if ch.encoding == encodingDictionary {
			vals = ch.dict
		}
		for at := 0; at+16 <= len(vals); at += 16 {
			if !is([16]byte(vals[at:])) {
				continue
			}
			any = true
			if ch.encoding == encodingPlain {
				hit.add(at / 16)
				continue
			}
			for i := range b.n {
				if ch.at(i) == at/16 {
					hit.add(i)
				}
			}
		}
	}
	for i := 0; any && i < b.n; i++ {
		if hit[i>>6]&(1<<(i&63)) != 0 {
			if err := do(i); err != nil {
				return err
			}
		}
	}
	return nil
}
