package intake

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette"
	"vedette/act/casefile"
	"vedette/edge/access"
	"vedette/edge/franking"
	"vedette/edge/intake/internal/api"
	"vedette/inline/sequence"
	"vedette/record/evidence"
	"vedette/record/journal"
)

// reportFields are the fields of a report, as the reader has them; those of links are the same as in events.
var reportFields = []string{
	"id", "at", "reporter", "subject", "group", "message", "category", "share", "opened", "opened.text", "opened.links", "opened.transcript", "opened.screenshot_text",
	"opened.transcript[].sender", "opened.transcript[].at", "opened.transcript[].text", "opened.transcript[].links",
	"franking", "franking.commitment", "franking.key", "franking.tag", "franking.key_id", "franking.sender", "franking.recipient", "franking.sent_at",
}

// sliceLog is an evidence log in memory that can be made to fail.
type sliceLog struct {
	mu      sync.Mutex
	records []evidence.Record
	fail    error
}

func (l *sliceLog) Append(_ context.Context, rs ...evidence.Record) ([]evidence.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return nil, l.fail
	}
	l.records = append(l.records, rs...)
	return make([]evidence.Receipt, len(rs)), nil
}

func (l *sliceLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, r := range l.records {
		fmt.Fprintf(&b, "%s:", r.Kind)
		for _, f := range r.Fields {
			fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// plainBox seals nothing; a test can read what was to be sealed.
type plainBox struct{}

func (plainBox) Box(matter, what string, b []byte) ([]byte, error) {
	return append([]byte(matter+" "+what+" "), b...), nil
}

func (plainBox) TokenIn(uint16, vedette.TokenKind, string) vedette.Token { return vedette.Token{} }

type book struct {
	*casefile.Book
	store *casefile.Memory
	log   *sliceLog
}

func newBook(t testing.TB) *book {
	t.Helper()
	b := &book{store: casefile.NewMemory(), log: &sliceLog{}}
	var err error
	b.Book, err = casefile.NewBook(b.store, casefile.Deps{
		Book: b.log, Boxers: func(vedette.Tenant) (casefile.Boxer, error) { return plainBox{}, nil }, Now: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var stamp = franking.Key{ID: "2026-a", Secret: [32]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}}

func ring(t testing.TB) *franking.Ring {
	t.Helper()
	r, err := franking.ParseKeys([]byte("vedette-franking-keys-1\nchat 2026-a " + base64.StdEncoding.EncodeToString(stamp.Secret[:]) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// frank makes the franking of a text, as a platform would.
func frank(text, from, to, message string) string {
	o := franking.Opened{Carried: franking.Carried{Sender: from, Recipient: to, Message: message, Sent: noon.Add(-time.Minute)}, Open: franking.Opening{7}}
	o.Commitment = franking.Commit(o.Open, []byte(text))
	o.Tag = stamp.Stamp(&o.Carried)
	b64 := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"commitment":%q,"key":%q,"tag":%q,"key_id":"2026-a","sender":%q,"recipient":%q,"sent_at":"2026-11-25T11:59:00Z"}`,
		b64(o.Commitment[:]), b64(o.Open[:]), b64(o.Tag[:]), from, to)
}

const (
	evil     = "https://a1.bad.example/x?k=1"
	evilText = "see https://a1.bad.example/x?k=1."
	evilLink = `{"text":"` + evilText + `","links":[{"url":"` + evil + `"}]}`
)

// reportOf makes a report with the given fields besides, by omar where they name nobody.
func reportOf(id string, fields ...string) string {
	if strings.Contains(strings.Join(fields, ","), `"reporter":`) {
		return `{"id":"` + id + `","at":"2026-11-25T12:00:00Z",` + strings.Join(fields, ",") + `}`
	}
	return `{"id":"` + id + `","at":"2026-11-25T12:00:00Z","reporter":"omar",` + strings.Join(fields, ",") + `}`
}

func reporting(t testing.TB, change ...func(*Deps)) (*house, *book) {
	t.Helper()
	b := newBook(t)
	h := open(t, Config{}, append([]func(*Deps){func(d *Deps) { d.Reports, d.Franking = b, ring(t) }}, change...)...)
	return h, b
}

// sent has ana send a link to omar, as the event m1.
func (h *house) sent(t testing.TB, url string) {
	t.Helper()
	l := strings.Replace(line("link.sent", `"to":{"account":"omar"},"links":[{"url":"`+url+`"}]`), `"e1"`, `"m1"`, 1)
	if w := h.post("/v1/decide", l); w.Code != 200 {
		t.Fatalf("the message: %d %s", w.Code, w.Body)
	}
}

func (b *book) report(t testing.TB, h *house, id string) casefile.Report {
	t.Helper()
	r, err := b.store.Report(t.Context(), "chat", h.seal.EventID(id))
	if err != nil {
		t.Fatalf("report %s: %v", id, err)
	}
	return r
}

func TestHowAReportIsGraded(t *testing.T) {
	lines := `"transcript":[{"sender":"ana","at":"2026-11-25T11:58:00Z","text":"hello","links":[{"url":"https://b.bad.example/"}]},{"sender":"omar","at":"2026-11-25T11:58:30Z","links":[{"url":"https://mine.example/"}]}]`
	ana := `"subject":"ana"`
	tests := []struct {
		name     string
		sends    string // what ana sent to omar before, as m1
		fields   []string
		grade    casefile.Grade
		recorded bool
		links    int
		why      string
	}{
		{"a word about somebody", "", []string{ana}, casefile.Claim, false, 0, "somebody says so"},
		{"an opened message", "", []string{ana, `"opened":` + evilLink}, casefile.Claim, false, 1, "opened the message"},
		{"an opened message by nobody in particular", "", []string{`"opened":` + evilLink}, casefile.Claim, false, 1, "opened the message"},
		{"a picture", "", []string{ana, `"opened":{"screenshot_text":"` + evilText + `","links":[{"url":"` + evil + `"}]}`}, casefile.Screenshot, false, 1, "picture"},
		{"a transcript: what the other side sent is reported", "", []string{ana, `"opened":{` + lines + `}`}, casefile.Transcript, false, 1, "transcript"},
		{"a message that was recorded", evil, []string{`"message":"m1"`}, casefile.Claim, true, 1, "the journal has the message"},
		{"an opened message that was recorded", evil, []string{`"message":"m1"`, `"opened":` + evilLink}, casefile.Claim, true, 1, "the journal has the message"},
		{"another link than was recorded", "https://other.example/", []string{`"message":"m1"`, `"opened":{` + lines + `,"links":[{"url":"` + evil + `"}]}`}, casefile.Claim, false, 2, "with other links"},
		{"a message to somebody else", evil, []string{`"message":"m1"`, `"reporter":"eve"`}, casefile.Claim, false, 1, "to somebody else"},
		{"a franked message", "", []string{`"opened":` + evilLink, `"franking":` + frank(evilText, "ana", "omar", "")}, casefile.Franked, false, 1, "tag over the message is good"},
		{"a franked message that was recorded", evil, []string{`"message":"m1"`, `"opened":` + evilLink, `"franking":` + frank(evilText, "ana", "omar", "m1")}, casefile.Franked, true, 1, "tag over the message is good"},
		{"a franked message whose sender's client told other links", "https://other.example/", []string{`"message":"m1"`, `"opened":` + evilLink, `"franking":` + frank(evilText, "ana", "omar", "m1")}, casefile.Franked, false, 1, "with other links"},
		{"a franked message in a group", "", []string{`"group":"friends"`, `"opened":` + evilLink, `"franking":` + frank(evilText, "ana", "friends", "")}, casefile.Franked, false, 1, "good"},
		{"the tag of a message to somebody else, handed on", "", []string{`"opened":` + evilLink, `"franking":` + frank(evilText, "ana", "eve", "")}, casefile.Transcript, false, 1, "somebody else than the reporter"},
		{"a good tag over a text without the link", "", []string{`"opened":{"text":"hello","links":[{"url":"` + evil + `"}]}`, `"franking":` + frank("hello", "ana", "omar", "")}, casefile.Claim, false, 1, "do not stand"},
		{"a good tag over a text whose link begins alike", "", []string{`"opened":{"text":"see https://a1.bad.example/x","links":[{"url":"https://a1.bad.ex"}]}`, `"franking":` + frank("see https://a1.bad.example/x", "ana", "omar", "")}, casefile.Claim, false, 1, "do not stand"},
		{"a good tag, and a link beside it in the transcript", "", []string{`"opened":{"text":"` + evilText + `","links":[{"url":"` + evil + `"}],` + lines + `}`, `"franking":` + frank(evilText, "ana", "omar", "")}, casefile.Transcript, false, 2, "do not stand"},
		{"a link that cannot be read", "", []string{ana, `"opened":{"links":[{"url":"https://a b.example:x/"}]}`}, casefile.Claim, false, 1, "opened the message"},
		{"a link as tokens", "", []string{ana, `"opened":{"links":[{"tokens":{"domain":"AAECAwQFBgcICQoLDA0ODw","epoch":7}}]}`}, casefile.Claim, false, 1, "opened the message"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, b := reporting(t)
			if tt.sends != "" {
				h.sent(t, tt.sends)
			}
			body := reportOf("$r1", tt.fields...)
			w := h.post("/v1/reports", body)
			if w.Code != 200 || w.Body.String() != `{"id":"$r1","status":"taken"}`+"\n" {
				t.Fatalf("POST %s = %d %s", body, w.Code, w.Body)
			}
			r := b.report(t, h, "$r1")
			if r.Grade != tt.grade || r.Recorded != tt.recorded || len(r.Links) != tt.links || !strings.Contains(r.Why, tt.why) {
				t.Errorf("graded %s, recorded %v, %d links, %q; want %s, %v, %d, …%s…", r.Grade, r.Recorded, len(r.Links), r.Why, tt.grade, tt.recorded, tt.links, tt.why)
			}
			cs, err := b.List(t.Context(), casefile.Filter{})
			if err != nil || (len(cs) > 0) != (tt.links > 0) {
				t.Errorf("%d leads, %v", len(cs), err)
			}
			e, err := h.gate.find(t.Context(), "chat", h.seal.EventID("$r1"))
			if err != nil || e.Event.Kind() != vedette.KindUserReported || e.Event.Tier != vedette.TierR || len(e.Event.Links()) != tt.links {
				t.Errorf("the event: %+v, %v", e.Event, err)
			}
			got := h.do(h.request(http.MethodGet, "/v1/reports/$r1", ""))
			var st api.Reported
			if err := json.Unmarshal(got.Body.Bytes(), &st); err != nil || got.Code != 200 || string(st.Grade) != tt.grade.String() || st.Why != r.Why {
				t.Errorf("GET = %d %s, %v", got.Code, got.Body, err)
			}
		})
	}
}

func TestABadReportGetsAClearErrorAndNothingOfItIsTaken(t *testing.T) {
	at := func(s string) string { return `{"id":"r","at":"` + s + `","reporter":"omar","subject":"ana"}` }
	good := frank(evilText, "ana", "omar", "")
	franked := func(f string, more ...string) string {
		return reportOf("r", append([]string{`"opened":` + evilLink, `"franking":` + f}, more...)...)
	}
	key := regexp.MustCompile(`"key":"[^"]*"`).FindString(good)
	tests := []struct {
		name, body string
		status     int
		field      string
		detail     string // part of it
	}{
		{"half a report", `{"id":"r","at":"2026`, 400, "", "was cut"},
		{"no JSON", `hello`, 400, "", "want one JSON object, got something else"},
		{"nothing", ` `, 400, "", "empty"},
		{"two reports", reportOf("r", `"subject":"ana"`) + reportOf("s", `"subject":"ana"`), 400, "", "send one report"},
		{"no reporter", `{"id":"r","at":"2026-11-25T12:00:00Z","subject":"ana"}`, 400, "reporter", "missing"},
		{"about nothing", reportOf("r", `"category":"scam"`), 400, "subject", "needs one of them"},
		{"an unknown category", reportOf("r", `"subject":"ana","category":"rude"`), 400, "category", "want spam, scam"},
		{"a field twice", reportOf("r", `"subject":"ana","subject":"eve"`), 400, "subject", "twice"},
		{"null", reportOf("r", `"subject":null`), 400, "subject", "leave out what is not known"},
		{"a number for a name", reportOf("r", `"subject":7`), 400, "subject", "want string, got number"},
		{"an empty name", reportOf("r", `"subject":""`), 400, "subject", "empty"},
		{"a long name", reportOf("r", `"subject":"`+strings.Repeat("a", 257)+`"`), 413, "subject", "longer than 256 bytes"},
		{"words for share", reportOf("r", `"subject":"ana","share":"yes"`), 400, "share", "want true or false, got string"},
		{"a time from the future", at("2026-11-25T12:06:00Z"), 400, "at", "set the platform's clock"},
		{"a time of last month", at("2026-10-25T12:00:00Z"), 400, "at", "older than 168 hours"},
		{"no time", at("yesterday"), 400, "at", "RFC 3339"},
		{"opened as text", reportOf("r", `"opened":"hello"`), 400, "opened", "want object, got string"},
		{"a bad link", reportOf("r", `"opened":{"links":[{"url":"https://a.example"},{"url":7}]}`), 400, "opened.links[1].url", "want string, got number"},
		{"a bad link in a transcript", reportOf("r", `"opened":{"transcript":[{"sender":"a","at":"2026-11-25T12:00:00Z"},{"sender":"a","at":"2026-11-25T12:00:00Z","links":[{}]}]}`), 400, "opened.transcript[1].links[0]", "neither url nor tokens"},
		{"a message of nobody", reportOf("r", `"opened":{"transcript":[{"at":"2026-11-25T12:00:00Z"}]}`), 400, "opened.transcript[0].sender", "missing"},
		{"201 messages", reportOf("r", `"opened":{"transcript":[`+strings.TrimSuffix(strings.Repeat(`{"sender":"a","at":"2026-11-25T12:00:00Z"},`, 201), ",")+`]}`), 413, "opened.transcript", "more than 200"},
		{"33 links in two messages", reportOf("r", `"opened":{"transcript":[`+manyLinks("a", 20)+`,`+manyLinks("b", 13)+`]}`), 413, "opened.transcript", "more than 32"},
		{"a body over 256 KiB", `{"x":"` + strings.Repeat("x", 256<<10) + `"}`, 413, "", "longer than 256 KiB"},
		{"a text over 64 KiB", reportOf("r", `"opened":{"text":"`+strings.Repeat("x", 64<<10+1)+`"}`), 413, "opened.text", "longer than 65536 bytes"},
		{"an event that doesn't exist", reportOf("r", `"message":"m9"`), 404, "message", "send the report without message"},
		{"an event that is no message", reportOf("r", `"message":"seen"`), 400, "message", "is no message"},
		{"a message of somebody else", reportOf("r", `"message":"m1","subject":"eve"`), 400, "subject", "did not send the reported message"},
		{"a forged tag", franked(strings.Replace(good, `"sender":"ana"`, `"sender":"eve"`, 1)), 400, "franking.tag", "did not carry this"},
		{"another text than was sent", reportOf("r", `"opened":{"text":"hello"}`, `"franking":`+good), 400, "franking.commitment", "do not open it"},
		{"another opening key", franked(strings.Replace(good, key, `"key":"`+strings.Repeat("A", 43)+`"`, 1)), 400, "franking.commitment", "do not open it"},
		{"a tag over another message id", franked(good, `"message":"m1"`), 400, "franking.tag", "did not carry this"},
		{"a key that nobody has", franked(strings.Replace(good, "2026-a", "2025-a", 1)), 400, "franking.key_id", "no such key"},
		{"a tag of 31 bytes", franked(strings.Replace(good, key, `"key":"`+strings.Repeat("A", 42)+`"`, 1)), 400, "franking.key", "43 characters"},
		{"franking without its key", franked(strings.Replace(good, key+",", "", 1)), 400, "franking.key", "missing"},
		{"franking without a text", reportOf("r", `"subject":"ana","franking":`+good), 400, "opened.text", "missing"},
		{"another subject than the franked sender", franked(good, `"subject":"eve"`), 400, "subject", "not the sender of the franked message"},
		{"a franked message under another's event", franked(frank(evilText, "eve", "omar", "m1"), `"message":"m1"`), 400, "franking.sender", "did not send the reported message"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, b := reporting(t)
			h.sent(t, evil)
			h.post("/v1/decide", strings.Replace(line("account.seen", ""), `"e1"`, `"seen"`, 1))
			w := h.post("/v1/reports", tt.body)
			var p api.Problem
			dec := json.NewDecoder(w.Body)
			dec.DisallowUnknownFields()
			if err := dec.Decode(&p); err != nil {
				t.Fatalf("the answer is no problem: %v", err)
			}
			field := ""
			if p.Field != nil {
				field = *p.Field
			}
			if w.Code != tt.status || field != tt.field || !strings.Contains(*p.Detail, tt.detail) {
				t.Errorf("%d %q %q; want %d %q …%s…", w.Code, field, *p.Detail, tt.status, tt.field, tt.detail)
			}
			if n := len(h.gate.ids()); n != 2 {
				t.Errorf("%d events are kept, want the two before", n)
			}
			if cs, err := b.List(t.Context(), casefile.Filter{}); err != nil || len(cs) != 0 {
				t.Errorf("%d leads, %v", len(cs), err)
			}
			log := b.log.text()
			if forged := strings.HasPrefix(tt.field, "franking.") && (strings.Contains(tt.detail, "carry") || strings.Contains(tt.detail, "open it") || strings.Contains(tt.detail, "no such key")); forged {
				if strings.Count(log, "\n") != 1 || !strings.Contains(log, "outcome=refused why=franking") {
					t.Errorf("the refusal is not recorded, or not alone: %q", log)
				}
			} else if log != "" {
				t.Errorf("recorded: %s", log)
			}
			for _, secret := range []string{"ana", `"eve"`, "bad.example", good[20:40]} {
				if strings.Contains(*p.Detail, secret) || strings.Contains(log, secret) {
					t.Errorf("%q is told", secret)
				}
			}
		})
	}
}

func manyLinks(name string, n int) string {
	var ls []string
	for i := range n {
		ls = append(ls, fmt.Sprintf(`{"url":"https://%s%d.example/"}`, name, i))
	}
	return `{"sender":"ana","at":"2026-11-25T12:00:00Z","links":[` + strings.Join(ls, ",") + `]}`
}

// TestReportersLearnNothing: whatever a report is about, and whatever comes of it, the answer has the same words and headers, and the same rooms
// were asked in the same order.
func TestReportersLearnNothing(t *testing.T) {
	shape := func(h *house, b *book, id, body string) string {
		w := h.post("/v1/reports", body)
		head := w.Header().Clone()
		head.Del("Content-Length")
		return strings.ReplaceAll(fmt.Sprint(w.Code, head, w.Body.String()), id, "ID")
	}
	h, b := reporting(t)
	h.sent(t, evil)
	want := shape(h, b, "$r1", reportOf("$r1", `"subject":"ana"`))
	for i, body := range []string{
		reportOf("$x0", `"opened":`+evilLink),                                                   // opens a lead
		reportOf("$x1", `"opened":`+evilLink),                                                   // joins it
		reportOf("$x1", `"opened":`+evilLink),                                                   // is known
		reportOf("$x3", `"message":"m1"`),                                                       // is recorded
		reportOf("$x4", `"opened":{"text":"hi"}`),                                               // has no link
		reportOf("$x5", `"opened":`+evilLink, `"franking":`+frank(evilText, "ana", "omar", "")), // is proven
		reportOf("$x6", `"subject":"omar"`),                                                     // is about oneself
	} {
		id := regexp.MustCompile(`\$x\d`).FindString(body)
		if got := shape(h, b, id, body); got != want {
			t.Errorf("report %d is answered\n%s\nwant\n%s", i, got, want)
		}
	}
}

func TestAReportSentAgainIsOneReport(t *testing.T) {
	h, b := reporting(t)
	body := reportOf("$r1", `"opened":`+evilLink, `"franking":`+frank(evilText, "ana", "omar", ""))
	// Between the journal and the book something fails: the platform sends it again.
	b.log.fail = fmt.Errorf("evidence: somewhere: %w", vedette.ErrUnavailable)
	if w := h.post("/v1/reports", body); w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "somewhere") || strings.Contains(w.Body.String(), "verdict") {
		t.Errorf("without an evidence log: %d %s", w.Code, w.Body)
	}
	b.log.fail = nil
	for range 3 {
		if w := h.post("/v1/reports", body); w.Code != 200 {
			t.Errorf("again: %d %s", w.Code, w.Body)
		}
	}
	if n := len(h.gate.ids()); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	cs, err := b.List(t.Context(), casefile.Filter{})
	if err != nil || len(cs) != 1 || cs[0].Reports != 1 || cs[0].Best != casefile.Franked {
		t.Errorf("leads: %+v, %v", cs, err)
	}
	if w := h.post("/v1/reports", reportOf("$r1", `"subject":"ana"`)); w.Code != 409 || !strings.Contains(w.Body.String(), "the first report stands") {
		t.Errorf("the id with other bytes: %d %s", w.Code, w.Body)
	}
	// The journal's follower, behind or ahead, changes nothing.
	h.gate.mu.Lock()
	entries := slices.Clone(h.gate.kept)
	h.gate.mu.Unlock()
	if err := b.Follower().Follow(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	if r := b.report(t, h, "$r1"); r.Grade != casefile.Franked || r.Opened == nil {
		t.Errorf("after the follower: %s", r.Grade)
	}
}

func TestWhatIsKeptOfAReport(t *testing.T) {
	h, b := reporting(t)
	w := h.post("/v1/reports", reportOf("$r1", `"subject":"ana","share":true,"unheard":1`,
		`"opened":{"text":"`+evilText+`","links":[{"url":"`+evil+`","where":"qr"}],"transcript":[{"sender":"ana","at":"2026-11-25T11:00:00Z","text":"hi"}]}`))
	if w.Code != 200 {
		t.Fatal(w.Body)
	}
	r := b.report(t, h, "$r1")
	if !r.Share || r.Category != vedette.ReportUnknown || r.Subject != sum16("account", "ana") || r.Reporter != sum16("account", "omar") || r.Age != -1 {
		t.Errorf("kept: %+v", r)
	}
	prefix := string(r.Case) + " " + casefile.OpenedBox(r.ID) + " "
	content, ok := strings.CutPrefix(string(r.Opened), prefix)
	want := `{"format":"vedette-opened-1","text":"` + evilText + `","links":["` + evil + `"],"transcript":[{"sender":"` +
		vedette.AccountID(sum16("account", "ana")).String() + `","at":"2026-11-25T11:00:00Z","text":"hi"}]}`
	if !ok || content != want {
		t.Errorf("sealed: %s\nwant %s%s", r.Opened, prefix, want)
	}
	if l := r.Links[0]; l.Host != "a1.bad.example" || l.Display != "a1[.]bad[.]example" || l.Tokens.Where != vedette.InQRCode || !strings.HasSuffix(string(l.URL), evil) {
		t.Errorf("the link: %+v", l)
	}
	if h.Dropped()["report.unheard"] != 1 {
		t.Errorf("dropped: %v", h.Dropped())
	}
}

func TestWhoMayReport(t *testing.T) {
	h, b := reporting(t)
	key := func(tenant vedette.Tenant, s access.Scope) string {
		_, k, err := h.keys.Create(t.Context(), access.Order{Tenant: tenant, Scopes: s})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	ask := func(method, path, body, key string) *httptest.ResponseRecorder {
		r := h.request(method, path, body)
		r.Header.Set("Authorization", "Bearer "+key)
		return h.do(r)
	}
	body := reportOf("$r1", `"subject":"ana"`)
	if w := ask(http.MethodPost, "/v1/reports", body, key("chat", access.Decide|access.Events|access.Read)); w.Code != 403 {
		t.Errorf("a key without the scope: %d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodPost, "/v1/reports", body, key("chat", access.Reports)); w.Code != 200 {
		t.Errorf("a key with the scope: %d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodGet, "/v1/reports/$r1", "", key("chat", access.Reports)); w.Code != 403 {
		t.Errorf("a key that may not read: %d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodGet, "/v1/reports/$r1", "", key("rival", access.Read)); w.Code != 404 {
		t.Errorf("another tenant reads it: %d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodGet, "/v1/reports/nope", "", h.key); w.Code != 404 || !strings.Contains(w.Body.String(), "no report is kept") {
		t.Errorf("an unknown report: %d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodPost, "/v1/reports", reportOf("$r2", `"opened":`+evilLink, `"franking":`+frank(evilText, "ana", "omar", "")), key("rival", access.Reports)); w.Code != 400 || !strings.Contains(w.Body.String(), "franking.key_id") {
		t.Errorf("a tag by another tenant's key: %d %s", w.Code, w.Body)
	}
	none := open(t, Config{})
	for _, r := range []*http.Request{none.request(http.MethodPost, "/v1/reports", body), none.request(http.MethodGet, "/v1/reports/$r1", "")} {
		if w := none.do(r); w.Code != 404 || !strings.Contains(w.Body.String(), "reports are not taken here") {
			t.Errorf("a door without a book: %d %s", w.Code, w.Body)
		}
	}
	_ = b
	r := h.request(http.MethodPost, "/v1/reports", body)
	r.Header.Set("Content-Type", "text/plain")
	if w := h.do(r); w.Code != 415 {
		t.Errorf("text/plain: %d", w.Code)
	}
	var z bytes.Buffer
	g := gzip.NewWriter(&z)
	_, _ = g.Write([]byte(reportOf("$r3", `"subject":"ana"`)))
	_ = g.Close()
	r = h.request(http.MethodPost, "/v1/reports", z.String())
	r.Header.Set("Content-Encoding", "gzip")
	if w := h.do(r); w.Code != 200 {
		t.Errorf("packed: %d %s", w.Code, w.Body)
	}
}

func TestAReportThatTheGateRefusesIsNotTaken(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		status int
	}{
		{"the journal is down", fmt.Errorf("journal: %w", vedette.ErrUnavailable), 503},
		{"the queue is full", fmt.Errorf("sequence: %w", vedette.ErrBusy), 429},
		{"our fault", errors.New("sequence: impossible"), 500},
	} {
		h, b := reporting(t)
		h.gate.before = func([]sequence.Arrival) error { return tt.err }
		w := h.post("/v1/reports", reportOf("$r1", `"opened":`+evilLink))
		if w.Code != tt.status || strings.Contains(w.Body.String(), "verdict") {
			t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
		}
		if cs, err := b.List(t.Context(), casefile.Filter{}); err != nil || len(cs) != 0 {
			t.Errorf("%s: %d leads, %v", tt.name, len(cs), err)
		}
	}
	h, _ := reporting(t, func(d *Deps) {
		find := d.Find
		d.Find = func(ctx context.Context, t vedette.Tenant, id vedette.EventID) (journal.Entry, error) {
			if id == sum16("event", "m1") {
				return journal.Entry{}, fmt.Errorf("journal: %w", vedette.ErrUnavailable)
			}
			return find(ctx, t, id)
		}
	})
	if w := h.post("/v1/reports", reportOf("$r1", `"message":"m1"`)); w.Code != 503 || len(h.gate.ids()) != 0 {
		t.Errorf("the journal cannot be asked: %d, %d events; want 503 and none: it must not become a weaker report", w.Code, len(h.gate.ids()))
	}
}

func TestStandsIn(t *testing.T) {
	for _, tt := range []struct {
		url, text string
		want      bool
	}{
		{evil, evil, true},
		{evil, evilText, true},
		{evil, "(" + evil + ")", true},
		{evil, "see\n" + evil + "\nnow", true},
		{evil, "see a1.bad.example/x?k=1, quick", true},
		{"http://a.example", "a.example", true},
		{evil, evil + "2", false},
		{"https://a1.bad.example/x", evil, false},
		{"https://bad.example/x?k=1", evil, false},
		{"https://a.example", "https://a.example.com", false},
		{"https://a.example", "https://b.example/https://a.example", false},
		{"https://a.example", "mail@a.example", false},
		{"https://a.example", "https://a.example:80", false},
		{"https://a.example", "https://a.example.", true},
		{"https://a.example", "https://a.example/ https://a.example", true},
		{"https://a.example", "«https://a.example» und «b»", true},
		{"https://a.example", "https://a.example، ok", true},
		{"https://a.example", "https://a.exampleé", false},
		{evil, "", false},
	} {
		if got := standsIn(tt.url, tt.text); got != tt.want {
			t.Errorf("standsIn(%q, %q) = %v, want %v", tt.url, tt.text, got, tt.want)
		}
	}
}

// FuzzReadReport: whatever comes, the reader answers with a report that has what a report needs, or with a refusal that has a kind.
func FuzzReadReport(f *testing.F) {
	for _, s := range []string{
		reportOf("$r1", `"subject":"ana"`), reportOf("$r1", `"opened":`+evilLink, `"franking":`+frank(evilText, "ana", "omar", "")),
		reportOf("$r1", `"opened":{"transcript":[`+manyLinks("a", 2)+`]}`), `{}`, `{"a":{"b":[1,2,{}]}}`, `{"id":"\ud800"}`, `{"opened":{"links":[`,
	} {
		f.Add([]byte(s))
	}
	opt := live
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := readReport(b, &opt)
		if err != nil {
			if !errors.Is(err, vedette.ErrInvalid) && !errors.Is(err, vedette.ErrTooLarge) {
				t.Errorf("an error without a kind: %v", err)
			}
			return
		}
		if w := &r.w; w.id == "" || w.reporter == "" || w.at.IsZero() || len(w.transcript) > maxTranscript || !json.Valid(bytes.Trim(b, " \t\r\n")) {
			t.Errorf("read as a report: %+v", w)
		}
		links, _, err := r.reported()
		if err != nil {
			return
		}
		ls, _, _ := r.seal(links, &plainSealer{}, r.w.at)
		if _, err := r.content(&plainSealer{}); err != nil || len(ls) != len(links) {
			t.Errorf("%d links, %d kept, %v", len(links), len(ls), err)
		}
	})
}

// TestThePageOfReportsIsTrue holds docs/formats/report.md against the reader.
func TestThePageOfReportsIsTrue(t *testing.T) {
	raw, err := os.ReadFile("../../docs/formats/report.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	opt := live
	opt.Now = time.Time{}
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of JSON, want the report, the answer and what is sealed", len(blocks))
	}
	r, err := readReport([]byte(blocks[0][1]), &opt)
	if err != nil {
		t.Fatalf("the page's report is refused: %v", err)
	}
	keys, _ := ring(t).FrankingKeys("chat")
	if err := franking.Verify(keys, &r.w.franking); err != nil {
		t.Errorf("the page's franking: %v", err)
	}
	var sealed openedJSON
	dec := json.NewDecoder(strings.NewReader(blocks[2][1]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&sealed); err != nil || sealed.Format != openedFormat {
		t.Errorf("what the page says is sealed: %v", err)
	}
	for _, p := range reportFields {
		name := p[strings.LastIndexByte(p, '.')+1:]
		if !strings.Contains(page, "`"+p+"`") && !strings.Contains(page, "`"+name+"`") {
			t.Errorf("the page does not name %s", p)
		}
	}
	for g := casefile.Claim; g <= casefile.Franked; g++ {
		if !strings.Contains(page, "`"+g.String()+"`") {
			t.Errorf("the page does not name the grade %s", g)
		}
	}
}

func BenchmarkReport(b *testing.B) {
	h, _ := reporting(b, func(d *Deps) { d.Logger = nil })
	fr := frank(evilText, "ana", "omar", "")
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		if w := h.post("/v1/reports", reportOf(fmt.Sprintf("$r%d", n), `"opened":`+evilLink, `"franking":`+fr)); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

// TestNothingPersonalIsToldOfAReport looks for a report's names in logs, metrics and the evidence log, whatever comes of the report.
func TestNothingPersonalIsToldOfAReport(t *testing.T) {
	h, b := reporting(t)
	fr := frank(evilText, "ana@chat", "omar", "")
	for _, body := range []string{
		reportOf("$r1", `"opened":`+evilLink, `"franking":`+fr), reportOf("$r1", `"subject":"ana@chat"`), reportOf("$r2", `"opened":{"text":"hello ana@chat"}`),
		reportOf("$r3", `"opened":`+evilLink, `"franking":`+strings.Replace(fr, `"omar"`, `"eve@chat"`, 1)), reportOf("$r4", `"subject":"ana@chat","ana@chat":1`),
		reportOf("$r5", `"subject":{"ana@chat":1}`), reportOf("$r6", `"message":"ana@chat"`),
	} {
		h.post("/v1/reports", body)
		h.do(h.request(http.MethodGet, "/v1/reports/"+"$r1", ""))
	}
	told := h.logs.String() + h.do(httptest.NewRequest(http.MethodGet, "/metrics", nil)).Body.String() + b.log.text()
	for _, secret := range []string{"ana@chat", "eve@chat", "omar", "a1.bad.example", "?k=1", "$r", "acct_", h.key} {
		if i := strings.Index(told, secret); i >= 0 {
			t.Errorf("%q is told: …%s…", secret, told[max(0, i-80):min(len(told), i+80)])
		}
	}
	if !strings.Contains(told, `vedette_intake_requests_total{door="report",status="200"}`) {
		t.Error("no metric of the door")
	}
}

func TestAReportFiledByThePeopleOfTheHouseGoesTheSameWay(t *testing.T) {
	h, b := reporting(t)
	h.sent(t, evil)
	body := reportOf("$r1", `"message":"m1"`, `"opened":`+evilLink, `"franking":`+frank(evilText, "ana", "omar", "m1"))
	f, err := h.File(t.Context(), "chat", "desk", []byte(body))
	if err != nil || f.ID != "$r1" || f.Grade != casefile.Franked || !f.New || len(f.Cases) != 1 || !strings.Contains(f.Why, "tag over the message is good") {
		t.Fatalf("File = %+v, %v", f, err)
	}
	if w := h.post("/v1/reports", body); w.Code != 200 {
		t.Fatalf("the same at the door: %d %s", w.Code, w.Body)
	}
	if f, err = h.File(t.Context(), "chat", "desk", []byte(body)); err != nil || f.New {
		t.Errorf("the same again = %+v, %v", f, err)
	}
	if r := b.report(t, h, "$r1"); r.ID != f.Event || !r.Recorded {
		t.Errorf("kept as %+v", r)
	}
	for _, tt := range []struct {
		name, body, field string
		kind              error
	}{
		{"an event that doesn't exist", reportOf("$r2", `"message":"m9"`), "message", vedette.ErrUnknown},
		{"a forged tag", reportOf("$r2", `"opened":{"text":"another"}`, `"franking":`+frank(evilText, "ana", "omar", "")), "franking.commitment", vedette.ErrInvalid},
		{"a known id with other bytes", reportOf("$r1", `"subject":"ana"`), "id", vedette.ErrConflict},
		{"a field of the wrong type", reportOf("$r2", `"subject":7`), "subject", vedette.ErrInvalid},
	} {
		_, err := h.File(t.Context(), "chat", "desk", []byte(tt.body))
		r, ok := errors.AsType[*Refusal](err)
		if !ok || r.Field != tt.field || !errors.Is(err, tt.kind) {
			t.Errorf("%s: %v, want %s and %v", tt.name, err, tt.field, tt.kind)
		}
	}
}
