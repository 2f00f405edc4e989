package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"vedette"
	"vedette/act/response"
	"vedette/edge/access"
)

// Pattern is where the stream stands in a mux.
const Pattern = "GET /v1/changes"

// ContentType is what is answered.
const ContentType = "application/x-ndjson"

// Cursor is the header that says from where to go on, also when no change came.
const Cursor = "Vedette-Cursor"

// Config is what may be set. Zero means the default.
type Config struct {
	// MaxWait is the longest that a request may wait for a change. Default 60s; 1s to 10m.
	MaxWait time.Duration
	// Limit is how many changes one answer holds at most. Default 500; 1 to 1000.
	Limit int
	// Readers is how many requests may be open at once. More are told to come back. Default 64; 1 to 65536.
	Readers int
	// WriteTimeout is how long a reader may take for a whole answer, once there is one. Default 30s; 10ms to 10m.
	WriteTimeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.MaxWait == 0 {
		c.MaxWait = time.Minute
	}
	if c.Limit == 0 {
		c.Limit = 500
	}
	if c.Readers == 0 {
		c.Readers = 64
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = 30 * time.Second
	}
	return c
}

// Validate names the key that is out of range. Its error wraps vedette.ErrInvalid.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.MaxWait < time.Second || c.MaxWait > 10*time.Minute:
		return fmt.Errorf("stream.max_wait: %s is not from 1s to 10m: %w", c.MaxWait, vedette.ErrInvalid)
	case c.Limit < 1 || c.Limit > response.MaxChunk:
		return fmt.Errorf("stream.limit: %d is not from 1 to %d: %w", c.Limit, response.MaxChunk, vedette.ErrInvalid)
	case c.Readers < 1 || c.Readers > 1<<16:
		return fmt.Errorf("stream.readers: %d is not from 1 to 65536: %w", c.Readers, vedette.ErrInvalid)
	case c.WriteTimeout < 10*time.Millisecond || c.WriteTimeout > 10*time.Minute:
		return fmt.Errorf("stream.write_timeout: %s is not from 10ms to 10m: %w", c.WriteTimeout, vedette.ErrInvalid)
	}
	return nil
}

// Keys checks who is at the door. *access.Keys is one.
type Keys interface {
	Admit(r *http.Request, scope access.Scope) (*access.Visitor, error)
}

// Deps is what the stream needs. Outbox and Keys are required.
type Deps struct {
	Outbox response.Outbox
	Keys   Keys

	Now        func() time.Time      // nil: the clock
	Log        *slog.Logger          // nil logs nothing
	Registerer prometheus.Registerer // nil: nothing is registered
}

// Stream is the handler of GET /v1/changes. It is safe for concurrent use, and starts nothing that outlives a request.
type Stream struct {
	cfg     Config
	outbox  response.Outbox
	keys    Keys
	now     func() time.Time
	log     *slog.Logger
	readers *semaphore.Weighted
	open    prometheus.Gauge
	told    prometheus.Counter
	cut     prometheus.Counter
}

// New makes the handler. Its error wraps vedette.ErrInvalid.
func New(cfg Config, deps Deps) (*Stream, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Outbox == nil || deps.Keys == nil {
		return nil, fmt.Errorf("stream: Outbox and Keys are needed: %w", vedette.ErrInvalid)
	}
	s := &Stream{cfg: cfg.withDefaults(), outbox: deps.Outbox, keys: deps.Keys, now: deps.Now, log: deps.Log}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.readers = semaphore.NewWeighted(int64(s.cfg.Readers))
	s.open = prometheus.NewGauge(prometheus.GaugeOpts{Name: "vedette_stream_readers", Help: "Open requests for changes. At stream.readers more are turned away."})
	s.told = prometheus.NewCounter(prometheus.CounterOpts{Name: "vedette_stream_changes_total", Help: "Changes written to readers. No rise while changes are made means that nobody reads."})
	s.cut = prometheus.NewCounter(prometheus.CounterOpts{Name: "vedette_stream_cut_total", Help: "Answers that broke off, since the reader was too slow or hung up. It reads them again from its cursor."})
	if deps.Registerer != nil {
		for _, c := range []prometheus.Collector{s.open, s.told, s.cut} {
			if err := deps.Registerer.Register(c); err != nil {
				return nil, fmt.Errorf("stream: register metrics: %w", err)
			}
		}
	}
	return s, nil
}

// question is what a request asks.
type question struct {
	after uint64
	wait  time.Duration
	limit int
}

// parse reads the parameters; its errors name the one that is wrong.
func (s *Stream) parse(raw string) (q question, err error) {
	bad := func(name, want string) (question, error) {
		return question{}, fmt.Errorf("stream: %s: %s: %w", name, want, vedette.ErrInvalid)
	}
	v, err := url.ParseQuery(raw)
	if err != nil {
		return bad("query", "cannot be read")
	}
	q.limit = s.cfg.Limit
	for _, name := range []string{"after", "wait", "limit"} {
		switch n := len(v[name]); {
		case n > 1:
			return bad(name, "given twice")
		case n == 0:
			continue
		}
		got := v[name][0]
		switch name {
		case "after":
			if q.after, err = strconv.ParseUint(got, 10, 63); err != nil || strconv.FormatUint(q.after, 10) != got {
				return bad(name, "the cursor of a change, or 0")
			}
		case "wait":
			if q.wait, err = time.ParseDuration(got); err != nil || q.wait < 0 || q.wait > s.cfg.MaxWait {
				return bad(name, "a duration like 30s, at most "+s.cfg.MaxWait.String())
			}
		case "limit":
			if q.limit, err = strconv.Atoi(got); err != nil || q.limit < 1 || q.limit > s.cfg.Limit {
				return bad(name, "1 to "+strconv.Itoa(s.cfg.Limit))
			}
		}
	}
	return q, nil
}

// ServeHTTP answers one request.
func (s *Stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	visitor, err := s.admit(r)
	if err != nil {
		access.Problem(w, r, err)
		return
	}
	q, err := s.parse(r.URL.RawQuery)
	if err != nil {
		access.Problem(w, r, err)
		return
	}
	if !s.readers.TryAcquire(1) {
		access.Problem(w, r, &access.Busy{What: "changes have as many readers as they may", After: time.Second})
		return
	}
	defer s.readers.Release(1)
	s.open.Inc()
	defer s.open.Dec()
	list, err := s.read(r.Context(), visitor.Tenant, q)
	if err != nil {
		if r.Context().Err() == nil {
			access.Problem(w, r, err)
		}
		return // it hung up: nobody is left to tell
	}
	s.answer(w, r, q, list)
}

// admit lets in who may read, or ask for decisions.
func (s *Stream) admit(r *http.Request) (*access.Visitor, error) {
	v, err := s.keys.Admit(r, access.Read)
	if err != nil && errors.Is(err, vedette.ErrForbidden) && !errors.Is(err, access.ErrKey) {
		if v, err2 := s.keys.Admit(r, access.Decide); !errors.Is(err2, vedette.ErrForbidden) {
			return v, err2
		}
		return nil, fmt.Errorf("stream: the key may neither read nor decide: %w", vedette.ErrForbidden)
	}
	return v, err
}

// read returns what stands after the cursor, waiting for the first if there is nothing.
func (s *Stream) read(ctx context.Context, tenant vedette.Tenant, q question) ([]response.Changed, error) {
	first, last, err := s.outbox.Bounds(ctx, tenant)
	switch {
	case err != nil:
		return nil, fmt.Errorf("stream: %w", err)
	case q.after > last:
		return nil, fmt.Errorf("stream: after: %d is ahead of the last change, %d: it is no cursor of this house: %w", q.after, last, vedette.ErrInvalid)
	case q.after > 0 && q.after+1 < first:
		return nil, fmt.Errorf("stream: after: the changes from %d to %d are kept no more; go on with after=%d: %w", q.after+1, first-1, first-1, vedette.ErrUnknown)
	}
	until := s.now().Add(q.wait)
	for {
		list, err := s.look(ctx, tenant, q)
		left := until.Sub(s.now())
		if err != nil || len(list) > 0 || left <= 0 {
			return list, err
		}
		if err := s.await(ctx, tenant, q.after, left); err != nil {
			return nil, err
		}
	}
}

// look reads without waiting. While changes are halted there are none.
func (s *Stream) look(ctx context.Context, tenant vedette.Tenant, q question) ([]response.Changed, error) {
	until, err := s.outbox.Halted(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	if s.now().Before(until) {
		return nil, nil
	}
	list, err := s.outbox.After(ctx, q.after, tenant, q.limit)
	if err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	return list, nil
}

// await waits for a change, or, while a halt keeps back what is there, for time to pass.
func (s *Stream) await(ctx context.Context, tenant vedette.Tenant, after uint64, left time.Duration) error {
	wait, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	err := s.outbox.Wait(wait, after, tenant)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case wait.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("stream: %w", err)
	}
	until, err := s.outbox.Halted(ctx, tenant)
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	if s.now().Before(until) {
		halted, cancel := context.WithTimeout(wait, min(time.Second, until.Sub(s.now())))
		defer cancel()
		<-halted.Done()
	}
	return ctx.Err()
}

// line is a change with the cursor that stands behind it.
type line struct {
	Cursor string           `json:"cursor"`
	Change response.Changed `json:"change"`
}

// answer writes the lines. What it writes is in memory already, so a slow reader holds nothing of the store.
func (s *Stream) answer(w http.ResponseWriter, r *http.Request, q question, list []response.Changed) {
	cursor := q.after
	if n := len(list); n > 0 {
		cursor = list[n-1].Seq
	}
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set(Cursor, strconv.FormatUint(cursor, 10))
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout)) // a server without deadlines bounds it by its own
	w.WriteHeader(http.StatusOK)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for i := range list {
		if err := e.Encode(line{strconv.FormatUint(list[i].Seq, 10), list[i]}); err != nil {
			s.cut.Inc()
			panic(http.ErrAbortHandler) // half an answer must not look whole
		}
	}
	if err := c.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.cut.Inc()
		panic(http.ErrAbortHandler)
	}
	s.told.Add(float64(len(list)))
	s.log.LogAttrs(r.Context(), slog.LevelDebug, "changes read", slog.Int("changes", len(list)))
}
