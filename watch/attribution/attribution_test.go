package attribution

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vedette"
	"vedette/record/enrichment"
	"vedette/record/indicator"
)

var update = flag.Bool("update", false, "write the golden files")

func date(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

func grade(s string) indicator.Admiralty {
	g, err := indicator.ParseAdmiralty(s)
	if err != nil {
		panic(err)
	}
	return g
}

// pub is a made-up statement. All operators, sources and hosts here are made up.
func pub(operator, source, day, grades string, values ...string) []indicator.Indicator {
	var out []indicator.Indicator
	for _, v := range values {
		scope := indicator.ScopeHost
		if strings.Contains(v, "/") {
			scope = indicator.ScopeURL
		}
		in := indicator.Indicator{Value: v, Scope: scope, Operator: operator, Source: source, Grade: grade(grades)}
		if day != "" {
			in.Published = date(day)
		}
		out = append(out, in)
	}
	return out
}

func world() []indicator.Indicator {
	return slices.Concat(
		pub("Lanternworks", "Observatory", "2025-03-01", "B2",
			"quietharborfeed.example", "quietmeadowfeed.example", "brasslanternpost.example", "orchardbridge.test", "stonewillow.test", "198.51.100.7",
			"brasslanternpost.example/1234567s/", "quietharborfeed.example/7654321s/", "orchardbridge.test/1112223s/"),
		pub("Lanternworks", "Watchroom", "2025-04-01", "B2", "quietharborfeed.example", "quietmeadowfeed.example"), // says it again
		pub("Lanternworks", "Institute", "2025-09-01", "A2", "velvetcanyon.example", "paperfalcon.example", "stonewillow.test", "coppertide.test", "amberquill.test"),
		pub("Graymill", "Observatory", "2025-05-01", "B2", "updatecenter7.invalid", "mapsviewer.invalid", "zz-cdn.invalid"),
		pub("Graymill", "Institute", "2025-10-01", "B3", "fastsyncnode.invalid", "zz-edge.invalid"),
		pub("Thistle", "Forum", "", "F6", "oddname.test"),
	)
}

func known(t testing.TB) *Knowledge {
	t.Helper()
	return Learn(slices.Values(world()), Options{})
}

func first(s string) Context { return Context{Case: "case-1", First: date(s), At: date("2026-01-15")} }

func hypothesis(t *testing.T, c *Claim, name string) Hypothesis {
	t.Helper()
	for _, h := range c.Hypotheses {
		if h.Name == name {
			return h
		}
	}
	t.Fatalf("%s: no hypothesis %q", c.Kind, name)
	return Hypothesis{}
}

func TestAnswers(t *testing.T) {
	k := known(t)
	for _, tt := range []struct {
		name     string
		ev       Evidence
		vendor   string
		campaign string
	}{
		{"no evidence is unknown", Evidence{}, Unknown, Unknown},
		{"a name that resembles nothing is unknown", Evidence{Hosts: []string{"kqwv.example"}}, Unknown, Unknown},
		{"what cannot be read is unknown", Evidence{Hosts: []string{"no host at all", ""}}, Unknown, Unknown},
		{"a host that everybody uses says nothing", Evidence{Hosts: []string{"www.google.com", "bit.ly", "docs.google.com"}}, Unknown, Unknown},
		{
			"a host in a graded report speaks",
			Evidence{Hosts: []string{"velvetcanyon[.]example"}, Context: first("2026-01-01")},
			"Lanternworks", "Lanternworks, as published by Institute on 2025-09-01",
		},
		{
			"so does one below a published name",
			Evidence{Hosts: []string{"login.coppertide.test", "www.velvetcanyon.example"}, Context: first("2026-01-01")},
			"Lanternworks", "Lanternworks, as published by Institute on 2025-09-01",
		},
		{"a host that only an unjudged source lists is unknown", Evidence{Hosts: []string{"oddname.test"}, Context: first("2026-01-01")}, Unknown, Unknown},
		{
			"hosts of two operators are unknown",
			Evidence{Hosts: []string{"velvetcanyon.example", "zz-cdn.invalid"}, Context: first("2026-01-01")},
			Unknown, Unknown,
		},
		{"a path shape alone is unknown, since anyone can copy it", Evidence{Links: []string{"https://kqwv.example/5554443s/"}, Context: first("2026-01-01")}, Unknown, Unknown},
		{"a published address's network alone is unknown", Evidence{Hosts: []string{"198.51.100.9"}, Context: first("2026-01-01")}, Unknown, Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			as := k.Weigh(tt.ev, Params{})
			if as.Vendor.Answer != tt.vendor || as.Campaign.Answer != tt.campaign || as.Customer.Answer != Unknown {
				t.Errorf("Weigh(%v) = vendor %q, campaign %q, customer %q, want %q, %q, unknown\n%s",
					tt.ev, as.Vendor.Answer, as.Campaign.Answer, as.Customer.Answer, tt.vendor, tt.campaign, as.Text())
			}
		})
	}
}

func TestWhatWasSeenBeforeItWasPublishedWeighsMore(t *testing.T) {
	k := known(t)
	after := k.Weigh(Evidence{Hosts: []string{"velvetcanyon.example"}, Context: first("2026-01-01")}, Params{})
	before := k.Weigh(Evidence{Hosts: []string{"velvetcanyon.example"}, Context: first("2025-08-01")}, Params{})
	undated := k.Weigh(Evidence{Hosts: []string{"velvetcanyon.example"}}, Params{})
	a, b, u := hypothesis(t, &after.Vendor, "Lanternworks"), hypothesis(t, &before.Vendor, "Lanternworks"), hypothesis(t, &undated.Vendor, "Lanternworks")
	if a.PPM >= b.PPM || u.PPM != a.PPM {
		t.Errorf("posterior %d after, %d before, %d with no date, want after = no date < before", a.PPM, b.PPM, u.PPM)
	}
	if after.Vendor.FalseFlag.Uncopiable != 0 || before.Vendor.FalseFlag.Copyable != 0 {
		t.Errorf("false flag after %+v, before %+v", after.Vendor.FalseFlag, before.Vendor.FalseFlag)
	}
	if i := hypothesis(t, &after.Vendor, Imitation); i.PPM <= hypothesis(t, &before.Vendor, Imitation).PPM {
		t.Errorf("an imitator explains what was copied no better than what was not: %+v", i)
	}
}

func TestCopiesNeverOvercomeTheImitator(t *testing.T) {
	k := known(t)
	one := k.Weigh(Evidence{Hosts: []string{"velvetcanyon.example"}, Context: first("2026-01-01")}, Params{})
	all := k.Weigh(Evidence{
		Hosts: []string{
			"velvetcanyon.example", "paperfalcon.example", "stonewillow.test", "coppertide.test", "quietharborfeed.example",
			"quietmeadowfeed.example", "brasslanternpost.example", "orchardbridge.test",
		},
		Context: first("2026-01-01"),
	}, Params{})
	bound := 1_000_000 * 200 / 250 // prior of the operators : prior of operators and imitators
	for _, as := range []*Assessment{&one, &all} {
		if h := hypothesis(t, &as.Vendor, "Lanternworks"); h.PPM > bound+2000 {
			t.Errorf("posterior %d, want at most %d: whoever copies one list copies all of it", h.PPM, bound)
		}
	}
}

func TestOneVoiceCountsOnce(t *testing.T) {
	base := world()
	weight := func(list []indicator.Indicator) vedette.MilliBits {
		k := Learn(slices.Values(list), Options{})
		as := k.Weigh(Evidence{Hosts: []string{"velvetcanyon.example"}, Context: first("2026-01-01")}, Params{})
		var sum vedette.MilliBits
		for _, it := range as.Vendor.Evidence {
			if it.Kind == Published {
				sum += it.Ratios[0].Bits
			}
		}
		return sum - k.agree
	}
	alone := weight(base)
	for _, tt := range []struct {
		name  string
		more  []indicator.Indicator
		twice bool
	}{
		{"a second report of the same source", pub("Lanternworks", "Institute", "2025-12-01", "A2", "velvetcanyon.example", "newname.test", "other.test", "third.test"), false},
		{"another's copy of the report", pub("Lanternworks", "Mirror", "2025-09-05", "B2", "velvetcanyon.example", "paperfalcon.example", "coppertide.test"), false},
		{"another's own report", pub("Lanternworks", "Laboratory", "2025-12-01", "A2", "velvetcanyon.example", "own1.test", "own2.test", "own3.test"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := weight(slices.Concat(base, tt.more))
			if more := got > alone+1000; more != tt.twice {
				t.Errorf("weight %s, was %s alone: counted twice is %v, want %v", got, alone, more, tt.twice)
			}
		})
	}
}

func TestFactsAreSharedOrSayNothing(t *testing.T) {
	var facts []enrichment.Fact
	add := func(host string, kind enrichment.Kind, value string) {
		facts = append(facts, enrichment.Fact{Host: host, Kind: kind, Value: value, Source: "import-1"})
	}
	cert := strings.Repeat("ab", 32)
	for i, h := range []string{"velvetcanyon.example", "paperfalcon.example", "coppertide.test"} {
		add(h, enrichment.Certificate, cert)
		add(h, enrichment.NameServer, "ns1.rare.example")
		add(h, enrichment.Registrar, "everybody's registrar")
		add(h, enrichment.Address, fmt.Sprintf("203.0.113.%d", i+1))
	}
	for i := range 200 {
		add(fmt.Sprintf("harmless%d.test", i), enrichment.Registrar, "everybody's registrar")
		add(fmt.Sprintf("harmless%d.test", i), enrichment.NameServer, fmt.Sprintf("ns%d.plain.example", i))
		add(fmt.Sprintf("harmless%d.test", i), enrichment.Certificate, fmt.Sprintf("%064x", i))
	}
	k := Learn(slices.Values(world()), Options{Facts: slices.Values(facts)})
	mine := func(kind enrichment.Kind, value string) Evidence {
		return Evidence{
			Hosts: []string{"kqwv.example"}, Context: first("2026-01-01"),
			Facts: []enrichment.Fact{{Host: "kqwv.example", Kind: kind, Value: value, Source: "import-2"}},
		}
	}
	got := map[enrichment.Kind]vedette.MilliBits{}
	for _, ev := range []Evidence{mine(enrichment.Certificate, cert), mine(enrichment.NameServer, "ns1.rare.example"), mine(enrichment.Registrar, "everybody's registrar")} {
		as := k.Weigh(ev, Params{})
		for _, it := range as.Vendor.Evidence {
			if it.Kind == SharedFact {
				got[ev.Facts[0].Kind] += it.Ratios[0].Bits
			}
		}
	}
	if !(got[enrichment.Certificate] >= got[enrichment.NameServer] && got[enrichment.NameServer] > 2000 && got[enrichment.Registrar] < 500) {
		t.Errorf("certificate %s, name server %s, registrar %s: want the rarer and dearer to say more, what everybody has nothing",
			got[enrichment.Certificate], got[enrichment.NameServer], got[enrichment.Registrar])
	}
	as := k.Weigh(mine(enrichment.NameServer, "ns7.plain.example"), Params{})
	if as.Vendor.Spoken() {
		t.Errorf("a name server of nobody known names %s", as.Vendor.Answer)
	}
}

func TestTheGradeCapsWhatPeopleBring(t *testing.T) {
	k := known(t)
	ask := func(g string, groups ...string) Assessment {
		ev := Evidence{Context: first("2026-01-01")}
		for _, gr := range groups {
			ev.Items = append(ev.Items, Item{
				Claim: Customer, Kind: "testimony", Text: "a person's statement", Source: gr, Grade: grade(g), Group: gr, FalseFlag: Dear,
				Ratios: []Ratio{{Hypothesis: "Office of Tides", Bits: 60000, Low: 60000, High: 60000}},
			})
		}
		return k.Weigh(ev, Params{})
	}
	for _, tt := range []struct {
		name string
		as   Assessment
		want string
	}{
		{"an unjudged source names no customer, however sure it is", ask("F6", "a"), Unknown},
		{"a fair source, told three times, is one source", ask("C3", "a", "a", "a"), Unknown},
		{"a reliable one with a confirmed statement does", ask("A1", "a"), "Office of Tides"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.as.Customer.Answer != tt.want {
				t.Errorf("customer %q, want %q: %+v", tt.as.Customer.Answer, tt.want, tt.as.Customer.Hypotheses)
			}
			if tt.as.Vendor.Spoken() || tt.as.Campaign.Spoken() {
				t.Errorf("evidence about the customer made a vendor %q or a campaign %q", tt.as.Vendor.Answer, tt.as.Campaign.Answer)
			}
		})
	}
}

func TestParams(t *testing.T) {
	if err := DefaultParams().Validate(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*Params){func(p *Params) { p.Speak = 500 }, func(p *Params) { p.Known = 0 }, func(p *Params) { p.CapPart = -1 }} {
		p := DefaultParams()
		change(&p)
		if err := p.Validate(); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("Validate(%+v) = %v, want ErrInvalid", p, err)
		}
	}
}

// drawn draws evidence from published and other names.
func drawn(t *rapid.T) Evidence {
	pool := []string{"kqwv.example", "zz-new.invalid", "harborfeed.test", "www.google.com", "192.0.2.9", "198.51.100.8", "login.coppertide.test", "accounts-verify.test"}
	for _, in := range world() {
		pool = append(pool, in.Value)
	}
	ev := Evidence{Context: Context{Case: "case-2"}}
	for _, v := range rapid.SliceOfN(rapid.SampledFrom(pool), 0, 8).Draw(t, "values") {
		if strings.Contains(v, "/") {
			ev.Links = append(ev.Links, "https://"+v)
		} else {
			ev.Hosts = append(ev.Hosts, v)
		}
	}
	if rapid.Bool().Draw(t, "dated") {
		ev.Context.First = date("2025-01-01").AddDate(0, 0, rapid.IntRange(0, 400).Draw(t, "day"))
	}
	if rapid.Bool().Draw(t, "dissent") {
		ev.Dissent = []Dissent{{Who: "ana", Text: "Perhaps it might be a violation, we believe."}}
	}
	return ev
}

func TestOrderAndRepetitionChangeNothing(t *testing.T) {
	list := world()
	k := Learn(slices.Values(list), Options{})
	rapid.Check(t, func(t *rapid.T) {
		ev := drawn(t)
		want, _ := json.Marshal(k.Weigh(ev, Params{}))
		other := Learn(slices.Values(append(rapid.Permutation(list).Draw(t, "list"), list[0])), Options{})
		ev.Hosts = rapid.Permutation(append(ev.Hosts, ev.Hosts...)).Draw(t, "hosts")
		ev.Links = rapid.Permutation(append(ev.Links, ev.Links...)).Draw(t, "links")
		got, _ := json.Marshal(other.Weigh(ev, Params{}))
		if string(got) != string(want) {
			t.Fatalf("another order gave\n%s\nwant\n%s", got, want)
		}
	})
}

func TestLaws(t *testing.T) {
	k := known(t)
	p := DefaultParams()
	rapid.Check(t, func(t *rapid.T) {
		as := k.Weigh(drawn(t), Params{})
		for _, f := range Lint(as.Text()) {
			t.Errorf("the linter finds %+v in\n%s", f, as.Text())
		}
		for _, c := range []*Claim{&as.Campaign, &as.Vendor, &as.Customer} {
			sum := 0
			for _, h := range c.Hypotheses {
				sum += h.PPM
				if h.Low > h.PPM+1 || h.PPM > h.High+1 {
					t.Errorf("%s: %s is %d outside its range %d to %d", c.Kind, h.Name, h.PPM, h.Low, h.High)
				}
			}
			if sum < 1_000_000-len(c.Hypotheses) || sum > 1_000_000 {
				t.Errorf("%s: posteriors sum to %d", c.Kind, sum)
			}
			if c.Spoken() {
				if h := c.Hypotheses[0]; h.Name != c.Answer || h.PPM < 1000*p.Speak {
					t.Errorf("%s says %s, and the first hypothesis is %+v", c.Kind, c.Answer, h)
				}
				if len(groupsFor(c.Evidence, c.Answer)) == 0 {
					t.Errorf("%s says %s on style alone", c.Kind, c.Answer)
				}
			}
		}
		if strings.Contains(as.Text(), "coppertide.test") || strings.Contains(as.Text(), "harborfeed.example") {
			t.Errorf("a host is not defanged:\n%s", as.Text())
		}
	})
}

func TestGolden(t *testing.T) {
	k := known(t)
	as := k.Weigh(Evidence{
		Hosts:   []string{"quietharborfeed.example", "quietriverfeed.test", "www.google.com"},
		Links:   []string{"https://velvetcanyon.example/9876543s/"},
		Dissent: []Dissent{{Who: "ana", At: date("2026-01-14"), Text: "The path was in the newspapers."}},
		Context: first("2025-06-01"),
	}, Params{})
	b, err := json.MarshalIndent(as, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"assessment.json": string(b) + "\n", "assessment.txt": as.Text()} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	var back Assessment
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if again, _ := json.MarshalIndent(back, "", "  "); string(again) != string(b) {
		t.Errorf("reading what was written and writing it again gives\n%s", again)
	}
}

func TestArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 1<<63).Draw(t, "n")
		if got, want := float64(log2(n)), 1000*math.Log2(float64(n)); got > want+0.01 || got < want-1.1 {
			t.Fatalf("log2(%d) = %v, want %v", n, got, want)
		}
		m := vedette.MilliBits(-rapid.IntRange(0, 40000).Draw(t, "m"))
		if got, want := float64(power(m))/float64(uint64(1)<<62), math.Exp2(float64(m)/1000); math.Abs(got-want) > 1e-9 {
			t.Fatalf("power(%d) = %v, want %v", m, got, want)
		}
		a, b := vedette.MilliBits(rapid.IntRange(-30000, 30000).Draw(t, "a")), vedette.MilliBits(rapid.IntRange(-30000, 30000).Draw(t, "b"))
		want := 1000 * math.Log2(math.Exp2(float64(a)/1000)+math.Exp2(float64(b)/1000))
		if got := float64(either(a, b)); math.Abs(got-want) > 1.5 {
			t.Fatalf("either(%d, %d) = %v, want %v", a, b, got, want)
		}
		v := rapid.Uint64Range(0, 1<<50).Draw(t, "v")
		if r := root(v); r*r > v || (r+1)*(r+1) <= v {
			t.Fatalf("root(%d) = %d", v, r)
		}
	})
}

func TestWordFor(t *testing.T) {
	for _, tt := range []struct {
		ppm  int
		want Word
	}{
		{0, AlmostNoChance},
		{49_999, AlmostNoChance},
		{50_000, VeryUnlikely},
		{200_000, Unlikely},
		{450_000, EvenChance},
		{550_000, Likely},
		{799_999, Likely},
		{800_000, VeryLikely},
		{950_000, AlmostCertain},
		{1_000_000, AlmostCertain},
	} {
		if got, _ := WordFor(tt.ppm); got != tt.want {
			t.Errorf("WordFor(%d) = %s, want %s", tt.ppm, got, tt.want)
		}
	}
}

func TestShapeOf(t *testing.T) {
	for path, want := range map[string]string{
		"/1234567s/":            "/d7l1/",
		"/7654321t/":            "/d7l1/",
		"/":                     "",
		"":                      "",
		"/news/2024/story":      "/news/d4/story",
		"/aB3xY9":               "/m6",
		"/go?org=x&b=1":         "/go?b&org",
		"/cache/cache.nfo#part": "/cache/cache.nfo",
	} {
		if got := ShapeOf(path); got != want {
			t.Errorf("ShapeOf(%q) = %q, want %q", path, got, want)
		}
	}
}

func FuzzWeigh(f *testing.F) {
	k := known(f)
	f.Add("velvetcanyon.example", "https://kqwv.example/1234567s/", "ns1.example")
	f.Add("198.51.100.7", "hxxps://evil[.]example", "203.0.113.5")
	f.Add("[2001:db8::1]", "docs.google.com/x", "")
	f.Fuzz(func(t *testing.T, host, url, value string) {
		ev := Evidence{Hosts: []string{host}, Links: []string{url}}
		for _, kind := range []enrichment.Kind{enrichment.NameServer, enrichment.Address, enrichment.Registered} {
			ev.Facts = append(ev.Facts, enrichment.Fact{Host: host, Kind: kind, Value: value})
		}
		a, b := k.Weigh(ev, Params{}), k.Weigh(ev, Params{})
		x, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if y, _ := json.Marshal(b); string(x) != string(y) {
			t.Fatalf("the same question twice:\n%s\n%s", x, y)
		}
		if a.Customer.Spoken() {
			t.Fatalf("a link names a customer: %s", x)
		}
	})
}

func BenchmarkWeigh(b *testing.B) {
	k := known(b)
	ev := Evidence{Hosts: []string{"quietharborfeed.example", "quietriverfeed.test"}, Links: []string{"https://velvetcanyon.example/9876543s/"}}
	b.ReportAllocs()
	for b.Loop() {
		k.Weigh(ev, Params{})
	}
}
