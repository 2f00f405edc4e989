package attribution

import (
	"slices"
	"strings"

	"vedette"
)

// A name part that a host shares with published ones counts by how much likelier it is there than elsewhere (its rarity). What a rarity then says
// is learnt from the reports themselves: how often does a host of one report share so rare a part with other reports of the same operator, and
// how often with operators that it does not belong to, or with names that no operator stands behind?

const buckets = 5

// edges are the lower edges of the rarities, in thousandths of a bit, from the second bucket on.
var edges = [buckets - 1]vedette.MilliBits{4000, 6000, 8000, 10000}

// Assumed beforehand: as if so many hundredths of pairs had been seen in each bucket. It says -0.4, 0.9, 1.7, 2.7 and 3.6 bits.
var (
	assumedSame  = [buckets]int{1400, 170, 150, 130, 120}
	assumedOther = [buckets]int{1850, 90, 45, 20, 10}
)

func bucket(rarity vedette.MilliBits) int {
	b := 0
	for b < len(edges) && rarity >= edges[b] {
		b++
	}
	return b
}

// found is the most telling part that a name shares with one hypothesis.
type found struct {
	hypothesis int32
	rarity     vedette.MilliBits
	word       string
	with       int // names of the hypothesis that have it
}

// shortest is the length of the shortest part that is looked at, in bytes.
const shortest = 4

// least returns the least share of names that a part is taken to be in, as a power of two: short parts, and those made of common words, come
// about by chance however few names are known here.
func least(w string) int {
	n := len(w)
	for _, words := range themes {
		for _, t := range words {
			if strings.Contains(t, w) {
				return 5
			}
			if strings.Contains(w, t) {
				n = min(n, len(w)-len(t))
			}
		}
	}
	switch {
	case n <= 0:
		return 5
	case n < shortest:
		return 7
	default:
		return min(10+2*(n-shortest), 16)
	}
}

// shares finds, for each hypothesis that shares a part with a label, the most telling one. of maps reports to hypotheses, size is the
// number of names of each; skip leaves out names; self is 1 where the label itself stands in the background.
func (k *Knowledge) shares(label string, of func(int32) int32, size []int, skip func(int32) bool, self int) []found {
	var out []found
	var hits, grounds, hyps []int32
	for i := 0; i+shortest <= len(label); i++ {
		for j := i + shortest; j <= len(label); j++ {
			w := label[i:j]
			if strings.HasPrefix(w, "-") || strings.HasSuffix(w, "-") {
				continue
			}
			var many bool
			if hits, many = k.text.find(w, hits); many {
				continue
			}
			hits = slices.DeleteFunc(hits, skip)
			if len(hits) == 0 {
				break // no longer part that begins here is shared either
			}
			if grounds, many = k.background.find(w, grounds); many {
				continue
			}
			ground := max(len(grounds)-self, 0)
			hyps = hyps[:0]
			for _, h := range hits {
				start := len(hyps)
				for _, r := range k.names[h].reports {
					if o := of(r); !slices.Contains(hyps[start:], o) {
						hyps = append(hyps, o)
					}
				}
			}
			slices.Sort(hyps)
			floor := least(w)
			for a := 0; a < len(hyps); {
				b := a
				for b < len(hyps) && hyps[b] == hyps[a] {
					b++
				}
				o, n := hyps[a], b-a
				a = b
				others := uint64(k.text.n - size[o] + k.background.n)
				seen := uint64(len(hits) - n + ground)
				// log2 of (n / (names + 20)) : ((seen + ½) / (others + 1)), with the floor under the second.
				elsewhere := max(logRatio(2*seen+1, 2*others+2), vedette.MilliBits(-1000*floor))
				rarity := logRatio(uint64(n), uint64(size[o]+pseudo)) - elsewhere
				at := slices.IndexFunc(out, func(f found) bool { return f.hypothesis == o })
				switch {
				case at < 0:
					out = append(out, found{o, rarity, w, n})
				case rarity > out[at].rarity || rarity == out[at].rarity && (len(w) > len(out[at].word) || len(w) == len(out[at].word) && w < out[at].word):
					out[at] = found{o, rarity, w, n}
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b found) int { return int(a.hypothesis) - int(b.hypothesis) })
	return out
}

func (k *Knowledge) operatorOf(r int32) int32 { return k.reports[r].operator }
func (k *Knowledge) clusterOf(r int32) int32  { return k.reports[r].cluster }

const (
	triedEach       = 60  // names tried of each operator, so that one of which much was published does not speak for all
	triedBackground = 400 // names tried of the background
)

// learnTies learns what a shared part of a rarity says.
func (k *Knowledge) learnTies() {
	var same, other [buckets]int
	tried := make([]int, len(k.operators))
	turn := make([]int, len(k.operators))
	for i := range k.names {
		n := &k.names[i]
		o := k.reports[n.reports[0]].operator
		turn[o]++
		if step := max(k.size[o]/triedEach, 1); turn[o]%step != 0 || tried[o] >= triedEach {
			continue
		}
		tried[o]++
		mine := map[int32]bool{}
		for _, r := range n.reports {
			mine[k.reports[r].cluster] = true
		}
		// Names of its own reports are no evidence about others' reports.
		skip := func(h int32) bool {
			return int(h) == i || slices.ContainsFunc(k.names[h].reports, func(r int32) bool { return mine[k.reports[r].cluster] })
		}
		fs := k.shares(n.label, k.operatorOf, k.size, skip, 0)
		more := false // has the operator a report that this name is not in?
		for r := range k.reports {
			more = more || k.reports[r].operator == o && !mine[k.reports[r].cluster]
		}
		hit := false
		for _, f := range fs {
			if f.hypothesis == o {
				hit = true
				same[bucket(f.rarity)]++
			} else {
				other[bucket(f.rarity)]++
			}
		}
		if more && !hit {
			same[0]++
		}
		other[0] += len(k.operators) - 1 - count(fs, func(f found) bool { return f.hypothesis != o })
	}
	none := func(int32) bool { return false }
	for i := range min(triedBackground, k.background.n) {
		label := k.background.label[i*k.background.n/min(triedBackground, k.background.n)]
		fs := k.shares(label, k.operatorOf, k.size, none, 1)
		for _, f := range fs {
			other[bucket(f.rarity)]++
		}
		other[0] += len(k.operators) - len(fs)
	}
	k.ties = weigh(same, other)
}

func weigh(same, other [buckets]int) (out [buckets]Ratio) {
	sumSame, sumOther := 0, 0
	for b := range buckets {
		sumSame += 100*same[b] + assumedSame[b]
		sumOther += 100*other[b] + assumedOther[b]
	}
	for b := range buckets {
		s, o := 100*same[b]+assumedSame[b], 100*other[b]+assumedOther[b]
		bits := logRatio(uint64(s)*uint64(sumOther), uint64(o)*uint64(sumSame))
		dev := deviation(s/100, o/100)
		out[b] = Ratio{Bits: bits, Low: bits - dev, High: bits + dev}
	}
	for b := 1; b < buckets; b++ { // a rarer part never says less
		if out[b].Bits < out[b-1].Bits {
			out[b] = out[b-1]
		}
	}
	return out
}

func count[T any](list []T, ok func(T) bool) (n int) {
	for _, v := range list {
		if ok(v) {
			n++
		}
	}
	return n
}
