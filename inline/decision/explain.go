package decision

import (
	"fmt"
	"slices"
	"strings"

	"vedette"
)

// RuleInfo is what people and doctor ask about a rule.
type RuleInfo struct {
	ID        vedette.RuleID    `json:"id"`
	Title     string            `json:"title"`
	Spares    string            `json:"spares"`
	Costs     string            `json:"costs"`
	Kinds     []string          `json:"kinds"`
	When      string            `json:"when"`
	Verdict   vedette.Verdict   `json:"verdict"`
	Weight    vedette.MilliBits `json:"weight"`
	Mode      string            `json:"mode"`
	Reason    string            `json:"reason"`
	Facts     []string          `json:"facts"` // that the condition asks
	Needs     []string          `json:"needs"` // without which it never fires, as declared
	Tier      string            `json:"tier"`  // at which all that it asks can be told
	AboutLink bool              `json:"about_link"`
	Lists     []string          `json:"lists,omitempty"` // indicator lists that it names
	Cost      uint64            `json:"cost"`            // bound, in units
	Evaluator string            `json:"evaluator"`       // "closures": what closures cannot express is refused when rules load
	Place     string            `json:"place"`           // file:line
	Examples  int               `json:"examples"`
}

// Report describes every rule of the set, by id: what it asks, how it is evaluated, and what it may cost.
func (rs *RuleSet) Report() []RuleInfo {
	out := make([]RuleInfo, 0, len(rs.rules))
	for _, r := range rs.rules {
		out = append(out, r.info())
	}
	return out
}

func (r *rule) info() RuleInfo {
	info := RuleInfo{
		ID: r.id, Title: r.title, Spares: r.spares, Costs: r.costs, When: r.source, Verdict: r.verdict, Weight: r.weight,
		Mode: r.mode.String(), Reason: r.reason, Tier: r.tier.String(), AboutLink: r.program.aboutLink, Lists: r.program.lists,
		Cost: r.program.cost, Evaluator: "closures", Place: r.place, Examples: len(r.examples),
		Facts: []string{}, Needs: []string{},
	}
	for _, k := range vedette.Kinds() {
		if r.kinds>>k&1 != 0 {
			info.Kinds = append(info.Kinds, k.String())
		}
	}
	for _, f := range r.program.facts {
		info.Facts = append(info.Facts, f.name)
	}
	for _, f := range r.needs {
		info.Needs = append(info.Needs, f.name)
	}
	return info
}

// find takes "rule:ID" and "ID" alike.
func (rs *RuleSet) find(id vedette.RuleID) (*rule, error) {
	if !strings.HasPrefix(string(id), rulePrefix) {
		id = rulePrefix + id
	}
	i, ok := slices.BinarySearchFunc(rs.rules, id, func(r *rule, id vedette.RuleID) int { return strings.Compare(string(r.id), string(id)) })
	if ok {
		return rs.rules[i], nil
	}
	var names []string
	for _, r := range rs.rules {
		names = append(names, strings.TrimPrefix(string(r.id), rulePrefix))
	}
	hint := ""
	if near := nearest(strings.TrimPrefix(string(id), rulePrefix), names); near != "" {
		hint = "; did you mean " + near + "?"
	}
	return nil, fmt.Errorf("decision: no rule %q%s: %w", id, hint, vedette.ErrUnknown)
}

// Rule describes one rule, named "rule:ID" or "ID". Its error wraps vedette.ErrUnknown.
func (rs *RuleSet) Rule(id vedette.RuleID) (RuleInfo, error) {
	r, err := rs.find(id)
	if err != nil {
		return RuleInfo{}, err
	}
	return r.info(), nil
}

// Explain says in plain words what a rule does: what it looks for, whom it spares and costs, what it needs. Its error wraps vedette.ErrUnknown.
func (rs *RuleSet) Explain(id vedette.RuleID) (string, error) {
	r, err := rs.find(id)
	if err != nil {
		return "", err
	}
	info := r.info()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", r.id, r.title)
	switch r.mode {
	case Shadow:
		fmt.Fprintf(&b, "In shadow: it is counted and changes no answer. It would ask for %s, with %s.\n", r.verdict, r.weight)
	default:
		fmt.Fprintf(&b, "It asks for %s, with %s of evidence, as far as it is armed.\n", r.verdict, r.weight)
	}
	fmt.Fprintf(&b, "People read:  %s\n", r.reason)
	fmt.Fprintf(&b, "It spares:    %s\n", fold(r.spares))
	fmt.Fprintf(&b, "It costs:     %s\n\n", fold(r.costs))
	what := "each event"
	if info.AboutLink {
		what = "each link"
	}
	fmt.Fprintf(&b, "It judges %s of %s, when\n\n", what, strings.Join(info.Kinds, ", "))
	for line := range strings.SplitSeq(r.source, "\n") {
		fmt.Fprintf(&b, "    %s\n", line)
	}
	b.WriteString("\nwhere\n\n")
	for _, f := range r.program.facts {
		fmt.Fprintf(&b, "    %-20s %s\n", f.name, f.doc)
	}
	fmt.Fprintf(&b, "\nTelemetry tier %s tells all of it. A fact that is absent is not false: where one leaves the condition open, the rule does not fire and is\n"+
		"counted as not measurable.\n", r.tier)
	if r.gate > vedette.Tier0 {
		fmt.Fprintf(&b, "It never fires below tier %s.\n", r.gate)
	}
	if len(info.Needs) > 0 {
		fmt.Fprintf(&b, "It never fires without %s.\n", strings.Join(info.Needs, ", "))
	}
	if len(info.Lists) > 0 {
		fmt.Fprintf(&b, "It names the indicator lists %s.\n", strings.Join(info.Lists, ", "))
	}
	fmt.Fprintf(&b, "Cost bound: %d of %d units; evaluated by %s, without CEL at run time. Read from %s, %d examples.\n",
		info.Cost, MaxRuleCost, info.Evaluator, r.place, info.Examples)
	return b.String(), nil
}

func fold(s string) string { return strings.Join(strings.Fields(s), " ") }
