package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math/bits"

	"vedette"
)

// A Digester sums up entries so that two journals compare equal when the same happened and was judged the same in them, whatever their
// surrogates, keys and frames: identities, tokens and event ids are numbered by their first appearance, and positions, Took, Bytes and a
// token's epoch are left out. All else counts: one other verdict, measure, reason or moment gives another sum.
//
// It keeps a number for each identity, token and event id that it met. It is not for use by two goroutines at a time.
type Digester struct {
	sum    hash.Hash
	buf    []byte
	count  uint64
	ids    map[[16]byte]uint32 // accounts, groups, devices, networks: surrogates are drawn from one space
	tokens map[vedette.Token]uint32
	// Events are many and their ids are uniform, so half of the bits do: two of a billion events meet with a chance of 1 in 40.
	events map[uint64]uint32
}

// NewDigester returns an empty sum.
func NewDigester() *Digester {
	return &Digester{sum: sha256.New(), ids: map[[16]byte]uint32{}, tokens: map[vedette.Token]uint32{}, events: map[uint64]uint32{}}
}

// Sum returns the sum of the entries so far: 32 hexadecimal digits.
func (d *Digester) Sum() string {
	s := d.sum.Sum(nil)
	return hex.EncodeToString(s[:16])
}

// Count returns how many entries were added.
func (d *Digester) Count() uint64 { return d.count }

func numbered[K comparable](m map[K]uint32, k K) uint32 {
	n, ok := m[k]
	if !ok {
		n = uint32(len(m)) + 1
		m[k] = n
	}
	return n
}

func (d *Digester) id(v [16]byte) {
	if v == ([16]byte{}) {
		d.u(0)
		return
	}
	d.u(uint64(numbered(d.ids, v)))
}

func (d *Digester) event(v vedette.EventID) {
	if v.IsZero() {
		d.u(0)
		return
	}
	k := binary.LittleEndian.Uint64(v[:]) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(v[8:])*0x9e3779b97f4a7c15, 32)
	d.u(uint64(numbered(d.events, k)))
}

func (d *Digester) token(t *vedette.Token) {
	if t.Kind == vedette.TokenNone {
		d.u(0)
		return
	}
	d.u(uint64(t.Kind))
	d.u(uint64(numbered(d.tokens, *t)))
}

func (d *Digester) u(v uint64) { d.buf = appendUvarint(d.buf, v) }
func (d *Digester) i(v int64)  { d.u(zigzag(v)) }

func (d *Digester) text(s string) {
	d.u(uint64(len(s)))
	d.buf = append(d.buf, s...)
}

func (d *Digester) bytes(b ...byte) { d.buf = append(d.buf, b...) }

func (d *Digester) network(n *vedette.Network) {
	d.id(n.ID)
	d.u(uint64(n.ASN))
	d.bytes(n.Country[0], n.Country[1], byte(n.Class))
}

func (d *Digester) links(ls []vedette.Link) {
	d.u(uint64(len(ls)))
	for i := range ls {
		l := &ls[i]
		d.bytes(byte(l.Where))
		d.token(&l.Domain)
		d.token(&l.Host)
		d.token(&l.Tenant)
		d.token(&l.URL)
		s := &l.Shape
		d.u(uint64(s.Flags))
		d.bytes(s.TokenLike, s.Entropy, s.PathSegments, s.QueryKeys, s.HostLabels)
		d.u(uint64(s.Length))
	}
}

// Add puts the next entry into the sum.
func (d *Digester) Add(e *Entry) {
	d.count++
	d.buf = d.buf[:0]
	ev := &e.Event
	d.bytes(byte(ev.Kind()), byte(ev.Source), byte(ev.Tier))
	d.text(string(ev.Tenant))
	d.text(ev.Platform)
	d.event(ev.ID)
	d.id(ev.Actor)
	d.i(ev.At.UnixMilli())
	d.i(ev.Seen.UnixMilli())
	d.body(ev.Body)
	d.u(uint64(len(e.Measures)))
	for i := range e.Measures {
		d.buf = appendMeasures(d.buf, &e.Measures[i])
	}
	n := &e.Decision
	d.bytes(byte(n.Verdict), byte(n.Would))
	d.u(uint64(n.Degraded))
	d.bytes(n.Generation[:]...)
	d.u(uint64(len(n.Reasons)))
	for i := range n.Reasons {
		r := &n.Reasons[i]
		shadow := byte(0)
		if r.Shadow {
			shadow = 1
		}
		d.text(string(r.Rule))
		d.bytes(byte(r.Verdict), byte(r.Armed), shadow, byte(r.Link))
		d.i(int64(r.Weight))
		d.text(r.Text)
		d.u(uint64(r.Match))
	}
	d.sum.Write(d.buf)
}

func (d *Digester) body(body vedette.Body) {
	switch v := body.(type) {
	case *vedette.AccountRegistered:
		d.id(v.Device)
		d.u(uint64(v.Build))
		d.network(&v.Network)
		d.bytes(v.Number.Country[0], v.Number.Country[1], byte(v.Number.Carrier))
		d.id(v.Number.Block)
		d.bytes(byte(v.Attestation), byte(v.Returned))
	case *vedette.AccountSeen:
		d.id(v.Device)
		d.network(&v.Network)
	case *vedette.AccountDeleted:
		d.bytes(byte(v.Reason))
	case *vedette.DeviceLinked:
		d.id(v.Device)
		d.network(&v.Network)
	case *vedette.DeviceUnlinked:
		d.id(v.Device)
	case *vedette.GroupCreated:
		d.id(v.Group)
		d.u(uint64(v.Size))
		d.links(v.Links)
	case *vedette.GroupJoined:
		d.id(v.Group)
		d.id(v.Member)
		d.bytes(byte(v.By))
		d.u(uint64(v.Size))
	case *vedette.GroupLeft:
		d.id(v.Group)
		d.id(v.Member)
	case *vedette.GroupDeleted:
		d.id(v.Group)
	case *vedette.MessageSent:
		d.id(v.To.Account)
		d.id(v.To.Group)
		d.u(uint64(v.To.Size))
		d.u(uint64(v.Count))
		d.bytes(v.Size, v.Forwarded, byte(v.HasLink), byte(v.Reply), byte(v.Stranger))
	case *vedette.LinkSent:
		d.id(v.To.Account)
		d.id(v.To.Group)
		d.u(uint64(v.To.Size))
		d.bytes(v.Forwarded, byte(v.Reply), byte(v.Stranger))
		d.links(v.Links)
	case *vedette.LinkPreviewed:
		d.id(v.From)
		d.id(v.Group)
		d.links(v.Links)
	case *vedette.LinkOpened:
		d.id(v.From)
		d.id(v.Group)
		d.links(v.Links)
	case *vedette.NumberLookedUp:
		d.id(v.Target)
		d.bytes(byte(v.Via))
	case *vedette.UserBlocked:
		d.id(v.Subject)
	case *vedette.UserUnblocked:
		d.id(v.Subject)
	case *vedette.UserReported:
		d.id(v.Subject)
		d.id(v.Group)
		d.event(v.Message)
		d.bytes(byte(v.Category))
		d.links(v.Links)
	case *vedette.ProfileChanged:
		d.links(v.Links)
	case *vedette.GenerationMade:
		d.bytes(v.ID[:]...)
	}
}
