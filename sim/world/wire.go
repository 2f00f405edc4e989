package world

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"

	"vedette"
)

// WriteWire plays the world onto the wire (docs/formats/event.md). Every name is the surrogate's own text under range.example, so that a reader of
// the truth finds it; addresses are of the documentation's block, numbers of a code that no country has.
func (w *World) WriteWire(events io.Writer) error {
	out := bufio.NewWriterSize(events, 1<<16)
	var failed error
	l := wireLine{}
	w.Play(func(e *vedette.Event) bool {
		l.write(e)
		_, failed = out.Write(l.b)
		return failed == nil
	})
	if failed == nil {
		failed = out.Flush()
	}
	if failed != nil {
		return fmt.Errorf("world: events: %w", failed)
	}
	return nil
}

type wireLine struct {
	b    []byte
	tier vedette.Tier
}

var (
	networkNames = [...]string{"", "residential", "mobile", "business", "hosting", "anonymous"}
	carrierNames = [...]string{"", "mobile", "fixed", "voip", "machine"}
	attestNames  = [...]string{"", "fail", "none", "basic", "strong"}
	reasonNames  = [...]string{"", "self", "ban", "inactive"}
	joinNames    = [...]string{"", "creator", "invite-link", "added", "accepted"}
	viaNames     = [...]string{"", "contact-sync", "manual"}
	reportNames  = [...]string{"", "spam", "scam", "impersonation", "suspicious-link", "abuse", "other"}
	forwards     = [...]int{0, 1, 3, 7}
)

func (l *wireLine) key(k string) {
	l.b = append(l.b, `,"`...)
	l.b = append(l.b, k...)
	l.b = append(l.b, `":`...)
}

func (l *wireLine) text(k, v string) {
	if v == "" {
		return
	}
	l.key(k)
	l.b = append(l.b, '"')
	l.b = append(l.b, v...)
	l.b = append(l.b, '"')
}

func (l *wireLine) name(k string, v fmt.Stringer) {
	l.key(k)
	l.b = append(l.b, '"')
	l.b = append(l.b, v.String()...)
	l.b = append(l.b, `@range.example"`...)
}

func (l *wireLine) number(k string, v int) {
	l.key(k)
	l.b = strconv.AppendInt(l.b, int64(v), 10)
}

func (l *wireLine) tri(k string, v vedette.Tri) {
	if v != vedette.Unknown {
		l.key(k)
		l.b = strconv.AppendBool(l.b, v == vedette.Yes)
	}
}

func (l *wireLine) network(n *vedette.Network) {
	a := binary.BigEndian.Uint32(n.ID[:])
	l.b = append(l.b, `,"network":{"address":"2001:db8:`...)
	l.b = strconv.AppendUint(l.b, uint64(a>>16), 16)
	l.b = append(l.b, ':')
	l.b = strconv.AppendUint(l.b, uint64(a&0xffff), 16)
	l.b = append(l.b, `::1","asn":`...)
	l.b = strconv.AppendUint(l.b, uint64(n.ASN), 10)
	l.text("country", n.Country.String())
	l.text("class", networkNames[n.Class])
	l.b = append(l.b, '}')
}

func (l *wireLine) to(r *vedette.Recipient) {
	l.b = append(l.b, `,"to":{`...)
	if r.Group.IsZero() {
		l.b = append(l.b, `"account":"`...)
		l.b = append(l.b, r.Account.String()...)
		l.b = append(l.b, `@range.example"}`...)
		return
	}
	l.b = append(l.b, `"group":"`...)
	l.b = append(l.b, r.Group.String()...)
	l.b = append(l.b, `@range.example"`...)
	if r.Size > 0 {
		l.number("size", int(r.Size))
	}
	l.b = append(l.b, '}')
}

func (l *wireLine) token(k string, t *vedette.Token) {
	if !t.IsZero() {
		l.text(k, base64.RawURLEncoding.EncodeToString(t.Bytes[:]))
	}
}

func (l *wireLine) links(links []vedette.Link) {
	l.b = append(l.b, `,"links":[`...)
	for i := range links {
		x := &links[i]
		if i > 0 {
			l.b = append(l.b, ',')
		}
		if l.tier == vedette.Tier2 {
			// The first letter keeps the label from being a number.
			l.b = append(l.b, `{"url":"https://`...)
			if x.Shape.HostLabels > 2 {
				l.b = append(l.b, "www."...)
			}
			l.b = append(l.b, 'd')
			l.b = hex.AppendEncode(l.b, x.Domain.Bytes[:6])
			l.b = append(l.b, ".example/"...)
			if !x.Tenant.IsZero() {
				l.b = hex.AppendEncode(l.b, x.Tenant.Bytes[:4])
				l.b = append(l.b, '/')
			}
			l.b = hex.AppendEncode(l.b, x.URL.Bytes[:6])
			l.b = append(l.b, `"}`...)
			continue
		}
		l.b = append(l.b, `{"tokens":{"epoch":`...)
		l.b = strconv.AppendUint(l.b, uint64(x.Domain.Epoch), 10)
		l.token("domain", &x.Domain)
		l.token("host", &x.Host)
		l.token("tenant", &x.Tenant)
		l.token("url", &x.URL)
		features := 0
		if x.Shape.TokenLike > 0 {
			features |= 1 << 4
		}
		if x.Shape.Flags.Has(vedette.ShapeShortener) {
			features |= 1 << 5
		}
		l.number("features", features)
		l.b = append(l.b, "}}"...)
	}
	l.b = append(l.b, ']')
}

// write makes one line of an event.
func (l *wireLine) write(e *vedette.Event) {
	l.tier = e.Tier
	l.b = append(l.b[:0], `{"id":"`...)
	l.b = append(l.b, e.ID.String()...)
	l.b = append(l.b, `","kind":"`...)
	l.b = append(l.b, e.Kind().String()...)
	l.b = append(l.b, `","at":"`...)
	l.b = e.At.AppendFormat(l.b, "2006-01-02T15:04:05.000Z07:00")
	l.b = append(l.b, '"')
	if e.Tier != vedette.Tier0 {
		l.text("tier", e.Tier.String())
	}
	l.name("actor", e.Actor)
	switch b := e.Body.(type) {
	case *vedette.AccountRegistered:
		l.name("device", b.Device)
		if b.Build != 0 {
			l.text("build", "build-"+strconv.FormatUint(uint64(b.Build), 36))
		}
		l.network(&b.Network)
		n := binary.BigEndian.Uint64(b.Number.Block[:])
		l.b = append(l.b, `,"number":{"e164":"+999`...)
		l.b = strconv.AppendUint(l.b, 10_000_000_000+n%10_000_000_000/100*100+uint64(e.Actor[0])%100, 10)
		l.b = append(l.b, '"')
		l.text("carrier", carrierNames[b.Number.Carrier])
		l.b = append(l.b, '}')
		l.text("attestation", attestNames[b.Attestation])
		l.tri("returned", b.Returned)
	case *vedette.AccountSeen:
		l.name("device", b.Device)
		l.network(&b.Network)
	case *vedette.AccountDeleted:
		l.text("reason", reasonNames[b.Reason])
	case *vedette.DeviceLinked:
		l.name("device", b.Device)
		l.network(&b.Network)
	case *vedette.DeviceUnlinked:
		l.name("device", b.Device)
	case *vedette.GroupCreated:
		l.name("group", b.Group)
		l.number("size", int(b.Size))
	case *vedette.GroupJoined:
		l.name("group", b.Group)
		l.name("member", b.Member)
		l.text("by", joinNames[b.By])
		l.number("size", int(b.Size))
	case *vedette.GroupLeft:
		l.name("group", b.Group)
		l.name("member", b.Member)
	case *vedette.GroupDeleted:
		l.name("group", b.Group)
	case *vedette.MessageSent:
		l.to(&b.To)
		l.number("count", int(b.Count))
		l.number("bytes", 1<<b.Size)
		if b.Forwarded > 0 {
			l.number("forwarded", forwards[b.Forwarded])
		}
		l.tri("has_link", b.HasLink)
		l.tri("reply", b.Reply)
		l.tri("stranger", b.Stranger)
	case *vedette.LinkSent:
		l.to(&b.To)
		l.links(b.Links)
		if b.Forwarded > 0 {
			l.number("forwarded", forwards[b.Forwarded])
		}
		l.tri("reply", b.Reply)
		l.tri("stranger", b.Stranger)
	case *vedette.LinkPreviewed:
		l.from(b.From, b.Group, b.Links)
	case *vedette.LinkOpened:
		l.from(b.From, b.Group, b.Links)
	case *vedette.NumberLookedUp:
		if !b.Target.IsZero() {
			l.name("target", b.Target)
		}
		l.text("via", viaNames[b.Via])
	case *vedette.UserBlocked:
		l.name("subject", b.Subject)
	case *vedette.UserUnblocked:
		l.name("subject", b.Subject)
	case *vedette.UserReported:
		l.name("subject", b.Subject)
		if !b.Message.IsZero() {
			l.text("message", b.Message.String())
		}
		l.text("category", reportNames[b.Category])
		if len(b.Links) > 0 {
			l.links(b.Links)
		}
	}
	l.b = append(l.b, "}\n"...)
}

func (l *wireLine) from(a vedette.AccountID, g vedette.GroupID, links []vedette.Link) {
	l.name("from", a)
	if !g.IsZero() {
		l.name("group", g)
	}
	l.links(links)
}
