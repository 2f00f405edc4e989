package access_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette"
	"vedette/edge/access"
)

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func ring(t *testing.T) (*access.Keys, *clock) {
	t.Helper()
	c := &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	k, err := access.Open(t.Context(), new(access.Memory), c.now)
	if err != nil {
		t.Fatal(err)
	}
	return k, c
}

func create(t *testing.T, k *access.Keys, o access.Order) (access.Machine, string) {
	t.Helper()
	if o.Tenant == "" {
		o.Tenant = "chat-example"
	}
	m, key, err := k.Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return m, key
}

func ask(h http.Handler, auth string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/v1/decide", nil)
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// next is another letter than c.
func next(c byte) byte {
	if c == '0' {
		return '1'
	}
	return '0'
}

func TestRequire(t *testing.T) {
	k, c := ring(t)
	h := k.Require(access.Decide, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, access.From(r.Context()).Tenant)
	}))
	_, good := create(t, k, access.Order{Scopes: access.Decide | access.Events})
	_, narrow := create(t, k, access.Order{Scopes: access.Read})
	gone, revoked := create(t, k, access.Order{Scopes: access.Decide})
	_, old := create(t, k, access.Order{Scopes: access.Decide, Expires: c.now().Add(time.Hour)})
	if err := k.Revoke(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	first := strings.LastIndex(good, "_") + 1 // the secret's last letters are random too, and may be any that a test writes there
	other := good[:first] + string(next(good[first])) + good[first+1:]
	for _, tt := range []struct {
		name, auth string
		after      time.Duration
		status     int
	}{
		{name: "a key with the scope comes in", auth: "Bearer " + good, status: 200},
		{name: "the scheme's case does not matter", auth: "bearer " + good, status: 200},
		{name: "no header is 401", status: 401},
		{name: "another scheme is 401", auth: "Basic " + good, status: 401},
		{name: "an empty key is 401", auth: "Bearer ", status: 401},
		{name: "a wrong secret is 401", auth: "Bearer " + other, status: 401},
		{name: "an unknown id is 401", auth: "Bearer vdk_0000000000000_" + strings.Repeat("0", 52), status: 401},
		{name: "a zero secret for no id is 401", auth: "Bearer vdk__" + strings.Repeat("0", 52), status: 401},
		{name: "a long key is 401", auth: "Bearer " + good + strings.Repeat("0", 1<<16), status: 401},
		{name: "a key without the scope is 403", auth: "Bearer " + narrow, status: 403},
		{name: "a revoked key is 401", auth: "Bearer " + revoked, status: 401},
		{name: "a key before its end comes in", auth: "Bearer " + old, status: 200},
		{name: "a key after its end is 401", auth: "Bearer " + old, after: time.Hour, status: 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.add(tt.after)
			w := ask(h, tt.auth)
			if w.Code != tt.status {
				t.Fatalf("status %d, want %d: %s", w.Code, tt.status, w.Body)
			}
			if tt.status == 200 {
				if got := w.Body.String(); got != "chat-example" {
					t.Errorf("tenant %q", got)
				}
				return
			}
			var d access.Details
			if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || d.Status != tt.status || d.Title == "" || d.Kind == "" {
				t.Errorf("body %s: %v", w.Body, err)
			}
			if strings.Contains(w.Body.String(), strings.TrimPrefix(good[20:], "_")) {
				t.Error("the answer tells the secret")
			}
			if tt.status == 401 && w.Header().Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
		})
	}
}

func TestKeysAreKeptAsDigestsOnly(t *testing.T) {
	store := new(access.Memory)
	k, err := access.Open(t.Context(), store, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, key, err := k.Create(t.Context(), access.Order{Tenant: "a", Scopes: access.Read})
	if err != nil {
		t.Fatal(err)
	}
	ms, err := k.List(t.Context())
	if err != nil || len(ms) != 1 || ms[0].ID != m.ID {
		t.Fatalf("List() = %v, %v", ms, err)
	}
	b, err := json.Marshal(ms)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(strings.TrimPrefix(key, "vdk_"), "_")
	if s := string(b) + fmt.Sprintf("%+v", ms); strings.Contains(s, secret) {
		t.Errorf("a list tells the key: %s", s)
	}
	again, err := access.Open(t.Context(), store, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := again.Check(key); err != nil || v.ID != m.ID {
		t.Errorf("Check after a restart = %v, %v", v, err)
	}
}

func TestRate(t *testing.T) {
	k, c := ring(t)
	_, key := create(t, k, access.Order{Scopes: access.Decide, Rate: 2, Burst: 4})
	h := k.Require(access.Decide, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for i := range 4 {
		if w := ask(h, "Bearer "+key); w.Code != 200 {
			t.Fatalf("request %d: status %d", i, w.Code)
		}
	}
	w := ask(h, "Bearer "+key)
	if w.Code != 429 || w.Header().Get("Retry-After") != "1" {
		t.Fatalf("fifth request: status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	c.add(time.Second)
	v, err := k.Check(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Take(2); err != nil {
		t.Errorf("two after a second: %v", err)
	}
	err = v.Take(4)
	if busy, ok := errors.AsType[*access.Busy](err); !ok || busy.After != 2*time.Second {
		t.Errorf("four at once: %v, want two seconds to wait", err)
	}
	if err := v.Take(5); !errors.Is(err, vedette.ErrTooLarge) {
		t.Errorf("five of a burst of four: %v, want too large", err)
	}
	// Another key's making must not refill this one.
	create(t, k, access.Order{Scopes: access.Read})
	if v, err = k.Check(key); err != nil {
		t.Fatal(err)
	}
	if err := v.Take(1); !errors.Is(err, vedette.ErrBusy) {
		t.Errorf("after a reload: %v, want busy", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	k, c := ring(t)
	for _, tt := range []struct {
		name  string
		order access.Order
	}{
		{"no tenant", access.Order{Scopes: access.Read}},
		{"no scope", access.Order{Tenant: "a"}},
		{"a scope that is none", access.Order{Tenant: "a", Scopes: 0x80}},
		{"a scope that is none beside one", access.Order{Tenant: "a", Scopes: 0x81}},
		{"an end in the past", access.Order{Tenant: "a", Scopes: access.Read, Expires: c.now()}},
		{"a negative rate", access.Order{Tenant: "a", Scopes: access.Read, Rate: -1}},
		{"a long platform", access.Order{Tenant: "a", Scopes: access.Read, Platform: strings.Repeat("p", 65)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := k.Create(t.Context(), tt.order); !errors.Is(err, vedette.ErrInvalid) {
				t.Errorf("Create(%+v) = %v, want invalid", tt.order, err)
			}
		})
	}
	if err := k.Revoke(t.Context(), "nobody"); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("Revoke of none = %v", err)
	}
}

func TestProblemTable(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		wait   string
	}{
		{access.ErrKey, 401, ""},
		{vedette.ErrInvalid, 400, ""},
		{vedette.ErrForbidden, 403, ""},
		{vedette.ErrUnknown, 404, ""},
		{vedette.ErrConflict, 409, ""},
		{vedette.ErrTooLarge, 413, ""},
		{&http.MaxBytesError{Limit: 3}, 413, ""},
		{vedette.ErrBusy, 429, "1"},
		{&access.Busy{What: "queue", After: 1500 * time.Millisecond}, 429, "2"},
		{vedette.ErrUnavailable, 503, "1"},
		{context.DeadlineExceeded, 503, ""},
		{errors.New("disk sector 7 of /secret"), 500, ""},
	} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			w := httptest.NewRecorder()
			access.Problem(w, httptest.NewRequest(http.MethodGet, "/x", nil), fmt.Errorf("room: %w", tt.err))
			if w.Code != tt.status || w.Header().Get("Retry-After") != tt.wait {
				t.Errorf("status %d, Retry-After %q; want %d, %q", w.Code, w.Header().Get("Retry-After"), tt.status, tt.wait)
			}
			if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("content type %q", got)
			}
			if tt.status == 500 && strings.Contains(w.Body.String(), "secret") {
				t.Errorf("a fault's text went out: %s", w.Body)
			}
		})
	}
}

func TestDoorkeeperAnswersWhatBreaks(t *testing.T) {
	k, err := access.NewDoorkeeper(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/x", nil)
	k.Watch(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })).ServeHTTP(w, r)
	if w.Code != 500 || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("status %d, body %s", w.Code, w.Body)
	}
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("half an answer was not cut off")
		}
	}()
	k.Watch(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half"))
		panic("boom")
	})).ServeHTTP(httptest.NewRecorder(), r)
}

func TestKeysTogether(t *testing.T) {
	k, _ := ring(t)
	_, key := create(t, k, access.Order{Scopes: access.Read, Rate: 1e9})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if v, err := k.Check(key); err != nil || v.Take(1) != nil {
					t.Errorf("Check = %v", err)
				}
			}
		})
		wg.Go(func() {
			for range 10 {
				m, _, err := k.Create(context.Background(), access.Order{Tenant: "b", Scopes: access.Read})
				if err != nil {
					t.Error(err)
					return
				}
				if err := k.Revoke(context.Background(), m.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkCheck(b *testing.B) {
	k, err := access.Open(b.Context(), new(access.Memory), nil)
	if err != nil {
		b.Fatal(err)
	}
	_, key, err := k.Create(b.Context(), access.Order{Tenant: "a", Scopes: access.Read})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Check(key); err != nil {
			b.Fatal(err)
		}
	}
}
