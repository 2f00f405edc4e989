package sibling

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/enrichment"
	"vedette/record/indicator"
	"vedette/record/vault"
)

// ordinary makes up n names without much in common, always the same ones.
func ordinary(n int) []string {
	rng := rand.New(rand.NewPCG(1, 2))
	var out []string
	for range n {
		var b strings.Builder
		for range 3 + rng.IntN(3) {
			b.WriteString(letters[rng.IntN(len(letters))])
		}
		out = append(out, b.String()+".example")
	}
	return out
}

func derive(t testing.TB, confirmed string, src Sources, p Params) ([]Derived, Notes) {
	t.Helper()
	if src.Guard == nil {
		src.Guard = indicator.NewGuard()
	}
	p.At = at
	got, notes, err := Derive(t.Context(), []Host{{Host: confirmed}}, src, p)
	if err != nil {
		t.Fatal(err)
	}
	return got, notes
}

func hosts(list []Derived) (out []string) {
	for i := range list {
		out = append(out, list[i].Host)
	}
	return out
}

func TestOneHostOfAFamilyGivesTheOthersByTheirNames(t *testing.T) {
	known := append(ordinary(20_000), "reefcast.example", "coastcast.example", "harbourcast.example", "tidecast.test", "forecast.example", "broadcast.test", "castle.example", "xn--mnchen-3ya.example")
	for _, lexicon := range []string{"names", "facts"} {
		src := Sources{Names: NewNames(slices.Values(known))}
		if lexicon == "facts" {
			m := enrichment.NewMemory()
			var facts []enrichment.Fact
			for _, h := range known {
				facts = append(facts, enrichment.Fact{Host: h, Kind: enrichment.NewlySeen, Source: "feed"})
			}
			if _, err := m.Put(t.Context(), facts); err != nil {
				t.Fatal(err)
			}
			src = Sources{Facts: m}
		}
		got, notes := derive(t, "reefcast.example", src, Params{})
		for _, want := range []string{"coastcast.example", "harbourcast.example"} {
			at := slices.Index(hosts(got), want)
			if at < 0 {
				t.Errorf("by %s: %v lacks %s", lexicon, hosts(got), want)
				continue
			}
			d := got[at]
			if d.Strength >= vedette.Block || d.Scope != indicator.ScopeDomain || d.Harmless != -1 || len(d.Ties) != 1 || d.Ties[0].Kind != TiePart ||
				!strings.Contains(d.Ties[0].Text, "cast”") || strings.Contains(d.Ties[0].Text, ".example") || d.Display != link.Defang(want) {
				t.Errorf("by %s: %+v", lexicon, d)
			}
		}
		if slices.Contains(hosts(got), "reefcast.example") {
			t.Errorf("by %s: the confirmed host itself came out", lexicon)
		}
		if notes.Judged == 0 || len(notes.Lacked) < 5 {
			t.Errorf("by %s: notes %+v", lexicon, notes)
		}
	}
}

// feed is a store of facts of many ordinary names on a mass hoster, and what a test adds.
func feed(t testing.TB, add ...enrichment.Fact) *enrichment.Memory {
	t.Helper()
	m := enrichment.NewMemory()
	var facts []enrichment.Fact
	put := func(host string, k enrichment.Kind, v string, first time.Time) {
		facts = append(facts, enrichment.Fact{Host: host, Kind: k, Value: v, First: first, Source: "feed"})
	}
	for i, h := range ordinary(2000) {
		born := at.Add(-time.Duration(i*7) * time.Hour)
		put(h, enrichment.NameServer, "ns1.mass.example", born)
		put(h, enrichment.Registered, enrichment.Moment(born), born)
		put(h, enrichment.Registrar, fmt.Sprintf("registrar %d", i%9), born)
		put(h, enrichment.Address, fmt.Sprintf("203.0.113.%d", i%3), born)
		put(h, enrichment.Issuer, "big ca", born)
	}
	for _, f := range append(facts, add...) {
		if f.Source == "" {
			f.Source = "feed"
		}
		c, err := enrichment.Canonical(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Put(t.Context(), []enrichment.Fact{c}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestFactsTie(t *testing.T) {
	const a, b = "gullroad.example", "lampside.test"
	sum := strings.Repeat("ab", 32)
	born := at.Add(-20 * 24 * time.Hour)
	reg := func(h string, t time.Time) []enrichment.Fact {
		return []enrichment.Fact{{Host: h, Kind: enrichment.Registered, Value: enrichment.Moment(t), First: t}, {Host: h, Kind: enrichment.Registrar, Value: "rare registrar"}}
	}
	pair := func(k enrichment.Kind, va, vb string) []enrichment.Fact {
		return []enrichment.Fact{{Host: a, Kind: k, Value: va, First: born}, {Host: b, Kind: k, Value: vb, First: born.Add(5 * time.Minute)}}
	}
	many := func(k enrichment.Kind, value string, n int) (out []enrichment.Fact) {
		for i := range n {
			out = append(out, enrichment.Fact{Host: fmt.Sprintf("customer%d.test", i), Kind: k, Value: value, First: born})
		}
		return out
	}
	for _, tt := range []struct {
		name  string
		facts []enrichment.Fact
		want  []TieKind
	}{
		{"a rare name server", pair(enrichment.NameServer, "ns.cove.example", "ns.cove.example"), []TieKind{TieNameServer}},
		{"a mass hoster's name server ties nothing", pair(enrichment.NameServer, "ns1.mass.example", "ns1.mass.example"), nil},
		{"a name server of sixty customers ties nothing", append(pair(enrichment.NameServer, "ns.cove.example", "ns.cove.example"), many(enrichment.NameServer, "ns.cove.example", 60)...), nil},
		{"one certificate", pair(enrichment.Certificate, sum, sum), []TieKind{TieCertificate}},
		{"a hoster's certificate of 150 names ties nothing", append(pair(enrichment.Certificate, sum, sum), many(enrichment.Certificate, sum, 150)...), nil},
		{"a batch of a small issuer", pair(enrichment.Issuer, "small ca", "small ca"), []TieKind{TieIssued}},
		{"a batch in which a large issuer served many ties nothing", append(pair(enrichment.Issuer, "small ca", "small ca"), many(enrichment.Issuer, "small ca", 60)...), nil},
		{"two addresses in one small network", pair(enrichment.Address, "198.51.100.7", "198.51.100.99"), []TieKind{TieSubnet}},
		{"two addresses in one /48", pair(enrichment.Address, "2001:db8:1:2::3", "2001:db8:1:ffff::3"), []TieKind{TieSubnet}},
		{"one address for both ties nothing", pair(enrichment.Address, "198.51.100.7", "198.51.100.7"), nil},
		{"a crowded network ties nothing", pair(enrichment.Address, "203.0.113.7", "203.0.113.8"), nil},
		{"a network that a table calls shared ties nothing", pair(enrichment.Address, "192.0.2.7", "192.0.2.8"), nil},
		{"a network off the public internet ties nothing", pair(enrichment.Address, "10.1.2.7", "10.1.2.8"), nil},
		{"registered within the hour at one registrar", append(reg(a, born), reg(b, born.Add(time.Hour))...), []TieKind{TieRegistered}},
		{"registered a week apart", append(reg(a, born), reg(b, born.Add(7*24*time.Hour))...), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shared, _, err := enrichment.LoadRanges(strings.NewReader("192.0.2.0/24"), "table")
			if err != nil {
				t.Fatal(err)
			}
			got, notes := derive(t, a, Sources{Facts: feed(t, tt.facts...), Shared: shared}, Params{Leads: 2000, MaxDerived: 2000, Expected: 500})
			var kinds []TieKind
			if at := slices.Index(hosts(got), b); at >= 0 {
				for _, tie := range got[at].Ties {
					kinds = append(kinds, tie.Kind)
				}
				if got[at].Strength > vedette.Warn {
					t.Errorf("one kind of evidence alone may %s", got[at].Strength)
				}
			}
			if !slices.Equal(kinds, tt.want) {
				t.Errorf("ties %v, want %v; notes %+v", kinds, tt.want, notes)
			}
			for _, k := range tt.want {
				got, _ := derive(t, a, Sources{Facts: feed(t, tt.facts...), Shared: shared}, Params{Without: []TieKind{k}, Expected: 500})
				if slices.Contains(hosts(got), b) {
					t.Errorf("without %s it still comes out", k)
				}
			}
		})
	}
}

// Among few known names an honest old name that sounds alike only scores: nobody is warned of the town's own office.
func TestOldNamesThatSoundAlikeOnlyScore(t *testing.T) {
	born := at.Add(-10 * 24 * time.Hour)
	facts := feed(t,
		enrichment.Fact{Host: "tide-notice.example", Kind: enrichment.Registered, Value: enrichment.Moment(born)},
		enrichment.Fact{Host: "town-notice.example", Kind: enrichment.Registered, Value: enrichment.Moment(born.Add(-2000 * 24 * time.Hour))},
		enrichment.Fact{Host: "tide-tables.example", Kind: enrichment.Registered, Value: enrichment.Moment(born.Add(-2000 * 24 * time.Hour))})
	got, _ := derive(t, "tide-notice.example", Sources{Facts: facts, Reach: func(context.Context, string, indicator.Scope) (int, error) { return 0, nil }}, Params{})
	for _, d := range got {
		if d.Strength > vedette.Allow {
			t.Errorf("%s may %s: %+v", d.Display, d.Strength, d.Ties)
		}
	}
}

// everything ties two names by four kinds of evidence.
func everything(h string, i int) []enrichment.Fact {
	born := at.Add(-20*24*time.Hour + time.Duration(i)*20*time.Minute)
	return []enrichment.Fact{
		{Host: h, Kind: enrichment.Registered, Value: enrichment.Moment(born), First: born},
		{Host: h, Kind: enrichment.Registrar, Value: "rare registrar"},
		{Host: h, Kind: enrichment.NameServer, Value: "ns.cove.example"},
		{Host: h, Kind: enrichment.Address, Value: fmt.Sprintf("198.51.100.%d", 7+i)},
	}
}

func TestWhatADerivedNameMayAskFor(t *testing.T) {
	const a, b = "gullroad.example", "gullside.example"
	facts := feed(t, append(everything(a, 0), everything(b, 1)...)...)
	reach := func(n int) Reach {
		return func(context.Context, string, indicator.Scope) (int, error) { return n, nil }
	}
	for _, tt := range []struct {
		name     string
		reach    Reach
		p        Params
		want     vedette.Verdict
		harmless int
		why      string
	}{
		{"two kinds of evidence and few harmless people", reach(3), Params{}, vedette.Block, 3, "two kinds of evidence"},
		{"as many as are allowed", reach(200), Params{}, vedette.Block, 200, "two kinds"},
		{"one more", reach(201), Params{}, vedette.Allow, 201, "201 harmless people met it, over 200"},
		{"a lower limit", reach(11), Params{MaxHarmless: 10}, vedette.Allow, 11, "over 10"},
		{"nobody knows how many", nil, Params{}, vedette.Warn, -1, "nobody knows"},
		{"asked, and not known", reach(-1), Params{}, vedette.Warn, -1, "nobody knows"},
		{"a campaign of one, where the bar is higher", reach(3), Params{Expected: 1, Without: []TieKind{TiePart}}, vedette.Block, 3, "two kinds"},
		{"a name and nothing else", reach(3), Params{Without: []TieKind{TieRegistered, TieNameServer, TieSubnet}, Expected: 1000}, vedette.Warn, 3, "one kind of evidence"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := derive(t, a, Sources{Facts: facts, Reach: tt.reach}, tt.p)
			i := slices.Index(hosts(got), b)
			if i < 0 {
				t.Fatalf("%v lacks %s", hosts(got), b)
			}
			d := got[i]
			if d.Strength != tt.want || d.Harmless != tt.harmless || !strings.Contains(d.Why, tt.why) {
				t.Errorf("%s, %d harmless, %q, want %s, %d, %q; weight %d", d.Strength, d.Harmless, d.Why, tt.want, tt.harmless, tt.why, d.Weight)
			}
			if !d.Until.Equal(at.Add(30 * 24 * time.Hour)) {
				t.Errorf("until %s", d.Until)
			}
		})
	}
	failing := errors.New("down")
	_, _, err := Derive(t.Context(), []Host{{Host: a}}, Sources{Guard: indicator.NewGuard(), Facts: facts, Reach: func(context.Context, string, indicator.Scope) (int, error) { return 0, failing }}, Params{At: at})
	if !errors.Is(err, failing) {
		t.Errorf("a reach that is down is no quiet name: %v", err)
	}
}

func TestWhatTheGuardRefusesNeverComesOut(t *testing.T) {
	guard := indicator.NewGuard()
	if _, err := guard.Add("local papers", strings.NewReader("gullnews.example\n"), indicator.Popular); err != nil {
		t.Fatal(err)
	}
	const a = "gullroad.example"
	var facts []enrichment.Fact
	for i, h := range []string{a, "gullnews.example", "login.gullnews.example", "gullvoice.example", "gullside.example", "bit.ly", "www.gullbay.example", "deep.gullcape.example"} {
		facts = append(facts, everything(h, i)...)
	}
	got, notes, err := Derive(t.Context(), []Host{{Host: a}, {Host: "bit.ly"}}, Sources{
		Guard: guard, Facts: feed(t, facts...), Popular: func(h string) bool { return h == "gullvoice.example" },
		Sender: []SenderLink{{Host: "gullnews.example"}, {Host: "docs.google.com"}},
	}, Params{At: at})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]indicator.Scope{"gullside.example": indicator.ScopeDomain, "gullbay.example": indicator.ScopeHost, "deep.gullcape.example": indicator.ScopeHost}
	have := map[string]indicator.Scope{}
	for _, d := range got {
		if d.Weight > 10_000 {
			have[d.Host] = d.Scope
		}
		in := indicator.Indicator{Value: d.Host, Scope: d.Scope}
		if r := guard.Strict(&in); r.Refused || r.Scope != d.Scope {
			t.Errorf("%s came out: %s", d.Host, r.Reason)
		}
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("came out %v, want %v", have, want)
	}
	var refused []string
	for _, r := range notes.Refused {
		refused = append(refused, r.Display)
		if r.Why == "" {
			t.Errorf("%s is refused without a reason", r.Display)
		}
	}
	for _, h := range []string{"bit[.]ly", "gullnews[.]example", "gullvoice[.]example"} {
		if !slices.Contains(refused, h) {
			t.Errorf("refused %v lacks %s", refused, h)
		}
	}
}

func TestSendersAndPathsTie(t *testing.T) {
	src := Sources{
		Guard: indicator.NewGuard(), Names: NewNames(slices.Values(ordinary(5000))),
		Sender: []SenderLink{{Host: "lampside.test", Path: "/7654321s/"}, {Host: "coast.test", Path: "/about/us"}, {Host: "tern.test", Cell: true}},
	}
	got, _, err := Derive(t.Context(), []Host{{Host: "gullroad.example", Paths: []string{"/1234567s/", "/news"}}}, src, Params{At: at})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string][]TieKind{}
	for _, d := range got {
		for _, tie := range d.Ties {
			kinds[d.Host] = append(kinds[d.Host], tie.Kind)
		}
	}
	want := map[string][]TieKind{"lampside.test": {TieSender, TiePath}, "coast.test": {TieSender}, "tern.test": {TieSender}}
	for h, k := range want {
		if !slices.Equal(kinds[h], k) {
			t.Errorf("%s: %v, want %v", h, kinds[h], k)
		}
	}
	if len(got) < 3 || got[0].Host != "lampside.test" || got[0].Strength > vedette.Warn {
		t.Errorf("%+v", got)
	}
}

func TestPathShape(t *testing.T) {
	for path, want := range map[string]string{
		"/1234567s/": "/7d1l/", "/aB3xY9": "/6x", "/news/1234567s?x=1": "/*/7d1l", "/about/us": "", "": "", "/": "", "/2026/03/01/a-title": "", "/CamelCase": "",
		"/2026": "", "/article12": "/7l2d", "/AbCdEfG": "/7x", "/%41bc": "", "/123456789": "/9d", strings.Repeat("/a1b2c3", 20): "",
	} {
		if got := PathShape(path); got != want {
			t.Errorf("PathShape(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestDeriveRefusesWhatItCannotJudge(t *testing.T) {
	guard := indicator.NewGuard()
	good := []Host{{Host: "gullroad.example"}}
	for _, tt := range []struct {
		name  string
		hosts []Host
		src   Sources
		p     Params
		want  error
	}{
		{"no guard", good, Sources{}, Params{At: at}, vedette.ErrInvalid},
		{"no time", good, Sources{Guard: guard}, Params{}, vedette.ErrInvalid},
		{"no host", nil, Sources{Guard: guard}, Params{At: at}, vedette.ErrInvalid},
		{"a host that is none", []Host{{Host: "GULL road"}}, Sources{Guard: guard}, Params{At: at}, vedette.ErrInvalid},
		{"too many hosts", slices.Repeat(good, 65), Sources{Guard: guard}, Params{At: at}, vedette.ErrTooLarge},
		{"too long a term", good, Sources{Guard: guard}, Params{At: at, Term: 91 * 24 * time.Hour}, vedette.ErrInvalid},
	} {
		if _, _, err := Derive(t.Context(), tt.hosts, tt.src, tt.p); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	got, notes, err := Derive(t.Context(), []Host{{Host: "192.0.2.1"}, {Host: "gullroad.example"}}, Sources{Guard: guard}, Params{At: at})
	if err != nil || len(got) != 0 || len(notes.Lacked) == 0 {
		t.Errorf("with nothing at hand: %v, %+v, %v", got, notes, err)
	}
}

// The same input in any order gives the same output, byte for byte.
func TestDeriveIsDeterministic(t *testing.T) {
	w := madeUp(3, 500, 6)
	if _, err := w.facts.Put(t.Context(), w.list); err != nil {
		t.Fatal(err)
	}
	var first string
	for i := range 6 {
		confirmed := []Host{{Host: w.campaigns[0][0]}, {Host: w.campaigns[0][1]}, {Host: w.campaigns[1][0]}}
		sender := slices.Clone(w.senders[0])
		if i%2 == 1 {
			slices.Reverse(confirmed)
			slices.Reverse(sender)
		}
		got, notes, err := Derive(t.Context(), confirmed, Sources{Guard: indicator.NewGuard(), Facts: w.facts, Names: w.names(), Sender: sender}, Params{At: at})
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%+v\n%+v", got, notes)
		if first == "" {
			first = text
		}
		if text != first || len(got) == 0 {
			t.Fatalf("time %d differs:\n%s\nfirst\n%s", i, text, first)
		}
	}
}

// More that ties never lowers a weight; more harmless people never strengthen a verdict.
func TestRelations(t *testing.T) {
	ties := []Tie{{Kind: TiePart, Bits: 5000}, {Kind: TiePath, Bits: 3000}, {Kind: TieNameServer, Bits: 7000}, {Kind: TieSubnet, Bits: 7000}, {Kind: TieSender, Bits: 1}, {Kind: TieRegistered, Bits: 4000}}
	for n := range 1 << len(ties) {
		var some []Tie
		for i := range ties {
			if n>>i&1 == 1 {
				some = append(some, ties[i])
			}
		}
		before, _, _ := weight(some)
		for i := range ties {
			if after, _, _ := weight(append(slices.Clone(some), ties[i])); after < before {
				t.Fatalf("%v and %v weigh %d, less than %d", some, ties[i], after, before)
			}
		}
	}
	if w, _, _ := weight([]Tie{{Kind: TiePart, Bits: 5000}, {Kind: TieRegistered, Bits: against}, {Kind: TieRegistered, Bits: against}}); w != 2000 {
		t.Errorf("what speaks against counts %d, want once", 5000-w)
	}
}

func FuzzLike(f *testing.F) {
	f.Add("reefcast.example", "coastcast.example")
	f.Add("a-b-1.example", "xn--a.example")
	f.Fuzz(func(t *testing.T, a, b string) {
		a, errA := enrichment.Host(a)
		b, errB := enrichment.Host(b)
		if errA != nil || errB != nil {
			return
		}
		n := NewNames(slices.Values([]string{a, b}))
		s := splitOf(link.Registrable(a))
		for _, x := range n.like(&s) {
			part := s.joined[x.part.from:x.part.to]
			if len(part) < minPart || !strings.Contains(x.name.joined, part) || x.name.reg == s.reg {
				t.Fatalf("%q and %q share %q", a, x.name.reg, part)
			}
			m := compare(&s, &x.name, &x.part)
			if w := m.weigh(); w > 60_000 || w < -60_000 || m[partCover] > 1000 {
				t.Fatalf("%q and %q weigh %d by %v", a, b, w, m)
			}
		}
	})
}

func TestLog2(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: 0, 2: 1000, 3: 1585, 10: 3322, 1000: 9966, 1 << 40: 40_000} {
		if got := log2(n); got != want {
			t.Errorf("log2(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestResolve(t *testing.T) {
	m := new(authority.Memory)
	keys := map[authority.PersonID]ed25519.PrivateKey{}
	reg := authority.NewRegister(m)
	for i, id := range []authority.PersonID{"ana", "omar"} {
		seed := make([]byte, 32)
		seed[0] = byte(i + 1)
		keys[id] = ed25519.NewKeyFromSeed(seed)
		if _, err := reg.Enrol(t.Context(), authority.Person{ID: id, Name: string(id), Role: authority.RoleAnalyst, Key: keys[id].Public().(ed25519.PublicKey)}, nil, at.Add(-200*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	permit := func(purpose authority.Purpose, tenant vedette.Tenant, who ...authority.PersonID) authority.Permit {
		ask := authority.Ask{Purpose: purpose, Tenant: tenant, Case: "case-7", Until: at.Add(time.Hour)}
		act, err := ask.Act()
		if err != nil {
			t.Fatal(err)
		}
		var signed [][]byte
		for _, id := range who {
			a, err := authority.Approve(act, id, keys[id], at)
			if err != nil {
				t.Fatal(err)
			}
			b, err := a.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			signed = append(signed, b)
		}
		p, err := reg.Permit(t.Context(), ask, signed, at)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	tokenOf := func(epoch uint16, kind vedette.TokenKind, name string) vedette.Token {
		tok := vedette.Token{Kind: kind, Epoch: epoch}
		copy(tok.Bytes[:], fmt.Sprintf("%d %d %s", epoch, kind, name))
		return tok
	}
	seen := []vedette.Token{
		tokenOf(52, vedette.TokenDomain, "gull.example"), tokenOf(53, vedette.TokenDomain, "gull.example"), tokenOf(53, vedette.TokenHost, "a.tern.example"),
		tokenOf(53, vedette.TokenDomain, "unknown.example"),
	}
	r := Resolution{Tenant: "chat-example", Tokens: seen, At: at}
	names := slices.Values([]string{"www.gull.example", "gull.example", "a.tern.example", "b.tern.example"})
	got, err := Resolve(t.Context(), permit(authority.PurposeProtect, "chat-example", "ana", "omar"), r, names, tokenOf, m)
	want := []Resolved{{seen[0], "gull.example"}, {seen[1], "gull.example"}, {seen[2], "a.tern.example"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Resolve = %v, %v, want %v", got, err, want)
	}
	untouched := func(yield func(string) bool) { t.Error("names were tried without a permit") }
	for name, p := range map[string]authority.Permit{
		"none": {}, "of one person": permit(authority.PurposeProtect, "chat-example", "ana"),
		"for another tenant": permit(authority.PurposeProtect, "other", "ana", "omar"), "to erase": permit(authority.PurposeErase, "chat-example", "ana", "omar"),
	} {
		if got, err := Resolve(t.Context(), p, r, untouched, tokenOf, m); !errors.Is(err, vedette.ErrForbidden) || got != nil {
			t.Errorf("a permit %s: %v, %v, want ErrForbidden", name, got, err)
		}
	}
	late := r
	late.At = at.Add(2 * time.Hour)
	if _, err := Resolve(t.Context(), permit(authority.PurposeProtect, "chat-example", "ana", "omar"), late, untouched, tokenOf, m); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("a permit that ended: %v", err)
	}
	url := r
	url.Tokens = []vedette.Token{tokenOf(53, vedette.TokenURL, "https://gull.example/a")}
	if _, err := Resolve(t.Context(), permit(authority.PurposeProtect, "chat-example", "ana", "omar"), url, untouched, tokenOf, m); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("a token of a URL: %v", err)
	}
}

var _ TokenOf = (*vault.Sealer)(nil).TokenIn

var _ interface {
	Shared(netip.Addr) (string, bool)
} = (*enrichment.Ranges)(nil)

// One confirmed host against 118,000 real names.
func BenchmarkDerive(b *testing.B) {
	f := realFamilies(b)
	src := Sources{Guard: indicator.NewGuard(), Names: NewNames(slices.Values(f.known))}
	hosts := f.draw("Cytrox/Intellexa", 20)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, _, err := Derive(context.Background(), []Host{{Host: hosts[i%len(hosts)]}}, src, Params{At: at}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkNewNames(b *testing.B) {
	f := realFamilies(b)
	b.ReportAllocs()
	for b.Loop() {
		NewNames(slices.Values(f.known))
	}
}
