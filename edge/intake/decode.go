package intake

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"github.com/nyaruka/phonenumbers"

	"vedette"
	"vedette/inline/sequence"
	"vedette/link"
)

// The limits of the wire form (docs/formats/event.md).
const (
	MaxEvent = 64 << 10        // bytes of one event
	Ahead    = 5 * time.Minute // how far the platform's clock may be ahead of ours

	maxLinks = vedette.MaxLinks
)

// Sealer turns what a platform calls its people into surrogates, under the keys of one tenant. It is safe for concurrent use, and keeps
// none of the strings. Its errors wrap vedette.ErrUnavailable, or ErrInvalid for a number or address that it cannot read.
type Sealer interface {
	Account(raw string) (vedette.AccountID, error)
	Group(raw string) (vedette.GroupID, error)
	Device(raw string) (vedette.DeviceID, error)
	Network(a netip.Addr) (vedette.NetworkID, error)
	Block(e164 string) (vedette.NetworkID, error)
	EventID(raw string) vedette.EventID
	Bytes(b []byte) vedette.Digest
	Token(kind vedette.TokenKind, name string, at time.Time) vedette.Token
	Epoch(at time.Time) uint16
}

// DecodeOptions is what the door knows besides the line.
type DecodeOptions struct {
	Tenant   vedette.Tenant
	Platform string // of the key; used when the event names none
	Source   vedette.SourceID
	// Now is the door's clock, and becomes Event.Seen. Zero in a replay: Seen is then At, and neither Ahead nor MaxAge is asked.
	Now time.Time
	// MaxAge is how old an event may be. Zero: any age.
	MaxAge time.Duration
	// Dropped counts fields that nobody knows, by name. Nil: not counted.
	Dropped *Dropped
}

// Decoded is one event, read and sealed. ID is the platform's own, for the answer alone; the arrival holds nothing of the line's text
// but the links, which live as long as the decision.
type Decoded struct {
	ID      string
	Arrival sequence.Arrival
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// Decode reads one event in its wire form. It is strict: an error is a *Refusal that names the field, and wraps vedette.ErrInvalid,
// ErrTooLarge, or ErrForbidden for another tenant's event; nothing is sealed then, so that bad input issues no surrogate. When the sealer
// fails, the error wraps what the sealer's does. The line is the caller's again when Decode returns.
//
// A link that cannot be read is kept as a place with vedette.ShapeUnread, and the arrival says DegradedLinks: it is never dropped.
func Decode(line []byte, s Sealer, opt DecodeOptions) (Decoded, error) {
	if len(line) > MaxEvent {
		return Decoded{}, &Refusal{Byte: MaxEvent, Detail: "longer than 64 KiB; an event holds metadata and links, no text", Kind: vedette.ErrTooLarge}
	}
	d := decoders.Get().(*decoder)
	defer d.release()
	d.b, d.drops = bytes.Trim(line, " \t\r\n"), opt.Dropped
	if err := d.event(); err != nil {
		return Decoded{}, err
	}
	c, err := d.check(&opt)
	if err != nil {
		return Decoded{}, err
	}
	return d.seal(&c, s, &opt)
}

func (d *decoder) release() {
	d.b, d.i, d.seen, d.yes, d.depth, d.links, d.drops = nil, 0, 0, 0, 0, d.links[:0], nil
	decoders.Put(d)
}

// checked is what the fields said, after everything was found to be right.
type checked struct {
	kind vedette.Kind
	at   time.Time
	seen time.Time
	addr netip.Addr
	tier vedette.Tier
}

// check holds the fields against the kind's form. After it nothing can be wrong with the event.
func (d *decoder) check(opt *DecodeOptions) (c checked, err error) {
	if !d.seen.has(fKind) {
		return c, d.refuse(fKind, "missing; every event has one")
	}
	if c.kind, err = d.kind(); err != nil {
		return c, err
	}
	f := forms[c.kind]
	if missing := (of(fID, fAt, fActor) | f.needs) &^ d.seen; missing != 0 {
		return c, d.missing(field(bits.TrailingZeros64(uint64(missing))), c.kind)
	}
	uses := headFields | f.needs | f.uses
	if len(d.links) > 0 && !uses.has(fLinks) {
		// Not dropped like other idle fields: a platform that sends its links under the wrong kind would believe itself guarded.
		return c, d.refuse(fLinks, c.kind.String()+" carries none; send link.sent, or link.previewed for the recipient's client")
	}
	if idle := d.seen &^ uses; idle != 0 {
		d.idle(idle)
	}
	for m := d.seen & uses; m != 0; m &= m - 1 {
		if err := d.field(field(bits.TrailingZeros64(uint64(m))), &c, opt); err != nil {
			return c, err
		}
	}
	switch {
	case d.seen.has(fTo) && uses.has(fTo):
		if both := of(fToAccount, fToGroup); d.seen&both == both {
			return c, d.refuse(fTo, "both account and group; a message goes to one of them: send one event for each")
		} else if d.seen&both == 0 {
			return c, d.refuse(fTo, "neither account nor group; name the recipient")
		}
	case c.kind == vedette.KindUserReported && d.seen&of(fSubject, fMessage) == 0:
		return c, d.refuse(fSubject, "missing, and message too; user.reported needs one of them")
	}
	if f.needs.has(fLinks) && len(d.links) == 0 {
		return c, d.refuse(fLinks, "empty; "+c.kind.String()+" needs a link: where the platform can tell none, send message.sent with has_link")
	}
	return c, d.checkTier(&c)
}

func (d *decoder) kind() (vedette.Kind, error) {
	raw := d.raw(fKind)
	for k := vedette.KindAccountRegistered; int(k) < len(forms); k++ {
		if string(raw) == k.String() {
			return k, nil
		}
	}
	for _, own := range []vedette.Kind{vedette.KindTick, vedette.KindGeneration} {
		if string(raw) == own.String() {
			return 0, d.refuse(fKind, own.String()+" is the journal's own; no platform sends it")
		}
	}
	if !isName(raw) {
		return 0, d.refuse(fKind, "unknown; want one of the 19 names in the specification")
	}
	return 0, d.refuse(fKind, string(raw)+" is unknown; want one of the 19 names in the specification")
}

// isName tells whether an unknown word may be repeated to the caller: letters, dots, underscores and hyphens, at most 40. What holds a
// digit or an @ could be a number or an address in the wrong place.
func isName(b []byte) bool {
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= 40
}

func (d *decoder) missing(f field, k vedette.Kind) error {
	who := k.String() + " needs it"
	if of(fID, fAt, fActor).has(f) {
		who = "every event has one"
	}
	return d.refuse(f, "missing; "+who)
}

// idle counts the fields that the kind has no use for, except those that any event may carry.
func (d *decoder) idle(fs set) {
	for m := fs &^ idleFields &^ of(fToAccount, fToGroup, fToSize, fNumberE164, fNumberCarrier); m != 0; m &= m - 1 {
		d.drops.count(objEvent, []byte(rules[bits.TrailingZeros64(uint64(m))].path))
	}
}

// field checks one field's value.
func (d *decoder) field(f field, c *checked, opt *DecodeOptions) error {
	r := &rules[f]
	switch r.class {
	case rawID, text:
		if err := d.length(f, d.text[f], r.max); err != nil {
			return err
		}
		if f == fTenant && string(d.raw(f)) != string(opt.Tenant) {
			return &Refusal{Field: r.path, Byte: int(d.text[f].from), Detail: "not the tenant of the key; leave it out or use that tenant's key", Kind: vedette.ErrForbidden}
		}
	case lowName:
		if err := d.length(f, d.text[f], r.max); err != nil {
			return err
		}
		for _, b := range d.raw(f) {
			if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-' && b != '.' && b != '_' {
				return d.refuse(f, "want lower-case letters, digits, hyphens, dots and underscores")
			}
		}
	case word:
		code, err := d.word(f, d.text[f])
		if err != nil {
			return err
		}
		d.num[f] = code
	case moment:
		return d.moment(c, opt)
	case country:
		if b := d.raw(f); len(b) != 2 || b[0] < 'A' || b[0] > 'Z' || b[1] < 'A' || b[1] > 'Z' {
			return d.refuse(f, "want two capital letters (ISO 3166-1 alpha-2)")
		}
	case address:
		if err := d.length(f, d.text[f], r.max); err != nil {
			return err
		}
		a, err := netip.ParseAddr(string(d.raw(f)))
		if err != nil {
			return d.refuse(f, "want an IPv4 or IPv6 address, without port")
		}
		c.addr = a.WithZone("")
	case e164:
		b := d.raw(f)
		ok := len(b) >= 8 && len(b) <= 16 && b[0] == '+' && b[1] != '0'
		for _, x := range b[min(1, len(b)):] {
			ok = ok && x >= '0' && x <= '9'
		}
		if !ok {
			return d.refuse(f, "want an international number: + and 7 to 15 digits")
		}
	}
	return nil
}

func (d *decoder) moment(c *checked, opt *DecodeOptions) error {
	at, ok := readTime(d.raw(fAt))
	if !ok {
		return d.refuse(fAt, `want a time with zone as RFC 3339 writes it, like "2026-11-25T08:00:00.123Z"`)
	}
	c.at, c.seen = at, at
	if opt.Now.IsZero() {
		return nil
	}
	c.seen = opt.Now.UTC().Truncate(time.Millisecond)
	switch ahead := at.Sub(c.seen); {
	case ahead > Ahead:
		return d.refuse(fAt, "more than 5 minutes in the future; set the platform's clock")
	case opt.MaxAge > 0 && -ahead > opt.MaxAge:
		return d.refuse(fAt, "older than "+hours(opt.MaxAge)+"; give old events to the replay")
	}
	return nil
}

func hours(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return d.String()
}

// readTime reads the RFC 3339 form of a time, to milliseconds; leap seconds and years before 1970 are refused.
func readTime(b []byte) (time.Time, bool) {
	if len(b) < len("2006-01-02T15:04:05Z") || b[4] != '-' || b[7] != '-' || b[10] != 'T' && b[10] != 't' || b[13] != ':' || b[16] != ':' {
		return time.Time{}, false
	}
	y1, ok1 := two(b)
	y2, ok2 := two(b[2:])
	mo, ok3 := two(b[5:])
	da, ok4 := two(b[8:])
	ho, ok5 := two(b[11:])
	mi, ok6 := two(b[14:])
	se, ok7 := two(b[17:])
	year := y1*100 + y2
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) || year < 1970 || mo < 1 || mo > 12 || da < 1 || ho > 23 || mi > 59 || se > 59 {
		return time.Time{}, false
	}
	rest, ms := b[19:], 0
	if rest[0] == '.' {
		n := 1
		for unit := 100; n < len(rest) && rest[n] >= '0' && rest[n] <= '9'; n++ {
			ms += int(rest[n]-'0') * unit
			unit /= 10
		}
		if n == 1 || n == len(rest) {
			return time.Time{}, false
		}
		rest = rest[n:]
	}
	t := time.Date(year, time.Month(mo), da, ho, mi, se, ms*int(time.Millisecond), time.UTC)
	if t.Day() != da {
		return time.Time{}, false
	}
	switch {
	case len(rest) == 1 && (rest[0] == 'Z' || rest[0] == 'z'):
		return t, true
	case len(rest) != 6 || rest[0] != '+' && rest[0] != '-' || rest[3] != ':':
		return time.Time{}, false
	}
	oh, ok1 := two(rest[1:])
	om, ok2 := two(rest[4:])
	if !ok1 || !ok2 || oh > 23 || om > 59 {
		return time.Time{}, false
	}
	offset := time.Duration(oh)*time.Hour + time.Duration(om)*time.Minute
	if rest[0] == '+' {
		offset = -offset
	}
	return t.Add(offset), true
}

func two(b []byte) (int, bool) {
	hi, lo := b[0]-'0', b[1]-'0'
	return int(hi)*10 + int(lo), hi <= 9 && lo <= 9
}

// link checks what one link's object said, and copies it out of the decoder before the next one comes.
func (d *decoder) link(l *wireLink) error {
	switch hasURL, hasTokens := l.seen.has(fLinkURL), l.seen.has(fLinkTokens); {
	case hasURL && hasTokens:
		return d.refuseAt(linkPath(len(d.links)), "both url and tokens; send what the tier allows, one of them")
	case !hasURL && !hasTokens:
		return d.refuseAt(linkPath(len(d.links)), "neither url nor tokens; send one of them")
	case hasURL:
		l.url = d.text[fLinkURL]
		if err := d.length(fLinkURL, l.url, maxURL); err != nil {
			return err
		}
	default:
		if l.seen&of(fTokenDomain, fTokenHost, fTokenURL) == 0 {
			return d.refuse(fLinkTokens, "no token of domain, host or url; send at least one")
		}
		if !l.seen.has(fTokenEpoch) {
			return d.refuse(fTokenEpoch, "missing; a token without its epoch compares with nothing")
		}
		for i, f := range [...]field{fTokenDomain, fTokenHost, fTokenTenant, fTokenURL} {
			if !l.seen.has(f) {
				continue
			}
			l.tokens[i] = d.text[f]
			var t [16]byte
			if !readToken(d.b[l.tokens[i].from:l.tokens[i].to], &t) {
				return d.refuse(f, "want 16 bytes in base64url without padding, 22 characters")
			}
		}
		l.epoch, l.features = d.num[fTokenEpoch], d.num[fTokenFeatures]&-b2u(l.seen.has(fTokenFeatures))
	}
	if l.seen.has(fLinkWhere) {
		code, err := d.word(fLinkWhere, d.text[fLinkWhere])
		if err != nil {
			return err
		}
		l.where = code
	}
	return nil
}

func b2u(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

var rawURL = base64.RawURLEncoding.Strict()

func readToken(b []byte, t *[16]byte) bool {
	if len(b) != 22 {
		return false
	}
	n, err := rawURL.Decode(t[:], b)
	return err == nil && n == len(t)
}

// checkTier finds how much the adapter tells of links, or holds its word against what it sent.
func (d *decoder) checkTier(c *checked) error {
	var clear, tokens bool
	at := 0
	for i := range d.links {
		if d.links[i].seen.has(fLinkURL) {
			if !clear {
				at = i
			}
			clear = true
		} else {
			tokens = true
		}
	}
	if d.seen.has(fTier) {
		c.tier = vedette.Tier(d.num[fTier])
		switch {
		case c.tier == vedette.Tier0 && (clear || tokens):
			return d.refuse(fTier, "0 tells of no links, and the event has some; send the tier of the adapter")
		case c.tier == vedette.Tier1 && clear:
			return d.refuseAt(pathOf(fLinkURL, at), "a URL in clear at tier 1, where clients send tokens; send tokens, or the tier that people agreed to")
		}
		return nil
	}
	switch {
	case clear:
		c.tier = vedette.Tier2
	case tokens:
		c.tier = vedette.Tier1
	}
	return nil
}

// length checks the length of a string in bytes.
func (d *decoder) length(f field, s span, most uint64) error {
	n := int(s.to - s.from)
	if n == 0 {
		return d.refuse(f, "empty; leave out what is not known")
	}
	if uint64(n) > most && (!s.escaped || uint64(len(unescape(d.b[s.from:s.to]))) > most) {
		return d.tooLarge(f, fmt.Sprintf("longer than %d bytes", most))
	}
	return nil
}

func (d *decoder) word(f field, s span) (uint64, error) {
	b := d.b[s.from:s.to]
	if s.escaped {
		b = unescape(b)
	}
	for i, w := range rules[f].words {
		if w != "" && string(b) == w {
			return uint64(i), nil
		}
	}
	return 0, d.refuse(f, "want "+oneOf(rules[f].words))
}

// raw returns the text of a field, in the line's own bytes where nothing is escaped.
func (d *decoder) raw(f field) []byte {
	s := d.text[f]
	if s.escaped {
		return unescape(d.b[s.from:s.to])
	}
	return d.b[s.from:s.to]
}

func (d *decoder) tri(f field) vedette.Tri {
	switch {
	case !d.seen.has(f):
		return vedette.Unknown
	case d.yes.has(f):
		return vedette.Yes
	}
	return vedette.No
}

func (d *decoder) number(f field) uint64 {
	if !d.seen.has(f) {
		return 0
	}
	return d.num[f]
}

func (d *decoder) size(f field) uint16 { return uint16(min(d.number(f), 65535)) }

// sealing turns checked fields into surrogates, and remembers the first failure.
type sealing struct {
	*decoder
	s   Sealer
	err error
}

func sealed[T any](x *sealing, f field, with func(string) (T, error)) (id T) {
	if x.err != nil || !x.seen.has(f) {
		return id
	}
	id, err := with(string(x.raw(f)))
	if err != nil {
		x.err = sealFailed(rules[f].path, err)
	}
	return id
}

func sealFailed(path string, err error) error {
	if errors.Is(err, vedette.ErrInvalid) {
		return &Refusal{Field: path, Byte: -1, Detail: "cannot be read by the vault", Kind: vedette.ErrInvalid}
	}
	return fmt.Errorf("intake: seal %s: %w", path, err)
}

func (x *sealing) account(f field) vedette.AccountID { return sealed(x, f, x.s.Account) }
func (x *sealing) group(f field) vedette.GroupID     { return sealed(x, f, x.s.Group) }
func (x *sealing) device(f field) vedette.DeviceID   { return sealed(x, f, x.s.Device) }

func (x *sealing) network(c *checked) (n vedette.Network) {
	if !x.seen.has(fNetwork) {
		return n
	}
	n.ASN = uint32(x.number(fNetworkASN))
	n.Class = vedette.NetworkClass(x.number(fNetworkClass))
	if x.seen.has(fNetworkCountry) {
		n.Country = vedette.Country(x.raw(fNetworkCountry))
	}
	if x.err == nil && c.addr.IsValid() {
		var err error
		if n.ID, err = x.s.Network(c.addr); err != nil {
			x.err = sealFailed(rules[fNetworkAddress].path, err)
		}
	}
	return n
}

func (x *sealing) phone() (n vedette.Number) {
	n.Carrier = vedette.CarrierClass(x.number(fNumberCarrier))
	if !x.seen.has(fNumberE164) {
		return n
	}
	n.Block = sealed(x, fNumberE164, x.s.Block)
	if p, err := phonenumbers.Parse(string(x.raw(fNumberE164)), ""); err == nil {
		if r := phonenumbers.GetRegionCodeForNumber(p); len(r) == 2 && r != "ZZ" {
			n.Country = vedette.Country([]byte(r))
		}
	}
	return n
}

func (x *sealing) recipient() (r vedette.Recipient) {
	r.Account, r.Group = x.account(fToAccount), x.group(fToGroup)
	if x.seen.has(fToGroup) {
		r.Size = x.size(fToSize)
	}
	return r
}

// seal makes the event. Only the sealer can fail.
func (d *decoder) seal(c *checked, s Sealer, opt *DecodeOptions) (Decoded, error) {
	x := &sealing{decoder: d, s: s}
	id := string(d.raw(fID))
	ev := vedette.Event{
		Tenant:   opt.Tenant,
		Platform: opt.Platform,
		ID:       s.EventID(id),
		Bytes:    s.Bytes(d.b),
		Source:   opt.Source,
		Actor:    x.account(fActor),
		At:       c.at,
		Seen:     c.seen,
		Tier:     c.tier,
	}
	if d.seen.has(fPlatform) && string(d.raw(fPlatform)) != opt.Platform {
		ev.Platform = string(d.raw(fPlatform))
	}
	out := Decoded{ID: id}
	links, urls, missing := d.readLinks(c, s)
	out.Arrival.Links, out.Arrival.Missing = urls, missing
	ev.Body = x.body(c, links, ev.Actor)
	if x.err != nil {
		return Decoded{}, x.err
	}
	out.Arrival.Event = ev
	return out, nil
}

func (x *sealing) body(c *checked, links []vedette.Link, actor vedette.AccountID) vedette.Body {
	switch c.kind {
	case vedette.KindAccountRegistered:
		return &vedette.AccountRegistered{
			Device: x.device(fDevice), Build: x.build(), Network: x.network(c), Number: x.phone(),
			Attestation: vedette.Attestation(x.number(fAttestation)), Returned: x.tri(fReturned),
		}
	case vedette.KindAccountSeen:
		return &vedette.AccountSeen{Device: x.device(fDevice), Network: x.network(c)}
	case vedette.KindAccountDeleted:
		return &vedette.AccountDeleted{Reason: vedette.DeletionReason(x.number(fReason))}
	case vedette.KindAccountRestored:
		return &vedette.AccountRestored{}
	case vedette.KindDeviceLinked:
		return &vedette.DeviceLinked{Device: x.device(fDevice), Network: x.network(c)}
	case vedette.KindDeviceUnlinked:
		return &vedette.DeviceUnlinked{Device: x.device(fDevice)}
	case vedette.KindGroupCreated:
		return &vedette.GroupCreated{Group: x.group(fGroup), Size: x.size(fSize), Links: links}
	case vedette.KindGroupJoined:
		return &vedette.GroupJoined{Group: x.group(fGroup), Member: x.member(actor), By: vedette.JoinWay(x.number(fBy)), Size: x.size(fSize)}
	case vedette.KindGroupLeft:
		return &vedette.GroupLeft{Group: x.group(fGroup), Member: x.member(actor)}
	case vedette.KindGroupDeleted:
		return &vedette.GroupDeleted{Group: x.group(fGroup)}
	case vedette.KindMessageSent:
		return &vedette.MessageSent{
			To: x.recipient(), Count: uint16(max(x.number(fCount), 1)), Size: log2(x.number(fBytes)), Forwarded: forwarded(x.number(fForwarded)),
			HasLink: x.tri(fHasLink), Reply: x.tri(fReply), Stranger: x.tri(fStranger),
		}
	case vedette.KindLinkSent:
		return &vedette.LinkSent{To: x.recipient(), Links: links, Forwarded: forwarded(x.number(fForwarded)), Reply: x.tri(fReply), Stranger: x.tri(fStranger)}
	case vedette.KindLinkPreviewed:
		return &vedette.LinkPreviewed{From: x.account(fFrom), Group: x.group(fGroup), Links: links}
	case vedette.KindLinkOpened:
		return &vedette.LinkOpened{From: x.account(fFrom), Group: x.group(fGroup), Links: links}
	case vedette.KindNumberLookedUp:
		return &vedette.NumberLookedUp{Target: x.account(fTarget), Via: vedette.LookupWay(x.number(fVia))}
	case vedette.KindUserBlocked:
		return &vedette.UserBlocked{Subject: x.account(fSubject)}
	case vedette.KindUserUnblocked:
		return &vedette.UserUnblocked{Subject: x.account(fSubject)}
	case vedette.KindUserReported:
		r := &vedette.UserReported{Subject: x.account(fSubject), Group: x.group(fGroup), Category: vedette.ReportCategory(x.number(fCategory)), Links: links}
		if x.seen.has(fMessage) {
			r.Message = x.s.EventID(string(x.raw(fMessage)))
		}
		return r
	case vedette.KindProfileChanged:
		return &vedette.ProfileChanged{Links: links}
	}
	panic("intake: a kind without a body: " + c.kind.String()) // forms and this switch have the same kinds; decode_test.go
}

func (x *sealing) member(actor vedette.AccountID) vedette.AccountID {
	if x.seen.has(fMember) {
		return x.account(fMember)
	}
	return actor
}

// build is a short digest of model and system: equal for equal builds on every platform, so that it needs no key; 0 is unknown.
func (x *sealing) build() uint32 {
	if !x.seen.has(fBuild) {
		return 0
	}
	return max(uint32(xxhash.Sum64(x.raw(fBuild))), 1)
}

// log2 is the power of two at or below n; 0 for 0 and 1.
func log2(n uint64) uint8 { return uint8(max(bits.Len64(n), 1) - 1) }

// forwarded is the bucket of a count: 0, 1, 2 (for 2 to 4), 3 (5 and more).
func forwarded(n uint64) uint8 {
	switch {
	case n >= 5:
		return 3
	case n >= 2:
		return 2
	}
	return uint8(n)
}

// readLinks reads each link and makes what is kept of it. urls is nil when there is none in clear.
func (d *decoder) readLinks(c *checked, s Sealer) (links []vedette.Link, urls []link.URL, missing vedette.Degraded) {
	if len(d.links) == 0 {
		return nil, nil, 0
	}
	links = make([]vedette.Link, len(d.links))
	for i := range d.links {
		w, l := &d.links[i], &links[i]
		l.Where = vedette.Place(w.where)
		if !w.seen.has(fLinkURL) {
			d.claim(w, l)
			continue
		}
		if urls == nil {
			urls = make([]link.URL, len(d.links))
		}
		raw := d.b[w.url.from:w.url.to]
		if w.url.escaped {
			raw = unescape(raw)
		}
		u, err := link.Parse(string(raw))
		if err != nil {
			// A client may open what our parser refuses. The link is kept as unread, so that rules can ask for it.
			l.Shape = vedette.Shape{Flags: vedette.ShapeUnread, Length: uint16(len(raw))}
			missing |= vedette.DegradedLinks
			continue
		}
		urls[i] = u
		Tokens(l, &urls[i], s, c.at)
	}
	return links, urls, missing
}

// Tokens fills in what is kept of a link that was read: the tokens of its names, and its shape.
func Tokens(l *vedette.Link, u *link.URL, s Sealer, at time.Time) {
	if name := u.Registrable(); name != "" {
		l.Domain = s.Token(vedette.TokenDomain, name, at)
	}
	if name := u.Host(); name != "" {
		l.Host = s.Token(vedette.TokenHost, name, at)
	}
	if name := u.HostTenant(); name != "" {
		l.Tenant = s.Token(vedette.TokenTenant, name, at)
	}
	l.URL = s.Token(vedette.TokenURL, u.Canonical(), at)
	l.Shape = u.Shape()
}

// claim takes the tokens that a client sent, as its word.
func (d *decoder) claim(w *wireLink, l *vedette.Link) {
	for i, to := range [...]*vedette.Token{&l.Domain, &l.Host, &l.Tenant, &l.URL} {
		f := fTokenDomain + field(i)
		if !w.seen.has(f) {
			continue
		}
		to.Kind, to.Epoch = vedette.TokenKind(i+1), uint16(w.epoch)
		readToken(d.b[w.tokens[i].from:w.tokens[i].to], &to.Bytes)
	}
	// The feature byte (docs/formats/event.md): bit 4, a segment that looks made by a machine; bit 5, a shortener.
	if w.features&(1<<4) != 0 {
		l.Shape.TokenLike = 1
	}
	if w.features&(1<<5) != 0 {
		l.Shape.Flags |= vedette.ShapeShortener
	}
}

// Dropped counts fields that were dropped, by name: at most 64 names, each of letters only, as adapters write them; all others are counted
// as "other", since a name with a digit or an @ might itself be about a person. The zero value is ready; nil counts nothing.
type Dropped struct {
	mu    sync.RWMutex
	names map[string]uint64
	other uint64
}

const maxDropped = 64

func (c *Dropped) count(o object, name []byte) {
	if c == nil {
		return
	}
	prefix := [...]string{"", "network.", "number.", "to.", "links.", "links.tokens.", "report."}[o]
	c.mu.Lock()
	defer c.mu.Unlock()
	if !isName(name) || !utf8.Valid(name) {
		c.other++
		return
	}
	key := string(name)
	if prefix != "" {
		key = strings.Join([]string{prefix, key}, "")
	}
	if _, known := c.names[key]; !known && len(c.names) >= maxDropped {
		c.other++
		return
	}
	if c.names == nil {
		c.names = make(map[string]uint64)
	}
	c.names[key]++
}

// Counts returns how often each name was dropped.
func (c *Dropped) Counts() map[string]uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := make(map[string]uint64, len(c.names)+1)
	for k, v := range c.names {
		out[k] = v
	}
	if c.other > 0 {
		out["other"] = c.other
	}
	return out
}
