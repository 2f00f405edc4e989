package feature

import (
	"encoding/binary"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/journal"
)

// A small made-up platform: few of everything, so that all meet often.

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

type numbered interface{ ~[16]byte }

func id[T numbered](kind byte, n int) (t T) {
	if n == 0 {
		return t // absent
	}
	b := [16]byte{0: kind}
	binary.BigEndian.PutUint32(b[12:], uint32(n))
	return T(b)
}

func acct(n int) vedette.AccountID { return id[vedette.AccountID]('a', n) }
func grp(n int) vedette.GroupID    { return id[vedette.GroupID]('g', n) }
func dev(n int) vedette.DeviceID   { return id[vedette.DeviceID]('d', n) }
func net(n int) vedette.Network    { return vedette.Network{ID: id[vedette.NetworkID]('n', n)} }

// aLink is a link of a domain, with one host and one URL for each number.
func aLink(domain, url int) vedette.Link {
	l := vedette.Link{}
	if domain != 0 {
		l.Domain = vedette.Token{Kind: vedette.TokenDomain, Bytes: id[[16]byte]('D', domain)}
	}
	if url != 0 {
		l.Host = vedette.Token{Kind: vedette.TokenHost, Bytes: id[[16]byte]('H', 100*domain+url%3)}
		l.URL = vedette.Token{Kind: vedette.TokenURL, Bytes: id[[16]byte]('U', 100*domain+url)}
	}
	return l
}

func event(at time.Time, actor int, body vedette.Body) *vedette.Event {
	return &vedette.Event{Tenant: "t", Actor: acct(actor), At: at, Seen: at, Body: body}
}

func toPerson(n int) vedette.Recipient { return vedette.Recipient{Account: acct(n)} }

func sent(at time.Time, from, to int, links ...vedette.Link) *vedette.Event {
	return event(at, from, &vedette.LinkSent{To: toPerson(to), Links: links})
}

// decided is one event with its decision, as the journal would hand them over.
type decided struct {
	ev *vedette.Event
	d  *vedette.Decision
	at journal.Position
}

// world says how large and how disorderly a stream is.
type world struct {
	people, names int
	late          time.Duration // at most
	ticks         bool
	days          int // event time may pass this much between two events, seldom
}

func (w world) draw(t *rapid.T, most int) []decided {
	var out []decided
	now, frame, index := start, uint64(1), uint16(0)
	n := rapid.IntRange(1, most).Draw(t, "events")
	// One number for each event, taken apart: rapid shrinks it well and draws it fast.
	for range n {
		seed := rapid.Uint64().Draw(t, "event")
		pick := func(n int) int {
			v := int(seed % uint64(n))
			seed = seed/uint64(n) ^ seed<<37
			return v
		}
		switch pick(12) {
		case 0:
			now = now.Add(time.Duration(pick(w.days*86400)) * time.Second)
		case 1, 2, 3:
			now = now.Add(time.Duration(pick(3*3600)) * time.Second)
		default:
			now = now.Add(time.Duration(pick(300)) * time.Second)
		}
		at := now
		if w.late > 0 && pick(4) == 0 {
			at = at.Add(-time.Duration(pick(int(w.late/time.Second))) * time.Second)
		}
		var d *vedette.Decision
		if v := pick(8); v < 4 {
			d = &vedette.Decision{Verdict: vedette.Verdict(v)}
		}
		ev := event(at, 1+pick(w.people), w.body(pick))
		ev.Tenant = vedette.Tenant([]string{"t", "t", "t", "other"}[pick(4)])
		if w.ticks && pick(10) == 0 {
			ev = &vedette.Event{At: now, Body: &vedette.Tick{}}
		}
		out = append(out, decided{ev, d, journal.Position{Frame: frame, Index: index}})
		if index++; pick(5) == 0 {
			frame, index = frame+1, 0
		}
	}
	return out
}

func (w world) body(pick func(int) int) vedette.Body {
	to := func() vedette.Recipient {
		switch pick(8) {
		case 0:
			return vedette.Recipient{}
		case 1:
			return vedette.Recipient{Group: grp(1 + pick(w.people)), Size: uint16(pick(30))}
		}
		return toPerson(1 + pick(w.people))
	}
	links := func() []vedette.Link {
		ls := make([]vedette.Link, pick(4))
		for i := range ls {
			ls[i] = aLink(pick(w.names), pick(10))
		}
		return ls
	}
	person := func() vedette.AccountID { return acct(pick(w.people + 1)) }
	switch k := vedette.KindAccountRegistered + vedette.Kind(pick(32)); k {
	case vedette.KindAccountRegistered:
		return &vedette.AccountRegistered{Device: dev(pick(w.people)), Network: net(pick(w.people))}
	case vedette.KindAccountSeen:
		return &vedette.AccountSeen{Device: dev(pick(w.people)), Network: net(pick(w.people))}
	case vedette.KindAccountDeleted:
		return &vedette.AccountDeleted{Reason: vedette.DeletionReason(pick(4))}
	case vedette.KindAccountRestored:
		return &vedette.AccountRestored{}
	case vedette.KindDeviceLinked:
		return &vedette.DeviceLinked{Device: dev(pick(w.people)), Network: net(pick(w.people))}
	case vedette.KindDeviceUnlinked:
		return &vedette.DeviceUnlinked{Device: dev(pick(w.people))}
	case vedette.KindGroupCreated:
		return &vedette.GroupCreated{Group: grp(1), Size: uint16(pick(9)), Links: links()}
	case vedette.KindGroupJoined:
		return &vedette.GroupJoined{Group: grp(1), Member: person(), Size: uint16(pick(9))}
	case vedette.KindGroupLeft:
		return &vedette.GroupLeft{Group: grp(1), Member: person()}
	case vedette.KindGroupDeleted:
		return &vedette.GroupDeleted{Group: grp(1)}
	case vedette.KindLinkPreviewed:
		return &vedette.LinkPreviewed{From: person(), Links: links()}
	case vedette.KindLinkOpened:
		return &vedette.LinkOpened{From: person(), Links: links()}
	case vedette.KindNumberLookedUp:
		return &vedette.NumberLookedUp{Target: person(), Via: vedette.LookupWay(pick(3))}
	case vedette.KindUserBlocked:
		return &vedette.UserBlocked{Subject: person()}
	case vedette.KindUserUnblocked:
		return &vedette.UserUnblocked{Subject: person()}
	case vedette.KindUserReported:
		return &vedette.UserReported{Subject: person(), Links: links()}
	case vedette.KindProfileChanged:
		return &vedette.ProfileChanged{Links: links()}
	case vedette.KindMessageSent, vedette.KindTick, vedette.KindGeneration:
		return &vedette.MessageSent{To: to(), Count: uint16(pick(5)), Forwarded: uint8(pick(4))}
	default:
		return &vedette.LinkSent{To: to(), Links: links(), Forwarded: uint8(pick(4))}
	}
}

// small is a configuration in which nothing is evicted by the streams here.
func small() Config {
	return Config{Segments: 4, Accounts: 4096, Pairs: 16384, Domains: 4096, Hosts: 4096, URLs: 8192, Devices: 4096, Networks: 4096, SenderDomains: 8192}
}

// tiny is one in which almost everything is.
func tiny() Config {
	return Config{Segments: 7, Accounts: 1, Pairs: 120, Domains: 1, Hosts: 1, URLs: 1, Devices: 1, Networks: 1, SenderDomains: 120}
}

func bytesOf(m *Memory) []byte {
	var b []byte
	for i := range m.Segments() {
		b = m.SaveSegment(i, b)
	}
	return b
}

func show(m *vedette.Measures) (s string) {
	for k := range vedette.MeasureCount {
		if v, ok := m.Get(k); ok {
			s += fmt.Sprintf(" %s=%d", k, v)
		}
	}
	return s
}
