// Package history keeps sightings in files that other engines read, and finds them in milliseconds.
//
// In:     sightings in order, from one writer.
// Out:    those of some units in a window, in time that grows with what is found, not with what is kept.
// Keeps:  one folder for each day of Parquet files; an index of all of them in memory, half a byte a sighting, and what is not yet on disk.
// Fails:  a damaged file or block is named and left aside, and the rest is served; what was added and is not durable is given again after a crash.
// Source: docs/decisions/0014-history.md, docs/formats/history.md
package history

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

// Options says how a history is kept.
type Options struct {
	// FlushRows is how many sightings are kept in memory at most: then Add makes them durable itself. Default 131,072, about 25 MB.
	FlushRows int
	FS        vfs.FS       // nil: the system's
	Log       *slog.Logger // nil logs nothing
	// Metrics is where the store's numbers are registered. nil: nowhere.
	Metrics prometheus.Registerer
}

// Errors of the room.
var (
	ErrOwned  = fmt.Errorf("history: the folder is in use: %w", vedette.ErrBusy)
	ErrClosed = fmt.Errorf("history: closed: %w", vedette.ErrUnavailable)
)

// fresh is sightings that are in no file yet. A writer appends; a reader that took the slices sees what was there.
type fresh struct {
	rows  []row
	days  []int
	units []uint64 // of the rows, beside them: what a question reads
}

// view is what a reader sees: it does not change while it is held.
type view struct {
	files []*file // by day, then number
	refs  int     // guarded by History.mu
}

// History is a history in a folder that one process owns.
type History struct {
	dir  string
	opts Options
	fs   vfs.FS
	log  *slog.Logger
	lock io.Closer

	writing sync.Mutex // held by what changes history: one at a time. Taken before shaping
	shaping sync.Mutex // held by what writes files anew

	mu      sync.Mutex // guards what follows; never held while a file is read or written
	view    *view
	active  fresh // added and not being written
	writes  fresh // being written
	lost    []listed
	damaged []hunt.Damage
	taken   journal.Position
	durable journal.Position
	next    uint64
	closed  bool

	committing sync.Mutex // held while a new manifest is made
	litter     []string   // files that no manifest will name again; guarded by committing
	unsure     bool       // a commit failed, and the disk may hold its manifest; guarded by committing
	inForce    []byte     // the manifest; guarded by committing
	scratch    sync.Pool

	wake chan struct{} // 1: that there may be something to merge is said once
	stop context.CancelFunc
	done chan struct{}

	counts     counters
	collectors []prometheus.Collector // registered, until Close
}

type counters struct{ finds, blocks, merges, failures atomic.Int64 }

var _ hunt.History = (*History)(nil)

const (
	manifestName = "manifest.json"
	manifestCopy = "manifest.copy.json"
	unfinished   = ".unfinished"
	version      = 1
)

// manifest is what is in force. A file that it does not name is none of history's.
type manifest struct {
	Version int      `json:"version"`
	Frame   uint64   `json:"frame"` // the journal's position that the files reach
	Entry   uint16   `json:"entry"`
	Next    uint64   `json:"next"` // number of the next file
	Files   []listed `json:"files"`
	Sum     string   `json:"sum"` // xxHash64 of this text with an empty sum
}

func (m *manifest) encode() ([]byte, error) {
	m.Sum = ""
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, err
	}
	m.Sum = fmt.Sprintf("%016x", xxhash.Sum64(b))
	return json.MarshalIndent(m, "", " ")
}

// errManifest is of a manifest that is there and is not what was written.
var errManifest = errors.New("it is not what was written")

func decodeManifest(b []byte) (*manifest, error) {
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	if m.Version != version {
		return nil, fmt.Errorf("version %d: %w", m.Version, vedette.ErrConflict)
	}
	if same, err := m.encode(); err != nil || !bytes.Equal(same, b) { // the sum, and whatever does not change what is read
		return nil, cmp.Or(err, errManifest)
	}
	return &m, nil
}

// Open opens the history in a folder, and makes the folder when there is none. Its error wraps vedette.ErrBusy when another has it open,
// vedette.ErrUnavailable when the disk fails or both manifests are damaged, vedette.ErrConflict when the folder is of another version.
func Open(ctx context.Context, dir string, opts Options) (h *History, err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("history: open: %w", err)
	}
	opts.FlushRows = cmp.Or(opts.FlushRows, 1<<17)
	if opts.FS == nil {
		opts.FS = vfs.Default
	}
	h = &History{dir: dir, opts: opts, fs: opts.FS, log: opts.Log, wake: make(chan struct{}, 1), done: make(chan struct{})}
	h.scratch.New = func() any { return new(reader) }
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if err := h.fs.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("history: open: %w: %w", vedette.ErrUnavailable, err)
	}
	// The folder's own name must outlast what will be in it; who may not read the folder above must have seen to that.
	if err := h.syncDir(h.fs.PathDir(dir)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("history: open: %w: %w", vedette.ErrUnavailable, err)
	}
	if h.lock, err = h.fs.Lock(h.path("LOCK")); err != nil {
		return nil, fmt.Errorf("history: open %s: %w", dir, ErrOwned)
	}
	if err := h.load(); err != nil {
		h.release()
		return nil, errors.Join(err, h.lock.Close())
	}
	if err := h.measure(opts.Metrics); err != nil {
		h.release()
		return nil, errors.Join(err, h.lock.Close())
	}
	work, stop := context.WithCancel(context.Background())
	h.stop = stop
	go func() { defer close(h.done); h.merging(work) }()
	h.nudge()
	return h, nil
}

func (h *History) path(elem ...string) string {
	return h.fs.PathJoin(append([]string{h.dir}, elem...)...)
}

func (h *History) readManifest(name string) (*manifest, error) {
	f, err := h.fs.Open(h.path(name))
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return decodeManifest(b)
}

// load finds out what is in force, and takes away what was left by a crash.
func (h *History) load() error {
	m, err := h.readManifest(manifestName)
	if err != nil {
		// The copy is written after the manifest and before anything is taken away that only an older one names: it is as good.
		second, other := h.readManifest(manifestCopy)
		switch {
		case other == nil:
			if !errors.Is(err, fs.ErrNotExist) {
				h.damaged = append(h.damaged, hunt.Damage{File: manifestName, What: err.Error() + "; its copy is used"})
				h.log.Warn("the history's manifest is damaged; its copy is used", slog.Any("err", err))
			}
			m = second
		case errors.Is(err, fs.ErrNotExist) && errors.Is(other, fs.ErrNotExist):
			m = &manifest{Version: version, Next: 1}
		case errors.Is(err, vedette.ErrConflict):
			return fmt.Errorf("history: open %s: %w", manifestName, err)
		default:
			return fmt.Errorf("history: open %s and its copy: %w: %w", manifestName, vedette.ErrUnavailable, errors.Join(err, other))
		}
	}
	found, err := h.found()
	if err != nil {
		return fmt.Errorf("history: open: %w: %w", vedette.ErrUnavailable, err)
	}
	if len(m.Files) == 0 && m.Frame == 0 && slices.ContainsFunc(found, func(n string) bool { return strings.HasSuffix(n, ".parquet") }) && m.Sum == "" {
		return fmt.Errorf("history: open: files without a manifest, as %s: %w", found[0], vedette.ErrUnavailable)
	}
	named := map[string]bool{}
	v := &view{refs: 1}
	h.view = v
	for _, l := range m.Files {
		named[l.Name] = true
		path := h.path(filepath.FromSlash(l.Name))
		if slices.Contains(found, l.Name+unfinished) {
			if err := h.publish(path); err != nil {
				return fmt.Errorf("history: open %s: %w: %w", l.Name, vedette.ErrUnavailable, err)
			}
		}
		f, err := openFile(h.fs, path, l)
		if err != nil {
			what := plain(err)
			h.lost, h.damaged = append(h.lost, l), append(h.damaged, hunt.Damage{File: l.Name, What: what})
			h.log.Error("a file of history is damaged and left aside", slog.String("file", l.Name), slog.String("what", what))
			continue
		}
		if f.mended {
			h.damaged = append(h.damaged, f.damages("its index is damaged and was made anew in memory")...)
			h.log.Warn("a file's index is damaged and was made anew", slog.String("file", l.Name))
		}
		v.files = append(v.files, f)
	}
	for _, name := range found {
		if !named[name] && !named[strings.TrimSuffix(name, unfinished)] {
			h.litter = append(h.litter, name)
		}
	}
	if m.Sum != "" { // before anything is removed that only one of the two names
		if err := h.settleManifests(m); err != nil {
			h.log.Warn("the history's manifest cannot be made anew before something is written", slog.Any("err", err))
			h.unsure = true
		}
	}
	if !h.unsure {
		h.sweep()
	}
	h.next = m.Next
	h.durable = journal.Position{Frame: m.Frame, Index: m.Entry}
	h.taken = h.durable
	return nil
}

// settleManifests makes the manifest and its copy say the same again, after a crash between the two, or damage.
func (h *History) settleManifests(m *manifest) error {
	b, err := m.encode()
	if err != nil {
		return err
	}
	h.inForce = b
	for _, name := range []string{manifestName, manifestCopy} {
		there, err := h.readManifest(name)
		if err != nil && !slices.ContainsFunc(h.damaged, func(d hunt.Damage) bool { return d.File == manifestName }) && !errors.Is(err, fs.ErrNotExist) {
			h.damaged = append(h.damaged, hunt.Damage{File: name, What: plain(err) + "; made anew"})
			h.log.Warn("one of the history's two manifests is damaged; it is made anew", slog.String("file", name), slog.Any("err", err))
		}
		if err == nil && there.Sum == m.Sum {
			continue
		}
		if err := h.replace(name, b); err != nil {
			return err
		}
	}
	return nil
}

// plain says what is wrong without saying where the folder is.
func plain(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fs.ErrNotExist.Error()
	}
	return err.Error()
}

// found lists the files of the days' folders, finished or not.
func (h *History) found() ([]string, error) {
	days, err := h.fs.List(h.dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range days {
		if !strings.HasPrefix(d, "day=") {
			continue
		}
		names, err := h.fs.List(h.path(d))
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			_ = h.fs.Remove(h.path(d)) // an empty folder harms nobody
		}
		for _, n := range names {
			if strings.HasPrefix(n, "part-") && (strings.HasSuffix(n, ".parquet") || strings.HasSuffix(n, ".parquet"+unfinished)) {
				out = append(out, d+"/"+n)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// sweep takes files away that no manifest names. What cannot be taken away is tried again after the next commit.
func (h *History) sweep() {
	dirs := map[string]bool{}
	h.litter = slices.DeleteFunc(h.litter, func(name string) bool {
		err := h.fs.Remove(h.path(filepath.FromSlash(name)))
		dirs[strings.Split(name, "/")[0]] = true
		return err == nil || errors.Is(err, fs.ErrNotExist)
	})
	for _, d := range slices.Sorted(maps.Keys(dirs)) {
		if names, err := h.fs.List(h.path(d)); err == nil && len(names) == 0 {
			_ = h.fs.Remove(h.path(d))
			continue
		}
		_ = h.syncDir(h.path(d)) // a file that comes back after a crash is swept at the next opening
	}
}

func (h *History) syncDir(path string) error {
	d, err := h.fs.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// publish gives a file its name. Both names stand until the new one is durable.
func (h *History) publish(path string) error {
	if err := h.fs.Link(path+unfinished, path); err != nil && !errors.Is(err, fs.ErrExist) {
		if err := h.fs.Rename(path+unfinished, path); err != nil { // a file system without links
			return err
		}
	}
	if err := h.syncDir(h.fs.PathDir(path)); err != nil {
		return err
	}
	if err := h.fs.Remove(path + unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func dayName(day int) string {
	return "day=" + time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly)
}

// made is a file that was written and is not in force yet.
type made struct {
	file *file
	path string
}

// write writes rows into an unfinished file. next yields them in order, nil at the end. No rows make no file.
func (h *History) write(day int, next func() (*row, error)) (m made, err error) {
	first, err := next()
	if err != nil || first == nil {
		return made{}, err
	}
	h.mu.Lock()
	number := h.next
	h.next++
	h.mu.Unlock()
	dir := dayName(day)
	name := fmt.Sprintf("%s/part-%010d.parquet", dir, number)
	path := h.path(filepath.FromSlash(name))
	if err := h.fs.MkdirAll(h.path(dir), 0o700); err != nil {
		return made{}, err
	}
	out, err := h.fs.Create(path+unfinished, vfs.WriteCategoryUnspecified)
	if err != nil {
		return made{}, err
	}
	l := listed{Name: name, Day: day}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.fs.Remove(path+unfinished))
		}
	}()
	w, err := newWriter(out)
	for r := first; r != nil && err == nil; {
		if err = w.add(r); err == nil {
			r, err = next()
		}
	}
	if err == nil {
		l.Bytes, err = w.finish()
		l.Sum = sumOf(w.sum)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return made{}, err
	}
	l.Rows, l.Oldest, l.Newest = w.n, int64(day)*dayMillis+int64(w.oldest), int64(day)*dayMillis+int64(w.newest)
	// The folder's own name and the file's must outlast what will name them.
	if err := errors.Join(h.syncDir(h.path(dir)), h.syncDir(h.dir)); err != nil {
		return made{}, err
	}
	f, err := openFile(h.fs, path+unfinished, l)
	if err != nil {
		return made{}, err
	}
	return made{f, path}, nil
}

// change is what a commit does.
type change struct {
	in    []made
	out   []*file
	lost  func(listed) bool // of the damaged files, which go
	hide  map[*file]hiding
	upto  *journal.Position
	apply func() // under mu, together with the rest
}

type hiding struct {
	units []uint64
	rows  int64
}

// commit brings a change into force: it is durable when it returns nil. After an error the old order is in force; should the new one be found
// after a crash, it is as true.
func (h *History) commit(c change) (err error) {
	h.committing.Lock()
	defer h.committing.Unlock()
	defer func() {
		if err != nil {
			h.counts.failures.Add(1)
			// Whether a manifest that names them reached the disk is not known: they stay until one that does not name them has.
			for _, m := range c.in {
				h.litter = append(h.litter, m.file.Name, m.file.Name+unfinished)
				m.file.release()
			}
		}
	}()
	h.mu.Lock()
	m := manifest{Version: version, Next: h.next, Frame: h.durable.Frame, Entry: h.durable.Index}
	if c.upto != nil {
		m.Frame, m.Entry = c.upto.Frame, c.upto.Index
	}
	old := h.view
	var files []*file
	for _, f := range old.files {
		if !slices.Contains(c.out, f) {
			files = append(files, f)
		}
	}
	for _, in := range c.in {
		files = append(files, in.file)
	}
	slices.SortFunc(files, func(a, b *file) int { return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Name, b.Name)) })
	lost, gone := h.lost, []listed(nil)
	if c.lost != nil {
		lost = nil
		for _, l := range h.lost {
			if c.lost(l) {
				gone = append(gone, l)
			} else {
				lost = append(lost, l)
			}
		}
	}
	h.mu.Unlock()
	for _, f := range files {
		l := f.listed
		if hd, ok := c.hide[f]; ok {
			l.Without = slices.Clone(l.Without)
			for _, u := range hd.units {
				l.Without = append(l.Without, hexOf(u))
			}
			slices.Sort(l.Without)
			l.Without = slices.Compact(l.Without)
			l.Hidden += hd.rows
		}
		m.Files = append(m.Files, l)
	}
	m.Files = append(m.Files, lost...)
	slices.SortFunc(m.Files, func(a, b listed) int { return cmp.Compare(a.Name, b.Name) })
	b, err := m.encode()
	if err != nil {
		return err
	}
	h.unsure = true
	for _, name := range []string{manifestName, manifestCopy} {
		if err := h.replace(name, b); err != nil {
			return fmt.Errorf("history: commit: %w: %w", vedette.ErrUnavailable, err)
		}
	}
	h.unsure, h.inForce = false, b
	// From here on the change is in force, whatever happens. What a file is called is put right at the next opening at the latest.
	for _, f := range c.out {
		h.litter = append(h.litter, f.Name)
	}
	for _, l := range gone {
		h.litter = append(h.litter, l.Name)
	}
	h.sweep()
	var publishing error
	for _, in := range c.in {
		if e := h.publish(in.path); e != nil {
			publishing = errors.Join(publishing, e)
		}
	}
	if publishing != nil {
		h.log.Error("a file of history has no name for other engines until history is opened again", slog.Any("err", publishing))
	}
	h.mu.Lock()
	for f, hd := range c.hide {
		f.hide(hd.units)
		for i := range m.Files {
			if m.Files[i].Name == f.Name {
				f.Without, f.Hidden = m.Files[i].Without, m.Files[i].Hidden
			}
		}
	}
	for _, f := range files {
		f.refs.Add(1)
	}
	h.view, h.lost = &view{files: files, refs: 1}, lost
	h.damaged = slices.DeleteFunc(h.damaged, func(d hunt.Damage) bool {
		return slices.ContainsFunc(gone, func(l listed) bool { return l.Name == d.File }) || slices.ContainsFunc(c.out, func(f *file) bool { return f.Name == d.File })
	})
	if c.upto != nil {
		h.durable = *c.upto
	}
	if c.apply != nil {
		c.apply()
	}
	h.mu.Unlock()
	for _, in := range c.in {
		in.file.release() // the view holds it now
	}
	h.unhold(old)
	return nil
}

// settle makes sure that the disk's manifest is the one in force, before something is taken out for good: one whose commit failed may name files
// that hold it.
func (h *History) settle() error {
	h.committing.Lock()
	unsure := h.unsure
	h.committing.Unlock()
	if !unsure {
		return nil
	}
	return h.commit(change{})
}

// replace writes a small file whole.
func (h *History) replace(name string, b []byte) error {
	path := h.path(name)
	f, err := h.fs.Create(path+unfinished, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(bytes.Clone(b)) // a file may use what it was given as it likes, and the copy is written from b too
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := h.fs.Rename(path+unfinished, path); err != nil {
		return err
	}
	return h.syncDir(h.dir)
}

// hold returns what is in force, with what is in no file.
func (h *History) hold() (*view, [2]fresh, []hunt.Damage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, [2]fresh{}, nil, ErrClosed
	}
	h.view.refs++
	return h.view, [2]fresh{h.writes, h.active}, slices.Clone(h.damaged), nil
}

func (h *History) unhold(v *view) {
	h.mu.Lock()
	v.refs--
	last := v.refs == 0
	h.mu.Unlock()
	if last {
		for _, f := range v.files {
			f.release()
		}
	}
}

// Add implements hunt.History.
func (h *History) Add(ctx context.Context, sightings []hunt.Sighting, upto journal.Position) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.writing.Lock()
	defer h.writing.Unlock()
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return ErrClosed
	}
	if err := hunt.CheckAdd(h.taken, sightings, upto); err != nil {
		h.mu.Unlock()
		return err
	}
	a := &h.active
	link := uint16(0)
	for i := range sightings {
		if i > 0 && sightings[i].Position == sightings[i-1].Position {
			link++
		} else {
			link = 0
		}
		r, day := rowOf(&sightings[i], link)
		a.rows, a.days, a.units = append(a.rows, r), append(a.days, day), append(a.units, r.unit)
	}
	h.taken = upto
	full := len(a.rows) >= h.opts.FlushRows
	h.mu.Unlock()
	if full {
		return h.flush(ctx)
	}
	return nil
}

// Position implements hunt.History.
func (h *History) Position() journal.Position {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.durable
}

// Flush implements hunt.History. After an error what was added can still be found, and the next Flush tries again.
func (h *History) Flush(ctx context.Context) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	return h.flush(ctx)
}

func (h *History) flush(ctx context.Context) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return ErrClosed
	}
	upto := h.taken
	if len(h.active.rows) == 0 && upto == h.durable {
		h.mu.Unlock()
		return nil
	}
	// Nobody else moves what is being written: writing is held.
	h.writes, h.active = h.active, fresh{}
	rows := h.writes
	h.mu.Unlock()
	defer func() {
		if err != nil {
			h.mu.Lock()
			h.active, h.writes = h.writes, fresh{}
			h.mu.Unlock()
		}
	}()
	days := map[int][]int32{}
	for i, d := range rows.days {
		days[d] = append(days[d], int32(i))
	}
	var in []made
	for _, d := range slices.Sorted(maps.Keys(days)) {
		at := days[d]
		slices.SortFunc(at, func(a, b int32) int { return order(&rows.rows[a], &rows.rows[b]) })
		i := 0
		m, err := h.write(d, func() (*row, error) {
			if i == len(at) {
				return nil, nil
			}
			i++
			return &rows.rows[at[i-1]], nil
		})
		if err != nil {
			h.drop(in)
			return fmt.Errorf("history: flush: %w: %w", vedette.ErrUnavailable, err)
		}
		in = append(in, m)
	}
	if err := h.commit(change{in: in, upto: &upto, apply: func() { h.writes = fresh{} }}); err != nil {
		return err
	}
	h.nudge()
	return nil
}

// drop takes files away that never came into force.
func (h *History) drop(in []made) {
	h.committing.Lock()
	defer h.committing.Unlock()
	for _, m := range in {
		h.litter = append(h.litter, m.file.Name+unfinished)
		m.file.release()
	}
}

// Close makes durable what was added, and gives the folder free. What is being read is read to its end.
func (h *History) Close(ctx context.Context) error {
	h.stop()
	<-h.done
	h.writing.Lock()
	defer h.writing.Unlock()
	h.mu.Lock()
	closed := h.closed
	h.mu.Unlock()
	if closed {
		return nil
	}
	err := h.flush(ctx)
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.release()
	for _, c := range h.collectors {
		h.opts.Metrics.Unregister(c)
	}
	return errors.Join(err, h.lock.Close())
}

// release lets go of the files, once.
func (h *History) release() {
	if h.view != nil {
		h.unhold(h.view)
	}
}

// Stats implements hunt.History.
func (h *History) Stats(ctx context.Context) (hunt.Stats, error) {
	if err := ctx.Err(); err != nil {
		return hunt.Stats{}, err
	}
	v, mem, damaged, err := h.hold()
	if err != nil {
		return hunt.Stats{}, err
	}
	defer h.unhold(v)
	st := hunt.Stats{Damaged: damaged}
	span := func(from, to int64) {
		if st.Oldest.IsZero() || from < st.Oldest.UnixMilli() {
			st.Oldest = time.UnixMilli(from).UTC()
		}
		if st.Newest.IsZero() || to > st.Newest.UnixMilli() {
			st.Newest = time.UnixMilli(to).UTC()
		}
	}
	for _, f := range v.files {
		st.Bytes += f.Bytes
		st.Memory += f.x.memory()
		h.mu.Lock()
		left := f.Rows - f.Hidden
		h.mu.Unlock()
		if st.Sightings += left; left > 0 {
			span(f.Oldest, f.Newest)
		}
	}
	for _, m := range mem {
		st.Sightings += int64(len(m.rows))
		st.Memory += int64(cap(m.rows))*152 + int64(cap(m.units)+cap(m.days))*8
		for i := range m.rows {
			at := int64(m.days[i])*dayMillis + int64(m.rows[i].time)
			span(at, at)
		}
	}
	return st, nil
}

// Verify reads every byte of every file and names what is damaged; Stats names it from then on.
func (h *History) Verify(ctx context.Context) ([]hunt.Damage, error) {
	v, _, _, err := h.hold()
	if err != nil {
		return nil, err
	}
	defer h.unhold(v)
	r := new(reader)
	for _, f := range v.files {
		wrong, err := f.verify(ctx, r)
		if err != nil {
			return nil, err
		}
		h.hurt(f, wrong)
	}
	if err := h.verifyManifests(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.damaged), nil
}

// verifyManifests reads both, and makes anew what is not as it was written.
func (h *History) verifyManifests() error {
	h.committing.Lock()
	defer h.committing.Unlock()
	if h.unsure || h.inForce == nil {
		return nil // the next change writes them
	}
	for _, name := range []string{manifestName, manifestCopy} {
		m, err := h.readManifest(name)
		if err == nil {
			var b []byte
			if b, err = m.encode(); err == nil && bytes.Equal(b, h.inForce) {
				continue
			}
			err = cmp.Or(err, errManifest)
		}
		d := hunt.Damage{File: name, What: plain(err) + "; made anew"}
		h.log.Warn("one of the history's two manifests is damaged; it is made anew", slog.String("file", name), slog.Any("err", err))
		h.mu.Lock()
		if !slices.Contains(h.damaged, d) {
			h.damaged = append(h.damaged, d)
		}
		h.mu.Unlock()
		if err := h.replace(name, h.inForce); err != nil {
			return fmt.Errorf("history: %s: %w: %w", name, vedette.ErrUnavailable, err)
		}
	}
	return nil
}

// hurt remembers what is wrong with a file that is still in force: it is not merged, and everybody who asks is told.
func (h *History) hurt(f *file, wrong []string) {
	if len(wrong) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(h.view.files, f) {
		return
	}
	for _, d := range f.damages(wrong...) {
		if !slices.Contains(h.damaged, d) {
			h.damaged = append(h.damaged, d)
			h.log.Error("a file of history is damaged; the rest is served", slog.String("file", d.File), slog.String("what", d.What))
		}
	}
}
