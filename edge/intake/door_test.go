package intake

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"vedette"
	"vedette/edge/access"
	"vedette/edge/intake/internal/api"
	"vedette/inline/sequence"
	"vedette/record/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sliceGate is a gate for the behaviour of HTTP alone: it journals to a slice, answers the same event with what it recorded, and would block
// whatever has a link. before runs ahead of each Submit and may fail it.
type sliceGate struct {
	mu     sync.Mutex
	kept   []journal.Entry
	byID   map[vedette.EventID]int
	before func([]sequence.Arrival) error
	calls  int
}

func (g *sliceGate) Submit(_ context.Context, as []sequence.Arrival) []sequence.Outcome {
	outs := make([]sequence.Outcome, len(as))
	if g.before != nil {
		if err := g.before(as); err != nil {
			return failed(len(as), err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	if g.byID == nil {
		g.byID = make(map[vedette.EventID]int)
	}
	for i := range as {
		ev := &as[i].Event
		if at, known := g.byID[ev.ID]; known {
			old := &g.kept[at]
			if old.Event.Bytes != ev.Bytes {
				outs[i].Err = fmt.Errorf("sequence: event: %w", vedette.ErrConflict)
				continue
			}
			outs[i] = sequence.Outcome{Decision: old.Decision, Position: old.Position, Duplicate: true}
			continue
		}
		e := journal.Entry{Position: journal.Position{Frame: uint64(len(g.kept) + 1)}, Event: *ev, Decision: decisionFor(ev)}
		g.byID[ev.ID] = len(g.kept)
		g.kept = append(g.kept, e)
		outs[i] = sequence.Outcome{Decision: e.Decision, Position: e.Position}
	}
	return outs
}

func (g *sliceGate) find(_ context.Context, _ vedette.Tenant, id vedette.EventID) (journal.Entry, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i, ok := g.byID[id]
	if !ok {
		return journal.Entry{}, fmt.Errorf("journal: event: %w", vedette.ErrUnknown)
	}
	return g.kept[i], nil
}

func (g *sliceGate) ids() (ids []vedette.EventID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.kept {
		ids = append(ids, g.kept[i].Event.ID)
	}
	return ids
}

func decisionFor(ev *vedette.Event) vedette.Decision {
	d := vedette.Decision{Generation: vedette.GenerationID{1, 2, 3}}
	if len(ev.Links()) > 0 {
		d.Would = vedette.Block
		d.Reasons = []vedette.Reason{
			{Rule: "list:example", Verdict: vedette.Block, Weight: 20000, Text: "This host is on the list, as published by Example on 2026-01-15."},
			{Rule: "rule:first", Verdict: vedette.Warn, Weight: -1205, Link: -1, Shadow: true, Text: `A "first" message.`},
		}
		d.Degraded = vedette.DegradedTokens | vedette.DegradedLinks
	}
	return d
}

// house is a door with everything it needs.
type house struct {
	*Door
	gate  *sliceGate
	seal  *plainSealer
	reg   *prometheus.Registry
	spans *tracetest.SpanRecorder
	logs  *bytes.Buffer
	keys  *access.Keys
	key   string // may everything
	base  string // of the running server; empty until serve
}

func open(t testing.TB, cfg Config, change ...func(*Deps)) *house {
	t.Helper()
	h := &house{gate: &sliceGate{}, seal: &plainSealer{}, reg: prometheus.NewRegistry(), spans: tracetest.NewSpanRecorder(), logs: new(bytes.Buffer)}
	var err error
	if h.keys, err = access.Open(t.Context(), new(access.Memory), nil); err != nil {
		t.Fatal(err)
	}
	if _, h.key, err = h.keys.Create(t.Context(), access.Order{Tenant: "chat", Platform: "chat.example", Scopes: access.Decide | access.Events | access.Reports | access.Read}); err != nil {
		t.Fatal(err)
	}
	deps := Deps{
		Gate: h.gate, Sealers: func(vedette.Tenant) (Sealer, error) { return h.seal, nil }, Keys: h.keys, Find: h.gate.find,
		Registerer: h.reg, Logger: slog.New(slog.NewTextHandler(h.logs, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: func() time.Time { return noon },
	}
	for _, c := range change {
		c(&deps)
	}
	if h.Door, err = New(cfg, deps); err != nil {
		t.Fatal(err)
	}
	return h
}

// serve runs the door on a real socket.
func (h *house) serve(t testing.TB) *house {
	t.Helper()
	s := httptest.NewServer(h.Door)
	t.Cleanup(s.Close)
	h.base = s.URL
	return h
}

func (h *house) request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+h.key)
	switch path {
	case "/v1/decide", "/v1/reports":
		r.Header.Set("Content-Type", "application/json")
	case "/v1/events":
		r.Header.Set("Content-Type", "application/x-ndjson")
	}
	return r
}

func (h *house) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func (h *house) post(path, body string) *httptest.ResponseRecorder {
	return h.do(h.request(http.MethodPost, path, body))
}

func (h *house) metric(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	fams, err := h.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fams {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var got []string
			for _, l := range m.GetLabel() {
				got = append(got, l.GetValue())
			}
			if cmp.Equal(got, labels) || len(got) == 0 && len(labels) == 0 {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

func TestDecideAnswersAsThePageSays(t *testing.T) {
	h := open(t, Config{})
	w := h.post("/v1/decide", example)
	id := h.seal.EventID("$h3xq")
	want := `{"id":"$h3xq","event":"` + id.String() + `","verdict":"allow","would":"block","observing":true,` +
		`"reasons":[{"rule":"list:example","verdict":"block","bits":20.0,"link":0,"armed":"allow","text":"This host is on the list, as published by Example on 2026-01-15."},` +
		`{"rule":"rule:first","verdict":"warn","bits":-1.205,"link":-1,"armed":"allow","shadow":true,"text":"A \"first\" message."}],` +
		`"degraded":["tokens","links"],"generation":"` + vedette.GenerationID{1, 2, 3}.String() + `"}` + "\n"
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("POST /v1/decide = %d %s\nwant 200 %s", w.Code, w.Body, want)
	}
	if w.Header().Get("Vedette-Recorded") != "" {
		t.Error("a new event is called recorded")
	}
	again := h.post("/v1/decide", example)
	if again.Code != 200 || again.Body.String() != want || again.Header().Get("Vedette-Recorded") != "true" {
		t.Errorf("the same event again = %d %s, recorded %q; want the recorded answer", again.Code, again.Body, again.Header().Get("Vedette-Recorded"))
	}
	if n := len(h.gate.ids()); n != 1 {
		t.Errorf("%d events kept, want 1", n)
	}
	got := h.do(h.request(http.MethodGet, "/v1/decisions/"+url.PathEscape("$h3xq"), ""))
	var rec api.Recorded
	if err := json.Unmarshal(got.Body.Bytes(), &rec); err != nil || got.Code != 200 {
		t.Fatalf("GET the decision = %d %s, %v", got.Code, got.Body, err)
	}
	if rec.Answer.Would != api.Block || rec.Kind != api.LinkSent || rec.Position != "1/0" || !rec.At.Equal(time.Date(2026, 11, 25, 11, 59, 59, 123e6, time.UTC)) {
		t.Errorf("GET the decision = %s", got.Body)
	}
}

// TestBadInputGetsAClearError is the promise of the README: whatever is wrong is named, with what helps, and nothing of the event is repeated.
func TestBadInputGetsAClearError(t *testing.T) {
	head := func(k, v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, v) } }
	tests := []struct {
		name, body string
		change     func(*http.Request)
		status     int
		want       string
	}{
		{"half a line", `{"id":"$1","kind":"lin`, nil, 400, `byte 22: "kind" does not end; the line was cut`},
		{"no JSON", `hello`, nil, 400, `byte 0: want one JSON object, got something else`},
		{"a wrong type", line("message.sent", `"to":{"account":5}`), nil, 400, `"to.account": want string, got number`},
		{"a missing field", line("message.sent", ``), nil, 400, `"to": missing; message.sent needs it`},
		{"an unknown kind", line("message.read", ``), nil, 400, `"kind": message.read is unknown; want one of the 19 names in the specification`},
		{"a time from the future", strings.Replace(line("account.seen", ``), "T12:00", "T12:06", 1), nil, 400, `"at": more than 5 minutes in the future; set the platform's clock`},
		{"no time", strings.Replace(line("account.seen", ``), "2026-11-25T", "yesterday ", 1), nil, 400, `"at": want a time with zone as RFC 3339 writes it, like "2026-11-25T08:00:00.123Z"`},
		{"both recipients", line("message.sent", `"to":{"account":"a","group":"g"}`), nil, 400, `"to": both account and group; a message goes to one of them: send one event for each`},
		{"another tenant's event", line("account.seen", `"tenant":"rival"`), nil, 403, `"tenant": not the tenant of the key; leave it out or use that tenant's key`},
		{"a body over 64 KiB", `{"x":"` + strings.Repeat("x", 64<<10) + `"}`, nil, 413, `byte 65536: longer than 64 KiB; an event holds metadata and links, no text`},
		{"an id that is too long", strings.Replace(line("account.seen", ``), `"ana"`, `"`+strings.Repeat("a", 257)+`"`, 1), nil, 413, `"actor": longer than 256 bytes`},
		{"a form instead of JSON", `id=1`, head("Content-Type", "application/x-www-form-urlencoded"), 415, `Content-Type: want application/json`},
		{"a coding that we don't know", line("account.seen", ``), head("Content-Encoding", "br"), 415, `Content-Encoding: want gzip, or none`},
		{"gzip that is none", line("account.seen", ``), head("Content-Encoding", "gzip"), 400, `the body is not whole gzip, as its Content-Encoding says`},
		{"an answer in another form", line("account.seen", ``), head("Accept", "text/html, application/*;q=0"), 406, `Accept: the answer is application/json`},
		{"no key", line("account.seen", ``), func(r *http.Request) { r.Header.Del("Authorization") }, 401, `Authorization: want Bearer and a live key, vdk_…`},
		{"a wrong key", line("account.seen", ``), head("Authorization", "Bearer vdk_x_y"), 401, `Authorization: want Bearer and a live key, vdk_…`},
		{"a wrong method", ``, func(r *http.Request) { r.Method = http.MethodGet }, 405, `want POST`},
		{"a wrong address", ``, func(r *http.Request) { r.URL.Path = "/v2/decide" }, 404, `no such address; see /docs`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := open(t, Config{})
			r := h.request(http.MethodPost, "/v1/decide", tt.body)
			if tt.change != nil {
				tt.change(r)
			}
			w := h.do(r)
			var p api.Problem
			dec := json.NewDecoder(w.Body)
			dec.DisallowUnknownFields()
			if err := dec.Decode(&p); err != nil {
				t.Fatalf("the answer is no problem: %v", err)
			}
			if w.Code != tt.status || p.Status != tt.status || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("status %d (in the body %d), type %q; want %d and application/problem+json", w.Code, p.Status, w.Header().Get("Content-Type"), tt.status)
			}
			if tt.want != "" && (p.Detail == nil || *p.Detail != tt.want) {
				t.Errorf("detail %q\nwant   %q", *p.Detail, tt.want)
			}
			if !p.Kind.Valid() || p.Title != http.StatusText(tt.status) || p.Type != "/docs#problem-"+string(p.Kind) {
				t.Errorf("problem %+v: want a known kind, and type and title that fit it", p)
			}
			if n := len(h.gate.ids()); n != 0 {
				t.Errorf("%d events were kept", n)
			}
		})
	}
}

func TestTheGatesErrorsBecomeStatuses(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		retry  string
		result string
	}{
		{"the journal could not keep it", fmt.Errorf("journal: disk full at somewhere: %w", vedette.ErrUnavailable), 503, "1", "unavailable"},
		{"the queue is full", fmt.Errorf("sequence: %w", vedette.ErrBusy), 429, "1", "busy"},
		{"the id is known", fmt.Errorf("sequence: %w", vedette.ErrConflict), 409, "", "conflict"},
		{"time is over", context.DeadlineExceeded, 503, "", "unavailable"},
		{"our fault", errors.New("sequence: impossible"), 500, "", "fault"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := open(t, Config{})
			h.gate.before = func([]sequence.Arrival) error { return tt.err }
			w := h.post("/v1/decide", example)
			if w.Code != tt.status || w.Header().Get("Retry-After") != tt.retry && tt.retry != "" {
				t.Errorf("status %d, Retry-After %q; want %d, %q", w.Code, w.Header().Get("Retry-After"), tt.status, tt.retry)
			}
			if strings.Contains(w.Body.String(), "verdict\":") || strings.Contains(w.Body.String(), "somewhere") {
				t.Errorf("the answer has a verdict, or tells of our inside: %s", w.Body)
			}
			if n := h.metric(t, "vedette_intake_events_total", tt.result); n != 1 {
				t.Errorf("events{%s} = %v, want 1", tt.result, n)
			}
		})
	}
}

func TestAFullQueueIsToldAtOnce(t *testing.T) {
	h := open(t, Config{Pending: 2})
	in, out := make(chan bool), make(chan bool)
	h.gate.before = func([]sequence.Arrival) error { in <- true; <-out; return nil }
	var first *httptest.ResponseRecorder
	var wg sync.WaitGroup
	wg.Go(func() { first = h.post("/v1/decide", example) })
	<-in
	if n := h.metric(t, "vedette_intake_pending_events"); n != 1 {
		t.Errorf("pending = %v, want 1", n)
	}
	w := h.post("/v1/decide", line("account.seen", ""))
	if w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("with a full queue: %d, Retry-After %q; want 429 and a time", w.Code, w.Header().Get("Retry-After"))
	}
	close(out)
	wg.Wait()
	if first.Code != 200 {
		t.Errorf("the event before it: %d, want 200", first.Code)
	}
}

func TestWhatBreaksIsCountedAndAnswered(t *testing.T) {
	h := open(t, Config{}, func(d *Deps) {
		d.Find = func(context.Context, vedette.Tenant, vedette.EventID) (journal.Entry, error) { panic("secret @ana") }
	})
	h.gate.before = func([]sequence.Arrival) error { panic("secret @ana") }
	for _, r := range []*http.Request{
		h.request(http.MethodPost, "/v1/decide", example),
		h.request(http.MethodGet, "/v1/decisions/x", ""),
	} {
		if w := h.do(r); w.Code != 500 || !strings.Contains(w.Body.String(), `"kind":"fault"`) {
			t.Errorf("%s: %d %s, want 500 and a fault", r.URL.Path, w.Code, w.Body)
		}
	}
	w := h.post("/v1/events", line("account.seen", "")+"\nx\n")
	if w.Code != 200 || strings.Count(w.Body.String(), "\n") != 2 || !strings.Contains(w.Body.String(), `{"line":1,"status":500`) {
		t.Errorf("a batch whose gate breaks: %d %s", w.Code, w.Body)
	}
	if n := h.metric(t, "vedette_intake_faults_total"); n != 3 {
		t.Errorf("faults = %v, want 3", n)
	}
	if strings.Contains(h.logs.String(), "@ana") {
		t.Error("the log repeats a panic's text")
	}
}

// resultsOf reads the lines of a batch's answer.
func resultsOf(t testing.TB, body string) []api.Result {
	t.Helper()
	var out []api.Result
	dec := json.NewDecoder(strings.NewReader(body))
	dec.DisallowUnknownFields()
	for {
		var r api.Result
		switch err := dec.Decode(&r); {
		case errors.Is(err, io.EOF):
			return out
		case err != nil:
			t.Fatalf("result %d: %v in %.300s", len(out)+1, err, body)
		}
		if (r.Decision != nil) != (r.Status == 200) || (r.Problem != nil) != (r.Status != 200) {
			t.Fatalf("result %+v: want a decision with 200, a problem otherwise", r)
		}
		out = append(out, r)
	}
}

// told gives "line:status" of each result.
func told(rs []api.Result) string {
	var out []string
	for _, r := range rs {
		out = append(out, fmt.Sprintf("%d:%d", r.Line, r.Status))
	}
	return strings.Join(out, " ")
}

func nth(i int) string {
	return strings.Replace(line("account.seen", ""), `"e1"`, `"e`+strconv.Itoa(i)+`"`, 1)
}

func TestABatchKeepsItsGoodLines(t *testing.T) {
	h := open(t, Config{})
	mib := `{"x":"` + strings.Repeat("x", 1<<20) + `"}`
	body := strings.Join([]string{
		nth(1), `{"id":`, mib, "", nth(2), "\r", nth(3) + "\r", nth(2), strings.Replace(nth(1), "ana", "omar", 1), line("nonsense", ""), nth(4),
	}, "\n")
	w := h.post("/v1/events", body)
	rs := resultsOf(t, w.Body.String())
	if got, want := told(rs), "1:200 2:400 3:413 5:200 7:200 8:200 9:409 10:400 11:200"; got != want {
		t.Errorf("results %s\nwant    %s", got, want)
	}
	if len(rs) == 9 && (rs[5].Recorded == nil || rs[4].Recorded != nil || rs[3].Decision.Id != "e2") {
		t.Error("line 8 repeats line 5 and must say so; line 5 must carry its own id")
	}
	want := []vedette.EventID{h.seal.EventID("e1"), h.seal.EventID("e2"), h.seal.EventID("e3"), h.seal.EventID("e4")}
	if d := cmp.Diff(want, h.gate.ids()); d != "" {
		t.Errorf("kept events differ (-want +got):\n%s", d)
	}
}

func TestABatchStopsAtItsLimits(t *testing.T) {
	h := open(t, Config{})
	w := h.post("/v1/events", strings.Repeat("\n", MaxLines-1)+nth(1)+"\n"+nth(2)+"\n"+nth(3))
	if got, want := told(resultsOf(t, w.Body.String())), "10000:200 10001:413"; got != want {
		t.Errorf("10,002 lines: %s, want %s", got, want)
	}
	w = h.post("/v1/events", nth(4)+"\n"+strings.Repeat(" ", MaxBatch))
	if got, want := told(resultsOf(t, w.Body.String())), "1:200 2:413"; got != want {
		t.Errorf("33 MiB: %s, want %s", got, want)
	}
}

func zip(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGzipIsTakenAndBombsAreNot(t *testing.T) {
	h := open(t, Config{})
	post := func(path, body string) *httptest.ResponseRecorder {
		r := h.request(http.MethodPost, path, body)
		r.Header.Set("Content-Encoding", "gzip")
		return h.do(r)
	}
	if w := post("/v1/decide", zip(t, example)); w.Code != 200 {
		t.Errorf("a packed event: %d %s", w.Code, w.Body)
	}
	if w := post("/v1/decide", zip(t, `{"x":"`+strings.Repeat("x", 1<<20)+`"}`)); w.Code != 413 {
		t.Errorf("a packed 1 MiB event: %d %s, want 413", w.Code, w.Body)
	}
	if w := post("/v1/decide", strings.Repeat(zip(t, ""), 5000)); w.Code != 413 {
		t.Errorf("a bomb of 5,000 empty members: %d %s, want 413", w.Code, w.Body)
	}
	whole := zip(t, example)
	if w := post("/v1/decide", whole[:len(whole)-9]); w.Code != 400 {
		t.Errorf("half a packed event: %d %s, want 400", w.Code, w.Body)
	}
	w := post("/v1/events", zip(t, nth(1)+"\n"+strings.Repeat("x", 40<<20)))
	if got, want := told(resultsOf(t, w.Body.String())), "1:200 2:413"; got != want {
		t.Errorf("a packed batch that unpacks to 40 MiB: %s, want %s", got, want)
	}
}

// dial opens a connection on which a test writes HTTP by hand.
func (h *house) dial(t *testing.T, head string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(h.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, head+"\r\nHost: x.test\r\nAuthorization: Bearer "+h.key+"\r\n"); err != nil {
		t.Fatal(err)
	}
	return c
}

func answer(t *testing.T, c net.Conn) (int, string) {
	t.Helper()
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	head, body, _ := strings.Cut(string(all), "\r\n\r\n")
	status, _ := strconv.Atoi(strings.Fields(head + " 0 0")[1])
	if strings.Contains(head, "Transfer-Encoding: chunked") {
		var whole strings.Builder
		for {
			size, rest, _ := strings.Cut(body, "\r\n")
			n, err := strconv.ParseInt(size, 16, 64)
			if err != nil || n == 0 || int(n) > len(rest) {
				break
			}
			whole.WriteString(rest[:n])
			body = strings.TrimPrefix(rest[n:], "\r\n")
		}
		body = whole.String()
	}
	return status, body
}

func TestASlowWriterIsToldAndHisWholeLinesAreKept(t *testing.T) {
	h := open(t, Config{ReadTimeout: 50 * time.Millisecond}).serve(t)
	c := h.dial(t, "POST /v1/decide HTTP/1.1")
	if _, err := io.WriteString(c, "Content-Type: application/json\r\nContent-Length: 200\r\nConnection: close\r\n\r\n{\"id\":"); err != nil {
		t.Fatal(err)
	}
	if status, body := answer(t, c); status != 408 || !strings.Contains(body, "did not arrive in time") {
		t.Errorf("a slow event: %d %s, want 408", status, body)
	}
	c = h.dial(t, "POST /v1/events HTTP/1.1")
	if _, err := io.WriteString(c, "Content-Type: application/x-ndjson\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n"+nth(1)+"\n"+nth(2)+"\n"+`{"id":`); err != nil {
		t.Fatal(err)
	}
	status, body := answer(t, c)
	if got, want := told(resultsOf(t, body)), "1:200 2:200 3:408"; status != 200 || got != want {
		t.Errorf("a slow batch: %d %s, want 200 %s", status, got, want)
	}
}

func TestAHalfSentBatchIsKeptAndAnswered(t *testing.T) {
	h := open(t, Config{}).serve(t)
	c := h.dial(t, "POST /v1/events HTTP/1.1")
	if _, err := io.WriteString(c, "Content-Type: application/x-ndjson\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n"+nth(1)+"\n"+nth(2)+"\n"+`{"id":`); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	status, body := answer(t, c)
	if got, want := told(resultsOf(t, body)), "1:200 2:200 3:400"; status != 200 || got != want {
		t.Errorf("a half-sent batch: %d %s, want 200 %s", status, got, want)
	}
	if n := len(h.gate.ids()); n != 2 {
		t.Errorf("%d events kept, want 2", n)
	}
}

func TestResultsComeWhileTheBatchIsSent(t *testing.T) {
	h := open(t, Config{}).serve(t)
	pr, pw := io.Pipe()
	r, err := http.NewRequest(http.MethodPost, h.base+"/v1/events", pr)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.key)
	r.Header.Set("Content-Type", "application/x-ndjson")
	go func() { _, _ = io.WriteString(pw, nth(1)+"\n") }()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for i := 1; i <= 3; i++ { // each result before the next line is sent
		var res api.Result
		if err := dec.Decode(&res); err != nil || res.Line != i || res.Status != 200 {
			t.Fatalf("result %d: %+v, %v", i, res, err)
		}
		if i < 3 {
			_, _ = io.WriteString(pw, nth(i+1)+"\n")
		}
	}
	_ = pw.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
}

// A client that sends its whole batch before it reads one result must not bring both sides to a stop, however long the answer.
func TestABatchMayBeSentBeforeResultsAreRead(t *testing.T) {
	h := open(t, Config{}).serve(t)
	var body strings.Builder
	for i := range MaxLines {
		body.WriteString(strings.Replace(line("link.sent", `"to":{"account":"omar"},"links":[{"url":"https://a.example/"}]`), `"e1"`, `"`+strings.Repeat("e", 200)+strconv.Itoa(i)+`"`, 1) + "\n")
	}
	c := h.dial(t, "POST /v1/events HTTP/1.1")
	if _, err := fmt.Fprintf(c, "Content-Type: application/x-ndjson\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", body.Len(), body.String()); err != nil {
		t.Fatal(err)
	}
	status, got := answer(t, c)
	if rs := resultsOf(t, got); status != 200 || len(rs) != MaxLines {
		t.Errorf("status %d, %d results; want 200 and %d", status, len(rs), MaxLines)
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	h := open(t, Config{}).serve(t)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	post := func(path, kind, body string) (int, string) {
		r, _ := http.NewRequest(http.MethodPost, h.base+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+h.key)
		r.Header.Set("Content-Type", kind)
		resp, err := client.Do(r)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				if status, b := post("/v1/decide", "application/json", nth(1000*i+j)); status != 200 {
					t.Errorf("decide: %d %s", status, b)
				}
			}
		})
		wg.Go(func() {
			var b strings.Builder
			for j := range 300 {
				b.WriteString(nth(1000*i+j) + "\n") // the first twenty are the other caller's too
			}
			status, out := post("/v1/events", "application/x-ndjson", b.String())
			if rs := resultsOf(t, out); status != 200 || len(rs) != 300 || strings.Contains(told(rs), ":4") || strings.Contains(told(rs), ":5") {
				t.Errorf("events: %d, %d results", status, len(rs))
			}
		})
	}
	wg.Wait()
	if n := len(h.gate.ids()); n != 8*300 {
		t.Errorf("%d events kept, want %d", n, 8*300)
	}
}

func TestARateIsPerKey(t *testing.T) {
	h := open(t, Config{})
	_, slow, err := h.keys.Create(t.Context(), access.Order{Tenant: "chat", Scopes: access.Events, Rate: 0.001, Burst: 3})
	if err != nil {
		t.Fatal(err)
	}
	r := h.request(http.MethodPost, "/v1/events", nth(1)+"\n"+nth(2)+"\n"+nth(3)+"\n"+nth(4)+"\n"+nth(5))
	r.Header.Set("Authorization", "Bearer "+slow)
	if got, want := told(resultsOf(t, h.do(r).Body.String())), "1:200 2:200 3:200 4:429 5:429"; got != want {
		t.Errorf("five lines at a burst of three: %s, want %s", got, want)
	}
	r = h.request(http.MethodPost, "/v1/decide", nth(6))
	r.Header.Set("Authorization", "Bearer "+slow)
	if w := h.do(r); w.Code != 403 {
		t.Errorf("a key without the scope: %d, want 403", w.Code)
	}
}

func TestDecisionsOfOthersAreNotFound(t *testing.T) {
	h := open(t, Config{})
	h.post("/v1/decide", example)
	_, other, err := h.keys.Create(t.Context(), access.Order{Tenant: "rival", Scopes: access.Read})
	if err != nil {
		t.Fatal(err)
	}
	r := h.request(http.MethodGet, "/v1/decisions/$h3xq", "")
	r.Header.Set("Authorization", "Bearer "+other)
	if w := h.do(r); w.Code != 404 {
		t.Errorf("another tenant reads the decision: %d %s", w.Code, w.Body)
	}
	if w := h.do(h.request(http.MethodGet, "/v1/decisions/nope", "")); w.Code != 404 || strings.Contains(w.Body.String(), "nope") {
		t.Errorf("an unknown id: %d %s, want 404 without the id", w.Code, w.Body)
	}
	// Ids of some platforms hold slashes.
	h.post("/v1/decide", strings.Replace(line("account.seen", ""), `"e1"`, `"$a/b+c"`, 1))
	if w := h.do(h.request(http.MethodGet, "/v1/decisions/$a%2Fb+c", "")); w.Code != 200 {
		t.Errorf("an id with a slash: %d %s", w.Code, w.Body)
	}
}

func TestHealthAndPages(t *testing.T) {
	sick := errors.New("journal: replaying")
	h := open(t, Config{}, func(d *Deps) { d.Ready = func() error { return sick } })
	get := func(path string) *httptest.ResponseRecorder {
		return h.do(httptest.NewRequest(http.MethodGet, path, nil))
	}
	if w := get("/livez"); w.Code != 200 {
		t.Errorf("/livez = %d", w.Code)
	}
	if w := get("/readyz"); w.Code != 503 {
		t.Errorf("/readyz of a gate that is not ready = %d", w.Code)
	}
	sick = nil
	if w := get("/readyz"); w.Code != 200 {
		t.Errorf("/readyz = %d", w.Code)
	}
	h.post("/v1/decide", line("account.seen", `"nickname":1`))
	if w := get("/metrics"); w.Code != 200 || !strings.Contains(w.Body.String(), `vedette_intake_dropped_fields_total{field="nickname"} 1`) {
		t.Errorf("/metrics = %d, or without the dropped field", w.Code)
	}
	if w := get("/openapi.yaml"); w.Code != 200 || !bytes.Equal(w.Body.Bytes(), Specification()) {
		t.Errorf("/openapi.yaml = %d, or not the file", w.Code)
	}
	w := get("/docs")
	page := w.Body.String()
	csp := w.Header().Get("Content-Security-Policy")
	if w.Code != 200 || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("/docs = %d with policy %q", w.Code, csp)
	}
	for _, bad := range []string{"<script", "http://", "https://fonts", " style=", " onclick", "ZgotmplZ", "%!"} {
		if strings.Contains(page, bad) {
			t.Errorf("/docs holds %q", bad)
		}
	}
	for _, k := range vedette.Kinds() {
		if !strings.Contains(page, k.String()) {
			t.Errorf("/docs does not name %s", k)
		}
	}
	rows := []string{`id="schema-Event"`, `id="decide"`, `&#34;bits&#34;: 20.0`}
	for _, k := range []api.ProblemKind{
		api.ProblemKindBusy, api.ProblemKindConflict, api.ProblemKindFault, api.ProblemKindForbidden, api.ProblemKindInvalid, api.ProblemKindMediaType, api.ProblemKindMethod, api.ProblemKindNoKey, api.ProblemKindNotAcceptable, api.ProblemKindNotFound,
		api.ProblemKindTooLarge, api.ProblemKindTooSlow, api.ProblemKindUnavailable,
	} {
		rows = append(rows, `id="problem-`+string(k)+`"`) // a problem's type leads here
	}
	for _, row := range rows {
		if strings.Count(page, row) != 1 {
			t.Errorf("/docs has %d of %s, want 1", strings.Count(page, row), row)
		}
	}
}

// TestNothingPersonalIsTold sends an event with known names through each door and looks for them in logs, metrics, spans and problems.
func TestNothingPersonalIsTold(t *testing.T) {
	h := open(t, Config{}, func(d *Deps) {})
	h2 := open(t, Config{}, func(d *Deps) {
		d.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(h.spans))
	})
	secret := []string{"@ana", "@omar", "news.example", "192.0.2.7", "h3xq", "ABCDEF", "agent-of-ana", h2.key}
	var told bytes.Buffer
	for _, body := range []string{
		example, strings.Replace(example, "@ana:chat.example", strings.Repeat("@ana", 100), 1), example[:len(example)-4],
		strings.Replace(example, `"link.sent"`, `"@ana"`, 1), strings.Replace(example, "https://", `\u0000`, 1), strings.Replace(example, `"JO"`, `"@ana"`, 1),
	} {
		for _, path := range []string{"/v1/decide", "/v1/events"} {
			r := h2.request(http.MethodPost, path, strings.ReplaceAll(body, "\n", ""))
			r.Header.Set("User-Agent", "agent-of-ana")
			r.RemoteAddr = "192.0.2.7:1"
			r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			w := h2.do(r)
			if w.Code != 200 || path == "/v1/events" && strings.Contains(w.Body.String(), "problem") {
				told.WriteString(w.Body.String())
			}
		}
	}
	h2.do(h2.request(http.MethodGet, "/v1/decisions/$h3xq", ""))
	h2.do(h2.request(http.MethodGet, "/v1/decisions/$h3xq/@ana", ""))
	told.WriteString(h2.logs.String())
	told.WriteString(h2.do(httptest.NewRequest(http.MethodGet, "/metrics", nil)).Body.String())
	spans := h.spans.Ended()
	for _, s := range spans {
		fmt.Fprintln(&told, s.Name(), s.Attributes(), s.Events(), s.Status())
	}
	for _, s := range secret {
		if i := strings.Index(told.String(), s); i >= 0 {
			t.Errorf("%q is told: …%s…", s, told.String()[max(0, i-80):min(told.Len(), i+80)])
		}
	}
	names := map[string]bool{}
	for _, s := range spans {
		names[s.Name()] = true
	}
	for _, n := range []string{"POST /v1/decide", "POST /v1/events", "GET /v1/decisions/{id}", "gate"} {
		if !names[n] {
			t.Errorf("no span %q among %v", n, names)
		}
	}
	if got := spans[0].SpanContext().TraceID().String(); got != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("the caller's trace is not continued: %s", got)
	}
}

func TestConfigNamesTheKey(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, ""},
		{Config{Budget: 2 * time.Hour}, "intake.budget: 2h0m0s is not from 1ms to 1s: invalid"},
		{Config{Budget: 100 * time.Millisecond, Limit: 50 * time.Millisecond}, "intake.limit: 50ms is not from 100ms to 30s: invalid"},
		{Config{Pending: -1}, "intake.pending: -1 is not from 2 to 1048576: invalid"},
	} {
		if err := tt.cfg.Validate(); fmt.Sprint(err) != tt.want && (err != nil || tt.want != "") {
			t.Errorf("Validate(%+v) = %v, want %q", tt.cfg, err, tt.want)
		}
	}
}

// TestTheSpecificationIsTrue holds the file against the OpenAPI rules, its examples against the schemas, our answers against both, and the
// lists of words against the house's.
func TestTheSpecificationIsTrue(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(Specification())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatalf("the specification is not valid: %v", err)
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/yaml", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	h := open(t, Config{}, func(d *Deps) {
		d.Now = func() time.Time { return time.Date(2026, 11, 25, 8, 0, 1, 0, time.UTC) }
		d.Reports, d.Franking = newBook(t).Book, ring(t)
	})
	check := func(name string, r *http.Request, body string, wellFormed bool) {
		t.Helper()
		route, params, err := router.FindRoute(r)
		if err != nil && !errors.Is(err, routers.ErrMethodNotAllowed) {
			t.Fatalf("%s: no route: %v", name, err)
		}
		in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
		}}
		if err := openapi3filter.ValidateRequest(t.Context(), in); (err == nil) != wellFormed {
			t.Errorf("%s: the specification says of the request %v; want well-formed %v", name, err, wellFormed)
		}
		r.Body = io.NopCloser(strings.NewReader(body))
		w := h.do(r)
		if wellFormed && w.Code != 200 && r.Method == http.MethodPost && r.URL.Path != "/v1/events" && r.Header.Get("Authorization") != "" {
			t.Errorf("%s: the door refuses what the specification takes: %d %s", name, w.Code, w.Body)
		}
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: w.Code, Header: w.Header(), Options: in.Options}
		out.SetBodyBytes(w.Body.Bytes())
		if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
			t.Errorf("%s: the answer %d is not as specified: %v\n%s", name, w.Code, err, w.Body)
		}
	}
	examples := doc.Paths.Value("/v1/decide").Post.RequestBody.Value.Content["application/json"].Examples
	if len(examples) < 3 {
		t.Errorf("%d examples of events, want 3", len(examples))
	}
	for name, ex := range examples {
		b, err := json.Marshal(ex.Value.Value)
		if err != nil {
			t.Fatal(err)
		}
		check(name, h.request(http.MethodPost, "/v1/decide", string(b)), string(b), true)
	}
	for name, b := range map[string]string{
		"a wrong type":    strings.Replace(line("account.seen", ""), `"ana"`, `7`, 1),
		"no actor":        `{"id":"e","kind":"account.seen","at":"2026-11-25T08:00:00Z"}`,
		"an unknown kind": strings.ReplaceAll(line("no.such", ""), "T12", "T08"),
		"33 links":        strings.ReplaceAll(line("link.sent", `"to":{"account":"a"},"links":[`+strings.TrimSuffix(strings.Repeat(`{"url":"https://a.example"},`, 33), ",")+`]`), "T12", "T08"),
	} {
		check(name, h.request(http.MethodPost, "/v1/decide", b), b, false)
	}
	b := strings.ReplaceAll(nth(1), "T12", "T08")
	reports := doc.Paths.Value("/v1/reports").Post.RequestBody.Value.Content["application/json"].Examples
	if len(reports) < 3 {
		t.Errorf("%d examples of reports, want 3", len(reports))
	}
	for name, ex := range reports {
		b, err := json.Marshal(ex.Value.Value)
		if err != nil {
			t.Fatal(err)
		}
		check(name, h.request(http.MethodPost, "/v1/reports", string(b)), string(b), true)
	}
	for name, b := range map[string]string{
		"a report by nobody": `{"id":"r","at":"2026-11-25T08:00:00Z","subject":"ana"}`,
		"a share of words":   `{"id":"r","at":"2026-11-25T08:00:00Z","reporter":"omar","subject":"ana","share":"yes"}`,
	} {
		check(name, h.request(http.MethodPost, "/v1/reports", b), b, false)
	}
	check("how a report was graded", h.request(http.MethodGet, "/v1/reports/$r1", ""), "", true)
	check("an unknown report", h.request(http.MethodGet, "/v1/reports/nope", ""), "", true)
	check("a batch", h.request(http.MethodPost, "/v1/events", b), b, true)
	check("a recorded decision", h.request(http.MethodGet, "/v1/decisions/e1", ""), "", true)
	check("an unknown decision", h.request(http.MethodGet, "/v1/decisions/nope", ""), "", true)
	for _, p := range []string{"/livez", "/readyz", "/metrics", "/openapi.yaml", "/docs"} {
		check(p, h.request(http.MethodGet, p, ""), "", true)
	}
	noKey := h.request(http.MethodPost, "/v1/decide", b)
	noKey.Header.Del("Authorization")
	check("no key", noKey, b, true)

	// A result of a batch is one line; the schema is checked by hand.
	result := doc.Components.Schemas["Result"].Value
	for _, l := range strings.Split(strings.TrimSpace(h.post("/v1/events", b+"\nx\n").Body.String()), "\n") {
		var v any
		if err := json.Unmarshal([]byte(l), &v); err != nil {
			t.Fatal(err)
		}
		if err := result.VisitJSON(v); err != nil {
			t.Errorf("result %s is not as specified: %v", l, err)
		}
	}

	var kinds []any
	for _, k := range vedette.Kinds() {
		kinds = append(kinds, k.String())
	}
	if d := cmp.Diff(kinds, doc.Components.Schemas["Kind"].Value.Enum); d != "" {
		t.Errorf("kinds of the house and of the specification differ:\n%s", d)
	}
	var missing []any
	for _, n := range vedette.Degraded(1<<16 - 1).Names() {
		missing = append(missing, n)
	}
	if d := cmp.Diff(missing, doc.Components.Schemas["Missing"].Value.Enum); d != "" {
		t.Errorf("missing parts of the house and of the specification differ:\n%s", d)
	}
	// Every field that the reader knows is specified where the reader looks for it, with the same words, and the other way round.
	got := map[string]bool{}
	walk(doc.Components.Schemas["Report"], "", got)
	for _, p := range reportFields {
		if !got[p] {
			t.Errorf("the reader of reports knows %q, the specification does not", p)
		}
		delete(got, p)
	}
	for p := range got {
		if !strings.Contains(p, "links[].") { // as in events
			t.Errorf("the specification of reports knows %q, the reader does not", p)
		}
	}
	got = map[string]bool{}
	walk(doc.Components.Schemas["Event"], "", got)
	for f := range fieldCount {
		if !got[rules[f].path] {
			t.Errorf("the reader knows %q, the specification does not", rules[f].path)
		}
		delete(got, rules[f].path)
	}
	for p := range got {
		t.Errorf("the specification knows %q, the reader does not", p)
	}
}

func walk(s *openapi3.SchemaRef, at string, out map[string]bool) {
	for name, p := range s.Value.Properties {
		path := at + name
		out[path] = true
		walk(p, path+".", out)
		if p.Value.Items != nil {
			walk(p.Value.Items, path+"[].", out)
		}
	}
}
