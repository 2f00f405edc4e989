package decision

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

func starterSet(t testing.TB) *RuleSet {
	t.Helper()
	rs, err := Load(Starter())
	if err != nil {
		t.Fatalf("Load(Starter()) = %v", err)
	}
	return rs
}

func TestTheStarterSetDoesWhatItsExamplesSay(t *testing.T) {
	rs := starterSet(t)
	results := rs.Test(t.Context())
	for _, r := range results {
		if !r.Pass {
			t.Errorf("%s, %s, example %q: got %s, want %s", r.Place, r.Rule, r.Example, r.Got, r.Want)
		}
	}
	for _, r := range rs.Report() {
		if r.Examples < 3 {
			t.Errorf("%s has %d examples, want at least 3", r.ID, r.Examples)
		}
		t.Logf("%-34s %-6s %-5s cost %3d  tier %s  %s", r.ID, r.Mode, r.Verdict, r.Cost, r.Tier, strings.Join(r.Facts, " "))
	}
	t.Logf("%d rules, %d examples; link.sent with 32 links may cost %d units", rs.Len(), len(results), rs.eventCost(12))
}

var update = flag.Bool("update", false, "write the table of facts into docs/formats/rule.md")

func TestThePageListsEveryFact(t *testing.T) {
	const (
		page  = "../../docs/formats/rule.md"
		begin = "-update -->\n"
		end   = "<!-- end of facts -->"
	)
	var b strings.Builder
	b.WriteString("\n| fact | type | about | tier | told by | meaning |\n|---|---|---|---|---|---|\n")
	for _, f := range vocabularyOrder {
		about, by, typ := "event", kindList(f.kinds), f.typ.String()
		if f.aboutLink {
			about = "link"
		}
		switch f.kinds {
		case anyKind:
			by = "all"
		case linkKinds:
			by = "all with links"
		}
		if f.typ == factWord {
			typ = "`" + strings.Join(f.words.list, "` `") + "`"
			if f.words == kindWords {
				typ = "a kind"
			}
			if f.words == countryWords {
				typ = "a country, `JO`"
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", f.name, typ, about, f.tier, by, f.doc)
	}
	b.WriteString("\n")
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(data), begin)
	have, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no marks for the table", page)
	}
	if have == b.String() {
		return
	}
	if !*update {
		t.Fatalf("%s does not list the facts as they are: run with -update", page)
	}
	if err := os.WriteFile(page, []byte(before+begin+b.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestThePagesExampleIsARule(t *testing.T) {
	data, err := os.ReadFile("../../docs/formats/rule.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "```yaml\n")
	text, _, _ := strings.Cut(rest, "```")
	rs, err := load(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs.Test(t.Context()) {
		if !r.Pass {
			t.Errorf("example %q: got %s, want %s", r.Example, r.Got, r.Want)
		}
	}
}
