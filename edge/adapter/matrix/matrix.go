// Package matrix stands between a Synapse homeserver and its rooms: each message is judged before the homeserver takes it.
//
// In:     callbacks of the module synapse-http-antispam, POST /integrations/synapse/{tenant}/{callback}, with a key for that tenant.
// Out:    200 {} to go on, or 403 with one constant text; to the door, events on the wire with links, never with text.
// Keeps:  in memory which of the last 65,536 direct rooms is between which two people; nothing else. Text of messages only while links
//
//	are looked for; it is never kept and never logged.
//
// Fails:  what cannot be decided in time, or at all, is answered with the declared fallback and counted.
// Source: docs/platforms/matrix.md
package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
	"vedette/edge/access"
)

// Path is where the handler must stand.
const Path = "/integrations/synapse/{tenant}/{callback}"

// Refusal is the one answer to everything that is refused. It says nothing about why: an operator must not learn from it.
const Refusal = `{"errcode":"M_FORBIDDEN","error":"This message was not sent."}`

// Door decides one event on the wire (docs/formats/event.md), and keeps it.
type Door interface {
	// Decide returns when the decision is durable or ctx ends. Its error wraps a kind; then there is no verdict.
	// It must not keep the bytes.
	Decide(ctx context.Context, tenant vedette.Tenant, wire []byte) (vedette.Decision, error)
}

// Access tells whose key a request carries.
type Access func(r *http.Request) (tenant vedette.Tenant, platform string, ok bool)

// Keys lets in whoever has a key that may ask for decisions.
func Keys(keys *access.Keys) Access {
	return func(r *http.Request) (vedette.Tenant, string, bool) {
		v, err := keys.Admit(r, access.Decide)
		if err != nil {
			return "", "", false
		}
		return v.Tenant, v.Platform, true
	}
}

// Config is how the adapter answers.
type Config struct {
	// Limit is how long a sender may wait for us. Default 400ms; 10ms to 5s. Synapse itself would wait much longer.
	Limit time.Duration
	// Fallback is the answer where there is none: allow (default) or block.
	Fallback vedette.Verdict
}

// Validate names the key that cannot be.
func (c Config) Validate() error {
	if c.Limit != 0 && (c.Limit < 10*time.Millisecond || c.Limit > 5*time.Second) {
		return fmt.Errorf("matrix.limit: %v is not within 10ms and 5s: %w", c.Limit, vedette.ErrInvalid)
	}
	if c.Fallback != vedette.Allow && c.Fallback != vedette.Block {
		return fmt.Errorf("matrix.fallback: %v: only allow or block: %w", c.Fallback, vedette.ErrInvalid)
	}
	return nil
}

const (
	defaultLimit = 400 * time.Millisecond
	maxBody      = 1 << 20 // bytes; a Matrix event is at most 64 KiB
)

// Handler answers callbacks. It is safe for concurrent use.
type Handler struct {
	config Config
	access Access
	door   Door
	log    *slog.Logger
	now    func() time.Time
	direct rooms

	answers   *prometheus.CounterVec
	fallbacks *prometheus.CounterVec
	cut       prometheus.Counter
	took      prometheus.Histogram
}

// New makes a handler. reg and log may be nil; now may be nil and is then the clock.
func New(c Config, who Access, door Door, now func() time.Time, reg prometheus.Registerer, log *slog.Logger) (*Handler, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if who == nil || door == nil {
		return nil, fmt.Errorf("matrix: access and door are needed: %w", vedette.ErrInvalid)
	}
	if c.Limit == 0 {
		c.Limit = defaultLimit
	}
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		config: c, access: who, door: door, log: log, now: now,
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vedette_matrix_answers_total",
			Help: "Callbacks answered, by callback and answer. More refusals: an attack, or a rule that costs too much.",
		}, []string{"callback", "answer"}),
		fallbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vedette_matrix_fallbacks_total",
			Help: "Callbacks answered without a decision, by cause. A rise means that messages pass (or are refused) unjudged.",
		}, []string{"cause"}),
		cut: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_matrix_links_cut_total",
			Help: "Events of which not every link was judged, since they hold too many. A rise means that somebody hides links among links.",
		}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "vedette_matrix_answer_seconds",
			Help:    "How long the homeserver waited for an answer. A rise is felt by every sender.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .4, 1},
		}),
	}
	if reg != nil {
		for _, m := range []prometheus.Collector{h.answers, h.fallbacks, h.cut, h.took} {
			if err := reg.Register(m); err != nil {
				return nil, fmt.Errorf("matrix: metrics: %w", err)
			}
		}
	}
	return h, nil
}

// ServeHTTP answers one callback.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := h.now()
	tenant, callback, ok := target(r)
	if !ok {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "only POST", http.StatusMethodNotAllowed)
		return
	}
	// Plain text, not JSON: the module takes a JSON answer for a refusal of the message. This way a wrong key is a fault of the
	// link between the two, and the homeserver's own fail_open decides.
	owner, platform, ok := h.access(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="vedette"`)
		http.Error(w, "a key is needed", http.StatusUnauthorized)
		return
	}
	if string(owner) != tenant {
		http.Error(w, "this key is for another tenant", http.StatusForbidden)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.config.Limit)
	defer cancel()
	answer := h.answer(ctx, w, r, owner, platform, callback)
	h.answers.WithLabelValues(label(callback), answer).Inc()
	h.took.Observe(h.now().Sub(begun).Seconds())
}

// target reads the path, whether or not a mux has done so.
func target(r *http.Request) (tenant, callback string, ok bool) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/integrations/synapse/")
	if !ok {
		return "", "", false
	}
	tenant, callback, ok = strings.Cut(rest, "/")
	return tenant, callback, ok && tenant != "" && callback != "" && !strings.Contains(callback, "/")
}

// label keeps the metric's labels few.
func label(callback string) string {
	switch callback {
	case ping, checkEvent, mayInvite, invitedAbroad, mayJoin, mayCreate, checkLogin:
		return callback
	}
	return "other"
}

// answer writes the answer and returns its name for the metric.
func (h *Handler) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, tenant vedette.Tenant, platform, callback string) string {
	refuse, err := h.judge(ctx, r, tenant, platform, callback, w)
	if errors.Is(err, errPing) {
		return "pong"
	}
	answer := "go_on"
	if err != nil {
		why := cause(err)
		if ctx.Err() != nil && why != "unreadable" {
			why = "late"
		}
		h.fallbacks.WithLabelValues(why).Inc()
		// The error's text stays here: it may quote what somebody wrote.
		h.log.LogAttrs(ctx, slog.LevelWarn, "matrix: answered without a decision",
			slog.String("callback", label(callback)), slog.String("cause", why), slog.String("answer", h.config.Fallback.String()))
		answer = "fallback"
		refuse = refuse || h.config.Fallback == vedette.Block && refuses(callback)
	}
	w.Header().Set("Content-Type", "application/json")
	if !refuse {
		_, _ = io.WriteString(w, "{}")
		return answer
	}
	w.WriteHeader(http.StatusForbidden)
	_, _ = io.WriteString(w, Refusal)
	if err == nil {
		answer = "refused"
	}
	return answer
}

var errPing = errors.New("matrix: answered already") // never leaves this file

// judge tells whether to refuse. With an error there was no decision on every part of the event; refuse is true all the same
// when a part that was decided must be stopped.
func (h *Handler) judge(ctx context.Context, r *http.Request, tenant vedette.Tenant, platform, callback string, w http.ResponseWriter) (refuse bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("matrix: %s: a part broke", label(callback)) // what broke may hold text: it is not repeated
			h.log.LogAttrs(ctx, slog.LevelError, "matrix: a part broke while it answered", slog.String("callback", label(callback)))
		}
	}()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, big := errors.AsType[*http.MaxBytesError](err); big {
			return false, fmt.Errorf("matrix: body: %w", vedette.ErrTooLarge)
		}
		return false, errUnreadable
	}
	if callback == ping {
		var p struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(body, &p) != nil {
			return false, errUnreadable
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(struct {
			ID     string `json:"id"`
			Status string `json:"status"`
		}{p.ID, "ok"})
		return false, errPing
	}
	t, err := h.translate(callback, body, h.now())
	if err != nil {
		return false, err
	}
	if t.cut {
		h.cut.Inc()
	}
	var failed error
	for i := range t.events {
		t.events[i].Platform = platform
		b, err := json.Marshal(&t.events[i])
		if err != nil {
			return false, fmt.Errorf("matrix: %s: %w", callback, err)
		}
		d, err := h.door.Decide(ctx, tenant, b)
		if errors.Is(err, vedette.ErrConflict) {
			// Synapse may ask twice about one event, and our clock or what we know of its room may differ by then. Judged anew, since a
			// fallback could be had for the asking.
			t.events[i].ID = again(t.events[i].ID, h.now())
			if b, err = json.Marshal(&t.events[i]); err != nil {
				return false, fmt.Errorf("matrix: %s: %w", callback, err)
			}
			d, err = h.door.Decide(ctx, tenant, b)
		}
		if err != nil {
			failed = err
			continue
		}
		// Hold is refused too: Synapse can keep no message back and release it later. Warn passes: it can mark none.
		refuse = refuse || d.Verdict >= vedette.Hold && refuses(callback)
	}
	return refuse, failed
}
