package intake

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"vedette"
	"vedette/edge/access"
	"vedette/edge/franking"
	"vedette/edge/intake/internal/api"
	"vedette/inline/sequence"
	"vedette/record/journal"
)

//go:embed openapi.yaml
var specification []byte

// Specification returns the OpenAPI file that this build serves.
func Specification() []byte { return append([]byte(nil), specification...) }

// Config is what may be set.
type Config struct {
	// Budget is how long a sender may wait for us. An answer that took longer is still given, and counted. Default 20ms; 1ms to 1s.
	Budget time.Duration
	// Limit is when we stop waiting for the journal and say that there is no verdict. Default 500ms; Budget to 30s.
	Limit time.Duration
	// BatchLimit is the same for a chunk of a batch, where nobody waits, and for its waiting for room in the queue. Default 10s; Limit to 5m.
	BatchLimit time.Duration
	// MaxAge is how old an event may be. Default 168h; 1h to 8760h.
	MaxAge time.Duration
	// Pending is how many events may wait for their answer at once. More are refused. Half of it is kept for single events, whose
	// senders wait, and half for batches, which can. Default 8192; 2 to 1048576.
	Pending int
	// ReadTimeout is how long a single event may take to arrive, and how long a batch may pause. Default 10s; 10ms to 5m.
	ReadTimeout time.Duration
	// BatchTimeout is how long a whole batch may take to arrive. Default 5m; ReadTimeout to 1h.
	BatchTimeout time.Duration
	// WriteTimeout is how long a caller may leave results unread after it sent its batch. Default 30s; 10ms to 1h.
	WriteTimeout time.Duration
}

func (c Config) withDefaults() Config {
	or := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	or(&c.Budget, 20*time.Millisecond)
	or(&c.Limit, 500*time.Millisecond)
	or(&c.BatchLimit, 10*time.Second)
	or(&c.MaxAge, 168*time.Hour)
	or(&c.ReadTimeout, 10*time.Second)
	or(&c.BatchTimeout, 5*time.Minute)
	or(&c.WriteTimeout, 30*time.Second)
	if c.Pending == 0 {
		c.Pending = 8192
	}
	return c
}

// Validate names the key that is out of range. Zero means the default.
func (c Config) Validate() error {
	c = c.withDefaults()
	for _, k := range []struct {
		name      string
		v, lo, hi time.Duration
	}{
		{"budget", c.Budget, time.Millisecond, time.Second},
		{"limit", c.Limit, c.Budget, 30 * time.Second},
		{"batch_limit", c.BatchLimit, c.Limit, 5 * time.Minute},
		{"max_age", c.MaxAge, time.Hour, 8760 * time.Hour},
		{"read_timeout", c.ReadTimeout, 10 * time.Millisecond, 5 * time.Minute},
		{"batch_timeout", c.BatchTimeout, c.ReadTimeout, time.Hour},
		{"write_timeout", c.WriteTimeout, 10 * time.Millisecond, time.Hour},
	} {
		if k.v < k.lo || k.v > k.hi {
			return fmt.Errorf("intake.%s: %s is not from %s to %s: %w", k.name, k.v, k.lo, k.hi, vedette.ErrInvalid)
		}
	}
	if c.Pending < 2 || c.Pending > 1<<20 {
		return fmt.Errorf("intake.pending: %d is not from 2 to 1048576: %w", c.Pending, vedette.ErrInvalid)
	}
	return nil
}

// Keys checks who is at the door.
type Keys interface {
	// Admit finds the machine behind the request's key, asks for a scope, and counts one event against its rate.
	Admit(r *http.Request, scope access.Scope) (*access.Visitor, error)
}

// Deps is what the door needs of other rooms. Gate, Sealers, Keys and Find are required.
type Deps struct {
	Gate sequence.Gate
	// Sealers returns the sealer of a tenant; called once for each request.
	Sealers func(vedette.Tenant) (Sealer, error)
	Keys    Keys
	// Find returns a recorded event. Its error wraps vedette.ErrUnknown when there is none.
	Find func(context.Context, vedette.Tenant, vedette.EventID) (journal.Entry, error)
	// Reports keeps what users report. Nil: reports are not taken here.
	Reports Reports
	// Franking returns the keys by which a tenant's platform tags what it carries. Nil: no report can be franked.
	Franking franking.Keys
	// Ready says why events should not be sent now. Nil: always ready.
	Ready func() error

	Registerer     prometheus.Registerer // nil: nothing is registered
	Gatherer       prometheus.Gatherer   // what /metrics shows; nil: the Registerer when it is a registry, else nothing
	TracerProvider trace.TracerProvider  // nil: no traces
	Logger         *slog.Logger          // nil logs nothing
	Now            func() time.Time      // nil: the clock
}

// Door is the HTTP handler of the API. It is safe for concurrent use, and starts nothing that outlives a request.
type Door struct {
	cfg     Config
	gate    sequence.Gate
	sealers func(vedette.Tenant) (Sealer, error)
	keys    Keys
	find    func(context.Context, vedette.Tenant, vedette.EventID) (journal.Entry, error)
	reports Reports
	tags    franking.Keys
	ready   func() error
	log     *slog.Logger
	now     func() time.Time
	tracer  trace.Tracer // nil: no traces
	metrics *metrics
	dropped Dropped
	single  *semaphore.Weighted // one for each single event that waits for its answer
	bulk    *semaphore.Weighted // the same for events of batches
	seldom  [2]rate.Sometimes   // what is told of events without an answer: by us, and by a part that is down

	mux      *http.ServeMux
	handler  http.Handler
	gathered http.Handler
	page     []byte // /docs
	csp      string // of it
}

var _ api.ServerInterface = (*Door)(nil)

// New makes the door. Its error wraps vedette.ErrInvalid when a dependency is missing or a setting out of range.
func New(cfg Config, deps Deps) (*Door, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Gate == nil || deps.Sealers == nil || deps.Keys == nil || deps.Find == nil {
		return nil, fmt.Errorf("intake: Gate, Sealers, Keys and Find are needed: %w", vedette.ErrInvalid)
	}
	d := &Door{
		cfg: cfg.withDefaults(), gate: deps.Gate, sealers: deps.Sealers, keys: deps.Keys, find: deps.Find, ready: deps.Ready,
		reports: deps.Reports, tags: deps.Franking,
		log: deps.Logger, now: deps.Now, mux: http.NewServeMux(),
	}
	d.single = semaphore.NewWeighted(int64(d.cfg.Pending - d.cfg.Pending/2))
	d.bulk = semaphore.NewWeighted(int64(d.cfg.Pending / 2))
	for i := range d.seldom {
		d.seldom[i].Interval = time.Second
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.now == nil {
		d.now = time.Now
	}
	if d.ready == nil {
		d.ready = func() error { return nil }
	}
	gather := deps.Gatherer
	if gather == nil {
		gather, _ = deps.Registerer.(prometheus.Gatherer)
	}
	if gather == nil {
		gather = prometheus.NewRegistry()
	}
	d.gathered = promhttp.HandlerFor(gather, promhttp.HandlerOpts{})
	var err error
	if d.metrics, err = newMetrics(deps.Registerer, &d.dropped); err != nil {
		return nil, err
	}
	if d.page, d.csp, err = renderDocs(specification); err != nil {
		return nil, err
	}
	api.HandlerWithOptions(d, api.StdHTTPServerOptions{
		BaseRouter:       d.mux,
		ErrorHandlerFunc: func(w http.ResponseWriter, r *http.Request, _ error) { d.fail(w, r, errNoRoute) },
	})
	d.handler = http.HandlerFunc(d.route)
	if deps.TracerProvider != nil {
		d.tracer = deps.TracerProvider.Tracer("vedette/edge/intake")
		d.handler = d.traced(deps.TracerProvider)
	}
	return d, nil
}

// Dropped tells how often each unknown field was dropped, for the doctor.
func (d *Door) Dropped() map[string]uint64 { return d.dropped.Counts() }

// reply watches what is answered, for the metrics and for the recovery.
type reply struct {
	http.ResponseWriter
	status int // 0: nothing yet
}

func (w *reply) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *reply) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (w *reply) Unwrap() http.ResponseWriter { return w.ResponseWriter }

var replies = sync.Pool{New: func() any { return new(reply) }}

// ServeHTTP answers one request, whatever breaks.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	a := replies.Get().(*reply)
	a.ResponseWriter, a.status = w, 0
	h := w.Header()
	h["X-Content-Type-Options"] = nosniff
	h["Cache-Control"] = noStore
	defer func() {
		p := recover()
		abort := p == http.ErrAbortHandler //nolint:errorlint // a panic's value is no wrapped error
		if p != nil && !abort {
			d.broke(r, p)
			if abort = a.status != 0; !abort { // half an answer must not look whole
				d.fail(a, r, errBroke)
			}
		}
		d.account(r, a.status, time.Since(began))
		a.ResponseWriter = nil
		replies.Put(a)
		if abort {
			panic(http.ErrAbortHandler)
		}
	}()
	d.handler.ServeHTTP(a, r)
}

var (
	nosniff  = []string{"nosniff"}
	noStore  = []string{"no-store"}
	errBroke = fmt.Errorf("intake: a part of ours broke")
)

// broke counts and tells of a panic. Its value is told only when it is the runtime's own: any other might hold something of the event.
func (d *Door) broke(r *http.Request, p any) {
	d.metrics.faults.Inc()
	what := fmt.Sprintf("%T", p)
	if e, ok := p.(interface{ RuntimeError() }); ok {
		what = fmt.Sprint(e)
	}
	d.log.LogAttrs(r.Context(), slog.LevelError, "a part of ours broke", slog.String("door", r.Pattern), slog.String("panic", what), slog.String("stack", string(debug.Stack())))
}

// account counts a request and writes its access line: no address, no path, no key.
func (d *Door) account(r *http.Request, status int, took time.Duration) {
	if status == 0 {
		status = http.StatusOK
	}
	n := routeOf(r.Pattern)
	d.metrics.request(n, status, took)
	if d.log.Enabled(r.Context(), slog.LevelDebug) {
		d.log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("door", routes[n]), slog.Int("status", status), slog.Duration("took", took))
	}
}

// route finds the operation, and answers in our form where there is none.
func (d *Door) route(w http.ResponseWriter, r *http.Request) {
	if h, pattern := d.mux.Handler(r); pattern == "" {
		// What the mux would answer says which methods there are; or it sends to a cleaner path, which no client of ours needs.
		probe := &probe{header: make(http.Header)}
		h.ServeHTTP(probe, r)
		if allow := probe.header.Get("Allow"); probe.status == http.StatusMethodNotAllowed && allow != "" {
			w.Header().Set("Allow", allow)
			d.fail(w, r, &refused{http.StatusMethodNotAllowed, "method", "want " + strings.ReplaceAll(allow, ", ", " or ")})
			return
		}
		d.fail(w, r, errNoRoute)
		return
	}
	d.mux.ServeHTTP(w, r)
}

// probe takes an answer that nobody gets.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) WriteHeader(status int)      { p.status = status }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }

type untracedKey struct{}

// traced puts each request into a span. The tracer sees a request that holds nothing but the method, the route and the caller's trace: no
// address, no agent, no event's id in a path.
func (d *Door) traced(tp trace.TracerProvider) http.Handler {
	h := otelhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole := r.Context().Value(untracedKey{}).(*http.Request)
		inner := whole.WithContext(r.Context())
		d.route(w, inner)
		whole.Pattern = inner.Pattern // for the metrics and the access line
	}), "intake",
		otelhttp.WithTracerProvider(tp),
		otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + r.URL.Path }),
	)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bare := &http.Request{
			Method: http.MethodPost, Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
			URL: &url.URL{Path: "/other"}, Header: make(http.Header, 2), Body: http.NoBody,
		}
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodPost:
			bare.Method = r.Method
		}
		if _, pattern := d.mux.Handler(r); pattern != "" {
			_, bare.URL.Path, _ = strings.Cut(pattern, " ")
		}
		for _, k := range []string{"Traceparent", "Tracestate"} {
			if v := r.Header.Get(k); v != "" {
				bare.Header.Set(k, v)
			}
		}
		h.ServeHTTP(w, bare.WithContext(context.WithValue(r.Context(), untracedKey{}, r)))
	})
}

// Live answers that the process is up.
func (d *Door) Live(w http.ResponseWriter, _ *http.Request) { plainText(w, "alive\n") }

// Ready answers whether events may be sent.
func (d *Door) Ready(w http.ResponseWriter, r *http.Request) {
	if err := d.ready(); err != nil {
		d.fail(w, r, &refused{http.StatusServiceUnavailable, "unavailable", "not ready; the log says why"})
		d.log.LogAttrs(r.Context(), slog.LevelWarn, "not ready", slog.Any("err", err))
		return
	}
	plainText(w, "ready\n")
}

func plainText(w http.ResponseWriter, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(s))
}

// Metrics answers with what is gathered.
func (d *Door) Metrics(w http.ResponseWriter, r *http.Request) { d.gathered.ServeHTTP(w, r) }

// Specification answers with openapi.yaml.
func (d *Door) Specification(w http.ResponseWriter, r *http.Request) {
	d.static(w, r, "application/yaml", specification)
}

// Documentation answers with the specification as a page.
func (d *Door) Documentation(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", d.csp)
	h.Set("Referrer-Policy", "no-referrer")
	d.static(w, r, "text/html; charset=utf-8", d.page)
}

func (d *Door) static(w http.ResponseWriter, _ *http.Request, kind string, b []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(b)
}
