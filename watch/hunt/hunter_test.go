package hunt_test

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
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/authority"
	"vedette/record/evidence"
	"vedette/record/indicator"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

// book keeps records, or refuses to.
type book struct {
	records []evidence.Record
	deny    error
}

func (b *book) Append(_ context.Context, records ...evidence.Record) ([]evidence.Receipt, error) {
	if b.deny != nil {
		return nil, b.deny
	}
	b.records = append(b.records, records...)
	return make([]evidence.Receipt, len(records)), nil
}

func (b *book) last() map[string]string {
	out := map[string]string{}
	if len(b.records) > 0 {
		for _, f := range b.records[len(b.records)-1].Fields {
			out[f.Name] = string(f.Value)
		}
	}
	return out
}

// watched is a history that tells whether it was read.
type watched struct {
	hunt.History
	reads  int
	before func()
}

func (w *watched) Find(ctx context.Context, units []hunt.Key, in hunt.Window, yield func(int, *hunt.Sighting) bool) ([]hunt.Damage, error) {
	w.reads++
	if w.before != nil {
		w.before()
	}
	return w.History.Find(ctx, units, in, yield)
}

// room is a hunter with everything around it.
type room struct {
	*hunt.Hunter
	history  *watched
	ledger   hunt.Ledger
	book     *book
	findings []vedette.Finding
	now      time.Time
	rows     []hunt.Sighting
	keys     map[authority.PersonID]ed25519.PrivateKey
	register *authority.Register
}

func newRoom(t testing.TB, config hunt.Config) *room {
	t.Helper()
	r := &room{
		history: &watched{History: hunt.NewMemory()}, ledger: hunt.NewLedger(), book: &book{}, now: noon.Add(24 * time.Hour),
		keys: map[authority.PersonID]ed25519.PrivateKey{}, register: authority.NewRegister(new(authority.Memory)),
	}
	r.open(t, config)
	for _, id := range []authority.PersonID{"ana", "omar"} {
		pub, priv, err := authority.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		r.keys[id] = priv
		if _, err := r.register.Enrol(t.Context(), authority.Person{ID: id, Name: "A Person", Role: authority.RoleAnalyst, Key: pub}, nil, noon); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// open makes the hunter, as a restart does.
func (r *room) open(t testing.TB, config hunt.Config) {
	t.Helper()
	guard := indicator.NewGuard()
	h, err := hunt.New(config, hunt.Deps{
		History: r.history, Guard: func() *indicator.Guard { return guard }, Ledger: r.ledger, Book: r.book, Now: func() time.Time { return r.now },
		Tokens: func(t vedette.Tenant) (hunt.Tokens, error) {
			if t != "chat-example" {
				return nil, vedette.ErrUnknown
			}
			return tokens{}, nil
		},
		Report: func(_ context.Context, f vedette.Finding) error { r.findings = append(r.findings, f); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Hunter = h
}

// seen adds one sighting and returns it.
func (r *room) seen(t testing.TB, at time.Time, act hunt.Act, from, to int, raw string, change ...func(*hunt.Sighting)) hunt.Sighting {
	t.Helper()
	l := linkAt(t, raw, at)
	s := hunt.Sighting{
		At: at, Act: act, Domain: hunt.KeyOf(l.Domain), Host: hunt.KeyOf(l.Host), Tenant: hunt.KeyOf(l.Tenant), URL: hunt.KeyOf(l.URL), Shape: l.Shape,
		From: account(from), Position: journal.Position{Frame: uint64(len(r.rows) + 1)},
	}
	if to != 0 {
		s.To = account(to)
	}
	for _, c := range change {
		c(&s)
	}
	if err := r.history.Add(t.Context(), []hunt.Sighting{s}, s.Position); err != nil {
		t.Fatal(err)
	}
	r.rows = append(r.rows, s)
	return s
}

func name(t testing.TB, value string, scope indicator.Scope) hunt.Name {
	t.Helper()
	n, err := hunt.NameOf(value, scope)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func question(t testing.TB, w hunt.Window, values ...string) hunt.Question {
	q := hunt.Question{Tenant: "chat-example", Window: w}
	for _, v := range values {
		q.Names = append(q.Names, name(t, v, 0))
	}
	return q
}

// permit gets a permit as people do.
func (r *room) permit(t testing.TB, purpose authority.Purpose, tenant vedette.Tenant, about vedette.Digest, by ...authority.PersonID) authority.Permit {
	t.Helper()
	ask := authority.Ask{Purpose: purpose, Tenant: tenant, Case: "case-1", Until: r.now.Add(time.Hour).Truncate(time.Second), About: about}
	act, err := ask.Act()
	if err != nil {
		t.Fatal(err)
	}
	var approvals [][]byte
	for _, id := range by {
		a, err := authority.Approve(act, id, r.keys[id], r.now)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		approvals = append(approvals, b)
	}
	p, err := r.register.Permit(t.Context(), ask, approvals, r.now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (r *room) ask(t testing.TB, q hunt.Question) hunt.Answer {
	t.Helper()
	r.now = r.now.Add(time.Hour) // out of every burst
	a, err := r.Ask(t.Context(), q, "ana", nil)
	if err != nil {
		t.Fatalf("Ask: %v", err)
	}
	return a
}

func TestNamesAreReadAsTheyAreMeant(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want hunt.Name
	}{
		{"evil.example", hunt.Name{Value: "evil.example", Scope: indicator.ScopeDomain}},
		{" EVIL.example. ", hunt.Name{Value: "evil.example", Scope: indicator.ScopeDomain}},
		{"one.evil.example", hunt.Name{Value: "one.evil.example", Scope: indicator.ScopeHost}},
		{"www.evil.example", hunt.Name{Value: "evil.example", Scope: indicator.ScopeHost}},
		{"https://one.evil.example/", hunt.Name{Value: "one.evil.example", Scope: indicator.ScopeHost}},
		{"https://ana@evil.example", hunt.Name{Value: "evil.example", Scope: indicator.ScopeDomain}},
		{"evil.example/a?b=c", hunt.Name{Value: "evil.example/a?b=c", Scope: indicator.ScopeURL}},
		{"http://evil.example:80/a", hunt.Name{Value: "evil.example/a", Scope: indicator.ScopeURL}},
		{"192.0.2.7", hunt.Name{Value: "192.0.2.7", Scope: indicator.ScopeHost}},
	} {
		if got, err := hunt.NameOf(tt.in, indicator.ScopeNone); err != nil || got != tt.want {
			t.Errorf("NameOf(%q) = %v, %v, want %v", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{"", "evil[.]example", "a b", "https://"} {
		if got, err := hunt.NameOf(in, indicator.ScopeNone); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("NameOf(%q) = %v, %v, want it refused", in, got, err)
		}
	}
}

func TestADigestIsOfTheQuestionAlone(t *testing.T) {
	w := hunt.Window{From: noon, To: noon.Add(time.Hour)}
	q := question(t, w, "evil.example", "one.other.example", "evil.example/a")
	same := []hunt.Question{
		question(t, hunt.Window{From: noon.Add(-time.Hour), To: noon.Add(11 * time.Hour)}, "https://evil.example/a", "ONE.other.example", "evil.example", "evil.example"),
		{Tenant: q.Tenant, Names: slices.Clone(q.Names), Window: w, Backing: []hunt.Backing{{Name: q.Names[0], Source: "S"}}},
	}
	for i, s := range same {
		if s.Digest() != q.Digest() || q.Digest().IsZero() {
			t.Errorf("question %d has another digest", i)
		}
	}
	other := []hunt.Question{
		{Tenant: "b", Names: q.Names, Window: w},
		{Tenant: q.Tenant, Names: q.Names},
		{Tenant: q.Tenant, Names: q.Names[:2], Window: w},
		{Tenant: q.Tenant, Names: q.Names, Window: hunt.Window{From: noon, To: noon.Add(24 * time.Hour)}},
		{Tenant: q.Tenant, Names: append([]hunt.Name{{Value: "evil.example", Scope: indicator.ScopeHost}}, q.Names[1:]...), Window: w},
	}
	for i, o := range other {
		if o.Digest() == q.Digest() || o.Digest().IsZero() {
			t.Errorf("other question %d has the same digest, or none", i)
		}
	}
	// What two people have approved yesterday must still be what they approved.
	const want = "79e3779d0cec3615fc9ac3418a635512e70e477dfa4b4490ce4b23866e0187b6"
	if got := question(t, hunt.Window{From: noon}, "evil.example").Digest().String(); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	for name, bad := range map[string]hunt.Question{
		"no tenant": {Names: q.Names}, "no names": {Tenant: "a"},
		"a window that ends before it begins": {Tenant: "a", Names: q.Names, Window: hunt.Window{From: noon, To: noon}},
		"a name that is none":                 {Tenant: "a", Names: []hunt.Name{{Value: "a b", Scope: indicator.ScopeHost}}},
	} {
		if err := bad.Validate(); !errors.Is(err, vedette.ErrInvalid) || !bad.Digest().IsZero() {
			t.Errorf("%s: %v, digest %s", name, err, bad.Digest())
		}
	}
	var many hunt.Question
	many.Tenant = "a"
	for n := range hunt.MaxNames + 1 {
		many.Names = append(many.Names, hunt.Name{Value: fmt.Sprintf("e%d.example", n), Scope: indicator.ScopeDomain})
	}
	if err := many.Validate(); !errors.Is(err, vedette.ErrTooLarge) {
		t.Errorf("10,001 names: %v, want too large", err)
	}
}

func TestEachScopeFindsWhatItCoversAndNoMore(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	raws := []string{
		"https://evil.example/a", "https://www.evil.example/a", "http://one.evil.example/b?c=d", "https://192.0.2.7/x",
		"https://docs.google.com/document/d/1aBcD/edit", "https://docs.google.com/document/d/2other/edit", "https://badblog.blogspot.com/p", "https://other.example/a",
	}
	for i, raw := range raws {
		r.seen(t, noon, hunt.Sent, 1, 10+i, raw)
		r.seen(t, turn.Add(time.Hour), hunt.Sent, 1, 30+i, raw) // in another epoch of the tokens
	}
	r.seen(t, noon, hunt.Sent, 1, 52, "https://www.www.evil.example/a")
	// A client that told the URL alone, and one that told the host alone.
	r.seen(t, noon, hunt.Sent, 1, 50, raws[0], func(s *hunt.Sighting) { s.Domain, s.Host, s.Tenant = 0, 0, 0 })
	r.seen(t, noon, hunt.Sent, 1, 51, raws[0], func(s *hunt.Sighting) { s.Domain, s.URL, s.Tenant = 0, 0, 0 })
	for _, tt := range []struct {
		value string
		scope indicator.Scope
		want  []int // whom it reached
	}{
		{"evil.example", indicator.ScopeDomain, []int{10, 11, 12, 30, 31, 32, 52}},
		{"www.www.evil.example", indicator.ScopeHost, []int{52}},
		{"www.www.evil.example/a", indicator.ScopeURL, []int{52}},
		{"evil.example", indicator.ScopeHost, []int{10, 11, 30, 31, 51}},
		{"one.evil.example", indicator.ScopeHost, []int{12, 32}},
		{"one.evil.example", indicator.ScopeDomain, []int{12, 32}},
		{"evil.example/a", indicator.ScopeURL, []int{10, 11, 30, 31, 50}},
		{"one.evil.example/b?c=d", indicator.ScopeURL, []int{12, 32}},
		{"192.0.2.7", indicator.ScopeHost, []int{13, 33}},
		{"192.0.2.7/x", indicator.ScopeURL, []int{13, 33}},
		{"docs.google.com/document/d/1aBcD/edit", indicator.ScopeURL, []int{14, 34}},
		{"docs.google.com/1aBcD", indicator.ScopePath, []int{14, 34}},
		{"badblog.blogspot.com", indicator.ScopeDomain, []int{16, 36}},
		{"badblog.blogspot.com", indicator.ScopeHost, []int{16, 36}},
		{"nothing.example", indicator.ScopeDomain, nil},
	} {
		q := hunt.Question{Tenant: "chat-example", Names: []hunt.Name{name(t, tt.value, tt.scope)}}
		f, err := r.Reveal(t.Context(), r.permit(t, authority.PurposeNotify, "chat-example", q.Digest(), "ana", "omar"), q)
		if err != nil {
			t.Errorf("%s %s: %v, refused %+v", tt.scope, tt.value, err, f.Refused)
			continue
		}
		var got []int
		for n := range 60 {
			if slices.ContainsFunc(f.Persons, func(p hunt.Person) bool { return p.Account == account(n) }) {
				got = append(got, n)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s %s: reached %v, want %v", tt.scope, tt.value, got, tt.want)
		}
	}
}

func TestNoneSomeOrTenAndMore(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	for n := range 9 {
		r.seen(t, noon, hunt.Sent, 1, 10+n, "https://nine.example/a")
		r.seen(t, noon, hunt.Opened, 1, 10+n, "https://nine.example/b") // the same people once more
		r.seen(t, noon, hunt.Sent, 1, 100+n, "https://alsonine.example/a")
	}
	for n := range 10 {
		r.seen(t, noon, hunt.Sent, 1, 10+n, fmt.Sprintf("https://ten.example/%d", n))
		r.seen(t, noon, hunt.Sent, 1, 10+n, "https://refused.example/a", func(s *hunt.Sighting) { s.Verdict = vedette.Block })
		r.seen(t, noon, hunt.Sent, 1, 0, "https://group.example/a", func(s *hunt.Sighting) { s.Group = group(n) })
	}
	r.seen(t, noon, hunt.Sent, 1, 10, "https://one.example/a")
	for _, tt := range []struct {
		name   string
		values []string
		w      hunt.Window
		want   hunt.Count
	}{
		{"nobody", []string{"nobody.example"}, hunt.Window{}, hunt.None},
		{"one", []string{"one.example"}, hunt.Window{}, hunt.Some},
		{"nine people, eighteen rows", []string{"nine.example"}, hunt.Window{}, hunt.Some},
		{"ten people, each another link of one host", []string{"ten.example"}, hunt.Window{}, hunt.TenAndMore},
		{"ten that were refused reached nobody", []string{"refused.example"}, hunt.Window{}, hunt.Some},
		{"groups are not people", []string{"group.example"}, hunt.Window{}, hunt.Some},
		{"the strongest name", []string{"nobody.example", "ten.example", "one.example"}, hunt.Window{}, hunt.TenAndMore},
		{"on another day", []string{"ten.example"}, hunt.Window{From: noon.Add(24 * time.Hour)}, hunt.None},
		// Whoever could add names up could count: nine people of his own, and one of the other's, are not ten.
		{"people of several names are never added up", []string{"nine.example", "alsonine.example", "one.example"}, hunt.Window{}, hunt.Some},
	} {
		a := r.ask(t, question(t, tt.w, tt.values...))
		if a.Found != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, a.Found, tt.want)
		}
		if b := r.book.last(); b["what"] != "ask" || b["by"] != "ana" || b["given"] != "true" || b["hunt"] != a.ID || b["question"] != a.Question.String() {
			t.Errorf("%s: evidence %v", tt.name, b)
		}
	}
}

// TestAnAnswerTellsOfNobody writes answers of many pasts and looks for people, times and numbers in them.
func TestAnAnswerTellsOfNobody(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	for n := range 7 {
		r.seen(t, noon.Add(time.Duration(n)*time.Minute), hunt.Sent, 1, 10+n, "https://evil.example/a", func(s *hunt.Sighting) { s.Group = group(3) })
	}
	q := question(t, hunt.Window{}, "evil.example", "bbc.com")
	q.Backing = []hunt.Backing{{Name: q.Names[0], Source: "A", Grade: grade(t, "A1")}}
	a := r.ask(t, q)
	c, refused, err := r.Cost(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	st, err := r.Standing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := r.Entries(t.Context(), "chat-example", time.Time{}, 10)
	if err != nil || len(r.findings) != 1 || len(r.findings[0].Subjects) != 0 || len(r.findings[0].Basis) != 0 {
		t.Fatalf("findings %+v, %v: want one without subjects and events", r.findings, err)
	}
	for _, x := range []any{a, c, refused, st, entries, r.findings, r.book.records} {
		b, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			for _, who := range []string{account(n).String(), group(n).String(), fmt.Sprintf("%x", account(n))} {
				if strings.Contains(string(b), who) {
					t.Errorf("%T names somebody: %s", x, b)
				}
			}
		}
		if strings.Contains(string(b), noon.Format("15:04")) || strings.Contains(string(b), "evil.example") && !strings.Contains(fmt.Sprintf("%T", x), "evidence") {
			t.Errorf("%T tells a moment, or a host that can be tapped: %s", x, b)
		}
	}
}

// TestCostIsNoAnswer: a name that is there and one that is not cost the same.
func TestCostIsNoAnswer(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	r.seen(t, noon, hunt.Sent, 1, 2, "https://evil.example/a")
	w := hunt.Window{From: noon, To: noon.Add(time.Hour)}
	there, _, err1 := r.Cost(t.Context(), question(t, w, "evil.example"))
	not, _, err2 := r.Cost(t.Context(), question(t, w, "nothing.example"))
	if err1 != nil || err2 != nil || there != not || there.Rows != 100 || r.history.reads != 0 {
		t.Errorf("cost %+v, %v and %+v, %v; want the same, rounded, without a reading", there, err1, not, err2)
	}
}

func TestWhatTheGuardSparesIsNotAsked(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	r.seen(t, noon, hunt.Sent, 1, 2, "https://www.bbc.com/news/a")
	r.seen(t, noon, hunt.Sent, 1, 2, "https://evil.example/a")
	for _, tt := range []struct {
		name  string
		n     hunt.Name
		guard bool
	}{
		{"a newspaper", name(t, "bbc.com", indicator.ScopeDomain), true},
		{"a newspaper's host", name(t, "www.bbc.com", indicator.ScopeHost), true},
		{"a host below a newspaper", name(t, "feeds.bbc.com", indicator.ScopeHost), true},
		{"a newspaper's front page", name(t, "bbc.com/", indicator.ScopeURL), true},
		{"an article: who got it is a question about readers", name(t, "bbc.com/news/a", indicator.ScopeURL), true},
		{"a shared host", name(t, "docs.google.com", indicator.ScopeHost), true},
		{"a shortener", name(t, "bit.ly", indicator.ScopeDomain), true},
		{"a public suffix", name(t, "co.uk", indicator.ScopeDomain), true},
		{"an address of everybody's own network", name(t, "10.0.0.1", indicator.ScopeHost), true},
		{"a port", name(t, "evil.example:8443", indicator.ScopeHost), false},
		{"a path that is no tenant", name(t, "evil.example/a", indicator.ScopePath), false},
	} {
		q := hunt.Question{Tenant: "chat-example", Names: []hunt.Name{tt.n}}
		want := hunt.ErrNotAskable
		if tt.guard {
			want = hunt.ErrRefused
		}
		r.now = r.now.Add(time.Hour)
		a, err := r.Ask(t.Context(), q, "ana", nil)
		if !errors.Is(err, want) || len(a.Refused) != 1 || a.Refused[0].Why == "" || a.Refused[0].Guard != tt.guard || a.Found != hunt.Unanswered {
			t.Errorf("Ask for %s: %+v, %v, want %v", tt.name, a, err, want)
		}
		if b := r.book.last(); b["given"] != "false" || b["what"] != "ask" || !strings.Contains(b["refused_names"], tt.n.Display()) {
			t.Errorf("Ask for %s: evidence %v", tt.name, b)
		}
		// Nor with a permit of two people.
		f, err := r.Reveal(t.Context(), r.permit(t, authority.PurposeFile, "chat-example", q.Digest(), "ana", "omar"), q)
		if !errors.Is(err, want) || len(f.Refused) != 1 || f.Sightings != nil {
			t.Errorf("Reveal of %s: %+v, %v, want %v", tt.name, f, err, want)
		}
		if b := r.book.last(); b["given"] != "false" || b["what"] != "reveal" || b["case"] != "case-1" {
			t.Errorf("Reveal of %s: evidence %v", tt.name, b)
		}
		if _, _, err := r.Stand(t.Context(), q, "ana", r.now.Add(time.Hour), nil); !errors.Is(err, want) {
			t.Errorf("Stand for %s: %v", tt.name, err)
		}
	}
	if r.history.reads != 0 {
		t.Errorf("history was read %d times for refused names", r.history.reads)
	}
	// What is left of a question is asked, and the rest is named.
	a := r.ask(t, question(t, hunt.Window{}, "evil.example", "bbc.com"))
	if a.Found != hunt.Some || len(a.Names) != 1 || len(a.Refused) != 1 || a.Refused[0].Display != "bbc[.]com" {
		t.Errorf("a mixed question: %+v", a)
	}
	// A document on a shared host can be asked for.
	if a := r.ask(t, question(t, hunt.Window{}, "docs.google.com/document/d/1aBcD/edit", "bit.ly/abc")); a.Found != hunt.None || len(a.Refused) != 0 {
		t.Errorf("a document on a shared host: %+v", a)
	}
	// An override for blocking is none for asking.
	for n, want := range map[string]string{"evil.example": "some"} {
		if got := r.ask(t, question(t, hunt.Window{}, n)); got.Found.String() != want {
			t.Errorf("%s: %s, want %s", n, got.Found, want)
		}
	}
}

func TestAccountsTakeAPermitOfTwoPeopleAboutThisVeryQuestion(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	r.seen(t, noon, hunt.Sent, 1, 2, "https://evil.example/a")
	q := question(t, hunt.Window{}, "evil.example")
	other := question(t, hunt.Window{}, "evil.example", "other.example")
	both := []authority.PersonID{"ana", "omar"}
	for _, tt := range []struct {
		name   string
		permit authority.Permit
		want   error
	}{
		{"none", authority.Permit{}, authority.ErrNoPermit},
		{"to erase", r.permit(t, authority.PurposeErase, "chat-example", q.Digest(), both...), authority.ErrNoPermit},
		{"to judge an appeal", r.permit(t, authority.PurposeAppeal, "chat-example", q.Digest(), both...), authority.ErrNoPermit},
		{"of one person", r.permit(t, authority.PurposeNotify, "chat-example", q.Digest(), "ana"), authority.ErrUnapproved},
		{"for another tenant", r.permit(t, authority.PurposeNotify, "b", q.Digest(), both...), authority.ErrNoPermit},
		{"about another question", r.permit(t, authority.PurposeNotify, "chat-example", other.Digest(), both...), authority.ErrNoPermit},
		{"about nothing", r.permit(t, authority.PurposeNotify, "chat-example", vedette.Digest{}, both...), authority.ErrNoPermit},
	} {
		before := len(r.book.records)
		f, err := r.Reveal(t.Context(), tt.permit, q)
		if !errors.Is(err, tt.want) || !reflect.DeepEqual(f, hunt.Found{}) {
			t.Errorf("a permit %s: %+v, %v, want %v", tt.name, f, err, tt.want)
		}
		if n, err := r.Keep(t.Context(), tt.permit, q, box{}); !errors.Is(err, tt.want) || n != 0 {
			t.Errorf("keep with a permit %s: %d, %v, want %v", tt.name, n, err, tt.want)
		}
		if b := r.book.last(); len(r.book.records) != before+2 || b["given"] != "false" || b["what"] != "keep" || b["why"] == "" {
			t.Errorf("a permit %s: evidence %v", tt.name, b)
		}
	}
	if r.history.reads != 0 {
		t.Errorf("history was read %d times without a permit", r.history.reads)
	}
	good := r.permit(t, authority.PurposeNotify, "chat-example", q.Digest(), both...)
	r.history.before = func() {
		if b := r.book.last(); b["what"] != "reveal" || b["given"] != "true" || b["by"] != "ana,omar" || b["case"] != "case-1" {
			t.Errorf("history is read before the evidence says so: %v", b)
		}
	}
	f, err := r.Reveal(t.Context(), good, q)
	if err != nil || len(f.Persons) != 1 || f.Persons[0].Account != account(2) || f.Case != "case-1" {
		t.Errorf("a good permit: %+v, %v", f, err)
	}
	r.now = r.now.Add(time.Hour)
	if _, err := r.Reveal(t.Context(), good, q); !errors.Is(err, authority.ErrNoPermit) {
		t.Errorf("a permit that has ended: %v", err)
	}
}

func TestWhatCannotBeRecordedIsNotAnswered(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	r.seen(t, noon, hunt.Sent, 1, 2, "https://evil.example/a")
	q := question(t, hunt.Window{}, "evil.example")
	permit := r.permit(t, authority.PurposeNotify, "chat-example", q.Digest(), "ana", "omar")
	r.book.deny = errors.New("disk full")
	if a, err := r.Ask(t.Context(), q, "ana", nil); !errors.Is(err, vedette.ErrUnavailable) || a.Found != hunt.Unanswered {
		t.Errorf("Ask: %+v, %v", a, err)
	}
	if f, err := r.Reveal(t.Context(), permit, q); !errors.Is(err, vedette.ErrUnavailable) || f.Sightings != nil {
		t.Errorf("Reveal: %+v, %v", f, err)
	}
	if n, err := r.Keep(t.Context(), permit, q, box{}); !errors.Is(err, vedette.ErrUnavailable) || n != 0 {
		t.Errorf("Keep: %d, %v", n, err)
	}
	if _, err := r.NewIndicators(t.Context(), "chat-example", []indicator.Indicator{{Value: "evil.example", Scope: indicator.ScopeDomain, Grade: grade(t, "A1")}}); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("NewIndicators: %v", err)
	}
	if e, err := r.Entries(t.Context(), "chat-example", time.Time{}, 10); err != nil || len(e) != 0 || r.history.reads != 0 || len(r.findings) != 0 {
		t.Errorf("entries %v, %v, %d readings, findings %v", e, err, r.history.reads, r.findings)
	}
}

func TestWhoWasReached(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	r.seen(t, at(0), hunt.Sent, 1, 10, "https://evil.example/a")
	r.seen(t, at(1), hunt.Sent, 1, 11, "https://evil.example/b")
	r.seen(t, at(2), hunt.Sent, 2, 12, "https://evil.example/c", func(s *hunt.Sighting) { s.Verdict = vedette.Block })
	r.seen(t, at(3), hunt.Sent, 2, 0, "https://evil.example/d", func(s *hunt.Sighting) { s.Group = group(1) })
	r.seen(t, at(4), hunt.Previewed, 2, 13, "https://evil.example/d", func(s *hunt.Sighting) { s.Group = group(1) })
	r.seen(t, at(5), hunt.Previewed, 1, 10, "https://evil.example/a")
	r.seen(t, at(6), hunt.Opened, 1, 10, "https://evil.example/a")
	r.seen(t, at(7), hunt.Reported, 1, 11, "https://evil.example/b")
	r.seen(t, at(8), hunt.Posted, 3, 0, "https://evil.example/")
	r.seen(t, at(9), hunt.Sent, 1, 10, "https://sibling.example/a")
	r.seen(t, at(9), hunt.Sent, 9, 99, "https://harmless.example/a")
	q := question(t, hunt.Window{}, "evil.example", "sibling.example", "evil.example/a")
	permit := r.permit(t, authority.PurposeProtect, "chat-example", q.Digest(), "ana", "omar")
	f, err := r.Reveal(t.Context(), permit, q)
	if err != nil {
		t.Fatal(err)
	}
	if want := (hunt.People{Reached: 3, Delivered: 2, Previewed: 2, Opened: 1, Reported: 1, Refused: 1}); f.People != want {
		t.Errorf("people %+v, want %+v", f.People, want)
	}
	if len(f.Sightings) != 10 || !reflect.DeepEqual(f.Sightings, r.rows[:10]) {
		t.Errorf("sightings: %d, want the ten, in order", len(f.Sightings))
	}
	if !f.First.Equal(at(0)) || !f.Last.Equal(at(9)) {
		t.Errorf("first %s, last %s", f.First, f.Last)
	}
	wantPeople := []hunt.Person{
		{Account: account(10), Delivered: 2, Previewed: 1, Opened: 1, First: at(0), Last: at(9)},
		{Account: account(11), Delivered: 1, Reported: 1, First: at(1), Last: at(7)},
		{Account: account(12), Refused: 1, First: at(2), Last: at(2)},
		{Account: account(13), Previewed: 1, First: at(4), Last: at(4)},
	}
	if !reflect.DeepEqual(f.Persons, wantPeople) {
		t.Errorf("persons %+v\nwant %+v", f.Persons, wantPeople)
	}
	wantSenders := []hunt.Party{
		{Account: account(1), Sightings: 6, First: at(0), Last: at(9)},
		{Account: account(2), Sightings: 3, First: at(2), Last: at(4)},
		{Account: account(3), Sightings: 1, First: at(8), Last: at(8)},
	}
	if !reflect.DeepEqual(f.Senders, wantSenders) {
		t.Errorf("senders %+v\nwant %+v", f.Senders, wantSenders)
	}
	if want := []hunt.Party{{Group: group(1), Sightings: 2, First: at(3), Last: at(4)}}; !reflect.DeepEqual(f.Groups, want) {
		t.Errorf("groups %+v, want %+v", f.Groups, want)
	}
	for i, want := range []hunt.FoundName{
		{Sightings: 9, People: f.People, Senders: 3, Groups: 1, First: at(0), Last: at(8)},
		{Sightings: 3, People: hunt.People{Reached: 1, Delivered: 1, Previewed: 1, Opened: 1}, Senders: 1, First: at(0), Last: at(6)},
		{Sightings: 1, People: hunt.People{Reached: 1, Delivered: 1}, Senders: 1, First: at(9), Last: at(9)},
	} {
		got := f.Names[i]
		got.Name, got.Note = hunt.Name{}, ""
		if got != want {
			t.Errorf("name %d: %+v, want %+v", i, got, want)
		}
	}
	again, err := r.Reveal(t.Context(), permit, q)
	again.ID = f.ID
	if err != nil || !reflect.DeepEqual(again, f) {
		t.Errorf("asked again: %+v, %v\nwant the same: %+v", again, err, f)
	}
	r.open(t, hunt.Config{MaxFound: 3})
	if f, err = r.Reveal(t.Context(), permit, q); err != nil || len(f.Sightings) != 3 || !f.Cut {
		t.Errorf("a bounded answer: %d sightings, cut %v, %v", len(f.Sightings), f.Cut, err)
	}
	if n, err := r.Keep(t.Context(), permit, q, box{}); !errors.Is(err, vedette.ErrTooLarge) || n != 0 {
		t.Errorf("keep a part: %d, %v", n, err)
	}
}

func TestTheAllowance(t *testing.T) {
	config := hunt.Config{PerDay: 5, Burst: 2, NamesPerDay: 10}
	r := newRoom(t, config)
	start := r.now
	ask := func(names ...string) error {
		_, err := r.Ask(t.Context(), question(t, hunt.Window{}, names...), "ana", nil)
		return err
	}
	busy := func(what string, err error, until time.Time) {
		t.Helper()
		b, ok := errors.AsType[*hunt.Busy](err)
		if !ok || !errors.Is(err, vedette.ErrBusy) || !b.Until.Equal(until) {
			t.Errorf("%s: %v, want busy until %s", what, err, until)
		}
		if last := r.book.last(); last["given"] != "false" {
			t.Errorf("%s: evidence %v", what, last)
		}
	}
	fine := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	fine("the first", ask("a.example"))
	r.now = start.Add(time.Minute)
	fine("the second", ask("b.example"))
	busy("a third in ten minutes", ask("c.example"), start.Add(10*time.Minute))
	// Whoever refuses to wait gains nothing by a restart, another name or another way.
	r.open(t, config)
	busy("after a restart", ask("c.example"), start.Add(10*time.Minute))
	_, err := r.Ask(t.Context(), question(t, hunt.Window{}, "c.example"), "omar", nil)
	busy("under another name", err, start.Add(10*time.Minute))
	_, _, err = r.Stand(t.Context(), question(t, hunt.Window{}, "c.example"), "ana", r.now.Add(time.Hour), nil)
	busy("by a standing hunt", err, start.Add(10*time.Minute))
	e, err := r.Entries(t.Context(), "chat-example", time.Time{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Again(t.Context(), e[0].ID, "ana", nil)
	busy("by repeating", err, start.Add(10*time.Minute))
	r.now = start.Add(10 * time.Minute)
	fine("after ten minutes", ask("c.example"))
	r.now = start.Add(time.Hour)
	fine("after an hour", ask("d.example"))
	r.now = start.Add(2 * time.Hour)
	fine("the fifth", ask("e.example", "f.example"))
	r.now = start.Add(3 * time.Hour)
	busy("a sixth in a day", ask("g.example"), start.Add(24*time.Hour))
	r.now = start.Add(24 * time.Hour)
	fine("a day after the first", ask("g.example"))

	r = newRoom(t, hunt.Config{PerDay: 100, NamesPerDay: 4})
	start = r.now
	fine("three names", ask("a.example", "b.example", "c.example"))
	busy("five names in a day", ask("d.example", "e.example"), start.Add(24*time.Hour))
	fine("four names in a day", ask("d.example"))
	if err := ask("a.example", "b.example", "c.example", "d.example", "e.example"); !errors.Is(err, vedette.ErrTooLarge) || errors.Is(err, vedette.ErrBusy) {
		t.Errorf("more names than any day has: %v", err)
	}
	// A permit of two people is no guessing: it does not wait.
	q := question(t, hunt.Window{}, "a.example", "b.example")
	if _, err := r.Reveal(t.Context(), r.permit(t, authority.PurposeNotify, "chat-example", q.Digest(), "ana", "omar"), q); err != nil {
		t.Errorf("Reveal: %v", err)
	}
}

// TestTheAllowanceHolds: however questions come, never more than the burst in ten minutes, nor the day's in a day; and whoever waits as long
// as he is told gets through.
func TestTheAllowanceHolds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		config := hunt.Config{PerDay: rapid.IntRange(1, 12).Draw(rt, "day"), NamesPerDay: 1000}
		config.Burst = rapid.IntRange(1, config.PerDay).Draw(rt, "burst")
		r := newRoom(t, config)
		var given []time.Time
		for range rapid.IntRange(1, 40).Draw(rt, "questions") {
			r.now = r.now.Add(time.Duration(rapid.IntRange(0, 7200).Draw(rt, "pause")) * time.Second)
			_, err := r.Ask(t.Context(), question(t, hunt.Window{}, "a.example"), "ana", nil)
			if b, ok := errors.AsType[*hunt.Busy](err); ok {
				if rapid.Bool().Draw(rt, "wait") {
					r.now = b.Until
					_, err = r.Ask(t.Context(), question(t, hunt.Window{}, "a.example"), "ana", nil)
					if err != nil {
						rt.Fatalf("after waiting until %s: %v", b.Until, err)
					}
				}
			}
			if err == nil {
				given = append(given, r.now)
			}
		}
		for i := range given {
			for _, x := range []struct {
				n    int
				span time.Duration
			}{{config.Burst, 10 * time.Minute}, {config.PerDay, 24 * time.Hour}} {
				if j := i + x.n; j < len(given) && given[j].Sub(given[i]) < x.span {
					rt.Fatalf("%d questions in %s", x.n+1, given[j].Sub(given[i]))
				}
			}
		}
	})
}

func grade(t testing.TB, s string) indicator.Admiralty {
	t.Helper()
	g, err := indicator.ParseAdmiralty(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAHitOnACorroboratedNameOpensALead(t *testing.T) {
	for _, tt := range []struct {
		name    string
		backing []hunt.Backing
		want    int
	}{
		{"nobody says so", nil, 0},
		{"one source of no record", []hunt.Backing{{Source: "S"}}, 0},
		{"one source twice", []hunt.Backing{{Source: "S"}, {Source: " s "}}, 0},
		{"two sources", []hunt.Backing{{Source: "S"}, {Source: "T"}}, 1},
		{"one reliable source", []hunt.Backing{{Source: "S", Grade: grade(t, "B1")}}, 1},
		{"one fairly reliable source", []hunt.Backing{{Source: "S", Grade: grade(t, "B2")}}, 0},
	} {
		r := newRoom(t, hunt.Config{})
		r.seen(t, noon, hunt.Sent, 1, 2, "https://evil.example/a")
		q := question(t, hunt.Window{}, "evil.example", "nothing.example")
		for _, n := range q.Names {
			for _, b := range tt.backing {
				b.Name = n
				q.Backing = append(q.Backing, b)
			}
		}
		a := r.ask(t, q)
		if len(r.findings) != tt.want || len(a.Leads) != tt.want {
			t.Errorf("%s: findings %+v, want %d", tt.name, r.findings, tt.want)
			continue
		}
		list := make([]indicator.Indicator, 0, len(q.Backing))
		for _, b := range q.Backing {
			list = append(list, indicator.Indicator{Value: b.Name.Value, Scope: b.Name.Scope, Source: b.Source, Grade: b.Grade})
		}
		if n, err := r.NewIndicators(t.Context(), "chat-example", list); err != nil || n != tt.want {
			t.Errorf("%s: NewIndicators: %d, %v, want %d", tt.name, n, err, tt.want)
		}
		if tt.want == 0 {
			continue
		}
		f := r.findings[0]
		day := noon.Truncate(24 * time.Hour)
		if f.Detector != "hunt" || f.Subjects != nil || f.Basis != nil || !slices.Contains(f.Links, linkAt(t, "https://evil.example", noon).Domain) ||
			!f.From.Equal(day) || !f.To.Equal(day.Add(24*time.Hour)) || len(f.Reasons) == 0 {
			t.Errorf("%s: %+v", tt.name, f)
		}
		if r.findings[1].ID != f.ID {
			t.Errorf("%s: asked on two ways it is two leads", tt.name)
		}
		if b := r.book.last(); b["what"] != "new" || b["by"] != "vedette" {
			t.Errorf("%s: evidence %v", tt.name, b)
		}
	}
}

func TestAHuntCanBeRepeated(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	q := question(t, hunt.Window{}, "evil.example")
	first := r.ask(t, q)
	r.seen(t, noon, hunt.Sent, 1, 2, "https://evil.example/a")
	r.now = r.now.Add(time.Hour)
	again, err := r.Again(t.Context(), first.ID, "omar", nil)
	if err != nil || again.Before != hunt.None || again.Found != hunt.Some || again.Question != first.Question || again.ID == first.ID {
		t.Errorf("again: %+v, %v", again, err)
	}
	if b := r.book.last(); b["what"] != "again" || b["of"] != first.ID || b["by"] != "omar" {
		t.Errorf("evidence %v", b)
	}
	if _, err := r.Again(t.Context(), "hunt_none", "ana", nil); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("a hunt that is none: %v", err)
	}
	f, err := r.Reveal(t.Context(), r.permit(t, authority.PurposeNotify, "chat-example", q.Digest(), "ana", "omar"), q)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Again(t.Context(), f.ID, "ana", nil); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("what took a permit, again without: %v", err)
	}
	if n, err := r.Expire(t.Context(), r.now.Add(91*24*time.Hour)); err != nil || n == 0 {
		t.Errorf("expire: %d, %v", n, err)
	}
	if _, err := r.Again(t.Context(), first.ID, "ana", nil); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("a hunt whose names are gone: %v", err)
	}
}

func TestProgressIsTold(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	r.seen(t, noon, hunt.Sent, 1, 2, "https://n2047.example/a")
	q := hunt.Question{Tenant: "chat-example"}
	for n := range 2500 {
		q.Names = append(q.Names, hunt.Name{Value: fmt.Sprintf("n%04d.example", n), Scope: indicator.ScopeDomain})
	}
	var done []int
	a, err := r.Ask(t.Context(), q, "ana", func(n, total int) {
		if total != 2500 {
			t.Errorf("total %d", total)
		}
		done = append(done, n)
	})
	if err != nil || a.Found != hunt.Some || a.Names[2047].Found != hunt.Some || !slices.Equal(done, []int{1024, 2048, 2500}) {
		t.Errorf("found %s, %v, progress %v", a.Found, err, done)
	}
}

func TestDamageIsNamedAndTheRestServed(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	r.seen(t, noon, hunt.Sent, 1, 2, "https://evil.example/a")
	r.history.History = broken{r.history.History}
	if a := r.ask(t, question(t, hunt.Window{}, "evil.example")); a.Found != hunt.Some || len(a.Damage) != 1 || a.Damage[0].File != "2026-03-10/1.parquet" {
		t.Errorf("answer %+v", a)
	}
}

type broken struct{ hunt.History }

func (b broken) Find(ctx context.Context, units []hunt.Key, w hunt.Window, yield func(int, *hunt.Sighting) bool) ([]hunt.Damage, error) {
	_, err := b.History.Find(ctx, units, w, yield)
	return []hunt.Damage{{File: "2026-03-10/1.parquet", What: "checksum"}}, err
}

// TestAStandingHuntThatCannotBeReadStopsNoOther keeps one whose names another version of the rules of names no longer reads, and one of a tenant that left.
func TestAStandingHuntThatCannotBeReadStopsNoOther(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	until := r.now.Add(24 * time.Hour)
	s, _, err := r.Stand(t.Context(), question(t, hunt.Window{}, "evil.example"), "ana", until, nil)
	if err != nil {
		t.Fatal(err)
	}
	for id, text := range map[string]string{
		"hunt_0000000000000001": `{"format":"vedette-question-1","from":"","names":[{"scope":"domain","value":"WWW.Of.Another.Version"}],"tenant":"chat-example","to":""}`,
		"hunt_0000000000000002": `{"format":"vedette-question-1","from":"","names":[{"scope":"domain","value":"evil.example"}],"tenant":"gone-away","to":""}`,
	} {
		x := s
		x.ID, x.Text = id, []byte(text)
		if id == "hunt_0000000000000002" {
			x.Tenant = "gone-away"
		}
		if err := r.ledger.Stand(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	r.open(t, hunt.Config{})
	x := r.seen(t, r.now, hunt.Sent, 1, 2, "https://evil.example/a")
	if err := r.Seen(t.Context(), []hunt.Sighting{x}); err != nil || len(r.findings) != 1 {
		t.Fatalf("Seen: %v, %d findings, want 1 of the hunt that can be read", err, len(r.findings))
	}
	for _, id := range []string{"hunt_0000000000000001", "hunt_0000000000000002"} {
		if err := r.End(t.Context(), id, "omar"); err != nil {
			t.Errorf("it cannot be ended: %v", err)
		}
	}
}

func TestAStandingHuntTellsOncePerDay(t *testing.T) {
	r := newRoom(t, hunt.Config{Standing: 2})
	q := question(t, hunt.Window{}, "evil.example")
	until := r.now.Add(30 * 24 * time.Hour)
	s, a, err := r.Stand(t.Context(), q, "ana", until, nil)
	if err != nil || a.Found != hunt.None || s.ID != a.ID {
		t.Fatalf("Stand: %+v, %+v, %v", s, a, err)
	}
	if _, err := json.Marshal(s); err != nil {
		t.Fatal(err)
	}
	at := r.now
	see := func(at time.Time, raw string) {
		t.Helper()
		x := r.seen(t, at, hunt.Sent, 1, 2, raw)
		if err := r.Seen(t.Context(), []hunt.Sighting{x, x}); err != nil {
			t.Fatal(err)
		}
	}
	see(at, "https://one.evil.example/a")
	see(at.Add(time.Hour), "https://evil.example/b")
	see(at, "https://harmless.example/a")
	if len(r.findings) != 1 || r.findings[0].Subjects != nil || r.findings[0].Basis != nil || !r.findings[0].From.Equal(at.Truncate(24*time.Hour)) {
		t.Fatalf("findings %+v, want one of the day, without subjects", r.findings)
	}
	if b := r.book.last(); b["what"] != "hit" || b["of"] != s.ID {
		t.Errorf("evidence %v", b)
	}
	r.open(t, hunt.Config{Standing: 2}) // a restart tells nothing twice
	see(at.Add(2*time.Hour), "https://evil.example/c")
	if len(r.findings) != 1 {
		t.Errorf("after a restart: %d findings, want 1", len(r.findings))
	}
	see(at.Add(24*time.Hour), "https://evil.example/c")
	see(turn.Add(time.Hour), "https://evil.example/c") // under the tokens of another epoch
	if len(r.findings) != 3 {
		t.Errorf("on other days: %d findings, want 3", len(r.findings))
	}
	see(until, "https://evil.example/c")
	if len(r.findings) != 3 {
		t.Error("it told of what happened after its end")
	}
	if _, _, err := r.Stand(t.Context(), question(t, hunt.Window{}, "b.example"), "ana", until, nil); err != nil {
		t.Error(err)
	}
	if _, _, err := r.Stand(t.Context(), question(t, hunt.Window{}, "c.example"), "ana", until, nil); !errors.Is(err, vedette.ErrTooLarge) {
		t.Errorf("a third of two: %v", err)
	}
	if err := r.End(t.Context(), s.ID, "omar"); err != nil {
		t.Fatal(err)
	}
	if err := r.End(t.Context(), s.ID, "omar"); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("ended twice: %v", err)
	}
	see(at.Add(3*24*time.Hour), "https://evil.example/c")
	if len(r.findings) != 3 {
		t.Error("it told something after it was ended")
	}
	if list, err := r.Standing(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("standing: %+v, %v, want one", list, err)
	}
	for what, until := range map[string]time.Time{"the past": r.now, "for ever": r.now.Add(91 * 24 * time.Hour)} {
		if _, _, err := r.Stand(t.Context(), q, "ana", until, nil); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("stand until %s: %v", what, err)
		}
	}
}

func TestAStandingHuntIsToldAgainWhenNobodyTookIt(t *testing.T) {
	r := newRoom(t, hunt.Config{})
	if _, _, err := r.Stand(t.Context(), question(t, hunt.Window{}, "evil.example"), "ana", r.now.Add(time.Hour*24), nil); err != nil {
		t.Fatal(err)
	}
	x := r.seen(t, r.now, hunt.Sent, 1, 2, "https://evil.example/a")
	r.book.deny = errors.New("disk full")
	if err := r.Seen(t.Context(), []hunt.Sighting{x}); !errors.Is(err, vedette.ErrUnavailable) || len(r.findings) != 0 {
		t.Errorf("without evidence: %v, findings %v", err, r.findings)
	}
	r.book.deny = nil
	if err := r.Seen(t.Context(), []hunt.Sighting{x}); err != nil || len(r.findings) != 1 {
		t.Errorf("then: %v, findings %v", err, r.findings)
	}
}

// box seals by marking: what was sealed for whom can be read back by the test.
type box struct{}

func (box) Box(matter, what string, content []byte) ([]byte, error) {
	return fmt.Appendf(nil, "sealed %s %s\n%s", matter, what, content), nil
}

func TestSealedCopiesOutliveHistory(t *testing.T) {
	r := newRoom(t, hunt.Config{KeepFor: 200 * 24 * time.Hour})
	for n := range 2100 {
		r.seen(t, noon.Add(time.Duration(n)*time.Second), hunt.Opened, 1, 10+n%50, fmt.Sprintf("https://evil.example/%d", n), func(s *hunt.Sighting) {
			s.Established, s.Verdict, s.Would, s.Group, s.Place = n%2 == 0, vedette.Warn, vedette.Block, group(n%3), vedette.InQRCode
		})
	}
	q := question(t, hunt.Window{}, "evil.example")
	n, err := r.Keep(t.Context(), r.permit(t, authority.PurposeFile, "chat-example", q.Digest(), "ana", "omar"), q, box{})
	if err != nil || n != 2100 {
		t.Fatalf("Keep: %d, %v", n, err)
	}
	if b := r.book.last(); b["what"] != "keep" || b["given"] != "true" {
		t.Errorf("evidence %v", b)
	}
	if _, err := r.history.Expire(t.Context(), r.now.Add(100*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(100 * 24 * time.Hour)
	kept, err := r.Kept(t.Context(), "chat-example", "case-1")
	if err != nil || len(kept) != 3 {
		t.Fatalf("Kept: %d, %v, want 3 boxes", len(kept), err)
	}
	var got []hunt.Sighting
	for _, k := range kept {
		head, content, _ := bytes.Cut(k.Box, []byte("\n"))
		if string(head) != "sealed case-1 "+k.Name {
			t.Errorf("box of %s", head)
		}
		id, about, list, err := hunt.ParseKept(content)
		if err != nil || id != k.ID || about != q.Digest() || len(list) != k.Sightings {
			t.Fatalf("ParseKept: %s, %s, %d, %v", id, about, len(list), err)
		}
		got = append(got, list...)
	}
	if !reflect.DeepEqual(got, r.rows) {
		t.Error("what was kept is not what was found")
	}
	if b, err := json.Marshal(kept); err != nil || strings.Contains(string(b), "evil") {
		t.Errorf("what a listing says: %s, %v", b, err)
	}
	if other, err := r.Kept(t.Context(), "chat-example", "case-2"); err != nil || len(other) != 0 {
		t.Errorf("another case's: %v, %v", other, err)
	}
	r.now = r.now.Add(101 * 24 * time.Hour)
	if kept, err := r.Kept(t.Context(), "chat-example", "case-1"); err != nil || len(kept) != 0 {
		t.Errorf("after the end: %d, %v", len(kept), err)
	}
	if n, err := r.Expire(t.Context(), r.now); err != nil || n < 3 {
		t.Errorf("expire: %d, %v", n, err)
	}
}

func FuzzParseKept(f *testing.F) {
	f.Add([]byte(`{"format":"vedette-kept-1","hunt":"hunt_1","tenant":"a","question":"0000000000000000000000000000000000000000000000000000000000000001","sightings":[{"at":1772971200000,"act":"sent","domain":"00000000000000ff","from":"acct_00000000000000000000000004","place":0,"shape":[1024,1,2,3,4,5,6],"verdict":"allow","would":"block","established":true,"frame":1,"index":2}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, list, err := hunt.ParseKept(b)
		if err != nil && !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("ParseKept(%q): %v has no kind", b, err)
		}
		for _, s := range list {
			if s.Act < hunt.Sent || s.Act > hunt.Reported {
				t.Errorf("ParseKept(%q): act %d", b, s.Act)
			}
		}
	})
}

func FuzzNameOf(f *testing.F) {
	for _, s := range []string{"evil.example", "www.www.evil.example", "https://evil.example/a?b", "192.0.2.7", "[2001:db8::1]", "docs.google.com/1aB", "a@b.example:99/x"} {
		for scope := indicator.ScopeNone; scope <= indicator.ScopeDomain; scope++ {
			f.Add(s, uint8(scope))
		}
	}
	f.Fuzz(func(t *testing.T, s string, scope uint8) {
		n, err := hunt.NameOf(s, indicator.Scope(scope%6))
		if err != nil {
			return
		}
		if again, err := hunt.NameOf(n.Value, n.Scope); err != nil || again != n {
			t.Errorf("NameOf(%q) = %v, and that again = %v, %v", s, n, again, err)
		}
	})
}
