package matrix

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"

	"vedette"
	"vedette/link"
)

// Where a link was found, in the words of the wire.
const (
	inMessage = "message"
	inProfile = "profile"
	inGroup   = "group"
	inInvite  = "invite"
	inFile    = "file"
)

const (
	maxURL   = 8 << 10               // bytes, as the wire takes
	maxFound = 64 * vedette.MaxLinks // of one event; a Matrix event of 64 KiB holds less than twice as many
	maxDepth = 64                    // of nested content
)

// found is one link as it stands in the event.
type found struct{ url, where string }

// finder collects the links that a client would make tappable. It holds text only as long as the request lasts.
//
// A name without a scheme counts as a link when it ends in a suffix of the public suffix list, as clients have it. That costs an event
// for each "readme.md" that somebody writes, since clients make those tappable too; it spares names of files, which they do not.
type finder struct {
	links []found
	seen  map[string]bool
	cut   bool // there were more than maxFound, or content too deep to follow
}

func (f *finder) add(url, where string) {
	if len(url) > maxURL { // the host stays: it is what lists know
		url = strings.ToValidUTF8(url[:maxURL], "")
	}
	if f.seen[url] || matrixTo(url) {
		return
	}
	if len(f.links) == maxFound {
		f.cut = true
		return
	}
	if f.seen == nil {
		f.seen = map[string]bool{}
	}
	f.seen[url] = true
	f.links = append(f.links, found{url, where})
}

// matrixTo tells of a mention: every client writes https://matrix.to/#/ in place of a name, and what follows the # is not fetched.
func matrixTo(url string) bool { return strings.HasPrefix(url, "https://matrix.to/#/") }

// Content looks through an event's content, whatever its type: a client may show any of it.
func (f *finder) content(v any, key, where string, depth int) {
	if depth > maxDepth {
		f.cut = true
		return
	}
	switch v := v.(type) {
	case string:
		f.value(v, key, where)
	case []any:
		for _, e := range v {
			f.content(e, key, where, depth+1)
		}
	case map[string]any:
		for k, e := range v {
			f.content(e, k, where, depth+1)
		}
	}
}

func (f *finder) value(s, key, where string) {
	switch key {
	case "filename":
		f.text(s, inFile)
		return
	case "ciphertext", "event_id", "room_id", "user_id", "user_ids", "device_id", "sender_key", "session_id", "mimetype", "msgtype", "rel_type":
		return
	}
	if key == "formatted_body" || strings.Contains(s, "<a") || strings.Contains(s, "<A") {
		f.html(s, where)
		return
	}
	f.text(s, where)
}

func (f *finder) html(s, where string) {
	z := html.NewTokenizer(strings.NewReader(s))
	for {
		switch z.Next() {
		case html.ErrorToken:
			f.text(string(z.Raw()), where) // a tag that does not end
			return
		case html.TextToken:
			f.text(string(z.Text()), where)
		case html.StartTagToken, html.SelfClosingTagToken:
			for more := true; more; {
				var k, v []byte
				if k, v, more = z.TagAttr(); string(k) == "href" || string(k) == "src" || string(k) == "cite" {
					f.reference(string(v), where)
				}
			}
		}
	}
}

// reference takes an attribute that a browser would follow. Browsers drop tabs and line ends, and take backslashes for slashes.
func (f *finder) reference(v, where string) {
	v = strings.TrimFunc(v, func(c rune) bool { return c <= ' ' })
	plain := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(v)
	scheme, _, ok := strings.Cut(plain, ":")
	switch {
	case strings.HasPrefix(plain, "//"):
		f.add("https:"+v, where)
	case !ok:
	case strings.EqualFold(scheme, "https"), strings.EqualFold(scheme, "http"): // slashes or none
		f.add(v, where)
	case foreign(plain) >= 0:
		f.add(v, where)
	}
}

// foreign returns where the host of a link with another scheme begins, or -1. An app may be behind such a link; and a client that does not know
// the scheme makes the host in it tappable. Media of Matrix's own have none that anybody opens.
func foreign(s string) int {
	scheme, _, ok := strings.Cut(s, "://")
	if !ok || scheme == "" || strings.EqualFold(scheme, "mxc") {
		return -1
	}
	return len(scheme) + 3
}

// webAt returns where "http:" or "https:" begins, with a slash or backslash behind it, in any case of letters; or -1.
func webAt(s string) int {
	for i := 0; ; {
		j := strings.IndexAny(s[i:], "hH")
		if j < 0 {
			return -1
		}
		i += j
		rest := s[i:]
		n := 0
		switch {
		case len(rest) > 6 && strings.EqualFold(rest[:6], "https:"):
			n = 6
		case len(rest) > 5 && strings.EqualFold(rest[:5], "http:"):
			n = 5
		}
		if n > 0 && (rest[n] == '/' || rest[n] == '\\') {
			return i
		}
		i++
	}
}

// text finds links in what a person wrote.
func (f *finder) text(s, where string) {
	for s != "" {
		i := strings.IndexFunc(s, divides)
		word := s
		if i >= 0 {
			_, n := utf8.DecodeRuneInString(s[i:])
			word, s = s[:i], s[i+n:]
		} else {
			s = ""
		}
		if len(word) > 3 {
			f.word(word, where)
		}
	}
}

// divides tells what no link goes across.
func divides(c rune) bool {
	switch c {
	case '<', '>', '"', '`', '|', '“', '”', '«', '»':
		return true
	}
	return unicode.IsSpace(c) || c < ' '
}

func (f *finder) word(w, where string) {
	if i := webAt(w); i >= 0 {
		f.add(trimEnd(w[i:]), where)
		f.cutShort(w[i:], where)
		// Two links without a blank between them: clients differ in what they take, so both are taken.
		for j := webAt(w[i+1:]); j >= 0; j = webAt(w[i+1:]) {
			i += 1 + j
			f.add(trimEnd(w[i:]), where)
			f.cutShort(w[i:], where)
		}
		return
	}
	if strings.Contains(w, "://") {
		if i := foreign(w); i >= 0 {
			f.add(trimEnd(w), where)
			f.cutShort(w, where)
		}
		return
	}
	// Names of people and rooms become mentions, unless a path follows. Clients do not know the other names: to them "$ev:evil.com" is a host
	// behind a mark.
	if (w[0] == '@' || w[0] == '#') && strings.IndexByte(w, ':') > 0 && !strings.ContainsAny(w, `/?\`) {
		return
	}
	for len(w) > 3 {
		start := strings.IndexFunc(w, inHost)
		if start < 0 {
			return
		}
		w = w[start:]
		end := strings.IndexFunc(w, func(c rune) bool { return !inHost(c) })
		if end < 0 {
			end = len(w)
		}
		run, rest := w[:end], w[end:]
		if rest != "" && rest[0] == '@' { // somebody's address, unless a path follows it
			host := rest[1:]
			stop := strings.IndexFunc(host, func(c rune) bool { return !inHost(c) })
			if stop < 0 {
				return
			}
			if host[stop] == '/' && f.bare(host[:stop], host[stop:]) {
				f.add(trimEnd(w), where)
				return
			}
			w = host[stop:]
			continue
		}
		tail := rest != "" && strings.IndexByte(`/?#:\`, rest[0]) >= 0
		if tail {
			if f.bare(run, rest) {
				f.add(trimEnd(w), where)
				return
			}
		} else if host := strings.TrimRight(run, "._-%"); where != inFile && f.bare(host, "") {
			f.add(host, where)
		}
		if where != inFile && !plain(run) {
			f.parts(run, where)
		}
		w = rest
	}
}

// cutShort takes a link also as a client does that ends its host at the first character that no host is written with: a comma, a mark of
// another script, an invisible one. The whole was taken already, since other clients go on.
func (f *finder) cutShort(link, where string) {
	i := strings.IndexByte(link, ':') + 1
	for i < len(link) && (link[i] == '/' || link[i] == '\\') {
		i++
	}
	n := strings.IndexFunc(link[i:], func(c rune) bool { return c >= utf8.RuneSelf || !inHost(c) || c == '%' })
	if n <= 0 || strings.IndexByte(`/\?#:@%`, link[i+n]) >= 0 {
		return
	}
	if host := strings.TrimRight(link[i:i+n], ".-_"); f.bare(host, "/") {
		f.add(link[:i]+host, where)
	}
}

// parts takes the hosts in plain letters that stand between letters of another script or invisible characters, with nothing that divides
// them: some clients end a link there. An accented letter divides nothing.
func (f *finder) parts(run, where string) {
	for part := range strings.FieldsFuncSeq(run, func(c rune) bool { return c >= utf8.RuneSelf && !unicode.In(c, unicode.Latin, unicode.Mn) }) {
		if part = strings.Trim(part, "._-"); plain(part) && part != run && f.bare(part, "") {
			f.add(part, where)
		}
	}
}

// inHost tells which characters a host may be written with.
func inHost(c rune) bool {
	switch c {
	case '.', '-', '_', '%', '\u00ad', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff':
		return true
	case '。', '．', '｡':
		return true
	}
	return unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.IsMark(c) || unicode.IsNumber(c)
}

// bare tells whether run is a host that a client would make tappable without a scheme. rest is what follows it.
func (f *finder) bare(run, rest string) bool {
	run = strings.TrimRight(run, ".")
	if !strings.ContainsAny(run, ".。．｡") || strings.Contains(run, "..") {
		return false
	}
	host := run
	if !plain(run) {
		u, err := link.Parse("https://" + run)
		if err != nil {
			return false
		}
		host = u.Host()
	}
	host = strings.ToLower(host)
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Is4() && rest != "" && host == run
	}
	suffix, listed := link.PublicSuffix(host)
	return listed && suffix != host && strings.HasSuffix(host, "."+suffix) && host[0] != '.'
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || s[i] == '%' {
			return false
		}
	}
	return true
}

// trimEnd takes away what a sentence put behind a link: stops, quotes, and closing brackets that were not opened in it.
func trimEnd(s string) string {
	for s != "" {
		c, n := utf8.DecodeLastRuneInString(s)
		switch c {
		case '.', ',', ';', ':', '!', '?', '\'', '*', '_', '~', '’', '…':
		case ')', ']', '}':
			open := map[rune]string{')': "(", ']': "[", '}': "{"}[c]
			if strings.Count(s, open) >= strings.Count(s, string(c)) {
				return s
			}
		default:
			return s
		}
		s = s[:len(s)-n]
	}
	return s
}
