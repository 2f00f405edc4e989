// Package history keeps sightings in files that other engines read, and finds them in milliseconds.
//
// In:     sightings in order, from one writer.
// Out:    those of some units in a window, in time that grows with what is found, not with what is kept.
// Keeps:  one folder for each day of Parquet files with an index beside them; in memory about 1 byte a sighting, and what is not yet on disk.
// Fails:  a damaged file is named and left aside, and the rest is served; what was added and is not durable is given again after a crash.
// Source: docs/decisions/0014-history.md, docs/formats/history.md
package history

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

// Options says how a history is kept.
type Options struct {
	// FlushRows is how many sightings are kept in memory before they are written. Default 262,144, about 50 MiB.
	FlushRows int
	// MergeParts is how many files a day may have before they are made one. Default 4.
	MergeParts int
	Log        *slog.Logger // nil logs nothing
}

// ErrOwned is the error of a folder that another process has.
var ErrOwned = fmt.Errorf("history: another process owns the folder: %w", vedette.ErrConflict)

// History is the history of one folder. It is safe for concurrent use.
type History struct {
	dir  string
	opt  Options
	log  *slog.Logger
	lock *os.File

	writing sync.Mutex // one change at a time

	mu      sync.RWMutex
	parts   []*part // by day, then sequence
	damaged []hunt.Damage
	lost    []entry // parts that could not be opened; they stay in the manifest until they expire
	fresh   []row   // not yet in a file, in order of their coming
	days    []int32 // of fresh
	byUnit  map[uint64][]uint32
	durable journal.Position
	upto    journal.Position
	seq     uint64
	closed  bool
}

var _ hunt.History = (*History)(nil)

// manifest is the one list of what is in force: whatever it does not name is not there.
type manifest struct {
	Format   string           `json:"format"`
	Position journal.Position `json:"position"` // of the journal, whose sightings are in the parts
	Seq      uint64           `json:"seq"`      // of the last part made
	Parts    []entry          `json:"parts"`
}

const (
	manifestFormat = "vedette-history-1"
	manifestName   = "manifest.json"
)

// Open opens or makes a history. Its error is ErrOwned, or wraps vedette.ErrUnavailable when the manifest cannot be read: then nothing is changed.
func Open(_ context.Context, dir string, opt Options) (h *History, err error) {
	opt.FlushRows, opt.MergeParts = cmp.Or(opt.FlushRows, 1<<18), cmp.Or(opt.MergeParts, 4)
	h = &History{dir: dir, opt: opt, log: opt.Log, byUnit: map[uint64][]uint32{}}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("history: %w: %w", vedette.ErrUnavailable, err)
	}
	if h.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.release())
		}
	}()
	m := manifest{Format: manifestFormat}
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return h, fmt.Errorf("history: %w: %w", vedette.ErrUnavailable, err)
	default:
		if err := json.Unmarshal(b, &m); err != nil || m.Format != manifestFormat {
			return h, fmt.Errorf("history: %s is not a manifest of this version: %w", manifestName, vedette.ErrUnavailable)
		}
	}
	h.durable, h.upto, h.seq = m.Position, m.Position, m.Seq
	for _, e := range m.Parts {
		p, err := openPart(dir, e)
		if err != nil {
			h.lost = append(h.lost, e)
			h.damaged = append(h.damaged, hunt.Damage{File: e.name(), What: plain(err)})
			h.log.Error("a file of the history cannot be read; the rest is served", slog.String("file", e.name()), slog.String("cause", plain(err)))
			continue
		}
		h.parts = append(h.parts, p)
	}
	h.order()
	return h, h.tidy(m.Parts)
}

// plain is an error without the folder's path.
func plain(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Op + ": " + p.Err.Error()
	}
	return err.Error()
}

func (h *History) order() {
	slices.SortFunc(h.parts, func(a, b *part) int { return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Seq, b.Seq)) })
}

// tidy removes what a crash left behind: files that no manifest names.
func (h *History) tidy(named []entry) error {
	keep := map[string]bool{}
	for _, e := range named {
		keep[e.name()], keep[e.indexName()] = true, true
	}
	days, err := os.ReadDir(h.dir)
	if err != nil {
		return fmt.Errorf("history: %w: %w", vedette.ErrUnavailable, err)
	}
	for _, d := range days {
		if !d.IsDir() || !strings.HasPrefix(d.Name(), "day=") {
			continue
		}
		files, err := os.ReadDir(filepath.Join(h.dir, d.Name()))
		if err != nil {
			return fmt.Errorf("history: %w: %w", vedette.ErrUnavailable, err)
		}
		for _, f := range files {
			name := d.Name() + "/" + f.Name()
			if strings.HasPrefix(f.Name(), "part-") && !keep[name] {
				if err := os.Remove(filepath.Join(h.dir, name)); err != nil {
					return fmt.Errorf("history: %w: %w", vedette.ErrUnavailable, err)
				}
			}
		}
		_ = os.Remove(filepath.Join(h.dir, d.Name())) // fails while something is in it
	}
	return nil
}

// Close writes what is not yet on disk and gives the folder back.
func (h *History) Close(ctx context.Context) error {
	err := h.Flush(ctx)
	h.writing.Lock()
	defer h.writing.Unlock()
	return errors.Join(err, h.release())
}

func (h *History) release() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	var errs []error
	for _, p := range h.parts {
		errs = append(errs, p.release())
	}
	h.parts = nil
	if h.lock != nil {
		errs = append(errs, h.lock.Close())
	}
	return errors.Join(errs...)
}

var errClosed = fmt.Errorf("history: closed: %w", vedette.ErrUnavailable)

// Add implements hunt.History.
func (h *History) Add(ctx context.Context, sightings []hunt.Sighting, upto journal.Position) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return errClosed
	}
	for i := range sightings {
		r := rowOf(&sightings[i])
		h.byUnit[r.Unit] = append(h.byUnit[r.Unit], uint32(len(h.fresh)))
		h.fresh, h.days = append(h.fresh, r), append(h.days, dayOf(sightings[i].At))
	}
	if h.upto.Less(upto) {
		h.upto = upto
	}
	full := len(h.fresh) >= h.opt.FlushRows
	h.mu.Unlock()
	if full {
		return h.flush(ctx)
	}
	return nil
}

// Position implements hunt.History.
func (h *History) Position() journal.Position {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.durable
}

// Flush implements hunt.History.
func (h *History) Flush(ctx context.Context) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	if h.closed {
		return errClosed
	}
	return h.flush(ctx)
}

// swap is a change of what is there: parts that come, and parts that go.
type swap struct {
	come, gone []*part
	lost       []entry // damaged parts that go
}

// commit makes a change durable and then visible. fresh: the rows in memory are in it.
func (h *History) commit(s swap, fresh bool) error {
	m := manifest{Format: manifestFormat, Position: h.durable, Seq: h.seq}
	if fresh {
		m.Position = h.upto
	}
	next := slices.Clone(s.come)
	for _, p := range h.parts {
		if !slices.Contains(s.gone, p) {
			next = append(next, p)
		}
	}
	var lost []entry
	for _, e := range h.lost {
		if !slices.Contains(s.lost, e) {
			lost = append(lost, e)
		}
	}
	for _, p := range next {
		m.Parts = append(m.Parts, p.entry)
	}
	m.Parts = append(m.Parts, lost...)
	slices.SortFunc(m.Parts, func(a, b entry) int { return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Seq, b.Seq)) })
	b, err := json.MarshalIndent(m, "", " ")
	if err == nil {
		err = writeFile(filepath.Join(h.dir, manifestName), append(b, '\n'))
	}
	if err == nil {
		err = syncDir(h.dir)
	}
	if err != nil {
		for _, p := range s.come {
			_ = errors.Join(p.release(), p.remove())
		}
		return fmt.Errorf("history: %w: %w", vedette.ErrUnavailable, err)
	}
	h.mu.Lock()
	h.parts, h.lost, h.durable = next, lost, m.Position
	h.order()
	if len(s.lost) > 0 {
		h.damaged = slices.DeleteFunc(h.damaged, func(d hunt.Damage) bool {
			return slices.ContainsFunc(s.lost, func(e entry) bool { return e.name() == d.File })
		})
	}
	if fresh {
		h.fresh, h.days, h.byUnit = nil, nil, map[uint64][]uint32{}
	}
	h.mu.Unlock()
	// From here on nobody new reads what went. Whoever still does has the file open: its bytes go when they are done.
	var errs []error
	for _, p := range s.gone {
		errs = append(errs, p.remove(), p.release())
	}
	for _, e := range s.lost {
		errs = append(errs, (&part{entry: e, dir: h.dir}).remove())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("history: remove what is no longer kept: %w: %w", vedette.ErrUnavailable, err)
	}
	return nil
}

func (h *History) make(day int32, rows []row) (*part, error) {
	h.seq++
	p, err := makePart(h.dir, day, h.seq, rows)
	if err != nil {
		return nil, fmt.Errorf("history: %w: %w", vedette.ErrUnavailable, err)
	}
	return p, nil
}

// maxMerged bounds how many rows are made one part: merging reads them all into memory.
const maxMerged = 1 << 21

// flush writes the rows in memory, a part for each day, and makes one of a day's parts where they are too many.
func (h *History) flush(ctx context.Context) error {
	if len(h.fresh) == 0 {
		if h.durable.Less(h.upto) {
			return h.commit(swap{}, true)
		}
		return nil
	}
	byDay := map[int32][]row{}
	for i, r := range h.fresh {
		byDay[h.days[i]] = append(byDay[h.days[i]], r)
	}
	var s swap
	undo := func(err error) error {
		for _, p := range s.come {
			_ = errors.Join(p.release(), p.remove())
		}
		return err
	}
	days := make([]int32, 0, len(byDay))
	for d := range byDay {
		days = append(days, d)
	}
	slices.Sort(days)
	for _, d := range days {
		rows := byDay[d]
		var small []*part
		total := len(rows)
		for _, p := range h.parts { // by sequence: the older come first
			if p.Day == d && int(p.Rows) <= maxMerged/4 {
				small = append(small, p)
				total += int(p.Rows)
			}
		}
		if len(small) >= h.opt.MergeParts && total <= maxMerged {
			for _, p := range small {
				if err := ctx.Err(); err != nil {
					return undo(fmt.Errorf("history: %w", err))
				}
				old, err := h.all(p)
				if err != nil {
					continue // named, and left aside; its rows that can be read are served from it
				}
				rows, s.gone = append(rows, old...), append(s.gone, p)
			}
		}
		slices.SortFunc(rows, func(a, b row) int { return compareRows(&a, &b) })
		p, err := h.make(d, rows)
		if err != nil {
			return undo(err)
		}
		s.come = append(s.come, p)
	}
	return h.commit(s, true)
}

// all reads a part whole. A part that cannot be read is named.
func (h *History) all(p *part) ([]row, error) {
	d := reader()
	defer d.done()
	rows, err := p.read(d, 0, p.Rows, nil)
	if err != nil {
		h.hurt(p, err)
	}
	return rows, err
}

// hurt names a part as damaged, once.
func (h *History) hurt(p *part, err error) hunt.Damage {
	what := plain(err)
	if p.hurt.CompareAndSwap(nil, &what) {
		h.mu.Lock()
		h.damaged = append(h.damaged, hunt.Damage{File: p.name(), What: what})
		h.mu.Unlock()
		h.log.Error("a file of the history is damaged; the rest is served", slog.String("file", p.name()), slog.String("cause", what))
	}
	return hunt.Damage{File: p.name(), What: what}
}

// look is what one question sees: the parts of its window, and the rows in memory that it wants.
type look struct {
	parts []*part
	fresh []hunt.Sighting
	lost  []hunt.Damage
}

// look takes hold of what a window needs; the caller gives the parts back.
func (h *History) look(w hunt.Window, fresh func(r *row, day int32) bool, units []uint64) (look, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		return look{}, errClosed
	}
	var l look
	for _, p := range h.parts {
		if covers(w, p.Day) {
			p.acquire()
			l.parts = append(l.parts, p)
		}
	}
	for _, e := range h.lost {
		if covers(w, e.Day) {
			i := slices.IndexFunc(h.damaged, func(d hunt.Damage) bool { return d.File == e.name() })
			l.lost = append(l.lost, h.damaged[i])
		}
	}
	take := func(i int) {
		if fresh(&h.fresh[i], h.days[i]) {
			if s := h.fresh[i].sighting(h.days[i]); w.Covers(s.At) {
				l.fresh = append(l.fresh, s)
			}
		}
	}
	if units == nil {
		for i := range h.fresh {
			take(i)
		}
		return l, nil
	}
	for _, u := range units {
		for _, i := range h.byUnit[u] {
			take(int(i))
		}
	}
	return l, nil
}

func (l *look) release() {
	for _, p := range l.parts {
		_ = p.release()
	}
}

// covers tells whether a window holds any of a day.
func covers(w hunt.Window, day int32) bool {
	return (w.From.IsZero() || dayStart(day+1).After(w.From)) && (w.To.IsZero() || dayStart(day).Before(w.To))
}

// everyRow wants all.
func everyRow(*row, int32) bool { return true }

// Find implements hunt.History.
func (h *History) Find(ctx context.Context, units []hunt.Key, w hunt.Window, yield func(int, *hunt.Sighting) bool) ([]hunt.Damage, error) {
	set := hunt.KeysOf(units)
	sorted := make([]uint64, 0, len(set))
	for k := range set {
		sorted = append(sorted, uint64(k))
	}
	slices.Sort(sorted)
	l, err := h.look(w, everyRow, sorted)
	if err != nil {
		return nil, err
	}
	defer l.release()
	got, damage, err := each(ctx, h, l.parts, func(d *pageReader, p *part, rows []row) ([]row, error) {
		for _, u := range sorted {
			from, to, err := p.find(d, u)
			if err == nil && from < to {
				rows, err = p.read(d, from, to, rows)
			}
			if err != nil {
				return rows, err
			}
		}
		return rows, nil
	}, w)
	if err != nil {
		return nil, err
	}
	found := inOrder(append(l.fresh, got...))
	for i := range found {
		if unit, ok := set.Match(&found[i]); ok && !yield(unit, &found[i]) {
			break
		}
	}
	return append(l.lost, damage...), nil
}

// inOrder puts sightings in the order of answers.
func inOrder(found []hunt.Sighting) []hunt.Sighting {
	slices.SortStableFunc(found, func(a, b hunt.Sighting) int {
		switch {
		case a.Before(&b):
			return -1
		case b.Before(&a):
			return 1
		}
		return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.URL, b.URL), cmp.Compare(a.Host, b.Host), slices.Compare(a.To[:], b.To[:]))
	})
	return found
}

// each asks all parts, several at once, and returns what they gave as sightings of the window, in the order of the parts.
func each(ctx context.Context, h *History, parts []*part, ask func(*pageReader, *part, []row) ([]row, error), w hunt.Window) ([]hunt.Sighting, []hunt.Damage, error) {
	out := make([][]hunt.Sighting, len(parts))
	damage := make([]*hunt.Damage, len(parts))
	var g errgroup.Group
	// More than there are processors: on a cold disk nearly all of the time is waiting.
	g.SetLimit(4 * runtime.GOMAXPROCS(0))
	for i, p := range parts {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("history: %w", err)
			}
			d := reader()
			defer d.done()
			rows, err := ask(d, p, nil)
			for j := range rows {
				if s := rows[j].sighting(p.Day); w.Covers(s.At) {
					out[i] = append(out[i], s)
				}
			}
			if err != nil {
				x := h.hurt(p, err)
				damage[i] = &x
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	var hurt []hunt.Damage
	for _, d := range damage {
		if d != nil {
			hurt = append(hurt, *d)
		}
	}
	return slices.Concat(out...), hurt, nil
}

// Cost implements hunt.History.
func (h *History) Cost(_ context.Context, units []hunt.Key, w hunt.Window) (hunt.Cost, error) {
	l, err := h.look(w, everyRow, nil)
	if err != nil {
		return hunt.Cost{}, err
	}
	defer l.release()
	c := hunt.Cost{Rows: int64(len(l.fresh))}
	set := hunt.KeysOf(units)
	days := map[int32]bool{}
	for _, p := range l.parts {
		days[p.Day] = true
		c.Rows += int64(p.Rows)
		for u := range set {
			c.Lookups++
			if p.filter.Contains(uint64(u)) {
				c.Possible++
			}
		}
	}
	c.Days = len(days)
	return c, nil
}

// Of implements hunt.History.
func (h *History) Of(ctx context.Context, accounts []vedette.AccountID, w hunt.Window, yield func(*hunt.Sighting) bool) ([]hunt.Damage, error) {
	if len(accounts) > hunt.MaxAccounts {
		return nil, fmt.Errorf("history: %d accounts, at most %d: %w", len(accounts), hunt.MaxAccounts, vedette.ErrTooLarge)
	}
	want := accountsOf(accounts)
	is := func(r *row) bool {
		return want.set[r.Sender] || r.Marks&markGroup == 0 && want.set[r.Recipient]
	}
	l, err := h.look(w, func(r *row, _ int32) bool { return is(r) }, nil)
	if err != nil {
		return nil, err
	}
	defer l.release()
	got, damage, err := each(ctx, h, l.parts, func(d *pageReader, p *part, rows []row) ([]row, error) {
		hits, err := p.hits(d, want)
		if err != nil {
			return rows, err
		}
		for _, r := range hits {
			n := len(rows)
			if rows, err = p.read(d, r, r+1, rows); err != nil {
				return rows, err
			}
			if !is(&rows[n]) {
				rows = rows[:n]
			}
		}
		return rows, nil
	}, w)
	if err != nil {
		return nil, err
	}
	found := inOrder(append(l.fresh, got...))
	for i := range found {
		if !yield(&found[i]) {
			break
		}
	}
	return append(l.lost, damage...), nil
}

// hits returns the rows in which one of some people stands, in order, each once.
func (p *part) hits(d *pageReader, want *people) ([]uint32, error) {
	var hits []uint32
	err := p.scan(d, want, func(r uint32) { hits = append(hits, r) })
	slices.Sort(hits)
	return slices.Compact(hits), err
}

// Erase implements hunt.History.
func (h *History) Erase(ctx context.Context, account vedette.AccountID, group vedette.GroupID) (int64, error) {
	want := peopleOf(account, group)
	if len(want.set) == 0 {
		return 0, nil
	}
	is := func(r *row) bool {
		inGroup := r.Marks&markGroup != 0
		return !account.IsZero() && (r.Sender == account || !inGroup && r.Recipient == account) || !group.IsZero() && inGroup && r.Recipient == group
	}
	return h.drop(ctx, is, func(d *pageReader, p *part) (bool, error) {
		hits, err := p.hits(d, want)
		return len(hits) > 0, err
	})
}

// Forget implements hunt.History.
func (h *History) Forget(ctx context.Context, units []hunt.Key) (int64, error) {
	want := map[uint64]bool{}
	for _, u := range units {
		want[uint64(u)] = true
	}
	sorted := make([]uint64, 0, len(want))
	for u := range want {
		sorted = append(sorted, u)
	}
	slices.Sort(sorted)
	return h.drop(ctx, func(r *row) bool { return want[r.Unit] }, func(d *pageReader, p *part) (bool, error) {
		for _, u := range sorted {
			if from, to, err := p.find(d, u); err != nil || from < to {
				return err == nil, err
			}
		}
		return false, nil
	})
}

// Expire implements hunt.History. It also takes away damaged files of days that are past.
func (h *History) Expire(ctx context.Context, before time.Time) (int64, error) {
	var n int64
	h.writing.Lock()
	if h.closed {
		h.writing.Unlock()
		return 0, errClosed
	}
	var s swap
	for _, p := range h.parts {
		if !dayStart(p.Day + 1).After(before) {
			s.gone = append(s.gone, p)
			n += int64(p.Rows)
		}
	}
	for _, e := range h.lost {
		if !dayStart(e.Day + 1).After(before) {
			s.lost = append(s.lost, e)
			n += int64(e.Rows)
		}
	}
	var err error
	if len(s.gone)+len(s.lost) > 0 {
		err = h.commit(s, false)
	}
	h.writing.Unlock()
	if err != nil {
		return 0, err
	}
	day := dayOf(before)
	late := int32(before.UnixMilli() - int64(day)*dayLength.Milliseconds())
	m, err := h.dropDays(ctx, func(r *row, d int32) bool { return d < day || d == day && r.At < late }, func(_ *pageReader, p *part) (bool, error) {
		return p.Day == day && late > 0, nil
	})
	return n + m, err
}

func (h *History) drop(ctx context.Context, gone func(*row) bool, in func(*pageReader, *part) (bool, error)) (int64, error) {
	return h.dropDays(ctx, func(r *row, _ int32) bool { return gone(r) }, in)
}

// dropDays writes the parts anew in which something stands that goes. in tells which they are, or fails: then the part is read whole and,
// where that fails too, named.
func (h *History) dropDays(ctx context.Context, gone func(*row, int32) bool, in func(*pageReader, *part) (bool, error)) (int64, error) {
	h.writing.Lock()
	defer h.writing.Unlock()
	if h.closed {
		return 0, errClosed
	}
	var s swap
	var n int64
	undo := func(err error) (int64, error) {
		for _, p := range s.come {
			_ = errors.Join(p.release(), p.remove())
		}
		return 0, err
	}
	d := reader()
	defer d.done()
	var unread []string
	for _, p := range h.parts {
		if err := ctx.Err(); err != nil {
			return undo(fmt.Errorf("history: %w", err))
		}
		if yes, err := in(d, p); err == nil && !yes {
			continue
		}
		rows, err := h.all(p)
		if err != nil {
			unread = append(unread, p.name())
			continue
		}
		had := len(rows)
		rows = slices.DeleteFunc(rows, func(r row) bool { return gone(&r, p.Day) })
		if len(rows) == had {
			continue
		}
		n += int64(had - len(rows))
		s.gone = append(s.gone, p)
		if len(rows) > 0 {
			q, err := h.make(p.Day, rows)
			if err != nil {
				return undo(err)
			}
			s.come = append(s.come, q)
		}
	}
	if len(s.gone) > 0 {
		if err := h.commit(s, false); err != nil {
			return 0, err
		}
	}
	h.mu.Lock()
	keep := 0
	h.byUnit = map[uint64][]uint32{}
	for i, r := range h.fresh {
		if gone(&r, h.days[i]) {
			n++
			continue
		}
		h.fresh[keep], h.days[keep] = r, h.days[i]
		h.byUnit[r.Unit] = append(h.byUnit[r.Unit], uint32(keep))
		keep++
	}
	clear(h.fresh[keep:])
	h.fresh, h.days = h.fresh[:keep], h.days[:keep]
	h.mu.Unlock()
	if len(unread) > 0 {
		return n, fmt.Errorf("history: damaged files may still hold what was to go: %s: %w", strings.Join(unread, ", "), vedette.ErrUnavailable)
	}
	return n, nil
}

// Stats implements hunt.History.
func (h *History) Stats(context.Context) (hunt.Stats, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		return hunt.Stats{}, errClosed
	}
	st := hunt.Stats{Sightings: int64(len(h.fresh)), Memory: int64(cap(h.fresh)) * 152, Damaged: slices.Clone(h.damaged)}
	if st.Damaged == nil {
		st.Damaged = []hunt.Damage{}
	}
	span := func(from, to time.Time) {
		if st.Oldest.IsZero() || from.Before(st.Oldest) {
			st.Oldest = from
		}
		if to.After(st.Newest) {
			st.Newest = to
		}
	}
	for _, p := range h.parts {
		st.Sightings += int64(p.Rows)
		st.Bytes += p.Bytes + p.Index
		st.Memory += p.memory()
		span(dayStart(p.Day), dayStart(p.Day+1).Add(-time.Millisecond))
	}
	for i := range h.fresh {
		at := h.fresh[i].sighting(h.days[i]).At
		span(at, at)
	}
	return st, nil
}

// memory is about how many bytes of memory a part takes.
func (p *part) memory() int64 {
	n := int64(len(p.filter.Fingerprints)) + int64(len(p.first))*8 + 512
	for c := range p.chunks {
		n += int64(len(p.chunks[c].pages)) * 24
	}
	return n
}

// Verify reads every byte of every file and names what is not as it was written.
func (h *History) Verify(ctx context.Context) ([]hunt.Damage, error) {
	l, err := h.look(hunt.Window{}, func(*row, int32) bool { return false }, nil)
	if err != nil {
		return nil, err
	}
	defer l.release()
	out := l.lost
	for _, p := range l.parts {
		if err := ctx.Err(); err != nil {
			return out, fmt.Errorf("history: %w", err)
		}
		if err := p.verify(); err != nil {
			out = append(out, h.hurt(p, err))
		}
	}
	return out, nil
}
