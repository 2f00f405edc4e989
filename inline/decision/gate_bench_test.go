package decision

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	whatwg "github.com/nlnwa/whatwg-url/url"
	"golang.org/x/net/publicsuffix"

	"vedette"
	"vedette/inline/feature"
	"vedette/link"
	"vedette/record/indicator"
	"vedette/record/journal"
)

// gateSize is how many indicators the whole-gate measurements use: 200,000, or VEDETTE_BENCH_INDICATORS.
func gateSize() int {
	if n, err := strconv.Atoi(os.Getenv("VEDETTE_BENCH_INDICATORS")); err == nil && n > 0 {
		return n
	}
	return 200_000
}

func listedHost(i int) string {
	x := uint64(i)*0x9e3779b97f4a7c15 + 0x1234567
	return fmt.Sprintf("h%x.example", x>>16)
}

// gate is a filled memory, a set of indicators, fifty rules, and events with one URL each: the work of one decision, whole.
type gate struct {
	rules  *RuleSet
	gen    *Generation
	memory *feature.Memory
	events []vedette.Event
	urls   []string
	plain  map[[16]byte]uint32 // the same indicators in a Go map
}

// gateLists are the hosts of honest links: a few that everybody sends, many that few do.
func honestHost(r *rand.Rand) string {
	if r.IntN(4) > 0 {
		return fmt.Sprintf("site%d.example", r.IntN(200))
	}
	return fmt.Sprintf("www.small%d.test", r.IntN(200_000))
}

func newGate(t testing.TB, n int, plain bool) *gate {
	t.Helper()
	g := &gate{rules: fiftyRules(t)}
	set, err := indicator.Build(func(yield func(indicator.Indicator) bool) {
		for i := range n {
			if !yield(indicator.Indicator{Value: listedHost(i), Scope: indicator.ScopeDomain, Source: "bench", Verdict: vedette.Block, Weight: 20_000}) {
				return
			}
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if plain {
		g.plain = make(map[[16]byte]uint32, n)
		for i := range n {
			s := sha256.Sum256([]byte(listedHost(i)))
			g.plain[[16]byte(s[:16])] = uint32(i)
		}
	}
	g.gen = mustMake(t, Parts{Rules: g.rules, Indicators: set, Lists: link.ListsVersion()})
	g.memory = feature.New(feature.Config{})
	r := rand.New(rand.NewPCG(1, 2))
	at := exampleTime
	token := func(kind vedette.TokenKind, s string) vedette.Token {
		h := sha256.Sum256([]byte(s))
		return vedette.Token{Kind: kind, Epoch: 1, Bytes: [16]byte(h[:16])}
	}
	account := func(i int) (a vedette.AccountID) {
		h := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
		copy(a[:], h[:])
		return a
	}
	const people, past, kept = 50_000, 200_000, 1 << 14
	for i := range past + kept {
		at = at.Add(time.Second)
		host := honestHost(r)
		if i >= past && r.IntN(50) == 0 {
			host = listedHost(r.IntN(n))
		}
		url := fmt.Sprintf("https://%s/%d/article-%x?ref=%d", host, r.IntN(9), r.Uint32(), r.IntN(99))
		u, err := link.Parse(url)
		if err != nil {
			t.Fatal(err)
		}
		ev := vedette.Event{
			Tenant: "bench", Actor: account(int(r.ExpFloat64()*people/8) % people), At: at, Seen: at, Tier: vedette.Tier2,
			Body: &vedette.LinkSent{
				To: vedette.Recipient{Account: account(r.IntN(people))}, Stranger: vedette.TriOf(r.IntN(9) == 0), Reply: no,
				Links: []vedette.Link{{Domain: token(1, u.Registrable()), Host: token(2, u.Host()), URL: token(4, u.Canonical()), Shape: u.Shape()}},
			},
		}
		if i < past {
			g.memory.Apply(&ev, &vedette.Decision{}, journal.Position{Frame: uint64(i + 1)})
			continue
		}
		g.events, g.urls = append(g.events, ev), append(g.urls, url)
	}
	return g
}

// decide is one decision as the gate makes it: read the link, measure, judge.
func (g *gate) decide(i int, measures []vedette.Measures, links []link.URL) (vedette.Decision, []vedette.Measures) {
	u, err := link.Parse(g.urls[i])
	if err != nil {
		panic(err)
	}
	links = append(links[:0], u)
	measures = g.memory.Measure(&g.events[i], measures[:0])
	return g.gen.Decide(&Input{Event: &g.events[i], Links: links, Measures: measures}), measures
}

var plainParser = whatwg.NewParser()

// library is the same with the libraries as they come: a WHATWG parser, the public suffix list, SHA-256 and a Go map for the indicators,
// cel-go for the rules. Memory is the same in both: no library has one. It returns the verdict and whether an indicator matched.
func (g *gate) library(ref *reference, i int, measures []vedette.Measures) (vedette.Verdict, bool, []vedette.Measures) {
	u, err := plainParser.Parse(g.urls[i])
	if err != nil {
		panic(err)
	}
	host := u.Hostname()
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		domain = host
	}
	listed := false
	for h := host; ; {
		s := sha256.Sum256([]byte(h))
		if _, ok := g.plain[[16]byte(s[:16])]; ok {
			listed = true
			break
		}
		if h == domain || len(h) <= len(domain) {
			break
		}
		for j := range h {
			if h[j] == '.' {
				h = h[j+1:]
				break
			}
		}
	}
	measures = g.memory.Measure(&g.events[i], measures[:0])
	var f facts
	f.event(&g.events[i], 1)
	f.about(&g.events[i].Links()[0])
	f.measures = &measures[0]
	var ms []indicator.Match
	if listed {
		ms = []indicator.Match{{Scope: indicator.ScopeDomain, Verdict: vedette.Block, Weight: 20_000, List: "list:bench"}}
	}
	f.matched(ms, nil)
	would, _ := ref.eval(activation{&f}, g.events[i].Kind(), true)
	if listed {
		would = max(would, vedette.Block)
	}
	return would, listed, measures
}

func TestTheGateAnswersWhatTheLibrariesWould(t *testing.T) {
	g := newGate(t, 20_000, true)
	ref := newReference(t, g.rules)
	var a, b []vedette.Measures
	var links []link.URL
	stopped := 0
	for i := range g.events {
		var d vedette.Decision
		d, a = g.decide(i, a, links)
		var would vedette.Verdict
		would, _, b = g.library(ref, i, b)
		if d.Would != would {
			t.Fatalf("event %d: the gate says %s, the libraries %s", i, d.Would, would)
		}
		if would == vedette.Block {
			stopped++
		}
	}
	if stopped == 0 {
		t.Error("nothing was stopped: the comparison shows nothing")
	}
}

// BenchmarkGate is one decision, whole: one URL, indicators, windows, fifty rules.
func BenchmarkGate(b *testing.B) {
	n := gateSize()
	g := newGate(b, n, true)
	ref := newReference(b, g.rules)
	var measures []vedette.Measures
	var links []link.URL
	name := strconv.Itoa(n)
	b.Run("vedette/"+name, func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_, measures = g.decide(i&(1<<14-1), measures, links)
			i++
		}
	})
	b.Run("libraries/"+name, func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			_, _, measures = g.library(ref, i&(1<<14-1), measures)
			i++
		}
	})
}
