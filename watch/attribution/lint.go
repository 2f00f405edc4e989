package attribution

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Rule names what a text does wrong. The set is closed.
type Rule string

// The rules.
const (
	RuleMixed    Rule = "likelihood and confidence" // both in one sentence
	RuleWord     Rule = "word"                      // a word for likelihood that ICD 203 does not have
	RuleRows     Rule = "rows"                      // words of both rows in one text
	RuleMerged   Rule = "merged claims"             // two of campaign, vendor and customer in one sentence
	RuleAlleged  Rule = "alleged"                   // a violation that no court has found
	RuleCustomer Rule = "customer"                  // a customer named without a source's grade
)

// Finding is one place in a text, and what to write there instead.
type Finding struct {
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // in characters, from 1
	Rule    Rule   `json:"rule"`
	Text    string `json:"text"` // what stands there
	Instead string `json:"instead"`
}

var (
	rowOne = `almost no chance|very unlikely|unlikely|roughly even chance|very likely|likely|almost certain(?:ly)?`
	rowTwo = `(?:is|are|a|only a) remote(?: chance| possibility)?|highly improbable|improbable|roughly even odds|highly probable|highly probably|probable|probably|nearly certain`

	likelihoodWords = regexp.MustCompile(`(?i)\b(?:` + rowOne + `|` + rowTwo + `)\b`)
	firstRow        = regexp.MustCompile(`(?i)^(?:` + rowOne + `)$`)
	confidence      = regexp.MustCompile(`(?i)\b(?:very )?(?:low|moderate|medium|high|medium-high|moderate-high|strong|weak|some)(?:[ -]to[ -](?:moderate|medium|high))?[- ]confidence\b|\bconfiden(?:ce|t)\b`)

	// Not of ICD 203, with what is. The longest come first.
	notWords = []struct {
		re      *regexp.Regexp
		instead string
	}{
		{regexp.MustCompile(`(?i)\b(?:highly|most|extremely|quite|fairly|rather|overwhelmingly) likely\b`), "“very likely” (80–95 %) or “likely” (55–80 %)"},
		{regexp.MustCompile(`(?i)\b(?:highly|most|extremely|quite|fairly|rather) unlikely\b`), "“very unlikely” (5–20 %) or “unlikely” (20–45 %)"},
		{regexp.MustCompile(`(?i)\bmore likely than not\b`), "“likely” (55–80 %)"},
		{regexp.MustCompile(`(?i)\bin all (?:likelihood|probability)\b`), "“very likely” (80–95 %)"},
		{regexp.MustCompile(`(?i)\b(?:certainly|definitely|undoubtedly|without (?:a )?doubt|no doubt|clearly|obviously)\b`), "“almost certain” (95–99 %): nothing is surer than that"},
		{regexp.MustCompile(`(?i)\b(?:we|i|analysts?) (?:strongly |firmly )?(?:believe|think|feel|suspect|guess)s?\b`), "the likelihood itself: “it is likely that …”"},
		{regexp.MustCompile(`(?i)\b(?:a|some|good|fair|strong|slim|real|serious) (?:chance|possibility|probability)\b`), "a word with a band: “unlikely” (20–45 %), “roughly even chance” (45–55 %), “likely” (55–80 %)"},
		{regexp.MustCompile(`(?i)\b(?:possibly|perhaps|maybe|conceivably|plausibly|potentially|presumably|supposedly|apparently|seemingly)\b`), "a word with a band, from “almost no chance” to “almost certain”, or that it is unknown"},
		{regexp.MustCompile(`(?i)\bit (?:is|seems|appears) (?:possible|plausible|conceivable)\b`), "a word with a band, or that it is unknown"},
		{regexp.MustCompile(`(?i)\b(?:appears?|seems?) to\b`), "what was seen, or a word with a band"},
		{regexp.MustCompile(`\b(?:[Mm]ight|may)\b`), "a word with a band, or that it is unknown"},
		{regexp.MustCompile(`(?i)\bmedium(?:-high)?[- ]confidence\b`), "“moderate confidence”: the levels are low, moderate and high"},
	}

	violated  = regexp.MustCompile(`(?i)\bviolat(?:ed|es|e|ing|ions?)\b|\b(?:breach(?:ed|es|ing)?|contempt) of the (?:order|injunction)\b|\bbreach(?:ed|es|ing)? the (?:order|injunction)\b`)
	allegedly = regexp.MustCompile(`(?i)\balleg(?:ed|edly|es|e|ation|ations)\b|\bcourt (?:has |had )?(?:found|held|ruled)\b|\bfound by (?:the|a) court\b`)

	claims = []struct {
		kind ClaimKind
		re   *regexp.Regexp
	}{
		{Campaign, regexp.MustCompile(`(?i)\bsame (?:hand|campaign|cluster|actor|operator|group|people)\b`)},
		{Vendor, regexp.MustCompile(`(?i)\b(?:tooling|vendors?|spyware|(?:made|built|developed|sold|supplied) by)\b`)},
		{Customer, regexp.MustCompile(`(?i)\b(?:customers?|clients?|on behalf of|commissioned by|(?:for|by|of) the (?:government|state|intelligence service|police|ministry))\b`)},
	}

	customer = regexp.MustCompile(`\b(?:[Cc]ustomers?|[Cc]lients?)(?:,| is| was| are| were|:)? (?:the )?(?:[Gg]overnment of |[Pp]olice of |[Mm]inistry of )?\p{Lu}[\p{L}]+|\b(?:[Oo]n behalf of|[Cc]ommissioned by|[Ff]or|[Bb]y) (?:the )?(?:\p{Lu}[\p{L}]+ )?(?:government|police|ministry|intelligence service|security service|state)(?: of \p{Lu}[\p{L}]+)?|\b(?:[Oo]n behalf of|[Cc]ommissioned by) (?:the )?\p{Lu}[\p{L}]+`)
	graded   = regexp.MustCompile(`\b[A-F][1-6]\b`)
	denied   = regexp.MustCompile(`(?i)\b(?:unknown|not known|cannot be told|nobody)\b`)

	quoted = regexp.MustCompile(`“[^”]*”|"[^"\n]*"`)
	ending = regexp.MustCompile(`[.!?]["”)\]]*(?:\s|$)|\n[ \t]*\n|\n[ \t]+|\n(?:[-*•#>]|\d+[.)])`)
)

// Lint finds what an analyst's text does against ICD 203 and the rules of the house: likelihood and confidence in one sentence, words for
// likelihood that have no band, words of both rows, claims that are merged, a violation that is not said to be alleged, a customer named without
// the grade of the source. What stands between quotation marks is another's word and is passed over.
//
// It reads English only: a text in another language gives no findings, which says nothing about it. It knows words, not meanings: it will flag a
// harmless "may" and miss a clever merger.
func Lint(text string) []Finding {
	// Quotations become blanks of equal length, so that places stay.
	masked := quoted.ReplaceAllStringFunc(text, func(q string) string {
		return strings.Map(func(r rune) rune {
			if r == '\n' {
				return r
			}
			return ' '
		}, q) + strings.Repeat(" ", len(q)-lenBlank(q))
	})
	var out []Finding
	add := func(at int, rule Rule, what, instead string) {
		line := 1 + strings.Count(text[:at], "\n")
		begin := strings.LastIndexByte(text[:at], '\n') + 1
		out = append(out, Finding{line, 1 + utf8.RuneCountInString(text[begin:at]), rule, what, instead})
	}

	row := 0
	for _, m := range likelihoodWords.FindAllStringIndex(masked, -1) {
		w, r := masked[m[0]:m[1]], 2
		if firstRow.MatchString(w) {
			r = 1
		}
		if row == 0 {
			row = r
		}
		if r != row {
			add(m[0], RuleRows, w, "the word of the row that the text began with: “"+otherRow(w)+"”")
		}
	}
	taken := make([]bool, len(masked))
	for _, n := range notWords {
		for _, m := range n.re.FindAllStringIndex(masked, -1) {
			if taken[m[0]] {
				continue
			}
			for i := m[0]; i < m[1]; i++ {
				taken[i] = true
			}
			add(m[0], RuleWord, masked[m[0]:m[1]], n.instead)
		}
	}
	for from := 0; from < len(masked); {
		to := len(masked)
		if m := ending.FindStringIndex(masked[from:]); m != nil {
			to = from + m[1]
		}
		s := masked[from:to]
		if l, c := likelihoodWords.FindStringIndex(s), confidence.FindStringIndex(s); l != nil && c != nil {
			at := max(l[0], c[0])
			what := s[l[0]:l[1]] + " … " + s[c[0]:c[1]]
			if c[0] < l[0] {
				what = s[c[0]:c[1]] + " … " + s[l[0]:l[1]]
			}
			add(from+at, RuleMixed, what, "two sentences: “It is likely that ….” “Confidence in this judgement is moderate.”")
		}
		var kinds []string
		last := 0
		for _, c := range claims {
			if m := c.re.FindStringIndex(s); m != nil {
				kinds = append(kinds, string(c.kind))
				last = max(last, m[0])
			}
		}
		if len(kinds) > 1 {
			add(from+last, RuleMerged, strings.Join(kinds, " and "), "one sentence for each claim, each with its own likelihood: "+strings.Join(kinds, ", "))
		}
		if m := violated.FindStringIndex(s); m != nil && !allegedly.MatchString(s) {
			add(from+m[0], RuleAlleged, s[m[0]:m[1]], "“allegedly "+strings.ToLower(s[m[0]:m[1]])+"” or “the alleged violation”, until a court has found it")
		}
		if m := customer.FindStringIndex(s); m != nil && !graded.MatchString(s) && !denied.MatchString(s) {
			add(from+m[0], RuleCustomer, s[m[0]:m[1]], "the source and its grade in the same sentence, as in “(source graded B2)”, or that the customer is unknown")
		}
		from = to
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), strings.Compare(string(a.Rule), string(b.Rule)))
	})
	return out
}

// lenBlank is how long a text is, in bytes, once each character but the line break is one blank.
func lenBlank(q string) int { return utf8.RuneCountInString(q) }

// otherRow returns the word of the other row.
func otherRow(w string) string {
	w = strings.ToLower(w)
	for _, pair := range [][2]string{
		{"almost no chance", "remote"},
		{"very unlikely", "highly improbable"},
		{"unlikely", "improbable"},
		{"roughly even chance", "roughly even odds"},
		{"very likely", "highly probable"},
		{"likely", "probable"},
		{"almost certain", "nearly certain"},
	} {
		switch {
		case strings.HasPrefix(w, pair[0]):
			return pair[1]
		case strings.Contains(w, "remote"):
			return "almost no chance"
		case strings.HasPrefix(w, pair[1]), pair[1] == "probable" && w == "probably", pair[1] == "highly probable" && w == "highly probably":
			return pair[0]
		}
	}
	return w
}
