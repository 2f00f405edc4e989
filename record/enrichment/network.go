package enrichment

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"vedette"
	"vedette/link"
)

// Bounds of tables of networks.
const (
	maxRows    = 4 << 20
	maxUnzip   = 512 << 20 // bytes of one table, unpacked
	maxRow     = 1 << 16
	maxRefused = 1000 // refusals that a report names one by one; all are counted
)

// Refusal names a line that was not taken, and why.
type Refusal struct {
	Where  string `json:"where"` // "line 12"
	Value  string `json:"value"` // defanged, clipped
	Reason string `json:"reason"`
}

// ASNs tells to whom networks belong: an immutable table of spans, about 60 bytes each.
type ASNs struct {
	source string
	spans  spans
	names  map[uint32]string
}

// span is a run of addresses and what is said of it.
type span struct {
	from, to netip.Addr // both in it
	reach    netip.Addr // the highest end of this and all spans before it
	asn      uint32     // or the number of a name
}

// spans are sorted by where they begin, wider ones first, so that the nearest to the left that covers an address is the narrowest.
type spans []span

func (s spans) sort() {
	slices.SortFunc(s, func(x, y span) int {
		return cmp.Or(x.from.Compare(y.from), y.to.Compare(x.to), cmp.Compare(y.asn, x.asn))
	})
	for i := range s {
		s[i].reach = s[i].to
		if i > 0 && s[i].reach.Less(s[i-1].reach) {
			s[i].reach = s[i-1].reach
		}
	}
}

// covering returns the narrowest span that an address is in.
func (s spans) covering(a netip.Addr) (span, bool) {
	i, _ := slices.BinarySearchFunc(s, a, func(s span, a netip.Addr) int {
		if s.from.Compare(a) <= 0 {
			return -1
		}
		return 1
	})
	for i--; i >= 0 && !s[i].reach.Less(a); i-- {
		if !s[i].to.Less(a) {
			return s[i], true
		}
	}
	return span{}, false
}

// LoadASNs reads a table of networks, plain or gzip: rows "first,last,number[,name]" where first and last are addresses, or IPv4 addresses as
// whole numbers; or rows "network,number[,name]" with the network as a prefix. Comma or tab divide. Rows that it cannot read are named; its error
// wraps vedette.ErrInvalid or ErrTooLarge. source is who published it.
func LoadASNs(r io.Reader, source string) (*ASNs, []Refusal, error) {
	if err := checkSource(source); err != nil {
		return nil, nil, fmt.Errorf("enrichment: table of networks: %w", err)
	}
	r, err := unzip(r)
	if err != nil {
		return nil, nil, fmt.Errorf("enrichment: table of networks: %w", err)
	}
	a := &ASNs{source: source, names: map[uint32]string{}}
	var refused []Refusal
	lines := &lines{br: bufio.NewReaderSize(r, 64<<10), max: maxRow}
	for {
		line, cut, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, refused, fmt.Errorf("enrichment: table of networks: line %d: %w", lines.n+1, err)
		}
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		s, name, why := parseSpan(line)
		if cut {
			why = "it is too long"
		}
		if why != "" {
			if lines.n == 1 && !strings.ContainsAny(line[:1], "0123456789:") {
				continue // a header
			}
			if len(refused) < maxRefused {
				refused = append(refused, Refusal{"line " + strconv.Itoa(lines.n), clip(line), why})
			}
			continue
		}
		if len(a.spans) == maxRows {
			return nil, refused, fmt.Errorf("enrichment: table of networks: over %d rows: %w", maxRows, vedette.ErrTooLarge)
		}
		a.spans = append(a.spans, s)
		if name != "" && a.names[s.asn] == "" {
			a.names[s.asn] = name
		}
	}
	if len(a.spans) == 0 {
		return nil, refused, fmt.Errorf("enrichment: table of networks: no row in it can be read: %w", vedette.ErrInvalid)
	}
	a.spans.sort()
	return a, refused, nil
}

func parseSpan(line string) (s span, name, why string) {
	delim := ","
	if strings.Contains(line, "\t") {
		delim = "\t"
	}
	first, rest, _ := strings.Cut(line, delim)
	if p, err := netip.ParsePrefix(unquote(first)); err == nil {
		p = p.Masked()
		s.from, s.to = p.Addr().Unmap(), last(p)
	} else {
		var second string
		second, rest, _ = strings.Cut(rest, delim)
		if s.from, why = number(first); why != "" {
			return s, "", why
		}
		if s.to, why = number(second); why != "" {
			return s, "", why
		}
		if s.from.Is4() != s.to.Is4() || s.to.Less(s.from) {
			return s, "", "it ends before it begins"
		}
	}
	asn, name, _ := strings.Cut(rest, delim)
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(unquote(asn)), "AS"), 10, 32)
	if err != nil || n == 0 {
		return s, "", "it has no AS number"
	}
	s.asn = uint32(n)
	if name = unquote(name); len(name) > 100 {
		name = strings.ToValidUTF8(name[:100], "")
	}
	return s, name, ""
}

func unquote(s string) string { return strings.Trim(strings.TrimSpace(s), `"`) }

// number reads an address, or an IPv4 address as a whole number.
func number(s string) (netip.Addr, string) {
	s = unquote(s)
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), ""
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return a, "no address stands where one should"
	}
	return a.Unmap(), ""
}

// last returns the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a.Unmap()
}

// Source returns who published the table.
func (a *ASNs) Source() string { return a.source }

// Len returns how many spans it has.
func (a *ASNs) Len() int { return len(a.spans) }

// Origin returns the AS number of the network that an address is in, and its name where the table gives one. A nil table knows none.
func (a *ASNs) Origin(addr netip.Addr) (asn uint32, name string, ok bool) {
	if a == nil {
		return 0, "", false
	}
	s, ok := a.spans.covering(addr.Unmap())
	return s.asn, a.names[s.asn], ok
}

// Ranges are networks whose addresses many parties share: those of content delivery networks and of what stands in front of other people's
// sites. It is immutable.
type Ranges struct {
	spans spans
	names []string
}

// LoadRanges reads networks that are shared, plain or gzip: a JSON object of groups of providers, each with a list of prefixes, of which the
// groups "cdn" and "waf" are taken (a "cloud" lends each machine to one party, and names of hosts are no addresses); or a list of prefixes, one on
// a line. What it cannot read is named. Its error wraps vedette.ErrInvalid or ErrTooLarge.
func LoadRanges(r io.Reader, source string) (*Ranges, []Refusal, error) {
	fail := func(err error) (*Ranges, []Refusal, error) {
		return nil, nil, fmt.Errorf("enrichment: shared networks: %w", err)
	}
	if err := checkSource(source); err != nil {
		return fail(err)
	}
	r, err := unzip(r)
	if err != nil {
		return fail(err)
	}
	data, err := io.ReadAll(io.LimitReader(r, 64<<20+1))
	if err != nil {
		return fail(err)
	}
	if len(data) > 64<<20 {
		return fail(fmt.Errorf("over 64 MiB: %w", vedette.ErrTooLarge))
	}
	out := &Ranges{}
	var refused []Refusal
	add := func(where, prefix, name string) {
		p, err := netip.ParsePrefix(prefix)
		if err != nil {
			a, err := netip.ParseAddr(prefix)
			if err != nil || a.Zone() != "" {
				if len(refused) < maxRefused {
					refused = append(refused, Refusal{where, clip(prefix), "it is no network"})
				}
				return
			}
			p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		p = p.Masked()
		at := slices.Index(out.names, name)
		if at < 0 {
			at = len(out.names)
			out.names = append(out.names, name)
		}
		out.spans = append(out.spans, span{from: p.Addr().Unmap(), to: last(p), asn: uint32(at)})
	}
	if t := bytes.TrimSpace(data); len(t) > 0 && t[0] == '{' {
		var groups map[string]json.RawMessage
		if err := json.Unmarshal(t, &groups); err != nil {
			return fail(fmt.Errorf("%w: %w", err, vedette.ErrInvalid))
		}
		for _, group := range [...]string{"cdn", "waf"} {
			var providers map[string][]string
			if raw, ok := groups[group]; !ok {
				continue
			} else if err := json.Unmarshal(raw, &providers); err != nil {
				return fail(fmt.Errorf("group %s: %w: %w", group, err, vedette.ErrInvalid))
			}
			for _, name := range slices.Sorted(maps.Keys(providers)) {
				for _, p := range providers[name] {
					add(group+" "+name, p, name)
				}
			}
		}
	} else {
		n := 0
		for line := range strings.Lines(string(t)) {
			n++
			line, _, _ = strings.Cut(line, "#")
			if line = strings.TrimSpace(line); line != "" {
				add("line "+strconv.Itoa(n), line, source)
			}
		}
	}
	if len(out.spans) == 0 {
		return nil, refused, fmt.Errorf("enrichment: shared networks: no network in it can be read: %w", vedette.ErrInvalid)
	}
	out.spans.sort()
	return out, refused, nil
}

// Len returns how many networks there are.
func (s *Ranges) Len() int {
	if s == nil {
		return 0
	}
	return len(s.spans)
}

// Shared tells whose shared network an address is in. A nil table knows none.
func (s *Ranges) Shared(addr netip.Addr) (name string, ok bool) {
	if s == nil {
		return "", false
	}
	found, ok := s.spans.covering(addr.Unmap())
	if !ok {
		return "", false
	}
	return s.names[found.asn], true
}

// unzip unpacks gzip, and hands on what is none. What comes out is bounded.
func unzip(r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 64<<10)
	if head, _ := br.Peek(2); len(head) < 2 || head[0] != 0x1f || head[1] != 0x8b {
		return &bounded{r: br, left: maxUnzip}, nil
	}
	z, err := gzip.NewReader(br)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	return &bounded{r: z, left: maxUnzip}, nil
}

// bounded ends with an error where a file goes on past its bound, so that a small file that unpacks without end does no harm.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("more than its bound: %w", vedette.ErrTooLarge)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	return n, err
}

// lines reads lines of bounded length.
type lines struct {
	br  *bufio.Reader
	max int
	n   int // of the line last read
}

// next returns a line, and whether it was cut. Its error is io.EOF or the source's.
func (l *lines) next() (line string, cut bool, err error) {
	var long []byte
	for {
		part, err := l.br.ReadSlice('\n')
		if len(long)+len(part) <= l.max {
			long = append(long, part...)
		} else {
			cut = true
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || len(long) == 0 && !cut):
			return "", false, err
		}
		l.n++
		return strings.TrimRight(string(long), "\r\n"), cut, nil
	}
}

// clip shortens a value for people, and takes its fangs out.
func clip(s string) string {
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:100], "") + "…"
	}
	return link.Defang(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
}
