package link

import (
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	whatwg "github.com/nlnwa/whatwg-url/url"
)

var seeds = []string{
	"https://evil.example/", "http://evil.example/a/b.html?c=d&e=f#g", "HTTPS://User:word@EVIL.example.:443/%61/../b?c[]=%zz#d",
	"https://bücher.example/ü?ü", "https://xn--bcher-kva.example/", "http://0xC0000201/", "http://[::ffff:192.0.2.1]:8080/", "evil.example:80/a",
	"intent://evil.example/a#Intent;scheme=https;end", "mailto:a@evil.example", "data:text/html,<b>[.]", "file:///C|/a", "https://evil.example//a//./b/%2e%2e/c?",
	"https://evil.example/%25%32%35?q=https%3A%2F%2Fother.example%2F", "ev\u00adil。example", "https://evil.example/??", "https://a_b.example/?#", `https:\\evil.example\a`,
	"https://evil.example/%2525%41%%%", "https://1.2.3", "https://evil.example/a;b=c,d'e\"f<g>h`i{j}k|l\\m^n~o", "https://a..b.example", "non-special://host:99/a?b'c", "ws://evil.example:80",
	"https://evil.example/?a?", "https://(dot).example/", "https://evil.example/hxxp://(dot)[.]a", "https://b.example:08/", "foo:bar[.]", "https://[2001:db8::1.2.3.4]/",
}

// The laws of a reading: it never panics; the canonical form is a fixed point; its parts are parts of it; what is defanged comes back.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := Parse(raw)
		if err != nil {
			if u != (URL{}) {
				t.Errorf("Parse(%q) gives a link and an error", raw)
			}
			if !strings.Contains(err.Error(), "link: ") {
				t.Errorf("Parse(%q): %v", raw, err)
			}
			return
		}
		v, err := Parse(u.canonical)
		if err != nil || v.canonical != u.canonical || v.host != u.host || v.registrable != u.registrable || v.match != u.match {
			t.Fatalf("Parse(%q) = %+v; again %+v, %v", raw, u, v, err)
		}
		if v.shape.Flags|spelling != u.shape.Flags|spelling {
			t.Errorf("Parse(%q): properties %b; again %b", raw, u.shape.Flags, v.shape.Flags)
		}
		if !ascii(u.canonical) {
			t.Errorf("Parse(%q): canonical form %q is not ASCII", raw, u.canonical)
		}
		if !strings.Contains(u.canonical, u.host) || !strings.HasSuffix(u.host, u.registrable) {
			t.Errorf("Parse(%q): %+v", raw, u)
		}
		// A scheme that is spelled like a defanged one is refanged: that cannot be told apart.
		scheme, _, _ := strings.Cut(u.canonical, ":")
		if u.host != "" && strings.HasPrefix(Refang(u.canonical), scheme+":") {
			w, err := Parse(Refang(u.Defanged()))
			if err != nil || w.canonical != u.canonical {
				t.Errorf("Parse(Refang(%q)) = %q, %v, want %q", u.Defanged(), w.canonical, err, u.canonical)
			}
			if d := u.Defanged(); strings.HasPrefix(d, "http:") || strings.HasPrefix(d, "https:") || strings.Contains(u.host, ".") && strings.Contains(d, u.host) {
				t.Errorf("Defang(%q) = %q has fangs", u.canonical, d)
			}
		}
		expressions := u.Expressions()
		if len(expressions) > maxHosts*maxPaths {
			t.Errorf("%d expressions", len(expressions))
		}
		seen := map[string]bool{}
		for _, e := range expressions {
			if seen[e] {
				t.Errorf("Parse(%q).Expressions() has %q twice", raw, e)
			}
			seen[e] = true
		}
		d := u.Display()
		if !utf8.ValidString(d.Unicode) {
			t.Errorf("Display of %q is not UTF-8", raw)
		}
		for _, m := range d.Marks {
			if r, _ := utf8.DecodeRuneInString(d.Unicode[m.At:]); r != m.Rune {
				t.Errorf("mark %+v does not stand in %q", m, d.Unicode)
			}
		}
		_ = u.HostTenant()
		_, _ = SafeBrowsing(raw)
		_ = Skeleton(raw)
		_ = Refang(raw)
		_ = Defang(raw)
	})
}

// What the plain reading takes, the library reads the same way, and so does the long reading.
func FuzzPlain(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	parser := whatwg.NewParser()
	f.Fuzz(func(t *testing.T, raw string) {
		// Most of what a fuzzer makes is not plain: what stands behind the scheme is made to be.
		raw = strings.Map(func(r rune) rune {
			if r > '~' || r < '!' {
				return 'a' + r%26
			}
			return r
		}, raw)
		if !strings.HasPrefix(raw, "http") {
			raw = "https://" + raw
		}
		var u URL
		if !u.readPlain(raw) {
			return
		}
		w, err := parser.Parse(raw)
		if err != nil {
			if strings.Contains(u.host, "xn--") {
				return // the standard takes every name in ASCII as it is; the library does not
			}
			t.Fatalf("the library refuses %q: %v", raw, err)
		}
		want := strings.TrimSuffix(w.Href(true), "?")
		if w.Query() != "" {
			want = w.Href(true)
		}
		if u.canonical != want || u.host != w.Hostname() {
			t.Errorf("plain reading of %q: %q; the library says %q", raw, u.canonical, want)
		}
		long, err := read(raw)
		if err != nil || long != u {
			t.Errorf("plain reading of %q: %+v; long reading %+v, %v", raw, u, long, err)
		}
	})
}

// Safe Browsing's canonical form is a fixed point too.
func FuzzSafeBrowsing(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		path := "/" + raw
		if once := comparison(path); comparison(once) != once {
			t.Errorf("comparison(%q) = %q, then %q", path, once, comparison(once))
		}
		if once := unescapeAll(raw); unescape(once) != once {
			t.Errorf("unescapeAll(%q) = %q, which can be decoded", raw, once)
		}
	})
}

// A digest names a published expression: it must never change.
func TestDigestsNeverChange(t *testing.T) {
	for raw, want := range map[string]map[string]string{
		"https://a.b.example/1/2.html?c=d": {
			"a.b.example/1/2.html?c=d": "cf4d8c376416177fd1f7e4d7d7f239551f1d19904e5718cde9649dacb68a9f34",
			"a.b.example/1/2.html":     "b6fb85e602ad0b1b5e3d6cdfabb8f2b826d724d6b41f47d4fdcc2d595e6448f5",
			"a.b.example/":             "d28b59405ea059d8c866dddd386feabad64592aea078a3306225ee6a1d8f211c",
			"a.b.example/1/":           "6ace2221d1c41a55f65e63405ed0546c2329bdae77bf0369385ee1d11d9817ab",
			"b.example/1/2.html?c=d":   "50e5025c36a730a94bc3a5a3a278936a1df686b5bc35e482bf46901d2a9d4a2a",
			"b.example/1/2.html":       "dfb41c91beeda97f645d70e6662c4a49e3bfb397bed497a1bd40030da7256fee",
			"b.example/":               "f8a16db611f02ed6de15c83dbe7031f892907a2765bf4b60ba7b1cc40e0f1d9f",
			"b.example/1/":             "74e63aa6783b026a300682a42c1616d05b365d8ddd846bbb72526e822c2ae243",
		},
		"http://bücher.example/": {"xn--bcher-kva.example/": "386dade969207c9598e2694a57632d8f9eb0c4d48c7275851adb5313e8b00050"},
	} {
		u, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, e := range u.Expressions() {
			got[e] = Sum(e).String()
		}
		if len(got) != len(want) {
			t.Errorf("Parse(%q).Expressions() = %q", raw, u.Expressions())
		}
		for e, sum := range want {
			if got[e] != sum {
				t.Errorf("Sum(%q) = %s, want %s", e, got[e], sum)
			}
		}
	}
}

// Whoever sends links must not be able to hold up the gate with one. No time is asserted: a reading in the square of its length would
// take this test past any deadline, or allocate more.
func TestNoLinkIsExpensive(t *testing.T) {
	ideographs := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteRune(rune(0x4e00 + i))
		}
		return b.String()
	}
	for name, raw := range map[string]string{
		"a long label of many letters":    "https://" + ideographs(10_000) + ".example/",
		"the same in Safe Browsing":       ideographs(10_000),
		"many at signs":                   "https://" + strings.Repeat("@", 32_000) + "e.example/",
		"many invisible characters":       "https://" + strings.Repeat("\u00ad", 15_000) + "e.example/",
		"an address encoded many times":   "https://" + strings.Repeat("%25", 10_000) + "41.example/",
		"a path of dot segments":          "https://e.example/" + strings.Repeat("a/../", 6_000),
		"a path of escapes":               "https://e.example/" + strings.Repeat("%2525", 6_000),
		"a foreign host of escapes":       "foo://" + strings.Repeat("%41", 10_000) + "/",
		"a foreign path of percent signs": "data:" + strings.Repeat("%", 32_000),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = Parse(raw)
		_, _ = SafeBrowsing(raw)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
			t.Errorf("%s: %d bytes", name, n)
		}
	}
}
