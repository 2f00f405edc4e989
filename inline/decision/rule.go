package decision

import (
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"vedette"
)

// Limits on rule files.
const (
	MaxRules    = 1000    // of a set
	maxRuleFile = 1 << 20 // bytes
	maxReason   = 200     // bytes of a reason
	maxProse    = 1000    // bytes of a title, or of whom a rule spares or costs
	maxWeight   = 64_000  // thousandths of a bit
	maxExamples = 100     // of one rule
	maxRuleID   = 64      // bytes
	rulePrefix  = "rule:"
	manual      = "docs/formats/rule.md"
)

//go:embed rules/*.yaml
var starter embed.FS

// Starter returns the rule files of the starter set, which a platform would switch on as they are.
func Starter() fs.FS {
	sub, err := fs.Sub(starter, "rules")
	if err != nil {
		panic(err) // the folder is part of the build
	}
	return sub
}

// Mode tells whether a rule speaks for a verdict or is only counted.
type Mode uint8

// The modes.
const (
	Active Mode = iota // speaks, as far as it is armed
	Shadow             // its reasons are recorded and counted, and never change a verdict
)

func (m Mode) String() string { return [...]string{"active", "shadow"}[m&1] }

// MarshalText writes the name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// rule is one compiled rule.
type rule struct {
	id      vedette.RuleID
	title   string
	spares  string
	costs   string
	kinds   uint32
	source  string // the expression
	verdict vedette.Verdict
	weight  vedette.MilliBits
	mode    Mode
	reason  string
	needs   []*fact      // declared: without them it does not fire
	tier    vedette.Tier // at which all that it asks can be told
	gate    vedette.Tier // declared: below it the rule does not fire
	place   string       // file:line
	program *program
	when    boolExpr // the program, with the declared needs

	examples []example
}

// RuleSet is a compiled set of rules. It is immutable and may be used by any number of goroutines.
type RuleSet struct {
	rules  []*rule // by id
	lists  []vedette.RuleID
	digest vedette.Digest

	perEvent, perLink [kindCount][]condition // by kind of event: a rule that cannot match is not asked
}

// condition is a rule's compiled condition beside its index, so that a decision walks one slice.
type condition struct {
	when boolExpr
	rule int32
}

// kindCount is one more than the largest kind.
const kindCount = int(vedette.KindGeneration) + 1

// Digest identifies everything in the set that a decision depends on (docs/formats/generation.md).
func (rs *RuleSet) Digest() vedette.Digest { return rs.digest }

// Len returns the number of rules.
func (rs *RuleSet) Len() int { return len(rs.rules) }

// Load reads every *.yaml and *.yml file below fsys as one rule set. It tells everything that is wrong at once, each error with its file, line
// and column, the rule, and what to do; they wrap vedette.ErrInvalid. It never gives a part of a set. A set without files is refused, for
// silence would read as safety; "rules: []" says that no rule is wanted.
func Load(fsys fs.FS) (*RuleSet, error) {
	var names []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ext := path.Ext(name); !d.IsDir() && (ext == ".yaml" || ext == ".yml") {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("decision: rules: %w: %w", err, vedette.ErrUnavailable)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("decision: rules: no *.yaml file in the folder: put one there, with \"rules: []\" if no rule is wanted: %w", vedette.ErrInvalid)
	}
	slices.Sort(names)
	celEnv, err := environment()
	if err != nil {
		return nil, fmt.Errorf("decision: rule language: %w", err)
	}
	l := loader{compiler: compiler{env: celEnv}, seen: map[vedette.RuleID]string{}}
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("decision: rules: %w: %w", err, vedette.ErrUnavailable)
		}
		l.file(name, data)
	}
	if len(l.rules) > MaxRules {
		l.errs = append(l.errs, fmt.Errorf("decision: %d rules, over the limit of %d: %w", len(l.rules), MaxRules, vedette.ErrInvalid))
	}
	if len(l.errs) > 0 {
		return nil, errors.Join(l.errs...)
	}
	slices.SortFunc(l.rules, func(a, b *rule) int { return strings.Compare(string(a.id), string(b.id)) })
	rs := &RuleSet{rules: l.rules, lists: l.lists}
	for i, r := range rs.rules {
		for k := range kindCount {
			if r.kinds>>k&1 == 0 {
				continue
			}
			if r.program.aboutLink {
				rs.perLink[k] = append(rs.perLink[k], condition{r.when, int32(i)})
			} else {
				rs.perEvent[k] = append(rs.perEvent[k], condition{r.when, int32(i)})
			}
		}
	}
	for k := range kindCount {
		if cost := rs.eventCost(vedette.Kind(k)); cost > MaxEventCost {
			return nil, fmt.Errorf("decision: all rules for %s together may cost %d units over an event with %d links, over the limit of %d: "+
				"remove rules or narrow their kinds: %w", vedette.Kind(k), cost, vedette.MaxLinks, MaxEventCost, vedette.ErrInvalid)
		}
	}
	rs.digest = rs.sum()
	return rs, nil
}

// eventCost bounds what all rules cost over one event of a kind with as many links as one may carry.
func (rs *RuleSet) eventCost(k vedette.Kind) (units uint64) {
	for _, c := range rs.perEvent[k] {
		units += rs.rules[c.rule].program.cost
	}
	for _, c := range rs.perLink[k] {
		units += rs.rules[c.rule].program.cost * vedette.MaxLinks
	}
	return units
}

// sum is the digest of docs/formats/generation.md, "Rule set digest".
func (rs *RuleSet) sum() (d vedette.Digest) {
	h := sha256.New()
	field := func(s string) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	field("vedette rules v1")
	for _, r := range rs.rules {
		field(string(r.id))
		field(strconv.FormatUint(uint64(r.kinds), 16))
		field(r.source)
		field(r.verdict.String())
		field(strconv.FormatInt(int64(r.weight), 10))
		field(r.mode.String())
		field(r.reason)
		field(r.gate.String())
		var needs []string
		for _, f := range r.needs {
			needs = append(needs, f.name)
		}
		field(strings.Join(needs, " "))
	}
	h.Sum(d[:0])
	return d
}

// loader reads rule files and gathers what is wrong with them.
type loader struct {
	compiler
	name  string
	text  []string // lines of the file
	rules []*rule
	seen  map[vedette.RuleID]string
	errs  []error
}

// fail records an error at a node. The rule's id may be empty.
func (l *loader) fail(n *yaml.Node, id, format string, args ...any) {
	l.failAt(n.Line, n.Column, id, format, args...)
}

func (l *loader) failAt(line, column int, id, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if id != "" {
		text = fmt.Sprintf("rule %q: %s", id, text)
	}
	l.errs = append(l.errs, fmt.Errorf("decision: %s:%d:%d: %s: %w", l.name, line, column, text, vedette.ErrInvalid))
}

func (l *loader) file(name string, data []byte) {
	l.name, l.text = name, strings.Split(string(data), "\n")
	switch {
	case len(data) > maxRuleFile:
		l.failAt(1, 1, "", "the file has %d bytes, over the limit of %d: split it", len(data), maxRuleFile)
		return
	case !utf8.Valid(data):
		l.failAt(1, 1, "", "the file is not UTF-8: save it as such")
		return
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		line, text := yamlError(err)
		l.failAt(line, 1, "", "%s", text)
		return
	}
	if err := decoder.Decode(new(yaml.Node)); err == nil {
		l.failAt(1, 1, "", "the file holds more than one YAML document: keep one")
		return
	}
	top := doc.Content[0]
	fields, ok := l.mapping(top, "", "the file", "rules")
	if !ok {
		return
	}
	list := fields["rules"]
	if list == nil {
		l.fail(top, "", `the file has no "rules:" list: see %s`, manual)
		return
	}
	if list.Kind != yaml.SequenceNode {
		l.fail(list, "", `"rules" is a list of rules: begin each with "- id:"`)
		return
	}
	for _, n := range list.Content {
		l.rule(n)
	}
}

// yamlError takes the line out of the library's message, which has no other form.
func yamlError(err error) (line int, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if n, after, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(n); err == nil {
				return line, "not YAML: " + after
			}
		}
	}
	if text == "EOF" {
		return 1, `the file is empty: write "rules: []" if no rule is wanted`
	}
	return 1, "not YAML: " + text
}

// mapping reads a mapping with the given keys; unknown, double and misplaced ones are errors.
func (l *loader) mapping(n *yaml.Node, id, what string, keys ...string) (map[string]*yaml.Node, bool) {
	if n.Kind != yaml.MappingNode {
		l.fail(n, id, "%s is a mapping of %s", what, strings.Join(keys, ", "))
		return nil, false
	}
	fields, ok := make(map[string]*yaml.Node, len(keys)), true
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if len(keys) > 0 && !slices.Contains(keys, key.Value) {
			hint := "known are " + strings.Join(keys, ", ")
			if near := nearest(key.Value, keys); near != "" {
				hint = "did you mean " + near + "?"
			}
			l.fail(key, id, "unknown key %q: %s", key.Value, hint)
			ok = false
			continue
		}
		if fields[key.Value] != nil {
			l.fail(key, id, "%q stands twice: keep one", key.Value)
			ok = false
			continue
		}
		if value.Kind == yaml.AliasNode {
			l.fail(value, id, "aliases are not part of rule files: write it out")
			ok = false
			continue
		}
		fields[key.Value] = value
	}
	return fields, ok
}

var ruleKeys = []string{"id", "title", "spares", "costs", "kinds", "when", "verdict", "weight_bits", "mode", "reason", "needs", "examples"}

func (l *loader) rule(n *yaml.Node) {
	before := len(l.errs)
	id := ""
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == "id" {
				id = n.Content[i+1].Value
			}
		}
	}
	fields, _ := l.mapping(n, id, "a rule", ruleKeys...)
	if fields == nil {
		return
	}
	r := &rule{id: vedette.RuleID(rulePrefix + id), place: fmt.Sprintf("%s:%d", l.name, n.Line)}
	for _, key := range ruleKeys {
		if fields[key] == nil && key != "needs" {
			l.fail(n, id, "%q is missing: %s", key, missingKey[key])
		}
	}
	if f := fields["id"]; f != nil {
		if !validID(id) {
			l.fail(f, id, "an id has 1 to %d of a-z, 0-9 and -", maxRuleID)
		} else if where, double := l.seen[r.id]; double {
			l.fail(f, id, "the id is taken at %s: choose another", where)
		} else {
			l.seen[r.id] = fmt.Sprintf("%s:%d", l.name, f.Line)
		}
	}
	r.title = l.prose(fields["title"], id, "title", maxProse)
	r.spares = l.prose(fields["spares"], id, "spares", maxProse)
	r.costs = l.prose(fields["costs"], id, "costs", maxProse)
	r.reason = l.prose(fields["reason"], id, "reason", maxReason)
	r.kinds = l.kindSet(fields["kinds"], id)
	if f := fields["verdict"]; f != nil {
		v, err := vedette.ParseVerdict(f.Value)
		switch {
		case err != nil:
			l.fail(f, id, "verdict %q: write warn, hold or block", f.Value)
		case v == vedette.Allow:
			l.fail(f, id, "a rule cannot ask for allow: no rule may silence another; write mode: shadow to count only")
		}
		r.verdict = v
	}
	if f := fields["weight_bits"]; f != nil {
		bits, err := strconv.ParseFloat(f.Value, 64)
		if milli := math.Round(bits * 1000); err != nil || !(milli >= 1 && milli <= maxWeight) {
			l.fail(f, id, "weight_bits %q: a number of bits over 0, at most %d", f.Value, maxWeight/1000)
		} else {
			r.weight = vedette.MilliBits(milli)
		}
	}
	if f := fields["mode"]; f != nil {
		switch f.Value {
		case "active":
		case "shadow":
			r.mode = Shadow
		default:
			l.fail(f, id, "mode %q: write active or shadow", f.Value)
		}
	}
	if f := fields["when"]; f != nil {
		l.when(r, f, id)
	}
	l.needs(r, fields["needs"], id)
	l.examples(r, fields["examples"], id)
	if len(l.errs) == before {
		l.rules = append(l.rules, r)
	}
}

var missingKey = map[string]string{
	"id":          "name the rule",
	"title":       "say in a line what it looks for",
	"spares":      "say whom it does not touch, and why",
	"costs":       "say which honest people it will bother",
	"kinds":       "name the kinds of events that it judges",
	"when":        "write the condition",
	"verdict":     "write warn, hold or block",
	"weight_bits": "say how strong it is as evidence, in bits",
	"mode":        "write active or shadow; a new rule begins in shadow",
	"reason":      "write the sentence that people will read",
	"examples":    "write at least one that fires and one that must not",
}

func validID(id string) bool {
	if id == "" || len(id) > maxRuleID {
		return false
	}
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func (l *loader) prose(n *yaml.Node, id, key string, limit int) string {
	if n == nil {
		return ""
	}
	s := strings.TrimSpace(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || s == "":
		l.fail(n, id, "%q is empty: %s", key, missingKey[key])
	case len(s) > limit:
		l.fail(n, id, "%q has %d bytes, over the limit of %d: say it shorter", key, len(s), limit)
	case strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) && c != '\n' || unicode.Is(unicode.Cf, c) }):
		l.fail(n, id, "%q holds control or invisible characters: remove them", key)
	case key == "reason" && strings.ContainsAny(s, "\n{}%"):
		l.fail(n, id, "the reason is one constant line: it can hold nothing of the event, so braces and %% have no meaning in it")
	}
	return s
}

func (l *loader) kindSet(n *yaml.Node, id string) (set uint32) {
	if n == nil {
		return 0
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		l.fail(n, id, `"kinds" is a list such as [link.sent]`)
		return 0
	}
	for _, k := range n.Content {
		kind, err := vedette.ParseKind(k.Value)
		if err != nil || anyKind>>kind&1 == 0 {
			hint := "known are " + strings.Join(kindNames(), ", ")
			if near := nearest(k.Value, kindNames()); near != "" {
				hint = "did you mean " + near + "?"
			}
			l.fail(k, id, "kind %q is none that a platform sends: %s", k.Value, hint)
			continue
		}
		set |= 1 << kind
	}
	return set
}

func (l *loader) when(r *rule, n *yaml.Node, id string) {
	if n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) == "" {
		l.fail(n, id, `"when" is empty: write the condition`)
		return
	}
	r.source = strings.TrimSpace(n.Value)
	program, problems := l.compile(r.source)
	for _, p := range problems {
		line, column := l.locate(n, r.source, p)
		l.failAt(line, column, id, "when: %s", p.text)
	}
	if program == nil {
		return
	}
	r.program = program
	if program.aboutLink && r.kinds != 0 && r.kinds&^linkKinds != 0 {
		for _, k := range vedette.Kinds() {
			if r.kinds>>k&1 != 0 && linkKinds>>k&1 == 0 {
				l.fail(n, id, "when: asks about a link (%s), but %s carries none: remove the kind or make it two rules", firstAboutLink(program), k)
			}
		}
	}
	for _, f := range program.facts {
		if r.kinds != 0 && r.kinds&f.kinds == 0 {
			l.fail(n, id, "when: %s is never told by the rule's kinds: it is told by %s", f.name, kindList(f.kinds))
		}
	}
	r.when = program.when
}

func firstAboutLink(p *program) string {
	for _, f := range p.facts {
		if f.aboutLink {
			return f.name
		}
	}
	return ""
}

func kindList(set uint32) string {
	var out []string
	for _, k := range vedette.Kinds() {
		if set>>k&1 != 0 {
			out = append(out, k.String())
		}
	}
	return strings.Join(out, ", ")
}

// locate finds the place in the file of a place in an expression. YAML folds lines and takes quotes away, but leaves every other character: so the
// n-th visible character of the expression is the n-th one of the file, counted from where the value begins.
func (l *loader) locate(n *yaml.Node, source string, p problem) (line, column int) {
	lines := strings.Split(source, "\n")
	visible := 0
	for i := 0; i <= p.line && i < len(lines); i++ {
		for j, c := range []rune(lines[i]) {
			if i == p.line && j >= p.column {
				break
			}
			if !unicode.IsSpace(c) {
				visible++
			}
		}
	}
	line, column = n.Line, n.Column
	switch n.Style {
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		column++
	case yaml.LiteralStyle, yaml.FoldedStyle:
		line, column = line+1, 1
	}
	for at := line; at <= len(l.text); at++ {
		runes := []rune(l.text[at-1])
		from := 0
		if at == line {
			from = column - 1
		}
		for i := from; i < len(runes); i++ {
			if unicode.IsSpace(runes[i]) {
				continue
			}
			if visible == 0 {
				return at, i + 1
			}
			visible--
		}
	}
	return n.Line, n.Column
}

func (l *loader) needs(r *rule, n *yaml.Node, id string) {
	if r.program != nil {
		for _, f := range r.program.facts {
			r.tier = max(r.tier, f.tier)
		}
	}
	if n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		l.fail(n, id, `"needs" is a list of facts and at most one tier, such as [account_age, tier-1]`)
		return
	}
	tiers := 0
	for _, x := range n.Content {
		if t, ok := strings.CutPrefix(x.Value, "tier-"); ok {
			v, known := tierWords.number(t)
			tiers++
			switch {
			case !known || tiers > 1:
				l.fail(x, id, "needs %q: one of tier-0, tier-1, tier-2, tier-R", x.Value)
			default:
				r.gate = vedette.Tier(v)
				r.tier = max(r.tier, r.gate)
			}
			continue
		}
		f := vocabulary[x.Value]
		switch {
		case f == nil:
			l.fail(x, id, "needs %q: no fact has this name%s", x.Value, meant(x.Value))
		case r.program != nil && f.aboutLink && !r.program.aboutLink:
			l.fail(x, id, "needs %q: it is about a link, and the rule asks about none", x.Value)
		case r.kinds != 0 && r.kinds&f.kinds == 0:
			l.fail(x, id, "needs %q: never told by the rule's kinds", x.Value)
		default:
			r.needs = append(r.needs, f)
		}
	}
	if r.when == nil || len(r.needs) == 0 && r.gate == vedette.Tier0 {
		return
	}
	when, needs, gate := r.when, r.needs, r.gate
	r.when = func(f *facts) vedette.Tri {
		v := when(f)
		if v == yes {
			if f.tier < gate {
				return unknown
			}
			for _, need := range needs {
				if _, ok := need.get(f); !ok {
					return unknown
				}
			}
		}
		return v
	}
}
