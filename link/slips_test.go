package link_test

import (
	"slices"
	"testing"

	"vedette"
	"vedette/link"
)

// Each way of writing a link that slips past a plain comparison of text. All of them are one host.
func TestWaysToSlipPastAComparisonOfTextGiveTheSameHost(t *testing.T) {
	for _, tt := range []struct {
		name, raw, host, registrable string
	}{
		{"as it is", "https://login.evil.example/a", "login.evil.example", "evil.example"},
		{"http", "http://login.evil.example/a", "login.evil.example", "evil.example"},
		{"upper case", "HTTPS://LOGIN.EVIL.EXAMPLE/a", "login.evil.example", "evil.example"},
		{"www", "https://www.evil.example/a", "www.evil.example", "evil.example"},
		{"no path", "https://login.evil.example", "login.evil.example", "evil.example"},
		{"no path but a query", "https://login.evil.example?x", "login.evil.example", "evil.example"},
		{"no path but a fragment", "https://login.evil.example#x", "login.evil.example", "evil.example"},
		{"no scheme", "login.evil.example/a", "login.evil.example", "evil.example"},
		{"no scheme but slashes", "//login.evil.example/a", "login.evil.example", "evil.example"},
		{"no scheme but a port", "login.evil.example:8080/a", "login.evil.example", "evil.example"},
		{"no scheme but a user", "user@login.evil.example/a", "login.evil.example", "evil.example"},
		{"no scheme but user and password", "user:word@login.evil.example/a", "login.evil.example", "evil.example"},
		{"the scheme's own port", "https://login.evil.example:443/a", "login.evil.example", "evil.example"},
		{"another port", "https://login.evil.example:8443/a", "login.evil.example", "evil.example"},
		{"a port with zeros", "https://login.evil.example:00443/a", "login.evil.example", "evil.example"},
		{"an empty port", "https://login.evil.example:/a", "login.evil.example", "evil.example"},
		{"a user that looks like a host", "https://bank.example@login.evil.example/a", "login.evil.example", "evil.example"},
		{"a user with a port and slashes encoded", "https://bank.example:443%2Fa@login.evil.example/a", "login.evil.example", "evil.example"},
		{"two at signs", "https://bank.example@x@login.evil.example/a", "login.evil.example", "evil.example"},
		{"trailing dot", "https://login.evil.example./a", "login.evil.example", "evil.example"},
		{"trailing dots", "https://login.evil.example.../a", "login.evil.example", "evil.example"},
		{"leading dot", "https://.login.evil.example/a", "login.evil.example", "evil.example"},
		{"double dot", "https://login..evil.example/a", "login.evil.example", "evil.example"},
		{"one slash", "https:/login.evil.example/a", "login.evil.example", "evil.example"},
		{"no slash", "https:login.evil.example/a", "login.evil.example", "evil.example"},
		{"three slashes", "https:///login.evil.example/a", "login.evil.example", "evil.example"},
		{"backslashes", `https:\\login.evil.example\a`, "login.evil.example", "evil.example"},
		{"a backslash before an at sign", `https://login.evil.example\@bank.example/a`, "login.evil.example", "evil.example"},
		{"a tab in the scheme", "ht\ttps://login.evil.example/a", "login.evil.example", "evil.example"},
		{"newlines in the host", "https://login.ev\r\nil.example/a", "login.evil.example", "evil.example"},
		{"spaces around", " \u00a0 https://login.evil.example/a \n\u3000", "login.evil.example", "evil.example"},
		{"a byte order mark before", "\ufeffhttps://login.evil.example/a", "login.evil.example", "evil.example"},
		{"percent-encoded", "https://%6cogin.%65%76%69%6c.example/a", "login.evil.example", "evil.example"},
		{"percent-encoded dot", "https://login%2eevil%2Eexample/a", "login.evil.example", "evil.example"},
		{"percent-encoded twice", "https://login.%2565vil.example/a", "login.evil.example", "evil.example"},
		{"percent-encoded three times", "https://login.%252565vil.example/a", "login.evil.example", "evil.example"},
		{"percent-encoded IDNA dot", "https://login%E3%80%82evil.example/a", "login.evil.example", "evil.example"},
		{"soft hyphen", "https://login.ev\u00adil.example/a", "login.evil.example", "evil.example"},
		{"percent-encoded soft hyphen", "https://login.ev%C2%ADil.example/a", "login.evil.example", "evil.example"},
		{"zero width space", "https://login.ev\u200bil.example/a", "login.evil.example", "evil.example"},
		{"zero width joiner", "https://login.ev\u200dil.example/a", "login.evil.example", "evil.example"},
		{"word joiner", "https://login.ev\u2060il.example/a", "login.evil.example", "evil.example"},
		{"variation selector", "https://login.evil\ufe0f.example/a", "login.evil.example", "evil.example"},
		{"tag characters", "https://login.evil\U000e0061.example/a", "login.evil.example", "evil.example"},
		{"combining grapheme joiner", "https://login.ev\u034fil.example/a", "login.evil.example", "evil.example"},
		{"fullwidth letters", "https://ｌｏｇｉｎ.ｅｖｉｌ.ｅｘａｍｐｌｅ/a", "login.evil.example", "evil.example"},
		{"fullwidth capitals", "https://ＬＯＧＩＮ.ＥＶＩＬ.example/a", "login.evil.example", "evil.example"},
		{"fullwidth everything", "ｈｔｔｐｓ：／／login.evil.example／a", "login.evil.example", "evil.example"},
		{"an invisible character in the scheme", "ht\u200btps://login.evil.example/a", "login.evil.example", "evil.example"},
		{"fullwidth dot", "https://login．evil．example/a", "login.evil.example", "evil.example"},
		{"ideographic dot", "https://login。evil。example/a", "login.evil.example", "evil.example"},
		{"halfwidth ideographic dot", "https://login｡evil｡example/a", "login.evil.example", "evil.example"},
		{"mathematical letters", "https://login.𝖊𝖛𝖎𝖑.example/a", "login.evil.example", "evil.example"},
		{"circled letters", "https://login.ⓔⓥⓘⓛ.example/a", "login.evil.example", "evil.example"},
		{"a right-to-left override in the host", "https://login.evil.example\u202e/a", "login.evil.example", "evil.example"},
		{"isolates around the host", "https://\u2066login.evil.example\u2069/a", "login.evil.example", "evil.example"},
		{"a right-to-left mark at the start", "\u200fhttps://login.evil.example/a", "login.evil.example", "evil.example"},
		{"right-to-left text in user part and path", "https://אבג@login.evil.example/דהו\u202e", "login.evil.example", "evil.example"},
		{"websocket", "wss://login.evil.example/a", "login.evil.example", "evil.example"},
		{"an app's scheme around it", "intent://login.evil.example/a#Intent;scheme=https;end", "login.evil.example", "evil.example"},

		{"a browser's scheme around it", "microsoft-edge:https://login.evil.example/a", "login.evil.example", "evil.example"},
		{"the same with slashes", "microsoft-edge://https://login.evil.example/a", "login.evil.example", "evil.example"},
		{"a browser's scheme with it as an argument", "googlechrome://navigate?url=https%3A%2F%2Flogin.evil.example/a", "login.evil.example", "evil.example"},
		{"another browser's", "firefox://open-url?private=1&url=https://login.evil.example/a", "login.evil.example", "evil.example"},
		{"its source", "view-source:HTTPS:\\\\login.evil.example/a", "login.evil.example", "evil.example"},
		{"a feed of it", "feed:https://login.evil.example/a", "login.evil.example", "evil.example"},
		{"an app's scheme right before it", "intent:https://login.evil.example/a#Intent;end", "login.evil.example", "evil.example"},

		{"a name in Unicode", "https://bücher.example/", "xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"the same decomposed", "https://bu\u0308cher.example/", "xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"the same in capitals", "https://BÜCHER.example/", "xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"the same in A-form", "https://XN--BCHER-kva.example/", "xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"the same percent-encoded", "https://b%C3%BCcher.example/", "xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"an underscore beside Unicode", "https://a_b.bücher.example/", "a_b.xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"a label of mixed direction", "https://1א.evil.example/", "xn--1-0hc.evil.example", "evil.example"},

		{"an address", "http://192.0.2.235/a", "192.0.2.235", ""},
		{"in hexadecimal", "http://0xC0.0x00.0x02.0xEB/a", "192.0.2.235", ""},
		{"in octal", "http://0300.0000.0002.0353/a", "192.0.2.235", ""},
		{"as one number", "http://3221226219/a", "192.0.2.235", ""},
		{"as one hexadecimal number", "http://0xC00002EB/a", "192.0.2.235", ""},
		{"as one octal number", "http://030000001353/a", "192.0.2.235", ""},
		{"in two parts", "http://192.747/a", "192.0.2.235", ""},
		{"in three parts", "http://192.0.747/a", "192.0.2.235", ""},
		{"in mixed bases", "http://0xc0.0.0x2.0353/a", "192.0.2.235", ""},
		{"with a trailing dot", "http://192.0.2.235./a", "192.0.2.235", ""},
		{"in fullwidth digits", "http://１９２.０.２.２３５/a", "192.0.2.235", ""},
		{"in circled digits", "http://①⑨②.⓪.②.②③⑤/a", "192.0.2.235", ""},
		{"percent-encoded address", "http://%31%39%32.0.2.235/a", "192.0.2.235", ""},
		{"with a port", "http://3221226219:8080/a", "192.0.2.235", ""},
		{"mapped into IPv6", "http://[::ffff:192.0.2.235]/a", "192.0.2.235", ""},
		{"mapped into IPv6 in hexadecimal", "http://[0:0:0:0:0:FFFF:C000:02EB]/a", "192.0.2.235", ""},
		{"behind NAT64", "http://[64:ff9b::c000:2eb]/a", "192.0.2.235", ""},
		{"an IPv6 address", "http://[2001:0DB8:0:0:0:0:0:1]/a", "[2001:db8::1]", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := link.Parse(tt.raw)
			if err != nil {
				t.Fatalf("Parse(%+q): %v", tt.raw, err)
			}
			if u.Host() != tt.host || u.Registrable() != tt.registrable {
				t.Errorf("Parse(%+q): host %q, registrable %q, want %q and %q", tt.raw, u.Host(), u.Registrable(), tt.host, tt.registrable)
			}
			again, err := link.Parse(u.Canonical())
			if err != nil || again.Canonical() != u.Canonical() || again.Host() != u.Host() {
				t.Errorf("Parse(%q) = %q, %v: not a fixed point", u.Canonical(), again.Canonical(), err)
			}
		})
	}
}

func TestParseRefusesWhatNoClientOpens(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing":                       "",
		"spaces":                        " \t\n",
		"a path":                        "/a/b",
		"a query":                       "?a",
		"a fragment":                    "#a",
		"a scheme alone":                "https://",
		"a port alone":                  "https://:80/",
		"a user without a host":         "https://user@/",
		"a space in the host":           "https://evil .example/",
		"a bracket never closed":        "https://[2001:db8::1/",
		"an address with a zone":        "https://[fe80::1%25eth0]/",
		"five parts of an address":      "https://192.0.2.1.5/",
		"a part over 255":               "https://192.0.2.256/",
		"a name that ends in a number":  "https://evil.example.5/",
		"a port over 65535":             "https://evil.example:65536/",
		"a port of letters":             "https://evil.example:8o/",
		"a percent sign in the host":    "https://evil%.example/",
		"a label over 63 characters":    "https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example/",
		"a host of dots":                "https://.../",
		"a host of invisible things":    "https://\u00ad/",
		"a host that is not UTF-8":      "https://ev\xffil.example/",
		"an encoded slash in the host":  "https://bank.example%2f.evil.example/",
		"a fullwidth slash in the host": "https://bank.example／.evil.example/",
		"a defanged host":               "https://evil[.]example/",
	} {
		t.Run(name, func(t *testing.T) {
			u, err := link.Parse(raw)
			if err == nil {
				t.Fatalf("Parse(%+q) = %q, want an error", raw, u.Canonical())
			}
			if !errorIsInvalid(err) {
				t.Errorf("Parse(%+q): %v does not wrap ErrInvalid", raw, err)
			}
		})
	}
}

func TestTheCanonicalFormIsOneForAllSpellings(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		raw        []string
	}{
		{"escapes of letters", "https://evil.example/abc~?q=abc", []string{"https://evil.example/%61b%63%7e?q=%61bc", "https://u:p@evil.example:443/%61bc~?q=abc#frag"}},
		{"hexadecimal in capitals", "https://evil.example/%2F?q=%C3%BC", []string{"https://evil.example/%2f?q=%c3%bc", "https://evil.example/%2f?q=ü"}},
		{"dot segments", "https://evil.example/b", []string{"https://evil.example/a/../b", "https://evil.example/a/%2e%2e/b", "https://evil.example/./b", `https://evil.example\a\..\b`}},
		{"an empty query", "https://evil.example/a", []string{"https://evil.example/a?", "https://evil.example/a?#b"}},
		{"a percent sign alone", "https://evil.example/100%25", []string{"https://evil.example/100%", "https://evil.example/100%25"}},
		{"brackets", "https://evil.example/?a%5B%5D=1", []string{"https://evil.example/?a[]=1", "https://evil.example/?a%5b%5d=1"}},
		{"no path", "https://evil.example/", []string{"evil.example", "HTTPS://EVIL.example.", "https://evil.example/?"}},
		{"encoded twice is another resource", "https://evil.example/%2561", []string{"https://evil.example/%2561", "https://evil.example/%25%36%31"}},
		{"slashes in the path are the server's business", "https://evil.example//a//", []string{"https://evil.example//a//"}},
		{"a query that ends in a question mark", "https://evil.example/?a?", []string{"https://evil.example/?a?", "https://evil.example?a?"}},
		{"two question marks", "https://evil.example/??", []string{"https://evil.example/??"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, raw := range tt.raw {
				u, err := link.Parse(raw)
				if err != nil || u.Canonical() != tt.want {
					t.Errorf("Parse(%q) = %q, %v, want %q", raw, u.Canonical(), err, tt.want)
				}
			}
		})
	}
}

func TestShapeTellsHowALinkLooks(t *testing.T) {
	for _, tt := range []struct {
		raw  string
		want vedette.ShapeFlag
	}{
		{"https://evil.example/", 0},
		{"http://evil.example/", vedette.ShapeInsecure},
		{"https://user@evil.example/", vedette.ShapeUserinfo},
		{"https://evil.example:8443/", vedette.ShapePort},
		{"http://192.0.2.1/", vedette.ShapeInsecure | vedette.ShapeAddress},
		{"http://0xc0000201/", vedette.ShapeInsecure | vedette.ShapeAddress | vedette.ShapeDeceptive},
		{"mailto:someone@evil.example", vedette.ShapeForeign | vedette.ShapeNoReferrable},
		{"intent://evil.example/#Intent;end", vedette.ShapeForeign},
		{"https://bit.ly/3xYz9aB", vedette.ShapeShortener},
		{"https://www.tinyurl.com/abc", vedette.ShapeShortener},
		{"https://www.google.com/url?q=https://evil.example/", vedette.ShapeShortener | vedette.ShapeEmbedded},
		{"https://www.google.com/search?q=url", 0},
		{"https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fevil.example%2F", vedette.ShapeShortener | vedette.ShapeEmbedded},
		{"https://someone.github.io/a", vedette.ShapeSharedHost},
		{"https://sites.google.com/view/someone", vedette.ShapeSharedHost},
		{"https://someone.substack.com/p/a", vedette.ShapeSharedHost},
		{"https://substack.com/about", 0},
		{"https://bücher.example/", vedette.ShapeIDN},
		{"https://москва.example/", vedette.ShapeIDN},
		{"https://p\u0430ypal.example/", vedette.ShapeIDN | vedette.ShapeMixedScript | vedette.ShapeConfusable},
		{"https://\u0440\u0430\u0443\u0440\u0430\u04cf.example/", vedette.ShapeIDN | vedette.ShapeConfusable},
		{"https://日本語テスト.example/", vedette.ShapeIDN},
		{"https://xn--a.example/", vedette.ShapeIDN | vedette.ShapePunyInvalid},
		{"https://ev\u00adil.example/", vedette.ShapeDeceptive},
		{"https://ev\u202eil.example/", vedette.ShapeDeceptive | vedette.ShapeUnread},
		{"https://%65vil.example/", vedette.ShapeDeceptive},
		{"https://evil.example/%61", vedette.ShapeDeceptive},
		{"https://evil.example/%7Ea", 0},
		{"https://a.b.c.d.evil.example/", vedette.ShapeLongHost},
		{"https://a.b.c.evil.example/", 0},
		{"https://co.uk/", vedette.ShapeNoReferrable},
		{"https://evil.example/?to=aHR0cHM6Ly9vdGhlci5leGFtcGxlLw", vedette.ShapeEmbedded},
	} {
		u, err := link.Parse(tt.raw)
		if err != nil || u.Shape().Flags != tt.want {
			t.Errorf("Parse(%+q).Shape().Flags = %016b, %v, want %016b", tt.raw, u.Shape().Flags, err, tt.want)
		}
	}
}

func TestTokensAndWords(t *testing.T) {
	for _, tt := range []struct {
		path string
		want uint8
	}{
		{"/about/team/2026/11/25/how-we-write-software", 0},
		{"/news/world-europe-67512345", 0},
		{"/HelloWorldPage/README.md", 0},
		{"/wiki/Hypertext_Transfer_Protocol", 0},
		{"/products/iphone-15-pro-max", 0},
		{"/2026/11/25/", 0},
		{"/watch?v=dQw4w9WgXcQ", 1},
		{"/3xYz9aB", 1},
		{"/a/550e8400-e29b-41d4-a716-446655440000", 1},
		{"/d41d8cd98f00b204e9800998ecf8427e", 1},
		{"/d/1aB2cD3eF4gH5iJ6kL7mN8oP9qR0s/edit", 1},
		{"/qzxvkjwptrsl", 1},
		{"/x7Kq2mZ9?id=b3F8kQ1z&lang=en", 2},
	} {
		u, err := link.Parse("https://evil.example" + tt.path)
		if err != nil || u.Shape().TokenLike != tt.want {
			t.Errorf("%s: %d token-like segments, %v, want %d", tt.path, u.Shape().TokenLike, err, tt.want)
		}
	}
	u, _ := link.Parse("https://a.evil.example/x/yy//zzzzzzzz/abcdefgh?k=1&l&m=n")
	want := vedette.Shape{PathSegments: 4, QueryKeys: 3, HostLabels: 3, Length: 56, Entropy: 48}
	if u.Shape() != want {
		t.Errorf("Shape() = %+v, want %+v", u.Shape(), want)
	}
}

func TestTheTenantOfASharedHost(t *testing.T) {
	for raw, want := range map[string]string{
		"https://someone.github.io/a":                                    "someone.github.io",
		"https://deep.someone.github.io/a":                               "someone.github.io",
		"https://docs.google.com/forms/d/e/1FAIpQLSe/viewform":           "docs.google.com/1FAIpQLSe",
		"https://docs.google.com/document/u/0/d/1aB2/edit":               "docs.google.com/1aB2",
		"https://drive.google.com/file/d/1aB2/view":                      "drive.google.com/1aB2",
		"https://sites.google.com/view/someone/page":                     "sites.google.com/someone",
		"https://www.dropbox.com/scl/fi/abc/file.pdf":                    "dropbox.com/abc",
		"https://t.me/someone":                                           "t.me/someone",
		"https://github.com/someone/thing":                               "github.com/someone",
		"https://someone.substack.com/p/a":                               "someone.substack.com",
		"https://x.someone.wordpress.com/":                               "someone.wordpress.com",
		"https://docs.google.com/":                                       "",
		"https://evil.example/a":                                         "",
		"http://192.0.2.1/a":                                             "",
		"mailto:someone@evil.example":                                    "",
		"https://firebasestorage.googleapis.com/v0/b/bucket/o/index.htm": "firebasestorage.googleapis.com/bucket",
	} {
		u, err := link.Parse(raw)
		if err != nil || u.HostTenant() != want {
			t.Errorf("Parse(%q).HostTenant() = %q, %v, want %q", raw, u.HostTenant(), err, want)
		}
	}
}

// What a list names by path is found in every spelling of it, though the canonical forms differ where a server might tell them apart.
func TestPathsCompareAsSafeBrowsingDoes(t *testing.T) {
	want := []string{"/a/b.html?c=d", "/a/b.html", "/", "/a/"}
	for _, raw := range []string{
		"https://evil.example/a/b.html?c=d",
		"http://evil.example:8080/a/b.html?c=d#e",
		"https://evil.example/%61/b%2Ehtml?%63=d",
		"https://evil.example/%2561/b.html?c=%2564",
		"https://evil.example/%25252561/b.html?c=d",
		"https://evil.example//a///b.html?c=d",
		"https://evil.example/a/./x/../b.html?c=d",
		"https://evil.example/x/%252e%252e/a/b.html?c=d",
		"https://evil.example/a%2Fb.html?c=d",
		"https://evil.example/a/b.html%3Fc=d",
		`https://evil.example\a\b.html?c=d`,
		"https://evil.example/a/b\n.html?c=d",
	} {
		u, err := link.Parse(raw)
		if got := u.AppendPaths(nil); err != nil || !slices.Equal(got, want) {
			t.Errorf("Parse(%q).AppendPaths() = %q, %v, want %q", raw, got, err, want)
		}
	}
}

func TestHostsFromTheLongestToTheRegistrableDomain(t *testing.T) {
	for raw, want := range map[string][]string{
		"https://www.evil.example/":          {"www.evil.example", "evil.example"},
		"https://a.b.evil.co.uk/":            {"a.b.evil.co.uk", "b.evil.co.uk", "evil.co.uk"},
		"https://a.someone.github.io/":       {"a.someone.github.io", "someone.github.io"},
		"https://github.io/":                 {"github.io"},
		"https://co.uk/":                     {"co.uk"},
		"https://localhost/":                 {"localhost"},
		"http://192.0.2.1/":                  {"192.0.2.1"},
		"http://[2001:db8::1]/":              {"[2001:db8::1]"},
		"mailto:a@evil.example":              nil,
		"https://1.2.3.4.5.6.7.evil.example": {"1.2.3.4.5.6.7.evil.example", "2.3.4.5.6.7.evil.example", "3.4.5.6.7.evil.example", "4.5.6.7.evil.example", "5.6.7.evil.example", "6.7.evil.example", "7.evil.example", "evil.example"},
		"https://xn--85x722f.xn--55qx5d.cn/": {"xn--85x722f.xn--55qx5d.cn"},
		"https://www.city.kawasaki.jp/":      {"www.city.kawasaki.jp", "city.kawasaki.jp"},
		"https://a.b.kawasaki.jp/":           {"a.b.kawasaki.jp"},
	} {
		u, err := link.Parse(raw)
		if got := u.AppendHosts(nil); err != nil || !slices.Equal(got, want) {
			t.Errorf("Parse(%q).AppendHosts() = %q, %v, want %q", raw, got, err, want)
		}
	}
	u, _ := link.Parse("https://1.2.3.4.5.6.7.evil.example/a/b/c/d/e/f?g")
	if got := len(u.Expressions()); got != 30 {
		t.Errorf("%d expressions, want 5 hosts times 6 paths", got)
	}
}
