package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
	"vedette/act/response"
)

// Config is what may be set. Zero means the default; Tenant, Address and Secrets are required.
type Config struct {
	Tenant vedette.Tenant
	// Address is the platform's own, https; http is taken for a loopback address alone. No event can change it.
	Address string
	// Secrets sign each request, all of them: one, or two while they are being changed, the newer first.
	Secrets []Secret
	// Timeout is how long one request may take. Default 15s; 100ms to 1m.
	Timeout time.Duration
	// Pause is how long to wait after the first failure; it doubles with each further one. Default 1s; 10ms to 1m.
	Pause time.Duration
	// MaxPause is the longest pause, Retry-After excepted. Default 10m; Pause to 6h.
	MaxPause time.Duration
	// GiveUp is how long after its first try a change is given up. Default 24h; 1m to 168h.
	GiveUp time.Duration
	// Authorities are whom the address's certificate may be from. Nil: those of the system.
	Authorities *x509.CertPool
}

func (c Config) withDefaults() Config {
	or := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	or(&c.Timeout, 15*time.Second)
	or(&c.Pause, time.Second)
	or(&c.MaxPause, 10*time.Minute)
	or(&c.GiveUp, 24*time.Hour)
	return c
}

// Validate names the key that is wrong. Its error wraps vedette.ErrInvalid.
func (c Config) Validate() error {
	c = c.withDefaults()
	if _, err := vedette.ParseTenant(string(c.Tenant)); err != nil {
		return fmt.Errorf("webhook.tenant: %w", err)
	}
	if _, err := parseAddress(c.Address); err != nil {
		return err
	}
	if len(c.Secrets) < 1 || len(c.Secrets) > 2 {
		return fmt.Errorf("webhook.secrets: %d of them: one, or two while they are being changed: %w", len(c.Secrets), vedette.ErrInvalid)
	}
	for _, s := range c.Secrets {
		if len(s.key) == 0 {
			return fmt.Errorf("webhook.secrets: an empty one: %w", vedette.ErrInvalid)
		}
	}
	for _, k := range []struct {
		name      string
		v, lo, hi time.Duration
	}{
		{"timeout", c.Timeout, 100 * time.Millisecond, time.Minute},
		{"pause", c.Pause, 10 * time.Millisecond, time.Minute},
		{"max_pause", c.MaxPause, c.Pause, 6 * time.Hour},
		{"give_up", c.GiveUp, time.Minute, 168 * time.Hour},
	} {
		if k.v < k.lo || k.v > k.hi {
			return fmt.Errorf("webhook.%s: %s is not from %s to %s: %w", k.name, k.v, k.lo, k.hi, vedette.ErrInvalid)
		}
	}
	return nil
}

// parseAddress reads the one address. It is never part of an error: it may hold a secret path.
func parseAddress(s string) (*url.URL, error) {
	bad := func(what string) (*url.URL, error) {
		return nil, fmt.Errorf("webhook.address: %s: %w", what, vedette.ErrInvalid)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return bad("not a URL")
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return bad("without a host")
	case u.User != nil:
		return bad("a user or password does not belong into an address; requests are signed")
	case u.Fragment != "":
		return bad("a fragment is never sent")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme != "http":
		return bad("want https")
	}
	if a, err := netip.ParseAddr(u.Hostname()); (err != nil || !a.IsLoopback()) && u.Hostname() != "localhost" {
		return bad("http goes to a loopback address alone; want https")
	}
	return u, nil
}

// Deps is what a sender needs. Outbox and Jitter are required.
type Deps struct {
	Outbox response.Outbox
	// Jitter is a source of random bytes; pauses are drawn from it. crypto/rand.Reader is one.
	Jitter io.Reader

	Now        func() time.Time      // nil: the clock
	Log        *slog.Logger          // nil logs nothing
	Registerer prometheus.Registerer // nil: nothing is registered
}

// Sender delivers a tenant's changes to one address.
type Sender struct {
	cfg     Config
	address string
	sub     response.Subscriber
	outbox  response.Outbox
	jitter  io.Reader
	now     func() time.Time
	log     *slog.Logger
	client  *http.Client

	// Of the address as a whole, used by Run alone.
	failures  int       // since it last took something
	notBefore time.Time // it is left alone until then

	results  *prometheus.CounterVec
	took     prometheus.Histogram
	disabled prometheus.Gauge
	waiting  prometheus.Gauge
}

// The results of a try, as they stand in the metric and in the outbox. They hold nothing that the other side sent.
const (
	taken        = "delivered"
	refused      = "refused"       // a 4xx: about this change, perhaps
	broken       = "server error"  // a 5xx
	busy         = "busy"          // 429 or 503
	redirected   = "redirected"    // not followed
	unreachable  = "unreachable"   // no answer
	slow         = "too slow"      // no answer in time
	gone         = "gone"          // 410: wants no more
	gaveUp       = "given up"      // after Config.GiveUp
	subscription = "webhook"       // the subscriber's name
	maxAnswer    = 64 << 10        // bytes of an answer that are read, and thrown away
	maxRetry     = 24 * time.Hour  // that is honoured of Retry-After
	idle         = 1 * time.Minute // after which a state that others may have changed is looked at again
	grace        = 5 * time.Second // for noting a delivery when the program ends
)

// New makes a sender. Its error wraps vedette.ErrInvalid.
func New(cfg Config, deps Deps) (*Sender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Outbox == nil || deps.Jitter == nil {
		return nil, fmt.Errorf("webhook: Outbox and Jitter are needed: %w", vedette.ErrInvalid)
	}
	cfg = cfg.withDefaults()
	u, err := parseAddress(cfg.Address)
	if err != nil {
		return nil, err
	}
	s := &Sender{
		cfg: cfg, address: u.String(), sub: response.Subscriber{Tenant: cfg.Tenant, Name: subscription}, outbox: deps.Outbox, jitter: deps.Jitter,
		now: deps.Now, log: deps.Log,
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.client = &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // a variable of the environment must not send changes elsewhere
			DialContext:            (&net.Dialer{Timeout: cfg.Timeout, Control: reach(u.Scheme == "http")}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: cfg.Authorities, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        idle,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       cfg.Timeout,
	}
	s.results = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vedette_webhook_tries_total", ConstLabels: prometheus.Labels{"tenant": string(cfg.Tenant)},
		Help: "Tries to deliver a changed decision, by result. A rise of anything but delivered means that the platform does not learn in time what changed.",
	}, []string{"result"})
	s.took = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "vedette_webhook_try_seconds", ConstLabels: prometheus.Labels{"tenant": string(cfg.Tenant)}, Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		Help: "How long a try took. A rise means that the platform's address is slow.",
	})
	s.disabled = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "vedette_webhook_disabled", ConstLabels: prometheus.Labels{"tenant": string(cfg.Tenant)},
		Help: "1: the address said that it wants no more (410), and gets nothing until a person enables it.",
	})
	s.waiting = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "vedette_webhook_waiting", ConstLabels: prometheus.Labels{"tenant": string(cfg.Tenant)},
		Help: "Changes that were not delivered yet, as of the last look. A rise means that the platform does not take them.",
	})
	if deps.Registerer != nil {
		for _, c := range []prometheus.Collector{s.results, s.took, s.disabled, s.waiting} {
			if err := deps.Registerer.Register(c); err != nil {
				return nil, fmt.Errorf("webhook: register metrics: %w", err)
			}
		}
	}
	return s, nil
}

// reach refuses connections to where no platform is: link-local addresses, where clouds keep their machines' secrets, and for http everything
// but this machine, whatever the name resolves to.
func reach(loopback bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		p, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("webhook: no address to connect to: %w", vedette.ErrInvalid)
		}
		a := p.Addr().Unmap().WithZone("")
		if loopback && !a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
			return fmt.Errorf("webhook: the address leads to where no platform is: %w", vedette.ErrForbidden)
		}
		return nil
	}
}

// Subscriber is the name under which the outbox keeps what was delivered.
func (s *Sender) Subscriber() response.Subscriber { return s.sub }

// Run delivers until ctx ends, and then returns nil: what was being sent is noted first. Changes are sent one after another, those of one
// message never out of order; each at least once, under an id that stays the same. A store that is down is waited for. It is called once.
func (s *Sender) Run(ctx context.Context) error {
	defer s.client.CloseIdleConnections()
	faults := 0
	for ctx.Err() == nil {
		next, err := s.round(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			faults++
			next = rest{wait: s.pause(faults, 0)}
			s.log.LogAttrs(ctx, slog.LevelWarn, "changes cannot be read or noted; trying again", slog.String("tenant", string(s.cfg.Tenant)), slog.Any("err", err))
		} else {
			faults = 0
		}
		s.sleep(ctx, next)
	}
	return nil
}

// rest is how long to do nothing.
type rest struct {
	wait time.Duration
	wake bool   // a change after last ends it
	last uint64 // seen by the round
}

func (s *Sender) sleep(ctx context.Context, r rest) {
	if r.wait <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, min(r.wait, idle))
	defer cancel()
	if r.wake && s.outbox.Wait(ctx, r.last, s.cfg.Tenant) == nil {
		return
	}
	<-ctx.Done() // also when the store could not wait
}

const atOnce = 64 // changes read at once

// round sends what is due, and says how long to rest then.
func (s *Sender) round(ctx context.Context) (rest, error) {
	now := s.now()
	state, err := s.outbox.Subscription(ctx, s.sub)
	if err != nil {
		return rest{}, err
	}
	s.waiting.Set(float64(state.Waiting))
	if !state.Disabled.IsZero() {
		s.disabled.Set(1)
		return rest{wait: idle}, nil
	}
	s.disabled.Set(0)
	if d := s.notBefore.Sub(now); d > 0 {
		return rest{wait: d}, nil
	}
	// Asked before the look, so that what comes after the look is not slept over.
	_, last, err := s.outbox.Bounds(ctx, s.cfg.Tenant)
	if err != nil {
		return rest{}, err
	}
	list, due, err := s.outbox.Pending(ctx, s.sub, now, atOnce)
	if err != nil {
		return rest{}, err
	}
	for i := range list {
		// Asked before each: who pulls the switch means this very one.
		until, err := s.outbox.Halted(ctx, s.cfg.Tenant)
		if err != nil || ctx.Err() != nil {
			return rest{}, err
		}
		if d := until.Sub(s.now()); d > 0 {
			return rest{wait: d}, nil
		}
		stop, err := s.deliver(ctx, &list[i])
		if err != nil || stop > 0 {
			return rest{wait: stop}, err
		}
	}
	switch {
	case len(list) > 0:
		return rest{}, nil // more may be due by now
	case !due.IsZero():
		return rest{wait: max(due.Sub(s.now()), time.Millisecond), wake: true, last: last}, nil
	}
	return rest{wait: idle, wake: true, last: last}, nil
}

// body is what is sent. It is the same bytes at every try: what is signed anew is the time.
type body struct {
	Type      string           `json:"type"`
	Timestamp string           `json:"timestamp"`
	Data      response.Changed `json:"data"`
}

// deliver tries one change and notes what came of it. stop is how long the address as a whole is left alone.
func (s *Sender) deliver(ctx context.Context, l *response.Delivery) (stop time.Duration, _ error) {
	b, err := json.Marshal(body{"decision.changed", l.At.UTC().Format("2006-01-02T15:04:05.000Z"), l.Changed})
	if err != nil {
		return 0, fmt.Errorf("webhook: write change %d: %w", l.Seq, err)
	}
	began := s.now()
	result, after := s.post(ctx, l.ID.String(), b)
	ended := s.now()
	if result != taken && ctx.Err() != nil {
		return 0, nil // we ended, not the other side: nothing is held against it
	}
	s.results.WithLabelValues(result).Inc()
	s.took.Observe(ended.Sub(began).Seconds())
	// What was taken is noted although we are asked to end: else it would be sent once more for nothing.
	note, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	first := l.First
	if first.IsZero() {
		first = began
	}
	switch {
	case result == taken:
		s.failures = 0
		return 0, s.outbox.Delivered(note, s.sub, l.Seq, ended)
	case result == gone:
		s.disabled.Set(1)
		s.log.LogAttrs(ctx, slog.LevelError, "the platform's address wants no more changes (410): it gets none until a person enables it", slog.String("tenant", string(s.cfg.Tenant)))
		return idle, s.outbox.Disable(note, s.sub, ended, "the address answered 410")
	case ended.Sub(first) >= s.cfg.GiveUp:
		s.results.WithLabelValues(gaveUp).Inc()
		s.log.LogAttrs(ctx, slog.LevelError, "a changed decision was given up: a person must look", slog.String("tenant", string(s.cfg.Tenant)), slog.String("change", l.ID.String()), slog.String("why", result))
		return 0, s.outbox.Dead(note, s.sub, l.Seq, ended, result)
	}
	tries := l.Tries + 1
	if result != refused { // every other change would fail alike
		s.failures++
		tries = max(tries, s.failures)
	}
	wait := s.pause(tries, after)
	if result != refused || after > 0 {
		stop = wait
		s.notBefore = ended.Add(wait)
	}
	return stop, s.outbox.Failed(note, s.sub, l.Seq, ended, ended.Add(wait), result)
}

// pause grows from Pause to MaxPause, less up to half of it, so that senders that failed together do not come back together; it is never
// shorter than what the other side asked for.
func (s *Sender) pause(tries int, after time.Duration) time.Duration {
	d := s.cfg.MaxPause
	if shift := tries - 1; shift < 40 && s.cfg.Pause<<shift>>shift == s.cfg.Pause {
		d = min(d, s.cfg.Pause<<shift)
	}
	var b [8]byte
	if _, err := io.ReadFull(s.jitter, b[:]); err == nil {
		d -= time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(d/2+1))
	}
	return max(d, min(after, maxRetry))
}

// post makes one request. after is what the other side asked us to wait.
func (s *Sender) post(ctx context.Context, id string, b []byte) (result string, after time.Duration) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.address, bytes.NewReader(b))
	if err != nil {
		return unreachable, 0
	}
	at := s.now()
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "vedette")
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("webhook-signature", sign(s.cfg.Secrets, id, at, b))
	answer, err := s.client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
			return slow, 0
		}
		return unreachable, 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)) // so that the connection can be used again; what is longer ends it
	switch c := answer.StatusCode; {
	case c >= 200 && c < 300:
		return taken, 0
	case c == http.StatusGone:
		return gone, 0
	case c == http.StatusTooManyRequests, c == http.StatusServiceUnavailable:
		return busy, retryAfter(answer.Header.Get("Retry-After"), s.now())
	case c >= 500:
		return broken, retryAfter(answer.Header.Get("Retry-After"), s.now())
	case c >= 300 && c < 400:
		return redirected, 0
	}
	return refused, retryAfter(answer.Header.Get("Retry-After"), s.now())
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3); what it cannot read asks for nothing.
func retryAfter(h string, now time.Time) time.Duration {
	h = strings.TrimSpace(h)
	if n, err := strconv.ParseUint(h, 10, 64); err == nil {
		return time.Duration(min(n, uint64(maxRetry/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(h); err == nil {
		return min(max(0, t.Sub(now)), maxRetry)
	}
	return 0
}
