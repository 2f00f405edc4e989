package matrix

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"testing"
	"time"

	"vedette"
	"vedette/edge/intake"
)

// seal stands in for the vault.
type seal struct{}

func sum(s string) (b [16]byte) {
	h := fnv.New128a()
	_, _ = h.Write([]byte(s))
	h.Sum(b[:0])
	return b
}

func (seal) Account(s string) (vedette.AccountID, error) { return vedette.AccountID(sum(s)), nil }
func (seal) Group(s string) (vedette.GroupID, error)     { return vedette.GroupID(sum(s)), nil }
func (seal) Device(s string) (vedette.DeviceID, error)   { return vedette.DeviceID(sum(s)), nil }
func (seal) Network(a netip.Addr) (vedette.NetworkID, error) {
	return vedette.NetworkID(sum(a.String())), nil
}
func (seal) Block(s string) (vedette.NetworkID, error) { return vedette.NetworkID(sum(s)), nil }
func (seal) EventID(s string) vedette.EventID          { return vedette.EventID(sum(s)) }
func (seal) Epoch(time.Time) uint16                    { return 1 }
func (seal) Bytes(b []byte) (d vedette.Digest) {
	binary.BigEndian.PutUint64(d[:], uint64(len(b)))
	return d
}

func (seal) Token(k vedette.TokenKind, s string, _ time.Time) vedette.Token {
	return vedette.Token{Kind: k, Epoch: 1, Bytes: sum(s)}
}

// decoder is a door that reads what it is told as the true one does.
type decoder struct {
	t    *testing.T
	told []vedette.Event
}

func (d *decoder) Decide(_ context.Context, tenant vedette.Tenant, wire []byte) (vedette.Decision, error) {
	var dropped intake.Dropped
	got, err := intake.Decode(wire, seal{}, intake.DecodeOptions{Tenant: tenant, Platform: "chat", Source: vedette.SourceMatrix, Now: now, Dropped: &dropped})
	if err != nil {
		d.t.Errorf("the wire does not take %s: %v", wire, err)
		return vedette.Decision{}, err
	}
	if n := dropped.Counts(); len(n) > 0 {
		d.t.Errorf("the wire has no use for %v of %s", n, wire)
	}
	d.told = append(d.told, got.Arrival.Event)
	return vedette.Decision{}, nil
}

func TestTheWireTakesEveryEvent(t *testing.T) {
	state := func(kind, key, content string) string {
		return `{"event":{"type":"` + kind + `","room_id":"!room:chat.example","sender":"@ana:chat.example","state_key":"` + key +
			`","event_id":"$1","content":` + content + `}}`
	}
	for _, tt := range []struct {
		callback, body string
		want           vedette.Kind
		links          int
	}{
		{checkEvent, message(`{"body":"x"}`), vedette.KindMessageSent, 0},
		{checkEvent, message(`{"body":"https://a.example http://[oops evil.com"}`), vedette.KindLinkSent, 3},
		{checkEvent, state("m.room.name", "", `{"name":"https://a.example"}`), vedette.KindLinkSent, 1},
		{checkEvent, state("m.room.encrypted", "", `{"ciphertext":"x"}`), vedette.KindMessageSent, 0},
		{checkEvent, state("m.room.member", "@omar:chat.example", `{"membership":"leave"}`), vedette.KindGroupLeft, 0},
		{checkEvent, state("m.room.member", "@ana:chat.example", `{"membership":"join","displayname":"https://a.example"}`), vedette.KindProfileChanged, 1},
		{checkEvent, state("m.room.member", "@omar:chat.example", `{"membership":"invite","reason":"https://a.example"}`), vedette.KindLinkSent, 1},
		{invitedAbroad, state("m.room.member", "@omar:chat.example", `{"membership":"invite"}`), vedette.KindMessageSent, 0},
		{mayInvite, `{"inviter":"@ana:chat.example","invitee":"@omar:chat.example","room_id":"!r"}`, vedette.KindMessageSent, 0},
		{mayJoin, `{"user":"@ana:chat.example","room":"!r:chat.example","is_invited":false}`, vedette.KindGroupJoined, 0},
		{mayCreate, `{"user_id":"@ana:chat.example"}`, vedette.KindGroupCreated, 0},
		{checkLogin, `{"user_id":"@ana:chat.example","device_id":"D","request_info":[["a","2001:db8::1"]]}`, vedette.KindAccountSeen, 0},
	} {
		d := &decoder{t: t}
		call(handler(t, Config{}, d, nil), tt.callback, tt.body)
		if len(d.told) != 1 || d.told[0].Kind() != tt.want || len(d.told[0].Links()) != tt.links || d.told[0].Actor != vedette.AccountID(sum("@ana:chat.example")) {
			t.Errorf("%s %s: told %+v, want one %v with %d links", tt.callback, tt.body, d.told, tt.want, tt.links)
		}
	}
}
