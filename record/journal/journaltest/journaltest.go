// Package journaltest makes journal entries for tests and benchmarks, and journals that fail when they are told to.
//
// In:     a number, or a property test's source of choices.
// Out:    entries of every kind, made up throughout; a wrapper around any journal.
// Keeps:  nothing.
// Fails:  only where a test asked it to.
// Source: docs/formats/frame.md
package journaltest

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/journal"
)

// Start is the moment at which made-up events begin.
var Start = time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)

func id(r *rand.Rand) (b [16]byte) {
	binary.LittleEndian.PutUint64(b[:], r.Uint64())
	binary.LittleEndian.PutUint64(b[8:], r.Uint64())
	return b
}

// Entries makes n entries as a platform's links are: one link, 20 measures, one reason; numbered from first on, so that equal
// numbers give equal entries and each event id stands once.
func Entries(first, n int) []journal.Entry {
	out := make([]journal.Entry, n)
	for i := range out {
		out[i] = Entry(first + i)
	}
	return out
}

// Entry makes entry number i.
func Entry(i int) journal.Entry {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	at := Start.Add(time.Duration(i) * time.Millisecond)
	e := journal.Entry{Event: vedette.Event{
		Tenant: "north", Platform: "chat.example", ID: vedette.EventID(id(r)), Source: vedette.SourceHTTP, Actor: vedette.AccountID(id(r)),
		At: at.Add(-time.Duration(r.IntN(900)) * time.Millisecond), Seen: at, Tier: vedette.Tier2,
	}}
	for j := range 4 {
		binary.LittleEndian.PutUint64(e.Event.Bytes[8*j:], r.Uint64())
	}
	host := id(r)
	e.Event.Body = &vedette.LinkSent{
		To:       vedette.Recipient{Account: vedette.AccountID(id(r))},
		Stranger: vedette.Yes,
		Links: []vedette.Link{{
			Domain: vedette.Token{Kind: vedette.TokenDomain, Epoch: 3, Bytes: id(r)},
			Host:   vedette.Token{Kind: vedette.TokenHost, Epoch: 3, Bytes: host},
			URL:    vedette.Token{Kind: vedette.TokenURL, Epoch: 3, Bytes: id(r)},
			Shape:  vedette.Shape{Flags: vedette.ShapeInsecure, TokenLike: 1, Entropy: 61, PathSegments: 2, QueryKeys: 1, HostLabels: 2, Length: 48},
		}},
	}
	e.Measures = make([]vedette.Measures, 1)
	for k := range vedette.Measure(20) {
		v := int64(r.IntN(40))
		if k == vedette.MeasureAccountAge || k == vedette.MeasureDeviceAge || k == vedette.MeasureSilence {
			v = int64(r.IntN(100 * 86400))
		}
		e.Measures[0].Set(k, v)
	}
	e.Decision = vedette.Decision{
		Would: vedette.Warn, Generation: vedette.GenerationID{9, 9, 9}, Took: time.Duration(5000 + r.IntN(9000)),
		Reasons: []vedette.Reason{{
			Rule: "rule:stranger-new-domain", Verdict: vedette.Warn, Weight: 3200,
			Text: "a stranger sends a link to a domain that nobody here has met before",
		}},
	}
	return e
}

// Any draws an entry of any kind, with any fields.
func Any(t *rapid.T) journal.Entry {
	u8 := func(n string) uint8 { return rapid.Uint8().Draw(t, n) }
	u16 := func(n string) uint16 { return rapid.Uint16().Draw(t, n) }
	u32 := func(n string) uint32 { return rapid.Uint32().Draw(t, n) }
	id := func(n string) (b [16]byte) {
		if rapid.Bool().Draw(t, n+" is there") {
			binary.LittleEndian.PutUint64(b[:], rapid.Uint64().Draw(t, n))
			b[15] = 1
		}
		return b
	}
	tri := func(n string) vedette.Tri { return vedette.Tri(rapid.Uint8Range(0, 2).Draw(t, n)) }
	verdict := func(n string) vedette.Verdict { return vedette.Verdict(rapid.Uint8Range(0, 3).Draw(t, n)) }
	moment := func(n string) time.Time {
		return time.UnixMilli(rapid.Int64Range(-1<<42, 1<<42).Draw(t, n)).UTC()
	}
	country := func(n string) vedette.Country { return vedette.Country{u8(n), u8(n)} }
	network := func() vedette.Network {
		return vedette.Network{ID: id("network"), ASN: u32("asn"), Country: country("country"), Class: vedette.NetworkClass(u8("class"))}
	}
	to := func() vedette.Recipient {
		return vedette.Recipient{Account: id("to"), Group: id("to group"), Size: u16("size")}
	}
	token := func(n string, usual vedette.TokenKind) vedette.Token {
		switch rapid.IntRange(0, 4).Draw(t, n) {
		case 0:
			return vedette.Token{}
		case 1:
			return vedette.Token{Kind: vedette.TokenKind(rapid.Uint8Range(1, 9).Draw(t, n)), Epoch: u16(n), Bytes: id(n)}
		}
		return vedette.Token{Kind: usual, Epoch: 4, Bytes: id(n)}
	}
	links := func() []vedette.Link {
		var out []vedette.Link
		for range rapid.IntRange(0, 4).Draw(t, "links") {
			out = append(out, vedette.Link{
				Where: vedette.Place(u8("where")), Domain: token("domain", vedette.TokenDomain), Host: token("host", vedette.TokenHost),
				Tenant: token("tenant", vedette.TokenTenant), URL: token("url", vedette.TokenURL),
				Shape: vedette.Shape{
					Flags: vedette.ShapeFlag(u32("flags")), TokenLike: u8("tokens"), Entropy: u8("entropy"), PathSegments: u8("segments"),
					QueryKeys: u8("keys"), HostLabels: u8("labels"), Length: u16("length"),
				},
			})
		}
		return out
	}
	e := journal.Entry{Event: vedette.Event{
		Tenant: vedette.Tenant(rapid.SampledFrom([]string{"north", "south", ""}).Draw(t, "tenant")), Platform: rapid.String().Draw(t, "platform"),
		ID: id("event"), Source: vedette.SourceID(rapid.Uint8Range(0, 63).Draw(t, "source")), Actor: id("actor"),
		At: moment("at"), Seen: moment("seen"), Tier: vedette.Tier(rapid.Uint8Range(0, 3).Draw(t, "tier")),
	}}
	if rapid.Bool().Draw(t, "bytes") {
		e.Event.Bytes = vedette.Digest{1, u8("bytes"), 31: 2}
	}
	switch kind := vedette.Kind(rapid.Uint8Range(1, uint8(vedette.KindGeneration)).Draw(t, "kind")); kind {
	case vedette.KindAccountRegistered:
		e.Event.Body = &vedette.AccountRegistered{
			Device: id("device"), Build: u32("build"), Network: network(), Attestation: vedette.Attestation(u8("attestation")), Returned: tri("returned"),
			Number: vedette.Number{Country: country("number"), Carrier: vedette.CarrierClass(u8("carrier")), Block: id("block")},
		}
	case vedette.KindAccountSeen:
		e.Event.Body = &vedette.AccountSeen{Device: id("device"), Network: network()}
	case vedette.KindAccountDeleted:
		e.Event.Body = &vedette.AccountDeleted{Reason: vedette.DeletionReason(u8("reason"))}
	case vedette.KindAccountRestored:
		e.Event.Body = &vedette.AccountRestored{}
	case vedette.KindDeviceLinked:
		e.Event.Body = &vedette.DeviceLinked{Device: id("device"), Network: network()}
	case vedette.KindDeviceUnlinked:
		e.Event.Body = &vedette.DeviceUnlinked{Device: id("device")}
	case vedette.KindGroupCreated:
		e.Event.Body = &vedette.GroupCreated{Group: id("group"), Size: u16("size"), Links: links()}
	case vedette.KindGroupJoined:
		e.Event.Body = &vedette.GroupJoined{Group: id("group"), Member: id("member"), By: vedette.JoinWay(u8("by")), Size: u16("size")}
	case vedette.KindGroupLeft:
		e.Event.Body = &vedette.GroupLeft{Group: id("group"), Member: id("member")}
	case vedette.KindGroupDeleted:
		e.Event.Body = &vedette.GroupDeleted{Group: id("group")}
	case vedette.KindMessageSent:
		e.Event.Body = &vedette.MessageSent{
			To: to(), Count: u16("count"), Size: u8("size"), Forwarded: u8("forwarded"),
			HasLink: tri("link"), Reply: tri("reply"), Stranger: tri("stranger"),
		}
	case vedette.KindLinkSent:
		e.Event.Body = &vedette.LinkSent{To: to(), Links: links(), Forwarded: u8("forwarded"), Reply: tri("reply"), Stranger: tri("stranger")}
	case vedette.KindLinkPreviewed:
		e.Event.Body = &vedette.LinkPreviewed{From: id("from"), Group: id("group"), Links: links()}
	case vedette.KindLinkOpened:
		e.Event.Body = &vedette.LinkOpened{From: id("from"), Group: id("group"), Links: links()}
	case vedette.KindNumberLookedUp:
		e.Event.Body = &vedette.NumberLookedUp{Target: id("target"), Via: vedette.LookupWay(u8("via"))}
	case vedette.KindUserBlocked:
		e.Event.Body = &vedette.UserBlocked{Subject: id("subject")}
	case vedette.KindUserUnblocked:
		e.Event.Body = &vedette.UserUnblocked{Subject: id("subject")}
	case vedette.KindUserReported:
		e.Event.Body = &vedette.UserReported{
			Subject: id("subject"), Group: id("group"), Message: id("message"), Category: vedette.ReportCategory(u8("category")), Links: links(),
		}
	case vedette.KindProfileChanged:
		e.Event.Body = &vedette.ProfileChanged{Links: links()}
	case vedette.KindTick:
		e.Event.Body = &vedette.Tick{}
	case vedette.KindGeneration:
		e.Event.Body = &vedette.GenerationMade{ID: id("made")}
	}
	for range rapid.IntRange(0, 3).Draw(t, "measures") {
		var m vedette.Measures
		for range rapid.IntRange(0, 28).Draw(t, "set") {
			m.Set(vedette.Measure(rapid.Uint8Range(0, uint8(vedette.MeasureCount)-1).Draw(t, "measure")), rapid.Int64().Draw(t, "value"))
		}
		e.Measures = append(e.Measures, m)
	}
	e.Decision = vedette.Decision{
		Verdict: verdict("verdict"), Would: verdict("would"), Degraded: vedette.Degraded(rapid.SampledFrom([]uint16{0, 0, 1, 65535}).Draw(t, "degraded")),
		Generation: id("generation"), Took: time.Duration(rapid.Int64().Draw(t, "took")),
	}
	for range rapid.IntRange(0, 3).Draw(t, "reasons") {
		e.Decision.Reasons = append(e.Decision.Reasons, vedette.Reason{
			Rule: vedette.RuleID(rapid.SampledFrom([]string{"rule:a", "list:b", ""}).Draw(t, "rule")), Verdict: verdict("asks"),
			Weight: vedette.MilliBits(rapid.Int32().Draw(t, "weight")), Link: rapid.Int8().Draw(t, "link"), Armed: verdict("armed"),
			Shadow: rapid.Bool().Draw(t, "shadow"), Text: rapid.String().Draw(t, "text"), Match: u32("match"),
		})
	}
	return e
}

// Failing is a journal that fails where it is told to; all else goes to the journal inside.
type Failing struct {
	journal.Journal

	mu     sync.Mutex
	append func() error
	save   func() error
}

// FailAppend has f asked before each Append; when it returns an error nothing is kept and Append returns it. Nil ends the failing.
func (j *Failing) FailAppend(f func() error) { j.mu.Lock(); defer j.mu.Unlock(); j.append = f }

// FailSave does the same for SaveState.
func (j *Failing) FailSave(f func() error) { j.mu.Lock(); defer j.mu.Unlock(); j.save = f }

// Append fails when told to.
func (j *Failing) Append(ctx context.Context, frames ...[]journal.Entry) error {
	if err := j.ask(&j.append); err != nil {
		return err
	}
	return j.Journal.Append(ctx, frames...)
}

// SaveState fails when told to.
func (j *Failing) SaveState(ctx context.Context, name string, at journal.Position, data []byte) error {
	if err := j.ask(&j.save); err != nil {
		return err
	}
	return j.Journal.SaveState(ctx, name, at, data)
}

func (j *Failing) ask(f *func() error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if *f == nil {
		return nil
	}
	return (*f)()
}
