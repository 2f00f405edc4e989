package history

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette"
	"vedette/watch/hunt"
)

// maxFileRows is up to how many rows files are merged.
const maxFileRows = maxBlocks * blockRows / 2

// cursor reads a file's rows in order.
type cursor struct {
	f    *file
	r    reader
	rows []row
	at   int
	next uint32
}

func (c *cursor) advance() (bool, error) {
	for {
		for c.at++; c.at < len(c.rows); c.at++ {
			if !c.f.hidden(c.rows[c.at].unit) {
				return true, nil
			}
		}
		if int(c.next) == len(c.f.x.blocks) {
			return false, nil
		}
		if err := c.f.read(&c.r, c.next); err != nil {
			return false, fmt.Errorf("%s: %w", c.f.Name, err)
		}
		rows, err := c.r.block.rows(c.rows)
		if err != nil {
			return false, fmt.Errorf("%s: block %d: %w", c.f.Name, c.next, err)
		}
		c.rows, c.at = rows, -1
		c.next++
	}
}

type cursors []*cursor

func (cs cursors) Len() int           { return len(cs) }
func (cs cursors) Less(i, j int) bool { return order(&cs[i].rows[cs[i].at], &cs[j].rows[cs[j].at]) < 0 }
func (cs cursors) Swap(i, j int)      { cs[i], cs[j] = cs[j], cs[i] }
func (cs *cursors) Push(any)          {}
func (cs *cursors) Pop() any          { old := *cs; *cs = old[:len(old)-1]; return nil }

// rewrite writes the rows of files of one day that are to stay into one file. It may make none.
func (h *History) rewrite(ctx context.Context, files []*file, keep func(*row) bool) (made, error) {
	var cs cursors
	for _, f := range files {
		c := &cursor{f: f}
		more, err := c.advance()
		if err != nil {
			return made{}, err
		}
		if more {
			cs = append(cs, c)
		}
	}
	heap.Init(&cs)
	var out row
	started := false
	n := 0
	return h.write(files[0].Day, func() (*row, error) {
		for {
			if n++; n%blockRows == 0 {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
			}
			if started && len(cs) > 0 {
				more, err := cs[0].advance()
				if err != nil {
					return nil, err
				}
				if more {
					heap.Fix(&cs, 0)
				} else {
					heap.Remove(&cs, 0)
				}
			}
			started = true
			if len(cs) == 0 {
				return nil, nil
			}
			if out = cs[0].rows[cs[0].at]; keep == nil || keep(&out) {
				return &out, nil
			}
		}
	})
}

func (h *History) nudge() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// merging merges files until ctx ends.
func (h *History) merging(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		for ctx.Err() == nil {
			did, err := h.merge(ctx)
			if err != nil && ctx.Err() == nil {
				h.log.Error("files of history could not be merged", slog.Any("err", err))
			}
			if !did || err != nil {
				break
			}
		}
	}
}

// choose names files of one day that should be one. Each row is written anew about once for each eightfold growth of its day.
func choose(v *view, newest int) []*file {
	for i := 0; i < len(v.files); {
		j := i
		for j < len(v.files) && v.files[j].Day == v.files[i].Day {
			j++
		}
		day := slices.DeleteFunc(slices.Clone(v.files[i:j]), func(f *file) bool { return f.mended || f.Rows > maxFileRows })
		i = j
		slices.SortFunc(day, func(a, b *file) int { return cmp.Or(cmp.Compare(a.Rows, b.Rows), cmp.Compare(a.Name, b.Name)) })
		least := 8
		if len(day) > 0 && day[0].Day < newest-1 {
			least = 2
		}
		total := int64(0)
		best := 0
		for k, f := range day {
			if k+1 >= least && f.Rows <= 2*total && total+f.Rows <= maxFileRows {
				best = k + 1
			}
			total += f.Rows
		}
		if best == 0 && least == 2 && len(day) >= 2 && day[1].Rows <= 4*day[0].Rows && day[0].Rows+day[1].Rows <= maxFileRows {
			best = 2
		}
		if best > 0 {
			return day[:best]
		}
		for _, f := range day {
			if f.Hidden*16 > f.Rows {
				return []*file{f}
			}
		}
	}
	return nil
}

// merge makes one file of some, when there are some.
func (h *History) merge(ctx context.Context) (bool, error) {
	h.shaping.Lock()
	defer h.shaping.Unlock()
	v, _, damaged, err := h.hold()
	if err != nil {
		return false, nil
	}
	defer h.unhold(v)
	sound := &view{}
	newest := 0
	for _, f := range v.files {
		newest = max(newest, f.Day)
		if !slices.ContainsFunc(damaged, func(d hunt.Damage) bool { return d.File == f.Name }) {
			sound.files = append(sound.files, f)
		}
	}
	files := choose(sound, newest)
	if files == nil {
		return false, nil
	}
	return true, h.reshape(ctx, files, nil)
}

// reshape puts one file in the place of some. The caller holds shaping and a view.
func (h *History) reshape(ctx context.Context, files []*file, keep func(*row) bool) error {
	m, err := h.rewrite(ctx, files, keep)
	if err != nil {
		if ctx.Err() == nil {
			h.counts.failures.Add(1)
			h.note(files)
		}
		return fmt.Errorf("history: %w: %w", vedette.ErrUnavailable, err)
	}
	c := change{out: files}
	if m.file != nil {
		c.in = []made{m}
	}
	if err := h.commit(c); err != nil {
		return err
	}
	h.counts.merges.Add(1)
	return nil
}

// note remembers which file could not be read, so that it is not merged again and again.
func (h *History) note(files []*file) {
	r := new(reader)
	for _, f := range files {
		wrong, e := f.verify(context.Background(), r)
		if e != nil || len(wrong) == 0 {
			continue
		}
		h.hurt(f, wrong)
	}
}

// forgetFresh takes rows out that are in no file.
func (h *History) forgetFresh(gone func(r *row, day int) bool) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	// Readers may hold the old slices: these are new.
	var left fresh
	for i := range h.active.rows {
		if r := &h.active.rows[i]; !gone(r, h.active.days[i]) {
			left.rows, left.days, left.units = append(left.rows, *r), append(left.days, h.active.days[i]), append(left.units, r.unit)
		}
	}
	n := len(h.active.rows) - len(left.rows)
	h.active = left
	return int64(n)
}

// Erase implements hunt.History. Its error wraps vedette.ErrUnavailable when a file could not be read to its end: all others are done.
func (h *History) Erase(ctx context.Context, account vedette.AccountID, group vedette.GroupID) (n int64, err error) {
	if err := ctx.Err(); err != nil || account.IsZero() && group.IsZero() {
		return 0, err
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	h.shaping.Lock()
	defer h.shaping.Unlock()
	v, _, damaged, err := h.hold()
	if err != nil {
		return 0, err
	}
	defer h.unhold(v)
	if err := h.settle(); err != nil {
		return 0, err
	}
	people := [][16]byte{account}
	if account.IsZero() {
		people = nil
	}
	involved := func(r *row) bool {
		return len(people) > 0 && (r.from == account || r.to == account) || !group.IsZero() && r.group == group
	}
	// What is not durable yet is given again after a crash; who gives it knows who was erased.
	n = h.forgetFresh(func(r *row, _ int) bool { return involved(r) })
	found := make([]int64, len(v.files))
	hidden := make([]int64, len(v.files))
	failed := make([]error, len(v.files))
	for _, d := range damaged {
		if d.File == manifestName || d.File == manifestCopy || slices.ContainsFunc(v.files, func(f *file) bool { return f.Name == d.File }) {
			continue // the files are read below
		}
		err = errors.Join(err, fmt.Errorf("history: erase from %s: %s: %w", d.File, d.What, vedette.ErrUnavailable))
	}
	var g errgroup.Group
	g.SetLimit(4)
	for i, f := range v.files {
		g.Go(func() error {
			r := h.scratch.Get().(*reader)
			defer h.scratch.Put(r)
			wrong, err := f.scan(ctx, r, func() error {
				return r.block.eachOf(people, group, func(at int) error {
					var rw row
					if err := r.block.row(at, &rw); err != nil {
						return err
					}
					if f.hidden(rw.unit) {
						hidden[i]++
					} else {
						found[i]++
					}
					return nil
				})
			})
			if len(wrong) > 0 {
				failed[i] = fmt.Errorf("history: erase from %s: %s: %w", f.Name, wrong[0], vedette.ErrUnavailable)
			}
			return err
		})
	}
	if e := g.Wait(); e != nil {
		return n, e
	}
	defer func() {
		h.committing.Lock()
		left := len(h.litter)
		h.committing.Unlock()
		if left > 0 {
			err = errors.Join(err, fmt.Errorf("history: erase: %d files that are no longer in force could not be removed: %w", left, vedette.ErrUnavailable))
		}
	}()
	for i, f := range v.files {
		if failed[i] != nil {
			err = errors.Join(err, failed[i])
			continue
		}
		if found[i]+hidden[i] == 0 {
			continue
		}
		if e := h.reshape(ctx, []*file{f}, func(r *row) bool { return !involved(r) }); e != nil {
			err = errors.Join(err, e)
			continue
		}
		n += found[i]
	}
	return n, err
}

// Forget implements hunt.History. The rows are hidden at once; a file is written anew when enough of it is hidden, when it is merged, and by
// Expire.
func (h *History) Forget(ctx context.Context, units []hunt.Key) (int64, error) {
	set := hunt.KeysOf(units)
	if err := ctx.Err(); err != nil || len(set) == 0 {
		return 0, err
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	h.shaping.Lock()
	defer h.shaping.Unlock()
	v, _, _, err := h.hold()
	if err != nil {
		return 0, err
	}
	defer h.unhold(v)
	if err := h.settle(); err != nil {
		return 0, err
	}
	a := askedFor(units)
	n := h.forgetFresh(func(r *row, _ int) bool { _, ok := set[hunt.Key(r.unit)]; return ok })
	c := change{hide: map[*file]hiding{}}
	r := new(reader)
	var rows []row
	hiddenRows := int64(0)
	for _, f := range v.files {
		hd := hiding{}
		for _, q := range a.keys {
			if f.hidden(q.unit) {
				continue
			}
			was := hd.rows
			for _, b := range f.x.candidates(nil, q) {
				bad := f.read(r, b)
				if bad == nil {
					rows, bad = r.block.rows(rows)
				}
				if bad != nil {
					err = errors.Join(err, fmt.Errorf("history: forget in %s: %w: %w", f.Name, vedette.ErrUnavailable, bad))
					continue
				}
				for i := range rows {
					if rows[i].unit == q.unit {
						hd.rows++
					}
				}
			}
			if hd.rows > was {
				hd.units = append(hd.units, q.unit)
			}
		}
		if hd.rows > 0 {
			c.hide[f] = hd
			hiddenRows += hd.rows
		}
	}
	if len(c.hide) > 0 {
		if e := h.commit(c); e != nil {
			return n, errors.Join(err, e)
		}
		n += hiddenRows
		h.nudge()
	}
	return n, err
}

// Expire implements hunt.History. It also writes the files anew in which something is hidden.
func (h *History) Expire(ctx context.Context, before time.Time) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	h.shaping.Lock()
	defer h.shaping.Unlock()
	v, _, _, err := h.hold()
	if err != nil {
		return 0, err
	}
	defer h.unhold(v)
	if err := h.settle(); err != nil {
		return 0, err
	}
	expired := func(day int, r *row) bool {
		return time.UnixMilli(int64(day)*dayMillis + int64(r.time)).Before(before)
	}
	n := h.forgetFresh(func(r *row, day int) bool { return expired(day, r) })
	c := change{lost: func(l listed) bool { return time.UnixMilli(l.Newest).Before(before) }}
	whole := int64(0)
	var parts []*file
	for _, f := range v.files {
		switch {
		case time.UnixMilli(f.Newest).Before(before):
			c.out = append(c.out, f)
			whole += f.Rows - f.Hidden
		case time.UnixMilli(f.Oldest).Before(before) || f.Hidden > 0:
			parts = append(parts, f)
		}
	}
	if len(c.out) > 0 || len(h.lostBefore(c.lost)) > 0 {
		if err := h.commit(c); err != nil {
			return n, err
		}
		n += whole
	}
	for _, f := range parts {
		gone := int64(0)
		e := h.reshape(ctx, []*file{f}, func(r *row) bool {
			if expired(f.Day, r) {
				gone++
				return false
			}
			return true
		})
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		n += gone
	}
	return n, err
}

func (h *History) lostBefore(gone func(listed) bool) []listed {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []listed
	for _, l := range h.lost {
		if gone(l) {
			out = append(out, l)
		}
	}
	return out
}
