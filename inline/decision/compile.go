package decision

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"vedette"
)

// Limits on what a rule may cost. A unit is cel-go's: about one operation. What they mean in time: docs/decisions/0008-rules.md.
const (
	MaxRuleCost   = 200     // units for one evaluation of one rule
	MaxEventCost  = 500_000 // units for all rules over one event of a kind with MaxLinks links
	maxNodes      = 256     // of one expression
	maxDepth      = 24      // of one expression
	maxLists      = 64      // distinct indicator lists that a rule set may name
	maxListMatch  = 64      // matches of one link, for the cost estimate only: the closures look at bits
	longestString = 24      // bytes of the longest word
)

// boolExpr answers a yes-or-no question about the facts; Unknown when a fact that decides it is absent or the arithmetic has no result.
// That is what CEL calls an error, with CEL's rules: "false && absent" is false, "true || absent" is true.
type boolExpr func(f *facts) vedette.Tri

// intExpr computes a number, or tells that there is none.
type intExpr func(f *facts) (int64, bool)

// environment declares the rule language to CEL: the facts, the units of time, and twenty operators. Functions on text, lists and maps,
// comprehensions and regular expressions are not there at all.
//
// It is the same for all rule sets and safe for concurrent use, so it is made once.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	subset := env.NewLibrarySubset().SetDisableMacros(true)
	for _, op := range allowedOperators {
		subset = subset.AddIncludedFunctions(env.NewFunction(op))
	}
	opts := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(subset)),
		cel.ClearMacros(),
		cel.ParserExpressionSizeLimit(4096),
		cel.ParserRecursionLimit(10 * maxDepth),
		cel.Macros(measuredMacro, listMacro, scopeMacro),
		cel.Variable(matchLists, cel.ListType(cel.StringType)),
		cel.Variable(matchScopes, cel.ListType(cel.StringType)),
	}
	for _, f := range vocabularyOrder {
		opts = append(opts,
			cel.Variable(f.name, [...]*cel.Type{cel.BoolType, cel.IntType, cel.StringType}[f.typ]),
			cel.Variable(measuredPrefix+f.name, cel.BoolType))
	}
	for _, u := range units {
		opts = append(opts, cel.Constant(u.name, cel.IntType, types.Int(u.seconds)))
	}
	return cel.NewCustomEnv(opts...)
})

const (
	matchLists     = "match.lists"
	matchScopes    = "match.scopes"
	measuredPrefix = "measured."
)

var allowedOperators = []string{
	operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional,
	operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
	operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate, operators.In,
}

// measured(NAME) asks whether a fact is there at all.
var measuredMacro = cel.GlobalMacro("measured", 1, func(h cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
	name := qualified(args[0])
	if args[0].Kind() == ast.LiteralKind {
		if s, ok := args[0].AsLiteral().Value().(string); ok {
			name = s
		}
	}
	if vocabulary[name] == nil {
		return nil, h.NewError(args[0].ID(), "measured() takes the name of a fact, such as measured(account_age)"+meant(name))
	}
	return h.NewIdent(measuredPrefix + name), nil
})

// match.list("S") asks whether the list of source S covers the link.
var listMacro = cel.ReceiverMacro("list", 1, matchMacro(matchLists, "list", func(string) error { return nil }))

// match.scope("domain") asks whether an indicator of that scope covers the link.
var scopeMacro = cel.ReceiverMacro("scope", 1, matchMacro(matchScopes, "scope", func(s string) error {
	if _, ok := scopeWords.number(s); !ok {
		return fmt.Errorf("%s", unknownWord(scopeWords, s))
	}
	return nil
}))

func matchMacro(variable, function string, check func(string) error) cel.MacroFactory {
	return func(h cel.MacroExprFactory, target ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
		if target.Kind() != ast.IdentKind || target.AsIdent() != "match" {
			return nil, nil // not ours: refused as an unknown function
		}
		if args[0].Kind() == ast.LiteralKind {
			if s, ok := args[0].AsLiteral().Value().(string); ok {
				if err := check(s); err != nil {
					return nil, h.NewError(args[0].ID(), err.Error())
				}
				return h.NewCall(operators.In, h.NewLiteral(types.String(s)), h.NewIdent(variable)), nil
			}
		}
		return nil, h.NewError(args[0].ID(), fmt.Sprintf(`match.%s() takes a name in quotes, such as match.%s("domain")`, function, function))
	}
}

// qualified writes a chain of selections as one dotted name, or "".
func qualified(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent()
	case ast.SelectKind:
		if s := e.AsSelect(); !s.IsTestOnly() {
			if q := qualified(s.Operand()); q != "" {
				return q + "." + s.FieldName()
			}
		}
	}
	return ""
}

func meant(name string) string {
	if n := nearest(name, factNames()); n != "" {
		return fmt.Sprintf("; did you mean %s?", n)
	}
	return "; docs/formats/rule.md lists all of them"
}

// problem is something wrong inside an expression, at a line and a column (code points) of it, both from 0.
type problem struct {
	line, column int
	text         string
}

// program is a compiled expression.
type program struct {
	when      boolExpr
	facts     []*fact // in order of the vocabulary
	lists     []string
	aboutLink bool
	cost      uint64 // upper bound, in units
	checked   *cel.Ast
}

// compiler turns checked expressions into closures. Lists collects the names of indicator lists over a whole rule set.
type compiler struct {
	env   *cel.Env
	lists []vedette.RuleID

	checked  *ast.AST
	used     map[*fact]bool
	named    map[string]bool
	problems []problem
}

func (c *compiler) complain(id int64, format string, args ...any) {
	loc := c.checked.SourceInfo().GetStartLocation(id)
	c.problems = append(c.problems, problem{loc.Line() - 1, loc.Column(), fmt.Sprintf(format, args...)})
}

// compile parses, checks, bounds and compiles one expression, or tells everything that is wrong with it.
func (c *compiler) compile(source string) (*program, []problem) {
	parsed, issues := c.env.Parse(source)
	if issues.Err() != nil {
		return nil, fromIssues(issues)
	}
	c.checked, c.used, c.named, c.problems = parsed.NativeRep(), map[*fact]bool{}, map[string]bool{}, nil
	if n := ast.NodeCount(c.checked); n > maxNodes {
		return nil, []problem{{0, 0, fmt.Sprintf("has %d parts, over the limit of %d: split it into several rules", n, maxNodes)}}
	}
	c.restrict(c.checked.Expr(), 0, false)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	checked, issues := c.env.Check(parsed)
	if issues.Err() != nil {
		return nil, fromIssues(issues)
	}
	if checked.OutputType() != cel.BoolType {
		return nil, []problem{{0, 0, fmt.Sprintf("gives %s, not true or false: compare it with something", checked.OutputType())}}
	}
	estimate, err := c.env.EstimateCost(checked, bounds{})
	if err != nil {
		return nil, []problem{{0, 0, "its cost cannot be bounded: " + err.Error()}}
	}
	if estimate.Max > MaxRuleCost {
		return nil, []problem{{0, 0, fmt.Sprintf("may cost %d units, over the limit of %d for one rule: split it into several rules or ask fewer things", estimate.Max, MaxRuleCost)}}
	}
	c.checked = checked.NativeRep()
	when := c.boolean(c.checked.Expr())
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	p := &program{when: when, cost: max(estimate.Max, 1), checked: checked}
	for _, f := range vocabularyOrder {
		if c.used[f] {
			p.facts = append(p.facts, f)
			p.aboutLink = p.aboutLink || f.aboutLink
		}
	}
	for name := range c.named {
		p.lists = append(p.lists, name)
	}
	slices.Sort(p.lists)
	return p, nil
}

func fromIssues(issues *cel.Issues) []problem {
	var out []problem
	for _, e := range issues.Errors() {
		text, _, _ := strings.Cut(e.Message, "\n")
		out = append(out, problem{max(e.Location.Line()-1, 0), max(e.Location.Column(), 0), text})
	}
	return out
}

// bounds tells CEL's cost estimate how large the facts are.
type bounds struct{}

func (bounds) EstimateSize(n checker.AstNode) *checker.SizeEstimate {
	switch path := strings.Join(n.Path(), "."); path {
	case matchLists, matchScopes:
		return &checker.SizeEstimate{Max: maxListMatch}
	default:
		if vocabulary[path] != nil || strings.HasSuffix(path, "@items") {
			return &checker.SizeEstimate{Max: longestString}
		}
	}
	return nil
}

func (bounds) EstimateCallCost(function, _ string, _ *checker.AstNode, args []checker.AstNode) *checker.CallEstimate {
	if function == operators.In && len(args) == 2 {
		if p := strings.Join(args[1].Path(), "."); p == matchLists || p == matchScopes {
			return &checker.CallEstimate{CostEstimate: checker.CostEstimate{Min: 1, Max: 1}} // one bit, computed when the link was matched
		}
	}
	return nil
}

var refusals = map[string]string{
	"matches": "regular expressions can be made to run long", "replace": "rules see no text", "contains": "rules see no text",
	"startsWith": "rules see no text", "endsWith": "rules see no text", "size": "rules see no text and no lists",
	"all": "comprehensions have no small bound", "exists": "comprehensions have no small bound", "exists_one": "comprehensions have no small bound",
	"map": "comprehensions have no small bound", "filter": "comprehensions have no small bound",
	"has":      "write measured(NAME) to ask whether a fact is there",
	"duration": "write 7 * day", "timestamp": "rules read no clock: use measures such as account_age",
	"double": "rules count in whole numbers: multiply both sides instead", "int": "all numbers are whole already",
}

// restrict refuses what is not part of the rule language, with words that CEL would not find.
func (c *compiler) restrict(e ast.Expr, depth int, inList bool) {
	if depth > maxDepth {
		c.complain(e.ID(), "is nested deeper than %d: split it into several rules", maxDepth)
		return
	}
	switch e.Kind() {
	case ast.LiteralKind:
		switch v := e.AsLiteral().(type) {
		case types.Bool, types.Int, types.String:
		default:
			c.complain(e.ID(), "%s is not part of rules: they know whole numbers, true and false, and words in quotes", v.Type().TypeName())
		}
	case ast.IdentKind, ast.SelectKind:
		name := qualified(e)
		if name == "" {
			c.complain(e.ID(), "only the facts of docs/formats/rule.md can be read")
			return
		}
		if name == matchLists || name == matchScopes || vocabulary[strings.TrimPrefix(name, measuredPrefix)] != nil {
			return
		}
		for _, u := range units {
			if u.name == name {
				return
			}
		}
		c.complain(e.ID(), "%s is no fact that a rule may ask%s", name, meant(name))
	case ast.CallKind:
		call := e.AsCall()
		if !slices.Contains(allowedOperators, call.FunctionName()) {
			why, ok := refusals[call.FunctionName()]
			if !ok {
				why = "rules have operators, measured(), match.list() and match.scope() only"
			}
			c.complain(e.ID(), "%s() is not part of rules: %s", call.FunctionName(), why)
			return
		}
		if call.FunctionName() == operators.In {
			c.restrict(call.Args()[0], depth+1, false)
			c.restrict(call.Args()[1], depth+1, true)
			return
		}
		for _, a := range call.Args() {
			c.restrict(a, depth+1, false)
		}
	case ast.ListKind:
		if !inList {
			c.complain(e.ID(), "a list stands only behind in")
			return
		}
		if e.AsList().Size() == 0 {
			c.complain(e.ID(), "the list is empty: nothing is ever in it")
		}
		for _, a := range e.AsList().Elements() {
			if a.Kind() != ast.LiteralKind {
				c.complain(a.ID(), "a list holds constants only")
				continue
			}
			c.restrict(a, depth+1, false)
		}
	case ast.ComprehensionKind:
		c.complain(e.ID(), "comprehensions are not part of rules: they have no small bound")
	default:
		c.complain(e.ID(), "maps and messages are not part of rules")
	}
}

func (c *compiler) fact(name string) *fact {
	f := vocabulary[name]
	c.used[f] = true
	return f
}

// list gives an indicator list its bit.
func (c *compiler) list(id int64, name string) uint64 {
	c.named[name] = true
	rule := vedette.RuleID("list:" + name)
	i := slices.Index(c.lists, rule)
	if i < 0 {
		if len(c.lists) == maxLists {
			c.complain(id, "this is the %dth list that the rule set names, over the limit of %d", maxLists+1, maxLists)
			return 0
		}
		i, c.lists = len(c.lists), append(c.lists, rule)
	}
	return 1 << i
}

func (c *compiler) kindOf(e ast.Expr) types.Kind { return c.checked.GetType(e.ID()).Kind() }

// boolean compiles a yes-or-no expression. After a complaint its result is meaningless.
func (c *compiler) boolean(e ast.Expr) boolExpr {
	switch e.Kind() {
	case ast.LiteralKind:
		v := no
		if e.AsLiteral() == types.True {
			v = yes
		}
		return func(*facts) vedette.Tri { return v }
	case ast.IdentKind:
		name := e.AsIdent()
		if of, ok := strings.CutPrefix(name, measuredPrefix); ok {
			get := c.fact(of).get
			return func(f *facts) vedette.Tri {
				if _, there := get(f); there {
					return yes
				}
				return no
			}
		}
		return c.fact(name).ask()
	case ast.CallKind:
	default:
		c.complain(e.ID(), "cannot be compiled")
		return nil
	}
	call := e.AsCall()
	args := call.Args()
	switch op := call.FunctionName(); op {
	case operators.LogicalAnd:
		return c.all(c.flatten(e, op, nil))
	case operators.LogicalOr:
		return c.some(c.flatten(e, op, nil))
	case operators.LogicalNot:
		x := c.boolean(args[0])
		return func(f *facts) vedette.Tri { return not[x(f)&3] }
	case operators.Conditional:
		cond, then, otherwise := c.boolean(args[0]), c.boolean(args[1]), c.boolean(args[2])
		return func(f *facts) vedette.Tri {
			switch cond(f) {
			case yes:
				return then(f)
			case no:
				return otherwise(f)
			}
			return unknown
		}
	case operators.In:
		return c.within(e, args)
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return c.comparison(e, op, args)
	default:
		c.complain(e.ID(), "cannot be compiled")
		return nil
	}
}

// flatten gathers the terms of a && b && c.
func (c *compiler) flatten(e ast.Expr, op string, terms []boolExpr) []boolExpr {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == op {
		for _, a := range e.AsCall().Args() {
			terms = c.flatten(a, op, terms)
		}
		return terms
	}
	return append(terms, c.boolean(e))
}

func (c *compiler) all(terms []boolExpr) boolExpr {
	switch len(terms) {
	case 2:
		a, b := terms[0], terms[1]
		return func(f *facts) vedette.Tri {
			x := a(f)
			if x == no {
				return no
			}
			return and[x&3][b(f)&3]
		}
	case 3:
		a, b, d := terms[0], terms[1], terms[2]
		return func(f *facts) vedette.Tri {
			x := a(f)
			if x == no {
				return no
			}
			y := b(f)
			if y == no {
				return no
			}
			return and[and[x&3][y&3]&3][d(f)&3]
		}
	}
	return func(f *facts) vedette.Tri {
		out := yes
		for _, t := range terms {
			switch t(f) {
			case no:
				return no
			case unknown:
				out = unknown
			}
		}
		return out
	}
}

func (c *compiler) some(terms []boolExpr) boolExpr {
	if len(terms) == 2 {
		a, b := terms[0], terms[1]
		return func(f *facts) vedette.Tri {
			x := a(f)
			if x == yes {
				return yes
			}
			return or[x&3][b(f)&3]
		}
	}
	return func(f *facts) vedette.Tri {
		out := no
		for _, t := range terms {
			switch t(f) {
			case yes:
				return yes
			case unknown:
				out = unknown
			}
		}
		return out
	}
}

// ask compiles a fact that answers yes or no.
func (fc *fact) ask() boolExpr {
	switch k, bit := fc.measure, fc.flag; {
	case k < vedette.MeasureCount:
		return func(f *facts) vedette.Tri {
			v, ok := f.measures.Get(k)
			return triOf(v != 0, ok)
		}
	case bit != 0:
		return func(f *facts) vedette.Tri {
			if f.shape.Flags&bit != 0 && f.link {
				return yes
			}
			return triOf(false, f.link && f.shapeRead)
		}
	}
	get := fc.get
	return func(f *facts) vedette.Tri {
		v, ok := get(f)
		return triOf(v != 0, ok)
	}
}

// wordFact returns the fact behind an expression of words, or nil when it is a constant.
func (c *compiler) wordFact(e ast.Expr) (f *fact, constant string, ok bool) {
	switch e.Kind() {
	case ast.IdentKind:
		if vocabulary[e.AsIdent()] != nil {
			return c.fact(e.AsIdent()), "", true
		}
	case ast.LiteralKind:
		s, isString := e.AsLiteral().Value().(string)
		return nil, s, isString
	}
	c.complain(e.ID(), "a word is a fact or stands in quotes; nothing can be computed from it")
	return nil, "", false
}

func (c *compiler) within(e ast.Expr, args []ast.Expr) boolExpr {
	list := args[1]
	if list.Kind() == ast.IdentKind { // match.lists, match.scopes
		if args[0].Kind() != ast.LiteralKind {
			c.complain(args[0].ID(), `write match.list("NAME") or match.scope("NAME")`)
			return nil
		}
		name, _ := args[0].AsLiteral().Value().(string)
		c.used[vocabulary["match.any"]] = true
		if list.AsIdent() == matchScopes {
			n, ok := scopeWords.number(name)
			if !ok {
				c.complain(args[0].ID(), "%s", unknownWord(scopeWords, name))
			}
			bit := uint8(1) << n
			return func(f *facts) vedette.Tri { return triOf(f.scopes&bit != 0, f.asked) }
		}
		bit := c.list(args[0].ID(), name)
		return func(f *facts) vedette.Tri { return triOf(f.lists&bit != 0, f.asked) }
	}
	elements := list.AsList().Elements()
	switch c.kindOf(args[0]) {
	case types.StringKind:
		f, _, ok := c.wordFact(args[0])
		if !ok || f == nil {
			if ok {
				c.complain(args[0].ID(), "a fact stands before in")
			}
			return nil
		}
		var set []int64
		for _, el := range elements {
			set = append(set, c.constantWord(f, el))
		}
		get := f.get
		if bits, ok := bitset(set); ok {
			return func(f *facts) vedette.Tri {
				v, ok := get(f)
				return triOf(bits>>(uint64(v)&63)&1 != 0, ok)
			}
		}
		return func(f *facts) vedette.Tri {
			v, ok := get(f)
			return triOf(slices.Contains(set, v), ok)
		}
	case types.IntKind:
		x := c.integer(args[0])
		var set []int64
		for _, el := range elements {
			if n, ok := el.AsLiteral().Value().(int64); ok {
				set = append(set, n)
			}
		}
		if x.get == nil {
			return nil
		}
		return func(f *facts) vedette.Tri {
			v, ok := x.get(f)
			return triOf(slices.Contains(set, v), ok)
		}
	}
	c.complain(e.ID(), "in takes a word or a number")
	return nil
}

// bitset holds small numbers as bits. Every word's number but a country's is under 64.
func bitset(set []int64) (bits uint64, ok bool) {
	for _, v := range set {
		if v < 0 || v > 63 {
			return 0, false
		}
		bits |= 1 << v
	}
	return bits, true
}

func (c *compiler) constantWord(f *fact, e ast.Expr) int64 {
	if e.Kind() == ast.LiteralKind {
		if s, ok := e.AsLiteral().Value().(string); ok {
			if n, ok := f.words.number(s); ok {
				return n
			}
			text := unknownWord(f.words, s)
			if m := nearest(s, f.words.list); m != "" {
				text += fmt.Sprintf("; did you mean %q?", m)
			}
			c.complain(e.ID(), "%s", text)
			return 0
		}
	}
	c.complain(e.ID(), "is no word that %s can be", f.name)
	return 0
}

func (c *compiler) comparison(e ast.Expr, op string, args []ast.Expr) boolExpr {
	negate := op == operators.NotEquals
	switch c.kindOf(args[0]) {
	case types.BoolKind:
		a, b := c.boolean(args[0]), c.boolean(args[1])
		if op != operators.Equals && op != operators.NotEquals {
			c.complain(e.ID(), "true and false have no order")
			return nil
		}
		return func(f *facts) vedette.Tri {
			x, y := a(f), b(f)
			return triOf((x == y) != negate, x != unknown && y != unknown)
		}
	case types.StringKind:
		if op != operators.Equals && op != operators.NotEquals {
			c.complain(e.ID(), "words have no order: use ==, != or in")
			return nil
		}
		a, as, ok1 := c.wordFact(args[0])
		b, bs, ok2 := c.wordFact(args[1])
		if !ok1 || !ok2 {
			return nil
		}
		switch {
		case a == nil && b == nil:
			v := triOf((as == bs) != negate, true)
			return func(*facts) vedette.Tri { return v }
		case a != nil && b != nil:
			if a.words != b.words {
				c.complain(e.ID(), "%s and %s are never the same: one is a %s, the other a %s", a.name, b.name, a.words.name, b.words.name)
				return nil
			}
			x, y := a.get, b.get
			return func(f *facts) vedette.Tri {
				v, ok := x(f)
				w, also := y(f)
				return triOf((v == w) != negate, ok && also)
			}
		}
		constant := args[1]
		if a == nil {
			a, constant = b, args[0]
		}
		want, get := c.constantWord(a, constant), a.get
		return func(f *facts) vedette.Tri {
			v, ok := get(f)
			return triOf((v == want) != negate, ok)
		}
	case types.IntKind:
		a, b := c.integer(args[0]), c.integer(args[1])
		if a.get == nil || b.get == nil {
			return nil
		}
		if a.constant && !b.constant {
			a, b, op = b, a, mirrored[op]
		}
		if b.constant {
			return compareConstant(a, op, b.value)
		}
		x, y := a.get, b.get
		return func(f *facts) vedette.Tri {
			v, ok := x(f)
			w, also := y(f)
			if !ok || !also {
				return unknown
			}
			return triOf(holds(op, v, w), true)
		}
	}
	c.complain(e.ID(), "only numbers, words, and true or false can be compared")
	return nil
}

var mirrored = map[string]string{
	operators.Equals: operators.Equals, operators.NotEquals: operators.NotEquals,
	operators.Less: operators.Greater, operators.LessEquals: operators.GreaterEquals,
	operators.Greater: operators.Less, operators.GreaterEquals: operators.LessEquals,
}

func holds(op string, v, w int64) bool {
	switch op {
	case operators.Equals:
		return v == w
	case operators.NotEquals:
		return v != w
	case operators.Less:
		return v < w
	case operators.LessEquals:
		return v <= w
	case operators.Greater:
		return v > w
	default:
		return v >= w
	}
}

// compareConstant turns every order against a constant into a range test, the commonest thing that a rule asks.
func compareConstant(a number, op string, w int64) boolExpr {
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	empty, outside := false, false
	switch op {
	case operators.Equals:
		low, high = w, w
	case operators.NotEquals:
		low, high, outside = w, w, true
	case operators.LessEquals:
		high = w
	case operators.GreaterEquals:
		low = w
	case operators.Less:
		if empty = w == math.MinInt64; !empty {
			high = w - 1
		}
	case operators.Greater:
		if empty = w == math.MaxInt64; !empty {
			low = w + 1
		}
	}
	if k := a.measure; k < vedette.MeasureCount && !empty {
		if outside {
			return func(f *facts) vedette.Tri {
				v, ok := f.measures.Get(k)
				return triOf(v != low, ok)
			}
		}
		return func(f *facts) vedette.Tri {
			v, ok := f.measures.Get(k)
			return triOf(v >= low && v <= high, ok)
		}
	}
	get := a.get
	return func(f *facts) vedette.Tri {
		v, ok := get(f)
		return triOf((v >= low && v <= high && !empty) != outside, ok)
	}
}

// number is a compiled number.
type number struct {
	get      intExpr
	constant bool
	value    int64
	measure  vedette.Measure // when it is nothing but one: vedette.MeasureCount otherwise
}

func constantNumber(v int64) number {
	return number{get: func(*facts) (int64, bool) { return v, true }, constant: true, value: v, measure: vedette.MeasureCount}
}

// integer compiles a number. After a complaint its get is nil.
func (c *compiler) integer(e ast.Expr) number {
	switch e.Kind() {
	case ast.LiteralKind:
		if v, ok := e.AsLiteral().Value().(int64); ok {
			return constantNumber(v)
		}
	case ast.IdentKind:
		if ref := c.checked.ReferenceMap()[e.ID()]; ref != nil && ref.Value != nil {
			if v, ok := ref.Value.Value().(int64); ok {
				return constantNumber(v)
			}
		}
		if vocabulary[e.AsIdent()] != nil {
			f := c.fact(e.AsIdent())
			return number{get: f.get, measure: f.measure}
		}
	case ast.CallKind:
		call := e.AsCall()
		args := call.Args()
		switch op := call.FunctionName(); op {
		case operators.Conditional:
			cond, then, otherwise := c.boolean(args[0]), c.integer(args[1]), c.integer(args[2])
			return number{measure: vedette.MeasureCount, get: func(f *facts) (int64, bool) {
				switch cond(f) {
				case yes:
					return then.get(f)
				case no:
					return otherwise.get(f)
				}
				return 0, false
			}}
		case operators.Negate:
			return c.arithmetic(e, operators.Subtract, constantNumber(0), c.integer(args[0]))
		case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo:
			return c.arithmetic(e, op, c.integer(args[0]), c.integer(args[1]))
		}
	}
	c.complain(e.ID(), "only whole numbers can be computed with")
	return number{}
}

func (c *compiler) arithmetic(e ast.Expr, op string, a, b number) number {
	if a.get == nil || b.get == nil {
		return number{}
	}
	do := arithmetics[op]
	if a.constant && b.constant {
		v, ok := do(a.value, b.value)
		if !ok {
			c.complain(e.ID(), "has no result: the number is too large, or the division is by zero")
			return number{}
		}
		return constantNumber(v)
	}
	x, y := a.get, b.get
	return number{measure: vedette.MeasureCount, get: func(f *facts) (int64, bool) {
		v, ok := x(f)
		if !ok {
			return 0, false
		}
		w, ok := y(f)
		if !ok {
			return 0, false
		}
		return do(v, w)
	}}
}

// arithmetics are CEL's: what overflows or divides by zero has no result.
var arithmetics = map[string]func(a, b int64) (int64, bool){
	operators.Add: func(a, b int64) (int64, bool) {
		s := a + b
		return s, (s > a) == (b > 0)
	},
	operators.Subtract: func(a, b int64) (int64, bool) {
		d := a - b
		return d, (d < a) == (b > 0)
	},
	operators.Multiply: func(a, b int64) (int64, bool) {
		if a == 0 || b == 0 {
			return 0, true
		}
		p := a * b
		if p/b != a || a == math.MinInt64 && b == -1 || b == math.MinInt64 && a == -1 {
			return 0, false
		}
		return p, true
	},
	operators.Divide: func(a, b int64) (int64, bool) {
		if b == 0 || a == math.MinInt64 && b == -1 {
			return 0, false
		}
		return a / b, true
	},
	operators.Modulo: func(a, b int64) (int64, bool) {
		if b == 0 || a == math.MinInt64 && b == -1 {
			return 0, false
		}
		return a % b, true
	},
}

// The three answers, and how they combine.
const (
	unknown = vedette.Unknown
	no      = vedette.No
	yes     = vedette.Yes
)

var (
	not = [4]vedette.Tri{unknown, yes, no, unknown}
	and = [4][4]vedette.Tri{
		unknown: {unknown, no, unknown, unknown},
		no:      {no, no, no, no},
		yes:     {unknown, no, yes, unknown},
	}
	or = [4][4]vedette.Tri{
		unknown: {unknown, unknown, yes, unknown},
		no:      {unknown, no, yes, unknown},
		yes:     {yes, yes, yes, yes},
	}
)

func triOf(b, known bool) vedette.Tri {
	if !known {
		return unknown
	}
	if b {
		return yes
	}
	return no
}
