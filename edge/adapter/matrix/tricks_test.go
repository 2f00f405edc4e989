package matrix

import (
	"slices"
	"testing"

	"vedette/link"
)

// TestAListedHostCannotHide writes one host in ways that some client makes tappable, or opens. Each must give a link to it.
func TestAListedHostCannotHide(t *testing.T) {
	const text, page = "body", "formatted_body"
	for _, tt := range []struct{ name, key, in string }{
		{"markdown", text, "[the list](https://evil.com/x)"},
		{"markdown with a title", text, `[the list](https://evil.com/x "title")`},
		{"markdown without a scheme", text, "[the list](evil.com/x)"},
		{"markdown by reference", text, "[1]: https://evil.com/x"},
		{"a bracket on both sides", text, "<https://evil.com/x>"},
		{"text right before", text, "see:https://evil.com/x"},
		{"a letter right before", text, "xhttps://evil.com/x"},
		{"another scheme right before", text, "view-source:https://evil.com/x"},
		{"another scheme with a host", text, "foo://evil.com/x"},
		{"an app's scheme", text, "intent://evil.com/x#Intent;scheme=https;end"},
		{"ftp", text, "ftp://evil.com/x"},
		{"no slashes", text, "https:evil.com/x"},
		{"a path after what looks like a room", text, "#a:evil.com/x"},
		{"what looks like a price", text, "$5:evil.com/x"},
		{"what looks like a mark", text, "!now:evil.com/x"},
		{"an exclamation before", text, "!evil.com"},
		{"a plus before", text, "+a:evil.com"},
		{"a zero-width space behind", text, "https://evil.com\u200btap/x"},
		{"a zero-width space behind, no scheme", text, "evil.com\u200btap"},
		{"a zero-width joiner within", text, "https://ev\u200dil.com/x"},
		{"a comma behind", text, "https://evil.com,tap"},
		{"a fullwidth comma behind", text, "https://evil.com，点击"},
		{"a fullwidth bracket behind", text, "https://evil.com（点击）"},
		{"an ideographic comma behind", text, "https://evil.com、点击"},
		{"an ideographic stop behind", text, "https://evil.com。点击"},
		{"another script behind", text, "https://evil.com点击"},
		{"another script behind, no scheme", text, "evil.com点击"},
		{"another script before, no scheme", text, "点击evil.com"},
		{"another script on both sides", text, "点击evil.com点击"},
		{"an emoji behind", text, "https://evil.com👉tap"},
		{"an emoji behind, no scheme", text, "evil.com👉tap"},
		{"an emoji before", text, "👉evil.com"},
		{"an address, a comma behind", text, "https://192.0.2.7,tap evil.com"},
		{"a quote behind", text, "https://evil.com'tap"},
		{"a star behind", text, "https://evil.com*tap*"},
		{"a bracket behind", text, "(https://evil.com)tap"},
		{"a semicolon behind", text, "https://evil.com;tap"},
		{"a right-to-left override", text, "https://evil.com\u202emoc.knab/x"},
		{"userinfo", text, "https://bank.example@evil.com/x"},
		{"userinfo without a scheme", text, "bank.example@evil.com/x"},
		{"a backslash", text, `https:\\evil.com\x`},
		{"a backslash before an at sign", text, `https://evil.com\@bank.example`},
		{"fullwidth letters", text, "https://ｅｖｉｌ.ｃｏｍ/x"},
		{"fullwidth letters, no scheme", text, "ｅｖｉｌ.ｃｏｍ/x"},
		{"an ideographic dot", text, "https://evil。com/x"},
		{"an ideographic dot, no scheme", text, "evil。com/x"},
		{"capitals", text, "HTTPS://EVIL.COM"},
		{"a trailing dot", text, "https://evil.com./x"},
		{"percent-encoded", text, "https://%65vil.com/x"},
		{"two in one word", text, "https://good.com,https://evil.com"},
		{"two without a mark between", text, "https://good.comhttps://evil.com"},
		{"in the fragment of a good one", text, "https://good.com#https://evil.com"},
		{"a mention with another within", text, "https://matrix.to/#/@a:b.example?https://evil.com"},
		{"a port", text, "evil.com:8443/x"},
		{"within quotes", text, "“https://evil.com”"},
		{"a combining mark behind", text, "https://evil.com\u0301 https://evil.com/x"},

		{"an anchor", page, `<a href="https://evil.com/x">bank.example</a>`},
		{"an anchor with entities", page, `<a href="&#104;ttps&colon;&sol;&sol;evil.com/x">a</a>`},
		{"an anchor with a tab", page, "<a href=\"ht\ttps://evil.com/x\">a</a>"},
		{"an anchor with a newline first", page, "<a href=\"\n https://evil.com/x\">a</a>"},
		{"an anchor without slashes", page, `<a href="http:evil.com/x">a</a>`},
		{"an anchor without a scheme", page, `<a href="//evil.com/x">a</a>`},
		{"an anchor with one of each slash", page, `<a href="/\evil.com/x">a</a>`},
		{"an anchor with an app's scheme", page, `<a href="intent://evil.com/x#Intent;scheme=https;end">a</a>`},
		{"an anchor with ftp", page, `<a href="ftp://evil.com/x">a</a>`},
		{"an anchor without quotes", page, `<A HREF=https://evil.com/x>a</A>`},
		{"an anchor that does not end", page, `<a href="https://evil.com/x"`},
		{"an anchor in a comment's shadow", page, `<!--><a href="https://evil.com/x">a</a>-->`},
		{"an anchor in a title", page, `<title><a href="https://evil.com/x">a</a></title>`},
		{"an anchor in a text area", page, `<textarea><a href="https://evil.com/x">a</a></textarea>`},
		{"an anchor in a style", page, `<style><a href="https://evil.com/x">a</a></style>`},
		{"a bare host in a page", page, `<p>evil.com/x</p>`},
		{"a mention in a page", page, `<a href="https://matrix.to/#/@a:b.example">a</a> <a href="https://evil.com">b</a>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f finder
			f.content(map[string]any{tt.key: tt.in}, "", inMessage, 0)
			var hosts []string
			for _, l := range f.links {
				if u, err := link.Parse(l.url); err == nil {
					hosts = append(hosts, u.AppendHosts(nil)...)
				} else {
					hosts = append(hosts, "unread: "+err.Error())
				}
			}
			if !slices.Contains(hosts, "evil.com") {
				t.Errorf("%q: found %q, want evil.com", tt.in, hosts)
			}
		})
	}
}
