package decision

import (
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
