package decision

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/interpreter"
	"pgregory.net/rapid"

	"vedette"
	"vedette/record/indicator"
)

// activation shows the facts to plain cel-go: what is absent is unresolved there, which CEL treats as an error.
type activation struct{ f *facts }

func (a activation) ResolveName(name string) (any, bool) {
	if name == matchLists || name == matchScopes {
		if !a.f.asked {
			return nil, false
		}
		out := []string{}
		for i := range a.f.matches {
			if name == matchLists {
				out = append(out, strings.TrimPrefix(string(a.f.matches[i].List), "list:"))
			} else {
				out = append(out, a.f.matches[i].Scope.String())
			}
		}
		return out, true
	}
	if of, ok := strings.CutPrefix(name, measuredPrefix); ok && vocabulary[of] != nil {
		_, there := vocabulary[of].get(a.f)
		return there, true
	}
	f := vocabulary[name]
	if f == nil {
		return nil, false
	}
	v, ok := f.get(a.f)
	if !ok {
		return nil, false
	}
	return f.value(v), true
}

func (activation) Parent() interpreter.Activation { return nil }

// plain evaluates with cel-go as it comes. An error is Unknown.
func plain(t interface{ Fatalf(string, ...any) }, p cel.Program, f *facts) vedette.Tri {
	out, _, err := p.Eval(activation{f})
	if err != nil {
		return unknown
	}
	b, ok := out.Value().(bool)
	if !ok {
		t.Fatalf("cel-go gives %v", out)
	}
	return vedette.TriOf(b)
}

// source gives random numbers, from a fuzzer's bytes or from rapid.
type source func(n int) int

func randomFacts(pick source) *facts {
	f := &facts{measures: &vedette.Measures{}}
	f.kind = vedette.Kinds()[pick(len(vedette.Kinds()))]
	f.tier = vedette.Tier(pick(4))
	f.links = pick(3)
	three := func() vedette.Tri { return vedette.Tri(pick(3)) }
	f.stranger, f.reply, f.hasLink, f.toGroup, f.returned, f.found = three(), three(), three(), three(), three(), three()
	f.count = uint16(pick(3))
	f.join, f.category = vedette.JoinWay(pick(5)), vedette.ReportCategory(pick(7))
	f.lookup, f.deletion = vedette.LookupWay(pick(3)), vedette.DeletionReason(pick(4))
	f.attestation = vedette.Attestation(pick(5))
	countries := []vedette.Country{{}, {'J', 'O'}, {'L', 'B'}}
	f.network = vedette.Network{ASN: uint32(pick(2) * 64500), Class: vedette.NetworkClass(pick(6)), Country: countries[pick(3)]}
	f.number = vedette.Number{Carrier: vedette.CarrierClass(pick(5)), Country: countries[pick(3)]}
	for k := range vedette.MeasureCount {
		if pick(2) == 0 {
			f.measures.Set(k, amounts[pick(len(amounts))])
		}
	}
	if pick(4) > 0 {
		l := vedette.Link{Where: vedette.Place(pick(6))}
		l.Shape.Flags = vedette.ShapeFlag(pick(1 << 16))
		l.Shape.TokenLike, l.Shape.Entropy, l.Shape.Length = uint8(pick(3)), uint8(pick(80)), uint16(pick(2)*30)
		f.about(&l)
		if pick(3) > 0 {
			var ms []indicator.Match
			for range pick(3) {
				ms = append(ms, indicator.Match{
					Scope: indicator.Scope(1 + pick(4)), Verdict: vedette.Verdict(pick(4)), Weight: vedette.MilliBits(pick(20000)),
					List: vedette.RuleID("list:" + listNames[pick(len(listNames))]),
				})
			}
			f.matched(ms, nil)
		}
	}
	return f
}

var (
	listNames = []string{"alpha", "beta", "gamma"}
	amounts   = []int64{0, 1, 2, 3, 5, 30, 86400, 604800, 2592000, -1, math.MaxInt64, math.MinInt64}
)

// randomBool and randomInt write random well-typed expressions.
func randomBool(pick source, depth int) string {
	if depth <= 0 {
		switch pick(4) {
		case 0:
			return []string{"true", "false"}[pick(2)]
		case 1:
			return "measured(" + vocabularyOrder[pick(len(vocabularyOrder))].name + ")"
		default:
			return randomFact(pick, factBool).name
		}
	}
	switch pick(12) {
	case 0, 1:
		return "(" + randomBool(pick, depth-1) + " && " + randomBool(pick, depth-1) + ")"
	case 2, 3:
		return "(" + randomBool(pick, depth-1) + " || " + randomBool(pick, depth-1) + ")"
	case 4:
		return "!" + randomBool(pick, depth-1)
	case 5:
		return "(" + randomBool(pick, depth-1) + " ? " + randomBool(pick, depth-1) + " : " + randomBool(pick, depth-1) + ")"
	case 6:
		return "(" + randomBool(pick, depth-1) + []string{" == ", " != "}[pick(2)] + randomBool(pick, depth-1) + ")"
	case 7:
		f := randomFact(pick, factWord)
		w := randomWord(pick, f)
		if pick(2) == 0 {
			return fmt.Sprintf("(%s in [%q, %q])", f.name, w, randomWord(pick, f))
		}
		return fmt.Sprintf("(%s %s %q)", f.name, []string{"==", "!="}[pick(2)], w)
	case 8:
		switch pick(3) {
		case 0:
			return fmt.Sprintf("match.list(%q)", listNames[pick(len(listNames))])
		case 1:
			return fmt.Sprintf("match.scope(%q)", scopeWords.list[pick(4)])
		}
		return []string{"(network.country == number.country)", "(network.country != number.country)"}[pick(2)]
	case 9:
		return fmt.Sprintf("(%s in [%d, 5, 86400])", randomInt(pick, depth-1), pick(3))
	default:
		op := []string{"<", "<=", ">", ">=", "==", "!="}[pick(6)]
		return "(" + randomInt(pick, depth-1) + " " + op + " " + randomInt(pick, depth-1) + ")"
	}
}

func randomInt(pick source, depth int) string {
	if depth <= 0 || pick(3) == 0 {
		switch pick(3) {
		case 0:
			if n := amounts[pick(len(amounts))]; n != math.MinInt64 {
				return fmt.Sprint(n)
			}
			return "-9223372036854775808"
		case 1:
			return units[pick(len(units))].name
		default:
			return randomFact(pick, factInt).name
		}
	}
	switch pick(4) {
	case 0:
		return "(" + randomBool(pick, depth-1) + " ? " + randomInt(pick, depth-1) + " : " + randomInt(pick, depth-1) + ")"
	case 1:
		return "(-" + randomFact(pick, factInt).name + ")"
	default:
		return "(" + randomInt(pick, depth-1) + []string{" + ", " - ", " * ", " / ", " % "}[pick(5)] + randomInt(pick, depth-1) + ")"
	}
}

func randomFact(pick source, typ factType) *fact {
	for {
		if f := vocabularyOrder[pick(len(vocabularyOrder))]; f.typ == typ {
			return f
		}
	}
}

func randomWord(pick source, f *fact) string {
	if f.words.list == nil {
		return []string{"JO", "LB", "DE"}[pick(3)]
	}
	return f.words.list[pick(len(f.words.list))]
}

// agree holds one expression against cel-go on some inputs, and tells whether it could be compiled at all.
func agree(t interface{ Fatalf(string, ...any) }, c *compiler, expression string, pick source, inputs int) bool {
	c.lists = nil
	program, problems := c.compile(expression)
	if program == nil {
		for _, p := range problems {
			// Constants that overflow are refused when a rule loads, and cost is bounded; everything else the generator writes is a rule.
			if !strings.Contains(p.text, "has no result") && !strings.Contains(p.text, "over the limit") && !strings.Contains(p.text, "deeper") {
				t.Fatalf("compile(%s): %s", expression, p.text)
			}
		}
		return false
	}
	reference, err := c.env.Program(program.checked)
	if err != nil {
		t.Fatalf("cel-go cannot plan %s: %v", expression, err)
	}
	for range inputs {
		f := randomFacts(pick)
		if f.asked {
			f.matched(f.matches, c.lists)
		}
		if got, want := program.when(f), plain(t, reference, f); got != want {
			t.Fatalf("%s = %v, cel-go says %v (0 absent, 1 no, 2 yes), for %+v", expression, got, want, *f)
		}
	}
	return true
}

func TestClosuresAnswerAsCELDoes(t *testing.T) {
	celEnv, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	c := &compiler{env: celEnv}
	compiled, refused := 0, 0
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 7))
		if agree(t, c, randomBool(r.IntN, 1+int(seed%5)), r.IntN, 12) {
			compiled++
		} else {
			refused++
		}
	}
	t.Logf("%d expressions agreed on 12 inputs each; %d were refused for cost or constant overflow", compiled, refused)
	if compiled < refused {
		t.Errorf("only %d of %d random expressions compiled", compiled, compiled+refused)
	}
}

func TestClosuresAnswerAsCELDoesWhenShrunk(t *testing.T) {
	celEnv, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	c := &compiler{env: celEnv}
	rapid.Check(t, func(t *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
		agree(t, c, randomBool(pick, 3), pick, 1)
	})
}

// FuzzCompile: no text makes the compiler panic, and what it accepts answers as cel-go does.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		"event.stranger && account_age < 7 * day", `event.kind in ["link.sent"]`, "measured(account_age) ? domain_people <= 1 : true",
		`match.list("alpha") || match.scope("domain")`, "[1,2].all(x, x > 0)", "account_age", "a.b.c", "1/0 == 1", `"a".matches("b")`, "{}", "-9223372036854775808 == silence",
		"network.country != number.country", "!!!!event.reply", "((((((((1))))))))==1", `match.list(event.kind)`, "measured()", "has(event.kind)", `link.where + "x" == "y"`, "x", "",
	} {
		f.Add(s, uint64(1))
	}
	celEnv, err := environment()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, expression string, seed uint64) {
		c := &compiler{env: celEnv}
		program, problems := c.compile(expression)
		if (program == nil) != (len(problems) > 0) {
			t.Fatalf("compile(%q) gives %v and %v", expression, program, problems)
		}
		if program == nil {
			return
		}
		if program.cost > MaxRuleCost {
			t.Fatalf("compile(%q) costs %d", expression, program.cost)
		}
		r := rand.New(rand.NewPCG(seed, 7))
		if strings.Contains(expression, "match.lists") || strings.Contains(expression, "match.scopes") {
			return // agree gives them names of its own
		}
		agree(t, c, expression, r.IntN, 4)
	})
}

func TestWhatIsNotARule(t *testing.T) {
	celEnv, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("domain_people > 1 && ", 100) + "true"
	costly := strings.Repeat(`event.kind in ["`+strings.Join(kindNames(), `", "`)+`"] && `, 10) + "true"
	for _, tt := range []struct{ name, when, want string }{
		{"a misspelt fact", "acount_age < 5", "did you mean account_age?"},
		{"a fact without its group", "stranger", "did you mean event.stranger?"},
		{"text of a message", `event.text == "x"`, "no fact that a rule may ask"},
		{"a regular expression", `link.where.matches("a+")`, "regular expressions can be made to run long"},
		{"a comprehension", "[1, 2].exists(x, x == 1)", "comprehensions have no small bound"},
		{"CEL's has", "has(event.kind)", "write measured(NAME)"},
		{"a function on text", `event.kind.startsWith("link")`, "rules see no text"},
		{"a fraction", "account_age < 1.5", "double is not part of rules"},
		{"an unsigned number", "account_age < 1u", "uint is not part of rules"},
		{"a number for an answer", "account_age", "gives int, not true or false"},
		{"an unknown word", `event.kind == "link.send"`, `did you mean "link.sent"?`},
		{"a word in a set", `network.class in ["hostin"]`, "write one of residential, mobile, business, hosting, anonymous"},
		{"a country in small letters", `network.country == "jo"`, "two capital letters"},
		{"words of different sets", "event.kind == network.class", "are never the same"},
		{"words in order", `link.where < "qr"`, "words have no order"},
		{"joined words", `link.where + "x" == "qr"`, "nothing can be computed from it"},
		{"a type error", `account_age == "x"`, "no matching overload"},
		{"division by zero", "account_age > 1 / 0", "has no result"},
		{"a constant too large", "account_age > 9223372036854775807 + 1", "has no result"},
		{"an empty list", "account_age in []", "the list is empty"},
		{"a list of facts", "account_age in [silence]", "a list holds constants only"},
		{"a map", "{1: true}[1]", "not part of rules"},
		{"a clock", `timestamp("2026-01-01T00:00:00Z") == timestamp("2026-01-01T00:00:00Z")`, "rules read no clock"},
		{"a computed name", "match.list(event.kind)", "takes a name in quotes"},
		{"an unknown scope", `match.scope("planet")`, "write one of url, path, host, domain"},
		{"nothing measured", "measured(account_agee)", "did you mean account_age?"},
		{"a syntax error", "account_age <", "Syntax error"},
		{"a long rule", long, "parts, over the limit of 256"},
		{"a costly rule", costly, "units, over the limit of 200"},
		{"a deep rule", strings.Repeat("(event.reply ? true : ", 30) + "event.reply" + strings.Repeat(")", 30), "nested deeper than 24"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			program, problems := (&compiler{env: celEnv}).compile(tt.when)
			if program != nil {
				t.Fatalf("compile(%q) is accepted with cost %d", tt.when, program.cost)
			}
			var all []string
			for _, p := range problems {
				all = append(all, p.text)
			}
			if !strings.Contains(strings.Join(all, "; "), tt.want) {
				t.Errorf("compile(%q) = %q, want %q in it", tt.when, all, tt.want)
			}
		})
	}
}

func TestAbsentIsNotFalse(t *testing.T) {
	celEnv, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	f := &facts{measures: &vedette.Measures{}, stranger: yes}
	f.measures.Set(vedette.MeasureDomainPeople, 0)
	for _, tt := range []struct {
		when string
		want vedette.Tri
	}{
		{"event.stranger", yes},
		{"event.reply", unknown},
		{"!event.reply", unknown},
		{"event.stranger || event.reply", yes},
		{"event.stranger && event.reply", unknown},
		{"!event.stranger && event.reply", no},
		{"event.reply || domain_people > 5", unknown},
		{"measured(event.reply)", no},
		{"!(measured(event.reply) && event.reply)", yes},
		{"account_age < 7 * day", unknown},
		{"account_age < 7 * day || domain_people == 0", yes},
		{"link.address", unknown},
		{"match.any", unknown},
		{`match.list("alpha")`, unknown},
		{"event.tier == \"0\"", yes},
	} {
		program, problems := (&compiler{env: celEnv}).compile(tt.when)
		if program == nil {
			t.Fatalf("compile(%q): %v", tt.when, problems)
		}
		if got := program.when(f); got != tt.want {
			t.Errorf("%s = %v, want %v (0 absent, 1 no, 2 yes)", tt.when, got, tt.want)
		}
	}
}
