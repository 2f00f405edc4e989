package journal

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"vedette"
)

// Seeds gives the seed that a person's salts are made from. It reports false when the person was erased: then nothing of what was sealed
// about them can be opened or computed again, and what is sealed from now on is a placeholder.
type Seeds interface {
	Seed(account vedette.AccountID) ([32]byte, bool)
}

// Group is one of the four parts of an entry that can be shown or withheld on its own.
type Group uint8

// The groups, in the order of the seal format (docs/formats/seal.md).
const (
	GroupWho         Group = iota // the actor
	GroupCounterpart              // the other side: recipient, subject, member, sender, target; or the group
	GroupWhat                     // event id, device, network, links and the other details of the body
	GroupJudgement                // decision and measures
	groupCount
)

func (g Group) String() string {
	return [...]string{"who", "counterpart", "what", "judgement"}[g&3]
}

// Domain separation: each hash of the format begins with one of these.
const (
	sealLeaf        = "vedette/seal/1/leaf\x00"
	sealGroup       = "vedette/seal/1/group\x00"
	sealPlaceholder = "vedette/seal/1/erased\x00"
	sealSalt        = "vedette/seal/1/salt\x00"
)

// Seal commits to the entries of a range. Its leaves are kept beside the root: after a person was erased the leaves can no longer be
// computed from the journal, but proofs over the others go on being made from them.
type Seal struct {
	Partition uint16
	From, To  Position // first and last entry
	Root      vedette.Digest
	Leaves    []vedette.Digest
}

// SealRange is what is recorded of a seal: everything but the leaves, and when it was made.
type SealRange struct {
	Partition uint16
	From, To  Position
	Count     uint64
	Root      vedette.Digest
	SealedAt  time.Time      // by the sealer's clock; milliseconds. Sealing delay of an entry: SealedAt - Seen
	Offset    *time.Duration // the sealer's clock less a reference clock, when it is known; milliseconds
}

// Bytes returns the record's one written form (docs/formats/seal.md).
func (r *SealRange) Bytes() []byte {
	b := []byte("vedette/seal/1/range\x00")
	b = binary.BigEndian.AppendUint16(b, r.Partition)
	b = appendPosition(b, r.From)
	b = appendPosition(b, r.To)
	b = binary.BigEndian.AppendUint64(b, r.Count)
	b = append(b, r.Root[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.SealedAt.UnixMilli()))
	if r.Offset == nil {
		return append(b, 0)
	}
	return binary.BigEndian.AppendUint64(append(b, 1), uint64(r.Offset.Milliseconds()))
}

func appendPosition(b []byte, p Position) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(b, p.Frame), p.Index)
}

// SealRoot seals the entries from one position to another, both included. Its error wraps vedette.ErrUnknown when the range does not
// begin and end with an entry of the journal, or is empty.
func SealRoot(ctx context.Context, j Journal, partition uint16, from, to Position, seeds Seeds) (*Seal, error) {
	s := NewSealer(partition, seeds)
	for e, err := range j.Read(ctx, from) {
		if err != nil {
			return nil, err
		}
		if to.Less(e.Position) {
			break
		}
		s.Add(&e)
	}
	seal, err := s.Seal()
	if err != nil {
		return nil, err
	}
	if seal.From != from || seal.To != to {
		return nil, fmt.Errorf("journal: seal %s to %s: the entries are %s to %s: %w", from, to, seal.From, seal.To, vedette.ErrUnknown)
	}
	return seal, nil
}

// A Sealer makes a seal from entries as they come, for a follower. It is not for use by two goroutines at a time.
type Sealer struct {
	seal   Seal
	seeds  Seeds
	fields []byte
	leaf   []byte
}

// NewSealer begins an empty seal.
func NewSealer(partition uint16, seeds Seeds) *Sealer {
	return &Sealer{seal: Seal{Partition: partition}, seeds: seeds}
}

// Add puts the next entry into the seal. Entries come in order and without a gap; the caller sees to it.
func (s *Sealer) Add(e *Entry) {
	if len(s.seal.Leaves) == 0 {
		s.seal.From = e.Position
	}
	s.seal.To = e.Position
	s.leaf = append(append(s.leaf[:0], 0), sealLeaf...) // a leaf of the tree begins with a zero
	s.leaf = AppendSealHeader(s.leaf, s.seal.Partition, e)
	for g := range groupCount {
		var c vedette.Digest
		c, s.fields = commitment(s.fields, s.seeds, s.seal.Partition, e, g)
		s.leaf = append(s.leaf, c[:]...)
	}
	s.seal.Leaves = append(s.seal.Leaves, sha256.Sum256(s.leaf))
}

// Len returns how many entries are in the seal.
func (s *Sealer) Len() int { return len(s.seal.Leaves) }

// Seal ends the seal and begins an empty one. Its error wraps vedette.ErrUnknown when there was no entry.
func (s *Sealer) Seal() (*Seal, error) {
	if len(s.seal.Leaves) == 0 {
		return nil, fmt.Errorf("journal: seal: no entries: %w", vedette.ErrUnknown)
	}
	out := s.seal
	out.Root = treeHash(out.Leaves)
	s.seal = Seal{Partition: out.Partition}
	return &out, nil
}

// Range returns what is recorded of the seal.
func (s *Seal) Range(sealedAt time.Time, offset *time.Duration) SealRange {
	return SealRange{
		Partition: s.Partition, From: s.From, To: s.To, Count: uint64(len(s.Leaves)), Root: s.Root, SealedAt: sealedAt.UTC(), Offset: offset,
	}
}

// Disclosed is one entry of a seal, with some of its groups shown, and its way to the root.
type Disclosed struct {
	Header []byte           `json:"header"` // the open part, as AppendSealHeader writes it
	Groups [4]ShownGroup    `json:"groups"`
	Index  uint64           `json:"index"` // of the entry in the range
	Count  uint64           `json:"count"` // entries in the range
	Path   []vedette.Digest `json:"path"`  // from the leaf's sibling up
}

// ShownGroup is a group's commitment, and what opens it when it is shown.
type ShownGroup struct {
	Commitment vedette.Digest `json:"commitment"`
	Shown      bool           `json:"shown"`
	Salt       []byte         `json:"salt,omitempty"` // 32 bytes when shown
	Fields     []byte         `json:"fields,omitempty"`
}

// Disclose shows some groups of an entry and proves that the entry stands in the seal. Its error wraps vedette.ErrUnknown when the entry
// is not in the range, vedette.ErrForbidden when a group is asked for whose person was erased, and vedette.ErrConflict when the entry,
// computed anew, is not what was sealed: it was changed, or somebody in it was erased since. Then nothing of it can be shown.
func (s *Seal) Disclose(e *Entry, index uint64, seeds Seeds, show ...Group) (*Disclosed, error) {
	if index >= uint64(len(s.Leaves)) {
		return nil, fmt.Errorf("journal: entry %d of a seal of %d: %w", index, len(s.Leaves), vedette.ErrUnknown)
	}
	d := &Disclosed{Header: AppendSealHeader(nil, s.Partition, e), Index: index, Count: uint64(len(s.Leaves))}
	for g := range groupCount {
		c, opening := commitment(nil, seeds, s.Partition, e, g)
		d.Groups[g].Commitment = c
		if !slices.Contains(show, g) {
			continue
		}
		if _, ok := seedOf(seeds, e, g); !ok {
			return nil, fmt.Errorf("journal: entry %s: group %s: its person was erased: %w", e.Position, g, vedette.ErrForbidden)
		}
		d.Groups[g] = ShownGroup{Commitment: c, Shown: true, Salt: opening[commitHead-32 : commitHead], Fields: opening[commitHead:]}
	}
	if d.leaf() != s.Leaves[index] {
		return nil, fmt.Errorf("journal: entry %s is not what was sealed, or somebody in it was erased since: %w", e.Position, vedette.ErrConflict)
	}
	d.Path = treePath(s.Leaves, index)
	return d, nil
}

func (d *Disclosed) leaf() vedette.Digest {
	b := append([]byte(sealLeaf), d.Header...)
	for _, g := range d.Groups {
		b = append(b, g.Commitment[:]...)
	}
	return leafHash(b)
}

// Verify checks that what is shown is what a root commits to. It needs nothing but the root, from a source that the verifier trusts.
// Its error wraps vedette.ErrConflict and names the first thing that does not fit.
func (d *Disclosed) Verify(root vedette.Digest) error {
	for g, s := range d.Groups {
		if !s.Shown {
			continue
		}
		if len(s.Salt) != 32 {
			return fmt.Errorf("journal: group %s: a salt of %d bytes: %w", Group(g), len(s.Salt), vedette.ErrConflict)
		}
		if commit(Group(g), [32]byte(s.Salt), s.Fields) != s.Commitment {
			return fmt.Errorf("journal: group %s is not what was committed to: %w", Group(g), vedette.ErrConflict)
		}
	}
	got, ok := treeRoot(d.leaf(), d.Index, d.Count, d.Path)
	if !ok {
		return fmt.Errorf("journal: %d steps do not lead from entry %d to the root of %d: %w", len(d.Path), d.Index, d.Count, vedette.ErrConflict)
	}
	if got != root {
		return fmt.Errorf("journal: entry %d does not stand under the root: %w", d.Index, vedette.ErrConflict)
	}
	return nil
}

// seedOf returns the seed that a group of an entry is salted from: the actor's, or the other person's for the counterpart. An entry
// without an actor is the journal's own and tells about nobody: its seed is zeros.
func seedOf(seeds Seeds, e *Entry, g Group) ([32]byte, bool) {
	who := e.Event.Actor
	if g == GroupCounterpart {
		if other, _, _ := counterpart(e.Event.Body); !other.IsZero() {
			who = other
		}
	}
	if who.IsZero() {
		return [32]byte{}, true
	}
	return seeds.Seed(who)
}

// saltOf derives the salt of one group of one entry: HKDF-Expand of RFC 5869 with SHA-256, one block, the seed being the key. It is written
// out, since it is most of what sealing costs and the library's allocates; seal_test.go holds it against the library.
func saltOf(seed [32]byte, partition uint16, at Position, g Group) [32]byte {
	const info = len(sealSalt) + 2 + 10 + 1
	var inner [64 + info + 1]byte
	var outer [64 + 32]byte
	for i := range 64 {
		k := byte(0)
		if i < len(seed) {
			k = seed[i]
		}
		inner[i], outer[i] = k^0x36, k^0x5c
	}
	b := append(inner[:64], sealSalt...)
	b = binary.BigEndian.AppendUint16(b, partition)
	b = append(appendPosition(b, at), byte(g), 1)
	sum := sha256.Sum256(b)
	copy(outer[64:], sum[:])
	return sha256.Sum256(outer[:])
}

// What stands before the fields in the bytes that a commitment is the hash of.
const commitHead = len(sealGroup) + 1 + 32

func commit(g Group, salt [32]byte, fields []byte) vedette.Digest {
	b := make([]byte, 0, commitHead+len(fields))
	b = append(append(b, sealGroup...), byte(g))
	b = append(append(b, salt[:]...), fields...)
	return sha256.Sum256(b)
}

// commitment returns a group's commitment, and the bytes that it is the hash of, written over b. The fields stand at commitHead.
func commitment(b []byte, seeds Seeds, partition uint16, e *Entry, g Group) (vedette.Digest, []byte) {
	seed, ok := seedOf(seeds, e, g)
	if !ok {
		b = append(append(b[:0], sealPlaceholder...), byte(g))
		return sha256.Sum256(b), b
	}
	salt := saltOf(seed, partition, e.Position, g)
	b = append(append(b[:0], sealGroup...), byte(g))
	b = AppendSealFields(append(b, salt[:]...), e, g)
	return sha256.Sum256(b), b
}

// AppendSealHeader appends the open part of an entry, which every leaf shows: where it stands, what kind it is, when it happened and was
// seen, through which door it came, and the keyed digest of the bytes received.
func AppendSealHeader(b []byte, partition uint16, e *Entry) []byte {
	ev := &e.Event
	b = binary.BigEndian.AppendUint16(b, partition)
	b = appendPosition(b, e.Position)
	b = append(b, byte(ev.Kind()))
	b = binary.BigEndian.AppendUint64(b, uint64(ev.At.UnixMilli()))
	b = binary.BigEndian.AppendUint64(b, uint64(ev.Seen.UnixMilli()))
	b = append(b, byte(ev.Source), byte(ev.Tier))
	b = append(b, ev.Bytes[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(ev.Tenant)))
	b = append(b, ev.Tenant...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(ev.Platform)))
	return append(b, ev.Platform...)
}

// fields writes tagged fields: a tag, the length of the value in two bytes, the value. A value of zero is left out.
type fields []byte

func (f *fields) put(tag byte, v ...byte) {
	*f = append(*f, tag, byte(len(v)>>8), byte(len(v)))
	*f = append(*f, v...)
}

func (f *fields) id(tag byte, v [16]byte) {
	if v != ([16]byte{}) {
		f.put(tag, v[:]...)
	}
}

func (f *fields) u8(tag, v byte) {
	if v != 0 {
		f.put(tag, v)
	}
}

func (f *fields) u16(tag byte, v uint16) {
	if v != 0 {
		f.put(tag, byte(v>>8), byte(v))
	}
}

func (f *fields) u32(tag byte, v uint32) {
	if v != 0 {
		f.put(tag, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
}

// text writes at most 30,000 bytes: twice that fits into a reason.
func (f *fields) text(tag byte, s string) {
	if s == "" {
		return
	}
	s = s[:min(len(s), 30_000)]
	*f = append(*f, tag, byte(len(s)>>8), byte(len(s)))
	*f = append(*f, s...)
}

func (f *fields) country(tag byte, c vedette.Country) {
	if c != (vedette.Country{}) {
		f.put(tag, c[:]...)
	}
}

func (f *fields) network(n *vedette.Network) {
	f.id(3, n.ID)
	f.u32(4, n.ASN)
	f.country(5, n.Country)
	f.u8(6, byte(n.Class))
}

// counterpart returns the other side of an event.
func counterpart(body vedette.Body) (account vedette.AccountID, group vedette.GroupID, size uint16) {
	switch v := body.(type) {
	case *vedette.GroupCreated:
		return account, v.Group, v.Size
	case *vedette.GroupJoined:
		return v.Member, v.Group, v.Size
	case *vedette.GroupLeft:
		return v.Member, v.Group, 0
	case *vedette.GroupDeleted:
		return account, v.Group, 0
	case *vedette.MessageSent:
		return v.To.Account, v.To.Group, v.To.Size
	case *vedette.LinkSent:
		return v.To.Account, v.To.Group, v.To.Size
	case *vedette.LinkPreviewed:
		return v.From, v.Group, 0
	case *vedette.LinkOpened:
		return v.From, v.Group, 0
	case *vedette.NumberLookedUp:
		return v.Target, group, 0
	case *vedette.UserBlocked:
		return v.Subject, group, 0
	case *vedette.UserUnblocked:
		return v.Subject, group, 0
	case *vedette.UserReported:
		return v.Subject, v.Group, 0
	}
	return account, group, 0
}

// AppendSealFields appends the fields of one group of an entry, in the one form that is committed to.
func AppendSealFields(b []byte, e *Entry, g Group) []byte {
	f := fields(b)
	switch g {
	case GroupWho:
		f.id(1, e.Event.Actor)
	case GroupCounterpart:
		account, group, size := counterpart(e.Event.Body)
		f.id(1, account)
		f.id(2, group)
		f.u16(3, size)
	case GroupWhat:
		f.what(&e.Event)
	case GroupJudgement:
		f.judgement(e)
	}
	return f
}

func (f *fields) what(ev *vedette.Event) {
	f.id(1, ev.ID)
	switch v := ev.Body.(type) {
	case *vedette.AccountRegistered:
		f.id(2, v.Device)
		f.network(&v.Network)
		f.country(7, v.Number.Country)
		f.u8(8, byte(v.Number.Carrier))
		f.id(9, v.Number.Block)
		f.u32(10, v.Build)
		f.u8(11, byte(v.Attestation))
		f.u8(12, byte(v.Returned))
	case *vedette.AccountSeen:
		f.id(2, v.Device)
		f.network(&v.Network)
	case *vedette.AccountDeleted:
		f.u8(21, byte(v.Reason))
	case *vedette.DeviceLinked:
		f.id(2, v.Device)
		f.network(&v.Network)
	case *vedette.DeviceUnlinked:
		f.id(2, v.Device)
	case *vedette.GroupJoined:
		f.u8(22, byte(v.By))
	case *vedette.MessageSent:
		f.u16(13, v.Count)
		f.u8(14, v.Size)
		f.u8(15, v.Forwarded)
		f.u8(16, byte(v.HasLink))
		f.u8(17, byte(v.Reply))
		f.u8(18, byte(v.Stranger))
	case *vedette.LinkSent:
		f.u8(15, v.Forwarded)
		f.u8(17, byte(v.Reply))
		f.u8(18, byte(v.Stranger))
	case *vedette.NumberLookedUp:
		f.u8(23, byte(v.Via))
	case *vedette.UserReported:
		f.id(19, v.Message)
		f.u8(20, byte(v.Category))
	case *vedette.GenerationMade:
		f.id(24, v.ID)
	}
	for i := range ev.Links() {
		f.link(&ev.Links()[i])
	}
}

// link writes one link as a field of fixed layout: 95 bytes.
func (f *fields) link(l *vedette.Link) {
	v := make([]byte, 0, 95)
	v = append(v, byte(l.Where))
	for _, t := range [4]*vedette.Token{&l.Domain, &l.Host, &l.Tenant, &l.URL} {
		if t.Kind == vedette.TokenNone {
			t = &vedette.Token{}
		}
		v = append(v, byte(t.Kind))
		v = binary.BigEndian.AppendUint16(v, t.Epoch)
		v = append(v, t.Bytes[:]...)
	}
	s := &l.Shape
	v = binary.BigEndian.AppendUint32(v, uint32(s.Flags))
	v = append(v, s.TokenLike, s.Entropy, s.PathSegments, s.QueryKeys, s.HostLabels)
	v = binary.BigEndian.AppendUint16(v, s.Length)
	f.put(32, v...)
}

func (f *fields) judgement(e *Entry) {
	d := &e.Decision
	f.u8(1, byte(d.Verdict))
	f.u8(2, byte(d.Would))
	f.u16(3, uint16(d.Degraded))
	f.id(4, d.Generation)
	for i := range d.Reasons {
		r := &d.Reasons[i]
		begin := len(*f)
		f.put(5)
		n := f
		n.text(1, string(r.Rule))
		n.u8(2, byte(r.Verdict))
		n.u32(3, uint32(r.Weight))
		n.put(4, byte(r.Link))
		n.u8(5, byte(r.Armed))
		if r.Shadow {
			n.put(6, 1)
		}
		n.text(7, r.Text)
		n.u32(8, r.Match)
		binary.BigEndian.PutUint16((*f)[begin+1:], uint16(len(*f)-begin-3))
	}
	for i := range e.Measures {
		m := &e.Measures[i]
		p := m.Present()
		var room [8 + 8*vedette.MeasureCount]byte
		v := binary.BigEndian.AppendUint64(room[:0], p)
		for k := vedette.Measure(0); p != 0; k, p = k+1, p>>1 {
			if p&1 != 0 {
				x, _ := m.Get(k)
				v = binary.BigEndian.AppendUint64(v, uint64(x))
			}
		}
		f.put(6, v...)
	}
}

// The tree of RFC 6962, section 2.1.

// leafHash hashes what a leaf holds.
func leafHash(b []byte) vedette.Digest { return sha256.Sum256(append([]byte{0}, b...)) }

func nodeHash(l, r vedette.Digest) vedette.Digest {
	var b [65]byte
	b[0] = 1
	copy(b[1:], l[:])
	copy(b[33:], r[:])
	return sha256.Sum256(b[:])
}

// split returns the largest power of two below n.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

func treeHash(leaves []vedette.Digest) vedette.Digest {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := split(len(leaves))
	return nodeHash(treeHash(leaves[:k]), treeHash(leaves[k:]))
}

func treePath(leaves []vedette.Digest, i uint64) []vedette.Digest {
	if len(leaves) <= 1 {
		return nil
	}
	k := split(len(leaves))
	if i < uint64(k) {
		return append(treePath(leaves[:k], i), treeHash(leaves[k:]))
	}
	return append(treePath(leaves[k:], i-uint64(k)), treeHash(leaves[:k]))
}

// treeRoot walks a path up (RFC 9162, section 2.1.3.2).
func treeRoot(leaf vedette.Digest, index, count uint64, path []vedette.Digest) (vedette.Digest, bool) {
	if index >= count {
		return leaf, false
	}
	at, last := index, count-1
	r := leaf
	for _, p := range path {
		if last == 0 {
			return r, false
		}
		if at&1 == 1 || at == last {
			r = nodeHash(p, r)
			for at&1 == 0 && at != 0 {
				at, last = at>>1, last>>1
			}
		} else {
			r = nodeHash(r, p)
		}
		at, last = at>>1, last>>1
	}
	return r, last == 0
}
