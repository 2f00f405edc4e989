package decision

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"vedette"
)

const goodRule = `rules:
  - id: good
    title: a title
    spares: some
    costs: others
    kinds: [link.sent]
    when: >
      event.stranger
      && domain_people <= 1
    verdict: warn
    weight_bits: 4.5
    mode: active
    reason: A reason.
    examples:
      - name: fires
        facts: {event.stranger: true, domain_people: 1}
        fires: true
      - name: spares
        facts: {event.stranger: false, domain_people: 0}
        fires: false
`

func load(text string) (*RuleSet, error) {
	return Load(fstest.MapFS{"r.yaml": &fstest.MapFile{Data: []byte(text)}})
}

func TestLoadSaysWhereAndWhatToDo(t *testing.T) {
	if _, err := load(goodRule); err != nil {
		t.Fatalf("the good rule: %v", err)
	}
	for _, tt := range []struct{ name, old, new, want string }{
		{"an unknown key", "    mode: active", "    mod: active", `r.yaml:12:5: rule "good": unknown key "mod": did you mean mode?`},
		{"a missing key", "    spares: some\n", "", `r.yaml:2:5: rule "good": "spares" is missing: say whom it does not touch, and why`},
		{"a key that stands twice", "    costs: others\n", "    costs: others\n    costs: others\n", `r.yaml:6:5: rule "good": "costs" stands twice`},
		{"an empty prose", "title: a title", `title: ""`, `r.yaml:3:12: rule "good": "title" is empty`},
		{"an id with capitals", "id: good", "id: Good", `r.yaml:2:9: rule "Good": an id has 1 to 64 of a-z, 0-9 and -`},
		{"an unknown kind", "[link.sent]", "[link.send]", `r.yaml:6:13: rule "good": kind "link.send" is none that a platform sends: did you mean link.sent?`},
		{"the journal's own kind", "[link.sent]", "[tick]", `kind "tick" is none that a platform sends`},
		{"a kind without links", "[link.sent]", "[link.sent, message.sent]", `asks about a link (domain_people), but message.sent carries none`},
		{"a fact that the kind never tells", "[link.sent]", "[profile.changed]", `event.stranger is never told by the rule's kinds: it is told by message.sent, link.sent`},
		{"a misspelt fact in a folded text", "domain_people <= 1\n", "domain_peple <= 1\n", `r.yaml:9:10: rule "good": when: domain_peple is no fact that a rule may ask; did you mean domain_people?`},
		{
			"a misspelt fact in one line", "when: >\n      event.stranger\n      && domain_people <= 1", "when: event.stranger && dmain_people <= 1",
			`r.yaml:7:29: rule "good": when: dmain_people is no fact`,
		},
		{
			"a misspelt fact in quotes", "when: >\n      event.stranger\n      && domain_people <= 1", `when: "event.stranger && dmain_people <= 1"`,
			`r.yaml:7:30: rule "good": when: dmain_people is no fact`,
		},
		{"a misspelt fact in a literal text", "when: >", "when: |", ""},
		{"a syntax error", "&& domain_people", "&& && domain_people", `r.yaml:9:10: rule "good": when: Syntax error`},
		{"an unknown verdict", "verdict: warn", "verdict: stop", `r.yaml:10:14: rule "good": verdict "stop": write warn, hold or block`},
		{"a rule that would allow", "verdict: warn", "verdict: allow", `no rule may silence another`},
		{"a weight that is none", "weight_bits: 4.5", "weight_bits: much", `r.yaml:11:18: rule "good": weight_bits "much": a number of bits over 0, at most 64`},
		{"a weight that is not a number", "weight_bits: 4.5", "weight_bits: .nan", `weight_bits ".nan"`},
		{"an unknown mode", "mode: active", "mode: on", `r.yaml:12:11: rule "good": mode "on": write active or shadow`},
		{"a reason with a hole", "reason: A reason.", "reason: Sent by {actor}.", `the reason is one constant line`},
		{"a reason with invisible characters", "reason: A reason.", "reason: A\u202e reason.", `holds control or invisible characters`},
		{"no example that spares", "fires: false", "fires: true", `at least one example with "fires: true" and one with "fires: false"`},
		{"an example with an unknown fact", "domain_people: 1}", "domain_poeple: 1}", `r.yaml:16:39: rule "good": example: domain_poeple is no fact; did you mean domain_people?`},
		{"an example with a bad value", "event.stranger: true", "event.stranger: maybe", `r.yaml:16:33: rule "good": example: event.stranger is true or false, not "maybe"`},
		{"an example with a bad amount", "domain_people: 1}", "domain_people: 3 fortnights}", `is a whole number, or one with a unit such as 2 days, not "3 fortnights"`},
		{"a fact that the example's kind never tells", "domain_people: 1}", "network.class: hosting}", `link.sent never tells network.class`},
		{"a need that is no fact", "    reason: A reason.", "    needs: [acount_age]\n    reason: A reason.", `needs "acount_age": no fact has this name; did you mean account_age?`},
		{"two tiers", "    reason: A reason.", "    needs: [tier-1, tier-2]\n    reason: A reason.", `one of tier-0, tier-1, tier-2, tier-R`},
		{"no list of rules", "rules:\n", "rulez:\n", `r.yaml:1:1: unknown key "rulez": did you mean rules?`},
		{"an alias", "title: a title\n    spares: some", "title: &a a title\n    spares: *a", `aliases are not part of rule files`},
		{"not YAML", "    kinds: [link.sent]", "    kinds: [link.sent", `not YAML`},
		{"two documents", "rules:\n", "---\nrules: []\n---\nrules:\n", `more than one YAML document`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(goodRule, tt.old, tt.new, 1)
			if text == goodRule {
				t.Fatalf("%q is not in the rule", tt.old)
			}
			rs, err := load(text)
			if tt.want == "" {
				if err != nil {
					t.Errorf("Load = %v, want a set", err)
				}
				return
			}
			if err == nil || rs != nil {
				t.Fatalf("Load = %v, %v; want an error and no set", rs, err)
			}
			if !strings.Contains(err.Error(), tt.want) || !errors.Is(err, vedette.ErrInvalid) {
				t.Errorf("Load = %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestLoadTellsEverythingAtOnceAndGivesNoHalfSet(t *testing.T) {
	bad := strings.NewReplacer("id: good", "id: bad", "verdict: warn", "verdict: stop", "mode: active", "mode: on").Replace(goodRule)
	rs, err := Load(fstest.MapFS{
		"a.yaml":     &fstest.MapFile{Data: []byte(goodRule)},
		"b.yaml":     &fstest.MapFile{Data: []byte(bad)},
		"sub/c.yml":  &fstest.MapFile{Data: []byte(goodRule)},
		"readme.txt": &fstest.MapFile{Data: []byte("no rules")},
	})
	if rs != nil || err == nil {
		t.Fatalf("Load = %v, %v", rs, err)
	}
	for _, want := range []string{`b.yaml:10:14: rule "bad": verdict`, `b.yaml:12:11: rule "bad": mode`, `sub/c.yml:2:9: rule "good": the id is taken at a.yaml:2`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Load = %v\nwant also %s", err, want)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 3 {
		t.Errorf("Load tells %d errors, want 3:\n%v", n, err)
	}
}

func TestASetMustSayThatItIsEmpty(t *testing.T) {
	if _, err := Load(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), "rules: []") {
		t.Errorf("Load of no files = %v, want how to say so", err)
	}
	if rs, err := load("rules: []\n"); err != nil || rs.Len() != 0 {
		t.Errorf("Load of an empty list = %v, %v", rs, err)
	}
	if _, err := load(""); err == nil || !strings.Contains(err.Error(), "the file is empty") {
		t.Errorf("Load of an empty file = %v", err)
	}
}

func TestASetThatCostsTooMuchTogetherIsRefused(t *testing.T) {
	var b strings.Builder
	b.WriteString("rules:\n")
	when := "when: event.stranger && domain_people <= 1" + strings.Repeat(` && link.where in ["message", "profile", "group", "invite", "qr", "file"]`, 3)
	rule := strings.Replace(strings.TrimPrefix(goodRule, "rules:\n"), "when: >\n      event.stranger\n      && domain_people <= 1", when, 1)
	for i := range 400 {
		b.WriteString(strings.Replace(rule, "id: good", "id: good-"+strings.Repeat("x", i%20)+string(rune('a'+i/20)), 1))
	}
	_, err := load(b.String())
	if err == nil || !strings.Contains(err.Error(), "all rules for link.sent together may cost") {
		t.Errorf("Load = %v", err)
	}
}

func TestDeclaredNeedsHoldARuleBack(t *testing.T) {
	text := strings.Replace(goodRule, "    reason: A reason.", "    needs: [account_age, tier-1]\n    reason: A reason.", 1)
	text = strings.Replace(text, "domain_people: 1}", "domain_people: 1, account_age: 1 day}", 1)
	rs, err := load(text)
	if err != nil {
		t.Fatal(err)
	}
	g := mustMake(t, Parts{Rules: rs, Indicators: knows(nil)})
	in := sent(1)
	in.Event.Body.(*vedette.LinkSent).Stranger = yes
	in.Measures[0].Set(vedette.MeasureDomainPeople, 0)
	if d := g.Decide(in); d.Would != vedette.Warn {
		t.Errorf("with all needs: would %v, want warn", d.Would)
	}
	in.Event.Tier = vedette.Tier0
	if d := g.Decide(in); d.Would != vedette.Allow {
		t.Errorf("below the tier: would %v, want allow", d.Would)
	}
	in.Event.Tier = vedette.Tier2
	in.Measures[0].Reset()
	in.Measures[0].Set(vedette.MeasureDomainPeople, 0)
	if d := g.Decide(in); d.Would != vedette.Allow {
		t.Errorf("without the measure: would %v, want allow", d.Would)
	}
	if c := g.Counts().Rules["rule:good"]; c.NotMeasurable != 2 || c.Fired != 1 {
		t.Errorf("counts = %+v, want 1 fired and 2 not measurable", c)
	}
}

func TestAWrongExampleFailsInWords(t *testing.T) {
	rs, err := load(strings.Replace(goodRule, "event.stranger: true, domain_people: 1}", "event.stranger: true}", 1))
	if err != nil {
		t.Fatal(err)
	}
	got := rs.Test(t.Context())[0]
	want := TestResult{
		Rule: "rule:good", Example: "fires", Place: "r.yaml:15",
		Got: "does not fire (a fact that decides it is absent)", Want: "fires",
	}
	if got != want {
		t.Errorf("Test = %+v, want %+v", got, want)
	}
}

func TestExplainTellsWhomARuleSparesAndCosts(t *testing.T) {
	rs := starterSet(t)
	for _, id := range []vedette.RuleID{"stranger-one-time-link", "rule:stranger-one-time-link"} {
		text, err := rs.Explain(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"It spares:", "It costs:", "doctor's appointment", "link.token_like > 0", "Cost bound: 9 of 200 units; evaluated by closures", "tier 1"} {
			if !strings.Contains(text, want) {
				t.Errorf("Explain(%s) lacks %q:\n%s", id, want, text)
			}
		}
	}
	if _, err := rs.Explain("stranger-onetime-link"); !errors.Is(err, vedette.ErrUnknown) || !strings.Contains(err.Error(), "did you mean stranger-one-time-link?") {
		t.Errorf("Explain of a misspelt rule = %v", err)
	}
}

// FuzzLoad: no file makes Load panic; it gives a set or an error, and a set that was loaded can be tested and decides.
func FuzzLoad(f *testing.F) {
	f.Add(goodRule)
	f.Add(vectorRules)
	f.Add("rules: []")
	f.Add("rules:\n  - id: &a x\n    when: *a\n")
	f.Add("rules: {a: b}\n---\n")
	f.Add("- 1\n- [2, {3: 4}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		rs, err := load(text)
		if (rs == nil) == (err == nil) {
			t.Fatalf("Load = %v, %v", rs, err)
		}
		if err != nil {
			if !errors.Is(err, vedette.ErrInvalid) {
				t.Fatalf("Load = %v wraps no kind", err)
			}
			return
		}
		for _, r := range rs.Test(t.Context()) {
			if r.Want == "a generation" {
				t.Fatal(r.Got)
			}
		}
		if again, err := load(text); err != nil || again.Digest() != rs.Digest() {
			t.Fatalf("the same file gives %v and %v, %v", rs.Digest(), again.Digest(), err)
		}
	})
}
