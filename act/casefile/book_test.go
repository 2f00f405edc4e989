package casefile_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"vedette"
	"vedette/act/casefile"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/evidence"
	"vedette/record/indicator"
	"vedette/record/journal"
	"vedette/record/vault"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// log is an evidence log in memory that can be made to fail.
type log struct {
	mu      sync.Mutex
	records []evidence.Record
	fail    error
}

func (l *log) Append(_ context.Context, rs ...evidence.Record) ([]evidence.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return nil, l.fail
	}
	l.records = append(l.records, rs...)
	return make([]evidence.Receipt, len(rs)), nil
}

// kinds tells how many records of each kind there are, as text.
func (l *log) kinds() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := map[evidence.Kind]int{}
	for _, r := range l.records {
		n[r.Kind]++
	}
	return fmt.Sprint(n) // in order of the keys
}

// failing wraps a store, and makes Keep fail.
type failing struct {
	casefile.Store
	keep error
}

func (f *failing) Keep(ctx context.Context, c casefile.Change) error {
	if f.keep != nil {
		return f.keep
	}
	return f.Store.Keep(ctx, c)
}

type house struct {
	*casefile.Book
	store   *failing
	log     *log
	vault   *vault.Vault
	seal    *vault.Sealer
	reg     *authority.Register
	keys    map[authority.PersonID]ed25519.PrivateKey
	journal map[vedette.EventID]journal.Entry
	now     time.Time
}

func open(t testing.TB) *house {
	t.Helper()
	h := &house{
		store: &failing{Store: casefile.NewMemory()}, log: &log{}, keys: map[authority.PersonID]ed25519.PrivateKey{},
		journal: map[vedette.EventID]journal.Entry{}, now: start,
	}
	var err error
	if h.vault, err = vault.Open(vault.NewMemory(), vault.NewKeys([32]byte{1}, "a test")); err != nil {
		t.Fatal(err)
	}
	if h.seal, err = h.vault.Tenant("chat"); err != nil {
		t.Fatal(err)
	}
	h.reg = authority.NewRegister(new(authority.Memory))
	for _, id := range []authority.PersonID{"ana", "omar"} {
		pub, priv, err := authority.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.reg.Enrol(t.Context(), authority.Person{ID: id, Name: "Name", Role: authority.RoleAnalyst, Key: pub}, nil, start); err != nil {
			t.Fatal(err)
		}
		h.keys[id] = priv
	}
	h.Book, err = casefile.NewBook(h.store, casefile.Deps{
		Book: h.log, Boxers: func(t vedette.Tenant) (casefile.Boxer, error) { return h.vault.Tenant(t) }, Register: h.reg, Registerer: prometheus.NewRegistry(),
		Find: func(_ context.Context, _ vedette.Tenant, id vedette.EventID) (journal.Entry, error) {
			e, ok := h.journal[id]
			if !ok {
				return e, fmt.Errorf("journal: %w", vedette.ErrUnknown)
			}
			return e, nil
		},
		Now: func() time.Time { return h.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) approve(t testing.TB, act authority.Act, who authority.PersonID) []byte {
	t.Helper()
	a, err := authority.Approve(act, who, h.keys[who], h.now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// permit gives one in a case.
func (h *house) permit(t testing.TB, p authority.Purpose, matter string) authority.Permit {
	t.Helper()
	ask := authority.Ask{Purpose: p, Tenant: "chat", Case: matter, Until: h.now.Add(time.Hour)}
	act, err := ask.Act()
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.reg.Permit(t.Context(), ask, [][]byte{h.approve(t, act, "ana"), h.approve(t, act, "omar")}, h.now)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (h *house) link(t testing.TB, raw string) casefile.OpenLink {
	t.Helper()
	u, err := link.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	l := vedette.Link{Shape: u.Shape(), URL: h.seal.Token(vedette.TokenURL, u.Canonical(), start)}
	for _, n := range []struct {
		to   *vedette.Token
		kind vedette.TokenKind
		name string
	}{{&l.Domain, vedette.TokenDomain, u.Registrable()}, {&l.Host, vedette.TokenHost, u.Host()}, {&l.Tenant, vedette.TokenTenant, u.HostTenant()}} {
		if n.name != "" {
			*n.to = h.seal.Token(n.kind, n.name, start)
		}
	}
	return casefile.OpenLink{Tokens: l, URL: raw}
}

// report is one by an established reporter, franked.
func (h *house) report(t testing.TB, n int, urls ...string) casefile.Incoming {
	in := casefile.Incoming{Report: casefile.Report{
		ID: vedette.EventID{1, byte(n), byte(n >> 8)}, Tenant: "chat", Bytes: vedette.Digest{byte(n), byte(n >> 8)}, At: start, Taken: start.Add(time.Duration(n) * time.Second),
		Reporter: vedette.AccountID{2, byte(n), byte(n >> 8)}, Subject: vedette.AccountID{9}, Category: vedette.ReportSuspiciousLink,
		Grade: casefile.Franked, Why: "franked", Age: 100 * 24 * time.Hour,
	}, Content: []byte("opened")}
	for _, u := range urls {
		in.Sent = append(in.Sent, h.link(t, u))
	}
	return in
}

func (h *house) take(t testing.TB, in casefile.Incoming) casefile.Receipt {
	t.Helper()
	r, err := h.Take(t.Context(), in)
	if err != nil {
		t.Fatalf("Take: %v", err)
	}
	return r
}

func (h *house) get(t testing.TB, id casefile.ID) casefile.Whole {
	t.Helper()
	w, err := h.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

const bad = "https://a1.bad.example/x?k=1"

func TestAReportBecomesALeadAndPeopleMakeACaseOfIt(t *testing.T) {
	h := open(t)
	weak := h.report(t, 1, bad)
	weak.Grade = casefile.Claim
	id := h.take(t, weak).Cases[0]
	w := h.get(t, id)
	if w.State != casefile.Signal || w.Weight != 250 || w.Voices != 1 || w.Best != casefile.Claim || w.Display != "bad[.]example" || w.Kind != "domain" {
		t.Errorf("after a claim: %+v", w.Case)
	}
	if d := cmp.Diff([]casefile.Counted{{Host: "a1.bad.example", Display: "a1[.]bad[.]example", Reports: 1}}, w.Hosts); d != "" {
		t.Errorf("hosts:\n%s", d)
	}
	// Another link of the same domain meets it; a franked report makes a case of it.
	if got := h.take(t, h.report(t, 2, "https://b.bad.example/")).Cases[0]; got != id {
		t.Fatalf("a report of a sibling opened %s, want %s", got, id)
	}
	if w = h.get(t, id); w.State != casefile.Open || w.Weight != 1250 || len(w.Log) != 2 {
		t.Errorf("after a franked report: %+v", w)
	}
	h.now = start.Add(10 * time.Minute)
	c := casefile.Confirmation{Value: "a1[.]bad[.]example", Scope: indicator.ScopeHost}
	act, err := h.ConfirmAct(t.Context(), id, c)
	if err != nil || act.Kind() != "case.confirm" {
		t.Fatalf("ConfirmAct = %s, %v", act.Canonical(), err)
	}
	if _, err := h.Confirm(t.Context(), id, c); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("Confirm without a signature = %v", err)
	}
	signed := h.approve(t, act, "ana")
	if by, err := h.Confirm(t.Context(), id, c, signed); err != nil || len(by) != 1 || by[0] != "ana" {
		t.Fatalf("Confirm = %v, %v", by, err)
	}
	if _, err := h.Confirm(t.Context(), id, c, signed); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("the same signature a second time = %v", err)
	}
	for i, do := range []func(context.Context, casefile.ID, casefile.Note) error{h.Contain, h.Sweep, h.Close} {
		h.now = h.now.Add(time.Minute)
		if err := do(t.Context(), id, casefile.Note{By: "omar", Why: "done"}); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	got, err := h.Clock(t.Context(), id)
	want := casefile.Times{
		Reported: start.Add(time.Second), Confirmed: start.Add(10 * time.Minute), Blocked: start.Add(11 * time.Minute), Swept: start.Add(12 * time.Minute), Closed: start.Add(13 * time.Minute),
	}
	if err != nil || got != want {
		t.Errorf("Clock = %+v, %v; want %+v", got, err, want)
	}
	w = h.get(t, id)
	var path []casefile.State
	for i, s := range w.Log {
		path = append(path, s.State)
		if s.Number != i+1 || len(s.By) == 0 || s.Why == "" || s.At.IsZero() {
			t.Errorf("step %+v says not who, why or when", s)
		}
	}
	if want := []casefile.State{casefile.Signal, casefile.Open, casefile.Confirmed, casefile.Contained, casefile.Swept, casefile.Closed}; !slices.Equal(path, want) {
		t.Errorf("the log goes %v, want %v", path, want)
	}
	if s := w.Log[2]; s.Value != "a1.bad.example" || s.Scope != "host" || s.Act != act.Digest() || s.By[0] != "ana" {
		t.Errorf("the confirmation in the log: %+v", s)
	}
	if got := h.log.kinds(); got != "map[confirm:1 lead:5 report:2]" {
		t.Errorf("the evidence log has %s", got)
	}
}

func TestWhatCannotBeConfirmed(t *testing.T) {
	const shared = "https://docs.google.com/document/d/abc"
	tests := []struct {
		name  string
		url   string
		grade casefile.Grade
		c     casefile.Confirmation
		want  error
	}{
		{"a host that was reported and franked", bad, casefile.Franked, casefile.Confirmation{Value: "a1.bad.example", Scope: indicator.ScopeHost}, nil},
		{"its whole domain", bad, casefile.Franked, casefile.Confirmation{Value: "bad.example", Scope: indicator.ScopeDomain}, nil},
		{"the link alone, on a claim", bad, casefile.Claim, casefile.Confirmation{Value: bad, Scope: indicator.ScopeURL}, nil},
		{"the host on a claim", bad, casefile.Claim, casefile.Confirmation{Value: "a1.bad.example", Scope: indicator.ScopeHost}, vedette.ErrForbidden},
		{"the domain on a transcript", bad, casefile.Transcript, casefile.Confirmation{Value: "bad.example", Scope: indicator.ScopeDomain}, vedette.ErrForbidden},
		{"the host on a claim and a person's own source", bad, casefile.Claim, casefile.Confirmation{Value: "a1.bad.example", Scope: indicator.ScopeHost, Corroboration: "named by a partner on 2026-02-20"}, nil},
		{"another host", bad, casefile.Franked, casefile.Confirmation{Value: "news.example", Scope: indicator.ScopeHost}, vedette.ErrInvalid},
		{"no host", bad, casefile.Franked, casefile.Confirmation{Value: "", Scope: indicator.ScopeHost}, vedette.ErrInvalid},
		{"without a scope", bad, casefile.Franked, casefile.Confirmation{Value: "a1.bad.example"}, vedette.ErrInvalid},
		{"the host that serves many", shared, casefile.Franked, casefile.Confirmation{Value: "docs.google.com", Scope: indicator.ScopeHost, Corroboration: "so"}, vedette.ErrForbidden},
		{"the domain that serves many", shared, casefile.Franked, casefile.Confirmation{Value: "google.com", Scope: indicator.ScopeDomain, Corroboration: "so"}, vedette.ErrForbidden},
		{"the link on a host that serves many", shared, casefile.Franked, casefile.Confirmation{Value: shared, Scope: indicator.ScopeURL}, nil},
		{"another link on the host that serves many", shared, casefile.Franked, casefile.Confirmation{Value: "https://docs.google.com/forms/d/other", Scope: indicator.ScopeURL}, vedette.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := open(t)
			in := h.report(t, 1, tt.url)
			in.Grade = tt.grade
			id := h.take(t, in).Cases[0]
			act, err := h.ConfirmAct(t.Context(), id, tt.c)
			if err == nil {
				_, err = h.Confirm(t.Context(), id, tt.c, h.approve(t, act, "omar"))
			}
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("Confirm(%+v) = %v, want %v", tt.c, err, tt.want)
			}
			if w := h.get(t, id); (w.State == casefile.Confirmed) != (tt.want == nil) {
				t.Errorf("the case is %s", w.State)
			}
		})
	}
}

// TestNobodyIsHarmedByBeingReported: ten thousand claims against one account leave no row, no number and no state about it. They move
// no case further than to people, and what they do to a link is the same whomever they are about.
func TestNobodyIsHarmedByBeingReported(t *testing.T) {
	const n = 10_000
	victim := vedette.AccountID{0xEE, 0xEE, 0xEE}
	run := func(subject vedette.AccountID, urls ...string) *house {
		h := open(t)
		ins := make([]journal.Entry, n)
		for i := range ins {
			in := h.report(t, i+1, urls...)
			body := &vedette.UserReported{Subject: subject, Category: vedette.ReportAbuse}
			for _, s := range in.Sent {
				body.Links = append(body.Links, s.Tokens)
			}
			ins[i] = journal.Entry{Event: vedette.Event{
				Tenant: "chat", ID: in.ID, Bytes: in.Bytes, Actor: in.Reporter, At: start, Seen: start, Body: body,
			}}
		}
		for chunk := range slices.Chunk(ins, 1000) {
			if err := h.Follower().Follow(t.Context(), chunk); err != nil {
				t.Fatal(err)
			}
		}
		return h
	}
	all := func(h *house) []casefile.Case {
		cs, err := h.List(t.Context(), casefile.Filter{Limit: 1000, States: []casefile.State{casefile.Signal, casefile.Open, casefile.Confirmed, casefile.Contained, casefile.Swept, casefile.Closed}})
		if err != nil {
			t.Fatal(err)
		}
		return cs
	}
	// Claims about the person alone.
	h := run(victim)
	if cs := all(h); len(cs) != 0 {
		t.Errorf("%d claims against one account opened %d cases", n, len(cs))
	}
	// Claims about the person and a link: the case is the link's, and the same as if they had named nobody.
	about, nobody := run(victim, bad), run(vedette.AccountID{}, bad)
	got, want := all(about), all(nobody)
	if d := cmp.Diff(want, got); d != "" || len(got) != 1 {
		t.Errorf("whom %d claims are about changes %d cases:\n%s", n, len(got), d)
	}
	if got[0].State != casefile.Open || got[0].Best != casefile.Claim {
		t.Errorf("claims alone led to %s, %s", got[0].State, got[0].Best)
	}
	// Nothing that is written names the account.
	for _, h := range []*house{h, about} {
		for _, r := range h.log.records {
			for _, f := range r.Fields {
				if bytes.Contains(f.Value, victim[:]) || strings.Contains(string(f.Value), victim.String()) {
					t.Fatalf("the evidence log names the account in %s.%s", r.Kind, f.Name)
				}
			}
		}
	}
	b, err := json.Marshal([]any{got, about.get(t, got[0].ID)})
	if err != nil || strings.Contains(string(b), "acct_") {
		t.Errorf("a list or a case names accounts, %v", err)
	}
}

// TestNoAccountInAList holds the types themselves: no field that a list or a case shows can hold a person.
func TestNoAccountInAList(t *testing.T) {
	var walk func(reflect.Type, string)
	walk = func(ty reflect.Type, at string) {
		switch ty {
		case reflect.TypeFor[vedette.AccountID](), reflect.TypeFor[vedette.GroupID](), reflect.TypeFor[vedette.EventID](), reflect.TypeFor[casefile.Report]():
			t.Errorf("%s can hold a person", at)
		}
		switch ty.Kind() {
		case reflect.Struct:
			for i := range ty.NumField() {
				if f := ty.Field(i); f.Type != reflect.TypeFor[time.Time]() {
					walk(f.Type, at+"."+f.Name)
				}
			}
		case reflect.Slice, reflect.Array, reflect.Pointer:
			walk(ty.Elem(), at)
		}
	}
	for _, v := range []any{casefile.Case{}, casefile.Whole{}, casefile.Shared{}, casefile.Times{}, casefile.Status{}} {
		walk(reflect.TypeOf(v), reflect.TypeOf(v).Name())
	}
}

func TestWhoCounts(t *testing.T) {
	day := 24 * time.Hour
	tests := []struct {
		name   string
		change []func(*casefile.Incoming) // one for each report
		want   casefile.Voices
		voices int
		state  casefile.State
	}{
		{"one established reporter with proof", []func(*casefile.Incoming){func(*casefile.Incoming) {}}, 1000, 1, casefile.Open},
		{"the same reporter ten times", slices.Repeat([]func(*casefile.Incoming){func(in *casefile.Incoming) { in.Reporter = vedette.AccountID{7} }}, 10), 1000, 1, casefile.Open},
		{"first a claim, then with proof", []func(*casefile.Incoming){
			func(in *casefile.Incoming) { in.Reporter = vedette.AccountID{7}; in.Grade = casefile.Claim },
			func(in *casefile.Incoming) { in.Reporter = vedette.AccountID{7} },
		}, 1000, 1, casefile.Open},
		{"ten accounts that hang together", slices.Repeat([]func(*casefile.Incoming){func(in *casefile.Incoming) { in.Component = 5 }}, 10), 1000, 1, casefile.Open},
		{"nineteen accounts of today, with proof", slices.Repeat([]func(*casefile.Incoming){func(in *casefile.Incoming) { in.Age = time.Hour }}, 19), 950, 19, casefile.Signal},
		{"an account of which nothing is known", []func(*casefile.Incoming){func(in *casefile.Incoming) { in.Age = -1 }}, 200, 1, casefile.Signal},
		{"accounts of three and of twenty days", []func(*casefile.Incoming){func(in *casefile.Incoming) { in.Age = 3 * day }, func(in *casefile.Incoming) { in.Age = 20 * day }}, 700, 2, casefile.Signal},
		{"two claims of what the journal has", slices.Repeat([]func(*casefile.Incoming){func(in *casefile.Incoming) { in.Grade, in.Recorded = casefile.Claim, true }}, 2), 1500, 2, casefile.Open},
		{"three plain claims", slices.Repeat([]func(*casefile.Incoming){func(in *casefile.Incoming) { in.Grade = casefile.Claim }}, 3), 750, 3, casefile.Signal},
		{"somebody who reports oneself", []func(*casefile.Incoming){func(in *casefile.Incoming) { in.Subject = in.Reporter }}, 0, 0, casefile.Signal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := open(t)
			var id casefile.ID
			for i, change := range tt.change {
				in := h.report(t, i+1, bad)
				change(&in)
				id = h.take(t, in).Cases[0]
			}
			if w := h.get(t, id); w.Weight != tt.want || w.Voices != tt.voices || w.State != tt.state || w.Reports != len(tt.change) {
				t.Errorf("weight %d by %d in %d reports, %s; want %d by %d in %d, %s", w.Weight, w.Voices, w.Reports, w.State, tt.want, tt.voices, len(tt.change), tt.state)
			}
		})
	}
}

func TestTakingAReportAgain(t *testing.T) {
	h := open(t)
	in := h.report(t, 1, bad)
	first := h.take(t, in)
	before := h.log.kinds()
	again := h.take(t, in)
	if !first.New || again.New || !slices.Equal(first.Cases, again.Cases) || h.log.kinds() != before {
		t.Errorf("Take = %+v, then %+v, log %s", first, again, h.log.kinds())
	}
	weaker := in
	weaker.Grade = casefile.Claim
	if r := h.take(t, weaker); r.New || r.Grade != casefile.Franked {
		t.Errorf("a weaker form of the same = %+v", r)
	}
	other := in
	other.Bytes[0]++
	if _, err := h.Take(t.Context(), other); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("the same id with other bytes = %v", err)
	}
	if w := h.get(t, first.Cases[0]); w.Reports != 1 || w.Weight != 1000 {
		t.Errorf("one report, sent four times: %+v", w.Case)
	}

	// The follower comes first, the opened form after it.
	h = open(t)
	in = h.report(t, 1, bad)
	e := journal.Entry{Event: vedette.Event{
		Tenant: "chat", ID: in.ID, Bytes: in.Bytes, Actor: in.Reporter, At: in.At, Seen: in.Taken,
		Body: &vedette.UserReported{Subject: in.Subject, Links: []vedette.Link{in.Sent[0].Tokens}},
	}}
	for range 2 {
		if err := h.Follower().Follow(t.Context(), []journal.Entry{e}); err != nil {
			t.Fatal(err)
		}
	}
	id := first.Cases[0]
	if w := h.get(t, id); w.Reports != 1 || w.Best != casefile.Claim || w.Display != "" {
		t.Errorf("as a claim: %+v", w.Case)
	}
	if r := h.take(t, in); !r.New {
		t.Errorf("the opened form is not taken: %+v", r)
	}
	w := h.get(t, id)
	if w.Reports != 1 || w.Voices != 1 || w.Best != casefile.Franked || w.Weight != 1000 || w.Display != "bad[.]example" {
		t.Errorf("as opened: %+v", w.Case)
	}
	if err := h.Follower().Follow(t.Context(), []journal.Entry{e}); err != nil || cmp.Diff(w, h.get(t, id)) != "" {
		t.Errorf("the follower, once more, changes it: %v", err)
	}

	// The same where the opened form proves no more than the claim: it is not lost.
	h = open(t)
	in = h.report(t, 1, bad)
	in.Grade = casefile.Claim
	if err := h.Follower().Follow(t.Context(), []journal.Entry{e}); err != nil {
		t.Fatal(err)
	}
	if r := h.take(t, in); !r.New || h.take(t, in).New {
		t.Errorf("an opened claim after the journal's = %+v", r)
	}
	if w := h.get(t, id); w.Reports != 1 || w.Voices != 1 || w.Weight != 250 || w.Display != "bad[.]example" || len(w.Hosts) != 1 {
		t.Errorf("as an opened claim: %+v", w)
	}
	// What a person had erased does not come back with the report.
	if _, err := h.store.Erase(t.Context(), "chat", in.Reporter); err != nil {
		t.Fatal(err)
	}
	if r := h.take(t, in); r.New {
		t.Errorf("after erasing, the same report = %+v", r)
	}
}

func TestAClaimThatNamesAMessageTakesItsLinks(t *testing.T) {
	h := open(t)
	l := h.link(t, bad)
	sender := vedette.AccountID{9}
	h.journal[vedette.EventID{5}] = journal.Entry{Event: vedette.Event{Tenant: "chat", Actor: sender, Body: &vedette.LinkSent{Links: []vedette.Link{l.Tokens}}}}
	var m vedette.Measures
	m.Set(vedette.MeasureAccountAge, int64(40*24*3600))
	claim := func(n byte, body *vedette.UserReported) journal.Entry {
		return journal.Entry{Measures: []vedette.Measures{m}, Event: vedette.Event{
			Tenant: "chat", ID: vedette.EventID{n}, Bytes: vedette.Digest{n}, Actor: vedette.AccountID{100, n}, At: start, Seen: start, Body: body,
		}}
	}
	other := h.link(t, "https://other.example/")
	if err := h.Follower().Follow(t.Context(), []journal.Entry{
		claim(1, &vedette.UserReported{Message: vedette.EventID{5}}),
		claim(2, &vedette.UserReported{Message: vedette.EventID{5}, Subject: vedette.AccountID{8}}), // another sender
		claim(3, &vedette.UserReported{Message: vedette.EventID{5}, Links: []vedette.Link{other.Tokens}}),
		claim(4, &vedette.UserReported{Message: vedette.EventID{6}, Subject: sender}), // no such message
		{Event: vedette.Event{Tenant: "chat", Body: &vedette.AccountSeen{}}},
	}); err != nil {
		t.Fatal(err)
	}
	if w := h.get(t, casefile.About("chat", l.Tokens.Domain)); w.Weight != 750+250 || w.Reports != 2 {
		t.Errorf("the message's link: %+v; want one that the journal has, and one that it has not", w.Case)
	}
	if w := h.get(t, casefile.About("chat", other.Tokens.Domain)); w.Weight != 250 {
		t.Errorf("a link that the message did not carry: %+v; want a plain claim", w.Case)
	}
	r, err := h.store.Report(t.Context(), "chat", vedette.EventID{1})
	if err != nil || r.Subject != sender || !r.Recorded || r.Age != 40*24*time.Hour {
		t.Errorf("the report: %+v, %v", r, err)
	}
}

// TestWhoWasNotSentAMessageProvesNothingByNamingIt: an id is easily passed on, and who sent the message counts against oneself whomever the report names.
func TestWhoWasNotSentAMessageProvesNothingByNamingIt(t *testing.T) {
	h := open(t)
	l := h.link(t, bad)
	sender, reader := vedette.AccountID{9}, vedette.AccountID{100, 1}
	h.journal[vedette.EventID{5}] = journal.Entry{Event: vedette.Event{Tenant: "chat", Actor: sender, Body: &vedette.LinkSent{
		To: vedette.Recipient{Account: reader}, Links: []vedette.Link{l.Tokens},
	}}}
	var m vedette.Measures
	m.Set(vedette.MeasureAccountAge, int64(40*24*3600))
	id := casefile.About("chat", l.Tokens.Domain)
	for n, tt := range []struct {
		name string
		by   vedette.AccountID
		body vedette.UserReported
		want casefile.Voices // of the case, with those before
	}{
		{"somebody else, who was told the id", vedette.AccountID{100, 2}, vedette.UserReported{}, 250},
		{"the sender", sender, vedette.UserReported{}, 250},
		{"the sender, who names somebody else", sender, vedette.UserReported{Subject: vedette.AccountID{8}}, 250},
		{"who got it", reader, vedette.UserReported{}, 1000},
	} {
		body := tt.body
		body.Message = vedette.EventID{5}
		if err := h.Follower().Follow(t.Context(), []journal.Entry{{Measures: []vedette.Measures{m}, Event: vedette.Event{
			Tenant: "chat", ID: vedette.EventID{20, byte(n)}, Bytes: vedette.Digest{byte(n)}, Actor: tt.by, At: start, Seen: start, Body: &body,
		}}}); err != nil {
			t.Fatal(err)
		}
		if w := h.get(t, id); w.Weight != tt.want {
			t.Errorf("%s: the case weighs %d, want %d", tt.name, w.Weight, tt.want)
		}
	}
}

// TestTwoNamesThatMeetInOneCaseStopNobody: a client of tier 1 chooses its tokens, and a case is named by 64 bits of a digest without a key, so that two
// tokens of one name are some hours' work. The second is refused as its own fault; the follower goes on.
func TestTwoNamesThatMeetInOneCaseStopNobody(t *testing.T) {
	h := open(t)
	chosen := vedette.Token{Kind: vedette.TokenDomain, Bytes: [16]byte{1}}
	id := casefile.About("chat", chosen)
	if err := h.store.Keep(t.Context(), casefile.Change{Cases: []casefile.Case{
		{ID: id, Tenant: "chat", About: vedette.Token{Kind: vedette.TokenDomain, Bytes: [16]byte{2}}, State: casefile.Signal, Version: 1},
	}}); err != nil {
		t.Fatal(err)
	}
	claim := func(n byte, l vedette.Link) journal.Entry {
		return journal.Entry{Event: vedette.Event{
			Tenant: "chat", ID: vedette.EventID{n}, Bytes: vedette.Digest{n}, Actor: vedette.AccountID{100, n}, At: start, Seen: start,
			Body: &vedette.UserReported{Subject: vedette.AccountID{9}, Links: []vedette.Link{l}},
		}}
	}
	good := h.link(t, bad).Tokens
	if err := h.Follower().Follow(t.Context(), []journal.Entry{claim(1, vedette.Link{Domain: chosen}), claim(2, good)}); err != nil {
		t.Fatalf("the follower stops for ever: %v", err)
	}
	h.get(t, casefile.About("chat", good.Domain))
	if _, err := h.Take(t.Context(), casefile.Incoming{Report: casefile.Report{
		ID: vedette.EventID{3}, Tenant: "chat", Reporter: vedette.AccountID{7}, Grade: casefile.Claim, At: start, Taken: start,
	}, Sent: []casefile.OpenLink{{Tokens: vedette.Link{Domain: chosen}}}}); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Take: %v, want the caller's own fault", err)
	}
}

func TestNothingIsKeptThatTheLogHasNot(t *testing.T) {
	h := open(t)
	in := h.report(t, 1, bad)
	id := casefile.About("chat", in.Sent[0].Tokens.Domain)
	h.log.fail = fmt.Errorf("evidence: %w", vedette.ErrUnavailable)
	if _, err := h.Take(t.Context(), in); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Take without a log = %v", err)
	}
	if _, err := h.Get(t.Context(), id); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("a case without a record: %v", err)
	}
	if err := h.Refuse(t.Context(), "chat", in.ID, "forged"); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Refuse without a log = %v", err)
	}
	h.log.fail = nil
	h.store.keep = fmt.Errorf("disk: %w", vedette.ErrUnavailable)
	if _, err := h.Take(t.Context(), in); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Take without a store = %v", err)
	}
	h.store.keep = nil
	if r := h.take(t, in); !r.New {
		t.Error("sent again after a failure, it is not new")
	}
	before := h.get(t, id)
	h.log.fail = fmt.Errorf("evidence: %w", vedette.ErrUnavailable)
	n := casefile.Note{By: "ana", Why: "so"}
	c := casefile.Confirmation{Value: bad, Scope: indicator.ScopeURL}
	act, err := h.ConfirmAct(t.Context(), id, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Confirm(t.Context(), id, c, h.approve(t, act, "ana")); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Confirm without a log = %v", err)
	}
	if err := h.Close(t.Context(), id, n); !errors.Is(err, vedette.ErrUnavailable) || cmp.Diff(before, h.get(t, id)) != "" {
		t.Errorf("Close without a log = %v", err)
	}
	if _, err := h.Reports(t.Context(), h.permit(t, authority.PurposeProtect, string(id)), id, 0, 9); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Reports without a log = %v", err)
	}
}

func TestTheOpenedMessageIsForItsCaseAlone(t *testing.T) {
	h := open(t)
	in := h.report(t, 1, bad, "https://other.example/")
	ids := h.take(t, in).Cases
	if len(ids) != 2 {
		t.Fatalf("cases %v, want two", ids)
	}
	if _, err := h.Reports(t.Context(), authority.Permit{}, ids[0], 0, 9); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("Reports without a permit = %v", err)
	}
	for _, wrong := range []string{string(ids[1]), "case-1"} {
		if _, err := h.Reports(t.Context(), h.permit(t, authority.PurposeProtect, wrong), ids[0], 0, 9); !errors.Is(err, vedette.ErrForbidden) {
			t.Errorf("Reports with a permit for %s = %v", wrong, err)
		}
	}
	p := h.permit(t, authority.PurposeProtect, string(ids[0]))
	h.now = h.now.Add(2 * time.Hour)
	if _, err := h.Reports(t.Context(), p, ids[0], 0, 9); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("Reports with a permit that has ended = %v", err)
	}
	h.now = start
	rs, err := h.Reports(t.Context(), p, ids[0], 0, 9)
	if err != nil || len(rs) != 1 || rs[0].Reporter != in.Reporter || rs[0].Case != ids[0] {
		t.Fatalf("Reports = %+v, %v", rs, err)
	}
	if got := h.log.kinds(); got != "map[asked:5 lead:4 report:1]" {
		t.Errorf("the log has %s; want each question, given or not", got)
	}
	if bytes.Contains(rs[0].Opened, in.Content) || bytes.Contains(rs[0].Links[0].URL, []byte("k=1")) {
		t.Error("what was opened lies in clear")
	}
	unbox := func(p authority.Permit, id casefile.ID, what string, box []byte) (string, error) {
		v, err := vault.Open(vault.NewMemory(), vault.NewKeys([32]byte{1}, "a test"), vault.WithRecorder(new(authority.Memory)), vault.WithClock(func() time.Time { return h.now }))
		if err != nil {
			t.Fatal(err)
		}
		b, err := v.Unbox(t.Context(), p, "chat", string(id), what, box)
		return string(b), err
	}
	live := h.permit(t, authority.PurposeProtect, string(ids[0]))
	if s, err := unbox(live, ids[0], casefile.OpenedBox(in.ID), rs[0].Opened); err != nil || s != "opened" {
		t.Errorf("Unbox = %q, %v", s, err)
	}
	if s, err := unbox(live, ids[0], casefile.LinkBox(in.ID, 0), rs[0].Links[0].URL); err != nil || s != bad {
		t.Errorf("Unbox of the link = %q, %v", s, err)
	}
	if _, err := unbox(live, ids[0], casefile.LinkBox(in.ID, 1), rs[0].Links[1].URL); err == nil {
		t.Error("one case's permit opens another case's link")
	}

	// Without a link there is no case, and nobody who could be allowed to read it.
	bare := h.report(t, 2)
	if r := h.take(t, bare); len(r.Cases) != 0 {
		t.Errorf("a report without a link opened %v", r.Cases)
	}
	if r, err := h.store.Report(t.Context(), "chat", bare.ID); err != nil || r.Opened != nil || r.Case != "" {
		t.Errorf("a report without a link keeps what was opened: %+v, %v", r, err)
	}
}

func TestOnlyWhoAgreedIsShared(t *testing.T) {
	h := open(t)
	var id casefile.ID
	for n := range 12 {
		in := h.report(t, n+1, bad, "https://docs.google.com/document/d/abc")
		in.Share = n >= 1
		if n == 3 {
			in.Sent = append(in.Sent, h.link(t, "https://c.bad.example/"))
		}
		if n == 0 {
			in.Sent = append(in.Sent, h.link(t, "https://secret.bad.example/"))
		}
		id = h.take(t, in).Cases[0]
		if n == 0 {
			if _, err := h.Shareable(t.Context(), id); !errors.Is(err, vedette.ErrForbidden) {
				t.Errorf("Shareable before anybody agreed = %v", err)
			}
		}
	}
	got, err := h.Shareable(t.Context(), id)
	want := casefile.Shared{
		Case: id, State: casefile.Open, Reports: 11, From: "2026-03-01", To: "2026-03-01",
		Links: []casefile.SharedLink{{Display: "a1[.]bad[.]example", Reports: 11}, {Display: "c[.]bad[.]example"}},
	}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("Shareable, %v:\n%s", err, d)
	}
	// A document on a host of many may have been made for one person: it is told when many had it, the host never.
	doc := h.link(t, "https://docs.google.com/document/d/abc").Tokens
	got, err = h.Shareable(t.Context(), casefile.About("chat", casefile.Unit(&doc)))
	if d := cmp.Diff([]casefile.SharedLink{{Display: "docs[.]google[.]com/abc", Reports: 11}}, got.Links); err != nil || d != "" {
		t.Errorf("Shareable of a document that many had, %v:\n%s", err, d)
	}
	in := h.report(t, 99, "https://docs.google.com/document/d/one")
	in.Share = true
	if got, err = h.Shareable(t.Context(), h.take(t, in).Cases[0]); err != nil || len(got.Links) != 0 || got.Reports != 0 {
		t.Errorf("Shareable of a document that one had = %+v, %v", got, err)
	}
}

func TestAClosedCaseComesBackByNewVoicesAlone(t *testing.T) {
	h := open(t)
	id := h.take(t, h.report(t, 1, bad)).Cases[0]
	if err := h.Close(t.Context(), id, casefile.Note{By: "ana", Why: "a newsletter"}); err != nil {
		t.Fatal(err)
	}
	again := h.report(t, 2, bad)
	again.Reporter = h.report(t, 1).Reporter
	h.take(t, again)
	young := h.report(t, 3, bad)
	young.Age = 0
	h.take(t, young)
	if w := h.get(t, id); w.State != casefile.Closed {
		t.Errorf("by the same voice and a young one: %s", w.State)
	}
	h.take(t, h.report(t, 4, bad))
	if w := h.get(t, id); w.State != casefile.Signal || w.Reports != 4 {
		t.Errorf("by an established one: %+v", w.Case)
	}
}

func TestStepsHaveTheirOrder(t *testing.T) {
	h := open(t)
	in := h.report(t, 1, bad)
	in.Grade = casefile.Claim
	id := h.take(t, in).Cases[0]
	n := casefile.Note{By: "ana", Why: "so"}
	for name, err := range map[string]error{
		"contained before confirmed": h.Contain(t.Context(), id, n), "swept before contained": h.Sweep(t.Context(), id, n),
	} {
		if !errors.Is(err, vedette.ErrConflict) {
			t.Errorf("%s: %v, want conflict", name, err)
		}
	}
	for name, n := range map[string]casefile.Note{
		"nobody": {Why: "so"}, "no reason": {By: "ana", Why: " "}, "the house": {By: "vedette", Why: "so"}, "a novel": {By: "ana", Why: strings.Repeat("x", 3000)},
	} {
		if err := h.Close(t.Context(), id, n); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("closed by %s: %v, want invalid", name, err)
		}
	}
	if err := h.Close(t.Context(), "case_0000000000000", n); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("Close of no case = %v", err)
	}
	if err := h.TakeUp(t.Context(), id, n); err != nil || h.get(t, id).State != casefile.Open {
		t.Errorf("TakeUp = %v", err)
	}
	if err := errors.Join(h.Close(t.Context(), id, n)); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(t.Context(), id, n); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := h.Confirm(t.Context(), id, casefile.Confirmation{Value: bad, Scope: indicator.ScopeURL}); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("confirmed after it was closed: %v", err)
	}
}

func TestAFindingIsALeadWithoutAccounts(t *testing.T) {
	h := open(t)
	l := h.link(t, bad).Tokens
	f := vedette.Finding{
		ID: vedette.Digest{1}, Detector: "rehearsal", Subjects: []vedette.AccountID{{0xEE, 1}}, Links: []vedette.Token{{}, l.Domain}, Score: 23_500,
		From: start, To: start.Add(time.Hour), Basis: []vedette.EventID{{0xEE, 2}}, Reasons: []vedette.Reason{{Text: "Four new accounts tried one link on one another."}},
	}
	id, err := h.FromFinding(t.Context(), "chat", f)
	if err != nil || id != casefile.About("chat", l.Domain) {
		t.Fatalf("FromFinding = %s, %v", id, err)
	}
	if again, err := h.FromFinding(t.Context(), "chat", f); err != nil || again != id {
		t.Errorf("FromFinding again = %s, %v", again, err)
	}
	f.ID, f.Score = vedette.Digest{2}, 90_000
	if _, err := h.FromFinding(t.Context(), "chat", f); err != nil {
		t.Fatal(err)
	}
	w := h.get(t, id)
	if w.State != casefile.Signal || w.Findings != 2 || w.Score != 90_000 || w.Weight != 0 || len(w.Log) != 2 {
		t.Errorf("after two findings: %+v; a score moves nothing on", w)
	}
	if s := fmt.Sprintf("%x %+v", h.log.records, w); strings.Contains(s, "ee01") || strings.Contains(s, f.Subjects[0].String()) || strings.Contains(s, "ee02") {
		t.Error("the finding's accounts or events are kept")
	}
	h.take(t, h.report(t, 1, bad)) // reports meet it
	if w := h.get(t, id); w.State != casefile.Open || w.Reports != 1 || w.Display != "bad[.]example" {
		t.Errorf("after a report: %+v", w.Case)
	}
	f = vedette.Finding{ID: vedette.Digest{3}, Detector: "rehearsal"}
	lone, err := h.FromFinding(t.Context(), "chat", f)
	if err != nil || h.get(t, lone).Kind != "finding" {
		t.Errorf("a finding without a link: %s, %v", lone, err)
	}
	if _, err := h.FromFinding(t.Context(), "", f); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("a finding of no tenant: %v", err)
	}
}

func TestErasingNeedsAPermitToErase(t *testing.T) {
	h := open(t)
	in := h.report(t, 1, bad)
	h.take(t, in)
	for _, p := range []authority.Permit{{}, h.permit(t, authority.PurposeProtect, "case-1")} {
		if _, err := h.Erase(t.Context(), p, "chat", in.Reporter); !errors.Is(err, vedette.ErrForbidden) {
			t.Errorf("Erase without a permit to = %v", err)
		}
	}
	if n, err := h.Erase(t.Context(), h.permit(t, authority.PurposeErase, "case-1"), "chat", in.Reporter); err != nil || n != 1 {
		t.Errorf("Erase = %d, %v", n, err)
	}
	if r, err := h.store.Report(t.Context(), "chat", in.ID); err != nil || !r.Reporter.IsZero() || r.Opened != nil {
		t.Errorf("after Erase: %+v, %v", r, err)
	}
	if r := h.take(t, in); r.New { // the platform sends it again
		t.Error("an erased report came back")
	}
}

func TestManyAtOnceLoseNothing(t *testing.T) {
	h := open(t)
	var wg sync.WaitGroup
	for n := range 64 {
		wg.Go(func() {
			for range 2 {
				if _, err := h.Take(t.Context(), h.report(t, n+1, bad)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	l := h.link(t, bad).Tokens
	if w := h.get(t, casefile.About("chat", l.Domain)); w.Reports != 64 || w.Voices != 64 || w.Weight != 64_000 || w.Steps != 2 {
		t.Errorf("64 reports at once, twice: %+v", w.Case)
	}
}

// In whatever order reports come, and however often, a case is the same in the end; and one more reporter never makes it lighter.
func TestTheOrderOfReportsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ins := make([]casefile.Incoming, rapid.IntRange(1, 8).Draw(rt, "n"))
		for i := range ins {
			in := open(t).report(t, i+1, bad)
			in.Reporter = vedette.AccountID{byte(rapid.IntRange(1, 4).Draw(rt, "reporter"))}
			in.Subject = vedette.AccountID{byte(rapid.IntRange(0, 9).Draw(rt, "subject"))}
			in.Grade = casefile.Grade(rapid.IntRange(1, 4).Draw(rt, "grade"))
			in.Age = time.Duration(rapid.IntRange(-1, 40).Draw(rt, "age")) * 24 * time.Hour
			in.Component = rapid.Uint64Range(0, 2).Draw(rt, "component")
			ins[i] = in
		}
		run := func(ins []casefile.Incoming) casefile.Case {
			h := open(t)
			var w casefile.Voices
			var id casefile.ID
			for _, in := range ins {
				id = h.take(t, in).Cases[0]
				if got := h.get(t, id).Weight; got < w {
					rt.Fatalf("a report made the case lighter: %d after %d", got, w)
				} else {
					w = got
				}
			}
			c := h.get(t, id).Case
			c.Opened, c.Changed, c.Version = time.Time{}, time.Time{}, 0 // of the first to come
			return c
		}
		want := run(ins)
		mixed := rapid.Permutation(append(slices.Clone(ins), ins[0])).Draw(rt, "order")
		if d := cmp.Diff(want, run(mixed)); d != "" {
			rt.Errorf("another order gives another case:\n%s", d)
		}
	})
}

func TestNamesAndWords(t *testing.T) {
	for g := casefile.Claim; g <= casefile.Franked; g++ {
		if got, err := casefile.ParseGrade(g.String()); err != nil || got != g {
			t.Errorf("ParseGrade(%s) = %s, %v", g, got, err)
		}
	}
	for _, s := range []string{"", "Claim", "case"} {
		if _, err := casefile.ParseGrade(s); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("ParseGrade(%q) = %v", s, err)
		}
	}
	if _, err := casefile.ParseState("violated"); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("ParseState(violated) = %v", err)
	}
	id := casefile.About("chat", vedette.Token{Kind: vedette.TokenDomain, Epoch: 1})
	if len(id) != len("case_")+13 {
		t.Errorf("a case is called %s", id)
	}
	if got, err := casefile.ParseID(string(id)); err != nil || got != id {
		t.Errorf("ParseID(%s) = %s, %v", id, got, err)
	}
	for _, s := range []string{"", "case_", "case_1", string(id) + "0", strings.ToUpper(string(id)), "acct_" + string(id[5:])} {
		if _, err := casefile.ParseID(s); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("ParseID(%q) = %v", s, err)
		}
	}
	if casefile.About("rival", vedette.Token{Kind: vedette.TokenDomain, Epoch: 1}) == id {
		t.Error("two tenants have one case")
	}
}

func BenchmarkTake(b *testing.B) {
	h := open(b)
	in := h.report(b, 1, bad)
	n := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		n++
		in.ID, in.Reporter = vedette.EventID{7, byte(n), byte(n >> 8), byte(n >> 16)}, vedette.AccountID{7, byte(n), byte(n >> 8), byte(n >> 16)}
		if _, err := h.Take(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}
