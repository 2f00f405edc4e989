package link_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette/internal/corpus"
	"vedette/link"
)

func TestDisplayMarksWhatMayBeTakenForSomethingElse(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		want      link.Display
	}{
		{"ASCII", "https://evil.example/a", link.Display{Unicode: "https://evil.example/a", Skeleton: "evil.exarnple"}},
		{"an honest umlaut", "https://bücher.example/ü", link.Display{
			Unicode: "https://bücher.example/ü", Skeleton: "bu\u0308cher.exarnple", Marks: []link.Mark{{'ü', 9, link.WhyForeign, ""}},
		}},
		{"one Cyrillic letter", "https://p\u0430ypal.example/", link.Display{
			Unicode: "https://p\u0430ypal.example/", Skeleton: "paypal.exarnple", Marks: []link.Mark{{'\u0430', 9, link.WhyConfusable, "a"}},
		}},
		{"a label that cannot be read", "https://xn--a.example/", link.Display{Unicode: "https://xn--a.example/", Skeleton: "xn--a.exarnple"}},
		{"what is invisible or a delimiter in the path stays encoded", "https://evil.example/\u202e%2F%20%C3%BC", link.Display{
			Unicode: "https://evil.example/%E2%80%AE%2F%20ü", Skeleton: "evil.exarnple",
		}},
		{"no host", "mailto:someone@evil.example", link.Display{Unicode: "mailto:someone@evil.example"}},
		{"a port and an address", "http://[2001:db8::1]:8080/", link.Display{Unicode: "http://[2001:db8::1]:8080/", Skeleton: "[2OOl:db8::l]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := link.Parse(tt.raw)
			if err != nil {
				t.Fatal(err)
			}
			got := u.Display()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Display() of %+q (-want +got):\n%s", tt.raw, diff)
			}
		})
	}
}

func TestSkeletonsOfLookalikesAreEqual(t *testing.T) {
	for _, pair := range [][2]string{
		{"paypal.example", "p\u0430yp\u0430l.example"},
		{"google.example", "g\u043e\u043egle.example"},
		{"google.example", "ɡoogle.example"},
		{"rnicrosoft.example", "microsoft.example"},
		{"whatsapp.example", "whatsapp\u200b.example"},
		{"bücher", "bu\u0308cher"},
		{"l0gin", "lOgin"},
	} {
		if a, b := link.Skeleton(pair[0]), link.Skeleton(pair[1]); a != b {
			t.Errorf("Skeleton(%+q) = %+q, Skeleton(%+q) = %+q", pair[0], a, pair[1], b)
		}
	}
	if link.Skeleton("evil") == link.Skeleton("evi1e") {
		t.Error("different texts, one skeleton")
	}
}

func TestRefangReadsWhatAnalystsWrite(t *testing.T) {
	for in, want := range map[string]string{
		"hxxps://evil[.]example/a.php":       "https://evil.example/a.php",
		"hXXp://evil[.]example":              "http://evil.example",
		"hxxp[:]//evil[.]example":            "http://evil.example",
		"hxxps[://]evil[.]example[/]a":       "https://evil.example/a",
		"http[:]//evil(.)example/(dot)":      "http://evil.example/(dot)",
		"h**p://evil{.}example":              "http://evil.example",
		"fxp://evil[dot]example":             "ftp://evil.example",
		"evil[.]example":                     "evil.example",
		"evil(dot)example":                   "evil.example",
		`evil\.example`:                      "evil.example",
		" <hxxps://evil[.]example/> ":        "https://evil.example/",
		"someone[@]evil[.]example":           "someone@evil.example",
		"https://evil.example/a[.]b":         "https://evil.example/a.b",
		"hxxpbin.example":                    "hxxpbin.example",
		"https://evil.example/?u=hxxp://a.b": "https://evil.example/?u=hxxp://a.b",
		"192[.]0[.]2[.]1":                    "192.0.2.1",
		"":                                   "",
	} {
		if got := link.Refang(in); got != want {
			t.Errorf("Refang(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDefangTakesAllFangs(t *testing.T) {
	for in, want := range map[string]string{
		"https://evil.example/a.php?u=http://other.example/": "hxxps://evil[.]example/a[.]php?u=http[:]//other[.]example/",
		"ftp://evil.example":     "fxp://evil[.]example",
		"intent://evil.example/": "intent[:]//evil[.]example/",
		"evil.example":           "evil[.]example",
		"HTTP://evil.example":    "hxxp://evil[.]example",
		"http://[2001:db8::1]/":  "hxxp://[2001:db8::1]/",
		"mailto:a@evil.example":  "mailto:a@evil[.]example",
	} {
		if got := link.Defang(in); got != want {
			t.Errorf("Defang(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestListsVersionIsADigest(t *testing.T) {
	if v := link.ListsVersion(); len(v) != 64 || v != link.ListsVersion() {
		t.Errorf("ListsVersion() = %q", v)
	}
}

// Every published host in every spelling is one host: none of them slips past a look-up by Host.
func TestPublishedHostsInEverySpellingAreOneHost(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus.Path(t, "indicators", "maltrail"), "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	fullwidth := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r > ' ' && r < 0x7f && r != '.' {
				return r - '!' + 0xff01
			}
			return r
		}, s)
	}
	spellings := []func(host string) string{
		func(h string) string { return h },
		func(h string) string { return "http://" + h },
		func(h string) string { return "https://" + strings.ToUpper(h) + "/x" },
		func(h string) string { return "https://" + h + "./" },
		func(h string) string { return "https://" + h + ":8443/a?b" },
		func(h string) string { return "https://user:word@" + h + "/" },
		func(h string) string { return "//" + h },
		func(h string) string { return `https:\\` + h + `\a` },
		func(h string) string { return "https://" + strings.ReplaceAll(h, ".", "%2e") + "/" },
		func(h string) string { return "https://" + strings.ReplaceAll(h, ".", "%252E") + "/" },
		func(h string) string { return "https://" + strings.ReplaceAll(h, ".", "。") + "/" },
		func(h string) string { return "https://" + strings.ReplaceAll(h, ".", "．") + "/" },
		func(h string) string { return "https://" + h[:1] + "\u00ad" + h[1:] + "/" },
		func(h string) string { return "https://" + h[:1] + "\u200b" + h[1:] + "/" },
		func(h string) string { return "https://" + h + "\u202e/" },
		func(h string) string { return "https://" + h[:1] + "\n" + h[1:] + "/" },
		func(h string) string { return "https://" + fullwidth(h) + "/" },
		func(h string) string { return link.Refang("hxxps://" + strings.ReplaceAll(h, ".", "[.]")) },
	}
	hosts := 0
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			host := strings.TrimSpace(line)
			if host == "" || strings.ContainsAny(host, "#/: ") || strings.Trim(host, "0123456789.") == "" || !strings.Contains(host, ".") {
				continue
			}
			want, err := link.Parse("https://" + host + "/")
			if err != nil {
				t.Errorf("host %q of a published list: %v", host, err)
				continue
			}
			if strings.Contains(host, "xn--") {
				continue // its letters cannot be spelled in fullwidth: the A-form would no longer be one
			}
			hosts++
			for i, spell := range spellings {
				u, err := link.Parse(spell(host))
				if err != nil || u.Host() != want.Host() || u.Registrable() != want.Registrable() {
					t.Errorf("spelling %d of %q: %q, %v", i, host, u.Host(), err)
				}
			}
		}
	}
	t.Logf("%d hosts in %d spellings", hosts, len(spellings))
}
