package indicator

import (
	"fmt"
	"strings"

	"vedette"
)

// term is one comparison of a pattern.
type term struct {
	path   string // "domain-name:value", lower case, without white space
	op     string // "=", "!=", "LIKE", "MATCHES", "IN" and so on; upper case
	values []string
	and    bool // stands in a conjunction with another comparison that narrows it
	not    bool
	port   string // a port that the conjunction asks for
}

// parsePattern reads the comparisons of a STIX pattern leniently: either quotes, "==", missing white space, other people's object types.
// It does not judge observations' order or time qualifiers: they narrow in ways that one link cannot show, so such terms are marked "and".
func parsePattern(s string) ([]term, error) {
	p := patternReader{s: s}
	var terms []term
	var group []int // indices of the terms of the observation being read
	conj, inside, seen := false, 0, false
	closeGroup := func() {
		if conj {
			narrow(terms, group)
		}
		group, conj = nil, false
	}
	for {
		tok, quoted := p.next()
		if p.err != nil {
			return terms, p.err
		}
		if tok == "" && !quoted {
			break
		}
		switch up := strings.ToUpper(tok); {
		case quoted:
			return terms, fmt.Errorf("indicator: pattern: %q stands where a comparison should: %w", tok, vedette.ErrInvalid)
		case tok == "[":
			inside++
			seen = true
		case tok == "]":
			if inside--; inside < 0 {
				return terms, fmt.Errorf("indicator: pattern: ] without [: %w", vedette.ErrInvalid)
			}
			closeGroup()
		case tok == "(" || tok == ")" || up == "OR":
		case up == "AND" || up == "FOLLOWEDBY":
			if inside > 0 {
				conj = true
				continue
			}
			// Observations joined: none of them alone is what the source called bad.
			for i := range terms {
				terms[i].and = true
			}
			p.joined = true
		case up == "NOT", up == "EXISTS":
			p.negated = true
		case inside == 0 && (up == "START" || up == "STOP"):
			p.next()
		case inside == 0 && (up == "WITHIN" || up == "SECONDS" || up == "REPEATS" || up == "TIMES" || isNumber(tok)):
		case inside > 0:
			t := term{path: strings.ToLower(tok), and: p.joined, not: p.negated}
			p.negated = false
			if err := p.comparison(&t); err != nil {
				return terms, err
			}
			group = append(group, len(terms))
			terms = append(terms, t)
		default:
			return terms, fmt.Errorf("indicator: pattern: %q outside of [ ]: %w", tok, vedette.ErrInvalid)
		}
	}
	if inside > 0 {
		return terms, fmt.Errorf("indicator: pattern: [ is never closed: %w", vedette.ErrInvalid)
	}
	if !seen || len(terms) == 0 {
		return terms, fmt.Errorf("indicator: pattern: no comparison in %q: %w", clip(s), vedette.ErrInvalid)
	}
	return terms, nil
}

// narrow marks the terms of a conjunction. What only repeats a term's type, or tells where a domain resolves, narrows nothing that a link
// can show; a destination port is kept with the host; everything else makes its neighbours too narrow to stand alone.
func narrow(terms []term, group []int) {
	port, others := "", 0
	for _, i := range group {
		switch t := &terms[i]; {
		case describes(t.path):
		case strings.HasSuffix(t.path, ":dst_port") && t.op == "=" && len(t.values) == 1:
			port = t.values[0]
		default:
			others++
		}
	}
	for _, i := range group {
		t := &terms[i]
		if describes(t.path) || strings.HasSuffix(t.path, ":dst_port") {
			continue
		}
		t.and = t.and || others > 1
		t.port = port
	}
}

// describes tells whether a path only describes another term.
func describes(path string) bool {
	return strings.HasSuffix(path, "_ref.type") || strings.Contains(path, "resolves_to_refs") || path == "network-traffic:protocols[*]"
}

type patternReader struct {
	s       string
	i       int
	err     error
	joined  bool
	negated bool
}

func (p *patternReader) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t' || p.s[p.i] == '\n' || p.s[p.i] == '\r') {
		p.i++
	}
}

// next returns the next token, or "" at the end.
func (p *patternReader) next() (tok string, quoted bool) {
	p.space()
	if p.i >= len(p.s) {
		return "", false
	}
	begin := p.i
	switch c := p.s[p.i]; {
	case strings.IndexByte("[](),", c) >= 0:
		p.i++
	case c == '\'' || c == '"':
		return p.quoted(c), true
	case strings.IndexByte("=!<>", c) >= 0:
		for p.i < len(p.s) && strings.IndexByte("=!<>", p.s[p.i]) >= 0 {
			p.i++
		}
	default:
		for p.i < len(p.s) && strings.IndexByte(" \t\r\n()],=!<>", p.s[p.i]) < 0 {
			switch p.s[p.i] {
			case '\'', '"':
				q := p.s[p.i]
				switch {
				case p.s[p.i-1] == '.': // a quoted key inside a path: hashes.'SHA-256'
					p.quoted(q)
					continue
				case p.i == begin+1 && strings.IndexByte("tbh", p.s[begin]) >= 0: // a time, base64 or hexadecimal literal
					return p.quoted(q), true
				}
				return p.s[begin:p.i], false
			case '[': // an index inside a path: sections[*]
				if j := strings.IndexByte(p.s[p.i:], ']'); j > 0 && p.i > begin {
					p.i += j + 1
					continue
				}
				if p.i > begin {
					return p.s[begin:p.i], false
				}
			}
			p.i++
		}
	}
	return p.s[begin:p.i], false
}

func (p *patternReader) quoted(q byte) string {
	p.i++
	var b strings.Builder
	for ; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == '\\' && p.i+1 < len(p.s) && (p.s[p.i+1] == q || p.s[p.i+1] == '\\'):
			p.i++
			b.WriteByte(p.s[p.i])
		case c == q:
			p.i++
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	p.err = fmt.Errorf("indicator: pattern: a quote is never closed: %w", vedette.ErrInvalid)
	return ""
}

// comparison reads an operator and its operand after a path.
func (p *patternReader) comparison(t *term) error {
	op, quoted := p.next()
	if strings.EqualFold(op, "NOT") && !quoted {
		t.not = true
		op, quoted = p.next()
	}
	t.op = strings.ToUpper(op)
	switch t.op {
	case "==":
		t.op = "="
	case "=", "LIKE", "MATCHES", "IN", "ISSUBSET", "ISSUPERSET", "<", ">", "<=", ">=":
	case "!=", "<>":
		t.not = true
	default:
		quoted = true
	}
	if quoted || p.err != nil {
		return fmt.Errorf("indicator: pattern: after %q comes %q, which is no comparison: %w", t.path, op, vedette.ErrInvalid)
	}
	v, q := p.next()
	if t.op == "IN" && v == "(" && !q {
		for {
			v, q = p.next()
			switch {
			case p.err != nil:
				return p.err
			case q || v != "" && v != "," && v != ")":
				t.values = append(t.values, v)
			case v == ")":
				return nil
			case v == "":
				return fmt.Errorf("indicator: pattern: ( is never closed: %w", vedette.ErrInvalid)
			}
		}
	}
	if p.err != nil {
		return p.err
	}
	if !q && (v == "" || strings.ContainsAny(v, "[]()=!<>")) {
		return fmt.Errorf("indicator: pattern: %q is compared with nothing: %w", t.path, vedette.ErrInvalid)
	}
	t.values = []string{v}
	return nil
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789.") == "" }

func clip(s string) string {
	if len(s) > 120 {
		return s[:120] + "…"
	}
	return s
}
