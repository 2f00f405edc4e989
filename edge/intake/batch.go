package intake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"vedette"
	"vedette/edge/access"
	"vedette/inline/sequence"
	"vedette/record/journal"
)

// The limits of a batch.
const (
	MaxBatch = 32 << 20 // bytes, unpacked and packed
	MaxLines = 10000
)

const (
	// chunk is how many events go to the gate in one call: four frames, so that one wait for the disk is shared by many.
	chunk = 4 * journal.MaxFrame
	// window is how much of a batch is in memory as bytes; a line must fit, and a read of the network should hold many.
	window = 4 * MaxEvent
)

// batch is one POST /v1/events. Three work on it, so that reading never waits for the disk and never for a caller who reads no results: the
// reader (the request's own goroutine) reads and seals lines; the decider gives them to the gate, in order; the writer sends results.
type batch struct {
	d *Door
	r *http.Request

	lines   queue[item]
	results outbox
	read    atomic.Bool // the batch was read to its end, or given up
	broken  atomic.Bool // the decider or the writer broke
}

// item is one line: an arrival, or why there is none.
type item struct {
	line int
	dec  Decoded
	err  error
}

// Events answers a batch, line by line.
func (d *Door) Events(w http.ResponseWriter, r *http.Request) {
	v, err := d.keys.Admit(r, access.Events)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	if err := negotiate(r, "application/x-ndjson", errWantNDJSON); err != nil {
		d.fail(w, r, err)
		return
	}
	s, err := d.sealers(v.Tenant)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	rc := http.NewResponseController(w)
	_ = rc.EnableFullDuplex() // HTTP/2 always is; a recorder need not be
	_ = rc.SetReadDeadline(time.Now().Add(d.cfg.ReadTimeout))
	body, done, err := unpacked(w, r, MaxBatch)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	defer done()

	b := &batch{d: d, r: r}
	b.lines.init(2 * chunk)
	b.results.init()
	var both sync.WaitGroup
	both.Go(func() {
		defer b.results.close()
		b.guard(b.decide)
		for items := []item(nil); ; { // none is left when nothing broke; else the reader must not wait for ever
			if items = b.lines.get(items[:0], chunk); len(items) == 0 {
				return
			}
		}
	})
	both.Go(func() { b.guard(func() { b.write(w, rc) }) })
	defer func() { // also when reading breaks: the others must have ended before the writer goes back to the server
		b.read.Store(true)
		b.lines.close()
		_ = rc.SetWriteDeadline(time.Now().Add(d.cfg.WriteTimeout))
		both.Wait()
		if b.broken.Load() {
			panic(http.ErrAbortHandler) // half an answer must not look whole
		}
	}()
	w.Header().Set("Content-Type", "application/x-ndjson")
	b.take(body, rc, v, s)
	_ = rc.SetReadDeadline(time.Time{})
}

// guard keeps what breaks in one of the batch's goroutines from ending the process.
func (b *batch) guard(work func()) {
	defer func() {
		if p := recover(); p != nil {
			b.broken.Store(true)
			b.d.broke(b.r, p)
		}
	}()
	work()
}

// take reads lines until the batch ends, and says with a last item why when it did not end well.
func (b *batch) take(body io.Reader, rc *http.ResponseController, v *access.Visitor, s Sealer) {
	bp := windows.Get().(*[]byte)
	defer windows.Put(bp)
	buf := *bp
	var (
		start, end int  // the unread part of buf
		long       bool // within a line over the limit
		line       int
		total      int64
		zipped     = b.r.Header.Get("Content-Encoding") != ""
		giveUp     = time.Now().Add(b.d.cfg.BatchTimeout)
		free       = 1 // Admit counted one event
		items      []item
	)
	one := func(text []byte) bool {
		if line++; line > MaxLines {
			items = append(items, item{line: line, err: errTooMany})
			return false
		}
		if !long && len(bytes.TrimSpace(text)) == 0 {
			return true
		}
		it := item{line: line}
		switch {
		case long || len(text) > MaxEvent:
			it.err = &Refusal{Byte: MaxEvent, Detail: "longer than 64 KiB; an event holds metadata and links, no text", Kind: vedette.ErrTooLarge}
		default:
			if free > 0 {
				free--
			} else {
				it.err = v.Take(1)
			}
			if it.err == nil {
				it.dec, it.err = b.decode(text, s, v)
			}
		}
		long = false
		items = append(items, it)
		return true
	}
	for {
		now := time.Now()
		wait := now.Add(b.d.cfg.ReadTimeout)
		if wait.After(giveUp) {
			wait = giveUp
		}
		_ = rc.SetReadDeadline(wait)
		n, err := body.Read(buf[end:])
		total += int64(n)
		end += n
		if total > MaxBatch {
			err = errBatchSize
		}
		for {
			i := bytes.IndexByte(buf[start:end], '\n')
			if i < 0 {
				break
			}
			more := one(buf[start : start+i])
			start += i + 1
			if !more {
				b.lines.put(items)
				return
			}
		}
		if end-start > MaxEvent {
			long, start = true, end // the rest of the line is thrown away as it comes
		}
		if start > 0 {
			end = copy(buf, buf[start:end])
			start = 0
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				if end > 0 || long { // the last line needs no newline
					one(buf[:end])
				}
			} else {
				items = append(items, item{line: line + 1, err: cutBy(err, zipped)})
			}
			b.lines.put(items)
			return
		}
		b.lines.put(items)
		items = items[:0]
		if free == 0 {
			// The key is asked anew, so that its rate goes on with the clock and a revoked one ends here.
			again, err := b.d.keys.Admit(b.r, access.Events)
			if err == nil {
				v, free = again, 1
			} else if _, busy := errors.AsType[*access.Busy](err); !busy {
				b.lines.put([]item{{line: line + 1, err: err}})
				return
			}
		}
	}
}

var windows = sync.Pool{New: func() any { b := make([]byte, window); return &b }}

// cutBy says why a batch stopped, as its last result.
func cutBy(err error, zipped bool) error {
	if errors.Is(err, errBatchSize) {
		return err
	}
	switch got := bodyError(err, zipped); got { //nolint:errorlint // our own values
	case errSlow:
		return errSlowLine
	case errCut:
		return errCutLine
	case errNotGzip:
		return errNotGzip
	}
	return errBatchSize // packed bytes over the limit
}

// decode reads one line; what breaks is that line's fault alone.
func (b *batch) decode(text []byte, s Sealer, v *access.Visitor) (dec Decoded, err error) {
	defer func() {
		if p := recover(); p != nil {
			b.d.broke(b.r, p)
			dec, err = Decoded{}, errBroke
		}
	}()
	dec, err = Decode(text, s, b.d.options(v, b.d.now()))
	if err == nil && dec.Arrival.Missing&vedette.DegradedLinks != 0 {
		b.d.metrics.unread.Inc()
	}
	return dec, err
}

// decide gives lines to the gate in their order, as many at a time as have come, and puts out a result for each.
func (b *batch) decide() {
	var (
		items []item
		text  []byte
	)
	for {
		if items = b.lines.get(items[:0], chunk); len(items) == 0 {
			return
		}
		arrivals := make([]sequence.Arrival, 0, len(items)) // the gate's own once submitted: never used again
		for i := range items {
			if items[i].err == nil {
				arrivals = append(arrivals, items[i].dec.Arrival)
			}
		}
		outs := b.gate(arrivals)
		text = text[:0]
		for i := range items {
			it := &items[i]
			if it.err != nil {
				text = b.problem(text, it.line, it.err)
				continue
			}
			out := &outs[0]
			outs = outs[1:]
			if out.Err != nil {
				text = b.problem(text, it.line, out.Err)
				continue
			}
			b.d.metrics.events[answered(*out)].Inc()
			text = append(text, `{"line":`...)
			text = strconv.AppendInt(text, int64(it.line), 10)
			text = append(text, `,"status":200,"decision":`...)
			text = appendAnswer(text, it.dec.ID, it.dec.Arrival.Event.ID, &out.Decision)
			if out.Duplicate {
				text = append(text, `,"recorded":true`...)
			}
			text = append(text, '}', '\n')
		}
		b.results.put(text)
		clear(items) // a raw id lives no longer than its answer
	}
}

// gate waits for room in the queue, since a batch can, and submits.
func (b *batch) gate(as []sequence.Arrival) []sequence.Outcome {
	if len(as) == 0 {
		return nil
	}
	d := b.d
	n := min(int64(len(as)), int64(d.cfg.Pending/2)) // a chunk larger than the batches' whole share takes all of it
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.r.Context()), d.cfg.BatchLimit)
	err := d.bulk.Acquire(ctx, n)
	cancel()
	if err != nil {
		return failed(len(as), errFull)
	}
	d.metrics.pending.Add(float64(len(as)))
	defer func() {
		d.metrics.pending.Sub(float64(len(as)))
		d.bulk.Release(n)
	}()
	return d.submit(b.r, as, d.cfg.BatchLimit)
}

func (b *batch) problem(text []byte, line int, err error) []byte {
	b.d.metrics.events[resultOf(err)].Inc()
	p := explain(err)
	if p.status >= http.StatusInternalServerError {
		b.d.tell(b.r, err)
	}
	text = append(text, `{"line":`...)
	text = strconv.AppendInt(text, int64(line), 10)
	text = append(text, `,"status":`...)
	text = strconv.AppendInt(text, int64(p.status), 10)
	text = append(text, `,"problem":`...)
	return append(p.appendTo(text), '}', '\n')
}

// write sends results as they come. When the caller is gone, the rest is decided and kept all the same, and the results are thrown away.
func (b *batch) write(w http.ResponseWriter, rc *http.ResponseController) {
	var text []byte
	gone := false
	for {
		if text = b.results.get(text[:0]); len(text) == 0 {
			return
		}
		if gone {
			continue
		}
		if b.read.Load() {
			_ = rc.SetWriteDeadline(time.Now().Add(b.d.cfg.WriteTimeout))
		}
		if _, err := w.Write(text); err != nil {
			gone = true
			continue
		}
		if err := rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			gone = !errors.Is(err, os.ErrInvalid)
		}
	}
}

// queue hands items from one goroutine to another in order, as many at a time as are there.
type queue[T any] struct {
	mu     sync.Mutex
	change sync.Cond
	items  []T
	most   int
	closed bool
}

func (q *queue[T]) init(most int) { q.change.L, q.most = &q.mu, most }

// put appends, and waits while the queue is full. It copies the slice.
func (q *queue[T]) put(items []T) {
	if len(items) == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) >= q.most {
		q.change.Wait()
	}
	q.items = append(q.items, items...)
	q.change.Broadcast()
}

// get takes up to n into dst; none when the queue is closed and empty.
func (q *queue[T]) get(dst []T, n int) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.change.Wait()
	}
	n = min(n, len(q.items))
	dst = append(dst, q.items[:n]...)
	rest := copy(q.items, q.items[n:])
	clear(q.items[rest:])
	q.items = q.items[:rest]
	q.change.Broadcast()
	return dst
}

func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.change.Broadcast()
}

// outbox holds results that the caller has not read. It is never full: a batch has at most MaxLines of them, and a caller that sends its whole
// batch before it reads must not bring both sides to a stop.
type outbox struct{ q queue[byte] }

func (o *outbox) init()                 { o.q.init(1 << 62) }
func (o *outbox) put(text []byte)       { o.q.put(text) }
func (o *outbox) get(dst []byte) []byte { return o.q.get(dst, 1<<20) }
func (o *outbox) close()                { o.q.close() }
