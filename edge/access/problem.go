package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
)

// ErrKey says that a request came without a key that we know. The only error that becomes 401.
var ErrKey = fmt.Errorf("access: no valid key: %w", vedette.ErrForbidden)

// Busy is ErrBusy with the time after which asking again makes sense.
type Busy struct {
	What  string        // what is busy, for people
	After time.Duration // how long to wait; at least a second is told
}

func (b *Busy) Error() string {
	return fmt.Sprintf("access: %s: try again in %s: %v", b.What, b.After, vedette.ErrBusy)
}

// Unwrap gives the kind.
func (b *Busy) Unwrap() error { return vedette.ErrBusy }

// RetryAfter tells how long to wait. Errors of other rooms may have this method too.
func (b *Busy) RetryAfter() time.Duration { return b.After }

// table is the one place where a kind of error becomes a status. The first that fits is taken.
var table = []struct {
	kind   error
	status int
	name   string
}{
	{ErrKey, http.StatusUnauthorized, "no-key"},
	{vedette.ErrInvalid, http.StatusBadRequest, "invalid"},
	{vedette.ErrForbidden, http.StatusForbidden, "forbidden"},
	{vedette.ErrUnknown, http.StatusNotFound, "not-found"},
	{vedette.ErrConflict, http.StatusConflict, "conflict"},
	{vedette.ErrTooLarge, http.StatusRequestEntityTooLarge, "too-large"},
	{vedette.ErrBusy, http.StatusTooManyRequests, "busy"},
	{vedette.ErrUnavailable, http.StatusServiceUnavailable, "unavailable"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "unavailable"},
	{context.Canceled, http.StatusServiceUnavailable, "unavailable"},
}

// Details is the body of a problem answer, application/problem+json (RFC 9457). Type is absent, which means about:blank: Title is the status' own.
type Details struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Kind   string `json:"kind"` // invalid, no-key, forbidden, not-found, conflict, too-large, busy, unavailable, fault
	Detail string `json:"detail,omitempty"`
}

// Explain turns an error into what may be told outside. What wraps no kind is our fault, and its text stays inside.
func Explain(err error) Details {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return details(http.StatusRequestEntityTooLarge, "too-large", err.Error())
	}
	for _, row := range table {
		if errors.Is(err, row.kind) {
			return details(row.status, row.name, err.Error())
		}
	}
	return details(http.StatusInternalServerError, "fault", "")
}

func details(status int, kind, detail string) Details {
	return Details{Title: http.StatusText(status), Status: status, Kind: kind, Detail: detail}
}

// Wait tells after how many whole seconds asking again makes sense, or 0 when that is not the matter.
func Wait(err error) int {
	var w interface{ RetryAfter() time.Duration }
	switch {
	case errors.As(err, &w):
		return max(1, int(math.Ceil(w.RetryAfter().Seconds())))
	case errors.Is(err, vedette.ErrBusy), errors.Is(err, vedette.ErrUnavailable):
		return 1
	}
	return 0
}

// Problem answers a request with an error: the status of its kind, Retry-After where waiting helps, and a problem+json body.
// A fault is logged through the Doorkeeper that the request came by.
func Problem(w http.ResponseWriter, r *http.Request, err error) {
	d := Explain(err)
	if d.Status == http.StatusInternalServerError {
		if k, ok := r.Context().Value(doorkeeperKey{}).(*Doorkeeper); ok {
			k.fault(r, err)
		}
	}
	h := w.Header()
	if n := Wait(err); n > 0 {
		h.Set("Retry-After", strconv.Itoa(n))
	}
	if d.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="vedette"`)
	}
	h.Del("Content-Length")
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(d.Status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(d) // the other side hung up: nobody is left to tell
	}
}

// Doorkeeper stands outermost: it recovers what breaks in one request, counts it, answers it, and tells a person.
type Doorkeeper struct {
	log    *slog.Logger
	faults prometheus.Counter
}

// NewDoorkeeper makes one. Both arguments may be nil.
func NewDoorkeeper(log *slog.Logger, reg prometheus.Registerer) (*Doorkeeper, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	k := &Doorkeeper{log: log, faults: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "vedette_door_faults_total",
		Help: "Requests answered with 500. A rise means that a part of ours is broken: the log says which.",
	})}
	if reg != nil {
		if err := reg.Register(k.faults); err != nil {
			return nil, fmt.Errorf("access: register metrics: %w", err)
		}
	}
	return k, nil
}

type doorkeeperKey struct{}

// Watch wraps a handler. A request that breaks gets 500 if nothing was answered yet.
func (k *Doorkeeper) Watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), doorkeeperKey{}, k))
		t := &touched{ResponseWriter: w}
		defer func() {
			switch p := recover(); {
			case p == nil:
			case p == http.ErrAbortHandler:
				panic(p)
			default:
				err := fmt.Errorf("access: broke: %v\n%s", p, debug.Stack())
				if t.touched {
					k.fault(r, err)
					panic(http.ErrAbortHandler) // half an answer must not look whole
				}
				Problem(w, r, err)
			}
		}()
		next.ServeHTTP(t, r)
	})
}

func (k *Doorkeeper) fault(r *http.Request, err error) {
	k.faults.Inc()
	// The pattern, not the path: a path may hold an id.
	k.log.LogAttrs(r.Context(), slog.LevelError, "request failed by our fault", slog.String("door", r.Pattern), slog.Any("err", err))
}

// touched remembers whether anything was answered.
type touched struct {
	http.ResponseWriter
	touched bool
}

func (t *touched) WriteHeader(status int) {
	t.touched = t.touched || status >= 200
	t.ResponseWriter.WriteHeader(status)
}

func (t *touched) Write(b []byte) (int, error) {
	t.touched = true
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (t *touched) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Flush sends what was written. Streaming handlers ask for it by type.
func (t *touched) Flush() {
	t.touched = true
	_ = http.NewResponseController(t.ResponseWriter).Flush()
}
