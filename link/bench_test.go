package link

import (
	"os"
	"strings"
	"testing"

	whatwg "github.com/nlnwa/whatwg-url/url"
	netlist "golang.org/x/net/publicsuffix"

	"vedette/internal/corpus"
)

// ordinary is a made-up sample of what people send.
var ordinary = []string{
	"https://www.news.example/world/europe/2026/11/25/how-we-write-software-67512345",
	"https://video.example/watch?v=dQw4w9WgXcQ&t=42s",
	"https://code.example/someone/thing/issues/1690#issuecomment-1",
	"http://shop.example/products/iphone-15-pro-max?ref=mail&utm_source=chat&utm_medium=link",
	"https://short.example/3xYz9aB",
	"https://docs.example.co.uk/d/1aB2cD3eF4gH5iJ6kL7mN8oP9qR0s/edit?usp=sharing",
	"https://en.wiki.example/wiki/Hypertext_Transfer_Protocol",
	"https://maps.example/place/48.8583,2.2945/@48.8,2.3,17z",
	"https://forum.example/viewtopic.php?f=2&t=1234&start=10",
	"https://search.example/search?q=signed%20checkpoints&hl=en",
	"https://someone.github.io/blog/2026/a-title-with-hyphens/",
	"https://example.org",
}

func BenchmarkParse(b *testing.B) {
	samples := map[string][]string{"ordinary": ordinary}
	if dir := os.Getenv("VEDETTE_DATA_CORPORA"); dir != "" {
		if data, err := os.ReadFile(corpus.Path(b, "benign", "urls", "kasztp.txt")); err == nil {
			samples["benign"] = strings.Fields(string(data))[:20_000]
		}
	}
	for _, name := range []string{"ordinary", "benign"} {
		urls := samples[name]
		if urls == nil {
			continue
		}
		run := func(what string, each func(string)) {
			b.Run(name+"/"+what, func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					each(urls[i])
					if i++; i == len(urls) {
						i = 0
					}
				}
			})
		}
		hosts, paths := make([]string, 0, 16), make([]string, 0, 8)
		run("ours", func(s string) {
			u, err := Parse(s)
			if err != nil {
				return
			}
			hosts, paths = u.AppendHosts(hosts[:0]), u.AppendPaths(paths[:0])
			sink += len(hosts) + len(paths)
		})
		parser := whatwg.NewParser()
		run("library", func(s string) {
			w, err := parser.Parse(s)
			if err != nil {
				return
			}
			r, _ := netlist.EffectiveTLDPlusOne(w.Hostname())
			sink += len(w.Href(true)) + len(r)
		})
	}
}

func BenchmarkParseOdd(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		u, _ := Parse("HTTPS://user@WWW.B\u00dcCHER.example:443/%61/../b?c[]=1")
		sink += len(u.canonical)
	}
}

func TestPlainLinksAllocateNothing(t *testing.T) {
	hosts, paths := make([]string, 0, 16), make([]string, 0, 8)
	for _, s := range ordinary[:len(ordinary)-1] {
		if n := testing.AllocsPerRun(100, func() {
			u, err := Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			hosts, paths = u.AppendHosts(hosts[:0]), u.AppendPaths(paths[:0])
		}); n > 0 {
			t.Errorf("Parse(%q), AppendHosts and AppendPaths: %v allocations", s, n)
		}
	}
}

// The greater part of real links is plain: if that changes, the fast way is in the wrong place.
func TestMostRealLinksArePlain(t *testing.T) {
	data, err := os.ReadFile(corpus.Path(t, "benign", "urls", "kasztp.txt"))
	if err != nil {
		t.Fatal(err)
	}
	plain, all, refused := 0, 0, 0
	for _, s := range strings.Fields(strings.TrimPrefix(string(data), "\ufeff")) {
		all++
		var u URL
		if u.readPlain(s) {
			plain++
			continue
		}
		if _, err := Parse(s); err != nil {
			refused++
			t.Logf("refused: %q: %v", s, err)
		}
	}
	t.Logf("%d of %d links are plain, %d are refused", plain, all, refused)
	if plain*10 < all*8 {
		t.Errorf("only %d of %d links are plain", plain, all)
	}
}
