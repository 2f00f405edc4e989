package intake

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"vedette"
	"vedette/edge/access"
	"vedette/inline/sequence"
)

var bodies = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// Decide answers one event.
func (d *Door) Decide(w http.ResponseWriter, r *http.Request) {
	v, err := d.keys.Admit(r, access.Decide)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	if err := negotiate(r, "application/json", errWantJSON); err != nil {
		d.refuse(w, r, err)
		return
	}
	buf := bodies.Get().(*[]byte)
	defer func() { *buf = (*buf)[:0]; bodies.Put(buf) }()
	if err := d.body(w, r, buf, MaxEvent, errLongEvent); err != nil {
		d.refuse(w, r, err)
		return
	}
	s, err := d.sealers(v.Tenant)
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	began := d.now()
	dec, err := Decode(*buf, s, d.options(v, began))
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	if dec.Arrival.Missing&vedette.DegradedLinks != 0 {
		d.metrics.unread.Inc()
	}
	if !d.single.TryAcquire(1) {
		d.refuse(w, r, errFull)
		return
	}
	d.metrics.pending.Inc()
	one := [1]sequence.Arrival{dec.Arrival}
	out := d.submit(r, one[:], d.cfg.Limit)[0]
	d.metrics.pending.Dec()
	d.single.Release(1)
	if d.now().Sub(began) > d.cfg.Budget {
		d.metrics.late.Inc()
	}
	if out.Err != nil {
		d.refuse(w, r, out.Err)
		return
	}
	d.metrics.events[answered(out)].Inc()
	h := w.Header()
	if out.Duplicate {
		h.Set("Vedette-Recorded", "true")
	}
	*buf = append(appendAnswer((*buf)[:0], dec.ID, dec.Arrival.Event.ID, &out.Decision), '\n')
	h["Content-Type"] = jsonType
	h.Set("Content-Length", strconv.Itoa(len(*buf)))
	_, _ = w.Write(*buf) // the sender hung up; the decision is kept all the same
}

var jsonType = []string{"application/json"}

func answered(o sequence.Outcome) int {
	if o.Duplicate {
		return resultRecorded
	}
	return resultAnswered
}

// refuse answers an event that has no decision.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, err error) {
	d.metrics.events[resultOf(err)].Inc()
	d.fail(w, r, err)
}

func (d *Door) options(v *access.Visitor, now time.Time) DecodeOptions {
	return DecodeOptions{Tenant: v.Tenant, Platform: v.Platform, Source: vedette.SourceHTTP, Now: now, MaxAge: d.cfg.MaxAge, Dropped: &d.dropped}
}

// submit waits until the arrivals are durable, at most for limit. A sender who hangs up does not stop it: nobody probes for free.
// What breaks in the gate is every arrival's fault. The slice is the gate's from now on: when the limit ends the waiting, it still works on it.
func (d *Door) submit(r *http.Request, as []sequence.Arrival, limit time.Duration) (out []sequence.Outcome) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), limit)
	defer cancel()
	if d.tracer != nil {
		var span trace.Span
		ctx, span = d.tracer.Start(ctx, "gate", trace.WithAttributes(attribute.Int("events", len(as))))
		defer span.End()
	}
	defer func() {
		if p := recover(); p != nil {
			d.broke(r, p)
			out = failed(len(as), errBroke)
		}
	}()
	out = d.gate.Submit(ctx, as)
	if len(out) != len(as) {
		return failed(len(as), fmt.Errorf("intake: the gate answered %d of %d events", len(out), len(as)))
	}
	return out
}

func failed(n int, err error) []sequence.Outcome {
	out := make([]sequence.Outcome, n)
	for i := range out {
		out[i].Err = err
	}
	return out
}

// Decision answers with a recorded decision.
func (d *Door) Decision(w http.ResponseWriter, r *http.Request, id string) {
	v, err := d.keys.Admit(r, access.Read)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	if !accepts(r.Header.Values("Accept"), "application/json") {
		d.fail(w, r, notAcceptable("application/json"))
		return
	}
	if id == "" || len(id) > maxID {
		d.fail(w, r, &Refusal{Field: "id", Byte: -1, Detail: "want 1 to 256 bytes", Kind: vedette.ErrInvalid})
		return
	}
	s, err := d.sealers(v.Tenant)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), d.cfg.Limit)
	defer cancel()
	e, err := d.find(ctx, v.Tenant, s.EventID(id))
	if err == nil && e.Event.Tenant != v.Tenant {
		err = fmt.Errorf("intake: found another tenant's event: %w", vedette.ErrUnknown)
	}
	if err != nil {
		d.fail(w, r, err)
		return
	}
	b := append([]byte(nil), `{"answer":`...)
	b = appendAnswer(b, id, e.Event.ID, &e.Decision)
	b = append(b, `,"kind":"`...)
	b = append(b, e.Event.Kind().String()...)
	b = append(b, `","at":"`...)
	b = e.Event.At.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","seen":"`...)
	b = e.Event.Seen.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","position":"`...)
	b = append(b, e.Position.String()...)
	b = append(b, '"', '}', '\n')
	h := w.Header()
	h["Content-Type"] = jsonType
	h.Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}

// negotiate holds Content-Type and Accept against what the operation takes and gives.
func negotiate(r *http.Request, kind string, want error) error {
	if ct := r.Header.Get("Content-Type"); ct != kind {
		if got, _, err := mime.ParseMediaType(ct); err != nil || got != kind {
			return want
		}
	}
	if !accepts(r.Header.Values("Accept"), kind) {
		return notAcceptable(kind)
	}
	return nil
}

func notAcceptable(kind string) error {
	return &refused{http.StatusNotAcceptable, "not-acceptable", "Accept: the answer is " + kind}
}

// accepts tells whether an Accept header takes a media type. No header takes everything (RFC 9110 §12.5.1).
func accepts(header []string, kind string) bool {
	if len(header) == 0 {
		return true
	}
	all, _, _ := strings.Cut(kind, "/")
	for _, h := range header {
		if h == kind || h == "*/*" {
			return true
		}
		for part := range strings.SplitSeq(h, ",") {
			t, params, err := mime.ParseMediaType(strings.TrimSpace(part))
			if err != nil || t != kind && t != "*/*" && t != all+"/*" {
				continue
			}
			if q, err := strconv.ParseFloat(params["q"], 64); params["q"] == "" || err == nil && q > 0 {
				return true
			}
		}
	}
	return false
}

var unzippers sync.Pool

// unpacked returns the body without its content coding, reading at most limit bytes of the packed form: a gzip bomb of empty members gives
// nothing and would be read for ever.
func unpacked(w http.ResponseWriter, r *http.Request, limit int64) (body io.Reader, done func(), err error) {
	packed := http.MaxBytesReader(w, r.Body, limit)
	switch e := r.Header.Get("Content-Encoding"); {
	case e == "" || strings.EqualFold(e, "identity"):
		return packed, func() {}, nil
	case !strings.EqualFold(e, "gzip"):
		return nil, nil, errEncoding
	}
	z, _ := unzippers.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	// Reset reads the head of the body.
	if err := z.Reset(packed); err != nil {
		return nil, nil, bodyError(err, true)
	}
	return z, func() { unzippers.Put(z) }, nil
}

// bodyError gives what a body's reader says a form for the caller.
func bodyError(err error, packed bool) error {
	switch _, over := errors.AsType[*http.MaxBytesError](err); {
	case over:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlow
	case packed && !errors.Is(err, context.Canceled):
		return errNotGzip
	}
	return errCut
}

var (
	errLongEvent  = &Refusal{Byte: MaxEvent, Detail: "longer than 64 KiB; an event holds metadata and links, no text", Kind: vedette.ErrTooLarge}
	errLongReport = &Refusal{Byte: MaxReport, Detail: "longer than 256 KiB; send the reported message and less around it", Kind: vedette.ErrTooLarge}
)

// body reads one event or report into buf.
func (d *Door) body(w http.ResponseWriter, r *http.Request, buf *[]byte, limit int, tooLarge error) error {
	if r.ContentLength > int64(limit) {
		return tooLarge
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(d.cfg.ReadTimeout)) // a writer without deadlines is not the server's
	zipped := r.Header.Get("Content-Encoding") != ""
	body, done, err := unpacked(w, r, int64(limit))
	if err != nil {
		return err
	}
	defer done()
	b := (*buf)[:0]
	defer func() { *buf = b }()
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := body.Read(b[len(b):min(cap(b), limit+1)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			return tooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			if _, over := errors.AsType[*http.MaxBytesError](err); over {
				return tooLarge
			}
			return bodyError(err, zipped && !errors.Is(err, os.ErrDeadlineExceeded))
		}
		if n == 0 {
			runtime.Gosched() // a reader may give nothing and no error; it must not hold the processor
		}
	}
}
