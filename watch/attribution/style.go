package attribution

import (
	"slices"
	"strings"

	"vedette"
	"vedette/link"
)

// A name's style is a handful of coarse features. Each alone says little, and all of them together may never say more than
// Params.CapStyle: anyone can choose names like another's.
//
// It spares an operator whom mere resemblance would name. It costs campaigns whose names are all that is known of them.
const (
	featureSuffix = iota
	featureHyphens
	featureDigits
	featureLength
	featureDepth
	featureTheme
	featureVowels
	features
)

// values is the number of values of each feature.
var values = [features]int{14, 3, 2, 5, 3, 10, 3}

// suffixes are told apart; "new" are the cheap new ones, "country" any of two letters, "hoster" a private suffix such as a dynamic DNS name.
var (
	suffixes    = []string{"com", "net", "org", "info", "co", "biz", "io", "me"}
	newSuffixes = []string{
		"app", "bid", "buzz", "click", "cloud", "club", "dev", "digital", "email", "fun", "host", "icu", "life", "link", "live", "news", "online",
		"page", "press", "pro", "pw", "services", "shop", "site", "space", "store", "tech", "today", "top", "vip", "website", "win", "work", "world", "xyz",
	}
)

// themes are groups of words that names are made of; the first that a name contains counts. Made by hand.
var themes = [][]string{
	{"valid", "redirect", "tinyurl", "shorturl", "short-", "link", "url", "click", "track", "goto"},
	{"login", "logon", "signin", "account", "verif", "secure", "security", "auth", "password", "wallet", "mail", "inbox", "support", "reply", "privacy", "setup", "service", "myacc", "confirm", "recover", "notif", "alert", "approv", "member", "identity", "user", "session", "portal", "help", "admin", "office", "document"},
	{"news", "press", "media", "report", "journal", "times", "daily", "tribune", "story", "gazette"},
	{"update", "upgrade", "software", "download", "android", "adobe", "java", "windows", "driver", "apk", "apps"},
	{"cdn", "cloud", "static", "stat", "cache", "analy", "server", "host", "data", "sync", "api", "dns", "net"},
	{"google", "facebook", "whatsapp", "twitter", "youtube", "apple", "icloud", "microsoft", "amazon", "paypal", "instagram", "telegram", "netflix", "discord", "steam", "metamask"},
	{"shop", "store", "sale", "offer", "deal", "gift", "bonus", "free", "win", "reward", "coupon", "promo", "cheap", "buy"},
	{"bank", "pay", "crypto", "coin", "token", "airdrop", "usdt", "finance", "credit", "loan", "claim", "swap"},
	{"health", "travel", "hotel", "food", "music", "video", "movie", "game", "sport", "art", "book", "house", "garden", "coffee", "life"},
}

// traits returns the value of each feature of a host.
func traits(host string) (f [features]uint8) {
	suffix, icann := link.PublicSuffix(host)
	reg := link.Registrable(host)
	label := strings.TrimSuffix(strings.TrimSuffix(reg, suffix), ".")
	last := suffix[strings.LastIndexByte(suffix, '.')+1:]
	switch i := slices.Index(suffixes, suffix); {
	case !icann && strings.Contains(suffix, "."):
		f[featureSuffix] = 12
	case i >= 0:
		f[featureSuffix] = uint8(i)
	case slices.Contains(newSuffixes, last):
		f[featureSuffix] = 9
	case len(last) == 2 && last != suffix:
		f[featureSuffix] = 10 // "co.uk"
	case len(last) == 2:
		f[featureSuffix] = 11
	default:
		f[featureSuffix] = 13
	}
	f[featureHyphens] = uint8(min(strings.Count(label, "-"), 2))
	digits, vowels, letters := 0, 0, 0
	for _, c := range []byte(label) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case strings.IndexByte("aeiouy", c) >= 0:
			vowels++
			letters++
		case c >= 'a' && c <= 'z':
			letters++
		}
	}
	if digits > 0 {
		f[featureDigits] = 1
	}
	switch n := len(label); {
	case n <= 6:
	case n <= 9:
		f[featureLength] = 1
	case n <= 12:
		f[featureLength] = 2
	case n <= 16:
		f[featureLength] = 3
	default:
		f[featureLength] = 4
	}
	f[featureDepth] = uint8(min(max(strings.Count(host, ".")-strings.Count(reg, "."), 0), 2))
	if f[featureDepth] == 1 && strings.HasPrefix(host, "www.") {
		f[featureDepth] = 0
	}
	for i, words := range themes {
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(label, w) }) {
			f[featureTheme] = uint8(i + 1)
			break
		}
	}
	switch {
	case letters == 0 || vowels*100 < letters*25:
		f[featureVowels] = 1 // hard to say aloud
	case vowels*100 > letters*50:
		f[featureVowels] = 2
	}
	return f
}

// style counts the traits of a set of names.
type style struct {
	n    int
	seen [features][14]int
}

func (s *style) add(host string) {
	s.n++
	for f, v := range traits(host) {
		s.seen[f][v]++
	}
}

// likeness returns log2 P(the names | from) / P(the names | pool), tempered: features of a name hang together, and names of a campaign do too,
// so each name counts a third and their sum is divided by the square root of their number.
func (s *style) likeness(hosts []string, pool *style) vedette.MilliBits {
	var sum int
	for _, h := range hosts {
		for f, v := range traits(h) {
			k := values[f]
			// The pool's share, with half a name in each value; then ours, as if pseudo names of the pool's kind were among them.
			p := uint64(2*pool.seen[f][v]+1) * 1_000_000 / uint64(2*pool.n+k)
			q := (uint64(s.seen[f][v])*1_000_000 + pseudo*p) / uint64(s.n+pseudo)
			sum += int(logRatio(q, p))
		}
	}
	if len(hosts) == 0 {
		return 0
	}
	return vedette.MilliBits(sum * 1000 / 3 / int(root(uint64(len(hosts))*1_000_000)))
}

// pseudo is how many names of the pool's kind are mixed under an operator's own, so that few names say little.
const pseudo = 20

func (s *style) merge(o *style) {
	s.n += o.n
	for f := range s.seen {
		for v := range s.seen[f] {
			s.seen[f][v] += o.seen[f][v]
		}
	}
}
