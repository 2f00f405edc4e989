package decision

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"cel.dev/cel-go/cel"

	"vedette"
)

// fiftyRules is the starter set and variations of its rules with other thresholds, fifty in all, most of them about links.
func fiftyRules(t testing.TB) *RuleSet {
	t.Helper()
	files := fstest.MapFS{}
	count := starterSet(t).Len()
	for _, name := range []string{"first-contact.yaml", "names.yaml", "reports.yaml", "accounts.yaml"} {
		data, err := starter.ReadFile("rules/" + name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: data}
	}
	whens := []string{
		"domain_people <= %d && domain_age < 3 * day && account_age < 9 * day",
		"(event.stranger || first_contact) && account_age < %d * day && link.token_like > 2",
		"strangers >= %d && domain_recipients > 2 * domain_people && link.entropy > 60",
		"reports_against > %d || blocks_against > 6 || domain_reports > 9",
		"(link.shortener || link.embedded) && url_sends == 0 && contacts < %d",
		"account_messages > 20 * %d && links_day * 2 > account_messages && !link.shared_host",
		"event.stranger && host_people < %d && link.path_segments >= 2 && link.query_keys <= 1",
		`match.list("partner") && domain_people < %d`,
	}
	var b strings.Builder
	for i := 0; count+i < 50; i++ {
		rule := fmt.Sprintf("variant-%02d|warn|active|%s", i, fmt.Sprintf(whens[i%len(whens)], 2+i))
		b.Write(ruleFile(rule)["rules.yaml"].Data[len("rules:\n"):])
	}
	files["variants.yaml"] = &fstest.MapFile{Data: []byte("rules:\n" + b.String())}
	rs := mustLoad(t, files)
	if rs.Len() != 50 {
		t.Fatalf("%d rules, want 50", rs.Len())
	}
	return rs
}

// reference judges with plain cel-go, as one would with the library as it comes: a program for each rule and a map of what is known.
type reference struct {
	rules    []*rule
	programs []cel.Program
}

func newReference(t testing.TB, rs *RuleSet) *reference {
	t.Helper()
	celEnv, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	ref := &reference{rules: rs.rules}
	for _, r := range rs.rules {
		p, err := celEnv.Program(r.program.checked)
		if err != nil {
			t.Fatal(err)
		}
		ref.programs = append(ref.programs, p)
	}
	return ref
}

func (ref *reference) fill(known map[string]any, f *facts) {
	for _, v := range vocabularyOrder {
		n, ok := v.get(f)
		if ok {
			known[v.name] = v.value(n)
		}
		known[measuredPrefix+v.name] = ok
	}
	a := activation{f}
	for _, name := range []string{matchLists, matchScopes} {
		if v, ok := a.ResolveName(name); ok {
			known[name] = v
		}
	}
}

// eval asks the rules of the event's kind, and gives the strongest verdict and how many fired.
func (ref *reference) eval(vars any, kind vedette.Kind, link bool) (would vedette.Verdict, fired int) {
	for i, r := range ref.rules {
		if r.kinds>>kind&1 == 0 || r.program.aboutLink && !link {
			continue
		}
		out, _, err := ref.programs[i].Eval(vars)
		if err != nil || out.Value() != true {
			continue
		}
		fired++
		if r.mode == Active {
			would = max(would, r.verdict)
		}
	}
	return would, fired
}

// benchInputs are events that one server sees: mostly friends' links, some first contacts, one attack.
func benchInputs() []*Input {
	clean := sent(1)
	stranger := sent(2)
	stranger.Event.Body.(*vedette.LinkSent).Stranger = yes
	attack := sent(3)
	body := attack.Event.Body.(*vedette.LinkSent)
	body.Stranger = yes
	body.Links[0].Shape.TokenLike, body.Links[0].Shape.Entropy = 1, 65
	attack.Measures[0].Set(vedette.MeasureAccountAge, 86400)
	attack.Measures[0].Set(vedette.MeasureDomainPeople, 0)
	attack.Measures[0].Set(vedette.MeasureDomainAge, 0)
	out := slices.Repeat([]*Input{clean}, 12)
	out = append(out, stranger, stranger, stranger, attack)
	return out
}

func TestPlainCELDecidesTheSame(t *testing.T) {
	rs := fiftyRules(t)
	g := mustMake(t, Parts{Rules: rs, Indicators: knows(nil)})
	ref := newReference(t, rs)
	for i, in := range benchInputs() {
		d := g.Decide(in)
		var f facts
		f.event(in.Event, 1)
		f.about(&in.Event.Links()[0])
		f.measures = &in.Measures[0]
		f.matched(nil, nil)
		known := map[string]any{}
		ref.fill(known, &f)
		would, fired := ref.eval(known, in.Event.Kind(), true)
		if d.Would != would || len(d.Reasons) != min(fired, MaxReasons) {
			t.Errorf("input %d: would %v with %d reasons, plain cel-go %v with %d", i, d.Would, len(d.Reasons), would, fired)
		}
	}
}

// BenchmarkDecide judges one event with one link by fifty rules. "plain" is the same work with cel-go as it comes, in the same run; its map of
// what is known is made anew for each event in "plain/map", and "plain/resolve" lets it ask for facts one by one, which is the best
// that it can do.
func BenchmarkDecide(b *testing.B) {
	rs := fiftyRules(b)
	g := mustMake(b, Parts{Rules: rs, Indicators: knows(nil)})
	ref := newReference(b, rs)
	inputs := benchInputs()
	b.Run("vedette/clean", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.Decide(inputs[0])
		}
	})
	b.Run("vedette/mixed", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			g.Decide(inputs[i&15])
			i++
		}
	})
	facts16 := func(i int) *facts {
		in := inputs[i&15]
		f := new(facts)
		f.event(in.Event, 1)
		f.about(&in.Event.Links()[0])
		f.measures = &in.Measures[0]
		f.matched(nil, nil)
		return f
	}
	b.Run("plain/map", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			known := make(map[string]any, 160)
			ref.fill(known, facts16(i))
			ref.eval(known, vedette.KindLinkSent, true)
			i++
		}
	})
	b.Run("plain/resolve", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			ref.eval(activation{facts16(i)}, vedette.KindLinkSent, true)
			i++
		}
	})
}

// BenchmarkCostUnit tells how long one unit of the cost bound takes, at worst: all fifty rules on facts that settle nothing early.
func BenchmarkCostUnit(b *testing.B) {
	rs := fiftyRules(b)
	f := &facts{kind: vedette.KindLinkSent, measures: &vedette.Measures{}}
	units := uint64(0)
	for _, r := range rs.rules {
		units += r.program.cost
	}
	for b.Loop() {
		for _, r := range rs.rules {
			r.when(f)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(units), "ns/unit")
}
