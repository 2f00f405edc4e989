package indicator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vedette"
	"vedette/link"
)

func one(value string, scope Scope) Indicator {
	return Indicator{Value: value, Scope: scope, Source: "desk", Verdict: vedette.Block, Weight: 20000, KnownFrom: now.Add(-24 * time.Hour)}
}

func build(t testing.TB, tokens TokenMaker, list ...Indicator) *Set {
	t.Helper()
	s, err := Build(slices.Values(list), tokens)
	if err != nil {
		t.Fatalf("Build = %v, want no error", err)
	}
	return s
}

func read(t testing.TB, raw string) link.URL {
	t.Helper()
	u, err := link.Parse(raw)
	if err != nil {
		t.Fatalf("link.Parse(%q) = %v, want no error", raw, err)
	}
	return u
}

func TestAScopeCoversWhatItSaysAndNoMore(t *testing.T) {
	tests := []struct {
		name  string
		in    Indicator
		yes   []string
		never []string
	}{
		{
			"a domain covers itself and everything below", one("bad.example", ScopeDomain),
			[]string{
				"https://bad.example", "http://www.bad.example/a?b#c", "https://a.b.c.bad.example/", "BAD.EXAMPLE", "bad.example.", "https://u:p@bad.example:8443/x",
				"https://b%61d.example/", "https://bad。example/",
			},
			[]string{"https://notbad.example", "https://bad.example.other.test", "https://example", "https://bad.exampl"},
		},
		{
			"a host covers itself, with www. or without", one("www.c2.bad.example", ScopeHost),
			[]string{"https://c2.bad.example/a", "https://www.c2.bad.example", "http://c2.bad.example:81/"},
			[]string{"https://bad.example", "https://a.c2.bad.example", "https://www.www.c2.bad.example"},
		},
		{
			"a host below www. is what was registered", one("www.co.uk", ScopeHost),
			[]string{"https://www.co.uk/"},
			[]string{"https://co.uk/"},
		},
		{
			"an address is a host", one("192.0.2.7", ScopeHost),
			[]string{"http://192.0.2.7/x", "https://192.0.2.7:8443/", "http://0xc0000207/", "http://3221225991/", "http://192.0.519/"},
			[]string{"http://192.0.2.70/", "http://192.0.2.8", "http://7.192.0.2"},
		},
		{
			"an IPv6 address is a host", one("2001:db8:0::1", ScopeHost),
			[]string{"http://[2001:db8::1]/x", "http://[2001:0DB8:0:0:0:0:0:1]:8080"},
			[]string{"http://[2001:db8::2]/x"},
		},
		{
			"a host with a port covers only that port", one("192.0.2.7:4233", ScopeHost),
			[]string{"http://192.0.2.7:4233/x", "https://192.0.2.7:4233"},
			[]string{"http://192.0.2.7/x", "http://192.0.2.7:423/", "http://192.0.2.7:42331/"},
		},
		{
			"a URL covers itself, whatever its scheme, port, user and fragment", one("https://shared.example/a/b?c=1", ScopeURL),
			[]string{"http://shared.example/a/b?c=1", "https://www.shared.example:8443/a/b?c=1#x", "https://u@shared.example/a/./b?c=1"},
			[]string{"https://shared.example/a/b", "https://shared.example/a/b?c=12", "https://shared.example/a/b/?c=1", "https://x.shared.example/a/b?c=1", "https://shared.example/"},
		},
		{
			"the front page alone", one("https://shared.example/", ScopeURL),
			[]string{"http://shared.example", "https://shared.example/#a"},
			[]string{"https://shared.example/a", "https://shared.example/?a"},
		},
		{
			"a path covers itself and everything below", one("shared.example/a/b/", ScopePath),
			[]string{"https://shared.example/a/b", "https://shared.example/a/b/", "https://shared.example/a/b?x", "http://www.shared.example/a/b/c/d/e/f/g/h/i/j/k.html?x#y"},
			[]string{"https://shared.example/a/bc", "https://shared.example/a", "https://shared.example/", "https://shared.example/x/a/b"},
		},
		{
			"an internationalised host, in any spelling", one("bücher.example", ScopeDomain),
			[]string{"https://xn--bcher-kva.example/", "https://BÜCHER.example/a", "https://www.bücher.example"},
			[]string{"https://bucher.example/"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := build(t, nil, tt.in, one("unrelated.test", ScopeDomain))
			for _, raw := range tt.yes {
				u := read(t, raw)
				ms := s.Match(&u, now, false, nil)
				if len(ms) != 1 || ms[0].Scope != tt.in.Scope || ms[0].Verdict != vedette.Block || ms[0].List != "list:desk" || ms[0].Weight != 20000 {
					t.Errorf("Match(%q) = %+v, want one by %s", raw, ms, tt.in.Scope)
				}
			}
			for _, raw := range tt.never {
				u := read(t, raw)
				if ms := s.Match(&u, now, false, nil); len(ms) != 0 {
					t.Errorf("Match(%q) = %+v, want none", raw, ms)
				}
			}
		})
	}
}

func TestAMatchObeysTimeUnlessInHindsight(t *testing.T) {
	in := one("bad.example", ScopeDomain)
	in.ValidFrom, in.ValidUntil, in.KnownFrom = now.Add(-time.Hour), now.Add(time.Hour), now.Add(-time.Minute)
	s := build(t, nil, in)
	u := read(t, "https://a.bad.example/")
	for _, tt := range []struct {
		name string
		at   time.Time
		live bool
		hind bool
	}{
		{"before it was valid", now.Add(-2 * time.Hour), false, true},
		{"valid, and not yet known", now.Add(-2 * time.Minute), false, true},
		{"at the moment it was known", now.Add(-time.Minute), true, true},
		{"a millisecond before its end", now.Add(time.Hour - time.Millisecond), true, true},
		{"at its end: names change hands", now.Add(time.Hour), false, false},
	} {
		if got := len(s.Match(&u, tt.at, false, nil)) == 1; got != tt.live {
			t.Errorf("%s: Match live = %t, want %t", tt.name, got, tt.live)
		}
		if got := len(s.Match(&u, tt.at, true, nil)) == 1; got != tt.hind {
			t.Errorf("%s: Match in hindsight = %t, want %t", tt.name, got, tt.hind)
		}
	}
}

func TestSourcesThatAgreeAllMatch(t *testing.T) {
	a, b, c := one("bad.example", ScopeDomain), one("bad.example", ScopeDomain), one("x.bad.example", ScopeHost)
	b.Source, b.Operator, c.Source = "partner", "Vendor 1", "third"
	b.Published = time.Date(2021, 7, 18, 0, 0, 0, 0, time.UTC)
	s := build(t, nil, a, b, c, a)
	if s.Len() != 3 {
		t.Errorf("Len = %d, want 3: the same statement twice is one", s.Len())
	}
	u := read(t, "https://x.bad.example/")
	var got []string
	for _, m := range s.Match(&u, now, false, nil) {
		e := s.Entry(m.Number)
		got = append(got, fmt.Sprintf("%s %s %q %s", m.List, e.Scope, e.Operator, e.Label))
	}
	slices.Sort(got)
	want := []string{
		`list:desk domain "" as published by desk, received on 2026-11-24`,
		`list:partner domain "Vendor 1" as published by partner on 2021-07-18`,
		`list:third host "" as published by third, received on 2026-11-24`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("matches differ (-want +got):\n%s", d)
	}
	if e := s.Entry(99); e != (Entry{}) {
		t.Errorf("Entry of no indicator = %+v, want the zero Entry", e)
	}
}

func TestAPublicSuffixByTwoPeoplesWordCoversAllBelow(t *testing.T) {
	s := build(t, nil, one("github.io", ScopeDomain))
	for raw, want := range map[string]int{"https://a.github.io/x": 1, "https://b.a.github.io": 1, "https://github.io": 1, "https://github.com": 0} {
		u := read(t, raw)
		if got := s.Match(&u, now, false, nil); len(got) != want {
			t.Errorf("Match(%q) = %v, want %d", raw, got, want)
		}
	}
}

func TestNamesAreWrittenAndReadBackTheSame(t *testing.T) {
	for sc := ScopeNone; sc <= ScopeDomain; sc++ {
		var got Scope
		b, _ := sc.MarshalText()
		if err := got.UnmarshalText(b); err != nil || got != sc {
			t.Errorf("scope %s is read back as %s, %v", b, got, err)
		}
	}
	for _, r := range "ABCDEF" {
		for _, c := range "123456" {
			var got Admiralty
			want := string([]rune{r, c})
			if err := got.UnmarshalText([]byte(want)); err != nil || got.String() != want {
				t.Errorf("grade %s is read back as %s, %v", want, got, err)
			}
		}
	}
	if f6, err := ParseAdmiralty("F6"); err != nil || f6 != (Admiralty{}) {
		t.Errorf("F6 = %+v, %v, want the zero grade", f6, err)
	}
	for _, bad := range []string{"", "A", "G1", "A0", "A7", "A1x"} {
		if _, err := ParseAdmiralty(bad); err == nil {
			t.Errorf("ParseAdmiralty(%q): no error", bad)
		}
	}
}

func TestTheEmptyAndTheNilSetMatchNothing(t *testing.T) {
	u := read(t, "https://bad.example/")
	var none *Set
	if got := none.Match(&u, now, false, nil); got != nil || none.Len() != 0 {
		t.Errorf("nil Set: Match = %v, Len = %d", got, none.Len())
	}
	empty := build(t, nil)
	if got := empty.Match(&u, now, false, nil); got != nil {
		t.Errorf("empty Set: Match = %v, want none", got)
	}
	if empty.Digest() != none.Digest() {
		t.Errorf("the empty and the nil set have different digests")
	}
}

func TestBuildNamesWhatItCannotTake(t *testing.T) {
	_, err := Build(slices.Values([]Indicator{one("bad.example", ScopeDomain), one("not a host", ScopeHost)}), nil)
	if err == nil || !strings.Contains(err.Error(), `host "not a host" of desk`) {
		t.Errorf("Build = %v, want an error that names the value and its source", err)
	}
}

// hosts are drawn from few labels, so that they often stand below one another.
func drawHost(t *rapid.T) string {
	labels := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "www", "bad"}), 0, 3).Draw(t, "labels")
	return strings.Join(append(labels, rapid.SampledFrom([]string{"bad.example", "x.test", "y.co.uk", "z.github.io", "q.com"}).Draw(t, "domain")), ".")
}

func drawIndicator(t *rapid.T) Indicator {
	in := one(drawHost(t), Scope(rapid.IntRange(1, 4).Draw(t, "scope")))
	path := rapid.SampledFrom([]string{"/", "/a", "/a/b", "/a/b/c"}).Draw(t, "path")
	if in.Scope == ScopePath && path == "/" {
		path = "/a"
	}
	if in.Scope <= ScopePath {
		in.Value += path
	}
	if in.Scope == ScopeURL && rapid.Bool().Draw(t, "query") {
		in.Value += "?q=1"
	}
	in.Source = rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "source")
	return in
}

// covers is the definition of the scopes, written as slowly and plainly as can be.
func covers(in Indicator, u *link.URL) bool {
	bare := func(h string) string {
		if link.Registrable(h) != h {
			return strings.TrimPrefix(h, "www.")
		}
		return h
	}
	v := in.Value
	host, rest := v, "/"
	if i := strings.Index(v, "/"); i >= 0 {
		host, rest = v[:i], v[i:]
	}
	_, after, _ := strings.Cut(u.Canonical(), "://")
	path := after[strings.Index(after, "/"):]
	switch in.Scope {
	case ScopeDomain:
		return u.Host() == host || strings.HasSuffix(u.Host(), "."+host)
	case ScopeHost:
		return bare(u.Host()) == bare(host)
	case ScopeURL:
		return bare(u.Host()) == bare(host) && path == rest
	case ScopePath:
		p, _, _ := strings.Cut(path, "?")
		return bare(u.Host()) == bare(host) && (p == rest || strings.HasPrefix(p, rest+"/"))
	}
	return false
}

func TestMatchFindsExactlyWhatTheScopesSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Custom(drawIndicator), 0, 12).Draw(t, "list")
		s, err := Build(slices.Values(list), nil)
		if err != nil {
			t.Fatal(err)
		}
		other := slices.Clone(list)
		rand.New(rand.NewPCG(1, uint64(len(list)))).Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
		again, err := Build(slices.Values(append(other, list...)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.Digest() != again.Digest() || s.Len() != again.Len() {
			t.Fatalf("the digest depends on order or repetition: %s, %s", s.Digest(), again.Digest())
		}
		raw := rapid.SampledFrom([]string{"https://", "http://"}).Draw(t, "scheme") + drawHost(t) +
			rapid.SampledFrom([]string{"", "/", "/a", "/a/", "/a/b", "/a/b/c/d", "/ab", "/?q=1", "/a?q=1", "/a/b?q=1"}).Draw(t, "rest")
		u, err := link.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for _, in := range list {
			if covers(in, &u) {
				v, _ := Canonical(in.Value, in.Scope)
				want[fmt.Sprint(in.Source, in.Scope, v)] = true
			}
		}
		got := s.Match(&u, now, false, nil)
		if len(got) != len(want) {
			t.Fatalf("Match(%q) = %+v, want %v", raw, got, want)
		}
		numbers := map[uint32]bool{}
		for _, m := range got {
			numbers[m.Number] = true
		}
		if len(numbers) != len(got) {
			t.Fatalf("Match(%q) gives an indicator twice: %+v", raw, got)
		}
	})
}

// maker makes tokens as a tenant's vault would.
type maker struct{ epochs []uint16 }

func (m maker) Epochs() []uint16 { return m.epochs }

func (m maker) Token(epoch uint16, kind vedette.TokenKind, name string) vedette.Token {
	h := hmac.New(sha256.New, []byte{byte(epoch), byte(kind)})
	h.Write([]byte(name))
	return vedette.Token{Kind: kind, Epoch: epoch, Bytes: [16]byte(h.Sum(nil)[:16])}
}

func tokens(m maker, epoch uint16, u *link.URL) *vedette.Link {
	l := &vedette.Link{Host: m.Token(epoch, vedette.TokenHost, u.Host()), URL: m.Token(epoch, vedette.TokenURL, u.Canonical())}
	if r := u.Registrable(); r != "" {
		l.Domain = m.Token(epoch, vedette.TokenDomain, r)
	}
	if h := u.HostTenant(); h != "" {
		l.Tenant = m.Token(epoch, vedette.TokenTenant, h)
	}
	return l
}

func TestTokensFindWhatTheyCanExpressAndNoMore(t *testing.T) {
	m := maker{[]uint16{7, 8}}
	list := []Indicator{
		one("bad.example", ScopeDomain), one("c2.other.test", ScopeDomain), one("h.third.test", ScopeHost), one("shared.example/a?b", ScopeURL),
		one("docs.google.com/1aBcDeF", ScopePath), one("shared.example/p/q", ScopePath), one("192.0.2.7", ScopeHost), one("192.0.2.7:4233", ScopeHost),
	}
	s := build(t, m, list...)
	if got, want := s.Coverage(), (Coverage{Whole: 3, Part: 2, None: 3}); got != want {
		// docs.google.com is a hoster's place in the path: whether its tenant is known is the link room's business.
		if alt := (Coverage{Whole: 4, Part: 2, None: 2}); got != alt {
			t.Errorf("Coverage = %+v, want %+v or %+v", got, want, alt)
		}
	}
	for raw, want := range map[string]int{
		"https://x.bad.example/": 1, "https://c2.other.test/": 1, "https://www.h.third.test/": 1, "http://www.shared.example/a?b": 1,
		"https://192.0.2.7/": 1, "https://192.0.2.7:4233/": 1, // by the host without port
		"https://d.c2.other.test/": 0, // what tokens cannot express stays unfound
		"https://other.test/":      0, "https://shared.example/p/q": 0, "https://x.h.third.test/": 0,
	} {
		u := read(t, raw)
		got, known := s.MatchTokens(tokens(m, 8, &u), now, false, nil)
		if len(got) != want || !known {
			t.Errorf("MatchTokens(%q) = %+v, %t, want %d, true", raw, got, known, want)
		}
	}
	u := read(t, "https://x.bad.example/")
	if got, known := s.MatchTokens(tokens(m, 9, &u), now, false, nil); len(got) != 0 || known {
		t.Errorf("MatchTokens of an unknown epoch = %+v, %t, want none, false", got, known)
	}
	if _, known := s.MatchTokens(&vedette.Link{}, now, false, nil); !known {
		t.Errorf("MatchTokens of no tokens: known = false, want true")
	}
	var none *Set
	if _, known := none.MatchTokens(tokens(m, 7, &u), now, false, nil); known {
		t.Errorf("MatchTokens of the nil set: known = true, want false")
	}
}

func TestTokensNeverFindMoreThanTheURLDoes(t *testing.T) {
	m := maker{[]uint16{3}}
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Custom(drawIndicator), 0, 8).Draw(t, "list")
		s, err := Build(slices.Values(list), m)
		if err != nil {
			t.Fatal(err)
		}
		u, err := link.Parse("https://" + drawHost(t) + rapid.SampledFrom([]string{"/", "/a", "/a/b", "/a?q=1"}).Draw(t, "rest"))
		if err != nil {
			t.Fatal(err)
		}
		byURL := s.Match(&u, now, false, nil)
		byToken, _ := s.MatchTokens(tokens(m, 3, &u), now, false, nil)
		for _, m := range byToken {
			if !slices.Contains(byURL, m) {
				t.Fatalf("%s: the tokens find %+v, the URL only %+v", u.Canonical(), m, byURL)
			}
		}
	})
}

func many(n int) iter.Seq[Indicator] {
	return func(yield func(Indicator) bool) {
		sources := []string{"desk", "partner one", "partner two", "open list"}
		for i := range n {
			in := Indicator{Value: syntheticHost(i), Scope: ScopeDomain, Source: sources[i%4], Verdict: vedette.Block, Weight: 15000, KnownFrom: now.AddDate(0, 0, -(i/1000)%365)}
			switch i % 10 {
			case 8:
				in.Scope, in.Value = ScopeHost, "c2."+in.Value
			case 9:
				in.Scope, in.Value = ScopeURL, in.Value+"/a/b?c=1"
			}
			if !yield(in) {
				return
			}
		}
	}
}

func syntheticHost(i int) string {
	h := uint64(i) * 0x9e3779b97f4a7c15
	var b [6]byte
	for j := range b {
		b[j] = byte(h >> (8 * (j + 2)))
	}
	return "n" + hex.EncodeToString(b[:]) + fmt.Sprint(i) + ".example"
}

func resident(f func() *Set) (*Set, uint64) {
	var a, b runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&a)
	s := f()
	runtime.GC()
	runtime.ReadMemStats(&b)
	return s, b.HeapAlloc - a.HeapAlloc
}

func TestASetHoldsAtMost32BytesForEachIndicator(t *testing.T) {
	n := 1_000_000
	if os.Getenv("VEDETTE_BIG") != "" {
		n = 10_000_000
	}
	if testing.Short() {
		n = 100_000
	}
	begin := time.Now()
	s, bytes := resident(func() *Set {
		s, err := Build(many(n), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
	per := float64(bytes) / float64(s.Len())
	t.Logf("%d indicators: %.1f resident bytes each (%.1f by its own count), built in %v", s.Len(), per, float64(s.Bytes())/float64(s.Len()), time.Since(begin).Round(time.Millisecond))
	if per > 32 {
		t.Errorf("%.1f resident bytes for each indicator, want at most 32", per)
	}
	for i := 0; i < n; i += n / 1000 {
		u := read(t, "https://x."+syntheticHost(i)+"/")
		want := 0
		if i%10 < 8 {
			want = 1
		}
		if got := s.Match(&u, now, false, nil); len(got) != want {
			t.Fatalf("Match(%s) = %v, want %d", u.Host(), got, want)
		}
	}
	runtime.KeepAlive(s)
}

func TestTokensOfAnEpochCostAsMuchAgain(t *testing.T) {
	const n = 100_000
	bare, err := Build(many(n), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Build(many(n), maker{[]uint16{1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d indicators: %.1f bytes each without tokens, %.1f more for one epoch; %+v", n, float64(bare.Bytes())/n, float64(s.Bytes()-bare.Bytes())/n, s.Coverage())
	if c := s.Coverage(); c.Whole+c.Part+c.None != n {
		t.Errorf("Coverage = %+v, want %d in all", c, n)
	}
	if s.Digest() == bare.Digest() {
		t.Errorf("a set for other epochs has the same digest: it answers differently")
	}
}

func BenchmarkMatch(b *testing.B) {
	n := 1_000_000
	if os.Getenv("VEDETTE_BIG") != "" {
		n = 10_000_000
	}
	s, err := Build(many(n), nil)
	if err != nil {
		b.Fatal(err)
	}
	var hits, misses []link.URL
	for i := range 1 << 12 {
		hits = append(hits, read(b, "https://x."+syntheticHost((i*7919%(n/10))*10)+"/a/b?c=1"))
		misses = append(misses, read(b, "https://www.honest"+fmt.Sprint(i)+".test/news/2026/a.html?b=c"))
	}
	long := read(b, "https://"+syntheticHost(9)+"/"+strings.Repeat("segment/", 100)+"?"+strings.Repeat("q", 2000))
	buf := make([]Match, 0, 8)
	run := func(name string, us []link.URL) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				buf = s.Match(&us[i&(len(us)-1)], now, false, buf[:0])
				i++
			}
		})
	}
	run("set/hit", hits)
	run("set/miss", misses)
	run("set/long", []link.URL{long})

	type fact struct {
		verdict vedette.Verdict
		source  string
	}
	m := make(map[string]fact, n)
	for in := range many(n) {
		m[in.Value] = fact{in.Verdict, in.Source}
	}
	baseline := func(name string, us []link.URL) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i, found := 0, 0
			for b.Loop() {
				u := &us[i&(len(us)-1)]
				for h := u.Host(); h != ""; h = parent(h) {
					if _, ok := m[h]; ok {
						found++
					}
					if h == u.Registrable() {
						break
					}
				}
				i++
			}
		})
	}
	baseline("map/hit", hits)
	baseline("map/miss", misses)
}

func TestATenantIsFoundBehindItsHostersOwnWords(t *testing.T) {
	set := build(t, nil, Indicator{Value: "sites.google.com/quay-7", Scope: ScopePath, Source: "cases"})
	for raw, want := range map[string]int{
		"https://sites.google.com/view/quay-7/x7Kq":   1,
		"https://sites.google.com/view/quay-7":        1,
		"https://sites.google.com/quay-7/x":           1,
		"https://sites.google.com/view/quay-70/x":     0,
		"https://sites.google.com/view/choir/quay-7":  0,
		"https://other.example/view/quay-7":           0,
		"https://sites.google.com/view/?to=/quay-7/x": 0,
	} {
		u, err := link.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := set.Match(&u, time.Time{}, true, nil); len(got) != want {
			t.Errorf("Match(%q) = %d, want %d", raw, len(got), want)
		}
	}
}
