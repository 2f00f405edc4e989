package decision

import (
	"fmt"
	"slices"
	"strings"

	"vedette"
	"vedette/record/indicator"
)

// facts is everything that a rule may ask about one event, or about one link of it. All of it can be had again from the journal:
// no text, no host name and no identity stands in it, so that a decision can be computed anew years later.
type facts struct {
	kind     vedette.Kind
	tier     vedette.Tier
	links    int
	measures *vedette.Measures

	stranger, reply, hasLink, toGroup, returned, found vedette.Tri
	count                                              uint16
	join                                               vedette.JoinWay
	category                                           vedette.ReportCategory
	lookup                                             vedette.LookupWay
	deletion                                           vedette.DeletionReason
	attestation                                        vedette.Attestation
	network                                            vedette.Network
	number                                             vedette.Number

	link      bool // the fields below are about a link
	shapeRead bool // the whole shape is known, not only the parts that a token's feature byte tells
	place     vedette.Place
	shape     vedette.Shape

	asked   bool // indicators were asked about this link, so that "no match" is an answer
	matches []indicator.Match
	lists   uint64 // the lists of the rule set's table that match, as bits
	scopes  uint8  // the scopes that match, as bits
	weight  vedette.MilliBits
	verdict vedette.Verdict
}

// event fills in what is told by the event as a whole.
func (f *facts) event(ev *vedette.Event, links int) {
	*f = facts{kind: ev.Kind(), tier: ev.Tier, links: links}
	switch b := ev.Body.(type) {
	case *vedette.LinkSent:
		f.stranger, f.reply, f.toGroup = b.Stranger, b.Reply, toGroup(b.To)
	case *vedette.MessageSent:
		f.stranger, f.reply, f.hasLink, f.count, f.toGroup = b.Stranger, b.Reply, b.HasLink, b.Count, toGroup(b.To)
	case *vedette.LinkPreviewed:
		f.toGroup = toGroup(vedette.Recipient{Account: b.From, Group: b.Group})
	case *vedette.LinkOpened:
		f.toGroup = toGroup(vedette.Recipient{Account: b.From, Group: b.Group})
	case *vedette.AccountRegistered:
		f.network, f.number, f.attestation, f.returned = b.Network, b.Number, b.Attestation, b.Returned
	case *vedette.AccountSeen:
		f.network = b.Network
	case *vedette.DeviceLinked:
		f.network = b.Network
	case *vedette.AccountDeleted:
		f.deletion = b.Reason
	case *vedette.GroupJoined:
		f.join = b.By
	case *vedette.NumberLookedUp:
		f.lookup, f.found = b.Via, vedette.TriOf(!b.Target.IsZero())
	case *vedette.UserReported:
		f.category = b.Category
	}
}

func toGroup(r vedette.Recipient) vedette.Tri {
	switch {
	case !r.Group.IsZero():
		return vedette.Yes
	case !r.Account.IsZero():
		return vedette.No
	}
	return vedette.Unknown
}

// about turns the facts to one link.
func (f *facts) about(l *vedette.Link) {
	f.link, f.place, f.shape = true, l.Where, l.Shape
	// A URL that was read has a length. Without one only what a token's feature byte sets is known; the rest is absent, not false.
	f.shapeRead = l.Shape.Length > 0 || l.Shape.Flags.Has(vedette.ShapeUnread)
	f.asked, f.matches, f.lists, f.scopes, f.weight, f.verdict = false, nil, 0, 0, 0, 0
}

// matched fills in what the indicators said about the link. lists is the rule set's table of list names.
func (f *facts) matched(ms []indicator.Match, lists []vedette.RuleID) {
	f.asked, f.matches = true, ms
	for i := range ms {
		for j, name := range lists {
			if name == ms[i].List {
				f.lists |= 1 << j
			}
		}
		f.scopes |= 1 << min(ms[i].Scope, 7)
		f.weight = max(f.weight, ms[i].Weight)
		f.verdict = max(f.verdict, ms[i].Verdict)
	}
}

// The types of facts. A word is a string in CEL and a small number here: every word that a fact may have is known when a rule is compiled.
type factType uint8

const (
	factBool factType = iota
	factInt
	factWord
)

func (t factType) String() string { return [...]string{"bool", "int", "word"}[t] }

// words is a closed set of words with their numbers.
type words struct {
	name   string
	number func(string) (int64, bool)
	word   func(int64) string
	list   []string // all of them, where they can be listed
}

func wordList(name string, first int64, list ...string) *words {
	return &words{
		name: name, list: list,
		number: func(s string) (int64, bool) {
			i := slices.Index(list, s)
			return int64(i) + first, i >= 0
		},
		word: func(n int64) string { return list[n-first] },
	}
}

var (
	kindWords        = wordList("kind", int64(vedette.KindAccountRegistered), kindNames()...)
	tierWords        = wordList("tier", 0, "0", "1", "2", "R")
	joinWords        = wordList("way into a group", 1, "creator", "invite-link", "added", "accepted")
	categoryWords    = wordList("category of a report", 1, "spam", "scam", "impersonation", "suspicious-link", "abuse", "other")
	lookupWords      = wordList("way of looking up", 1, "contact-sync", "manual")
	deletionWords    = wordList("reason of a deletion", 1, "self", "ban", "inactive")
	attestationWords = wordList("attestation", 1, "fail", "none", "basic", "strong")
	networkWords     = wordList("class of network", 1, "residential", "mobile", "business", "hosting", "anonymous")
	carrierWords     = wordList("class of number", 1, "mobile", "fixed", "voip", "machine")
	placeWords       = wordList("place", 0, "message", "profile", "group", "invite", "qr", "file")
	verdictWords     = wordList("verdict", 0, "allow", "warn", "hold", "block")
	scopeWords       = wordList("scope", 1, "url", "path", "host", "domain")
	countryWords     = &words{
		name: "country",
		number: func(s string) (int64, bool) {
			if len(s) != 2 || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' {
				return 0, false
			}
			return int64(s[0])<<8 | int64(s[1]), true
		},
		word: func(n int64) string { return string([]byte{byte(n >> 8), byte(n)}) },
	}
)

func kindNames() []string {
	var out []string
	for _, k := range vedette.Kinds() {
		out = append(out, k.String())
	}
	return out
}

// fact is one word of the rule language (docs/formats/rule.md).
type fact struct {
	name      string
	typ       factType
	words     *words // of a word
	aboutLink bool
	tier      vedette.Tier                      // the least tier at which a platform can tell it
	kinds     uint32                            // kinds of events that can tell it, as bits
	get       func(f *facts) (v int64, ok bool) // a bool is 0 or 1
	set       func(b *builder, v int64)         // for examples
	measure   vedette.Measure                   // when it is one: MeasureCount otherwise
	flag      vedette.ShapeFlag                 // when it is one
	doc       string
}

func kinds(ks ...vedette.Kind) (set uint32) {
	for _, k := range ks {
		set |= 1 << k
	}
	return set
}

var (
	anyKind   = kinds(vedette.Kinds()...)
	linkKinds = kinds(vedette.KindLinkSent, vedette.KindLinkPreviewed, vedette.KindLinkOpened, vedette.KindUserReported,
		vedette.KindProfileChanged, vedette.KindGroupCreated)
	sentKinds    = kinds(vedette.KindMessageSent, vedette.KindLinkSent)
	networkKinds = kinds(vedette.KindAccountRegistered, vedette.KindAccountSeen, vedette.KindDeviceLinked)
)

func tri(t vedette.Tri) (int64, bool) { return int64(t) - 1, t != vedette.Unknown }

func nonzero[T ~uint8 | ~uint16 | ~uint32](v T) (int64, bool) { return int64(v), v != 0 }

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// boolMeasures are the measures that answer yes or no; rules read them as such.
var boolMeasures = kinds(vedette.Kind(vedette.MeasureAccountKnown), vedette.Kind(vedette.MeasureFirstContact), vedette.Kind(vedette.MeasureReciprocated))

var measureDocs = [vedette.MeasureCount]string{
	"seconds since the actor's account was first heard of or registered",
	"the account's registration itself was seen; otherwise its age is a lower bound",
	"messages and links that the actor sent in 7 days",
	"the actor never wrote to this recipient before",
	"the recipient has written to the actor before",
	"distinct recipients of the actor in 7 days",
	"distinct recipients first written to in 24 hours",
	"distinct recipients first written to in 7 days",
	"links that the actor sent in 24 hours",
	"distinct devices of the actor in 30 days",
	"distinct networks of the actor in 7 days",
	"distinct accounts on the event's network in 7 days",
	"distinct accounts on the event's device in 30 days",
	"members of the group; absent for a person",
	"how often it was forwarded: 0, 1, 2 (2 to 4), 3 (5 and more)",
	"distinct reporters of the actor in 30 days",
	"distinct people who blocked the actor in 30 days",
	"numbers that the actor looked up by hand in 24 hours",
	"seconds since the event's device was first heard of",
	"seconds since the actor was last active before this event",
	"distinct senders of the registrable domain, as far as memory reaches",
	"seconds since the registrable domain was first seen here",
	"sends of the registrable domain in 7 days",
	"distinct recipients of the registrable domain",
	"distinct senders of the host",
	"sends of this very URL",
	"distinct reporters of the registrable domain in 30 days",
	"how often this actor sent this registrable domain before",
}

// vocabulary holds every fact by its name, in the order of docs/formats/rule.md.
var vocabulary, vocabularyOrder = makeVocabulary()

func makeVocabulary() (map[string]*fact, []*fact) {
	var list []*fact
	add := func(f fact) {
		if f.measure == 0 && f.name != vedette.MeasureAccountAge.String() {
			f.measure = vedette.MeasureCount
		}
		list = append(list, &f)
	}
	add(fact{
		name: "event.kind", typ: factWord, words: kindWords, kinds: anyKind, doc: "what happened",
		get: func(f *facts) (int64, bool) { return int64(f.kind), f.kind != 0 },
		set: func(b *builder, v int64) { b.kind = vedette.Kind(v) },
	})
	add(fact{
		name: "event.tier", typ: factWord, words: tierWords, kinds: anyKind, doc: "how much of a link the adapter can tell",
		get: func(f *facts) (int64, bool) { return int64(f.tier), true },
		set: func(b *builder, v int64) { b.tier = vedette.Tier(v) },
	})
	add(fact{
		name: "event.links", typ: factInt, tier: vedette.Tier1, kinds: anyKind, doc: "links that the event carries",
		get: func(f *facts) (int64, bool) { return int64(f.links), f.links > 0 || f.tier != vedette.Tier0 },
		set: func(b *builder, v int64) { b.links = int(v) },
	})
	add(fact{
		name: "event.stranger", typ: factBool, kinds: sentKinds, doc: "the recipient's client says: the sender is no contact and was never answered",
		get: func(f *facts) (int64, bool) { return tri(f.stranger) },
		set: func(b *builder, v int64) { b.stranger = vedette.TriOf(v != 0) },
	})
	add(fact{
		name: "event.reply", typ: factBool, kinds: sentKinds, doc: "inside a thread that the recipient took part in",
		get: func(f *facts) (int64, bool) { return tri(f.reply) },
		set: func(b *builder, v int64) { b.reply = vedette.TriOf(v != 0) },
	})
	add(fact{
		name: "event.has_link", typ: factBool, kinds: kinds(vedette.KindMessageSent), doc: "the message holds a link, whatever it is",
		get: func(f *facts) (int64, bool) { return tri(f.hasLink) },
		set: func(b *builder, v int64) { b.hasLink = vedette.TriOf(v != 0) },
	})
	add(fact{
		name: "event.to_group", typ: factBool, kinds: sentKinds | kinds(vedette.KindLinkPreviewed, vedette.KindLinkOpened),
		doc: "it went to a group rather than to a person",
		get: func(f *facts) (int64, bool) { return tri(f.toGroup) },
		set: func(b *builder, v int64) { b.toGroup = vedette.TriOf(v != 0) },
	})
	add(fact{
		name: "event.count", typ: factInt, kinds: kinds(vedette.KindMessageSent), doc: "messages that this event stands for",
		get: func(f *facts) (int64, bool) { return nonzero(f.count) },
		set: func(b *builder, v int64) { b.count = uint16(v) },
	})
	word := func(name string, w *words, ks uint32, doc string, get func(f *facts) (int64, bool), set func(b *builder, v int64)) {
		add(fact{name: name, typ: factWord, words: w, kinds: ks, doc: doc, get: get, set: set})
	}
	word("event.join", joinWords, kinds(vedette.KindGroupJoined), "how the member came into the group",
		func(f *facts) (int64, bool) { return nonzero(f.join) }, func(b *builder, v int64) { b.join = vedette.JoinWay(v) })
	word("event.category", categoryWords, kinds(vedette.KindUserReported), "what the reporter chose",
		func(f *facts) (int64, bool) { return nonzero(f.category) }, func(b *builder, v int64) { b.category = vedette.ReportCategory(v) })
	word("event.lookup", lookupWords, kinds(vedette.KindNumberLookedUp), "how the number was looked up",
		func(f *facts) (int64, bool) { return nonzero(f.lookup) }, func(b *builder, v int64) { b.lookup = vedette.LookupWay(v) })
	add(fact{
		name: "event.found", typ: factBool, kinds: kinds(vedette.KindNumberLookedUp), doc: "the number has an account",
		get: func(f *facts) (int64, bool) { return tri(f.found) },
		set: func(b *builder, v int64) { b.found = vedette.TriOf(v != 0) },
	})
	word("event.deletion", deletionWords, kinds(vedette.KindAccountDeleted), "why the account ended",
		func(f *facts) (int64, bool) { return nonzero(f.deletion) }, func(b *builder, v int64) { b.deletion = vedette.DeletionReason(v) })
	word("event.attestation", attestationWords, kinds(vedette.KindAccountRegistered), "how far the device vouches for itself",
		func(f *facts) (int64, bool) { return nonzero(f.attestation) }, func(b *builder, v int64) { b.attestation = vedette.Attestation(v) })
	add(fact{
		name: "event.returned", typ: factBool, kinds: kinds(vedette.KindAccountRegistered), doc: "the device had an account before",
		get: func(f *facts) (int64, bool) { return tri(f.returned) },
		set: func(b *builder, v int64) { b.returned = vedette.TriOf(v != 0) },
	})
	word("network.class", networkWords, networkKinds, "the coarse kind of the network",
		func(f *facts) (int64, bool) { return nonzero(f.network.Class) }, func(b *builder, v int64) { b.network.Class = vedette.NetworkClass(v) })
	word("network.country", countryWords, networkKinds, "the network's country, ISO 3166-1 alpha-2",
		func(f *facts) (int64, bool) { return country(f.network.Country) }, func(b *builder, v int64) { b.network.Country = countryOf(v) })
	add(fact{
		name: "network.asn", typ: factInt, kinds: networkKinds, doc: "the network's autonomous system",
		get: func(f *facts) (int64, bool) { return nonzero(f.network.ASN) },
		set: func(b *builder, v int64) { b.network.ASN = uint32(v) },
	})
	word("number.country", countryWords, kinds(vedette.KindAccountRegistered), "the phone number's country",
		func(f *facts) (int64, bool) { return country(f.number.Country) }, func(b *builder, v int64) { b.number.Country = countryOf(v) })
	word("number.carrier", carrierWords, kinds(vedette.KindAccountRegistered), "the kind of the phone number",
		func(f *facts) (int64, bool) { return nonzero(f.number.Carrier) }, func(b *builder, v int64) { b.number.Carrier = vedette.CarrierClass(v) })

	for k := range vedette.MeasureCount {
		f := fact{name: k.String(), typ: factInt, measure: k, kinds: anyKind, aboutLink: k.AboutLink(), doc: measureDocs[k]}
		if f.aboutLink {
			f.tier, f.kinds = vedette.Tier1, linkKinds
		}
		f.get = func(f *facts) (int64, bool) { return f.measures.Get(k) }
		f.set = func(b *builder, v int64) { b.measures.Set(k, v) }
		if boolMeasures&(1<<k) != 0 {
			f.typ = factBool
			f.get = func(f *facts) (int64, bool) {
				v, ok := f.measures.Get(k)
				return truth(v != 0), ok
			}
		}
		add(f)
	}

	flag := func(name string, bit vedette.ShapeFlag, tier vedette.Tier, doc string) {
		add(fact{
			name: "link." + name, typ: factBool, flag: bit, aboutLink: true, tier: tier, kinds: linkKinds, doc: doc,
			get: func(f *facts) (int64, bool) {
				set := f.shape.Flags&bit != 0
				return truth(set), f.link && (set || f.shapeRead)
			},
			set: func(b *builder, v int64) {
				b.shapeRead = true
				if v != 0 {
					b.shape.Flags |= bit
				} else {
					b.shape.Flags &^= bit
				}
			},
		})
	}
	flag("shortener", vedette.ShapeShortener, vedette.Tier1, "a known shortener or redirector")
	flag("embedded", vedette.ShapeEmbedded, vedette.Tier2, "another URL stands inside it")
	flag("address", vedette.ShapeAddress, vedette.Tier2, "the host is an IP address")
	flag("idn", vedette.ShapeIDN, vedette.Tier2, "a label is internationalised")
	flag("mixed_script", vedette.ShapeMixedScript, vedette.Tier2, "one label mixes scripts that no language mixes")
	flag("confusable", vedette.ShapeConfusable, vedette.Tier2, "a label can be taken for another one (UTS #39)")
	flag("userinfo", vedette.ShapeUserinfo, vedette.Tier2, "user@ stands before the host")
	flag("port", vedette.ShapePort, vedette.Tier2, "a port that is not the scheme's own")
	flag("insecure", vedette.ShapeInsecure, vedette.Tier2, "http rather than https")
	flag("foreign", vedette.ShapeForeign, vedette.Tier2, "neither http nor https")
	flag("shared_host", vedette.ShapeSharedHost, vedette.Tier2, "the host serves many parties")
	flag("puny_invalid", vedette.ShapePunyInvalid, vedette.Tier2, "a label begins with xn-- and cannot be read")
	flag("deceptive", vedette.ShapeDeceptive, vedette.Tier2, "control, bidirectional or invisible characters, odd spellings of an address, excess encoding")
	flag("unread", vedette.ShapeUnread, vedette.Tier2, "the URL standard refuses it; clients may differ")
	flag("long_host", vedette.ShapeLongHost, vedette.Tier2, "four or more labels below the registrable domain")
	flag("no_registrable", vedette.ShapeNoReferrable, vedette.Tier2, "the host is a public suffix itself, or has none")

	number := func(name string, tier vedette.Tier, doc string, field func(s *vedette.Shape) int64, set func(s *vedette.Shape, v int64)) {
		add(fact{
			name: "link." + name, typ: factInt, aboutLink: true, tier: tier, kinds: linkKinds, doc: doc,
			get: func(f *facts) (int64, bool) {
				v := field(&f.shape)
				return v, f.link && (v != 0 || f.shapeRead)
			},
			set: func(b *builder, v int64) { b.shapeRead = true; set(&b.shape, v) },
		})
	}
	number("token_like", vedette.Tier1, "path or query segments that look made by a machine",
		func(s *vedette.Shape) int64 { return int64(s.TokenLike) }, func(s *vedette.Shape, v int64) { s.TokenLike = uint8(v) })
	number("entropy", vedette.Tier1, "of the most random segment, bits per character times 16",
		func(s *vedette.Shape) int64 { return int64(s.Entropy) }, func(s *vedette.Shape, v int64) { s.Entropy = uint8(v) })
	number("path_segments", vedette.Tier2, "segments of the path",
		func(s *vedette.Shape) int64 { return int64(s.PathSegments) }, func(s *vedette.Shape, v int64) { s.PathSegments = uint8(v) })
	number("query_keys", vedette.Tier2, "keys of the query",
		func(s *vedette.Shape) int64 { return int64(s.QueryKeys) }, func(s *vedette.Shape, v int64) { s.QueryKeys = uint8(v) })
	number("host_labels", vedette.Tier2, "labels of the host",
		func(s *vedette.Shape) int64 { return int64(s.HostLabels) }, func(s *vedette.Shape, v int64) { s.HostLabels = uint8(v) })
	number("length", vedette.Tier2, "bytes of the canonical URL",
		func(s *vedette.Shape) int64 { return int64(s.Length) }, func(s *vedette.Shape, v int64) { s.Length = uint16(v) })
	add(fact{
		name: "link.where", typ: factWord, words: placeWords, aboutLink: true, tier: vedette.Tier1, kinds: linkKinds, doc: "where it was found",
		get: func(f *facts) (int64, bool) { return int64(f.place), f.link },
		set: func(b *builder, v int64) { b.place = vedette.Place(v) },
	})

	match := func(f fact) {
		f.aboutLink, f.tier, f.kinds = true, vedette.Tier1, linkKinds
		add(f)
	}
	match(fact{
		name: "match.any", typ: factBool, doc: "an indicator covers the link",
		get: func(f *facts) (int64, bool) { return truth(len(f.matches) > 0), f.asked },
		set: func(b *builder, v int64) { b.any = v != 0 },
	})
	match(fact{
		name: "match.count", typ: factInt, doc: "indicators that cover the link",
		get: func(f *facts) (int64, bool) { return int64(len(f.matches)), f.asked },
		set: func(b *builder, v int64) { b.count2 = int(v) },
	})
	match(fact{
		name: "match.weight", typ: factInt, doc: "the strongest weight among them, thousandths of a bit; absent when there is none",
		get: func(f *facts) (int64, bool) { return int64(f.weight), f.asked && len(f.matches) > 0 },
		set: func(b *builder, v int64) { b.any, b.match.Weight = true, vedette.MilliBits(v) },
	})
	match(fact{
		name: "match.verdict", typ: factWord, words: verdictWords, doc: "the strongest verdict that one of them may ask for; absent when there is none",
		get: func(f *facts) (int64, bool) { return int64(f.verdict), f.asked && len(f.matches) > 0 },
		set: func(b *builder, v int64) { b.any, b.match.Verdict = true, vedette.Verdict(v) },
	})

	byName := make(map[string]*fact, len(list))
	for _, f := range list {
		if byName[f.name] != nil {
			panic("decision: fact declared twice: " + f.name)
		}
		byName[f.name] = f
	}
	return byName, list
}

func country(c vedette.Country) (int64, bool) {
	return int64(c[0])<<8 | int64(c[1]), c != vedette.Country{}
}

func countryOf(v int64) vedette.Country { return vedette.Country{byte(v >> 8), byte(v)} }

// units are the constants of the rule language, in seconds.
var units = []struct {
	name    string
	seconds int64
}{{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}, {"week", 604800}}

// nearest finds the known name that a writer probably meant, or "".
func nearest(name string, among []string) string {
	best, distance := "", max(2, len(name)/3)+1
	for _, s := range among {
		if d := edits(name, s); d < distance {
			best, distance = s, d
		}
		if _, last, ok := strings.Cut(s, "."); ok && last == name {
			return s
		}
	}
	return best
}

// edits counts the insertions, deletions and changes that turn a into b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := min(row[j]+1, row[j+1]+1)
			if a[i] == b[j] {
				next = min(next, diagonal)
			} else {
				next = min(next, diagonal+1)
			}
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

func factNames() []string {
	var out []string
	for _, f := range vocabularyOrder {
		out = append(out, f.name)
	}
	for _, u := range units {
		out = append(out, u.name)
	}
	return out
}

// value renders a fact's value as a rule would write it.
func (f *fact) value(v int64) any {
	switch f.typ {
	case factBool:
		return v != 0
	case factWord:
		return f.words.word(v)
	}
	return v
}

// parse reads a fact's value from an example.
func (f *fact) parse(s string) (int64, error) {
	switch f.typ {
	case factBool:
		switch s {
		case "true":
			return 1, nil
		case "false":
			return 0, nil
		}
		return 0, fmt.Errorf("%s is true or false, not %q", f.name, s)
	case factWord:
		if n, ok := f.words.number(s); ok {
			return n, nil
		}
		return 0, fmt.Errorf("%s", unknownWord(f.words, s))
	}
	return parseAmount(f.name, s)
}

func unknownWord(w *words, s string) string {
	if w.list == nil {
		return fmt.Sprintf("%q is no %s: write two capital letters (ISO 3166-1 alpha-2)", s, w.name)
	}
	return fmt.Sprintf("%q is no %s: write one of %s", s, w.name, strings.Join(w.list, ", "))
}
