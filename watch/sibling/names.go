package sibling

import (
	"iter"
	"math/bits"
	"slices"
	"strings"

	"vedette"
	"vedette/link"
)

// MaxNames bounds an index of names: about 500 bytes each.
const MaxNames = 2 << 20

const (
	minPart  = 4  // bytes of a shared part: three letters stand side by side in too many names
	longPart = 24 // longer ones need not be looked for in facts
	maxLabel = 63 // bytes of a label
)

// Names is an index of known names, by the parts of their registered labels. It is immutable and safe for concurrent use.
type Names struct {
	list  []split // by registrable domain
	runs  map[uint32][]int32
	hosts map[string][]string // registrable domain → hosts below it that were named, by name
	left  int                 // names over MaxNames
}

// NewNames indexes host names: what was registered of each, once, and the hosts seen below it. What is no host name under a public suffix is
// passed over.
func NewNames(names iter.Seq[string]) *Names {
	n := &Names{runs: map[uint32][]int32{}, hosts: map[string][]string{}}
	for host := range names {
		reg := link.Registrable(host)
		if reg == "" {
			continue
		}
		have, known := n.hosts[reg]
		if !known && len(n.hosts) >= MaxNames {
			n.left++
			continue
		}
		if len(have) < maxHosts && !slices.Contains(have, host) {
			have = append(have, host)
		}
		n.hosts[reg] = have
	}
	for reg, hosts := range n.hosts {
		slices.Sort(hosts)
		n.list = append(n.list, splitOf(reg))
	}
	slices.SortFunc(n.list, func(a, b split) int { return strings.Compare(a.reg, b.reg) })
	for i := range n.list {
		j := n.list[i].joined
		for k := 0; k+minPart <= len(j); k++ {
			run := runOf(j[k:])
			if l := n.runs[run]; len(l) == 0 || l[len(l)-1] != int32(i) {
				n.runs[run] = append(l, int32(i))
			}
		}
	}
	return n
}

// maxHosts is how many hosts below one registered name an index keeps.
const maxHosts = 16

// Len returns how many registered names there are.
func (n *Names) Len() int {
	if n == nil {
		return 0
	}
	return len(n.list)
}

func runOf(s string) uint32 {
	return uint32(s[0])<<24 | uint32(s[1])<<16 | uint32(s[2])<<8 | uint32(s[3])
}

// split is a registered name, taken apart: "adjust-local24.co.example" gives "adjustlocal24" with edges before a, l, 2 and at the end.
type split struct {
	reg    string
	joined string // the registered label without hyphens
	suffix string // the public suffix
	edges  uint64 // bit i: a word begins or ends before byte i of joined
	hyphen bool
}

func splitOf(reg string) split {
	label, suffix, _ := strings.Cut(reg, ".")
	s := split{reg: reg, suffix: suffix, edges: 1, hyphen: strings.Contains(label, "-")}
	if len(label) > maxLabel || strings.HasPrefix(label, "xn--") {
		// Encoded letters have no parts that mean anything: such a name has none.
		return s
	}
	var b strings.Builder
	before := byte(0)
	for i := range len(label) {
		c := label[i]
		if c == '-' || c == '_' {
			s.edges |= 1 << b.Len()
			before = 0
			continue
		}
		if before != 0 && isDigit(c) != isDigit(before) {
			s.edges |= 1 << b.Len()
		}
		b.WriteByte(c)
		before = c
	}
	s.joined = b.String()
	s.edges |= 1 << len(s.joined)
	return s
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (s *split) edge(i int) bool { return s.edges>>i&1 == 1 }

// shared is a part of a name that another one has.
type shared struct {
	from, to int // in joined of the confirmed name
	n        int // other names that have it, at least 1
	of       int // among how many
}

// found is a name that shares a part with a confirmed one.
type found struct {
	name  split
	part  shared
	hosts []string // at or below it, where they are not in Names
}

// rare is how many of N names may share a part that still says something: one in 256, or 8 where few names are known.
func rare(names int) int { return max(names>>8, 8) }

// like returns the names that share a rare part with one, by name; of each the rarest part, of equally rare ones the longest, then the first.
func (n *Names) like(s *split) []found {
	if n == nil || len(n.list) == 0 {
		return nil
	}
	best := map[int32]shared{}
	most := rare(len(n.list))
	var left []int32
	for a := 0; a+minPart <= len(s.joined); a++ {
		left = left[:0]
		for _, i := range n.runs[runOf(s.joined[a:])] {
			if n.list[i].reg != s.reg {
				left = append(left, i)
			}
		}
		for b := a + minPart; len(left) > 0; b++ {
			if len(left) <= most {
				for _, i := range left {
					p := shared{a, b, len(left), len(n.list)}
					if old, ok := best[i]; !ok || p.before(&old) {
						best[i] = p
					}
				}
			}
			if b == len(s.joined) {
				break
			}
			part := s.joined[a : b+1]
			kept := left[:0]
			for _, i := range left {
				if strings.Contains(n.list[i].joined, part) {
					kept = append(kept, i)
				}
			}
			left = kept
		}
	}
	out := make([]found, 0, len(best))
	for i, p := range best {
		out = append(out, found{name: n.list[i], part: p})
	}
	slices.SortFunc(out, func(a, b found) int { return strings.Compare(a.name.reg, b.name.reg) })
	return out
}

func (p *shared) before(q *shared) bool {
	if p.n != q.n {
		return p.n < q.n
	}
	if l, m := p.to-p.from, q.to-q.from; l != m {
		return l > m
	}
	return p.from < q.from
}

// What is measured of two names that share a part. The weights of the measures are fitted (TestTuning), not chosen.
const (
	partRarity = iota // log2 of one in how many names has the part, thousandths
	partLength        // bytes of the part, at most 12, thousands
	partBegins        // the part begins a word in both
	partEnds          // the part ends a word in both
	partCover         // how much of both names it is, thousandths
	partSuffix        // both stand under one public suffix
	partSecond        // bytes of another common part over 2, thousands
	partHyphen        // both have a hyphen, or neither has
	partMeasures
)

type measures [partMeasures]int

// compare measures two names that share a part.
func compare(s, x *split, p *shared) (m measures) {
	part := s.joined[p.from:p.to]
	at := strings.Index(x.joined, part)
	m[partRarity] = log2(p.of) - log2(p.n+1) // both names have it
	m[partLength] = 1000 * min(len(part), 12)
	m[partBegins] = yes(s.edge(p.from) && x.edge(at))
	m[partEnds] = yes(s.edge(p.to) && x.edge(at+len(part)))
	m[partCover] = 2000 * len(part) / (len(s.joined) + len(x.joined))
	m[partSuffix] = yes(s.suffix == x.suffix)
	second := max(
		commonRun(s.joined[:p.from], x.joined[:at]), commonRun(s.joined[p.to:], x.joined[at+len(part):]),
		commonRun(s.joined[:p.from], x.joined[at+len(part):]), commonRun(s.joined[p.to:], x.joined[:at]))
	m[partSecond] = 1000 * max(second-2, 0)
	m[partHyphen] = yes(s.hyphen == x.hyphen)
	return m
}

func yes(b bool) int {
	if b {
		return 1000
	}
	return 0
}

// commonRun returns the length of the longest run of bytes that two strings have in common.
func commonRun(a, b string) int {
	best := 0
	for i := range len(a) {
		for best < len(a)-i && strings.Contains(b, a[i:i+best+1]) {
			best++
		}
	}
	return best
}

// log2 returns the binary logarithm of n in thousandths, the same on every machine; 0 for n below 1.
func log2(n int) int {
	if n < 1 {
		return 0
	}
	whole := bits.Len(uint(n)) - 1
	x := uint64(n) << 31 >> whole // 1 to 2, in 2^31
	fraction := uint64(0)
	for range 14 {
		x = x * x >> 31
		fraction <<= 1
		if x >= 1<<32 {
			x >>= 1
			fraction |= 1
		}
	}
	return whole*1000 + int((fraction*1000+1<<13)>>14)
}

// partWeights are thousandths of a bit for a thousand of each measure; partBase stands before them. Fitted on four operators.
var (
	partWeights = measures{117, 426, 1519, 1968, 6050, 2448, 1530, 4025}
	partBase    = -5663
)

// weigh gives the weight of a shared part: log2 odds that two names that look so much alike are of one hand rather than any two names. It is
// never more than how rare the part is: among few known names no likeness says much.
func (m *measures) weigh() vedette.MilliBits {
	sum := partBase * 1000
	for i, w := range partWeights {
		sum += w * m[i]
	}
	return vedette.MilliBits(min(sum/1000, m[partRarity]))
}
