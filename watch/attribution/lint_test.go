package attribution

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLint(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		want []Rule
	}{
		{"a good text", "It is likely that the tooling is that of Lanternworks.\nConfidence in this judgement is moderate.\nThe customer is unknown.", nil},
		{"likelihood and confidence in one sentence", "We assess with high confidence that it is likely.", []Rule{RuleMixed}},
		{"in one sentence over two lines", "It is very likely the same hand,\nand we have moderate confidence in this.", []Rule{RuleMixed}},
		{"in two sentences", "It is likely. Confidence is low.", nil},
		{"on two points of a list", "- It is likely\n- Confidence is low", nil},
		{"possibly", "It is possibly theirs.", []Rule{RuleWord}},
		{"we believe and might", "We believe that it might be theirs.", []Rule{RuleWord, RuleWord}},
		{"most likely", "It is most likely theirs.", []Rule{RuleWord}},
		{"medium confidence", "Our judgement has medium confidence.", []Rule{RuleWord}},
		{"the month of May is no word for likelihood", "In May 2025 it was seen.", nil},
		{"both rows", "It is likely. The other is improbable. The third is unlikely.", []Rule{RuleRows}},
		{"the second row alone", "It is probable. The other is improbable.", nil},
		{"a remote server is no likelihood", "It is likely. They used remote servers.", nil},
		{"campaign and vendor in one sentence", "This is the same hand as last year and uses the tooling of Lanternworks.", []Rule{RuleMerged}},
		{"vendor and customer in one sentence", "The vendor sold it to a customer.", []Rule{RuleMerged}},
		{"a violation", "Lanternworks violated the order.", []Rule{RuleAlleged}},
		{"a breach", "This is a breach of the injunction.", []Rule{RuleAlleged}},
		{"an alleged violation", "The alleged violation was in June. Lanternworks allegedly violated clause 3.", nil},
		{"a violation that a court found", "The court found that Lanternworks violated the order.", nil},
		{"a customer without a grade", "The customer is Ruritania.", []Rule{RuleCustomer}},
		{"on behalf of somebody", "It was done on behalf of Ruritania.", []Rule{RuleCustomer}},
		{"a customer with a grade", "The customer is Ruritania (source graded B2).", nil},
		{"somebody else's words", "The vendor wrote: “we believe that it might be a violation”.", nil},
		{"another language gives nothing", "Vielleicht war es der Kunde.", nil},
		{"nothing", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Lint(tt.text)
			var rules []Rule
			for _, f := range got {
				rules = append(rules, f.Rule)
			}
			if len(rules) != len(tt.want) {
				t.Fatalf("Lint(%q) = %+v, want %v", tt.text, got, tt.want)
			}
			for i := range rules {
				if rules[i] != tt.want[i] {
					t.Errorf("Lint(%q) = %+v, want %v", tt.text, got, tt.want)
				}
			}
		})
	}
}

func TestLintSaysWhereAndWhatInstead(t *testing.T) {
	got := Lint("Zwölf “leise” Wörter.\nSo, perhaps, it is.")
	if len(got) != 1 || got[0].Line != 2 || got[0].Column != 5 || got[0].Text != "perhaps" || got[0].Instead == "" {
		t.Errorf("Lint = %+v, want “perhaps” at 2:5 and what to write instead", got)
	}
	got = Lint("“Äöü” perhaps")
	if len(got) != 1 || got[0].Column != 7 {
		t.Errorf("Lint = %+v, want column 7: characters count, not bytes", got)
	}
}

func FuzzLint(f *testing.F) {
	for _, s := range []string{"It is likely with high confidence.", "“open", "a\n\n b. c", "possibly\xff", "The customer is Ruritania.", "“\xff\xfe”"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines := strings.Split(s, "\n")
		for _, g := range Lint(s) {
			if g.Line < 1 || g.Line > len(lines) || g.Column < 1 || g.Column > utf8.RuneCountInString(lines[g.Line-1])+1 || g.Instead == "" {
				t.Fatalf("Lint(%q): %+v is not in the text", s, g)
			}
		}
	})
}
