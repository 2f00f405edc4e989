package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"vedette"
)

// door stands in for the gate: it blocks what its function says, and remembers what it was told.
type door struct {
	told   []wire
	raw    []string
	decide func(ctx context.Context, e *wire) (vedette.Decision, error)
}

func (d *door) Decide(ctx context.Context, tenant vedette.Tenant, b []byte) (vedette.Decision, error) {
	var e wire
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return vedette.Decision{}, err
	}
	if tenant != "harbour" || e.Platform != "chat" {
		return vedette.Decision{}, fmt.Errorf("tenant %q, platform %q", tenant, e.Platform)
	}
	d.told, d.raw = append(d.told, e), append(d.raw, string(b))
	if d.decide == nil {
		return vedette.Decision{}, nil
	}
	return d.decide(ctx, &e)
}

func blockEvil(_ context.Context, e *wire) (d vedette.Decision, _ error) {
	for _, l := range e.Links {
		if strings.Contains(l.URL, "evil.example") {
			d.Verdict = vedette.Block
		}
	}
	return d, nil
}

func key(r *http.Request) (vedette.Tenant, string, bool) {
	return "harbour", "chat", r.Header.Get("Authorization") == "Bearer k"
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func handler(t testing.TB, c Config, d Door, log *slog.Logger) *Handler {
	t.Helper()
	h, err := New(c, key, d, func() time.Time { return now }, prometheus.NewRegistry(), log)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func call(h http.Handler, callback, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/integrations/synapse/harbour/"+callback, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer k")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// message is a callback as Synapse 1.163.2 with the module 0.5.1 sends it.
func message(content string) string {
	return `{"event":{"auth_events":["$a"],"prev_events":["$b"],"type":"m.room.message","room_id":"!room:chat.example","sender":"@ana:chat.example",` +
		`"content":` + content + `,"depth":9,"origin":"chat.example","origin_server_ts":1772366399000,"hashes":{"sha256":"x"},` +
		`"signatures":{},"unsigned":{"age":3},"event_id":"$h3xq","user_id":"@ana:chat.example"}}`
}

func TestCallbacksBecomeEvents(t *testing.T) {
	no := false
	room := &wireTo{Group: "!room:chat.example"}
	member := func(who, content string) string {
		return strings.NewReplacer(`"m.room.message"`, `"m.room.member"`, `"depth":9`, `"state_key":"`+who+`"`).Replace(message(content))
	}
	for _, tt := range []struct {
		name, callback, body string
		want                 []wire
	}{
		{
			"a message without a link is metadata", checkEvent, message(`{"msgtype":"m.text","body":"good morning"}`),
			[]wire{{ID: "$h3xq", Kind: "message.sent", Tier: "2", Actor: "@ana:chat.example", To: room, Bytes: 42, HasLink: &no}},
		},
		{
			"a message with a link is its link", checkEvent, message(`{"msgtype":"m.text","body":"look (https://evil.example/a?b=c)."}`),
			[]wire{{ID: "$h3xq", Kind: "link.sent", Tier: "2", Actor: "@ana:chat.example", To: room, Links: []wireLink{{"https://evil.example/a?b=c", "message"}}}},
		},
		{
			"ciphertext tells nothing of links", checkEvent,
			strings.Replace(message(`{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":"https://evil.example"}`), "m.room.message", "m.room.encrypted", 1),
			[]wire{{ID: "$h3xq", Kind: "message.sent", Tier: "0", Actor: "@ana:chat.example", To: room, Bytes: 72}},
		},
		{
			"a link in a topic", checkEvent,
			strings.NewReplacer(`"m.room.message"`, `"m.room.topic"`, `"depth":9`, `"state_key":""`).Replace(message(`{"topic":"see evil.com/x"}`)),
			[]wire{{ID: "$h3xq", Kind: "link.sent", Tier: "2", Actor: "@ana:chat.example", To: room, Links: []wireLink{{"evil.com/x", "group"}}}},
		},
		{
			"a topic without a link is nobody's business", checkEvent,
			strings.NewReplacer(`"m.room.message"`, `"m.room.topic"`, `"depth":9`, `"state_key":""`).Replace(message(`{"topic":"fish"}`)), nil,
		},
		{
			"a link in a display name", checkEvent, member("@ana:chat.example", `{"membership":"join","displayname":"Ana https://evil.example/p"}`),
			[]wire{{ID: "$h3xq", Kind: "profile.changed", Tier: "2", Actor: "@ana:chat.example", Links: []wireLink{{"https://evil.example/p", "profile"}}}},
		},
		{
			"a link in the reason of an invitation", checkEvent, member("@omar:chat.example", `{"membership":"invite","reason":"https://evil.example/p"}`),
			[]wire{{
				ID: "$h3xq", Kind: "link.sent", Tier: "2", Actor: "@ana:chat.example", To: &wireTo{Account: "@omar:chat.example"},
				Links: []wireLink{{"https://evil.example/p", "invite"}},
			}},
		},
		{
			"somebody leaves", checkEvent, member("@omar:chat.example", `{"membership":"leave"}`),
			[]wire{{ID: "$h3xq", Kind: "group.left", Tier: "0", Actor: "@ana:chat.example", Group: "!room:chat.example", Member: "@omar:chat.example"}},
		},
		{
			"an invitation is a first contact", mayInvite, `{"inviter":"@ana:chat.example","invitee":"@omar:chat.example","room_id":"!r:chat.example"}`,
			[]wire{{Kind: "message.sent", Tier: "0", Actor: "@ana:chat.example", To: &wireTo{Account: "@omar:chat.example"}}},
		},
		{
			"an invitation from another server", invitedAbroad, member("@omar:chat.example", `{"membership":"invite"}`),
			[]wire{{ID: "$h3xq invite", Kind: "message.sent", Tier: "0", Actor: "@ana:chat.example", To: &wireTo{Account: "@omar:chat.example"}}},
		},
		{
			"somebody comes in by invitation", mayJoin, `{"user":"@omar:chat.example","room":"!r:chat.example","is_invited":true}`,
			[]wire{{Kind: "group.joined", Tier: "0", Actor: "@omar:chat.example", Group: "!r:chat.example", By: "accepted"}},
		},
		{
			"a login", checkLogin, `{"user_id":"@omar:chat.example","device_id":"ABC","initial_display_name":null,"request_info":[["agent","192.0.2.1"],["agent","192.0.2.7"]],"auth_provider_id":null}`,
			[]wire{{Kind: "account.seen", Tier: "0", Actor: "@omar:chat.example", Device: "ABC", Network: &wireNet{"192.0.2.7"}}},
		},
		{"an unknown callback", "check_media_file_for_spam", `{"anything":1}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &door{}
			w := call(handler(t, Config{}, d, nil), tt.callback, tt.body)
			if w.Code != http.StatusOK || w.Body.String() != "{}" {
				t.Errorf("answer %d %s, want 200 {}", w.Code, w.Body)
			}
			for i := range d.told {
				e := &d.told[i]
				if at, err := time.Parse(time.RFC3339, e.At); err != nil || at.After(now) || now.Sub(at) > time.Second {
					t.Errorf("at = %q (%v)", e.At, err)
				}
				if i < len(tt.want) && tt.want[i].ID == "" {
					if !strings.HasPrefix(e.ID, tt.callback+" ") {
						t.Errorf("id %q", e.ID)
					}
					e.ID = ""
				}
				e.At, e.Platform = "", ""
			}
			if diff := cmp.Diff(tt.want, d.told); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARoomIsCreated(t *testing.T) {
	d := &door{}
	if w := call(handler(t, Config{}, d, nil), mayCreate, `{"user_id":"@ana:chat.example"}`); w.Code != 200 || len(d.told) != 1 {
		t.Fatalf("answer %d, told %+v", w.Code, d.told)
	}
	if e := d.told[0]; e.Kind != "group.created" || e.Actor != "@ana:chat.example" || e.Group == "" || e.Group != "unnamed "+e.ID {
		t.Errorf("told %+v", e)
	}
}

func TestVerdictsBecomeAnswers(t *testing.T) {
	invite := `{"inviter":"@ana:chat.example","invitee":"@omar:chat.example","room_id":"!r:chat.example"}`
	login := `{"user_id":"@omar:chat.example","device_id":null,"request_info":[]}`
	text := message(`{"body":"https://evil.example"}`)
	for _, tt := range []struct {
		callback, body string
		verdict        vedette.Verdict
		want           int
	}{
		{checkEvent, text, vedette.Allow, 200},
		{checkEvent, text, vedette.Warn, 200},
		{checkEvent, text, vedette.Hold, 403},
		{checkEvent, text, vedette.Block, 403},
		{mayInvite, invite, vedette.Block, 403},
		{checkLogin, login, vedette.Block, 200}, // nobody is locked out by a verdict
		{mayCreate, `{"user_id":"@ana:chat.example"}`, vedette.Block, 200},
		{mayJoin, `{"user":"@ana:chat.example","room":"!r:chat.example"}`, vedette.Block, 200},
	} {
		d := &door{decide: func(context.Context, *wire) (vedette.Decision, error) {
			return vedette.Decision{Verdict: tt.verdict}, nil
		}}
		w := call(handler(t, Config{}, d, nil), tt.callback, tt.body)
		want := "{}"
		if tt.want == 403 {
			want = Refusal
		}
		if w.Code != tt.want || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s, %v: answer %d %s, want %d %s", tt.callback, tt.verdict, w.Code, w.Body, tt.want, want)
		}
	}
}

func TestWithoutADecisionTheFallbackIsTaken(t *testing.T) {
	fail := func(err error) func(context.Context, *wire) (vedette.Decision, error) {
		return func(context.Context, *wire) (vedette.Decision, error) { return vedette.Decision{}, err }
	}
	text := message(`{"body":"secret words https://evil.example/private"}`)
	for _, tt := range []struct {
		name, body, cause string
		decide            func(context.Context, *wire) (vedette.Decision, error)
	}{
		{"the queue is full", text, "busy", fail(fmt.Errorf("x: %w", vedette.ErrBusy))},
		{"the journal is down", text, "unavailable", fail(fmt.Errorf("x: %w", vedette.ErrUnavailable))},
		{"a fault of ours", text, "fault", fail(errors.New("secret words"))},
		{"a part breaks", text, "fault", func(context.Context, *wire) (vedette.Decision, error) { panic("secret words") }},
		{"too late", text, "late", func(ctx context.Context, _ *wire) (vedette.Decision, error) {
			<-ctx.Done()
			return vedette.Decision{}, ctx.Err()
		}},
		{"no JSON", `secret words`, "unreadable", nil},
		{"no event", `{"event":null}`, "unreadable", nil},
		{"a sender that is a number", strings.Replace(text, `"sender":"@ana:chat.example"`, `"sender":5`, 1), "unreadable", nil},
		{"content that is a list", message(`["secret words"]`), "unreadable", nil},
		{"too large", `"` + strings.Repeat("secret words ", 1<<17) + `"`, "too_large", nil},
	} {
		for _, fallback := range []vedette.Verdict{vedette.Allow, vedette.Block} {
			// A made-up clock: only the case that waits is late, however slow the machine.
			t.Run(tt.name+", "+fallback.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var log bytes.Buffer
					d := &door{decide: tt.decide}
					h := handler(t, Config{Limit: 10 * time.Millisecond, Fallback: fallback}, d, slog.New(slog.NewTextHandler(&log, nil)))
					w := call(h, checkEvent, tt.body)
					want, body := 200, "{}"
					if fallback == vedette.Block {
						want, body = 403, Refusal
					}
					if w.Code != want || w.Body.String() != body {
						t.Errorf("answer %d %s, want %d %s", w.Code, w.Body, want, body)
					}
					if !strings.Contains(log.String(), "cause="+tt.cause) {
						t.Errorf("log %q, want the cause %s", &log, tt.cause)
					}
					for _, private := range []string{"secret", "evil", "ana", "h3xq"} {
						if strings.Contains(log.String(), private) {
							t.Errorf("the log says %q: %s", private, &log)
						}
					}
				})
			})
		}
	}
}

func TestNoTextGoesThroughTheDoor(t *testing.T) {
	d := &door{}
	h := handler(t, Config{}, d, nil)
	call(h, checkEvent, message(`{"msgtype":"m.text","body":"wordA https://a.example/x wordB","formatted_body":"<b>wordC</b> <a href='https://b.example/y' title='wordD'>wordE</a>","m.new_content":{"body":"wordF https://c.example"}}`))
	call(h, checkEvent, message(`{"msgtype":"m.text","body":"wordG"}`))
	all := strings.Join(d.raw, "\n")
	if strings.Contains(all, "word") {
		t.Errorf("text was told: %s", all)
	}
	for _, u := range []string{"https://a.example/x", "https://b.example/y", "https://c.example"} {
		if !strings.Contains(all, u) {
			t.Errorf("%q was not told: %s", u, all)
		}
	}
}

func TestTheLastOfManyLinksCannotHide(t *testing.T) {
	var sb strings.Builder
	for i := range 200 {
		fmt.Fprintf(&sb, "https://a%d.example ", i)
	}
	d := &door{decide: blockEvil}
	w := call(handler(t, Config{}, d, nil), checkEvent, message(`{"body":"`+sb.String()+`https://evil.example"}`))
	if w.Code != 403 || len(d.told) != 7 {
		t.Errorf("answer %d after %d events", w.Code, len(d.told))
	}
	ids := map[string]bool{}
	for _, e := range d.told {
		if len(e.Links) > vedette.MaxLinks || ids[e.ID] {
			t.Errorf("event %q with %d links", e.ID, len(e.Links))
		}
		ids[e.ID] = true
	}
}

func TestLongLinksAreToldInSmallEvents(t *testing.T) {
	var sb strings.Builder
	for i := range 20 {
		fmt.Fprintf(&sb, "https://a%d.example/%s ", i, strings.Repeat("&", 3000))
	}
	fmt.Fprintf(&sb, "https://b.example/%s", strings.Repeat("&\u202e", 6000))
	body, err := json.Marshal(sb.String() + " https://evil.example")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{decide: blockEvil}
	if w := call(handler(t, Config{}, d, nil), checkEvent, message(`{"body":`+string(body)+`}`)); w.Code != 403 {
		t.Errorf("answer %d after %d events", w.Code, len(d.told))
	}
	for i, raw := range d.raw {
		if len(raw) > 64<<10 {
			t.Errorf("event %d has %d bytes", i, len(raw))
		}
	}
}

func TestAPartThatFailedDoesNotFreeAnotherThatIsStopped(t *testing.T) {
	var sb strings.Builder
	for i := range 40 {
		fmt.Fprintf(&sb, "https://a%d.example ", i)
	}
	d := &door{decide: func(ctx context.Context, e *wire) (vedette.Decision, error) {
		if strings.Contains(e.ID, "part") {
			return vedette.Decision{}, vedette.ErrBusy
		}
		return blockEvil(ctx, e)
	}}
	if w := call(handler(t, Config{}, d, nil), checkEvent, message(`{"body":"https://evil.example `+sb.String()+`"}`)); w.Code != 403 {
		t.Errorf("answer %d", w.Code)
	}
}

func TestAnEventToldDifferentlyIsJudgedAnew(t *testing.T) {
	d := &door{}
	d.decide = func(ctx context.Context, e *wire) (vedette.Decision, error) {
		if e.ID == "$h3xq" {
			return vedette.Decision{}, vedette.ErrConflict
		}
		return blockEvil(ctx, e)
	}
	if w := call(handler(t, Config{}, d, nil), checkEvent, message(`{"body":"https://evil.example"}`)); w.Code != 403 || len(d.told) != 2 {
		t.Errorf("answer %d after %d events", w.Code, len(d.told))
	}
}

func TestTheSendersClockIsNotTrusted(t *testing.T) {
	for _, ts := range []string{"0", "1", "99999999999999999", "-5", "1772300000000"} {
		d := &door{}
		call(handler(t, Config{}, d, nil), checkEvent, strings.Replace(message(`{"body":"x"}`), "1772366399000", ts, 1))
		if len(d.told) != 1 || d.told[0].At != "2026-03-01T12:00:00.000Z" {
			t.Errorf("origin_server_ts %s: told %+v, want now", ts, d.told)
		}
	}
}

func TestDirectRooms(t *testing.T) {
	const opening = `{"event":{"type":"m.room.member","room_id":"!room:chat.example","sender":"@ana:chat.example","state_key":"@omar:chat.example","event_id":"$1","content":{"membership":"invite","is_direct":true}}}`
	say := message(`{"body":"x"}`)
	third := `{"user":"@eve:chat.example","room":"!room:chat.example","is_invited":true}`
	for _, tt := range []struct {
		name  string
		first [][2]string
		want  wireTo
	}{
		{"a direct room has one recipient", [][2]string{{checkEvent, opening}}, wireTo{Account: "@omar:chat.example"}},
		{"until a third person comes", [][2]string{{checkEvent, opening}, {mayJoin, third}}, wireTo{Group: "!room:chat.example"}},
		{"or is invited", [][2]string{{checkEvent, opening}, {checkEvent, strings.Replace(opening, "@omar", "@eve", 1)}}, wireTo{Group: "!room:chat.example"}},
		{"the two themselves change nothing", [][2]string{{checkEvent, opening}, {mayJoin, strings.Replace(third, "@eve", "@omar", 1)}}, wireTo{Account: "@omar:chat.example"}},
		{"one that was not seen is a group", nil, wireTo{Group: "!room:chat.example"}},
	} {
		d := &door{}
		h := handler(t, Config{}, d, nil)
		for _, c := range tt.first {
			call(h, c[0], c[1])
		}
		d.told = nil
		if call(h, checkEvent, say); len(d.told) != 1 || *d.told[0].To != tt.want {
			t.Errorf("%s: told %+v, want %+v", tt.name, d.told, tt.want)
		}
	}
}

func TestDirectRoomsAreBounded(t *testing.T) {
	var r rooms
	for i := range maxRooms + 10 {
		r.opened(fmt.Sprint(i), "a", "b")
	}
	if len(r.pairs) != maxRooms || len(r.order) != maxRooms {
		t.Errorf("%d pairs, %d in the ring", len(r.pairs), len(r.order))
	}
	if _, known := r.other("9", "a"); known {
		t.Error("the oldest is still known")
	}
}

func TestTheDoorIsShut(t *testing.T) {
	for _, tt := range []struct {
		name, method, path, auth string
		want                     int
	}{
		{"without a key", "POST", "/integrations/synapse/harbour/check_event_for_spam", "", 401},
		{"with a wrong key", "POST", "/integrations/synapse/harbour/ping", "Bearer x", 401},
		{"for another tenant", "POST", "/integrations/synapse/other/check_event_for_spam", "Bearer k", 403},
		{"to a reader", "GET", "/integrations/synapse/harbour/ping", "Bearer k", 405},
		{"deeper", "POST", "/integrations/synapse/harbour/ping/x", "Bearer k", 404},
		{"without a callback", "POST", "/integrations/synapse/harbour/", "Bearer k", 404},
	} {
		r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(`{"id":"a"}`))
		r.Header.Set("Authorization", tt.auth)
		w := httptest.NewRecorder()
		handler(t, Config{}, &door{}, nil).ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, w.Code, tt.want)
		}
		if json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: the module would take %s for a refusal of the message", tt.name, w.Body)
		}
	}
}

func TestPing(t *testing.T) {
	w := call(handler(t, Config{}, &door{}, nil), ping, `{"id":"QxYz"}`)
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"id":"QxYz","status":"ok"}` {
		t.Errorf("answer %d %s", w.Code, got)
	}
}

func TestConfigNamesTheKey(t *testing.T) {
	for _, c := range []Config{{Limit: time.Hour}, {Limit: 1}, {Fallback: vedette.Hold}} {
		if err := c.Validate(); !errors.Is(err, vedette.ErrInvalid) || !strings.Contains(err.Error(), "matrix.") {
			t.Errorf("Validate(%+v) = %v", c, err)
		}
	}
}

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		name, key, in string
		want          []string
	}{
		{"a sentence", "body", "See https://a.example/x. Or not?", []string{"https://a.example/x"}},
		{"brackets", "body", "(https://a.example/x_(y)) [b](https://b.example)", []string{"https://a.example/x_(y)", "https://b.example"}},
		{"capitals", "body", "HTTPS://A.EXAMPLE/x", []string{"HTTPS://A.EXAMPLE/x"}},
		{"two in one", "body", "https://a.example,https://b.example", []string{"https://a.example,https://b.example", "https://b.example"}},
		{"glued to a word", "body", "look:http://a.example!", []string{"http://a.example"}},
		{"no scheme, a path", "body", "evil.com/a, www.b.co.uk?x", []string{"evil.com/a", "www.b.co.uk?x"}},
		{"no scheme, no path", "body", "ask evil.com, please.", []string{"evil.com"}},
		{"no scheme, a port", "body", "evil.com:8443/x", []string{"evil.com:8443/x"}},
		{"no scheme, fullwidth", "body", "ｅvil。com", []string{"ｅvil。com"}},
		{"no scheme, soft hyphen", "body", "e\u00advil.com/x", []string{"e\u00advil.com/x"}},
		{"an unknown suffix", "body", "evil.notasuffix/x a.b", nil},
		{"a suffix alone", "body", "co.uk", nil},
		{"numbers and dots", "body", "1.5 3.14.15 v2.0.1 192.0.2.7 wait...what e.g. i.e.", nil},
		{"an address with a path", "body", "192.0.2.7/x", []string{"192.0.2.7/x"}},
		{"somebody's mail", "body", "ana@evil.com mailto:ana@evil.com", nil},
		{"a user before a host", "body", "ana@evil.com/x", []string{"ana@evil.com/x"}},
		{"names of Matrix's own", "body", "@ana:evil.com #room:evil.com", nil},
		{"names that clients do not know", "body", "!x:evil.com $ev:evil.org", []string{"evil.com", "evil.org"}},
		{"another scheme", "body", "mxc://evil.com/x ftp://evil.com", []string{"ftp://evil.com"}},
		{"a mention", "formatted_body", `<a href="https://matrix.to/#/@ana:evil.com">Ana</a>`, nil},
		{"not quite a mention", "formatted_body", `<a href="https://matrix.to.evil.com/#/@ana">Ana</a>`, []string{"https://matrix.to.evil.com/#/@ana"}},
		{"what it says and where it leads", "formatted_body", `<a href="https://evil.example/&amp;x">https://good.example</a>`, []string{"https://evil.example/&x", "https://good.example"}},
		{"odd slashes", "formatted_body", "<a href='https:\\\\evil.example\\x'>a</a><a href='ht\ntps:/b.example'>b</a><a href=//c.example>c</a>", []string{`https:\\evil.example\x`, "ht\ntps:/b.example", "https://c.example"}},
		{"another place to lead", "formatted_body", `<a href="javascript:x()">a</a><a href="matrix:u/ana:evil.com">b</a>`, nil},
		{"a name of a file", "filename", "invoice.zip", nil},
		{"a link as a name of a file", "filename", "www.evil.com/x", []string{"www.evil.com/x"}},
		{"ciphertext", "ciphertext", "https://a.example", nil},
		{"html in a plain field", "org.matrix.msc1767.html", `<a href="https://a.example">x</a>`, []string{"https://a.example"}},
		{"the same twice", "body", "https://a.example https://a.example", []string{"https://a.example"}},
	} {
		var f finder
		f.content(tt.in, tt.key, inMessage, 0)
		var got []string
		for _, l := range f.links {
			got = append(got, l.url)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: find(%q) (-want +got):\n%s", tt.name, tt.in, diff)
		}
	}
}

// FuzzCallback states: no body breaks the handler; the answer is one of two; what goes through the door is an event that the wire
// takes, with at most 32 links; and a link in clear between blanks is always found.
func FuzzCallback(f *testing.F) {
	f.Add("check_event_for_spam", message(`{"body":"https://a.example","formatted_body":"<a href=x>"}`), "x")
	f.Add("user_may_invite", `{"inviter":"a","invitee":"b"}`, "y z")
	f.Add("check_login_for_spam", `{"user_id":"a","request_info":[[null,"192.0.2.1"]]}`, "<a")
	f.Add("federated_user_may_invite", `{"event":{"sender":"a","event_id":"b","room_id":"c","state_key":"d","content":{"reason":"evil.com"}}}`, "")
	f.Fuzz(func(t *testing.T, callback, body, text string) {
		callback = strings.Map(func(c rune) rune {
			if c >= 'a' && c <= 'z' || c == '_' {
				return c
			}
			return 'x'
		}, callback+"x")
		d := &door{decide: blockEvil}
		h := handler(t, Config{}, d, nil)
		call2 := func(callback, body string) int {
			w := call(h, strings.TrimSuffix(callback, "x"), body)
			if s := w.Body.String(); w.Code == 200 && s == "{}" || w.Code == 403 && s == Refusal || callback == "pingx" || w.Code == 404 {
				return w.Code
			}
			t.Fatalf("%s: answer %d %s", callback, w.Code, w.Body)
			return 0
		}
		call2(callback, body)
		for _, e := range d.told {
			if _, err := vedette.ParseKind(e.Kind); err != nil || e.ID == "" || len(e.Links) > vedette.MaxLinks || (len(e.Links) == 0) == (e.Kind == "link.sent") {
				t.Fatalf("told %+v", e)
			}
		}
		b, err := json.Marshal(text + " https://evil.example/k " + text)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(text, "<>") {
			return // what follows may be inside a tag
		}
		if code := call2("check_event_for_spamx", message(`{"body":`+string(b)+`}`)); code != 403 {
			t.Fatalf("a message with %s was answered %d", b, code)
		}
	})
}

func BenchmarkCheckEvent(b *testing.B) {
	h := handler(b, Config{}, discard{}, nil)
	body := message(`{"msgtype":"m.text","body":"A message of usual length, with a word or two more, and https://www.news.example/2026/03/01/a-story in it."}`)
	b.ReportAllocs()
	for b.Loop() {
		if w := call(h, checkEvent, body); w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}

type discard struct{}

func (discard) Decide(context.Context, vedette.Tenant, []byte) (vedette.Decision, error) {
	return vedette.Decision{}, nil
}
