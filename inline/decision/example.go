package decision

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"vedette"
	"vedette/link"
	"vedette/record/indicator"
)

// example is one case of a rule: facts in, what must happen out.
type example struct {
	name    string
	builder builder
	fires   bool
	verdict *vedette.Verdict // of the whole set, were all armed; nil: not asked
	place   string
}

// builder makes an event out of facts.
type builder struct {
	kind                                               vedette.Kind
	tier                                               vedette.Tier
	links                                              int
	stranger, reply, hasLink, toGroup, returned, found vedette.Tri
	count                                              uint16
	join                                               vedette.JoinWay
	category                                           vedette.ReportCategory
	lookup                                             vedette.LookupWay
	deletion                                           vedette.DeletionReason
	attestation                                        vedette.Attestation
	network                                            vedette.Network
	number                                             vedette.Number
	measures                                           vedette.Measures

	shapeRead bool
	shape     vedette.Shape
	place     vedette.Place
	any       bool
	count2    int
	match     indicator.Match
	lists     []vedette.RuleID
}

// exampleTime is when every example happens; no rule can ask for it.
var exampleTime = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// input gives the event, and the indicators that answer as the example says.
func (b *builder) input() (*Input, Indicators) {
	ev := &vedette.Event{
		Tenant: "example", Platform: "example", ID: vedette.EventID{1}, Actor: vedette.AccountID{1},
		At: exampleTime, Seen: exampleTime, Tier: b.tier,
	}
	count := b.links
	if count == 0 && linkKinds>>b.kind&1 != 0 && b.tier != vedette.Tier0 {
		count = 1
	}
	var links []vedette.Link
	for i := range count {
		l := vedette.Link{Where: b.place, Shape: b.shape}
		l.Domain = vedette.Token{Kind: vedette.TokenDomain, Epoch: 1, Bytes: [16]byte{byte(i + 1)}}
		if (b.shapeRead || b.tier >= vedette.Tier2) && l.Shape.Length == 0 {
			l.Shape.Length = 24
		}
		links = append(links, l)
	}
	to := vedette.Recipient{}
	switch b.toGroup {
	case vedette.Yes:
		to.Group = vedette.GroupID{2}
	case vedette.No:
		to.Account = vedette.AccountID{2}
	}
	switch b.kind {
	case vedette.KindLinkSent:
		ev.Body = &vedette.LinkSent{To: to, Links: links, Reply: b.reply, Stranger: b.stranger}
	case vedette.KindMessageSent:
		ev.Body = &vedette.MessageSent{To: to, Count: max(b.count, 1), HasLink: b.hasLink, Reply: b.reply, Stranger: b.stranger}
	case vedette.KindLinkPreviewed:
		ev.Body = &vedette.LinkPreviewed{From: to.Account, Group: to.Group, Links: links}
	case vedette.KindLinkOpened:
		ev.Body = &vedette.LinkOpened{From: to.Account, Group: to.Group, Links: links}
	case vedette.KindUserReported:
		ev.Body = &vedette.UserReported{Subject: vedette.AccountID{2}, Category: b.category, Links: links}
	case vedette.KindProfileChanged:
		ev.Body = &vedette.ProfileChanged{Links: links}
	case vedette.KindGroupCreated:
		ev.Body = &vedette.GroupCreated{Group: vedette.GroupID{2}, Links: links}
	case vedette.KindAccountRegistered:
		ev.Body = &vedette.AccountRegistered{Network: b.network, Number: b.number, Attestation: b.attestation, Returned: b.returned}
	case vedette.KindAccountSeen:
		ev.Body = &vedette.AccountSeen{Network: b.network}
	case vedette.KindDeviceLinked:
		ev.Body = &vedette.DeviceLinked{Network: b.network}
	case vedette.KindAccountDeleted:
		ev.Body = &vedette.AccountDeleted{Reason: b.deletion}
	case vedette.KindAccountRestored:
		ev.Body = &vedette.AccountRestored{}
	case vedette.KindDeviceUnlinked:
		ev.Body = &vedette.DeviceUnlinked{}
	case vedette.KindGroupJoined:
		ev.Body = &vedette.GroupJoined{Group: vedette.GroupID{2}, By: b.join}
	case vedette.KindGroupLeft:
		ev.Body = &vedette.GroupLeft{Group: vedette.GroupID{2}}
	case vedette.KindGroupDeleted:
		ev.Body = &vedette.GroupDeleted{Group: vedette.GroupID{2}}
	case vedette.KindNumberLookedUp:
		looked := &vedette.NumberLookedUp{Via: b.lookup}
		if b.found == vedette.Yes {
			looked.Target = vedette.AccountID{2}
		}
		ev.Body = looked
	case vedette.KindUserBlocked:
		ev.Body = &vedette.UserBlocked{Subject: vedette.AccountID{2}}
	case vedette.KindUserUnblocked:
		ev.Body = &vedette.UserUnblocked{Subject: vedette.AccountID{2}}
	}
	in := &Input{Event: ev, Measures: make([]vedette.Measures, max(count, 1))}
	for i := range in.Measures {
		in.Measures[i] = b.measures
	}
	var ms fixed
	m := b.match
	if m.Scope == indicator.ScopeNone {
		m.Scope = indicator.ScopeHost
	}
	if m.Weight == 0 {
		m.Weight = 10_000
	}
	for _, list := range b.lists {
		m.List = list
		ms = append(ms, m)
	}
	for len(ms) < b.count2 || b.any && len(ms) == 0 {
		m.List = vedette.RuleID("list:example-" + strconv.Itoa(len(ms)+1))
		ms = append(ms, m)
	}
	return in, ms
}

// fixed answers every question about a link with the same matches.
type fixed []indicator.Match

func (f fixed) Match(_ *link.URL, _ time.Time, _ bool, dst []indicator.Match) []indicator.Match {
	return append(dst, f...)
}

func (f fixed) MatchTokens(_ *vedette.Link, _ time.Time, _ bool, dst []indicator.Match) ([]indicator.Match, bool) {
	return append(dst, f...), true
}
func (f fixed) Text(uint32) string     { return "as published by an example" }
func (f fixed) Digest() vedette.Digest { return vedette.Digest{} }
func (f fixed) Len() int               { return len(f) }

func (l *loader) examples(r *rule, n *yaml.Node, id string) {
	if n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		l.fail(n, id, `"examples" is a list: begin each with "- name:"`)
		return
	}
	if len(n.Content) > maxExamples {
		l.fail(n, id, "%d examples, over the limit of %d", len(n.Content), maxExamples)
		return
	}
	fire, spare := false, false
	for _, x := range n.Content {
		fields, ok := l.mapping(x, id, "an example", "name", "facts", "fires", "verdict")
		if fields == nil || !ok {
			continue
		}
		e := example{place: fmt.Sprintf("%s:%d", l.name, x.Line)}
		e.name = l.prose(fields["name"], id, "name", maxProse)
		if fields["name"] == nil {
			l.fail(x, id, `the example has no "name": say in words who does what`)
		}
		switch f := fields["fires"]; {
		case f == nil || f.Value != "true" && f.Value != "false":
			l.fail(x, id, `the example says "fires: true" or "fires: false"`)
		default:
			e.fires = f.Value == "true"
		}
		if f := fields["verdict"]; f != nil {
			v, err := vedette.ParseVerdict(f.Value)
			if err != nil {
				l.fail(f, id, "verdict %q: write allow, warn, hold or block", f.Value)
			}
			e.verdict = &v
		}
		fire, spare = fire || e.fires, spare || !e.fires
		e.builder.tier = vedette.Tier2
		for _, k := range vedette.Kinds() {
			if r.kinds>>k&1 != 0 {
				e.builder.kind = k
				break
			}
		}
		if f := fields["facts"]; f != nil {
			l.facts(&e.builder, f, id)
		} else {
			l.fail(x, id, `the example has no "facts"`)
		}
		r.examples = append(r.examples, e)
	}
	if !fire || !spare {
		l.fail(n, id, `a rule needs at least one example with "fires: true" and one with "fires: false"`)
	}
}

// facts reads an example's facts: the same names as in a rule, and match.list and match.scope.
func (l *loader) facts(b *builder, n *yaml.Node, id string) {
	if n.Kind != yaml.MappingNode {
		l.fail(n, id, `"facts" is a mapping such as {event.stranger: true, account_age: 2 days}`)
		return
	}
	fields, _ := l.mapping(n, id, "facts")
	if k := fields["event.kind"]; k != nil { // first: it says which others make sense
		if v, ok := kindWords.number(k.Value); ok {
			b.kind = vedette.Kind(v)
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch key.Value {
		case "match.list":
			for _, s := range listOf(value) {
				b.lists = append(b.lists, vedette.RuleID("list:"+s))
			}
			continue
		case "match.scope":
			v, ok := scopeWords.number(value.Value)
			if !ok {
				l.fail(value, id, "%s", unknownWord(scopeWords, value.Value))
			}
			b.any, b.match.Scope = true, indicator.Scope(v)
			continue
		}
		f := vocabulary[key.Value]
		if f == nil {
			l.fail(key, id, "example: %s is no fact%s", key.Value, meant(key.Value))
			continue
		}
		if b.kind != 0 && f.kinds>>b.kind&1 == 0 {
			l.fail(key, id, "example: %s never tells %s", b.kind, f.name)
			continue
		}
		v, err := f.parse(value.Value)
		if err != nil {
			l.fail(value, id, "example: %s", err)
			continue
		}
		f.set(b, v)
	}
}

func listOf(n *yaml.Node) (out []string) {
	if n.Kind != yaml.SequenceNode {
		return []string{n.Value}
	}
	for _, x := range n.Content {
		out = append(out, x.Value)
	}
	return out
}

// parseAmount reads a whole number, or one with a unit of time: "5", "2 days", "7 * day".
func parseAmount(name, s string) (int64, error) {
	fields := strings.Fields(strings.Replace(s, "*", " ", 1))
	if len(fields) == 1 || len(fields) == 2 {
		n, err := strconv.ParseInt(fields[0], 10, 64)
		if err == nil && len(fields) == 1 {
			return n, nil
		}
		if err == nil {
			for _, u := range units {
				if v, ok := arithmetics["_*_"](n, u.seconds); ok && strings.TrimSuffix(fields[1], "s") == u.name {
					return v, nil
				}
			}
		}
	}
	return 0, fmt.Errorf("%s is a whole number, or one with a unit such as 2 days, not %q", name, s)
}

// TestResult tells how one example of one rule went.
type TestResult struct {
	Rule    vedette.RuleID `json:"rule"`
	Example string         `json:"example"`
	Place   string         `json:"place"` // file:line
	Pass    bool           `json:"pass"`
	Got     string         `json:"got"`
	Want    string         `json:"want"`
}

// Test decides every rule's examples with the whole set, everything armed, and tells for each what came out. When ctx ends, the results so far
// are all there are.
func (rs *RuleSet) Test(ctx context.Context) []TestResult {
	var out []TestResult
	for _, r := range rs.rules {
		for i := range r.examples {
			if ctx.Err() != nil {
				return out
			}
			out = append(out, rs.try(r, &r.examples[i]))
		}
	}
	return out
}

func (rs *RuleSet) try(r *rule, e *example) TestResult {
	res := TestResult{Rule: r.id, Example: e.name, Place: e.place}
	in, indicators := e.builder.input()
	g, err := Make(Parts{Rules: rs, Indicators: indicators, Lists: "example", Armed: Armed{Ceiling: vedette.Block}, Params: Params{Reasons: MaxReasons}})
	if err != nil {
		res.Got, res.Want = err.Error(), "a generation"
		return res
	}
	d := g.Decide(in)
	fired := slices.ContainsFunc(d.Reasons, func(re vedette.Reason) bool { return re.Rule == r.id })
	res.Pass = fired == e.fires
	res.Want, res.Got = fires(e.fires), fires(fired)
	if !fired {
		if c, ok := g.Counts().Rules[r.id]; ok && c.NotMeasurable > 0 {
			res.Got += " (a fact that decides it is absent)"
		}
	}
	if e.verdict != nil {
		res.Pass = res.Pass && d.Would == *e.verdict
		res.Want += ", verdict " + e.verdict.String()
		res.Got += ", verdict " + d.Would.String()
	}
	var others []string
	for _, re := range d.Reasons {
		if re.Rule != r.id && strings.HasPrefix(string(re.Rule), rulePrefix) && !slices.Contains(others, string(re.Rule)) {
			others = append(others, string(re.Rule))
		}
	}
	if len(others) > 0 {
		res.Got += ", with " + strings.Join(others, ", ")
	}
	return res
}

func fires(b bool) string {
	if b {
		return "fires"
	}
	return "does not fire"
}
