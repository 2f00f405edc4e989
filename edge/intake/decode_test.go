package intake

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette"
)

// plainSealer seals by an unkeyed digest: equal names give equal surrogates, as in the vault, and a test can compute them.
type plainSealer struct {
	fail error // of the next seal
}

func sum16(kind, s string) (b [16]byte) {
	h := sha256.Sum256([]byte(kind + "\x00" + s))
	copy(b[:], h[:])
	return b
}

func (p *plainSealer) Account(s string) (vedette.AccountID, error) {
	return sum16("account", s), p.fail
}

func (p *plainSealer) Group(s string) (vedette.GroupID, error) { return sum16("group", s), p.fail }

func (p *plainSealer) Device(s string) (vedette.DeviceID, error) { return sum16("device", s), p.fail }

func (p *plainSealer) Network(a netip.Addr) (vedette.NetworkID, error) {
	return sum16("network", a.String()), p.fail
}

func (p *plainSealer) Block(s string) (vedette.NetworkID, error) { return sum16("block", s), p.fail }
func (p *plainSealer) EventID(s string) vedette.EventID          { return sum16("event", s) }
func (p *plainSealer) Bytes(b []byte) vedette.Digest             { return sha256.Sum256(b) }
func (p *plainSealer) Token(k vedette.TokenKind, s string, at time.Time) vedette.Token {
	return vedette.Token{Kind: k, Epoch: p.Epoch(at), Bytes: sum16(fmt.Sprint("token", k), s)}
}
func (p *plainSealer) Epoch(time.Time) uint16 { return 7 }

// countingSealer counts how often something was sealed that must not be on refusal.
type countingSealer struct {
	plainSealer
	mu sync.Mutex
	n  int
}

func (c *countingSealer) Account(s string) (vedette.AccountID, error) {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	return c.plainSealer.Account(s)
}

var (
	noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	live = DecodeOptions{Tenant: "chat", Platform: "chat.example", Source: vedette.SourceHTTP, Now: noon, MaxAge: 7 * 24 * time.Hour}
)

const example = `{"id":"$h3xq","kind":"link.sent","at":"2026-11-25T11:59:59.123Z","actor":"@ana:chat.example",
 "device":"ABCDEF","network":{"address":"192.0.2.7","asn":64500,"country":"JO","class":"mobile"},
 "to":{"account":"@omar:chat.example"},"stranger":true,"forwarded":0,
 "links":[{"url":"https://news.example/a?b=c"}]}`

func TestDecodeReadsTheExampleOfThePage(t *testing.T) {
	s := &plainSealer{}
	got, err := Decode([]byte(example), s, live)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 25, 11, 59, 59, 123e6, time.UTC)
	links := got.Arrival.Event.Links()
	if len(links) != 1 || len(got.Arrival.Links) != 1 {
		t.Fatalf("Decode: %d links kept, %d read; want 1 and 1", len(links), len(got.Arrival.Links))
	}
	want := vedette.Event{
		Tenant: "chat", Platform: "chat.example", ID: s.EventID("$h3xq"), Bytes: s.Bytes([]byte(example)), Source: vedette.SourceHTTP,
		Actor: sum16("account", "@ana:chat.example"), At: at, Seen: noon, Tier: vedette.Tier2,
		Body: &vedette.LinkSent{
			To: vedette.Recipient{Account: sum16("account", "@omar:chat.example")}, Stranger: vedette.Yes,
			Links: []vedette.Link{{
				Domain: s.Token(vedette.TokenDomain, "news.example", at), Host: s.Token(vedette.TokenHost, "news.example", at),
				URL: s.Token(vedette.TokenURL, "https://news.example/a?b=c", at), Shape: got.Arrival.Links[0].Shape(),
			}},
		},
	}
	if d := cmp.Diff(want, got.Arrival.Event); d != "" {
		t.Errorf("Decode(example) differs (-want +got):\n%s", d)
	}
	if got.ID != "$h3xq" || got.Arrival.Missing != 0 {
		t.Errorf("Decode(example): ID %q, Missing %v; want $h3xq and nothing", got.ID, got.Arrival.Missing.Names())
	}
}

// line makes an event of a kind with the given fields besides the head.
func line(kind, fields string) string {
	l := `{"id":"e1","kind":"` + kind + `","at":"2026-11-25T12:00:00Z","actor":"ana"`
	if fields != "" {
		l += "," + fields
	}
	return l + "}"
}

func TestDecodeReadsEveryKind(t *testing.T) {
	acc := func(s string) vedette.AccountID { return sum16("account", s) }
	grp := vedette.GroupID(sum16("group", "g"))
	dev := vedette.DeviceID(sum16("device", "d"))
	net := vedette.Network{ID: sum16("network", "192.0.2.7"), ASN: 64500, Country: vedette.Country{'J', 'O'}, Class: vedette.NetworkHosting}
	const network = `"network":{"address":"192.0.2.7","asn":64500,"country":"JO","class":"hosting"}`
	tests := []struct {
		kind, fields string
		want         vedette.Body
	}{
		{"account.registered", `"device":"d",` + network + `,"number":{"e164":"+962790000000","carrier":"mobile"},"attestation":"strong","returned":false`, &vedette.AccountRegistered{
			Device: dev, Network: net, Number: vedette.Number{Country: vedette.Country{'J', 'O'}, Carrier: vedette.CarrierMobile, Block: sum16("block", "+962790000000")},
			Attestation: vedette.AttestStrong, Returned: vedette.No,
		}},
		{"account.registered", ``, &vedette.AccountRegistered{}},
		{"account.seen", `"device":"d",` + network, &vedette.AccountSeen{Device: dev, Network: net}},
		{"account.deleted", `"reason":"ban"`, &vedette.AccountDeleted{Reason: vedette.DeletionBan}},
		{"account.restored", ``, &vedette.AccountRestored{}},
		{"device.linked", `"device":"d"`, &vedette.DeviceLinked{Device: dev}},
		{"device.unlinked", `"device":"d"`, &vedette.DeviceUnlinked{Device: dev}},
		{"group.created", `"group":"g","size":70000`, &vedette.GroupCreated{Group: grp, Size: 65535}},
		{"group.joined", `"group":"g","by":"invite-link","size":3`, &vedette.GroupJoined{Group: grp, Member: acc("ana"), By: vedette.JoinInviteLink, Size: 3}},
		{"group.joined", `"group":"g","member":"omar","by":"added"`, &vedette.GroupJoined{Group: grp, Member: acc("omar"), By: vedette.JoinAdded}},
		{"group.left", `"group":"g"`, &vedette.GroupLeft{Group: grp, Member: acc("ana")}},
		{"group.deleted", `"group":"g"`, &vedette.GroupDeleted{Group: grp}},
		{"message.sent", `"to":{"group":"g","size":12},"count":3,"bytes":1025,"forwarded":4,"has_link":false,"reply":true`, &vedette.MessageSent{
			To: vedette.Recipient{Group: grp, Size: 12}, Count: 3, Size: 10, Forwarded: 2, HasLink: vedette.No, Reply: vedette.Yes,
		}},
		{"message.sent", `"to":{"account":"omar"}`, &vedette.MessageSent{To: vedette.Recipient{Account: acc("omar")}, Count: 1}},
		{"link.previewed", `"from":"omar","links":[{"where":"qr","tokens":{"host":"AAECAwQFBgcICQoLDA0ODw","epoch":9,"features":48}}]`, &vedette.LinkPreviewed{
			From: acc("omar"), Links: []vedette.Link{{
				Where: vedette.InQRCode, Host: vedette.Token{Kind: vedette.TokenHost, Epoch: 9, Bytes: [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
				Shape: vedette.Shape{TokenLike: 1, Flags: vedette.ShapeShortener},
			}},
		}},
		{"link.opened", `"group":"g","links":[{"tokens":{"url":"AAAAAAAAAAAAAAAAAAAAAA","epoch":0}}]`, &vedette.LinkOpened{
			Group: grp, Links: []vedette.Link{{URL: vedette.Token{Kind: vedette.TokenURL}}},
		}},
		{"number.looked_up", `"target":"omar","via":"manual"`, &vedette.NumberLookedUp{Target: acc("omar"), Via: vedette.LookupManual}},
		{"number.looked_up", ``, &vedette.NumberLookedUp{}},
		{"user.blocked", `"subject":"omar"`, &vedette.UserBlocked{Subject: acc("omar")}},
		{"user.unblocked", `"subject":"omar"`, &vedette.UserUnblocked{Subject: acc("omar")}},
		{"user.reported", `"message":"$m","category":"suspicious-link"`, &vedette.UserReported{Message: sum16("event", "$m"), Category: vedette.ReportSuspiciousLink}},
		{"profile.changed", ``, &vedette.ProfileChanged{}},
	}
	reached := map[vedette.Kind]bool{vedette.KindLinkSent: true} // the example of the page
	for _, tt := range tests {
		got, err := Decode([]byte(line(tt.kind, tt.fields)), &plainSealer{}, live)
		if err != nil {
			t.Errorf("Decode(%s): %v", line(tt.kind, tt.fields), err)
			continue
		}
		reached[got.Arrival.Event.Kind()] = true
		if d := cmp.Diff(tt.want, got.Arrival.Event.Body); d != "" {
			t.Errorf("Decode(%s): body differs (-want +got):\n%s", line(tt.kind, tt.fields), d)
		}
	}
	for _, k := range vedette.Kinds() {
		if !reached[k] {
			t.Errorf("no case reads a %s", k)
		}
	}
}

func TestDecodeRefusesByName(t *testing.T) {
	to := `"to":{"account":"omar"}`
	links := strings.TrimSuffix(strings.Repeat(`{"url":"https://a.example/"},`, 33), ",")
	tests := []struct {
		name, line string
		kind       error
		want       string
	}{
		{"an empty line", ``, vedette.ErrInvalid, `byte 0: empty; want one JSON object`},
		{"an array", `[]`, vedette.ErrInvalid, `byte 0: want one JSON object, got array`},
		{"half a line", `{"id":"e1","kind":"acc`, vedette.ErrInvalid, `byte 22: "kind" does not end; the line was cut`},
		{"half an object", `{"id":"e1"`, vedette.ErrInvalid, `byte 10: the object does not end; the line was cut`},
		{"two objects", `{"id":"e1"} {}`, vedette.ErrInvalid, `byte 12: something follows the object; send one event, or a batch with one event a line`},
		{"single quotes", `{'id':1}`, vedette.ErrInvalid, `byte 1: want a field's name in quotes, got '''`},
		{"a trailing comma", `{"id":"e1",}`, vedette.ErrInvalid, `byte 11: want a field's name in quotes, got '}'`},
		{"a field twice", `{"id":"e1","id":"e2"}`, vedette.ErrInvalid, `"id": given twice; give it once`},
		{"a wrong type", line("message.sent", `"to":{"account":5}`), vedette.ErrInvalid, `"to.account": want string, got number`},
		{"a null", line("message.sent", `"to":{"account":null}`), vedette.ErrInvalid, `"to.account": want string, got null; leave out what is not known`},
		{"text for a number", line("message.sent", to+`,"bytes":"5"`), vedette.ErrInvalid, `"bytes": want number, got string`},
		{"a fraction", line("message.sent", to+`,"bytes":1.5`), vedette.ErrInvalid, `"bytes": want a whole number from 0 to 9007199254740992`},
		{"a negative number", line("message.sent", to+`,"count":-1`), vedette.ErrInvalid, `"count": want a whole number from 1 to 65535`},
		{"a number over its range", line("message.sent", to+`,"count":99999999999999999999999`), vedette.ErrInvalid, `"count": want a whole number from 1 to 65535`},
		{"a leading zero", line("message.sent", to+`,"count":01`), vedette.ErrInvalid, `byte 107: not a JSON number`},
		{"a word for a boolean", line("message.sent", to+`,"reply":"yes"`), vedette.ErrInvalid, `"reply": want true or false, got string`},
		{"no kind", `{"id":"e1"}`, vedette.ErrInvalid, `"kind": missing; every event has one`},
		{"an unknown kind", line("message.read", ""), vedette.ErrInvalid, `"kind": message.read is unknown; want one of the 19 names in the specification`},
		{"a number as a kind", line("+962790000000", ""), vedette.ErrInvalid, `"kind": unknown; want one of the 19 names in the specification`},
		{"the journal's own kind", line("tick", ""), vedette.ErrInvalid, `"kind": tick is the journal's own; no platform sends it`},
		{"no id", `{"kind":"account.seen","at":"2026-11-25T12:00:00Z","actor":"ana"}`, vedette.ErrInvalid, `"id": missing; every event has one`},
		{"an empty actor", `{"id":"e1","kind":"account.seen","at":"2026-11-25T12:00:00Z","actor":""}`, vedette.ErrInvalid, `"actor": empty; leave out what is not known`},
		{"a message to nobody", line("message.sent", ""), vedette.ErrInvalid, `"to": missing; message.sent needs it`},
		{"a message to an empty recipient", line("message.sent", `"to":{}`), vedette.ErrInvalid, `"to": neither account nor group; name the recipient`},
		{"a message to both", line("message.sent", `"to":{"account":"a","group":"g"}`), vedette.ErrInvalid, `"to": both account and group; a message goes to one of them: send one event for each`},
		{"a time without zone", `{"id":"e1","kind":"account.seen","at":"2026-11-25T12:00:00","actor":"ana"}`, vedette.ErrInvalid, `"at": want a time with zone as RFC 3339 writes it, like "2026-11-25T08:00:00.123Z"`},
		{"a day that does not exist", `{"id":"e1","kind":"account.seen","at":"2026-02-30T12:00:00Z","actor":"ana"}`, vedette.ErrInvalid, `"at": want a time with zone as RFC 3339 writes it, like "2026-11-25T08:00:00.123Z"`},
		{"a time from the future", `{"id":"e1","kind":"account.seen","at":"2026-11-25T12:05:00.001Z","actor":"ana"}`, vedette.ErrInvalid, `"at": more than 5 minutes in the future; set the platform's clock`},
		{"a time long ago", `{"id":"e1","kind":"account.seen","at":"2026-11-18T11:59:59Z","actor":"ana"}`, vedette.ErrInvalid, `"at": older than 168 hours; give old events to the replay`},
		{"an id that is too long", `{"id":"` + strings.Repeat("x", 257) + `","kind":"account.seen","at":"2026-11-25T12:00:00Z","actor":"ana"}`, vedette.ErrTooLarge, `"id": longer than 256 bytes`},
		{"33 links", line("link.sent", to+`,"links":[`+links+`]`), vedette.ErrTooLarge, `"links": more than 32 links; an event with more is a document, not a message: send the first 32`},
		{"no link", line("link.sent", to+`,"links":[]`), vedette.ErrInvalid, `"links": empty; link.sent needs a link: where the platform can tell none, send message.sent with has_link`},
		{"links under a kind that has none", line("message.sent", to+`,"links":[{"url":"https://a.example/"}]`), vedette.ErrInvalid, `"links": message.sent carries none; send link.sent, or link.previewed for the recipient's client`},
		{"links as text", line("link.sent", to+`,"links":"https://a.example"`), vedette.ErrInvalid, `"links": want array, got string`},
		{"a link as text", line("link.sent", to+`,"links":["https://a.example"]`), vedette.ErrInvalid, `"links[0]": want object, got string`},
		{"a URL as a number", line("link.sent", to+`,"links":[{"url":"https://a.example"},{"url":7}]`), vedette.ErrInvalid, `"links[1].url": want string, got number`},
		{"a URL over 8 KiB", line("link.sent", to+`,"links":[{"url":"https://a.example/`+strings.Repeat("x", 8192)+`"}]`), vedette.ErrTooLarge, `"links[0].url": longer than 8192 bytes`},
		{"a link that is nothing", line("link.sent", to+`,"links":[{"where":"qr"}]`), vedette.ErrInvalid, `"links[0]": neither url nor tokens; send one of them`},
		{"a link that is both", line("link.sent", to+`,"links":[{"url":"https://a.example","tokens":{"host":"AAECAwQFBgcICQoLDA0ODw","epoch":1}}]`), vedette.ErrInvalid, `"links[0]": both url and tokens; send what the tier allows, one of them`},
		{"a short token", line("link.sent", to+`,"links":[{"tokens":{"host":"AAEC","epoch":1}}]`), vedette.ErrInvalid, `"links[0].tokens.host": want 16 bytes in base64url without padding, 22 characters`},
		{"a token without epoch", line("link.sent", to+`,"links":[{"tokens":{"host":"AAECAwQFBgcICQoLDA0ODw"}}]`), vedette.ErrInvalid, `"links[0].tokens.epoch": missing; a token without its epoch compares with nothing`},
		{"a URL at tier 1", line("link.sent", to+`,"tier":"1","links":[{"url":"https://a.example"}]`), vedette.ErrInvalid, `"links[0].url": a URL in clear at tier 1, where clients send tokens; send tokens, or the tier that people agreed to`},
		{"links at tier 0", line("link.sent", to+`,"tier":"0","links":[{"url":"https://a.example"}]`), vedette.ErrInvalid, `"tier": 0 tells of no links, and the event has some; send the tier of the adapter`},
		{"an unknown place", line("link.sent", to+`,"links":[{"url":"https://a.example","where":"sky"}]`), vedette.ErrInvalid, `"links[0].where": want message, profile, group, invite, qr or file`},
		{"an unknown tier", line("account.seen", `"tier":"3"`), vedette.ErrInvalid, `"tier": want 0, 1, 2 or R`},
		{"another tenant", line("account.seen", `"tenant":"other"`), vedette.ErrForbidden, `"tenant": not the tenant of the key; leave it out or use that tenant's key`},
		{"a platform with a name in it", line("account.seen", `"platform":"@ana:x"`), vedette.ErrInvalid, `"platform": want lower-case letters, digits, hyphens, dots and underscores`},
		{"a network that is no address", line("account.seen", `"network":{"address":"192.0.2.300"}`), vedette.ErrInvalid, `"network.address": want an IPv4 or IPv6 address, without port`},
		{"a country in small letters", line("account.seen", `"network":{"country":"jo"}`), vedette.ErrInvalid, `"network.country": want two capital letters (ISO 3166-1 alpha-2)`},
		{"a national number", line("account.registered", `"number":{"e164":"0790000000"}`), vedette.ErrInvalid, `"number.e164": want an international number: + and 7 to 15 digits`},
		{"a report about nothing", line("user.reported", ""), vedette.ErrInvalid, `"subject": missing, and message too; user.reported needs one of them`},
		{"bytes that are not UTF-8", "{\"id\":\"e\xff\"}", vedette.ErrInvalid, `byte 8: not UTF-8; send the event in UTF-8`},
		{"a NUL", "{\"id\":\"e\x00\"}", vedette.ErrInvalid, `byte 8: a control character in "id"; escape it`},
		{"an escaped NUL", `{"id":"e\u0000"}`, vedette.ErrInvalid, `byte 8: a NUL in "id"; no platform's name holds one`},
		{"half a surrogate pair", `{"id":"e\ud83d"}`, vedette.ErrInvalid, `byte 8: half a surrogate pair in "id"`},
		{"an escape of another language", `{"id":"e\x41"}`, vedette.ErrInvalid, `byte 8: an escape in "id" that JSON does not know`},
		{"an unknown field nested too deep", `{"x":` + strings.Repeat("[", 17) + strings.Repeat("]", 17) + `}`, vedette.ErrInvalid, `byte 21: nested deeper than 16`},
		{"a line over 64 KiB", `{"x":"` + strings.Repeat("x", 64<<10) + `"}`, vedette.ErrTooLarge, `byte 65536: longer than 64 KiB; an event holds metadata and links, no text`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &countingSealer{}
			_, err := Decode([]byte(tt.line), s, live)
			if err == nil || err.Error() != tt.want || !errors.Is(err, tt.kind) {
				t.Errorf("Decode(%.200s)\n got %v\nwant %s (%v)", tt.line, err, tt.want, tt.kind)
			}
			if s.n != 0 {
				t.Errorf("Decode(%.200s) issued %d surrogates for a refused event", tt.line, s.n)
			}
		})
	}
}

func TestDecodeKeepsALinkThatItCannotRead(t *testing.T) {
	got, err := Decode([]byte(line("link.sent", `"to":{"account":"omar"},"links":[{"url":"http://[::bad"},{"url":"https://a.example/"}]`)), &plainSealer{}, live)
	if err != nil {
		t.Fatal(err)
	}
	links := got.Arrival.Event.Links()
	if len(links) != 2 || len(got.Arrival.Links) != 2 {
		t.Fatalf("%d links kept and %d read, want 2 places each", len(links), len(got.Arrival.Links))
	}
	if !links[0].Shape.Flags.Has(vedette.ShapeUnread) || !links[0].Host.IsZero() || links[1].Shape.Flags.Has(vedette.ShapeUnread) {
		t.Errorf("shapes %v and %v: want the first unread and without tokens, the second read", links[0], links[1])
	}
	if got.Arrival.Missing != vedette.DegradedLinks {
		t.Errorf("Missing = %v, want links", got.Arrival.Missing.Names())
	}
}

func TestDecodeCountsWhatItDrops(t *testing.T) {
	var c Dropped
	opt := live
	opt.Dropped = &c
	l := line("account.seen", `"nickname":"x","to":{"account":"omar","alias":1},"network":{"isp":{"a":[1,null,"b"]}},"962790000000":true,"device":"d"`)
	for range 2 {
		if _, err := Decode([]byte(l), &plainSealer{}, opt); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]uint64{"nickname": 2, "to": 2, "to.alias": 2, "network.isp": 2, "other": 2}
	if d := cmp.Diff(want, c.Counts()); d != "" {
		t.Errorf("dropped fields differ (-want +got):\n%s", d)
	}
}

func TestDroppedNamesAreBounded(t *testing.T) {
	var c Dropped
	for i := range 26 * 26 {
		c.count(objEvent, []byte{'a' + byte(i/26), 'a' + byte(i%26)})
	}
	got := c.Counts()
	if len(got) != maxDropped+1 || got["other"] != 26*26-maxDropped {
		t.Errorf("%d names, other %d; want %d and %d", len(got), got["other"], maxDropped+1, 26*26-maxDropped)
	}
}

func TestDecodeOfAReplayAsksNoClock(t *testing.T) {
	opt := live
	opt.Now = time.Time{}
	got, err := Decode([]byte(`{"id":"e1","kind":"account.seen","at":"1999-01-01T00:00:00.0019+02:00","actor":"ana"}`), &plainSealer{}, opt)
	want := time.Date(1998, 12, 31, 22, 0, 0, 1e6, time.UTC)
	if err != nil || !got.Arrival.Event.At.Equal(want) || !got.Arrival.Event.Seen.Equal(want) {
		t.Errorf("At %v, Seen %v, %v; want %v both", got.Arrival.Event.At, got.Arrival.Event.Seen, err, want)
	}
}

func TestDecodeSaysWhenTheVaultFails(t *testing.T) {
	_, err := Decode([]byte(example), &plainSealer{fail: fmt.Errorf("vault: locked: %w", vedette.ErrUnavailable)}, live)
	if !errors.Is(err, vedette.ErrUnavailable) || err.Error() != "intake: seal actor: vault: locked: temporarily unavailable" {
		t.Errorf("Decode: %v, want the vault's own error", err)
	}
}

func TestDecodeReadsTimesAsTheStandardLibraryDoes(t *testing.T) {
	for _, s := range []string{
		"2026-11-25T08:00:00Z", "2026-11-25T08:00:00.1Z", "2026-11-25T08:00:00.123456789+05:30", "2024-02-29T23:59:59-11:59",
		"2026-11-25T24:00:00Z", "2026-13-25T08:00:00Z", "2026-11-31T08:00:00Z", "2026-11-25 08:00:00Z", "2026-11-25T08:00:00.Z",
		"2026-11-25T08:00:60Z", "2026-11-25T08:00:00+0530", "2026-11-25", "",
	} {
		want, err := time.Parse(time.RFC3339Nano, s)
		got, ok := readTime([]byte(s))
		if ok != (err == nil) || ok && !got.Equal(want.Truncate(time.Millisecond)) {
			t.Errorf("readTime(%q) = %v, %v; time.Parse says %v, %v", s, got, ok, want, err)
		}
	}
}

// FuzzDecode states the laws of the door: no input panics; what is accepted is JSON; reading twice gives the same; a refusal never repeats
// text of the event; and nothing in the event is text of the line.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(line("account.registered", `"build":"x 1","number":{"e164":"+962790000000"},"x":[{"y":-1.5e3}]`)))
	f.Add([]byte(line("link.previewed", `"links":[{"tokens":{"host":"AAECAwQFBgcICQoLDA0ODw","epoch":9,"features":48}}]`)))
	f.Add([]byte(line("user.reported", `"message":"\ud83d\ude00\n"`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		kept := bytes.Clone(b)
		a, err := Decode(b, &plainSealer{}, live)
		if !bytes.Equal(kept, b) {
			t.Fatal("Decode changed the line")
		}
		again, err2 := Decode(b, &plainSealer{}, live)
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() || !reflect.DeepEqual(a, again) {
			t.Fatalf("read twice, two answers: %v and %v", err, err2)
		}
		if err != nil {
			if !errors.Is(err, vedette.ErrInvalid) && !errors.Is(err, vedette.ErrTooLarge) && !errors.Is(err, vedette.ErrForbidden) {
				t.Fatalf("a refusal without a kind: %v", err)
			}
			return
		}
		var v map[string]any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatalf("accepted, but no JSON: %v", err)
		}
		if at := v["at"]; at == nil {
			t.Fatal("accepted without a time")
		}
		// Strings reachable from the event: the tenant and the platform's name alone.
		texts(t, reflect.ValueOf(a.Arrival.Event), "Event", func(path, s string) {
			if path != "Event.Tenant" && path != "Event.Platform" {
				t.Fatalf("%s holds text", path)
			}
		})
	})
}

// texts calls found for every string and byte slice that v reaches.
func texts(t *testing.T, v reflect.Value, path string, found func(path, s string)) {
	switch v.Kind() {
	case reflect.String:
		found(path, v.String())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			texts(t, v.Elem(), path, found)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			found(path, string(v.Bytes()))
			return
		}
		for i := range v.Len() {
			texts(t, v.Index(i), path, found)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			texts(t, v.Field(i), path+"."+v.Type().Field(i).Name, found)
		}
	}
}

// wireEvent is what a program without our reader would decode into.
type wireEvent struct {
	ID, Kind, Actor, Device string
	At                      time.Time
	Network                 *struct {
		Address, Country, Class string
		ASN                     uint32
	}
	To *struct {
		Account, Group string
		Size           int
	}
	Stranger  *bool
	Forwarded int
	Links     []struct{ URL, Where string }
}

// BenchmarkDecode reads the example; "json" is encoding/json into a struct, without sealing and without reading the link.
func BenchmarkDecode(b *testing.B) {
	one := bytes.ReplaceAll([]byte(example), []byte("\n"), nil)
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var e wireEvent
			if err := json.Unmarshal(one, &e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("scan", func(b *testing.B) { // our reader up to the sealer
		b.ReportAllocs()
		for b.Loop() {
			d := decoders.Get().(*decoder)
			d.b = one
			if err := d.event(); err != nil {
				b.Fatal(err)
			}
			if _, err := d.check(&live); err != nil {
				b.Fatal(err)
			}
			d.release()
		}
	})
	b.Run("all", func(b *testing.B) {
		s := &plainSealer{}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Decode(one, s, live); err != nil {
				b.Fatal(err)
			}
		}
	})
}
