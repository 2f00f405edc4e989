package indicator

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/FastFilter/xorfilter"
	"github.com/cespare/xxhash/v2"

	"vedette"
	"vedette/link"
)

// TokenMaker makes the tokens under which a tenant's links are known in each epoch that a set must serve.
type TokenMaker interface {
	Epochs() []uint16
	Token(epoch uint16, kind vedette.TokenKind, name string) vedette.Token
}

// Set is the live indicators, compiled. It is immutable and safe for any number of readers; the nil Set has no indicators.
//
// It holds no text: a name is known by the first 128 bits of SHA-256 over scope and name, sorted, with a row number beside it. Filters over
// registrable domains, and then over names, answer nearly all of the links that no indicator covers; only the exact key finds one.
type Set struct {
	table  table
	rows   []row
	list   []vedette.RuleID // by row.source
	source []string
	about  []string // operators
	hosts  *xorfilter.BinaryFuse8
	paths  *xorfilter.BinaryFuse8
	names  *xorfilter.BinaryFuse8 // over scope and name: spares most of the SHA-256 on domains that have some indicator
	above  bool                   // some indicator covers a whole public suffix: two people said so
	ports  bool                   // some indicator names a port
	epochs []uint16
	tokens []tokenTable
	cover  Coverage
	digest vedette.Digest
}

// Coverage counts the indicators by how far tokens can find them.
type Coverage struct {
	Whole int // found wherever the URL would be
	Part  int // found for some of what the scope covers: a subdomain's own host of all below it, a URL without other ports
	None  int // not matchable here
}

// Entry tells what is known of an indicator in a set. The name itself is not kept there.
type Entry struct {
	Number     uint32
	Scope      Scope
	Source     string
	Operator   string
	Grade      Admiralty
	Confidence Confidence
	TLP        TLP
	ValidFrom  time.Time
	ValidUntil time.Time
	KnownFrom  time.Time
	Published  time.Time
	Verdict    vedette.Verdict
	Weight     vedette.MilliBits
	List       vedette.RuleID
	Label      string // "as published by S on D"
}

type key struct{ hi, lo uint64 }

func (k key) compare(o key) int {
	if k.hi != o.hi {
		return cmp.Compare(k.hi, o.hi)
	}
	return cmp.Compare(k.lo, o.lo)
}

func sum128(b []byte) [16]byte {
	s := sha256.Sum256(b)
	return [16]byte(s[:16])
}

func keyOf(b []byte) key {
	s := sha256.Sum256(b)
	return key{binary.BigEndian.Uint64(s[:8]), binary.BigEndian.Uint64(s[8:16])}
}

// row is what many indicators share. It has no pointers: a set of ten million with a row each is still one flat slice.
type row struct {
	source, operator                    uint32
	from, until, known, publishedMillis int64 // Unix milliseconds; noTime: absent
	weight                              vedette.MilliBits
	grade                               Admiralty
	confidence                          Confidence
	tlp                                 TLP
	scope                               Scope
	verdict                             vedette.Verdict
}

const noTime = math.MinInt64

func millis(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == noTime {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// table finds 128-bit keys: sorted, with an index over their first bits, about five keys to a step.
type table struct {
	keys  []key
	refs  []uint32 // what a key stands for: a row, or an indicator's number
	index []uint32 // by the first bits of a key: where keys that begin so begin
	shift uint
}

func (t *table) build() {
	n := uint64(len(t.keys))
	width := bits.Len64(n / 8)
	t.shift = 64 - uint(width)
	t.index = make([]uint32, 1<<width+1)
	i := 0
	for b := range t.index {
		for i < len(t.keys) && t.keys[i].hi>>t.shift < uint64(b) { // a shift by 64 gives 0
			i++
		}
		t.index[b] = uint32(i)
	}
	t.index[len(t.index)-1] = uint32(len(t.keys))
}

// find returns the range of positions whose key is k.
func (t *table) find(k key) (from, to int) {
	if len(t.keys) == 0 {
		return 0, 0
	}
	b := k.hi >> t.shift
	i, end := int(t.index[b]), int(t.index[b+1])
	for i < end && t.keys[i].compare(k) < 0 {
		i++
	}
	for to = i; to < end && t.keys[to] == k; {
		to++
	}
	return i, to
}

func (t *table) bytes() int { return 16*cap(t.keys) + 4*cap(t.refs) + 4*cap(t.index) }

// tokenTable finds tokens of one epoch and kind by their first 64 bits. Tokens are keyed, so nobody can look for two that agree; among ten
// million indicators an honest token meets a stranger's once in 10^12 look-ups.
type tokenTable struct {
	epoch uint16
	kind  vedette.TokenKind
	keys  []uint64
	refs  []uint32 // numbers of indicators
	index []uint32
	shift uint
}

func (t *tokenTable) build() {
	width := bits.Len64(uint64(len(t.keys)) / 8)
	t.shift = 64 - uint(width)
	t.index = make([]uint32, 1<<width+1)
	i := 0
	for b := range t.index {
		for i < len(t.keys) && t.keys[i]>>t.shift < uint64(b) {
			i++
		}
		t.index[b] = uint32(i)
	}
	t.index[len(t.index)-1] = uint32(len(t.keys))
}

func (t *tokenTable) find(k uint64) (from, to int) {
	b := k >> t.shift
	i, end := int(t.index[b]), int(t.index[b+1])
	for i < end && t.keys[i] < k {
		i++
	}
	for to = i; to < end && t.keys[to] == k; {
		to++
	}
	return i, to
}

func (t *tokenTable) bytes() int { return 8*cap(t.keys) + 4*cap(t.refs) + 4*cap(t.index) }

// anchor is the name under which the filters know a host: its registrable domain, or itself where there is none.
func anchor(host, registrable string) string {
	if registrable != "" {
		return registrable
	}
	return host
}

type draft struct {
	key key
	row uint32
	ord uint32
}

type tokenDraft struct {
	key uint64
	ord uint32
}

// Build compiles indicators. Their values may be in any form that Canonical reads; one that it does not read fails the build, since a set
// that silently lacks an indicator would be worse than none. Order and repetition of the list change nothing.
func Build(list iter.Seq[Indicator], tokens TokenMaker) (*Set, error) {
	b := builder{set: new(Set), rows: map[row]uint32{}, sources: map[string]uint32{}, operators: map[string]uint32{}}
	if tokens != nil {
		b.tokens = tokens
		b.set.epochs = slices.Clone(tokens.Epochs())
		slices.Sort(b.set.epochs)
		b.set.epochs = slices.Compact(b.set.epochs)
		b.drafts = make([][5][]tokenDraft, len(b.set.epochs))
	}
	for in := range list {
		if err := b.add(&in); err != nil {
			return nil, err
		}
	}
	return b.finish()
}

type builder struct {
	set                *Set // made by itself: what the builder needs does not outlive the build
	entries            []draft
	rows               map[row]uint32
	rowList            []row
	sources, operators map[string]uint32
	hosts, paths       []uint64
	names              []uint64
	tokens             TokenMaker
	drafts             [][5][]tokenDraft // by epoch, by kind
	buf                []byte
}

func intern(m map[string]uint32, list *[]string, s string) uint32 {
	i, ok := m[s]
	if !ok {
		s = strings.Clone(s)
		i = uint32(len(*list))
		m[s], *list = i, append(*list, s)
	}
	return i
}

func (b *builder) add(in *Indicator) error {
	if len(b.entries) >= math.MaxUint32-1 {
		return fmt.Errorf("indicator: more than %d indicators: %w", math.MaxUint32-1, vedette.ErrTooLarge)
	}
	value, err := Canonical(in.Value, in.Scope)
	if err != nil {
		return fmt.Errorf("indicator: build: %s %q of %s: %w", in.Scope, in.Value, in.Source, err)
	}
	r := row{
		source: intern(b.sources, &b.set.source, in.Source), operator: intern(b.operators, &b.set.about, in.Operator),
		from: millis(in.ValidFrom), until: millis(in.ValidUntil), known: millis(in.KnownFrom), publishedMillis: millis(in.Published),
		weight: in.Weight, grade: in.Grade, confidence: in.Confidence, tlp: in.TLP, scope: in.Scope, verdict: in.Verdict,
	}
	n, ok := b.rows[r]
	if !ok {
		n = uint32(len(b.rowList))
		b.rows[r], b.rowList = n, append(b.rowList, r)
	}
	b.buf = append(append(b.buf[:0], byte(in.Scope)), value...)
	ord := uint32(len(b.entries))
	b.entries = append(b.entries, draft{keyOf(b.buf), n, ord})
	b.names = append(b.names, xxhash.Sum64(b.buf))

	host := hostOf(value)
	reg := ""
	if _, ok := address(host); !ok {
		reg = link.Registrable(host)
		if reg == "" && in.Scope == ScopeDomain {
			b.set.above = true
		}
	}
	h := xxhash.Sum64String(anchor(host, reg))
	if in.Scope == ScopeURL || in.Scope == ScopePath {
		b.paths = append(b.paths, h)
	} else {
		b.hosts = append(b.hosts, h)
		if len(host) != len(value) {
			b.set.ports = true
		}
	}
	if b.tokens != nil {
		b.token(in.Scope, value, host, reg, ord)
	}
	return nil
}

// token compiles the names that tokens can express and that the scope covers, never more.
func (b *builder) token(scope Scope, value, host, reg string, ord uint32) {
	var names [4]string
	kind, n, whole := vedette.TokenNone, 0, true
	put := func(k vedette.TokenKind, s ...string) { kind = k; n = copy(names[:], s) }
	// What was listed as www.www.x stands here as www.x, and covers what it was listed as alone: a link to www.x is one to x.
	doubled := stripWWW(host) != host
	switch scope {
	case ScopeHost:
		if _, ok := address(host); ok {
			reg = ""
		}
		switch {
		case len(host) != len(value): // a port
		case reg == "":
			put(vedette.TokenHost, host)
		case doubled:
			put(vedette.TokenHost, "www."+host)
		default:
			put(vedette.TokenHost, host, "www."+host)
		}
	case ScopeDomain:
		_, isAddress := address(host)
		switch {
		case reg == host:
			put(vedette.TokenDomain, host)
		case isAddress:
			put(vedette.TokenHost, host)
		case reg != "":
			put(vedette.TokenHost, host)
			whole = false
		}
	case ScopeURL:
		put(vedette.TokenURL, "https://"+value, "http://"+value)
		switch {
		case doubled:
			put(vedette.TokenURL, "https://www."+value, "http://www."+value)
		case reg != "":
			put(vedette.TokenURL, "https://"+value, "http://"+value, "https://www."+value, "http://www."+value)
		}
		whole = false // other schemes and ports
	case ScopePath:
		if u, err := link.Parse("https://" + value); err == nil && u.HostTenant() == value {
			put(vedette.TokenTenant, value)
		}
	}
	switch {
	case n == 0:
		b.set.cover.None++
		return
	case whole:
		b.set.cover.Whole++
	default:
		b.set.cover.Part++
	}
	for e, epoch := range b.set.epochs {
		for _, name := range names[:n] {
			t := b.tokens.Token(epoch, kind, name)
			b.drafts[e][kind] = append(b.drafts[e][kind], tokenDraft{tokenKey(t), ord})
		}
	}
}

func tokenKey(t vedette.Token) uint64 { return binary.BigEndian.Uint64(t.Bytes[:8]) }

func (b *builder) finish() (*Set, error) {
	s := b.set
	// Rows in an order that their content gives, so that numbers and digest do not depend on the order of arrival.
	order := make([]uint32, len(b.rowList))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(x, y uint32) int { return b.compareRows(&b.rowList[x], &b.rowList[y]) })
	place := make([]uint32, len(order))
	s.rows = make([]row, len(order))
	for i, o := range order {
		place[o] = uint32(i)
		s.rows[i] = b.rowList[o]
	}
	b.rows, b.rowList = nil, nil
	for i := range b.entries {
		b.entries[i].row = place[b.entries[i].row]
	}
	slices.SortFunc(b.entries, func(x, y draft) int {
		if c := x.key.compare(y.key); c != 0 {
			return c
		}
		return cmp.Compare(x.row, y.row)
	})
	// The number of each arrival; the same statement twice is one indicator.
	number := make([]uint32, 0)
	if b.tokens != nil {
		number = make([]uint32, len(b.entries))
	}
	count := 0
	for i, e := range b.entries {
		if i == 0 || e.key != b.entries[i-1].key || e.row != b.entries[i-1].row {
			count++
		}
		if b.tokens != nil {
			number[e.ord] = uint32(count - 1)
		}
	}
	s.table.keys, s.table.refs = make([]key, 0, count), make([]uint32, 0, count)
	for i, e := range b.entries {
		if i == 0 || e.key != b.entries[i-1].key || e.row != b.entries[i-1].row {
			s.table.keys, s.table.refs = append(s.table.keys, e.key), append(s.table.refs, e.row)
		}
	}
	b.entries = nil
	s.table.build()
	for _, src := range s.source {
		s.list = append(s.list, vedette.RuleID("list:"+src))
	}
	for e := range b.drafts {
		for kind, d := range b.drafts[e] {
			if len(d) == 0 {
				continue
			}
			for i := range d {
				d[i].ord = number[d[i].ord]
			}
			slices.SortFunc(d, func(x, y tokenDraft) int {
				if c := cmp.Compare(x.key, y.key); c != 0 {
					return c
				}
				return cmp.Compare(x.ord, y.ord)
			})
			d = slices.Compact(d)
			t := tokenTable{epoch: s.epochs[e], kind: vedette.TokenKind(kind)}
			t.keys, t.refs = make([]uint64, len(d)), make([]uint32, len(d))
			for i := range d {
				t.keys[i], t.refs[i] = d[i].key, d[i].ord
			}
			t.build()
			s.tokens = append(s.tokens, t)
			b.drafts[e][kind] = nil
		}
	}
	var err error
	for _, f := range []struct {
		to     **xorfilter.BinaryFuse8
		hashes *[]uint64
	}{{&s.hosts, &b.hosts}, {&s.paths, &b.paths}, {&s.names, &b.names}} {
		if *f.to, err = filter(*f.hashes); err != nil {
			return nil, fmt.Errorf("indicator: build: %w", err)
		}
		*f.hashes = nil
	}
	s.digest = s.sum()
	return s, nil
}

func filter(hashes []uint64) (*xorfilter.BinaryFuse8, error) {
	if len(hashes) == 0 {
		return nil, nil
	}
	slices.Sort(hashes)
	hashes = slices.Compact(hashes)
	return xorfilter.PopulateBinaryFuse8(hashes)
}

func (b *builder) compareRows(x, y *row) int {
	if c := cmp.Compare(b.set.source[x.source], b.set.source[y.source]); c != 0 {
		return c
	}
	if c := cmp.Compare(b.set.about[x.operator], b.set.about[y.operator]); c != 0 {
		return c
	}
	var bx, by [64]byte
	return bytes.Compare(x.append(bx[:0]), y.append(by[:0]))
}

// append writes the row's content but for its strings, in fixed width.
func (r *row) append(dst []byte) []byte {
	for _, t := range [...]int64{r.from, r.until, r.known, r.publishedMillis, int64(r.weight)} {
		dst = binary.BigEndian.AppendUint64(dst, uint64(t))
	}
	g, c := r.grade.known()
	return append(dst, g, c, byte(r.confidence), byte(r.tlp), byte(r.scope), byte(r.verdict))
}

// sum digests what a match can depend on: the rows with their names, every key with its row, the epochs of the tokens.
func (s *Set) sum() (d vedette.Digest) {
	h := sha256.New()
	h.Write([]byte("vedette indicator set 1\n"))
	buf := make([]byte, 0, 64<<10)
	text := func(s string) {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(s)))
		buf = append(buf, s...)
	}
	flush := func(limit int) {
		if len(buf) > limit {
			h.Write(buf)
			buf = buf[:0]
		}
	}
	for i := range s.rows {
		text(s.source[s.rows[i].source])
		text(s.about[s.rows[i].operator])
		buf = s.rows[i].append(buf)
		flush(32 << 10)
	}
	buf = append(buf, '\n')
	for i, k := range s.table.keys {
		buf = binary.BigEndian.AppendUint64(buf, k.hi)
		buf = binary.BigEndian.AppendUint64(buf, k.lo)
		buf = binary.BigEndian.AppendUint32(buf, s.table.refs[i])
		flush(32 << 10)
	}
	buf = append(buf, '\n')
	for _, e := range s.epochs {
		buf = binary.BigEndian.AppendUint16(buf, e)
	}
	flush(0)
	h.Sum(d[:0])
	return d
}

// Digest returns the digest of the set's content. Equal content gives an equal digest, whatever the order it came in.
func (s *Set) Digest() vedette.Digest {
	if s == nil {
		return (&Set{}).sum()
	}
	return s.digest
}

// Len returns the number of indicators.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.table.keys)
}

// Coverage tells how far tokens can find the indicators. It is zero for a set built without tokens.
func (s *Set) Coverage() Coverage {
	if s == nil {
		return Coverage{}
	}
	return s.cover
}

// Bytes returns how much memory the set holds, in bytes; names of sources and operators are counted too.
func (s *Set) Bytes() int {
	if s == nil {
		return 0
	}
	n := s.table.bytes() + 72*cap(s.rows)
	for _, t := range s.tokens {
		n += t.bytes()
	}
	for _, f := range []*xorfilter.BinaryFuse8{s.hosts, s.paths, s.names} {
		if f != nil {
			n += cap(f.Fingerprints)
		}
	}
	for _, x := range s.source {
		n += 2*len(x) + 48
	}
	for _, x := range s.about {
		n += len(x) + 16
	}
	return n
}

// Entry tells about an indicator of this set by its number. A number that no Match of this set gave is answered with the zero Entry.
func (s *Set) Entry(number uint32) Entry {
	if s == nil || int(number) >= len(s.table.refs) {
		return Entry{}
	}
	r := &s.rows[s.table.refs[number]]
	e := Entry{
		Number: number, Scope: r.scope, Source: s.source[r.source], Operator: s.about[r.operator], Grade: r.grade, Confidence: r.confidence, TLP: r.tlp,
		ValidFrom: fromMillis(r.from), ValidUntil: fromMillis(r.until), KnownFrom: fromMillis(r.known), Published: fromMillis(r.publishedMillis),
		Verdict: r.verdict, Weight: r.weight, List: s.list[r.source],
	}
	e.Label = Label(e.Source, e.Published, e.KnownFrom)
	return e
}

// Asks returns each list's strongest verdict: arming a list further changes nothing.
func (s *Set) Asks() map[vedette.RuleID]vedette.Verdict {
	out := map[vedette.RuleID]vedette.Verdict{}
	if s == nil {
		return out
	}
	for i := range s.rows {
		list := s.list[s.rows[i].source]
		out[list] = max(out[list], s.rows[i].verdict)
	}
	return out
}

// nameBuffer is enough for every host; longer URLs take one from a pool, so that nothing is allocated for them either.
const nameBuffer = 320

var longNames = sync.Pool{New: func() any { b := make([]byte, 0, maxValue+nameBuffer); return &b }}

// Match appends the indicators that cover a link at a time: by URL, by path, by host, by domain, and all sources of each. With hindsight it asks neither since
// when an indicator is valid nor since when it is known; a term that had ended still counts as ended, since names change hands.
func (s *Set) Match(u *link.URL, at time.Time, hindsight bool, dst []Match) []Match {
	if s == nil || len(s.table.keys) == 0 {
		return dst
	}
	host, reg := u.Host(), u.Registrable()
	if host == "" {
		return dst
	}
	h := xxhash.Sum64String(anchor(host, reg))
	hosts := s.hosts != nil && s.hosts.Contains(h)
	paths := s.paths != nil && s.paths.Contains(h)
	if !hosts && !paths && !s.above {
		return dst
	}
	ms := at.UnixMilli()
	bare := host
	if host != reg && strings.HasPrefix(host, "www.") && strings.IndexByte(host[4:], '.') > 0 {
		bare = host[4:]
	}
	if paths {
		dst = s.matchPaths(u, bare, ms, hindsight, dst)
	}
	var buf [nameBuffer]byte
	if hosts && len(bare) < nameBuffer-8 {
		if s.ports {
			if port := portOf(u.Canonical()); port != "" {
				b := append(append(append(append(buf[:0], byte(ScopeHost)), bare...), ':'), port...)
				dst = s.found(b, ms, hindsight, dst)
			}
		}
		dst = s.found(append(append(buf[:0], byte(ScopeHost)), bare...), ms, hindsight, dst)
		for name := host; name != ""; name = parent(name) {
			dst = s.found(append(append(buf[:0], byte(ScopeDomain)), name...), ms, hindsight, dst)
			if name == reg || reg == "" {
				break
			}
		}
	}
	if s.above && host[0] != '[' && !isIPv4(host) && len(host) < nameBuffer-8 {
		for name := parent(anchor(host, reg)); name != ""; name = parent(name) {
			dst = s.found(append(append(buf[:0], byte(ScopeDomain)), name...), ms, hindsight, dst)
		}
	}
	return dst
}

func parent(name string) string {
	if i := strings.IndexByte(name, '.'); i >= 0 {
		return name[i+1:]
	}
	return ""
}

// maxSegments bounds the depth of a path indicator, and so how many look-ups one link may cost.
const maxSegments = 32

func (s *Set) matchPaths(u *link.URL, bare string, ms int64, hindsight bool, dst []Match) []Match {
	_, rest := split(u)
	var local [nameBuffer]byte
	buf := local[:0]
	if len(bare)+len(rest)+1 > nameBuffer {
		long := longNames.Get().(*[]byte)
		defer longNames.Put(long)
		buf = (*long)[:0]
	}
	buf = append(append(append(buf, byte(ScopeURL)), bare...), rest...)
	dst = s.found(buf, ms, hindsight, dst)
	buf[0] = byte(ScopePath)
	if q := strings.IndexByte(rest, '?'); q >= 0 {
		buf = buf[:len(buf)-(len(rest)-q)]
	}
	// From the host downward, so that an attacker cannot hide below a bad path by going deeper; Canonical refuses deeper indicators.
	begin, segments := 1+len(bare), 0
	for i := begin + 1; i <= len(buf) && segments < maxSegments; i++ {
		if i < len(buf) && buf[i] != '/' || buf[i-1] == '/' {
			continue
		}
		segments++
		dst = s.found(buf[:i], ms, hindsight, dst)
	}
	// A hoster's tenant goes by its name alone, without the hoster's own words before it ("/view/"), as its token does.
	if u.Shape().Flags.Has(vedette.ShapeSharedHost) {
		if t := u.HostTenant(); len(t) > len(bare) && strings.HasPrefix(t, bare) && t[len(bare)] == '/' && !strings.HasPrefix(rest, t[len(bare):]) {
			dst = s.found(append(append(buf[:0], byte(ScopePath)), t...), ms, hindsight, dst)
		}
	}
	return dst
}

// found appends the indicators of a scope and name that are in force.
func (s *Set) found(name []byte, ms int64, hindsight bool, dst []Match) []Match {
	if !s.names.Contains(xxhash.Sum64(name)) {
		return dst
	}
	for i, to := s.table.find(keyOf(name)); i < to; i++ {
		dst = s.one(uint32(i), ms, hindsight, dst)
	}
	return dst
}

func (s *Set) one(number uint32, ms int64, hindsight bool, dst []Match) []Match {
	r := &s.rows[s.table.refs[number]]
	if r.until != noTime && ms >= r.until || !hindsight && (ms < r.from || ms < r.known) {
		return dst
	}
	return append(dst, Match{Number: number, Scope: r.scope, Verdict: r.verdict, Weight: r.weight, List: s.list[r.source]})
}

// MatchTokens appends the indicators that cover a link of which only tokens are known. known is false when the link has tokens of an epoch
// that the set was not compiled for: then silence says nothing.
func (s *Set) MatchTokens(l *vedette.Link, at time.Time, hindsight bool, dst []Match) (ms []Match, known bool) {
	known = true
	now := at.UnixMilli()
	start := len(dst)
	for _, t := range [...]vedette.Token{l.URL, l.Tenant, l.Host, l.Domain} {
		if t.IsZero() {
			continue
		}
		if s == nil || !slices.Contains(s.epochs, t.Epoch) {
			known = false
			continue
		}
		for i := range s.tokens {
			tt := &s.tokens[i]
			if tt.epoch != t.Epoch || tt.kind != t.Kind {
				continue
			}
			for i, to := tt.find(tokenKey(t)); i < to; i++ {
				n := tt.refs[i]
				if !slices.ContainsFunc(dst[start:], func(m Match) bool { return m.Number == n }) {
					dst = s.one(n, now, hindsight, dst)
				}
			}
		}
	}
	return dst, known
}
