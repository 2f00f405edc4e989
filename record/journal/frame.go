package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"vedette"
)

// The frame format, version 1 (docs/formats/frame.md). What is written here is read for ever: append, never reorder.
const (
	frameVersion = 1
	headerSize   = 36
	// MaxFrameBytes bounds a frame, so that a damaged length never asks for much memory, and so that one frame is one message
	// of any stream server. 256 events with 32 links each stay well below it.
	MaxFrameBytes = 8 << 20
	// maxMeasures bounds the sets of measures of one entry; there is one for each link, and a link set of 32.
	maxMeasures = 255
)

var (
	magic      = [3]byte{'V', 'D', 'F'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Header is what a frame says about itself.
type Header struct {
	Version   uint8
	Partition uint16
	Count     int
	Number    uint64
	Base      time.Time // Seen of its first entry
}

// Damage tells where a frame's bytes are not what was written. It wraps ErrDamaged.
type Damage struct {
	Frame  uint64 // 0: not even the number could be read
	Offset int    // byte in the frame
	What   string
}

func (d *Damage) Error() string {
	return fmt.Sprintf("journal: frame %d, byte %d: %s: damaged", d.Frame, d.Offset, d.What)
}

func (d *Damage) Unwrap() error { return ErrDamaged }

// An Encoder writes frames. It keeps its tables between frames, so that writing allocates nothing once they have grown.
// It is not for use by two goroutines at a time; the zero value is ready.
type Encoder struct {
	refs  map[string]uint64
	names []string
	gens  []vedette.GenerationID
	// The last string of each field: a frame's entries mostly share them.
	tenant, platform   memo
	generation         vedette.GenerationID
	generationRef      uint64
	rules, texts       [8]memo
	ruleNext, textNext int
}

type memo struct {
	s   string
	ref uint64 // plus one; 0: none yet
}

// AppendFrame appends one frame's bytes to dst. Its error wraps vedette.ErrInvalid (an entry cannot be written: no body, an unknown one,
// a verdict out of range, none or more than MaxFrame entries) or vedette.ErrTooLarge; then dst is returned as it was.
// Times are kept in milliseconds. Positions of the entries are not looked at: they follow from number and order.
func AppendFrame(dst []byte, partition uint16, number uint64, entries []Entry) ([]byte, error) {
	var e Encoder
	return e.AppendFrame(dst, partition, number, entries)
}

// AppendFrame is like the function of that name.
func (e *Encoder) AppendFrame(dst []byte, partition uint16, number uint64, entries []Entry) ([]byte, error) {
	if len(entries) == 0 || len(entries) > MaxFrame {
		return dst, fmt.Errorf("journal: frame %d: %d entries, 1 to %d fit: %w", number, len(entries), MaxFrame, vedette.ErrInvalid)
	}
	e.reset()
	start := len(dst)
	base := entries[0].Event.Seen.UnixMilli()
	b := append(dst, magic[0], magic[1], magic[2], frameVersion)
	b = append(b, 0, 0, 0, 0) // checksum, below
	b = binary.LittleEndian.AppendUint16(b, partition)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(entries)))
	b = binary.LittleEndian.AppendUint64(b, number)
	b = binary.LittleEndian.AppendUint64(b, uint64(base))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // where the dictionary begins, length of the frame, below
	ends := len(b)
	for range entries {
		b = append(b, 0, 0, 0, 0)
	}
	for i := range entries {
		var err error
		if b, err = e.entry(b, &entries[i], base); err != nil {
			return dst[:start], fmt.Errorf("journal: frame %d, entry %d: %w", number, i, err)
		}
		if len(b)-start > MaxFrameBytes {
			return dst[:start], fmt.Errorf("journal: frame %d is over %d bytes at entry %d: %w", number, MaxFrameBytes, i, vedette.ErrTooLarge)
		}
		binary.LittleEndian.PutUint32(b[ends+4*i:], uint32(len(b)-start))
	}
	dictionary := len(b) - start
	b = binary.AppendUvarint(b, uint64(len(e.names)))
	for _, s := range e.names {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendUvarint(b, uint64(len(e.gens)))
	for i := range e.gens {
		b = append(b, e.gens[i][:]...)
	}
	if len(b)-start > MaxFrameBytes {
		return dst[:start], fmt.Errorf("journal: frame %d is over %d bytes: %w", number, MaxFrameBytes, vedette.ErrTooLarge)
	}
	binary.LittleEndian.PutUint32(b[start+28:], uint32(dictionary))
	binary.LittleEndian.PutUint32(b[start+32:], uint32(len(b)-start))
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(b[start+8:], castagnoli))
	return b, nil
}

func (e *Encoder) reset() {
	if e.refs == nil {
		e.refs = make(map[string]uint64, 64)
	}
	clear(e.refs)
	clear(e.names)
	e.names, e.gens = e.names[:0], e.gens[:0]
	e.tenant, e.platform = memo{}, memo{}
	e.generation, e.generationRef = vedette.GenerationID{}, 0
	clear(e.rules[:])
	clear(e.texts[:])
	e.ruleNext, e.textNext = 0, 0
}

func (e *Encoder) ref(s string) uint64 {
	if r, ok := e.refs[s]; ok {
		return r
	}
	r := uint64(len(e.names))
	e.names = append(e.names, s)
	e.refs[s] = r
	return r
}

func (e *Encoder) remembered(m *memo, s string) uint64 {
	if m.ref != 0 && m.s == s {
		return m.ref - 1
	}
	r := e.ref(s)
	*m = memo{s, r + 1}
	return r
}

// among looks s up in a few strings seen lately, since a constant text compares by address in one step and hashes in many.
func (e *Encoder) among(ms *[8]memo, next *int, s string) uint64 {
	for i := range ms {
		if ms[i].ref == 0 {
			break
		}
		if ms[i].s == s {
			return ms[i].ref - 1
		}
	}
	r := e.ref(s)
	ms[*next&7] = memo{s, r + 1}
	*next++
	return r
}

// generationOf returns the place of a generation, plus one; 0: none.
func (e *Encoder) generationOf(g vedette.GenerationID) uint64 {
	if g == e.generation {
		return e.generationRef
	}
	if g.IsZero() {
		return 0
	}
	for i := range e.gens {
		if e.gens[i] == g {
			e.generation, e.generationRef = g, uint64(i)+1
			return e.generationRef
		}
	}
	e.gens = append(e.gens, g)
	e.generation, e.generationRef = g, uint64(len(e.gens))
	return e.generationRef
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// appendUvarint is binary.AppendUvarint with the common short forms first.
func appendUvarint(b []byte, v uint64) []byte {
	if v < 0x80 {
		return append(b, byte(v))
	}
	if v < 0x4000 {
		return append(b, byte(v)|0x80, byte(v>>7))
	}
	if v < 0x200000 {
		return append(b, byte(v)|0x80, byte(v>>7)|0x80, byte(v>>14))
	}
	return binary.AppendUvarint(b, v)
}

// What an entry's presence byte says.
const (
	hasID = 1 << iota
	hasBytes
	hasActor
	hasDegraded
)

func (e *Encoder) entry(b []byte, n *Entry, base int64) ([]byte, error) {
	ev := &n.Event
	if ev.Body == nil {
		return b, fmt.Errorf("no body: %w", vedette.ErrInvalid)
	}
	if ev.Tier > 3 || ev.Source > 63 {
		return b, fmt.Errorf("tier %d, source %d: %w", ev.Tier, ev.Source, vedette.ErrInvalid)
	}
	kind := ev.Body.Kind()
	var has byte
	if !ev.ID.IsZero() {
		has |= hasID
	}
	if !ev.Bytes.IsZero() {
		has |= hasBytes
	}
	if !ev.Actor.IsZero() {
		has |= hasActor
	}
	if n.Decision.Degraded != 0 {
		has |= hasDegraded
	}
	b = append(b, byte(kind), byte(ev.Source)<<2|byte(ev.Tier), has)
	seen := ev.Seen.UnixMilli()
	b = appendUvarint(b, zigzag(seen-base))
	b = appendUvarint(b, zigzag(seen-ev.At.UnixMilli()))
	b = appendUvarint(b, e.remembered(&e.tenant, string(ev.Tenant)))
	b = appendUvarint(b, e.remembered(&e.platform, ev.Platform))
	if has&hasID != 0 {
		b = append(b, ev.ID[:]...)
	}
	if has&hasBytes != 0 {
		b = append(b, ev.Bytes[:]...)
	}
	if has&hasActor != 0 {
		b = append(b, ev.Actor[:]...)
	}
	b, err := e.body(b, ev.Body)
	if err != nil {
		return b, err
	}
	if len(n.Measures) > maxMeasures {
		return b, fmt.Errorf("%d sets of measures, at most %d fit: %w", len(n.Measures), maxMeasures, vedette.ErrInvalid)
	}
	b = appendUvarint(b, uint64(len(n.Measures)))
	for i := range n.Measures {
		b = appendMeasures(b, &n.Measures[i])
	}
	return e.decision(b, &n.Decision)
}

func appendMeasures(b []byte, m *vedette.Measures) []byte {
	p := m.Present()
	b = appendUvarint(b, p)
	for k := vedette.Measure(0); p != 0; k, p = k+1, p>>1 {
		if p&1 != 0 {
			v, _ := m.Get(k)
			b = appendUvarint(b, zigzag(v))
		}
	}
	return b
}

func (e *Encoder) decision(b []byte, d *vedette.Decision) ([]byte, error) {
	if d.Verdict > vedette.Block || d.Would > vedette.Block {
		return b, fmt.Errorf("verdict %d, would %d: %w", uint8(d.Verdict), uint8(d.Would), vedette.ErrInvalid)
	}
	b = append(b, byte(d.Verdict)|byte(d.Would)<<2)
	if d.Degraded != 0 {
		b = appendUvarint(b, uint64(d.Degraded))
	}
	b = appendUvarint(b, e.generationOf(d.Generation))
	b = appendUvarint(b, zigzag(int64(d.Took)))
	b = appendUvarint(b, uint64(len(d.Reasons)))
	for i := range d.Reasons {
		r := &d.Reasons[i]
		if r.Verdict > vedette.Block || r.Armed > vedette.Block {
			return b, fmt.Errorf("reason %d: verdict %d, armed %d: %w", i, uint8(r.Verdict), uint8(r.Armed), vedette.ErrInvalid)
		}
		bits := byte(r.Verdict) | byte(r.Armed)<<2
		if r.Shadow {
			bits |= 1 << 4
		}
		b = append(b, bits, byte(r.Link))
		b = appendUvarint(b, e.among(&e.rules, &e.ruleNext, string(r.Rule)))
		b = appendUvarint(b, e.among(&e.texts, &e.textNext, r.Text))
		b = appendUvarint(b, zigzag(int64(r.Weight)))
		b = appendUvarint(b, uint64(r.Match))
	}
	return b, nil
}

func appendID(b []byte, id [16]byte) []byte {
	if id == ([16]byte{}) {
		return append(b, 0)
	}
	return append(append(b, 1), id[:]...)
}

func appendNetwork(b []byte, n *vedette.Network) []byte {
	b = appendID(b, n.ID)
	b = appendUvarint(b, uint64(n.ASN))
	return append(b, n.Country[0], n.Country[1], byte(n.Class))
}

func appendRecipient(b []byte, r *vedette.Recipient) []byte {
	b = appendID(b, r.Account)
	b = appendID(b, r.Group)
	return appendUvarint(b, uint64(r.Size))
}

// A link's tokens in order, with the kind that belongs to each place.
var tokenKinds = [4]vedette.TokenKind{vedette.TokenDomain, vedette.TokenHost, vedette.TokenTenant, vedette.TokenURL}

const oddTokens = 1 << 4 // kinds or epochs are not the usual ones, so each token says its own

func appendLink(b []byte, l *vedette.Link) []byte {
	var mask byte
	var epoch uint16
	for i, t := range [4]*vedette.Token{&l.Domain, &l.Host, &l.Tenant, &l.URL} {
		if t.Kind == vedette.TokenNone {
			continue
		}
		if t.Kind != tokenKinds[i] || mask&0xf != 0 && t.Epoch != epoch {
			mask |= oddTokens
		}
		mask |= 1 << i
		epoch = t.Epoch
	}
	b = append(b, byte(l.Where), mask)
	if mask != 0 && mask&oddTokens == 0 {
		b = appendUvarint(b, uint64(epoch))
	}
	for _, t := range [4]*vedette.Token{&l.Domain, &l.Host, &l.Tenant, &l.URL} {
		if t.Kind == vedette.TokenNone {
			continue
		}
		if mask&oddTokens != 0 {
			b = append(b, byte(t.Kind))
			b = appendUvarint(b, uint64(t.Epoch))
		}
		b = append(b, t.Bytes[:]...)
	}
	s := &l.Shape
	b = appendUvarint(b, uint64(s.Flags))
	b = append(b, s.TokenLike, s.Entropy, s.PathSegments, s.QueryKeys, s.HostLabels)
	return appendUvarint(b, uint64(s.Length))
}

func appendLinks(b []byte, ls []vedette.Link) []byte {
	b = appendUvarint(b, uint64(len(ls)))
	for i := range ls {
		b = appendLink(b, &ls[i])
	}
	return b
}

func (e *Encoder) body(b []byte, body vedette.Body) ([]byte, error) {
	switch v := body.(type) {
	case *vedette.AccountRegistered:
		b = appendID(b, v.Device)
		b = appendUvarint(b, uint64(v.Build))
		b = appendNetwork(b, &v.Network)
		b = append(b, v.Number.Country[0], v.Number.Country[1], byte(v.Number.Carrier))
		b = appendID(b, v.Number.Block)
		b = append(b, byte(v.Attestation), byte(v.Returned))
	case *vedette.AccountSeen:
		b = appendID(b, v.Device)
		b = appendNetwork(b, &v.Network)
	case *vedette.AccountDeleted:
		b = append(b, byte(v.Reason))
	case *vedette.AccountRestored, *vedette.Tick:
	case *vedette.DeviceLinked:
		b = appendID(b, v.Device)
		b = appendNetwork(b, &v.Network)
	case *vedette.DeviceUnlinked:
		b = appendID(b, v.Device)
	case *vedette.GroupCreated:
		b = appendID(b, v.Group)
		b = appendUvarint(b, uint64(v.Size))
		b = appendLinks(b, v.Links)
	case *vedette.GroupJoined:
		b = appendID(b, v.Group)
		b = appendID(b, v.Member)
		b = append(b, byte(v.By))
		b = appendUvarint(b, uint64(v.Size))
	case *vedette.GroupLeft:
		b = appendID(b, v.Group)
		b = appendID(b, v.Member)
	case *vedette.GroupDeleted:
		b = appendID(b, v.Group)
	case *vedette.MessageSent:
		b = appendRecipient(b, &v.To)
		b = appendUvarint(b, uint64(v.Count))
		b = append(b, v.Size, v.Forwarded, byte(v.HasLink), byte(v.Reply), byte(v.Stranger))
	case *vedette.LinkSent:
		b = appendRecipient(b, &v.To)
		b = append(b, v.Forwarded, byte(v.Reply), byte(v.Stranger))
		b = appendLinks(b, v.Links)
	case *vedette.LinkPreviewed:
		b = appendID(b, v.From)
		b = appendID(b, v.Group)
		b = appendLinks(b, v.Links)
	case *vedette.LinkOpened:
		b = appendID(b, v.From)
		b = appendID(b, v.Group)
		b = appendLinks(b, v.Links)
	case *vedette.NumberLookedUp:
		b = appendID(b, v.Target)
		b = append(b, byte(v.Via))
	case *vedette.UserBlocked:
		b = appendID(b, v.Subject)
	case *vedette.UserUnblocked:
		b = appendID(b, v.Subject)
	case *vedette.UserReported:
		b = appendID(b, v.Subject)
		b = appendID(b, v.Group)
		b = appendID(b, v.Message)
		b = append(b, byte(v.Category))
		b = appendLinks(b, v.Links)
	case *vedette.ProfileChanged:
		b = appendLinks(b, v.Links)
	case *vedette.GenerationMade:
		b = appendUvarint(b, e.generationOf(v.ID))
	default:
		return b, fmt.Errorf("body %T cannot be kept: %w", body, vedette.ErrInvalid)
	}
	return b, nil
}

// ReadHeader reads a frame's header and checks the whole frame's checksum. Its error is a *Damage.
func ReadHeader(data []byte) (Header, error) {
	if len(data) < headerSize {
		return Header{}, &Damage{Offset: len(data), What: "shorter than a header"}
	}
	if [3]byte(data[:3]) != magic {
		return Header{}, &Damage{What: "no frame begins here"}
	}
	h := Header{
		Version:   data[3],
		Partition: binary.LittleEndian.Uint16(data[8:]),
		Count:     int(binary.LittleEndian.Uint16(data[10:])),
		Number:    binary.LittleEndian.Uint64(data[12:]),
		Base:      time.UnixMilli(int64(binary.LittleEndian.Uint64(data[20:]))).UTC(),
	}
	if h.Version != frameVersion {
		return h, &Damage{Frame: h.Number, Offset: 3, What: fmt.Sprintf("version %d is not known to this build", h.Version)}
	}
	if n := binary.LittleEndian.Uint32(data[32:]); uint64(n) != uint64(len(data)) {
		return h, &Damage{Frame: h.Number, Offset: 32, What: fmt.Sprintf("%d bytes, not %d", len(data), n)}
	}
	if got, want := crc32.Checksum(data[8:], castagnoli), binary.LittleEndian.Uint32(data[4:]); got != want {
		return h, &Damage{Frame: h.Number, Offset: 4, What: fmt.Sprintf("checksum %08x, not %08x", got, want)}
	}
	if h.Count < 1 || h.Count > MaxFrame {
		return h, &Damage{Frame: h.Number, Offset: 10, What: fmt.Sprintf("%d entries", h.Count)}
	}
	return h, nil
}

// ReadFrame reads a frame's bytes and appends its entries to dst. The entries share nothing with data. Its error is a *Damage, which
// wraps ErrDamaged; then dst is returned as it was.
func ReadFrame(data []byte, dst []Entry) (Header, []Entry, error) {
	var d Decoder
	return d.ReadFrame(data, dst)
}

// A Decoder reads frames. It keeps the strings of a journal's dictionaries between frames, so that equal strings are kept once.
// It is not for use by two goroutines at a time; the zero value is ready.
//
// The entries of one frame are cut from common slabs: who keeps one entry for long keeps its frame's neighbours, about 300 bytes each.
type Decoder struct {
	data []byte
	pos  int
	end  int
	bad  string

	known map[string]string
	names []string
	gens  []vedette.GenerationID

	base     int64
	measures []vedette.Measures
	links    []vedette.Link
	reasons  []vedette.Reason
	sent     []vedette.LinkSent
	messages []vedette.MessageSent
}

// maxKnown bounds the strings kept between frames: past it the table starts anew.
const maxKnown = 4096

// ReadFrame is like the function of that name.
func (d *Decoder) ReadFrame(data []byte, dst []Entry) (Header, []Entry, error) {
	h, err := d.open(data)
	if err != nil {
		return h, dst, err
	}
	d.slabs(h.Count)
	start := len(dst)
	for i := range h.Count {
		dst = append(dst, Entry{})
		if err := d.at(h, i, &dst[len(dst)-1]); err != nil {
			clear(dst[start:])
			return h, dst[:start], err
		}
	}
	return h, dst, nil
}

// ReadEntry reads one entry of a frame. An index that the frame does not have is an error that wraps vedette.ErrUnknown.
func (d *Decoder) ReadEntry(data []byte, index int) (Entry, error) {
	h, err := d.open(data)
	if err != nil {
		return Entry{}, err
	}
	if index < 0 || index >= h.Count {
		return Entry{}, fmt.Errorf("journal: frame %d has no entry %d: %w", h.Number, index, vedette.ErrUnknown)
	}
	d.measures, d.links, d.reasons, d.sent, d.messages = nil, nil, nil, nil, nil
	var n Entry
	err = d.at(h, index, &n)
	return n, err
}

func (d *Decoder) open(data []byte) (Header, error) {
	h, err := ReadHeader(data)
	if err != nil {
		return h, err
	}
	d.data, d.bad, d.base = data, "", h.Base.UnixMilli()
	d.pos, d.end = int(binary.LittleEndian.Uint32(data[28:])), len(data)
	first := headerSize + 4*h.Count
	if d.pos < first || d.pos > d.end {
		return h, &Damage{Frame: h.Number, Offset: 28, What: "the dictionary lies outside"}
	}
	if end := int(binary.LittleEndian.Uint32(data[first-4:])); end != d.pos {
		return h, &Damage{Frame: h.Number, Offset: first - 4, What: "the last entry does not end where the dictionary begins"}
	}
	clear(d.names)
	d.names, d.gens = d.names[:0], d.gens[:0]
	n := d.count(1)
	for range n {
		d.names = append(d.names, d.intern(d.bytes(d.count(1))))
	}
	n = d.count(16)
	for range n {
		d.gens = append(d.gens, vedette.GenerationID(d.id()))
	}
	if d.bad == "" && d.pos != d.end {
		d.bad = "bytes are left over"
	}
	if d.bad != "" {
		return h, d.damage(h)
	}
	return h, nil
}

func (d *Decoder) damage(h Header) error {
	return &Damage{Frame: h.Number, Offset: d.pos, What: d.bad}
}

// at reads entry i into n.
func (d *Decoder) at(h Header, i int, n *Entry) error {
	d.pos = headerSize + 4*h.Count
	if i > 0 {
		d.pos = int(binary.LittleEndian.Uint32(d.data[headerSize+4*(i-1):]))
	}
	d.end = int(binary.LittleEndian.Uint32(d.data[headerSize+4*i:]))
	if d.pos < headerSize+4*h.Count || d.end < d.pos || d.end > len(d.data) {
		return &Damage{Frame: h.Number, Offset: headerSize + 4*i, What: fmt.Sprintf("entry %d lies outside", i)}
	}
	n.Position = Position{Frame: h.Number, Index: uint16(i)}
	d.entry(n)
	if d.bad == "" && d.pos != d.end {
		d.bad = fmt.Sprintf("entry %d has bytes left over", i)
	}
	if d.bad != "" {
		return d.damage(h)
	}
	return nil
}

// slabs makes room for what the frame's entries usually hold, cut by the kinds that stand at their beginnings.
func (d *Decoder) slabs(count int) {
	var links, messages int
	for i := range count {
		at := headerSize + 4*count
		if i > 0 {
			at = int(binary.LittleEndian.Uint32(d.data[headerSize+4*(i-1):]))
		}
		if at < len(d.data) {
			switch vedette.Kind(d.data[at]) {
			case vedette.KindLinkSent:
				links++
			case vedette.KindMessageSent:
				messages++
			}
		}
	}
	d.measures = make([]vedette.Measures, 0, count)
	d.links, d.sent, d.messages, d.reasons = nil, nil, nil, nil
	if links > 0 {
		d.links = make([]vedette.Link, 0, links)
		d.sent = make([]vedette.LinkSent, 0, links)
	}
	if messages > 0 {
		d.messages = make([]vedette.MessageSent, 0, messages)
	}
}

// cut returns n fresh elements from a slab, or from a new one when it is used up. Capacity is cut too: an append never reaches a neighbour.
func cut[T any](slab *[]T, n, room int) []T {
	if n == 0 {
		return nil
	}
	if cap(*slab)-len(*slab) < n {
		*slab = make([]T, 0, max(n, room))
	}
	at := len(*slab)
	*slab = (*slab)[:at+n]
	return (*slab)[at : at+n : at+n]
}

func (d *Decoder) fail(what string) {
	if d.bad == "" {
		d.bad = what
	}
	d.end = d.pos // nothing more is read
}

func (d *Decoder) intern(b []byte) string {
	if s, ok := d.known[string(b)]; ok {
		return s
	}
	if d.known == nil || len(d.known) >= maxKnown {
		d.known = make(map[string]string, 64)
	}
	s := string(b)
	d.known[s] = s
	return s
}

func (d *Decoder) u8() byte {
	if d.pos >= d.end {
		d.fail("cut short")
		return 0
	}
	c := d.data[d.pos]
	d.pos++
	return c
}

func (d *Decoder) uvarint() uint64 {
	if d.pos < d.end && d.data[d.pos] < 0x80 {
		d.pos++
		return uint64(d.data[d.pos-1])
	}
	return d.uvarintSlow()
}

func (d *Decoder) uvarintSlow() uint64 {
	v, n := binary.Uvarint(d.data[d.pos:d.end])
	if n <= 0 {
		d.fail("a number that cannot be read")
		return 0
	}
	d.pos += n
	return v
}

func (d *Decoder) varint() int64 { return unzigzag(d.uvarint()) }

func (d *Decoder) limited(limit uint64, what string) uint64 {
	v := d.uvarint()
	if v > limit {
		d.fail(what)
		return 0
	}
	return v
}

// count reads how many things follow, each of at least size bytes, so that a damaged count asks for no memory.
func (d *Decoder) count(size int) int {
	v := d.uvarint()
	if v > uint64(d.end-d.pos)/uint64(size) {
		d.fail("a count beyond the bytes that follow")
		return 0
	}
	return int(v)
}

func (d *Decoder) bytes(n int) []byte {
	if d.end-d.pos < n {
		d.fail("cut short")
		return nil
	}
	d.pos += n
	return d.data[d.pos-n : d.pos]
}

func (d *Decoder) id() (id [16]byte) {
	if d.end-d.pos < 16 {
		d.fail("cut short")
		return id
	}
	id = [16]byte(d.data[d.pos:])
	d.pos += 16
	return id
}

func (d *Decoder) optionalID() (id [16]byte) {
	switch d.u8() {
	case 0:
	case 1:
		return d.id()
	default:
		d.fail("an identity is neither there nor absent")
	}
	return id
}

func (d *Decoder) name() string {
	i := d.uvarint()
	if i >= uint64(len(d.names)) {
		d.fail("a string that the dictionary does not have")
		return ""
	}
	return d.names[i]
}

func (d *Decoder) generation() vedette.GenerationID {
	i := d.uvarint()
	if i == 0 {
		return vedette.GenerationID{}
	}
	if i > uint64(len(d.gens)) {
		d.fail("a generation that the dictionary does not have")
		return vedette.GenerationID{}
	}
	return d.gens[i-1]
}

func (d *Decoder) entry(n *Entry) {
	ev := &n.Event
	kind := vedette.Kind(d.u8())
	door := d.u8()
	has := d.u8()
	if has >= hasDegraded<<1 {
		d.fail("a presence bit that is not known to this build")
	}
	ev.Source, ev.Tier = vedette.SourceID(door>>2), vedette.Tier(door&3)
	seen := d.base + d.varint()
	ev.Seen = time.UnixMilli(seen).UTC()
	ev.At = time.UnixMilli(seen - d.varint()).UTC()
	ev.Tenant = vedette.Tenant(d.name())
	ev.Platform = d.name()
	if has&hasID != 0 {
		ev.ID = d.id()
	}
	if has&hasBytes != 0 {
		copy(ev.Bytes[:], d.bytes(32))
	}
	if has&hasActor != 0 {
		ev.Actor = d.id()
	}
	ev.Body = d.body(kind)
	if k := d.count(1); k > maxMeasures {
		d.fail("too many sets of measures")
	} else if k > 0 {
		n.Measures = cut(&d.measures, k, 16)
		for i := range n.Measures {
			d.measured(&n.Measures[i])
		}
	}
	d.decision(&n.Decision, has&hasDegraded != 0)
}

func (d *Decoder) measured(m *vedette.Measures) {
	p := d.uvarint()
	if p>>vedette.MeasureCount != 0 {
		d.fail("a measure that is not known to this build")
		return
	}
	for k := vedette.Measure(0); p != 0; k, p = k+1, p>>1 {
		if p&1 != 0 {
			m.Set(k, d.varint())
		}
	}
}

func (d *Decoder) decision(n *vedette.Decision, degraded bool) {
	v := d.u8()
	if v >= 1<<4 {
		d.fail("a verdict that is not known to this build")
	}
	n.Verdict, n.Would = vedette.Verdict(v&3), vedette.Verdict(v>>2&3)
	if degraded {
		n.Degraded = vedette.Degraded(d.limited(1<<16-1, "too many missing parts"))
	}
	n.Generation = d.generation()
	n.Took = time.Duration(d.varint())
	k := d.count(6)
	if k == 0 {
		return
	}
	n.Reasons = cut(&d.reasons, k, 64)
	for i := range n.Reasons {
		r := &n.Reasons[i]
		bits := d.u8()
		if bits >= 1<<5 {
			d.fail("a reason's bit that is not known to this build")
		}
		r.Verdict, r.Armed, r.Shadow = vedette.Verdict(bits&3), vedette.Verdict(bits>>2&3), bits&(1<<4) != 0
		r.Link = int8(d.u8())
		r.Rule = vedette.RuleID(d.name())
		r.Text = d.name()
		w := d.varint()
		if w != int64(int32(w)) {
			d.fail("a weight out of range")
		}
		r.Weight = vedette.MilliBits(w)
		r.Match = uint32(d.limited(1<<32-1, "an indicator number out of range"))
	}
}

func (d *Decoder) u16() uint16 { return uint16(d.limited(1<<16-1, "a number over 65,535")) }
func (d *Decoder) u32() uint32 { return uint32(d.limited(1<<32-1, "a number over 32 bits")) }

func (d *Decoder) network() (n vedette.Network) {
	n.ID = d.optionalID()
	n.ASN = d.u32()
	n.Country = vedette.Country{d.u8(), d.u8()}
	n.Class = vedette.NetworkClass(d.u8())
	return n
}

func (d *Decoder) recipient(r *vedette.Recipient) {
	r.Account = d.optionalID()
	r.Group = d.optionalID()
	r.Size = d.u16()
}

func (d *Decoder) linkList() []vedette.Link {
	n := d.count(9)
	ls := cut(&d.links, n, 16)
	for i := range ls {
		d.link(&ls[i])
	}
	return ls
}

func (d *Decoder) link(l *vedette.Link) {
	l.Where = vedette.Place(d.u8())
	mask := d.u8()
	if mask >= oddTokens<<1 || mask == oddTokens {
		d.fail("a token's place that is not known to this build")
		return
	}
	var epoch uint16
	if mask != 0 && mask&oddTokens == 0 {
		epoch = d.u16()
	}
	for i, t := range [4]*vedette.Token{&l.Domain, &l.Host, &l.Tenant, &l.URL} {
		if mask&(1<<i) == 0 {
			continue
		}
		t.Kind, t.Epoch = tokenKinds[i], epoch
		if mask&oddTokens != 0 {
			t.Kind = vedette.TokenKind(d.u8())
			t.Epoch = d.u16()
			if t.Kind == vedette.TokenNone {
				d.fail("a token without a kind")
			}
		}
		t.Bytes = d.id()
	}
	s := &l.Shape
	s.Flags = vedette.ShapeFlag(d.u32())
	s.TokenLike, s.Entropy, s.PathSegments, s.QueryKeys, s.HostLabels = d.u8(), d.u8(), d.u8(), d.u8(), d.u8()
	s.Length = d.u16()
}

func (d *Decoder) body(kind vedette.Kind) vedette.Body {
	switch kind {
	case vedette.KindAccountRegistered:
		v := &vedette.AccountRegistered{Device: d.optionalID(), Build: d.u32(), Network: d.network()}
		v.Number.Country = vedette.Country{d.u8(), d.u8()}
		v.Number.Carrier = vedette.CarrierClass(d.u8())
		v.Number.Block = d.optionalID()
		v.Attestation = vedette.Attestation(d.u8())
		v.Returned = vedette.Tri(d.u8())
		return v
	case vedette.KindAccountSeen:
		return &vedette.AccountSeen{Device: d.optionalID(), Network: d.network()}
	case vedette.KindAccountDeleted:
		return &vedette.AccountDeleted{Reason: vedette.DeletionReason(d.u8())}
	case vedette.KindAccountRestored:
		return &vedette.AccountRestored{}
	case vedette.KindDeviceLinked:
		return &vedette.DeviceLinked{Device: d.optionalID(), Network: d.network()}
	case vedette.KindDeviceUnlinked:
		return &vedette.DeviceUnlinked{Device: d.optionalID()}
	case vedette.KindGroupCreated:
		return &vedette.GroupCreated{Group: d.optionalID(), Size: d.u16(), Links: d.linkList()}
	case vedette.KindGroupJoined:
		return &vedette.GroupJoined{Group: d.optionalID(), Member: d.optionalID(), By: vedette.JoinWay(d.u8()), Size: d.u16()}
	case vedette.KindGroupLeft:
		return &vedette.GroupLeft{Group: d.optionalID(), Member: d.optionalID()}
	case vedette.KindGroupDeleted:
		return &vedette.GroupDeleted{Group: d.optionalID()}
	case vedette.KindMessageSent:
		v := &cut(&d.messages, 1, 1)[0]
		d.recipient(&v.To)
		v.Count = d.u16()
		v.Size, v.Forwarded = d.u8(), d.u8()
		v.HasLink, v.Reply, v.Stranger = vedette.Tri(d.u8()), vedette.Tri(d.u8()), vedette.Tri(d.u8())
		return v
	case vedette.KindLinkSent:
		v := &cut(&d.sent, 1, 1)[0]
		d.recipient(&v.To)
		v.Forwarded = d.u8()
		v.Reply, v.Stranger = vedette.Tri(d.u8()), vedette.Tri(d.u8())
		v.Links = d.linkList()
		return v
	case vedette.KindLinkPreviewed:
		return &vedette.LinkPreviewed{From: d.optionalID(), Group: d.optionalID(), Links: d.linkList()}
	case vedette.KindLinkOpened:
		return &vedette.LinkOpened{From: d.optionalID(), Group: d.optionalID(), Links: d.linkList()}
	case vedette.KindNumberLookedUp:
		return &vedette.NumberLookedUp{Target: d.optionalID(), Via: vedette.LookupWay(d.u8())}
	case vedette.KindUserBlocked:
		return &vedette.UserBlocked{Subject: d.optionalID()}
	case vedette.KindUserUnblocked:
		return &vedette.UserUnblocked{Subject: d.optionalID()}
	case vedette.KindUserReported:
		return &vedette.UserReported{
			Subject: d.optionalID(), Group: d.optionalID(), Message: d.optionalID(),
			Category: vedette.ReportCategory(d.u8()), Links: d.linkList(),
		}
	case vedette.KindProfileChanged:
		return &vedette.ProfileChanged{Links: d.linkList()}
	case vedette.KindTick:
		return &vedette.Tick{}
	case vedette.KindGeneration:
		return &vedette.GenerationMade{ID: d.generation()}
	}
	d.fail(fmt.Sprintf("kind %d is not known to this build", uint8(kind)))
	return nil
}

// Damaged returns where a frame is damaged, when err says so.
func Damaged(err error) (*Damage, bool) {
	var d *Damage
	ok := errors.As(err, &d)
	return d, ok
}
