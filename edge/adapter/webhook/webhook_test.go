package webhook_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"vedette"
	"vedette/act/response"
	"vedette/act/response/responsetest"
	"vedette/edge/adapter/webhook"
	"vedette/store/records"
)

const tenant = vedette.Tenant("chat-example")

// even is a source of jitter that takes nothing off.
type even struct{}

func (even) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func secret(t testing.TB) (webhook.Secret, string) {
	t.Helper()
	text := webhook.NewSecret()
	s, err := webhook.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s, text
}

type peer struct {
	*httptest.Server
	mu     sync.Mutex // guards all below
	ids    []string
	seqs   []uint64
	bodies []string
	heads  []http.Header
	answer func(n int, w http.ResponseWriter, r *http.Request)
	got    chan struct{} // one for each request
}

func newPeer(t testing.TB, answer func(n int, w http.ResponseWriter, r *http.Request)) *peer {
	p := &peer{answer: answer, got: make(chan struct{}, 1000)}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	var m struct{ Data response.Changed }
	_ = json.Unmarshal(b, &m)
	p.mu.Lock()
	n := len(p.ids)
	p.ids = append(p.ids, r.Header.Get("webhook-id"))
	p.seqs = append(p.seqs, m.Data.Seq)
	p.bodies = append(p.bodies, string(b))
	p.heads = append(p.heads, r.Header.Clone())
	p.mu.Unlock()
	if p.answer != nil {
		p.answer(n, w, r)
	}
	p.got <- struct{}{}
}

func status(code int) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func sender(t testing.TB, address string, o response.Outbox, change func(*webhook.Config, *webhook.Deps)) *webhook.Sender {
	t.Helper()
	key, _ := secret(t)
	cfg := webhook.Config{Tenant: tenant, Address: address, Secrets: []webhook.Secret{key}, Pause: 10 * time.Millisecond}
	deps := webhook.Deps{Outbox: o, Jitter: rand.Reader}
	if change != nil {
		change(&cfg, &deps)
	}
	s, err := webhook.New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run starts a sender and returns what ends it and waits for it.
func run(t testing.TB, s *webhook.Sender) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run = %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func put(t testing.TB, o response.Outbox, from, to int) (list []response.Changed) {
	t.Helper()
	for n := from; n < to; n++ {
		list = append(list, responsetest.Change(tenant, n, n))
	}
	if _, err := o.Put(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	return list
}

// settled waits until the outbox shows what is wanted.
func settled(t testing.TB, o response.Outbox, s *webhook.Sender, p *peer, want func(response.Subscription) bool) response.Subscription {
	t.Helper()
	for {
		state, err := o.Subscription(t.Context(), s.Subscriber())
		if err != nil {
			t.Fatal(err)
		}
		if want(state) {
			return state
		}
		select {
		case <-p.got:
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

func nothingWaits(s response.Subscription) bool { return s.Waiting == 0 }

func TestEveryChangeArrivesSignedInOrder(t *testing.T) {
	newer, newerText := secret(t)
	older, olderText := secret(t)
	p := newPeer(t, nil)
	o := response.NewMemory()
	want := put(t, o, 0, 100)
	s := sender(t, p.URL+"/hooks?key=a", o, func(c *webhook.Config, _ *webhook.Deps) { c.Secrets = []webhook.Secret{newer, older} })
	run(t, s)
	settled(t, o, s, p, nothingWaits)
	put(t, o, 100, 101) // and what comes while it waits
	settled(t, o, s, p, nothingWaits)
	if len(p.ids) != 101 || !slices.IsSorted(p.seqs) {
		t.Fatalf("%d requests, %v", len(p.ids), p.seqs)
	}
	for i, body := range p.bodies[:100] {
		for _, text := range []string{newerText, olderText} {
			wh, err := standardwebhooks.NewWebhook(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := wh.Verify([]byte(body), p.heads[i]); err != nil {
				t.Errorf("the library does not take it: %v", err)
			}
			if err := wh.Verify([]byte(body+" "), p.heads[i]); err == nil {
				t.Error("the library takes an altered body")
			}
		}
		if p.ids[i] != want[i].ID.String() || p.heads[i].Get("Content-Type") != "application/json" {
			t.Errorf("id %q, headers %v", p.ids[i], p.heads[i])
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &m); err != nil || string(m["type"]) != `"decision.changed"` || len(m) != 3 || len(m["timestamp"]) == 0 {
			t.Errorf("body %s", body)
		}
		var c response.Changed
		if err := json.Unmarshal(m["data"], &c); err != nil || c.Event != want[i].Event {
			t.Errorf("data %s, %v", m["data"], err)
		}
	}
}

func TestBadPeers(t *testing.T) {
	huge := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		name string
		bad  func(n int, w http.ResponseWriter, r *http.Request)
		why  string
	}{
		{"500", status(500), "server error"},
		{"400", status(400), "refused"},
		{"429 without Retry-After", status(429), "busy"},
		{"a redirect is not followed", func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "redirected"},
		{"hangs up", func(int, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "unreachable"},
		{"says nothing", func(_ int, _ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Second):
			}
		}, "too slow"},
		{"a huge refusal", func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			for range 200 {
				if _, err := io.WriteString(w, huge); err != nil {
					return
				}
			}
		}, "busy"},
		{"a huge header", func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", huge)
			w.WriteHeader(204)
		}, "unreachable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var bad atomic.Bool
			bad.Store(true)
			p := newPeer(t, func(n int, w http.ResponseWriter, r *http.Request) {
				if bad.Load() {
					tt.bad(n, w, r)
				}
			})
			o := response.NewMemory()
			put(t, o, 0, 2)
			s := sender(t, p.URL, o, func(c *webhook.Config, _ *webhook.Deps) { c.Timeout = 100 * time.Millisecond })
			run(t, s)
			for {
				list, _, err := o.Pending(t.Context(), s.Subscriber(), time.Now().Add(time.Hour), 10)
				if err != nil {
					t.Fatal(err)
				}
				if len(list) == 2 && list[0].Tries >= 2 {
					if list[0].Why != tt.why {
						t.Errorf("why %q, want %q", list[0].Why, tt.why)
					}
					break
				}
				<-time.After(5 * time.Millisecond)
			}
			bad.Store(false)
			settled(t, o, s, p, nothingWaits)
			p.mu.Lock()
			defer p.mu.Unlock()
			seen := map[uint64]string{}
			for i, id := range p.ids {
				if old, ok := seen[p.seqs[i]]; ok && old != id {
					t.Errorf("change %d had ids %s and %s", p.seqs[i], old, id)
				}
				seen[p.seqs[i]] = id
			}
			if len(seen) != 2 {
				t.Errorf("seen %v", seen)
			}
		})
	}
}

func TestPausesGrowAndEndInADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Duration
		began := time.Now()
		o := response.NewMemory()
		put(t, o, 0, 1)
		reg := prometheus.NewRegistry()
		s := sender(t, "http://localhost:1", o, func(c *webhook.Config, d *webhook.Deps) {
			c.Pause, d.Jitter, d.Registerer = time.Second, even{}, reg
		})
		webhook.Through(s, func(r *http.Request) (*http.Response, error) {
			tries = append(tries, time.Since(began))
			return &http.Response{StatusCode: 500, Body: http.NoBody, Request: r}, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(26 * time.Hour)
		state, err := o.Subscription(t.Context(), s.Subscriber())
		if err != nil || state.Dead != 1 || state.Waiting != 0 {
			t.Errorf("Subscription = %+v, %v; want one given up", state, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
		sec := time.Second
		if want := []time.Duration{0, sec, 3 * sec, 7 * sec, 15 * sec, 31 * sec, 63 * sec, 127 * sec, 255 * sec, 511 * sec, 1023 * sec, 1623 * sec}; len(tries) < len(want) || !slices.Equal(tries[:len(want)], want) {
			t.Errorf("tries at %v, want %v and then each 10 minutes", tries, want)
		}
		if last := tries[len(tries)-1]; last < 24*time.Hour || last > 24*time.Hour+10*time.Minute {
			t.Errorf("the last try was after %s", last)
		}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		counted := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "result" {
						counted[l.GetValue()] = m.GetCounter().GetValue()
					}
				}
			}
		}
		if counted["given up"] != 1 || counted["server error"] != float64(len(tries)) {
			t.Errorf("counted %v after %d tries", counted, len(tries))
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, tt := range []struct {
		header string
		wait   time.Duration
	}{{"90", 90 * time.Second}, {"Sat, 01 Jan 2000 00:02:00 GMT", 2 * time.Minute}, {"soon", time.Second}, {"-5", time.Second}, {"99999999999999", 24 * time.Hour}, {"0", time.Second}} {
		t.Run(tt.header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // begins on 1 January 2000
				var tries []time.Duration
				began := time.Now()
				o := response.NewMemory()
				put(t, o, 0, 3) // the others wait too: it is the address that is busy
				s := sender(t, "https://platform.example/hook", o, func(c *webhook.Config, d *webhook.Deps) { c.Pause, d.Jitter = time.Second, even{} })
				webhook.Through(s, func(r *http.Request) (*http.Response, error) {
					tries = append(tries, time.Since(began))
					code := 204
					if len(tries) == 1 {
						code = 503
					}
					return &http.Response{StatusCode: code, Header: http.Header{"Retry-After": {tt.header}}, Body: http.NoBody, Request: r}, nil
				})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- s.Run(ctx) }()
				time.Sleep(25 * time.Hour)
				cancel()
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if want := []time.Duration{0, tt.wait, tt.wait, tt.wait}; !slices.Equal(tries, want) {
					t.Errorf("tries at %v, want %v", tries, want)
				}
			})
		})
	}
}

func TestARefusedChangeHoldsUpNoOther(t *testing.T) {
	p := newPeer(t, nil)
	p.answer = func(n int, w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.seqs[n] == 1 {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}
	o := response.NewMemory()
	// 1 and 4 are about one message.
	list := []response.Changed{responsetest.Change(tenant, 0, 0), responsetest.Change(tenant, 1, 1), responsetest.Change(tenant, 2, 2), responsetest.Change(tenant, 3, 0)}
	if _, err := o.Put(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	s := sender(t, p.URL, o, nil)
	stop := run(t, s)
	settled(t, o, s, p, func(s response.Subscription) bool { return s.Waiting == 2 })
	stop()
	if slices.Contains(p.seqs, 4) || !slices.Contains(p.seqs, 3) {
		t.Errorf("sent %v: 4 must wait for 1, and 3 for nobody", p.seqs)
	}
}

func Test410EndsItUntilAPersonEnablesIt(t *testing.T) {
	var gone atomic.Bool
	gone.Store(true)
	p := newPeer(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		if gone.Load() {
			w.WriteHeader(http.StatusGone)
		}
	})
	o := response.NewMemory()
	put(t, o, 0, 2)
	s := sender(t, p.URL, o, nil)
	stop := run(t, s)
	settled(t, o, s, p, func(s response.Subscription) bool { return !s.Disabled.IsZero() })
	stop()
	s = sender(t, p.URL, o, nil) // a restart changes nothing
	stop = run(t, s)
	stop()
	if len(p.ids) != 1 {
		t.Fatalf("%d requests, want 1", len(p.ids))
	}
	gone.Store(false)
	if err := o.Enable(t.Context(), s.Subscriber()); err != nil {
		t.Fatal(err)
	}
	s = sender(t, p.URL, o, nil)
	run(t, s)
	settled(t, o, s, p, nothingWaits)
	if len(p.ids) != 3 {
		t.Errorf("%d requests, want 3", len(p.ids))
	}
}

func TestAHaltStopsDeliveriesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := response.NewMemory()
		put(t, o, 0, 5)
		var at []time.Duration
		began := time.Now()
		s := sender(t, "https://platform.example/hook", o, nil)
		webhook.Through(s, func(r *http.Request) (*http.Response, error) {
			if at = append(at, time.Since(began)); len(at) == 2 {
				if err := o.Halt(r.Context(), tenant, time.Now().Add(time.Hour)); err != nil {
					t.Error(err)
				}
			}
			return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(2 * time.Hour)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if want := []time.Duration{0, 0, time.Hour, time.Hour, time.Hour}; !slices.Equal(at, want) {
			t.Errorf("sent at %v, want %v", at, want)
		}
	})
}

// The program ends between putting and delivering, between delivering and noting, and in the middle of a request, again and again: no change is
// lost, and each keeps its id.
func TestNothingIsLostWhenTheProgramEnds(t *testing.T) {
	dir := t.TempDir()
	seen := map[uint64]map[string]int{}
	var n atomic.Int64
	cut := make(chan struct{}, 1000)
	p := newPeer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		k := n.Add(1)
		if k%7 == 3 { // taken, and the program ends before it can know
			cut <- struct{}{}
			select {
			case <-r.Context().Done():
			case <-time.After(time.Second):
			}
			return
		}
		if k%5 == 0 {
			w.WriteHeader(500)
		}
	})
	const total = 60
	for round := 0; ; round++ {
		d, err := records.Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		o := d.Outbox()
		if from := round * 20; from < total {
			put(t, o, from, from+20)
		}
		var failing response.Outbox = o
		if round%2 == 1 {
			failing = &forgetful{Outbox: o}
		}
		s := sender(t, p.URL, failing, func(c *webhook.Config, _ *webhook.Deps) { c.MaxPause = 20 * time.Millisecond })
		stop := run(t, s)
		end := false
		for !end {
			state, err := o.Subscription(t.Context(), s.Subscriber())
			if err != nil {
				t.Fatal(err)
			}
			select {
			case <-cut:
				end = true
			case <-time.After(5 * time.Millisecond):
				end = state.Waiting == 0
			}
		}
		stop()
		state, err := o.Subscription(t.Context(), s.Subscriber())
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if state.Waiting == 0 && (round+1)*20 >= total {
			break
		}
		if round > 200 {
			t.Fatal("never done")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, seq := range p.seqs {
		if seen[seq] == nil {
			seen[seq] = map[string]int{}
		}
		seen[seq][p.ids[i]]++
	}
	if len(seen) != total {
		t.Errorf("%d changes arrived, want %d", len(seen), total)
	}
	for seq, ids := range seen {
		if len(ids) != 1 {
			t.Errorf("change %d came under %v", seq, ids)
		}
	}
}

// forgetful notes each third delivery not at all, as after a crash.
type forgetful struct {
	response.Outbox
	n int
}

func (f *forgetful) Delivered(ctx context.Context, s response.Subscriber, seq uint64, at time.Time) error {
	if f.n++; f.n%3 == 0 {
		return fmt.Errorf("disk: %w", vedette.ErrUnavailable)
	}
	return f.Outbox.Delivered(ctx, s, seq, at)
}

func TestTheAddressIsOneOfThePlatformsOwn(t *testing.T) {
	key, _ := secret(t)
	for _, tt := range []struct {
		address string
		ok      bool
	}{
		{"https://platform.example/hook", true},
		{"https://platform.example:8443/hook?a=b", true},
		{"https://10.0.0.7/hook", true}, // a platform of one's own stands in one's own network
		{"http://127.0.0.1:8080/hook", true},
		{"http://[::1]/hook", true},
		{"http://localhost/hook", true},
		{"http://platform.example/hook", false},
		{"http://192.0.2.1/hook", false},
		{"ftp://platform.example/", false},
		{"https:///hook", false},
		{"https:platform.example", false},
		{"https://user:pass@platform.example/", false},
		{"https://platform.example/#x", false},
		{"platform.example", false},
		{"", false},
		{"https://platform.example/%zz", false},
	} {
		err := webhook.Config{Tenant: tenant, Address: tt.address, Secrets: []webhook.Secret{key}}.Validate()
		if (err == nil) != tt.ok || err != nil && (!errors.Is(err, vedette.ErrInvalid) || tt.address != "" && strings.Contains(err.Error(), tt.address)) {
			t.Errorf("Validate(%q) = %v, want ok %t", tt.address, err, tt.ok)
		}
	}
	for name, change := range map[string]func(*webhook.Config){
		"no secret":      func(c *webhook.Config) { c.Secrets = nil },
		"an empty one":   func(c *webhook.Config) { c.Secrets = []webhook.Secret{{}} },
		"three":          func(c *webhook.Config) { c.Secrets = []webhook.Secret{key, key, key} },
		"no tenant":      func(c *webhook.Config) { c.Tenant = "" },
		"no time":        func(c *webhook.Config) { c.Timeout = time.Hour },
		"a pause of 0.1": func(c *webhook.Config) { c.Pause = time.Hour },
	} {
		c := webhook.Config{Tenant: tenant, Address: "https://platform.example/", Secrets: []webhook.Secret{key}}
		change(&c)
		if _, err := webhook.New(c, webhook.Deps{Outbox: response.NewMemory(), Jitter: rand.Reader}); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("%s: New = %v, want invalid", name, err)
		}
	}
}

func TestWhereAConnectionMayLead(t *testing.T) {
	for _, tt := range []struct {
		plain   bool
		address string
		ok      bool
	}{
		{true, "127.0.0.1:80", true},
		{true, "[::1]:80", true},
		{true, "[::ffff:127.0.0.1]:80", true},
		{true, "192.0.2.1:80", false},
		{false, "192.0.2.1:443", true},
		{false, "10.0.0.7:443", true},
		{false, "169.254.169.254:443", false},
		{false, "[fe80::1%eth0]:443", false},
		{false, "224.0.0.1:443", false},
		{false, "0.0.0.0:443", false},
		{false, "no address", false},
	} {
		if err := webhook.Reach(tt.plain)("tcp", tt.address, nil); (err == nil) != tt.ok {
			t.Errorf("plain %t, %s: %v, want ok %t", tt.plain, tt.address, err, tt.ok)
		}
	}
}

func TestACertificateOfAStrangerIsNotTaken(t *testing.T) {
	p := &peer{got: make(chan struct{}, 1000)}
	p.Server = httptest.NewUnstartedServer(p)
	p.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	p.StartTLS()
	t.Cleanup(p.Close)
	o := response.NewMemory()
	put(t, o, 0, 1)
	s := sender(t, p.URL, o, nil)
	stop := run(t, s)
	for {
		list, _, err := o.Pending(t.Context(), s.Subscriber(), time.Now().Add(time.Hour), 1)
		if err != nil {
			t.Fatal(err)
		}
		if list[0].Tries > 0 {
			break
		}
		<-time.After(5 * time.Millisecond)
	}
	stop()
	if len(p.ids) != 0 {
		t.Fatal("it was sent to a stranger")
	}
	pool := x509.NewCertPool()
	pool.AddCert(p.Certificate())
	s = sender(t, p.URL, o, func(c *webhook.Config, _ *webhook.Deps) { c.Authorities = pool })
	run(t, s)
	settled(t, o, s, p, nothingWaits)
}

func TestASecretShowsItselfToNobody(t *testing.T) {
	key, text := secret(t)
	b, err := json.Marshal(map[string]any{"key": key})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", key, "config", webhook.Config{Secrets: []webhook.Secret{key}})
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s", key, webhook.Config{Secrets: []webhook.Secret{key}}, key, key), string(b), log.String()} {
		if strings.Contains(s, strings.TrimPrefix(text, "whsec_")[:12]) {
			t.Errorf("%s tells the secret", s)
		}
	}
	for _, bad := range []string{"", "whsec_", text[6:], "whsec_AAAA", "whsec_!!!", text + "=", "whsec_" + strings.Repeat("A", 88)} {
		if _, err := webhook.ParseSecret(bad); !errors.Is(err, vedette.ErrInvalid) || len(bad) > 6 && strings.Contains(err.Error(), bad[6:]) {
			t.Errorf("ParseSecret(%q) = %v, want invalid", bad, err)
		}
	}
}

func TestAStoreThatIsDownIsWaitedFor(t *testing.T) {
	p := newPeer(t, nil)
	o := &downOutbox{Outbox: response.NewMemory()}
	o.down.Store(true)
	put(t, o.Outbox, 0, 1)
	s := sender(t, p.URL, o, nil)
	run(t, s)
	for o.asked.Load() < 3 {
		<-time.After(time.Millisecond)
	}
	o.down.Store(false)
	settled(t, o.Outbox, s, p, nothingWaits)
}

type downOutbox struct {
	response.Outbox
	down  atomic.Bool
	asked atomic.Int64
}

func (o *downOutbox) Pending(ctx context.Context, s response.Subscriber, at time.Time, limit int) ([]response.Delivery, time.Time, error) {
	o.asked.Add(1)
	if o.down.Load() {
		return nil, time.Time{}, vedette.ErrUnavailable
	}
	return o.Outbox.Pending(ctx, s, at, limit)
}

func TestTheBodyIsTheSameAtEveryTry(t *testing.T) {
	p := newPeer(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n < 3 {
			w.WriteHeader(502)
		}
	})
	o := response.NewMemory()
	put(t, o, 0, 1)
	s := sender(t, p.URL, o, nil)
	run(t, s)
	settled(t, o, s, p, nothingWaits)
	if len(p.bodies) != 4 || !reflect.DeepEqual(p.bodies[0], p.bodies[3]) || len(p.bodies[0]) > 20_000 {
		t.Errorf("bodies %q", p.bodies)
	}
	if u, err := url.Parse(p.URL); err != nil || strings.Contains(p.bodies[0], u.Host) {
		t.Error("the body holds the address")
	}
}

func BenchmarkDeliver(b *testing.B) {
	p := newPeer(b, nil)
	p.got = make(chan struct{}, 1<<20)
	o := response.NewMemory()
	s := sender(b, p.URL, o, nil)
	run(b, s)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := o.Put(b.Context(), []response.Changed{responsetest.Change(tenant, n, n)}); err != nil {
			b.Fatal(err)
		}
		n++
		<-p.got
	}
}
