package order_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vedette"
	"vedette/record/order"
)

func acts(t testing.TB) map[string]*order.Act {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "examples", "acts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := order.ReadActs(b)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*order.Act{}
	for i := range list {
		out[list[i].ID] = &list[i]
	}
	return out
}

func element(t *testing.T, tests []order.ClauseTest, clause, name string) order.Element {
	t.Helper()
	for _, c := range tests {
		for _, e := range c.Elements {
			if c.Clause == clause && e.Name == name {
				return e
			}
		}
	}
	t.Fatalf("no element %q of %s", name, clause)
	return order.Element{}
}

func TestHold(t *testing.T) {
	o, all := example(t), acts(t)
	for _, tt := range []struct {
		act, clause, element string
		want                 order.ElementState
		text                 string
	}{
		// test accounts that reached nobody
		{"rehearsal", "C4", order.ElementText, order.Met, "entered from the paper"},
		{"rehearsal", "C4", order.ElementActor, order.Met, "high confidence"},
		{"rehearsal", "C4", order.ElementBound, order.Met, "65(d)(2)(A)"},
		{"rehearsal", "C4", order.ElementAct, order.Met, "It needs nobody who was reached"},
		{"rehearsal", "C4", order.ElementTime, order.Met, "is in force"},
		{"rehearsal", "C4", order.ElementPlatform, order.Met, "is a platform of the order"},
		{"rehearsal", "C4", order.ElementNotice, order.Met, "served"},
		{"rehearsal", "C4", order.ElementExceptions, order.Met, "has no exception"},
		{"rehearsal", "C4", order.ElementDoubt, order.NotShown, "was not raised"},
		{"rehearsal", "C4", order.ElementCompliance, order.NotShown, "was not raised"},
		{"rehearsal", "C4", order.ElementInability, order.NotShown, "was not raised"},
		{"rehearsal", "C3", order.ElementAct, order.Met, "test"},
		{"rehearsal", "C3", order.ElementExceptions, order.NotShown, "E1"},
		{"rehearsal", "C1", order.ElementAct, order.NotMet, "does not speak of"},
		{"rehearsal", "C9", order.ElementText, order.NotShown, "placeholder"},
		{"rehearsal", "C9", order.ElementDoubt, order.Gray, "specific text"},
		// inside the days in which the stay may have begun
		{"during-the-stay", "C1", order.ElementTime, order.Gray, "not known"},
		{"during-the-stay", "C1", order.ElementActor, order.Gray, "short of clear and convincing"},
		{"during-the-stay", "C1", order.ElementBound, order.Met, "65(d)(2)(C)"},
		{"during-the-stay", "C1", order.ElementDoubt, order.Gray, "without evidence"},
		// recorded, not counted
		{"other-service", "C4", order.ElementPlatform, order.NotMet, "X2"},
		{"a-government", "C1", order.ElementBound, order.NotMet, "X1"},
		{"a-government", "C1", order.ElementNotice, order.NotMet, "no notice"},
	} {
		e := element(t, order.Hold(all[tt.act], o), tt.clause, tt.element)
		if e.State != tt.want || !strings.Contains(e.Text, tt.text) {
			t.Errorf("%s against %s: %s is %s (%s), want %s with %q", tt.act, tt.clause, tt.element, e.State, e.Text, tt.want, tt.text)
		}
	}
	for _, c := range order.Hold(all["rehearsal"], o) {
		if c.Clause == "C4" && len(c.Missing) != 0 {
			t.Errorf("C4 misses %v", c.Missing)
		}
		if c.Status != "draft, alleged" {
			t.Errorf("%s is %q", c.Clause, c.Status)
		}
	}
}

// TestAnElementNeedsWhatItSays takes one thing away from an act of which everything is met, or changes it.
func TestAnElementNeedsWhatItSays(t *testing.T) {
	o := example(t)
	for _, tt := range []struct {
		name    string
		change  func(*order.Act)
		element string
		want    order.ElementState
	}{
		{"nobody", func(a *order.Act) { a.Actor = order.Actor{} }, order.ElementActor, order.NotShown},
		{"nobody is bound", func(a *order.Act) { a.Actor = order.Actor{} }, order.ElementBound, order.NotShown},
		{"but the time stands", func(a *order.Act) { a.Actor = order.Actor{} }, order.ElementTime, order.Met},
		{"no evidence for who", func(a *order.Act) { a.Actor.Evidence = nil }, order.ElementActor, order.NotShown},
		{"low confidence", func(a *order.Act) { a.Actor.Confidence = order.LowConfidence }, order.ElementActor, order.NotShown},
		{"a stranger", func(a *order.Act) { a.Actor.Party = "somebody" }, order.ElementBound, order.NotMet},
		{"no service recorded", func(a *order.Act) { a.Actor.Party = "parent" }, order.ElementNotice, order.NotShown},
		{"only alleged to be in concert", func(a *order.Act) { a.Actor.Party = "integrator" }, order.ElementBound, order.Gray},
		{"no evidence for what", func(a *order.Act) { a.Evidence = nil }, order.ElementAct, order.NotShown},
		{"nowhere", func(a *order.Act) { a.Platform = "" }, order.ElementPlatform, order.NotShown},
		{"elsewhere", func(a *order.Act) { a.Platform = "other.example" }, order.ElementPlatform, order.NotMet},
		{"no time", func(a *order.Act) { a.At, a.Until = order.Moment{}, nil }, order.ElementTime, order.NotShown},
		{"before the order", func(a *order.Act) { a.At, a.Until = order.Exactly(at(t, "2025-10-01T00:00:00Z")), nil }, order.ElementTime, order.NotMet},
		{"in the stay", func(a *order.Act) { a.At, a.Until = order.Exactly(at(t, "2025-12-30T00:00:00Z")), nil }, order.ElementTime, order.NotMet},
		{"at a time that may be in the stay", func(a *order.Act) {
			a.At, a.Until = order.Moment{Earliest: at(t, "2025-12-10T00:00:00Z"), Latest: at(t, "2025-12-30T00:00:00Z")}, nil
		}, order.ElementTime, order.Gray},
		{"kept on from before the order", func(a *order.Act) { a.At = order.Exactly(at(t, "2025-01-01T00:00:00Z")) }, order.ElementTime, order.Met},
		{"kept on, and notice came", func(a *order.Act) { a.At = order.Exactly(at(t, "2025-01-01T00:00:00Z")) }, order.ElementNotice, order.Met},
		{"ended before notice", func(a *order.Act) {
			m := order.Exactly(at(t, "2025-10-17T08:00:00Z"))
			a.At, a.Until = order.Exactly(at(t, "2025-10-01T00:00:00Z")), &m
		}, order.ElementNotice, order.NotMet},
		{"inability, with a paper", func(a *order.Act) {
			a.Inability = &order.Defence{Text: "the keys were lost", Evidence: []string{"declaration 3"}}
		}, order.ElementInability, order.Met},
		{"compliance, said", func(a *order.Act) { a.Compliance = &order.Defence{Text: "all but three were closed"} }, order.ElementCompliance, order.Gray},
	} {
		a := *acts(t)["rehearsal"]
		tt.change(&a)
		if e := element(t, order.Hold(&a, o), "C4", tt.element); e.State != tt.want {
			t.Errorf("%s: %s is %s (%s), want %s", tt.name, tt.element, e.State, e.Text, tt.want)
		}
	}
	a := *acts(t)["rehearsal"]
	for applies, want := range map[order.Truth]order.ElementState{order.Yes: order.NotMet, order.Unknown: order.Gray, order.No: order.Met} {
		a.Exceptions = []order.Condition{{ID: "E1", Applies: applies, Text: "accounts were used", Evidence: []string{"record-1204"}}}
		if e := element(t, order.Hold(&a, o), "C3", order.ElementExceptions); e.State != want {
			t.Errorf("E1 applies: %s: %s, want %s", applies, e.State, want)
		}
	}
}

// TestAnExceptionIsNotRuledOutByAWord: that it does not apply takes evidence.
func TestAnExceptionIsNotRuledOutByAWord(t *testing.T) {
	a := *acts(t)["rehearsal"]
	a.Exceptions = []order.Condition{{ID: "E1", Applies: order.No, Text: "accounts were used"}}
	if e := element(t, order.Hold(&a, example(t)), "C3", order.ElementExceptions); e.State != order.NotShown {
		t.Errorf("%s: %s", e.State, e.Text)
	}
}

// TestNoPropositionRestsOnAScore: there is no number in what an act says, nor in what comes of it, and no text speaks of one.
func TestNoPropositionRestsOnAScore(t *testing.T) {
	var walk func(reflect.Type, string)
	seen := map[reflect.Type]bool{reflect.TypeFor[order.Moment](): true}
	walk = func(x reflect.Type, path string) {
		if seen[x] {
			return
		}
		seen[x] = true
		switch x.Kind() {
		case reflect.Struct:
			for f := range x.Fields() {
				walk(f.Type, path+"."+f.Name)
			}
		case reflect.Slice, reflect.Pointer:
			walk(x.Elem(), path)
		case reflect.String:
		default:
			t.Errorf("%s is a %s", path, x)
		}
	}
	walk(reflect.TypeFor[order.Act](), "Act")
	walk(reflect.TypeFor[order.ClauseTest](), "ClauseTest")
	number := regexp.MustCompile(`(?i)\bscore|\bbits?\b|%|\bper cent|\bprobab|\blikel|\b0?\.\d`)
	violated := regexp.MustCompile(`(?i)violat|breach`)
	for _, a := range acts(t) {
		for _, c := range order.Hold(a, example(t)) {
			for _, e := range c.Elements {
				if number.MatchString(e.Text) || violated.MatchString(e.Text+string(e.State)) {
					t.Errorf("%s, %s: %s", c.Clause, e.Name, e.Text)
				}
				if !slices.Contains([]order.ElementState{order.Met, order.NotMet, order.NotShown, order.Gray}, e.State) || e.Text == "" {
					t.Errorf("%s, %s: %q %q", c.Clause, e.Name, e.State, e.Text)
				}
			}
		}
	}
	if _, err := order.ReadActs([]byte("format: vedette-act-facts-1\nacts:\n  - {id: a, kind: testing, text: x, at: unknown, score: 12.5}\n")); err == nil || !strings.Contains(err.Error(), "score: is unknown") {
		t.Errorf("a score in an act: %v", err)
	}
}

// TestOnlyACourtEndsAlleged walks the states of an assertion.
func TestOnlyACourtEndsAlleged(t *testing.T) {
	var draft order.Assertion
	if draft.Words() != "draft, alleged" {
		t.Errorf("a draft is %q", draft.Words())
	}
	if _, err := draft.Assert("", vedette.Digest{1}); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("without a name: %v", err)
	}
	if _, err := draft.Assert("ana", vedette.Digest{}); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("without a signature: %v", err)
	}
	if _, err := draft.Enter(order.CourtFinding{Court: "Example District Court", Instrument: "docket entry 900", Outcome: order.Found}); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("a finding about a draft: %v", err)
	}
	said, err := draft.Assert("ana", vedette.Digest{1})
	if err != nil || said.Words() != "asserted by ana, alleged" || said.Signature() != (vedette.Digest{1}) {
		t.Errorf("%q, %v", said.Words(), err)
	}
	for _, f := range []order.CourtFinding{
		{Court: "Example District Court", Outcome: order.Found},
		{Instrument: "docket entry 900", Outcome: order.Found},
		{Court: "Example District Court", Instrument: "docket entry 900"},
		{Court: "Example District Court", Instrument: "docket entry 900", Outcome: "violated"},
	} {
		if got, err := said.Enter(f); !errors.Is(err, vedette.ErrInvalid) || !strings.Contains(got.Words(), "alleged") {
			t.Errorf("Enter(%+v): %q, %v", f, got.Words(), err)
		}
	}
	for outcome, want := range map[order.Outcome]string{
		order.Found:    "asserted by ana; found by Example District Court (docket entry 900)",
		order.NotFound: "asserted by ana; not found by Example District Court (docket entry 900)",
	} {
		got, err := said.Enter(order.CourtFinding{Court: "Example District Court", Instrument: "docket entry 900", Outcome: outcome})
		if err != nil || got.Words() != want {
			t.Errorf("%s: %q, %v", outcome, got.Words(), err)
		}
	}
}

func TestActsAreReadStrictly(t *testing.T) {
	_, err := order.ReadActs([]byte(`format: vedette-act-facts-1
acts:
  - id: a
    kind: mischief
    text: x
    actor: {party: vendor, confidence: certain}
  - id: a
    kind: testing
    at: 2025-13-01
    exceptions: [{id: E1, applies: perhaps, text: x}]
    doubt: {evidence: [""]}
`))
	for _, want := range []string{
		`line 4: acts[1].kind: "mischief"`, "acts[1].at: is missing", `acts[1].actor.confidence: "certain": want low, moderate, high`, "acts[2].id: a is the id of acts[1] already",
		"acts[2].text: is missing", "line 9: acts[2].at: want a day", `acts[2].exceptions[1].applies: "perhaps"`, "acts[2].doubt.text: is missing", "acts[2].doubt.evidence[1]: want an id",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nobody says %q in\n%v", want, err)
		}
	}
}
