package stream_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vedette"
	"vedette/act/response"
	"vedette/act/response/responsetest"
	"vedette/edge/access"
	"vedette/edge/adapter/stream"
)

const tenant = vedette.Tenant("chat-example")

type house struct {
	*httptest.Server
	out  response.Outbox
	keys *access.Keys
	key  string
}

func newHouse(t testing.TB, cfg stream.Config, o response.Outbox) *house {
	t.Helper()
	keys, err := access.Open(t.Context(), new(access.Memory), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{out: o, keys: keys}
	s, err := stream.New(cfg, stream.Deps{Outbox: o, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(stream.Pattern, s)
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	h.key = h.newKey(t, tenant, access.Read)
	return h
}

func (h *house) newKey(t testing.TB, tenant vedette.Tenant, scope access.Scope) string {
	t.Helper()
	_, key, err := h.keys.Create(t.Context(), access.Order{Tenant: tenant, Scopes: scope})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (h *house) get(ctx context.Context, key, query string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL+"/v1/changes"+query, http.NoBody)
	if err != nil {
		return nil, err
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return http.DefaultClient.Do(r)
}

type answer struct {
	status int
	head   http.Header
	seqs   []uint64
	cursor string // of the last line
	body   string
}

func (h *house) ask(t testing.TB, key, query string) answer {
	t.Helper()
	resp, err := h.get(t.Context(), key, query)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, head: resp.Header, body: string(b)}
	if a.status != 200 {
		return a
	}
	for line := range strings.Lines(a.body) {
		var l struct {
			Cursor string
			Change response.Changed
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Cursor != strconv.FormatUint(l.Change.Seq, 10) {
			t.Fatalf("line %s: %v", line, err)
		}
		a.seqs, a.cursor = append(a.seqs, l.Change.Seq), l.Cursor
	}
	return a
}

func put(t testing.TB, o response.Outbox, tenant vedette.Tenant, from, to int) {
	t.Helper()
	var list []response.Changed
	for n := from; n < to; n++ {
		list = append(list, responsetest.Change(tenant, n, n))
	}
	if _, err := o.Put(t.Context(), list); err != nil {
		t.Fatal(err)
	}
}

func TestAPlatformReadsWhatChangedFromWhereItStood(t *testing.T) {
	h := newHouse(t, stream.Config{Limit: 40}, response.NewMemory())
	put(t, h.out, tenant, 0, 100)
	put(t, h.out, "other", 0, 7)
	after, n := "0", 0
	for {
		a := h.ask(t, h.key, "?after="+after)
		if a.status != 200 || a.head.Get("Content-Type") != "application/x-ndjson" || a.head.Get("Cache-Control") != "no-store" {
			t.Fatalf("answer %+v", a)
		}
		if len(a.seqs) == 0 {
			if a.head.Get("Vedette-Cursor") != after {
				t.Errorf("cursor %q, want %q", a.head.Get("Vedette-Cursor"), after)
			}
			break
		}
		for _, seq := range a.seqs {
			if n++; seq != uint64(n) {
				t.Fatalf("got %d, want %d", seq, n)
			}
		}
		if after = a.cursor; after != a.head.Get("Vedette-Cursor") {
			t.Errorf("cursor %q, header %q", after, a.head.Get("Vedette-Cursor"))
		}
		if strings.Contains(a.body, "acct_") {
			t.Error("an account")
		}
	}
	if n != 100 {
		t.Errorf("read %d, want 100", n)
	}
	if a := h.ask(t, h.newKey(t, "other", access.Decide), "?limit=3"); len(a.seqs) != 3 || a.cursor != "3" || strings.Contains(a.body, string(tenant)) {
		t.Errorf("another tenant reads %+v", a)
	}
}

func TestWhoMayRead(t *testing.T) {
	h := newHouse(t, stream.Config{}, response.NewMemory())
	for _, tt := range []struct {
		name, key string
		status    int
	}{
		{"no key", "", 401},
		{"a key that is none", "vdk_x", 401},
		{"read", h.newKey(t, tenant, access.Read), 200},
		{"decide", h.newKey(t, tenant, access.Decide), 200},
		{"events alone", h.newKey(t, tenant, access.Events), 403},
		{"admin alone", h.newKey(t, tenant, access.Admin), 403},
	} {
		if a := h.ask(t, tt.key, ""); a.status != tt.status || tt.status != 200 && a.head.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s, want %d", tt.name, a.status, a.body, tt.status)
		}
	}
	_, slow, err := h.keys.Create(t.Context(), access.Order{Tenant: tenant, Scopes: access.Decide, Rate: 0.001, Burst: 1})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := h.ask(t, slow, ""), h.ask(t, slow, ""); a.status != 200 || b.status != 429 || b.head.Get("Retry-After") == "" {
		t.Errorf("over the rate: %d, then %d", a.status, b.status)
	}
	if resp, err := http.Post(h.URL+"/v1/changes", "text/plain", nil); err != nil || resp.StatusCode != 405 {
		t.Errorf("POST = %v, %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
}

func TestABadQuestionIsNamed(t *testing.T) {
	h := newHouse(t, stream.Config{}, response.NewMemory())
	put(t, h.out, tenant, 0, 10)
	if _, err := h.out.Expire(t.Context(), responsetest.Change(tenant, 5, 5).At); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		query  string
		status int
		says   string
	}{
		{"?after=x", 400, "after"},
		{"?after=-1", 400, "after"},
		{"?after=007", 400, "after"},
		{"?after=+5", 400, "after"},
		{"?after=5&after=6", 400, "after: given twice"},
		{"?after=99999999999999999999", 400, "after"},
		{"?after=11", 400, "11 is ahead of the last change, 10"},
		{"?after=2", 404, "go on with after=5"},
		{"?wait=1", 400, "wait"},
		{"?wait=-1s", 400, "wait"},
		{"?wait=2h", 400, "wait"},
		{"?limit=0", 400, "limit"},
		{"?limit=501", 400, "limit"},
		{"?limit=many", 400, "limit"},
		{"?after=%zz", 400, "query"},
		{"?after=10", 200, ""},
		{"?after=5", 200, ""},
		{"?after=0", 200, ""},
		{"?unknown=1", 200, ""},
	} {
		a := h.ask(t, h.key, tt.query)
		if a.status != tt.status || !strings.Contains(a.body, tt.says) || a.status != 200 && a.head.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s, want %d that says %q", tt.query, a.status, a.body, tt.status, tt.says)
		}
	}
}

func TestALongPollIsAnsweredWithTheFirstChange(t *testing.T) {
	waiting := &told{Outbox: response.NewMemory(), waits: make(chan struct{}, 16)}
	h := newHouse(t, stream.Config{}, waiting)
	got := make(chan answer, 8)
	for range 8 {
		go func() { got <- h.ask(t, h.key, "?wait=30s") }()
	}
	for range 8 {
		<-waiting.waits
	}
	put(t, h.out, "other", 0, 1)
	put(t, h.out, tenant, 0, 1)
	for range 8 {
		if a := <-got; a.status != 200 || len(a.seqs) != 1 || a.head.Get("Vedette-Cursor") != "1" {
			t.Errorf("answer %+v", a)
		}
	}
}

// told tells when somebody begins to wait.
type told struct {
	response.Outbox
	waits chan struct{}
}

func (o *told) Wait(ctx context.Context, after uint64, tenant vedette.Tenant) error {
	select {
	case o.waits <- struct{}{}:
	default:
	}
	return o.Outbox.Wait(ctx, after, tenant)
}

func serve(t *testing.T, o response.Outbox) func(query string) *httptest.ResponseRecorder {
	t.Helper()
	s, err := stream.New(stream.Config{}, stream.Deps{Outbox: o, Keys: anybody{}})
	if err != nil {
		t.Fatal(err)
	}
	return func(query string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/changes"+query, http.NoBody))
		return w
	}
}

type anybody struct{}

func (anybody) Admit(*http.Request, access.Scope) (*access.Visitor, error) {
	return &access.Visitor{Machine: access.Machine{Tenant: tenant}}, nil
}

func TestAPollThatNothingComesToEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ask := serve(t, response.NewMemory())
		began := time.Now()
		w := ask("?wait=45s")
		if took := time.Since(began); took != 45*time.Second || w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Vedette-Cursor") != "0" {
			t.Errorf("after %s: %d %s %v", took, w.Code, w.Body, w.Header())
		}
	})
}

func TestWhileChangesAreHaltedNoneIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := response.NewMemory()
		put(t, o, tenant, 0, 3)
		if err := o.Halt(t.Context(), tenant, time.Now().Add(20*time.Second)); err != nil {
			t.Fatal(err)
		}
		ask := serve(t, o)
		if w := ask(""); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Vedette-Cursor") != "0" {
			t.Errorf("halted: %d %s", w.Code, w.Body)
		}
		began := time.Now()
		w := ask("?wait=60s")
		if took := time.Since(began); took != 20*time.Second || strings.Count(w.Body.String(), "\n") != 3 {
			t.Errorf("after %s: %s", took, w.Body)
		}
	})
}

func TestASlowReaderHoldsUpNobodyAndIsCut(t *testing.T) {
	h := newHouse(t, stream.Config{Readers: 1, WriteTimeout: 500 * time.Millisecond, Limit: 1000}, response.NewMemory())
	put(t, h.out, tenant, 0, 10)
	long := strings.Repeat("A constant text that is long. ", 300)
	for i := range 1000 { // 9 MB in one answer: more than sockets hold
		c := responsetest.Change("long", i, i)
		c.Reasons[0].Text = long
		if _, err := h.out.Put(t.Context(), []response.Changed{c}); err != nil {
			t.Fatal(err)
		}
	}
	key := h.newKey(t, "long", access.Read)
	conn, err := net.Dial("tcp", h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /v1/changes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", key); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReaderSize(conn, 16).ReadString('\n'); err != nil { // the answer has begun; no more is read
		t.Fatal(err)
	}
	// The one place is taken; it comes free although the slow one never reads on.
	for {
		a := h.ask(t, h.key, "")
		if a.status == 200 {
			break
		}
		if a.status != 429 || a.head.Get("Retry-After") == "" {
			t.Fatalf("answer %d %s", a.status, a.body)
		}
	}
	rest, err := io.ReadAll(conn)
	if strings.HasSuffix(string(rest), "0\r\n\r\n") || strings.Count(string(rest), "\n") >= 2000 {
		t.Errorf("a cut answer looks whole: %d bytes, %v", len(rest), err)
	}
}

func TestWhoHangsUpFreesHisPlace(t *testing.T) {
	waiting := &told{Outbox: response.NewMemory(), waits: make(chan struct{}, 16)}
	h := newHouse(t, stream.Config{Readers: 1}, waiting)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		resp, err := h.get(ctx, h.key, "?wait=60s")
		if err == nil {
			err = resp.Body.Close()
		}
		done <- err
	}()
	<-waiting.waits
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for h.ask(t, h.key, "").status != 200 {
	}
}

func TestAStoreThatIsDownIsSaid(t *testing.T) {
	o := &down{Outbox: response.NewMemory()}
	h := newHouse(t, stream.Config{}, o)
	o.down.Store(true)
	if a := h.ask(t, h.key, ""); a.status != 503 || a.head.Get("Retry-After") == "" {
		t.Errorf("answer %+v", a)
	}
}

type down struct {
	response.Outbox
	down atomic.Bool
}

func (o *down) After(ctx context.Context, seq uint64, tenant vedette.Tenant, limit int) ([]response.Changed, error) {
	if o.down.Load() {
		return nil, fmt.Errorf("disk: %w", vedette.ErrUnavailable)
	}
	return o.Outbox.After(ctx, seq, tenant, limit)
}

func TestSettings(t *testing.T) {
	for _, c := range []stream.Config{{MaxWait: time.Hour}, {Limit: 1001}, {Readers: -1}, {WriteTimeout: time.Hour}} {
		if err := c.Validate(); !errors.Is(err, vedette.ErrInvalid) || !strings.HasPrefix(err.Error(), "stream.") {
			t.Errorf("Validate(%+v) = %v", c, err)
		}
	}
	if err := (stream.Config{}).Validate(); err != nil {
		t.Error(err)
	}
	if _, err := stream.New(stream.Config{}, stream.Deps{}); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("New without an outbox = %v", err)
	}
}

func FuzzQuery(f *testing.F) {
	o := response.NewMemory()
	if _, err := o.Put(context.Background(), []response.Changed{responsetest.Change(tenant, 0, 0)}); err != nil {
		f.Fatal(err)
	}
	s, err := stream.New(stream.Config{}, stream.Deps{Outbox: o, Keys: anybody{}})
	if err != nil {
		f.Fatal(err)
	}
	for _, q := range []string{"after=0", "after=1&limit=2", "after=99", "wait=0s", "wait=9e9s", "limit=%30", ";"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		if strings.Contains(q, "wait") {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/v1/changes", http.NoBody)
		r.URL.RawQuery = q
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 {
			t.Fatalf("%q: %d", q, w.Code)
		}
		if _, err := strconv.ParseUint(w.Header().Get("Vedette-Cursor"), 10, 64); w.Code == 200 && err != nil {
			t.Fatalf("%q: no cursor", q)
		}
	})
}
