package link

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	whatwg "github.com/nlnwa/whatwg-url/url"
	"golang.org/x/net/idna"

	"vedette"
)

// MaxLength is the longest link that Parse reads, in bytes, raw and canonical: the reading is linear, but a link of this length is no
// longer one that a person was sent.
const MaxLength = 32 << 10

const (
	maxHost  = 253 // bytes of a name, RFC 1035 §2.3.4 without the trailing dot
	maxLabel = 63
)

// Parse reads a link as a client would, and leniently: white space around it is dropped, and where it names no scheme "https://" is
// assumed. It does not refang: "hxxps://evil[.]example" is no link, see Refang. Its error wraps vedette.ErrInvalid.
//
// Where clients differ, it reads as the one that opens the link, and says so in the shape (ShapeUnread, ShapeDeceptive): a link that one
// client opens must not slip past since another one refuses it.
func Parse(raw string) (URL, error) {
	var u URL
	if u.readPlain(raw) {
		return u, nil
	}
	u, err := read(raw)
	if err != nil {
		return URL{}, err
	}
	// A reading that changes when it is read again would be an evasion: the same link under two names. Nearly always the second reading is
	// the plain one, and agrees; what does not settle is refused.
	for range 4 {
		var v URL
		if !v.readPlain(u.canonical) {
			if v, err = read(u.canonical); err != nil {
				return URL{}, err
			}
		}
		settled := v.canonical == u.canonical && v.host == u.host && v.match == u.match
		v.shape.Flags |= u.shape.Flags & spelling
		u = v
		if settled {
			return u, nil
		}
	}
	return URL{}, invalid("does not settle on one reading")
}

// spelling is the set of properties that stand in how a link is written, not in what it leads to: they do not survive in the canonical form.
const spelling = vedette.ShapeUserinfo | vedette.ShapeDeceptive | vedette.ShapeUnread

// invalid names no part of the link: errors are logged, links are not.
func invalid(why string) error { return fmt.Errorf("link: %s: %w", why, vedette.ErrInvalid) }

// reader is the WHATWG parser as it comes. It reads paths, queries and opaque links; hosts are read here (host, below), since the library
// refuses names that browsers open and takes "-4" for a part of an address (docs/decisions/0002-links.md).
//
// The circumflex is encoded in paths since 2024; the library's default is older.
var reader = whatwg.NewParser(whatwg.WithPathPercentEncodeSet(whatwg.PathPercentEncodeSet.Set('^')))

func read(raw string) (URL, error) {
	if len(raw) > MaxLength {
		return URL{}, invalid("longer than 32 KiB")
	}
	s, flags := tidy(raw)
	scheme, rest, ok := cutScheme(s)
	if !ok {
		if folded, did := foldHead(s); did {
			flags |= vedette.ShapeDeceptive | vedette.ShapeUnread
			s = folded
			scheme, rest, ok = cutScheme(s)
		}
	}
	if !ok {
		if s == "" || s[0] == '?' || s[0] == '#' || (isSlash(s[0]) && (len(s) < 2 || !isSlash(s[1]))) {
			return URL{}, invalid("no host")
		}
		scheme, rest = "https", s
	}
	if special(scheme) {
		return readSpecial(scheme, rest, flags)
	}
	return readForeign(scheme, rest, flags)
}

// tidy does what every client does before it reads: spaces and controls around the text go, tabs and newlines go everywhere.
func tidy(raw string) (string, vedette.ShapeFlag) {
	var flags vedette.ShapeFlag
	s := strings.TrimRightFunc(raw, func(r rune) bool { return r <= ' ' || unicode.IsSpace(r) })
	// Invisible characters before a link hide its scheme from us, not from whoever makes it tappable.
	s = strings.TrimLeftFunc(s, func(r rune) bool { return r <= ' ' || unicode.IsSpace(r) || ignorable(r) })
	if strings.ContainsAny(s, "\t\n\r") {
		flags |= vedette.ShapeDeceptive
		s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || (r >= 0x80 && (ignorable(r) || unicode.Is(unicode.Cc, r))) {
			flags |= vedette.ShapeDeceptive
			break
		}
	}
	return s, flags
}

// foldHead mends a scheme that is written with fullwidth or invisible characters. No browser takes it; whoever copies such a text by hand
// types the plain one.
func foldHead(s string) (string, bool) {
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return s, false
	}
	folded := strings.Map(func(r rune) rune {
		if r >= 0xff01 && r <= 0xff5e {
			return r - 0xff01 + '!'
		}
		if ignorable(r) {
			return -1
		}
		return r
	}, s)
	// Only where that makes a scheme: elsewhere the host's own folding applies, and the path stays as it is.
	if scheme, _, ok := cutScheme(folded); !ok || !special(scheme) {
		return s, false
	}
	return folded, true
}

func special(scheme string) bool {
	switch scheme {
	case "http", "https", "ws", "wss", "ftp":
		return true
	}
	return false
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	case "ftp":
		return "21"
	}
	return ""
}

// cutScheme splits off a scheme, in lower case. "evil.example:8080" and "user:word@evil.example" have none, though the standard would say so:
// a person who types them means a host.
func cutScheme(s string) (scheme, rest string, ok bool) {
	i := 0
	for i < len(s) && (isAlpha(s[i]) || (i > 0 && (isDigit(s[i]) || s[i] == '+' || s[i] == '-' || s[i] == '.'))) {
		i++
	}
	if i == 0 || i == len(s) || s[i] != ':' {
		return "", "", false
	}
	scheme, rest = strings.ToLower(s[:i]), s[i+1:]
	if special(scheme) || strings.HasPrefix(rest, "//") {
		return scheme, rest, true
	}
	digits := 0
	for digits < len(rest) && isDigit(rest[digits]) {
		digits++
	}
	ended := digits == len(rest) || strings.IndexByte("/\\?#", rest[digits]) >= 0
	dotted := strings.IndexByte(scheme, '.') >= 0
	switch scheme {
	case "tel", "sms", "smsto", "mailto", "sip", "sips", "callto", "facetime", "data", "javascript", "about", "urn", "tag", "geo", "magnet", "xmpp":
		return scheme, rest, true
	}
	if ended && (digits > 0 || dotted) {
		return "", "", false // host:port, and host:
	}
	if at := strings.IndexAny(rest, "@/\\?#"); at >= 0 && rest[at] == '@' {
		return "", "", false // user:word@host
	}
	return scheme, rest, true
}

// readSpecial reads what stands after "scheme:" of http, https, ws, wss and ftp (WHATWG URL, "special authority slashes state" and on).
func readSpecial(scheme, rest string, flags vedette.ShapeFlag) (URL, error) {
	for rest != "" && isSlash(rest[0]) {
		if rest[0] == '\\' {
			flags |= vedette.ShapeDeceptive
		}
		rest = rest[1:]
	}
	end := strings.IndexAny(rest, "/\\?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	host, port, err := readAuthority(authority, defaultPort(scheme), &flags)
	if err != nil {
		return URL{}, err
	}
	if host == "" {
		return URL{}, invalid("no host")
	}
	return assemble(scheme, host, port, tail, flags)
}

// readAuthority reads user part, host and port.
func readAuthority(authority, usual string, flags *vedette.ShapeFlag) (host, port string, err error) {
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		*flags |= vedette.ShapeUserinfo
		if authority = authority[at+1:]; authority == "" {
			return "", "", invalid("a user without a host")
		}
	}
	name := authority
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		if end < 0 {
			return "", "", invalid("an address without its closing bracket")
		}
		name = authority[:end+1]
		if after := authority[end+1:]; after != "" && after[0] != ':' {
			return "", "", invalid("text after an address")
		}
	} else if colon := strings.IndexByte(authority, ':'); colon >= 0 {
		name = authority[:colon]
	}
	if rest := authority[len(name):]; rest != "" {
		port = rest[1:]
	}
	if port, err = readPort(port, usual); err != nil {
		return "", "", err
	}
	if name == "" {
		if authority != "" {
			return "", "", invalid("a port without a host")
		}
		return "", "", nil
	}
	host, err = readHost(name, flags)
	return host, port, err
}

// readPort returns the port in plain decimal, or "" when it is absent or the scheme's own.
func readPort(s, usual string) (string, error) {
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return "", invalid("a port that is no number")
		}
		if n = n*10 + int(s[i]-'0'); n > 65535 {
			return "", invalid("a port over 65535")
		}
	}
	for len(s) > 1 && s[0] == '0' {
		s = s[1:]
	}
	if s == usual {
		return "", nil
	}
	return s, nil
}

// assemble reads path and query with the library and puts the canonical URL together.
func assemble(scheme, host, port, tail string, flags vedette.ShapeFlag) (URL, error) {
	tail, _, _ = strings.Cut(tail, "#")
	var path, query string
	if n, _, ok := plainTail(tail); ok && special(scheme) && strings.HasPrefix(tail, "/") {
		path, query, _ = strings.Cut(tail[:n], "?")
	} else if tail != "" {
		// The host stands in for the real one, which is read already.
		w, err := reader.Parse(scheme + "://h" + tail)
		if err != nil {
			return URL{}, invalid("path or query cannot be read")
		}
		var odd bool
		path, query = normalise(w.Pathname(), &odd), normalise(w.Query(), &odd)
		if odd {
			flags |= vedette.ShapeDeceptive
		}
	}
	if path == "" && special(scheme) {
		path = "/"
	}
	var b strings.Builder
	b.Grow(len(scheme) + len(host) + len(port) + len(path) + len(query) + 5)
	b.WriteString(scheme)
	b.WriteString("://")
	from := b.Len()
	b.WriteString(host)
	if port != "" {
		b.WriteByte(':')
		b.WriteString(port)
	}
	at := b.Len()
	b.WriteString(path)
	if query != "" {
		b.WriteByte('?')
		b.WriteString(query)
	}
	if b.Len() > MaxLength {
		return URL{}, invalid("longer than 32 KiB")
	}
	u := URL{canonical: b.String()}
	u.host = u.canonical[from : from+len(host)]
	u.match = comparison(u.canonical[at:])
	if port != "" {
		flags |= vedette.ShapePort
	}
	switch scheme {
	case "https":
	case "http":
		flags |= vedette.ShapeInsecure
	default:
		flags |= vedette.ShapeForeign
	}
	u.describe(at, flags)
	return u, nil
}

// readForeign reads every other scheme. Where it has a host in the usual place ("intent://evil.example/…") the host is read like any
// other; elsewhere there is none.
func readForeign(scheme, rest string, flags vedette.ShapeFlag) (URL, error) {
	if inner, ok := wrapped(scheme, rest); ok {
		inner, more := tidy(inner)
		scheme, rest, _ := cutScheme(inner)
		return readSpecial(scheme, rest, flags|more|vedette.ShapeDeceptive)
	}
	if after, ok := strings.CutPrefix(rest, "//"); ok && scheme != "file" {
		end := strings.IndexAny(after, "/?#")
		if end < 0 {
			end = len(after)
		}
		host, port, err := readAuthority(after[:end], "", &flags)
		if err != nil {
			return URL{}, err
		}
		return assemble(scheme, host, port, after[end:], flags)
	}
	rest, _, _ = strings.Cut(rest, "#")
	if scheme == "file" && strings.IndexByte(rest, '[') >= 0 {
		return URL{}, invalid("a file on an address")
	}
	w, err := reader.Parse(scheme + ":" + rest)
	if err != nil {
		return URL{}, invalid("cannot be read")
	}
	// Percent-encoding stays as it is: what stands after the colon is the scheme's own business, except that brackets never stand bare
	// (Defanged puts its own there).
	u := URL{canonical: encodeBrackets(w.Href(true))}
	if len(u.canonical) > MaxLength {
		return URL{}, invalid("longer than 32 KiB")
	}
	if scheme == "file" && w.Hostname() != "" {
		if u.host, err = readHost(w.Hostname(), &flags); err != nil {
			return URL{}, err
		}
		u.canonical = "file://" + u.host + encodeBrackets(w.Pathname()+w.Search())
	}
	u.describe(len(scheme)+1, flags|vedette.ShapeForeign)
	return u, nil
}

// wrapped returns the link that an app's scheme does nothing with but open it in a browser. Other schemes keep their own business: what a
// "blob:" of a page holds, nobody else can open.
func wrapped(scheme, rest string) (string, bool) {
	switch scheme {
	case "view-source", "feed", "intent", "microsoft-edge":
		rest = strings.TrimPrefix(rest, "//")
	case "googlechrome", "googlechromes", "firefox", "brave", "touch-http", "touch-https":
		_, query, _ := strings.Cut(rest, "?")
		query, _, _ = strings.Cut(query, "#")
		found := false
		for pair := range strings.SplitSeq(query, "&") {
			if key, value, _ := strings.Cut(pair, "="); key == "url" && !found {
				plain, err := url.QueryUnescape(value)
				if err != nil {
					return "", false
				}
				rest, found = plain, true
			}
		}
		if !found {
			return "", false
		}
	default:
		return "", false
	}
	head, _, ok := strings.Cut(rest, ":")
	return rest, ok && (strings.EqualFold(head, "https") || strings.EqualFold(head, "http"))
}

var (
	// strict is UTS #46 as the URL standard asks for it; loose leaves out the rule on mixed direction, on which browsers disagree.
	strict = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.VerifyDNSLength(false), idna.StrictDomainName(false),
		idna.ValidateLabels(true), idna.CheckHyphens(false), idna.CheckJoiners(true), idna.Transitional(false))
	loose = idna.New(idna.MapForLookup(), idna.VerifyDNSLength(false), idna.StrictDomainName(false),
		idna.ValidateLabels(true), idna.CheckHyphens(false), idna.CheckJoiners(true), idna.Transitional(false))
)

var errHost = errors.New("host")

// readHost reads a host as written into its matching form. It is the URL standard's host parser, and where that fails it tries what a laxer
// client would make of it.
func readHost(s string, flags *vedette.ShapeFlag) (string, error) {
	if s[0] == '[' {
		return readIPv6(s, flags)
	}
	// Once is the standard's; twice is a client or a proxy that is laxer than the standard.
	for turn := 0; strings.IndexByte(s, '%') >= 0; turn++ {
		plain := unescape(s)
		if plain == s {
			return "", invalid("a percent sign in the host")
		}
		if s = plain; turn > 0 {
			*flags |= vedette.ShapeUnread
		}
		*flags |= vedette.ShapeDeceptive
	}
	if !utf8.ValidString(s) {
		return "", invalid("a host that is not UTF-8")
	}
	if !ascii(s) {
		if overlong(s) {
			return "", invalid("a label over 63 characters, which no resolver takes")
		}
		var err error
		if s, err = toASCII(s, flags); err != nil {
			return "", invalid("a host that IDNA refuses")
		}
	}
	s = lower(s)
	if strings.HasPrefix(s, ".") || strings.Contains(s, "..") {
		*flags |= vedette.ShapeDeceptive | vedette.ShapeUnread // no resolver takes an empty label; whoever mends it drops the dot
		for strings.Contains(s, "..") {
			s = strings.ReplaceAll(s, "..", ".")
		}
	}
	s = strings.Trim(s, ".")
	if s == "" {
		return "", invalid("a host of dots")
	}
	for i := range len(s) {
		if forbidden(s[i]) {
			return "", invalid("a character that no host may have")
		}
	}
	if endsInNumber(s) {
		address, ok := readIPv4(s)
		if !ok {
			return "", invalid("an address that is none")
		}
		if address != s {
			*flags |= vedette.ShapeDeceptive
		}
		return address, nil
	}
	if len(s) > maxHost {
		return "", invalid("a host over 253 characters, which no resolver takes")
	}
	for label := range strings.SplitSeq(s, ".") {
		if len(label) > maxLabel {
			return "", invalid("a label over 63 characters, which no resolver takes")
		}
	}
	return s, nil
}

// toASCII maps a host by UTS #46. What the standard refuses is tried without the rule on mixed direction, then without invisible
// characters.
func toASCII(s string, flags *vedette.ShapeFlag) (string, error) {
	try := func(s string) (string, error) {
		a, err := strict.ToASCII(s)
		if err == nil && ascii(a) {
			return a, nil
		}
		if a, err = loose.ToASCII(s); err == nil && ascii(a) {
			*flags |= vedette.ShapeDeceptive | vedette.ShapeUnread
			return a, nil
		}
		return "", errHost
	}
	s = strings.Map(since15, s)
	a, err := try(s)
	if err == nil {
		return a, nil
	}
	visible := strings.Map(func(r rune) rune {
		if ignorable(r) {
			return -1
		}
		return r
	}, s)
	if visible == s {
		return "", err
	}
	*flags |= vedette.ShapeDeceptive | vedette.ShapeUnread
	if ascii(visible) {
		return visible, nil
	}
	return try(visible)
}

// overlong tells whether a label is so long that no mapping makes it fit 63 characters: composing letters and marks can shrink a text, but
// not fourfold. Punycode takes time in the square of a label's length, so that this must be asked first: 10,000 ideographs took 2.5 s.
func overlong(s string) bool {
	n := 0
	for _, r := range s {
		switch {
		case r == '.' || r == '\u3002' || r == '\uff0e' || r == '\uff61':
			n = 0
		case !ignorable(r):
			n++
		}
		if n > 4*maxLabel {
			return true
		}
	}
	return false
}

// since15 maps the characters that UTS #46 maps otherwise since Unicode 15.1 and 16, as browsers do, and that the tables of this
// edition of Go (Unicode 15.0) refuse or map as they did before. It goes when those tables are newer: TestIDNA tells.
func since15(r rune) rune {
	switch {
	case r == 0x04c0: // palochka, the Latin l's twin
		return 0x04cf
	case r >= 0x10a0 && r <= 0x10c5: // Georgian capitals
		return r - 0x10a0 + 0x2d00
	case r == 0x1e9e: // capital sharp s
		return 0xdf
	case r == 0x2132:
		return 0x214e
	case r == 0x2183:
		return 0x2184
	case r == 0x2f868: // and five more by Corrigendum 4
		return 0x36fc
	case r == 0x2f874:
		return 0x5f53
	case r == 0x2f91f:
		return 0x243ab
	case r == 0x2f95f:
		return 0x7aee
	case r == 0x2f9bf:
		return 0x45d7
	}
	return r
}

func readIPv6(s string, flags *vedette.ShapeFlag) (string, error) {
	if len(s) < 2 || s[len(s)-1] != ']' || strings.IndexByte(s, '%') >= 0 {
		return "", invalid("an address that is none")
	}
	a, err := netip.ParseAddr(s[1 : len(s)-1])
	if err != nil || !a.Is6() {
		return "", invalid("an address that is none")
	}
	// An IPv4 address in IPv6 clothes leads to the same machine (RFC 4291 §2.5.5.2, RFC 6052 §2.1).
	if b := a.As16(); a.Is4In6() || (netip.PrefixFrom(a, 96).Masked() == nat64) {
		*flags |= vedette.ShapeDeceptive
		return netip.AddrFrom4([4]byte(b[12:])).String(), nil
	}
	return "[" + a.String() + "]", nil
}

var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// endsInNumber is the URL standard's "ends in a number" check, for a host without dots at its ends.
func endsInNumber(s string) bool {
	last := s[strings.LastIndexByte(s, '.')+1:]
	digits := last != ""
	for i := range len(last) {
		digits = digits && isDigit(last[i])
	}
	if digits {
		return true
	}
	_, ok := number(last)
	return ok
}

// number reads one part of an IPv4 address: decimal, 0octal or 0xhex, as inet_aton does. It saturates rather than overflow.
func number(s string) (n uint64, ok bool) {
	if s == "" {
		return 0, false
	}
	base := uint64(10)
	switch {
	case strings.HasPrefix(s, "0x"):
		s, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		s, base = s[1:], 8
	}
	for i := range len(s) {
		var d uint64
		switch c := s[i]; {
		case isDigit(c):
			d = uint64(c - '0')
		case c >= 'a' && c <= 'f':
			d = uint64(c-'a') + 10
		default:
			return 0, false
		}
		if d >= base {
			return 0, false
		}
		n = min(n*base+d, 1<<40)
	}
	return n, true
}

// readIPv4 reads an address of one to four parts, in any base that inet_aton takes.
func readIPv4(s string) (string, bool) {
	var address uint64
	parts := 0
	for {
		part, rest, more := strings.Cut(s, ".")
		n, ok := number(part)
		if !ok {
			return "", false
		}
		parts++
		if !more {
			if parts > 4 || n >= 1<<(8*(5-parts)) {
				return "", false
			}
			address |= n
			break
		}
		if n > 255 || parts > 3 {
			return "", false
		}
		address |= n << (32 - 8*parts)
		s = rest
	}
	return netip.AddrFrom4([4]byte{byte(address >> 24), byte(address >> 16), byte(address >> 8), byte(address)}).String(), true
}

// normalise writes percent-encoding in one way, without changing what a server decodes: unreserved characters stand bare, hexadecimal is in
// capitals, a percent sign that encodes nothing and brackets are encoded (RFC 3986 §2.3, §2.4, §6.2.2). It sets odd where letters or digits
// were encoded, which only somebody who hides them does. Encoding twice is kept: it is another resource.
func normalise(s string, odd *bool) string {
	i := strings.IndexAny(s, "%[]")
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	b.WriteString(s[:i])
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '[':
			b.WriteString("%5B")
		case c == ']':
			b.WriteString("%5D")
		case c != '%':
			b.WriteByte(c)
		case i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]):
			b.WriteString("%25")
		default:
			d := unhex(s[i+1])<<4 | unhex(s[i+2])
			switch {
			case isAlpha(d) || isDigit(d):
				*odd = true
				b.WriteByte(d)
			case d == '-' || d == '.' || d == '_' || d == '~':
				b.WriteByte(d)
			default:
				escape(&b, d)
			}
			i += 2
		}
	}
	return b.String()
}

func encodeBrackets(s string) string {
	if strings.IndexByte(s, '[') < 0 && strings.IndexByte(s, ']') < 0 {
		return s
	}
	return strings.NewReplacer("[", "%5B", "]", "%5D").Replace(s)
}

func escape(b *strings.Builder, c byte) {
	b.WriteByte('%')
	b.WriteByte("0123456789ABCDEF"[c>>4])
	b.WriteByte("0123456789ABCDEF"[c&15])
}

// unescape decodes percent-encoding once; what encodes nothing stays.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		} else {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// forbidden is the URL standard's "forbidden domain code point", for a byte of an ASCII host.
func forbidden(c byte) bool {
	return c <= ' ' || c >= 0x7f || strings.IndexByte("#/:<>?@[\\]^|%", c) >= 0
}

// ignorable tells characters that a person does not see: Default_Ignorable_Code_Point and the direction marks.
func ignorable(r rune) bool {
	if r < 0xad {
		return false
	}
	if unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
		return true
	}
	// DerivedCoreProperties: Cf without the interlinear, Egyptian and prepended-concatenation ones, which are seen.
	return unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) &&
		(r < 0xfff9 || r > 0xfffb) && (r < 0x13430 || r > 0x13440)
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// lower is strings.ToLower for ASCII alone; the text is returned as it is where nothing changes.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || (c|0x20 >= 'a' && c|0x20 <= 'f') }
func isSlash(c byte) bool { return c == '/' || c == '\\' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
