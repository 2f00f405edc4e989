package sibling

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/record/enrichment"
	"vedette/record/indicator"
	"vedette/sim"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// wilson is the 95 % interval of a proportion (Wilson 1927).
func wilson(k, n int) string {
	if n == 0 {
		return "–"
	}
	low, high := sim.Wilson(k, n)
	return fmt.Sprintf("%.1f%% [%.1f, %.1f]", 100*float64(k)/float64(n), 100*low, 100*high)
}

// distance is Levenshtein's, or more than most.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, least := row[0], i+1
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
			least = min(least, cost)
		}
		if least > most {
			return most + 1
		}
	}
	return row[len(b)]
}

// tally counts what a method found from single confirmed hosts.
type tally struct{ hosts, helped, right, wrong, kin, alike int }

func (y *tally) add(right, wrong, kin, alike int) {
	y.hosts++
	y.helped += min(right, 1)
	y.right += right
	y.wrong += wrong
	y.kin += kin
	y.alike += alike
}

func (y *tally) String() string {
	return fmt.Sprintf("%5d %5d  precision %s  recall of alike %s, of all %s  hosts with a sibling found %s",
		y.right, y.wrong, wilson(y.right, y.right+y.wrong), wilson(min(y.right, y.alike), y.alike), wilson(y.right, y.kin), wilson(y.helped, y.hosts))
}

// How much names alone give on published families: the operators that tuned the weights, and others. Nothing of a real name is printed.
func TestQualityOfNames(t *testing.T) {
	f := realFamilies(t)
	names := NewNames(slices.Values(f.known))
	guard := indicator.NewGuard()
	src := Sources{Guard: guard, Names: names, Popular: func(h string) bool { return f.popular[h] }}
	draw := drawn
	if !testing.Verbose() {
		draw = 8
	}
	splits := make([]split, len(f.known))
	for i, reg := range f.known {
		splits[i] = splitOf(reg)
	}
	methods := []string{"even odds and better (may warn)", "heaviest 5, only scoring", "heaviest 20, only scoring", "all that comes out", "edit distance 1", "edit distance 2", "edit distance 3", "same suffix and length"}
	for _, set := range []struct {
		name string
		ops  []string
	}{{"tuned on", tuned}, {"REPORTED", reported}} {
		total := make([]tally, len(methods))
		for _, op := range set.ops {
			each := make([]tally, len(methods))
			for _, h := range f.draw(op, draw) {
				got, _, err := Derive(t.Context(), []Host{{Host: h}}, src, Params{At: at, MaxDerived: 2000})
				if err != nil {
					t.Fatal(err)
				}
				s := splitOf(h)
				alike := 0 // siblings that share four bytes in a row, however common
				for _, k := range f.operators[op] {
					other := splitOf(k)
					alike += yes(k != h && commonRun(s.joined, other.joined) >= minPart) / 1000
				}
				count := func(m int, in func(i int, reg string) bool, list []string) {
					right, wrong := 0, 0
					for i, reg := range list {
						kin, unclear := f.kin(reg, op)
						if reg == h || unclear || !in(i, reg) {
							continue
						}
						right += yes(kin) / 1000
						wrong += yes(!kin) / 1000
					}
					each[m].add(right, wrong, len(f.operators[op])-1, alike)
				}
				var list []string
				for i := range got {
					list = append(list, got[i].Host)
				}
				count(0, func(i int, _ string) bool { return got[i].Strength >= vedette.Warn }, list)
				count(1, func(i int, _ string) bool { return i < 5 }, list)
				count(2, func(i int, _ string) bool { return i < 20 }, list)
				count(3, func(int, string) bool { return true }, list)
				near := make([]int, len(splits))
				for i := range splits {
					near[i] = 4
					if !f.popular[f.known[i]] {
						near[i] = distance(s.joined, splits[i].joined, 3)
					}
				}
				for k := 1; k <= 3; k++ {
					count(3+k, func(i int, _ string) bool { return near[i] <= k }, f.known)
				}
				count(7, func(i int, reg string) bool {
					return splits[i].suffix == s.suffix && len(splits[i].joined) == len(s.joined) && !f.popular[reg]
				}, f.known)
			}
			for m := range methods {
				y := &each[m]
				total[m].hosts, total[m].helped = total[m].hosts+y.hosts, total[m].helped+y.helped
				total[m].right, total[m].wrong = total[m].right+y.right, total[m].wrong+y.wrong
				total[m].kin, total[m].alike = total[m].kin+y.kin, total[m].alike+y.alike
				if m < 4 {
					t.Logf("  %-22s %-32s %s", op, methods[m], y)
				}
			}
		}
		for m := range methods {
			t.Logf("%-8s of %d: %-32s %s", set.name, names.Len(), methods[m], &total[m])
		}
		if warn := &total[0]; warn.right < warn.wrong {
			t.Errorf("%s: of names that may be warned of, %d are siblings and %d are not: worse than even", set.name, warn.right, warn.wrong)
		}
	}
}

// world is a made-up internet with campaigns in it.
type world struct {
	facts     *enrichment.Memory
	campaigns [][]string
	family    map[string]int // host → campaign
	harmless  map[string]int
	senders   [][]SenderLink
	rng       *rand.Rand
	list      []enrichment.Fact
}

var letters = strings.Fields("ba be bi bo bu da de di do du fa fe fi ka ke ki ko ku la le li lo lu ma me mi mo mu na ne ni no nu pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu va ve vi vo")

func (w *world) word(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(letters[w.rng.IntN(len(letters))])
	}
	return b.String()
}

func (w *world) fact(host string, kind enrichment.Kind, value string, t time.Time) {
	w.list = append(w.list, enrichment.Fact{Host: host, Kind: kind, Value: value, First: t, Last: t, Source: []string{"feed one", "feed two"}[w.rng.IntN(2)]})
}

// plain makes up what is known of an ordinary name: mass hosters hold most, small ones some; half the addresses are shared by many.
func (w *world) plain(h string, born time.Time) {
	zipf := func(n int) int { return int(math.Pow(float64(n), w.rng.Float64())) - 1 }
	w.fact(h, enrichment.Registered, enrichment.Moment(born), born)
	w.fact(h, enrichment.Registrar, fmt.Sprintf("registrar %d", zipf(40)), born)
	w.fact(h, enrichment.NameServer, fmt.Sprintf("ns1.host-%d.example", zipf(3000)), born)
	w.fact(h, enrichment.Issuer, fmt.Sprintf("issuer %d", zipf(6)), born.Add(time.Duration(w.rng.IntN(3000))*time.Hour))
	a := zipf(1 << 14)
	w.fact(h, enrichment.Address, fmt.Sprintf("2001:db8:%x::%x", a, 1+w.rng.IntN(1+a*4)), born)
}

func madeUp(seed uint64, ordinary, campaigns int) *world {
	w := &world{facts: enrichment.NewMemory(), family: map[string]int{}, harmless: map[string]int{}, rng: rand.New(rand.NewPCG(seed, 1))}
	tlds := []string{"example", "example", "test", "invalid"}
	tld := func() string { return tlds[w.rng.IntN(4)] }
	day := func(n int) time.Time { return at.Add(-time.Duration(w.rng.IntN(n*24*60)) * time.Minute) }
	var vocabulary []string
	for range 600 {
		vocabulary = append(vocabulary, w.word(2+w.rng.IntN(2)))
	}
	pick := func() string { return vocabulary[int(math.Pow(600, w.rng.Float64()))-1] }
	var names []string
	for range ordinary {
		h := pick() + []string{"", "-"}[w.rng.IntN(2)] + pick() + "." + tld()
		names = append(names, h)
		w.plain(h, day(2000))
		w.harmless[h] = w.rng.IntN(400)
	}
	for c := range campaigns {
		var hosts []string
		careful := w.rng.IntN(3) // 0 reuses all, 1 half of it, 2 little
		keeps := func() bool { return w.rng.IntN(4) >= careful+1 || careful == 0 && w.rng.IntN(8) > 0 }
		part := w.word(2)
		names, times, servers, nets, certs := keeps(), keeps(), keeps(), keeps(), keeps()
		born, ns, net := day(90), fmt.Sprintf("ns1.small-%d-%d.example", seed, c), 0x8000+int(seed)*campaigns+c
		registrar := fmt.Sprintf("registrar %d", w.rng.IntN(40))
		suffix := tld()
		for i := range 6 {
			h := w.word(2+w.rng.IntN(2)) + part + "." + suffix
			if !names {
				h = pick() + pick() + w.word(1) + "." + tld()
			}
			hosts = append(hosts, h)
			w.family[h] = c
			own := day(90)
			if times {
				own = born.Add(time.Duration(w.rng.IntN(36*60)) * time.Minute)
			}
			w.plain(h, own)
			w.list = w.list[:len(w.list)-4] // registration stays
			switch {
			case times:
				w.fact(h, enrichment.Registrar, registrar, own)
			default:
				w.fact(h, enrichment.Registrar, fmt.Sprintf("registrar %d", w.rng.IntN(40)), own)
			}
			if servers {
				w.fact(h, enrichment.NameServer, ns, own)
			} else {
				w.fact(h, enrichment.NameServer, fmt.Sprintf("ns1.host-%d.example", w.rng.IntN(12)), own)
			}
			if nets {
				w.fact(h, enrichment.Address, fmt.Sprintf("2001:db8:%x::%x", net, 16+i), own)
			} else {
				w.fact(h, enrichment.Address, fmt.Sprintf("2001:db8:%x::%x", w.rng.IntN(1<<14), 16+i), own)
			}
			if certs {
				w.fact(h, enrichment.Issuer, fmt.Sprintf("issuer %d", c%6), born.Add(time.Duration(40*60+i*4)*time.Minute))
			} else {
				w.fact(h, enrichment.Issuer, fmt.Sprintf("issuer %d", w.rng.IntN(6)), own.Add(time.Hour))
			}
			if certs && i%3 == 0 { // two of six on one certificate
				w.fact(h, enrichment.Certificate, fmt.Sprintf("%064x", int(seed)*1000+c), own)
			}
			w.harmless[h] = w.rng.IntN(3)
		}
		// Harmless neighbours: on the same servers and in the same networks, and a name that ends alike.
		for i := range 3 {
			h := pick() + w.word(2) + "." + tld()
			w.plain(h, day(2000))
			w.fact(h, enrichment.NameServer, ns, at)
			if i < 2 {
				w.fact(h, enrichment.Address, fmt.Sprintf("2001:db8:%x::%x", net, 200+i), at)
			}
			w.harmless[h] = w.rng.IntN(400)
		}
		h := pick() + part + "." + tld()
		w.plain(h, day(2000))
		w.harmless[h] = w.rng.IntN(400)
		// The sender of the first host sent two others besides, and two ordinary links.
		sent := []SenderLink{{Host: hosts[1], Path: "/" + fmt.Sprint(1000000+w.rng.IntN(9000000)) + "s/"}, {Host: hosts[2], Cell: true, Path: fmt.Sprintf("/%ds/", 1000000+w.rng.IntN(9000000))}}
		for range 2 {
			sent = append(sent, SenderLink{Host: pickOf(w.rng, w.list).Host, Cell: w.rng.IntN(2) == 0})
		}
		w.senders = append(w.senders, slices.DeleteFunc(sent, func(l SenderLink) bool { return l.Host == hosts[0] }))
		w.campaigns = append(w.campaigns, hosts)
	}
	for _, h := range names {
		if _, ok := w.family[h]; ok {
			delete(w.harmless, h)
		}
	}
	for i := range w.list {
		f, err := enrichment.Canonical(w.list[i])
		if err != nil {
			panic(err)
		}
		w.list[i] = f
	}
	return w
}

func pickOf[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// On made-up campaigns with facts: what each kind of tie adds. A third of the operators reuse all, a third half of it, a third little.
func TestQualityWithFacts(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED, NOT TESTED: long")
	}
	type made struct {
		*world
		asked *asked
	}
	var worlds []made
	for seed := range uint64(4) {
		if seed > 0 && !testing.Verbose() {
			break
		}
		w := madeUp(seed+201, 8000, 60)
		if _, err := w.facts.Put(t.Context(), w.list); err != nil {
			t.Fatal(err)
		}
		worlds = append(worlds, made{w, cached(w.facts)})
	}
	type row struct {
		name    string
		without []TieKind
		none    bool
	}
	rows := []row{{name: "all"}}
	for _, k := range TieKinds() {
		rows = append(rows, row{name: "without " + string(k), without: []TieKind{k}})
	}
	rows = append(rows, row{name: "names alone", without: []TieKind{TieSender, TiePath, TieRegistered, TieIssued, TieNameServer, TieSubnet, TieCertificate}},
		row{name: "facts alone", without: []TieKind{TieSender, TiePath, TiePart}}, row{name: "no facts at all", none: true})
	if !testing.Verbose() {
		rows = rows[:1]
	}
	for _, r := range rows {
		var shown, warn, block tally
		for n := range 60 * len(worlds) {
			w, c := worlds[n/60], n%60
			hosts := w.campaigns[c]
			src := Sources{Guard: indicator.NewGuard(), Facts: w.asked, Sender: w.senders[c], Reach: func(_ context.Context, h string, _ indicator.Scope) (int, error) {
				if n, ok := w.harmless[h]; ok {
					return n, nil
				}
				return -1, nil
			}}
			if r.none {
				src.Facts, src.Names = nil, w.names()
			}
			got, _, err := Derive(t.Context(), []Host{{Host: hosts[0], Paths: []string{"/1234567s/"}}}, src, Params{At: at, Without: r.without})
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []struct {
				y     *tally
				least vedette.Verdict
			}{{&shown, vedette.Allow}, {&warn, vedette.Warn}, {&block, vedette.Block}} {
				right, wrong := 0, 0
				for i := range got {
					if got[i].Strength < at.least {
						continue
					}
					if of, ok := w.family[got[i].Host]; ok && of == c {
						right++
					} else {
						wrong++
					}
				}
				at.y.add(right, wrong, len(hosts)-1, 0)
			}
		}
		line := func(y *tally) string {
			return fmt.Sprintf("recall %-22s precision %-22s", wilson(y.right, y.kin), wilson(y.right, y.right+y.wrong))
		}
		t.Logf("%-28s shown %s | warn %s | block %s", r.name, line(&shown), line(&warn), line(&block))
		if r.name == "all" {
			if block.wrong*20 > block.right+block.wrong {
				t.Errorf("%d of %d names that may be blocked are harmless: over 1 in 20", block.wrong, block.right+block.wrong)
			}
			if warn.right*2 < warn.kin {
				t.Errorf("%d of %d siblings may be warned of: under half", warn.right, warn.kin)
			}
		}
	}
}
