package link

import "strings"

// Defanged returns the canonical URL in a form that nothing makes tappable, and that Refang turns back.
func (u *URL) Defanged() string { return Defang(u.canonical) }

// Defang takes the fangs out of a link: "https://evil.example/a" becomes "hxxps://evil[.]example/a". Every dot and every "://" goes, those
// of links inside it too. For a canonical URL, Refang gives back a link that reads the same.
func Defang(s string) string {
	head := authorityEnd(s)
	var b strings.Builder
	b.Grow(len(s) + 16)
	i := 0
	switch low := strings.ToLower(s[:min(len(s), 6)]); {
	case strings.HasPrefix(low, "http:"), strings.HasPrefix(low, "https:"):
		b.WriteString("hxxp")
		i = strings.IndexByte(s, ':')
		b.WriteString(s[4:i])
	case strings.HasPrefix(low, "ftp:"):
		b.WriteString("fxp")
		i = 3
	}
	first := i > 0 // a scheme without fangs keeps its "://"
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			b.WriteString("[.]")
		case c == ':' && strings.HasPrefix(s[i:], "://") && !first:
			b.WriteString("[:]")
		case i < head && strings.IndexByte("(){}", c) >= 0:
			escape(&b, c) // a host may hold them, and Refang would take them for its own
		default:
			b.WriteByte(c)
		}
		first = false
	}
	return b.String()
}

// authorityEnd returns where scheme, user part, host and port end; 0 for a link that has none of the latter.
func authorityEnd(s string) int {
	from := 0
	if _, rest, ok := cutScheme(s); ok {
		if !strings.HasPrefix(rest, "//") {
			return 0
		}
		from = len(s) - len(rest) + 2
	} else if strings.HasPrefix(s, "//") {
		from = 2
	}
	if i := strings.IndexAny(s[from:], "/?#"); i >= 0 {
		return from + i
	}
	return len(s)
}

// Refang turns a defanged link, as analysts write them, into one that can be read: hxxp, hXXp, fxp, [.], [:], [://], [/], [@], [at], [dot] and,
// before the path, the same in round and curly brackets. It is for what analysts type and publish; what people send is never refanged.
func Refang(s string) string {
	s = strings.TrimSpace(s)
	if s != "" && strings.IndexByte("<\"'`", s[0]) >= 0 {
		s = strings.Trim(s, "<>\"'`")
	}
	s = squareBrackets.Replace(s)
	low := strings.ToLower(s[:min(len(s), 6)])
	for _, fangless := range [...]struct{ from, to string }{
		{"hxxp", "http"}, {"hxtp", "http"}, {"htxp", "http"}, {"h**p", "http"}, {"h__p", "http"}, {"fxp", "ftp"}, {"fxxp", "ftp"},
	} {
		if strings.HasPrefix(low, fangless.from) {
			if after := low[len(fangless.from):]; strings.HasPrefix(after, ":") || strings.HasPrefix(after, "s:") {
				s = fangless.to + s[len(fangless.from):]
			}
			break
		}
	}
	// Only now: a bracketed slash may have hidden where the host ends.
	end := authorityEnd(s)
	return roundBrackets.Replace(s[:end]) + s[end:]
}

var (
	// A canonical link has square brackets around an IPv6 address only, and no such text in one.
	squareBrackets = strings.NewReplacer("[.]", ".", "[:]", ":", "[://]", "://", "[:/]", ":/", "[/]", "/", "[@]", "@", "[at]", "@", "[dot]", ".", "[DOT]", ".", "[AT]", "@")
	roundBrackets  = strings.NewReplacer("(.)", ".", "{.}", ".", "(dot)", ".", "{dot}", ".", "(DOT)", ".", "{DOT}", ".", "(at)", "@", "{at}", "@", "(@)", "@", "(:)", ":", "\\.", ".")
)
